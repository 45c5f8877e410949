"""Lines of a scene in a file, and of a file that still grows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.engine.source import source_of
from hsad.errors import HsadError, SceneError
from hsad.job.given import as_cube
from hsad.job.selection import as_asked
from hsad.readers.envi.files import find_header, growing_data
from hsad.readers.envi.scene import described
from hsad.stream.feeds.feed import RawLines, Stopped, lines_at_once

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hsad.job.options import RunOptions

__all__ = ["GrowingFile", "SceneFile"]

#: Seconds between two looks at a file that may grow.
_LOOK = 0.05


class SceneFile:
    """The lines of a complete scene, of any format that hsad reads. Masked pixels are NaN.

    Parameters
    ----------
    scene : path or cube
    run : RunOptions
        What the user states about the scene.
    """

    def __init__(self, scene: Any, run: RunOptions) -> None:
        cube = as_asked(as_cube(scene, run), run)
        self._source = source_of(cube)
        self.cube = cube.isel(band=self._source.bands)
        self.ended = False
        self.remarks: list[str] = []
        self.trouble: HsadError | None = None

    def lines(self, first: int, stopped: Stopped) -> Iterator[NDArray[Any]]:
        """Yield lines ``(n, samples, bands)`` from a line on."""
        rows, cols, bands = self._source.shape
        step = max(self._source.row_step, lines_at_once(cols * bands * self.cube.dtype.itemsize))
        for start in range(first, rows, step):
            if stopped():
                return
            part = slice(start, min(start + step, rows))
            stored = self._source.read(part, slice(0, cols))
            mask = self._source.mask
            if mask is not None and not mask[part].all():
                stored = stored.astype(np.float64)
                stored[~mask[part]] = np.nan
            yield stored
        self.ended = True


class GrowingFile:
    """The lines of an ENVI file while a camera writes it: BIL or BIP, with a final or an unknown number of lines.

    The file has ended when it has all lines of its header, or when no line has come for `wait` seconds. The header is
    read again whenever the file stands still, because programs write the number of lines at the end.

    Parameters
    ----------
    path : path
        The header, or the data file. The data file may come later than the header.
    wait : float
        Seconds.
    run : RunOptions
        What the user states about the lines.
    """

    def __init__(self, path: str | Path, wait: float, run: RunOptions) -> None:
        header = find_header(Path(path))
        if header is None:
            raise SceneError(f"{path}: no ENVI header: a file that grows needs one that says how its lines are stored")
        self._named, self._header, self._wait = Path(path), header, wait
        cube, layout, self.promised = described(header)
        self._raw = RawLines(layout)
        self.cube = as_asked(as_cube(cube, run), run)
        self.ended = False
        self.remarks: list[str] = []
        self.trouble: HsadError | None = None

    def lines(self, first: int, stopped: Stopped) -> Iterator[NDArray[Any]]:
        """Yield lines ``(n, samples, bands)`` from a line on, as the file grows."""
        done, since = first, time.monotonic()
        most = lines_at_once(self._raw.size)
        while not stopped():
            content = self._read(done, most)
            if content:
                since = time.monotonic()
                found = self._raw.decoded(content)
                done += len(found)
                yield found
                continue
            self._look_at_the_header()
            if self.promised is not None and done >= self.promised:
                self.ended = True
                return
            if time.monotonic() - since >= self._wait:
                self.ended = True
                if self.promised is not None:
                    self.remarks.append(
                        f"{self._header}: {done} of {self.promised} lines came, then none for {self._wait:g} s: taken "
                        "as the end"
                    )
                return
            yield self._raw.none()
            time.sleep(_LOOK)

    def _read(self, done: int, most: int) -> bytes:
        """Return the bytes of the next whole lines, at most `most`; nothing if none is complete."""
        data = growing_data(self._header, self._named)
        if data is None:
            if done:
                raise SceneError(f"{self._header}: its data file has gone, after {done} lines were scored")
            return b""
        if self.promised is not None:
            most = min(most, self.promised - done)
        start = self._raw.layout.offset + done * self._raw.size
        try:
            size = data.stat().st_size
            if size < start:
                raise SceneError(
                    f"{data}: has {size} bytes, fewer than the {start} of the {done} lines that were scored: it was "
                    "written anew; --restart (restart=True) begins anew"
                )
            with data.open("rb") as file:
                file.seek(start)
                content = file.read(most * self._raw.size)
        except OSError as error:
            raise SceneError(f"{data}: {error.strerror or error}") from error
        return content[: len(content) // self._raw.size * self._raw.size]

    def _look_at_the_header(self) -> None:
        """Read the header again.

        Raises
        ------
        SceneError
            When lines have another size now.
        """
        try:
            _, layout, promised = described(self._header)
        except (OSError, SceneError):
            return  # it is just being written; the next look finds it complete
        before = self._raw.layout
        if (layout.shape[1:], layout.dtype, layout.interleave) != (before.shape[1:], before.dtype, before.interleave):
            raise SceneError(
                f"{self._header}: its lines have {layout.shape[1]} pixels x {layout.shape[2]} bands now, before "
                f"{before.shape[1]} x {before.shape[2]}: the scores until here are kept, other lines need a new run"
            )
        self.promised = promised
