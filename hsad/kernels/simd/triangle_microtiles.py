"""Vector kernels for the two halves of a Gaussian: sums of products of bands, and squared lengths after whitening.

Both are half of a matrix product: one has a symmetric result, the other a triangular operand. A third kernel is a
product with few columns. Each number is one chain of fused multiply-adds over bands or pixels in their order, so that
results do not depend on the size of a microtile.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding
from llvmlite import ir

from hsad.kernels.simd.slide_microtiles import sum_lanes
from hsad.kernels.simd.vectors import INT, LANES, ZERO, Emitter, cgutils, vector_kernel

__all__ = ["COLUMNS", "HEIGHT", "MICROTILES", "Microtiles", "add_lanes"]

#: Vectors of rows, and columns, of a microtile: what a processor's vector registers hold.
HEIGHT, COLUMNS = (3, 8) if llvmlite.binding.get_host_cpu_features().get("avx512f") else (1, 4)


class Microtiles:
    """The kernels for microtiles of ``8 · height`` rows and `columns` columns; all arrays are of float64.

    `project` may be called with arrays of float32, too: a vector then holds 16 numbers instead of 8.

    Attributes
    ----------
    add_products : kernel
        ``add_products(x, x_at, step, row, column, count, out, out_at, out_step)`` adds sums of products of bands over
        `count` pixels k that are `step` apart: ``out[out_at + c * out_step + r] += Σ_k x[x_at + k * step + row + r]
        x[x_at + k * step + column + c]`` for r < 8 · height and c < columns.
    add_squares : kernel
        ``add_squares(w, w_at, count, later, x, x_at, step, out, out_at)`` adds the squares of ``Wᵀx`` of the pixels c,
        which are `step` apart: ``out[out_at + 8 c + l] += Σ_v (Σ_b W[b, 8 v + l] x[x_at + c * step + b])²`` for v <
        height and the lanes l < 8. ``W[b, j] = w[w_at + b * 8 · height + j]``. The first eight columns of W have
        `count` rows, every further eight `later` rows more.
    project : kernel
        ``project(w, w_at, w_step, count, x, x_at, step, out, out_at, out_step)`` writes ``Wᵀx`` of the pixels c, which
        are `step` apart: ``out[out_at + c * out_step + j] = Σ_b W[b, j] x[x_at + c * step + b]`` for j < 8 · height and
        b < count. ``W[b, j] = w[w_at + b * w_step + j]``.
    """

    def __init__(self, height: int, columns: int) -> None:
        self.add_products = _products(height, columns)
        self.add_squares = _squares(height, columns)
        self.project = _projections(height, columns)


def _multiply(emit: Emitter, left: list[Any], right: list[Any], slots: list[list[Any]]) -> None:
    """Emit the addition of the products of vectors and numbers."""
    for number, column in zip(right, slots, strict=True):
        for vector, slot in zip(left, column, strict=True):
            emit.builder.store(emit.multiply_add(vector, number, emit.builder.load(slot)), slot)


def _products(height: int, columns: int) -> Any:
    @vector_kernel
    def kernel(
        emit: Emitter, x: Any, x_at: Any, step: Any, row: Any, column: Any, count: Any, out: Any, out_at: Any,
        out_step: Any,
    ) -> None:  # fmt: skip
        builder = emit.builder
        places = [builder.add(out_at, builder.mul(out_step, ir.Constant(INT, c))) for c in range(columns)]
        slots = [[emit.variable(emit.load(emit.at(out, at, LANES * v))) for v in range(height)] for at in places]
        with cgutils.for_range(builder, count, intp=INT) as loop:
            pixel = builder.add(x_at, builder.mul(loop.index, step))
            left = [emit.load(emit.at(x, pixel, row, LANES * v)) for v in range(height)]
            _multiply(emit, left, [emit.load_spread(emit.at(x, pixel, column, c)) for c in range(columns)], slots)
        for at, sums in zip(places, slots, strict=True):
            for v, slot in enumerate(sums):
                emit.store(builder.load(slot), emit.at(out, at, LANES * v))

    return kernel


def _squares(height: int, columns: int) -> Any:
    @vector_kernel
    def kernel(
        emit: Emitter, w: Any, w_at: Any, count: Any, later: Any, x: Any, x_at: Any, step: Any, out: Any, out_at: Any
    ) -> None:
        builder = emit.builder
        pixels = [builder.add(x_at, builder.mul(step, ir.Constant(INT, c))) for c in range(columns)]
        slots = [[emit.variable(ZERO) for _ in range(height)] for _ in pixels]
        first = ir.Constant(INT, 0)
        # Below the diagonal of W there is nothing: one vector less every eight rows.
        for v in range(height):
            with cgutils.for_range(builder, count if v == 0 else later, intp=INT) as loop:
                band = builder.add(first, loop.index)
                at = builder.add(w_at, builder.mul(band, ir.Constant(INT, LANES * height)))
                left = [emit.load(emit.at(w, at, LANES * k)) for k in range(v, height)]
                numbers = [emit.load_spread(emit.at(x, pixel, band)) for pixel in pixels]
                _multiply(emit, left, numbers, [column[v:] for column in slots])
            first = builder.add(first, count if v == 0 else later)
        for c, column in enumerate(slots):
            place = emit.at(out, out_at, LANES * c)
            total = emit.load(place)
            for slot in column:
                white = builder.load(slot)
                total = emit.multiply_add(white, white, total)
            emit.store(total, place)

    return kernel


def _projections(height: int, columns: int) -> Any:
    @vector_kernel
    def kernel(
        emit: Emitter, w: Any, w_at: Any, w_step: Any, count: Any, x: Any, x_at: Any, step: Any, out: Any, out_at: Any,
        out_step: Any,
    ) -> None:  # fmt: skip
        builder, zero = emit.builder, ir.Constant(emit.vector, [0.0] * emit.lanes)
        pixels = [builder.add(x_at, builder.mul(step, ir.Constant(INT, c))) for c in range(columns)]
        slots = [[emit.variable(zero) for _ in range(height)] for _ in pixels]
        with cgutils.for_range(builder, count, intp=INT) as loop:
            at = builder.add(w_at, builder.mul(loop.index, w_step))
            left = [emit.load(emit.at(w, at, emit.lanes * v)) for v in range(height)]
            _multiply(emit, left, [emit.load_spread(emit.at(x, pixel, loop.index)) for pixel in pixels], slots)
        for c, column in enumerate(slots):
            place = builder.add(out_at, builder.mul(out_step, ir.Constant(INT, c)))
            for v, slot in enumerate(column):
                emit.store(builder.load(slot), emit.at(out, place, emit.lanes * v))

    return kernel


@vector_kernel
def add_lanes(emit: Emitter, vectors: Any, groups: Any, out: Any) -> None:
    """Write the sums of the lanes of vectors: ``out[v] = Σ_l vectors[8 v + l]`` for v < 8 · groups and l < 8.

    Parameters
    ----------
    vectors : (64 · groups,) ndarray of float64
    groups : int
    out : (8 · groups,) ndarray of float64
    """
    builder = emit.builder
    with cgutils.for_range(builder, groups, intp=INT) as loop:
        at = builder.mul(loop.index, ir.Constant(INT, LANES * LANES))
        group = [emit.load(emit.at(vectors, at, LANES * c)) for c in range(LANES)]
        emit.store(sum_lanes(emit, group), emit.at(out, builder.mul(loop.index, ir.Constant(INT, LANES))))


MICROTILES = tuple(Microtiles(height, COLUMNS) for height in range(1, HEIGHT + 1))
