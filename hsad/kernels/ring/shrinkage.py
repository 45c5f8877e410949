"""How far the covariance of a ring is drawn towards its mean variance."""

from __future__ import annotations

from hsad.kernels.compiled import compiled
from hsad.kernels.ring.task import LEDOIT_WOLF

__all__ = ["shrinkage_weight"]


@compiled
def shrinkage_weight(trace: float, square: float, fourth: float, count: int, bands: int, rule: int) -> float:
    """Return the weight of the mean variance, as Ledoit & Wolf (2004) and Chen et al. (OAS, 2010) estimate it.

    Parameters
    ----------
    trace, square : float
        tr C and ‖C‖² (Frobenius) of the covariance divided by `count`.
    fourth : float
        Mean of ‖z‖⁴ over the centred pixels.
    """
    level = trace / bands
    excess = square - bands * level * level
    if not excess > 0:
        return 1.0
    if rule == LEDOIT_WOLF:
        return min(1.0, max(0.0, (fourth - square) / (count * excess)))
    mean_square = square / (bands * bands)
    return min(1.0, (mean_square + level * level) / ((count + 1) * (mean_square - level * level / bands)))
