"""The methods that are learned with torch, which the test extras do not bring: their tests skip without it."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

LEARNED = ("unrolled-rpca", "rpcanet", "deep-rx", "patchcore", "padim", "autoencoder")
HAS_TORCH = find_spec("torch") is not None


def param(name, method):
    """Return a parameter of a test that is about a method."""
    missing = method in LEARNED and not HAS_TORCH
    return pytest.param(name, marks=pytest.mark.skipif(missing, reason=f"{method} needs torch"))
