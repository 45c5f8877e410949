"""The cube contract: lazy access, georeferencing that survives cropping, what counts as a cube."""

from __future__ import annotations

import pickle
from dataclasses import dataclass

import numpy as np
import pytest
import xarray as xr
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from rasterio.crs import CRS

from hsad.errors import ParameterError, SceneError
from hsad.scene.cube import GeoGrid, Raster, build_cube, check_cube, chunk_cube, geo_grid, nodata, raster_of

SHAPE = (7, 9, 4)
VALUES = np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE)
UTM = CRS.from_epsg(32633)
UPRIGHT = Affine(30.0, 0.0, 364095.0, 0.0, -30.0, 5809965.0)
ROTATED = Affine(1.0981889363046606, -2.4665727356350224, 736600.089, -2.4665727356350224, -1.098, 4078126.75)

_reads: list[tuple[slice, slice]] = []


@dataclass(frozen=True)
class Recorder:
    """A raster that notes which windows are read."""

    shape: tuple[int, int, int] = SHAPE
    dtype: np.dtype = np.dtype(np.int16)  # noqa: RUF009  dtypes are immutable
    row_step: int = 1

    def read(self, rows, cols):
        assert rows.step is None and rows.start <= rows.stop <= self.shape[0]  # noqa: PT018
        _reads.append((rows, cols))
        return VALUES[rows, cols].copy()


@pytest.fixture
def reads():
    _reads.clear()
    return _reads


def _cube(**options):
    return build_cube(Recorder(), source="scene", reader="test", **options)


def indexers(size):
    return st.one_of(
        st.integers(-size, size - 1),
        # An empty slice that runs backwards is more than xarray's own lazy indexing can take.
        st.slices(size).filter(lambda key: (key.step or 1) > 0 or len(range(*key.indices(size))) > 0),
        st.lists(st.integers(0, size - 1), max_size=4).map(lambda items: np.asarray(items, dtype=int)),
    )


@given(*map(indexers, SHAPE))
def test_lazy_indexing_equals_numpy(row, col, band):
    lazy = _cube().isel(y=row, x=col, band=band)
    expected = xr.DataArray(VALUES, dims=("y", "x", "band")).isel(y=row, x=col, band=band)
    assert lazy.shape == expected.shape
    np.testing.assert_array_equal(lazy.values, expected.values)


def test_opening_reads_nothing_and_a_window_reads_itself(reads):
    cube = chunk_cube(_cube(crs=UTM, transform=UPRIGHT, wavelength=[1, 2, 3, 4]))
    assert reads == []
    lazy = _cube().isel(y=slice(2, 5), x=slice(1, 8, 3), band=2)
    np.testing.assert_array_equal(lazy.values, VALUES[2:5, 1:8:3, 2])
    assert reads == [(slice(2, 5), slice(1, 8))]
    np.testing.assert_array_equal(cube.compute().values, VALUES)


def test_chunking_leaves_coordinates_in_memory():
    cube = chunk_cube(_cube(wavelength=[1, 2, 3, 4], valid=VALUES[:, :, 0] > 3))
    assert cube.chunks is not None
    assert all(coordinate.chunks is None for coordinate in cube.coords.values())


def test_chunks_are_whole_row_steps():
    big = Recorder(shape=(4000, 500, 40), row_step=21)
    cube = chunk_cube(build_cube(big, source="scene", reader="test"))
    rows, cols, bands = cube.chunks
    assert set(rows[:-1]) == {rows[0]}
    assert rows[0] % 21 == 0
    assert (cols, bands) == ((500,), (40,))
    assert 20e6 < rows[0] * 500 * 40 * 2 < 45e6


@pytest.mark.parametrize("cube", [_cube(), chunk_cube(_cube())], ids=["indexed lazily", "dask"])
def test_the_recipe_is_known_until_values_change(cube):
    for same in (cube, cube.copy(), cube.assign_coords(z=1), cube.isel(y=slice(None))):
        assert raster_of(same) == Recorder()
        assert isinstance(raster_of(same), Raster)
    for changed in (cube * 1, cube[:3], cube[::-1], cube[:, :, [0, 2, 1, 3]], cube.transpose("band", "y", "x")):
        assert raster_of(changed) is None
    assert raster_of(cube.compute()) is None


