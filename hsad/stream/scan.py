"""Lines in, scores out: `LineScan`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.detection import learn
from hsad.detectors import DEFAULT_METHOD, describe_detector, make_detector
from hsad.detectors.base import Detector
from hsad.detectors.block import Block, InMemory, Scene, clamped
from hsad.detectors.global_rx import GlobalRX
from hsad.engine.runners.blas import one_blas_thread
from hsad.errors import DataError, HsadError, ParameterError, without_warnings
from hsad.job.learned import Learned
from hsad.stream.gaussian import RunningGaussian
from hsad.stream.kept import KeptLines
from hsad.stream.options import FORGETTING, LineOptions
from hsad.stream.stored import Stored, spectra_of

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from hsad.engine.source import CubeSource
    from hsad.job.request import Method

__all__ = ["LineScan"]

#: Finite scores beyond float32 become its largest number, as in a raster of scores.
_LARGEST = float(np.finfo(np.float32).max)

#: Least number of lines of the start, for a method that learns something.
_LEAST_START = 32

#: Pixels of the start for each band: with fewer the covariance of the start is a poor one.
_PIXELS_FOR_A_BAND = 10


class LineScan:
    """Scores of lines while they come, as a pushbroom camera sends them: higher = more anomalous.

    The first lines, the *start*, wait until there are enough of them to learn a background from. They are scored
    together. Every later line is scored as soon as the lines that its score needs have come, `delay` lines later.
    The memory holds the lines of the start, later the lines that scores still need.

    Parameters
    ----------
    method : str, Detector or class of detectors, optional
        As for `hsad.detect`; ``rx`` by default.
    bands, samples : int
        Numbers of bands and of pixels in a line.
    first_lines : int, optional
        Number of lines in the start. By default at least 32 lines, and at least ten pixels for each band; for a method
        that learns nothing, the side of its window.
    forgetting : float, optional
        For ``rx`` without ``clean_start``: the weight that each new line leaves to the lines before it, above 0 and at
        most 1. 1 forgets nothing. 0.99, the default, halves the weight of a line after 69 lines.
    clean_start : bool
        Keep the background of the start, and learn nothing from later lines. For other methods than ``rx`` it is always
        so.
    refresh : int
        For ``rx``: most lines after which the covariance is factored again. It is factored sooner while few have come.
    together : int
        Number of lines that are scored together. More are faster for methods with a window, and delay scores by as
        many lines less one.
    background : Learned or path, optional
        Score with this background, which `hsad.learn` returned or saved. Then there is no start.
    like : (y, x, band) DataArray, optional
        A cube whose wavelengths, bad bands, gains, offsets and nodata value hold for the lines.
    **parameters
        Parameters of the method, and ``pca``.

    Notes
    -----
    What is exact. For a detector with a window that learns nothing from the scene (``lrx``, ``srd``, ``crd`` with
    distance weights and without ``sum_to_one``) all scores equal those of `hsad.detect` on the lines that were pushed,
    to rounding: the first and the last lines see windows that are shifted inside the lines which are there. For all
    others the scores equal those of `hsad.score` with the background that `hsad.learn` gives for the lines of the
    start. With ``rx`` that follows the lines, each score equals the formula of `RunningGaussian`. It differs from
    `hsad.detect` on all lines, which knows the lines to come.

    Pixels with NaN or nodata have no score and leave every background and every window. So a line that was lost is
    pushed as a line of NaN (`skip`).

    Examples
    --------
    >>> import numpy as np, hsad
    >>> lines = np.random.default_rng(0).normal(size=(60, 50, 6))
    >>> lines[45, 20] += 8
    >>> scan = hsad.LineScan("rx", bands=6, samples=50)
    >>> scores = [found for line in lines if (found := scan.push(line)) is not None]
    >>> scores.append(scan.finish())
    >>> scores = np.concatenate(scores)
    >>> scores.shape, [int(place) for place in np.unravel_index(scores.argmax(), scores.shape)]
    ((60, 50), [45, 20])
    """

    def __init__(
        self,
        method: Method | None = "rx",
        *,
        bands: int,
        samples: int,
        first_lines: int | None = None,
        forgetting: float | None = None,
        clean_start: bool = False,
        refresh: int = LineOptions.refresh,
        together: int = LineOptions.together,
        background: Learned | str | Path | None = None,
        like: xr.DataArray | None = None,
        **parameters: Any,
    ) -> None:
        for name, size in (("bands", bands), ("samples", samples)):
            if not isinstance(size, int | np.integer) or size < 1:
                raise ParameterError(f"{name} must be a whole number of at least 1, not {size!r}")
        options = LineOptions(first_lines, forgetting, clean_start, refresh, together)
        stored = Stored.of(int(bands), int(samples), like)
        if background is None:
            detector = make_detector(method or DEFAULT_METHOD, pca=parameters.pop("pca", None), **parameters)
            self._set_up(detector, options, stored, _first_lines(detector, options, stored))
            return
        learned = background if isinstance(background, Learned) else Learned.load(background)
        learned.check_fits(stored.bands, stored.columns.get("wavelength"))
        for unused in (
            *parameters,
            *(name for name in ("first_lines", "forgetting") if getattr(options, name) is not None),
        ):
            raise ParameterError(f"{unused} is decided by the background: leave it out")
        self._set_up(learned.detector, dataclasses.replace(options, clean_start=True), stored, 0)
        self._know(learned)

    def _set_up(self, detector: Detector, options: LineOptions, stored: Stored, first_lines: int) -> None:
        if type(detector.unwrapped).adapt is not Detector.adapt:
            method, _ = describe_detector(detector)
            raise ParameterError(f"{method} looks at all of a scene before it scores: it cannot go line by line")
        self._follows = isinstance(detector, GlobalRX) and not options.clean_start and not detector.columns
        if options.forgetting is not None and not self._follows:
            raise ParameterError("forgetting is for rx without columns, which follows the lines: leave it out")
        self.detector, self.options, self.stored, self.first_lines = detector, options, stored, first_lines
        self.learned: Learned | None = None
        self.pushed = self.scored = 0
        self._begun: list[NDArray[Any]] = []  # stored lines of the start
        self._source: CubeSource | None = None
        self._kept: KeptLines | None = None
        self._running: RunningGaussian | None = None
        self._finished = False

    def restore(self, learned: Learned | None, state: dict[str, Any]) -> None:
        """Go on where `state` describes a scan with the same options; `hsad.stream.state` keeps it in a file."""
        if learned is not None:
            self._know(learned)
        self.pushed, self.scored, self._finished = state["pushed"], state["scored"], state["finished"]
        self._begun = list(state["begun"])
        if self._kept is not None:
            self._kept.first = state["first"]
            self._kept.append(state["spectra"], state["valid"])
        if state["running"] is not None:
            self._running = self._running_of(learned)
            self._running.restore(state["running"])

    def state(self) -> dict[str, Any]:
        """Return all that changes with the lines, as numbers and arrays."""
        kept = self._kept
        empty = np.empty((0, 0, 0)), np.empty((0, 0), dtype=np.bool_)
        spectra, valid = empty if kept is None else kept.lines(kept.first, kept.stop)
        return {
            "pushed": self.pushed,
            "scored": self.scored,
            "finished": self._finished,
            "begun": tuple(self._begun),
            "first": 0 if kept is None else kept.first,
            "spectra": spectra,
            "valid": valid,
            "running": None if self._running is None else self._running.state(),
        }

    @property
    def _forgetting(self) -> float:
        return FORGETTING if self.options.forgetting is None else self.options.forgetting

    @property
    def delay(self) -> int:
        """Lines that must come after a line before it is scored, once the start is over."""
        return self.detector.halo and self.detector.halo + self.options.together - 1

    def push(self, lines: Any) -> NDArray[np.float32] | None:
        """Take in one line or several; return the scores of the lines that are complete now.

        Parameters
        ----------
        lines : (samples, bands) or (n, samples, bands) array_like
            Stored numbers: gains, offsets and nodata of `like` apply to them. NaN marks missing data.

        Returns
        -------
        (m, samples) ndarray of float32, or None
            Scores of the m lines that follow those which were returned before, NaN where a pixel has no score; None if
            no further line is complete.

        Raises
        ------
        ParameterError
            When a line has another size. The scan has not changed then, and can go on.
        DataError
            When the lines of the start do not allow the method.
        """
        if self._finished:
            raise ParameterError("the scan is finished: begin a new LineScan for further lines")
        array = self.stored.checked(lines)
        first = self.pushed
        self.pushed += len(array)
        if self.learned is not None:
            return self._found(self._advance(array, first))
        self._begun.append(np.array(array))
        return self._found(self._begin()) if self.pushed >= self.first_lines else None

    def skip(self, lines: int = 1) -> NDArray[np.float32] | None:
        """Take note of lines that were lost; return what `push` returns for lines without data."""
        return self.push(np.full((lines, self.stored.samples, self.stored.bands), np.nan))

    def finish(self) -> NDArray[np.float32]:
        """Return the scores of the lines that are left, ``(m, samples)``: the last lines see what lies before them.

        Raises
        ------
        DataError
            When fewer lines came than the method needs.
        """
        nothing = np.empty((0, self.stored.samples), dtype=np.float32)
        if self._finished:
            return nothing
        found = [] if self.learned is not None or not self.pushed else [self._begin()]
        self._finished = True
        if self.learned is not None and self._kept is not None:
            if self.pushed < self.detector.smallest_side:
                method, _ = describe_detector(self.detector)
                raise DataError(
                    f"{self.pushed} lines came, but {method} needs at least {self.detector.smallest_side} "
                    f"(halo {self.detector.halo})"
                )
            found.append(self._scores_until(self.pushed))
        return np.concatenate([nothing, *(part for parts in found for part in parts)])

    def _begin(self) -> list[NDArray[np.float32]]:
        """Learn from the lines of the start, and return their scores, those that are complete."""
        lines = np.concatenate(self._begun)
        self._know(learn(self.stored.cube(lines[: self.first_lines]), self.detector, workers=1))
        self._begun = []
        return self._advance(lines, 0)

    def _know(self, learned: Learned) -> None:
        """Take a background."""
        self.learned = learned
        self.detector = learned.detector
        self._source = self.stored.source(learned.bands)
        if self.detector.halo:
            most = 2 * self.detector.halo + self.options.together + 1
            self._kept = KeptLines(self.stored.samples, len(learned.bands), most)

    def _advance(self, lines: NDArray[Any], row: int) -> list[NDArray[np.float32]]:
        """Take in lines, of which the first has the number `row`; return the scores that are complete."""
        assert self._source is not None  # noqa: S101  `_know` came before
        spectra, valid = spectra_of(self._source, lines, row)
        if self._follows:
            scores = self._followed(spectra, valid)
            self.scored += len(scores)
            return [_as_stored(scores, valid)]
        if self._kept is None:
            return self._scored_block(spectra, valid, slice(0, len(lines)), row)
        self._kept.append(spectra, valid)
        if self.pushed < 2 * self.detector.halo + 1:  # what a score near the first line may depend on
            return []
        ready = self.pushed - self.detector.halo - self.scored
        return self._scores_until(self.scored + ready // self.options.together * self.options.together)

    def _followed(self, spectra: NDArray[np.float64], valid: NDArray[np.bool_]) -> NDArray[np.float64]:
        if self._running is not None:
            return self._running.follow(spectra, valid)
        self._running = self._running_of(self.learned)
        begun = self._running.begin(spectra[: self.first_lines], valid[: self.first_lines])
        return np.concatenate([begun, self._running.follow(spectra[self.first_lines :], valid[self.first_lines :])])

    def _running_of(self, learned: Any) -> RunningGaussian:
        assert isinstance(self.detector, GlobalRX)  # noqa: S101  nothing else follows the lines
        return RunningGaussian(
            self.detector, learned.background, self._forgetting, self.options.refresh, self.first_lines
        )

    def _scores_until(self, stop: int) -> list[NDArray[np.float32]]:
        """Return the scores of the lines up to `stop` that have none yet, and drop lines that no score needs."""
        assert self._kept is not None  # noqa: S101  only methods that look at several lines come here
        halo, together, found = self.detector.halo, self.options.together, []
        while self.scored < stop:
            rows = slice(self.scored, min(self.scored + together, stop))
            near = clamped(rows.start, rows.stop, self.pushed, halo)
            spectra, valid = self._kept.lines(near.start, near.stop)
            core = slice(rows.start - near.start, rows.stop - near.start)
            found += self._scored_block(spectra, valid, core, near.start)
        self._kept.forget_before(min(self.scored - halo, self.pushed - 2 * halo - 1))
        return found

    def _scored_block(
        self, spectra: NDArray[np.float64], valid: NDArray[np.bool_], rows: slice, first: int
    ) -> list[NDArray[np.float32]]:
        """Return the scores of some rows of a block, which begins at the line `first`."""
        assert self.learned is not None  # noqa: S101  nothing is scored before
        samples = self.stored.samples
        block = Block(
            InMemory(spectra, valid), (rows, slice(0, samples)), (first, 0), Scene(0, first + len(spectra), samples)
        )
        with one_blas_thread():
            scores = self.detector.score(block, self.learned.background)
        self.scored += len(scores)
        return [_as_stored(scores, block.core_valid)]

    def _found(self, parts: list[NDArray[np.float32]]) -> NDArray[np.float32] | None:
        return np.concatenate(parts) if parts else None


def _as_stored(scores: NDArray[np.float64], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return scores as a raster holds them."""
    stored = np.clip(scores, -_LARGEST, _LARGEST, where=np.isfinite(scores), out=scores.copy()).astype(np.float32)
    stored[~valid] = np.nan
    return stored


class _ScannedError(Exception):
    """A detector looked at the scene."""


class _NoScan:
    """A scan of no scene: it tells whether a detector needs one to learn."""

    memory = 0
    progress: Any = None

    def everywhere(self, function: Callable[[], Any]) -> list[Any]:  # noqa: ARG002  the signature of scans
        raise _ScannedError

    def __call__(self, function: Callable[..., Any], *arguments: Any, halo: int = 0) -> Any:  # noqa: ARG002  likewise
        raise _ScannedError


def _learns(detector: Detector) -> bool:
    """Tell whether a detector learns anything from a scene."""
    try:
        with without_warnings():
            detector.learn(_NoScan())
    except (_ScannedError, HsadError):
        return True
    return False


def _first_lines(detector: Detector, options: LineOptions, stored: Stored) -> int:
    """Return the number of lines in the start."""
    wanted = 1
    if options.first_lines is not None:
        wanted = options.first_lines
    elif _learns(detector):
        wanted = max(_LEAST_START, -(-_PIXELS_FOR_A_BAND * stored.bands // stored.samples))
    return max(wanted, detector.smallest_side)
