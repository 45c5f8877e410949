"""Everything at once: from a scene to scores, anomalies, a page to review them in, a picture and one line."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hsad.anomalies.decide import choose_anomalies
from hsad.anomalies.headline import answer
from hsad.anomalies.marks.carried import carry_marks, marks_sentence
from hsad.anomalies.opened import Scene, open_scores, window_origin
from hsad.anomalies.options import KINDS, ListOptions, NamingOptions
from hsad.anomalies.vectors import write_anomalies
from hsad.detectors.base import Detector
from hsad.files import check_output
from hsad.job.files import run_into_or_read
from hsad.job.learned import KEPT
from hsad.job.options import RunOptions, SceneOptions
from hsad.job.prepare import prepared
from hsad.job.request import Request
from hsad.plot.quicklook import plot_quicklook
from hsad.products.stac import add_asset
from hsad.report.kinds import described_kinds, siblings_of
from hsad.report.page import write_page
from hsad.report.reasons import Account, explained, with_reasons
from hsad.report.restyle import restyle

__all__ = ["NAMES", "survey"]

NAMES = {"scores": "scores.tif", "anomalies": "anomalies.gpkg", "report": "report.html", "quicklook": "quicklook.png"}
"""The files of a survey."""


def survey(
    scene: str | Path,
    folder: str | Path,
    method: str | Detector | None = None,
    *,
    overwrite: bool = False,
    restart: bool = False,
    decide: ListOptions | Mapping[str, Any] | None = None,
    library: str | Path | None = None,
    kinds: int = KINDS,
    **options: Any,
) -> dict[str, Any]:
    """Look for anomalies in a scene: scores, ranked anomalies, a report and a quicklook, in one folder.

    Parameters
    ----------
    scene : path
    folder : path
        Made if it does not exist; the files are called as in `NAMES`, with companions of the scores.
    method, **options
        As for `hsad.detect_to_file`.
    overwrite : bool
        Whether files of an earlier survey may be replaced.
    restart : bool
        Drop an unfinished run instead of continuing it.
    decide : ListOptions or mapping, optional
        How the anomalies are chosen: fields of `ListOptions` such as ``false_objects``, ``rule`` or ``min_pixels``.
    library : path, optional
        A spectral library, as `hsad.explain` takes it: the list and the page say what the anomalies are most like.
    kinds : int
        Number of kinds, the strongest ones, of which the page shows more places that are like them; 0 for none.

    Returns
    -------
    dict
        What `hsad.anomalies.headline.answer` says (``headline``, ``count``, ``grades``, ``expected_false``,
        ``trusted``, ...), ``folder``, ``scores``, ``anomalies``, ``report``, ``quicklook`` (paths), ``method``,
        ``parameters``, ``pixels``, ``valid``, ``remarks``, and what `Threshold.to_dict` says.

    Raises
    ------
    HsadError
        As `hsad.detect_to_file` and `hsad.polygons`.
    """
    NamingOptions(library, kinds)  # refuses what is out of range
    chosen = decide if isinstance(decide, ListOptions) else ListOptions.of(decide or {})
    target = Path(folder)
    paths = {output: target / name for output, name in NAMES.items()}
    learns = options.get("background") is None
    for path in (*paths.values(), *([target / KEPT] if learns else [])):
        check_output(path, (), overwrite=overwrite)
    with prepared(scene, Request.of(method, options)) as job:
        result, learned = run_into_or_read(job, paths["scores"], overwrite=overwrite, restart=restart, keep=learns)

    scores = open_scores(paths["scores"])
    run, _ = RunOptions.split(options)
    beside = Scene.of(scene, scores.grid, window_origin(run), run)
    anomalies = choose_anomalies(scores, beside, chosen)
    anomalies = carry_marks(anomalies, paths["anomalies"])
    said = answer(anomalies)
    given = {name: value for name, value in options.items() if name in _SAME_BACKGROUND and value is not None}
    start = window_origin(run)(beside.cube) if {"region", "bbox"} & set(given) else (0, 0)
    account = Account(scene, given, start, learned, paths["scores"])
    reasons = explained(anomalies, scores, beside, account, library)
    anomalies = with_reasons(anomalies, reasons)
    write_anomalies(anomalies, paths["anomalies"], overwrite=overwrite)
    restyle(paths["scores"], anomalies)
    found = siblings_of(scene, paths["anomalies"], anomalies, kinds, options)
    described = described_kinds(anomalies, reasons, found, paths["anomalies"])
    write_page(paths["report"], anomalies, scores, beside, reasons, kinds=described, overwrite=overwrite)
    plot_quicklook(
        scores,
        beside,
        paths["quicklook"],
        anomalies=anomalies,
        title=said["headline"],
        overwrite=overwrite,
    )
    add_asset(
        paths["scores"].with_suffix(".json"),
        "anomalies",
        paths["anomalies"],
        title=f"Anomalies: {said['headline']}",
        media_type="application/geopackage+sqlite3",
        fields={
            f"hsad:{name}": said[name] for name in ("count", "grades", "expected_false", "trusted", "at_most", "rough")
        },
    )
    return {
        **anomalies.threshold,
        **said,
        "marks": marks_sentence(anomalies),
        "folder": str(target),
        **{name: getattr(result, name) for name in ("method", "parameters", "pixels", "valid", "remarks")},
        **{name: str(path) for name, path in paths.items()},
    }


#: Options of a run that decide what is learned: the page's reasons are found with the same.
_SAME_BACKGROUND = (
    *("bands", "mask", "region", "bbox", "references", "background", "memory", "workers"),
    *(f.name for f in dataclasses.fields(SceneOptions)),
)
