"""Fitting the bank: the law over scenes of the parameters of background (`hsad.anomalies.null.model`).

A Monte-Carlo EM algorithm. Each round takes draws of the parameters from the present law, weighs them by the likelihood
of each scene's background peaks, and fits the law to the weighted draws of all scenes: a ridge regression of the means
on the scenes' features, and the covariance around it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from hsad.anomalies.grades import LIST_P
from hsad.anomalies.null.model import log_rate
from hsad.anomalies.null.posterior import calibrated
from hsad.anomalies.null.prior import Prior
from hsad.bench.calibration.backgrounds import LEFT_OUT, OBJECT, Background
from hsad.bench.calibration.scenes import UNKNOWN_TRUTH, WEIGHTS

__all__ = ["UNCALIBRATED", "fit_calibration", "fit_least", "fit_prior", "weights_of"]

_ROUNDS = 6
_DRAWS = 1500
_SEED = 7
_RIDGE = 0.3
"""Ridge of the regression on the standardised features."""
_FIRST_SD = 0.3
"""Standard deviation of each parameter before the first round."""
_SHRINK = 0.25
"""Share by which the covariance is shrunk to its diagonal: a bank has eleven grounds, and the law five parameters."""
_LEAST_SD = 0.03
_CALIBRATE_BELOW = 0.85
"""Raw probability below which peaks enter the calibration: those above are thousands of background peaks, never
listed."""
_PEAKS_OF_A_FAMILY = 100.0
"""Peaks that a family counts as in the calibration."""
_RIDGE_OF_CALIBRATION = 0.05
UNCALIBRATED = (0.0, 1.0, 0.0)
"""The calibration that changes nothing."""


def fit_prior(blank: Prior, scenes: Sequence[Background], weight: NDArray[np.float64]) -> Prior:
    """Fit knots, features and law to the background of scenes.

    Parameters
    ----------
    blank : Prior
        Says of which detector, in which units, and how many peaks reach each knot; the rest is not used.
    scenes : sequence of Background
    weight : (scenes,) ndarray
        Weights that sum to 1.
    """
    rates = blank.rates
    heights = [blank.heights(s.peaks, s.tail) for s in scenes]
    knots = _knots(rates, heights, [s.units for s in scenes], weight)
    features = np.array([blank.features(s.tail) for s in scenes])
    mean = weight @ features
    sd = np.sqrt(weight @ (features - mean) ** 2) + 1e-9
    slopes = -np.diff(np.log(rates)) / np.diff(knots)
    coefficients = np.zeros((features.shape[1] + 1, len(rates) + 1))
    coefficients[0] = np.concatenate([[np.log(rates[0])], np.log(slopes), np.log(slopes[-1:])])
    covariance = np.eye(len(rates) + 1) * _FIRST_SD**2
    prior = replace(blank, knots=knots, mean=mean, sd=sd, coefficients=coefficients, covariance=covariance)
    design = np.array([prior.design(row) for row in features])
    rng = np.random.default_rng(_SEED)
    for _ in range(_ROUNDS):
        root = np.linalg.cholesky(prior.covariance)
        means = np.empty((len(scenes), len(rates) + 1))
        spread = np.zeros_like(covariance)
        for number, (scene, found, share) in enumerate(zip(scenes, heights, weight, strict=True)):
            theta = prior.expected(features[number]) + rng.standard_normal((_DRAWS, len(root))) @ root.T
            chance = _posterior(theta, knots, found[found >= knots[0]], scene.units)
            means[number] = chance @ theta
            rest = theta - means[number]
            spread += share * ((rest.T * chance) @ rest)
        prior = _with_law(prior, design, means, spread, weight)
    return prior


def _knots(
    rates: NDArray[np.float64],
    heights: Sequence[NDArray[np.float64]],
    units: Sequence[float],
    weight: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the heights that so many peaks reach in the weighted mean over scenes."""
    every = np.concatenate(heights)
    share = np.concatenate([np.full(len(h), w / u) for h, u, w in zip(heights, units, weight, strict=True)])
    order = np.argsort(-every)
    return np.asarray(np.interp(rates, np.cumsum(share[order]), every[order]))


