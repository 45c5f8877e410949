"""Two dates from files, cubes and arrays: grids, masks, sensors, and the run that scores them."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine
from rasterio.crs import CRS
from rasterio.warp import Resampling, reproject, transform

import hsad
from hsad.changes.stack import stacked
from hsad.detectors.change.anomalous import Hyperbolic
from hsad.errors import DataError, ParameterError, SceneWarning
from hsad.job.options import RunOptions
from hsad.scene.grid import GeoGrid

ORIGIN = (683_000.0, 5_340_000.0)


def on_map(values, pixel=4.0, left=0.0, top=0.0, epsg=32632):
    """Return a cube whose upper left corner lies `left` and `top` m from the origin."""
    rows, cols = values.shape[:2]
    transform = Affine(pixel, 0, ORIGIN[0] + left, 0, -pixel, ORIGIN[1] - top)
    return GeoGrid(rows, cols, CRS.from_epsg(epsg), transform).attach(xr.DataArray(values, dims=("y", "x", "band")))


def dates(rows=40, cols=50, bands=6, seed=0):
    """Return two correlated dates, the second in other light and with one new pixel."""
    random = np.random.default_rng(seed)
    before = random.normal(size=(rows, cols, bands)) @ random.normal(size=(bands, bands)) + 10
    after = 1.5 * before + 0.1 * random.normal(size=before.shape) + 2
    after[rows // 2, cols // 2] += 5 * (-1.0) ** np.arange(bands)
    return before, after


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Return the files of two synthetic dates, an ENVI and a compressed GeoTIFF, and the pair."""
    folder = tmp_path_factory.mktemp("pair")
    made = hsad.make_pair(140, 150, 16, seed=5, season=0.2)
    hsad.write_cube(made.before, folder / "before.hdr")
    hsad.write_cube(made.after, folder / "after.tif")
    return folder / "before.hdr", folder / "after.tif", made


def test_arrays_give_an_array_and_cubes_a_map_of_the_first_date():
    before, after = dates()
    scores = hsad.change(before, after)
    assert isinstance(scores, np.ndarray)
    assert np.unravel_index(scores.argmax(), scores.shape) == (20, 25)
    found = hsad.change(on_map(before), on_map(after), workers=1)
    np.testing.assert_array_equal(found.values, scores)
    assert found.rio.crs.to_epsg() == 32632
    parts = hsad.change(on_map(before), on_map(after), parts=True)
    assert float(parts["after given before"][20, 25]) > float(parts["before given after"][20, 25])
    assert hsad.change(before, after, parts=True).shape == (40, 50, 3)


def test_files_cubes_and_arrays_of_one_pair_score_alike(pair):
    before, after, made = pair
    expected = hsad.change(made.before, made.after, workers=1)
    np.testing.assert_array_equal(hsad.change(before, after, tile=64).values, expected.values)
    lazy = hsad.change(before, after, compute=False)
    np.testing.assert_array_equal(lazy.compute().values, expected.values)
    found = hsad.evaluate(expected, made.truth.values > 0)
    assert found.auc > 0.95


@pytest.mark.long
@pytest.mark.cluster
def test_a_cluster_scores_a_pair_as_threads_do(pair, cluster):
    before, after, _ = pair
    expected = hsad.change(before, after, workers=2)
    assert hsad.change(before, after, scheduler=cluster, tile=64).equals(expected)


def test_a_pixel_that_is_invalid_on_either_date_has_no_score_and_no_part_in_what_is_learned():
    before, after = dates()
    before[3, 4, 2], after[5, 6, 0] = np.nan, np.inf
    scores = hsad.change(before, after, shift=0, workers=1)
    assert [*zip(*np.nonzero(np.isnan(scores)), strict=True)] == [(3, 4), (5, 6)]
    mask = np.ones((40, 50), bool)
    mask[3, 4] = mask[5, 6] = False
    filled = [np.nan_to_num(date, nan=1e6, posinf=1e6) for date in (before, after)]
    np.testing.assert_array_equal(hsad.change(*filled, mask=mask, shift=0, workers=1), scores)


