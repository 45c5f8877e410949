"""The model of a scene's peaks: background that falls with height, and objects beside it.

Peaks whose height is at least the first knot are a Poisson process over height, per `UNIT_PIXELS` pixels:

- *background*: ln Λ(x), the logarithm of the number of peaks that reach height x, is piecewise linear on the knots. The
  last piece goes on for ever: the tail is exponential. Its parameters are ln Λ at the first knot and the logarithm of
  the slope of each piece.
- *objects*: K h(x), with the number K on a grid and the density h one of several shapes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["OBJECTS", "SHAPES", "log_rate", "shape_densities"]

OBJECTS: NDArray[np.float64] = np.array([0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 200.0])
"""Numbers of objects per `UNIT_PIXELS` pixels that are considered."""

SHAPES: tuple[tuple[str, float], ...] = (
    ("flat", 1.0),
    ("flat", 2.0),
    ("flat", 4.0),
    ("falling", 0.3),
    ("falling", 0.7),
)
"""Densities of the objects' heights above the first knot: flat up to a number of spans (the distance between the first
and the last knot) and then falling with the fourth power, or falling exponentially by a number of spans."""


def log_rate(
    theta: NDArray[np.floating[Any]], knots: NDArray[np.float64], heights: NDArray[np.float64]
) -> tuple[NDArray[np.floating[Any]], NDArray[np.floating[Any]]]:
    """Return the logarithm of the background's rate at each height, and how fast it falls there.

    Parameters
    ----------
    theta : (draws, knots + 1) ndarray
        ln Λ at the first knot, and the logarithm of the slope of each piece; the last piece begins at the last knot.
    knots : (knots,) ndarray, rising
    heights : (n,) ndarray, at least the first knot

    Returns
    -------
    level, slope : (draws, n) ndarray
        ln Λ, and -d ln Λ / dx. The density of background peaks is their product exp(level) · slope.

    Examples
    --------
    >>> level, slope = log_rate(np.log([[100.0, 2.0, 3.0]]), np.array([0.0, 1.0]), np.array([0.5, 2.0]))
    >>> (np.log(100) - level).round(6).tolist(), slope.round(6).tolist()
    ([[1.0, 5.0]], [[2.0, 3.0]])
    """
    slopes = np.exp(theta[:, 1:])
    fallen = np.cumsum(slopes[:, :-1] * np.diff(knots).astype(slopes.dtype), axis=1)
    at_knots = np.concatenate([theta[:, :1], theta[:, :1] - fallen], axis=1)
    piece = np.clip(np.searchsorted(knots, heights, side="right") - 1, 0, len(knots) - 1)
    slope = slopes[:, piece]
    return at_knots[:, piece] - slope * (heights - knots[piece]).astype(slopes.dtype), slope


def shape_densities(above: NDArray[np.float64], span: float) -> NDArray[np.float64]:
    """Return the density of the objects' heights for each of `SHAPES`; each integrates to 1 above the first knot.

    Parameters
    ----------
    above : (n,) ndarray
        Heights above the first knot.
    span : float
        Distance between the first and the last knot.

    Returns
    -------
    (shapes, n) ndarray of float64

    Examples
    --------
    >>> shape_densities(np.array([0.0]), 1.0).shape
    (5, 1)
    """
    densities = []
    for kind, spans in SHAPES:
        width = spans * span
        if kind == "flat":
            densities.append(1 / (1 + (above / width) ** 4) / (width * np.pi / (2 * np.sqrt(2))))
        else:
            densities.append(np.exp(-above / width) / width)
    return np.array(densities)
