"""Vector kernels on the residuals of eight pixels side by side, and on atoms that most of their rings share.

An atom is read once for all eight; the residuals are vectors, one for each band.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from hsad.kernels.simd.microtiles import COLUMNS
from hsad.kernels.simd.vectors import INT, LANES, ZERO, Emitter, cgutils, vector_kernel

__all__ = ["BANDS", "correlate_atoms", "subtract_atoms"]

BANDS = 16
"""Bands of the residuals that are worked on together."""


@vector_kernel
def subtract_atoms(
    emit: Emitter, x: Any, band: Any, places: Any, count: Any, coefficients: Any, residuals: Any
) -> None:
    """Subtract ``Σ x[places[k] + b] coefficients[8 k]`` from the vectors ``residuals[8 b]``, sixteen b from `band` on.

    Up to fifteen numbers past those of an atom are read.
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
    """Write the inner products of eight atoms, from the number `first` on, with the residuals to ``out[8 first]``."""
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
