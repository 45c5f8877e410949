"""From scores to a threshold, and a sentence that says where it comes from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.anomalies.bank import BankNull, bank_methods, bank_table
from hsad.anomalies.nulls import CleanNull, Null, otsu, pixel_null
from hsad.anomalies.options import ThresholdOptions
from hsad.anomalies.scoremap import ScoreMap
from hsad.anomalies.tail import Tail
from hsad.errors import DataError, ParameterError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Threshold", "ThresholdOptions", "choose_threshold"]

_PIXEL_WORDS = {
    "percentile": "the scene's own pixels, so many of which are called anomalous, whatever they are",
    "gpd": "a generalised Pareto tail above the scene's 95th percentile; conservative, since objects are in it",
    "chi2": "the chi-squared law of Gaussian background with {bands} bands; real background exceeds it 50 to 100 times",
    "f": "the F law of Gaussian background; real background exceeds it up to 100 times",
}


@dataclass(frozen=True, eq=False)
class Threshold:
    """A threshold, and what is known about it.

    Attributes
    ----------
    value : float
        A pixel is anomalous when its score is at least this.
    rule : str
        One of `hsad.anomalies.options.RULES`, ``clean-region``, or ``given``.
    sentence : str
        Where it comes from, and how to set another.
    expected_false : float or None
        How many false objects are expected in the scene; for rules of pixels, at most so many. None: not known.
    interval : (float, float) or None
        Where 90 % of such scenes have their number of false objects.
    doubts : tuple of str
        Why the stated number should not be trusted here; empty when it can be.
    null : Null or None
        What background alone would do, for p-values.
    options : ThresholdOptions
    """

    value: float
    rule: str
    sentence: str
    expected_false: float | None = None
    interval: tuple[float, float] | None = None
    doubts: tuple[str, ...] = ()
    null: Null | None = field(default=None, repr=False)
    options: ThresholdOptions = field(default_factory=ThresholdOptions, repr=False)

    @property
    def trusted(self) -> bool:
        """Whether nothing speaks against the stated number."""
        return not self.doubts

    def expected(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how many false objects are expected to reach each score; NaN where that is not known."""
        return np.full(np.shape(scores), np.nan) if self.null is None else self.null.expected(scores)

    def p_value(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the share of background that reaches each score; NaN where that is not known."""
        return np.full(np.shape(scores), np.nan) if self.null is None else self.null.p_value(scores)

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON and a report say of it."""
        return {
            "threshold": self.value,
            "rule": self.rule,
            "sentence": self.sentence,
            "expected_false": self.expected_false,
            "interval": None if self.interval is None else list(self.interval),
            "trusted": self.trusted,
            "doubts": list(self.doubts),
            "options": self.options.to_dict(),
        }


def choose_threshold(
    scores: Any, options: ThresholdOptions | None = None, clean: NDArray[np.bool_] | None = None
) -> Threshold:
    """Choose the threshold of a score map.

    Parameters
    ----------
    scores : (y, x) DataArray, (rows, cols) array_like or ScoreMap
        Attributes ``method``, ``parameters`` and ``background`` say which table or law applies.
    options : ThresholdOptions, optional
    clean : (rows, cols) ndarray of bool, optional
        Pixels that are background: the null is taken from them.

    Raises
    ------
    ParameterError
        When a rule does not fit the method.
    DataError
        When no pixel has a score, or there are too few to choose by.
    """
    options = options or ThresholdOptions()
    scores = ScoreMap.of(scores)
    tail = Tail.of(scores)
    if clean is not None:
        if options.rule not in (None, "bank"):
            raise ParameterError(f"rule {options.rule}: a clean region counts objects, as the bank does")
        return _counted(CleanNull(Tail.of(scores, clean), tail), tail, scores, options, "clean-region")
    table = bank_table(scores.method)
    if options.rule == "bank" and table is None:
        raise ParameterError(
            f"rule bank: has no table for {scores.method or 'scores of an unknown method'} (there is one for "
            f"{', '.join(bank_methods())}): use another rule, or a clean region"
        )
    if table is not None and options.rule in (None, "bank") and (options.rule == "bank" or options.pfa is None):
        return _counted(BankNull(table, tail), tail, scores, options, "bank")
    if options.fdr is not None:
        raise ParameterError("fdr counts objects: it needs the bank or a clean region")
    return _by_pixels(tail, scores, options)


def _counted(
    null: BankNull | CleanNull, tail: Tail, scores: ScoreMap, options: ThresholdOptions, rule: str
) -> Threshold:
    rate = options.rate
    where = (
        f"the background of {len(null.table.sources)} other scenes ({scores.method}), shifted to the level of this one"
        if isinstance(null, BankNull)
        else f"the {null.region.count} pixels that were said to be background"
    )
    if options.threshold is not None:
        value, chosen = options.threshold, "is as given"
        rate = float(null.rate(value))
    elif options.fdr is not None:
        value = _of_fdr(null, tail, options.fdr)
        rate = float(null.rate(value))
        chosen = f"keeps false objects to {options.fdr:.0%} of those found"
    else:
        value = null.threshold(rate)
        chosen = f"accepts {options.false_objects:g} false objects per {options.per:g} pixels"
    expected = float(null.expected(value))
    interval = null.interval(expected) if isinstance(null, BankNull) else None
    doubts = null.doubts(rate, scores.parameters) if isinstance(null, BankNull) else null.doubts(rate)
    span = f", 90 % of scenes like this {interval[0]:.0f} to {interval[1]:.0f}" if interval else ""
    sentence = (
        f"The threshold {value:.4g} {chosen}: about {expected:.3g} in this scene{span}. It comes from {where}. "
        + ("" if not doubts else "Do not trust this number here: " + "; ".join(doubts) + ". ")
        + "--threshold sets another."
    )
    return Threshold(
        value,
        rule if options.threshold is None else "given",
        sentence,
        expected,
        interval,
        tuple(doubts),
        null,
        options,
    )


def _of_fdr(null: BankNull | CleanNull, tail: Tail, share: float) -> float:
    """Return the lowest score above which false objects are at most this share: Benjamini and Hochberg's rule."""
    false = null.expected(tail.peaks) / np.arange(1, len(tail.peaks) + 1)
    kept = np.flatnonzero(false <= share)
    if not len(kept):
        raise DataError(f"fdr {share:g}: no object stands out enough; the best list would be {false.min():.0%} false")
    return float(tail.peaks[kept[-1]])


def _by_pixels(tail: Tail, scores: ScoreMap, options: ThresholdOptions) -> Threshold:
    if options.threshold is not None and options.rule is None:
        return Threshold(
            options.threshold, "given", f"The threshold {options.threshold:.4g} is as given.", options=options
        )
    rule = options.rule or "gpd"
    if rule == "otsu":
        value = otsu(tail) if options.threshold is None else options.threshold
        sentence = (
            f"The threshold {value:.4g} divides the pixels into two classes of least variance (Otsu); how many of the "
            "anomalies are false is not known. --threshold sets another."
        )
        return Threshold(value, rule, sentence, options=options)
    null = pixel_null(rule, tail, scores, options.bands)
    pfa = options.pfa or 1e-3
    value = null.threshold(pfa) if options.threshold is None else options.threshold
    expected = float(null.expected(value))
    default = "" if options.rule else f"{scores.method or 'this method'} has no table in the bank, so it is by gpd: "
    words = _PIXEL_WORDS[rule].format(bands=options.bands or scores.background.get("rank"))
    chosen = f"accepts a share of {pfa:g} of background pixels" if options.threshold is None else "is as given"
    sentence = (
        f"The threshold {value:.4g} {chosen}, at most {expected:.3g} false pixels here: "
        f"{default if options.pfa is None else ''}{words}. --threshold sets another."
    )
    return Threshold(value, rule, sentence, expected, None, (), null, options)
