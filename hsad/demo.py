"""The main job, end to end and offline: a scene with known targets, several methods, maps, figures, a table."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from hsad.errors import OutputError
from hsad.evaluation import evaluate, roc_curve
from hsad.job.files import detect_to_file
from hsad.products import plot_roc, plot_scores, write_envi
from hsad.readers import open_cube
from hsad.synthetic import make_scene

__all__ = ["run_demo"]

#: What is run: a name for the files, the method, its parameters.
_RUNS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("auto", "auto", {}),
    ("rx", "rx", {}),
    ("rx-trimmed", "rx", {"trim": 0.01}),
    ("crd", "crd", {"outer": 21, "inner": 13, "pca": 10}),
    ("rx-10-components", "rx", {"pca": 10}),
    ("lrx-10-components", "lrx", {"pca": 10, "outer": 21, "inner": 13}),
)


def run_demo(folder: Path, *, progress: Any = None) -> dict[str, Any]:
    """Make a scene, detect in it with several methods, and leave rasters and figures in a folder.

    Parameters
    ----------
    folder : Path
        Made if it does not exist; files of an earlier demo are replaced.
    progress : callable, optional
        As `hsad.engine.run.Progress`.

    Returns
    -------
    dict
        ``folder``, ``files`` (names), ``methods``: one dict a run with ``name``, ``seconds`` and the figures of
        `hsad.evaluation.evaluate`.

    Raises
    ------
    OutputError
        When the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: the folder cannot be made ({error.strerror})") from error
    scene = make_scene()
    header = folder / "scene.hdr"
    write_envi(scene.cube, header, overwrite=True)
    scene.truth.rio.to_raster(folder / "truth.tif", compress="deflate")
    targets = [dataclasses.asdict(target) for target in scene.targets]
    (folder / "targets.json").write_text(json.dumps(targets, indent=2) + "\n", encoding="utf-8")

    truth = scene.truth.values
    rows, curves = [], {}
    for name, method, parameters in _RUNS:
        output = folder / f"{name}.tif"
        started = time.perf_counter()
        detect_to_file(header, output, method, overwrite=True, progress=progress, **parameters)
        seconds = time.perf_counter() - started
        scores = open_cube(output)[..., 0]
        figures = evaluate(scores, truth)
        plot_scores(scores, folder / f"{name}.png", truth=truth, title=f"{name}, AUC {figures['auc']:.4f}")
        curves[name] = roc_curve(scores, truth)
        rows.append({"name": name, "seconds": seconds, **figures})
    plot_roc(curves, folder / "roc.png")
    return {
        "folder": str(folder),
        "files": sorted(path.name for path in folder.iterdir() if path.is_file()),
        "targets": len(scene.targets),
        "valid": int(np.count_nonzero(truth >= 0)),
        "methods": rows,
    }
