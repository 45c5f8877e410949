"""Cubes as ENVI files, read back with GDAL and with Spectral Python."""

from __future__ import annotations

import subprocess
import sys
import warnings

import dask.array
import numpy as np
import pytest
import rasterio
import spectral.io.envi
import xarray as xr
from affine import Affine
from rasterio.crs import CRS
from rasterio.errors import NotGeoreferencedWarning

from hsad.errors import OutputError, ParameterError, SceneWarning
from hsad.products import write_envi
from hsad.scene.cube import GeoGrid

TYPES = ["uint8", "int16", "int32", "float32", "float64", "uint16", "uint32", "int64", "uint64"]
WAVELENGTH = [400.1, 450.5, 500.123456789, 1390.0, 2450.25]


def rotation(degrees, size, flip=1.0):
    c, s = size * np.cos(np.radians(degrees)), size * np.sin(np.radians(degrees))
    return Affine(c, s, 500000.1, s * flip, -c * flip, 4e6 + 1 / 3)


def some_cube(dtype="int16", shape=(17, 9, 5), **coords):
    rng = np.random.default_rng(3)
    values = rng.integers(0, 100, shape).astype(dtype)
    return xr.DataArray(values, dims=("y", "x", "band"), coords=coords)


def read(data):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(data) as dataset:
            return dataset.read().transpose(1, 2, 0), dataset.transform, dataset.crs, dataset.nodata


@pytest.mark.parametrize("interleave", ["bil", "bip", "bsq"])
@pytest.mark.parametrize("dtype", TYPES)
def test_values_and_types_are_kept(tmp_path, dtype, interleave):
    cube = some_cube(dtype)
    header = write_envi(cube, tmp_path / "cube.hdr", interleave)
    values, *_ = read(tmp_path / "cube.img")
    np.testing.assert_array_equal(values, cube.values)
    assert values.dtype == cube.dtype
    image = spectral.io.envi.open(str(header))
    np.testing.assert_array_equal(image.open_memmap(interleave="bip"), cube.values)
    assert image.metadata["interleave"] == interleave
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cube.hdr", "cube.img"]


@pytest.mark.parametrize("dtype, wider", [("bool", "uint8"), ("int8", "int16"), ("float16", "float32")])
def test_types_that_envi_lacks_are_widened(tmp_path, dtype, wider):
    cube = some_cube(dtype)
    write_envi(cube, tmp_path / "cube.hdr")
    values, *_ = read(tmp_path / "cube.img")
    assert values.dtype == wider
    np.testing.assert_array_equal(values, cube.values.astype(wider))


@pytest.mark.parametrize("interleave", ["bil", "bsq"])
def test_lazy_cubes_are_written_by_blocks(tmp_path, interleave):
    largest = []

    def count(block):
        largest.append(block.shape[0])
        return block

    cube = some_cube()
    chunked = dask.array.from_array(cube.values, chunks=(4, -1, -1))
    lazy = cube.copy(data=chunked.map_blocks(count, dtype=cube.dtype, meta=np.empty((0, 0, 0), cube.dtype)))
    write_envi(lazy, tmp_path / "cube.hdr", interleave)
    assert sorted(largest) == [1, 4, 4, 4, 4]  # threads end in any order
    np.testing.assert_array_equal(read(tmp_path / "cube.img")[0], cube.values)


@pytest.mark.parametrize("epsg", [32633, 32733, 4326, 3035, 2154, 3031])
@pytest.mark.parametrize(
    "transform",
    [
        Affine(30.0, 0, 500000.1, 0, -20.0, 4e6 + 1 / 3),
        Affine(3.0, 0, 5e5, 0, 2.0, 4e6),
        Affine(-3.0, 0, 5e5, 0, -2.0, 4e6),
        Affine(-3.0, 0, 5e5, 0, 3.0, 4e6),
    ],
)
def test_unrotated_grids_are_exact(tmp_path, epsg, transform):
    grid = GeoGrid(17, 9, CRS.from_epsg(epsg), transform)
    write_envi(grid.attach(some_cube()), tmp_path / "cube.hdr")
    _, found, crs, _ = read(tmp_path / "cube.img")
    assert found == transform
    assert crs == grid.crs


@pytest.mark.parametrize("flip", [1.0, -1.0])
@pytest.mark.parametrize("degrees", [33.3, -66.0, 90.0, -90.0, 133.7, 181.0, 270.0])
def test_rotated_grids_are_exact_to_rounding(tmp_path, degrees, flip):
    grid = GeoGrid(17, 9, CRS.from_epsg(32612), rotation(degrees, 2.7, flip))
    write_envi(grid.attach(some_cube()), tmp_path / "cube.hdr")
    _, found, crs, _ = read(tmp_path / "cube.img")
    np.testing.assert_allclose(found, grid.transform, rtol=0, atol=2e-15)
    assert (found.c, found.f) == (grid.transform.c, grid.transform.f)
    assert crs == grid.crs


