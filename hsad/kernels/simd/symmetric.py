"""Vector kernels for the product of a symmetric matrix with a vector, half of it stored and read once.

The lower triangle is cut into tiles of 8 × 8, those of eight columns one below the other; a tile holds its columns
one after the other, a diagonal one all of its entries.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from hsad.kernels.simd.slide_microtiles import sum_lanes
from hsad.kernels.simd.vectors import INT, LANES, ZERO, Emitter, cgutils, vector_kernel

__all__ = ["TILE", "multiply_tiles"]

TILE = LANES * LANES
"""Numbers of a tile."""


@vector_kernel
def multiply_tiles(emit: Emitter, tiles: Any, at: Any, below: Any, x: Any, column: Any, out: Any) -> None:
    """Add the part of eight columns, and of the same rows, of a symmetric matrix A to the product A x.

    The diagonal tile D of these columns and the `below` tiles B under it follow each other. With the unknowns `here`
    from `column` on and `under` after them: ``out[here] += D x[here] + Bᵀ x[under]`` and ``out[under] += B x[here]``.

    Parameters
    ----------
    tiles : (numbers,) ndarray of float64
        Entry (r, c) of a tile is the number ``8 c + r`` of its 64.
    at, below : int
        Where the diagonal tile begins, and the number of tiles under it.
    x : (order,) ndarray of float64
    column : int
    out : (order,) ndarray of float64
    """
    builder = emit.builder
    factors = [emit.load_spread(emit.at(x, column, c)) for c in range(LANES)]
    here = emit.at(out, column)
    total = emit.load(here)
    for c, factor in enumerate(factors):
        total = emit.multiply_add(emit.load(emit.at(tiles, at, LANES * c)), factor, total)
    dots = [emit.variable(ZERO) for _ in range(LANES)]
    with cgutils.for_range(builder, below, intp=INT) as loop:
        step = builder.add(loop.index, ir.Constant(INT, 1))
        tile = builder.add(at, builder.mul(step, ir.Constant(INT, TILE)))
        row = builder.add(column, builder.mul(step, ir.Constant(INT, LANES)))
        own = emit.load(emit.at(x, row))
        place = emit.at(out, row)
        # Two chains: one would wait for itself.
        sums = [emit.load(place), ZERO]
        for c, factor in enumerate(factors):
            entries = emit.load(emit.at(tiles, tile, LANES * c))
            sums[c % 2] = emit.multiply_add(entries, factor, sums[c % 2])
            builder.store(emit.multiply_add(entries, own, builder.load(dots[c])), dots[c])
        emit.store(builder.fadd(*sums), place)
    emit.store(builder.fadd(total, sum_lanes(emit, [builder.load(dot) for dot in dots])), here)
