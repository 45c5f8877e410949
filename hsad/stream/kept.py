"""The lines that later scores need, in one piece of memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["KeptLines"]


class KeptLines:
    """The last lines of a scan: spectra and validity.

    The memory holds twice the lines that are kept at most, so that lines are moved once for as many new ones.

    Parameters
    ----------
    samples, bands : int
        Size of a line.
    most : int
        Number of lines for which there is memory at first; it grows when more have to be kept.
    """

    def __init__(self, samples: int, bands: int, most: int) -> None:
        self._spectra = np.empty((max(2 * most, 2), samples, bands))
        self._valid = np.empty((len(self._spectra), samples), dtype=np.bool_)
        self._from, self._to = 0, 0  # in the memory
        self.first = 0  # number of the first kept line in the scan

    @property
    def stop(self) -> int:
        """One more than the number of the last line."""
        return self.first + self._to - self._from

    def append(self, spectra: NDArray[np.float64], valid: NDArray[np.bool_]) -> None:
        """Add lines after the last one."""
        count = len(spectra)
        if self._to + count > len(self._spectra):
            self._make_room(count)
        self._spectra[self._to : self._to + count] = spectra
        self._valid[self._to : self._to + count] = valid
        self._to += count

    def forget_before(self, row: int) -> None:
        """Drop the lines before a line of the scan."""
        row = min(max(row, self.first), self.stop)
        self._from += row - self.first
        self.first = row

    def lines(self, start: int, stop: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return spectra and validity of some lines, by their numbers in the scan."""
        place = slice(self._from + start - self.first, self._from + stop - self.first)
        return self._spectra[place], self._valid[place]

    def _make_room(self, count: int) -> None:
        held = self._to - self._from
        spectra, valid = self.lines(self.first, self.stop)
        if held + count > len(self._spectra):
            size = 2 * (held + count)
            self._spectra = np.empty((size, *spectra.shape[1:]))
            self._valid = np.empty((size, valid.shape[1]), dtype=np.bool_)
        self._spectra[:held], self._valid[:held] = spectra, valid
        self._from, self._to = 0, held