def test_a_sheared_grid_is_refused(tmp_path):
    grid = GeoGrid(17, 9, CRS.from_epsg(32612), Affine(3, 0.5, 5e5, 0.2, -2, 4e6))
    with pytest.raises(OutputError, match="sheared"):
        write_envi(grid.attach(some_cube()), tmp_path / "cube.hdr")
    assert list(tmp_path.iterdir()) == []


def test_bands_keep_what_is_known_of_them(tmp_path):
    cube = some_cube(
        wavelength=("band", WAVELENGTH),
        fwhm=("band", [5.5] * 5),
        good_wavelength=("band", [True, True, False, True, True]),
        band_name=("band", ["blue", "a, b", "c {d}", "e", "f"]),
        gain=("band", [0.1, 0.2, 0.3, 0.4, 0.5]),
        bias=("band", [0.0, -1.0, 0.0, 0.0, 2.5]),
    )
    cube.attrs = {"_FillValue": -50, "description": "braces {do} not\nend it"}
    header = write_envi(cube, tmp_path / "cube.hdr")
    image = spectral.io.envi.open(str(header))
    assert image.bands.centers == WAVELENGTH
    assert image.bands.bandwidths == [5.5] * 5
    assert image.metadata["bbl"] == [1, 1, 0, 1, 1]
    assert image.metadata["wavelength units"] == "Nanometers"
    assert image.metadata["band names"] == ["blue", "a- b", "c (d)", "e", "f"]
    assert image.metadata["data ignore value"] == "-50"
    assert image.metadata["description"] == "braces (do) not end it"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(tmp_path / "cube.img") as dataset:
            assert dataset.nodata == -50
            assert dataset.scales == (0.1, 0.2, 0.3, 0.4, 0.5)
            assert dataset.offsets == (0.0, -1.0, 0.0, 0.0, 2.5)
            assert dataset.tags(ns="ENVI")["wavelength"].strip("{} ").split(" , ") == [str(w) for w in WAVELENGTH]


def test_reflectance_is_said_the_way_its_readers_expect(tmp_path):
    header = write_envi(some_cube(gain=("band", [1e-4] * 5)), tmp_path / "cube.hdr")
    image = spectral.io.envi.open(str(header))
    assert image.scale_factor == 10000
    assert "data gain values" not in image.metadata


def test_masked_pixels_become_nodata(tmp_path):
    valid = np.ones((17, 9), dtype=bool)
    valid[2, 3] = valid[16, 8] = False
    for name, dtype, fill in [("f", "float32", None), ("i", "int16", -9999)]:
        cube = some_cube(dtype, valid=(("y", "x"), valid))
        if fill is not None:
            cube.attrs["_FillValue"] = fill
        write_envi(cube, tmp_path / f"{name}.hdr")
        values, *_, nodata = read(tmp_path / f"{name}.img")
        np.testing.assert_array_equal(nodata, np.nan if fill is None else fill)
        np.testing.assert_array_equal(values[~valid], nodata)
        np.testing.assert_array_equal(values[valid], cube.values[valid])
    with pytest.warns(SceneWarning, match="mask is left out"):
        write_envi(some_cube(valid=(("y", "x"), valid)), tmp_path / "none.hdr")


def test_data_file_may_be_named_instead(tmp_path):
    assert write_envi(some_cube(), tmp_path / "cube.bil") == tmp_path / "cube.hdr"
    assert read(tmp_path / "cube.bil")[0].shape == (17, 9, 5)


def test_existing_files_stay_unless_overwritten(tmp_path):
    (tmp_path / "cube.img").write_text("kept")
    with pytest.raises(OutputError, match=r"cube\.img exists already"):
        write_envi(some_cube(), tmp_path / "cube.hdr")
    assert [p.read_text() for p in tmp_path.iterdir()] == ["kept"]
    write_envi(some_cube(), tmp_path / "cube.hdr", overwrite=True)
    assert read(tmp_path / "cube.img")[0].shape == (17, 9, 5)


def test_wrong_names_are_refused(tmp_path):
    with pytest.raises(ParameterError, match="'bli'; choose from bil, bip, bsq"):
        write_envi(some_cube(), tmp_path / "cube.hdr", "bli")
    with pytest.raises(OutputError, match="must end with one of"):
        write_envi(some_cube(), tmp_path / "cube.tif")


def test_nothing_is_left_when_reading_fails(tmp_path):
    def fail(_):
        raise RuntimeError("boom")

    cube = some_cube()
    lazy = cube.copy(
        data=dask.array.from_array(cube.values, chunks=(4, -1, -1)).map_blocks(
            fail, dtype=cube.dtype, meta=np.empty((0, 0, 0), cube.dtype)
        )
    )
    with pytest.raises(RuntimeError, match="boom"):
        write_envi(lazy, tmp_path / "cube.hdr")
    assert list(tmp_path.iterdir()) == []


FULL = """
import resource
import numpy as np
from hsad.errors import OutputError
from hsad.products import write_envi
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
try:
    write_envi(np.zeros((20, 20, 5), "int16"), "cube.hdr")
except OutputError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files to run into")
def test_no_space_is_one_line_and_leaves_nothing(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FULL], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stderr == ""
    assert done.stdout.startswith("cube.img: needs")
    assert done.stdout.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
