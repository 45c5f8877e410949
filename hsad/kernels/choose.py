"""Which of two exact ways is the faster: systems of the order of the ring, or of the order of the bands."""

from __future__ import annotations

from typing import NamedTuple

from hsad.kernels.tasks import CRD, LEDOIT_WOLF, LINEAR, PINV, Task, Window

__all__ = ["COSTS", "Costs", "dual_cost", "primal_allowed", "primal_cost"]


class Costs(NamedTuple):
    """Nanoseconds for each kind of work, measured; only their ratios decide.

    Attributes
    ----------
    factor : float
        One multiply-add of the factorization of one pixel.
    lane_factor, lane_products : float
        One multiply-add of the factorization, and of the sums of products, of eight pixels side by side.
    gram : float
        One multiply-add of the shared inner products.
    entry : float
        One entry of the system picked from the Gram matrix, and what is done to it.
    """

    factor: float
    lane_factor: float
    lane_products: float
    gram: float
    entry: float


COSTS = Costs(factor=0.035, lane_factor=0.035, lane_products=0.028, gram=0.03, entry=1.2)


def primal_allowed(task: Task) -> bool:
    """Return whether the systems of the bands can do the task at all."""
    if task.detector == CRD:
        return task.kernel == LINEAR and not (task.center or task.truncated or task.normalize)
    return task.covariance not in (PINV, LEDOIT_WOLF)


def primal_cost(bands: int, window: Window, task: Task, *, weighted: bool, costs: Costs = COSTS) -> float:
    """Return the expected time of a pixel, in ns, with systems of the order of the bands."""
    ring = window.outer**2 - window.inner**2
    atoms = ring if weighted or task.distance else 2 * (window.outer + window.inner)
    sums = atoms * bands * (bands + 1) / 2 + (ring * bands if task.distance else 0)
    return costs.lane_products * sums + costs.lane_factor * (bands**3 / 6 + bands**2)


def dual_cost(bands: int, window: Window, costs: Costs = COSTS) -> float:
    """Return the expected time of a pixel, in ns, with systems of the order of the ring."""
    ring = window.outer**2 - window.inner**2
    gram = 2 * window.outer**2 * bands * 4
    return costs.factor * ring**3 / 6 + costs.gram * gram + costs.entry * ring**2 / 2
