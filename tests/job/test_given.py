"""Scenes as callers have them: masked arrays, bands first, datasets, images of Spectral Python."""

from __future__ import annotations

import dask.array
import numpy as np
import pytest
import xarray as xr

import hsad
from hsad.errors import SceneWarning
from hsad.products import write_envi


def spectra(rows=30, cols=32, bands=6, seed=0):
    random = np.random.default_rng(seed)
    means = 1000 + 800 * np.sin(np.arange(bands))
    return (means + 20 * random.normal(size=(rows, cols, bands))).astype(np.int16)


@pytest.fixture
def masked():
    """Return integers whose mask covers a patch of wild values, and the same as float with NaN."""
    values = spectra()
    mask = np.zeros(values.shape, dtype=bool)
    mask[3:9, 20:25] = True
    mask[15, 15, 2] = True  # in one band only
    values[mask] = 30000
    return np.ma.MaskedArray(values, mask), np.where(mask, np.nan, values.astype(float))


def test_a_mask_of_numpy_is_as_good_as_nan(masked):
    array, holes = masked
    expected = hsad.detect(holes, "rx")
    assert np.isnan(expected).sum() == 6 * 5 + 1
    assert np.array_equal(hsad.detect(array, "rx"), expected, equal_nan=True)
    assert np.array_equal(hsad.score(array, hsad.learn(array, "rx")), expected, equal_nan=True)
    assert np.array_equal(hsad.detect(np.ma.MaskedArray(array.data), "rx"), hsad.detect(array.data, "rx"))


def test_a_mask_is_honoured_in_dask_arrays_and_in_xarray(masked):
    array, holes = masked
    expected = hsad.detect(holes, "rx")
    chunked = dask.array.from_array(array, chunks=(7, 32, 6))
    assert np.array_equal(hsad.detect(chunked, "rx"), expected, equal_nan=True)
    lazy = hsad.detect(chunked, "rx", compute=False)
    assert np.array_equal(lazy.compute(scheduler="synchronous"), expected, equal_nan=True)
    dims = ("y", "x", "band")
    for cube in (
        xr.DataArray(array, dims=dims),
        xr.DataArray(chunked, dims=dims),
        xr.DataArray(array.data, dims=dims).where(~array.mask),
        xr.DataArray(dask.array.from_array(array.data, chunks=7), dims=dims).where(~array.mask),
    ):
        assert np.array_equal(hsad.detect(cube, "rx"), expected, equal_nan=True)


def test_a_band_that_is_masked_everywhere_is_left_out(masked):
    array, _ = masked
    array[..., 4] = np.ma.masked
    others = [0, 1, 2, 3, 5]
    expected = hsad.detect(array[..., others], "rx")
    assert np.array_equal(hsad.detect(array, "rx"), expected, equal_nan=True)


def test_masked_masks_truths_and_scores(masked, tmp_path):
    array, _ = masked
    keep = np.ma.MaskedArray(np.ones((30, 32)), np.zeros((30, 32), dtype=bool))
    keep[:4] = np.ma.masked
    assert np.isnan(hsad.detect(array.data, "rx", mask=keep)[:4]).all()
    scores = np.ma.MaskedArray(np.arange(12.0).reshape(3, 4), np.arange(12).reshape(3, 4) == 11)
    truth = np.arange(12).reshape(3, 4) >= 10
    assert hsad.evaluate(scores, truth)["positives"] == 1
    hsad.write_scores(scores, tmp_path / "s.tif")
    assert np.isnan(hsad.open_cube(tmp_path / "s.tif").values[2, 3, 0])


