"""What a distribution of background can be asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["CountingNull", "Null"]


class Null(Protocol):
    """A distribution of the scores of background."""

    def expected(self, scores: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Return the number of false alarms in the scene that reach each score."""
        ...

    def p_value(self, scores: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Return the probability that one piece of background reaches each score."""
        ...

    def p_false(self, scores: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Return the probability that an anomaly with each score is background; NaN where that is not known."""
        ...


class CountingNull(Null, Protocol):
    """A distribution of the peaks of background: it counts false objects."""

    def rate(self, scores: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Return the number of false objects per 10⁴ pixels that reach each score."""
        ...

    def threshold(self, rate: float) -> float:
        """Return the score that `rate` false objects per 10⁴ pixels are expected to reach."""
        ...

    def list_threshold(self) -> float:
        """Return the score of the lowest anomaly that is more probably real than background."""
        ...
