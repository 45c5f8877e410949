"""Many scenes into a folder, one after the other; one that fails stops no other."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hsad.errors import OutputError, ParameterError
from hsad.files import split_variable
from hsad.job.files import RunOutcome, is_result, run_into
from hsad.job.prepare import prepared
from hsad.job.request import Method, Request

__all__ = ["SceneOutcome", "detect_many", "output_names", "scene_names"]


@dataclass(frozen=True)
class SceneOutcome:
    """The outcome of one scene of a batch.

    Attributes
    ----------
    scene, output : str
    result : RunOutcome or None
        What `detect_to_file` returned; None when it failed, or when the output existed already.
    error : Exception or None
        The reason of a failure.
    """

    scene: str
    output: str
    result: RunOutcome | None = None
    error: Exception | None = None

    @property
    def state(self) -> str:
        """``scored``, ``there already`` or ``failed``."""
        return "scored" if self.result else "failed" if self.error else "there already"


def detect_many(
    scenes: Sequence[str | Path],
    folder: str | Path,
    method: Method | None = None,
    *,
    overwrite: bool = False,
    restart: bool = False,
    **options: Any,
) -> Iterator[SceneOutcome]:
    """Score scenes one after the other into a folder, as `detect_to_file` does; a scene that fails stops no other.

    A scene is passed over if the folder holds its scores already, made by the same method from the same files. The same
    call therefore continues a batch that was ended early.

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
    HsadError
        When an option is wrong; the error of a scene is in its outcome.

    Examples
    --------
    >>> import hsad, pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for seed in (1, 2):
    ...     _ = hsad.write_cube(hsad.make_scene(rows=60, cols=70, bands=20, seed=seed).cube, folder / f"s{seed}.hdr")
    >>> scenes = [folder / "s1.hdr", folder / "s2.hdr", folder / "gone.hdr"]
    >>> [outcome.state for outcome in hsad.detect_many(scenes, folder / "out", "rx")]
    ['scored', 'scored', 'failed']
    """
    request = Request.of(method, options)
    target = Path(folder)
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{target}: {error.strerror}") from error
    for scene, name in zip(scenes, output_names(scenes), strict=True):
        output = target / name
        try:
            with prepared(scene, request) as job:
                result = None
                if overwrite or not is_result(output, job):
                    result, _ = run_into(job, output, overwrite=overwrite, restart=restart, save_background=None)
        except Exception as error:  # noqa: BLE001  no error of one scene stops the others
            yield SceneOutcome(str(scene), str(output), error=error)
        else:
            yield SceneOutcome(str(scene), str(output), result)


def output_names(scenes: Sequence[str | Path]) -> list[str]:
    """Return a name for the scores of each scene, see `scene_names`.

    Raises
    ------
    ParameterError
        When a scene is named twice.
    """
    return [f"{name}.tif" for name in scene_names(scenes)]


def scene_names(scenes: Sequence[str | Path]) -> list[str]:
    """Return a name for the results of each scene: that of the scene, after folders where two scenes share a name.

    Examples
    --------
    >>> scene_names(["a/north.hdr", "a/south.hdr", "b/south.img", "s.mat:map", "s.nc:a", "s.nc:b"])
    ['north', 'a-south', 'b-south', 's-map', 's-a', 's-b']

    Raises
    ------
    ParameterError
        When a scene is named twice.
    """
    parts = [_named(scene) for scene in scenes]
    if len(set(parts)) < len(parts):
        twice = next(scene for scene, own in zip(scenes, parts, strict=True) if parts.count(own) > 1)
        raise ParameterError(f"{twice}: the scene (or another of this name in its folder) is named twice")
    names = []
    for own in parts:
        length = 1
        while sum(other[-length:] == own[-length:] for other in parts) > 1:
            length += 1
        names.append("-".join(own[-length:]))
    return names


def _named(scene: str | Path) -> tuple[str, ...]:
    """Return the folders of a scene and the name of its scores, which names the file and the array in it."""
    path, variable = split_variable(scene)
    name = path.stem if variable is None else f"{path.stem}-{re.sub(r'[/.]+', '-', variable)}"
    return (*path.resolve().parent.parts[1:], name)
