"""Dataclasses as named arrays and JSON, and back: no file of hsad is a pickle."""

from __future__ import annotations

import dataclasses
import json
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["LoadError", "find_loaded", "pack", "read_packed", "unpack", "write_packed"]

#: The errors in which reading a damaged or foreign file can end.
LoadError = (
    OSError, ValueError, LookupError, TypeError, AttributeError, EOFError, RuntimeError, MemoryError, ArithmeticError,
    zipfile.BadZipFile, zlib.error, struct.error,
)  # fmt: skip


def pack(value: Any, name: str, arrays: dict[str, NDArray[Any]]) -> Any:
    """Return a JSON value for numbers, strings, arrays, tuples, dictionaries and dataclasses of these.

    Arrays go to `arrays`, under dotted names that begin with `name`.

    Raises
    ------
    TypeError
        For anything else.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        cls = type(value)
        fields = {f.name: pack(getattr(value, f.name), f"{name}.{f.name}", arrays) for f in dataclasses.fields(value)}
        return {"class": f"{cls.__module__}:{cls.__qualname__}", "fields": fields}
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            raise TypeError(f"{name}: an array of objects cannot be saved")
        arrays[name] = value
        return {"array": name}
    if isinstance(value, dict):
        items = [[key, pack(item, f"{name}.{number}", arrays)] for number, (key, item) in enumerate(value.items())]
        return {"items": items}
    if isinstance(value, tuple):
        return {"tuple": [pack(item, f"{name}.{number}", arrays) for number, item in enumerate(value)]}
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, str | int | float):
        return value
    raise TypeError(f"{name}: {type(value).__name__} cannot be saved")


def unpack(value: Any, arrays: dict[str, NDArray[Any]], find_class: Callable[[str], type]) -> Any:
    """Return the value that `pack` packed; ``find_class("module:name")`` gives the classes.

    Raises
    ------
    KeyError, TypeError
        When `pack` cannot have made the value.
    """
    if not isinstance(value, dict):
        return value
    if "array" in value:
        return arrays[value["array"]]
    if "items" in value:
        return {key: unpack(item, arrays, find_class) for key, item in value["items"]}
    if "tuple" in value:
        return tuple(unpack(item, arrays, find_class) for item in value["tuple"])
    fields = {name: unpack(field, arrays, find_class) for name, field in value["fields"].items()}
    return find_class(value["class"])(**fields)


def find_loaded(name: str) -> type:
    """Return a dataclass of a module that is loaded already; so a file cannot make hsad import or call anything else.

    Raises
    ------
    KeyError
    """
    module, _, path = name.partition(":")
    found: Any = sys.modules[module]
    for part in path.split("."):
        found = getattr(found, part, None)
    if not (isinstance(found, type) and dataclasses.is_dataclass(found)):
        raise KeyError(f"{name} is no dataclass")
    return found


def write_packed(file: IO[bytes], header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
    """Write a JSON header and arrays as one ``.npz`` file."""
    text = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    np.savez(file, allow_pickle=False, **arrays, header=text)


def read_packed(file: Any) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the header and the arrays that `write_packed` wrote to a file or a path.

    Raises
    ------
    One of `LoadError`.
    """
    if isinstance(file, str | Path):
        with Path(file).open("rb") as content:  # numpy leaves a file that it cannot understand open
            return read_packed(content)
    with np.load(file, allow_pickle=False) as opened:
        # `write_packed` does not compress; a compressed array of some megabytes could unpack to gigabytes.
        packed = [entry.filename for entry in opened.zip.infolist() if entry.compress_type != zipfile.ZIP_STORED]
        if packed:
            raise ValueError(f"{packed[0]} is compressed, as hsad never writes arrays")
        arrays = {name: opened[name] for name in opened.files}
    header: dict[str, Any] = json.loads(arrays.pop("header").tobytes())
    return header, arrays
