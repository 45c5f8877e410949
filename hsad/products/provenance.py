"""The provenance of scores: the method, its parameters, and the file of the scene."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hsad.errors import OutputError
from hsad.files import split_variable

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CHECKSUM_LIMIT", "Provenance", "sha256_of", "source_file"]

CHECKSUM_LIMIT = 256 * 2**20
"""Size in bytes of the largest source with a checksum. A larger source is identified by its size and time."""

_PREFIX = "HSAD_"
# Fields that are attributes of scores. The other fields are read from the source file.
_STATED = (
    "method",
    "parameters",
    "version",
    "background",
    "run",
    "mask_flags",
    "bad_bands",
    "grid",
    "acquired",
    "source",
    "before",
)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def source_file(source: str) -> Path | None:
    """Return the file or folder of a source, None if it does not exist.

    The file of ``scene.mat:NAME``, an array inside a file, is ``scene.mat``.
    """
    path, _ = split_variable(source)
    return path if source and path.exists() else None


@dataclass(frozen=True)
class Provenance:
    """The tags of a score raster; a field that is not known is an empty string.

    Attributes
    ----------
    method : str
        Name of the detector.
    parameters : str
        Parameters of the detector, a JSON object.
    version : str
        Version of hsad.
    background : str
        Numbers that describe the learned background, a JSON object.
    run : str
        Digest of all files and options that the scores depend on. Rasters with the same digest have the same scores.
    mask_flags : str
        Quality flags that made pixels invalid.
    bad_bands : str
        Bands that the user excluded in addition to the bad bands of the scene.
    grid : str
        "map" for scores of a sensor's grid on a map, "north-up" for scores of a rotated scene that were resampled.
    acquired : str
        Time of the acquisition in ISO 8601: a time, or ``START/END``.
    source : str
        Name of the scene by its reader.
    before : str
        Name of the scene of the first date, for scores of the change between two; `source` is the second date.
    source_sha256 : str
        SHA-256 of the file with the numbers of the scene.
    source_size, source_time : str
        Size in bytes and time of the last change (ISO 8601, UTC) of a folder or of a source larger than
        `CHECKSUM_LIMIT`, which have no checksum.
    """

    method: str = ""
    parameters: str = ""
    version: str = ""
    background: str = ""
    run: str = ""
    mask_flags: str = ""
    bad_bands: str = ""
    grid: str = ""
    acquired: str = ""
    source: str = ""
    before: str = ""
    source_sha256: str = ""
    source_size: str = ""
    source_time: str = ""

    @classmethod
    def from_attrs(cls, attrs: Mapping[str, Any]) -> Provenance:
        """Return the provenance from the attributes of scores and from their source file.

        The source file is ``data_file`` if the attributes have it. It is, for example, the data file of an ENVI header.

        Raises
        ------
        OutputError
            When the source exists but cannot be read.
        """
        stated = {name: str(attrs.get(name) or "") for name in _STATED}
        return cls(**stated, **_identity(str(attrs.get("data_file") or stated["source"])))

    @classmethod
    def from_tags(cls, tags: Mapping[str, str]) -> Provenance:
        """Return the provenance in tags that `tags` wrote; other tags are ignored."""
        return cls(**{f.name: str(tags.get(_tag(f.name), "")) for f in dataclasses.fields(cls)})

    def tags(self) -> dict[str, str]:
        """Return the tags of a raster, ``HSAD_METHOD``, ``HSAD_PARAMETERS`` and so on, without unknown fields."""
        values = {_tag(f.name): str(getattr(self, f.name)) for f in dataclasses.fields(self)}
        return {tag: value for tag, value in values.items() if value}


def _tag(field: str) -> str:
    return _PREFIX + field.upper()


def _identity(source: str) -> dict[str, str]:
    """Return the checksum of a source, or the size and time of a large source or a folder."""
    path = source_file(source)
    if path is None:
        return {}
    try:
        files = [path] if path.is_file() else [p for p in sorted(path.rglob("*")) if p.is_file()]
        status = [os.stat(p) for p in files]  # noqa: PTH116  one call gives both numbers
        size = sum(s.st_size for s in status)
        if path.is_file() and size <= CHECKSUM_LIMIT:
            return {"source_sha256": sha256_of(path)}
        changed = max((s.st_mtime for s in status), default=0.0)
    except OSError as error:
        raise OutputError(f"{path}: its checksum cannot be computed: {error.strerror}") from error
    time = datetime.fromtimestamp(changed, UTC).isoformat(timespec="seconds")
    return {"source_size": str(size), "source_time": time}
