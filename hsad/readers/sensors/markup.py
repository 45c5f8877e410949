"""Parser of metadata files in XML that refuses document types."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from hsad.errors import SceneError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["number_in", "read_xml", "text_in"]

#: Bytes of the largest file of metadata; the metadata of a scene take one or two megabytes.
_LARGEST = 64 * 2**20


def read_xml(path: Path) -> Element:
    """Return the root element of a metadata file, with names of elements without namespaces.

    A file with a document type is refused, because a document type can define entities that grow without bound or read
    other files.

    Raises
    ------
    SceneError
        When the file cannot be read, is not XML, is too large, or has a document type.
    """
    try:
        size = path.stat().st_size
        if size > _LARGEST:
            raise SceneError(f"{path}: {size} bytes are too many for metadata")
        content = path.read_bytes()
    except OSError as error:
        raise SceneError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    builder = TreeBuilder()
    parser = expat.ParserCreate()

    def refuse(*_: object) -> None:
        raise SceneError(f"{path}: declares a document type, which metadata need not: it is not read")

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = lambda name, attributes: builder.start(_local(name), attributes)
    parser.EndElementHandler = lambda name: builder.end(_local(name))
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(content, True)
        return builder.close()
    except (expat.ExpatError, AssertionError) as error:
        raise SceneError(f"{path}: not readable XML: {error}") from error


def text_in(element: Element, name: str, path: Path) -> str:
    """Return the text of a child element.

    Raises
    ------
    SceneError
        When the text is missing; the message names the file and the element.
    """
    text = (element.findtext(name) or "").strip()
    if not text:
        where = f"{element.tag} {element.get('number', '')}".strip()
        raise SceneError(f"{path}: no {name} in {where}")
    return text


def number_in(element: Element, name: str, path: Path, default: float | None = None) -> float:
    """Return the number in a child element, or `default` if the element is missing.

    Raises
    ------
    SceneError
        When the element is missing and `default` is None, or the text is not a number.
    """
    if default is not None and element.find(name) is None:
        return default
    text = text_in(element, name, path)
    try:
        return float(text)
    except ValueError:
        raise SceneError(f"{path}: {name} = {text!r} is not a number") from None


def _local(name: str) -> str:
    return name.rpartition(":")[2]
