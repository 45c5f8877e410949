"""GeoTIFF, MATLAB, netCDF and the xarray backend, on files written by the formats' own libraries."""

from __future__ import annotations

import json
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import h5py
import numpy as np
import pytest
import rasterio
import scipy.io
import xarray as xr
from rasterio.enums import ColorInterp

import hsad
from hsad.errors import SceneError
from hsad.readers import all_readers
from hsad.scene.cube import geo_grid, raster_of

VALUES = np.random.default_rng(3).integers(1, 2000, (11, 13, 4)).astype("int16")
TRANSFORM = rasterio.Affine(1.5, 0.25, 1000.0, 0.25, -1.5, 2000.0)


def tiff(path, values=VALUES, **profile):
    """Write a GeoTIFF; return the open dataset, for tags and the like."""
    rows, cols, bands = values.shape
    profile = {"crs": "EPSG:32633", "transform": TRANSFORM, **profile}
    dataset = rasterio.open(
        path, "w", driver="GTiff", height=rows, width=cols, count=bands, dtype=values.dtype, **profile
    )
    dataset.write(np.moveaxis(values, 2, 0))
    return dataset


# --- GeoTIFF


@pytest.mark.parametrize("profile", [{}, {"interleave": "pixel"}, {"tiled": True, "blockxsize": 16, "blockysize": 16}])
def test_geotiff_windows_equal_the_array(tmp_path, profile):
    tiff(tmp_path / "scene.tif", nodata=-7, **profile).close()
    cube = hsad.open_cube(tmp_path / "scene.tif")
    np.testing.assert_array_equal(cube.values, VALUES)
    np.testing.assert_array_equal(cube[3:9, 2:5, 1].values, VALUES[3:9, 2:5, 1])
    grid = geo_grid(cube)
    assert (tuple(grid.transform), grid.crs.to_epsg()) == (tuple(TRANSFORM), 32633)
    assert cube.attrs["_FillValue"] == -7
    assert "valid" not in cube.coords


def test_threads_read_windows_at_once(tmp_path):
    # Opening a file without georeferencing makes rasterio warn; no thread may let that through.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tiff(tmp_path / "scene.tif", crs=None, transform=None).close()
    raster = raster_of(hsad.open_cube(tmp_path / "scene.tif"))
    together = threading.Barrier(4)

    def read(number):
        together.wait()
        return raster.read(slice(number % 5, 9), slice(1, 7))

    with ThreadPoolExecutor(4) as pool:
        for number, window in enumerate(pool.map(read, range(16))):
            np.testing.assert_array_equal(window, VALUES[number % 5 : 9, 1:7])


@pytest.mark.parametrize(
    "keys", [("wavelength", "wavelength_units", "fwhm"), ("Wavelength", "Wavelength_Units", "FWHM")]
)
def test_band_tags(tmp_path, keys):
    with tiff(tmp_path / "scene.tif") as dataset:
        for band in dataset.indexes:
            values = (f"{0.4 + band / 10:.2f}", "Micrometers", "0.01")
            dataset.update_tags(band, **dict(zip(keys, values, strict=True)), bbl=str(int(band != 2)))
    cube = hsad.open_cube(tmp_path / "scene.tif")
    np.testing.assert_allclose(cube.wavelength, [500, 600, 700, 800])
    np.testing.assert_allclose(cube.fwhm, 10)
    assert cube.good_wavelength.values.tolist() == [True, False, True, True]


def test_band_descriptions(tmp_path):
    with tiff(tmp_path / "scene.tif") as dataset:
        dataset.descriptions = [f"band {number} ({500.25 + number} nm)" for number in range(4)]
    cube = hsad.open_cube(tmp_path / "scene.tif")
    np.testing.assert_allclose(cube.wavelength, [500.25, 501.25, 502.25, 503.25])
    assert cube.band_name.values[0] == "band 0 (500.25 nm)"


def test_band_tags_are_more_exact_than_the_imagery_domain(tmp_path):
    with tiff(tmp_path / "scene.tif") as dataset:
        for band in dataset.indexes:
            dataset.update_tags(band, wavelength=str(450.5 + band), wavelength_units="nm")
            dataset.update_tags(band, ns="IMAGERY", CENTRAL_WAVELENGTH_UM=f"{(450.5 + band) / 1000:.3f}")
    np.testing.assert_allclose(hsad.open_cube(tmp_path / "scene.tif").wavelength, [451.5, 452.5, 453.5, 454.5])


