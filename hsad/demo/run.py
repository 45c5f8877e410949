"""A demonstration of the main job, offline: a scene with known targets, several methods, maps, figures, a table."""

from __future__ import annotations

import csv
import dataclasses
import json
import time
from pathlib import Path
from typing import Any

from hsad.anomalies.opened import Scene
from hsad.anomalies.vectors import read_anomalies
from hsad.demo.overview import plot_overview
from hsad.detection import detect
from hsad.errors import OutputError
from hsad.evaluation import evaluate, roc_curve
from hsad.files import check_output, whole_file
from hsad.job.files import detect_to_file
from hsad.plot.curves import plot_roc
from hsad.plot.quicklook import plot_quicklook
from hsad.products import write_envi
from hsad.readers import open_cube
from hsad.report.survey import NAMES, survey
from hsad.scene.cube import geo_grid
from hsad.synthetic import make_scene

__all__ = ["run_demo"]

#: The runs: name in the names of files, method, parameters.
_RUNS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("auto", "auto", {}),
    ("rx", "rx", {}),
    ("rx-trimmed", "rx", {"trim": 0.01}),
    ("crd", "crd", {"outer": 21, "inner": 13, "pca": 10}),
    ("rx-10-components", "rx", {"pca": 10}),
    ("lrx-10-components", "lrx", {"pca": 10, "outer": 21, "inner": 13}),
)

#: Part of the scene on which kernels are compiled before the clock starts.
_CORNER = slice(0, 64)

#: Files besides those of the scene, of the survey and of each run.
_SINGLE = ("truth.tif", "targets.json", "overview.png", "results.csv", "roc.png")

#: Columns of the table of methods, in the file as in the terminal.
_COLUMNS = (
    "name",
    "auc",
    "average_precision",
    "objects_found",
    "objects",
    "false_alarm_rate",
    "seconds",
    "file",
    "map",
)


def run_demo(folder: Path, *, overwrite: bool = False, progress: Any = None) -> dict[str, Any]:
    """Make a scene, survey it, run several methods on it, and return the figures.

    Parameters
    ----------
    folder : Path
        Folder for all files; made if it does not exist.
    overwrite : bool
        Whether files of an earlier demo may be replaced.
    progress : callable, optional
        As `hsad.progress.Progress`.

    Returns
    -------
    dict
        ``folder``, ``headline`` (of the survey, one line), ``report`` (its page), ``listed`` (anomalies of the
        survey), ``real`` (those whose highest pixel lies on a target), ``targets``, ``valid`` (pixels), ``files``
        (names), ``methods``: one dict for each run with ``name``, ``file`` and ``map`` (names), ``seconds`` (without
        compiling) and the figures of `hsad.evaluation.evaluate`.

    Raises
    ------
    OutputError
        If the folder cannot be written, or has a file that would be replaced.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: the folder cannot be made ({error.strerror})") from error
    images = (folder / file for name, *_ in _RUNS for file in (f"scores-{name}.tif", f"map-{name}.png"))
    for path in (*(folder / name for name in ("scene.hdr", "scene.img", *_SINGLE, *NAMES.values())), *images):
        check_output(path, (), overwrite=overwrite)
    scene = make_scene()
    header = folder / "scene.hdr"
    write_envi(scene.cube, header, overwrite=overwrite)
    with whole_file(folder / "truth.tif", overwrite=overwrite) as staged:
        scene.truth.rio.to_raster(staged, compress="deflate")
    targets = [dataclasses.asdict(target) for target in scene.targets]
    with whole_file(folder / "targets.json", overwrite=overwrite) as staged:
        staged.write_text(json.dumps(targets, indent=2) + "\n", encoding="utf-8")

    surveyed = survey(header, folder, overwrite=overwrite, progress=progress)
    plot_overview(header, folder / NAMES["scores"], folder / "overview.png", overwrite=overwrite)
    truth = scene.truth.values
    listed = read_anomalies(folder / NAMES["anomalies"])
    picture = Scene.of(header, geo_grid(scene.cube))
    rows, curves = [], {}
    for name, method, parameters in _RUNS:
        output = folder / f"scores-{name}.tif"
        detect(scene.cube.isel(y=_CORNER, x=_CORNER), method, **parameters)  # compiles, before the clock starts
        started = time.perf_counter()
        detect_to_file(header, output, method, overwrite=overwrite, progress=progress, **parameters)
        seconds = time.perf_counter() - started
        scores = open_cube(output)[..., 0]
        figures = evaluate(scores, truth)
        title = f"{name}, AUC {figures['auc']:.4f}"
        plot_quicklook(output, picture, folder / f"map-{name}.png", truth=truth, title=title, overwrite=overwrite)
        curves[name] = roc_curve(scores, truth)
        files = {"file": output.name, "map": f"map-{name}.png"}
        rows.append({"name": name, **files, "seconds": seconds, **figures})
    plot_roc(curves, folder / "roc.png", overwrite=overwrite)
    with (
        whole_file(folder / "results.csv", overwrite=overwrite) as staged,
        staged.open("w", newline="", encoding="utf-8") as file,
    ):
        table = csv.DictWriter(file, _COLUMNS, extrasaction="ignore", lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    return {
        "folder": str(folder),
        "headline": surveyed["headline"],
        "report": surveyed["report"],
        # Not the hidden mark of an unfinished command, which lies there until the command ends.
        "files": sorted(path.name for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")),
        "listed": len(listed),
        "real": sum(bool(truth[place["row"], place["col"]] > 0) for place in listed),
        "targets": len(scene.targets),
        "valid": surveyed["valid"],
        "methods": rows,
    }
