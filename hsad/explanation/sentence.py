"""The sentence that says why an anomaly stands out: where in the spectrum, which way, how large, unlike what."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Stretch", "contrast_stretches", "reason_sentence", "shares_sentence", "size_text"]

_BRIDGED = 2
"""Bands below the level that do not end a stretch: one noisy band does not divide a material's feature."""

_MANY = 30
"""From this number of bands on a contrast of one band alone is taken for noise: materials have wider features then."""

_LEVEL = 0.5
"""Share of the strongest contrast that each band of a stretch reaches."""

_SECOND = 0.5
"""Share of the first stretch's sum that a second one needs to be named."""

_MOST_SHARES = 3
"""Stretches that the sentence on the bands of a score names."""


class Stretch(NamedTuple):
    """Neighbouring bands in which an object is brighter, or darker, than what it is compared with.

    Attributes
    ----------
    low, high : float
        Wavelengths in nm, or numbers of bands from 1.
    sigma : float
        Mean over its bands of (object - background) / standard deviation of the background.
    whole : bool
        Whether it is made of all bands.
    """

    low: float
    high: float
    sigma: float
    whole: bool


def contrast_stretches(contrast: NDArray[np.float64], place: NDArray[np.float64]) -> list[Stretch]:
    """Return the one or two stretches of the spectrum where an object differs most from its background.

    A stretch is a run of bands, in the order of `place`, whose contrasts have one sign and reach half of the strongest
    contrast; up to two bands between them may be weaker. The first is the one with the largest sum of contrasts. A
    second one is returned if its sum is at least half of that. With 30 bands or more, contrasts count up to the largest
    running median of three bands, so that one bad band is not the strongest.

    Parameters
    ----------
    contrast : (bands,) ndarray
        (object - background) / standard deviation of the background; 0 or NaN where that is not known.
    place : (bands,) ndarray
        Wavelength, or number, of each band.
    """
    order = np.argsort(place, kind="stable")
    values = np.nan_to_num(contrast[order])
    size = np.abs(values)
    if len(size) >= _MANY:
        padded = np.pad(size, 1, mode="edge")
        before, here, after = padded[:-2], padded[1:-1], padded[2:]
        median = np.maximum(np.minimum(before, here), np.minimum(np.maximum(before, here), after))
        size = np.minimum(size, median.max())
    level = _LEVEL * float(size.max(initial=0.0))
    if not level > 0:
        return []
    runs: list[tuple[int, int]] = []
    for sign in (1.0, -1.0):
        strong = np.flatnonzero(sign * values >= level)
        start = 0
        for at in range(1, len(strong) + 1):
            ends = at == len(strong)
            if not ends:
                between = sign * values[strong[at - 1] + 1 : strong[at]]
                ends = len(between) > _BRIDGED or bool((between <= 0).any())
            if ends:
                runs.append((int(strong[start]), int(strong[at - 1]) + 1))
                start = at
    runs.sort(key=lambda run: (-float(size[slice(*run)].sum()), run))
    first = float(size[slice(*runs[0])].sum())
    named = [run for run in runs[:2] if float(size[slice(*run)].sum()) >= _SECOND * first]
    axis = place[order]
    return [
        Stretch(
            float(axis[start]), float(axis[stop - 1]), float(values[start:stop].mean()), stop - start == len(values)
        )
        for start, stop in named
    ]


def reason_sentence(
    contrast: NDArray[np.float64],
    wavelength: NDArray[np.float64] | None,
    bands: NDArray[np.int64],
    *,
    than: str = "its surroundings",
    pixels: int | None = None,
    area: float | None = None,
    unlike: str = "",
) -> str:
    """Return why an anomaly stands out, in a sentence without a full stop.

    Parameters
    ----------
    contrast : (bands,) ndarray
        Per used band (object - background) / standard deviation of the background.
    wavelength : (bands,) ndarray or None
        In nm.
    bands : (bands,) ndarray of int
        Numbers of the bands, from 1.
    than : str
        What the background is, in words.
    pixels : int, optional
        Size of the object.
    area : float, optional
        Its area in m²; NaN or None where it is not known.
    unlike : str
        What the detector found it unlike, in words.

    Examples
    --------
    >>> import numpy as np
    >>> contrast = np.array([0.1, 0.2, 4.5, 3.5, 0.3])
    >>> nm = np.array([500.0, 700.0, 1450.0, 1760.0, 2200.0])
    >>> reason_sentence(contrast, nm, np.arange(1, 6), pixels=23, unlike="the whole scene")
    'Brighter than its surroundings at 1450-1760 nm (4 σ), 23 pixels, unlike the whole scene'
    """
    place = bands.astype(np.float64) if wavelength is None else wavelength
    parts = [_contrast_text(contrast, place, than, nm=wavelength is not None)]
    if pixels is not None:
        parts.append(size_text(pixels, area))
    if unlike:
        parts.append(f"unlike {unlike}")
    return ", ".join(parts)


