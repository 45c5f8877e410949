"""Lists of bands in ENVI headers, in the spellings of many programs, and in ESRI headers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hsad.readers.bands import UNIT, BandTable, band_table, described_bands

if TYPE_CHECKING:
    from hsad.readers.envi.header import Header

__all__ = ["esri_header", "header_bands", "header_wavelengths"]

# Keys of the lists of wavelengths and of widths. Some programs append the unit to the key.
_UNIT = rf"(?: ?[(\[]?({UNIT})[)\]]?)?"
_CENTRES = re.compile(
    rf"(?:band )?(?:cent(?:er|re|ral)s? )?wave ?lengths?(?: cent(?:er|re)s?)?{_UNIT}|band cent(?:er|re)s?{_UNIT}"
)
_WIDTHS = re.compile(rf"fwhms?{_UNIT}|band ?widths?{_UNIT}|full width (?:at )?half max(?:imum)?{_UNIT}")
_UNITS = re.compile(r"wave ?lengths? un(?:i)?ts?")
_GOOD = re.compile(r"bbl|bad bands? list")
_WORDS = re.compile(r"^\s*([A-Za-z_]+)\s+(\S.*)$", re.MULTILINE)
_WAVELENGTHS = re.compile(
    r"^\s*WAVELENGTHS?\b(.*?)(?:^\s*WAVELENGTHS?_END|(?=^\s*[A-Z_]+\s+\S)|\Z)", re.MULTILINE | re.DOTALL | re.IGNORECASE
)


def header_wavelengths(header: Header, bands: int | None = None) -> tuple[list[str], list[str], str | None]:
    """Return the wavelengths and widths that an ENVI header states, empty lists where missing, and their unit.

    Parameters
    ----------
    header : Header
    bands : int, optional
        Number of bands; by default the number that the header states.
    """
    count = header.whole("bands", 0) if bands is None else bands
    centres, widths = _key(header, _CENTRES), _key(header, _WIDTHS)
    stated = _key(header, _UNITS)
    match = _CENTRES.fullmatch(centres or "")
    units = header.text(stated) if stated else next(filter(None, match.groups()), None) if match else None
    return header.spectrum(centres, count), header.spectrum(widths, count), units


def _key(header: Header, pattern: re.Pattern[str]) -> str | None:
    """Return the shortest key of a header that matches a pattern, or None."""
    found = [key for key in header.values if pattern.fullmatch(key) and header.text(key)]
    return min(found, key=len, default=None)


def header_bands(header: Header, bands: int) -> BandTable:
    """Return the table of bands of an ENVI header; wavelengths may come from the names of the bands."""
    wavelength, fwhm, units = header_wavelengths(header, bands)
    names = header.items("band names")
    remarks = []
    if not wavelength and len(names) == bands and (described := described_bands(names)) is not None:
        wavelength, units = described
        remarks.append("the wavelengths are those in the names of the bands")
    table = band_table(
        bands,
        wavelength=wavelength,
        fwhm=fwhm * bands if len(fwhm) == 1 else fwhm,
        good=header.spectrum(_key(header, _GOOD), bands),
        names=names,
        units=units,
    )
    table.remarks[:0] = remarks
    return table


def esri_header(text: str) -> tuple[dict[str, str], list[str]] | None:
    """Return the keys and the wavelengths of an ESRI header (``.hdr`` of a BIL, BIP or BSQ file), or None.

    The format has no wavelengths. The software of some cameras adds them between ``WAVELENGTHS`` and
    ``WAVELENGTHS_END``.

    Parameters
    ----------
    text : str
        Text of the file.
    """
    words = {match.group(1).upper(): match.group(2).strip() for match in _WORDS.finditer(text)}
    if not {"NROWS", "NCOLS"} <= set(words):
        return None
    block = _WAVELENGTHS.search(text)
    return words, re.split(r"[\s,;]+", block.group(1).strip()) if block and block.group(1).strip() else []
