"""LAPACK called from compiled code, without Python between the calls: what one system of a ring costs at least so."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from hsad.bench.peers.peer import Cube, Measured, Peer
from hsad.bench.timing import best_of

__all__ = ["lapack_solve"]


def lapack_solve(kind: Literal["d", "s"] = "d", pixels: int = 200) -> Peer:
    """Return a peer that copies, factors and solves one system of the order of the ring for each pixel, and no more.

    It calls ``dpotrf`` and ``dpotrs`` of scipy's LAPACK, or those of single precision for the kind ``"s"``, one thread,
    from a loop that numba compiled.
    """
    number, tolerance = (np.float64, 1e-8) if kind == "d" else (np.float32, 1e-3)

    def measure(cube: Cube, outer: int, inner: int) -> Measured:  # noqa: ARG001  the time depends on the window only
        order = outer**2 - inner**2
        points = np.random.default_rng(0).normal(size=(order, order))
        exact = points @ points.T / order + np.eye(order)
        system = exact.astype(number)
        loop = _loop(kind)
        room, right = np.empty((order, order), number), np.empty(order, number)
        loop(system, room, right, 1)  # compiles
        seconds = best_of(lambda: loop(system, room, right, pixels)) / pixels
        found = np.linalg.solve(exact, np.ones(order))
        if not np.allclose(right, found, rtol=tolerance):
            raise ArithmeticError("LAPACK's solution is wrong: its functions were not called as they have to be")
        return Measured(seconds)

    return Peer(f"LAPACK from numba: copy, {kind}potrf, {kind}potrs alone", measure)


def _loop(kind: str) -> Any:
    """Return ``loop(system, room, right, pixels)``, compiled: `right` gets the solution for a right side of ones."""
    import ctypes

    from numba import njit
    from numba.extending import get_cython_function_address

    factor_address = get_cython_function_address("scipy.linalg.cython_lapack", f"{kind}potrf")
    solve_address = get_cython_function_address("scipy.linalg.cython_lapack", f"{kind}potrs")
    factor = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 5)(factor_address)
    solve = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 8)(solve_address)

    @njit
    def loop(system: Any, room: Any, right: Any, pixels: int) -> None:
        order, one = np.array([system.shape[0]], np.int32), np.array([1], np.int32)
        lower, info = np.array([ord("L")], np.uint8), np.zeros(1, np.int32)
        for _ in range(pixels):
            room[:] = system
            right[:] = 1.0
            factor(lower.ctypes, order.ctypes, room.ctypes, order.ctypes, info.ctypes)
            solve(
                lower.ctypes, order.ctypes, one.ctypes, room.ctypes, order.ctypes, right.ctypes, order.ctypes,
                info.ctypes,
            )  # fmt: skip

    return loop
