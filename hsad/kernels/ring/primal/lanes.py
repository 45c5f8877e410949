"""Scores of eight pixels side by side, whose systems of the order of the bands are factored together.

With few bands the d × d system of one pixel is too small for SIMD vectors. So a vector holds one entry of the systems
of eight neighbouring pixels. A leading row of ones adds the counts and the sums of the bands to the sums of products.
The elimination of this row centres the spectra on the mean of the ring.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.compiled import inner
from hsad.kernels.ring.limits import VARIANCE_FLOOR
from hsad.kernels.ring.one_ring import shrinkage_weight
from hsad.kernels.ring.task import RIDGE, Task
from hsad.kernels.simd.lane_microtiles import MICROTILE, lane_factor, lane_solve, lane_solve_row
from hsad.kernels.simd.lane_sums import back_substitute_lanes, largest_square, sum_moments, sum_squares
from hsad.kernels.simd.vectors import LANES

__all__ = ["Systems", "aligned", "finish_crd", "finish_rx", "lane_systems", "note_rounding"]

Vector = NDArray[np.float64]


def aligned(size: int) -> Vector:
    """Return an array of zeros that starts at a multiple of 64 bytes, a cache line; numpy aligns to 16 bytes only."""
    room = np.zeros(size + LANES)
    return room[-(room.ctypes.data // 8) % LANES :][:size]


class Systems(NamedTuple):
    """Eight symmetric systems side by side, and the arrays for their solution.

    Attributes
    ----------
    order : int
        Number of unknowns: `lead` and `bands`, and zeros up to whole microtiles.
    lead : int
        Number of leading rows of ones, 0 or 1.
    bands : int
    line : int
        Distance of the rows of a matrix; the entry (i, j) is the vector at ``i * line + j * 8``.
    lower : ndarray
        The factor, with one more row for the right-hand side.
    ridge, y, solution, out : ndarray
        The numbers added to the diagonal, the spectra of the pixels, the solutions and the scores.
    growth : ndarray
        The largest quotient of a diagonal element and its pivot.
    """

    order: int
    lead: int
    bands: int
    line: int
    lower: Vector
    ridge: Vector
    y: Vector
    solution: Vector
    out: Vector
    growth: Vector


def lane_systems(lead: int, bands: int, line: int) -> Systems:
    """Return the arrays for systems whose matrices have rows at a distance of `line`."""
    order = -(-(lead + bands) // MICROTILE) * MICROTILE
    return Systems(
        order,
        lead,
        bands,
        line,
        lower=aligned((order + 1) * line),
        ridge=aligned(line),
        y=aligned(line),
        solution=aligned(line),
        out=aligned(LANES),
        growth=aligned(LANES),
    )


@inner
def factor_lanes(a: Vector, systems: Systems) -> None:
    """Factor A + diag(ridge); the right-hand side `y` is one more row of A, which becomes L⁻¹y."""
    order, lower, line = systems.order, systems.lower, systems.line
    systems.growth[:] = 1.0
    for k in range(order * LANES):
        a[order * line + k] = systems.y[k]
    for i in range(0, order, MICROTILE):
        for j in range(0, i, MICROTILE):
            lane_solve(a, lower, line, i, j, systems.ridge, systems.growth)
        lane_factor(a, lower, line, i, i, systems.ridge, systems.growth)
    for j in range(0, order, MICROTILE):
        lane_solve_row(a, lower, line, order, j, systems.ridge, systems.growth)


@inner
def finish_crd(a: Vector, systems: Systems, task: Task) -> None:
    """Write the scores of eight pixels: ‖r‖, or the objective √(yᵀr), of ``r = λ(XΓ⁻²Xᵀ + λI)⁻¹y``."""
    order, out = systems.order, systems.out
    systems.ridge[:] = task.lam
    factor_lanes(a, systems)
    if task.objective:
        sum_squares(systems.lower, order * systems.line, order, out)
        for lane in range(LANES):
            out[lane] = np.sqrt(task.lam * out[lane])
    else:
        back_substitute_lanes(systems.lower, systems.line, order, systems.solution)
        sum_squares(systems.solution, systems.lead * LANES, systems.bands, out)
        for lane in range(LANES):
            out[lane] = task.lam * np.sqrt(out[lane])


@inner
def finish_rx(a: Vector, systems: Systems, task: Task, lanes: Vector) -> None:
    """Write the squared Mahalanobis distances of eight pixels; `lanes` is a workspace of four vectors."""
    line, bands = systems.line, systems.bands
    counts, moments, inverse = lanes[:LANES], lanes[LANES : 3 * LANES], lanes[3 * LANES :]
    for lane in range(LANES):
        counts[lane] = max(1.0, a[lane])
        inverse[lane] = 1.0 / counts[lane]
    sum_moments(a, line, systems.y, bands, inverse, moments)
    for lane in range(LANES):
        trace = max(moments[lane] / counts[lane], VARIANCE_FLOOR * moments[LANES + lane])
        epsilon = task.lam * trace / bands
        rest = 1.0
        if task.covariance != RIDGE:
            square = 0.0
            for i in range(1, 1 + bands):
                for j in range(1, i + 1):
                    value = a[i * line + j * LANES + lane]
                    value -= a[i * line + lane] * a[j * line + lane] / counts[lane]
                    square += value * value if i == j else 2.0 * value * value
            square /= counts[lane] * counts[lane]
            weight = shrinkage_weight(trace, square, 0.0, counts[lane], bands, task.covariance)
            # If the weight of the mean variance is 1, C does not count. A huge ridge has the same effect.
            rest = max(1.0 - weight, 1e-12)
            epsilon = weight * trace / bands
        # If the ring is empty, the matrix is zero, and any positive pivot is correct.
        systems.ridge[lane] = 0.0 if a[lane] > 0 else 1.0
        inverse[lane] = counts[lane] * epsilon / rest
        counts[lane] /= rest
    for i in range(1, systems.order):
        for lane in range(LANES):
            systems.ridge[i * LANES + lane] = inverse[lane]
    factor_lanes(a, systems)
    sum_squares(systems.lower, systems.order * line + LANES, bands, systems.out)
    for lane in range(LANES):
        systems.out[lane] = counts[lane] * systems.out[lane] if moments[LANES + lane] > 0 else 0.0


@inner
def note_rounding(systems: Systems, size: float, lanes: Vector) -> None:
    """Raise `growth` to the effect that the rounding of sums of numbers of this size has on the solution."""
    largest_square(systems.lower, systems.line + LANES, systems.lead + systems.bands, lanes)
    for lane in range(LANES):
        systems.growth[lane] = max(systems.growth[lane], size * lanes[lane])
