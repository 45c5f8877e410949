"""The methods that are learned with torch, which the test extras do not bring: their tests skip without it."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

LEARNED = ("unrolled-rpca", "rpcanet", "deep-rx", "patchcore", "padim", "autoencoder")


def is_missing(method):
    """Tell whether a method cannot run here."""
    return method in LEARNED and find_spec("torch") is None


def param(name, method):
    """Return a parameter of a test that is about a method."""
    return pytest.param(name, marks=pytest.mark.skipif(is_missing(method), reason=f"{method} needs torch"))
