"""Sensor products in HDF5 and netCDF: values, wavelengths, masks, places against numbers worked out by hand."""

from __future__ import annotations

import pickle
from functools import wraps

import h5py
import numpy as np
import pytest
from granules import COLS, ROWS, aviris, dlr, emit, neon, pace, prisma, stored, tanager
from granules.seen import invalid, row, spectra

import hsad
from hsad.errors import SceneError
from hsad.readers.rasters.hdf5 import Hdf5Layer, Hdf5Raster
from hsad.readers.rasters.raw import RawRaster
from hsad.readers.rasters.stacked import StackedRaster
from hsad.readers.sensors.product import FlagImage
from hsad.scene.cube import geo_grid, raster_of
from hsad.scene.quality import choose_flags, flag_names, flag_shares
from hsad.scene.swath import swath_of

# --- EMIT


def test_emit_reflectance_with_its_mask(tmp_path):
    emit.write_mask(tmp_path)
    cube = hsad.open_cube(emit.write_cube(tmp_path))
    assert (cube.attrs["product"], cube.attrs["reader"], cube.attrs["units"]) == ("EMIT L2A", "EMIT", "1")
    assert cube.shape == (ROWS, COLS, 5)
    assert cube.wavelength.values.tolist() == emit.WAVELENGTHS
    assert cube.good_wavelength.values.tolist() == [True, True, False, True, True]
    np.testing.assert_array_equal(cube.values, emit.values())
    # The bad band's −0.01 is not among the spectra.
    assert spectra(cube)[0].shape[2] == 4
    assert flag_names(cube) == ["cloud", "cirrus", "water", "spacecraft", "dilated_cloud", "pixel"]
    assert cube.attrs["mask_flags"] == ["cloud", "cirrus", "dilated_cloud", "spacecraft"]
    assert invalid(cube) == {(4, 0), (0, 1), (1, 1)}
    assert invalid(choose_flags(cube, "none")) == {(4, 0)}
    assert invalid(choose_flags(cube, "water, cloud")) == {(4, 0), (0, 1), (2, 2)}
    assert invalid(choose_flags(cube, "pixel")) == {(4, 0), (3, 1), (3, 2)}
    first = hsad.detect(choose_flags(cube, "pixel"), "rx", bands="390-410", covariance="ridge")
    assert np.isnan(first.values[3, 1])
    assert np.isfinite(first.values[3, 2])
    assert flag_shares(cube)["cloud"] == 1 / 20
    assert cube.attrs["crosstrack_orientation"] == "as seen on ground"
    assert cube.rio.crs is None  # the CRS of the file belongs to the map


def test_the_names_in_the_mask_decide_not_their_order(tmp_path):
    emit.write_mask(tmp_path, emit.MASKS_V002, version="002")
    cube = hsad.open_cube(emit.write_cube(tmp_path))  # a version older than its mask
    assert invalid(cube) == {(4, 0), (0, 1), (1, 1)}


def test_emit_radiance_has_no_band_flags(tmp_path):
    cube = hsad.open_cube(emit.write_cube(tmp_path, "RAD"))
    assert (cube.attrs["product"], cube.attrs["units"]) == ("EMIT L1B", "µW/cm²/sr/nm")
    assert cube.good_wavelength.values.tolist() == [True, True, False, True, True]  # 1390 nm
    said = " ".join(cube.attrs["warnings"])
    assert "water vapour, are bad" in said
    assert "no EMIT_L2A_MASK of this scene" in said


def test_emit_lookup_table(tmp_path):
    swath = swath_of(hsad.open_cube(emit.write_cube(tmp_path)))
    assert (swath.grid.rows, swath.grid.cols, swath.grid.crs.to_epsg()) == (ROWS + 2, COLS + 2, 4326)
    assert swath.grid.transform.to_gdal() == tuple(emit.GEOTRANSFORM)
    line, sample = pickle.loads(pickle.dumps(swath)).lookup(slice(0, 2))  # noqa: S301  our own
    assert line.tolist() == [[-1] * 6, [-1, 0, 0, 0, 0, -1]]
    assert sample.tolist() == [[-1] * 6, [-1, 3, 2, 1, 0, -1]]


