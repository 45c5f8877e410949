"""Files beside an ENVI or ESRI header: data of any suffix, images of other formats, coordinates of the pixels."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import rasterio
from granules.envi import header_text, write
from rasterio.warp import transform

import hsad
from hsad.errors import SceneError
from hsad.scene.swath import swath_of

VALUES = np.random.default_rng(8).integers(1, 900, (6, 5, 4)).astype("i2")
UTM33 = rasterio.crs.CRS.from_epsg(32633)


@pytest.mark.parametrize("suffix", [".hyspex", ".rad", ".rfl", ".envi", ".cube", ".CUB", ".float", ""])
@pytest.mark.parametrize("double", [False, True])
def test_the_only_file_with_the_promised_size_is_the_data(tmp_path, suffix, double):
    header = write(tmp_path, VALUES, suffix=suffix)
    (tmp_path / "scene.log").write_text("not of this size")
    (tmp_path / "scenery.rad").write_bytes(bytes(240))
    data = tmp_path / f"scene{suffix}"
    if double and suffix:
        header = header.rename(tmp_path / f"scene{suffix}.hdr")
    np.testing.assert_array_equal(hsad.open_cube(header), VALUES)
    np.testing.assert_array_equal(hsad.open_cube(data), VALUES)


def test_of_several_files_with_the_promised_size_one_must_be_named(tmp_path):
    header = write(tmp_path, VALUES, suffix=".rad")
    (tmp_path / "scene.rfl").write_bytes((VALUES * 2).transpose(2, 0, 1).tobytes())
    with pytest.raises(SceneError, match=r"scene\.rad, scene\.rfl may each be its data file"):
        hsad.open_cube(header)
    np.testing.assert_array_equal(hsad.open_cube(tmp_path / "scene.rfl"), VALUES * 2)
    (tmp_path / "scene.img").write_bytes(bytes(100))
    (tmp_path / "scene.rfl").unlink()
    np.testing.assert_array_equal(hsad.open_cube(header), VALUES)


def write_tiff(path, values=VALUES, **profile):
    rows, cols, bands = values.shape
    transform = rasterio.Affine(10, 0, 500000, 0, -10, 4000500)
    keys = {"crs": UTM33, "transform": transform, "dtype": values.dtype, **profile}
    with rasterio.open(path, "w", driver="GTiff", height=rows, width=cols, count=bands, **keys) as dataset:
        dataset.write(values.transpose(2, 0, 1))
    return path


BANDS = {
    "wavelength_units": "Nanometers",
    "wavelength": "{420, 500, 600, 730}",
    "fwhm": "{5, 5, 6, 6}",
    "bbl": "{1, 0, 1, 1}",
}


@pytest.mark.parametrize("kind", ["TIFF", "ENVI Standard"])
@pytest.mark.parametrize("suffix", [".tif", ".tiff", ".TIF", ".gtif"])
@pytest.mark.parametrize("double", [False, True])
def test_the_header_beside_a_tiff_states_its_bands(tmp_path, kind, suffix, double):
    data = write_tiff(tmp_path / f"scene{suffix}", nodata=-1)
    header = tmp_path / (f"scene{suffix}.hdr" if double else "scene.hdr")
    header.write_text(header_text(VALUES.shape, 2, file_type=kind, **BANDS))
    for path in (data, header):
        cube = hsad.open_cube(path)
        np.testing.assert_array_equal(cube, VALUES)
        assert cube.wavelength.values.tolist() == [420, 500, 600, 730]
        assert cube.fwhm.values.tolist() == [5, 5, 6, 6]
        assert cube.good_wavelength.values.tolist() == [True, False, True, True]
        assert cube.rio.crs == UTM33
        assert cube.attrs["_FillValue"] == -1
    scores = hsad.detect(header, "rx", workers=1)
    np.testing.assert_array_equal(scores, hsad.detect(VALUES[..., [0, 2, 3]], "rx", workers=1))


def test_a_header_of_another_image_beside_a_tiff_is_ignored_with_a_remark(tmp_path):
    data = write_tiff(tmp_path / "scene.tif")
    (tmp_path / "scene.hdr").write_text(header_text((6, 5, 3), 2, file_type="TIFF"))
    cube = hsad.open_cube(data)
    np.testing.assert_array_equal(cube, VALUES)
    assert "scene.hdr describes an image of 6×5×3, the file has 6×5×4: it is ignored" in cube.attrs["warnings"]
    with pytest.raises(SceneError, match="its header says 6×5×3, the file has 6×5×4"):
        hsad.open_cube(tmp_path / "scene.hdr")


def test_a_tiff_beside_an_envi_image_of_the_same_name_is_a_scene_of_its_own(tmp_path):
    header = write(tmp_path, VALUES, **BANDS)
    data = write_tiff(tmp_path / "scene.tif", VALUES * 2)
    np.testing.assert_array_equal(hsad.open_cube(header), VALUES)
    cube = hsad.open_cube(data)
    np.testing.assert_array_equal(cube, VALUES * 2)
    assert "wavelength" not in cube.coords


ESRI = (
    "BYTEORDER      I\nLAYOUT         BIL\nNROWS          6\nNCOLS          5\nNBANDS         4\nNBITS          16\n"
    "BANDROWBYTES   10\nTOTALROWBYTES  40\nPIXELTYPE      SIGNEDINT\nULXMAP 5\nULYMAP 4\n"
    "XDIM 0.5\nYDIM 0.5\nNODATA -1\n"
)


@pytest.mark.parametrize(
    "listed",
    [
        "WAVELENGTHS\n420.5\n500\n600\n730\nWAVELENGTHS_END\n",
        "WAVELENGTHS 0.4205, 0.5, 0.6, 0.73\n",
        "wavelengths\n420.5 500 600 730\nwavelengths_end\n",
    ],
)
def test_an_esri_header_with_wavelengths_is_read_by_either_name(tmp_path, listed):
    (tmp_path / "scene.bil").write_bytes(VALUES.transpose(0, 2, 1).tobytes())
    (tmp_path / "scene.hdr").write_text(ESRI + listed)
    for name in ("scene.bil", "scene.hdr"):
        cube = hsad.open_cube(tmp_path / name)
        np.testing.assert_array_equal(cube, VALUES)
        np.testing.assert_allclose(cube.wavelength, [420.5, 500, 600, 730])
        assert cube.attrs["_FillValue"] == -1
        assert cube.attrs["source"] == str(tmp_path / name)


def test_an_esri_header_without_its_data_says_so(tmp_path):
    (tmp_path / "scene.hdr").write_text(ESRI)
    with pytest.raises(SceneError, match=r"scene\.hdr: an ESRI header, and no file beside it is its data file"):
        hsad.open_cube(tmp_path / "scene.hdr")


def coordinates(rows, cols):
    """Return longitudes and latitudes of a line that flies to the north-east, by GDAL from UTM zone 33."""
    line, sample = np.meshgrid(np.arange(rows), np.arange(cols), indexing="ij")
    x, y = 500000 + 3.0 * sample + 4.0 * line, 4000000 - 4.0 * sample + 3.0 * line
    lon, lat = transform(UTM33, "EPSG:4326", x.ravel(), y.ravel())
    return x, y, np.reshape(lon, x.shape), np.reshape(lat, x.shape)


@pytest.mark.parametrize("kind", ["igm_degrees", "igm_utm", "loc", "names"])
def test_coordinates_beside_a_line_make_it_a_swath(tmp_path, kind):
    x, y, lon, lat = coordinates(6, 5)
    write(tmp_path, VALUES, name="f130612t01_rdn", suffix="")
    keys, name = {}, "f130612t01_igm"
    first, second = lon, lat
    if kind == "igm_utm":
        first, second = x, y
        keys = {"map_info": "{UTM, 1, 1, 500000, 4000000, 1, 1, 33, North, WGS-84, units=Meters}"}
    elif kind == "loc":
        name = "f130612t01_rdn_loc"
    elif kind == "names":
        first, second = lat, lon
        keys = {"band_names": "{Latitude (WGS-84), Longitude (WGS-84), Elevation (m)}"}
    write(tmp_path, np.stack([first, second, np.zeros_like(lon)], axis=-1), name=name, suffix="", **keys)
    for path in (tmp_path / "f130612t01_rdn.hdr", tmp_path / "f130612t01_rdn"):
        cube = hsad.open_cube(path)
        swath = swath_of(cube)
        assert any(f"located by {name}" in remark for remark in cube.attrs["warnings"])
        assert swath.grid.crs == UTM33
        row, col = swath.lookup(slice(0, swath.grid.rows))
        seen = row >= 0
        assert set(zip(row[seen].tolist(), col[seen].tolist(), strict=True)) == set(np.ndindex(6, 5))
        map_x, map_y = swath.grid.transform * (np.argwhere(seen)[:, ::-1].T + 0.5)
        assert (
            np.hypot(map_x - x[row[seen], col[seen]], map_y - y[row[seen], col[seen]]).max() < 5.4
        )  # a bit over a pixel's diagonal


def test_coordinates_that_do_not_fit_are_remarked_on(tmp_path):
    x, y, lon, lat = coordinates(6, 5)
    path = write(tmp_path, VALUES, name="line_rdn")
    for pair, remark in (
        (np.stack([lon, lat], -1)[:5], r"line_igm.hdr is of 5×5 pixels"),
        (np.stack([x, y], -1), r"line_igm.hdr states no CRS for its coordinates"),
        (np.stack([x, y], -1) * (np.arange(6) != 3)[:, None, None], r"line_igm.hdr states no CRS"),  # a row of fill
    ):
        write(tmp_path, pair, name="line_igm")
        cube = hsad.open_cube(path)
        assert swath_of(cube) is None
        assert any(remark in said for said in cube.attrs["warnings"])
    (tmp_path / "line_igm.img").unlink()
    assert any("cannot be read" in said for said in hsad.open_cube(path).attrs["warnings"])


def test_the_coordinates_of_another_line_are_not_taken(tmp_path):
    _, _, lon, lat = coordinates(6, 5)
    path = write(tmp_path, VALUES, name="line1_rdn")
    write(tmp_path, np.stack([lon, lat], -1), name="line2_igm")
    cube = hsad.open_cube(path)
    assert swath_of(cube) is None
    assert cube.attrs["warnings"] == []
    shutil.copy(tmp_path / "line2_igm.hdr", tmp_path / "line_igm.hdr")
    shutil.copy(tmp_path / "line2_igm.img", tmp_path / "line_igm.img")
    assert swath_of(hsad.open_cube(path)) is None
