"""The command that makes and judges the bank."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hsad import __version__
from hsad.anomalies.null.prior import ROUGH, Prior, rough_named
from hsad.anomalies.null.tail import PEAK_REACH
from hsad.bench.calibration.backgrounds import Background, background_of, scored
from hsad.bench.calibration.fit import UNCALIBRATED, weights_of
from hsad.bench.calibration.judge import Judged, bank_of, judge
from hsad.bench.calibration.pairs import PAIRS, pair_cases
from hsad.bench.calibration.scenes import Case, cases
from hsad.bench.calibration.tables import family_table, scene_table
from hsad.bench.figures import GROUNDS
from hsad.bench.known import KnownScene, benchmark_scenes
from hsad.changes.change import change_methods
from hsad.detectors import describe_detector, make_detector
from hsad.errors import ParameterError, SceneError
from hsad.files import whole_file

__all__ = ["CALIBRATED", "Calibration", "blank_prior", "run_calibration"]


@dataclass(frozen=True)
class _Settings:
    """How the scores of a detector are looked at: chosen by the log loss on grounds that were left out, draws 0 to 2.

    Attributes
    ----------
    log : bool
        Whether heights are differences of logarithms.
    scaled : bool
        Whether they are multiples of the distance from the median to the 90th percentile.
    many_objects, temper, bound : float
        See `Prior`.
    rates : tuple of float
        Background peaks per 10⁴ pixels that reach each knot.
    coarse : bool
        Whether scenes of coarse pixels have a least probability: where spaceborne scenes have far more false anomalies
        than stated otherwise.
    law_of : str
        The rough prior whose law is taken. Only the calibration is fitted then.
    """

    log: bool
    many_objects: float
    temper: float
    bound: float
    rates: tuple[float, ...]
    scaled: bool = False
    coarse: bool = False
    law_of: str = ""


_FEW_KNOTS = (70.0, 30.0, 10.0, 3.0)
_MANY_KNOTS = (100.0, 40.0, 15.0, 5.0, 1.5)
CALIBRATED = {
    "auto": _Settings(log=False, many_objects=0.7, temper=0.1, bound=0.5, rates=_FEW_KNOTS, coarse=True),
    "rx": _Settings(log=True, many_objects=0.0, temper=0.1, bound=0.0, rates=_FEW_KNOTS),
    "crd": _Settings(log=True, many_objects=1.0, temper=0.2, bound=0.0, rates=_MANY_KNOTS),
    "lrx": _Settings(log=True, many_objects=0.5, temper=0.2, bound=0.0, rates=_MANY_KNOTS),
    "chronochrome": _Settings(log=True, many_objects=0.5, temper=0.1, bound=0.5, rates=_FEW_KNOTS),
    "covariance-equalisation": _Settings(
        log=True, scaled=True, many_objects=0.5, temper=0.2, bound=0.0, rates=_MANY_KNOTS, law_of=ROUGH[0]
    ),
    "hyperbolic": _Settings(log=False, scaled=True, many_objects=0.7, temper=0.3, bound=0.0, rates=_FEW_KNOTS),
}
"""The detectors that have a prior in the bank."""
_ROUGH_SETTINGS = {
    ROUGH[0]: (
        _Settings(log=True, scaled=True, many_objects=0.5, temper=0.2, bound=0.0, rates=_MANY_KNOTS),
        ("rx", "crd", "lrx"),
    ),
    ROUGH[1]: (
        _Settings(log=False, scaled=True, many_objects=0.5, temper=0.2, bound=0.0, rates=_MANY_KNOTS, coarse=True),
        ("auto",),
    ),
}
"""The rough priors, and the detectors that they are pooled over."""


@dataclass(frozen=True)
class Calibration:
    """The priors of some detectors, and how they were judged."""

    priors: Mapping[str, Prior]
    judged: Mapping[str, tuple[Judged, ...]]

    def to_dict(self) -> dict[str, Any]:
        """Return the calibration as JSON holds it."""
        judged = {method: [asdict(row) for row in rows] for method, rows in self.judged.items()}
        return {**_bank(self.priors), "judged": judged}

    def table(self) -> str:
        """Return stated and delivered false objects as tables in Markdown, two for each detector."""
        return "\n\n".join(
            "\n\n".join(filter(None, (f"### {method}", scene_table(rows), family_table(rows))))
            for method, rows in self.judged.items()
        )

    def write(self, path: str | Path) -> None:
        """Put the priors into a bank file; those of other detectors in it stay."""
        priors = {**_read_bank(Path(path)), **self.priors}
        with whole_file(path, overwrite=True) as staged:
            staged.write_text(json.dumps(_bank(priors), indent=1) + "\n", encoding="utf-8")


def run_calibration(
    folder: Path,
    *,
    methods: Sequence[str] = (),
    draw: int = 0,
    cache: Path | None = None,
    progress: Callable[..., Any] | None = None,
) -> Calibration:
    """Fit and judge the priors of detectors on the benchmark scenes of a folder; methods of change on pairs of dates.

    With all detectors that a rough prior is pooled over, that prior is made, too.

    Parameters
    ----------
    folder : Path
        Folder of all benchmark scenes.
    methods : sequence of str
        Keys of `CALIBRATED`; all by default.
    draw : int
        Number of the draw of implants that judge, from 0. The calibration is always by draw 0.
    cache : Path, optional
        Folder that keeps scores from one call to the next.
    progress : callable, optional
        As `hsad.progress.Progress`.

    Raises
    ------
    HsadError
        When a benchmark scene is missing or changed, or a detector has no prior.
    """
    unknown = [name for name in methods if name not in CALIBRATED]
    if unknown:
        raise ParameterError(f"--only (methods=): {unknown[0]!r} has no table; there are {', '.join(CALIBRATED)}")
    known = benchmark_scenes(folder)
    missing = set(GROUNDS) - {scene.name for scene in known}
    if missing:
        raise SceneError(f"{folder}: benchmark scenes are missing (--data, HSAD_DATA): {', '.join(sorted(missing))}")
    chosen = tuple(dict.fromkeys(methods)) or tuple(CALIBRATED)
    found: dict[str, list[Background]] = {method: [] for method in chosen}
    work = _work(chosen, known, folder, tuple(sorted({0, draw})))
    for case, measured in progress(work, total=None, desc="scoring") if progress else work:
        for method in measured:
            found[method].append(background_of(case, scored(case.scene, method, cache)))
    priors: dict[str, Prior] = {}
    judged: dict[str, tuple[Judged, ...]] = {}
    for method, scenes in found.items():
        priors[method], judged[method] = _prior(blank_prior(method), scenes, draw)
    for name, (_, pooled) in _ROUGH_SETTINGS.items():
        if set(pooled) <= set(chosen):
            scenes = [scene for method in pooled for scene in found[method]]
            priors[name], judged[name] = _prior(blank_prior(name), scenes, draw)
    return Calibration(priors, judged)


def _work(
    methods: Sequence[str], known: list[KnownScene], folder: Path, draws: tuple[int, ...]
) -> Iterator[tuple[Case, list[str]]]:
    """Yield each case with the methods that score it: those that compare two dates score pairs."""
    of_dates = [method for method in methods if method in change_methods()]
    of_scenes = [method for method in methods if method not in of_dates]
    for measured, every in ((of_scenes, cases), (of_dates, pair_cases)):
        if measured:
            for case in every(known, folder, draws):
                yield case, measured


def _settings(name: str) -> _Settings:
    return _ROUGH_SETTINGS[name][0] if name in _ROUGH_SETTINGS else CALIBRATED[name]


def blank_prior(name: str) -> Prior:
    """Return the prior of a detector, or a rough one, before its numbers are fitted."""
    rough = name in _ROUGH_SETTINGS
    settings = _settings(name)
    none = np.empty(0)
    parameters = {} if rough else describe_detector(make_detector(name))[1]
    if settings.law_of:
        law = rough_named(settings.law_of)
        return replace(law, method=name, parameters=parameters, calibration=UNCALIBRATED, coarse=None, sources=())
    return Prior(
        method=name,
        parameters=parameters,
        log=settings.log,
        scaled=settings.scaled,
        rates=np.array(settings.rates),
        knots=none,
        mean=none,
        sd=none,
        coefficients=none,
        covariance=none,
        temper=settings.temper,
        bound=settings.bound,
        many_objects=settings.many_objects,
        calibration=UNCALIBRATED,
        sources=(),
    )


def _prior(blank: Prior, scenes: Sequence[Background], draw: int) -> tuple[Prior, tuple[Judged, ...]]:
    """Return the prior of all grounds, calibrated by draw 0, and the rows that judge: those of a draw, and the bank."""
    calibrating = [scene for scene in scenes if scene.learned or _draw(scene) == 0]
    judging = [scene for scene in scenes if _draw(scene) in (None, draw)]
    calibration, coarse, rows = judge(blank, calibrating, judging, coarse=_settings(blank.method).coarse)
    return replace(bank_of(blank, scenes), calibration=calibration, coarse=coarse, sources=_sources(scenes)), rows


def _sources(scenes: Sequence[Background]) -> tuple[dict[str, Any], ...]:
    """Return the scenes that the bank learns from; the pairs that are made from one place are one."""
    learned = [scene for scene in scenes if scene.learned]
    sources: dict[str, dict[str, Any]] = {}
    for scene, weight in zip(learned, weights_of(learned), strict=True):
        name = scene.name.rpartition("-")[0] if scene.family in PAIRS else scene.name
        plain = {"name": name, "family": scene.family, "ground": scene.ground, "origin": scene.origin, "weight": 0.0}
        key = name if scene.family in PAIRS else f"{name} {len(sources)}"
        sources.setdefault(key, plain)["weight"] += float(weight)
    return tuple({**source, "weight": round(source["weight"], 5)} for source in sources.values())


def _draw(scene: Background) -> int | None:
    """Return the draw of a scene, None for those that are the same in all draws."""
    number = scene.name.rpartition("@")[2]
    return int(number) if number.isdigit() else None


def _bank(priors: Mapping[str, Prior]) -> dict[str, Any]:
    """Return priors as the bank's file holds them."""
    return {
        "program": "hsad bench --calibrate",
        "peak_reach": PEAK_REACH,
        "unit_pixels": 10000,
        "version": __version__,
        "priors": [prior.to_dict() for prior in priors.values()],
    }


def _read_bank(path: Path) -> dict[str, Prior]:
    if not path.exists():
        return {}
    try:
        return {prior["method"]: Prior.from_dict(prior) for prior in json.loads(path.read_text("utf-8"))["priors"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ParameterError(f"--calibrate: {path}: not a bank of priors ({error})") from error
