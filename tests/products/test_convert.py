"""Cubes into other formats and back: whatever a cube holds, it holds again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import spectral.io.envi
import xarray as xr
from affine import Affine
from granules import dlr, emit, pace, tanager
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from processes import hsad as command
from rasterio.crs import CRS

import hsad
from hsad.engine.source import source_of
from hsad.errors import OutputError, ParameterError, SceneWarning
from hsad.gdal import open_dataset
from hsad.products.cubes.blocks import block_rows
from hsad.scene.cube import GeoGrid, geo_grid, nodata
from hsad.scene.quality import choose_flags, flag_names
from hsad.scene.swath import swath_of

pytest.importorskip("zarr")

FORMATS = ["bil.hdr", "bip.hdr", "bsq.hdr", "scene.tif", "scene.zarr"]
DTYPES = ["uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]
# By 30 degrees with square pixels, which every format can say, and upright.
TRANSFORMS = [
    None,
    Affine(30.0, 0.0, 364095.0, 0.0, -30.0, 5809965.0),
    Affine(30.0, 0.0, 364095.0, 0.0, 15.0, 5809965.0),
    Affine(2.0 * 0.75**0.5, 1.0, 500000.0, 1.0, -2.0 * 0.75**0.5, 4000000.0),
]


@st.composite
def cubes(draw):
    rows, cols, bands = (draw(st.integers(1, top)) for top in (40, 9, 5))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    values = random.integers(0, 200, (rows, cols, bands)).astype(dtype)
    columns = {
        "wavelength": np.sort(random.uniform(400, 2500, bands)),
        "fwhm": random.uniform(1, 20, bands),
        "good_wavelength": random.random(bands) < 0.7,
        "band_name": [f"band {number}: x/y" for number in range(bands)],
        "gain": draw(st.sampled_from([np.full(bands, 1e-4), random.uniform(0.5, 2, bands)])),
        "bias": random.uniform(-1, 1, bands),
    }
    chosen = draw(st.sets(st.sampled_from(sorted(columns))))
    coords = {key: ("band", columns[key]) for key in columns if key in chosen}
    if "wavelength" not in coords:
        coords.pop("fwhm", None)  # widths of nothing
    attrs = {}
    fill = draw(st.sampled_from([None, 0, 7] if dtype.kind == "u" else [None, 0, 7, -99]))
    if dtype.kind == "f":
        fill = draw(st.sampled_from([None, -9999.0, np.nan, fill]))
    if fill is not None:
        attrs["_FillValue"] = fill
        values[random.random((rows, cols)) < 0.2] = fill
    if (fill is not None or dtype.kind == "f") and draw(st.booleans()):
        coords["valid"] = (("y", "x"), random.random((rows, cols)) < 0.8)
    cube = xr.DataArray(values, dims=("y", "x", "band"), coords=coords, attrs=attrs)
    transform = draw(st.sampled_from(TRANSFORMS))
    crs = None if transform is None else CRS.from_epsg(32633)
    cube = GeoGrid(rows, cols, crs, transform).attach(cube)
    return cube.chunk({"y": draw(st.integers(1, rows))}) if draw(st.booleans()) else cube


def physical(cube):
    """Return what a detector sees."""
    everything = cube.drop_vars("good_wavelength", errors="ignore")
    source = source_of(everything)
    window = slice(0, cube.sizes["y"]), slice(0, cube.sizes["x"])
    return source.spectra(source.read(*window), *window)


@pytest.mark.parametrize("name", FORMATS)
@given(cube=cubes())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_nothing_is_lost(cube, name, tmp_path_factory):
    folder = tmp_path_factory.mktemp("out")
    interleave = name[:3] if name.endswith("hdr") else None
    again = hsad.open_cube(hsad.write_cube(cube, folder / name, interleave=interleave))
    assert again.dtype == cube.dtype
    for key in ("wavelength", "fwhm", "good_wavelength", "band_name"):
        if key in cube.coords:
            np.testing.assert_array_equal(again[key], cube[key])
        else:
            assert key not in again.coords or key == "band_name", key
    for key, neutral in (("gain", 1.0), ("bias", 0.0)):
        found, stated = (kind.coords.get(key, neutral) for kind in (again, cube))
        np.testing.assert_allclose(found, np.broadcast_to(stated, np.shape(found)), rtol=1e-15)
    stated = nodata(cube)
    # A mask of numbers with a decimal point needs a nodata value, where a format has no masks: NaN.
    found = nodata(again)
    assert found == stated or (np.isnan(found) and (stated is None or np.isnan(stated)))
    before, after = geo_grid(cube), geo_grid(again)
    assert after.crs == before.crs
    if before.transform is None:
        assert after.transform is None
    else:
        np.testing.assert_allclose(tuple(after.transform), tuple(before.transform), rtol=1e-12, atol=1e-9)
    (spectra, valid), (spectra_again, valid_again) = physical(cube), physical(again)
    np.testing.assert_array_equal(valid_again, valid)
    np.testing.assert_allclose(spectra_again, spectra, rtol=1e-14, atol=0)
    if "valid" not in cube.coords:
        np.testing.assert_array_equal(again.values, cube.values)


@pytest.mark.parametrize("name", ["scene.tif", "scene.zarr", "scene.hdr"])
def test_micrometers_become_nanometers(tmp_path, name):
    (tmp_path / "raw.img").write_bytes(np.arange(12, dtype="<i2").tobytes())
    (tmp_path / "raw.hdr").write_text(
        "ENVI\nsamples = 2\nlines = 3\nbands = 2\ndata type = 2\ninterleave = bsq\nbyte order = 0\n"
        "wavelength units = Micrometers\nwavelength = {0.5, 1.25}\nfwhm = {0.01, 0.02}\nbbl = {1, 0}\n"
    )
    (tmp_path / "out").mkdir()
    again = hsad.open_cube(hsad.write_cube(hsad.open_cube(tmp_path / "raw.hdr"), tmp_path / "out" / name))
    np.testing.assert_allclose(again.wavelength, [500, 1250])
    np.testing.assert_allclose(again.fwhm, [10, 20])
    assert again.good_wavelength.values.tolist() == [True, False]


def test_others_read_what_is_written(tmp_path):
    cube = hsad.open_cube(dlr.write_enmap(tmp_path))
    with pytest.warns(SceneWarning, match="quality layers are left out"):
        tiff = hsad.write_cube(cube, tmp_path / "out.tif")
    with open_dataset(str(tiff)) as dataset:
        np.testing.assert_array_equal(np.moveaxis(dataset.read(), 0, 2), cube.values)
        assert dataset.tags(1, ns="IMAGERY") == {"CENTRAL_WAVELENGTH_UM": "0.42", "FWHM_UM": "0.007"}
        assert dataset.scales == tuple(cube.gain.values)
        assert dataset.descriptions[1] == "band 3"
        assert dataset.nodata == -32768
        assert tuple(dataset.transform) == tuple(dlr.TRANSFORM)
    with pytest.warns(SceneWarning, match="quality layers are left out"):
        header = hsad.write_cube(cube, tmp_path / "out.hdr", interleave="bsq")
    image = spectral.io.envi.open(str(header))
    np.testing.assert_array_equal(image.open_memmap(), cube.values)
    assert image.bands.centers == [420, 905, 1000, 2400]
    store = hsad.write_cube(cube, tmp_path / "out.zarr")
    with xr.open_zarr(store, mask_and_scale=False) as dataset:
        np.testing.assert_array_equal(dataset["cube"], cube.values)
        np.testing.assert_array_equal(dataset["wavelength"], [420, 905, 1000, 2400])


def test_zarr_keeps_quality_layers(tmp_path):
    cube = hsad.open_cube(dlr.write_enmap(tmp_path))
    again = hsad.open_cube(hsad.write_cube(cube, tmp_path / "out.zarr"))
    assert flag_names(again) == flag_names(cube)
    assert "pixel" in flag_names(again)
    marked, marked_again = (choose_flags(kind, "pixel") for kind in (cube, again))
    np.testing.assert_array_equal(physical(marked_again)[1], physical(marked)[1])
    assert (physical(marked)[1] != physical(choose_flags(cube, "none"))[1]).any()
    assert again.attrs["mask_flags"] == cube.attrs["mask_flags"]
    assert again.attrs["product"] == "EnMAP L2A"
    np.testing.assert_array_equal(physical(again)[1], physical(cube)[1])


def test_a_swath_loses_its_place_and_says_so(tmp_path):
    cube = hsad.open_cube(emit.write_cube(tmp_path))
    with pytest.warns(SceneWarning, match="where its pixels lie is left out.*: write Zarr"):
        hsad.write_cube(cube, tmp_path / "out.tif")


@pytest.mark.parametrize("write", [emit.write_cube, pace.write_l2], ids=["table", "points"])
def test_zarr_keeps_where_a_swath_lies(tmp_path, write):
    cube = hsad.open_cube(write(tmp_path))
    again = hsad.open_cube(hsad.write_cube(cube, tmp_path / "out.zarr"))
    before, after = swath_of(cube), swath_of(again)
    assert after.grid == before.grid
    everything = slice(0, before.grid.rows)
    np.testing.assert_array_equal(after.lookup(everything), before.lookup(everything))
    assert (before.lookup(everything)[0] >= 0).any()


def test_a_part_of_a_swath_says_that_its_place_is_lost(tmp_path):
    emit.write_mask(tmp_path)
    cube = hsad.open_cube(emit.write_cube(tmp_path))[1:, :, :3]
    with pytest.warns(SceneWarning) as said:
        hsad.write_cube(cube, tmp_path / "out.zarr")
    said = " ".join(str(warning.message) for warning in said)
    assert "where its pixels lie is left out, for it is no longer the whole of its file" in said
    assert "its flag 'pixel' is left out" in said


def test_memory_that_is_given_is_honoured(tmp_path):
    cube = xr.DataArray(np.zeros((64, 1000, 100), "i2"), dims=("y", "x", "band"))
    # A row has 200 kB, of which five copies are reckoned with, beside 200 MB for the program and the masks.
    masks = 8 * 64 * 1000
    assert block_rows(cube, 200_000_000 + masks + 5 * 200_000 * 10) == 10
    assert block_rows(cube, 200_000_000 + masks + 5 * 200_000 * 39, step=16) == 32
    assert block_rows(cube, 10**12) == 2**25 // 200_000
    with pytest.raises(ParameterError, match=r"memory: 205MB does not hold .* 16 rows of 1000 .* give at least 218MB"):
        block_rows(cube, 205_000_000, step=16)
    with pytest.raises(ParameterError, match="memory: 'much' is not a size"):
        hsad.write_cube(cube, tmp_path / "out.hdr", memory="much")
    for name in ("out.hdr", "out.tif", "out.zarr"):
        with pytest.raises(ParameterError, match="memory: 201MB does not hold"):
            hsad.write_cube(np.zeros((20, 20000, 100), "i2"), tmp_path / name, memory="201MB")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["out.hdr", "out.tif", "out.zarr"])
def test_nothing_is_left_when_reading_fails(tmp_path, name):
    scene = tanager.write(tmp_path)
    cube = hsad.open_cube(scene)
    (tmp_path / "folder").mkdir()
    scene.write_bytes(scene.read_bytes()[:3000])
    with pytest.raises(hsad.HsadError):
        hsad.write_cube(cube.drop_vars("quality"), tmp_path / "folder" / name)
    assert not list((tmp_path / "folder").iterdir())


@pytest.mark.parametrize("name", ["out.hdr", "out.tif", "out.zarr"])
def test_what_is_there_stays_unless_it_may_be_replaced(tmp_path, name):
    first, second = (xr.DataArray(np.full((4, 5, 2), value, "i2"), dims=("y", "x", "band")) for value in (1, 2))
    hsad.write_cube(first, tmp_path / name)
    with pytest.raises(OutputError, match="exists already"):
        hsad.write_cube(second, tmp_path / name)
    assert hsad.open_cube(tmp_path / name).values.max() == 1
    hsad.write_cube(second, tmp_path / name, overwrite=True)
    assert hsad.open_cube(tmp_path / name).values.max() == 2
    assert not list(tmp_path.glob(".*"))


def test_names_that_are_refused(tmp_path):
    cube = xr.DataArray(np.zeros((4, 5, 2)), dims=("y", "x", "band"))
    with pytest.raises(OutputError, match=r"must end with one of \.hdr, .*\.zarr"):
        hsad.write_cube(cube, tmp_path / "out.png")
    with pytest.raises(ParameterError, match="interleave: 'bil' is for ENVI files"):
        hsad.write_cube(cube, tmp_path / "out.tif", interleave="bil")
    (tmp_path / "mine.zarr").mkdir()
    (tmp_path / "mine.zarr" / "diary.txt").write_text("dear diary")
    with pytest.raises(OutputError, match="holds something else, which is not replaced"):
        hsad.write_cube(cube, tmp_path / "mine.zarr", overwrite=True)
    assert (tmp_path / "mine.zarr" / "diary.txt").exists()
    scene = hsad.write_cube(cube, tmp_path / "scene.tif")
    with pytest.raises(OutputError, match="is read by this run"):
        hsad.write_cube(hsad.open_cube(scene), scene, overwrite=True)


@pytest.mark.long
@pytest.mark.faults
def test_the_command(tmp_path):
    scene = tanager.write(tmp_path)
    done = command("convert", scene, tmp_path / "out.tif")
    assert done.returncode == 0
    assert done.stdout.strip() == str(tmp_path / "out.tif")
    assert "quality layers are left out" in done.stderr
    np.testing.assert_array_equal(hsad.open_cube(tmp_path / "out.tif").values, hsad.open_cube(scene).values)
    again = command("convert", scene, tmp_path / "out.tif")
    assert (again.returncode, again.stderr.count("\n")) == (1, again.stderr.count("\n"))
    assert "exists already" in again.stderr


@pytest.mark.long
@pytest.mark.parametrize("name", ["out.hdr", "out.tif", "out.zarr"])
def test_memory_is_that_which_is_given(tmp_path, name):
    """A wide cube of 400 MB is converted within 500 MB of anonymous memory, the program included."""
    import subprocess
    import sys

    path = tmp_path / "big.img"
    with path.open("wb") as file:
        file.truncate(250 * 4000 * 200 * 2)
    (tmp_path / "big.hdr").write_text(
        "ENVI\nsamples = 4000\nlines = 250\nbands = 200\ndata type = 2\ninterleave = bil\nbyte order = 0\n"
    )
    code = (
        "import re, sys, threading, time, hsad\n"
        "peak = [0]\n"
        "def watch():\n"
        "    while True:\n"
        "        text = open('/proc/self/smaps_rollup').read()\n"
        "        peak[0] = max(peak[0], int(re.search(r'Anonymous:\\s+(\\d+)', text)[1]))\n"
        "        time.sleep(0.01)\n"
        "threading.Thread(target=watch, daemon=True).start()\n"
        "hsad.write_cube(hsad.open_cube(sys.argv[1]), sys.argv[2], memory='500MB')\n"
        "print(peak[0] * 1024)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "big.hdr", tmp_path / name], capture_output=True, text=True, check=True
    )
    assert int(result.stdout) < 500e6
    assert Path(tmp_path / name).exists()


def test_a_cog_holds_the_bands_of_a_tile_side_by_side(tmp_path):
    import rasterio

    values = np.random.default_rng(0).integers(0, 900, (150, 140, 6)).astype(np.int16)
    cube = xr.DataArray(values, dims=("y", "x", "band"), coords={"wavelength": ("band", np.linspace(400, 900, 6))})
    cube = GeoGrid(150, 140, CRS.from_epsg(32633), TRANSFORMS[1]).attach(cube)
    with pytest.raises(ParameterError, match="interleave: 'tile' is for GeoTIFF files"):
        hsad.write_cube(cube, tmp_path / "out.hdr", interleave="tile")
    if tuple(map(int, rasterio.__gdal_version__.split(".")[:2])) < (3, 11):
        with pytest.raises(OutputError, match=r"interleave tile needs GDAL 3\.11 or newer"):
            hsad.write_cube(cube, tmp_path / "out.tif", interleave="tile")
        assert not list(tmp_path.iterdir())
        return
    hsad.write_cube(cube, tmp_path / "out.tif", interleave="tile")
    with rasterio.open(tmp_path / "out.tif") as dataset:
        structure = dataset.tags(ns="IMAGE_STRUCTURE")
        assert (structure["LAYOUT"], structure["INTERLEAVE"]) == ("COG", "TILE")
        np.testing.assert_array_equal(np.moveaxis(dataset.read(), 0, 2), values)
    again = hsad.open_cube(tmp_path / "out.tif")
    np.testing.assert_array_equal(again.values, values)
    np.testing.assert_allclose(again.wavelength, cube.wavelength)
