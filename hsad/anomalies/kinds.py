"""Kinds: groups of anomalies with alike spectra.

The mean spectra of the anomalies are whitened with moments of the scene from which the most unlike pixels are left out:
otherwise the anomalies themselves would shrink the directions that they share. Two anomalies are alike by the cosine of
their whitened spectra. Groups are joined by average linkage as long as the mean cosine between two of them is at least
`SAME_KIND`. On scenes with two or three materials, at eight objects each, the groups agree with the materials by an
adjusted Rand index of .89 on draws that nothing was chosen on.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hsad.job.remarks import sample_rows
from hsad.kernels.covariance import floored_whitener

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hsad.anomalies.opened import Scene
    from hsad.anomalies.vectors import Anomalies

__all__ = ["SAME_KIND", "Whitened", "groups", "letters", "with_kinds"]

SAME_KIND = 0.5
"""Least mean cosine between two groups that are one kind; .3 to .7 do about as well."""

_TRIM, _ROUNDS = 0.02, 2
"""Share of the most unlike pixels that is left out of the moments, and how often."""

_SAMPLE = 40_000
"""Most pixels from which the moments are taken."""

_LINKED = 1000
"""Most anomalies that are linked with each other, the strongest ones; others join the kind they are most like."""


@dataclass(frozen=True, eq=False)
class Whitened:
    """The background of a scene by which spectra are compared.

    Attributes
    ----------
    mean : (bands,) ndarray of float64
    whitening : (bands, bands) ndarray of float64

    Examples
    --------
    >>> import numpy as np
    >>> pixels = np.random.default_rng(0).normal(size=(500, 3)) * [1, 2, 4]
    >>> white = Whitened.of(pixels).white(np.array([[1.0, 2.0, 4.0]]))
    >>> bool(1 < np.linalg.norm(white) < 2.5)
    True
    """

    mean: NDArray[np.float64]
    whitening: NDArray[np.float64]

    @classmethod
    def of(cls, pixels: NDArray[np.float64]) -> Whitened:
        """Return the background of ``(n, bands)`` pixels without the 2 % that are most unlike it, left out twice."""
        used = pixels
        for last in (False,) * _ROUNDS + (True,):
            mean = used.mean(axis=0)
            found = cls(mean, floored_whitener(np.cov(used, rowvar=False, ddof=1).reshape(len(mean), -1)))
            if not last:
                distance = (found.white(pixels) ** 2).sum(axis=1)
                used = pixels[distance <= np.quantile(distance, 1 - _TRIM)]
        return found

    def white(self, spectra: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return whitened spectra, ``(n, bands)``."""
        return np.asarray((spectra - self.mean) @ self.whitening)


def groups(white: NDArray[np.float64], linked: int = _LINKED) -> NDArray[np.int64]:
    """Return the number of the group of each whitened spectrum: 0 is the group of the first one, and so on.

    Parameters
    ----------
    white : (n, bands) ndarray
        Whitened spectra, the strongest anomaly first.
    linked : int
        The first spectra of this number are joined by average linkage of their cosines. Each further one joins the
        group to which its mean cosine is largest, or is a group of its own.

    Returns
    -------
    (n,) ndarray of int

    Examples
    --------
    >>> import numpy as np
    >>> groups(np.array([[1.0, 0.1], [-1.0, 0.0], [2.0, 0.0], [-3.0, 0.2]])).tolist()
    [0, 1, 0, 1]
    """
    from scipy.cluster.hierarchy import fcluster, linkage

    unit = white / np.maximum(np.linalg.norm(white, axis=1, keepdims=True), 1e-30)
    first = unit[:linked]
    found = np.zeros(len(unit), dtype=np.int64)
    if len(first) > 1:
        apart = 1 - (first @ first.T)[np.triu_indices(len(first), 1)]
        tree = linkage(np.maximum(apart, 0.0), "average")
        found[: len(first)] = fcluster(tree, 1 - SAME_KIND, "distance")
    known = int(found.max(initial=0)) + 1
    counts = np.zeros(known + len(unit) - len(first))
    sums = np.zeros((len(counts), unit.shape[1]))
    np.add.at(sums, found[: len(first)], first)
    np.add.at(counts, found[: len(first)], 1)
    for place in range(len(first), len(unit)):
        mean = sums[:known] @ unit[place] / np.maximum(counts[:known], 1)
        best = int(mean.argmax())
        if mean[best] < SAME_KIND:
            best = known
            known += 1
        sums[best] += unit[place]
        counts[best] += 1
        found[place] = best
    names, order, number = np.unique(found, return_index=True, return_inverse=True)
    rank = np.empty(len(names), dtype=np.int64)
    rank[np.argsort(order)] = np.arange(len(names))
    return rank[number]


def letters(number: int) -> str:
    """Return the letters of a kind, counted from 0: A, B, …, Z, AA, AB, ….

    Examples
    --------
    >>> [letters(number) for number in (0, 25, 26, 701, 702)]
    ['A', 'Z', 'AA', 'ZZ', 'AAA']
    """
    text = ""
    number += 1
    while number:
        number, letter = divmod(number - 1, 26)
        text = chr(ord("A") + letter) + text
    return text


def with_kinds(anomalies: Anomalies, scene: Scene) -> Anomalies:
    """Return the anomalies with the letter of the kind of each in the column `kind`: A has the strongest anomaly.

    The letters stay None where the pixels of the scene are all alike.
    """
    pixels = _sampled(scene)
    if not len(anomalies) or len(pixels) < 2 or not np.ptp(pixels, axis=0).any():
        return anomalies
    white = Whitened.of(pixels).white(_spectra(anomalies, scene))
    kinds = np.array([letters(number) for number in groups(white).tolist()], dtype=object)
    return anomalies.with_columns(kind=kinds)


def _sampled(scene: Scene) -> NDArray[np.float64]:
    """Return valid pixels of evenly spread rows of a scene, ``(n, bands)``, at most `_SAMPLE`."""
    source = scene.source
    strips = sample_rows(source)
    whole = sum(strip.stop - strip.start for strip in strips) * source.size[1]
    every = max(1, -(-whole // _SAMPLE))
    found = []
    for rows in strips:
        window = rows, slice(0, source.size[1])
        spectra, valid = source.spectra(source.read(*window), *window)
        found.append(spectra[valid][::every])
    return np.concatenate(found)


def _spectra(anomalies: Anomalies, scene: Scene) -> NDArray[np.float64]:
    """Return the mean spectrum of each anomaly in the list, ``(n, bands)``; of a long list's end that of its pixel."""
    found = np.empty((len(anomalies), len(scene.source.bands)))
    columns = (anomalies.columns[name] for name in ("row", "col", "mean_spectrum"))
    for place, (row, col, text) in enumerate(zip(*columns, strict=True)):
        known = None if text is None else np.array(json.loads(text), dtype=np.float64)
        if known is None or not np.isfinite(known).all():
            known = scene.spectra(slice(int(row), int(row) + 1), slice(int(col), int(col) + 1))[0][0, 0]
        found[place] = known
    return np.nan_to_num(found)
