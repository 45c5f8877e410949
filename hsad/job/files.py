"""Scores straight into files, one scene or many: a run that ends early is continued by the same call."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hsad.detectors import describe_detector
from hsad.detectors.probe import require_valid
from hsad.engine.resume import Journal
from hsad.job.job import Job, prepared
from hsad.job.request import Method, Request
from hsad.progress import LOGGER
from hsad.record import Record

__all__ = ["RunOutcome", "detect_to_file", "run_into"]


@dataclass(frozen=True)
class RunOutcome(Record):
    """What became of a scene that was scored into a file.

    Attributes
    ----------
    output, method : str
    parameters : dict
    pixels, valid : int
        Pixels of the output, and those of them with a score.
    continued : int
        Pixels that an earlier run had scored.
    max : float
        The highest score.
    background : dict
        What was learned, in single numbers.
    """

    output: str
    method: str
    parameters: dict[str, Any]
    pixels: int
    valid: int
    continued: int
    max: float
    background: dict[str, Any]


def detect_to_file(
    scene: str | Path,
    output: str | Path,
    method: Method | None = None,
    *,
    overwrite: bool = False,
    restart: bool = False,
    save_background: str | Path | None = None,
    **options: Any,
) -> RunOutcome:
    """Score a scene into a Cloud-Optimized GeoTIFF, tile by tile, with its STAC item and style beside it.

    While it runs, what is finished lies in a folder ``SCORES.tif.unfinished`` beside the output. A run that was ended
    early, in whatever way, is continued by the same call; the result is the same, bit for bit.

    Parameters
    ----------
    scene, output : path
    method, **options
        As for `hsad.detect`.
    overwrite : bool
        Replace an existing output, of scores or of what was learned.
    restart : bool
        Drop an unfinished run of this output instead of continuing it.
    save_background : path, optional
        Also keep what was learned.

    Returns
    -------
    RunOutcome

    Raises
    ------
    TileError
        When tiles could not be computed, after all the others; those are kept.
    OutputError
        When the output cannot be written, or another run is at work on it.
    HsadError
        As `hsad.detect`.

    Warns
    -----
    ResumeWarning
        When there is an unfinished run of this output with other parameters or another scene.
    """
    with prepared(scene, Request.of(method, options)) as job:
        return run_into(job, Path(output), overwrite=overwrite, restart=restart, save_background=save_background)


def run_into(
    job: Job, output: Path, *, overwrite: bool, restart: bool, save_background: str | Path | None
) -> RunOutcome:
    """Score a prepared job into a file; returns what `detect_to_file` returns."""
    from hsad.files import check_output, refuse_inputs
    from hsad.products import ScoreWriter

    bands = ["score", *job.parts]
    folder = output.with_name(f"{output.name}.unfinished")
    attrs = {**job.provenance, "run": job.digest}
    if job.swath is not None:
        attrs["grid"] = "map"
    writer = ScoreWriter(
        output,
        job.grid if job.swath is None else job.swath.grid,
        attrs,
        bands=len(bands),
        descriptions=bands,
        overwrite=overwrite,
        folder=folder,
        swath=job.swath,
    )
    inputs = job.inputs
    refuse_inputs(output, inputs)
    if save_background is not None:
        kept = check_output(save_background, (), overwrite=overwrite)
        refuse_inputs(kept, inputs)
        writer.refuse_name(kept)
    with Journal(folder, job.fingerprint, restart=restart, unchanged=job.check_unchanged) as journal:
        check_output(output, (), overwrite=overwrite)  # again: another run may have ended just now
        LOGGER.info("%s: scoring %s", output, job.cube.attrs.get("source"))
        learned = job.learn(journal)
        writer.tell_background(learned.summary())
        continued, valid, highest = 0, 0, -np.inf
        with writer, contextlib.closing(job.tiles(learned, journal)) as tiles:
            for tile in tiles:
                writer.write(tile.rows, tile.cols, tile.layers)
                finite = tile.scores[np.isfinite(tile.scores)]
                valid += finite.size
                continued += tile.scores.size if tile.earlier else 0
                highest = max(highest, float(finite.max(initial=-np.inf)))
            require_valid(valid or None)
            job.check_unchanged()
            if save_background is not None:
                learned.save(save_background, overwrite=overwrite)
    method, parameters = describe_detector(learned.detector)
    return RunOutcome(
        output=str(output),
        method=method,
        parameters=parameters,
        pixels=job.grid.rows * job.grid.cols,
        valid=valid,
        continued=continued,
        max=highest,
        background=learned.summary(),
    )