def _posterior(
    theta: NDArray[np.float64], knots: NDArray[np.float64], heights: NDArray[np.float64], units: float
) -> NDArray[np.float64]:
    """Return the weights of draws by the likelihood of background peaks, a Poisson process."""
    level, slope = log_rate(theta, knots, heights)
    likelihood = (level + np.log(slope)).sum(axis=1) - units * np.exp(theta[:, 0])
    weights = np.exp(likelihood - likelihood.max())
    return np.asarray(weights / weights.sum())


def _with_law(
    prior: Prior,
    design: NDArray[np.float64],
    means: NDArray[np.float64],
    spread: NDArray[np.float64],
    weight: NDArray[np.float64],
) -> Prior:
    """Return the prior with the regression of the scenes' parameters on the features, and the covariance around it."""
    weighted = (design * weight[:, None]).T
    ridge = np.diag([0.0] + [_RIDGE] * (design.shape[1] - 1))
    coefficients = np.asarray(np.linalg.solve(weighted @ design + ridge, weighted @ means), dtype=np.float64)
    rest = means - design @ coefficients
    full = (rest.T * weight) @ rest + spread
    shrunk = (1 - _SHRINK) * full + _SHRINK * np.diag(np.diag(full))
    return replace(prior, coefficients=coefficients, covariance=shrunk + np.eye(len(full)) * _LEAST_SD**2)


def weights_of(scenes: Sequence[Background]) -> NDArray[np.float64]:
    """Return the weights of scenes, which sum to 1: those of their families within a ground, and of the grounds."""
    weight = np.array([WEIGHTS.get(scene.family, 1.0) for scene in scenes])
    for ground in {scene.ground for scene in scenes}:
        same = np.array([scene.ground == ground for scene in scenes])
        weight[same] /= weight[same].sum()
    weight *= [UNKNOWN_TRUTH.get(scene.ground, 1.0) if scene.family in WEIGHTS else 1.0 for scene in scenes]
    return np.asarray(weight / weight.sum())


def fit_calibration(
    raw: NDArray[np.float64], at_peaks: NDArray[np.uint8], families: NDArray[Any], weights: Mapping[str, float]
) -> tuple[float, float, float]:
    """Return a, b, f of `calibrated` with the largest likelihood, from peaks of scenes that were left out.

    Parameters
    ----------
    raw : (n,) ndarray
        Probabilities before calibration.
    at_peaks : (n,) ndarray of uint8
        What each peak is, as `Background.at_peaks`.
    families : (n,) ndarray of str
        The family of each peak's scene: families weigh the same, however many peaks they have.
    weights : mapping of str to float
        Weights of families where they are not 1.
    """
    used = (raw < _CALIBRATE_BELOW) & (at_peaks != LEFT_OUT)
    raw, false, families = raw[used], at_peaks[used] != OBJECT, families[used]
    names, place, counts = np.unique(families, return_inverse=True, return_counts=True)
    weight = (np.array([weights.get(str(name), 1.0) for name in names]) * _PEAKS_OF_A_FAMILY / counts)[place]

    def parameters(free: NDArray[np.float64]) -> tuple[float, float, float]:
        return float(free[0]), float(np.exp(free[1])), float(1 / (1 + np.exp(-free[2])))

    def loss(free: NDArray[np.float64]) -> float:
        p = np.clip(calibrated(raw, parameters(free)), 1e-9, 1 - 1e-9)
        entropy = -(weight * np.where(false, np.log(p), np.log(1 - p))).sum()
        return float(entropy + _RIDGE_OF_CALIBRATION * (free[0] ** 2 + free[1] ** 2))

    if not used.any():
        return UNCALIBRATED
    return parameters(optimize.minimize(loss, [0.0, 0.0, -3.0]).x)


def fit_least(p_false: Sequence[float], false: int) -> float:
    """Return the least probability with which lists state as many false anomalies as they have.

    Parameters
    ----------
    p_false : (n,) sequence of float
        Probabilities of listed anomalies.
    false : int
        How many of them are false.

    Returns
    -------
    float
        0 where they state that many already; at most the probability up to which anomalies are listed.
    """
    stated = np.asarray(p_false, dtype=np.float64)

    def missing(least: float) -> float:
        return false - float(np.maximum(stated, least).sum())

    if missing(0.0) <= 0:
        return 0.0
    return LIST_P if missing(LIST_P) >= 0 else float(optimize.brentq(missing, 0.0, LIST_P))