def test_a_lookup_table_for_mirrored_columns(tmp_path):
    cube = hsad.open_cube(emit.write_cube(tmp_path, build="010613"))
    line, sample = swath_of(cube).lookup(slice(0, 2))
    assert line.tolist() == [[-1] * 6, [-1, 0, 0, 0, 0, -1]]
    assert sample.tolist() == [[-1] * 6, [-1, 0, 1, 2, 3, -1]]  # 4 - glt_x, glt_x = 4, 3, 2, 1
    assert any("software 010613 belong to mirrored cubes" in remark for remark in cube.attrs["warnings"])


def test_filled_and_foreign_cells_of_a_lookup_table(tmp_path):
    x, y = emit.lookup()
    x[1, 1], y[1, 1] = -4, -1  # filled with its neighbour's
    x[0, 0], y[0, 0] = -9999, -9999  # a fill value that some files have
    x[2, 2] = COLS + 1  # beyond the grid
    swath = swath_of(hsad.open_cube(emit.write_cube(tmp_path, glt=(x, y))))
    line, sample = swath.lookup(slice(0, 3))
    assert (line[1, 1], sample[1, 1]) == (0, 3)
    assert (line[0, 0], sample[0, 0]) == (-1, -1)
    assert sample[2, 2] == -1


def test_real_mask_of_emit_is_no_scene(data):
    with pytest.raises(SceneError, match=r"not an EMIT cube: no reflectance or radiance among band_mask"):
        hsad.open_cube(data / "netcdf/EMIT_L2A_MASK_001_20220827T060753_9999999_999.nc")


def test_flags_of_a_real_mask(data, tmp_path):
    # A cube of the right size beside the real mask of a granule, under the granule's name.
    name = "EMIT_L2A_MASK_001_20220827T060753_9999999_999.nc"
    (tmp_path / name).symlink_to(data / "netcdf" / name)
    path = tmp_path / name.replace("MASK", "RFL")
    with h5py.File(path, "w") as file:
        emit.dimensions(file, downtrack=200, crosstrack=200, bands=2)
        file["reflectance"] = np.zeros((200, 200, 2), "f4")
        for axis, scale in enumerate(("downtrack", "crosstrack", "bands")):
            file["reflectance"].dims[axis].attach_scale(file[scale])
        file.create_group("location")
    with h5py.File(data / "netcdf" / name) as file:
        mask = file["mask"][...]
    shares = flag_shares(hsad.open_cube(path))
    assert shares["cloud"] == np.mean(mask[..., 0] == 1)
    assert shares["dilated_cloud"] == np.mean(mask[..., 4] == 1)
    assert {flag for flag, share in shares.items() if share is not None} == {
        "cloud", "cirrus", "water", "spacecraft", "dilated_cloud",
    }  # fmt: skip


# --- PRISMA


def test_prisma_reflectance(tmp_path):
    cube = hsad.open_cube(prisma.write(tmp_path))
    assert cube.attrs["product"] == "PRISMA L2D"
    # Ascending, without the slots that were not acquired; 945 is of the SWIR, 950 and 970 of the VNIR.
    assert cube.wavelength.values.tolist() == [400, 700, 945, 950, 970, 1000, 1400, 2490]
    assert cube.band_name.values.tolist() == [
        "VNIR 5", "VNIR 4", "SWIR 4", "VNIR 3", "VNIR 2", "SWIR 3", "SWIR 2", "SWIR 1",
    ]  # fmt: skip
    # VNIR within the range of the SWIR, and water vapour.
    assert cube.good_wavelength.values.tolist() == [True, True, True, False, False, True, False, True]
    # Slot 4 of the VNIR at (1, 2): 1000 + 100 + 20 + 4; slot 3 of the SWIR: 5000 more, + 3.
    np.testing.assert_array_equal(cube.values[1, 2, [0, 2]], [1124, 6123])
    values, valid = spectra(cube)
    np.testing.assert_allclose(values[1, 2, 0], 0.25 + 1124 * (1.25 - 0.25) / 65535, rtol=1e-12)
    assert not valid[0].any()
    assert invalid(cube) == row(0) | {(2, 1)}  # padding is DN 0; (2, 1) has an error at 700 nm
    assert invalid(choose_flags(cube, "none")) == row(0)


