"""The methods that are learned with torch, and what they learn from; without torch their tests skip."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

LEARNED = ("unrolled-rpca", "rpcanet", "deep-rx", "patchcore", "padim", "autoencoder")


def is_missing(method):
    """Tell whether a method cannot run here."""
    return method in LEARNED and find_spec("torch") is None


def param(name, method):
    """Return a parameter of a test that is about a method."""
    return pytest.param(name, marks=pytest.mark.skipif(is_missing(method), reason=f"{method} needs torch"))


def dates_of_one_place(dates=6, rows=40, cols=46, bands=8):
    """Return dates of one place, each with its own gain and haze, and a new one with a change."""
    random = np.random.default_rng(0)
    place = random.normal(size=(rows, cols, 3)) @ random.normal(size=(3, bands)) + 8
    made = [
        place * random.uniform(0.8, 1.2) + random.uniform(-1, 1) + 0.05 * random.normal(size=place.shape)
        for _ in range(dates + 1)
    ]
    made[-1][20, 30] += 2 * (-1) ** np.arange(bands)
    return made[:-1], made[-1]