def test_bands_first_is_said_or_warned_of():
    array = spectra(rows=40, cols=36, bands=50)
    expected = hsad.detect(array, "rx", workers=1)
    first = np.moveaxis(array, 2, 0)
    assert np.array_equal(hsad.detect(first, "rx", band_axis=0, workers=1), expected)
    assert np.array_equal(hsad.detect(np.ma.MaskedArray(first), "rx", band_axis=0, workers=1), expected)
    with pytest.warns(SceneWarning, match=r"first axis of \(50, 40, 36\) looks like that of the bands.*band_axis=0"):
        hsad.detect(first, "lrx", outer=5, inner=3)
    hsad.detect(first, "lrx", outer=5, inner=3, band_axis=-1)  # not a word: it was said
    with pytest.raises(hsad.HsadError, match=r"band_axis: an array of shape .* has no axis 3 of bands"):
        hsad.detect(array, "rx", band_axis=3)
    with pytest.raises(hsad.HsadError, match="band_axis is for plain arrays"):
        hsad.detect(xr.DataArray(array, dims=("y", "x", "band")), "rx", band_axis=0)


def test_a_range_of_wavelengths_is_one_in_python_too():
    made = hsad.make_scene(rows=40, cols=40, bands=30, target_sizes=(1, 3), seed=1).cube
    expected = hsad.detect(made, "rx", bands="500-900,1500-1700")
    assert np.array_equal(hsad.detect(made, "rx", bands=[(500, 900), (1500, 1700)]), expected, equal_nan=True)
    one = hsad.detect(made, "rx", bands="450-900")
    assert np.array_equal(hsad.detect(made, "rx", bands=(450, 900)), one, equal_nan=True)
    chosen = (made.wavelength.values >= 450) & (made.wavelength.values <= 900)
    assert np.array_equal(hsad.detect(made, "rx", bands=chosen), one, equal_nan=True)
    for indices in ([0, 5, 7], np.arange(4), 3):
        with pytest.raises(hsad.HsadError, match=r"no range of wavelengths in nm .* band numbers are written '@1-30'"):
            hsad.detect(made, "rx", bands=indices)


def test_a_dataset_with_one_cube_is_that_cube():
    made = hsad.make_scene(rows=40, cols=40, bands=10, target_sizes=(1, 3), seed=1).cube
    expected = hsad.detect(made, "rx")
    dataset = xr.Dataset({"reflectance": made, "height": (("y", "x"), np.zeros((40, 40)))})
    assert np.array_equal(hsad.detect(dataset, "rx"), expected, equal_nan=True)
    assert np.array_equal(dataset.hsad.rx(), expected, equal_nan=True)
    with pytest.raises(hsad.HsadError, match="several cubes: reflectance, again; give one of them"):
        hsad.detect(dataset.assign(again=made), "rx")
    with pytest.raises(hsad.HsadError, match="no cube of three dimensions: height"):
        hsad.detect(dataset[["height"]], "rx")


def test_an_image_of_spectral_python_is_its_file(tmp_path):
    import spectral

    made = hsad.make_scene(rows=40, cols=44, bands=10, target_sizes=(1, 3), seed=1).cube
    write_envi(made, tmp_path / "scene.hdr")
    image = spectral.open_image(str(tmp_path / "scene.hdr"))
    scores = hsad.detect(image, "rx")
    assert np.array_equal(scores, hsad.detect(tmp_path / "scene.hdr", "rx"), equal_nan=True)
    assert scores.rio.crs == made.rio.crs


def test_the_nearest_bands_need_no_order(tmp_path):
    made = hsad.make_scene(rows=40, cols=40, bands=30, target_sizes=(1, 3), seed=1).cube
    order = np.random.default_rng(0).permutation(30)
    mixed = made.isel(band=order)
    found = mixed.hsad.nearest(2000, 650)
    for wanted, centre in zip((2000, 650), found.wavelength.values, strict=True):
        assert abs(centre - wanted) == np.abs(made.wavelength.values - wanted).min()
    with pytest.raises(hsad.HsadError, match="no wavelengths"):
        xr.DataArray(spectra(), dims=("y", "x", "band")).hsad.nearest(650)
    figure = made.hsad.plot(made.hsad.rx(), tmp_path / "map.png")
    assert (tmp_path / "map.png").exists()
    assert figure.axes[0].get_title() == "Scene"
