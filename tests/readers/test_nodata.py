"""Missing data by band, by its scaled value, and in several values: as GDAL masks them."""

import numpy as np
import pytest
import rasterio
import xarray as xr

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


# --- CF


def as_netcdf4_reads(stored, attrs):
    """Return where netCDF4 masks numbers (`Variable.set_auto_mask` of its documentation), and the numbers unpacked."""
    unsigned = str(attrs.get("_Unsigned", "")).lower() == "true"
    numbers = stored.view(f"u{stored.itemsize}") if unsigned else stored

    def meant(value):
        value = np.asarray(value).astype(stored.dtype)
        return value.view(numbers.dtype) if unsigned else value

    masked = np.zeros(stored.shape, bool)
    for key in ("_FillValue", "missing_value"):
        if key in attrs:
            masked |= np.isin(numbers, meant(attrs[key]))
    if "valid_range" in attrs:
        low, high = meant(attrs["valid_range"])
        masked |= (numbers < low) | (numbers > high)
    if "valid_min" in attrs:
        masked |= numbers < meant(attrs["valid_min"])
    if "valid_max" in attrs:
        masked |= numbers > meant(attrs["valid_max"])
    return masked, numbers * attrs.get("scale_factor", 1.0) + attrs.get("add_offset", 0.0)


CASES = {
    "both fills": ("i2", {"_FillValue": np.int16(-1), "missing_value": np.int16(-2)}),
    "several missing values": ("f4", {"_FillValue": np.float32(np.nan), "missing_value": np.float32([-1, -2])}),
    "only missing": ("f4", {"missing_value": np.float32(-2)}),
    "missing of another type": ("f4", {"missing_value": -2.0}),
    "unsigned": ("i2", {"_Unsigned": "true", "scale_factor": 1e-4, "_FillValue": np.int16(-1)}),
    "unsigned bytes": ("i1", {"_Unsigned": "true"}),
    "unsigned with a range": ("i2", {"_Unsigned": "true", "valid_range": np.int16([0, -2])}),
    "range": ("f4", {"valid_range": np.float32([0, 30000])}),
    "range of packed numbers": ("i2", {"valid_range": np.int16([0, 30000]), "scale_factor": 1e-4, "add_offset": 0.5}),
    "least": ("i2", {"valid_min": np.int16(0)}),
    "largest": ("i2", {"valid_max": np.int16(30000)}),
    "both ends and a fill": (
        "i2",
        {"valid_min": np.int16(0), "valid_max": np.int16(29999), "_FillValue": np.int16(-1)},
    ),
    "all of the type": ("i2", {"valid_range": np.int16([-32768, 32767])}),
}


@pytest.mark.filterwarnings("ignore:variable 'r' has multiple fill values")
@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
@pytest.mark.parametrize("case", CASES)
def test_the_attributes_of_cf_mark_missing_numbers_as_netcdf4_masks_them(tmp_path, case, suffix):
    dtype, attrs = CASES[case]
    values = numbers("i1" if dtype == "i1" else dtype)
    values = np.where(values < 0, 50, values).astype(dtype)
    values[1, 1], values[2, 3, 4] = -1, -2
    if dtype != "i1":
        values[4, 4, 2] = 30001
    made = xr.Dataset({"r": (("y", "x", "band"), values, attrs)})
    path = tmp_path / f"scene{suffix}"
    if suffix == ".zarr":
        pytest.importorskip("zarr")
        made.to_zarr(path, zarr_format=3, consolidated=False)
    else:
        made.to_netcdf(path, engine="h5netcdf")
    masked, expected = as_netcdf4_reads(values, attrs)
    cube = hsad.open_cube(path)
    scores = hsad.detect(cube, "rx").values
    np.testing.assert_array_equal(np.isnan(scores), masked.any(axis=2))
    plain = np.where(masked, np.nan, expected.astype(np.float64))
    np.testing.assert_allclose(scores, hsad.detect(plain, "rx"), rtol=1e-5)
    if not {"valid_range", "valid_min", "valid_max"} & set(attrs):
        with xr.open_dataset(path, **ENGINES[suffix]) as decoded:
            np.testing.assert_array_equal(np.isnan(decoded["r"].values), masked)
    np.testing.assert_array_equal(cube.values[6], cube.isel(y=slice(6, 7)).values[0])


ENGINES = {".nc": {"engine": "h5netcdf"}, ".zarr": {"engine": "zarr", "consolidated": False}}


def test_a_range_of_floats_beside_packed_integers_is_physical(tmp_path):
    values = numbers("int16")
    values[1, 1], values[2, 3, 4] = 50, 210
    attrs = {"scale_factor": 0.01, "add_offset": -1.0, "valid_range": np.array([0.0, 1.0])}
    xr.Dataset({"r": (("y", "x", "band"), values, attrs)}).to_netcdf(tmp_path / "scene.nc", engine="h5netcdf")
    scores = hsad.detect(tmp_path / "scene.nc", "rx").values
    physical = values * 0.01 - 1.0
    outside = ((physical < -1e-9) | (physical > 1 + 1e-9)).any(axis=2)
    np.testing.assert_array_equal(np.isnan(scores), outside)


@pytest.mark.parametrize(
    "attrs, said",
    [
        ({"missing_value": "none"}, "missing_value = 'none' is not a number: it is ignored"),
        ({"valid_range": np.float32([5, 1])}, "the valid range from 5 to 1 holds no number: it is ignored"),
        ({"valid_range": np.float32([5, 1, 7])}, "valid_range has 3 values instead of two: it is ignored"),
    ],
)
def test_attributes_of_cf_that_make_no_sense_are_said(tmp_path, attrs, said):
    made = xr.Dataset({"r": (("y", "x", "band"), numbers("float32"), attrs)})
    made.to_netcdf(tmp_path / "scene.nc", engine="h5netcdf")
    cube = hsad.open_cube(tmp_path / "scene.nc")
    assert said in cube.attrs["warnings"]
    assert not np.isnan(hsad.detect(cube, "rx")).any()
