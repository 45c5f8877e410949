"""Search for the header and the data file of an ENVI image."""

from __future__ import annotations

from pathlib import Path

from hsad.errors import SceneError
from hsad.readers.envi.header import Header, is_header
from hsad.readers.envi.spectral import esri_header
from hsad.readers.existing import refuse_pointer

__all__ = [
    "ShortFileError",
    "esri_data",
    "find_data",
    "find_esri_header",
    "find_header",
    "growing_data",
    "is_container",
]

_DATA_SUFFIXES = ("", ".img", ".dat", ".raw", ".bil", ".bip", ".bsq", ".bin", ".gz")
# First bytes of container formats. A file that starts with them does not contain bare numbers.
_CONTAINERS = (
    b"II*\0",
    b"MM\0*",
    b"II+\0",
    b"MM\0+",
    b"EHFA_HEADER_TAG",
    b"\x89HDF",
    b"\x89PNG",
    b"ENVI",
    b"CDF",
)
# Formats of images beside which an ENVI header may state metadata that the image itself cannot store.
_RASTERS = _CONTAINERS[:5]
# Suffixes of files that accompany an image.
_COMPANIONS = (".hdr", ".ovr", ".aux", ".xml", ".sta", ".enp", ".json", ".qml", ".txt", ".png", ".jpg", ".kml", ".zip")
_GZIP = b"\x1f\x8b"


class ShortFileError(SceneError):
    """A data file has fewer bytes than its header states.

    Attributes
    ----------
    data : Path
        The data file.
    size : int
        Size of the data file in bytes.
    """

    def __init__(self, data: Path, promised: int, size: int) -> None:
        super().__init__(f"{data}: its header promises {promised} bytes, the file has {size}")
        self.data = data
        self.size = size


def is_container(path: Path) -> bool:
    """Tell whether a file starts like an image format (TIFF, HDF5, Erdas …) and so does not contain bare numbers."""
    return _starts_with(path, _CONTAINERS)


def _starts_with(path: Path, signatures: tuple[bytes, ...]) -> bool:
    with path.open("rb") as file:
        return file.read(16).startswith(signatures)


def find_header(path: Path) -> Path | None:
    """Return the ENVI header of a file (the file itself, ``NAME.SUFFIX.hdr`` or ``NAME.hdr``), or None."""
    candidates = [path] if path.suffix.lower() == ".hdr" else []
    candidates += [Path(f"{path}{suffix}") for suffix in (".hdr", ".HDR")]
    candidates += [path.with_suffix(suffix) for suffix in (".hdr", ".HDR") if path.suffix]
    return next((candidate for candidate in candidates if candidate.is_file() and is_header(candidate)), None)


def find_esri_header(path: Path) -> Path | None:
    """Return the ESRI header of a file of bare numbers (the file itself or ``NAME.hdr``), or None."""
    headers = [path] if path.suffix.lower() == ".hdr" else [path.with_suffix(suffix) for suffix in (".hdr", ".HDR")]
    if not path.name or (headers[0] != path and is_container(path)):
        return None
    return next((header for header in headers if header.is_file() and _is_esri(header)), None)


