"""A leaf (a square piece of a scene) with its surroundings, as detectors see it, and ways to cut it."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Block",
    "InMemory",
    "Leaves",
    "Part",
    "Scene",
    "Window",
    "clamped",
    "narrowed",
    "strips_of",
    "surroundings",
    "usable",
    "widened",
    "within",
]

#: Rows and columns of an array.
Part = tuple[slice, slice]

#: Bytes of spectra that are processed together, so that they stay in a processor's cache.
_PIECE_BYTES = 2**20


def clamped(start: int, stop: int, size: int, halo: int) -> slice:
    """Return the range to read for the core [start, stop) of an axis of this size.

    It is the core with `halo` on both sides, clamped to the axis, but spanning at least ``2·halo + 1`` from an end,
    so that a window shifted inside the scene (`halo` its half width) is read whole for every core pixel.
    """
    return slice(max(0, min(start - halo, size - 2 * halo - 1)), min(size, max(stop + halo, 2 * halo + 1)))


@dataclass(frozen=True)
class Scene:
    """The scene of a block: its number among the scenes that are learned from, and its size in pixels."""

    index: int
    rows: int
    cols: int


class Leaves(Protocol):
    """The caches of all leaves of a scene, in the process that has them all."""

    def over(self, rows: slice, cols: slice) -> Iterator[tuple[Part, MutableMapping[str, Any]]]:
        """Yield the leaves that together cover a window of the scene: each one's window, and its cache."""
        ...


class Window(Protocol):
    """The spectra and the validity of some rows and columns of a scene, in memory or still to be read."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Rows, columns and bands."""
        ...

    @property
    def spectra(self) -> NDArray[np.float64]:
        """The spectra, ``(rows, cols, bands)``, C-contiguous; 0 where a pixel is invalid."""
        ...

    @property
    def valid(self) -> NDArray[np.bool_]:
        """The validity, ``(rows, cols)``."""
        ...

    def strips(self) -> Iterator[tuple[slice, NDArray[np.float64], NDArray[np.bool_]]]:
        """Yield a few rows at a time, counted from the first of the window, with their spectra and validity."""
        ...

    def part(self, rows: slice, cols: slice) -> Window:
        """Return some rows and columns, counted from the first of the window."""
        ...


