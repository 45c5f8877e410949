"""Zip and tar archives. The only image of an archive is read in place; for other archives a message asks to unpack."""

from __future__ import annotations

import tarfile
import zipfile
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from hsad.errors import SceneError
from hsad.readers import geotiff

if TYPE_CHECKING:
    from collections.abc import Iterator

    import xarray as xr

__all__ = ["can_read", "name", "read"]

name = "archive"

_ZIP = (".zip",)
_PLAIN_TAR = (".tar",)
_PACKED_TAR = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst")
_TIFF = (".tif", ".tiff")
_MOST_MEMBERS = 10_000  # a scene has far fewer files
_LARGEST_PACKED = 512 * 2**20  # bytes of a compressed tar; a window needs all bytes before it to be unpacked
_LISTED = 6  # members that a message names


def can_read(path: Path) -> bool:
    """Tell whether a file is an archive, by its name and its first bytes."""
    return path.is_file() and _kind(path) is not None


def read(path: Path, variable: str | None = None) -> xr.DataArray:
    """Return the cube of the only image in an archive, a GeoTIFF or an ENVI header with its data.

    `variable` names a member of an archive that holds several images.

    Raises
    ------
    SceneError
        When the archive is damaged or does not contain exactly one image; the message names its members.
    """
    kind = _kind(path)
    members = _members(path)
    images = _images(members)
    if variable is not None:
        if variable not in members:
            raise SceneError(f"{path}: no member {variable!r} in the archive; it holds {_listed(members)}")
        images = [variable]
    if len(images) != 1 or kind is None:
        what = f"{len(images)} images" if images else "no image"
        raise SceneError(f"{path}: an archive with {what} that can be read in place; unpack it: {_listed(members)}")
    if kind == "vsitar" and not path.name.lower().endswith(_PLAIN_TAR) and path.stat().st_size > _LARGEST_PACKED:
        raise SceneError(f"{path}: too large to be read as it is packed; unpack it: {_listed(members)}")
    # Braces mark the archive's name for GDAL, which otherwise guesses where the name ends.
    inside = f"/{kind}/{{{path.resolve()}}}/{images[0]}"
    return geotiff.raster_cube(inside, path, reader=name, member=images[0])


def _kind(path: Path) -> str | None:
    """Return GDAL's name of the file system for an archive, or None for another file."""
    lower = path.name.lower()
    if lower.endswith(_ZIP):
        return "vsizip" if zipfile.is_zipfile(path) else None
    if lower.endswith((*_PLAIN_TAR, *_PACKED_TAR)):
        return "vsitar"
    return None


def _members(path: Path) -> list[str]:
    """Return the names of an archive's files.

    Raises
    ------
    SceneError
        When the archive is damaged, or has too many members.
    """
    try:
        names = list(islice(_names(path), _MOST_MEMBERS + 1))
    except (OSError, EOFError, ValueError, tarfile.TarError, zipfile.BadZipFile, NotImplementedError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise SceneError(f"{path}: not a readable archive: {reason}") from error
    except Exception as error:  # lzma and zlib raise errors without a common base class
        raise SceneError(f"{path}: not a readable archive: {type(error).__name__}: {error}") from error
    if len(names) > _MOST_MEMBERS:
        raise SceneError(f"{path}: an archive with more than {_MOST_MEMBERS} files: unpack it")
    return names


def _names(path: Path) -> Iterator[str]:
    if _kind(path) == "vsizip":
        with zipfile.ZipFile(path) as archive:
            yield from (item.filename for item in archive.infolist() if not item.is_dir())
        return
    if path.stat().st_size > _LARGEST_PACKED and not path.name.lower().endswith(_PLAIN_TAR):
        raise ValueError("a compressed archive of this size takes minutes to list: unpack it")
    with tarfile.open(path) as archive:
        yield from (item.name for item in archive if item.isfile())


def _images(members: list[str]) -> list[str]:
    """Return the members that GDAL reads as images: GeoTIFFs, and ENVI data files with a header."""
    names = {member.lower(): member for member in members}
    if any(PurePosixPath(member).name.upper().endswith("METADATA.XML") for member in members):
        return []  # a product, whose image is not complete without its metadata
    found = [member for member in members if member.lower().endswith(_TIFF)]
    for member in members:
        path = PurePosixPath(member.lower())
        headers = (str(path.with_suffix(".hdr")), f"{path}.hdr")
        if path.suffix not in (".hdr", *_TIFF) and any(header in names for header in headers):
            found.append(member)
    return found


def _listed(members: list[str]) -> str:
    shown = ", ".join(members[:_LISTED])
    return (shown or "it is empty") + (f", … ({len(members)} files)" if len(members) > _LISTED else "")
