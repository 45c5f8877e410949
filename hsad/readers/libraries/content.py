"""The content of the files of a spectral library, before it is checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Content", "printable"]


@dataclass(frozen=True, eq=False)
class Content:
    """Names, wavelengths and spectra as the files state them.

    Attributes
    ----------
    names : sequence of str
    wavelength : (n,) ndarray of float64
        In nm or µm.
    spectra : (names, n) ndarray of float64
    classes : sequence of str
        One for each name, or none.
    """

    names: Sequence[str]
    wavelength: NDArray[np.float64]
    spectra: NDArray[np.float64]
    classes: Sequence[str] = field(default_factory=tuple)


def printable(text: str) -> str:
    """Return a text of a file as one line without control characters, which would act on a terminal."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