def test_stac_1_1_item_names_its_raster(tmp_path):
    tiff(tmp_path / "scene.tif").close()
    bands = [{"eo:center_wavelength": 0.5 + n, "eo:full_width_half_max": 0.01} for n in range(4)]
    item = {
        "stac_version": "1.1.0",
        "assets": {
            "other": {"href": "b.tif", "bands": bands[::-1]},
            "own": {"href": "./scene.tif", "bands": bands},
        },
    }
    (tmp_path / "scene.json").write_text(json.dumps(item))
    cube = hsad.open_cube(tmp_path / "scene.tif")
    np.testing.assert_allclose(cube.wavelength, [500, 1500, 2500, 3500])
    np.testing.assert_allclose(cube.fwhm, 10)


def test_scale_and_offset_are_recorded_not_applied(tmp_path):
    with tiff(tmp_path / "scene.tif") as dataset:
        dataset.scales = (0.1, 0.1, 0.2, 1)
        dataset.offsets = (0, 5, 0, 0)
    cube = hsad.open_cube(tmp_path / "scene.tif")
    np.testing.assert_array_equal(cube.values, VALUES)
    assert (cube.gain.values.tolist(), cube.bias.values.tolist()) == ([0.1, 0.1, 0.2, 1], [0, 5, 0, 0])


def test_internal_mask_is_validity(tmp_path):
    mask = VALUES[:, :, 0] > 500
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), tiff(tmp_path / "scene.tif") as dataset:
        dataset.write_mask(mask)
    np.testing.assert_array_equal(hsad.open_cube(tmp_path / "scene.tif").valid, mask)


def test_alpha_is_validity_not_a_band(tmp_path):
    values = VALUES.astype("uint16")
    values[:, :, 3] = np.where(VALUES[:, :, 0] > 500, 65535, 0)
    with tiff(tmp_path / "scene.tif", values, alpha="YES", photometric="RGB") as dataset:
        assert dataset.colorinterp[3] == ColorInterp.alpha
    cube = hsad.open_cube(tmp_path / "scene.tif")
    np.testing.assert_array_equal(cube.values, values[:, :, :3])
    np.testing.assert_array_equal(cube.valid, VALUES[:, :, 0] > 500)


def test_damage_in_the_middle_of_a_file_is_an_error_when_it_is_reached(tmp_path, capfd):
    path = tmp_path / "scene.tif"
    values = np.random.default_rng(0).integers(0, 30000, (64, 64, 3)).astype("uint16")
    tiff(path, values, compress="deflate", blockysize=8).close()
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 600] = b"\xff" * 600
    path.write_bytes(content)
    cube = hsad.open_cube(path)
    with pytest.raises(SceneError, match=r"scene\.tif: \S"):
        cube.values  # noqa: B018  reading is the test
    assert capfd.readouterr().err == ""


def test_vrt(tmp_path):
    tiff(tmp_path / "scene.tif").close()
    (tmp_path / "scene.vrt").write_text(
        '<VRTDataset rasterXSize="13" rasterYSize="11"><VRTRasterBand dataType="Int16" band="1"><SimpleSource>'
        '<SourceFilename relativeToVRT="1">scene.tif</SourceFilename><SourceBand>3</SourceBand>'
        "</SimpleSource></VRTRasterBand></VRTDataset>"
    )
    np.testing.assert_array_equal(hsad.open_cube(tmp_path / "scene.vrt").values[..., 0], VALUES[..., 2])


# --- MATLAB


