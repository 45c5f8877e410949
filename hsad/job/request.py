"""What a user asks for: a detector, or what one learned before, and how to run it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from hsad.detectors import DEFAULT_METHOD, describe_detector, detector_class, make_detector
from hsad.detectors.base import Detector
from hsad.errors import ParameterError
from hsad.job.environment import check_environment
from hsad.job.learned import Learned
from hsad.job.options import RunOptions

__all__ = ["Method", "Request"]

#: How a caller names a detector: by its method, as a class (with its parameters apart), or as it is.
Method = str | type[Detector] | Detector


@dataclass(frozen=True)
class Request:
    """What is asked for, checked as far as that needs no scene.

    Attributes
    ----------
    detector : Detector
    given : Learned or None
        What it learned before.
    run : RunOptions
    """

    detector: Detector
    given: Learned | None
    run: RunOptions

    @classmethod
    def of(cls, method: Method | None, keywords: Mapping[str, Any]) -> Self:
        """Return what a caller means by a method, its parameters and the options of the run.

        Raises
        ------
        ParameterError
            When a parameter or an option is unknown or out of its range, or does not go with a given background.
        SceneError
            When the given background cannot be loaded.
        """
        check_environment()
        run, parameters = RunOptions.split(keywords)
        given = run.background
        if isinstance(given, str | Path):
            if isinstance(method, str):
                detector_class(method)  # a background of package.module:Class can be loaded where its class is
            given = Learned.load(given)
        if given is None:
            detector = make_detector(method or DEFAULT_METHOD, pca=run.pca, **parameters)
        else:
            _check_given(given, method, run, parameters)
            detector = given.detector
        if run.parts and not (detector.evidence and run.compute):
            used, _ = describe_detector(detector)
            raise ParameterError(f"parts: {'compute=False gives none' if detector.evidence else f'{used} has none'}")
        return cls(detector, given, run)


def _check_given(given: Learned, method: Method | None, run: RunOptions, parameters: Mapping[str, Any]) -> None:
    known, _ = describe_detector(given.detector)
    if method is not None and method not in (known, given.detector, type(given.detector)):
        raise ParameterError(f"method {method!r}: the background was learned by {known!r}")
    for name in [*parameters, *(n for n in ("bands", "bad_bands", "pca", "references") if getattr(run, n) is not None)]:
        raise ParameterError(f"{name} is decided by the background: learn anew to change it")
