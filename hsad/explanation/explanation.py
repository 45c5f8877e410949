"""An explanation: what a pixel or an anomaly is compared with, its score by band, and the sentences about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hsad.detectors.account import Reason
from hsad.explanation.absorption import Absorption, sentence_of
from hsad.explanation.names import Naming
from hsad.explanation.sentence import reason_sentence, shares_sentence

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["THE_SCENE", "Explanation"]

THE_SCENE = "the scene"
"""What a pixel is compared with by a detector that knows the mean of the scene."""

_HIGHEST = 0.05
"""A pixel stands out if its score is among this share of the scene's highest."""


@dataclass(frozen=True, eq=False)
class Explanation:
    """Why a pixel scores as it does.

    Attributes
    ----------
    method : str
    row, col : int
        Place of the pixel.
    score : float
    bands : (bands,) ndarray of int
        Numbers of the used bands, from 1.
    wavelength : (bands,) ndarray or None
        In nm.
    spectrum, background, spread : (bands,) ndarray
        The pixel; mean and standard deviation of its ring, or of the scene for ``rx``.
    compared_with : str
        What `background` and `spread` describe, in words.
    reason : Reason
        The detector's account.
    contrast : (bands,) ndarray
        What of the spectrum differs from the background, in units of the spread (σ); 0 in bands without spread. Of an
        anomaly of a list it is the contrast of its mean spectrum to the ring around it.
    number : int or None
        Rank of the anomaly in its list; None for a pixel.
    pixels, area : int or None, float or None
        Size of the anomaly: number of pixels, and m².
    rank, among : int or None
        1 + the number of pixels that score higher, and the number of pixels with a score.
    similar : sequence of (int, float)
        Other anomalies with the most similar spectra: id and spectral angle in degrees.
    names : Naming or None
        What the pixel is most like, by a spectral library. It is a hint, no identification.
    absorptions : sequence of Absorption
        Known absorption features that it has and the pixels around it have not.
    """

    method: str
    row: int
    col: int
    score: float
    bands: NDArray[np.int64]
    wavelength: NDArray[np.float64] | None
    spectrum: NDArray[np.float64]
    background: NDArray[np.float64]
    spread: NDArray[np.float64]
    compared_with: str
    reason: Reason
    contrast: NDArray[np.float64]
    number: int | None = None
    pixels: int | None = None
    area: float | None = None
    rank: int | None = None
    among: int | None = None
    similar: Sequence[tuple[int, float]] = field(default_factory=tuple)
    names: Naming | None = None
    absorptions: Sequence[Absorption] = field(default_factory=tuple)

    def __repr__(self) -> str:
        return f"<{self.sentence}>"

    def _repr_html_(self) -> str:
        """Return the sentence, the numbers and the figure as HTML for notebooks."""
        import hsad  # the package's public function: figures are a room above this one

        return str(hsad.plot.explanation_html(self))

    @property
    def stands_out(self) -> bool:
        """Whether it is an anomaly of a list, or scores among the highest 5 % of the scene."""
        known = self.rank is not None and self.among is not None
        return self.number is not None or (known and self.rank <= _HIGHEST * self.among)  # type: ignore[operator]

    @property
    def because(self) -> str:
        """Why it stands out, in a sentence without a full stop: where in the spectrum, which way, how large."""
        return reason_sentence(
            self.contrast,
            self.wavelength,
            self.bands,
            than="the scene's mean" if self.number is None and self.compared_with == THE_SCENE else "its surroundings",
            pixels=self.pixels,
            area=self.area,
            unlike=self.reason.unlike if self.stands_out else "",
        )

    @property
    def account(self) -> str:
        """The detector's account in sentences: what the score is made of, and from which bands half of it comes."""
        account = self.reason.sentence
        texts = [account[:1].upper() + account[1:]]
        if self.reason.contributions is not None:
            texts.append(shares_sentence(self.reason.contributions, self.wavelength, self.bands))
        return " ".join(f"{text}." for text in texts if text)

    @property
    def likeness(self) -> str:
        """What it is most like by a spectral library, and its absorption features, in sentences; empty without any."""
        texts = ["" if self.names is None else self.names.sentence, sentence_of(self.absorptions)]
        return " ".join(f"{text}." for text in texts if text)

    @property
    def sentence(self) -> str:
        """The explanation in a few sentences."""
        what = f"Pixel {self.row},{self.col}"
        if self.number is not None:
            what = f"Anomaly {self.number} (highest at {self.row},{self.col})"
        rank = "" if self.rank is None else f", rank {self.rank:,} of {self.among:,} pixels"
        text = f"{what} scores {self.score:.4g} by {self.method}{rank}. {self.because}. {self.account}"
        if self.similar:
            text += f" The most similar anomalies are {', '.join(f'{n} ({a:.1f}°)' for n, a in self.similar)}."
        return " ".join(filter(None, (text, self.likeness)))

    def to_dict(self) -> dict[str, Any]:
        """Return the explanation as values that JSON knows."""
        reason = self.reason
        arrays = {
            "wavelength": self.wavelength,
            "spectrum": self.spectrum,
            "background": self.background,
            "spread": self.spread,
            "contrast": self.contrast,
            "contributions": reason.contributions,
            "reconstruction": reason.reconstruction,
            "residual": reason.residual,
        }
        return {
            "method": self.method,
            "row": self.row,
            "col": self.col,
            "score": self.score,
            "id": self.number,
            "pixels": self.pixels,
            "area_m2": self.area,
            "rank": self.rank,
            "among": self.among,
            "reason": self.because,
            "unlike": reason.unlike if self.stands_out else None,
            "sentence": self.sentence,
            "compared_with": self.compared_with,
            "bands": self.bands.tolist(),
            **{name: None if values is None else values.tolist() for name, values in arrays.items()},
            "evidence": reason.evidence,
            "layers": None if reason.layers is None else reason.layers.to_dict(),
            "similar": [{"id": number, "angle": degrees} for number, degrees in self.similar],
            "absorptions": [seen.to_dict() for seen in self.absorptions],
            "names": None if self.names is None else self.names.to_dict(),
        }

    def plot(self, path: Any = None, *, overwrite: bool = False) -> Any:
        """Return the figure of the explanation, also written to `path` (PNG, PDF, SVG) if there is one."""
        import hsad  # the package's public function: figures are a room above this one

        return hsad.plot.plot_explanation(self, path, overwrite=overwrite)
