"""A detector with what it learned: it scores scenes, and is kept in a file."""

from __future__ import annotations

import dataclasses
import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hsad.detectors import describe_detector, make_detector
from hsad.detectors.base import Background, Detector
from hsad.errors import OutputError, ParameterError, SceneError

__all__ = ["Learned"]

_FORMAT = 1


@dataclass(frozen=True, eq=False)
class Learned:
    """A detector, its background, and the bands they go with.

    Attributes
    ----------
    detector : Detector
    background : Background or None
        None for detectors that learn nothing.
    bands : (used bands,) ndarray of int
        Numbers, from 0, of the bands that were used.
    total : int
        Bands of the scenes it applies to.
    wavelength : (used bands,) ndarray of float64 or None
        In nm.
    """

    detector: Detector
    background: Background | None
    bands: NDArray[np.intp]
    total: int
    wavelength: NDArray[np.float64] | None

    def summary(self) -> str:
        """Return the single numbers of the background as a JSON object; empty when nothing was learned."""
        return "" if self.background is None else json.dumps(self.background.summary())

    def save(self, path: str | Path) -> None:
        """Write to a file: ``.npz`` arrays with a JSON header, never a pickle.

        Raises
        ------
        OutputError
            When the file cannot be written.
        """
        from hsad import __version__

        method, parameters = describe_detector(self.detector)
        arrays: dict[str, NDArray[Any]] = {"bands": self.bands}
        if self.wavelength is not None:
            arrays["wavelength"] = self.wavelength
        header = {
            "format": _FORMAT,
            "version": __version__,
            "method": method,
            "parameters": parameters,
            "total": self.total,
            "background": _pack(self.background, "background", arrays),
        }
        arrays["header"] = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
        path = Path(path)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with temporary.open("wb") as file:
                np.savez(file, allow_pickle=False, **arrays)
            temporary.replace(path)
        except OSError as error:
            raise OutputError(f"{path}: cannot write the background ({error.strerror or error})") from error
        finally:
            temporary.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        SceneError
            When the file is missing or is not a background.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            header = json.loads(arrays["header"].tobytes())
            if header["format"] != _FORMAT:
                raise SceneError(f"{path}: a background of format {header['format']}, not {_FORMAT}")
            background = _unpack(header["background"], arrays)
            detector = make_detector(header["method"], **header["parameters"])
            return cls(detector, background, arrays["bands"], header["total"], arrays.get("wavelength"))
        except FileNotFoundError as error:
            raise SceneError(f"{path}: no such file") from error
        except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
            raise SceneError(f"{path}: not a background that hsad saved ({error})") from error

    def check_fits(self, bands: int, wavelength: NDArray[np.float64] | None) -> None:
        """Refuse a scene with other bands than those this was learned on.

        Raises
        ------
        ParameterError
        """
        if bands != self.total:
            raise ParameterError(f"the background was learned on {self.total} bands, the scene has {bands}")
        if wavelength is None or self.wavelength is None:
            return
        shift = float(np.max(np.abs(wavelength[self.bands] - self.wavelength)))
        if shift > 1.0:
            raise ParameterError(f"the background's wavelengths differ from the scene's by up to {shift:.1f} nm")


def _pack(value: Any, name: str, arrays: dict[str, NDArray[Any]]) -> Any:
    """Return a JSON value for a field of a background; arrays go to `arrays` under their dotted name."""
    if isinstance(value, Background):
        fields = {f.name: _pack(getattr(value, f.name), f"{name}.{f.name}", arrays) for f in dataclasses.fields(value)}
        return {"class": type(value).__name__, "fields": fields}
    if isinstance(value, np.ndarray):
        arrays[name] = value
        return {"array": name}
    return value.item() if isinstance(value, np.generic) else value


def _unpack(value: Any, arrays: dict[str, NDArray[Any]]) -> Any:
    if isinstance(value, dict) and "array" in value:
        return arrays[value["array"]]
    if isinstance(value, dict):
        fields = {name: _unpack(field, arrays) for name, field in value["fields"].items()}
        return _background_class(value["class"])(**fields)
    return value


def _background_class(name: str) -> type[Background]:
    """Find a background by the name of its class: only subclasses that exist can be made from a file."""
    waiting = [Background]
    while waiting:
        cls = waiting.pop()
        if cls.__name__ == name:
            return cls
        waiting.extend(cls.__subclasses__())
    raise KeyError(f"unknown kind of background {name!r}")
