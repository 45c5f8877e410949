"""Vector kernels on the residuals of eight pixels side by side, and on atoms that most of their rings share.

An atom is read once for all eight; the residuals are vectors, one for each band.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from hsad.kernels.simd.microtiles import COLUMNS
from hsad.kernels.simd.vectors import INT, LANES, ZERO, Emitter, cgutils, vector_kernel

__all__ = ["BANDS", "ROWS", "correlate_atoms", "multiply_atoms", "subtract_atoms"]

BANDS = 16
"""Number of bands of the residuals that one call of `subtract_atoms` changes."""

ROWS = 4
"""Number of rows of a Gram matrix that one call of `multiply_atoms` takes."""


@vector_kernel
def subtract_atoms(
    emit: Emitter, x: Any, band: Any, places: Any, count: Any, coefficients: Any, residuals: Any
) -> None:
    """Subtract the atoms, times their coefficients, from sixteen bands of the residuals of eight pixels.

    ``residuals[8 b + p] -= Σ_k x[places[k] + b] coefficients[8 k + p]`` for the bands b from `band` on and pixels p.

    Parameters
    ----------
    x : (pixels · bands + 15,) ndarray of float64
        Spectra one after the other. Up to fifteen numbers past those of an atom are read.
    band : int
    places : (count,) ndarray of int64
        Where in `x` the atoms begin.
    count : int
        Number of atoms.
    coefficients : (8 · count,) ndarray of float64
        For each atom a vector of eight pixels.
    residuals : (8 · bands,) ndarray of float64
        For each band a vector of eight pixels; the bands are rounded up to sixteen.
    """
    builder = emit.builder
    along = builder.mul(band, ir.Constant(INT, LANES))
    slots = [emit.variable(emit.load(emit.at(residuals, along, LANES * c))) for c in range(BANDS)]
    with cgutils.for_range(builder, count, intp=INT) as loop:
        atom = builder.add(builder.load(emit.at(places, loop.index)), band)
        share = builder.fneg(emit.load(emit.at(coefficients, builder.mul(loop.index, ir.Constant(INT, LANES)))))
        for c, slot in enumerate(slots):
            value = emit.load_spread(emit.at(x, atom, c))
            builder.store(emit.multiply_add(value, share, builder.load(slot)), slot)
    for c, slot in enumerate(slots):
        emit.store(builder.load(slot), emit.at(residuals, along, LANES * c))


@vector_kernel
def correlate_atoms(emit: Emitter, x: Any, places: Any, first: Any, bands: Any, residuals: Any, out: Any) -> None:
    """Write the inner products of eight atoms with the residuals of eight pixels.

    ``out[8 (first + k) + p] = Σ_b x[places[first + k] + b] residuals[8 b + p]`` for the atoms k < 8 and pixels p.

    Parameters
    ----------
    x : (pixels · bands,) ndarray of float64
        Spectra one after the other.
    places : (atoms,) ndarray of int64
        Where in `x` the atoms begin.
    first, bands : int
    residuals : (8 · bands,) ndarray of float64
        For each band a vector of eight pixels.
    out : (8 · atoms,) ndarray of float64
        For each atom a vector of eight pixels.
    """
    builder = emit.builder
    atoms = [builder.load(emit.at(places, first, c)) for c in range(COLUMNS)]
    slots = [emit.variable(ZERO) for _ in atoms]
    with cgutils.for_range(builder, bands, intp=INT) as loop:
        residual = emit.load(emit.at(residuals, builder.mul(loop.index, ir.Constant(INT, LANES))))
        for atom, slot in zip(atoms, slots, strict=True):
            value = emit.load_spread(emit.at(x, atom, loop.index))
            builder.store(emit.multiply_add(value, residual, builder.load(slot)), slot)
    for c, slot in enumerate(slots):
        emit.store(builder.load(slot), emit.at(out, builder.mul(first, ir.Constant(INT, LANES)), LANES * c))


@vector_kernel
def multiply_atoms(
    emit: Emitter, table: Any, starts: Any, atoms: Any, first: Any, count: Any, coefficients: Any, out: Any
) -> None:
    """Add the part of four rows and columns, from `first` on, of a Gram matrix G to the product G · coefficients.

    ``out[8 i + p] += Σ_j G[i, j] coefficients[8 j + p]`` over the pairs (i, j) whose smaller number is one of the four,
    for the pixels p < 8. Calls for ``first = 0, 4, …`` give the whole product.

    Parameters
    ----------
    table : (numbers,) ndarray of float64
        ``G[i, j] = table[starts[atoms[i]] + atoms[j]]`` for i ≤ j.
    starts : (pixels,) ndarray of int64
    atoms : (count,) ndarray of int64
        Ascending.
    first, count : int
    coefficients, out : (8 · count,) ndarray of float64
        For each atom a vector of eight pixels.
    """
    builder = emit.builder
    eight = ir.Constant(INT, LANES)
    rows = [builder.load(emit.at(starts, builder.load(emit.at(atoms, first, r)))) for r in range(ROWS)]
    along = builder.mul(first, eight)
    own = [emit.load(emit.at(coefficients, along, LANES * r)) for r in range(ROWS)]
    slots = [emit.variable(emit.load(emit.at(out, along, LANES * r))) for r in range(ROWS)]
    for r, row in enumerate(rows):
        for c in range(r, ROWS):
            entry = emit.load_spread(emit.at(table, row, builder.load(emit.at(atoms, first, c))))
            pairs = {(r, c), (c, r)}
            for to, of in sorted(pairs):
                builder.store(emit.multiply_add(entry, own[of], builder.load(slots[to])), slots[to])
    begin = builder.add(first, ir.Constant(INT, ROWS))
    with cgutils.for_range(builder, builder.sub(count, begin), intp=INT) as loop:
        column = builder.add(begin, loop.index)
        atom, place = builder.load(emit.at(atoms, column)), builder.mul(column, eight)
        factor, total = emit.load(emit.at(coefficients, place)), emit.load(emit.at(out, place))
        for r, row in enumerate(rows):
            entry = emit.load_spread(emit.at(table, row, atom))
            builder.store(emit.multiply_add(entry, factor, builder.load(slots[r])), slots[r])
            total = emit.multiply_add(entry, own[r], total)
        emit.store(total, emit.at(out, place))
    for r in range(ROWS):
        emit.store(builder.load(slots[r]), emit.at(out, along, LANES * r))
