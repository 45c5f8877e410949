"""Vector kernels that slide sums of products of bands along a row of pixels, eight pixels at a time.

A sum over a box that moves on by one pixel changes by the pixels at its corners only, once the same is done from
row to row: the *difference of a difference*. While it is summed a vector holds eight bands of one pixel; then
eight of them are turned around, to hold one band of eight pixels, as the factorization wants them.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from hsad.kernels.simd.lane_microtiles import MICROTILE
from hsad.kernels.simd.vectors import INT, LANES, ZERO, Emitter, cgutils, vector_kernel

__all__ = ["PAIRS", "add_corners", "slide_microtile", "sum_lanes", "transpose"]


PAIRS = 4
"""Number of pairs of corners that are summed together: a pixel that slides has four."""


def _transposed(emit: Emitter, rows: list[Any]) -> list[Any]:
    """Return the columns of a matrix of eight vectors: exchange entries at distance 1, then 2, then 4."""
    place = ir.VectorType(ir.IntType(32), LANES)
    for step in (1, 2, 4):
        low = [lane if not lane & step else LANES + (lane ^ step) for lane in range(LANES)]
        high = [lane | step if not lane & step else LANES + lane for lane in range(LANES)]
        for row in range(LANES):
            if not row & step:
                pair = rows[row], rows[row | step]
                rows[row] = emit.builder.shuffle_vector(*pair, ir.Constant(place, low))
                rows[row | step] = emit.builder.shuffle_vector(*pair, ir.Constant(place, high))
    return rows


def sum_lanes(emit: Emitter, vectors: list[Any]) -> Any:
    """Return the sums of the lanes of eight vectors, as one vector; always in the same order."""
    lanes = _transposed(emit, vectors)
    while len(lanes) > 1:
        lanes = [emit.builder.fadd(one, other) for one, other in zip(lanes[::2], lanes[1::2], strict=True)]
    return lanes[0]


@vector_kernel
def add_corners(
    emit: Emitter, x: Any, corners: Any, first: Any, count: Any, pixels: Any, i: Any, j: Any, changes: Any
) -> None:
    """Write the change of a microtile of sums of products of bands, for a few pixels.

    Pixel p has the `count` pairs k of offsets from the pair ``first + p * count`` on; of each pair the products of the
    first are added and those of the second are subtracted. For four bands r from `i` on and eight bands c from `j` on:
    ``changes[32 p + 8 (r - i) + c - j] = Σ_k x[plus_k + r] x[plus_k + c] - x[minus_k + r] x[minus_k + c]``.

    Parameters
    ----------
    x : (numbers,) ndarray of float64
        Spectra.
    corners : (2 · pairs,) ndarray of int64
        Where in `x` the pixels of the pairs begin.
    first, count, pixels : int
        `count` is a multiple of four.
    i, j : int
    changes : (32 · pixels,) ndarray of float64
    """
    builder = emit.builder
    with cgutils.for_range(builder, pixels, intp=INT) as pixel:
        microtile = [emit.variable(ZERO) for _ in range(MICROTILE)]
        start = builder.add(first, builder.mul(pixel.index, count))
        with cgutils.for_range(builder, builder.sdiv(count, ir.Constant(INT, PAIRS)), intp=INT) as few:
            at = builder.add(start, builder.mul(few.index, ir.Constant(INT, PAIRS)))
            at = builder.mul(at, ir.Constant(INT, 2))
            for k in range(2 * PAIRS):
                multiply = emit.multiply_subtract if k % 2 else emit.multiply_add
                corner = builder.load(emit.at(corners, at, k))
                along = emit.load(emit.at(x, corner, j))
                for r in range(MICROTILE):
                    own = emit.load_spread(emit.at(x, builder.add(corner, i), r))
                    builder.store(multiply(own, along, builder.load(microtile[r])), microtile[r])
        for r in range(MICROTILE):
            place = builder.mul(pixel.index, ir.Constant(INT, LANES * MICROTILE))
            emit.store(builder.load(microtile[r]), emit.at(changes, place, LANES * r))


@vector_kernel
def slide_microtile(emit: Emitter, changes: Any, slope: Any, slope_at: Any, sums: Any, sums_at: Any, step: Any) -> None:
    """Add up the changes of a microtile from pixel to pixel, and add the results to the sums of eight pixels.

    For four bands r, eight bands c and the pixels p < 8, one after the other: ``slope[slope_at + 8 r + c] +=
    changes[32 p + 8 r + c]``, and then ``sums[sums_at + r * step + 8 c + p] += slope[slope_at + 8 r + c]``.

    Parameters
    ----------
    changes : (256,) ndarray of float64
    slope : (numbers,) ndarray of float64
    slope_at : int
    sums : (numbers,) ndarray of float64
    sums_at, step : int
    """
    builder = emit.builder
    for r in range(MICROTILE):
        here = emit.at(slope, slope_at, LANES * r)
        total = emit.load(here)
        pixels = []
        for p in range(LANES):
            total = builder.fadd(total, emit.load(emit.at(changes, ir.Constant(INT, LANES * (MICROTILE * p + r)))))
            pixels.append(total)
        emit.store(total, here)
        line = builder.add(sums_at, builder.mul(step, ir.Constant(INT, r)))
        for b, vector in enumerate(_transposed(emit, pixels)):
            place = emit.at(sums, line, LANES * b)
            emit.store(builder.fadd(emit.load(place), vector), place)


@vector_kernel
def transpose(emit: Emitter, x: Any, x_at: Any, offsets: Any, first: Any, out: Any, out_at: Any, out_step: Any) -> None:
    """Write eight bands of eight pixels as vectors of pixels.

    ``out[out_at + b * out_step + p] = x[x_at + offsets[first + p] + b]`` for the bands b < 8 and pixels p < 8.

    Parameters
    ----------
    x : (numbers,) ndarray of float64
    x_at : int
    offsets : (numbers,) ndarray of int64
    first : int
    out : (numbers,) ndarray of float64
    out_at, out_step : int
    """
    builder = emit.builder
    pixels = [emit.load(emit.at(x, x_at, builder.load(emit.at(offsets, first, p)))) for p in range(LANES)]
    for b, vector in enumerate(_transposed(emit, pixels)):
        emit.store(vector, emit.at(out, out_at, builder.mul(out_step, ir.Constant(INT, b))))
