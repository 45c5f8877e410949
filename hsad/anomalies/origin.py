"""Where a threshold comes from: as data, and as the sentences that people read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from hsad.anomalies.options import UNIT_PIXELS

__all__ = ["Origin", "doubts_sentence", "origin_sentence"]

Choice = Literal["list", "false objects", "share of false objects", "share of background pixels", "classes", "given"]

_LAWS = {
    "percentile": "the scene's own pixels, of which this share is called anomalous whatever they are",
    "gpd": "a generalised Pareto tail above the scene's 95th percentile; conservative, since objects are in it",
    "chi2": "the chi-squared law of Gaussian background with {bands} bands; real background exceeds it 50 to 100 times",
    "f": "the F law of Gaussian background; real background exceeds it up to 100 times",
}


@dataclass(frozen=True)
class Origin:
    """Where a threshold comes from.

    Attributes
    ----------
    choice : str
        What the threshold was chosen by: the list of all that is more probably real than background, an accepted
        number of false objects, an accepted share of false ones among the objects found, an accepted share of
        background pixels, two classes of pixels (Otsu), or the user.
    background : str
        What the background is taken from: ``bank``, ``clean-region``, a rule of pixels, or nothing ("").
    accepted : float or None
        The accepted number or share.
    per : float
        The number of pixels that an accepted number of false objects refers to.
    method : str
        The detector; empty where it is not known.
    scenes, places, pixels, bands : int or None
        Scenes of the bank, places on the ground that they show, pixels of the clean region, bands of the law.
    pairs : bool
        Whether the scenes of the bank are pairs of dates.
    rough : bool
        Whether the bank knows nothing of the detector, so that what others do stands for it.
    """

    choice: Choice
    background: str = ""
    accepted: float | None = None
    per: float = UNIT_PIXELS
    method: str = ""
    scenes: int | None = None
    places: int | None = None
    pixels: int | None = None
    bands: int | None = None
    pairs: bool = False
    rough: bool = False


def origin_sentence(threshold: Mapping[str, Any]) -> str:
    """Return where a threshold comes from, in sentences; `threshold` is what `Threshold.to_dict` returns.

    How many of the anomalies are false is said in `hsad.anomalies.headline` only.
    """
    origin = Origin(**threshold["origin"])
    value, expected = f"{threshold['threshold']:.4g}", threshold["expected_false"]
    start = _chosen(origin).format(value=value)
    if origin.background in ("", "otsu"):
        return f"{start}."
    if origin.background in _LAWS:
        law = _LAWS[origin.background].format(bands=origin.bands)
        return f"{start}, at most {expected:.3g} false pixels in this scene: {law}."
    if origin.rough:
        return (
            f"{start}. What background does with {origin.method or 'these scores'} was not measured: what it does with "
            f"the scores of other detectors {_measured_on(origin)} stands for it, so all numbers are rough."
        )
    where = (
        f"{_measured_on(origin)} ({origin.method})"
        if origin.background == "bank"
        else f"at the {origin.pixels} pixels that were said to be background"
    )
    return f"{start}. What background does was measured {where}."


def _measured_on(origin: Origin) -> str:
    """Return the scenes of the bank in words; lists of earlier versions do not say how many places these show."""
    places = "" if origin.places is None else f" of {origin.places} places and of made ground"
    return f"on pairs of dates{places}" if origin.pairs else f"on {origin.scenes} scenes{places}"


def _chosen(origin: Origin) -> str:
    accepted = origin.accepted or 0.0
    return {
        "list": "An anomaly is listed from the score {value} on, where it is more probably real than background",
        "false objects": f"The threshold {{value}} accepts {accepted:g} false anomalies per {origin.per:,.0f} pixels",
        "share of false objects": f"The threshold {{value}} keeps false anomalies to {100 * accepted:g} % of the list",
        "share of background pixels": f"The threshold {{value}} accepts a share of {accepted:g} of background pixels",
        "classes": "The threshold {value} divides the pixels into two classes of least variance (Otsu)",
        "given": "The threshold {value} is as given",
    }[origin.choice]


def doubts_sentence(threshold: Mapping[str, Any]) -> str:
    """Return what speaks against the stated probabilities, in a sentence; an empty text when nothing does."""
    doubts = threshold["doubts"]
    return f"Do not trust this answer here: {'; '.join(doubts)}." if doubts else ""
