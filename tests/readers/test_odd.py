"""Every file in the folder of odd files gives the cube that GDAL sees, or one clear error."""

from __future__ import annotations

import gzip
import os
import re
import warnings
from pathlib import Path

import numpy as np
import pytest

import hsad
from hsad.errors import SceneError

# What each file that cannot be a cube is refused for. A file that is not listed must open.
REFUSED = {
    "image.hdr": "no data file",
    "hypercloud.hdr": "no 'data type'",
    "envistat.sta": "none of the readers",
    "cfloat32.hdr": "complex",
    "cfloat32.raw": "complex",
    "cfloat64.hdr": "complex",
    "cfloat64.raw": "complex",
    "complex_float32.tif": "complex",
    "byte_truncated.tif": "Read error",
    "byte_zstd_corrupted.tif": "corruption",
    "corrupted_gtiff_tags.tif": "Read error",
    "hugeblocksize.tif": "block size",
    "many_blocks_truncated.tif": "Cannot read",
    "LICENSE.TXT": "none of the readers",
    "envi_wl_fwhm.bsq.aux.xml": "none of the readers",
    "gdal_wl_only.tif.aux.xml": "none of the readers",
    "staclike.stac.json": "none of the readers",
}
# Header → data file, where the name alone does not tell.
GCORE = ("byte", "float32", "float64", "int16", "int32", "uint16", "uint32", "utmsmall")


def _odd_files() -> list[str]:
    """Names for parametrize, empty (so that the test skips) without the data."""
    named = os.environ.get("HSAD_DATA")
    folder = Path(named) if named else Path(__file__).resolve().parents[3] / "shared" / "data"
    return sorted(str(f.relative_to(folder)) for f in (folder / "odd").rglob("*") if f.is_file())


def _gdal(path: Path):
    """Read a file with GDAL: values (rows, cols, bands), CRS, transform."""
    import rasterio

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(path) as dataset:
            transform = None if dataset.transform.is_identity else dataset.transform
            return np.moveaxis(dataset.read(), 0, 2), dataset.crs, transform


def _data_file(path: Path) -> Path:
    if path.suffix != ".hdr":
        return path
    if path.stem in GCORE:
        return path.with_suffix(".raw")
    found = [f for f in path.parent.glob(f"{path.stem}*") if f.stem == path.stem and f.suffix not in (".hdr", ".sta")]
    return found[0] if len(found) == 1 else path.with_suffix("")


@pytest.mark.parametrize("name", _odd_files())
def test_every_odd_file_is_read_as_gdal_reads_it_or_refused_in_one_line(data, name, capfd):
    path = data / name
    if path.name in REFUSED:
        with pytest.raises(SceneError, match=re.escape(REFUSED[path.name])) as error:
            hsad.open_cube(path).values  # noqa: B018  reading is the test
        assert "\n" not in str(error.value)
        assert path.stem.split(".")[0] in str(error.value)
    else:
        cube = hsad.open_cube(path)
        values, crs, transform = _gdal(_data_file(path))
        assert cube.dtype == values.dtype
        np.testing.assert_array_equal(cube.values, values)
        grid = hsad.scene.cube.geo_grid(cube)
        assert grid.crs == crs
        assert grid.transform == transform
    # GDAL says what it has to say through the error, not on the terminal.
    assert capfd.readouterr().err == ""


def test_rotation_is_kept_to_the_last_bit(data):
    path = data / "odd/gdal/envi/rotation.hdr"
    cube = hsad.open_cube(path)
    _, _, expected = _gdal(path.with_suffix(".img"))
    assert tuple(hsad.scene.cube.geo_grid(cube).transform) == tuple(expected)
    assert expected.b < 0
    assert "x" not in cube.coords


def test_gzip_compressed_image_equals_the_uncompressed_one(data):
    folder = data / "odd/gdal/envi"
    expected = np.frombuffer(gzip.decompress((folder / "aea_compressed.dat").read_bytes()), np.uint8)
    cube = hsad.open_cube(folder / "aea_compressed.hdr")
    np.testing.assert_array_equal(cube.values.ravel(), expected[: cube.size])
    np.testing.assert_array_equal(cube.values, hsad.open_cube(folder / "aea.hdr").values)


def test_header_speaks_for_the_file_whose_size_fits(data):
    folder = data / "odd/gdal/gcore"
    from_header = hsad.open_cube(folder / "byte.hdr")
    expected = np.fromfile(folder / "byte.raw", np.uint8).reshape(20, 20)
    np.testing.assert_array_equal(from_header.values[:, :, 0], expected)
    assert from_header.attrs["reader"] == "ENVI"
    assert hsad.open_cube(folder / "byte.img").attrs["reader"] == "GDAL"


def test_header_beside_a_tiff_does_not_make_its_bytes_pixels(data):
    cube = hsad.open_cube(data / "odd/gdal/gcore/byte_envi.hdr")
    values, _, transform = _gdal(data / "odd/gdal/gcore/byte_envi.bin")
    np.testing.assert_array_equal(cube.values, values)
    assert hsad.scene.cube.geo_grid(cube).transform == transform
    assert (cube.wavelength.item(), cube.fwhm.item(), cube.good_wavelength.item()) == (400.1, 5.5, True)


@pytest.mark.parametrize(
    "name, wavelength, fwhm, good",
    [
        ("enmapbox_envidomain_bandlevel.tif", [400, 500], None, [False, True]),
        ("enmapbox_envidomain_dslevel.tif", [400, 500], None, [False, True]),
        ("envi_wl_fwhm.hdr", [400, 500], [10, 20], [False, True]),
        ("envi_wl_implicit_nm.hdr", [400, 500], None, None),
        ("envi_wl_implicit_um.hdr", [400, 500], None, None),
        ("gdal_wl_fwhm.tif", [400, 500], [10, 20], None),
        ("gdal_wl_only.tif", [400, 500], None, None),
        ("gdal_no_info.tif", None, None, None),
        ("staclike.tif", [4000, 5000], [100, 200], None),
    ],
)
def test_the_nine_ways_to_store_wavelengths(data, name, wavelength, fwhm, good):
    cube = hsad.open_cube(data / "odd/wavelength" / name)
    for coordinate, expected in (("wavelength", wavelength), ("fwhm", fwhm), ("good_wavelength", good)):
        if expected is None:
            assert coordinate not in cube.coords
        else:
            np.testing.assert_allclose(cube.coords[coordinate].values, expected, rtol=1e-12)
