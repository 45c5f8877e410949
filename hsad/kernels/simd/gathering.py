"""Vector kernels that pick a packed system, eight rows and columns at a time, from a Gram matrix."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from llvmlite import ir

from hsad.kernels.simd.microtiles import COLUMNS
from hsad.kernels.simd.vectors import DOUBLE, INT, LANES, VECTOR, ZERO, Emitter, cgutils, vector_kernel

__all__ = ["RUN", "center_columns", "gather_columns", "gather_rows", "join_columns", "project_columns"]

RUN = 5
"""Number of entries in `runs` for each eight atoms, see `_each_block`."""


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


def _column_starts(emit: Emitter, starts: Any, atoms: Any, column: Any) -> list[Any]:
    """Emit the reading of ``starts[atoms[column + c]]``."""
    load = emit.builder.load
    return [load(emit.at(starts, load(emit.at(atoms, column, c)))) for c in range(COLUMNS)]


def _picked(emit: Emitter, table: Any, columns: list[Any], atoms: Any, first: Any) -> Iterator[Any]:
    """Emit the reading of ``table[columns[c] + atoms[first + lane]]`` for each c."""
    builder = emit.builder
    rows = [builder.load(emit.at(atoms, first, lane)) for lane in range(LANES)]
    for column in columns:
        yield gather_vector(emit, table, [builder.add(column, row) for row in rows])


def _joined(emit: Emitter, table: Any, columns: list[Any], runs: Any, run: Any, count: int) -> Iterator[Any]:
    """Emit the same reading where the eight atoms are `count` runs, which ``runs[run ... run + 4]`` describe."""
    builder = emit.builder
    places = ir.VectorType(INT, LANES)
    lanes = ir.Constant(places, list(range(LANES)))
    inside = []
    for k in range(count - 1):
        end, bound = builder.load(emit.at(runs, run, 3 + k)), ir.Constant(places, ir.Undefined)
        for lane in range(LANES):
            bound = builder.insert_element(bound, end, ir.Constant(ir.IntType(32), lane))
        inside.append(builder.icmp_signed("<", lanes, bound))
    begins = [builder.load(emit.at(runs, run, k)) for k in range(count)]
    for column in columns:
        *others, values = [emit.load(emit.at(table, column, begin)) for begin in begins]
        for within, other in zip(reversed(inside), reversed(others), strict=True):
            values = builder.select(within, other, values)
        yield values


def _each_block(
    emit: Emitter,
    picking: tuple[Any, list[Any], Any],
    place: tuple[Any, Any],
    runs: tuple[Any, Any],
    write: Callable[[Any, Any, Iterator[Any]], None],
) -> None:
    """Emit ``write(k, row, columns)`` for the blocks k of eight rows of a panel, the first of which is `row`.

    `picking` holds the table, the starts of the columns, and the atoms; `place` the first row and the number of blocks;
    `runs` an array and an offset.

    A run is a sequence of atoms whose numbers follow each other. Five entries describe the runs of a block: for each of
    three runs the number that lane 0 would have if it were in that run, then the lanes in which the second and the
    third run begin (8 if there is none). If there are more than three runs, the last entry is 0.
    """
    builder = emit.builder
    table, columns, atoms = picking
    first, blocks = place
    eight, none = ir.Constant(INT, LANES), ir.Constant(INT, 0)
    with cgutils.for_range(builder, blocks, intp=INT) as loop:
        row = builder.add(first, builder.mul(loop.index, eight))
        run = builder.add(runs[1], builder.mul(loop.index, ir.Constant(INT, RUN)))
        second, third = (builder.load(emit.at(runs[0], run, k)) for k in (3, 4))

        def joined(count: int) -> None:
            write(loop.index, row, _joined(emit, table, columns, runs[0], run, count))

        with builder.if_else(builder.icmp_signed("==", second, eight)) as (one, more):
            with one:
                joined(1)
            with more, builder.if_else(builder.icmp_signed("==", third, eight)) as (two, other):
                with two:
                    joined(2)
                with other, builder.if_else(builder.icmp_signed("==", third, none)) as (many, three):
                    with many:
                        write(loop.index, row, _picked(emit, table, columns, atoms, row))
                    with three:
                        joined(3)


@vector_kernel
def gather_columns(
    emit: Emitter, table: Any, starts: Any, atoms: Any, column: Any, first: Any, out: Any, out_at: Any, out_step: Any
) -> None:
    """Pick eight rows of eight columns of a symmetric matrix, from the side of the columns.

    ``out[out_at + c * out_step + r] = table[starts[atoms[column + c]] + atoms[first + r]]`` for c and r < 8.

    Parameters
    ----------
    table : (numbers,) ndarray of float64
        A symmetric matrix: its entry (i, j), i ≤ j, is ``table[starts[i] + j]``.
    starts : (pixels,) ndarray of int64
    atoms : (atoms,) ndarray of int64
        Numbers of the rows and columns that are picked.
    column, first : int
        Places in `atoms` of the first column and of the first row.
    out : (numbers,) ndarray of float64
        Column by column.
    out_at, out_step : int
        Where the first column begins, and the distance of columns.
    """
    columns = _picked(emit, table, _column_starts(emit, starts, atoms, column), atoms, first)
    for c, values in enumerate(columns):
        emit.store(values, emit.at(out, out_at, emit.builder.mul(out_step, ir.Constant(INT, c))))


@vector_kernel
def join_columns(
    emit: Emitter,
    table: Any,
    starts: Any,
    atoms: Any,
    column: Any,
    first: Any,
    blocks: Any,
    runs: Any,
    run: Any,
    out: Any,
    out_at: Any,
    out_step: Any,
) -> None:
    """Pick blocks of eight rows of eight columns of a symmetric matrix, faster where the atoms are in runs.

    ``out[out_at + c * out_step + r] = table[starts[atoms[column + c]] + atoms[first + r]]`` for c < 8 and
    r < 8 · blocks.

    Parameters
    ----------
    table : (numbers,) ndarray of float64
        A symmetric matrix: its entry (i, j), i ≤ j, is ``table[starts[i] + j]``.
    starts : (pixels,) ndarray of int64
    atoms : (atoms,) ndarray of int64
        Numbers of the rows and columns that are picked.
    column, first : int
        Places in `atoms` of the first column and of the first row.
    blocks : int
        Number of blocks of eight rows.
    runs : (5 · blocks of all rows,) ndarray of int64
        For each eight atoms five numbers, see `_each_block`.
    run : int
        Where in `runs` the numbers of the first block begin.
    out : (numbers,) ndarray of float64
        Column by column.
    out_at, out_step : int
        Where the first column begins, and the distance of columns.
    """
    builder = emit.builder

    def write(block: Any, _: Any, columns: Iterator[Any]) -> None:
        at = builder.add(out_at, builder.mul(block, ir.Constant(INT, LANES)))
        for c, values in enumerate(columns):
            emit.store(values, emit.at(out, at, builder.mul(out_step, ir.Constant(INT, c))))

    picking = table, _column_starts(emit, starts, atoms, column), atoms
    _each_block(emit, picking, (first, blocks), (runs, run), write)


def _write_single(
    emit: Emitter,
    places: tuple[Any, Any, Any, Any],
    terms: tuple[Any, Any],
    out: tuple[Any, Any, Any],
    shape: tuple[Any, Any, Any],
    combine: Callable[[Any, Any, Any], Any],
) -> None:
    """Emit the picking of blocks of eight rows of eight columns, each vector combined with terms, rounded to single.

    ``combine(value, column term, row terms)`` is what is rounded. `places` holds the table, starts, atoms and the first
    column, `terms` the terms and the first row, `shape` the number of blocks and the runs with their offset.
    """
    builder = emit.builder
    table, starts, atoms, column = places
    values_of, first = terms
    single = ir.VectorType(ir.FloatType(), LANES)
    column_terms = [emit.load_spread(emit.at(values_of, column, c)) for c in range(COLUMNS)]

    def write(block: Any, row: Any, columns: Iterator[Any]) -> None:
        at = builder.add(out[1], builder.mul(block, ir.Constant(INT, LANES)))
        row_terms = emit.load(emit.at(values_of, row))
        for c, (values, term) in enumerate(zip(columns, column_terms, strict=True)):
            place = emit.at(out[0], at, builder.mul(out[2], ir.Constant(INT, c)))
            rounded = builder.fptrunc(combine(values, term, row_terms), single)
            builder.store(rounded, builder.bitcast(place, single.as_pointer()), align=4)

    picking = table, _column_starts(emit, starts, atoms, column), atoms
    _each_block(emit, picking, (first, shape[0]), (shape[1], shape[2]), write)


@vector_kernel
def project_columns(
    emit: Emitter,
    table: Any,
    starts: Any,
    atoms: Any,
    column: Any,
    first: Any,
    blocks: Any,
    runs: Any,
    run: Any,
    terms: Any,
    out: Any,
    out_at: Any,
    out_step: Any,
) -> None:
    """Pick blocks of eight rows of eight columns of ``table - terms termsᵀ``, rounded to single precision.

    ``out[out_at + c * out_step + r] = table[starts[atoms[column + c]] + atoms[first + r]]
    - terms[column + c] terms[first + r]`` for c < 8 and r < 8 · blocks.

    Parameters
    ----------
    table : (numbers,) ndarray of float64
        A symmetric matrix: its entry (i, j), i ≤ j, is ``table[starts[i] + j]``.
    starts : (pixels,) ndarray of int64
    atoms : (atoms,) ndarray of int64
        Numbers of the rows and columns that are picked.
    column, first : int
        Places in `atoms` of the first column and of the first row.
    blocks : int
        Number of blocks of eight rows.
    runs : (5 · blocks of all rows,) ndarray of int64
        For each eight atoms five numbers, see `_each_block`.
    run : int
        Where in `runs` the numbers of the first block begin.
    terms : (atoms,) ndarray of float64
    out : (numbers,) ndarray of float32
        Column by column.
    out_at, out_step : int
        Where the first column begins, and the distance of columns.
    """

    def combine(values: Any, column_term: Any, row_terms: Any) -> Any:
        return emit.multiply_subtract(column_term, row_terms, values)

    places = table, starts, atoms, column
    _write_single(emit, places, (terms, first), (out, out_at, out_step), (blocks, runs, run), combine)


@vector_kernel
def center_columns(
    emit: Emitter,
    table: Any,
    starts: Any,
    atoms: Any,
    column: Any,
    first: Any,
    blocks: Any,
    runs: Any,
    run: Any,
    terms: Any,
    out: Any,
    out_at: Any,
    out_step: Any,
) -> None:
    """Pick blocks of eight rows of eight columns of ``table + terms 1ᵀ + 1 termsᵀ``, rounded to single precision.

    ``out[out_at + c * out_step + r] = table[starts[atoms[column + c]] + atoms[first + r]]
    + terms[column + c] + terms[first + r]`` for c < 8 and r < 8 · blocks.

    The parameters are those of `project_columns`.
    """

    def combine(values: Any, column_term: Any, row_terms: Any) -> Any:
        return emit.builder.fadd(emit.builder.fadd(values, column_term), row_terms)

    places = table, starts, atoms, column
    _write_single(emit, places, (terms, first), (out, out_at, out_step), (blocks, runs, run), combine)


@vector_kernel
def gather_rows(
    emit: Emitter, table: Any, starts: Any, atoms: Any, column: Any, first: Any, out: Any, out_at: Any, out_step: Any
) -> None:
    """Pick eight rows of eight columns of a symmetric matrix, from the side of the rows.

    ``out[out_at + c * out_step + r] = table[starts[atoms[first + r]] + atoms[column + c]]`` for c and r < 8.

    Parameters
    ----------
    table : (numbers,) ndarray of float64
        A symmetric matrix: its entry (i, j), i ≤ j, is ``table[starts[i] + j]``.
    starts : (pixels,) ndarray of int64
    atoms : (atoms,) ndarray of int64
        Numbers of the rows and columns that are picked.
    column, first : int
        Places in `atoms` of the first column and of the first row.
    out : (numbers,) ndarray of float64
        Column by column.
    out_at, out_step : int
        Where the first column begins, and the distance of columns.
    """
    builder = emit.builder
    rows = [builder.load(emit.at(starts, builder.load(emit.at(atoms, first, lane)))) for lane in range(LANES)]
    for c in range(LANES):
        number = builder.load(emit.at(atoms, column, c))
        values = gather_vector(emit, table, [builder.add(row, number) for row in rows])
        emit.store(values, emit.at(out, out_at, builder.mul(out_step, ir.Constant(INT, c))))
