"""What the values of parameters must be: conditions that say in words what they ask for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Check", "above", "at_least", "each_at_least", "odd_from", "zero_or_at_least"]


@dataclass(frozen=True)
class Check:
    """A condition on a value.

    Attributes
    ----------
    wanted : str
        What a value must be, for messages and documentation: ``"odd and at least 3"``.
    holds : callable
        Tells whether a value fulfils the condition.
    """

    wanted: str
    holds: Callable[[Any], bool]

    def __call__(self, value: Any) -> str | None:
        """Return what the value must be where it is not, else None."""
        return None if self.holds(value) else self.wanted


def at_least(least: float, *, below: float | None = None, at_most: float | None = None) -> Check:
    """Return the check of a number that must not be smaller than `least`."""
    if below is not None:
        return Check(f"at least {least} and below {below}", lambda value: least <= value < below)
    if at_most is not None:
        return Check(f"between {least} and {at_most}", lambda value: least <= value <= at_most)
    return Check(f"at least {least}", lambda value: value >= least)


def above(limit: float, *, below: float | None = None) -> Check:
    """Return the check of a number that must be larger than `limit`."""
    if below is not None:
        return Check(f"above {limit} and below {below}", lambda value: limit < value < below)
    return Check(f"above {limit}", lambda value: value > limit)


def odd_from(least: int) -> Check:
    """Return the check of a window's side, which must be odd and must not be smaller than `least`."""
    return Check(f"odd and at least {least}", lambda side: side % 2 == 1 and side >= least)


def zero_or_at_least(least: int) -> Check:
    """Return the check of a number that is 0 where something is switched off."""
    return Check(f"0 or at least {least}", lambda value: value == 0 or value >= least)


def each_at_least(least: int) -> Check:
    """Return the check of several numbers, of which none may be smaller than `least`."""
    return Check(f"at least {least} each", lambda values: min(values) >= least)
