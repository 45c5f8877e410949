"""Statistics by groups of columns of a pushbroom sensor, whose detector columns differ in their response (stripes)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from hsad.detectors.base import Background, Detector, Scan
from hsad.detectors.block import Block, InMemory
from hsad.detectors.checks import at_least
from hsad.detectors.parameters import parameter
from hsad.detectors.probe import require_valid
from hsad.errors import ParameterError

__all__ = ["ByColumns", "ColumnDetector", "columns_parameter", "learned_by_columns"]

T = TypeVar("T")

#: Number of pixels of a group at which the ratio that they show counts as much as the ratio 1.
_PRIOR = 5.0

#: Standard deviation, in groups, of the Gaussian over the neighbours that a group is compared with.
_NEIGHBOURS = 1.0

#: Least and largest response; beyond them the mean of a group tells nothing about its response.
_RANGE = 0.2, 5.0


def columns_parameter() -> int:
    """Return the parameter ``columns`` of a detector."""
    found: int = parameter(
        0, "width of the groups of detector columns that have statistics of their own; 0: none", check=at_least(0)
    )
    return found


@dataclass(frozen=True, eq=False)
class _Sums:
    """Numbers of pixels and sums of spectra of the groups from number `first` on."""

    first: int
    counts: NDArray[np.int64]
    totals: NDArray[np.float64]
    width: int

    def __add__(self, other: _Sums) -> _Sums:
        if self.width != other.width:
            raise ParameterError(
                f"columns: scenes of {self.width} and {other.width} columns have not the same detector columns"
            )
        first = min(self.first, other.first)
        stop = max(self.first + len(self.counts), other.first + len(other.counts))
        counts = np.zeros(stop - first, dtype=np.int64)
        totals = np.zeros((stop - first, self.totals.shape[1]))
        for part in (self, other):
            place = slice(part.first - first, part.first - first + len(part.counts))
            counts[place] += part.counts
            totals[place] += part.totals
        return _Sums(first, counts, totals, self.width)


@dataclass(frozen=True, eq=False)
class ByColumns(Background):
    """The responses of groups of columns, and what a detector learned from the spectra divided by them.

    With n pixels of a group g, of mean m_g in a band, and the mean M_g of its neighbours (all groups by a Gaussian of
    one group, each by its number of pixels, g itself too), the response is ``r_g = 1 + v·(m_g/M_g - 1)`` with
    v = n/(n + 5). With mean μ and covariance C of the divided spectra, the moments of a group are r_g·μ and
    diag(r_g)·C·diag(r_g): those of the scene, shaped by the response that the group has shown.

    Attributes
    ----------
    response : (groups, d) ndarray of float64
    columns, width : int
        Columns of a group, and of the scene.
    inner : Background or None
        What the detector learned.
    """

    shapes: ClassVar[dict[str, Any]] = {"response": ("groups", "bands"), "inner": "bands"}

    response: NDArray[np.float64]
    columns: int
    width: int
    inner: Background | None

    @classmethod
    def of(cls, sums: _Sums, columns: int) -> Self:
        """Return the responses that sums by group show; the detector has learned nothing yet."""
        from scipy.ndimage import gaussian_filter1d

        groups = -(-sums.width // columns)
        counts = np.zeros((groups, 1))
        totals = np.zeros((groups, sums.totals.shape[1]))
        place = slice(sums.first, sums.first + len(sums.counts))
        counts[place, 0], totals[place] = sums.counts, sums.totals
        near, number = (gaussian_filter1d(values, _NEIGHBOURS, axis=0, mode="constant") for values in (totals, counts))
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = (totals / counts) / (near / number)
        told = np.isfinite(ratio) & (ratio > _RANGE[0]) & (ratio < _RANGE[1])
        share = counts / (counts + _PRIOR)
        response = 1 + share * (np.where(told, ratio, 1.0) - 1)
        return cls(response, columns, sums.width, None)

    def even(self, block: Block) -> Block:
        """Return the block with each spectrum divided by the response of its columns."""
        cols = np.arange(block.origin[1], block.origin[1] + block.shape[1]) // self.columns
        return replace(block, window=InMemory(block.spectra / self.response[cols], block.valid))

    def refuse_width(self, cols: int) -> None:
        """Refuse a scene of another width than that of the scenes that the responses were learned from.

        Raises
        ------
        ParameterError
        """
        if self.width != cols:
            raise ParameterError(
                f"columns: the background was learned on {self.width} columns, the scene has {cols}: the responses of "
                "detector columns hold for the same columns only; learn anew, or with columns 0"
            )


class ColumnDetector(Detector):
    """A detector with the parameter ``columns``, whose background may be a `ByColumns`."""

    columns: int

    def check_scene(self, background: Any, shape: tuple[int, int, int]) -> None:
        """Refuse a scene of another width than the responses of its columns were learned on."""
        if isinstance(background, ByColumns):
            background.refuse_width(shape[1])

    def check_background(self, background: Background | None, bands: int, name: str = "background") -> None:
        """Refuse a background that cannot come from `learn`, see `Detector.check_background`."""
        super().check_background(background, bands, name)
        if isinstance(background, ByColumns):
            whole = replace(cast("Any", self), columns=0)
            whole.check_background(background.inner, bands, f"{name}.inner")


class _EvenedScan:
    """A scan whose blocks hold spectra divided by the response of their columns."""

    def __init__(self, scan: Scan, background: ByColumns) -> None:
        self._scan = scan
        self._background = background
        self.memory = scan.memory
        self.everywhere = scan.everywhere
        self.progress = scan.progress

    def __call__(self, function: Callable[..., T | None], *arguments: Any, halo: int = 0) -> T | None:
        return self._scan(_on_evened, self._background, function, *arguments, halo=halo)


def learned_by_columns(detector: Detector, scan: Scan, columns: int) -> ByColumns:
    """Return the responses of groups of `columns` columns, and what a detector learns from the divided spectra."""
    background = ByColumns.of(require_valid(scan(_sums, columns)), columns)
    return replace(background, inner=detector.learn(_EvenedScan(scan, background)))


def _on_evened(block: Block, background: ByColumns, function: Callable[..., T], *arguments: Any) -> T:
    return function(background.even(block), *arguments)


def _sums(block: Block, columns: int) -> _Sums | None:
    valid = block.core_valid
    if not valid.any():
        return None
    start = block.origin[1] + block.core[1].start
    group = np.arange(start, start + valid.shape[1]) // columns
    first, inverse = int(group[0]), group - group[0]
    counts = np.bincount(inverse, weights=valid.sum(axis=0)).astype(np.int64)
    totals = np.zeros((len(counts), block.shape[2]))
    np.add.at(totals, inverse, block.spectra[block.core].sum(axis=0))  # invalid spectra are 0
    return _Sums(first, counts, totals, block.scene.cols)