def _is_esri(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(4096)
    return b"\0" not in start and esri_header(start.decode("latin-1")) is not None


def esri_data(header: Path) -> Path:
    """Return the data file of an ESRI header.

    Raises
    ------
    SceneError
        When no file or more than one file can be the data file.
    """
    beside = [path for path in sorted(header.parent.iterdir()) if path.stem == header.stem and path.is_file()]
    found = [path for path in beside if path.suffix.lower() not in _COMPANIONS and not is_container(path)]
    usual = [path for path in found if path.suffix.lower() in (".bil", ".bip", ".bsq", ".flt")]
    chosen = usual or found
    if len(chosen) != 1:
        what = f"{', '.join(path.name for path in chosen)} may each be" if chosen else "no file beside it is"
        raise SceneError(f"{header}: an ESRI header, and {what} its data file: name the data file")
    return chosen[0]


def find_data(header: Header, size: int, named: Path | None = None) -> Path:
    """Return the data file of a header, which is the file with the header's name and a fitting size.

    Parameters
    ----------
    header : Header
        The name comes from the path of the header. ``scene.hdr`` belongs to ``scene.img``, ``scene.dat``, ``scene`` …,
        and ``scene.img.hdr`` to ``scene.img``. If no file with a usual suffix fits, a file with another suffix is the
        data file if it is the only one with exactly the stated size, or the only raster of another format.
    size : int
        Bytes that the header states. The size of a compressed file is not compared.
    named : Path, optional
        The data file that the user named; it may have any suffix.

    Raises
    ------
    SceneError
        When no data file exists, the largest is shorter than stated, or several fit equally well.
    """
    stem = header.path.with_suffix("")
    fitting, misfits = _usual(header, size, named)
    if fitting:
        # Among files that fit equally well, the file that the user named comes first, then alphabetical order.
        return min(fitting, key=lambda item: (item[0], item[1] != named, str(item[1])))[1]
    if (other := _other_suffix(stem, size)) is not None:
        return other
    if misfits:
        length, path = max(misfits)
        refuse_pointer(path)
        if header.whole("file compression", 0):
            raise SceneError(f"{path}: the header says 'file compression = 1' but the file is not in gzip format")
        raise ShortFileError(path, size, length)
    raise SceneError(
        f"{header.path}: no data file beside the ENVI header (looked for {stem.name} with "
        f"{', '.join(filter(None, _DATA_SUFFIXES))}, without a suffix, or with another one and {size} bytes)"
    )


def growing_data(header: Path, named: Path | None = None) -> Path | None:
    """Return the data file of a header while it still grows: the named file, or the first with a usual suffix."""
    stem = header.with_suffix("")
    candidates = [stem.with_name(stem.name + suffix) for suffix in _DATA_SUFFIXES]
    candidates = [path for path in candidates if path != header] if named in (None, header) else [named]
    return next((path for path in candidates if path.is_file() and not is_container(path)), None)


def _usual(header: Header, size: int, named: Path | None) -> tuple[list[tuple[int, Path]], list[tuple[int, Path]]]:
    """Return the fitting files with usual suffixes, each with its surplus of bytes, and the others with their size."""
    stem = header.path.with_suffix("")
    candidates = {stem.with_name(stem.name + suffix) for suffix in _DATA_SUFFIXES}
    candidates |= {stem.with_name(stem.name + suffix.upper()) for suffix in _DATA_SUFFIXES}
    if named is not None:
        candidates.add(named)
    candidates.discard(header.path)
    foreign = not header.text("file type", "ENVI").upper().startswith("ENVI")
    compressed = header.whole("file compression", 0) != 0
    fitting: list[tuple[int, Path]] = []
    misfits: list[tuple[int, Path]] = []
    for path in candidates:
        if not path.is_file():
            continue
        length = path.stat().st_size
        if foreign or (compressed and _starts_with(path, (_GZIP,))):
            fitting.append((0, path))
        elif length == size or (length > size and not is_container(path)):
            fitting.append((length - size, path))
        elif not is_container(path):
            misfits.append((length, path))
    return fitting, misfits


def _other_suffix(stem: Path, size: int) -> Path | None:
    """Return the only file of a name and size, or else the only raster of another format of that name, or None."""
    try:
        named = [
            path
            for path in sorted(stem.parent.iterdir())
            if path.name == stem.name or path.name.startswith(f"{stem.name}.")
        ]
    except OSError:  # the folder does not permit listing, but its files may be readable
        return None
    siblings = [path for path in named if path.suffix.lower() not in _COMPANIONS and path.is_file()]
    for fitting in (
        [path for path in siblings if path.stat().st_size == size and not is_container(path)],
        [path for path in siblings if _starts_with(path, _RASTERS)],
    ):
        if len(fitting) > 1:
            listed = ", ".join(path.name for path in fitting[:4])
            raise SceneError(f"{stem}.hdr: {listed} may each be its data file: name the one that is meant")
        if fitting:
            return fitting[0]
    return None
