"""The base of the detectors of change: two dates of one place, stacked along the bands."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from hsad.detectors.account import Reason
from hsad.detectors.base import Detector, Scan
from hsad.detectors.block import Block
from hsad.detectors.change.dates import DATES, Dates, Held, dates_of
from hsad.detectors.change.pairs import Factors, Measured, Pairs, Weights, joint_gaussian, shifts_of
from hsad.detectors.checks import at_least
from hsad.detectors.moments import moments_of
from hsad.detectors.parameters import parameter
from hsad.detectors.probe import require_valid
from hsad.errors import ParameterError

__all__ = ["ChangeDetector"]

#: A function from the distances of pairs to their scores.
Scoring = Callable[[Measured], NDArray[np.float64]]


@dataclass(frozen=True)
class ChangeDetector(Detector):
    """Base of the detectors of change.

    The spectrum of a pixel is that of the first date followed by that of the second. A subclass says which multiples
    of three squared distances make its score: of the pair of spectra, and of each spectrum alone (`Measured`).

    With ``shift`` the score is the smallest over the pairs that a pixel forms with its neighbours on the other date:
    once with the spectrum of the second date held and once with that of the first. The larger of these two smallest
    scores counts (symmetric local co-registration adjustment), so that an object of one pixel on one date is found:
    Theiler & Wohlberg, IEEE TGRS 50(8):3107, 2012.
    """

    evidence: ClassVar[tuple[str, ...]] = ("after given before", "before given after")

    before_bands: int = parameter(
        0,
        "number of bands of the first date in a cube that holds two dates; hsad change sets it",
        check=at_least(0),
    )
    shift: int = parameter(
        1,
        "pixels by which the dates may be misregistered: the smallest score of all shifts up to it counts",
        check=at_least(0, at_most=3),
    )
    shrink: float = parameter(1e-2, "added to the diagonal of the correlation matrix of the bands", check=at_least(0))

    @property
    def halo(self) -> int:
        """The largest shift."""
        return self.shift

    @property
    def smallest_side(self) -> int:
        """A scene of any size can be scored."""
        return 1

    def footprint(self, bands: int, itemsize: int) -> float:
        """Return the bytes of a pixel: its spectra, three copies as coordinates, and a few numbers."""
        return itemsize * (4.5 * bands + 20.0)

    def with_dates(self, before_bands: int) -> Self:
        """Return the detector for two dates of which the first has this number of bands."""
        return replace(self, before_bands=before_bands)

    def on_components(self, mean: NDArray[np.float64], vectors: NDArray[np.float64]) -> Self:  # noqa: ARG002  refused
        """Refuse principal components, which mix the two dates."""
        raise ParameterError("pca: components of two dates together mix them: choose bands instead")

    def _sizes(self, bands: int) -> dict[str, int]:
        return {"bands": bands, "before": self.before_bands, "after": bands - self.before_bands}

    def learn(self, scan: Scan) -> Dates:
        """Return the Gaussian of both dates after one pass."""
        moments = require_valid(scan(moments_of))
        bands = len(moments.mean)
        if not 0 < self.before_bands < bands:
            raise ParameterError(
                f"before_bands must lie within 1-{bands - 1} for a cube of {bands} bands, not {self.before_bands}: "
                "this method compares two dates; name both to hsad change or hsad.change"
            )
        return dates_of(moments, self.before_bands, self.shrink)

    def score(self, block: Block, background: Dates) -> NDArray[np.float64]:
        """Return the scores of the block's core."""
        pairs = Pairs(block, background, self._weights(background))
        found = [self._smallest(pairs, self._scoring(background, held), held, block) for held in self._held]
        return np.where(block.core_valid, np.maximum.reduce(found), np.nan)

    def parts(self, block: Block, background: Dates) -> NDArray[np.float64]:
        """Return ``ξ(x, y) − ξ(x)`` and ``ξ(x, y) − ξ(y)``, the smallest over the shifts, at the block's core.

        The first says how unlike the spectrum of the second date is what the first date predicts. It is the larger one
        where something is new. The second is the larger one where something is gone.
        """
        pairs = Pairs(block, background, joint_gaussian(background))
        new = self._smallest(pairs, lambda m: m.joint - m.before, "after", block)
        gone = self._smallest(pairs, lambda m: m.joint - m.after, "before", block)
        return np.stack([new, gone], axis=-1)

    def account(self, block: Block, background: Dates) -> Reason:
        """Return what of the score comes from each band of the first date and then of the second date."""
        pairs = Pairs(block, background, self._weights(background))
        contributions = max(
            (self._decisive(pairs, background, held) for held in self._held), key=lambda found: found[0]
        )
        new, gone = self.parts(block, background)[0, 0]
        joint, before, after = background.sizes
        return Reason(
            f"the squared distance of its spectrum on the second date from what the first date predicts is {new:.4g} "
            f"(on average {joint - before:.4g}), and {gone:.4g} the other way round (on average {joint - after:.4g})",
            contributions[1],
            unlike="what the other date predicts",
        ).summing_to(float(self.score(block, background)[0, 0]))

    @property
    def _held(self) -> tuple[Held, ...]:
        """The dates that are held in turn, while the other date is shifted."""
        return DATES

    def _weights(self, dates: Dates) -> Weights:
        """Return the quadratic form of a pair of spectra."""
        return joint_gaussian(dates)

    @abstractmethod
    def _factors(self, measured: Measured, dates: Dates, held: Held) -> Factors:
        """Return the factors of the three distances in the score."""

    def _scoring(self, dates: Dates, held: Held) -> Scoring:
        return lambda measured: self._factors(measured, dates, held).of(measured)

    def _smallest(self, pairs: Pairs, scoring: Scoring, held: Held, block: Block) -> NDArray[np.float64]:
        """Return the smallest score over the shifts, shape ``(core rows, core cols)``."""
        smallest = np.full(block.core_valid.shape, np.inf)
        for shift in shifts_of(self.shift):
            inside, measured = pairs.measured(held, shift)
            with np.errstate(invalid="ignore"):  # of pairs that are none
                np.fmin(smallest[inside], scoring(measured), out=smallest[inside])
        return smallest

    def _decisive(self, pairs: Pairs, dates: Dates, held: Held) -> tuple[float, NDArray[np.float64]]:
        """Return the smallest score of the one pixel of the core over the shifts, and its contributions by band."""
        best: tuple[float, tuple[int, int], Factors] | None = None
        for shift in shifts_of(self.shift):
            _, measured = pairs.measured(held, shift)
            if measured.joint.size and np.isfinite(measured.joint).all():
                factors = self._factors(measured, dates, held)
                score = float(factors.of(measured)[0, 0])
                if best is None or score < best[0]:
                    best = score, shift, Factors(*(float(np.ravel(factor)[0]) for factor in factors))
        assert best is not None  # noqa: S101  a valid pixel forms a pair with itself
        score, shift, factors = best
        pixels = [pairs.pixel(name, held, shift) for name in DATES]
        slopes = self._weights(dates).slopes(*(coordinates for _, coordinates in pixels))
        by_band = [
            (spectrum - dates.mean(name)) * (dates.axes(name) @ (factors.joint * slope - alone * coordinates))
            for name, (spectrum, coordinates), slope, alone in zip(DATES, pixels, slopes, factors[1:], strict=True)
        ]
        return score, np.concatenate(by_band)