def test_the_valid_pixels_and_the_nodata_values_of_each_date_count():
    before, after = (on_map(date.astype(np.float32)) for date in dates())
    before = before.assign_coords(valid=(("y", "x"), np.arange(2000).reshape(40, 50) != 7))
    after[9, 9, 3] = -5
    after.attrs["_FillValue"] = -5.0
    scores = hsad.change(before, after)
    assert [*zip(*np.nonzero(np.isnan(scores.values)), strict=True)] == [(0, 7), (9, 9)]


def test_bands_are_chosen_on_each_date_and_a_dead_band_of_one_is_left_out():
    before, after = dates()
    expected = hsad.change(before[..., :4], after[..., :4], workers=1)
    np.testing.assert_array_equal(hsad.change(before, after, bands="@1-4", workers=1), expected)
    dead = after.copy()
    dead[..., 2] = np.nan
    expected = hsad.change(before, np.delete(after, 2, axis=2), workers=1)
    np.testing.assert_array_equal(hsad.change(before, dead, workers=1), expected)


def test_two_sensors_may_have_different_bands():
    before, after = dates()
    scores = hsad.change(before, after @ np.random.default_rng(2).normal(size=(6, 9)))
    assert np.unravel_index(scores.argmax(), scores.shape) == (20, 25)


def test_a_date_on_another_grid_is_resampled_to_the_first_by_the_nearest_pixel():
    before, after = dates()
    expected = hsad.change(before[4:, 7:], after[:-4, :-7], workers=1)
    # The second date begins 4 rows and 7 columns further down and right, and less than half a pixel beside them.
    placed = on_map(after, left=7 * 4 + 1.5, top=4 * 4 - 1.9)
    with pytest.warns(SceneWarning, match=r"the second date is resampled to .* the first date \(the nearest pixel\)"):
        scores = hsad.change(on_map(before), placed, shift=0, workers=1).values
    assert np.isnan(scores[:4]).all()
    assert np.isnan(scores[:, :7]).all()
    np.testing.assert_allclose(
        scores[4:, 7:], hsad.change(before[4:, 7:], after[:-4, :-7], shift=0, workers=1), rtol=1e-5, atol=1e-5
    )
    assert expected.shape == (36, 43)


def test_smaller_pixels_are_averaged():
    before, after = dates(rows=12, cols=15)
    fine = np.repeat(np.repeat(after, 3, axis=0), 3, axis=1)
    noise = np.random.default_rng(1).normal(size=fine.shape)
    fine += noise - np.repeat(np.repeat(noise.reshape(12, 3, 15, 3, 6).mean(axis=(1, 3)), 3, axis=0), 3, axis=1)
    with pytest.warns(SceneWarning, match=r"the mean of 3 x 3 pixels"):
        scores = hsad.change(on_map(before), on_map(fine, pixel=4 / 3), workers=1).values
    np.testing.assert_allclose(scores, hsad.change(before, after, workers=1), rtol=1e-4, atol=1e-4)


def test_a_date_in_another_crs_lies_where_gdal_puts_it():
    before, after = dates(rows=60, cols=70)
    first, second = on_map(before), on_map(after)
    # The same corner of the earth in the next zone.
    x, y = transform("EPSG:32632", "EPSG:32633", [ORIGIN[0] - 40], [ORIGIN[1] + 60])
    grid = GeoGrid(60, 70, CRS.from_epsg(32633), Affine(4, 0, x[0], 0, -4, y[0]))
    second = grid.attach(xr.DataArray(after, dims=("y", "x", "band")))
    with pytest.warns(SceneWarning, match="nearest"):
        cube, _ = stacked(first, second, RunOptions())
    found = np.moveaxis(cube.values[..., 6:], 2, 0)
    expected = np.full((6, 60, 70), np.nan)
    grids = {
        "src_transform": grid.transform,
        "src_crs": 32633,
        "dst_transform": first.rio.transform(),
        "dst_crs": 32632,
    }
    source = np.ascontiguousarray(np.moveaxis(after, 2, 0))
    reproject(source, expected, **grids, resampling=Resampling.nearest, dst_nodata=np.nan, tolerance=0)
    same = (found == expected) | (np.isnan(found) & np.isnan(expected))
    assert same.mean() > 0.995  # but for places between two pixels
    assert 0.4 < np.isfinite(found).mean() < 1


