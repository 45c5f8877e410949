"""How well the bank predicts: each ground is judged by the bank of the other grounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hsad.anomalies.null.posterior import Posterior
from hsad.anomalies.null.prior import Coarse, Prior
from hsad.anomalies.objects import find_objects
from hsad.bench.calibration.backgrounds import BACKGROUND, LEFT_OUT, OBJECT, Background
from hsad.bench.calibration.fit import fit_calibration, fit_least, fit_prior, weights_of

__all__ = ["STATED", "Judged", "bank_of", "judge"]

STATED = (10.0, 3.0, 1.0)
"""False objects per 10⁴ pixels at which the bank is judged."""
_MERGE = 2
_FAMILY_WEIGHTS = {
    "native": 2.0, "synthetic": 0.5, "blurbin": 0.5, "space": 0.25, "striped": 0.25, "made": 0.05,
}  # fmt: skip
"""Weight of a family in the calibration, 1 for all others."""
_COARSE = ("space", "striped")
"""Families that are judged as scenes of coarse pixels."""


@dataclass(frozen=True)
class Judged:
    """What the bank of the other grounds stated for a scene, and what the scene delivered.

    Attributes
    ----------
    name, family : str
    objects : int
        Objects of the truth.
    stated, delivered, kept : tuple
        At each of `STATED`: false objects stated, false objects found, true objects found.
    p_false : tuple of float
        Of the anomalies of the default list; those at what the truth leaves out are not counted.
    false : tuple of bool
        Whether each of them is false.
    found : int
        Objects of the truth in the list.
    calm : bool
        Whether the number of false ones is stated as an upper bound.
    doubts : tuple of str
    """

    name: str
    family: str
    objects: int
    stated: tuple[float, ...]
    delivered: tuple[int, ...]
    kept: tuple[int, ...]
    p_false: tuple[float, ...]
    false: tuple[bool, ...]
    found: int
    calm: bool
    doubts: tuple[str, ...]


def bank_of(blank: Prior, scenes: Sequence[Background], ground: str | None = None) -> Prior:
    """Return the prior of scenes that the bank learns from, without a ground; not calibrated.

    A blank prior that has a law keeps it.
    """
    if len(blank.knots):
        return blank
    learned = [scene for scene in scenes if scene.learned and scene.ground != ground]
    return fit_prior(blank, learned, weights_of(learned))


def judge(
    blank: Prior, calibrating: Sequence[Background], judged: Sequence[Background], *, coarse: bool = False
) -> tuple[tuple[float, float, float], Coarse | None, tuple[Judged, ...]]:
    """Judge scenes, each by the bank and the calibration of the other grounds.

    Parameters
    ----------
    blank : Prior
        Says of which detector, and in which units.
    calibrating : sequence of Background
        The scenes that the bank learns from, and others that calibrate it.
    judged : sequence of Background
    coarse : bool
        Whether scenes of coarse pixels have a least probability.

    Returns
    -------
    calibration : (3,) tuple of float
        Fitted to all grounds, each with the raw probabilities of the bank of the others.
    coarse : Coarse or None
        What else holds on scenes of coarse pixels, fitted in the same way to the bank's; None without such scenes.
    rows : tuple of Judged
    """
    grounds = dict.fromkeys(scene.ground for scene in [*calibrating, *judged])
    priors = {ground: bank_of(blank, calibrating, ground) for ground in grounds}
    raw = [Posterior(priors[scene.ground], scene.tail).p_false(scene.tail.peaks) for scene in calibrating]
    others = {
        ground: replace(prior, calibration=_calibration(calibrating, raw, ground)) for ground, prior in priors.items()
    }
    seen = [scene for scene in calibrating if coarse and scene.learned and scene.family in _COARSE]
    listed = [(scene.ground, _judged(scene, Posterior(others[scene.ground], scene.tail))) for scene in seen]
    least = {ground: _least(listed, ground) for ground in [*grounds, None]} if listed else {}
    rows = tuple(
        _judged(scene, Posterior(others[scene.ground], scene.tail), least.get(scene.ground)) for scene in judged
    )
    overall = Coarse(least[None], _times(rows)) if least else None
    return _calibration(calibrating, raw, None), overall, rows


def _least(listed: Sequence[tuple[str, Judged]], ground: str | None) -> float:
    """Return the least probability by the lists of all grounds but one."""
    used = [row for where, row in listed if where != ground]
    return fit_least([p for row in used for p in row.p_false], sum(sum(row.false) for row in used))


def _times(rows: Sequence[Judged]) -> float:
    """Return the number of false anomalies in the lists of spaceborne scenes over that stated."""
    used = [row for row in rows if row.family in _COARSE]
    stated = sum(sum(row.p_false) for row in used)
    return round(sum(sum(row.false) for row in used) / stated, 2) if stated else 1.0


def _calibration(
    scenes: Sequence[Background], raw: Sequence[NDArray[np.float64]], ground: str | None
) -> tuple[float, float, float]:
    """Return the calibration by the peaks of all grounds but one."""
    used = [number for number, scene in enumerate(scenes) if scene.ground != ground]
    families = np.concatenate([np.full(len(raw[n]), scenes[n].family) for n in used])
    at_peaks = np.concatenate([scenes[n].at_peaks for n in used])
    return fit_calibration(np.concatenate([raw[n] for n in used]), at_peaks, families, _FAMILY_WEIGHTS)


def _judged(scene: Background, null: Posterior, least: float | None = None) -> Judged:
    labels, number = ndimage.label(scene.objects, np.ones((3, 3)))
    delivered, kept = [], []
    for rate in STATED:
        limit = null.threshold(rate)
        places, _ = _found(scene, limit)
        delivered.append(int((places == BACKGROUND).sum()))
        kept.append(_kept(scene, labels, limit))
    limit = null.list_threshold()
    places, scores = _found(scene, limit)
    counted = places != LEFT_OUT
    p_false = null.p_false(scores)[counted]
    if least is not None and scene.family in _COARSE:
        p_false = np.maximum(p_false, least)
    doubts = tuple(map(str, null.doubts(null.prior.parameters)))
    return Judged(
        scene.name, scene.family, number, tuple(rate * scene.units for rate in STATED), tuple(delivered), tuple(kept),
        tuple(map(float, p_false)), tuple(bool(place != OBJECT) for place in places[counted]),
        _kept(scene, labels, limit), null.calm, doubts,
    )  # fmt: skip


def _found(scene: Background, limit: float) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Return where the anomalies above a limit are, and their scores."""
    found = find_objects([(0, scene.scores)], limit, merge=_MERGE)
    return scene.place[found.row, found.col], found.score_max


def _kept(scene: Background, labels: NDArray[np.int32], limit: float) -> int:
    """Return the number of objects of the truth that reach a limit."""
    return len(np.unique(labels[(scene.scores >= limit) & (labels > 0)]))
