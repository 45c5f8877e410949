"""Wavelengths, widths, flags and names of bands, from the units and spellings of files to the form that a cube has.

The items of a list are numbers or texts. A list that contradicts the file is dropped with a remark. A unit that is
missing or cannot be true is inferred from the size of the numbers, also with a remark.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import xarray as xr
    from numpy.typing import NDArray

__all__ = ["UNIT", "BandTable", "band_table", "described_bands", "with_bands", "with_columns"]

# Nanometres in one unit. Spellings are compared in lower case, without plural "s", with "metre" as "meter".
_LENGTHS = {
    "nm": 1.0,
    "nanometer": 1.0,
    "µm": 1e3,
    "um": 1e3,
    "micrometer": 1e3,
    "micron": 1e3,
    "angstrom": 0.1,
    "å": 0.1,
    "mm": 1e6,
    "millimeter": 1e6,
    "cm": 1e7,
    "centimeter": 1e7,
    "m": 1e9,
    "meter": 1e9,
}
# Wavelength in nm times the value in this unit: wavenumbers and frequencies.
_RECIPROCALS = {
    "wavenumber": 1e7,
    "1/cm": 1e7,
    "cm-1": 1e7,
    "cm^-1": 1e7,
    "ghz": 299_792_458.0,
    "mhz": 299_792_458e3,
}
# From the extreme ultraviolet to the far infrared: outside, the stated unit cannot be true.
UNIT = r"nm|nanomet(?:er|re)s?|[uµμ]m|micromet(?:er|re)s?|microns?"
"""Spellings of the units of wavelengths, for regular expressions."""

_PLAUSIBLE_NM = (10.0, 1e5)
_BELOW_IS_MICROMETER = 100.0
# Width in nm that no imaging spectrometer's band falls short of; those for fluorescence have about 0.3 nm.
_NARROWEST = 0.05
# Names of bands that are numbers without a unit are wavelengths between these, in µm or nm.
_NAMED = (0.2, 20_000.0)
_NONE = ("", "none", "null", "na", "n/a", "-")
_FLAGS = {"true": 1.0, "yes": 1.0, "false": 0.0, "no": 0.0}
_NUMBER = r"\d+(?:\.\d*)?(?:e[+-]?\d+)?"
_QUANTITY = re.compile(rf"\s*[\"']?\s*([+-]?{_NUMBER})\s*([a-zåµμ]+)?\.?\s*[\"']?\s*", re.IGNORECASE)
_DESCRIBED = re.compile(rf"(?<![\w.])({_NUMBER})\s*({UNIT})\b", re.IGNORECASE)
_BRACKETED = re.compile(rf"[^\W\d].*[(\[]\s*({_NUMBER})\s*[)\]]", re.IGNORECASE)
_NUMERIC = re.compile(rf"({_NUMBER})(?:\s*[(\[]\s*{_NUMBER}\s*[)\]])?", re.IGNORECASE)


@dataclass
class BandTable:
    """Lists with one item per band, as keywords of `hsad.scene.cube.build_cube`, and remarks on what did not fit."""

    wavelength: NDArray[np.float64] | None = None
    fwhm: NDArray[np.float64] | None = None
    good_wavelength: NDArray[np.bool_] | None = None
    band_name: list[str] | None = None
    remarks: list[str] = field(default_factory=list)

    @property
    def coordinates(self) -> dict[str, Any]:
        """Keyword arguments for `hsad.scene.cube.build_cube`."""
        return {
            "wavelength": self.wavelength,
            "fwhm": self.fwhm,
            "good_wavelength": self.good_wavelength,
            "band_name": self.band_name,
        }


def band_table(
    bands: int,
    *,
    wavelength: Sequence[Any] | None = None,
    fwhm: Sequence[Any] | None = None,
    good: Sequence[Any] | None = None,
    names: Sequence[str] | None = None,
    units: str | None = None,
) -> BandTable:
    """Return what a file states about its bands, checked and in nm.

    Parameters
    ----------
    bands : int
        Number of bands that the values have.
    wavelength, fwhm : sequence of float or str, optional
        Band centres and widths, in `units`.
    good : sequence of float or str, optional
        ENVI's bad band list: 0 (or anything below one half) marks a bad band.
    names : sequence of str, optional
        Names of the bands.
    units : str, optional
        Unit of `wavelength` and `fwhm`; inferred where it is missing, unknown or impossible.
    """
    table = BandTable()
    remarks = table.remarks
    wavelength, stated = _quantities(wavelength)
    units = stated or units
    centres = _numbers("wavelengths", wavelength, bands, remarks)
    widths = _numbers("fwhm values", _quantities(fwhm)[0], bands, remarks)
    flags = _numbers("bad band flags", good, bands, remarks, _flag)
    if flags is not None:
        table.good_wavelength = flags >= 0.5
    if names is not None and len(names) > 0:
        if len(names) == bands:
            table.band_name = [str(name) for name in names]
        else:
            remarks.append(f"the file names {len(names)} bands and has {bands}: the names are ignored")
    if centres is not None and not _are_wavelengths(centres, units, remarks):
        centres = None
    if centres is None:
        if widths is not None:
            remarks.append("fwhm values without usable wavelengths are ignored")
        return table
    table.wavelength, widths = _nanometers(centres, widths, units, remarks)
    table.fwhm = _checked_widths(widths, table.wavelength, remarks)
    _remark_on_order(table.wavelength, remarks)
    return table


def with_bands(cube: xr.DataArray, table: BandTable) -> xr.DataArray:
    """Return a cube with what a table states of its bands in place of what the cube has."""
    lengths = {"units": "nm"}
    attrs: dict[str, dict[str, str]] = {
        "wavelength": {**lengths, "standard_name": "radiation_wavelength"},
        "fwhm": lengths,
    }
    stated = {name: values for name, values in table.coordinates.items() if values is not None}
    if "wavelength" in stated and "fwhm" not in stated and "fwhm" in cube.coords:
        encoding = cube.encoding
        cube = cube.drop_vars("fwhm")  # of other wavelengths
        cube.encoding = encoding
    return with_columns(cube, {name: (values, attrs.get(name, {})) for name, values in stated.items()})


def with_columns(cube: xr.DataArray, columns: Mapping[str, tuple[Any, Mapping[str, str]]]) -> xr.DataArray:
    """Return a cube with coordinates along its bands, each of values and attributes; its encoding stays."""
    changed = cube.assign_coords(
        {name: ("band", np.asarray(values), dict(attrs)) for name, (values, attrs) in columns.items()}
    )
    changed.encoding = cube.encoding
    return changed


def _numbers(
    what: str, values: Sequence[Any] | None, bands: int, remarks: list[str], read: Callable[[Any], float] | None = None
) -> NDArray[np.float64] | None:
    """Return a list as numbers, None with a remark where it does not have one number per band."""
    if values is None or len(values) == 0:
        return None
    if len(values) != bands:
        remarks.append(f"the file gives {len(values)} {what} for {bands} bands: they are ignored")
        return None
    try:
        return np.asarray([(read or _number)(value) for value in values])
    except (TypeError, ValueError, OverflowError):
        remarks.append(f"the {what} are not all numbers: they are ignored")
        return None


def _number(value: Any) -> float:
    """Return a number, NaN for a text that stands for none; texts may have quotation marks."""
    if not isinstance(value, str):
        return float(value)
    text = value.strip().strip("\"'").lower()
    return np.nan if text in _NONE else float(text)


def _flag(value: Any) -> float:
    """Return a flag of a bad band list as a number; some programs write True and False."""
    return float(_FLAGS.get(str(value).strip().lower(), value))


def _quantities(values: Sequence[Any] | None) -> tuple[list[Any] | None, str | None]:
    """Return the numbers of texts such as ``420.5 nm``, in the units of the first, and these units.

    Where not every item is a number, with or without a unit, the items come back as they are.
    """
    if values is None:
        return None, None
    found = [_QUANTITY.fullmatch(str(value)) for value in values]
    units = [match.group(2) for match in found if match and match.group(2)]
    if not units or not all(found):
        return list(values), None
    factors = [_LENGTHS.get(_normal(match.group(2) or units[0])) for match in found if match]
    first = factors[0]
    if first is None or None in factors:
        return list(values), None
    pairs = zip(found, factors, strict=True)
    return [float(match.group(1)) * (factor / first) for match, factor in pairs if match and factor], units[0]


def described_bands(names: Sequence[str]) -> tuple[list[str], str | None] | None:
    """Return the wavelengths that the names of bands hold, and their unit; None where not every name holds one.

    Understood are a number with a unit anywhere in the name (``Band 1 (420.0 Nanometers)``, ``B01 0.42 µm``), a number
    in brackets at the end of a name that begins with a word (``Band 1 (420.5)``), and names that are numbers
    (``422.16 (423.84)``, ``422.16``); numbers without a unit count where they increase from band to band and are no
    numbers of bands.

    Parameters
    ----------
    names : sequence of str
        One name for each band.
    """
    with_unit = [_DESCRIBED.search(name) for name in names]
    if names and all(with_unit):
        units = list(dict.fromkeys(match.group(2) for match in with_unit if match))
        return [match.group(1) for match in with_unit if match], ", ".join(units)
    for pattern in (_BRACKETED, _NUMERIC):
        found = [pattern.fullmatch(name.strip()) for name in names]
        if len(names) > 1 and all(found):
            numbers = [match.group(1) for match in found if match]
            values = np.asarray(numbers, dtype=np.float64)
            counted = np.array_equal(values, np.round(values)) and values[0] in (0, 1)
            if np.all(np.diff(values) > 0) and not counted and _NAMED[0] <= values[0] and values[-1] <= _NAMED[1]:
                return numbers, None
    return None


def _are_wavelengths(values: NDArray[np.float64], units: str | None, remarks: list[str]) -> bool:
    """Tell whether numbers can be wavelengths; single ones that cannot be are replaced in place."""
    fine = np.isfinite(values) & (values > 0)
    bad = np.flatnonzero(~fine)
    if 2 * len(bad) >= len(values) and len(bad):
        remarks.append(f"wavelength {values[bad[0]]:g} of band {bad[0] + 1} is not positive: wavelengths are ignored")
        return False
    counted = len(values) > 1 and np.array_equal(values, np.arange(1, len(values) + 1))
    if (units or "").strip().lower() == "index" or (counted and _normal(units) not in _LENGTHS):
        remarks.append("the wavelengths are band numbers: they are ignored")
        return False
    if len(bad):
        listed = ", ".join(str(band + 1) for band in bad[:5]) + (", …" if len(bad) > 5 else "")
        remarks.append(
            f"{len(bad)} of {len(values)} bands have no positive wavelength (band {listed}): "
            "theirs are interpolated from those of the other bands"
        )
        values[bad] = _interpolated(values, np.flatnonzero(fine), bad)
    return True


def _interpolated(values: NDArray[np.float64], fine: NDArray[np.intp], wanted: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return values at the wanted bands on the lines through their neighbours; at the ends the lines go on."""
    if len(fine) == 1:
        return np.full(len(wanted), values[fine[0]])
    right = np.clip(np.searchsorted(fine, wanted), 1, len(fine) - 1)
    first, second = fine[right - 1], fine[right]
    slopes = (values[second] - values[first]) / (second - first)
    return np.asarray(values[first] + slopes * (wanted - first))


