"""How far a covariance is drawn towards its mean variance: the two published estimates, for numbers and for tensors."""

from __future__ import annotations

from typing import Any

__all__ = ["ledoit_wolf_ratio", "oas_ratio"]

# numpy and compiled kernels pass numbers, torch passes tensors with one element for each ring. The arithmetic is the
# same. Each caller limits the ratio to 0 … 1 itself, and takes 1 where ``square <= trace² / bands``: the covariance is
# its mean variance already.


def ledoit_wolf_ratio(trace: Any, square: Any, fourth: Any, count: Any, bands: int) -> Any:
    """Return the weight of the mean variance by Ledoit & Wolf.

    Parameters
    ----------
    trace, square : float or Tensor
        tr C and ‖C‖² (Frobenius) of the covariance, the sum of products divided by `count`.
    fourth : float or Tensor
        Mean of ‖z‖⁴ over the centred pixels.
    count : int or Tensor
        Number of pixels.
    bands : int

    References
    ----------
    Ledoit & Wolf, "A well-conditioned estimator for large-dimensional covariance matrices", J. Multivariate
    Analysis 88:365, 2004.
    """
    level = trace / bands
    return (fourth - square) / (count * (square - bands * level * level))


def oas_ratio(trace: Any, square: Any, count: Any, bands: int) -> Any:
    """Return the weight of the mean variance by the oracle approximating shrinkage estimate.

    Parameters
    ----------
    trace, square, count, bands
        See `ledoit_wolf_ratio`.

    References
    ----------
    Chen, Wiesel, Eldar, Hero, "Shrinkage algorithms for MMSE covariance estimation", IEEE TSP 58(10):5016, 2010,
    in the form for large d that scikit-learn uses: (mean(C²) + m²) / ((n + 1)(mean(C²) − m²/d)), m = tr(C)/d.
    """
    level = trace / bands
    mean_square = square / (bands * bands)
    return (mean_square + level * level) / ((count + 1) * (mean_square - level * level / bands))
