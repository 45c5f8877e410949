"""From lines to files: a raster that grows, places as they are found, a state from which a new start goes on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad import __version__
from hsad.detectors import describe_detector
from hsad.errors import DataError, OutputError, ParameterError
from hsad.files import check_output
from hsad.job.options import RunOptions
from hsad.job.selection import band_choice
from hsad.record import Record
from hsad.scene.cube import geo_grid
from hsad.stream.feeds.files import GrowingFile, SceneFile
from hsad.stream.feeds.pipe import Pipe
from hsad.stream.places import Places
from hsad.stream.raster import ScoreLines, score_files
from hsad.stream.scan import LineScan
from hsad.stream.state import load_scan, save_scan

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from hsad.job.request import Method
    from hsad.stream.feeds.feed import Feed, Stopped

__all__ = ["Streamed", "stream_to_file"]

#: Seconds after which the header counts the lines anew, and after which the state is saved again.
_PUBLISH, _SAVE = 1.0, 10.0


@dataclass(frozen=True)
class Streamed(Record):
    """What became of the lines.

    Attributes
    ----------
    output : str
        Header of the raster of scores.
    lines : int
        Lines in it, those of earlier starts included.
    empty_lines : int
        Lines of this start without any score.
    places : int
        Places that were found, those of earlier starts included.
    listed : float
        Of 10,000 pixels the number that places may hold.
    limit : float
        The score that the pixels of places exceed, at the end.
    ended : bool
        Whether the lines have ended; if not, the same command goes on from ``state``.
    state : str or None
        The file with the state of a scan that has not ended.
    seconds : float
        Time of this start.
    remarks : tuple of str
    """

    output: str
    lines: int
    empty_lines: int
    places: int
    listed: float
    limit: float
    ended: bool
    state: str | None
    seconds: float
    remarks: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """The outcome as one sentence, with what the number of places says and what it does not."""
        empty = f" ({self.empty_lines} without data)" if self.empty_lines else ""
        places = f"{self.places} places" if self.places else "no places"
        meaning = f"the limit lets {self.listed:g} of 10,000 pixels pass, unusual or not"
        kept = "" if self.state is None else f"; stopped, {self.state} keeps the rest: the same command goes on"
        return f"{self.lines} lines{empty}, {places}; {meaning}{kept}"


def stream_to_file(
    scene: str | Path,
    output: str | Path,
    method: Method | None = "rx",
    *,
    follow: bool = False,
    header: str | Path | None = None,
    wait: float = 30.0,
    listed: float = 10.0,
    places: str | Path | None = None,
    on_place: Callable[[dict[str, Any]], None] = lambda _: None,
    stopped: Stopped = lambda: False,
    restart: bool = False,
    overwrite: bool = False,
    **options: Any,
) -> Streamed:
    """Score lines as they come, into an ENVI raster that can be read at any time.

    Parameters
    ----------
    scene : path, or "-"
        A scene, the header of a file that grows (`follow`), or ``-`` for lines on the standard input (`header`).
    output : path
        The raster, ``.hdr`` or ``.img``. The state of an unfinished scan lies beside it, with the ending ``.state``.
    method : str, Detector or class of detectors, optional
        As for `hsad.LineScan`.
    follow : bool
        Wait for further lines of a file that grows.
    header : path, optional
        The ENVI header that describes the lines of a pipe.
    wait : float
        Seconds without a new line after which a file that grows counts as complete.
    listed : float
        Of 10,000 pixels the number that places may hold; see `hsad.stream.places.Places`.
    places : path, optional
        File for the places, one JSON object a line.
    on_place : callable
        Called with each place when it is whole.
    stopped : callable
        Asked again and again whether to stop. Then what is complete is written, and the state of the rest is kept.
    restart : bool
        Begin anew where an unfinished scan would go on.
    overwrite : bool
        Whether outputs of other runs may be replaced.
    **options
        Options of `hsad.LineScan` and parameters of the method; ``bands``, ``bad_bands``, ``nodata``, ``wavelengths``
        and ``band_axis`` as for `hsad.detect`.

    Raises
    ------
    ParameterError, SceneError, OutputError, DataError
        What was scored before stays, and the same command goes on from there.
    """
    run, rest = RunOptions.split(options)
    feed = _feed(scene, run, follow=follow, header=header, wait=wait)
    cube = _with_bands(feed.cube, run)
    keywords = {**rest, **({} if run.pca is None else {"pca": run.pca})}
    if run.background is not None:
        keywords["background"] = run.background
    scan = LineScan(method, bands=cube.sizes["band"], samples=cube.sizes["x"], like=cube, **keywords)
    found = Places(listed, geo_grid(cube))
    state = Path(output).with_suffix(".state")
    known, parameters = describe_detector(scan.detector)
    stated = {name: str(value) for name, value in sorted({**options, "method": known}.items())}
    asked = json.dumps([str(scene), follow, listed, stated, str(places)])
    earlier: tuple[LineScan, dict[str, Any]] | None = None
    more: dict[str, Any] = {}
    if state.exists() and not restart:
        earlier = load_scan(state)
        if earlier[1].get("asked") != asked:
            raise OutputError(
                f"{state}: the unfinished scan of another command: --restart (restart=True) drops it, or choose "
                "another output"
            )
    files = score_files(output, overwrite=overwrite or restart or earlier is not None)
    if earlier is not None:
        scan, more = earlier
        found.restore(more["places"])
    listing = None if places is None else _Listing(places, more.get("listed_bytes", 0), overwrite=overwrite or restart)
    description = (
        f"anomaly scores by hsad {__version__}, line by line: method {known}, "
        f"parameters {json.dumps(parameters, default=str)}, source {scene}"
    )
    raster = ScoreLines(*files, cube, description, scan.scored)
    work = _Work(scan, found, raster, state, asked, on_place, listing)
    return work.run(feed, stopped, str(files[0]))


class _Listing:
    """The file of the places: one JSON object a line.

    Parameters
    ----------
    path : path
    size : int
        Bytes that an earlier start wrote; what follows them is found again, and is cut off.
    overwrite : bool
    """

    def __init__(self, path: str | Path, size: int, *, overwrite: bool) -> None:
        self._path = check_output(path, (), overwrite=overwrite or size > 0)
        try:
            self._file = self._path.open("r+b" if size else "wb")
            self._file.truncate(size)
            self._file.seek(size)
        except OSError as error:
            raise OutputError(f"{path}: {error.strerror or error}") from error

    def add(self, place: dict[str, Any]) -> None:
        """Write a place; another program can read it at once."""
        try:
            self._file.write(json.dumps(place).encode() + b"\n")
            self._file.flush()
        except OSError as error:
            raise OutputError(f"{self._path}: {error.strerror or error}") from error

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self._file.tell()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _feed(scene: str | Path, run: RunOptions, *, follow: bool, header: str | Path | None, wait: float) -> Feed:
    if str(scene) == "-":
        if follow:
            raise ParameterError("follow waits for a file that grows; lines of a pipe are waited for anyway")
        if header is None:
            raise ParameterError("header: lines of a pipe need an ENVI header that describes them")
        return Pipe(0, header, run)
    if header is not None:
        raise ParameterError(
            "header describes the lines of a pipe; for a file leave it out, for a pipe give - as scene"
        )
    return GrowingFile(scene, wait, run) if follow else SceneFile(scene, run)


def _with_bands(cube: xr.DataArray, run: RunOptions) -> xr.DataArray:
    """Return a cube whose bad bands are those that the user did not choose, too."""
    if run.bands is None:
        return cube
    good = band_choice(run.bands, cube)
    if "good_wavelength" in cube.coords:
        good &= cube.coords["good_wavelength"].values.astype(np.bool_)
    return cube.assign_coords(good_wavelength=("band", good))


@dataclass
class _Work:
    """The parts of a run, and the times at which they were written."""

    scan: LineScan
    places: Places
    raster: ScoreLines
    state: Path
    asked: str
    on_place: Callable[[dict[str, Any]], None]
    listing: _Listing | None
    empty: int = 0
    saved: float = 0.0
    published: float = 0.0

    def run(self, feed: Feed, stopped: Stopped, output: str) -> Streamed:
        """Score all lines of a feed."""
        began = self.saved = self.published = time.monotonic()
        trouble: BaseException | None = None
        try:
            for lines in feed.lines(self.scan.pushed, stopped):
                if len(lines):
                    self._take(self.scan.push(lines))
                self._keep()
            if feed.ended:
                self._take(self.scan.finish())
                self._tell(self.places.finish())
        except BaseException as error:
            trouble = error
            raise
        finally:
            unfinished = trouble is not None or not feed.ended
            self.raster.close()
            if unfinished and not (isinstance(trouble, DataError) and not self.raster.lines):
                self._save()
            else:
                self.state.unlink(missing_ok=True)
            if self.listing is not None:
                self.listing.close()
        if feed.trouble is not None:
            raise feed.trouble
        return Streamed(
            output,
            self.raster.lines,
            self.empty,
            self.places.count,
            self.places.listed,
            self.places.limit,
            feed.ended,
            str(self.state) if unfinished else None,
            time.monotonic() - began,
            tuple(feed.remarks),
        )

    def _take(self, scores: NDArray[np.float32] | None) -> None:
        if scores is None or not len(scores):
            return
        self.raster.append(scores)
        self.empty += int(np.isnan(scores).all(axis=1).sum())
        self._tell(self.places.add(scores))

    def _tell(self, places: list[dict[str, Any]]) -> None:
        for place in places:
            if self.listing is not None:
                self.listing.add(place)
            self.on_place(place)

    def _keep(self) -> None:
        """Write header and state now and then."""
        now = time.monotonic()
        if now - self.published >= _PUBLISH:
            self.raster.publish()
            self.published = now
        if now - self.saved >= _SAVE:
            self._save()
            self.saved = now

    def _save(self) -> None:
        self.raster.publish()
        size = 0 if self.listing is None else self.listing.size
        more = {"asked": self.asked, "places": self.places.state(), "listed_bytes": size}
        save_scan(self.scan, self.state, more, overwrite=True)
