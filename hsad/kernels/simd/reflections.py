"""Vector kernels that reflect a symmetric matrix, or a block of vectors, while the next reflection is prepared.

A reflection ``I - v vᵀ/h`` changes every row by multiples of two vectors; what the next one needs of the changed rows
is a sum over them. Both are done while a row is in the registers: it is read and written once a reflection.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from hsad.kernels.simd.vectors import INT, LANES, Emitter, cgutils, vector_kernel

__all__ = ["ROWS", "reflect_1", "reflect_2", "reflect_3", "reflect_rows"]

ROWS = 4
"""Rows that `reflect_rows` changes together."""


@vector_kernel
def reflect_rows(
    emit: Emitter, a: Any, at: Any, step: Any, row: Any, vectors: Any, v: Any, w: Any, following: Any, product: Any
) -> None:
    """Subtract ``v wᵀ + w vᵀ`` from four rows of a symmetric A, and add their part of ``A · following`` to `product`.

    With the rows r = row ... row + 3: ``a[at + (r - row) * step + c] -= v[r] w[c] + w[r] v[c]`` and then
    ``product[c] += Σ_r following[r] a[at + (r - row) * step + c]``, for the columns c < 8 · vectors.

    Parameters
    ----------
    a : (numbers,) ndarray of float64
    at, step, row, vectors : int
    v, w, following, product : (size,) ndarray of float64
    """
    builder = emit.builder
    ours = [[emit.load_spread(emit.at(x, row, r)) for x in (v, w, following)] for r in range(ROWS)]
    with cgutils.for_range(builder, vectors, intp=INT) as loop:
        shift = builder.mul(loop.index, ir.Constant(INT, LANES))
        along_v, along_w = emit.load(emit.at(v, shift)), emit.load(emit.at(w, shift))
        place = emit.at(product, shift)
        total = emit.load(place)
        for r, (own_v, own_w, factor) in enumerate(ours):
            here = emit.at(a, at, builder.mul(step, ir.Constant(INT, r)), shift)
            entry = emit.multiply_subtract(own_v, along_w, emit.load(here))
            entry = emit.multiply_subtract(own_w, along_v, entry)
            emit.store(entry, here)
            total = emit.multiply_add(factor, entry, total)
        emit.store(total, place)


def _reflect(height: int) -> Any:
    """Make the kernel that reflects the rows of a block of ``8 · height`` columns, and sums for the next reflection.

    For the columns l < 8 · height and the rows r: ``z[z_at + r * step + l] -= v[v_at + r] sums[sums_at + l]``. After
    all rows ``sums[sums_at + l] = Σ_r v[following_at + r] z[z_at + r * step + l]``.

    Parameters of the kernel
    ------------------------
    z : (numbers,) ndarray of float64
    z_at, step, rows : int
    v : (numbers,) ndarray of float64
        Holds the vectors of this reflection and of the next one.
    v_at, following_at : int
    sums : (numbers,) ndarray of float64
    sums_at : int
    """

    @vector_kernel
    def kernel(
        emit: Emitter, z: Any, z_at: Any, step: Any, rows: Any, v: Any, v_at: Any, following_at: Any, sums: Any,
        sums_at: Any,
    ) -> None:  # fmt: skip
        builder = emit.builder
        places = [emit.at(sums, sums_at, LANES * k) for k in range(height)]
        taken = [emit.load(place) for place in places]
        slots = [emit.variable(ir.Constant(one.type, [0.0] * LANES)) for one in taken]
        with cgutils.for_range(builder, rows, intp=INT) as loop:
            row = builder.add(z_at, builder.mul(loop.index, step))
            own = emit.load_spread(emit.at(v, v_at, loop.index))
            factor = emit.load_spread(emit.at(v, following_at, loop.index))
            for k in range(height):
                here = emit.at(z, row, LANES * k)
                entry = emit.multiply_subtract(own, taken[k], emit.load(here))
                emit.store(entry, here)
                builder.store(emit.multiply_add(factor, entry, builder.load(slots[k])), slots[k])
        for slot, place in zip(slots, places, strict=True):
            emit.store(builder.load(slot), place)

    return kernel


reflect_1, reflect_2, reflect_3 = (_reflect(height) for height in (1, 2, 3))
