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
_OTHER = "--threshold sets another."


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
    scenes, pixels, bands : int or None
        Scenes of the bank, pixels of the clean region, bands of the law.
    without_table : bool
        Whether a rule of pixels was taken because the bank has no table for the detector.
    """

    choice: Choice
    background: str = ""
    accepted: float | None = None
    per: float = UNIT_PIXELS
    method: str = ""
    scenes: int | None = None
    pixels: int | None = None
    bands: int | None = None
    without_table: bool = False


def origin_sentence(threshold: Mapping[str, Any]) -> str:
    """Return where a threshold comes from, in sentences; `threshold` is what `Threshold.to_dict` returns."""
    origin = Origin(**threshold["origin"])
    value, expected, interval = f"{threshold['threshold']:.4g}", threshold["expected_false"], threshold["interval"]
    start = f"The threshold {value} {_chosen(origin)}"
    if origin.choice == "given" and not origin.background:
        return f"{start}."
    if origin.background == "otsu":
        return f"{start}. How many of the anomalies are false is not known. {_OTHER}"
    if origin.background in _LAWS:
        table = f"{origin.method or 'this method'} has no table in the bank, so it is by gpd: "
        law = _LAWS[origin.background].format(bands=origin.bands)
        return (
            f"{start}, at most {expected:.3g} false pixels in this scene: "
            f"{table if origin.without_table else ''}{law}. {_OTHER}"
        )
    span = "" if interval is None else f", 90 % of scenes like this {interval[0]:.0f} to {interval[1]:.0f}"
    where = (
        f"the background of {origin.scenes} other scenes ({origin.method}), shifted to the level of this one"
        if origin.background == "bank"
        else f"the {origin.pixels} pixels that were said to be background"
    )
    return f"{start}: about {expected:.3g} in this scene{span}. It comes from {where}. {_OTHER}"


def _chosen(origin: Origin) -> str:
    accepted = origin.accepted or 0.0
    return {
        "list": "is the score from which an anomaly is more probably real than background",
        "false objects": f"accepts {accepted:g} false objects per {origin.per:g} pixels",
        "share of false objects": f"keeps false objects to {accepted:.0%} of those found",
        "share of background pixels": f"accepts a share of {accepted:g} of background pixels",
        "classes": "divides the pixels into two classes of least variance (Otsu)",
        "given": "is as given",
    }[origin.choice]


def doubts_sentence(threshold: Mapping[str, Any]) -> str:
    """Return what speaks against the stated number, in a sentence; an empty text when nothing does."""
    doubts = threshold["doubts"]
    return f"Do not trust this number here: {'; '.join(doubts)}." if doubts else ""
