"""Quality layers of products: the flags of each pixel, and the flags that make a pixel invalid.

A cube with quality layers has

=======================  ===========================================================================================
``quality`` (y, x)       uint16, one bit for each flag; ``flag_masks`` and ``flag_meanings`` follow CF
``attrs["mask_flags"]``  list of str: the flags that make a pixel invalid; the reader sets the default of the product
=======================  ===========================================================================================

The flag ``pixel`` marks single numbers (one band of one pixel) and not whole pixels. It is a second `Raster` of the
cube, which is read only if the flag is in ``mask_flags``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hsad.errors import ParameterError
from hsad.scene.cube import Raster, lazy_image

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

__all__ = [
    "PIXEL_FLAG",
    "Flag",
    "MaskedRaster",
    "attach_flags",
    "band_mask_of",
    "choose_flags",
    "flag_names",
    "flag_shares",
    "has_bits",
    "is_any_of",
    "masked_raster",
    "valid_pixels",
]

PIXEL_FLAG = "pixel"
"""The flag of single numbers, set if a detector element failed or a value could not be computed."""

_BAND_MASK = "hsad_band_mask"


class Flag(NamedTuple):
    """A test for the pixels in which a flag is set. Both attributes can be pickled.

    Attributes
    ----------
    image : callable
        Reads an image of the file. Flags of one image share one callable, which is called once.
    test : callable
        Returns a mask ``(y, x)`` of the pixels of this image in which the flag is set.
    """

    image: Callable[[], NDArray[Any]]
    test: Callable[[NDArray[Any]], NDArray[np.bool_]]


def is_any_of(*codes: float) -> Callable[[NDArray[Any]], NDArray[np.bool_]]:
    """Return the test for numbers that equal one of `codes`."""
    return partial(_is_in, codes=codes)


def has_bits(mask: int) -> Callable[[NDArray[Any]], NDArray[np.bool_]]:
    """Return the test for numbers that have a bit of `mask`."""
    return partial(_has_bits, mask=mask)


def _is_in(numbers: NDArray[Any], codes: tuple[float, ...]) -> NDArray[np.bool_]:
    return np.isin(numbers, codes)


def _has_bits(numbers: NDArray[Any], mask: int) -> NDArray[np.bool_]:
    return np.asarray((numbers.astype(np.int64) & mask) != 0)


@dataclass(frozen=True)
class MaskedRaster:
    """A raster that reads flagged numbers as nodata.

    Attributes
    ----------
    raster : Raster
        The stored numbers.
    flagged : Raster
        A raster of the same shape, in which a number other than 0 is a flag.
    nodata : float
        The number that replaces flagged numbers.
    """

    raster: Raster
    flagged: Raster
    nodata: float

    @property
    def shape(self) -> tuple[int, int, int]:
        """Rows, columns, bands."""
        return self.raster.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the stored numbers."""
        return self.raster.dtype

    @property
    def row_step(self) -> int:
        """Number of rows that are fastest to read together."""
        return max(self.raster.row_step, self.flagged.row_step)

    @property
    def path(self) -> str:
        """Path of the file of the numbers."""
        return str(getattr(self.raster, "path", ""))

    @property
    def block(self) -> tuple[int, int]:
        """Rows and columns of the blocks that are decoded as a whole."""
        high, wide = (
            max(sides)
            for sides in zip(
                *(getattr(raster, "block", (1, self.shape[1])) for raster in (self.raster, self.flagged)), strict=True
            )
        )
        return high, wide

    def read(self, rows: slice, cols: slice) -> NDArray[Any]:
        """Return the stored numbers of a window, ``(rows, cols, bands)``, with nodata in place of flagged numbers."""
        stored = self.raster.read(rows, cols)
        stored[self.flagged.read(rows, cols) != 0] = self.nodata
        return stored


def attach_flags(
    cube: xr.DataArray,
    flags: Mapping[str, Sequence[Flag]],
    masked: Sequence[str],
    band_mask: Raster | None = None,
) -> xr.DataArray:
    """Return a cube with quality layers, which are read when they are first used.

    Parameters
    ----------
    cube : (y, x, band) DataArray
    flags : mapping of str to sequence of Flag
        The tests of at most 16 flags. A flag is set in a pixel if one of its tests is true there.
    masked : sequence of str
        The flags that make a pixel invalid by default. Flags that the cube does not have are ignored.
    band_mask : Raster, optional
        The flag ``pixel``: a raster of the shape of the cube, in which a number other than 0 is a flag.
    """
    names = [*flags, *([PIXEL_FLAG] if band_mask is not None else [])]
    if flags:
        shape = (cube.sizes["y"], cube.sizes["x"])
        bits = lazy_image(shape, np.uint16, partial(_read_bits, shape, tuple(map(tuple, flags.values()))))
        masks = np.asarray([1 << number for number in range(len(flags))], dtype=np.uint16)
        cube = cube.assign_coords(quality=(("y", "x"), bits, {"flag_masks": masks, "flag_meanings": " ".join(flags)}))
    if band_mask is not None:
        cube.encoding[_BAND_MASK] = band_mask
    cube.attrs["mask_flags"] = [name for name in masked if name in names]
    return cube