def mat73(path, **arrays):
    """Write what MATLAB's -v7.3 writes: HDF5 with reversed axes."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, values in arrays.items():
            file[name.replace(".", "/")] = values.T
            file[name.replace(".", "/")].attrs["MATLAB_class"] = np.bytes_(b"double")
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM")


def mat5(path, **arrays):
    scipy.io.savemat(path, arrays)


@pytest.mark.parametrize("write", [mat5, mat73])
def test_the_largest_three_dimensional_array_is_the_cube(tmp_path, write):
    path = tmp_path / "scene.mat"
    small = np.ones((2, 2, 2))
    write(path, a=small, data=VALUES, map=np.zeros((11, 13)), wavelengths=np.array([[0.4, 0.5, 0.6, 0.7]]))
    cube = hsad.open_cube(path)
    np.testing.assert_array_equal(cube.values, VALUES)
    assert (cube.dtype, cube.attrs["variable"]) == (np.int16, "data")
    np.testing.assert_allclose(cube.wavelength, [400, 500, 600, 700])
    np.testing.assert_array_equal(raster_of(cube).read(slice(2, 5), slice(7, 9)), VALUES[2:5, 7:9])
    np.testing.assert_array_equal(hsad.open_cube(f"{path}:a").values, small)
    with pytest.raises(SceneError, match=r"no numeric array called 'b'; it holds .*data \(11×13×4\)"):
        hsad.open_cube(f"{path}:b")
    with pytest.raises(SceneError, match=r"map \(11×13\) is not a cube"):
        hsad.open_cube(f"{path}:map")


def test_a_cube_inside_a_struct(tmp_path):
    mat5(tmp_path / "five.mat", scene={"data": VALUES, "info": {"wavelength": [1.0, 1.1, 1.2, 1.3]}, "mask": 1})
    mat73(tmp_path / "seven.mat", **{"scene.data": VALUES})
    for name in ("five", "seven"):
        for suffix in ("", ":scene.data"):
            cube = hsad.open_cube(f"{tmp_path / name}.mat{suffix}")
            np.testing.assert_array_equal(cube.values, VALUES)
            assert cube.attrs["variable"] == "scene.data"


@pytest.mark.parametrize(
    "name, share, used",
    [
        ("mask_sub", 0.9, True),
        ("valid", 0.6, True),
        ("mask", 0.1, False),
        ("bad_mask", 0.9, False),
        ("cloudmask", 0.9, False),
        ("map", 0.9, False),
        ("gt_mask", 0.9, False),
    ],
)
def test_which_masks_are_taken_for_validity(tmp_path, name, share, used):
    marked = np.random.default_rng(0).random((11, 13)) < share
    mat5(tmp_path / "scene.mat", data=VALUES, **{name: marked})
    cube = hsad.open_cube(tmp_path / "scene.mat")
    assert ("valid" in cube.coords) == used
    if used:
        np.testing.assert_array_equal(cube.valid, marked)
        assert cube.attrs["warnings"] == [f"{name} is used as the mask of valid pixels"]
    elif name == "mask":
        assert "taken for a truth" in cube.attrs["warnings"][0]


def test_a_file_that_changes_is_read_anew(tmp_path):
    path = tmp_path / "scene.mat"
    mat5(path, data=VALUES)
    before = hsad.open_cube(path).values
    mat5(path, data=np.concatenate([VALUES + 1, VALUES]))
    after = hsad.open_cube(path).values
    np.testing.assert_array_equal(after[:11], before + 1)


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "not a readable MATLAB file"),
        (
            b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM" + b"\x0f\0\0\0\xff\0\0\0broken",
            "cannot read|not a readable",
        ),
        (b"MATLAB 7.3 MAT-file".ljust(512) + b"\x89HDF\r\n\x1a\nbroken", "not a readable HDF5 file"),
        (b"some text", "not a readable MATLAB file"),
    ],
)
def test_damaged_matlab_files(tmp_path, content, message):
    (tmp_path / "scene.mat").write_bytes(content)
    with pytest.raises(SceneError, match=message) as error:
        hsad.open_cube(tmp_path / "scene.mat")
    assert str(error.value).startswith(str(tmp_path / "scene.mat"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("write", [mat5, mat73])
def test_complex_numbers_are_refused(tmp_path, write):
    write(tmp_path / "scene.mat", data=VALUES + 1j)
    with pytest.raises(SceneError, match=r"real numbers|no array of three dimensions"):
        hsad.open_cube(tmp_path / "scene.mat")


# --- netCDF


def emit(path, axes=("downtrack", "crosstrack", "bands")):
    """Write the parts of an EMIT L2A granule that a reader uses, as the product's layout has them."""
    order = [("downtrack", "crosstrack", "bands").index(axis) for axis in axes]
    dataset = xr.Dataset({"reflectance": (axes, VALUES.astype("f4").transpose(order))})
    dataset.reflectance.attrs["_FillValue"] = np.float32(-9999)
    dataset.to_netcdf(path, engine="h5netcdf")
    bands = xr.Dataset(
        {
            "wavelengths": ("bands", np.array([400.0, 500, 600, 700], "f4")),
            "fwhm": ("bands", np.full(4, 8.5, "f4")),
            "good_wavelengths": ("bands", np.array([1, 1, 0, 1], "u1")),
        }
    )
    bands.to_netcdf(path, engine="h5netcdf", mode="a", group="sensor_band_parameters")


