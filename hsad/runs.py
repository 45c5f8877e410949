"""Scores straight into files, one scene or many: a run that ends early is continued by the same call."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hsad.detection import Job, prepared, require_scores
from hsad.detectors import describe_detector
from hsad.detectors.base import Detector
from hsad.engine.resume import Journal
from hsad.errors import OutputError, ParameterError
from hsad.options import RunOptions
from hsad.progress import LOGGER

__all__ = ["SceneOutcome", "detect_many", "detect_to_file", "output_names"]


def detect_to_file(
    scene: str | Path,
    output: str | Path,
    method: str | Detector | None = None,
    *,
    overwrite: bool = False,
    restart: bool = False,
    save_background: str | Path | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Score a scene into a Cloud-Optimized GeoTIFF, tile by tile, with its STAC item and style beside it.

    While it runs, what is finished lies in a folder ``SCORES.tif.unfinished`` beside the output. A run that was ended
    early, in whatever way, is continued by the same call; the result is the same, bit for bit.

    Parameters
    ----------
    scene, output : path
    method, **options
        As for `hsad.detect`.
    overwrite : bool
        Replace an existing output.
    restart : bool
        Drop an unfinished run of this output instead of continuing it.
    save_background : path, optional
        Also keep what was learned.

    Returns
    -------
    dict
        ``output``, ``method``, ``parameters``, ``pixels``, ``valid``, ``continued`` (pixels that an earlier run had
        scored), ``max`` of the scores, and ``background``: what it says of itself.

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
    run, parameters = RunOptions.split(options)
    with prepared(scene, method, run, parameters) as job:
        return _run(job, Path(output), overwrite=overwrite, restart=restart, save_background=save_background)


def _run(
    job: Job, output: Path, *, overwrite: bool, restart: bool, save_background: str | Path | None
) -> dict[str, Any]:
    from hsad.products import ScoreWriter, check_output

    bands = ["score", *job.parts]
    folder = output.with_name(f"{output.name}.unfinished")
    attrs = {**job.provenance, "run": _run_digest(job)}
    writer = ScoreWriter(
        output, job.grid, attrs, bands=len(bands), descriptions=bands, overwrite=overwrite, folder=folder
    )
    with Journal(folder, job.fingerprint, restart=restart) as journal:
        check_output(output, (), overwrite=overwrite)  # again: another run may have ended just now
        continued = sum(tile.scores.size for tile in journal.finished())
        LOGGER.info("%s: scoring %s", output, job.cube.attrs.get("source"))
        learned = job.learn(journal)
        writer.tell_background(learned.summary())
        valid, highest = 0, -np.inf
        with writer, contextlib.closing(job.tiles(learned, journal)) as tiles:
            for tile in tiles:
                writer.write(tile.rows, tile.cols, np.concatenate([tile.scores[..., None], tile.parts], axis=2))
                finite = tile.scores[np.isfinite(tile.scores)]
                valid += finite.size
                highest = max(highest, float(finite.max(initial=-np.inf)))
            require_scores(valid)
            if save_background is not None:
                learned.save(save_background)
    method_used, parameters_used = describe_detector(learned.detector)
    return {
        "output": str(output),
        "method": method_used,
        "parameters": parameters_used,
        "pixels": job.grid.rows * job.grid.cols,
        "valid": valid,
        "continued": continued,
        "max": highest,
        "background": json.loads(learned.summary() or "{}"),
    }


def _run_digest(job: Job) -> str:
    """Return a checksum of all that the scores of a job depend on."""
    return hashlib.sha256(json.dumps(job.fingerprint, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class SceneOutcome:
    """What became of one scene of many.

    Attributes
    ----------
    scene, output : str
    result : dict or None
        What `detect_to_file` returned; None when it failed, or when the output was there already.
    error : Exception or None
        Why it failed.
    """

    scene: str
    output: str
    result: dict[str, Any] | None = None
    error: Exception | None = None

    @property
    def state(self) -> str:
        """``scored``, ``there already`` or ``failed``."""
        return "scored" if self.result else "failed" if self.error else "there already"


def detect_many(
    scenes: Sequence[str | Path],
    folder: str | Path,
    method: str | Detector | None = None,
    *,
    overwrite: bool = False,
    restart: bool = False,
    **options: Any,
) -> Iterator[SceneOutcome]:
    """Score scenes one after the other into a folder, as `detect_to_file` does; one that fails stops no other.

    A scene whose scores are in the folder already, by the same method from the same files, is passed over: a batch
    that was ended early is continued by the same call.

    Parameters
    ----------
    scenes : sequence of path
    folder : path
        Made if it does not exist. Scores are named after their scenes, see `output_names`.
    method, overwrite, restart, **options
        As for `detect_to_file`.

    Yields
    ------
    SceneOutcome

    Raises
    ------
    OutputError
        When the folder cannot be made.
    """
    target = Path(folder)
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{target}: {error.strerror}") from error
    for scene, name in zip(scenes, output_names(scenes), strict=True):
        output = target / name
        try:
            run, parameters = RunOptions.split(options)
            with prepared(scene, method, run, parameters) as job:
                result = None
                if overwrite or not _is_there(output, job):
                    result = _run(job, output, overwrite=overwrite, restart=restart, save_background=None)
        except Exception as error:  # noqa: BLE001  whatever it is: the other scenes are to be scored
            yield SceneOutcome(str(scene), str(output), error=error)
        else:
            yield SceneOutcome(str(scene), str(output), result)


def _is_there(output: Path, job: Job) -> bool:
    """Tell whether a file is the very result of a job."""
    from hsad.products import read_provenance

    return output.exists() and read_provenance(output).run == _run_digest(job)


def output_names(scenes: Sequence[str | Path]) -> list[str]:
    """Return a name for the scores of each scene: its own, with as many folders before it as tell it from others.

    Examples
    --------
    >>> output_names(["a/north.hdr", "a/south.hdr", "b/south.img", "scenes.mat:map"])
    ['north.tif', 'a-south.tif', 'b-south.tif', 'scenes-map.tif']

    Raises
    ------
    ParameterError
        When a scene is named twice.
    """
    paths = [Path(f"{scene}".replace(".mat:", "-")) for scene in scenes]
    parts = [(*path.resolve().parent.parts[1:], path.stem) for path in paths]
    if len(set(parts)) < len(parts):
        twice = next(scene for scene, own in zip(scenes, parts, strict=True) if parts.count(own) > 1)
        raise ParameterError(f"{twice}: the scene (or another of this name in its folder) is named twice")
    names = []
    for own in parts:
        length = 1
        while sum(other[-length:] == own[-length:] for other in parts) > 1:
            length += 1
        names.append("-".join(own[-length:]) + ".tif")
    return names
