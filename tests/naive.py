"""The papers' formulas as plain float64 loops: slow and obvious, the expected values of every fast kernel.

They cover borders, masks and variants, and solve in ways that lose few digits. `hsad.bench.formulas` has the textbook's
formula for one pixel, with which a fast kernel is timed. Where both are the same formula, it is in that module.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from hsad.bench import formulas


def window(position, size, outer, border):
    """Positions of the outer window along one axis, and the positions in the scene that they read."""
    half = outer // 2
    places = np.arange(position - half, position + half + 1)
    if border == "shift":
        start = max(0, min(position - half, size - outer))
        places = np.arange(start, min(size, start + outer))
    elif border == "truncate":
        places = places[(places >= 0) & (places < size)]
    read = np.pad(np.arange(size), half * (half // size + 2), mode="symmetric")
    return places, read[places + half * (half // size + 2)]


def ring(valid, row, col, outer, inner, border):
    """Rows and columns of the valid ring pixels of one pixel, in row order."""
    rows, read_rows = window(row, valid.shape[0], outer, border)
    cols, read_cols = window(col, valid.shape[1], outer, border)
    found = [
        (read_rows[i], read_cols[j])
        for i in range(len(rows))
        for j in range(len(cols))
        if max(abs(rows[i] - row), abs(cols[j] - col)) > inner // 2 and valid[read_rows[i], read_cols[j]]
    ]
    if not found or 4 * len(found) < outer**2 - inner**2:
        return None
    return tuple(np.array(found).T)


def over_rings(spectra, valid, outer, inner, border, score, wanted=None):
    """The map of ``score(y, X, members)`` with X (d, s) the ring of y, for the valid pixels or the wanted ones."""
    scores = np.full(valid.shape, np.nan)
    for row, col in np.argwhere(valid if wanted is None else wanted):
        members = ring(valid, row, col, outer, inner, border)
        if members is not None:
            scores[row, col] = score(spectra[row, col], spectra[members].T, members)
    return scores


def local_rx(spectra, valid, *, outer, inner, covariance="ridge", ridge=1e-2, border="shift", wanted=None):
    def score(y, X, _):
        if covariance == "ridge":
            return formulas.local_rx(y, X, ridge)
        d, s = X.shape
        z = y - X.mean(axis=1)
        Z = X - X.mean(axis=1, keepdims=True)
        C = Z @ Z.T / s
        level = np.trace(C) / d
        if covariance == "pinv":
            values, vectors = np.linalg.eigh(C)
            keep = values > 1e-12 * values.max()
            return np.sum((vectors[:, keep].T @ z) ** 2 / values[keep]) if level > 0 else 0.0
        delta = shrinkage(Z, C, covariance)
        return z @ np.linalg.solve((1 - delta) * C + delta * level * np.eye(d), z)

    return over_rings(spectra, valid, outer, inner, border, score, wanted)


def shrinkage(Z, C, rule):
    """Ledoit & Wolf 2004 and Chen et al. 2010 (OAS), as scikit-learn defines them."""
    d, s = Z.shape
    level = np.trace(C) / d
    if rule == "oas":
        mean_square = np.mean(C**2)
        return min(1.0, (mean_square + level**2) / ((s + 1) * (mean_square - level**2 / d)))
    spread = sum(np.sum((np.outer(z, z) - C) ** 2) for z in Z.T) / s**2
    return min(1.0, spread / np.sum((C - level * np.eye(d)) ** 2))


def crd(
    spectra,
    valid,
    *,
    outer,
    inner,
    lam=1e-3,
    weights="distance",
    sum_to_one=False,
    center=False,
    normalize=False,
    solver="exact",
    score="residual",
    border="shift",
    ring_weights=None,
    softening=0.0,
    wanted=None,
):
    def one(y, X, members):
        if center:
            mean = X.mean(axis=1)
            y, X = y - mean, X - mean[:, None]
        if normalize:
            y = y / (np.linalg.norm(y) or 1.0)
            norms = np.linalg.norm(X, axis=0)
            X = X / np.where(norms > 0, norms, 1.0)
        gamma2 = np.ones(X.shape[1])
        if weights == "distance":
            gamma2 = np.sum((y[:, None] - X) ** 2, axis=0) + softening
            gamma2 = np.maximum(gamma2, 1e-10 * (y @ y))
        if ring_weights is not None:
            gamma2 = gamma2 / ring_weights[members]
        solved_y, solved_X = y, X
        if sum_to_one:
            solved_y, solved_X = np.append(y, 1.0), np.vstack([X, np.ones(X.shape[1])])
        if solver == "truncated":
            values, vectors = np.linalg.eigh(X.T @ X + lam * np.diag(gamma2))
            values, vectors = values[::-1], vectors[:, ::-1]
            kept = np.searchsorted(np.cumsum(values), 0.9999 * values.sum()) + 1
            alpha = vectors[:, :kept] @ ((vectors[:, :kept].T @ (X.T @ y)) / values[:kept])
        else:
            # The minimiser of the paper's objective as a stacked least-squares problem in beta = Gamma alpha:
            # the same numbers as its normal equations, without squaring their condition.
            gamma = np.sqrt(gamma2)
            stacked = np.vstack([solved_X / gamma, np.sqrt(lam) * np.eye(len(gamma))])
            beta = np.linalg.lstsq(stacked, np.append(solved_y, np.zeros(len(gamma))), rcond=None)[0]
            alpha = beta / gamma
        if score == "objective":
            return np.sqrt(np.sum((solved_y - solved_X @ alpha) ** 2) + lam * np.sum(gamma2 * alpha**2))
        return np.linalg.norm(y - X @ alpha)

    return over_rings(spectra, valid, outer, inner, border, one, wanted)


def kernel_crd(
    spectra,
    valid,
    *,
    outer,
    inner,
    lam=1e-3,
    weights="distance",
    kernel="rbf",
    gamma=1.0,
    border="shift",
    wanted=None,
):
    def k(a, b):
        if kernel == "rbf":
            return np.exp(-gamma * np.sum((a[:, :, None] - b[:, None, :]) ** 2, axis=0))
        return a.T @ b if kernel == "linear" else (gamma * (a.T @ b) + 1) ** 3

    def one(y, X, _):
        y = y[:, None]
        K, k_y, k_yy = k(X, X), k(X, y)[:, 0], k(y, y)[0, 0]
        gamma2 = np.ones(X.shape[1])
        if weights == "distance":
            gamma2 = np.maximum(k_yy + np.diag(K) - 2 * k_y, 1e-10 * k_yy)
        alpha = np.linalg.solve(K + lam * np.diag(gamma2), k_y)
        return np.sqrt(max(0.0, k_yy + alpha @ K @ alpha - 2 * alpha @ k_y))

    return over_rings(spectra, valid, outer, inner, border, one, wanted)


def opening_by_thresholds(image, valid, area):
    """The largest level whose component has at least `area` pixels; on a smaller island its smallest value."""
    out = image.copy()
    for level in np.unique(image[valid]):
        labels, count = ndimage.label(valid & (image >= level))
        sizes = np.bincount(labels.ravel(), minlength=count + 1)
        out[(labels > 0) & (sizes[labels] >= area)] = level
    islands, count = ndimage.label(valid)
    for island in range(1, count + 1):
        here = islands == island
        if here.sum() < area:
            out[here] = image[here].min()
    return out
