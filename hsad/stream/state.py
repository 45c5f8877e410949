"""A scan in a file: all that later scores depend on, so that a new process goes on where an old one ended."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.detectors import describe_detector, make_detector
from hsad.detectors.packing import LoadError, find_loaded, pack, read_packed, unpack, write_packed
from hsad.errors import HsadError, SceneError
from hsad.files import whole_file
from hsad.job.learned import Learned
from hsad.stream.options import LineOptions
from hsad.stream.scan import LineScan
from hsad.stream.stored import Stored

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["load_scan", "save_scan"]

_FORMAT = 1


def save_scan(scan: LineScan, path: str | Path, more: Mapping[str, Any] | None = None, *, overwrite: bool) -> None:
    """Write a scan to a file: ``.npz`` arrays with a JSON header, never a pickle.

    Parameters
    ----------
    scan : LineScan
    path : path
    more : mapping, optional
        Further numbers, texts and arrays to keep with it.
    overwrite : bool
        Whether a file of that name may be replaced.

    Raises
    ------
    OutputError
        When the file cannot be written, or exists already.
    """
    arrays: dict[str, NDArray[Any]] = {}
    method, parameters = describe_detector(scan.detector)
    header: dict[str, Any] = {
        "format": _FORMAT,
        "method": method,
        "parameters": parameters,
        "first_lines": scan.first_lines,
        "options": dataclasses.asdict(scan.options),
        "stored": pack(dataclasses.asdict(scan.stored), "stored", arrays),
        "state": pack(scan.state(), "state", arrays),
        "more": pack(dict(more or {}), "more", arrays),
        "learned": None,
    }
    if scan.learned is not None:
        learned, of_learned = scan.learned.packed()
        header["learned"] = learned
        arrays |= {f"learned.{name}": array for name, array in of_learned.items()}
    with whole_file(path, overwrite=overwrite) as staged, staged.open("wb") as file:
        write_packed(file, header, arrays)


def load_scan(path: str | Path) -> tuple[LineScan, dict[str, Any]]:
    """Return the scan that `save_scan` wrote, and what was kept with it.

    Raises
    ------
    SceneError
        When the file is missing or is no such file.
    """
    try:
        header, arrays = read_packed(path)
        if header["format"] != _FORMAT:
            raise SceneError(f"{path}: a state of format {header['format']}, not {_FORMAT}: begin anew with --restart")
        stored = Stored(**unpack(header["stored"], arrays, find_loaded))
        learned = None
        if header["learned"] is not None:
            of_learned = {
                name.removeprefix("learned."): array for name, array in arrays.items() if name.startswith("learned.")
            }
            learned = Learned.unpacked(header["learned"], of_learned, path)
        state = unpack(header["state"], arrays, find_loaded)
        options = LineOptions(**{**header["options"], "first_lines": header["first_lines"] or None})
        given = learned if learned is not None and not header["first_lines"] else None
        if given is not None:
            options = dataclasses.replace(options, clean_start=False)
        scan = LineScan(
            None if given else make_detector(header["method"], **header["parameters"]),
            bands=stored.bands,
            samples=stored.samples,
            background=given,
            like=stored.cube(np.zeros((1, stored.samples, stored.bands))),
            **dataclasses.asdict(options),
        )
        scan.restore(learned, state)
        more: dict[str, Any] = unpack(header["more"], arrays, find_loaded)
    except FileNotFoundError as error:
        raise SceneError(f"{path}: no such file") from error
    except SceneError:
        raise
    except (HsadError, *LoadError) as error:
        raise SceneError(f"{path}: not the state of a scan that hsad saved ({error})") from error
    return scan, more
