"""The two decorators that compile every kernel, so that all kernels follow the same rules.

`compiled` makes a kernel that Python calls. `inner` is for the functions inside of kernels. Each kernel takes its inner
functions in as they are written and is optimized as a whole, once. If inner functions were compiled like any other
function, they would be optimized again in every kernel that calls them, and each would have machine code, a wrapper for
Python and files in the cache that nobody asks for: all kernels took 90 s and 17 MB instead of 53 s and 7 MB, and were
no faster.

This rests on names that numba keeps private (`hsad.kernels.own_copies`). Where they are missing, kernels are compiled
with ``numba.njit``. Then compiling takes longer, and the last bits of scores may differ from run to run.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

__all__ = ["PLAIN", "SOURCES", "as_kernel", "cache_folder", "compiled", "inner"]

Function = TypeVar("Function", bound=Callable[..., Any])

PLAIN = ""
"""Why kernels are compiled with ``numba.njit``; empty if they have their own copies of inner functions."""

try:
    from hsad.kernels import own_copies
except (ImportError, AttributeError, TypeError) as error:
    PLAIN = f"numba {numba.__version__} has changed inside: {error}"
    text = "%s; kernels are compiled the plain way, the last bits of scores may differ from run to run"
    logging.getLogger("hsad").warning(text, PLAIN)

with contextlib.suppress(ImportError, AttributeError, TypeError):
    from hsad.kernels import announcement  # noqa: F401  importing it is what it does

# Threads belong to the engine, because numba's own threading layers abort the process under dask's threads. Division
# is numpy's. Sums may be reordered into vectors, and products contracted into fused multiply-adds; NaN and infinity
# keep their meaning.
_OPTIONS: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "fastmath": {"contract", "reassoc", "nsz"},
}

_HERE = Path(__file__).parent

# torch runs what is in these folders, so that no kernel depends on them.
_TORCH = (_HERE / "networks", _HERE / "ring" / "torch")

SOURCES = hashlib.sha256(
    b"".join(path.read_bytes() for path in sorted(_HERE.rglob("*.py")) if not any(map(path.is_relative_to, _TORCH)))
).hexdigest()
"""Digest of all sources that kernels are made of: a cached kernel is current as long as the digest is the same."""


def compiled(function: Function) -> Function:
    """Return `function`, a kernel that Python calls, compiled at its first call with each kind of arguments; cached."""
    if not PLAIN:
        return cast("Function", own_copies.kernel(function, _OPTIONS, SOURCES))
    # The public way to tell the caches of two states of the sources apart is the name of the function.
    function.__qualname__ = f"{function.__qualname__}_{SOURCES[:12]}"
    try:
        return cast("Function", numba.njit(cache=True, **_OPTIONS)(function))
    except RuntimeError:  # numba's word for: no folder can be written
        return cast("Function", numba.njit(**_OPTIONS)(function))


def inner(function: Function) -> Function:
    """Return `function` for kernels to call: it is compiled into each of them."""
    made = numba.njit(**_OPTIONS)(function) if PLAIN else own_copies.inner_part(function, _OPTIONS)
    return cast("Function", made)


def as_kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a kernel that does what an `inner` function or a vector kernel does: for Python to call, and not cached.

    It is the way to try such a function out, and to test it.

    Examples
    --------
    >>> from hsad.kernels.ring.one_ring import ring_size
    >>> as_kernel(ring_size)(15, 7)
    176
    """
    if hasattr(function, "py_func"):
        called = function.py_func
    else:

        def called(*arguments: Any) -> Any:
            return function(*arguments)

    if PLAIN:
        return cast("Callable[..., Any]", numba.njit(**_OPTIONS)(called))
    return cast("Callable[..., Any]", own_copies.kernel(called, _OPTIONS, ""))


def cache_folder() -> str:
    """Return the folder that keeps the compiled kernels of this file's folder; empty if no folder can be written."""

    def probe() -> None: ...

    kernel: Any = compiled(probe)
    return str(kernel.stats.cache_path or "")
