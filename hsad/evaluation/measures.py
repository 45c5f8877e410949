"""Comparison of scores with a truth: the ROC and measures derived from it, on plain arrays.

Anomalies are .1-1.5% of the pixels, so an AUC of .99 can go with an average precision of .43. `evaluate` therefore
returns measures of the ranking (AUC, average precision), of the scale (3-D ROC) and of the objects.

Higher scores are more anomalous. A pixel is detected *at* a score t if its score is at least t.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.errors import DataError, ParameterError
from hsad.record import Record
from hsad.scene.masked import with_nan

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Map = ArrayLike | os.PathLike[str]

__all__ = ["ROC", "Evaluation", "Scored", "evaluate", "roc_curve", "scored_pixels"]


@dataclass(frozen=True)
class ROC:
    """A receiver operating characteristic with one point for each distinct score, from the highest down.

    Attributes
    ----------
    thresholds : (n,) ndarray of float64
        Distinct scores, falling; the first is infinite, which no pixel reaches.
    false_alarm_rate : (n,) ndarray of float64
        Share of background pixels with at least that score, from 0 to 1.
    detection_rate : (n,) ndarray of float64
        Share of anomalous pixels with at least that score, from 0 to 1.
    precision : (n,) ndarray of float64
        Share of anomalous pixels among those with at least that score; 1 at the first point, by convention.
    """

    thresholds: NDArray[np.float64]
    false_alarm_rate: NDArray[np.float64]
    detection_rate: NDArray[np.float64]
    precision: NDArray[np.float64]

    @property
    def auc(self) -> float:
        """Area under the curve by trapezoids: P(anomalous > background) + ½ P(equal), ties averaged."""
        return float(np.trapezoid(self.detection_rate, self.false_alarm_rate))

    @property
    def average_precision(self) -> float:
        """Precision averaged over the detection rate, in steps: Σ (D_i - D_{i-1}) · precision_i."""
        return float(np.sum(np.diff(self.detection_rate) * self.precision[1:]))


@dataclass(frozen=True)
class Evaluation(Record):
    """The measures of a comparison of scores with a truth.

    Attributes
    ----------
    pixels : int
        Pixels with a score.
    positives : int
        Anomalous pixels with a score.
    auc : float
        AUC(D,F): area under detection rate over false-alarm rate, ties averaged.
    average_precision : float
        Area under precision over detection rate, in steps, as in scikit-learn.
    auc_d_tau : float
        AUC(D,τ): area under the detection rate over τ, see the notes of `evaluate`.
    auc_f_tau : float
        AUC(F,τ): area under the false-alarm rate over τ.
    auc_td : float
        AUC(D,F) + AUC(D,τ).
    auc_bs : float
        AUC(D,F) - AUC(F,τ).
    auc_tdbs : float
        AUC(D,τ) - AUC(F,τ).
    auc_odp : float
        AUC(D,τ) + 1 - AUC(F,τ).
    auc_oa : float
        AUC(D,F) + AUC(D,τ) - AUC(F,τ).
    snpr : float
        AUC(D,τ) / AUC(F,τ); infinite or NaN when AUC(F,τ) is 0.
    false_alarm_rate : float
        Share of background pixels that may lie above `threshold`.
    threshold : float
        Lowest score above which at most that share of the background lies.
    objects : int
        8-connected components of the truth with at least one scored pixel.
    objects_found : int
        Objects with at least one pixel above the threshold.
    """

    pixels: int
    positives: int
    auc: float
    average_precision: float
    auc_d_tau: float
    auc_f_tau: float
    auc_td: float
    auc_bs: float
    auc_tdbs: float
    auc_odp: float
    auc_oa: float
    snpr: float
    false_alarm_rate: float
    threshold: float
    objects: int
    objects_found: int


def roc_curve(scores: Map, truth: Map) -> ROC:
    """Return the receiver operating characteristic of `scores` against `truth`.

    Parameters
    ----------
    scores, truth : (rows, cols) array_like or xarray.DataArray
        As in `evaluate`.

    Raises
    ------
    DataError
        As in `evaluate`.
    """
    scored = scored_pixels(scores, truth)
    return _roc(scored.anomalous, scored.background)


def evaluate(scores: Map, truth: Map, *, false_alarm_rate: float = 1e-3) -> Evaluation:
    """Return measures of the agreement of scores with a truth, by pixels and by objects.

    Pixels whose score or truth is NaN are left out.

    Parameters
    ----------
    scores : (rows, cols) array_like, xarray.DataArray or path
        Higher = more anomalous, NaN for no score. A path is one of a score raster.
    truth : (rows, cols) array_like, xarray.DataArray or path
        Not zero = anomalous. A path is read as by `hsad.open_mask`: ``"scene.mat:map"``, a raster, a ``.npy`` or a
        vector file.
    false_alarm_rate : float
        Share of background pixels that may lie above the threshold for objects; at least 0, below 1.

    Returns
    -------
    Evaluation
        A field can also be looked up by name, ``result["auc"]``.

    Raises
    ------
    DataError
        If the shapes differ, a score is infinite, or no pixel with a score is anomalous or background.
    ParameterError
        If an array does not have two dimensions, or the rate is out of its range.

    Notes
    -----
    *3-D ROC* (Chang, IEEE TGRS 59(6):5131, 2021). With scores normalised to s' = (s - min)/(max - min) over
    the evaluated pixels, the rates at threshold τ in [0, 1] are D(τ) = share of anomalous pixels with s' ≥ τ,
    F(τ) likewise over the background. Since ∫₀¹ [s' ≥ τ] dτ = s', AUC(D,τ) is the mean of s' over anomalous
    pixels and AUC(F,τ) its mean over the background. Only linear transforms of the scores leave them unchanged.
    Constant scores have s' = 0.

    *Ties at the threshold.* Of b background pixels at most k = ⌊rate · b⌋ may be false alarms. The threshold is
    the (k+1)-th highest background score, and detected means strictly above it. Background pixels that share this
    score are therefore no false alarms, and the stated rate is never exceeded.

    Examples
    --------
    >>> scores = [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    >>> truth = [[0, 0, 0], [0, 1, 1]]
    >>> result = evaluate(scores, truth)
    >>> result.auc, result.objects_found, result["objects"]
    (1.0, 1, 1)
    """
    if not 0 <= false_alarm_rate < 1:
        raise ParameterError(f"false_alarm_rate must be at least 0 and below 1, not {false_alarm_rate!r}")
    scored = scored_pixels(scores, truth)
    roc = _roc(scored.anomalous, scored.background)
    d_tau, f_tau = _normalised_means(scored.anomalous, scored.background)
    allowed = math.floor(false_alarm_rate * scored.background.size + 1e-9)  # 0.29 · 100 is 28.999…
    threshold = float(np.partition(scored.background, -allowed - 1)[-allowed - 1])
    return Evaluation(
        pixels=scored.anomalous.size + scored.background.size,
        positives=scored.anomalous.size,
        auc=roc.auc,
        average_precision=roc.average_precision,
        auc_d_tau=d_tau,
        auc_f_tau=f_tau,
        auc_td=roc.auc + d_tau,
        auc_bs=roc.auc - f_tau,
        auc_tdbs=d_tau - f_tau,
        auc_odp=d_tau + 1 - f_tau,
        auc_oa=roc.auc + d_tau - f_tau,
        snpr=d_tau / f_tau if f_tau else (math.inf if d_tau else math.nan),
        false_alarm_rate=false_alarm_rate,
        threshold=threshold,
        objects=_count(scored.objects),
        objects_found=_count(scored.objects[scored.anomalous > threshold]),
    )


@dataclass(frozen=True)
class Scored:
    """Scores of anomalous and of background pixels, and the object that each anomalous pixel belongs to."""

    anomalous: NDArray[np.float64]
    background: NDArray[np.float64]
    objects: NDArray[np.int32]


def scored_pixels(scores: Map, truth: Map) -> Scored:
    """Return the pixels with a score and a truth, in two groups.

    Raises
    ------
    DataError, ParameterError
        As `evaluate`.
    """
    from scipy import ndimage

    score, label = _map("scores", _opened(scores)), _map("truth", _truth(truth, scores))
    if score.shape != label.shape:
        raise DataError(f"truth has {label.shape} pixels, the scores have {score.shape}")
    if np.isinf(score).any():
        raise DataError(f"scores: {np.isinf(score).sum()} pixels are infinite")
    known = ~(np.isnan(score) | np.isnan(label))
    positive = known & (label != 0)
    negative = known & (label == 0)
    for kind, pixels in (("anomalous", positive), ("background", negative)):
        if not pixels.any():
            raise DataError(f"truth: no pixel with a score is {kind}")
    # Objects are connected in the truth, even if pixels without a score divide them.
    objects, _ = ndimage.label(np.nan_to_num(label), structure=np.ones((3, 3)))
    return Scored(score[positive], score[negative], objects[positive])


def _opened(scores: Any) -> Any:
    """Return scores, those of a file if a path is passed."""
    if not isinstance(scores, str | os.PathLike):
        return scores
    from hsad.anomalies.opened import open_scores

    opened = open_scores(Path(scores))
    return opened.rows(0, opened.grid.rows)


def _truth(truth: Any, scores: Any) -> Any:
    """Return a truth, that of a file on the grid of the scores if a path is passed."""
    if not isinstance(truth, str | os.PathLike):
        return truth
    from hsad.anomalies.opened import open_scores
    from hsad.readers import open_mask

    grid = open_scores(Path(scores)).grid if isinstance(scores, str | os.PathLike) else scores
    return open_mask(truth if isinstance(truth, str) else Path(truth), grid)


def _map(name: str, values: Any) -> NDArray[np.float64]:
    """Return `values` as a map of float64, rows first."""
    if set(getattr(values, "dims", ())) == {"y", "x"}:
        values = values.transpose("y", "x")
    array = with_nan(values)
    if array.ndim != 2:
        raise ParameterError(f"{name}: an array of 2 dimensions (rows, cols) is needed, not of {array.ndim}")
    if array.dtype.kind not in "biuf":
        raise ParameterError(f"{name}: real numbers are needed, not {array.dtype}")
    return array.astype(np.float64)


def _roc(anomalous: NDArray[np.float64], background: NDArray[np.float64]) -> ROC:
    """Return the curve from the scores of both kinds of pixels."""
    scores = np.concatenate([anomalous, background])
    distinct, place = np.unique(scores, return_inverse=True)
    counts = [
        np.cumsum(np.bincount(part, minlength=distinct.size)[::-1])
        for part in (place[: anomalous.size], place[anomalous.size :])
    ]
    detected, alarms = (np.concatenate([[0], count]) for count in counts)
    return ROC(
        thresholds=np.concatenate([[np.inf], distinct[::-1]]),
        false_alarm_rate=alarms / background.size,
        detection_rate=detected / anomalous.size,
        precision=np.concatenate([[1.0], detected[1:] / (detected[1:] + alarms[1:])]),
    )


def _normalised_means(anomalous: NDArray[np.float64], background: NDArray[np.float64]) -> tuple[float, float]:
    """Return the means of the min-max normalised scores of both kinds of pixels, 0 if all scores are equal."""
    low = min(anomalous.min(), background.min())
    span = max(anomalous.max(), background.max()) - low
    if span == 0:
        return 0.0, 0.0
    return float((anomalous.mean() - low) / span), float((background.mean() - low) / span)


def _count(objects: NDArray[np.int32]) -> int:
    """Return the number of different objects."""
    return int(np.unique(objects).size)