def _read_bits(shape: tuple[int, int], flags: tuple[tuple[Flag, ...], ...]) -> NDArray[np.uint16]:
    """Return the quality layer; each image is read once, and one image is in memory at a time."""
    bits = np.zeros(shape, dtype=np.uint16)
    for image in dict.fromkeys(flag.image for ways in flags for flag in ways):
        numbers = image()
        for number, ways in enumerate(flags):
            for flag in ways:
                if flag.image == image:
                    bits[flag.test(numbers)] |= np.uint16(1 << number)
    return bits


def band_mask_of(cube: xr.DataArray) -> Raster | None:
    """Return the flag ``pixel`` of a cube, None if there is no such flag or the cube is only a part of its file."""
    flagged = cube.encoding.get(_BAND_MASK)
    return flagged if flagged is not None and flagged.shape == cube.shape else None


def flag_names(cube: xr.DataArray) -> list[str]:
    """Return the flags that a cube has."""
    quality = cube.coords.get("quality")
    names = str(quality.attrs.get("flag_meanings", "")).split() if quality is not None else []
    return [*names, *([PIXEL_FLAG] if _BAND_MASK in cube.encoding else [])]


def choose_flags(cube: xr.DataArray, flags: str | Sequence[str]) -> xr.DataArray:
    """Return a cube in which other flags make a pixel invalid.

    Parameters
    ----------
    cube : (y, x, band) DataArray
    flags : str or sequence of str
        Names of flags, in a str separated by commas; ``none`` for no flag.

    Raises
    ------
    ParameterError
        When the cube does not have one of these flags.
    """
    listed = flags.split(",") if isinstance(flags, str) else list(flags)
    chosen = [name.strip() for name in listed if name.strip() and name.strip().lower() != "none"]
    known = flag_names(cube)
    for name in chosen:
        if name not in known:
            choices = f"choose from {', '.join(known)} or none" if known else "the scene has no quality layers"
            raise ParameterError(f"mask_flags: {name!r}: {choices}")
    return cube.assign_attrs(mask_flags=chosen)


def valid_pixels(cube: xr.DataArray) -> NDArray[np.bool_] | None:
    """Return the mask of valid pixels by ``valid`` and ``mask_flags`` of the cube, None if it has neither."""
    valid = cube.coords["valid"].values.astype(np.bool_) if "valid" in cube.coords else None
    bits = _bits(cube, cube.attrs.get("mask_flags", ()))
    if not bits:
        return valid
    clear = (cube.coords["quality"].values & bits) == 0
    return np.asarray(clear if valid is None else clear & valid)


def masked_raster(cube: xr.DataArray, raster: Raster, nodata: float | None) -> Raster:
    """Return the raster, with flagged numbers as nodata if the cube's ``mask_flags`` contain ``pixel``.

    Raises
    ------
    ParameterError
        When ``mask_flags`` contain ``pixel`` and there is no nodata value.
    """
    flagged = cube.encoding.get(_BAND_MASK)
    if flagged is None or PIXEL_FLAG not in cube.attrs.get("mask_flags", ()) or flagged.shape != raster.shape:
        return raster
    if nodata is None:
        raise ParameterError(f"mask_flags: {PIXEL_FLAG!r} needs a nodata value, which the scene does not have")
    return MaskedRaster(raster, flagged, nodata)


def flag_shares(cube: xr.DataArray) -> dict[str, float | None]:
    """Return the share of pixels in which each flag is set; None for ``pixel``, whose raster is not read for this."""
    return {
        name: None if name == PIXEL_FLAG else float(np.mean((cube.coords["quality"].values & _bits(cube, [name])) != 0))
        for name in flag_names(cube)
    }


def _bits(cube: xr.DataArray, names: Sequence[str]) -> int:
    if "quality" not in cube.coords:
        return 0
    attrs = cube.coords["quality"].attrs
    masks = dict(zip(str(attrs.get("flag_meanings", "")).split(), np.ravel(attrs.get("flag_masks", ())), strict=False))
    return sum(int(masks[name]) for name in names if name in masks)
