"""The request of a user: a detector or a saved background, and the options of the run."""

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
    """The request of a user, checked as far as that needs no scene.

    Attributes
    ----------
    detector : Detector
    background : Learned or None
        What the detector learned before.
    run : RunOptions
    """

    detector: Detector
    background: Learned | None
    run: RunOptions

    @classmethod
    def of(cls, method: Method | None, keywords: Mapping[str, Any]) -> Self:
        """Return what a caller means by a method, its parameters and the options of the run.

        Raises
        ------
        ParameterError
            When a parameter or an option is unknown or out of its range, or does not go with the background.
        SceneError
            When the background cannot be loaded.
        """
        check_environment()
        run, parameters = RunOptions.split(keywords)
        background = run.background
        if isinstance(background, str | Path):
            if isinstance(method, str):
                detector_class(method)  # a background of package.module:Class can be loaded where its class is
            background = Learned.load(background)
        if background is None:
            detector = make_detector(method or DEFAULT_METHOD, pca=run.pca, **parameters)
        else:
            _check_learned(background, method, run, parameters)
            detector = background.detector
        if run.parts and not (detector.evidence and run.compute):
            used, _ = describe_detector(detector)
            raise ParameterError(f"parts: {'compute=False gives none' if detector.evidence else f'{used} has none'}")
        return cls(detector, background, run)


def _check_learned(background: Learned, method: Method | None, run: RunOptions, parameters: Mapping[str, Any]) -> None:
    known, _ = describe_detector(background.detector)
    if method is not None and method not in (known, background.detector, type(background.detector)):
        raise ParameterError(f"method {method!r}: the background was learned by {known!r}")
    for name in [*parameters, *(n for n in ("bands", "bad_bands", "pca", "references") if getattr(run, n) is not None)]:
        raise ParameterError(f"{name} is decided by the background: learn anew to change it")
