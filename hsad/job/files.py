"""Scores straight into files, one scene or many: a run that ends early is continued by the same call."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hsad.detectors import describe_detector
from hsad.engine.resume import Journal
from hsad.errors import OutputError
from hsad.files import made_earlier
from hsad.job.given import as_cube
from hsad.job.job import Job
from hsad.job.learned import Learned
from hsad.job.options import RunOptions, with_options
from hsad.job.prepare import prepared
from hsad.job.remarks import remarks_on
from hsad.job.request import Method, Request
from hsad.job.strongest import Place, Strongest
from hsad.products import ScoreWriter, read_provenance
from hsad.products.cubes.envi import ENVI_SUFFIXES, check_envi
from hsad.products.raster import RASTER_SUFFIXES
from hsad.progress import LOGGER
from hsad.record import Record

__all__ = ["OUTPUT_SUFFIXES", "RunOutcome", "detect_to_file", "is_result", "run_into", "run_into_or_read"]

#: Endings of the name of a score raster: those of a GeoTIFF and of an ENVI file.
OUTPUT_SUFFIXES = (*RASTER_SUFFIXES, *ENVI_SUFFIXES)


#: Rows of a finished raster that are read at a time.
_STRIP_ROWS = 512


@dataclass(frozen=True)
class RunOutcome(Record):
    """The outcome of scoring a scene into a file.

    Attributes
    ----------
    output, method : str
    parameters : dict
    pixels, valid : int
        Number of pixels of the output, and number of these with a score.
    continued : int
        Number of pixels that an earlier run had scored.
    max : float
        The highest score.
    strongest : list of Place
        Up to three places with the highest scores, at least ten rows or columns apart.
    background : dict
        The single numbers of what the method learned.
    remarks : list of str
        What the reader of the scene assumed, and fill that its file does not seem to declare.
    """

    output: str
    method: str
    parameters: dict[str, Any]
    pixels: int
    valid: int
    continued: int
    max: float
    strongest: list[Place]
    background: dict[str, Any]
    remarks: list[str]


@with_options(RunOptions)
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

    A name with an ending of ENVI files (``.img``, ``.hdr``, …) gives an ENVI file with its header instead.

    During the run, finished tiles lie in a folder ``SCORES.tif.unfinished`` beside the output. The same call continues
    a run that was ended early, in whatever way; the result is the same, bit for bit.

    Parameters
    ----------
    scene, output : path
    method
        As for `hsad.detect`.
    **options
        The options of a run below, and the parameters of the method.
    overwrite : bool
        Replace an existing output, of scores or of what was learned.
    restart : bool
        Drop an unfinished run of this output instead of continuing it.
    save_background : path, optional
        Also write what was learned to this file.

    Returns
    -------
    RunOutcome

    Raises
    ------
    TileError
        When tiles could not be computed; the error comes after all other tiles, which stay on the disk.
    OutputError
        When the output cannot be written, or another run writes it.
    HsadError
        As `hsad.detect`.

    Warns
    -----
    ResumeWarning
        When there is an unfinished run of this output with other parameters or another scene.

    Examples
    --------
    >>> import hsad, pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> scene = hsad.write_cube(hsad.make_scene(rows=60, cols=70, bands=20, seed=1).cube, folder / "scene.hdr")
    >>> outcome = hsad.detect_to_file(scene, folder / "scores.tif", "rx")
    >>> outcome.method, (folder / "scores.tif").exists()
    ('rx', True)
    """
    with prepared(scene, Request.of(method, options)) as job:
        outcome, _ = run_into_or_read(
            job, Path(output), overwrite=overwrite, restart=restart, save_background=save_background
        )
    return outcome


def run_into_or_read(
    job: Job,
    output: Path,
    *,
    overwrite: bool,
    restart: bool,
    save_background: str | Path | None = None,
    keep: bool = False,
) -> tuple[RunOutcome, Learned | None]:
    """Do what `detect_to_file` does with a prepared job; also return what was learned, None where nothing had to be.

    With `keep`, what was learned is kept beside the scores, see `hsad.job.learned.Learned.keep`.
    """
    if not restart and made_earlier(output) and is_result(output, job):
        with Journal(_journal_folder(output), job.fingerprint):
            pass  # removes what the run left beside its output
        return outcome_of(job, output), None
    return run_into(job, output, overwrite=overwrite, restart=restart, save_background=save_background, keep=keep)


def _journal_folder(output: Path) -> Path:
    """Return the folder in which an unfinished run keeps its tiles."""
    return output.with_name(f"{output.name}.unfinished")


def is_result(output: Path, job: Job) -> bool:
    """Tell whether a file holds the scores of a job: the same method on the same files, on the same map."""
    if not output.exists():
        return False
    stated = read_provenance(output)
    return (stated.run, stated.grid) == (job.digest, job.form.map_name)


