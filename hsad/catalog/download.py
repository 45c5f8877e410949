"""Downloads that survive broken connections: resumed, verified, and never half-written under a final name.

While a file NAME is under way, the folder NAME.part holds what came so far. The same download continues there, also in
another process and on another day, if the server still has the same file.
"""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hsad.catalog.answers import Answer, Broken, Refused, Wanted, answered
from hsad.errors import OutputError, SceneError
from hsad.files import check_output, locked, publish
from hsad.products.provenance import sha256_of

if TYPE_CHECKING:
    from hsad.progress import Progress

__all__ = ["download"]

_TRIES = 5  # in a row that bring nothing new
_MOST_TRIES = 200
_PAUSE = 1.0  # seconds before the second try; each further pause is twice as long
_BLOCK = 2**18
_STEP = 1_000_000  # bytes of a step of the progress


def download(
    url: str, path: Path, *, size: int | None = None, sha256: str | None = None, progress: Progress | None = None
) -> str:
    """Download a file, compare it with its checksum, and return its SHA-256.

    Parameters
    ----------
    url : str
        Address: http, https or file.
    path : Path
        The final name, which must not exist.
    size : int, optional
        Bytes of the file, if they are known.
    sha256 : str, optional
        Checksum of the file, if it is known: 64 hexadecimal digits.
    progress : callable, optional
        Shows the megabytes that have come: ``progress(steps, total=..., desc=...)``.

    Raises
    ------
    SceneError
        When the file cannot be had, or is another one than was asked for.
    OutputError
        When it cannot be written: the name is taken, the disk is full, another process downloads it.
    """
    target = check_output(path, ())
    with _kept(target) as part:
        _fill(part, Wanted(url, size, resumable=sha256 is not None), progress)
        found = sha256_of(part.data)
        if sha256 is not None and found != sha256:
            part.drop()
            raise SceneError(f"{url}: sha256 {found} instead of {sha256}; the file was not kept")
        publish(part.data, target, overwrite=False)
    return found