def _contrast_text(contrast: NDArray[np.float64], place: NDArray[np.float64], than: str, *, nm: bool) -> str:
    known = np.abs(contrast[np.isfinite(contrast)])
    if not known.size or not known.any():
        return f"Not comparable with {than}, which does not vary"
    if known.max() < 1:
        return f"Within 1 σ of {than} in every band"
    text, before = "", ""
    for stretch in contrast_stretches(contrast, place):
        word = "brighter" if stretch.sigma > 0 else "darker"
        where = "in every band" if stretch.whole else _span(stretch.low, stretch.high, nm=nm)
        if not text:
            text = f"{word.capitalize()} than {than}"
        else:
            text = f"{text} and" if word == before else f"{text}, {word}"
        text, before = f"{text} {where} ({_sigma(stretch.sigma)})", word
    return text


def _span(low: float, high: float, *, nm: bool) -> str:
    first, last = f"{low:.0f}", f"{high:.0f}"
    if nm:
        return f"at {first} nm" if first == last else f"at {first}-{last} nm"
    return f"in band {first}" if first == last else f"in bands {first}-{last}"


def _sigma(value: float) -> str:
    size = abs(value)
    return f"{size:.1f} σ" if size < 2.95 else f"{size:.0f} σ"


def size_text(pixels: int, area: float | None = None) -> str:
    """Return a size in words: pixels, and m² or km² where the area is known.

    Examples
    --------
    >>> size_text(1), size_text(23, 92.0), size_text(5000, 4.5e6)
    ('1 pixel', '23 pixels (92 m²)', '5,000 pixels (4.5 km²)')
    """
    text = f"{pixels:,} {'pixel' if pixels == 1 else 'pixels'}"
    if area is None or not np.isfinite(area):
        return text
    if area >= 1e6:
        return f"{text} ({area / 1e6:.3g} km²)"
    return f"{text} ({area:,.0f} m²)" if area >= 10 else f"{text} ({area:.2g} m²)"


def shares_sentence(
    contributions: NDArray[np.float64], wavelength: NDArray[np.float64] | None, bands: NDArray[np.int64]
) -> str:
    """Return in words from which bands half of a score comes, without a full stop; "" where no band adds to it.

    The fewest bands that together give half of the score are taken, and the stretches of neighbours among them with the
    largest sums are named with their share of the score.

    Examples
    --------
    >>> import numpy as np
    >>> shares_sentence(np.array([1.0, 5.0, 3.0, 1.0]), np.array([400.0, 500.0, 600.0, 700.0]), np.arange(1, 5))
    'Half of the score comes from 1 of 4 bands: at 500 nm (50 %)'
    """
    total = float(contributions.sum())
    if not total > 0:
        return ""
    place = bands.astype(np.float64) if wavelength is None else wavelength
    along = np.argsort(place, kind="stable")
    values, axis = contributions[along], place[along]
    order = np.argsort(-values, kind="stable")
    needed = min(int(np.searchsorted(np.cumsum(values[order]), total / 2)) + 1, len(order))
    taken = np.sort(order[:needed])
    runs = np.split(taken, np.flatnonzero(np.diff(taken) > 1) + 1)
    runs.sort(key=lambda run: -float(values[run].sum()))
    named = [
        f"{_span(axis[run[0]], axis[run[-1]], nm=wavelength is not None)} ({100 * values[run].sum() / total:.0f} %)"
        for run in runs[:_MOST_SHARES]
    ]
    most = ", most of it " if len(runs) > _MOST_SHARES else ": "
    return f"Half of the score comes from {needed} of {len(order)} bands{most}{', '.join(named)}"
