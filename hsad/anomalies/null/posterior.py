"""How probable it is that a peak of a scene is background: the bank's prior and the scene's peaks together."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsad.anomalies.grades import LIST_P
from hsad.anomalies.null.doubts import Doubt
from hsad.anomalies.null.model import OBJECTS, SHAPES, log_rate, shape_densities
from hsad.anomalies.null.prior import COARSE_PIXEL, Coarse, Prior
from hsad.anomalies.null.tail import Tail

__all__ = ["Posterior", "calibrated"]

_FEW_PIXELS = 1000
"""Fewest pixels of a scene: 7 background peaks reach the first knot there, too few to tell anything by."""
_MOST_UNLIKE = 4.0
"""Standard deviations over the bank beyond which a feature of a scene is unlike all of the bank: 1 in 70 scenes."""
_MOST_UNEVEN = 6.0
"""Largest variance over mean of the numbers of peaks in the four quarters of a scene. Three times this ratio follows a
chi-squared law with 3 degrees of freedom when peaks are spread by chance: it exceeds 18 in 1 of 2,000 scenes."""
_CALM = 0.7
"""A scene is calm when fewer than this share of the peaks that the bank expects of background alone reach the third
knot, by `auto`: 16 of 34 synthetic scenes, and none of 190 real ones with 2,500 pixels or more."""
_CALM_BY_CHANCE = 0.25
"""Largest chance of so few peaks: in a small scene they are few by chance."""

DRAWS = 1000
"""Draws of the background's parameters in each of two steps: another seed changes a probability by .01."""
_SEED = 7
_MOST_PEAKS = 150.0
"""Most peaks that the likelihood counts as: more of them cannot mend what the model leaves out."""
_BINS = 200
"""Most heights at which the likelihood is evaluated: more peaks than that are put into bins."""
_MOST_SPANS = 50.0
"""Distances between first and last knot above which all heights are one: no background is there."""
_LEAST_DENSITY = np.float32(1e-30)
"""Density below which there is no background."""
_GRID = 160
"""Heights at which rate and probability are held."""
_MOST_LOGIT = 50.0
"""Largest logarithm of odds: a probability of 1 - 2e-22."""
_SMALL = 1e-6
"""Weight of a shape and a number of objects that is left out."""


