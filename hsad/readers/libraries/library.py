"""Spectral libraries: named spectra, at the bands of any sensor."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from hsad.errors import ParameterError, SceneError
from hsad.readers.libraries.content import Content, printable
from hsad.readers.libraries.earthlib import EARTHLIB, read_earthlib
from hsad.readers.libraries.folders import read_folder
from hsad.readers.libraries.single_files import read_csv, read_envi
from hsad.readers.libraries.weights import band_weights

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Library"]

_MOST_MICROMETRES = 100.0
"""If no wavelength is above this number, they are in micrometres: optical sensors start at 300 nm."""

_LEAST_KNOWN = 0.99
"""Least share of a band's response on which a spectrum must have numbers."""


@dataclass(frozen=True, eq=False)
class Library:
    """Named spectra.

    Attributes
    ----------
    names : tuple of str
        Printable, in one line each.
    wavelength : (n,) ndarray of float64
        In nm, rising.
    spectra : (names, n) ndarray of float64
        NaN where a spectrum has no number.
    classes : tuple of str
        The class of each spectrum, such as "bare soil"; empty texts where the library has none.
    title : str
        The name of the library, for messages.

    Examples
    --------
    >>> import numpy as np
    >>> from hsad.readers.libraries.library import Library
    >>> library = Library(("a",), np.array([400.0, 500.0, 600.0]), np.array([[1.0, 2.0, 4.0]]))
    >>> library.at(np.array([450.0, 550.0, 700.0])).tolist()
    [[1.5, 3.0, nan]]
    """

    names: tuple[str, ...]
    wavelength: NDArray[np.float64]
    spectra: NDArray[np.float64]
    classes: tuple[str, ...] = ()
    title: str = ""

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Read a spectral library.

        Parameters
        ----------
        path : str or path
            One of these:

            - an ENVI spectral library (``.sli`` or its ``.hdr``), with classes in a ``.csv`` beside it that has the
              columns ``name`` and ``class``;
            - a CSV: a line of names, a column of wavelengths in nm or µm, a column for each spectrum, and a line of
              classes where the first cell of the second line is ``class``;
            - a folder of text files of ECOSTRESS (``*.spectrum.txt``) or of USGS splib07 (``ASCIIdata_…``);
            - ``earthlib``: the spectra that the package earthlib installs.

        Raises
        ------
        SceneError
            When the library cannot be read.
        MissingExtraError
            When the package earthlib is not installed.
        """
        if str(path) == EARTHLIB and not Path(path).exists():
            return cls._checked(read_earthlib(), EARTHLIB)
        file = Path(path)
        if not file.exists():
            raise SceneError(f"{file}: no such file")
        read = read_folder if file.is_dir() else read_csv if file.suffix.lower() == ".csv" else read_envi
        try:
            return cls._checked(read(file), file.name)
        except Exception as error:
            # Another program's reader can fail in any way.
            raise SceneError(f"{file}: not a readable spectral library: {printable(str(error))}") from error

    @classmethod
    def _checked(cls, content: Content, title: str) -> Self:
        """Return the library with rising wavelengths in nm.

        Raises
        ------
        ValueError
            When the parts do not belong together, or a spectrum is empty.
        """
        names, wavelength, spectra = [printable(name) for name in content.names], content.wavelength, content.spectra
        if spectra.shape != (len(names), len(wavelength)):
            raise ValueError(f"{len(names)} names and {len(wavelength)} wavelengths do not fit spectra {spectra.shape}")
        if not (np.isfinite(wavelength) & (wavelength > 0)).all():
            raise ValueError("a wavelength is missing or is no positive number")
        empty = next((name for name, values in zip(names, spectra, strict=True) if not np.isfinite(values).any()), None)
        if empty is not None:
            raise ValueError(f"the spectrum {empty!r} holds no number")
        if wavelength.max() < _MOST_MICROMETRES:
            wavelength = wavelength * 1000.0
        order = np.argsort(wavelength)
        classes = [printable(text) for text in content.classes] or [""] * len(names)
        if len(classes) != len(names):
            raise ValueError(f"{len(classes)} classes do not fit {len(names)} names")
        return cls(tuple(names), wavelength[order], spectra[:, order], tuple(classes), title)

    def at(self, wavelength: NDArray[np.float64], fwhm: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Return the spectra as a sensor sees them.

        Parameters
        ----------
        wavelength : (bands,) ndarray
            Centres of the sensor's bands in nm.
        fwhm : (bands,) ndarray, optional
            Full widths at half maximum of the bands in nm. Each band is then the mean of the spectrum under a
            Gaussian of this width; without a width, or where it is NaN, the spectrum is interpolated linearly.

        Returns
        -------
        (names, bands) ndarray of float64
            NaN where a band lies outside of a spectrum.
        """
        weights = band_weights(self.wavelength, np.asarray(wavelength, dtype=np.float64), fwhm)
        known = np.isfinite(self.spectra)
        if known.all():
            seen: NDArray[np.float64] = self.spectra @ weights.T
        else:
            share = known @ weights.T
            enough = share >= _LEAST_KNOWN
            total = np.where(known, self.spectra, 0.0) @ weights.T
            seen = np.divide(total, share, out=np.full(share.shape, np.nan), where=enough)
        seen[:, ~(weights.sum(axis=1) > 0)] = np.nan
        return seen

    def number_of(self, name: str) -> int:
        """Return the place of a spectrum in the library.

        Raises
        ------
        ParameterError
            When there is no such spectrum; the message lists similar names.
        """
        if name not in self.names:
            near = difflib.get_close_matches(name, self.names, n=3, cutoff=0.4) or list(self.names[:5])
            raise ParameterError(f"{name!r} is no spectrum of {self.title or 'the library'}; it has {', '.join(near)}")
        return self.names.index(name)
