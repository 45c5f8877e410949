"""Progress of a run: a bar in a terminal or a notebook, lines in a log.

A loop over tiles iterates over ``progress(tiles, total=..., desc=...)`` instead of ``tiles``.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from hsad.errors import ParameterError

__all__ = ["LOGGER", "Progress", "all_of", "bar", "chosen_progress", "log_lines"]

#: Messages during a run: lines of progress, and the compilation of kernels.
LOGGER = logging.getLogger("hsad")

_SECONDS_BETWEEN_LINES = 10.0

#: The bar asks for the memory once a second, because one answer takes some milliseconds.
_SECONDS_BETWEEN_LOOKS = 1.0

#: Wraps an iterable to show how far it has come: ``progress(iterable, total=..., desc=...)``, as tqdm does. An iterable
#: of tiles has a number `pixels`: the pixels of all its tiles together.
Progress = Callable[..., Iterable[Any]]


@dataclass(frozen=True)
class _Watched:
    """An iterable with the number of pixels of the tiles behind it."""

    items: Iterable[Any]
    pixels: int

    def __iter__(self) -> Iterator[Any]:
        return iter(self.items)


def _pixels(iterable: Iterable[Any]) -> int:
    return int(getattr(iterable, "pixels", 0))


def chosen_progress(progress: Progress | bool | str | None) -> Progress | None:
    """Return the function that shows progress: a bar for True, lines of a log for ``"log"``, or the function itself.

    Raises
    ------
    ParameterError
    """
    if progress is None or progress is False:
        return None
    if progress is True:
        return bar
    if progress == "log":
        return log_lines
    if not callable(progress):
        raise ParameterError(f"progress: {progress!r} is neither True, 'log' nor a function such as tqdm")
    return progress


def all_of(*several: Progress) -> Progress:
    """Return a function that shows progress in several ways at once."""

    def show(iterable: Iterable[Any], *, total: int, desc: str) -> Iterable[Any]:
        pixels = _pixels(iterable)
        for progress in several:
            iterable = _Watched(progress(iterable, total=total, desc=desc), pixels)
        return iterable

    return show


def bar(iterable: Iterable[Any], *, total: int, desc: str) -> Iterator[Any]:
    """Yield the items under a bar of pixels (of items, if they are no tiles), with speed, time left and memory."""
    from tqdm.auto import tqdm

    pixels = _pixels(iterable)
    share = pixels / total if pixels and total else 1
    with tqdm(
        total=pixels or total, desc=desc, unit="px" if pixels else "", unit_scale=bool(pixels), leave=False
    ) as it:
        shown = 0.0
        for number, item in enumerate(iterable, start=1):
            if pixels and time.monotonic() - shown >= _SECONDS_BETWEEN_LOOKS:
                shown = time.monotonic()
                it.set_postfix_str(f"{number}/{total} tiles, {_memory()}", refresh=False)
            it.update(share)
            yield item


def log_lines(iterable: Iterable[Any], *, total: int, desc: str) -> Iterator[Any]:
    """Yield the items and log the progress at the start, at the end and every ten seconds."""
    pixels = _pixels(iterable)
    started = logged = time.monotonic()
    if not pixels:  # steps of a training
        yield from _log_steps(iterable, total, desc)
        return
    LOGGER.info("%s: %d tiles, %d pixels", desc, total, pixels)
    for number, item in enumerate(iterable, start=1):
        yield item
        now = time.monotonic()
        if now - logged >= _SECONDS_BETWEEN_LINES or number == total:
            logged, seconds = now, max(now - started, 1e-9)
            LOGGER.info(
                "%s: %d of %d tiles, %.4g pixels/s, %.0f s left, %s",
                desc, number, total, pixels * number / total / seconds, seconds * (total - number) / number, _memory(),
            )  # fmt: skip


def _log_steps(iterable: Iterable[Any], total: int, desc: str) -> Iterator[Any]:
    started = logged = time.monotonic()
    LOGGER.info("%s: at most %d steps", desc, total)
    for number, item in enumerate(iterable, start=1):
        yield item
        now = time.monotonic()
        if now - logged >= _SECONDS_BETWEEN_LINES or number == total:
            logged = now
            LOGGER.info("%s: %d of %d steps, %.0f s", desc, number, total, now - started)


def _memory() -> str:
    """Return the memory of this process and of its children, without pages of files."""
    import psutil

    this = psutil.Process()
    used = 0
    for process in (this, *this.children(recursive=True)):
        try:
            used += process.memory_full_info().uss
        except psutil.Error:  # the process has ended, or the system does not show it
            continue
    return f"{used / 1e9:.2f} GB"
