"""A detector with what it learned, which scores scenes and can be saved in a file."""

from __future__ import annotations

import functools
import hashlib
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hsad.detectors import DETECTORS, describe_detector, make_detector
from hsad.detectors.base import Background, Detector
from hsad.detectors.declared import check_value
from hsad.detectors.packing import LoadError, find_loaded, pack, read_packed, unpack, write_packed
from hsad.detectors.probe import require_valid
from hsad.errors import DataError, ParameterError, SceneError
from hsad.files import whole_file

__all__ = ["KEPT", "Learned", "versions_of"]

KEPT = "background.npz"
"""The file beside the scores of a survey with what its detector learned."""

_MOST_KEPT = 4 * 2**20
"""Bytes of the arrays of the largest background that a survey keeps. To learn is a small part of its time then."""

_FORMAT = 2


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
        Wavelengths of these bands in nm.
    path : path, optional
        The file from which it was loaded, for messages.
    versions : mapping of str to str
        Of the packages that learned it, numpy and those of the detector: another version may learn other numbers.
        Empty in files of earlier versions.
    run : str
        Digest of the run that learned it, see `hsad.job.job.Job.digest`; empty where it is not known.

    Examples
    --------
    >>> import hsad, pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> cube = hsad.make_scene(rows=60, cols=70, bands=20, seed=1).cube
    >>> hsad.learn(cube, "rx").save(folder / "land.npz")
    >>> learned = hsad.Learned.load(folder / "land.npz")
    >>> learned.summary() == {"count": learned.background.count, "rank": learned.background.rank}
    True
    """

    detector: Detector
    background: Background | None
    bands: NDArray[np.intp]
    total: int
    wavelength: NDArray[np.float64] | None
    path: str | Path | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    run: str = ""

    def summary(self) -> dict[str, Any]:
        """Return the single numbers of the background; nothing when nothing was learned."""
        return {} if self.background is None else self.background.summary()

    def digest(self) -> str:
        """Return a checksum of the detector, the bands and the background."""
        return _digest(*self.packed())

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write to a file: ``.npz`` arrays with a JSON header, never a pickle.

        Parameters
        ----------
        path : path
        overwrite : bool
            Whether a file of that name may be replaced.

        Raises
        ------
        OutputError
            When the file cannot be written, or exists already.
        """
        from hsad import __version__

        header, arrays = self.packed()
        with whole_file(path, overwrite=overwrite) as staged, staged.open("wb") as file:
            stated = {"version": __version__, "versions": dict(self.versions), "run": self.run}
            write_packed(file, {**stated, "digest": _digest(header, arrays), **header}, arrays)

    def keep(self, folder: Path, *, overwrite: bool = False) -> None:
        """Write to the file `KEPT` of a survey's folder; a background of more than 4 MB is not kept, nor an older one.

        Raises
        ------
        OutputError
            When the file cannot be written, or exists already.
        """
        try:
            size = sum(array.nbytes for array in self.packed()[1].values())
        except TypeError:  # a detector of another package learned what no file holds
            size = _MOST_KEPT + 1
        if size <= _MOST_KEPT:
            self.save(folder / KEPT, overwrite=overwrite)
        elif overwrite:
            (folder / KEPT).unlink(missing_ok=True)

    def packed(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return all of it as a JSON header and arrays, for `unpacked`."""
        method, parameters = describe_detector(self.detector)
        arrays: dict[str, NDArray[Any]] = {"bands": self.bands}
        if self.wavelength is not None:
            arrays["wavelength"] = self.wavelength
        header = {
            "format": _FORMAT,
            "method": method,
            "parameters": parameters,
            "total": self.total,
            "background": pack(self.background, "background", arrays),
        }
        return header, arrays

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote.

        Raises
        ------
        SceneError
            When the file is missing or is not a background.
        """
        try:
            header, arrays = read_packed(path)
            if header["format"] != _FORMAT:
                raise SceneError(f"{path}: a background of format {header['format']}, not {_FORMAT}: learn anew")
            saved_by, digest = header.pop("version"), header.pop("digest")
            versions = header.pop("versions", {})
            run = header.pop("run", "")
            check_value(versions, dict, {}, "versions")
            check_value(run, str, {}, "run")
            if digest != _digest(header, arrays):
                raise SceneError(f"{path}: damaged: the background is not the one that hsad {saved_by} saved")
            return replace(cls.unpacked(header, arrays, path, versions), run=run)
        except FileNotFoundError as error:
            raise SceneError(f"{path}: no such file") from error
        except (ParameterError, *LoadError) as error:
            raise SceneError(f"{path}: not a background that hsad saved ({error})") from error

    @classmethod
    def unpacked(
        cls,
        header: Mapping[str, Any],
        arrays: dict[str, NDArray[Any]],
        path: str | Path | None = None,
        versions: Mapping[str, str] | None = None,
    ) -> Self:
        """Return what `packed` packed.

        Raises
        ------
        SceneError
            When its method is not installed here.
        ParameterError, or one of `LoadError`
            When `packed` cannot have packed it.
        """
        if not _is_known(header["method"]):
            raise SceneError(
                f"{path}: learned by {header['method']}, which is not installed here: "
                "install its package, or name it as the method, too"
            )
        # The detector comes first: its module defines the classes of its background.
        detector = make_detector(header["method"], **header["parameters"])
        background = unpack(header["background"], arrays, _background_class)
        wavelength = arrays.get("wavelength")
        learned = cls(detector, background, arrays["bands"], header["total"], wavelength, path, versions or {})
        learned._check()
        return learned

    def _check(self) -> None:
        """Refuse contents of a file that no learning gives.

        Raises
        ------
        ValueError
        """
        check_value(self.total, int, {}, "total")
        check_value(self.bands, NDArray[np.intp], {}, "bands")
        check_value(self.wavelength, NDArray[np.float64] | None, {}, "wavelength")
        if self.wavelength is not None and self.wavelength.shape != self.bands.shape:
            raise ValueError(f"wavelength has the shape {self.wavelength.shape}, not {self.bands.shape}")
        bands = self.bands
        inside = bands.ndim == 1 and len(bands) and bands.min() >= 0 and bands.max() < self.total
        if not inside or (np.diff(bands) <= 0).any():
            raise ValueError(f"its bands are not numbers of the {self.total} bands of a scene, in their order")
        self.detector.check_background(self.background, len(bands))

    def check_fits(self, bands: int, wavelength: NDArray[np.float64] | None) -> None:
        """Refuse a scene with other bands than those this was learned on.

        Raises
        ------
        ParameterError
        """
        if bands != self.total:
            raise ParameterError(f"{self._named} was learned on {self.total} bands, the scene has {bands}")
        if wavelength is None or self.wavelength is None:
            return
        shift = float(np.max(np.abs(wavelength[self.bands] - self.wavelength)))
        if shift > 1.0:
            raise ParameterError(f"{self._named} has wavelengths that differ from the scene's by up to {shift:.1f} nm")

    def require_scores(self, count: int, count_valid: Callable[[], int]) -> None:
        """Refuse a result in which no pixel has a score.

        Parameters
        ----------
        count : int
            Number of pixels with a score.
        count_valid : callable
            Returns the number of valid pixels of the scene; called only where no pixel has a score.

        Raises
        ------
        DataError
        """
        if count:
            return
        if self.path is not None:
            raise DataError(f"{self._named} gives no pixel of the scene a score that is a number")
        valid = require_valid(count_valid() or None)
        method, _ = describe_detector(self.detector)
        raise DataError(
            f"{method} gives no pixel a score, although {valid} pixels of the scene are valid: "
            "each has too few valid pixels around it"
        )

    @property
    def _named(self) -> str:
        return "the background" if self.path is None else f"{self.path}: the background"


def versions_of(detector: Detector) -> dict[str, str]:
    """Return the versions of the packages that a detector learns with."""
    return {package: _version(package) for package in ("numpy", *detector.unwrapped.packages)}


@functools.cache
def _version(package: str) -> str:
    """Return the version of an installed package; the cache saves a millisecond for each."""
    return version(package)


def _digest(header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> str:
    """Return a checksum of the names, types, shapes and numbers of a file."""
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _is_known(method: str) -> bool:
    """Tell whether a method is installed or loaded: a file may not have a module of its choice imported."""
    return method in DETECTORS or method.partition(":")[0] in sys.modules


def _background_class(name: str) -> type:
    """Find a background by the name of its class: only subclasses that exist can be made from a file.

    And plain dataclasses of kernels, of which backgrounds are made.
    """
    module, _, wanted = name.rpartition(":")
    if module.startswith("hsad.kernels."):
        return find_loaded(name)
    found: list[type[Background]] = []
    waiting = [Background]
    while waiting:
        cls = waiting.pop()
        if cls.__qualname__ == wanted:
            found.append(cls)
        waiting.extend(cls.__subclasses__())
    # Classes move between modules from version to version; among classes of one name, the one of the module is right.
    exact = [cls for cls in found if cls.__module__ == module]
    if not exact and len(found) != 1:
        raise KeyError(f"unknown kind of background {wanted!r}")
    return (exact or found)[-1]
