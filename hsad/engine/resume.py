"""What survives a run that ends early: the results of finished scans, the scores of finished tiles.

They lie in a folder beside the output, each in a file of its own that begins with its checksum and got its name when
it was complete: whatever a kill, a full disk or a power cut leaves behind is either whole or not used. What a detector
learns follows from the results of its scans, so a run that starts again takes those from here, and the finished tiles
too, whatever size its own tiles have.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import shutil
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from locket import LockError, lock_file
from numpy.typing import NDArray

from hsad.detectors.packing import LoadError, find_loaded, pack, read_packed, unpack, write_packed
from hsad.engine.run import TileScores
from hsad.errors import DataError, OutputError, ParameterError, ResumeWarning

__all__ = ["Journal"]

_FORMAT = 1
_MANIFEST = "run.json"
_LOCK = "lock"


class Journal:
    """The folder of an unfinished run. A context manager: inside it, the folder is ours alone.

    When the block ends well the folder goes; when it ends in an error the folder stays if there is something in it
    that a new start would use.

    Parameters
    ----------
    folder : Path
        Made if it does not exist; its parent must.
    fingerprint : mapping
        What the results depend on, as JSON holds it: only a run with an equal one continues this one.
    restart : bool
        Drop what an earlier run left.

    Raises
    ------
    OutputError
        On entering, when another run holds the folder or it cannot be made; later when it cannot be written to.

    Warns
    -----
    ResumeWarning
        On entering, when an earlier run had another fingerprint; it says in what they differ.
    """

    def __init__(self, folder: Path, fingerprint: Mapping[str, Any], *, restart: bool = False) -> None:
        self.folder = folder
        self._fingerprint = json.loads(json.dumps(fingerprint))
        self._restart = restart
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Make or take over the folder."""
        with contextlib.ExitStack() as stack:
            with self._writing():
                self.folder.mkdir(exist_ok=True)
                try:
                    stack.enter_context(lock_file(str(self.folder / _LOCK), timeout=0))
                except LockError as error:
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
                shutil.rmtree(self.folder, ignore_errors=True)
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
        """Keep the result of a scan; one that is not made of arrays and numbers is computed again instead."""
        arrays: dict[str, NDArray[Any]] = {}
        try:
            header = {"value": pack(value, "value", arrays)}
        except TypeError:
            return
        buffer = io.BytesIO()
        write_packed(buffer, header, arrays)
        with self._writing():
            self._write(self._scan(number), buffer.getvalue())

    def keep(self, tile: TileScores) -> None:
        """Keep the scores of a finished tile."""
        name = f"{tile.rows.start}-{tile.rows.stop}-{tile.cols.start}-{tile.cols.stop}.tile"
        buffer = io.BytesIO()
        np.save(buffer, tile.layers, allow_pickle=False)
        with self._writing():
            self._write(self.folder / name, buffer.getvalue())

    def finished(self) -> Iterator[TileScores]:
        """Yield the scores of all finished tiles; files that are damaged are left out."""
        for path in self._tiles():
            content = self._read(path)
            if content is None:
                continue
            top, bottom, left, right = map(int, path.stem.split("-"))
            layers = np.load(io.BytesIO(content), allow_pickle=False)
            yield TileScores(slice(top, bottom), slice(left, right), layers)

    @property
    def _manifest(self) -> dict[str, Any]:
        return {"format": _FORMAT, "run": self._fingerprint}

    def _continues(self) -> bool:
        """Tell whether the folder holds the beginning of this very run."""
        try:
            content = self._read(self.folder / _MANIFEST)
            if self._restart or content is None:
                return False
            found = json.loads(content)
        except ValueError:
            return False
        if found == self._manifest:
            return True
        earlier = found["run"] if found.get("format") == _FORMAT else {}
        changed = [name for name, value in self._fingerprint.items() if earlier.get(name) != value]
        warnings.warn(
            f"{self.folder}: an unfinished run had other {', '.join(changed)}; starting afresh",
            ResumeWarning,
            stacklevel=4,
        )
        return False

    def _clear(self, *, everything: bool) -> None:
        for path in self.folder.iterdir():
            if path.is_dir():  # what was being written when the run was killed
                shutil.rmtree(path)
            elif everything and path.name != _LOCK:
                path.unlink()

    def _scan(self, number: int) -> Path:
        return self.folder / f"scan-{number:04}"

    def _tiles(self) -> list[Path]:
        return sorted(self.folder.glob("*.tile"))

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(f"{self.folder}: {error.strerror or error}") from error

    def _write(self, path: Path, content: bytes) -> None:
        temporary = path.with_suffix(".part")
        try:
            temporary.write_bytes(_checksum(content) + content)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

    def _read(self, path: Path) -> bytes | None:
        """Return what `_write` wrote; None when there is no such file, or it is not what was written."""
        try:
            stored = path.read_bytes()
        except FileNotFoundError:
            return None
        checksum, content = stored[:_CHECKSUM_BYTES], stored[_CHECKSUM_BYTES:]
        return content if checksum == _checksum(content) else None


def _checksum(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode() + b"\n"


_CHECKSUM_BYTES = len(_checksum(b""))