def outcome_of(job: Job, output: Path) -> RunOutcome:
    """Return what `run_into` returned when it wrote a raster, read from the raster."""
    grid = job.form.grid if job.form.swath is None else job.form.swath.grid
    valid, strongest = 0, Strongest()
    written = as_cube(output)[..., 0]
    for first in range(0, grid.rows, _STRIP_ROWS):
        rows = slice(first, min(first + _STRIP_ROWS, grid.rows))
        scores = written[rows].values
        valid += int(np.isfinite(scores).sum())
        strongest.add(rows, slice(0, grid.cols), scores)
    pixels = grid.rows * grid.cols
    learned = json.loads(read_provenance(output).background or "{}")
    return _outcome(job, output, strongest.places(grid), learned, pixels=pixels, valid=valid, continued=pixels)


def run_into(
    job: Job,
    output: Path,
    *,
    overwrite: bool,
    restart: bool,
    save_background: str | Path | None,
    keep: bool = False,
) -> tuple[RunOutcome, Learned]:
    """Score a prepared job into a file; return what `detect_to_file` returns, and what was learned."""
    from hsad.files import check_output, refuse_inputs

    check_output(output, OUTPUT_SUFFIXES, overwrite=overwrite)
    folder = _journal_folder(output)
    with contextlib.ExitStack() as stack:
        writer, written = _writer(job, output, folder, stack, overwrite=overwrite)
        inputs = job.inputs
        for path in written:
            refuse_inputs(path, inputs)
        if save_background is not None:
            kept = check_output(save_background, (), overwrite=overwrite)
            refuse_inputs(kept, inputs)
            if kept.absolute() in {path.absolute() for path in written}:
                raise OutputError(f"{kept} belongs to the score raster; choose another name")
        journal = stack.enter_context(Journal(folder, job.fingerprint, restart=restart, unchanged=job.check_unchanged))
        check_output(output, (), overwrite=overwrite)  # again: another run may have ended just now
        LOGGER.info("%s: scoring %s", output, job.scene.cube.attrs.get("source"))
        learned = job.learn(journal)
        writer.tell_background(learned.summary())
        continued, valid, strongest = 0, 0, Strongest()
        with writer, contextlib.closing(job.tiles(learned, journal)) as tiles:
            for tile in tiles:
                writer.write(tile.rows, tile.cols, tile.layers)
                valid += int(np.isfinite(tile.scores).sum())
                continued += tile.scores.size if tile.earlier else 0
                strongest.add(tile.rows, tile.cols, tile.scores)
            learned.require_scores(valid, job.count_valid)
            job.check_unchanged()
            if save_background is not None:
                learned.save(save_background, overwrite=overwrite)
            if keep:
                learned.keep(output.parent, overwrite=overwrite)
        if writer.path != output:
            _write_envi(writer.path, output, job.form.provenance, overwrite=overwrite)
    pixels = job.form.grid.rows * job.form.grid.cols
    places = strongest.places(job.form.grid)
    outcome = _outcome(job, output, places, learned.summary(), pixels=pixels, valid=valid, continued=continued)
    return outcome, learned


def _outcome(
    job: Job, output: Path, places: list[Place], background: dict[str, Any], *, pixels: int, valid: int, continued: int
) -> RunOutcome:
    method, parameters = describe_detector(job.detector)
    return RunOutcome(
        output=str(output),
        method=method,
        parameters=parameters,
        pixels=pixels,
        valid=valid,
        continued=continued,
        max=places[0].score,
        strongest=places,
        background=background,
        remarks=remarks_on(job.scene.cube),
    )


def _writer(
    job: Job, output: Path, folder: Path, stack: contextlib.ExitStack, *, overwrite: bool
) -> tuple[ScoreWriter, tuple[Path, ...]]:
    """Return the writer of the scores of a job, and all files of the result.

    For ENVI the writer makes a raster, from which the ENVI file is made in the end.
    """
    from hsad.files import staging

    attrs = {**job.form.provenance, "run": job.digest}
    if job.form.map_name:
        attrs["grid"] = job.form.map_name
    grid = job.form.grid if job.form.swath is None else job.form.swath.grid
    raster, work = output, folder
    written: tuple[Path, ...] = ()
    if output.suffix.lower() in ENVI_SUFFIXES:
        written = check_envi(output, grid, overwrite=overwrite)
        work = stack.enter_context(staging(output))
        raster = work / "scores.tif"
    bands = ["score", *job.form.evidence]
    writer = ScoreWriter(
        raster,
        grid,
        attrs,
        bands=len(bands),
        descriptions=bands,
        overwrite=overwrite,
        folder=work,
        swath=job.form.swath,
    )
    return writer, written or writer.files


def _write_envi(raster: Path, output: Path, provenance: dict[str, str], *, overwrite: bool) -> None:
    """Write the scores of a raster as an ENVI file, with their provenance in its one field for texts."""
    from hsad.products import write_envi

    scores = as_cube(raster)
    scores.attrs["description"] = (
        f"anomaly scores by hsad {provenance['version']}: method {provenance['method']}, "
        f"parameters {provenance['parameters']}, source {provenance.get('source', 'an array')}"
    )
    write_envi(scores, output, overwrite=overwrite)
