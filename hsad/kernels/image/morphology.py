"""Attribute morphology: area openings and closings of images of integers, and the contrast that they remove.

The area opening of an image with area A has at each pixel p the largest level h for which the component of
``{image >= h}`` that contains p has at least A pixels. So bright components of fewer pixels are lowered to the level of
their surroundings. The area closing raises dark components in the same way. Components are 4-connected.

Invalid pixels belong to no component and are no extremum. If fewer than A valid pixels are connected to p, the opening
is their smallest value and the closing their largest value.

A result depends only on pixels that are at most A - 1 steps away. If the part of a component within A - 1 steps of p
has fewer than A pixels, none of them is A - 1 steps away, so the component ends there.

References
----------
L. Vincent, "Morphological area openings and closings for grey-scale images", 1994; by union-find: A. Meijster,
M. H. F. Wilkinson, IEEE TPAMI 24(4):484-494, 2002.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from hsad.kernels.compiled import compiled

__all__ = ["area_contrast"]

Image = NDArray[np.int32]
Mask = NDArray[np.bool_]
Flat = NDArray[np.int32]
Number = TypeVar("Number", np.int32, np.bool_)

_DIGIT = 11
"""Number of bits that one pass of the radix sort uses."""


def area_contrast(images: NDArray[np.float64], valid: Mask, areas: Sequence[int], levels: float) -> NDArray[np.float64]:
    """Return the squared contrast of pixels in small components to their surroundings, summed over images.

    Each image is quantised to q = round(levels · image), whose area opening is o and whose area closing is c. The
    result is the sum of ``[max(q - o, c - q) / levels]²``.

    Parameters
    ----------
    images : (rows, cols, images) ndarray of float64
        ``|levels · images|`` below 2³⁰.
    valid : (rows, cols) ndarray of bool
        Pixels with data.
    areas : sequence of int
        Areas A in pixels.
    levels : float
        Number of quantisation steps per unit of the images.

    Returns
    -------
    (areas, rows, cols) ndarray of float64
        0 at invalid pixels.
    """
    rows, cols, count = images.shape
    wanted, limit = _areas(areas)
    mask = _padded(valid, False)
    total = np.zeros((len(wanted), mask.size))
    opened, closed = (np.empty((len(wanted), mask.size), dtype=np.int32) for _ in range(2))
    work = np.empty((3, mask.size), dtype=np.int32)
    for number in range(count):
        q = _padded(np.rint(images[..., number] * levels).astype(np.int32), 0)
        order = _sorted_pixels(q, mask)
        _filter(q, order[::-1], cols + 2, wanted, limit, work, opened)
        _filter(q, order, cols + 2, wanted, limit, work, closed)
        _add_contrast(q, mask, opened, closed, 1.0 / levels, total)
    return np.ascontiguousarray(total.reshape(-1, rows + 2, cols + 2)[:, 1:-1, 1:-1])


def _areas(areas: Sequence[int]) -> tuple[NDArray[np.int32], int]:
    wanted = np.asarray(areas, dtype=np.int32)
    return wanted, int(wanted.max())


def _padded(image: NDArray[Number], border: float) -> NDArray[Number]:
    """Return the flat image with a border of one invalid pixel, so that neighbours need no check for the edge."""
    return np.pad(image, 1, constant_values=border).ravel()


@compiled
def _sorted_pixels(q: Flat, valid: Mask) -> Flat:
    """Return the indices of the valid pixels in increasing order of their values, by a radix sort."""
    count = 0
    low = np.int64(0)
    high = np.int64(0)
    for place in range(q.size):
        if valid[place]:
            value = np.int64(q[place])
            low = value if count == 0 else min(low, value)
            high = value if count == 0 else max(high, value)
            count += 1
    order = np.empty(count, np.int32)
    other = np.empty(count, np.int32)
    at = 0
    for place in range(q.size):
        if valid[place]:
            order[at] = place
            at += 1
    starts = np.empty(1 << _DIGIT, np.int64)
    last = (1 << _DIGIT) - 1
    shift = 0
    while (high - low) >> shift > 0:
        starts[:] = 0
        for i in range(count):
            starts[((q[order[i]] - low) >> shift) & last] += 1
        before = np.int64(0)
        for digit in range(last + 1):
            here = starts[digit]
            starts[digit] = before
            before += here
        for i in range(count):
            digit = ((q[order[i]] - low) >> shift) & last
            other[starts[digit]] = order[i]
            starts[digit] += 1
        order, other = other, order
        shift += _DIGIT
    return order


@compiled
def _filter(q: Flat, order: Flat, width: int, areas: Flat, limit: int, work: Image, out: Image) -> None:
    """Write the area filters of `q` at the pixels of `order`: openings if it descends, closings if it ascends.

    A pixel joins the components of its neighbours that came before it. A component is a tree whose root is its latest
    pixel. A component that has reached the largest area does not grow any more, because no result depends on it.
    """
    root, parent, size = work[0], work[1], work[2]
    root[:] = -1
    for place in order:
        root[place] = place
        parent[place] = place
        total = 1
        for side in range(4):
            near = place + (-width, -1, 1, width)[side]
            if root[near] < 0:
                continue
            top = near
            while root[top] != top:
                top = root[top]
            while root[near] != top:  # path compression, for later searches
                root[near], near = top, root[near]
            if top == place:
                continue
            if size[top] >= limit:
                total = limit
            else:
                root[top] = place
                parent[top] = place
                total = min(limit, total + size[top])
        size[place] = total
    for i in range(order.size - 1, -1, -1):
        place = order[i]
        above = parent[place]
        for k in range(areas.size):
            own = above == place or (size[place] >= areas[k] and q[above] != q[place])
            out[k, place] = q[place] if own else out[k, above]


@compiled
def _add_contrast(q: Flat, valid: Mask, opened: Image, closed: Image, step: float, total: NDArray[np.float64]) -> None:
    """Add the squared contrasts of one image at the valid pixels."""
    for k in range(total.shape[0]):
        for place in range(q.size):
            if valid[place]:
                contrast = step * max(q[place] - opened[k, place], closed[k, place] - q[place])
                total[k, place] += contrast * contrast