def test_an_error_in_a_band_that_is_not_used_costs_no_pixel(tmp_path):
    cube = hsad.open_cube(prisma.write(tmp_path))
    scores = hsad.detect(cube, "rx", bands="380-420,940-1100,2400-2500", covariance="ridge")
    assert np.isfinite(scores.values[2, 1])
    assert not np.isfinite(hsad.detect(cube, "rx", covariance="ridge").values[2, 1])


def test_prisma_corners_are_centres_of_pixels(tmp_path):
    grid = geo_grid(hsad.open_cube(prisma.write(tmp_path)))
    assert grid.crs.to_epsg() == 32632
    assert grid.transform.to_gdal() == (500000 - 15, 30, 0, 4600000 + 15, 0, -30)


def test_prisma_radiance(tmp_path):
    cube = hsad.open_cube(prisma.write(tmp_path, "L1"))
    assert (cube.attrs["product"], cube.attrs["units"]) == ("PRISMA L1", "W/m²/sr/µm")
    np.testing.assert_allclose(spectra(cube)[0][1, 2, 0], 1124 / 100 - 0.5)
    assert invalid(cube) == row(0) | {(2, 1), (3, 3)}
    assert flag_names(cube) == ["cloud", "pixel"]
    assert swath_of(cube).grid.crs.to_epsg() == 32632


def test_prisma_l2c_has_latitudes(tmp_path):
    swath = swath_of(hsad.open_cube(prisma.write(tmp_path, "L2C")))
    assert swath.shape == (ROWS, COLS)


@pytest.mark.parametrize(
    "name, said",
    [
        ("List_Cw_Swir", "no attribute List_Cw_Swir"),
        ("L2ScaleVnirMax", "no attribute L2ScaleVnirMax"),
        ("Epsg_Code", "no attribute Epsg_Code"),
    ],
)
def test_prisma_names_what_is_missing(tmp_path, name, said):
    path = prisma.write(tmp_path)
    with h5py.File(path, "a") as file:
        del file.attrs[name]
    with pytest.raises(SceneError, match=said) as error:
        hsad.open_cube(path)
    assert str(path) in str(error.value)


# --- Tanager


def test_tanager_ortho(tmp_path):
    cube = hsad.open_cube(tanager.write(tmp_path))
    assert (cube.attrs["product"], cube.attrs["units"]) == ("Tanager L2A", "1")
    assert cube.shape == (ROWS, COLS, 3)
    np.testing.assert_allclose(cube.values[3, 1], [0.131, 0.1311, 0.1312])
    assert cube.wavelength.values.tolist() == [380, 900, 1400]
    assert cube.good_wavelength.values.tolist() == [True, True, False]
    grid = geo_grid(cube)
    # Corners of the outermost pixels: 120 m across 4, 150 m down 5.
    assert (grid.crs.to_epsg(), grid.transform.to_gdal()) == (32610, (500000, 30, 0, 4100000, 0, -30))
    assert invalid(cube) == {(0, 0), (1, 2), (2, 2)}
    assert invalid(choose_flags(cube, "none")) == {(0, 0)}


def test_tanager_basic_lies_elsewhere(tmp_path):
    cube = hsad.open_cube(tanager.write(tmp_path, "basic", "radiance"))
    assert cube.attrs["product"] == "Tanager L1B"
    assert cube.good_wavelength.values.tolist() == [True, True, False]  # 1400 nm: the product says nothing
    assert cube.rio.crs is None
    swath = swath_of(cube)
    assert swath.grid.crs.to_epsg() == 32610  # 121° W
    np.testing.assert_array_equal(np.unique(swath.lookup(slice(0, swath.grid.rows))[0]), [-1, 0, 1, 2, 3, 4])