def _normal(units: str | None) -> str:
    text = re.sub(r"\s+", "", (units or "").strip().strip("{}").lower()).replace("μ", "µ")
    text = text.replace("metre", "meter").replace("ångström", "angstrom")
    return text if text in _LENGTHS or text in _RECIPROCALS else text.removesuffix("s")


def _nanometers(
    centres: NDArray[np.float64],
    widths: NDArray[np.float64] | None,
    units: str | None,
    remarks: list[str],
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Convert to nm by the stated unit if the result can be true, else by magnitude."""
    unit = _normal(units)
    if unit in _RECIPROCALS:
        converted = _RECIPROCALS[unit] / centres
        if _plausible(converted):
            # λ = c/f, hence |Δλ| = λ |Δf| / f.
            return converted, None if widths is None else converted * widths / centres
    if unit in _LENGTHS and _plausible(centres * _LENGTHS[unit]):
        return centres * _LENGTHS[unit], None if widths is None else widths * _LENGTHS[unit]
    known = unit in _LENGTHS or unit in _RECIPROCALS
    reason = f"cannot be {units}" if known else f"have the unit {units!r}" if unit else "have no unit"
    small = centres < _BELOW_IS_MICROMETER
    mixed = np.where(small, centres * 1e3, centres)
    if small.any() and not small.all() and _in_order(mixed) and not _in_order(centres):
        remarks.append(f"the wavelengths {reason}: those below 100 are taken as µm, the others as nm")
        return mixed, widths
    taken = "µm, being all below 100" if small.all() else "nm, not being all below 100"
    remarks.append(f"the wavelengths {reason}: taken as {taken}")
    factor = 1e3 if small.all() else 1.0
    return centres * factor, None if widths is None else widths * factor


def _in_order(values: NDArray[np.float64]) -> bool:
    steps = np.diff(values)
    return bool(np.all(steps > 0) or np.all(steps < 0))


def _checked_widths(
    widths: NDArray[np.float64] | None, centres: NDArray[np.float64], remarks: list[str]
) -> NDArray[np.float64] | None:
    """Return widths in nm; where no spectrometer can have them, they are in another unit than the wavelengths."""
    if widths is None or not np.any(widths > 0):
        return widths
    if np.nanmax(widths) < _NARROWEST:
        remarks.append(f"the fwhm values cannot be nm, being all below {_NARROWEST:g}: taken as µm")
        return widths * 1e3
    if np.nanmin(widths / centres) > 1:
        remarks.append("the fwhm values cannot be µm, being larger than the wavelengths: taken as nm")
        return widths / 1e3
    return widths


def _plausible(nanometers: NDArray[np.float64]) -> bool:
    low, high = _PLAUSIBLE_NM
    return bool(nanometers.min() >= low and nanometers.max() <= high)


def _remark_on_order(wavelength: NDArray[np.float64], remarks: list[str]) -> None:
    if _in_order(wavelength):
        return
    steps = np.diff(wavelength)
    direction = np.sign(np.median(steps)) or 1.0
    turns = np.flatnonzero(steps * direction <= 0) + 2
    listed = ", ".join(map(str, turns[:5])) + (", …" if len(turns) > 5 else "")
    remarks.append(f"the wavelengths are not in order: they step back at band {listed}")
