"""The fast kernels with the signatures of `naive`, and the core of the block: what a detector asks of each ring."""

from __future__ import annotations

from hsad.detectors.ring.collaborative import CRD, KernelCRD
from hsad.detectors.ring.local_rx import LocalRX
from hsad.kernels.ring.score import score_rings


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
