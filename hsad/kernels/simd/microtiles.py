"""Vector kernels on packed systems: factorization by microtiles, products with a vector, picking from a Gram matrix.

A microtile is the part of a matrix that vector registers hold.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from hsad.kernels.simd.vectors import DOUBLE, INT, LANES, VECTOR, ZERO, Emitter, cgutils, vector_kernel

__all__ = [
    "add_columns",
    "add_dots",
    "factor_microtile_1",
    "factor_microtile_2",
    "factor_microtile_3",
    "gather_columns",
    "gather_rows",
    "join_columns",
    "shift_columns",
    "solve_microtile_1",
    "solve_microtile_2",
    "solve_microtile_3",
    "update_microtile_1",
    "update_microtile_2",
    "update_microtile_3",
]


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
    for c in range(LANES):
        column = builder.add(a_at, builder.mul(rows_step, ir.Constant(INT, c)))
        slots.append([emit.variable(emit.load(emit.at(a, column, LANES * v))) for v in range(height)])
    with cgutils.for_range(builder, count, intp=INT) as loop:
        row = builder.add(rows_at, builder.mul(loop.index, rows_step))
        column = builder.add(columns_at, builder.mul(loop.index, columns_step))
        left = [emit.load(emit.at(left_array, row, LANES * v)) for v in range(height)]
        for c in range(LANES):
            right = builder.fneg(emit.load_spread(emit.at(right_array, column, c)))
            for v in range(height):
                builder.store(emit.multiply_add(left[v], right, builder.load(slots[c][v])), slots[c][v])
    return [[builder.load(slot) for slot in column] for column in slots]


def _eliminate(height: int, factor: bool) -> Any:
    """Make the kernel that turns one microtile of A into one microtile of its Cholesky factor L.

    The microtile has ``8·height`` rows and 8 columns. What was eliminated before (``count`` columns) is subtracted,
    then the microtile is multiplied by the inverse of the transposed diagonal block: a block that was factored before
    (``factor=False``) or the first eight rows of the microtile itself, factored here.
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
        values = subtract_products(
            emit, height, (a, a_at), (rows, rows_at, rows_step), (columns, columns_at, columns_step), count
        )
        done = builder.add(columns_at, builder.mul(count, columns_step))
        for c in range(LANES):
            if factor:
                pivot = emit.lane(values[c][0], c)
                usable = builder.fcmp_ordered(">", pivot, builder.load(emit.at(floor, block, c)))
                root = builder.call(builder.module.declare_intrinsic("llvm.sqrt", [DOUBLE]), [pivot])
                scale = builder.select(usable, builder.fdiv(ir.Constant(DOUBLE, 1.0), root), ir.Constant(DOUBLE, 0.0))
                builder.store(scale, emit.at(inverse, block, c))
            else:
                scale = builder.load(emit.at(inverse, block, c))
            scale = emit.spread(scale)
            values[c] = [builder.fmul(value, scale) for value in values[c]]
            for later in range(c + 1, LANES):
                if factor:
                    entry = emit.spread(emit.lane(values[c][0], later))
                else:
                    at = builder.add(done, builder.mul(columns_step, ir.Constant(INT, c)))
                    entry = emit.load_spread(emit.at(columns, at, later))
                values[later] = [
                    emit.multiply_subtract(value, entry, below)
                    for value, below in zip(values[c], values[later], strict=True)
                ]
        out = builder.add(rows_at, builder.mul(count, rows_step))
        for c in range(LANES):
            column = builder.add(out, builder.mul(rows_step, ir.Constant(INT, c)))
            for v in range(height):
                emit.store(values[c][v], emit.at(rows, column, LANES * v))

    return kernel


factor_microtile_1, factor_microtile_2, factor_microtile_3 = (_eliminate(height, factor=True) for height in (1, 2, 3))
solve_microtile_1, solve_microtile_2, solve_microtile_3 = (_eliminate(height, factor=False) for height in (1, 2, 3))


def _update(height: int) -> Any:
    """Make the kernel that subtracts from one microtile of A the products of `count` columns that were eliminated."""

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
        for c in range(LANES):
            column = emit.builder.add(out_at, emit.builder.mul(out_step, ir.Constant(INT, c)))
            for v in range(height):
                emit.store(values[c][v], emit.at(out, column, LANES * v))

    return kernel


update_microtile_1, update_microtile_2, update_microtile_3 = (_update(height) for height in (1, 2, 3))


