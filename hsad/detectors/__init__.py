"""The detectors, by the name they have on the command line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from hsad.detectors.account import Reason
from hsad.detectors.base import Background, Detector, Scan
from hsad.detectors.block import Block
from hsad.detectors.checks import above, at_least, each_at_least, odd_from, zero_or_at_least
from hsad.detectors.described import for_users
from hsad.detectors.parameters import Parameter, parameter
from hsad.detectors.reduced import OnComponents
from hsad.detectors.references import works
from hsad.detectors.registry import DETECTORS, detector_class
from hsad.errors import ParameterError

__all__ = [
    "DEFAULT_METHOD",
    "DETECTORS",
    "Background",
    "Block",
    "Detector",
    "Parameter",
    "Reason",
    "Scan",
    "above",
    "at_least",
    "describe_detector",
    "describe_methods",
    "detector_class",
    "each_at_least",
    "for_users",
    "make_detector",
    "odd_from",
    "parameter",
    "read_parameters",
    "zero_or_at_least",
]

#: The method of a run that names none.
DEFAULT_METHOD = "auto"


def make_detector(method: str | type[Detector] | Detector, *, pca: int | None = None, **parameters: Any) -> Detector:
    """Return a detector from its name or class and its parameters; a detector is returned unchanged.

    Parameters
    ----------
    method : str, Detector, or class of detectors
        A method's name, ``package.module:Class``, a class or a detector.
    pca : int, optional
        Number of principal components that the detector sees instead of the bands.
    **parameters
        Parameters of the detector.

    Raises
    ------
    ParameterError
        When the method or a parameter is unknown, or a value is out of its range.
    """
    if isinstance(method, Detector):
        if parameters:
            raise ParameterError(f"{', '.join(parameters)}: give parameters to the detector {method!r} itself")
        detector = method
    else:
        cls = method if isinstance(method, type) else detector_class(method)
        if not issubclass(cls, Detector):
            raise ParameterError(f"method: {cls.__name__} is no detector; choose from {', '.join(DETECTORS)}")
        fields = {p.name: p.field for p in cls.parameters()}
        _check_names(DETECTORS.name_of(cls) if isinstance(method, type) else method, list(fields), parameters)
        detector = cls(**{fields[name]: value for name, value in parameters.items()})
    return detector if pca is None else OnComponents(detector, pca)


def describe_detector(detector: Detector) -> tuple[str, dict[str, Any]]:
    """Return method and parameters from which `make_detector` makes an equal detector.

    The method of a detector that no package offers by name is ``module:Class``.
    """
    if isinstance(detector, OnComponents):
        method, parameters = describe_detector(detector.detector)
        return method, {**parameters, "pca": detector.pca}
    parameters = {p.name: getattr(detector, p.field) for p in detector.parameters()}
    return DETECTORS.name_of(type(detector)), parameters


def read_parameters(method: str, texts: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters from a command line, with numbers in place of their texts.

    A detector checks them when it is made.

    Raises
    ------
    ParameterError
        When there is no such method.
    """
    known = {p.name: p for p in detector_class(method).parameters()}
    return {name: known[name].read(text) if name in known else text for name, text in texts.items()}


def describe_methods(method: str | None = None) -> dict[str, dict[str, Any]]:
    """Return title, references, package (None: hsad itself) and parameters of every method, or of one, by name.

    Examples
    --------
    >>> described = describe_methods("crd")["crd"]
    >>> described["references"][0]["doi"]
    '10.1109/TGRS.2014.2343955'
    """
    classes = dict(DETECTORS) if method is None else {method: detector_class(method)}
    return {
        name: {
            "title": cls.title,
            "reference": cls.reference,
            "references": [
                {"key": work.key, "text": work.text, "doi": work.doi or None, "bibtex": work.bibtex}
                for work in works(cls.cites)
            ],
            "default": name == DEFAULT_METHOD,
            "package": DETECTORS.package(name),
            "parameters": [
                {
                    "name": p.name,
                    "type": p.type.__name__,
                    "default": None if p.required else p.default,
                    "required": p.required,
                    "choices": list(p.choices),
                    "help": p.help,
                }
                for p in cls.parameters()
            ],
        }
        for name, cls in classes.items()
    }


def _check_names(method: str, known: list[str], names: Iterable[str]) -> None:
    for name in names:
        if name not in known:
            raise ParameterError(f"{method} has no parameter {name!r}{_choices(name, known)}")


def _choices(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    return f"{hint}; choose from {', '.join(known)}" if known else "; it has none"
