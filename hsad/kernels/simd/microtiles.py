"""Vector kernels on packed systems: factorization by microtiles, products with a vector.

A microtile is the part of a matrix that vector registers hold: one to three vectors of rows, eight columns.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from hsad.kernels.simd.vectors import INT, Emitter, cgutils, vector_kernel

__all__ = [
    "COLUMNS",
    "add_columns",
    "add_dots",
    "factor_half_1",
    "factor_half_2",
    "factor_half_3",
    "factor_microtile_1",
    "factor_microtile_2",
    "factor_microtile_3",
    "shift_columns",
    "solve_microtile_1",
    "solve_microtile_2",
    "solve_microtile_3",
    "update_microtile_1",
    "update_microtile_2",
    "update_microtile_3",
]

COLUMNS = 8
"""Columns of a microtile."""


def subtract_products(
    emit: Emitter,
    height: int,
    microtile: tuple[Any, Any],
    rows: tuple[Any, Any, Any],
    columns: tuple[Any, Any, Any],
    count: Any,
) -> list[list[Any]]:
    """Emit ``microtile - Σ rows[k] columns[k]`` over `count` columns k; return its eight columns of `height` vectors.

    The microtile is an array and an offset, in steps of the rows; the operands are arrays, offsets and steps.
    """
    builder = emit.builder
    a, a_at = microtile
    left_array, rows_at, rows_step = rows
    right_array, columns_at, columns_step = columns
    slots = []
    for c in range(COLUMNS):
        column = builder.add(a_at, builder.mul(rows_step, ir.Constant(INT, c)))
        slots.append([emit.variable(emit.load(emit.at(a, column, emit.lanes * v))) for v in range(height)])
    with cgutils.for_range(builder, count, intp=INT) as loop:
        row = builder.add(rows_at, builder.mul(loop.index, rows_step))
        column = builder.add(columns_at, builder.mul(loop.index, columns_step))
        left = [emit.load(emit.at(left_array, row, emit.lanes * v)) for v in range(height)]
        for c in range(COLUMNS):
            right = builder.fneg(emit.load_spread(emit.at(right_array, column, c)))
            for v in range(height):
                builder.store(emit.multiply_add(left[v], right, builder.load(slots[c][v])), slots[c][v])
    return [[builder.load(slot) for slot in column] for column in slots]


def _eliminate(height: int, factor: bool, half: bool = False) -> Any:
    """Make the kernel that turns one microtile of A into one microtile of its Cholesky factor L.

    The microtile has `height` vectors of rows and 8 columns. The products of the `count` columns that were eliminated
    before are subtracted. Then the microtile is multiplied by the inverse of the transposed diagonal block. Without
    `factor` that block was factored before. With `factor` it is the first eight rows of the microtile itself, which are
    factored on the way. With `half`, for vectors of sixteen, it is the rows 8 ... 15; the rows above it are above the
    diagonal of A and become zero.

    Parameters of the kernel
    ------------------------
    a : (numbers,) ndarray of float64 or float32
        The packed matrix; column c of the microtile begins at ``a_at + c * rows_step``.
    a_at : int
    rows : (numbers,) ndarray like `a`
        The packed factor: column k of the rows of the microtile begins at ``rows_at + k * rows_step``. Columns
        ``count ... count + 7`` are written.
    rows_at, rows_step : int
    columns : (numbers,) ndarray like `a`
        The packed factor: column k of the eight rows of the diagonal block begins at ``columns_at + k * columns_step``.
    columns_at, columns_step, count : int
    inverse, floor : (order,) ndarray like `a`
        The inverse of the diagonal of L, written with `factor` and read without; the pivots at or below `floor` get the
        inverse 0.
    block : int
        Where in `inverse` and `floor` the eight columns begin.
    """

    @vector_kernel
    def kernel(
        emit: Emitter,
        a: Any,
        a_at: Any,
        rows: Any,
        rows_at: Any,
        rows_step: Any,
        columns: Any,
        columns_at: Any,
        columns_step: Any,
        count: Any,
        inverse: Any,
        floor: Any,
        block: Any,
    ) -> None:
        builder = emit.builder
        if half and emit.lanes == COLUMNS:
            return  # no vector holds two blocks of rows
        values = subtract_products(
            emit, height, (a, a_at), (rows, rows_at, rows_step), (columns, columns_at, columns_step), count
        )
        above = COLUMNS if half else 0
        done = builder.add(columns_at, builder.mul(count, columns_step))
        for c in range(COLUMNS):
            if factor:
                pivot = emit.lane(values[c][0], above + c)
                usable = builder.fcmp_ordered(">", pivot, builder.load(emit.at(floor, block, c)))
                root = builder.call(builder.module.declare_intrinsic("llvm.sqrt", [emit.number]), [pivot])
                scale = builder.select(
                    usable, builder.fdiv(ir.Constant(emit.number, 1.0), root), ir.Constant(emit.number, 0.0)
                )
                builder.store(scale, emit.at(inverse, block, c))
            else:
                scale = builder.load(emit.at(inverse, block, c))
            scale = emit.spread(scale)
            values[c] = [builder.fmul(value, scale) for value in values[c]]
            for later in range(c + 1, COLUMNS):
                if factor:
                    entry = emit.spread(emit.lane(values[c][0], above + later))
                else:
                    at = builder.add(done, builder.mul(columns_step, ir.Constant(INT, c)))
                    entry = emit.load_spread(emit.at(columns, at, later))
                values[later] = [
                    emit.multiply_subtract(value, entry, below)
                    for value, below in zip(values[c], values[later], strict=True)
                ]
        out = builder.add(rows_at, builder.mul(count, rows_step))
        for c in range(COLUMNS):
            if half:
                places = [lane if lane >= above else emit.lanes for lane in range(emit.lanes)]
                choice = ir.Constant(ir.VectorType(ir.IntType(32), emit.lanes), places)
                nothing = ir.Constant(emit.vector, [0.0] * emit.lanes)
                values[c][0] = builder.shuffle_vector(values[c][0], nothing, choice)
            column = builder.add(out, builder.mul(rows_step, ir.Constant(INT, c)))
            for v in range(height):
                emit.store(values[c][v], emit.at(rows, column, emit.lanes * v))

    return kernel


factor_microtile_1, factor_microtile_2, factor_microtile_3 = (_eliminate(height, factor=True) for height in (1, 2, 3))
factor_half_1, factor_half_2, factor_half_3 = (_eliminate(height, factor=True, half=True) for height in (1, 2, 3))
solve_microtile_1, solve_microtile_2, solve_microtile_3 = (_eliminate(height, factor=False) for height in (1, 2, 3))


def _update(height: int) -> Any:
    """Make the kernel that subtracts from one microtile of A the products of `count` columns that were eliminated.

    ``out[out_at + c * out_step + r] = a[a_at + c * rows_step + r] - Σ_k rows[rows_at + k * rows_step + r]
    columns[columns_at + k * columns_step + c]`` for c < 8, r < 8 · height and k < count (16 · height in float32).

    Parameters of the kernel
    ------------------------
    a, rows, columns, out : (numbers,) ndarray of float64 or float32
        All of one type; see `_eliminate`.
    a_at, rows_at, rows_step, columns_at, columns_step, count, out_at, out_step : int
    """

    @vector_kernel
    def kernel(
        emit: Emitter,
        a: Any,
        a_at: Any,
        rows: Any,
        rows_at: Any,
        rows_step: Any,
        columns: Any,
        columns_at: Any,
        columns_step: Any,
        count: Any,
        out: Any,
        out_at: Any,
        out_step: Any,
    ) -> None:
        values = subtract_products(
            emit, height, (a, a_at), (rows, rows_at, rows_step), (columns, columns_at, columns_step), count
        )
        for c in range(COLUMNS):
            column = emit.builder.add(out_at, emit.builder.mul(out_step, ir.Constant(INT, c)))
            for v in range(height):
                emit.store(values[c][v], emit.at(out, column, emit.lanes * v))

    return kernel


update_microtile_1, update_microtile_2, update_microtile_3 = (_update(height) for height in (1, 2, 3))


@vector_kernel
def add_dots(emit: Emitter, a: Any, a_at: Any, step: Any, x: Any, x_at: Any, vectors: Any, sums: Any) -> None:
    """Add the products of eight columns with x, lane by lane, to eight vectors.

    ``sums[n c + l] += Σ_v a[a_at + c * step + n v + l] x[x_at + n v + l]`` for c < 8, v < vectors and the lanes l < n;
    n is 8 in float64 and 16 in float32.

    Parameters
    ----------
    a : (numbers,) ndarray of float64 or float32
    a_at, step : int
    x : (numbers,) ndarray like `a`
    x_at, vectors : int
    sums : (8 n,) ndarray like `a`
    """
    builder = emit.builder
    slots = [emit.variable(emit.load(emit.at(sums, emit.lanes * c))) for c in range(COLUMNS)]
    with cgutils.for_range(builder, vectors, intp=INT) as loop:
        shift = builder.mul(loop.index, ir.Constant(INT, emit.lanes))
        factor = emit.load(emit.at(x, x_at, shift))
        for c in range(COLUMNS):
            at = builder.add(a_at, builder.mul(step, ir.Constant(INT, c)))
            product = emit.multiply_add(emit.load(emit.at(a, at, shift)), factor, builder.load(slots[c]))
            builder.store(product, slots[c])
    for c in range(COLUMNS):
        emit.store(builder.load(slots[c]), emit.at(sums, emit.lanes * c))


@vector_kernel
def add_columns(emit: Emitter, a: Any, a_at: Any, step: Any, columns: Any, x: Any, out: Any, out_at: Any) -> None:
    """Add the first columns of a matrix, times numbers, to a vector.

    ``out[out_at + l] += Σ_c a[a_at + c * step + l] x[c]`` for c < columns and the lanes l < 8 (16 in float32).

    Parameters
    ----------
    a : (numbers,) ndarray of float64 or float32
    a_at, step, columns : int
    x : (columns,) ndarray like `a`
    out : (numbers,) ndarray like `a`
    out_at : int
    """
    builder = emit.builder
    total = emit.variable(emit.load(emit.at(out, out_at)))
    with cgutils.for_range(builder, columns, intp=INT) as loop:
        column = emit.load(emit.at(a, a_at, builder.mul(loop.index, step)))
        weight = emit.load_spread(emit.at(x, loop.index))
        builder.store(emit.multiply_add(column, weight, builder.load(total)), total)
    emit.store(builder.load(total), emit.at(out, out_at))


@vector_kernel
def shift_columns(
    emit: Emitter, a: Any, a_at: Any, step: Any, columns: Any, column_terms: Any, row_terms: Any, row_at: Any
) -> None:
    """Add a term of the column and a term of the row to eight rows of a matrix.

    ``a[a_at + c * step + l] += column_terms[c] + row_terms[row_at + l]`` for c < columns and the lanes l < 8.

    Parameters
    ----------
    a : (numbers,) ndarray of float64
    a_at, step, columns : int
    column_terms : (columns,) ndarray of float64
    row_terms : (rows,) ndarray of float64
    row_at : int
    """
    builder = emit.builder
    rows = emit.load(emit.at(row_terms, row_at))
    with cgutils.for_range(builder, columns, intp=INT) as loop:
        at = emit.at(a, a_at, builder.mul(loop.index, step))
        term = builder.fadd(emit.load_spread(emit.at(column_terms, loop.index)), rows)
        emit.store(builder.fadd(emit.load(at), term), at)
