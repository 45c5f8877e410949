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
    """Add to `out` what a diagonal tile and the `below` tiles under it contribute, on both sides of the diagonal.

    The diagonal tile begins at ``tiles[at]``, and is that of the unknowns ``column ... column + 7``.
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