def test_a_cube_pickles_without_its_data():
    cube = chunk_cube(build_cube(Recorder(shape=(500, 400, 50)), source="scene", reader="test"))
    raster = pickle.dumps(raster_of(cube))
    assert len(raster) < 500
    assert pickle.loads(raster) == raster_of(cube)  # noqa: S301  our own bytes
    small = pickle.loads(pickle.dumps(chunk_cube(_cube(crs=UTM, transform=ROTATED))))  # noqa: S301  likewise
    np.testing.assert_array_equal(small.values, VALUES)
    assert geo_grid(small).transform == ROTATED


def test_coordinates_and_attributes():
    cube = _cube(
        wavelength=[400, 500, 600, 700],
        fwhm=[5, 5, 6, 6],
        good_wavelength=[1, 0, 1, 1],
        band_name=["a", "b", "c", "d"],
        gain=0.5,
        bias=[0, 1, 2, 3],
        nodata=-1,
        attrs={"interleave": "bil", "warnings": ["remark"]},
    )
    assert cube.dims == ("y", "x", "band")
    assert cube.wavelength.attrs == {"units": "nm", "standard_name": "radiation_wavelength"}
    assert cube.fwhm.attrs == {"units": "nm"}
    assert cube.good_wavelength.values.tolist() == [True, False, True, True]
    assert cube.gain.values.tolist() == [0.5] * 4
    assert cube.attrs == {
        "source": "scene",
        "reader": "test",
        "interleave": "bil",
        "warnings": ["remark"],
        "_FillValue": -1,
    }


def test_lists_of_the_wrong_length_are_refused():
    with pytest.raises(SceneError, match="scene: 3 values of wavelength for 4 bands"):
        _cube(wavelength=[1, 2, 3])
    with pytest.raises(SceneError, match="mask"):
        _cube(valid=np.ones((9, 7), dtype=bool))


@pytest.mark.parametrize("transform", [UPRIGHT, ROTATED])
def test_georeferencing_is_exact_and_readable_by_rioxarray(transform):
    cube = _cube(crs=UTM, transform=transform)
    grid = geo_grid(cube)
    assert (grid.rows, grid.cols, grid.crs, grid.transform) == (7, 9, UTM, transform)
    assert cube.rio.crs == UTM
    assert ("x" in cube.coords) == (transform.b == 0)
    if transform.b == 0:
        np.testing.assert_allclose(cube.rio.bounds(), (364095, 5809755, 364365, 5809965), rtol=1e-15)
        assert cube.x[0] == 364095.0 + 15


def test_cropping_shifts_the_transform_by_whole_pixels():
    cropped = chunk_cube(_cube(crs=UTM, transform=UPRIGHT))[2:6, 3:5]
    grid = geo_grid(cropped)
    assert (grid.rows, grid.cols) == (4, 2)
    assert grid.transform == Affine(30.0, 0.0, 364095.0 + 90, 0.0, -30.0, 5809965.0 - 60)


@pytest.mark.parametrize("transform", [UPRIGHT, ROTATED])
@pytest.mark.parametrize("rows", [slice(2, 6), slice(1, 7, 2), slice(None, None, -1), slice(3, 4)])
@pytest.mark.parametrize("cols", [slice(3, 5), slice(0, 9, 3)])
def test_pixels_stay_where_they_are_whatever_is_picked(transform, rows, cols):
    grid = geo_grid((chunk_cube(_cube(crs=UTM, transform=transform))[rows, cols] * 2.0)[:, :, 0])
    a, b, c, d, e, f, *_ = transform
    for place, row in enumerate(range(*rows.indices(7))):
        for position, col in enumerate(range(*cols.indices(9))):
            x = a * (col + 0.5) + b * (row + 0.5) + c
            y = d * (col + 0.5) + e * (row + 0.5) + f
            own = grid.transform
            np.testing.assert_allclose(
                (
                    own.a * (position + 0.5) + own.b * (place + 0.5) + own.c,
                    own.d * (position + 0.5) + own.e * (place + 0.5) + own.f,
                ),
                (x, y),
                rtol=1e-14,
            )


