"""The scale of a picture of scores: colours begin where the list of anomalies begins, background stays dark."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.anomalies.grades import GRADES

if TYPE_CHECKING:
    from matplotlib.colors import Normalize
    from numpy.typing import NDArray

    from hsad.anomalies.vectors import Anomalies

__all__ = ["ScoreScale", "plain_number"]

_ROOM = 1.25
"""The scale of an empty list ends at this multiple of the distance from the floor to the start."""
_FEW = 6
"""Number of plain ticks that a bar has at most."""
_WIDE = 5.0
"""Least quotient of the highest and the lowest score at which a logarithmic scale may be better than a linear one."""
_APART = 0.06
"""Least distance of two ticks, as a share of the bar."""


@dataclass(frozen=True)
class ScoreScale:
    """From scores to places on a colour bar.

    Attributes
    ----------
    floor : float
        Median of the scores: black.
    start : float
        The lowest score of the list, where the colour bar starts. Scores from `floor` to `start` are dark grey.
    high : float
        The highest score, where the colour bar ends.
    logarithmic : bool
        Whether equal steps of the bar are equal factors of the score.
    marks : tuple of (float, str)
        Scores with a meaning, and the meaning.
    """

    floor: float
    start: float
    high: float
    logarithmic: bool
    marks: tuple[tuple[float, str], ...] = ()

    @classmethod
    def of(cls, values: NDArray[np.float64], anomalies: Anomalies) -> ScoreScale:
        """Return the scale of a score map for a list of its anomalies.

        The scale is logarithmic when its ends differ fivefold and the median anomaly of the list then lies nearer to
        the middle of the bar.

        Parameters
        ----------
        values : (rows, cols) ndarray
            The score map, reduced by maxima or whole; NaN where there is no score.
        anomalies : Anomalies
            The list; the highest score first.
        """
        known = values[np.isfinite(values)]
        floor = float(np.median(known)) if known.size else 0.0
        start = float(anomalies.threshold["threshold"])
        listed = np.asarray(anomalies.columns["score_max"], dtype=np.float64)
        high = max([start, *listed.tolist(), *([float(known.max())] if known.size else [])])
        floor = min(floor, start)
        if high <= start:
            high = start + (_ROOM - 1) * ((start - floor) or abs(start) or 1.0)
        logarithmic = False
        if high >= _WIDE * start > 0 and listed.size:
            middle = float(np.clip(np.median(listed), start, high))
            linear = (middle - start) / (high - start)
            logarithmic = abs(math.log(middle / start) / math.log(high / start) - 0.5) < abs(linear - 0.5)
        return cls(floor, start, high, logarithmic, tuple(_marks(anomalies, start)))

    def place(self, score: Any) -> Any:
        """Return where scores lie on the bar: 0 at `start`, 1 at `high`; negative below the list."""
        if self.logarithmic:
            bounded = np.maximum(score, np.finfo(np.float64).tiny)
            return np.log(bounded / self.start) / math.log(self.high / self.start)
        return (np.asarray(score) - self.start) / (self.high - self.start)

    def ticks(self) -> list[tuple[float, str]]:
        """Return the ticks of the bar, each a score and its text: first the scores with a meaning, then plain ones."""
        chosen = [(self.start, f"{plain_number(self.start)}: the list starts")]
        marks = [(score, f"{plain_number(score)}: {text}") for score, text in self.marks]
        if marks and math.isclose(marks[0][0], self.start):
            chosen = [marks.pop(0)]
        for score, text in (*marks, *((score, plain_number(score)) for score in self._round())):
            if not self.start < score <= self.high:
                continue
            if all(abs(self.place(score) - self.place(other)) > _APART for other, _ in chosen):
                chosen.append((score, text))
        return sorted(chosen)

    def _round(self) -> list[float]:
        """Return round scores between both ends of the bar."""
        if not self.logarithmic:
            rough = (self.high - self.start) / _FEW
            power = 10.0 ** math.floor(math.log10(rough))
            size = next(step * power for step in (1, 2, 5, 10) if step * power >= rough)
            first = math.ceil(self.start / size)
            return [n * size for n in range(first, math.floor(self.high / size) + 1)]
        decades = range(math.floor(math.log10(self.start)), math.ceil(math.log10(self.high)) + 1)
        steps = (1, 2, 3, 5, 7) if self.high < 30 * self.start else (1, 3)
        return [step * 10.0**power for power in decades for step in steps]

    def norm(self) -> Normalize:
        """Return the scale of the list for matplotlib."""
        from matplotlib.colors import LogNorm, Normalize

        return (LogNorm if self.logarithmic else Normalize)(self.start, self.high)


def plain_number(value: float) -> str:
    """Return a number of three digits without an exponent.

    Examples
    --------
    >>> [plain_number(value) for value in (3.5331, 12345.6, 0.0012, 40.0)]
    ['3.53', '12,300', '0.0012', '40']
    """
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    decimals = 2 - math.floor(math.log10(abs(value)))
    text = f"{round(value, decimals):,.{max(0, decimals)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _marks(anomalies: Anomalies, start: float) -> list[tuple[float, str]]:
    """Return scores that have a meaning, rising: where each grade begins within the list."""
    scores = anomalies.threshold["grade_scores"]
    marks: list[tuple[float, str]] = []
    for name, most in reversed(GRADES):
        if scores.get(name) is None:
            continue
        # Scores of grades are rounded to four digits, which may be a little below the start.
        score = start if math.isclose(scores[name], start, rel_tol=1e-3) else scores[name]
        if marks and marks[-1][0] == score:
            marks.pop()  # every score of the list has the more certain grade
        marks.append((score, _meaning(name, most)))
    return marks


def _meaning(grade: str, most: float) -> str:
    """Return what a grade says, in the two lines of a tick."""
    tenths = round(10 * most)
    return f"{grade}\n({tenths} in 10 {'is' if tenths == 1 else 'are'} background)"
