"""The methods of a comparison, each with parameters of its own: ``crd:outer=11,inner=5``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from hsad.detectors import make_detector, read_parameters
from hsad.errors import ParameterError

__all__ = ["DEFAULT_METHODS", "Asked", "asked_methods"]

DEFAULT_METHODS = ("auto", "rx", "lrx", "crd")
"""The methods of a comparison that names none."""


@dataclass(frozen=True)
class Asked:
    """A method with its parameters.

    Attributes
    ----------
    name : str
        As the user wrote it.
    method : str
    parameters : dict
    """

    name: str
    method: str
    parameters: dict[str, Any]

    @property
    def file(self) -> str:
        """The name of its score raster."""
        return f"scores-{re.sub(r'[^A-Za-z0-9.]+', '-', self.name).strip('-')}.tif"


def asked_methods(texts: str | Iterable[str]) -> list[Asked]:
    """Return methods from texts, each one method or several with commas between them.

    Parameters
    ----------
    texts : str or iterable of str
        Parameters follow a colon, ``NAME=VALUE`` with commas between them; ``pca`` is one of them for every method.
        A value may be numbers with commas between them: ``mf:target=35,45``.

    Raises
    ------
    ParameterError
        When a method or a parameter is unknown, a value is out of its range, or a method is named twice.

    Examples
    --------
    >>> [(one.method, one.parameters) for one in asked_methods("rx,crd:outer=11,inner=5,rx:trim=0.01")]
    [('rx', {}), ('crd', {'outer': 11, 'inner': 5}), ('rx', {'trim': 0.01})]
    """
    found: list[Asked] = []
    for text in [texts] if isinstance(texts, str) else texts:
        parts: list[str] = []
        for piece in filter(None, (piece.strip() for piece in text.split(","))):
            # A parameter, or a further number of a value such as target=35,45: no method has a number as its name.
            goes_on = _is_number(piece) or ("=" in piece and ":" not in piece.partition("=")[0])
            if goes_on and (not parts or (_is_number(piece) and "=" not in parts[-1])):
                what = "number without a parameter" if _is_number(piece) else "parameter without a method"
                raise ParameterError(f"method: {piece!r} is a {what} before it, as in crd:outer=11")
            parts = [*parts[:-1], f"{parts[-1]},{piece}"] if goes_on else [*parts, piece]
        found += [_asked(part) for part in parts]
    names = [one.name for one in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ParameterError(f"method: {twice} is named twice")
    files = [one.file for one in found]
    same = next((one for one in found if files.count(one.file) > 1), None)
    if same is not None:
        raise ParameterError(f"method: {same.name} and another one would both be in {same.file}")
    if not found:
        raise ParameterError("method: there is none to compare")
    return found


def _asked(text: str) -> Asked:
    method = text
    given: dict[str, str] = {}
    head, equals, _ = text.partition("=")
    if equals:
        method, _, first = head.rpartition(":")
        name = ""
        for part in f"{first}{text[len(head) :]}".split(","):
            if name and _is_number(part):
                given[name] += f",{part}"
                continue
            name, _, value = (piece.strip() for piece in part.partition("="))
            name = name.replace("-", "_")
            given[name] = value
    parameters = _read(method, given)
    make_detector(method, **parameters)  # refuses what is wrong before any work
    return Asked(text, method, parameters)


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[+-]?\d+(\.\d*)?", text) is not None


def _read(method: str, given: dict[str, str]) -> dict[str, Any]:
    parameters = read_parameters(method, given)
    if "pca" in parameters:
        try:
            parameters["pca"] = int(parameters["pca"])
        except ValueError:
            raise ParameterError(f"{method}: pca must be a whole number, not {parameters['pca']!r}") from None
    return {name: {"true": True, "false": False}.get(value, value) for name, value in parameters.items()}