@pytest.mark.parametrize("axes", [("downtrack", "crosstrack", "bands"), ("bands", "downtrack", "crosstrack")])
def test_emit(tmp_path, axes):
    pytest.importorskip("h5netcdf")
    emit(tmp_path / "granule.nc", axes)
    cube = hsad.open_cube(tmp_path / "granule.nc")
    np.testing.assert_array_equal(cube.values, VALUES)
    assert cube.wavelength.values.tolist() == [400, 500, 600, 700]
    assert cube.good_wavelength.values.tolist() == [True, True, False, True]
    assert cube.attrs["_FillValue"] == -9999
    with pytest.raises(SceneError, match="one cube, so 'radiance' cannot be chosen"):
        hsad.open_cube(f"{tmp_path / 'granule.nc'}:radiance")


def test_other_hdf5_files_are_refused_with_what_they_hold(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["cube"] = VALUES
    with pytest.raises(SceneError, match=r"other\.h5: cube: cannot tell rows, columns and bands apart"):
        hsad.open_cube(tmp_path / "other.h5")


# --- all readers


def test_paths_that_are_no_scenes(tmp_path):
    (tmp_path / "notes.txt").write_text("not a scene")
    (tmp_path / "lonely.hdr").write_text("not an ENVI header")
    for path, message in (
        (tmp_path, "none of the readers knows a product in this folder"),
        (tmp_path / "missing.hdr", "no such file"),
        (f"{tmp_path / 'missing.mat'}:data", r"missing\.mat: no such file"),
        (tmp_path / "notes.txt", "none of the readers knows this file .tried .*ENVI, MATLAB, .*netCDF or Zarr, GDAL"),
        (tmp_path / "lonely.hdr", "no ENVI header"),
    ):
        with pytest.raises(SceneError, match=message):
            hsad.open_cube(path)


def test_reader_names_are_what_cubes_say(tmp_path):
    tiff(tmp_path / "scene.tif").close()
    assert hsad.open_cube(tmp_path / "scene.tif").attrs["reader"] in [reader.name for reader in all_readers()]


def test_xarray_backend(tmp_path):
    from hsad.readers.backend import HsadBackend

    (tmp_path / "scene.img").write_bytes(VALUES.tobytes())
    header = tmp_path / "scene.hdr"
    header.write_text(
        "ENVI\nsamples = 13\nlines = 11\nbands = 4\ndata type = 2\ninterleave = bip\nbyte order = 0\n"
        "wavelength = {400, 500, 600, 700}\nwavelength units = nm\n"
    )
    with xr.open_dataset(header, engine=HsadBackend) as dataset:
        assert list(dataset.data_vars) == ["cube"]
        np.testing.assert_array_equal(dataset.cube[2:4, ::3, 1].values, VALUES[2:4, ::3, 1])
        np.testing.assert_array_equal(dataset.cube.values, VALUES)
        assert dataset.wavelength.values.tolist() == [400, 500, 600, 700]
    with xr.open_dataset(header, engine=HsadBackend, drop_variables="wavelength", chunks={}) as dataset:
        assert "wavelength" not in dataset.coords
        np.testing.assert_array_equal(dataset.cube.values, VALUES)
    backend = HsadBackend()
    assert backend.guess_can_open(str(header))
    assert not backend.guess_can_open(tmp_path / "scene.img")
    assert not backend.guess_can_open(tmp_path / "missing.hdr")
    assert not backend.guess_can_open(object())
