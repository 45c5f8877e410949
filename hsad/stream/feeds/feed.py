"""What all feeds of lines have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from hsad.readers.rasters.pixels import in_pixels
from hsad.readers.rasters.raw import Layout

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from hsad.errors import HsadError

__all__ = ["Feed", "RawLines", "Stopped", "lines_at_once"]

#: Tells whether the user or the system has asked to stop.
Stopped = Callable[[], bool]

#: Bytes of stored numbers, and lines, that are read together at most: between two reads the user can stop the run.
_READ_BYTES, _READ_LINES = 2 * 2**20, 16


class Feed(Protocol):
    """A source of lines.

    Attributes
    ----------
    cube : (y, x, band) DataArray
        What is known of the lines: samples, bands, wavelengths, gains, nodata, grid. Its number of rows has no meaning.
    remarks : list of str
        What the user should know about the end of the lines.
    trouble : HsadError or None
        What was wrong with the end of the lines, whose scores are complete all the same.
    """

    remarks: list[str]
    trouble: HsadError | None

    @property
    def cube(self) -> xr.DataArray: ...  # noqa: D102  described above

    def lines(self, first: int, stopped: Stopped) -> Iterator[NDArray[Any]]:
        """Yield stored lines ``(n, samples, bands)`` from a line on, as they come, until the end or until `stopped`.

        While no line comes, n is 0 now and then, so that the caller can write what it has.
        """
        ...

    @property
    def ended(self) -> bool:
        """Whether all lines were yielded; False where `lines` stopped because it was told to."""
        ...


def lines_at_once(line_bytes: int) -> int:
    """Return the number of lines that are read together."""
    return max(1, min(_READ_LINES, _READ_BYTES // max(1, line_bytes)))


@dataclass(frozen=True)
class RawLines:
    """Lines as bare numbers.

    Attributes
    ----------
    layout : Layout
        Of a file of such lines.
    """

    layout: Layout

    @property
    def size(self) -> int:
        """Bytes of a line."""
        return self.layout.frames[0]

    def none(self) -> NDArray[Any]:
        """Return no line, ``(0, samples, bands)``."""
        return np.empty((0, *self.layout.shape[1:]), self.layout.dtype.newbyteorder("="))

    def decoded(self, content: bytes | bytearray | memoryview) -> NDArray[Any]:
        """Return the whole lines in some bytes, ``(n, samples, bands)``, in native byte order."""
        count = len(content) // self.size
        whole = Layout(
            (count, *self.layout.shape[1:]),
            self.layout.dtype,
            self.layout.interleave,
            0,
            self.layout.major,
            self.layout.minor,
        )
        return in_pixels(whole.view(np.frombuffer(content, np.uint8)), self.layout.dtype.newbyteorder("="))