@dataclass(frozen=True, eq=False)
class Posterior:
    """The background of one scene, according to the bank and to the scene's peaks.

    Attributes
    ----------
    prior : Prior
    tail : Tail
        The upper end of the scene's scores.
    pixel : float
        Side of a pixel in metres; NaN where it is not known.
    """

    prior: Prior
    tail: Tail
    pixel: float = math.nan

    def rate(self, scores: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Return the expected number of background peaks per 10⁴ pixels that reach each score.

        Below the first knot peaks of the scene are background, and counted.
        """
        heights = self._height(scores)
        grid, logs, _ = self._curves
        slope = (logs[-1] - logs[-2]) / (grid[-1] - grid[-2])
        rates = np.exp(np.interp(heights, grid, logs) + np.maximum(heights - grid[-1], 0.0) * slope)
        rising = self._peaks[::-1]
        first = np.searchsorted(rising, self.prior.knots[0], side="left")
        more = first - np.minimum(np.searchsorted(rising, heights, side="left"), first)
        return np.where(np.isnan(heights), np.nan, rates + more / self.tail.units)

    def expected(self, scores: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Return the expected number of background peaks of the scene that reach each score."""
        return np.asarray(self.rate(scores) * self.tail.units)

    def p_value(self, scores: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Return the share of background peaks that reach each score."""
        return np.minimum(1.0, self.expected(scores) / max(len(self.tail.peaks), 1))

    def p_false(self, scores: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Return the probability that an anomaly with each score is background; 1 below the first knot."""
        heights = self._height(scores)
        grid, _, probabilities = self._curves
        found = np.where(heights < grid[0], 1.0, np.interp(heights, grid, probabilities))
        return found if self._coarse is None else np.maximum(found, self._coarse.least)

    def threshold(self, rate: float) -> float:
        """Return the score that `rate` background peaks per 10⁴ pixels are expected to reach."""
        grid, logs, _ = self._curves
        wanted = np.log(rate)
        if wanted > logs[0]:
            return self._score_below_the_knots(rate)
        slope = (logs[-1] - logs[-2]) / (grid[-1] - grid[-2])
        height = np.interp(-wanted, -logs, grid) + min(wanted - logs[-1], 0.0) / slope
        return self._score(float(height))

    def list_threshold(self) -> float:
        """Return the score from which an anomaly is as probably real as background."""
        grid, _, probabilities = self._curves
        inside = np.flatnonzero(probabilities <= LIST_P)
        if not len(inside):  # no height of this scene, nor one far above it
            return float(np.nextafter(max(self._score(grid[-1]), self.tail.sample[-1]), np.inf))
        last = inside[0]
        if last == 0:
            return self._score(grid[0])
        height = np.interp(-LIST_P, -probabilities[last - 1 : last + 1], grid[last - 1 : last + 1])
        return self._score(float(height))

    @functools.cached_property
    def _peaks(self) -> NDArray[np.float64]:
        """Heights of the scene's peaks, falling."""
        return self._height(self.tail.peaks)

    @functools.cached_property
    def calm(self) -> bool:
        """Whether fewer peaks reach the third knot than background alone does in the bank."""
        from scipy.special import gammaincc

        knot = self.prior.knots[2:3]
        mean = self.prior.expected(self.prior.features(self.tail))
        expected = self.tail.units * float(np.exp(log_rate(mean[None], self.prior.knots, knot)[0][0, 0]))
        found = int((self._peaks >= knot).sum())
        return found < _CALM * expected and bool(gammaincc(found + 1, expected) <= _CALM_BY_CHANCE)

    @property
    def _coarse(self) -> Coarse | None:
        """What else holds on scenes of coarse pixels, if this is one; pixels of a size that is not known are not."""
        return self.prior.coarse if self.pixel >= COARSE_PIXEL else None

    def doubts(self, parameters: Mapping[str, Any], rate: float | None = None) -> list[Doubt]:
        """Return why the stated probabilities should not be trusted for this scene; nothing when they can be.

        Parameters
        ----------
        parameters : mapping
            The parameters of the detector that made the scores.
        rate : float, optional
            The number of false objects per 10⁴ pixels that was asked for.
        """
        found = [*self._other_parameters(parameters), *self._coarse_pixels(), *self._unlike(), *self._uneven()]
        pixels = self.tail.count
        if pixels < _FEW_PIXELS:
            found.append(Doubt("few pixels", {"pixels": pixels, "least": _FEW_PIXELS}))
        if rate is not None and rate * self.tail.units < 1:
            found.append(Doubt("below one object", {"pixels": pixels}))
        return found

    def _other_parameters(self, parameters: Mapping[str, Any]) -> list[Doubt]:
        """Return that the scores were made with other parameters than the bank's; a rough prior is of no parameters."""
        known = self.prior.parameters
        other = {name: value for name, value in parameters.items() if known and _differs(known, name, value)}
        if not other:
            return []
        listed = ", ".join(f"{name}={value}" for name, value in other.items())
        return [Doubt("other parameters", {"method": self.prior.method, "parameters": listed})]

    def _coarse_pixels(self) -> list[Doubt]:
        """Return that spaceborne scenes have other numbers of false anomalies than stated."""
        coarse = self._coarse
        return [] if coarse is None else [Doubt("coarse pixels", {"side": self.pixel, "times": coarse.times})]

    def _unlike(self) -> list[Doubt]:
        """Return which features of the scene lie far outside of what they are in the bank."""
        found = []
        features = self.prior.features(self.tail)
        for name, value, mean, sd in zip(
            self.prior.feature_names, features, self.prior.mean, self.prior.sd, strict=True
        ):
            if abs(value - mean) > _MOST_UNLIKE * sd:
                numbers = {"of": name, "value": value, "low": mean - 2 * sd, "high": mean + 2 * sd}
                found.append(Doubt("lighter tail" if value < mean else "heavier tail", numbers))
        return found

    def _uneven(self) -> list[Doubt]:
        """Return that the peaks between the first and the third knot crowd in one part of the scene."""
        within = (self._peaks >= self.prior.knots[0]) & (self._peaks < self.prior.knots[2])
        counts = np.bincount(self.tail.quadrants[within], minlength=4)
        value = float(counts.var(ddof=1) / counts.mean()) if counts.any() else 0.0
        return [Doubt("uneven background", {"value": value, "most": _MOST_UNEVEN})] if value > _MOST_UNEVEN else []

    def _height(self, scores: NDArray[np.float64] | float) -> NDArray[np.float64]:
        start, unit = self._scale
        return np.asarray((self.prior.units_of(scores) - start) / unit)

    def _score(self, height: float) -> float:
        start, unit = self._scale
        return self.prior.score_of(start + float(height) * unit)

    @functools.cached_property
    def _scale(self) -> tuple[float, float]:
        return self.prior.scale_of(self.tail)

    def _score_below_the_knots(self, rate: float) -> float:
        """Return the score that so many peaks reach that it lies below the first knot."""
        counted = self._peaks[self._peaks < self.prior.knots[0]]
        number = int((rate - self.rate(self._score(self.prior.knots[0]))) * self.tail.units)
        if not len(counted):
            return self._score(self.prior.knots[0])
        return self._score(float(counted[min(number, len(counted) - 1)]))

    @functools.cached_property
    def _curves(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Heights, the logarithm of the rate there, and the probability that a peak there is background."""
        knots = self.prior.knots
        theta, weights = self._draws
        span = float(knots[-1] - knots[0])
        peaks = self._peaks
        top = float(peaks[0]) if len(peaks) else knots[0]
        reach = min(max(2.0, 1.5 * (top - knots[0]) / span), _MOST_SPANS)
        above = span * np.expm1(np.linspace(0.0, np.log1p(reach), _GRID))
        level, slope = log_rate(theta, knots, knots[0] + above)
        rates = np.exp(level)
        per_density = (1 / np.maximum(rates * slope, _LEAST_DENSITY)).astype(np.float32)
        share = np.empty_like(per_density)
        raw = np.zeros(_GRID)
        for shape, objects in enumerate(shape_densities(above, span).astype(np.float32)):
            of_objects = objects * per_density
            for number, count in enumerate(OBJECTS.astype(np.float32)):
                weight = weights[:, shape, number]
                if weight.sum() > _SMALL:
                    np.multiply(of_objects, count, out=share)
                    share += np.float32(1)
                    np.reciprocal(share, out=share)
                    raw += weight.astype(np.float32) @ share
        # Down from the scene's highest peak the probability rises, up from it it falls.
        highest = int(np.searchsorted(above, top - knots[0]))
        raw[:highest] = np.maximum.accumulate(raw[:highest][::-1])[::-1]
        raw[highest:] = np.minimum.accumulate(raw[highest:])
        raw[:highest] = np.maximum(raw[:highest], raw[highest] if highest < _GRID else 0.0)
        logs = np.log(weights.sum(axis=(1, 2)) @ rates)
        return knots[0] + above, logs, calibrated(raw, self.prior.calibration)

    @functools.cached_property
    def _draws(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Draws of the background's parameters, and the weight of each with every shape and number of objects.

        Importance sampling in two steps: from the prior, then from a normal law that fits the first step's result.
        """
        prior = self.prior
        size = len(prior.covariance)
        mean = prior.expected(prior.features(self.tail))
        root = np.linalg.cholesky(prior.covariance)
        normal = np.random.default_rng(_SEED).standard_normal((2, DRAWS, size))
        theta = mean + normal[0] @ root.T
        weights = _normalised(self._log_likelihood(theta)).sum(axis=(1, 2))
        middle = weights @ theta
        rest = theta - middle
        wider = np.linalg.cholesky((rest.T * weights) @ rest * 1.5 + prior.covariance * 0.05)
        theta = middle + normal[1] @ wider.T
        log_prior = -0.5 * (np.linalg.solve(root, (theta - mean).T) ** 2).sum(axis=0)
        log_proposal = -0.5 * (normal[1] ** 2).sum(axis=1)
        joint = _normalised(self._log_likelihood(theta) + (log_prior - log_proposal)[:, None, None])
        return theta, joint

    def _log_likelihood(self, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the log likelihood of draws with each shape and number of objects, and the prior of that number."""
        knots = self.prior.knots
        heights, counts = self._binned
        number = counts.sum()
        level, slope = log_rate(theta.astype(np.float32), knots, heights)
        background = np.exp(level) * slope
        result: NDArray[np.float64] = np.empty((len(theta), len(SHAPES), len(OBJECTS)))
        both, total = np.empty_like(background), self.tail.units * np.exp(theta[:, 0])
        for shape, density in enumerate(shape_densities(heights - knots[0], knots[-1] - knots[0])):
            for column, count in enumerate(OBJECTS):
                np.add(background, (count * density).astype(np.float32), out=both)
                np.log(np.maximum(both, _LEAST_DENSITY, out=both), out=both)
                result[:, shape, column] = both @ counts - total - self.tail.units * count
        most = _MOST_PEAKS / max(number, 1.0)
        bound: Any = 0.0
        if self.prior.bound > 0:
            bound = min(self.prior.bound, most) * self._log_chance_of_fewer(theta)[:, None, None]
        return np.asarray(min(self.prior.temper, most) * result + self.prior.many_objects * np.log(OBJECTS) + bound)

    def _log_chance_of_fewer(self, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the logarithm of the chance that background has no more peaks than the scene has.

        Objects only add peaks. So the number of all peaks above a knot bounds that of background, whatever the objects
        are: in a calm scene parameters that promise more peaks than there are become improbable.
        """
        from scipy.special import gammaincc

        levels = self.prior.knots[1:]
        found = len(self._peaks) - np.searchsorted(self._peaks[::-1], levels, side="left")
        expected = self.tail.units * np.exp(log_rate(theta, self.prior.knots, levels)[0])
        return np.asarray(np.log(np.maximum(gammaincc(found + 1, expected), 1e-300)).sum(axis=1))

    @functools.cached_property
    def _binned(self) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Heights of the peaks above the first knot, and the number of peaks at each."""
        start, span = self.prior.knots[0], self.prior.knots[-1] - self.prior.knots[0]
        heights = np.minimum(self._peaks[self._peaks >= start], start + _MOST_SPANS * span)
        if len(heights) <= _BINS:
            return heights, np.ones(len(heights), dtype=np.float32)
        warped = np.log1p((heights - start) / span)
        counts, edges = np.histogram(warped, bins=_BINS)
        middles = start + span * np.expm1((edges[1:] + edges[:-1]) / 2)
        return middles[counts > 0], counts[counts > 0].astype(np.float32)


def _differs(known: Mapping[str, Any], name: str, value: Any) -> bool:
    """Return whether a parameter has another value in the bank; the device and the bands of a date do not count."""
    if name == "before_bands":
        return False
    if name in ("device", "pca") and value in ("cpu", "cuda", None):
        return False
    stated = known.get(name)
    if isinstance(stated, list | tuple) and isinstance(value, list | tuple):
        return list(stated) != list(value)
    return bool(stated != value)


def _normalised(logs: NDArray[np.float64]) -> NDArray[np.float64]:
    weights = np.exp(logs - logs.max())
    return np.asarray(weights / weights.sum())


def calibrated(raw: NDArray[np.float64], calibration: tuple[float, float, float]) -> NDArray[np.float64]:
    """Return f + (1 - f) logistic(a + b logit raw): probabilities that hold on scenes that were left out."""
    offset, factor, floor = calibration
    inside = np.clip(raw, 1e-6, 1 - 1e-6)
    logit = np.clip(offset + factor * np.log(inside / (1 - inside)), -_MOST_LOGIT, _MOST_LOGIT)
    return np.asarray(floor + (1 - floor) / (1 + np.exp(-logit)))
