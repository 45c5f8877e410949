"""The cases of the bench of speed: detectors, sizes, windows, peers, and the fewest operations known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsad.bench import formulas
from hsad.bench.peers import batched
from hsad.bench.peers.batched import torch_batch
from hsad.bench.peers.lapack import lapack_solve
from hsad.bench.peers.octave import OCTAVE_CRD, OCTAVE_LRX, octave_ialm, octave_loop
from hsad.bench.peers.peer import Peer, numpy_loop, numpy_whole
from hsad.bench.peers.programs import otb_lrx, sklearn_omp, spectral_lrx, spectral_rx

__all__ = ["Case", "cases"]

Score = Callable[[NDArray[np.float64], int, int, int, int], float]

_LAM = 1e-3
_GAMMA = 0.05
_RIDGE = 1e-2
_LASSO = 1e-2


@dataclass(frozen=True)
class Case:
    """One row of the table.

    Attributes
    ----------
    name : str
    method : str
    parameters : dict
        Parameters of the method besides the window.
    bands, side : int
        The cube is ``(side, side, bands)``.
    outer, inner : int
        Windows, 0 for a method without windows.
    flops : float
        Operations per pixel of the cheapest algorithm known, see `cases`.
    reference : callable or None
        The formula that scores are compared with: ``reference(cube, row, col, outer, inner)`` for one pixel, or
        ``reference(cube)`` for a method without windows. None if it takes too long.
    peers : tuple of Peer
    repeats : int
        Number of timed runs of hsad.
    command : str
        Type of the numbers of a file. The whole command is timed on this file, from its start to the raster. If the
        type is empty, the call of `hsad.detect` on an array is timed.
    """

    name: str
    method: str
    parameters: dict[str, Any]
    bands: int
    side: int
    outer: int
    inner: int
    flops: float
    reference: Callable[..., Any] | None
    peers: tuple[Peer, ...] = field(default=())
    repeats: int = 5
    command: str = ""


def _crd(*, distance: bool) -> Score:
    def score(cube: NDArray[np.float64], row: int, col: int, outer: int, inner: int) -> float:
        atoms = formulas.ring_of(cube, row, col, outer, inner)
        return formulas.crd(cube[row, col], atoms, _LAM, distance=distance)

    return score


def _kernel_crd(cube: NDArray[np.float64], row: int, col: int, outer: int, inner: int) -> float:
    return formulas.kernel_crd(cube[row, col], formulas.ring_of(cube, row, col, outer, inner), _LAM, _GAMMA)


def _local_rx(cube: NDArray[np.float64], row: int, col: int, outer: int, inner: int) -> float:
    return formulas.local_rx(cube[row, col], formulas.ring_of(cube, row, col, outer, inner), _RIDGE)


def _matching_pursuit(cube: NDArray[np.float64], row: int, col: int, outer: int, inner: int) -> float:
    return formulas.matching_pursuit(cube[row, col], formulas.ring_of(cube, row, col, outer, inner), 5)


def _lasso(*, accelerated: bool) -> Score:
    def score(cube: NDArray[np.float64], row: int, col: int, outer: int, inner: int) -> float:
        atoms = formulas.ring_of(cube, row, col, outer, inner)
        return formulas.lasso(cube[row, col], atoms, _LASSO, 100, accelerated=accelerated)

    return score


def _gram(bands: int, outer: int) -> float:
    """Return operations per pixel of the inner products among the rings of a superblock of 12 × 12 pixels."""
    return (outer + 11) ** 4 * bands / 144


def _weighted(bands: int, outer: int, inner: int) -> float:
    """Return operations of CRD with weights that differ by pixel: a system in the atoms, or one in the bands."""
    s = outer**2 - inner**2
    return min(_gram(bands, outer) + s**3 / 3 + 2 * s**2, s * bands**2 + bands**3 / 3) + 6 * s * bands


def _plain(bands: int, outer: int, inner: int) -> float:
    """Return operations of CRD without weights: atoms that 3 × 3 pixels share factored once, or sliding bands."""
    s = outer**2 - inner**2
    shared = (outer - 2) ** 2 - (inner + 2) ** 2
    others = (outer + 2) ** 2 - max(inner - 2, 0) ** 2 - shared
    tile = (shared**3 / 3 + shared**2 * others + shared * others**2) / 9 + (s - shared) ** 3 / 3
    dual = _gram(bands, outer) + tile + 2 * s**2 + 4 * s * bands
    return min(dual, 16 * bands**2 + bands**3 / 3)


def _sliding(bands: int) -> float:
    """Return operations of local RX: a sliding covariance (8 additions and products an entry), factored."""
    return bands**3 / 3 + 16 * bands**2


def _pursuit(bands: int, squares: float) -> float:
    """Return operations of robust PCA; `squares` counts d² per pixel for Gram matrices and products with factors.

    The bench's cube takes 39 iterations. In the first 20 the rank is below ten, in the last 17 above d/2.
    """
    return squares * bands**2


def cases(*, quick: bool = False) -> list[Case]:
    """Return the cases; `quick` leaves out more than 30 bands and the slowest peers.

    `Case.flops` counts multiplications and additions. Divided by the measured speed of a matrix product, it gives the
    time that this algorithm cannot beat.
    """
    window: dict[str, Any] = {"outer": 15, "inner": 5}
    found = []
    for bands, side in ((189, 96), (30, 160), (10, 320)):
        common: dict[str, Any] = {"bands": bands, "side": side, **window}
        lapack = [lapack_solve("d"), lapack_solve("s")] if bands == 189 else []
        crd_peers = (
            octave_loop("Octave, textbook CRD", OCTAVE_CRD),
            numpy_loop("numpy", _crd(distance=True)),
            torch_batch("torch, batched", partial(batched.crd, lam=_LAM)),
            *lapack,
        )
        lrx_peers: tuple[Peer, ...] = (
            spectral_lrx(),
            octave_loop("Octave, textbook LRX", OCTAVE_LRX),
            numpy_loop("numpy", _local_rx),
            torch_batch("torch, batched", partial(batched.local_rx, ridge=_RIDGE)),
            *lapack,
        )
        if not quick and bands == 189:
            lrx_peers = (*lrx_peers, otb_lrx())
        found += [
            Case(f"crd weighted d={bands}", "crd", {"lam": _LAM}, **common, flops=_weighted(bands, **window),
                 reference=_crd(distance=True), peers=crd_peers),
            Case(f"crd plain d={bands}", "crd", {"lam": _LAM, "weights": "none"}, **common,
                 flops=_plain(bands, **window), reference=_crd(distance=False),
                 peers=(numpy_loop("numpy", _crd(distance=False)),)),
            Case(f"lrx d={bands}", "lrx", {"ridge": _RIDGE}, **common, flops=_sliding(bands), reference=_local_rx,
                 peers=lrx_peers),
        ]  # fmt: skip
    s = window["outer"] ** 2 - window["inner"] ** 2
    found.append(
        Case("kcrd d=189", "kcrd", {"lam": _LAM, "gamma": _GAMMA}, bands=189, side=96, **window,
             flops=_gram(189, 15) + s**3 / 3 + 4 * s**2, reference=_kernel_crd,
             peers=(numpy_loop("numpy", _kernel_crd),
                    torch_batch("torch, batched", partial(batched.kernel_crd, lam=_LAM, gamma=_GAMMA))))
    )  # fmt: skip
    found.append(
        Case("rx d=200", "rx", {}, bands=200, side=512, outer=0, inner=0, flops=2.0 * 200**2,
             reference=formulas.global_rx, peers=(spectral_rx(),))
    )  # fmt: skip
    found.append(
        Case("srd omp d=189", "srd", {"atoms": 5}, bands=189, side=96, **window,
             flops=_gram(189, 15) + 5 * 4.0 * s, reference=_matching_pursuit, peers=(sklearn_omp(5),))
    )  # fmt: skip
    found += [
        Case(f"srd {solver} d=189", "srd", {"solver": solver, "lam": _LASSO}, bands=189, side=32, **window,
             flops=_gram(189, 15) + 100 * 2.0 * s**2, reference=_lasso(accelerated=solver == "fista"),
             peers=(numpy_loop("numpy", _lasso(accelerated=solver == "fista")),))
        for solver in ("ista", "fista")
    ]  # fmt: skip
    found.append(
        Case("rpca d=189", "rpca", {}, bands=189, side=100, outer=0, inner=0, flops=_pursuit(189, 83),
             reference=formulas.rpca, peers=(numpy_whole("numpy, inexact ALM with full SVDs", formulas.rpca),))
    )  # fmt: skip
    found.append(
        Case("rpca d=200", "rpca", {}, bands=200, side=512, outer=0, inner=0, flops=_pursuit(200, 73),
             reference=None, peers=(octave_ialm(),), repeats=2)
    )  # fmt: skip
    # About 35 iterations on a square matrix, each with a Gram matrix, its eigenvectors (9 n³) and a product.
    found.append(
        Case("rpca-bands d=20", "rpca-bands", {}, bands=20, side=64, outer=0, inner=0, flops=35 * (1 + 9 + 2) * 64 * 20,
             reference=formulas.band_rpca, peers=(numpy_whole("numpy, full SVDs", formulas.band_rpca),))
    )  # fmt: skip
    # One patch of 64 pixels for every 16 pixels, with a Gram matrix and two products with one vector.
    found.append(
        Case("low-rank d=60", "low-rank", {}, bands=60, side=128, outer=0, inner=0, flops=60 * (64**2 + 4 * 64) / 16,
             reference=formulas.low_rank, peers=(numpy_whole("numpy, SVD and nanmedian", formulas.low_rank),))
    )  # fmt: skip
    for bands, outer, inner in ((189, 5, 3), (189, 25, 15), (425, 15, 5)):
        sizes: dict[str, Any] = {"bands": bands, "side": 64, "outer": outer, "inner": inner, "repeats": 3}
        name = f"d={bands} {outer}/{inner}"
        found += [
            Case(f"crd weighted {name}", "crd", {"lam": _LAM}, **sizes, flops=_weighted(bands, outer, inner),
                 reference=_crd(distance=True), peers=(numpy_loop("numpy", _crd(distance=True)),)),
            Case(f"lrx {name}", "lrx", {"ridge": _RIDGE}, **sizes,
                 flops=min(_sliding(bands), _weighted(bands, outer, inner)), reference=_local_rx,
                 peers=(numpy_loop("numpy", _local_rx),)),
        ]  # fmt: skip
    wholes: tuple[tuple[str, dict[str, Any], float], ...] = (
        ("rx", {}, 2.0 * 200**2),
        ("lrx", {"ridge": _RIDGE, **window}, _sliding(200)),
        ("crd", {"lam": _LAM, **window}, _weighted(200, **window)),
    )
    for method, parameters, flops in wholes:
        side = 512 if method == "rx" else 128
        found += [
            Case(f"command {method} d=200 {dtype} {side}x{side}", method, parameters, bands=200, side=side, outer=0,
                 inner=0, flops=flops, reference=None, repeats=3, command=dtype)
            for dtype in ("int16", "float32")
        ]  # fmt: skip
    return [case for case in found if not quick or case.bands <= 30]
