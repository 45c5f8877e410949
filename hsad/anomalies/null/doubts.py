"""Reasons why a stated number of false anomalies should not be trusted for a scene."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Doubt"]

_TEXTS = {
    "other parameters": (
        "the bank is about {method} with its default parameters, these scores were made with {parameters}"
    ),
    "lighter tail": "the scores spread less than those of the bank ({of}: {value:.2f}, not {low:.2f} to {high:.2f})",
    "heavier tail": "the scores spread more than those of the bank ({of}: {value:.2f}, not {low:.2f} to {high:.2f})",
    "coarse pixels": (
        "the pixels are {side:.0f} m wide, and in spaceborne scenes {times:.1f} times as many anomalies were false as "
        "stated, whatever their scores"
    ),
    "few pixels": "{pixels} pixels are few to tell a background by (under {least})",
    "below one object": (
        "less than one false anomaly is asked for in {pixels} pixels: a scene of this size cannot test that"
    ),
    "uneven background": (
        "peaks crowd in one part of the scene (variance over mean of its quarters: {value:.1f}, over {most:g}): the "
        "background is not of one kind"
    ),
    "small region": "the clean region of {pixels} pixels is too small for {rate:g} per {unit:.0f} pixels",
}


@dataclass(frozen=True)
class Doubt:
    """A reason not to trust a number, and the numbers that speak for it; ``str`` makes the sentence.

    Attributes
    ----------
    kind : str
        What is doubtful: a key of the table of sentences above.
    numbers : mapping
        The values in the sentence, by name.
    """

    kind: str
    numbers: Mapping[str, Any]

    def __str__(self) -> str:
        return _TEXTS[self.kind].format(**self.numbers)