def test_what_does_not_fit_is_one_line():
    before, after = dates()
    with pytest.raises(
        DataError, match="the first date and the second date have 40 x 50 and 39 x 50 pixels, and not both"
    ):
        hsad.change(before, after[1:])
    with pytest.raises(DataError, match="the second date does not cover any of the first date: there is nothing"):
        hsad.change(on_map(before), on_map(after, left=4000))
    with pytest.raises(ParameterError, match="method: 'rx' scores one scene; choose from chronochrome, covariance-equ"):
        hsad.change(before, after, "rx")
    with pytest.raises(ParameterError, match="pca: components of two dates together mix them"):
        hsad.change(before, after, pca=3)
    with pytest.raises(ParameterError, match="references: two dates are learned from themselves"):
        hsad.change(before, after, references=[before])
    with pytest.raises(ParameterError, match="mask_flags: 'cloud': neither date has quality layers"):
        hsad.change(before, after, mask_flags="cloud")


def test_a_pair_is_a_raster_that_reads_windows_and_pickles(pair):
    before, after, made = pair
    cube, _ = stacked(before, after, RunOptions())
    raster = pickle.loads(pickle.dumps(cube.encoding["hsad_raster"]))  # noqa: S301
    good = made.before.good_wavelength.values
    expected = np.concatenate([date.values[5:9, 3:10, good] * 1e-4 for date in (made.before, made.after)], axis=2)
    np.testing.assert_allclose(raster.read(slice(5, 9), slice(3, 10)), expected)
    assert list(cube.coords["date"].values) == [0] * good.sum() + [1] * good.sum()


def test_a_background_scores_another_pair():
    first, second = dates(), dates(seed=1)
    learned = hsad.learn(np.dstack(first), "hyperbolic", before_bands=6)
    expected = hsad.score(np.dstack(second), learned, workers=1)
    np.testing.assert_array_equal(hsad.change(*second, "hyperbolic", background=learned, workers=1), expected)


def test_the_command_writes_a_map_with_its_provenance_and_continues_an_ended_run(pair, tmp_path, hsad_run, monkeypatch):
    before, after, made = pair
    output = tmp_path / "change.tif"
    calls = []

    def ended(self, block, background, score=Hyperbolic.score):
        calls.append(block.origin)
        if len(calls) > 4:
            raise KeyboardInterrupt
        return score(self, block, background)

    with monkeypatch.context() as patch:
        patch.setattr(Hyperbolic, "score", ended)
        status, _, _ = hsad_run("change", before, after, "-m", "hyperbolic", "-o", output, "--workers", 1, "--tile", 64)
    assert status == 130
    assert not output.exists()
    status, out, err = hsad_run("change", before, after, "-m", "hyperbolic", "-o", output, "--workers", 1, "--json")
    assert (status, err) == (0, "")
    assert json.loads(out)["continued"] == 4 * 64 * 64
    with rasterio.open(output) as raster:
        assert raster.tags()["HSAD_METHOD"] == "hyperbolic"
        assert raster.tags()["HSAD_SOURCE"] == str(after)
        assert raster.tags()["HSAD_BEFORE"] == str(before)
        np.testing.assert_array_equal(raster.read(1), hsad.change(made.before, made.after, "hyperbolic").values)
    assert (tmp_path / "change.json").exists()
    assert (tmp_path / "change.qml").exists()
    # A list, a page and one line about what only one scene could explain.
    assert hsad_run("threshold", output, "-o", tmp_path / "x.gpkg")[0] == 0
    assert hsad_run("report", after, output, "-o", tmp_path / "r.html")[0] == 0
    status, _, err = hsad_run("explain", after, output, "--at", "3,4")
    assert status == 1
    assert "hyperbolic compares two dates, and explain looks at one scene" in err


def test_the_command_refuses_to_replace_either_date_and_names_what_is_wrong(pair, tmp_path, hsad_run):
    before, after, _ = pair
    status, _, err = hsad_run("change", before, after, "-o", after, "--overwrite")
    assert (status, len(err.splitlines())) == (1, 1)
    status, _, err = hsad_run("change", before, tmp_path / "none.tif", "-o", tmp_path / "c.tif")
    assert (status, len(err.splitlines())) == (1, 1)
    assert "none.tif" in err
    status, _, err = hsad_run("change", before, after, "-m", "hyperbolik", "-o", tmp_path / "c.tif")
    assert status == 1
    assert "did you mean 'hyperbolic'" in err
