"""Many scenes into a folder, side by side: what is finished has a record, and is passed over the next time."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hsad import __version__
from hsad.engine.memory import DEFAULT, memory_bytes
from hsad.engine.runners.connection import active_client
from hsad.errors import OutputError
from hsad.files import whole_file
from hsad.job.batch import scene_names
from hsad.job.learned import Learned
from hsad.job.many.processes import side_by_side
from hsad.job.options import ManyOptions
from hsad.products.provenance import CHECKSUM_LIMIT, sha256_of

__all__ = [
    "Done", "Part", "asked_for", "done_parts", "file_states", "make_folder", "parts_of", "shares_of", "work_through",
    "write_record",
]  # fmt: skip

_NO_EFFECT = frozenset({"workers", "memory", "tile", "scheduler", "progress", "compute", "overwrite", "restart"})
"""Options that do not change a result."""


@dataclass(frozen=True)
class Part:
    """One scene or score raster among many, and where its results go.

    Attributes
    ----------
    source : str
        The scene or the raster.
    name : str
        Its name among the others: that of its folder, or of its results without their ending.
    record : Path
        The record of the finished work, a JSON file. It is written last.
    asked : mapping
        All that the results depend on beside the source, as JSON holds it.
    """

    source: str
    name: str
    record: Path
    asked: Mapping[str, Any]


@dataclass(frozen=True)
class Done:
    """The outcome for one of many.

    Attributes
    ----------
    source, name : str
    state : str
        ``done``, ``there already`` or ``failed``.
    result : dict
        What the work returned, this time or an earlier time; empty where it failed.
    error : Exception or None
        The reason of a failure.
    """

    source: str
    name: str
    state: str
    result: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    error: Exception | None = None


def make_folder(folder: str | Path) -> Path:
    """Return a folder, made if it does not exist.

    Raises
    ------
    OutputError
    """
    target = Path(folder)
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{target}: the folder cannot be made ({error.strerror})") from error
    return target


def asked_for(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that results depend on as JSON holds them; a file is named with its size and time."""
    stated = {name: _as_json(value) for name, value in options.items() if name not in _NO_EFFECT}
    known = {name: value for name, value in stated.items() if value not in (None, False, [])}
    return {"hsad": __version__, **dict(sorted(known.items()))}


def _as_json(value: Any) -> Any:
    if isinstance(value, str | Path):
        named = Path(str(value).removeprefix("@"))
        try:
            status = named.stat() if named.is_file() else None
        except (OSError, ValueError):  # no name at all
            status = None
        return str(value) if status is None else [str(value), status.st_size, status.st_mtime_ns]
    if isinstance(value, Learned):
        return value.digest()
    if isinstance(value, np.ndarray):
        return hashlib.sha256(repr((value.shape, value.dtype)).encode() + value.tobytes()).hexdigest()
    if isinstance(value, list | tuple):
        return [_as_json(item) for item in value]
    return value if isinstance(value, bool | int | float) or value is None else repr(value)


def file_states(files: Sequence[Path]) -> list[list[Any]]:
    """Return path, size, time of the last change and checksum (None for a large file) of each file."""
    states = []
    for file in files:
        status = file.stat()
        checksum = sha256_of(file) if status.st_size <= CHECKSUM_LIMIT else None
        states.append([str(file), status.st_size, status.st_mtime_ns, checksum])
    return states


def _is_changed(state: Sequence[Any]) -> bool:
    """Tell whether a file is not what `file_states` saw: another size, or another time and other content."""
    name, size, changed, checksum = state
    try:
        status = os.stat(name)  # noqa: PTH116  one call gives both numbers
        if status.st_size != size:
            return True
        return status.st_mtime_ns != changed and (checksum is None or sha256_of(Path(name)) != checksum)
    except OSError:
        return True


def write_record(part: Part, files: Sequence[Sequence[Any]], result: Mapping[str, Any]) -> None:
    """Write the record of a finished part, over that of an earlier time."""
    document = {"source": _whole_name(part.source), "asked": part.asked, "files": files, "result": result}
    with whole_file(part.record, (".json",), overwrite=True) as staged:
        staged.write_text(json.dumps(document, indent=1, default=str) + "\n", encoding="utf-8")