class _Part:
    """What has come of a file: its bytes, and the mark by which the server names their version."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.data = folder / name
        self._state = folder / "state.json"

    @property
    def length(self) -> int:
        """Number of bytes that have come."""
        try:
            return self.data.stat().st_size
        except OSError:
            return 0

    def version(self, url: str) -> str | None:
        """Return the mark of the server for the bytes, None if they have none or are of another address."""
        return self._state_of(url).get("version")

    def belongs_to(self, url: str) -> bool:
        """Tell whether the bytes came from an address."""
        return bool(self._state_of(url))

    def _state_of(self, url: str) -> dict[str, str | None]:
        try:
            state = json.loads(self._state.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return state if isinstance(state, dict) and state.get("url") == url else {}

    def begin(self, url: str, version: str | None) -> None:
        """Start again from the first byte."""
        self.data.write_bytes(b"")
        self._state.write_text(json.dumps({"url": url, "version": version}), encoding="utf-8")

    def drop(self) -> None:
        """Forget all bytes."""
        self.data.unlink(missing_ok=True)
        self._state.unlink(missing_ok=True)


@contextmanager
def _kept(target: Path) -> Iterator[_Part]:
    """Yield the part of a file; it is removed when the block ends well, and kept for the next time when it fails."""
    folder = target.with_name(f"{target.name}.part")
    if folder.is_symlink():
        raise OutputError(f"{folder}: a link is not followed; move it away")
    part = _Part(folder, target.name)
    try:
        folder.mkdir(exist_ok=True)
        with locked(folder / "lock", os.O_CREAT):
            try:
                yield part
            except BaseException as error:
                _leave(part, error)
                raise
            shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        raise OutputError(f"{target}: another process is downloading this file") from None
    except OSError as error:
        raise OutputError(f"{target}: {'; '.join([error.strerror or str(error), *_notes(error)])}") from error


def _leave(part: _Part, error: BaseException) -> None:
    """Keep what has come, and say so in a note to the error; a folder without any is removed."""
    if part.length:
        error.add_note(f"{part.length} bytes are kept in {part.folder}: the same command continues there")
    else:
        shutil.rmtree(part.folder, ignore_errors=True)


def _notes(error: BaseException) -> list[str]:
    return list(getattr(error, "__notes__", []))


def _fill(part: _Part, wanted: Wanted, progress: Progress | None) -> None:
    """Download until the file is complete."""
    steps = _Steps(part, wanted)
    first = steps.connect()
    megabytes = steps.run(first)
    total = math.ceil((first.total or wanted.size or 0) / _STEP)
    for _ in megabytes if progress is None else progress(megabytes, total=total, desc=f"{part.data.name}, MB"):
        pass


class _Steps:
    """The tries of one download."""

    def __init__(self, part: _Part, wanted: Wanted) -> None:
        self._part = part
        self._wanted = wanted
        self._furthest = part.length
        self._fruitless = 0
        self._tries = 0

    def connect(self) -> Answer:
        """Return the first answer of the server that is of use."""
        while True:
            try:
                return self._ask()
            except Broken as broken:
                self._pause(broken)

    def run(self, answer: Answer) -> Iterator[int]:
        """Receive the rest of the file, and yield once for each megabyte that it has come further."""
        furthest = 0
        while True:
            try:
                for _ in self._receive(answer):
                    while furthest < self._part.length // _STEP:
                        furthest += 1
                        yield furthest
            except Broken as broken:
                self._pause(broken)
                answer = self.connect()
                continue
            if furthest * _STEP < self._part.length:
                yield furthest + 1
            return

    def _ask(self) -> Answer:
        """Ask the server for what is missing."""
        part, wanted = self._part, self._wanted
        if not part.belongs_to(wanted.url):
            part.drop()
        version = part.version(wanted.url)
        # Without a mark of the version only a checksum can tell that two halves belong together.
        start = part.length if version is not None or wanted.resumable else 0
        try:
            answer = answered(wanted, start, version)
        except Refused as refused:
            raise SceneError(f"{wanted.url}: {refused}") from refused
        if not answer.resumes:
            part.begin(wanted.url, answer.version)
        self._check_size(answer)
        return answer

    def _check_size(self, answer: Answer) -> None:
        wanted, total = self._wanted, answer.total
        if wanted.size is not None and total is not None and total != wanted.size:
            answer.close()
            self._part.drop()
            raise SceneError(f"{wanted.url}: the server has another file: {total} bytes instead of {wanted.size}")
        missing = (total or wanted.size or 0) - self._part.length
        free = shutil.disk_usage(self._part.folder).free
        if missing > free:
            answer.close()
            raise OutputError(
                f"{self._part.data.name}: {missing / 1e6:.4g} MB are to come, and {free / 1e6:.4g} MB are free in "
                f"{self._part.folder.parent}"
            )

    def _receive(self, answer: Answer) -> Iterator[None]:
        """Append what the server sends; `Broken` when it ends before the file does."""
        part = self._part
        with answer, part.data.open("ab") as file:
            while block := answer.read(_BLOCK):
                try:
                    file.write(block)
                    file.flush()
                except OSError as error:
                    full = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else error.strerror
                    raise OutputError(f"{part.data.name}: {full} after {part.length} bytes") from error
                yield
        if answer.total is not None and part.length < answer.total:
            raise Broken(f"the connection ended after {part.length} of {answer.total} bytes")

    def _pause(self, broken: Broken) -> None:
        """Wait before the next try; raise the error when enough was tried."""
        self._fruitless = 0 if self._part.length > self._furthest else self._fruitless + 1
        self._furthest = max(self._furthest, self._part.length)
        self._tries += 1
        if self._fruitless >= _TRIES or self._tries >= _MOST_TRIES or (broken.final and not self._part.length):
            tries = f" after {self._tries} tries" if self._tries > 1 else ""
            raise SceneError(f"{self._wanted.url}: the download failed{tries} ({broken})") from broken
        time.sleep(broken.wait if broken.wait is not None else _PAUSE * 2**self._fruitless)
