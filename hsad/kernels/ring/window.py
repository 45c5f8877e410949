"""The ring of a pixel: the pixels between a guard window and an outer window, and what happens at the border.

The ring of the pixel p holds the pixels q with ``inner//2 < max(|row q - row p|, |col q - col p|) <= outer//2``.
If an edge of the block is nearer than ``outer//2``, it is an edge of the scene, where one of three rules holds:

``shift``
    The outer window is moved inside the scene; the guard window stays on the pixel. The default.
``truncate``
    The outer window is cut at the edge.
``reflect``
    The scene is mirrored with the edge pixel repeated (numpy's ``symmetric``). Then the ring of a pixel near an edge
    may hold the pixel itself and its neighbours. This rule exists to reproduce published tables.

Invalid pixels leave every ring.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["BORDERS", "Window", "largest_ring", "ring_size"]

BORDERS = ("shift", "truncate", "reflect")
SHIFT, TRUNCATE, REFLECT = range(3)

LEAST_SHARE = 4
"""A ring with less than one part in this many of its nominal pixels scores NaN: a corner of `truncate` just passes."""


class Window(NamedTuple):
    """The dual window: side lengths in pixels and the number of the border rule."""

    outer: int
    inner: int
    border: int


def ring_size(outer: int, inner: int) -> int:
    """Return the nominal number of pixels of a ring."""
    return outer * outer - inner * inner


def largest_ring(outer: int, inner: int) -> int:
    """Return the largest number of pixels of a ring: in a corner, where most of the guard window is outside."""
    quarter = inner // 2 + 1
    return outer * outer - quarter * quarter
