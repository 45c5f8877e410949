"""Missing data by band, by its scaled value, and in several values: as GDAL masks them."""

import numpy as np
import pytest
import rasterio

import hsad
from hsad.cli import run

BANDS = 6
SHAPE = (12, 14)


def numbers(dtype):
    """Return numbers of which the first five of a row are no band's nodata value."""
    rng = np.random.default_rng(3)
    return rng.integers(100, 200, (*SHAPE, BANDS)).astype(dtype)


def mosaic(folder, values, fills):
    """Write a raster and a VRT over it whose bands have nodata values of their own, None for none."""
    rows, cols, bands = values.shape
    with rasterio.open(
        folder / "raw.tif",
        "w",
        driver="GTiff",
        height=rows,
        width=cols,
        count=bands,
        dtype=values.dtype,
        transform=rasterio.Affine(1, 0, 0, 0, -1, 9),
    ) as dataset:
        dataset.write(values.transpose(2, 0, 1))
    kind = {"int16": "Int16", "uint8": "Byte", "float32": "Float32", "int32": "Int32"}[values.dtype.name]
    listed = "".join(
        f'<VRTRasterBand dataType="{kind}" band="{number}">'
        + (f"<NoDataValue>{fill}</NoDataValue>" if fill is not None else "")
        + '<SimpleSource><SourceFilename relativeToVRT="1">raw.tif</SourceFilename>'
        f"<SourceBand>{number}</SourceBand></SimpleSource></VRTRasterBand>"
        for number, fill in enumerate(fills, 1)
    )
    path = folder / "scene.vrt"
    path.write_text(
        f'<VRTDataset rasterXSize="{cols}" rasterYSize="{rows}"><GeoTransform>0,1,0,9,0,-1</GeoTransform>'
        f"{listed}</VRTDataset>"
    )
    return path


@pytest.mark.parametrize("dtype", ["int16", "uint8", "float32", "int32"])
@pytest.mark.parametrize("fills", [[1, 1, 1, 2, 2, 2], [1, 2, 3, 4, 5, 6], [1, None, None, None, None, None]])
def test_each_bands_nodata_value_marks_its_numbers_as_gdal_masks_them(tmp_path, dtype, fills):
    values = numbers(dtype)
    values[0, 0, 0], values[1, 1, 5], values[2, 2, 3] = 1, 2, 1  # missing or data, by the band
    values[3, 3] = [1, 2, 3, 4, 5, 6]
    path = mosaic(tmp_path, values, fills)
    with rasterio.open(path) as dataset:
        masked = np.moveaxis(dataset.read(masked=True), 0, 2)
    scores = hsad.detect(path, "rx").values
    np.testing.assert_array_equal(np.isnan(scores), masked.mask.any(axis=2))
    plain = np.where(masked.mask, np.nan, values.astype(np.float64))
    np.testing.assert_allclose(scores, hsad.detect(plain, "rx"))
    assert any("each band's value marks its numbers" in remark for remark in hsad.open_cube(path).attrs["warnings"])


def test_a_scene_whose_bands_differ_in_nodata_is_converted_with_nothing_lost(tmp_path):
    values = numbers("int16")
    values[0, 0, 0] = values[1, 1, 5] = -9999
    values[2, 2, 5] = -1
    path = mosaic(tmp_path, values, [-9999, -9999, -9999, -1, -1, -1])
    assert run(["convert", str(path), str(tmp_path / "out.tif")]) == 0
    with rasterio.open(path) as source, rasterio.open(tmp_path / "out.tif") as target:
        expected, written = source.read(masked=True), target.read(masked=True)
    np.testing.assert_array_equal(written.mask, expected.mask)
    np.testing.assert_array_equal(written[~written.mask], expected[~expected.mask])


def envi(folder, values, *keys):
    """Write an ENVI scene, BIP."""
    rows, cols, bands = values.shape
    codes = {"int16": 2, "float32": 4, "uint16": 12}
    values.tofile(folder / "scene.img")
    lines = ["ENVI", f"lines = {rows}", f"samples = {cols}", f"bands = {bands}", "interleave = bip", "byte order = 0"]
    lines += [f"data type = {codes[values.dtype.name]}", *keys]
    (folder / "scene.hdr").write_text("\n".join(lines))
    return folder / "scene.hdr"


@pytest.mark.parametrize(
    "keys, stored",
    [
        (["data ignore value = -0.9999", "reflectance scale factor = 10000"], -9999),
        (["data ignore value = {-9999, -9999}"], -9999),
        (["data ignore value = {-9999, -9999, -9999, -9999, -9999, -9999}"], -9999),
        (
            [
                "data ignore value = -50.5",
                f"data gain values = {{{', '.join(['0.5'] * 6)}}}",
                f"data offset values = {{{', '.join(['-50'] * 6)}}}",
            ],
            -1,
        ),
        (["data ignore value = -9999"], -9999),
    ],
)
def test_the_nodata_value_of_an_envi_header_in_each_spelling(tmp_path, keys, stored):
    values = numbers("int16")
    values[4, 5, 2] = values[6, 7] = stored
    scores = hsad.detect(envi(tmp_path, values, *keys), "rx").values
    assert np.argwhere(np.isnan(scores)).tolist() == [[4, 5], [6, 7]]


def test_a_scaled_nodata_value_is_said(tmp_path):
    path = envi(tmp_path, numbers("int16"), "data ignore value = -0.9999", "reflectance scale factor = 10000")
    cube = hsad.open_cube(path)
    assert cube.attrs["warnings"] == ["the nodata value -0.9999 cannot occur in int16 data: taken as the scaled -9999"]
    assert cube.attrs["_FillValue"] == -9999


def test_nodata_lists_that_fit_no_band_are_said(tmp_path):
    cube = hsad.open_cube(envi(tmp_path, numbers("int16"), "data ignore value = {-9999, -1}"))
    assert cube.attrs["warnings"] == ["'data ignore value' gives 2 numbers for 6 bands: it is ignored"]
