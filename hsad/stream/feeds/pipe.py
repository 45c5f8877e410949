"""Lines from a pipe: bare numbers, as an ENVI header describes them."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hsad.errors import HsadError, SceneError
from hsad.job.given import as_cube
from hsad.job.selection import as_asked
from hsad.readers.envi.scene import described
from hsad.stream.feeds.feed import RawLines, Stopped, lines_at_once

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hsad.job.options import RunOptions

__all__ = ["Pipe"]

#: Seconds between two looks at whether the user has asked to stop.
_LOOK = 0.1


class Pipe:
    """Lines of bare numbers that another program writes.

    Parameters
    ----------
    descriptor : int
        Where to read; 0 is the standard input.
    header : path
        The ENVI header that describes the lines: type, byte order, samples, bands, interleave (bil or bip), and what
        else is known. Its number of lines has no meaning.
    run : RunOptions
        What the user states about the lines.
    """

    def __init__(self, descriptor: int, header: str | Path, run: RunOptions) -> None:
        if not Path(header).is_file():
            raise SceneError(f"{header}: no such file: --header names the ENVI header that describes the lines")
        cube, layout, _ = described(Path(header))
        self._descriptor, self._raw = descriptor, RawLines(layout)
        self.cube = as_asked(as_cube(cube, run), run)
        self.ended = False
        self.remarks: list[str] = []
        self.trouble: HsadError | None = None

    def lines(self, first: int, stopped: Stopped) -> Iterator[NDArray[Any]]:
        """Yield lines ``(n, samples, bands)`` as they come; a pipe has no lines from before, so `first` is not read."""
        size, most = self._raw.size, lines_at_once(self._raw.size)
        rest, skipped, done = b"", self._raw.layout.offset, first
        while not stopped():
            if not self._is_ready():
                yield self._raw.none()
                continue
            content = os.read(self._descriptor, most * size)
            if not content:
                break
            dropped = min(skipped, len(content))
            skipped -= dropped
            rest += content[dropped:]
            whole = len(rest) // size * size
            if whole:
                found = self._raw.decoded(rest[:whole])
                rest = rest[whole:]
                done += len(found)
                yield found
        else:
            return
        self.ended = True
        if rest:
            self.trouble = SceneError(
                f"the pipe ended within line {done}: {len(rest)} of its {size} bytes came; the {done} lines before are "
                "scored (do samples, bands and data type of the header hold for these lines?)"
            )

    def _is_ready(self) -> bool:
        try:
            return bool(select.select([self._descriptor], [], [], _LOOK)[0])
        except (OSError, ValueError):  # not every system can wait for every kind of input
            return True
