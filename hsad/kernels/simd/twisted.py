"""A vector kernel for eigenvectors of a tridiagonal matrix: the twisted factorization at sixteen points at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir

from hsad.kernels.simd.vectors import DOUBLE, INT, LANES, VECTOR, ZERO, Emitter, cgutils, vector_kernel

__all__ = ["TWISTED", "twist"]

_GROUPS = 2
TWISTED = _GROUPS * LANES
"""Points at a time: one vector of them would wait for its divisions."""

_ONE = ir.Constant(VECTOR, [1.0] * LANES)
"""One in each lane."""


class _Rows:
    """Rows of `TWISTED` numbers in an array, read and written by groups of lanes."""

    def __init__(self, emit: Emitter, array: Any, start: Any, step: Any) -> None:
        self._emit, self._array, self._start, self._step = emit, array, start, step

    def at(self, row: Any, group: int) -> Any:
        builder = self._emit.builder
        start = builder.add(self._start, builder.mul(row, self._step))
        return self._emit.at(self._array, start, LANES * group)


@contextmanager
def _rows_of(emit: Emitter, size: Any, *, upwards: bool) -> Iterator[Any]:
    """Repeat what is emitted inside for each row, from the last to the first if not `upwards`."""
    last = emit.builder.sub(size, ir.Constant(INT, 1))
    with cgutils.for_range(emit.builder, size, intp=INT) as loop:
        yield loop.index if upwards else emit.builder.sub(last, loop.index)


def _pivots(
    emit: Emitter, diagonal: Any, squares: Any, points: list[Any], row: Any, inverses: list[Any], shift: int
) -> list[tuple[Any, Any]]:
    """Return shifted diagonals and pivots of a row, and put the inverses of these where the next row finds them."""
    builder = emit.builder
    own = emit.load_spread(emit.at(diagonal, row))
    # There is a zero before the first and after the last.
    square = emit.load_spread(emit.at(squares, row, shift))
    found = []
    for point, inverse in zip(points, inverses, strict=True):
        shifted = builder.fsub(own, point)
        pivot = emit.multiply_subtract(square, builder.load(inverse), shifted)
        builder.store(builder.fdiv(_ONE, pivot), inverse)
        found.append((shifted, pivot))
    return found


def _absolute(emit: Emitter, value: Any) -> Any:
    kind = ir.FunctionType(VECTOR, [VECTOR])
    fabs = cgutils.get_or_insert_function(emit.builder.module, kind, f"llvm.fabs.v{LANES}f64")
    return emit.builder.call(fabs, [value])


@vector_kernel
def twist(
    emit: Emitter, diagonal: Any, beside: Any, squares: Any, size: Any, at: Any, below: Any, rests: Any, norms: Any,
    work: Any, z: Any, z_at: Any, z_step: Any,
) -> None:  # fmt: skip
    """Write a vector z for each point, with ``(T - point) z`` other than 0 in one place only, where z is 1.

    Parameters
    ----------
    diagonal : (size,) array
    beside, squares : (size + 1,) array
        Entries beside the diagonal, that of rows i - 1 and i at i, and their squares; 0 first and last.
    size : int
    at : (16,) array
        The points.
    below, rests, norms : (16,) array
        How many eigenvalues lie below each point; ``(T - point) z`` where it is not 0; ‖z‖².
    work : (48 size,) array
    z : array
        The numbers of the vectors lie beside each other: row i begins at ``z[z_at + i * z_step]``.
    """
    builder = emit.builder
    block = builder.mul(size, ir.Constant(INT, TWISTED))
    step = ir.Constant(INT, TWISTED)
    forward, ahead, behind = (
        _Rows(emit, work, builder.mul(block, ir.Constant(INT, k)), step) for k in range(3)
    )  # pivots from the first row on, their inverses, the inverses from the last row on
    vectors = _Rows(emit, z, z_at, z_step)
    groups = range(_GROUPS)
    points = [emit.load(emit.at(at, LANES * g)) for g in groups]

    def variables(value: Any) -> list[Any]:
        return [emit.variable(value) for _ in groups]

    inverses, counts = variables(ZERO), variables(ZERO)
    with _rows_of(emit, size, upwards=True) as row:
        for g, (_, pivot) in enumerate(_pivots(emit, diagonal, squares, points, row, inverses, 0)):
            emit.store(pivot, forward.at(row, g))
            emit.store(builder.load(inverses[g]), ahead.at(row, g))
            one = builder.select(builder.fcmp_ordered("<", pivot, ZERO), _ONE, ZERO)
            builder.store(builder.fadd(builder.load(counts[g]), one), counts[g])
    inverses, places = variables(ZERO), variables(ZERO)
    least = variables(ir.Constant(VECTOR, [float("inf")] * LANES))
    with _rows_of(emit, size, upwards=False) as row:
        number = emit.spread(builder.sitofp(row, DOUBLE))
        for g, (shifted, pivot) in enumerate(_pivots(emit, diagonal, squares, points, row, inverses, 1)):
            emit.store(builder.load(inverses[g]), behind.at(row, g))
            rest = builder.fadd(emit.load(forward.at(row, g)), builder.fsub(pivot, shifted))
            known = builder.load(least[g])
            better = builder.fcmp_ordered("<", _absolute(emit, rest), _absolute(emit, known))
            builder.store(builder.select(better, rest, known), least[g])
            builder.store(builder.select(better, number, builder.load(places[g])), places[g])

    def entry(row: Any, g: int, off: Any, number: Any, scales: _Rows, last: list[Any]) -> Any:
        """Return the entry of z that follows from the last one, or 1 where z begins."""
        value = builder.fmul(builder.fmul(off, builder.load(last[g])), emit.load(scales.at(row, g)))
        begins = builder.fcmp_ordered("==", builder.load(places[g]), number)
        value = builder.select(begins, _ONE, builder.fneg(value))
        builder.store(value, last[g])
        return value

    last: list[Any] = variables(ZERO)
    with _rows_of(emit, size, upwards=False) as row:
        number = emit.spread(builder.sitofp(row, DOUBLE))
        off = emit.load_spread(emit.at(beside, row, 1))
        for g in groups:
            emit.store(entry(row, g, off, number, ahead, last), vectors.at(row, g))
    last, sums = variables(ZERO), variables(ZERO)
    with _rows_of(emit, size, upwards=True) as row:
        number = emit.spread(builder.sitofp(row, DOUBLE))
        off = emit.load_spread(emit.at(beside, row))
        for g in groups:
            value = entry(row, g, off, number, behind, last)
            after = builder.fcmp_ordered(">", number, builder.load(places[g]))
            value = builder.select(after, value, emit.load(vectors.at(row, g)))
            emit.store(value, vectors.at(row, g))
            builder.store(emit.multiply_add(value, value, builder.load(sums[g])), sums[g])
    results: tuple[tuple[Any, Callable[[int], Any]], ...] = (
        (below, lambda g: counts[g]),
        (rests, lambda g: least[g]),
        (norms, lambda g: sums[g]),
    )
    for array, slot in results:
        for g in groups:
            emit.store(builder.load(slot(g)), emit.at(array, LANES * g))
