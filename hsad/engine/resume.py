"""The results that survive a run which ends early: those of finished scans, and the scores of finished tiles.

They lie in a folder beside the output, each in one file. A file begins with a checksum and gets its name when it is
complete. So a file that a kill, a full disk or a power cut cut short is not used. The checksum covers the run, the name
of the file and its content. So a file of another run, or under another name, is not used either. A background follows
from the results of the scans. So a run that starts again reads these results and the finished tiles, and its tiles may
have another size.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hsad.detectors.packing import LoadError, find_loaded, pack, read_packed, unpack, write_packed
from hsad.engine.tile_scores import TileScores
from hsad.engine.tiles import LeafGrid
from hsad.errors import DataError, OutputError, ParameterError, ResumeWarning, SceneError
from hsad.files import locked

__all__ = ["Journal"]

_FORMAT = 2
_MANIFEST = "run.json"
_LOCK = "lock"
_TILE = re.compile(r"(\d+)-(\d+)-(\d+)-(\d+)\.tile")

#: Names in the folder: files, half-written files, and folders in which a raster is assembled.
_FILES = re.compile(rf"lock|run\.json|scan-\d{{4}}|{_TILE.pattern}|(run|scan-\d{{4}}|\d+-\d+-\d+-\d+)\.part")
_FOLDERS = re.compile(r"\..+\.partial")


class Journal:
    """The folder of an unfinished run. Inside the context no other run can use the folder.

    When the context ends well, the folder is removed. When it ends in an error, the folder stays if a new start can use
    something in it. A folder of another program is refused. Only files with names that this class writes are removed.

    Parameters
    ----------
    folder : Path
        Made if it does not exist; its parent must.
    fingerprint : mapping
        All that the results depend on, as JSON. Only a run with an equal fingerprint continues this run.
    restart : bool
        Remove the results of an earlier run.
    unchanged : callable, optional
        Raises `SceneError` when an input has changed since the fingerprint was taken. It is called before each result
        is stored.

    Raises
    ------
    OutputError
        On entering, when the folder is of another program, another run uses it, or it cannot be made. Later, when it
        cannot be written to.

    Warns
    -----
    ResumeWarning
        On entering, when an earlier run had another fingerprint. The warning names the differences and the folder to
        which the results of that run are moved. A run with that fingerprint finds them there.
    """

    def __init__(
        self,
        folder: Path,
        fingerprint: Mapping[str, Any],
        *,
        restart: bool = False,
        unchanged: Callable[[], None] | None = None,
    ) -> None:
        self.folder = folder
        self._fingerprint = json.loads(json.dumps(fingerprint))
        self._run = _digest(self._fingerprint)
        self._restart = restart
        self._unchanged = unchanged
        self._outdated = False
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Make or take over the folder."""
        with contextlib.ExitStack() as stack:
            with self._writing():
                self._check_ours()
                self._make_way()
                self.folder.mkdir(parents=True, exist_ok=True)
                try:
                    stack.enter_context(locked(self.folder / _LOCK, os.O_CREAT))
                except BlockingIOError as error:
                    raise OutputError(f"{self.folder}: another run is at work on this output") from error
                continues = self._continues()
                self._clear(everything=not continues)
                if not continues:
                    self._write(self.folder / _MANIFEST, json.dumps(self._manifest, indent=2).encode())
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Remove the folder unless a new start can use something in it."""
        with self._stack:
            # With these the same run would end in the same way.
            hopeless = isinstance(error, DataError | ParameterError)
            if error is None or hopeless or not (self._tiles() or any(self.folder.glob("scan-*"))):
                with contextlib.suppress(OSError):  # not empty: something else was put there
                    self._clear(everything=True)
                    (self.folder / _LOCK).unlink(missing_ok=True)
                    self.folder.rmdir()
            elif self._outdated:
                error.add_note(f"what was finished before is kept in {self.folder}, for the file as it was")
            else:
                error.add_note(f"what is finished is kept in {self.folder}: the same command goes on from there")

    def recall_scan(self, number: int) -> tuple[Any, bool]:
        """Return the result of a finished scan and True, or None and False."""
        content = self._read(self._scan(number))
        if content is None:
            return None, False
        try:
            header, arrays = read_packed(io.BytesIO(content))
            return unpack(header["value"], arrays, find_loaded), True
        except LoadError:  # a summary that this version does not know
            return None, False

    def keep_scan(self, number: int, value: Any) -> None:
        """Store the result of a scan. A result that is not made of arrays and numbers is computed again instead.

        Raises
        ------
        SceneError
            When the scene has changed.
        """
        arrays: dict[str, NDArray[Any]] = {}
        try:
            header = {"value": pack(value, "value", arrays)}
        except TypeError:
            return
        buffer = io.BytesIO()
        write_packed(buffer, header, arrays)
        self._keep(self._scan(number), buffer.getvalue())

    def keep(self, tile: TileScores) -> None:
        """Store the scores of a finished tile.

        Raises
        ------
        SceneError
            When the scene has changed.
        """
        name = f"{tile.rows.start}-{tile.rows.stop}-{tile.cols.start}-{tile.cols.stop}.tile"
        self._keep(self.folder / name, tile.layers.astype(_STORED).tobytes())

    def finished(self, grid: LeafGrid, layers: int) -> Iterator[TileScores]:
        """Yield the finished tiles of a scene that consist of whole leaves and have this number of layers."""
        for path in self._tiles():
            content = self._read(path)
            if content is None:
                continue
            top, bottom, left, right = (int(text) for text in _TILE.fullmatch(path.name).groups())  # type: ignore[union-attr]
            rows, cols = slice(top, bottom), slice(left, right)
            shape = (bottom - top, right - left, layers)
            if grid.holds(rows, cols) and len(content) == np.prod(shape) * _STORED.itemsize:
                stored = np.frombuffer(content, _STORED).reshape(shape)
                yield TileScores(rows, cols, stored.astype(np.float32), earlier=True)

    @property
    def _manifest(self) -> dict[str, Any]:
        return {"format": _FORMAT, "run": self._fingerprint}

    def _check_ours(self) -> None:
        """Refuse a folder of another program.

        Raises
        ------
        OutputError
        """
        if self.folder.is_symlink() or (self.folder.exists() and not self.folder.is_dir()):
            raise OutputError(f"{self.folder}: unfinished runs are kept under this name, and it is not a folder")
        names = {path.name for path in self.folder.iterdir()} if self.folder.exists() else set()
        links = [path.name for path in self.folder.iterdir() if path.is_symlink()] if names else []
        # A run that was killed at its very start leaves at most these two.
        if links or (names - {_LOCK, "run.part"} and self._earlier() is None):
            what = f"holds a link ({links[0]})" if links else f"holds no {_MANIFEST} of an unfinished run"
            raise OutputError(
                f"{self.folder}: the folder {what}: it is left as it is; move it away or choose another output"
            )

    def _earlier(self) -> dict[str, Any] | None:
        """Return the manifest of the run that made the folder; None where there is none that can be read."""
        try:
            content = self._read(self.folder / _MANIFEST)
            found = None if content is None else json.loads(content)
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) and isinstance(found.get("run"), dict) else None

    def _make_way(self) -> None:
        """Move the results of another run to a folder of its own, and take back those of this run.

        Raises
        ------
        OutputError
            When the other run is still running.
        """
        found = self._earlier()
        if self._restart:
            return
        if found is not None and found != self._manifest:
            aside = self._aside(_digest(found["run"]))
            finished = bool(self._tiles()) or any(self.folder.glob("scan-*"))
            if finished and not aside.exists():
                try:
                    with locked(self.folder / _LOCK, os.O_CREAT):
                        self.folder.rename(aside)
                except BlockingIOError as error:
                    raise OutputError(f"{self.folder}: another run is at work on this output") from error
            kept = f"; what it has finished is kept in {aside}, for the same command" if finished else ""
            earlier = found["run"] if found.get("format") == _FORMAT else {}
            changed = [name for name, value in self._fingerprint.items() if earlier.get(name) != value]
            warnings.warn(
                f"{self.folder}: an unfinished run had other {', '.join(changed)}; starting afresh{kept}",
                ResumeWarning,
                stacklevel=4,
            )
        mine = self._aside(self._run)
        if mine.is_dir() and not mine.is_symlink() and not self.folder.exists():
            mine.rename(self.folder)

    def _aside(self, run: str) -> Path:
        """Return the folder to which the results of a run are moved."""
        return self.folder.with_name(f"{self.folder.name}-{run[:8]}")

    def _continues(self) -> bool:
        """Tell whether the folder holds results of a run with the fingerprint of this one."""
        return not self._restart and self._earlier() == self._manifest

    def _clear(self, *, everything: bool) -> None:
        """Remove half-written files, or everything but the lock."""
        for path in self.folder.iterdir():
            if _FOLDERS.fullmatch(path.name) and path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif _FILES.fullmatch(path.name) and path.name != _LOCK and (everything or path.suffix == ".part"):
                path.unlink()

    def _scan(self, number: int) -> Path:
        return self.folder / f"scan-{number:04}"

    def _tiles(self) -> list[Path]:
        return sorted(path for path in self.folder.glob("*.tile") if _TILE.fullmatch(path.name))

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(f"{self.folder}: {error.strerror or error}") from error

    def _keep(self, path: Path, content: bytes) -> None:
        """Store a result, if the scene is unchanged."""
        if self._unchanged is not None:
            try:
                self._unchanged()
            except SceneError:
                self._outdated = True
                raise
        with self._writing():
            self._write(path, content)

    def _write(self, path: Path, content: bytes) -> None:
        temporary = path.with_suffix(".part")
        temporary.unlink(missing_ok=True)
        try:
            with temporary.open("xb") as file:
                file.write(self._checksum(path, content) + content)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

    def _read(self, path: Path) -> bytes | None:
        """Return the content that `_write` wrote; None for a missing or damaged file."""
        try:
            stored = path.read_bytes()
        except (FileNotFoundError, IsADirectoryError):
            return None
        checksum, content = stored[:_CHECKSUM_BYTES], stored[_CHECKSUM_BYTES:]
        return content if checksum == self._checksum(path, content) else None

    def _checksum(self, path: Path, content: bytes) -> bytes:
        # The manifest identifies the run, so its own checksum cannot depend on the run.
        run = "" if path.name == _MANIFEST else self._run
        digest = hashlib.sha256(f"{run} {path.name}\n".encode())
        digest.update(content)
        return digest.hexdigest().encode() + b"\n"


def _digest(fingerprint: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(fingerprint, sort_keys=True).encode()).hexdigest()


_STORED = np.dtype("<f4")
_CHECKSUM_BYTES = 65
