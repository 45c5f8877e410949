"""The fast kernels with the signatures of `naive`, applied to the core of a block."""

from __future__ import annotations

from hsad.detectors.ring.collaborative import CRD, KernelCRD
from hsad.detectors.ring.local_rx import LocalRX
from hsad.kernels.ring.score import score_rings

#: Parameters of CRD, alone and together with those in the same term of the formula.
CRD_PARAMETERS = (
    {"sum_to_one": True},
    {"sum_to_one": True, "score": "objective"},
    {"sum_to_one": True, "weights": "none"},
    {"center": True},
    {"center": True, "weights": "none", "score": "objective"},
    {"normalize": True},
    {"normalize": True, "weights": "none"},
    {"center": True, "normalize": True, "sum_to_one": True},
    {"lam": 10.0},
    {"lam": 1e-6},
    {"lam": 1e-8, "weights": "none"},
    {"solver": "truncated"},
    {"solver": "truncated", "center": True},
    {"softening": 1e-6, "score": "objective"},
)


def local_rx(spectra, valid, core, *, device="cpu", **parameters):
    asked = LocalRX(**parameters)
    return score_rings(spectra, valid, core, asked.window, asked.task, device=device)


def crd(spectra, valid, core, *, ring_weights=None, softening=0.0, device="cpu", **parameters):
    asked = CRD(**parameters)
    task = asked.task._replace(softening=softening)
    return score_rings(spectra, valid, core, asked.window, task, weights=ring_weights, device=device)


def kernel_crd(spectra, valid, core, *, gamma=1.0, device="cpu", **parameters):
    asked = KernelCRD(**parameters)
    return score_rings(spectra, valid, core, asked.window, asked.task(gamma), device=device)
