"""What would have been missed: the share of known objects that a method finds in a scene, by their fill and size.

For ``ace``, ``mf`` and ``rx`` the smallest fill of an object of one pixel has a closed form at every pixel
(`hsad.siblings.limits`). For every other method, objects are implanted, a few at a time, and looked for in the default
list of the scene with them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from hsad.anomalies.choose import choose_threshold
from hsad.anomalies.options import ThresholdOptions
from hsad.detectors import describe_detector, detector_class
from hsad.detectors.targets.base import TargetDetector
from hsad.detectors.targets.given import FORMS, targets_of
from hsad.errors import ParameterError
from hsad.job.options import RunOptions
from hsad.job.prepare import prepared
from hsad.job.request import Request
from hsad.siblings.limits import CLOSED_FORMS, SmallestFill, share_found, smallest_fills
from hsad.siblings.trials import Point, Trial, materials_of, scores_of

if TYPE_CHECKING:
    from numpy.typing import NDArray


__all__ = ["FILLS", "SIZES", "Missed", "Point", "limit_target", "limits", "limits_of_search"]

FILLS = (0.05, 0.1, 0.2, 0.4, 0.7, 1.0)
SIZES = (1, 4, 16)
"""Fills and sizes, in pixels, of implanted objects without a choice of the user."""

_WANTED = 0.9
"""The share of the scene that the sentence is about."""


@dataclass(frozen=True, eq=False)
class Missed:
    """What would have been found in a scene.

    Attributes
    ----------
    method, target : str
    points : tuple of Point
        By size, then by fill.
    threshold : float
        Score of the last anomaly that the default list could hold, without implants.
    fills : (rows, cols) ndarray of float32 or None
        The smallest fill at each pixel, for methods with a closed form.
    """

    method: str
    target: str
    points: tuple[Point, ...]
    threshold: float
    fills: NDArray[np.float32] | None = None

    @property
    def sizes(self) -> tuple[int, ...]:
        """The sizes of the objects, the smallest first."""
        return tuple(sorted({point.size for point in self.points}))

    def of_size(self, size: int) -> list[Point]:
        """Return the points of one size, by fill."""
        return sorted((point for point in self.points if point.size == size), key=lambda point: point.fill)

    def smallest_fill(self, size: int, share: float = _WANTED) -> float | None:
        """Return the fill from which this share of the objects is found; None where even a fill of 1 is too little.

        Of implants it is the smallest fill that was tried from which on the share is reached.
        """
        if self.fills is not None and size == 1:
            known = self.fills[~np.isnan(self.fills)]
            fill = float(np.quantile(known, share, method="higher"))
            return fill if fill <= 1 else None
        points = self.of_size(size)
        missing = [number for number, point in enumerate(points) if point.found < share]
        first = missing[-1] + 1 if missing else 0
        return points[first].fill if first < len(points) else None

    @property
    def sentence(self) -> str:
        """The smallest objects that would have been found in 90 % of the scene, in words."""
        what = f"an object like {self.target}" if self.target else "an object of an unusual material"
        parts = []
        for size in self.sizes:
            fill = self.smallest_fill(size)
            pixels = "a pixel" if self.fills is not None else "one pixel" if size == 1 else f"each of {size} pixels"
            if fill is None:
                parts.append(f"{what} that fills {pixels} would have been missed in more than 10 % of the scene")
            else:
                parts.append(
                    f"{what} that covers at least {_percent(fill)} of {pixels} would have been found in 90 % of the "
                    "scene"
                )
            what = "one"
        text = "; ".join(parts)
        return f"{text[:1].upper()}{text[1:]}."

    def to_dict(self) -> dict[str, Any]:
        """Return the result as values that JSON knows."""
        return {
            "method": self.method,
            "target": self.target or None,
            "threshold": self.threshold,
            "sentence": self.sentence,
            "closed_form": self.fills is not None,
            "smallest_fill": {str(size): self.smallest_fill(size) for size in self.sizes},
            "points": [
                {
                    "fill": point.fill, "size": point.size, "found": point.found, "low": point.low,
                    "high": point.high, "objects": point.objects,
                }
                for point in self.points
            ],
        }  # fmt: skip


def _percent(fill: float) -> str:
    return f"{100 * fill:.2g} %" if fill < 0.1 else f"{100 * fill:.0f} %"


def limits(
    cube: Any,
    method: Any = None,
    *,
    target: Any = None,
    fills: Sequence[float] | None = None,
    sizes: Sequence[float] | None = None,
    objects: int = 100,
    draw: int = 0,
    decide: ThresholdOptions | None = None,
    raster: str | Path | None = None,
    overwrite: bool = False,
    **options: Any,
) -> Missed:
    """Return which objects a method would have found in a scene, and which it would have missed.

    Parameters
    ----------
    cube : cube, array or path
        The scene, as for `hsad.detect`.
    method : str, optional
        As for `hsad.detect`; ``auto`` by default.
    target : optional
        The object: a pixel, an anomaly of a list, or a spectrum of a library, as the methods with a target take it.
        Without it, unusual materials are implanted in turn.
    fills : sequence of float, optional
        Shares of a pixel that the objects cover; `FILLS` by default.
    sizes : sequence of int, optional
        Pixels of the objects, at most 10,000; `SIZES` by default. For ``ace``, ``mf`` and ``rx`` with a target, sizes
        other than one pixel need implants, so they are left out unless they are named here.
    objects : int
        Number of implanted objects for each fill and size: with 100 of them a share is true to 5 %, with 400 to 2.5 %.
    draw : int
        Number from which places, shapes and brightness are drawn.
    decide : ThresholdOptions, optional
        How the list is made; the default list without it.
    raster : path, optional
        For ``ace``, ``mf`` and ``rx`` with a target: the smallest fill at each pixel goes into this raster (``.tif``).
    overwrite : bool
        Whether an existing raster may be replaced.
    **options
        As for `hsad.detect`.

    Returns
    -------
    Missed
        ``sentence``, ``points``, ``smallest_fill(size)``, ``to_dict()``.

    Raises
    ------
    HsadError
        As `hsad.detect`, and when an option is out of its range.

    Notes
    -----
    The closed form asks whether the pixel itself reaches the threshold. The statistics of the scene are taken to stay
    what they are: with 40 objects in the scene the true limit is about 1.2 times the stated one.

    Examples
    --------
    >>> import numpy as np, hsad
    >>> scene = np.random.default_rng(0).normal(size=(60, 70, 8)) + 20
    >>> scene[10, 10] += 15
    >>> found = hsad.limits(scene, "ace", target=(10, 10))
    >>> bool(0 < found.smallest_fill(1) < 0.5)
    True
    """
    chosen_fills = _checked("fills", FILLS if fills is None else fills, 1.0)
    chosen_sizes = _whole("sizes", _checked("sizes", (1,) if sizes is None else sizes, 1e4))
    if not isinstance(objects, int) or objects < 1:
        raise ParameterError(f"objects must be a whole number of at least 1, not {objects!r}")
    named = "" if target is None else limit_target(target)
    is_target = isinstance(method, str) and issubclass(detector_class(method), TargetDetector)
    if is_target and target is None:
        raise ParameterError(f"target: {method} needs one: {FORMS}")
    spectrum = None if target is None else _spectrum(cube, target, options)
    request = Request.of(method, {**options, **({"target": target} if is_target else {})})
    name, parameters = describe_detector(request.detector)
    decided = decide or ThresholdOptions()
    with prepared(cube, request) as job:
        score_map = scores_of(job)
        threshold = choose_threshold(score_map, decided)
        points: list[Point] = []
        smallest = None
        if name in CLOSED_FORMS and spectrum is not None and _has_closed_form(name, parameters):
            detector = SmallestFill(of=cast("Any", name), level=threshold.value, spectrum=tuple(spectrum))
            if raster is None:
                smallest = np.asarray(scores_of(replace(job, detector=detector, background=None)).values)
            else:
                smallest = smallest_fills(cube, raster, detector, overwrite=overwrite, **options)
            points += _curve(smallest, chosen_fills)
            chosen_sizes = [size for size in chosen_sizes if size > 1]
        elif raster is not None:
            raise ParameterError(
                f"limits: {name} has no closed form here: a raster can be made for {', '.join(CLOSED_FORMS)} "
                "with their standard parameters and a target"
            )
        elif sizes is None:
            chosen_sizes = list(SIZES)
        if chosen_sizes:
            spectra = materials_of(job) if spectrum is None else [spectrum]
            trial = Trial(job, spectra, score_map, threshold, decided, np.random.default_rng(draw))
            points += trial.points(chosen_fills, chosen_sizes, objects)
    points.sort(key=lambda point: (point.size, point.fill))
    return Missed(name, named, tuple(points), threshold.value, smallest)


def limit_target(like: Any, option: str = "target") -> str:
    """Return the name of the one target of a limit, for sentences.

    Raises
    ------
    ParameterError
        When there are several.
    """
    named = targets_of(like, option)
    if len(named) > 1:
        raise ParameterError(f"{option}: {len(named)} are named, and limits can be computed for one only")
    first = named[0]
    if not isinstance(first, str):
        return "the given spectrum" if first[0] == "spectrum" else first[0]
    return f"pixel {first}" if first.replace(",", "").replace(" ", "").isdecimal() else first


def limits_of_search(
    scene: str | Path, raster: str | Path, like: Any, cosine: float | None, *, overwrite: bool = False, **options: Any
) -> Missed:
    """Return, and write into a raster, the smallest fill at which a search would have listed each pixel of a scene.

    Parameters
    ----------
    scene, raster : path
    like : str or sequence
        The one query of the search.
    cosine : float or None
        The lowest cosine of the search's list.
    overwrite : bool
    **options
        As for `hsad.find`.

    Raises
    ------
    ParameterError
        When there are several queries, or no cosine is high enough for the list.
    """
    named = limit_target(like, "like")
    if cosine is None:
        raise ParameterError("limits: no cosine is high enough for the list, so no fill is: raise --false-share")
    spectrum = _spectrum(scene, like, options)
    detector = SmallestFill(of="ace", level=cosine * abs(cosine), spectrum=tuple(spectrum))
    fills = smallest_fills(scene, raster, detector, overwrite=overwrite, **options)
    return Missed("find", named, _curve(fills, FILLS), cosine, fills)


def _curve(fills: NDArray[np.float32], wanted: Sequence[float]) -> tuple[Point, ...]:
    """Return the share of the scene in which an object would have been found, for fine steps of the fill."""
    fine = np.unique(np.concatenate([np.geomspace(0.005, 1.0, 60), wanted]))
    shares = share_found(fills, fine)
    return tuple(Point(float(f), 1, float(s), float(s), float(s), 0) for f, s in zip(fine, shares, strict=True))


def _checked(name: str, values: Sequence[float], most: float) -> list[float]:
    """Return numbers once each, rising; refuse one that is not above 0 and at most `most`."""
    found = sorted({float(value) for value in values})
    if not found:
        raise ParameterError(f"{name}: there is none")
    wrong = next((value for value in found if not 0 < value <= most), None)
    if wrong is not None:
        raise ParameterError(f"{name}: {wrong!r} is not above 0 and at most {most:g}")
    return found


def _whole(name: str, values: Sequence[float]) -> list[int]:
    broken = next((value for value in values if not value.is_integer()), None)
    if broken is not None:
        raise ParameterError(f"{name}: {broken!r} is not a whole number of pixels")
    return [int(value) for value in values]


def _spectrum(cube: Any, target: Any, options: dict[str, Any]) -> NDArray[np.float64]:
    """Return the spectrum that a target names, on the used bands of the scene."""
    own = {f.name: options[f.name] for f in dataclasses.fields(RunOptions) if f.name in options}
    with prepared(cube, Request.of("ace", {**own, "target": target})) as job:
        detector = job.detector.unwrapped
        assert isinstance(detector, TargetDetector)  # noqa: S101  that is what was asked for
        return np.asarray(detector.spectra(len(job.scene.source.bands))[0])


def _has_closed_form(name: str, parameters: dict[str, Any]) -> bool:
    """Return whether the parameters of a method are those for which the closed form is written."""
    standard = detector_class(name).parameters()
    return all(parameters[p.name] == p.default for p in standard if p.name != "target")
