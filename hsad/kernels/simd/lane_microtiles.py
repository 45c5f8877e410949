"""Vector kernels on eight systems side by side: sums of products of bands, and microtiles of their factorization."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from hsad.kernels.simd.vectors import INT, LANES, VECTOR, ZERO, Emitter, cgutils, vector_kernel

__all__ = [
    "BANDS_MICROTILE",
    "MICROTILE",
    "add_products",
    "add_squares",
    "copy_atoms",
    "invert_distances",
    "lane_factor",
    "lane_solve",
    "lane_solve_row",
]

MICROTILE = 4
"""Side of a microtile of a factorization."""

BANDS_MICROTILE = 5
"""Side of a microtile of sums of products: numbers of bands are multiples of five more often than of four."""

_LOST_PIVOT = 1e-15
"""A pivot below this share of its diagonal is rounding."""


def _lane_products(diagonal: bool) -> Any:
    """Make the kernel that adds weighted products of pairs of bands, for eight pixels at once.

    The eight lanes are eight pixels. For five bands r from `i` on, five bands c from `j` on, and pixels p < 8:
    ``m[r * m_step + 8 c + p] += Σ_k weights[8 k + p] x[r * apart + 8 k + p] x[c * apart + 8 k + p]``. The kernel for
    the `diagonal`, where i = j, takes the pairs c ≤ r, and writes the weighted bands to
    ``weighed[(r - i) * apart + 8 k + p]``, from where the other kernel reads them.

    Parameters of the kernel
    ------------------------
    x : (bands · apart,) ndarray of float64
        For each band, and in it for each atom k, a vector of eight pixels.
    weights : (8 · count,) ndarray of float64
        For each atom a vector of eight pixels.
    weighed : (5 · apart,) ndarray of float64
    apart : int
        Distance of bands in `x` and `weighed`.
    i, j, count : int
        First bands, and the number of atoms.
    m : (bands · m_step,) ndarray of float64
    m_step : int
        Distance of the rows of `m`.
    """

    @vector_kernel
    def kernel(
        emit: Emitter, x: Any, weights: Any, weighed: Any, apart: Any, i: Any, j: Any, count: Any, m: Any, m_step: Any
    ) -> None:
        builder = emit.builder
        size = range(BANDS_MICROTILE)
        pairs = [(r, c) for r in size for c in size if c <= r or not diagonal]

        def place(row: int, column: int) -> Any:
            line = builder.mul(builder.add(i, ir.Constant(INT, row)), m_step)
            along = builder.mul(builder.add(j, ir.Constant(INT, column)), ir.Constant(INT, LANES))
            return emit.at(m, line, along)

        rows = [builder.mul(apart, ir.Constant(INT, b)) for b in size]
        columns = [builder.mul(apart, builder.add(j, ir.Constant(INT, b))) for b in size]
        microtile = {pair: emit.variable(emit.load(place(*pair))) for pair in pairs}
        with cgutils.for_range(builder, count, intp=INT) as loop:
            atom = builder.mul(loop.index, ir.Constant(INT, LANES))
            right = [emit.load(emit.at(x, column, atom)) for column in columns]
            if diagonal:
                weight = emit.load(emit.at(weights, atom))
                left = [builder.fmul(value, weight) for value in right]
                for value, row in zip(left, rows, strict=True):
                    emit.store(value, emit.at(weighed, row, atom))
            else:
                left = [emit.load(emit.at(weighed, row, atom)) for row in rows]
            for r, c in pairs:
                builder.store(emit.multiply_add(left[r], right[c], builder.load(microtile[r, c])), microtile[r, c])
        for pair in pairs:
            emit.store(builder.load(microtile[pair]), place(*pair))

    return kernel


add_products, add_squares = _lane_products(diagonal=False), _lane_products(diagonal=True)


def _lane_eliminate(height: int, factor: bool) -> Any:  # noqa: C901  the unrolled loops of one algorithm
    """Make the kernel that turns one microtile (``height`` × 4) of eight matrices A into their Cholesky factors L.

    Rows `i` and columns `j` are the first of the microtile. With `factor` it is on the diagonal (i = j) and is factored
    together with ``diag(ridge)``; otherwise L = A L_jjᵀ⁻¹ follows from the diagonal microtile of the columns. The
    microtiles to the left, columns below j, are done.

    Parameters of the kernel
    ------------------------
    a, lower : ((order + 1) · step,) ndarray of float64
        A and L. Entry (r, c) of eight systems is the vector at ``r * step + 8 c``. On its diagonal L has the inverse, 0
        if the pivot was lost to rounding.
    step : int
        Distance of rows.
    i, j : int
    ridge : (8 · order,) ndarray of float64
    growth : (8,) ndarray of float64
        Gets the largest quotient of a diagonal and its pivot so far.
    """

    @vector_kernel
    def kernel(emit: Emitter, a: Any, lower: Any, step: Any, i: Any, j: Any, ridge: Any, growth: Any) -> None:  # noqa: C901  likewise
        builder = emit.builder
        size = range(MICROTILE)
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
        microtile = [[emit.variable(value) for value in row] for row in values]
        with cgutils.for_range(builder, j, intp=INT) as loop:
            left = [builder.fneg(emit.load(place(lower, i, r, loop.index))) for r in range(height)]
            for c in size:
                right = emit.load(place(lower, j, c, loop.index))
                for r in range(height):
                    builder.store(emit.multiply_add(left[r], right, builder.load(microtile[r][c])), microtile[r][c])
        values = [[builder.load(slot) for slot in row] for row in microtile]
        if factor:
            largest = emit.load(growth)
        for c in size:
            if factor:
                pivot = values[c][c]
                rounding = builder.fmul(whole[c], ir.Constant(VECTOR, [_LOST_PIVOT] * LANES))
                usable = builder.fcmp_ordered(">", pivot, rounding)
                kind = ir.FunctionType(VECTOR, [VECTOR])
                sqrt = cgutils.get_or_insert_function(builder.module, kind, f"llvm.sqrt.v{LANES}f64")
                inverse = builder.fdiv(ir.Constant(VECTOR, [1.0] * LANES), builder.call(sqrt, [pivot]))
                scale = builder.select(usable, inverse, ZERO)
                quotient = builder.fmul(whole[c], builder.fmul(scale, scale))
                quotient = builder.select(usable, quotient, ir.Constant(VECTOR, [1.0 / _LOST_PIVOT] * LANES))
                largest = builder.select(builder.fcmp_ordered(">", quotient, largest), quotient, largest)
            else:
                scale = emit.load(place(lower, j, c, across[c]))
            for r in range(c + 1 if factor else 0, height):
                values[r][c] = builder.fmul(values[r][c], scale)
            if factor:
                values[c][c] = scale
            for later in range(c + 1, MICROTILE):
                entry = values[later][c] if factor else emit.load(place(lower, j, later, across[c]))
                for r in range(later if factor else 0, height):
                    values[r][later] = emit.multiply_subtract(values[r][c], entry, values[r][later])
        for r in range(height):
            for c in range(r + 1 if factor else MICROTILE):
                emit.store(values[r][c], place(lower, i, r, across[c]))
        if factor:
            emit.store(largest, growth)

    return kernel


lane_factor = _lane_eliminate(MICROTILE, factor=True)
lane_solve = _lane_eliminate(MICROTILE, factor=False)
lane_solve_row = _lane_eliminate(1, factor=False)


@vector_kernel
def copy_atoms(
    emit: Emitter,
    x: Any,
    x_at: Any,
    band_step: Any,
    offsets: Any,
    first: Any,
    y: Any,
    bands: Any,
    out: Any,
    out_at: Any,
    apart: Any,
    squares: Any,
    squares_at: Any,
) -> None:
    """Copy four atoms of each of eight pixels, and write their squared distances from `y`.

    With ``value = x[x_at + offsets[first + k] + b * band_step + p]`` for the atoms k < 4, bands b and pixels p < 8:
    ``out[out_at + b * apart + 8 k + p] = value`` and
    ``squares[squares_at + 8 k + p] = Σ_b (y[8 b + p] - value)²``.

    Parameters
    ----------
    x : (numbers,) ndarray of float64
    x_at, band_step : int
    offsets : (atoms,) ndarray of int64
    first : int
        Number of the first of the four atoms.
    y : (8 · bands,) ndarray of float64
        For each band a vector of eight pixels.
    bands : int
    out : (numbers,) ndarray of float64
    out_at, apart : int
        Where the first band begins, and the distance of bands.
    squares : (numbers,) ndarray of float64
    squares_at : int
    """
    builder = emit.builder
    totals = [emit.variable(ZERO) for _ in range(MICROTILE)]
    atoms = [builder.add(x_at, builder.load(emit.at(offsets, first, a))) for a in range(MICROTILE)]
    with cgutils.for_range(builder, bands, intp=INT) as band:
        own = emit.load(emit.at(y, builder.mul(band.index, ir.Constant(INT, LANES))))
        shift = builder.mul(band.index, band_step)
        to = builder.add(out_at, builder.mul(band.index, apart))
        for a, (atom, total) in enumerate(zip(atoms, totals, strict=True)):
            value = emit.load(emit.at(x, atom, shift))
            emit.store(value, emit.at(out, to, LANES * a))
            difference = builder.fsub(own, value)
            builder.store(emit.multiply_add(difference, difference, builder.load(total)), total)
    for a, total in enumerate(totals):
        emit.store(builder.load(total), emit.at(squares, squares_at, LANES * a))


@vector_kernel
def invert_distances(emit: Emitter, squares: Any, count: Any, limits: Any) -> None:
    """Replace squared distances of eight pixels by weights.

    ``squares[8 k + p] = 1 / max(squares[8 k + p] + limits[8 + p], limits[p])`` for k < count and pixels p < 8.

    Parameters
    ----------
    squares : (8 · count,) ndarray of float64
    count : int
    limits : (16,) ndarray of float64
        The smallest sum that counts, and the softening that is added.
    """
    builder = emit.builder
    floor, softening = emit.load(emit.at(limits, 0)), emit.load(emit.at(limits, LANES))
    with cgutils.for_range(builder, count, intp=INT) as loop:
        place = emit.at(squares, builder.mul(loop.index, ir.Constant(INT, LANES)))
        square = builder.fadd(emit.load(place), softening)
        square = builder.select(builder.fcmp_ordered(">", square, floor), square, floor)
        emit.store(builder.fdiv(ir.Constant(VECTOR, [1.0] * LANES), square), place)
