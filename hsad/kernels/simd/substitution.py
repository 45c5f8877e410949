"""Vector kernels that solve with a packed Cholesky factor in single precision."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from hsad.kernels.simd.microtiles import COLUMNS
from hsad.kernels.simd.slide_microtiles import sum_lanes
from hsad.kernels.simd.vectors import INT, Emitter, cgutils, vector_kernel

__all__ = [
    "forward_panel_1",
    "forward_panel_2",
    "forward_panel_3",
    "forward_two_1",
    "forward_two_2",
    "forward_two_3",
    "sum_dots",
]


def _forward(height: int, sides: int) -> Any:
    """Make the kernel that solves L x = x for the unknowns of one panel of `height` vectors; those before are known.

    With n = 16 · height rows in the panel and each of `sides` right-hand sides s, which begins at p = first + s · step:
    ``x[p + r] = (x[p + r] - Σ_k L[r, k] x[s · step + k]) inverse[first + r]`` for r < n, over k < first + r, where
    ``L[r, k] = lower[at + k * n + r]``.

    Parameters of the kernel
    ------------------------
    lower : (numbers,) ndarray of float32
        The packed factor.
    at : int
        Where the panel begins.
    inverse : (order,) ndarray of float32
    x : (numbers,) ndarray of float32
    first, step : int
        Number of the first unknown of the panel, and the distance of the right-hand sides in x.
    """

    @vector_kernel
    def kernel(emit: Emitter, lower: Any, at: Any, inverse: Any, x: Any, first: Any, step: Any) -> None:
        builder = emit.builder
        rows, column_step = range(height), ir.Constant(INT, height * emit.lanes)
        begins = [builder.mul(step, ir.Constant(INT, side)) for side in range(sides)]
        slots = [[emit.variable(emit.load(emit.at(x, begin, first, emit.lanes * v))) for v in rows] for begin in begins]
        with cgutils.for_range(builder, first, intp=INT) as loop:
            column = builder.add(at, builder.mul(loop.index, column_step))
            entries = [emit.load(emit.at(lower, column, emit.lanes * v)) for v in rows]
            for begin, own in zip(begins, slots, strict=True):
                known = emit.load_spread(emit.at(x, begin, loop.index))
                for entry, slot in zip(entries, own, strict=True):
                    builder.store(emit.multiply_subtract(entry, known, builder.load(slot)), slot)
        rests = [[builder.load(slot) for slot in own] for own in slots]
        at = builder.add(at, builder.mul(first, column_step))
        for block in rows:
            for lane in range(emit.lanes):
                c = block * emit.lanes + lane
                scale = builder.load(emit.at(inverse, first, c))
                entries = [emit.load(emit.at(lower, at, (c * height + v) * emit.lanes)) for v in range(block, height)]
                for begin, rest in zip(begins, rests, strict=True):
                    solved = builder.fmul(emit.lane(rest[block], lane), scale)
                    builder.store(solved, emit.at(x, begin, first, c))
                    factor = emit.spread(solved)
                    for v, entry in enumerate(entries, block):
                        rest[v] = emit.multiply_subtract(entry, factor, rest[v])

    return kernel


forward_panel_1, forward_panel_2, forward_panel_3 = (_forward(height, 1) for height in (1, 2, 3))
forward_two_1, forward_two_2, forward_two_3 = (_forward(height, 2) for height in (1, 2, 3))


@vector_kernel
def sum_dots(emit: Emitter, sums: Any) -> None:
    """Write the sums of eight vectors of sixteen numbers, which `add_dots` left, in place of the first eight numbers.

    ``sums[c] = Σ_l sums[16 c + l]`` for c < 8, over the lanes l < 16.

    Parameters
    ----------
    sums : (128,) ndarray of float32
    """
    builder = emit.builder
    halves = []
    for c in range(COLUMNS):
        vector = emit.load(emit.at(sums, emit.lanes * c))
        low, high = (
            builder.shuffle_vector(
                vector, vector, ir.Constant(ir.VectorType(ir.IntType(32), COLUMNS), list(range(start, start + COLUMNS)))
            )
            for start in (0, COLUMNS)
        )
        halves.append(builder.fadd(low, high))
    total = sum_lanes(emit, halves)
    builder.store(total, builder.bitcast(emit.at(sums, 0), total.type.as_pointer()), align=4)
