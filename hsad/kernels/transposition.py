"""Bands that lie far apart in a file become neighbours in memory: the one copy that BIL and BSQ files cost.

Copied number by number this runs at a tenth of the memory's speed. Here blocks of eight bands by eight pixels are
turned in vector registers, whatever the numbers are: they are moved as so many bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from hsad.kernels.compiled import compiled

__all__ = ["LEAST_SIDE", "turn"]

LEAST_SIDE = 8
"""Least number of bands and of columns of an image: the side of a block."""

_BYTES = ir.IntType(64)
_LINE_BYTES = 512  # of a band that are read before the next band's: a few lines of the processor's cache


def turn(image: NDArray[Any], target: NDArray[Any]) -> None:
    """Copy an image whose columns are neighbours into an array whose bands are.

    Parameters
    ----------
    image : (rows, cols, bands) ndarray
        Neighbouring columns have neighbouring numbers, of 1, 2, 4 or 8 bytes; rows and bands may lie anywhere. Its
        byte order is kept.
    target : (rows, cols, bands) ndarray
        A pixel's numbers are neighbours, and so are a row's pixels. Both have at least `LEAST_SIDE` columns and bands.
    """
    rows, cols, bands = image.shape
    size = image.dtype.itemsize
    if min(cols, bands) < LEAST_SIDE or (image.strides[1], *target.strides[1:]) != (size, bands * size, size):
        raise ValueError(f"strides {image.strides} and {target.strides} of {image.shape} are not turned here")
    _turn(
        image.__array_interface__["data"][0],
        image.strides[0],
        image.strides[2],
        target.__array_interface__["data"][0],
        target.strides[0],
        (rows, cols, bands),
        np.empty(0, f"u{size}"),
    )


def _typed_turn_block(_: Any, source: Any, band_step: Any, target: Any, pixel_step: Any, unit: Any) -> Any:  # noqa: ARG001  numba looks at the names
    """Transpose eight bands by eight pixels, from and to addresses; the type of `unit` gives the size of numbers."""
    side = LEAST_SIDE
    vector = ir.VectorType(ir.IntType(unit.dtype.bitwidth), side)

    def interleaved(first: int) -> Any:
        lanes = [lane for place in range(first, first + side // 2) for lane in (place, side + place)]
        return ir.Constant(ir.VectorType(ir.IntType(32), side), lanes)

    low, high = interleaved(0), interleaved(side // 2)

    def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        source, band_step, target, pixel_step, _ = arguments

        def at(start: Any, step: Any, number: int) -> Any:
            address = builder.add(start, builder.mul(step, ir.Constant(_BYTES, number)))
            return builder.inttoptr(address, vector.as_pointer())

        vectors = [builder.load(at(source, band_step, number), align=1) for number in range(side)]
        for _ in range(3):  # side = 2³: three times the first half of the vectors is interleaved with the second
            pairs = list(zip(vectors[: side // 2], vectors[side // 2 :], strict=True))
            vectors = [builder.shuffle_vector(a, b, half) for a, b in pairs for half in (low, high)]
        for number, value in enumerate(vectors):
            builder.store(value, at(target, pixel_step, number), align=1)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64, types.int64, unit), generate


_turn_block: Any = intrinsic(_typed_turn_block)


@compiled
def _turn(
    source: int,
    source_row: int,
    source_band: int,
    target: int,
    target_row: int,
    shape: tuple[int, int, int],
    unit: NDArray[Any],
) -> None:
    rows, cols, bands = shape
    size = unit.itemsize
    pixel = bands * size
    line = _LINE_BYTES // size
    for row in range(rows):
        for start in range(0, cols, line):
            for number in range(0, bands, LEAST_SIDE):
                # The last block overlaps the one before, so that some numbers are written twice.
                band = min(number, bands - LEAST_SIDE)
                for place in range(start, min(cols, start + line), LEAST_SIDE):
                    col = min(place, cols - LEAST_SIDE)
                    _turn_block(
                        source + row * source_row + band * source_band + col * size,
                        source_band,
                        target + row * target_row + col * pixel + band * size,
                        pixel,
                        unit,
                    )
