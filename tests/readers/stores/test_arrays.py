"""Arrays of netCDF, HDF5 and Zarr: a single time, axes without names, stores that would block or fill memory."""

import gzip
import json
import os

import h5py
import numpy as np
import pytest
import xarray as xr

import hsad
from hsad.errors import ParameterError, SceneError

VALUES = np.random.default_rng(7).integers(1, 4000, (9, 11, 5)).astype("i2")
CENTRES = [450.0, 550.0, 650.0, 750.0, 850.0]


def refused(path, **options):
    with pytest.raises(SceneError) as error:
        hsad.open_cube(path, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
@pytest.mark.parametrize("axis", [0, 2, 3])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_single_time_is_left_out(tmp_path, suffix, axis, chunked):
    dims = ["y", "x", "wavelength"]
    dims.insert(axis, "time")
    made = xr.Dataset({"r": (dims, np.expand_dims(VALUES, axis))}, {"wavelength": CENTRES, "time": [0]})
    path = tmp_path / f"scene{suffix}"
    sides = tuple(1 if dim == "time" else 5 for dim in dims)
    if suffix == ".zarr":
        pytest.importorskip("zarr")
        made.to_zarr(path, consolidated=False, encoding={"r": {"chunks": sides}} if chunked else None)
    else:
        made.to_netcdf(path, engine="h5netcdf", encoding={"r": {"chunksizes": sides}} if chunked else None)
    cube = hsad.open_cube(path)
    np.testing.assert_array_equal(cube.values, VALUES)
    np.testing.assert_array_equal(cube.wavelength, CENTRES)
    np.testing.assert_array_equal(hsad.detect(path, "rx").values, hsad.detect(VALUES, "rx"))


def test_several_times_are_no_cube(tmp_path):
    made = xr.Dataset({"r": (("time", "y", "x", "wavelength"), np.stack([VALUES, VALUES]))})
    made.to_netcdf(tmp_path / "scene.nc", engine="h5netcdf")
    assert "no array of three dimensions" in refused(tmp_path / "scene.nc")


# --- axes without names


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("place", ["wavelength", "metadata/Wavelengths", "attribute"])
def test_a_list_of_wavelengths_tells_the_axis_of_the_bands(tmp_path, axis, place):
    with h5py.File(tmp_path / "scene.h5", "w") as file:
        file["cube"] = np.moveaxis(VALUES, 2, axis)
        if place == "attribute":
            file["cube"].attrs["wavelength"] = CENTRES
        else:
            file[place] = np.asarray(CENTRES) / 1000
            file[place].attrs["units"] = "micrometers"
    cube = hsad.open_cube(tmp_path / "scene.h5")
    np.testing.assert_array_equal(cube.values, VALUES)
    np.testing.assert_allclose(cube.wavelength, CENTRES)


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_the_user_states_the_axis_of_the_bands(tmp_path, axis):
    with h5py.File(tmp_path / "scene.h5", "w") as file:
        file["deep/cube"] = np.moveaxis(VALUES, 2, axis)
        file["other"] = VALUES[:4]
    assert "state the axis of the bands with --band-axis" in refused(f"{tmp_path / 'scene.h5'}:deep/cube")
    cube = hsad.open_cube(f"{tmp_path / 'scene.h5'}:deep/cube", band_axis=axis)
    np.testing.assert_array_equal(cube.values, VALUES)
    with pytest.raises(ParameterError, match="band_axis: 5 is none of the array's axes"):
        hsad.open_cube(f"{tmp_path / 'scene.h5'}:deep/cube", band_axis=5)


def test_a_list_that_fits_two_axes_tells_nothing(tmp_path):
    with h5py.File(tmp_path / "scene.h5", "w") as file:
        file["cube"] = VALUES[:5]
        file["wavelength"] = CENTRES
    assert "5×11×5 numbers without names" in refused(tmp_path / "scene.h5")
    np.testing.assert_array_equal(hsad.open_cube(tmp_path / "scene.h5", band_axis=2).wavelength, CENTRES)


def test_a_file_of_many_groups_is_refused_unless_the_array_is_named(tmp_path):
    with h5py.File(tmp_path / "scene.h5", "w", libver="latest") as file:
        for number in range(2100):
            file.create_group(f"g{number}")
        file["g7/cube"] = VALUES
    assert "more than 2000 groups: name the array" in refused(tmp_path / "scene.h5")
    named = hsad.open_cube(f"{tmp_path / 'scene.h5'}:g7/cube", band_axis=2)
    np.testing.assert_array_equal(named.values, VALUES)


# --- Zarr stores


def store(folder, version=2, **encoding):
    pytest.importorskip("zarr")
    made = xr.Dataset({"r": (("y", "x", "wavelength"), VALUES)}, {"wavelength": CENTRES})
    path = folder / "scene.zarr"
    made.to_zarr(path, zarr_format=version, consolidated=False, encoding={"r": encoding} if encoding else None)
    return path


def chunks(path):
    marks = ("zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata")
    return sorted(entry for entry in (path / "r").rglob("*") if entry.is_file() and entry.name not in marks)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("what", ["chunk", "metadata", "coordinate", "stray"])
def test_a_pipe_in_a_store_is_refused_at_once(tmp_path, version, what):
    path = store(tmp_path, version)
    place = {
        "chunk": chunks(path)[0],
        "metadata": path / "r" / ("zarr.json" if version == 3 else ".zattrs"),
        "coordinate": path / "wavelength" / ("c/0" if version == 3 else "0"),
        "stray": path / "pipe",
    }[what]
    place.unlink(missing_ok=True)
    os.mkfifo(place)
    assert f"{place.name} is not a regular file but a pipe" in refused(path)


@pytest.mark.parametrize("version", [2, 3])
def test_a_chunk_that_is_linked_to_a_device_is_refused(tmp_path, version):
    path = store(tmp_path, version)
    chunks(path)[0].unlink()
    chunks_place = path / "r" / ("c/0/0/0" if version == 3 else "0.0.0")
    chunks_place.symlink_to("/dev/zero")
    assert "is not a regular file but a pipe, a socket or a device" in refused(path)


def stated(path, **changes):
    """Change the metadata of an array of format 2."""
    mark = path / "r" / ".zarray"
    mark.write_text(json.dumps({**json.loads(mark.read_text()), **changes}))


def test_a_chunk_that_promises_gigabytes_is_refused(tmp_path):
    path = store(tmp_path)
    stated(path, shape=[60_000, 60_000, 5], chunks=[60_000, 60_000, 5])
    assert "a chunk of r has 36000000000 bytes" in refused(path)


def test_a_chunk_that_is_larger_than_its_array_says_is_refused(tmp_path):
    path = store(tmp_path)
    chunks(path)[0].write_bytes(gzip.compress(os.urandom(300_000)))
    assert "bytes, a chunk of its array 990" in refused(path)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("codec", ["zstd", "blosc"])
@pytest.mark.parametrize("size", [200, 70_000, 5_000_000])
def test_a_chunk_that_unpacks_to_more_than_its_array_says_is_refused(tmp_path, version, codec, size):
    path = store(tmp_path, version)
    numcodecs = pytest.importorskip("numcodecs")
    packer = numcodecs.Zstd() if codec == "zstd" else numcodecs.Blosc()
    chunk = chunks(path)[0]
    chunk.write_bytes(packer.encode(bytes(size)))
    if size > 2**16 + 1000:
        assert f"{chunk.relative_to(path)} unpacks to {size} bytes, a chunk of its array has " in refused(path)
    else:
        assert hsad.open_cube(path).shape == VALUES.shape  # such a size costs no memory: zarr finds the fault


def test_chunks_of_one_number_are_refused(tmp_path):
    path = store(tmp_path)
    stated(path, shape=[100, 100, 5], chunks=[1, 1, 1])
    assert "r has 50000 chunks of 2 bytes: write it again with larger chunks" in refused(path)


@pytest.mark.parametrize("shape", [[0, 11, 5], [9, 0, 5], [9, 11, 0]])
def test_an_array_with_an_axis_of_no_length_is_refused(tmp_path, shape):
    path = store(tmp_path)
    stated(path, shape=shape)
    assert "scene.zarr: " in refused(path)


def test_metadata_of_many_megabytes_are_refused(tmp_path):
    path = store(tmp_path)
    (path / "r" / ".zattrs").write_text(json.dumps({"note": "x" * 17_000_000}))
    assert "too many for metadata" in refused(path)


def test_a_large_text_beside_a_tiff_is_no_item_of_stac(tmp_path):
    import rasterio

    place = rasterio.Affine(10, 0, 500000, 0, -10, 4000500)
    with rasterio.open(
        tmp_path / "scene.tif", "w", driver="GTiff", height=9, width=11, count=5, dtype="int16", transform=place
    ) as dataset:
        dataset.write(VALUES.transpose(2, 0, 1))
    bands = [{"center_wavelength": centre / 1000, "note": "x" * 4_000_000} for centre in CENTRES]
    (tmp_path / "scene.json").write_text(json.dumps({"stac_version": "1.1.0", "properties": {"bands": bands}}))
    assert "wavelength" not in hsad.open_cube(tmp_path / "scene.tif").coords


def test_a_netcdf_file_states_when_it_was_acquired(tmp_path):
    made = xr.Dataset({"r": (("y", "x", "wavelength"), VALUES)}, attrs={"time_coverage_start": "2022-09-03T16:31:29Z"})
    made.to_netcdf(tmp_path / "scene.nc", engine="h5netcdf")
    assert hsad.open_cube(tmp_path / "scene.nc").attrs["acquired"] == "2022-09-03T16:31:29Z"


def test_axes_called_by_other_names_of_wavelengths_and_places(tmp_path):
    made = xr.Dataset({"r": (("easting", "northing", "wl"), VALUES.transpose(1, 0, 2))}, {"wl": CENTRES})
    made.to_netcdf(tmp_path / "scene.nc", engine="h5netcdf")
    cube = hsad.open_cube(tmp_path / "scene.nc")
    np.testing.assert_array_equal(cube.values, VALUES)
    np.testing.assert_array_equal(cube.wavelength, CENTRES)


def test_descriptions_of_bands_that_rioxarray_keeps_are_wavelengths(tmp_path):
    made = xr.DataArray(VALUES.transpose(2, 0, 1), dims=("band", "y", "x"), name="cube")
    made.attrs["long_name"] = [f"{centre:.1f} nm" for centre in CENTRES]
    made.to_netcdf(tmp_path / "scene.nc", engine="h5netcdf")
    np.testing.assert_array_equal(hsad.open_cube(tmp_path / "scene.nc").wavelength, CENTRES)


def test_a_chunk_of_hdf5_that_promises_gigabytes_is_refused(tmp_path):
    with h5py.File(tmp_path / "scene.h5", "w") as file:
        file.create_dataset("cube", (20_000, 20_000, 5), "i2", chunks=(20_000, 20_000, 5), compression="gzip")
        file["wavelength"] = CENTRES
    assert "a chunk of /cube has 4000000000 bytes" in refused(tmp_path / "scene.h5")
