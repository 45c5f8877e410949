"""Hypothesis strategies: random scenes, as arrays with invalid pixels, duplicates and dead or constant bands."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st


@st.composite
def scenes(draw, min_side=12, max_side=40, min_bands=1, max_bands=8, invalid=True):
    """Return a ``(rows, cols, bands)`` float64 array with correlated bands; NaN where invalid."""
    rows, cols = (draw(st.integers(min_side, max_side)) for _ in range(2))
    bands = draw(st.integers(min_bands, max_bands))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    spectra = random.normal(size=(rows, cols, bands)) @ random.normal(size=(bands, bands)) + 10 * random.random(bands)
    if draw(st.booleans()):  # duplicates, as nearest-neighbour resampling makes them
        spectra[:, 1::4] = spectra[:, : spectra[:, 1::4].shape[1] * 4 : 4][:, : spectra[:, 1::4].shape[1]]
    if invalid:
        spectra[random.random((rows, cols)) < draw(st.sampled_from([0.0, 0.02, 0.3]))] = np.nan
        if draw(st.booleans()):  # a wedge, as a rotated swath has it
            spectra[np.add.outer(np.arange(rows), np.arange(cols)) < min(rows, cols) // 2] = np.nan
    return spectra


def a_scene(seed=0, rows=70, cols=90, bands=5):
    """Return a scene with invalid pixels and one anomaly in its middle."""
    random = np.random.default_rng(seed)
    scene = random.normal(size=(rows, cols, bands)) @ random.normal(size=(bands, bands)) + 5
    scene[random.random((rows, cols)) < 0.05] = np.nan
    scene[rows // 2, cols // 2] = 25.0 * (-1) ** np.arange(bands)  # in shape, not in brightness alone
    return scene