def test_tanager_names_what_is_missing(tmp_path):
    path = tanager.write(tmp_path)
    with h5py.File(path, "a") as file:
        del file["HDFEOS INFORMATION"]
    with pytest.raises(SceneError, match="no UpperLeftPointMtrs in HDFEOS INFORMATION"):
        hsad.open_cube(path)


# --- NEON


@pytest.mark.parametrize("map_info", [neon.MAP_INFO, np.array([neon.MAP_INFO], dtype=object)])
def test_neon(tmp_path, map_info):
    cube = hsad.open_cube(neon.write(tmp_path, map_info=map_info))
    assert cube.attrs["product"] == "NEON AOP reflectance"
    assert cube.wavelength.values.tolist() == neon.WAVELENGTHS
    assert cube.good_wavelength.values.tolist() == [True, True, False, True]
    values, valid = spectra(cube)
    np.testing.assert_allclose(values[0, [1, 2], 0], [1.2, -0.05])  # outside 0 to 1, and data
    assert valid[0, 1] & valid[0, 2]
    assert invalid(cube) == row(4) | {(0, 0), (0, 3)}
    grid = geo_grid(cube)
    assert (grid.crs.to_epsg(), grid.transform.to_gdal()) == (32618, (732000, 1, 0, 4714000, 0, -1))


def test_a_neon_tile_as_one_was_found(tmp_path):
    cube = hsad.open_cube(neon.write(tmp_path, dtype="int32", fwhm=False, windows=False))
    assert cube.dtype == np.int32
    assert "fwhm" not in cube.coords
    assert cube.good_wavelength.values.tolist() == [True, True, False, True]
    np.testing.assert_allclose(spectra(cube)[0][3, 1, 0], 0.1310)


# --- PACE


def test_pace_l1b_is_three_detectors(tmp_path):
    cube = hsad.open_cube(pace.write_l1b(tmp_path))
    assert cube.attrs["product"] == "PACE OCI L1B"
    np.testing.assert_allclose(cube.wavelength, [315, 600, 605, 895, 1378.2, 2258.4], rtol=1e-6)
    np.testing.assert_allclose(cube.fwhm, [5, 5, 5, 5, 15, 75])
    assert cube.good_wavelength.values.tolist() == [True] * 4 + [False, True]
    np.testing.assert_array_equal(cube.values[1, 2], [1120, 1220, 1121, 1221, 1320, 1321])
    assert invalid(cube) == {(0, 0)}
    assert swath_of(cube).grid.crs.to_epsg() in (32615, 32616)  # 90° W is their border


def test_pace_l1b_saturation_is_of_single_numbers(tmp_path):
    path = pace.write_l1b(tmp_path)
    with h5py.File(path, "a") as file:
        for arm in ("blue", "red", "SWIR"):
            saturated = np.zeros((2, ROWS, COLS), "u1")
            if arm == "red":
                saturated[0, 3, 1] = 1  # 600 nm, the second band of the cube
            file[f"observation_data/qual_{arm}"] = saturated
    cube = hsad.open_cube(path)
    assert cube.attrs["mask_flags"] == ["pixel"]
    assert invalid(cube) == {(0, 0), (3, 1)}
    assert np.isfinite(hsad.detect(cube, "rx", bands="310-320,700-900", covariance="ridge").values[3, 1])


def test_pace_l2(tmp_path):
    cube = hsad.open_cube(pace.write_l2(tmp_path))
    assert cube.attrs["product"] == "PACE OCI L2"
    np.testing.assert_allclose(spectra(cube)[0][3, 1], 2e-5 * np.array([1310, 1311, 1312]) + 0.5)
    assert invalid(cube) == {(0, 0), (1, 1), (2, 2)}
    assert invalid(choose_flags(cube, "cloud")) == {(0, 0), (1, 1)}


# --- AVIRIS in netCDF


