"""From scores to a threshold."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.anomalies.grades import grade_scores
from hsad.anomalies.null.clean import CleanNull
from hsad.anomalies.null.doubts import Doubt
from hsad.anomalies.null.pixels import otsu, pixel_null
from hsad.anomalies.null.posterior import Posterior
from hsad.anomalies.null.prior import bank_methods, prior_for, rough_prior
from hsad.anomalies.null.protocol import CountingNull, Null
from hsad.anomalies.null.shares import false_interval
from hsad.anomalies.null.tail import Tail
from hsad.anomalies.options import FALSE_OBJECTS, ThresholdOptions
from hsad.anomalies.origin import Choice, Origin, doubts_sentence, origin_sentence
from hsad.anomalies.scoremap import ScoreMap
from hsad.errors import DataError, ParameterError
from hsad.scene.ground import pixel_side

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Threshold", "ThresholdOptions", "choose_threshold"]

_DEFAULT_PFA = 1e-3
"""Share of background pixels that the rules of pixels accept when the user sets none: 10 pixels in 10⁴, as many as the
default number of false anomalies."""


@dataclass(frozen=True, eq=False)
class Threshold:
    """A threshold, where it comes from, and how many false anomalies to expect above it.

    Attributes
    ----------
    value : float
        A pixel is anomalous when its score is at least this.
    rule : str
        One of `hsad.anomalies.options.RULES`, ``clean-region``, or ``given``. ``list`` is the default.
    origin : Origin
        What it was chosen by, and what the background was taken from.
    tail : Tail
        The upper end of the scene's scores.
    expected_false : float or None
        The number of false anomalies that is expected among those that reach the threshold, never above their number;
        for rules of pixels the number of false pixels in the scene, an upper bound; None: not known.
    interval : (float, float) or None
        90 % of scenes like this one have a number of false anomalies within it.
    doubts : tuple of Doubt
        Why the stated number should not be trusted for this scene; empty when it can be.
    at_most : bool
        Whether the background of the scene is calmer than any that the null was learned from: fewer are false.
    rough : bool
        Whether the null is the pooled one, for detectors without a table.
    null : Null or None
        The distribution of background, for p-values.
    options : ThresholdOptions
    """

    value: float
    rule: str
    origin: Origin
    tail: Tail = field(repr=False)
    expected_false: float | None = None
    interval: tuple[float, float] | None = None
    doubts: tuple[Doubt, ...] = ()
    at_most: bool = False
    rough: bool = False
    null: Null | None = field(default=None, repr=False)
    options: ThresholdOptions = field(default_factory=ThresholdOptions, repr=False)

    @property
    def trusted(self) -> bool:
        """Whether nothing speaks against the stated number."""
        return not self.doubts

    @property
    def sentence(self) -> str:
        """Where it comes from, what speaks against its number, and how to set another."""
        return str(self.to_dict()["sentence"])

    def expected(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the number of false anomalies that are expected to reach each score; NaN where it is not known."""
        return np.full(np.shape(scores), np.nan) if self.null is None else self.null.expected(scores)

    def p_false(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probability that an anomaly with each score is background; NaN where it is not known."""
        return np.full(np.shape(scores), np.nan) if self.null is None else self.null.p_false(scores)

    def of_listed(self, p_false: NDArray[np.float64]) -> Threshold:
        """Return the threshold with the number of false ones among listed anomalies: the sum of their probabilities."""
        if self.null is None or not np.isfinite(p_false).all():
            return self
        expected = float(p_false.sum())
        return replace(self, expected_false=expected, interval=false_interval(expected, len(p_false)))

    def p_value(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the share of background that reaches each score; NaN where it is not known."""
        return np.full(np.shape(scores), np.nan) if self.null is None else self.null.p_value(scores)

    def _grade_scores(self) -> dict[str, float | None]:
        """Return the lowest score that has each grade; empty where probabilities are not known."""
        highest = max(self.value, float(self.tail.peaks[0]) if len(self.tail.peaks) else self.value)
        if self.null is None or np.isnan(self.null.p_false(highest)):
            return {}
        return grade_scores(self.null.p_false, self.value, highest)

    def to_dict(self) -> dict[str, Any]:
        """Return the threshold as JSON holds it; ``sentence`` and ``doubts`` are texts for people."""
        told: dict[str, Any] = {
            "threshold": self.value,
            "rule": self.rule,
            "origin": asdict(self.origin),
            "expected_false": self.expected_false,
            "expected_false_high": None if self.interval is None else self.interval[1],
            "interval": None if self.interval is None else list(self.interval),
            "at_most": self.at_most,
            "rough": self.rough,
            "trusted": self.trusted,
            "doubts": [str(doubt) for doubt in self.doubts],
            "grade_scores": self._grade_scores(),
            "options": self.options.to_dict(),
        }
        return {**told, "sentence": " ".join(filter(None, (origin_sentence(told), doubts_sentence(told))))}


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
        Pixels that are background: the distribution of background is taken from them.

    Raises
    ------
    ParameterError
        When a rule does not fit the method.
    DataError
        When no pixel has a score, or too few have one for the rule.
    """
    options = options or ThresholdOptions()
    scores = ScoreMap.of(scores)
    tail = Tail.of(scores)
    if clean is not None:
        if options.rule not in (None, "list", "bank"):
            raise ParameterError(f"rule {options.rule}: a clean region counts anomalies, as list and bank do")
        return _counted(CleanNull(Tail.of(scores, clean), tail), tail, scores, options, "clean-region")
    by_pixels = options.rule not in (None, "list", "bank") or options.pfa is not None
    if by_pixels:
        if options.fdr is not None:
            raise ParameterError("fdr counts anomalies: it goes with the rules list and bank, and not with pfa")
        return _by_pixels(tail, scores, options)
    if options.threshold is not None and not scores.method:
        return Threshold(options.threshold, "given", Origin("given"), tail, options=options)
    prior = prior_for(scores.method)
    if options.rule == "bank" and prior is None:
        raise ParameterError(
            f"rule bank: knows nothing of {scores.method or 'scores of an unknown method'} (it knows "
            f"{', '.join(bank_methods())}): use another rule, or a clean region"
        )
    return _counted(Posterior(prior or rough_prior(tail), tail, pixel_side(scores.grid)), tail, scores, options, "bank")


def _counted(
    null: Posterior | CleanNull, tail: Tail, scores: ScoreMap, options: ThresholdOptions, background: str
) -> Threshold:
    choice: Choice = "list"
    accepted: float | None = None
    rate: float | None = None
    rule = background
    if options.threshold is not None:
        choice, value, rule = "given", options.threshold, "given"
    elif options.fdr is not None:
        choice, accepted, value = "share of false objects", options.fdr, _of_fdr(null, tail, options.fdr)
    elif options.counts_objects:
        choice, accepted, rate = "false objects", options.false_objects or FALSE_OBJECTS, options.rate
        value = null.threshold(rate)
    else:
        value = null.list_threshold()
        rule = "list" if background == "bank" else background
    origin = Origin(choice, background, accepted, options.per, scores.method)
    chosen = Threshold(value, rule, origin, tail, null=null, options=options)
    if isinstance(null, CleanNull):
        doubts = null.doubts(float(null.rate(value)) if rate is None else rate)
        chosen = replace(chosen, origin=replace(origin, pixels=null.region.count), doubts=tuple(doubts))
    else:
        rough = null.prior.rough
        pairs = scores.compares_dates and not rough
        origin = replace(origin, scenes=null.prior.scenes, places=null.prior.places, pairs=pairs, rough=rough)
        doubts = null.doubts(scores.parameters, rate)
        chosen = replace(chosen, origin=origin, doubts=tuple(doubts), at_most=null.calm, rough=rough)
    return chosen.of_listed(null.p_false(tail.peaks[: tail.reached(value)]))


def _of_fdr(null: CountingNull, tail: Tail, share: float) -> float:
    """Return the lowest score above which false anomalies are at most this share, in the mean over the list."""
    false = np.cumsum(null.p_false(tail.peaks)) / np.arange(1, len(tail.peaks) + 1)
    accepted = np.flatnonzero(false <= share)
    if not len(accepted):
        raise DataError(f"fdr {share:g}: nothing stands out enough; the best list would be {false.min():.0%} false")
    return float(tail.peaks[accepted[-1]])


def _by_pixels(tail: Tail, scores: ScoreMap, options: ThresholdOptions) -> Threshold:
    rule = options.rule if options.rule not in (None, "list") else "gpd"
    by_user = options.threshold is not None
    if rule == "otsu":
        value = otsu(tail) if options.threshold is None else options.threshold
        return Threshold(value, rule, Origin("given" if by_user else "classes", rule), tail, options=options)
    null = pixel_null(rule, tail, scores, options.degrees_of_freedom)
    pfa = options.pfa or _DEFAULT_PFA
    value = null.threshold(pfa) if options.threshold is None else options.threshold
    origin = Origin(
        "given" if by_user else "share of background pixels",
        rule,
        None if by_user else pfa,
        method=scores.method,
        bands=options.degrees_of_freedom or scores.background.get("rank"),
    )
    return Threshold(value, rule, origin, tail, float(null.expected(value)), null=null, options=options)
