"""Area openings and closings against their definition by thresholds, and against scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from naive import opening_by_thresholds
from scipy import ndimage

from hsad.kernels.image import morphology as kernels
from hsad.kernels.image.morphology import area_contrast


def filtered(image, valid, areas, order):
    """The area filters of an image, as `area_contrast` forms them."""
    wanted, limit = kernels._areas(areas)
    q = kernels._padded(image, 0)
    out, work = np.repeat(q[None], len(wanted), axis=0), np.empty((3, q.size), np.int32)
    pixels = kernels._sorted_pixels(q, kernels._padded(valid, False))[::order]
    kernels._filter(q, pixels, image.shape[1] + 2, wanted, limit, work, out)
    return out.reshape(-1, image.shape[0] + 2, image.shape[1] + 2)[:, 1:-1, 1:-1]


def area_opening(image, valid, areas):
    return filtered(image, valid, areas, -1)


def area_closing(image, valid, areas):
    return filtered(image, valid, areas, 1)


@st.composite
def images(draw):
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(st.tuples(st.integers(1, 14), st.integers(1, 14)))
    levels = draw(st.sampled_from([2, 5, 40, 3000, 2**29]))
    image = random.integers(-levels, levels, shape).astype(np.int32)
    return image, random.random(shape) >= draw(st.sampled_from([0, 0.1, 0.5, 1.1]))


@given(scene=images())
def test_equals_the_definition(scene):
    image, valid = scene
    areas = [1, 2, 5, 30]
    opened, closed = area_opening(image, valid, areas), area_closing(image, valid, areas)
    for number, area in enumerate(areas):
        assert np.array_equal(opened[number], opening_by_thresholds(image, valid, area))
        assert np.array_equal(closed[number], -opening_by_thresholds(-image, valid, area))


@given(scene=images())
def test_several_areas_at_once_equal_each_alone(scene):
    image, valid = scene
    together = area_opening(image, valid, [9, 3, 25])
    for number, area in enumerate([9, 3, 25]):
        assert np.array_equal(together[number], area_opening(image, valid, [area])[0])


@pytest.mark.parametrize("levels", [3, 100, 40_000])
def test_equals_scikit_image(levels):
    morphology = pytest.importorskip("skimage.morphology")
    noise = np.random.default_rng(levels).normal(size=(70, 90))
    image = np.rint(levels * ndimage.gaussian_filter(noise, 1)).astype(np.int32)
    valid = np.ones(image.shape, dtype=bool)
    for number, area in enumerate(areas := [2, 25, 100]):
        opened, closed = area_opening(image, valid, areas)[number], area_closing(image, valid, areas)[number]
        assert np.array_equal(opened, morphology.area_opening(image, area, connectivity=1))
        assert np.array_equal(closed, morphology.area_closing(image, area, connectivity=1))


@given(scene=images(), area=st.integers(1, 7))
def test_reaches_one_step_less_than_the_area(scene, area):
    image, valid = scene
    whole = area_opening(image, valid, [area])[0]
    for row, col in np.argwhere(valid):
        near = np.s_[max(0, row - area + 1) : row + area, max(0, col - area + 1) : col + area]
        part = area_opening(image[near].copy(), valid[near].copy(), [area])[0]
        assert part[min(row, area - 1), min(col, area - 1)] == whole[row, col]


def test_contrast_is_what_the_filters_remove():
    random = np.random.default_rng(3)
    images = ndimage.gaussian_filter(random.normal(size=(30, 40, 3)), (1, 1, 0))
    valid = random.random((30, 40)) > 0.1
    found = area_contrast(images, valid, [4, 12], 50.0)
    for number, area in enumerate([4, 12]):
        expected = np.zeros((30, 40))
        for k in range(3):
            q = np.rint(50 * images[..., k]).astype(np.int32)
            bright = q - opening_by_thresholds(q, valid, area)
            dark = -opening_by_thresholds(-q, valid, area) - q
            expected += np.where(valid, np.maximum(bright, dark) / 50, 0) ** 2
        np.testing.assert_allclose(found[number], expected, rtol=1e-12)
    filled = np.where(valid[..., None], images, 1e6)  # an invalid pixel is no extremum, whatever it holds
    assert np.array_equal(area_contrast(filled, valid, [4, 12], 50.0), found)
