"""Score maps reduced to the size of a picture, so that an anomaly of one pixel stays visible."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["highest"]


def highest(values: NDArray[np.float64], step: int) -> NDArray[np.float64]:
    """Return the highest value of each square of `step` by `step` pixels.

    Parameters
    ----------
    values : (rows, cols) ndarray
        NaN where there is no score. A square of which all pixels are NaN is NaN.
    step : int
        Squares at the right and lower edge may be cut.

    Returns
    -------
    (ceil(rows / step), ceil(cols / step)) ndarray
        `values` itself for a step of 1.

    Examples
    --------
    >>> import numpy as np
    >>> highest(np.arange(12.0).reshape(3, 4), 2)
    array([[ 5.,  7.],
           [ 9., 11.]])
    """
    if step == 1:
        return values
    rows, cols = (-(-size // step) for size in values.shape)
    padded = np.full((rows * step, cols * step), np.nan)
    padded[: values.shape[0], : values.shape[1]] = values
    return np.asarray(np.fmax.reduce(padded.reshape(rows, step, cols, step), axis=(1, 3)))  # fmax ignores NaN
