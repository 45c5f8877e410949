"""The smallest share of a pixel that an object must cover to be found, in closed form.

An object with the spectrum s that covers the share f of a pixel x makes it x + f (s - x). With z and q the whitened
spectra of pixel and object about the mean of the scene:

- The cosine of z + f (q - z) and q reaches t at f = v/(|q| + v), where v = r t/sqrt(1 - t²) - a, a = z·q/|q| and
  r² = |z|² - a².
- The matched filter, which is linear, reaches T at f = (T - m)/(1 - m), where m is the pixel's own score.
- Global RX reaches T at the larger root of |z + f (q - z)|² = T.

The statistics of the scene are taken to stay what they are: this holds for one more object, not for hundreds.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hsad.anomalies.opened import open_scores
from hsad.detectors.base import Background, Detector, Scan
from hsad.detectors.block import Block
from hsad.detectors.global_rx import GlobalRX
from hsad.detectors.parameters import parameter
from hsad.detectors.targets.whitened import ACE, MF
from hsad.errors import ParameterError
from hsad.job.files import detect_to_file

__all__ = [
    "CLOSED_FORMS",
    "SmallestFill",
    "fill_for_cosine",
    "fill_for_distance",
    "fill_for_filter",
    "share_found",
    "smallest_fills",
]

CLOSED_FORMS = ("ace", "mf", "rx")
"""Methods whose limit has a closed form."""


def fill_for_cosine(white: NDArray[np.float64], query: NDArray[np.float64], cosine: float) -> NDArray[np.float64]:
    """Return the fill at which pixels reach a cosine with an object.

    Parameters
    ----------
    white : (n, bands) ndarray
        Whitened pixels about the mean of the scene.
    query : (bands,) ndarray
        Whitened spectrum of the object about the mean.
    cosine : float
        Between -1 and 1.

    Returns
    -------
    (n,) ndarray of float64
        0 where a pixel has the cosine already, 1 where only the whole object has it.

    Examples
    --------
    >>> import numpy as np
    >>> fill_for_cosine(np.array([[0.0, 1.0], [3.0, 0.0]]), np.array([9.0, 0.0]), 0.5**0.5).round(6).tolist()
    [0.1, 0.0]
    """
    length = float(np.linalg.norm(query))
    along = white @ (query / length)
    rest = np.sqrt(np.maximum(np.einsum("ij,ij->i", white, white) - along**2, 0.0))
    if cosine >= 1:
        return np.ones(len(white))
    way = np.maximum(rest * cosine / np.sqrt(1 - cosine**2) - along, 0.0)
    return np.asarray(way / (length + way))


def fill_for_filter(scores: NDArray[np.float64], level: float) -> NDArray[np.float64]:
    """Return the fill at which pixels reach a score of the matched filter, which is 1 at the object.

    Parameters
    ----------
    scores : (n,) ndarray
        Scores of the pixels as they are.
    level : float

    Returns
    -------
    (n,) ndarray of float64
        0 where a pixel has the score already, infinity where no fill up to 1 reaches it.

    Examples
    --------
    >>> import numpy as np
    >>> fill_for_filter(np.array([0.0, 0.5, 0.2]), 0.36).round(6).tolist()
    [0.36, 0.0, 0.2]
    """
    if level > 1:
        return np.where(scores >= level, 0.0, np.inf)
    missing = np.maximum(level - scores, 0.0)
    return np.divide(missing, 1 - scores, out=np.zeros(len(scores)), where=missing > 0)


def fill_for_distance(white: NDArray[np.float64], query: NDArray[np.float64], level: float) -> NDArray[np.float64]:
    """Return the fill at which pixels reach a squared Mahalanobis distance to the mean of the scene.

    Parameters
    ----------
    white, query : (n, bands) and (bands,) ndarray
        Whitened pixels, and spectrum of the object, about the mean.
    level : float
        Squared distance.

    Returns
    -------
    (n,) ndarray of float64
        0 where a pixel lies as far already, infinity where no fill up to 1 is enough.

    Examples
    --------
    >>> import numpy as np
    >>> fill_for_distance(np.array([[0.0, 0.0], [0.0, 7.0]]), np.array([10.0, 0.0]), 25.0).tolist()
    [0.5, 0.0]
    """
    step = query - white
    square = np.einsum("ij,ij->i", step, step)
    half = np.einsum("ij,ij->i", white, step)
    missing = np.einsum("ij,ij->i", white, white) - level
    inside = half**2 - square * missing
    fill = np.full(len(white), np.inf)
    np.divide(np.sqrt(np.maximum(inside, 0.0)) - half, square, out=fill, where=(inside >= 0) & (square > 0))
    return np.where(missing >= 0, 0.0, np.where((fill >= 0) & (fill <= 1), fill, np.inf))


def _numbers(value: Any) -> tuple[float, ...]:
    return tuple(float(number) for number in value)


@dataclass(frozen=True)
class SmallestFill(Detector):
    """The smallest share of a pixel that an object must cover to reach a score, in place of a score.

    1 and more (infinity) is a pixel where no such object would reach it. It learns what the method learns.

    Examples
    --------
    >>> import numpy as np, hsad
    >>> from hsad.siblings.limits import SmallestFill
    >>> scene = np.random.default_rng(0).normal(size=(40, 50, 6))
    >>> fills = hsad.detect(scene, SmallestFill(of="rx", spectrum=(20.0, 0, 0, 0, 0, 0), level=100.0))
    >>> bool(0.4 < np.median(fills) < 0.6)
    True
    """

    of: Literal["ace", "mf", "rx"] = parameter("ace", "method that gives the score")
    level: float = parameter(0.25, "score from which a pixel is listed")
    spectrum: tuple[float, ...] = parameter((), "spectrum of the object in the units of the scene", convert=_numbers)

    @property
    def _method(self) -> ACE | MF | GlobalRX:
        if self.of == "rx":
            return GlobalRX()
        target = (("object", self.spectrum),)
        return ACE(target=target) if self.of == "ace" else MF(target=target)

    def learn(self, scan: Scan) -> Background | None:
        """Return what the method learns."""
        return self._method.learn(scan)

    def score(self, block: Block, background: Any) -> NDArray[np.float64]:
        """Return the smallest fill of each pixel of the block's core."""
        found = [np.empty(0), *(self._fills(piece, background) for piece in block.pieces())]
        return block.spread(np.concatenate(found))

    def _fills(self, pixels: NDArray[np.float64], background: Any) -> NDArray[np.float64]:
        if self.of == "mf":
            return fill_for_filter(self._method.each(pixels, background)[:, 0], self.level)  # type: ignore[union-attr]
        origin = background.mean if self.of == "rx" else background.origin
        spectrum = np.array(self.spectrum)
        if spectrum.shape != origin.shape:
            raise ParameterError(f"spectrum has {len(spectrum)} numbers for {len(origin)} bands")
        white = (pixels - origin) @ background.whitening
        query = (spectrum - origin) @ background.whitening
        if self.of == "rx":
            return fill_for_distance(white, query, self.level)
        cosine = float(np.sign(self.level) * np.sqrt(abs(self.level)))  # the score of ace is c·|c|
        return fill_for_cosine(white, query, cosine)


def smallest_fills(
    scene: str | Path, path: str | Path, detector: SmallestFill, *, overwrite: bool = False, **options: Any
) -> NDArray[np.float32]:
    """Write the smallest fill at each pixel of a scene into a raster, tile by tile, and return the fills.

    Parameters
    ----------
    scene, path : path
    detector : SmallestFill
    overwrite : bool
        Whether an existing raster may be replaced.
    **options
        As for `hsad.detect_to_file`.

    Returns
    -------
    (rows, cols) ndarray of float32
        0 where a pixel has the score already, infinity where no such object would reach it, NaN where it is invalid.
    """
    detect_to_file(scene, path, detector, overwrite=overwrite, **options)
    return np.asarray(open_scores(path).values, dtype=np.float32)


def share_found(fills: NDArray[np.floating[Any]], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of the scene in which an object of each fill in `at` would have been found.

    Examples
    --------
    >>> import numpy as np
    >>> share_found(np.array([0.1, 0.2, np.inf, np.nan]), np.array([0.05, 0.2])).round(3).tolist()
    [0.0, 0.667]
    """
    known = np.sort(fills[~np.isnan(fills)])
    return np.searchsorted(known, at, side="right") / max(1, len(known))
