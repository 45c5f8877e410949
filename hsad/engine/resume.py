"""What survives a run that ends early: the results of finished scans, the scores of finished tiles.

They lie in a folder beside the output, each in a file of its own that begins with its checksum and got its name when
it was complete: whatever a kill, a full disk or a power cut leaves behind is either whole or not used. The checksum is
that of the run, the file's name and its content: what another run left, or what lay under another name, is not used
either. What a detector learns follows from the results of its scans, so a run that starts again takes those from here,
and the finished tiles too, whatever size its own tiles have.
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

#: The names of what is written here: files, half-written ones, and the folders in which a raster is put together.
_FILES = re.compile(rf"lock|run\.json|scan-\d{{4}}|{_TILE.pattern}|(run|scan-\d{{4}}|\d+-\d+-\d+-\d+)\.part")
_FOLDERS = re.compile(r"\..+\.partial")


class Journal:
    """The folder of an unfinished run. A context manager: inside it, the folder is ours alone.

    When the block ends well the folder goes; when it ends in an error the folder stays if there is something in it
    that a new start would use. A folder that another program made is refused, and nothing is removed but what has a
    name that is written here.

    Parameters
    ----------
    folder : Path
        Made if it does not exist; its parent must.
    fingerprint : mapping
        What the results depend on, as JSON holds it: only a run with an equal one continues this one.
    restart : bool
        Drop what an earlier run left.
    unchanged : callable, optional
        Raises `SceneError` when what is read has changed since the fingerprint was taken: asked before anything is
        kept.

    Raises
    ------
    OutputError
        On entering, when the folder is not one of ours, another run holds it, or it cannot be made; later when it
        cannot be written to.

    Warns
    -----
    ResumeWarning
        On entering, when an earlier run had another fingerprint; it says in what they differ, and where what the other
        has finished is kept: a run with that fingerprint finds it there.
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
                self.folder.mkdir(exist_ok=True)
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
        """Remove the folder unless it holds what a new start would use."""
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
        """Keep the result of a scan; one that is not made of arrays and numbers is computed again instead.

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
        """Keep the scores of a finished tile.

        Raises
        ------
        SceneError
            When the scene has changed.
        """
        name = f"{tile.rows.start}-{tile.rows.stop}-{tile.cols.start}-{tile.cols.stop}.tile"
        self._keep(self.folder / name, tile.layers.astype(_STORED).tobytes())

    def finished(self, grid: LeafGrid, layers: int) -> Iterator[TileScores]:
        """Yield the finished tiles of a scene, whole leaves of so many layers; what is anything else is left out."""
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
        """Refuse a folder that was not made here.

        Raises
        ------
        OutputError
        """
        if self.folder.is_symlink() or (self.folder.exists() and not self.folder.is_dir()):
            raise OutputError(f"{self.folder}: unfinished runs are kept under this name, and it is not a folder")
        names = {path.name for path in self.folder.iterdir()} if self.folder.exists() else set()
        links = [path.name for path in self.folder.iterdir() if path.is_symlink()] if names else []
        # A run that was killed at its very start has left nothing else.
        if links or (names - {_LOCK, "run.part"} and self._earlier() is None):
            what = f"holds a link ({links[0]})" if links else f"holds no {_MANIFEST} of an unfinished run"
            raise OutputError(
                f"{self.folder}: the folder {what}: it is left as it is; move it away or choose another output"
            )

    def _earlier(self) -> dict[str, Any] | None:
        """Return what the folder says of the run that made it; None where that is nothing that was written here."""
        try:
            content = self._read(self.folder / _MANIFEST)
            found = None if content is None else json.loads(content)
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) and isinstance(found.get("run"), dict) else None

    def _make_way(self) -> None:
        """Put what another run has finished out of the way, and take back what this one has put there before.

        Raises
        ------
        OutputError
            When the other run is at work.
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
        """Return the folder of a run that has made way for another."""
        return self.folder.with_name(f"{self.folder.name}-{run[:8]}")

    def _continues(self) -> bool:
        """Tell whether the folder holds the beginning of this very run."""
        return not self._restart and self._earlier() == self._manifest

    def _clear(self, *, everything: bool) -> None:
        """Remove what was being written when the run was killed, or everything but the lock."""
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
        """Keep something that follows from the scene."""
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
        """Return what `_write` wrote; None when there is no such file, or it is not what was written."""
        try:
            stored = path.read_bytes()
        except (FileNotFoundError, IsADirectoryError):
            return None
        checksum, content = stored[:_CHECKSUM_BYTES], stored[_CHECKSUM_BYTES:]
        return content if checksum == self._checksum(path, content) else None

    def _checksum(self, path: Path, content: bytes) -> bytes:
        # The manifest says which run this is: it must be read without knowing that.
        run = "" if path.name == _MANIFEST else self._run
        digest = hashlib.sha256(f"{run} {path.name}\n".encode())
        digest.update(content)
        return digest.hexdigest().encode() + b"\n"


def _digest(fingerprint: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(fingerprint, sort_keys=True).encode()).hexdigest()


_STORED = np.dtype("<f4")
_CHECKSUM_BYTES = 65
