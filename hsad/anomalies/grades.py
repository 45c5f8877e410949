"""Grades of anomalies: words for how probable it is that an anomaly is background."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

__all__ = ["GRADES", "LIST_P", "grade_of", "grade_scores"]

GRADES: tuple[tuple[str, float], ...] = (("almost certain", 0.1), ("likely", 0.3), ("possible", 0.5))
"""The grades, best first, each with the largest probability of being background that it holds."""

LIST_P = GRADES[-1][1]
"""The default list holds the anomalies whose probability of being background is at most this."""

_STEPS = 10_001
"""Scores at which grades are looked for."""


def grade_of(p_false: ArrayLike) -> NDArray[Any]:
    """Return the grade of each anomaly.

    Parameters
    ----------
    p_false : (n,) array_like of float
        The probability that each anomaly is background; NaN where it is not known.

    Returns
    -------
    (n,) ndarray of str or None
        None where the probability is above that of the last grade, or not known.

    Examples
    --------
    >>> grade_of([0.02, 0.3, 0.31, 0.7, float("nan")]).tolist()
    ['almost certain', 'likely', 'possible', None, None]
    """
    values = np.asarray(p_false, dtype=np.float64)
    grades = np.full(values.shape, None, dtype=object)
    for name, most in reversed(GRADES):
        grades[values <= most] = name
    return grades


def grade_scores(
    p_false: Callable[[NDArray[np.float64]], NDArray[np.float64]], lowest: float, highest: float
) -> dict[str, float | None]:
    """Return the lowest score that has each grade, None where no score up to the highest has it.

    Parameters
    ----------
    p_false : callable
        The probability that an anomaly with each score is background; it falls with the score.
    lowest, highest : float
        The scores between which the grades are looked for.

    Examples
    --------
    >>> grade_scores(lambda scores: 1 / scores, 1.0, 5.0)
    {'almost certain': None, 'likely': 3.333, 'possible': 2.0}
    """
    scores = (np.geomspace if lowest > 0 else np.linspace)(lowest, highest, _STEPS)
    values = np.asarray(p_false(scores), dtype=np.float64)
    found: dict[str, float | None] = {}
    for name, most in GRADES:
        reached = np.flatnonzero(values <= most)
        found[name] = float(f"{scores[reached[0]]:.4g}") if reached.size else None
    return found