@dataclass(frozen=True, eq=False)
class InMemory:
    """A window of arrays: spectra ``(rows, cols, bands)`` and validity ``(rows, cols)``."""

    spectra: NDArray[np.float64]
    valid: NDArray[np.bool_]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Rows, columns and bands."""
        rows, cols, bands = self.spectra.shape
        return rows, cols, bands

    def strips(self) -> Iterator[tuple[slice, NDArray[np.float64], NDArray[np.bool_]]]:
        """Yield a few rows at a time with their spectra and validity."""
        for rows in strips_of(self.shape):
            yield rows, self.spectra[rows], self.valid[rows]

    def part(self, rows: slice, cols: slice) -> InMemory:
        """Return some rows and columns."""
        return InMemory(self.spectra[rows, cols], self.valid[rows, cols])


@dataclass(frozen=True)
class Block:
    """A leaf of a scene with its surroundings, as detectors see it.

    Near an edge of the scene the surroundings are clamped, but the block spans at least ``2·halo + 1`` pixels
    from that edge (the whole scene if that is smaller), so a window that is shifted inside the scene is inside the
    block too. An edge of the block closer than `halo` to the core is an edge of the scene.

    Attributes
    ----------
    window : Window
        The spectra and the validity of the core and its surroundings. A window of a file is read when its `spectra`,
        `valid` or `strips` are first used.
    core : tuple of two slices
        Rows and columns of the pixels to score.
    origin : tuple of two int
        Row and column of ``spectra[0, 0]`` in the scene.
    scene : Scene
        The scene the block was cut from.
    cache : mutable mapping
        A cache for this block, which may last from one pass to the next. It may be empty at any time.
    whole : Block or None
        All of the scene as one block, with a cache that all parts of the scene may use.
    leaves : Leaves or None
        The caches of all leaves of the scene. None where each process has those of some leaves only.
    """

    window: Window
    core: tuple[slice, slice]
    origin: tuple[int, int]
    scene: Scene
    cache: MutableMapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    whole: Block | None = field(default=None, compare=False, repr=False)
    leaves: Leaves | None = field(default=None, compare=False, repr=False)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Rows and columns, with the surroundings, and bands."""
        return self.window.shape

    @property
    def spectra(self) -> NDArray[np.float64]:
        """Spectra with the surroundings, ``(rows, cols, bands)``, C-contiguous; 0 where a pixel is invalid."""
        return self.window.spectra

    @property
    def valid(self) -> NDArray[np.bool_]:
        """Validity with the surroundings, ``(rows, cols)``: False where a pixel has no data or is masked."""
        return self.window.valid

    @property
    def core_valid(self) -> NDArray[np.bool_]:
        """Validity of the pixels to score, shape ``(core rows, core cols)``."""
        return self.window.part(*self.core).valid

    @property
    def pixels(self) -> NDArray[np.float64]:
        """Valid spectra of the core, shape ``(n, bands)``; not to be written to."""
        core, valid = self.spectra[self.core], self.core_valid
        return core.reshape(-1, core.shape[2]) if valid.all() else core[valid]

    @property
    def place(self) -> tuple[int, int]:
        """Row and column, in the block, of the first pixel of the core."""
        return self.core[0].start, self.core[1].start

    @property
    def pixel(self) -> NDArray[np.float64]:
        """Spectrum of the first pixel of the core: of the only one, where an account is asked for."""
        return np.array(self.spectra[self.core][0, 0])

    def pieces(self) -> Iterator[NDArray[np.float64]]:
        """Yield `pixels` a few rows at a time, without rows that have no valid pixel.

        A window that is still to be read is read piece by piece: one pass over the pieces stays in the processor's
        cache, and memory never holds the whole block.
        """
        for _, spectra, valid in self.window.part(*self.core).strips():
            yield from usable(spectra, valid)

    def strips(self) -> Iterator[tuple[slice, NDArray[np.float64], NDArray[np.bool_]]]:
        """Yield a few rows of the block at a time, surroundings included, with their spectra and validity.

        A window that is still to be read is read piece by piece.
        """
        return self.window.strips()

    def part(self, rows: slice, cols: slice, core: Part) -> Block:
        """Return some rows and columns as a block. Rows and columns of its core are counted from the first of them."""
        origin = (self.origin[0] + rows.start, self.origin[1] + cols.start)
        return replace(self, window=self.window.part(rows, cols), core=core, origin=origin)

    @property
    def pixel_numbers(self) -> NDArray[np.int64]:
        """Absolute numbers (row · scene columns + column) of `pixels`, shape ``(n,)``."""
        rows, cols = np.nonzero(self.core_valid)
        row = rows + self.origin[0] + self.core[0].start
        return np.asarray(row * self.scene.cols + cols + self.origin[1] + self.core[1].start, dtype=np.int64)

    def spread(self, values: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return a map of the core with one value for each valid pixel, and NaN elsewhere."""
        scores = np.full(self.core_valid.shape, np.nan)
        scores[self.core_valid] = values
        return scores


def strips_of(shape: tuple[int, ...]) -> Iterator[slice]:
    """Yield slices of the rows of spectra of this shape; each fits into a processor's cache."""
    rows, cols, bands = shape
    step = max(1, _PIECE_BYTES // max(1, cols * bands * np.dtype(np.float64).itemsize))
    yield from (slice(start, min(rows, start + step)) for start in range(0, rows, step))


def usable(spectra: NDArray[np.float64], valid: NDArray[np.bool_]) -> Iterator[NDArray[np.float64]]:
    """Yield the valid spectra, ``(n, bands)``, once; nothing if there are none."""
    if valid.all():
        yield spectra.reshape(-1, spectra.shape[2])
    elif valid.any():
        yield spectra[valid]


def widened(block: Block, margin: int) -> tuple[Block, Part]:
    """Return the block with a core that is wider by a margin, and the place of the old core in the new one."""
    rows, cols = (
        slice(max(0, core.start - margin), min(size, core.stop + margin))
        for core, size in zip(block.core, block.shape[:2], strict=True)
    )
    whole = (slice(0, block.shape[0]), slice(0, block.shape[1]))
    return block.part(*whole, (rows, cols)), within(block.core, (rows, cols))


def surroundings(block: Block, halo: int) -> Part:
    """Return the rows and columns of a block that a detector with this halo needs for the same core."""
    rows, cols = (
        clamped(core.start, core.stop, size, halo) for core, size in zip(block.core, block.shape[:2], strict=True)
    )
    return rows, cols


def narrowed(block: Block, halo: int) -> Block:
    """Return the block cut to what a detector with this halo needs for the same core."""
    part = surroundings(block, halo)
    return block.part(*part, within(block.core, part))


def within(inner: Part, outer: Part) -> Part:
    """Return rows and columns of an array as those of a part of it."""
    rows, cols = (slice(a.start - b.start, a.stop - b.start) for a, b in zip(inner, outer, strict=True))
    return rows, cols
