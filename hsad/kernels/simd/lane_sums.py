"""Vector kernels on eight systems side by side: what comes before and after their factorization."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from hsad.kernels.simd.vectors import INT, LANES, ZERO, Emitter, cgutils, vector_kernel

__all__ = ["back_substitute_lanes", "largest_square", "sum_moments", "sum_squares"]

_EIGHT = ir.Constant(INT, LANES)


@vector_kernel
def back_substitute_lanes(emit: Emitter, lower: Any, line: Any, order: Any, x: Any) -> None:
    """Solve Lᵀ x = b for eight systems side by side.

    Parameters
    ----------
    lower : ((order + 1) · line,) ndarray of float64
        L, with inverses on its diagonal: entry (i, j) is the vector at ``i * line + 8 j``. Row `order` is b.
    line, order : int
    x : (8 · order,) ndarray of float64
    """
    builder = emit.builder
    right = builder.mul(order, line)
    with cgutils.for_range(builder, order, intp=INT) as outer:
        j = builder.sub(builder.sub(order, outer.index), ir.Constant(INT, 1))
        along = builder.mul(j, _EIGHT)
        total = emit.variable(emit.load(emit.at(lower, right, along)))
        with cgutils.for_range(builder, outer.index, intp=INT) as inner:
            row = builder.add(builder.add(j, inner.index), ir.Constant(INT, 1))
            entry = emit.load(emit.at(lower, builder.mul(row, line), along))
            known = emit.load(emit.at(x, builder.mul(row, _EIGHT)))
            builder.store(emit.multiply_subtract(entry, known, builder.load(total)), total)
        inverse = emit.load(emit.at(lower, builder.mul(j, line), along))
        emit.store(builder.fmul(builder.load(total), inverse), emit.at(x, along))


@vector_kernel
def sum_squares(emit: Emitter, x: Any, x_at: Any, count: Any, out: Any) -> None:
    """Write the sums of squares of eight systems: ``out[p] = Σ_k x[x_at + 8 k + p]²`` for k < count.

    Parameters
    ----------
    x : (numbers,) ndarray of float64
    x_at, count : int
    out : (8,) ndarray of float64
    """
    builder = emit.builder
    total = emit.variable(ZERO)
    with cgutils.for_range(builder, count, intp=INT) as loop:
        value = emit.load(emit.at(x, x_at, builder.mul(loop.index, _EIGHT)))
        builder.store(emit.multiply_add(value, value, builder.load(total)), total)
    emit.store(builder.load(total), emit.at(out, 0))


@vector_kernel
def largest_square(emit: Emitter, x: Any, step: Any, count: Any, out: Any) -> None:
    """Write the largest squares of eight systems: ``out[p] = max_k x[k * step + p]²`` for k < count.

    Parameters
    ----------
    x : (numbers,) ndarray of float64
    step, count : int
    out : (8,) ndarray of float64
    """
    builder = emit.builder
    largest = emit.variable(ZERO)
    with cgutils.for_range(builder, count, intp=INT) as loop:
        value = emit.load(emit.at(x, builder.mul(loop.index, step)))
        square, so_far = builder.fmul(value, value), builder.load(largest)
        larger = builder.fcmp_ordered(">", square, so_far)
        builder.store(builder.select(larger, square, so_far), largest)
    emit.store(builder.load(largest), emit.at(out, 0))


@vector_kernel
def sum_moments(emit: Emitter, a: Any, line: Any, y: Any, bands: Any, inverse_counts: Any, out: Any) -> None:
    """Write the trace of the scatter matrix, and the squared distance of y from the mean, for eight systems.

    Parameters
    ----------
    a : ((bands + 1) · line,) ndarray of float64
        Sums of products: the entry (i, j) is the vector at ``i * line + 8 j``. Row and column 0 are those of the number
        one, so that column 0 holds the sums of the bands.
    line : int
    y : (8 · (bands + 1),) ndarray of float64
        For each band, from 1 on, a vector of eight pixels.
    bands : int
    inverse_counts : (8,) ndarray of float64
        1 / number of atoms.
    out : (16,) ndarray of float64
        ``Σ_b (Σx_b² - (Σx_b)²/n)``, then ``Σ_b (y_b - Σx_b/n)²``.
    """
    builder = emit.builder
    one = ir.Constant(INT, 1)
    scale = emit.load(emit.at(inverse_counts, 0))
    trace, gap = emit.variable(ZERO), emit.variable(ZERO)
    with cgutils.for_range(builder, bands, intp=INT) as loop:
        band = builder.add(loop.index, one)
        row, along = builder.mul(band, line), builder.mul(band, _EIGHT)
        total = emit.load(emit.at(a, row))
        mean = builder.fmul(total, scale)
        scatter = emit.multiply_subtract(total, mean, emit.load(emit.at(a, row, along)))
        builder.store(builder.fadd(builder.load(trace), scatter), trace)
        difference = builder.fsub(emit.load(emit.at(y, along)), mean)
        builder.store(emit.multiply_add(difference, difference, builder.load(gap)), gap)
    emit.store(builder.load(trace), emit.at(out, 0))
    emit.store(builder.load(gap), emit.at(out, LANES))
