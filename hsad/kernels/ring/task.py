"""The system that a local detector solves for each ring, described by a few numbers.

Collaborative representation, kernel collaborative representation and local RX solve the same problem in the atoms
(ring pixels) X and the pixel y: they minimise ``‖y - Xα‖² + λ Σ Γᵢ² αᵢ²``. They differ in the preparation of the
vectors (centring, normalising, a kernel, an appended row of ones), in λ and Γ, and in the number that they report.
"""

from __future__ import annotations

from typing import NamedTuple

from hsad.kernels.covariance import Covariance

__all__ = ["COVARIANCES", "CRD", "KERNELS", "RX", "Task"]

COVARIANCES: tuple[Covariance, ...] = ("ridge", "pinv", "ledoit-wolf", "oas")
RIDGE, PINV, LEDOIT_WOLF, OAS = range(4)

KERNELS = ("linear", "polynomial", "rbf")
LINEAR, POLYNOMIAL, RBF = range(3)

CRD, RX = range(2)
"""The number that is reported: the residual (or objective) of a representation, or a squared Mahalanobis distance."""


class Task(NamedTuple):
    """The system to solve for every pixel, and the number to report.

    Attributes
    ----------
    detector : int
        `CRD` or `RX`.
    lam : float
        λ of CRD; for RX the ridge, in units of the mean variance.
    distance : bool
        Γᵢ = ‖y - xᵢ‖ instead of 1.
    center, normalize : bool
        Subtract the mean of the ring from y and the atoms; then scale each to unit length.
    sum_to_one : bool
        Append a 1 to y and the atoms (after the two steps above; Γ does not see it).
    truncated : bool
        Solve with the leading eigenvectors only.
    objective : bool
        Report the square root of the minimum instead of the residual norm.
    softening : float
        Added to every Γᵢ².
    kernel : int
        `LINEAR`, `POLYNOMIAL` or `RBF`.
    gamma : float
        Of the kernel.
    covariance : int
        Regularisation of RX.
    """

    detector: int
    lam: float
    distance: bool = False
    center: bool = False
    normalize: bool = False
    sum_to_one: bool = False
    truncated: bool = False
    objective: bool = False
    softening: float = 0.0
    kernel: int = LINEAR
    gamma: float = 1.0
    covariance: int = RIDGE
