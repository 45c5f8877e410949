"""Local detectors in the space of the bands: systems of order d, for eight pixels at once.

Without weights, XXᵀ slides: moving down a row, outer + inner pixels enter a ring and as many leave it. With
weights that depend on the pixel, it is summed anew. A leading image of ones turns sums of products into sums,
counts and products at once: eliminating it first is centring on the mean of the ring.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.compiled import compiled
from hsad.kernels.lane_tiles import TILE, lane_distances
from hsad.kernels.lanes import (
    Chunk,
    Planes,
    Systems,
    add_chunk,
    add_products,
    back_substitute_lanes,
    factor_lanes,
    fill_chunk,
    fill_strip,
    is_uniform,
    lane_systems,
    make_chunk,
    make_strip,
    pack_rings,
    packed_capacity,
    ring_offsets,
    slide_offsets,
)
from hsad.kernels.rings import largest_ring
from hsad.kernels.systems import shrinkage_weight
from hsad.kernels.tasks import CRD, DISTANCE_FLOOR, RIDGE, VARIANCE_FLOOR, Task, Window
from hsad.kernels.vectors import LANES

__all__ = ["score_primal"]

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Mask = NDArray[np.bool_]
Numbers = NDArray[np.int64]


@compiled
def add_weighted_products(  # noqa: C901  loops over bands, atoms and lanes, no more
    chunk: Chunk,
    x: Vector,
    at: int,
    band_step: int,
    images: Planes,
    offsets: Numbers,
    task: Task,
    y: Vector,
    weights: Vector,
    floor: Vector,
    a: Vector,
) -> None:
    """Add to `a` the products of bands of the atoms at `offsets`, weighted by Wᵢ/Γᵢ²."""
    first = images.lead
    last = first + images.bands
    for lane in range(LANES):
        # Lanes without a pixel have y = 0: any positive floor will do.
        floor[lane] = 1e-300
    for b in range(first, last):
        for lane in range(LANES):
            floor[lane] += DISTANCE_FLOOR * y[b * LANES + lane] * y[b * LANES + lane]
    for start in range(0, offsets.size, chunk.atoms):
        count = fill_chunk(chunk, x, at, band_step, images.order, offsets, start)
        if task.distance:
            for k in range(0, count, TILE):
                lane_distances(chunk.x, 0, chunk.atoms * LANES, chunk.offsets, k, y, first, last, weights)
            for k in range(count):
                for lane in range(LANES):
                    square = weights[k * LANES + lane] + task.softening
                    weights[k * LANES + lane] = 1.0 / max(square, floor[lane])
        else:
            weights[: count * LANES] = 1.0
        if images.weighted:
            for k in range(count):
                own = at + images.order * band_step + offsets[start + k]
                for lane in range(LANES):
                    weights[k * LANES + lane] *= x[own + lane]
        add_chunk(chunk, count, images.order, weights, 0, a)


@compiled
def finish_crd(systems: Systems, images: Planes, task: Task, out: Vector) -> None:
    """Write the scores of eight pixels: ``r = λ(XΓ⁻²Xᵀ + λI)⁻¹y``."""
    systems.ridge[:] = task.lam
    factor_lanes(systems, images.order)
    out[:] = 0.0
    if task.objective:
        start = images.order * images.order * LANES
        for j in range(images.lead + images.bands):
            for lane in range(LANES):
                out[lane] += systems.lower[start + j * LANES + lane] ** 2
        for lane in range(LANES):
            out[lane] = np.sqrt(task.lam * out[lane])
        return
    back_substitute_lanes(systems, images.order)
    for j in range(images.lead, images.lead + images.bands):
        for lane in range(LANES):
            out[lane] += systems.solution[j * LANES + lane] ** 2
    for lane in range(LANES):
        out[lane] = task.lam * np.sqrt(out[lane])


@compiled
def finish_rx(  # noqa: C901  loops over bands, atoms and lanes, no more
    systems: Systems, images: Planes, task: Task, counts: Vector, out: Vector
) -> None:
    """Write the squared Mahalanobis distances of eight pixels."""
    order, a = images.order, systems.a
    step = order * LANES
    for lane in range(LANES):
        counts[lane] = max(1.0, a[lane])
        systems.ridge[lane] = 0.0 if a[lane] > 0 else 1.0
        out[lane] = 0.0
        systems.share[lane] = 0.0
    # share holds the trace and out the squared distance to the mean until they are needed themselves.
    for i in range(1, 1 + images.bands):
        for lane in range(LANES):
            total = a[i * step + lane]
            systems.share[lane] += a[i * step + i * LANES + lane] - total * total / counts[lane]
            out[lane] += (systems.y[i * LANES + lane] - total / counts[lane]) ** 2
    for lane in range(LANES):
        trace = max(systems.share[lane] / counts[lane], VARIANCE_FLOOR * out[lane])
        epsilon = task.lam * trace / images.bands
        kept = 1.0
        if task.covariance != RIDGE:
            square = 0.0
            for i in range(1, 1 + images.bands):
                for j in range(1, i + 1):
                    value = a[i * step + j * LANES + lane]
                    value -= a[i * step + lane] * a[j * step + lane] / counts[lane]
                    square += value * value if i == j else 2.0 * value * value
            square /= counts[lane] * counts[lane]
            weight = shrinkage_weight(trace, square, 0.0, counts[lane], images.bands, task.covariance)
            # All weight on the mean variance: C counts for nothing, a huge ridge says the same.
            kept = max(1.0 - weight, 1e-12)
            epsilon = weight * trace / images.bands
        for i in range(1, order):
            systems.ridge[i * LANES + lane] = counts[lane] * epsilon / kept
        counts[lane] /= kept
    factor_lanes(systems, order)
    start = order * step
    for lane in range(LANES):
        total = 0.0
        for i in range(1, 1 + images.bands):
            total += systems.lower[start + i * LANES + lane] ** 2
        out[lane] = counts[lane] * total if out[lane] > 0 else 0.0


@compiled
def score_primal(  # noqa: C901  loops over bands, atoms and lanes, no more
    images: Planes,
    valid: Mask,
    core: tuple[int, int, int, int],
    window: Window,
    task: Task,
    scores: Matrix,
    shares: Matrix,
) -> None:
    """Score the core of a block; `shares` gets the least pivots, as shares of their diagonals.

    Parameters
    ----------
    images : Planes
        The block.
    valid : (rows, cols) ndarray of bool
        Pixels to use.
    core : tuple of int
        First and one past the last row and column to score.
    scores, shares : (core rows, core cols) ndarray
        Written everywhere, also where there is no score to give.
    """
    rows, cols = valid.shape
    order = images.order
    systems = lane_systems(order)
    strip = make_strip(images, core[1] - core[0])
    offsets = ring_offsets(window.outer, window.inner, strip.row_step)
    enter, leave = slide_offsets(window.outer, window.inner, strip.row_step)
    chunk = make_chunk(order)
    weights = np.empty(chunk.atoms * LANES)
    counts, out = np.empty(LANES), np.empty(LANES)
    capacity = packed_capacity(window.outer, window.inner)
    packed = np.empty(capacity * (order + images.weighted) * LANES)
    packed_offsets = np.arange(capacity) * LANES
    ring = np.empty(largest_ring(window.outer, window.inner), np.int64)
    plain = not (task.distance or images.weighted)
    for col in range(core[2], core[3], LANES):
        stop = min(col + LANES, core[3])
        fill_strip(strip, images, core[0], col)
        sliding = False
        for row in range(core[0], core[1]):
            at = (row - core[0] + images.margin) * strip.row_step + images.margin
            for b in range(order):
                for lane in range(LANES):
                    systems.y[b * LANES + lane] = strip.x[b * strip.band_step + at + lane]
            if images.lead:
                systems.y[:LANES] = 1.0
            uniform = is_uniform(rows, cols, row, col, stop - 1, window)
            if uniform and plain and sliding:
                add_products(chunk, strip.x, at, strip.band_step, order, enter, 1, systems.a)
                add_products(chunk, strip.x, at, strip.band_step, order, leave, -1, systems.a)
            elif uniform and plain:
                systems.a[:] = 0.0
                add_products(chunk, strip.x, at, strip.band_step, order, offsets, 1, systems.a)
            else:
                x, start, step, atoms = strip.x, at, strip.band_step, offsets
                if not uniform:
                    pack_rings(images, valid, row, col, stop, window, ring, packed)
                    x, start, step, atoms = packed, 0, capacity * LANES, packed_offsets
                systems.a[:] = 0.0
                add_weighted_products(chunk, x, start, step, images, atoms, task, systems.y, weights, counts, systems.a)
            sliding = uniform
            if task.detector == CRD:
                finish_crd(systems, images, task, out)
            else:
                finish_rx(systems, images, task, counts, out)
            for lane in range(stop - col):
                scores[row - core[0], col - core[2] + lane] = out[lane]
                shares[row - core[0], col - core[2] + lane] = systems.share[lane]