def test_aviris_3_on_a_map(tmp_path):
    cube = hsad.open_cube(aviris.write_netcdf(tmp_path))
    assert cube.attrs["product"] == "AVIRIS-3 L2"
    np.testing.assert_allclose(cube.values[3, 1], [0.131, 0.1311, 0.1312])
    assert cube.good_wavelength.values.tolist() == [True, False, True]
    grid = geo_grid(cube)
    assert (grid.crs.to_epsg(), grid.transform.to_gdal()) == (32611, (500000, 5, 0, 4000000, 0, -5))
    assert invalid(cube) == {(0, 0)}


def test_aviris_5_on_the_sensors_grid(tmp_path):
    cube = hsad.open_cube(aviris.write_netcdf(tmp_path, sensor_grid=True))
    assert (cube.attrs["product"], cube.shape) == ("AVIRIS-5 L1", (ROWS, COLS, 3))
    swath = swath_of(cube)
    assert (swath.grid.rows, swath.grid.cols) == (ROWS + 1, COLS + 1)
    line, sample = swath.lookup(slice(0, ROWS + 1))
    assert line[0].tolist() == [-1, 0, 0, 0, 0]
    assert sample[ROWS].tolist() == [-1] * 5
    assert cube.rio.crs is None


# --- all of them


BUILDERS = {
    "emit": emit.write_cube,
    "prisma": prisma.write,
    "tanager": tanager.write,
    "neon": neon.write,
    "pace l1b": pace.write_l1b,
    "pace l2": pace.write_l2,
    "aviris": aviris.write_netcdf,
}


@pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS)
def test_folder_main_file_and_a_copy_elsewhere_are_the_same(build, tmp_path):
    path = build(tmp_path)
    cube = hsad.open_cube(path)
    np.testing.assert_array_equal(hsad.open_cube(tmp_path).values, cube.values)
    raster = pickle.loads(pickle.dumps(raster_of(cube)))  # noqa: S301  our own
    np.testing.assert_array_equal(raster.read(slice(1, 4), slice(2, 4)), cube.values[1:4, 2:4])
    assert np.isfinite(hsad.detect(cube, "rx", covariance="ridge")).any()


@pytest.mark.parametrize("build", [emit.write_cube, prisma.write, tanager.write, neon.write, pace.write_l2])
def test_a_name_that_deviates_is_no_matter(build, tmp_path):
    path = build(tmp_path)
    renamed = path.rename(tmp_path / f"my scene{path.suffix}")
    assert hsad.open_cube(renamed).attrs["reader"] != "netCDF or Zarr"


@pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS)
def test_a_file_cut_short_is_one_line(build, tmp_path):
    path = build(tmp_path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(SceneError) as error:
        hsad.open_cube(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_two_products_in_a_folder(tmp_path):
    tanager.write(tmp_path)
    tanager.write(tmp_path, "basic", "radiance")
    with pytest.raises(SceneError, match=r"2 Tanager products in this folder, name one: 20250503.*basic.*ortho"):
        hsad.open_cube(tmp_path)


def test_stored_is_what_the_tests_say():
    assert stored(3)[3, 1].tolist() == [1310, 1311, 1312]


# --- all of them


@pytest.mark.parametrize(
    "write",
    [emit.write_cube, prisma.write, tanager.write, neon.write, pace.write_l1b, pace.write_l2, aviris.write_netcdf,
     dlr.write_enmap, dlr.write_desis],
    ids=lambda write: f"{write.__module__}.{write.__name__}",
)  # fmt: skip
def test_opening_reads_neither_numbers_nor_layers(tmp_path, monkeypatch, write):
    if write is emit.write_cube:
        emit.write_mask(tmp_path)
    path = write(tmp_path)
    read = []
    for kind in (Hdf5Layer, Hdf5Raster, RawRaster, FlagImage, StackedRaster):

        @wraps(kind.read)
        def noted(*given, before=kind.read):
            read.append(given[0])
            return before(*given)

        monkeypatch.setattr(kind, "read", noted)
    cube = pickle.loads(pickle.dumps(hsad.open_cube(path)))  # noqa: S301  our own
    assert read == []
    seen = invalid(cube)
    assert read
    monkeypatch.undo()
    assert seen == invalid(hsad.open_cube(path))
