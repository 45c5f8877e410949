"""The bank: what the peaks of background do in scenes whose objects are known, as a prior for other scenes.

``bank.json`` holds one prior for each detector, made by ``hsad bench --calibrate``. The parameters of the background
(`hsad.anomalies.null.model`) follow a normal law over scenes. Its mean depends on how the pixels' scores of a scene
spread: their quantiles predict part of what the peaks do.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hsad.anomalies.null.tail import Tail

__all__ = ["COARSE_PIXEL", "ROUGH", "Coarse", "Prior", "bank_methods", "prior_for", "rough_named", "rough_prior"]

ROUGH = ("any", "any, not logarithmic")
"""Names of the rough priors: by logarithms of scores, and by scores, for maps with scores of 0 or below."""

COARSE_PIXEL = 20.0
"""Side in metres from which a pixel is coarse. Spaceborne spectrometers have pixels of 20 m (HISUI), 30 m (EnMAP,
PRISMA, DESIS, Hyperion) or 60 m (EMIT), the airborne scenes of the bank of 1 to 17 m."""

_CLIP = 2.5
"""Standard deviations over the bank beyond which a feature of a scene says no more."""

_TINY = 1e-30
"""Smallest score that a logarithm is taken of: scores of 0 stay below all others."""


@dataclass(frozen=True)
class Coarse:
    """What else holds on scenes of coarse pixels, fitted to the spaceborne scenes of the bank.

    Attributes
    ----------
    least : float
        Least probability that an anomaly is background. It is below that of the default list, so the list stays.
    times : float
        False anomalies over those stated, on spaceborne scenes that were left out.
    """

    least: float
    times: float

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any] | None) -> Self | None:
        """Return what JSON holds, None for None."""
        return None if fields is None else cls(float(fields["least"]), float(fields["times"]))


@dataclass(frozen=True, eq=False)
class Prior:
    """What background does with the scores of a detector at its default parameters, over the scenes of the bank.

    Attributes
    ----------
    method : str
    parameters : mapping
        The parameters of the detector that it was measured with.
    log : bool
        Whether heights are differences of logarithms of scores.
    scaled : bool
        Whether heights are multiples of the distance from the median to the 90th percentile: of detectors whose scores
        spread unlike in each scene, and of the rough priors, which serve detectors that have no prior in the bank.
    rates, knots : (n,) ndarray
        Heights above the median between which ln Λ is linear, and how many background peaks per 10⁴ pixels reach each
        of them in the weighted mean over the bank.
    mean, sd : (features,) ndarray
        Of the `features` over the bank.
    coefficients : (features + 1, n + 1) ndarray
        The mean of the parameters: times (1, standardised features).
    covariance : (n + 1, n + 1) ndarray
        Of the parameters around that mean.
    temper : float
        Exponent of the likelihood of a scene's peaks: they are clumpier than chance.
    bound : float
        Exponent of the chance that background has at most as many peaks as the scene, at each knot but the first.
    many_objects : float
        The prior probability of a number of objects K is proportional to K to this power.
    calibration : (3,) tuple of float
        a, b, f of p = f + (1 - f) logistic(a + b logit raw), fitted to scenes that were left out.
    sources : tuple of mapping
        The scenes: name, kind, ground, checksum of the file or seed, weight.
    coarse : Coarse or None
        What else holds on scenes of coarse pixels; None where nothing does.
    """

    method: str
    parameters: Mapping[str, Any]
    log: bool
    scaled: bool
    rates: NDArray[np.float64]
    knots: NDArray[np.float64]
    mean: NDArray[np.float64]
    sd: NDArray[np.float64]
    coefficients: NDArray[np.float64]
    covariance: NDArray[np.float64]
    temper: float
    bound: float
    many_objects: float
    calibration: tuple[float, float, float]
    sources: tuple[Mapping[str, Any], ...]
    coarse: Coarse | None = None

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Self:
        """Return the prior that JSON holds."""
        first, second, floor = fields["calibration"]
        arrays = {name: np.array(fields[name], dtype=np.float64) for name in _ARRAYS}
        return cls(
            method=str(fields["method"]),
            parameters=dict(fields["parameters"]),
            log=bool(fields["log"]),
            scaled=bool(fields["scaled"]),
            temper=float(fields["temper"]),
            bound=float(fields["bound"]),
            many_objects=float(fields["many_objects"]),
            calibration=(float(first), float(second), float(floor)),
            coarse=Coarse.from_dict(fields["coarse"]),
            sources=tuple(fields["sources"]),
            **arrays,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the prior as JSON holds it."""
        return {
            **vars(self),
            "parameters": dict(self.parameters),
            "calibration": list(self.calibration),
            "coarse": None if self.coarse is None else vars(self.coarse),
            "sources": [dict(source) for source in self.sources],
            **{name: np.round(getattr(self, name), 6).tolist() for name in _ARRAYS},
        }

    def units_of(self, scores: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Return scores, or their logarithms."""
        values = np.asarray(scores, dtype=np.float64)
        return np.log(np.maximum(values, _TINY)) if self.log else values

    def scale_of(self, tail: Tail) -> tuple[float, float]:
        """Return where heights of a scene begin, its median, and their unit, both as `units_of` returns them."""
        median, upper = self.units_of(np.array([tail.quantile(0.5), tail.quantile(0.9)]))
        return float(median), max(float(upper - median), _TINY) if self.scaled else 1.0

    def heights(self, scores: NDArray[np.float64] | float, tail: Tail) -> NDArray[np.float64]:
        """Return the heights of scores above the median of their scene."""
        start, unit = self.scale_of(tail)
        return np.asarray((self.units_of(scores) - start) / unit)

    def score_of(self, value: float) -> float:
        """Return the score that `units_of` turned into a value."""
        return float(np.exp(value)) if self.log else value

    def features(self, tail: Tail) -> NDArray[np.float64]:
        """Return how the pixels of a scene spread: 90th and 75th percentile above the median, 25th below it.

        The first of them is left out where it is the unit.
        """
        low, high, upper = self.heights(np.array([tail.quantile(share) for share in (0.25, 0.75, 0.9)]), tail)
        return np.array([high, -low] if self.scaled else [upper, high, -low])

    @property
    def rough(self) -> bool:
        """Whether it is pooled over detectors, for those that have none."""
        return self.method in ROUGH

    @property
    def scenes(self) -> int:
        """How many scenes it was learned from; a rough prior has each of them once for each detector."""
        return len({source["name"] for source in self.sources})

    @property
    def places(self) -> int:
        """How many places on the ground its scenes show; made scenes show none."""
        return len({source["ground"] for source in self.sources} - {"synthetic"})

    @property
    def feature_names(self) -> tuple[str, ...]:
        """What `features` are."""
        names = ("75th percentile above the median", "25th percentile below the median")
        return names if self.scaled else ("90th percentile above the median", *names)

    def expected(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the mean of the parameters for a scene with these features."""
        return np.asarray(self.design(features) @ self.coefficients)

    def design(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return 1 and the standardised features: what the mean of the parameters is linear in."""
        return np.concatenate([[1.0], np.clip((features - self.mean) / self.sd, -_CLIP, _CLIP)])


_ARRAYS = ("rates", "knots", "mean", "sd", "coefficients", "covariance")


@functools.cache
def _priors() -> dict[str, Prior]:
    path = files("hsad.anomalies.null") / "bank.json"
    if not path.is_file():
        return {}
    return {prior["method"]: Prior.from_dict(prior) for prior in json.loads(path.read_text("utf-8"))["priors"]}


def bank_methods() -> tuple[str, ...]:
    """Return the detectors that have a prior in the bank."""
    return tuple(name for name in _priors() if name not in ROUGH)


def prior_for(method: str) -> Prior | None:
    """Return the prior of a detector, None when the bank has none."""
    return None if method in ROUGH else _priors().get(method)


def rough_prior(tail: Tail) -> Prior:
    """Return the prior for scores of any detector: pooled over those of the bank."""
    return rough_named(ROUGH[0] if tail.sample[len(tail.sample) // 4] > 0 else ROUGH[1])


def rough_named(name: str) -> Prior:
    """Return one of the `ROUGH` priors."""
    return _priors()[name]
