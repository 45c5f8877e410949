"""The detectors as textbooks write them, pixel by pixel in numpy: peers in speed, references for scores."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Decomposed",
    "Parts",
    "band_rpca",
    "crd",
    "global_rx",
    "inexact_alm",
    "kernel_crd",
    "lasso",
    "lasso_weights",
    "local_rx",
    "low_rank",
    "matching_pursuit",
    "ring_of",
    "rpca",
]

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]


def ring_of(cube: NDArray[np.float64], row: int, col: int, outer: int, inner: int) -> Matrix:
    """Return the ring of a pixel far from the edges, ``(d, s)``, one atom per column."""
    half, guard = outer // 2, inner // 2
    window = cube[row - half : row + half + 1, col - half : col + half + 1]
    outside = np.ones(window.shape[:2], dtype=np.bool_)
    outside[half - guard : half + guard + 1, half - guard : half + guard + 1] = False
    return np.ascontiguousarray(window[outside].T)


def crd(y: Vector, atoms: Matrix, lam: float, *, distance: bool) -> float:
    """Return ‖y − Xα‖, α = (XᵀX + λΓ²)⁻¹Xᵀy (Li & Du 2015)."""
    gamma = np.linalg.norm(atoms - y[:, None], axis=0) if distance else np.ones(atoms.shape[1])
    alpha = np.linalg.solve(atoms.T @ atoms + lam * np.diag(gamma**2), atoms.T @ y)
    return float(np.linalg.norm(y - atoms @ alpha))


def kernel_crd(y: Vector, atoms: Matrix, lam: float, gamma: float) -> float:
    """Return the residual of `crd` with distance weights in the feature space of exp(−γ‖a − b‖²)."""
    squares = np.sum(atoms**2, axis=0)
    gram = np.exp(-gamma * (squares[:, None] + squares - 2 * atoms.T @ atoms))
    to_y = np.exp(-gamma * np.sum((atoms - y[:, None]) ** 2, axis=0))
    alpha = np.linalg.solve(gram + lam * np.diag(2 - 2 * to_y), to_y)
    return float(np.sqrt(max(0.0, 1 + alpha @ gram @ alpha - 2 * alpha @ to_y)))


def local_rx(y: Vector, atoms: Matrix, ridge: float) -> float:
    """Return the squared Mahalanobis distance of y to the ring, its covariance (÷ s) with ridge · tr(C)/d."""
    mean = atoms.mean(axis=1)
    centred = atoms - mean[:, None]
    covariance = centred @ centred.T / atoms.shape[1]
    bands = len(y)
    covariance = covariance + ridge * np.trace(covariance) / bands * np.eye(bands)
    return float((y - mean) @ np.linalg.solve(covariance, y - mean))


def global_rx(cube: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the squared Mahalanobis distances of all pixels of a cube, ``(rows, cols)``."""
    spectra = cube.reshape(-1, cube.shape[2])
    centred = spectra - spectra.mean(axis=0)
    covariance = centred.T @ centred / len(spectra)
    scores = np.sum(centred * np.linalg.solve(covariance, centred.T).T, axis=1)
    return np.asarray(scores.reshape(cube.shape[:2]))


def matching_pursuit(y: Vector, atoms: Matrix, most: int) -> float:
    """Return ‖y − Xα‖ after `most` steps of orthogonal matching pursuit with atoms of unit length."""
    unit = atoms / np.linalg.norm(atoms, axis=0)
    chosen: list[int] = []
    residual = y
    for _ in range(min(most, atoms.shape[1])):
        correlation = np.abs(unit.T @ residual)
        correlation[chosen] = -1.0
        chosen.append(int(np.argmax(correlation)))
        residual = y - unit[:, chosen] @ np.linalg.lstsq(unit[:, chosen], y, rcond=None)[0]
    return float(np.linalg.norm(residual))


class Decomposed(NamedTuple):
    """Scores ``(rows, cols)``, and the objective ‖L‖_* + λ‖S‖₁."""

    scores: NDArray[np.float64]
    objective: float


