"""The page for the review of anomalies: one HTML file that needs no network and no other file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hsad import __version__
from hsad.anomalies.decide import choose_anomalies
from hsad.anomalies.headline import answer, headline
from hsad.anomalies.opened import Scene, open_scores
from hsad.anomalies.options import ListOptions
from hsad.anomalies.origin import origin_sentence
from hsad.anomalies.vectors import Anomalies
from hsad.errors import ParameterError
from hsad.files import check_output, whole_file
from hsad.job.options import SceneOptions
from hsad.job.remarks import remarks_on
from hsad.plot.pictures import data_url, overview
from hsad.report.kinds import described_kinds
from hsad.report.page_data import page_data
from hsad.report.reasons import Account, explained, with_reasons

if TYPE_CHECKING:
    from hsad.anomalies.scoremap import ScoreMap
    from hsad.explanation.explanation import Explanation

__all__ = ["PAGE_SUFFIXES", "check_report", "page_script", "report_of", "report_to_file", "write_page"]

_SCRIPTS = ("marks", "list", "map", "detail", "save", "print", "start")
"""Files of the page's script in their order. They share one scope."""
PAGE_SUFFIXES = (".html", ".htm")


def report_to_file(
    scene: Any,
    scores: str | Path,
    output: str | Path,
    options: ListOptions | None = None,
    *,
    stated: SceneOptions | None = None,
    library: str | Path | None = None,
    reasons: bool = True,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write the review page of a score raster.

    Parameters
    ----------
    scene, scores, output : path
        The scene, its scores, and the page (``.html``).
    options : ListOptions, optional
        How the anomalies are chosen.
    stated : SceneOptions, optional
        What the user states about the scene beside its file.
    library : path, optional
        A spectral library, as `hsad.explain` takes it: the page says what the anomalies are most like.
    reasons : bool
        Whether the detector accounts for the highest anomalies, for which it learns the scene once more.
    overwrite : bool

    Returns
    -------
    dict
        ``output``, what `hsad.anomalies.headline.answer` says, and what `Threshold.to_dict` says.

    Raises
    ------
    HsadError
        When a file cannot be read, the scores do not lie in the scene, or the page cannot be written.
    """
    target = check_report(output, library, reasons=reasons, overwrite=overwrite)
    opened = open_scores(scores)
    beside = Scene.of(scene, opened.grid, stated=stated)
    _, told = report_of(
        scene, scores, opened, beside, target, options, stated=stated, library=library, reasons=reasons,
        overwrite=overwrite,
    )  # fmt: skip
    return told


def check_report(output: str | Path, library: str | Path | None, *, reasons: bool, overwrite: bool) -> Path:
    """Return the path of a page; raise for one that cannot be written, and for a library without reasons."""
    target = check_output(output, PAGE_SUFFIXES, overwrite=overwrite)
    if library is not None and not reasons:
        raise ParameterError("library: names are found with the reasons, which --no-reasons leaves out")
    return target


def report_of(
    scene: Any,
    scores: str | Path,
    opened: ScoreMap,
    beside: Scene,
    target: Path,
    options: ListOptions | None,
    *,
    stated: SceneOptions | None,
    library: str | Path | None,
    reasons: bool,
    overwrite: bool,
) -> tuple[Anomalies, dict[str, Any]]:
    """Do what `report_to_file` does with scores and a scene that are open, after `check_report`.

    Parameters
    ----------
    scene, scores : path
    opened : ScoreMap
        The scores, open.
    beside : Scene
        The scene, open.
    target : Path
    options, stated, library, reasons, overwrite
        As `report_to_file` takes them.

    Returns
    -------
    anomalies : Anomalies
    told : dict
        What `report_to_file` returns.

    Raises
    ------
    HsadError
        When the scores do not lie in the scene, or the page cannot be written.
    """
    anomalies = choose_anomalies(opened, beside, options or ListOptions())
    given = {} if stated is None else stated.stated()
    account = Account(scene, given, (0, 0), scores=Path(scores)) if reasons else None
    why = explained(anomalies, opened, beside, account, library)
    kinds = described_kinds(anomalies, why)
    write_page(target, with_reasons(anomalies, why), opened, beside, why, kinds=kinds, overwrite=overwrite)
    return anomalies, {**anomalies.threshold, **answer(anomalies), "output": str(target)}


def write_page(
    path: Path,
    anomalies: Anomalies,
    scores: ScoreMap,
    scene: Scene,
    reasons: Mapping[int, Explanation],
    *,
    kinds: Mapping[str, Mapping[str, Any]] | None = None,
    overwrite: bool = False,
) -> None:
    """Write the page.

    Parameters
    ----------
    path : Path
    anomalies : Anomalies
    scores : ScoreMap
    scene : Scene
    reasons : mapping of int to Explanation
        Why some of the anomalies stand out, by their ids.
    kinds : mapping of str to mapping, optional
        What is known of each kind of anomalies, see `hsad.report.page_data.page_data`.
    overwrite : bool

    Raises
    ------
    OutputError
        When it cannot be written; nothing is left behind then.
    """
    from jinja2 import Environment
    from markupsafe import Markup

    picture, colours = overview(scene)
    data = page_data(anomalies, scores, scene, reasons, kinds or {})
    data["picture"] = data_url(picture)
    assets = files("hsad.report") / "assets"
    source = Path(scores.source or scene.name).name
    page = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
        (assets / "report.html.j2").read_text("utf-8")
    )
    text = page.render(
        title=f"Anomalies in {source}",
        summary=headline(anomalies),
        sentence=origin_sentence(anomalies.threshold),
        doubts=anomalies.threshold["doubts"],
        facts=_facts(anomalies, scores, scene, colours),
        # Files of the package, and JSON that cannot end its script element. All other texts are escaped.
        style=Markup((assets / "report.css").read_text("utf-8")),  # noqa: S704
        script=Markup(page_script()),  # noqa: S704
        data=Markup(_json(data)),  # noqa: S704
    )
    with whole_file(path, PAGE_SUFFIXES, overwrite=overwrite) as staged:
        staged.write_text(text + "\n", encoding="utf-8")


def page_script() -> str:
    """Return the files of the page's script as one function."""
    folder = files("hsad.report") / "assets" / "scripts"
    parts = [(folder / f"{name}.js").read_text("utf-8") for name in _SCRIPTS]
    return "\n".join(['"use strict";', "(() => {", *parts, "})();"])


def _json(data: Mapping[str, Any]) -> str:
    """Return JSON without a text that could end a script element."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _facts(anomalies: Anomalies, scores: ScoreMap, scene: Scene, colours: str) -> list[tuple[str, str]]:
    grid, threshold = scores.grid, anomalies.threshold
    said = answer(anomalies)
    interval, false, most = threshold["interval"], said["expected_false"], "at most " if said["at_most"] else ""
    cube, stated = scene.cube, getattr(scores.values, "attrs", {})
    checksum = stated.get("source_sha256")
    rows = [
        ("Scene", f"{scene.name}, {grid.rows} x {grid.cols} pixels, {len(scene.source.bands)} bands used"),
        ("Acquired", str(stated.get("acquired") or cube.attrs.get("acquired") or "time not stated by the file")),
        ("Checksum", f"SHA-256 {checksum} of the scene's file" if checksum else "none: the scene is large, or no file"),
        ("Picture", colours),
        ("CRS", "none" if grid.crs is None else str(grid.crs.to_string())),
        ("Method", scores.method or "not known"),
        ("Parameters", ", ".join(f"{name} = {value}" for name, value in scores.parameters.items())),
        ("Learned", ", ".join(f"{name} = {_number(value)}" for name, value in scores.background.items())),
        ("Threshold", f"{threshold['threshold']:.6g} by rule {threshold['rule']}"),
        ("Expected false", "not known" if false is None else f"{most}{false:.3g} of {len(anomalies)}"),
        ("90 % interval", "-" if interval is None else f"{interval[0]:.3g} to {interval[1]:.3g}"),
        ("Doubts", "; ".join(threshold["doubts"]) or "none"),
        ("Smallest, merged", f"{_pixels(threshold['min_pixels'])}; {_pixels(threshold['merge'])} apart"),
        ("Remarks on the scene", "; ".join(remarks_on(cube))),
        ("Written", f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC by hsad {__version__}"),
    ]
    return [(name, text) for name, text in rows if text]


def _pixels(number: int) -> str:
    return f"{number} pixel" if number == 1 else f"{number} pixels"


def _number(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
