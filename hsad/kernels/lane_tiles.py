"""Vector kernels on eight systems side by side: sums of products of bands, and tiles of their factorization."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from hsad.kernels.vectors import INT, LANES, VECTOR, ZERO, Emitter, cgutils, vector_kernel

__all__ = [
    "TILE",
    "add_plain",
    "add_weighted",
    "copy_atoms",
    "lane_distances",
    "lane_factor",
    "lane_solve",
    "lane_solve_row",
    "subtract_column",
    "subtract_plain",
]

TILE = 4
"""Side of a tile."""

_LOST_PIVOT = 1e-15
"""A pivot below this share of its diagonal is rounding."""


def _lane_products(mode: str) -> Any:
    """Make the kernel that adds (or takes away) products of pairs of bands, for eight pixels at once.

    The eight lanes are eight pixels. For four bands from `i` and four from `j`, and every atom k:
    ``m[i, j] += w_k x_k[i] x_k[j]``, where ``x_k[b]`` is the vector at ``x[x_at + b * band_step + offsets[k]]``.
    """

    @vector_kernel
    def kernel(
        emit: Emitter,
        x: Any,
        x_at: Any,
        band_step: Any,
        i: Any,
        j: Any,
        offsets: Any,
        count: Any,
        weights: Any,
        m: Any,
        m_step: Any,
    ) -> None:
        builder = emit.builder
        size = range(TILE)

        def bands(first: Any) -> list[Any]:
            return [builder.add(x_at, builder.mul(band_step, builder.add(first, ir.Constant(INT, b)))) for b in size]

        def place(row: int, column: int) -> Any:
            line = builder.mul(builder.add(i, ir.Constant(INT, row)), m_step)
            along = builder.mul(builder.add(j, ir.Constant(INT, column)), ir.Constant(INT, LANES))
            return emit.at(m, line, along)

        rows, columns = bands(i), bands(j)
        tile = [[emit.variable(emit.load(place(r, c))) for c in size] for r in size]
        with cgutils.for_range(builder, count, intp=INT) as loop:
            offset = builder.load(emit.at(offsets, loop.index))
            left = [emit.load(emit.at(x, band, offset)) for band in rows]
            if mode == "weighted":
                weight = emit.load(emit.at(weights, builder.mul(loop.index, ir.Constant(INT, LANES))))
                left = [builder.fmul(value, weight) for value in left]
            elif mode == "subtract":
                left = [builder.fneg(value) for value in left]
            for c in size:
                right = emit.load(emit.at(x, columns[c], offset))
                for r in size:
                    builder.store(emit.multiply_add(left[r], right, builder.load(tile[r][c])), tile[r][c])
        for r in size:
            for c in size:
                emit.store(builder.load(tile[r][c]), place(r, c))

    return kernel


add_weighted, add_plain, subtract_plain = (_lane_products(mode) for mode in ("weighted", "add", "subtract"))


def _lane_eliminate(height: int, factor: bool) -> Any:  # noqa: C901  the unrolled loops of one algorithm
    """Make the kernel that turns one tile (``height`` × 4) of eight matrices A into their Cholesky factors L.

    As `_eliminate`, with eight systems side by side. ``ridge[j]`` is added to the diagonal; in place of its
    diagonal, L gets the inverse, 0 where a pivot was lost; `share` the least pivot as a share of its diagonal.
    """

    @vector_kernel
    def kernel(emit: Emitter, a: Any, lower: Any, step: Any, i: Any, j: Any, ridge: Any, share: Any) -> None:  # noqa: C901  likewise
        builder = emit.builder
        size = range(TILE)
        eight = ir.Constant(INT, LANES)

        def place(base: Any, first: Any, row: int, column: Any) -> Any:
            line = builder.mul(builder.add(first, ir.Constant(INT, row)), step)
            return emit.at(base, line, builder.mul(column, eight))

        across = [builder.add(j, ir.Constant(INT, c)) for c in size]
        values = [[emit.load(place(a, i, r, across[c])) for c in size] for r in range(height)]
        if factor:
            for c in size:
                more = emit.load(emit.at(ridge, builder.mul(across[c], eight)))
                values[c][c] = builder.fadd(values[c][c], more)
        whole = [values[c][c] for c in size] if factor else []
        tile = [[emit.variable(value) for value in row] for row in values]
        with cgutils.for_range(builder, j, intp=INT) as loop:
            left = [builder.fneg(emit.load(place(lower, i, r, loop.index))) for r in range(height)]
            for c in size:
                right = emit.load(place(lower, j, c, loop.index))
                for r in range(height):
                    builder.store(emit.multiply_add(left[r], right, builder.load(tile[r][c])), tile[r][c])
        values = [[builder.load(slot) for slot in row] for row in tile]
        if factor:
            least = emit.load(share)
        for c in size:
            if factor:
                pivot = values[c][c]
                part = builder.fdiv(pivot, whole[c])
                least = builder.select(builder.fcmp_ordered("<", part, least), part, least)
                usable = builder.fcmp_ordered(">", part, ir.Constant(VECTOR, [_LOST_PIVOT] * LANES))
                kind = ir.FunctionType(VECTOR, [VECTOR])
                sqrt = cgutils.get_or_insert_function(builder.module, kind, f"llvm.sqrt.v{LANES}f64")
                inverse = builder.fdiv(ir.Constant(VECTOR, [1.0] * LANES), builder.call(sqrt, [pivot]))
                scale = builder.select(usable, inverse, ZERO)
            else:
                scale = emit.load(place(lower, j, c, across[c]))
            for r in range(c + 1 if factor else 0, height):
                values[r][c] = builder.fmul(values[r][c], scale)
            if factor:
                values[c][c] = scale
            for later in range(c + 1, TILE):
                entry = values[later][c] if factor else emit.load(place(lower, j, later, across[c]))
                for r in range(later if factor else 0, height):
                    values[r][later] = emit.multiply_subtract(values[r][c], entry, values[r][later])
        for r in range(height):
            for c in range(r + 1 if factor else TILE):
                emit.store(values[r][c], place(lower, i, r, across[c]))
        if factor:
            emit.store(least, share)

    return kernel


lane_factor = _lane_eliminate(TILE, factor=True)
lane_solve = _lane_eliminate(TILE, factor=False)
lane_solve_row = _lane_eliminate(1, factor=False)


@vector_kernel
def subtract_column(emit: Emitter, m: Any, m_at: Any, step: Any, x: Any, x_at: Any, count: Any, out_at: Any) -> None:
    """Take ``Σ m[m_at + k * step] * x[x_at + 8 k]`` away from the vector ``x[out_at]``."""
    builder = emit.builder
    total = emit.variable(emit.load(emit.at(x, out_at)))
    with cgutils.for_range(builder, count, intp=INT) as loop:
        left = emit.load(emit.at(m, m_at, builder.mul(loop.index, step)))
        right = emit.load(emit.at(x, x_at, builder.mul(loop.index, ir.Constant(INT, LANES))))
        builder.store(emit.multiply_subtract(left, right, builder.load(total)), total)
    emit.store(builder.load(total), emit.at(x, out_at))


@vector_kernel
def lane_distances(
    emit: Emitter, x: Any, x_at: Any, band_step: Any, offsets: Any, k: Any, y: Any, first: Any, stop: Any, out: Any
) -> None:
    """Write the squared distances of eight pixels to their atoms ``k ... k + 3``, over bands ``first ... stop - 1``."""
    builder = emit.builder
    eight = ir.Constant(INT, LANES)
    totals = [emit.variable(ZERO) for _ in range(TILE)]
    atoms = [builder.add(x_at, builder.load(emit.at(offsets, k, a))) for a in range(TILE)]
    with cgutils.for_range(builder, builder.sub(stop, first), intp=INT) as loop:
        band = builder.add(first, loop.index)
        own = emit.load(emit.at(y, builder.mul(band, eight)))
        shift = builder.mul(band, band_step)
        for atom, total in zip(atoms, totals, strict=True):
            difference = builder.fsub(own, emit.load(emit.at(x, atom, shift)))
            builder.store(emit.multiply_add(difference, difference, builder.load(total)), total)
    for a, total in enumerate(totals):
        emit.store(builder.load(total), emit.at(out, builder.mul(k, eight), LANES * a))


@vector_kernel
def copy_atoms(emit: Emitter, x: Any, x_at: Any, offsets: Any, first: Any, count: Any, out: Any, out_at: Any) -> None:
    """Copy the vectors at ``x[x_at + offsets[first + k]]`` to ``out[out_at + 8 k]``, k below `count`."""
    builder = emit.builder
    with cgutils.for_range(builder, count, intp=INT) as loop:
        offset = builder.load(emit.at(offsets, first, loop.index))
        value = emit.load(emit.at(x, x_at, offset))
        emit.store(value, emit.at(out, out_at, builder.mul(loop.index, ir.Constant(INT, LANES))))
