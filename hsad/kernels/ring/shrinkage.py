"""How far the covariance of a ring is drawn towards its mean variance: one formula for numbers and for tensors."""

from __future__ import annotations

from typing import Any

from hsad.kernels.ring.task import LEDOIT_WOLF

__all__ = ["shrinkage_ratio"]


# Compiled kernels give numbers, torch gives tensors with one element a ring: the arithmetic is the same, the clipping
# of the ratio to 0 … 1 is not, and stands in `one_ring` and in `torch.dual`.
def shrinkage_ratio(trace: Any, square: Any, fourth: Any, count: Any, bands: int, rule: int) -> Any:
    """Return the weight of the mean variance, as Ledoit & Wolf (2004) and Chen et al. (OAS, 2010) estimate it.

    It counts where ``square > bands · level²``, within 0 … 1; elsewhere the covariance is its mean variance already.

    Parameters
    ----------
    trace, square : float or Tensor
        tr C and ‖C‖² (Frobenius) of the covariance divided by `count`.
    fourth : float or Tensor
        Mean of ‖z‖⁴ over the centred pixels.
    count : int or Tensor
        Pixels.
    bands : int
    rule : int
        `LEDOIT_WOLF` or `OAS`.
    """
    level = trace / bands
    if rule == LEDOIT_WOLF:
        return (fourth - square) / (count * (square - bands * level * level))
    mean_square = square / (bands * bands)
    return (mean_square + level * level) / ((count + 1) * (mean_square - level * level / bands))