@vector_kernel
def add_dots(emit: Emitter, a: Any, a_at: Any, step: Any, x: Any, x_at: Any, vectors: Any, sums: Any) -> None:
    """Add to the eight vectors `sums` the products, vector by vector, of eight columns of `a` with `x`."""
    builder = emit.builder
    slots = [emit.variable(emit.load(emit.at(sums, LANES * c))) for c in range(LANES)]
    with cgutils.for_range(builder, vectors, intp=INT) as loop:
        shift = builder.mul(loop.index, ir.Constant(INT, LANES))
        factor = emit.load(emit.at(x, x_at, shift))
        for c in range(LANES):
            at = builder.add(a_at, builder.mul(step, ir.Constant(INT, c)))
            product = emit.multiply_add(emit.load(emit.at(a, at, shift)), factor, builder.load(slots[c]))
            builder.store(product, slots[c])
    for c in range(LANES):
        emit.store(builder.load(slots[c]), emit.at(sums, LANES * c))


@vector_kernel
def add_columns(emit: Emitter, a: Any, a_at: Any, step: Any, columns: Any, x: Any, out: Any, out_at: Any) -> None:
    """Add ``Σ a[a_at + c * step] x[c]`` over the first columns to the vector ``out[out_at]``."""
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
    """Add ``column_terms[c] + row_terms[row_at]`` to the vectors ``a[a_at + c * step]``."""
    builder = emit.builder
    rows = emit.load(emit.at(row_terms, row_at))
    with cgutils.for_range(builder, columns, intp=INT) as loop:
        at = emit.at(a, a_at, builder.mul(loop.index, step))
        term = builder.fadd(emit.load_spread(emit.at(column_terms, loop.index)), rows)
        emit.store(builder.fadd(emit.load(at), term), at)


def gather_vector(emit: Emitter, table: Any, places: list[Any]) -> Any:
    """Emit the reading of ``table[places[lane]]``."""
    builder = emit.builder
    pointers = ir.VectorType(DOUBLE.as_pointer(), LANES)
    mask = ir.VectorType(ir.IntType(1), LANES)
    kind = ir.FunctionType(VECTOR, [pointers, ir.IntType(32), mask, VECTOR])
    gather = cgutils.get_or_insert_function(builder.module, kind, f"llvm.masked.gather.v{LANES}f64.v{LANES}p0")
    addresses = ir.Constant(pointers, ir.Undefined)
    for lane, place in enumerate(places):
        addresses = builder.insert_element(addresses, emit.at(table, place), ir.Constant(ir.IntType(32), lane))
    return builder.call(gather, [addresses, ir.Constant(ir.IntType(32), 8), ir.Constant(mask, [1] * LANES), ZERO])


@vector_kernel
def gather_columns(
    emit: Emitter, table: Any, starts: Any, atoms: Any, column: Any, first: Any, out: Any, out_at: Any, out_step: Any
) -> None:
    """Copy ``table[starts[atoms[column + c]] + atoms[first + lane]]`` to ``out[out_at + c * out_step]``, c < 8."""
    builder = emit.builder
    rows = [builder.load(emit.at(atoms, first, lane)) for lane in range(LANES)]
    for c in range(LANES):
        start = builder.load(emit.at(starts, builder.load(emit.at(atoms, column, c))))
        values = gather_vector(emit, table, [builder.add(start, row) for row in rows])
        emit.store(values, emit.at(out, out_at, builder.mul(out_step, ir.Constant(INT, c))))


@vector_kernel
def gather_rows(
    emit: Emitter, table: Any, starts: Any, atoms: Any, column: Any, first: Any, out: Any, out_at: Any, out_step: Any
) -> None:
    """Do as `gather_columns` from the other side: ``table[starts[atoms[first + lane]] + atoms[column + c]]``."""
    builder = emit.builder
    rows = [builder.load(emit.at(starts, builder.load(emit.at(atoms, first, lane)))) for lane in range(LANES)]
    for c in range(LANES):
        number = builder.load(emit.at(atoms, column, c))
        values = gather_vector(emit, table, [builder.add(row, number) for row in rows])
        emit.store(values, emit.at(out, out_at, builder.mul(out_step, ir.Constant(INT, c))))


@vector_kernel
def join_columns(
    emit: Emitter,
    table: Any,
    starts: Any,
    atoms: Any,
    column: Any,
    low: Any,
    high: Any,
    split: Any,
    out: Any,
    out_at: Any,
    out_step: Any,
) -> None:
    """Do as `gather_columns` where the eight are two runs: ``low + lane`` below `split`, ``high + lane`` from it."""
    builder = emit.builder
    places = ir.VectorType(INT, LANES)
    bound = ir.Constant(places, ir.Undefined)
    for lane in range(LANES):
        bound = builder.insert_element(bound, split, ir.Constant(ir.IntType(32), lane))
    below = builder.icmp_signed("<", ir.Constant(places, list(range(LANES))), bound)
    for c in range(LANES):
        row = builder.load(emit.at(starts, builder.load(emit.at(atoms, column, c))))
        first, second = (emit.load(emit.at(table, row, start)) for start in (low, high))
        emit.store(
            builder.select(below, first, second), emit.at(out, out_at, builder.mul(out_step, ir.Constant(INT, c)))
        )