def read_record(path: Path) -> dict[str, Any] | None:
    """Return a record; None where there is none, or something else."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        complete = {"source", "asked", "files", "result"} <= set(document) and isinstance(document["result"], dict)
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    return document if complete else None


def _whole_name(source: str) -> str:
    """Return a source from the root of the file system on."""
    return os.path.normpath(Path(source).absolute())


def parts_of(
    sources: Sequence[str],
    folder: Path,
    record: Callable[[str], str],
    asked: Mapping[str, Any],
    *,
    taken: Sequence[str] = (),
) -> list[Part]:
    """Return the parts of a work on many, each with a name: the one that it had before, or that of `scene_names`.

    Parameters
    ----------
    sources : sequence of str
    folder : Path
        The folder of all results.
    record : callable
        From a name to the name of its record in the folder, in which ``*`` stands for all names.
    asked : mapping
    taken : sequence of str
        Names that other files of the folder have.

    Raises
    ------
    ParameterError
        When a scene is named twice.
    """
    before = {known["source"]: path for path, known in done_parts(folder, record("*"))}
    names = {path: name for name in taken for path in [folder / record(name)]}
    used = {str(path) for path in (*before.values(), *names)}
    parts = []
    for source, wanted in zip(sources, scene_names(sources), strict=True):
        path = before.get(_whole_name(source))
        number, name = 1, wanted
        while path is None and str(folder / record(name)) in used:
            number += 1
            name = f"{wanted}-{number}"
        path = path or folder / record(name)
        used.add(str(path))
        parts.append(Part(source, _name_of(path, folder, record), path, asked))
    return parts


def _name_of(path: Path, folder: Path, record: Callable[[str], str]) -> str:
    """Return the name in the path of a record."""
    before, after = record("*").split("*")
    return path.relative_to(folder).as_posix().removeprefix(before).removesuffix(after)


def done_parts(folder: Path, records: str) -> list[tuple[Path, dict[str, Any]]]:
    """Return the records in a folder, in the order of their names; `records` is a pattern."""
    found = ((path, read_record(path)) for path in sorted(folder.glob(records)))
    return [(path, known) for path, known in found if known is not None]


def _earlier(part: Part) -> Done | OutputError | None:
    """Return what an earlier time did for a part, or why that is not what is asked for; None: it is still to do."""
    known = read_record(part.record)
    if known is None:
        return None
    where, again = part.record.parent, "--overwrite (overwrite=True) replaces it"
    other = _difference(known["asked"], part.asked)
    if other:
        return OutputError(f"{where} was made with other options ({other}); {again}")
    changed = next((state[0] for state in known["files"] if _is_changed(state)), None)
    if changed is not None:
        return OutputError(f"{where} was made before {changed} changed; {again}")
    missing = next((name for name in known["result"].get("files", ()) if not (where / name).exists()), None)
    if missing is not None:
        return OutputError(f"{where}: {missing} is missing; {again}")
    return Done(part.source, part.name, "there already", known["result"])


def _difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Return the options in which two requests differ, as words; "" where they are the same."""
    now = json.loads(json.dumps(now))
    names = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
    return ", ".join(f"{name}: {_word(before.get(name))}, now {_word(now.get(name))}" for name in names)


def _word(value: Any) -> str:
    return "not set" if value is None else str(value[0] if isinstance(value, list) and value else value)


def work_through(
    parts: Sequence[Part],
    function: Callable[[tuple[Part, Mapping[str, Any]]], dict[str, Any]],
    options: Mapping[str, Any],
    *,
    overwrite: bool,
    at_once: int,
    progress: Callable[..., Any] | None = None,
    desc: str,
) -> Iterator[Done]:
    """Yield the outcome of each part, in their order; one that fails stops no other.

    Parameters
    ----------
    parts : sequence of Part
    function : callable
        Does the work for a part with the options, writes its record, and returns what the record holds as ``result``.
    options : mapping
    overwrite : bool
        Whether what was made from other files or with other options is replaced. What is as asked for stays.
    at_once : int
        Number of processes.
    progress : callable, optional
        As `hsad.progress.Progress`.
    desc : str
        What the progress is of.
    """
    earlier = {part.name: _earlier(part) for part in parts}
    todo = [
        part for part in parts
        if earlier[part.name] is None or (overwrite and isinstance(earlier[part.name], OutputError))
    ]  # fmt: skip
    tasks = [(part, {**options, "overwrite": overwrite}) for part in todo]
    results = side_by_side(function, tasks, max(1, min(at_once, len(todo))))
    waiting = {part.name for part in todo}
    for part in progress(parts, total=len(parts), desc=desc) if progress else parts:
        found = next(results) if part.name in waiting else earlier[part.name]
        if isinstance(found, Done):
            yield found
        elif isinstance(found, Exception):
            yield Done(part.source, part.name, "failed", error=found)
        elif found is not None:
            yield Done(part.source, part.name, "done", found)


def shares_of(options: Mapping[str, Any], count: int, many: ManyOptions) -> tuple[int, dict[str, Any]]:
    """Return the number of processes for a work on many scenes, and the options of the run in each of them.

    The processes divide the threads and the memory of the run among them. Where the caller has a connection to a
    cluster that cannot be passed on, or a detector that another process does not know, there is one: this one.
    """
    import pickle

    import psutil

    given = {name: value for name, value in options.items() if value is not None and name != "progress"}
    scheduler = given.get("scheduler")
    try:
        pickle.dumps(given)
        alone = any(getattr(value, "__module__", "") == "__main__" for value in given.values())
    except Exception:  # noqa: BLE001  pickling can raise anything
        alone = True
    if scheduler is None:
        alone = alone or (given.get("workers") is None and active_client() is not None)
    else:
        alone = alone or not isinstance(scheduler, str)
    memory, threads = memory_bytes(given.get("memory")), given.get("workers") or os.cpu_count() or 1
    room = (memory or psutil.virtual_memory().available) // DEFAULT
    at_once = 1 if alone else many.at_once or max(1, min(threads, count, room))
    shared = {name: value for name, value in options.items() if name != "progress"}
    if at_once > 1:
        shared["workers"] = None if scheduler else max(1, threads // at_once)
        shared["memory"] = None if memory is None else memory // at_once
    return at_once, shared