def test_unevenly_picked_pixels_have_no_grid():
    with pytest.raises(ParameterError, match="rows of the cube are not evenly spaced"):
        geo_grid(_cube(crs=UTM, transform=ROTATED).isel(y=[0, 1, 5]))


def test_window_of_a_rotated_grid():
    window = GeoGrid(7, 9, UTM, ROTATED).window(slice(2, 6), slice(3, 5))
    a, b, c, d, e, f = tuple(ROTATED)[:6]
    assert (window.rows, window.cols) == (4, 2)
    np.testing.assert_allclose(
        tuple(window.transform)[:6], (a, b, a * 3 + b * 2 + c, d, e, d * 3 + e * 2 + f), rtol=1e-15
    )


def test_grid_without_georeferencing():
    assert geo_grid(_cube()) == GeoGrid(7, 9, None, None)


@pytest.mark.parametrize(
    "dims", [("band", "y", "x"), ("wavelengths", "lat", "lon"), ("bands", "downtrack", "crosstrack")]
)
def test_band_first_cubes_of_other_tools(dims):
    cube = check_cube(xr.DataArray(VALUES.transpose(2, 0, 1), dims=dims))
    assert cube.dims == ("y", "x", "band")
    np.testing.assert_array_equal(cube.values, VALUES)


def test_wavelengths_as_a_dimension_become_a_coordinate_of_the_bands():
    centres = [400.0, 500.0, 600.0, 700.0]
    cube = check_cube(xr.DataArray(VALUES, dims=("y", "x", "wavelength"), coords={"wavelength": centres}))
    assert cube.dims == ("y", "x", "band")
    assert cube.coords["wavelength"].dims == ("band",)
    assert cube.wavelength.values.tolist() == centres


def test_plain_arrays():
    np.testing.assert_array_equal(check_cube(VALUES).values, VALUES)


@pytest.mark.parametrize(
    "array, message",
    [
        (VALUES[0], "3 dimensions"),
        (VALUES.astype(complex), "real numbers"),
        (VALUES[:0], "at least one pixel"),
        (xr.DataArray(VALUES, dims=("a", "b", "c")), "cannot tell"),
        (xr.DataArray(VALUES[0], dims=("y", "x")), "3 dimensions"),
    ],
)
def test_what_is_no_cube(array, message):
    with pytest.raises(ParameterError, match=message):
        check_cube(array)


@pytest.mark.parametrize("place", ["attrs", "encoding"])
def test_nodata_is_the_same_for_all_who_ask(tmp_path, place):
    # xarray moves _FillValue from the attributes to the encoding when it decodes a file.
    from hsad.engine.source import source_of
    from hsad.job.describe import describe
    from hsad.products import write_envi

    cube = xr.DataArray(VALUES.astype("f4"), dims=("y", "x", "band"))
    getattr(cube, place)["_FillValue"] = np.float32(5)
    assert nodata(cube) == 5
    assert source_of(cube).nodata == 5
    assert describe(cube)["nodata"] == 5
    assert describe(cube)["valid_fraction"] == pytest.approx(1 - 1 / 63)
    assert "data ignore value = 5" in write_envi(cube, tmp_path / "scene.hdr").read_text()


def test_cubes_of_other_libraries():
    stored = np.arange(24.0).reshape(1, 2, 3, 4)
    stack = xr.DataArray(
        stored,
        dims=("time", "band", "y", "x"),
        coords={"time": [0], "wavelength": ("band", [0.5, 0.6], {"units": "µm"}), "fwhm": ("band", [9.0, 9.0])},
    )  # stackstac
    cube = check_cube(stack)
    assert cube.dims == ("y", "x", "band")
    np.testing.assert_array_equal(cube.values, np.moveaxis(stored[0], 0, 2))
    np.testing.assert_allclose(cube.wavelength, [500, 600])
    np.testing.assert_allclose(cube.fwhm, 9)

    listed = xr.DataArray(
        stored[0], dims=("bands", "latitude", "longitude"), coords={"wavelengths": ("bands", [500, 600])}
    )
    np.testing.assert_allclose(check_cube(listed).wavelength, [500, 600])  # HyperCoast
    with pytest.raises(ParameterError, match="3 dimensions"):
        check_cube(xr.concat([stack, stack], "time"))
