"""Compilation of all kernels into numba's cache, by a small run of each method that has kernels."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from hsad.detection import detect
from hsad.errors import HsadWarning

__all__ = ["RUNS", "Compiled", "compile_kernels"]

_SIDE = 28
_WINDOW = {"outer": 9, "inner": 3}
_FEW, _MANY = 6, 90
"""Below 72 bands the systems of a ring of 72 pixels have the order of the bands, above it that of the ring."""

#: The runs, by name: method, bands, parameters. Together they take each branch that has a kernel.
RUNS: dict[str, tuple[str, int, dict[str, Any]]] = {
    "auto": ("auto", 40, {}),
    "rx": ("rx", _FEW, {}),
    "crd, few bands": ("crd", _FEW, _WINDOW),
    "crd, many bands": ("crd", _MANY, _WINDOW),
    "crd --weights none, few bands": ("crd", _FEW, {"weights": "none", **_WINDOW}),
    "crd --weights none, many bands": ("crd", _MANY, {"weights": "none", **_WINDOW}),
    "crd --center": ("crd", _MANY, {"center": True, **_WINDOW}),
    "crd --solver truncated": ("crd", _MANY, {"solver": "truncated", **_WINDOW}),
    "kcrd": ("kcrd", _MANY, _WINDOW),
    "kcrd --weights none": ("kcrd", _MANY, {"weights": "none", **_WINDOW}),
    "lrx, few bands": ("lrx", _FEW, _WINDOW),
    "lrx, many bands": ("lrx", _MANY, _WINDOW),
    "lrx --covariance pinv": ("lrx", _FEW, {"covariance": "pinv", **_WINDOW}),
    "srd": ("srd", _MANY, _WINDOW),
    "srd --solver fista": ("srd", _MANY, {"solver": "fista", **_WINDOW}),
    "rpca": ("rpca", _FEW, {}),
    "rpca-bands": ("rpca-bands", 2, {"window": 16}),
    "rpca-bands --patch": ("rpca-bands", 2, {"window": 16, "patch": 4}),
    "low-rank": ("low-rank", _FEW, {}),
    **{method: (method, _FEW, {"target": (0, 0)}) for method in ("ace", "mf", "cem", "sam")},
    **{
        method: (method, _FEW, {"before_bands": _FEW // 2})
        for method in ("chronochrome", "covariance-equalisation", "hyperbolic")
    },
}


@dataclass(frozen=True)
class Compiled:
    """A run, and the seconds that it took to compile what the cache did not have."""

    name: str
    seconds: float


def compile_kernels(progress: Callable[..., Any] | None = None) -> list[Compiled]:
    """Compile the kernels of all detectors for this machine, and return the time of each run.

    Parameters
    ----------
    progress : callable, optional
        As `hsad.progress.Progress`.
    """
    done = []
    for name in progress(RUNS, total=len(RUNS), desc="compiling") if progress else RUNS:
        method, bands, parameters = RUNS[name]
        scene = np.random.default_rng(0).normal(size=(_SIDE, _SIDE, bands))
        started = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", HsadWarning)  # the scene is noise
            detect(scene, method, workers=1, **parameters)
        done.append(Compiled(name, time.perf_counter() - started))
    return done