def rpca(cube: NDArray[np.float64]) -> Decomposed:
    """Return ‖Sᵢ‖ of all pixels, S by the inexact ALM with a full SVD in each iteration (Lin et al. 2010)."""
    x = cube.reshape(-1, cube.shape[2])
    lam = 1 / np.sqrt(max(x.shape))
    parts = inexact_alm(x, lam)
    scores = np.linalg.norm(parts.sparse, axis=1).reshape(cube.shape[:2])
    return Decomposed(scores, float(parts.nuclear + lam * np.abs(parts.sparse).sum()))


def band_rpca(cube: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ‖Sᵢ‖ over the bands; the image of each band is one window and is decomposed alone."""
    parts = [inexact_alm(band, 1 / np.sqrt(max(band.shape))).sparse for band in np.moveaxis(cube, 2, 0)]
    return np.asarray(np.linalg.norm(parts, axis=0))


class Parts(NamedTuple):
    """L and S after the last iteration, and ‖L‖_*."""

    low: Matrix
    sparse: Matrix
    nuclear: float


def inexact_alm(x: Matrix, lam: float, tolerance: float = 1e-7) -> Parts:
    """Minimise ‖L‖_* + λ‖S‖₁ with X = L + S as Lin, Chen, Ma (2010) publish it, for at most 200 iterations."""
    norm, largest = np.linalg.norm(x, 2), np.abs(x).max()
    y = x / max(norm, largest / lam)
    mu, most = 1.25 / norm, 1.25e7 / norm
    low = np.zeros_like(x)
    for _ in range(200):
        d = x - low + y / mu
        sparse = np.sign(d) * np.maximum(np.abs(d) - lam / mu, 0)
        u, s, vt = np.linalg.svd(x - sparse + y / mu, full_matrices=False)
        s = np.maximum(s - 1 / mu, 0)
        low = (u * s) @ vt
        y += mu * (x - low - sparse)
        mu = min(1.5 * mu, most)
        if np.linalg.norm(x - low - sparse) < tolerance * np.linalg.norm(x):
            break
    return Parts(low, sparse, float(s.sum()))


def low_rank(cube: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the residuals after the rank-1 background of patches of 8 × 8 pixels, 4 apart, merged by their median."""
    side, stride = 8, 4
    rows, cols = (range(0, size - side + 1, stride) for size in cube.shape[:2])
    residual = np.empty_like(cube)
    for band in range(cube.shape[2]):
        image = cube[..., band]
        patches = np.stack([image[r : r + side, c : c + side].ravel() for r in rows for c in cols], axis=1)
        u, s, vt = np.linalg.svd(patches, full_matrices=False)
        low = iter((s[0] * np.outer(u[:, 0], vt[0])).T)
        layers = np.full((2, 2, *image.shape), np.nan)
        for i, r in enumerate(rows):
            for j, c in enumerate(cols):
                layers[i % 2, j % 2, r : r + side, c : c + side] = next(low).reshape(side, side)
        residual[..., band] = image - np.nanmedian(layers.reshape(4, *image.shape), axis=0)
    return np.asarray(np.linalg.norm(residual, axis=2))


def lasso(y: Vector, atoms: Matrix, lam: float, iterations: int, *, accelerated: bool) -> float:
    """Return ‖y − Xα‖ of `lasso_weights`."""
    return float(np.linalg.norm(y - atoms @ lasso_weights(y, atoms, lam, iterations, accelerated=accelerated)))


def lasso_weights(y: Vector, atoms: Matrix, lam: float, iterations: int, *, accelerated: bool) -> Vector:
    """Return α after `iterations` proximal gradient steps (Beck & Teboulle 2009) of length 1/(1.01 λmax(XᵀX))."""
    step = 1 / (1.01 * np.linalg.eigvalsh(atoms.T @ atoms)[-1])
    alpha, point, t = np.zeros(atoms.shape[1]), np.zeros(atoms.shape[1]), 1.0
    for _ in range(iterations):
        moved = point + step * (atoms.T @ (y - atoms @ point))
        shrunk = np.sign(moved) * np.maximum(np.abs(moved) - lam * step, 0)
        following = (1 + np.sqrt(1 + 4 * t**2)) / 2 if accelerated else 1.0
        point, alpha, t = shrunk + (t - 1) / following * (shrunk - alpha), shrunk, following
    return alpha
