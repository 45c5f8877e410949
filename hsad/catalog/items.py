"""The items of the catalogue: scenes with known truth or other use, and spectral libraries.

``data_catalog/`` is a static STAC catalogue; its README explains the fields. It describes files and does not contain
them.
"""

from __future__ import annotations

import difflib
import json
import urllib.parse
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from hsad.errors import ParameterError, SceneError

__all__ = ["Asset", "CatalogItem", "get_item", "list_items", "list_libraries"]

_SCHEMES = ("https", "http", "file")
_SHA256 = "1220"  # multihash: the code of SHA-256 and its length, 32 bytes


@dataclass(frozen=True)
class Asset:
    """One file of a scene, or one array in it.

    Attributes
    ----------
    key : str
        ``cube``, ``truth``, ``mask``, …
    href : str
        Address of the file, or its bare name if it cannot be downloaded.
    variable : str or None
        Name of the array, if the file holds several.
    shape : tuple of int
        Rows, columns and, for a cube, bands; empty if they are not known.
    dtype : str or None
        Data type of the array.
    size : int or None
        Bytes of the file.
    sha256 : str or None
        Checksum of the file, 64 hexadecimal digits.
    unpacks : bool
        Whether the file is an archive that has to be unpacked before it can be read.
    """

    key: str
    href: str
    variable: str | None
    shape: tuple[int, ...]
    dtype: str | None
    size: int | None
    sha256: str | None
    unpacks: bool = False

    @property
    def file(self) -> str:
        """Name of the file."""
        return PurePosixPath(urllib.parse.unquote(urllib.parse.urlsplit(self.href).path)).name

    @property
    def url(self) -> str | None:
        """Address for the download, None if there is none."""
        return self.href if urllib.parse.urlsplit(self.href).scheme in _SCHEMES else None


@dataclass(frozen=True)
class CatalogItem:
    """One scene of the catalogue: a STAC item.

    Attributes
    ----------
    name : str
        Id of the item.
    content : dict
        The item, as the catalogue has it.
    """

    name: str
    content: dict[str, Any]

    @property
    def assets(self) -> tuple[Asset, ...]:
        """The files, and the arrays in them."""
        return tuple(
            Asset(
                key=key,
                href=asset["href"],
                variable=asset.get("hsad:variable"),
                shape=tuple(asset.get("hsad:shape", ())),
                dtype=asset.get("data_type"),
                size=asset.get("file:size"),
                sha256=asset["file:checksum"].removeprefix(_SHA256) if "file:checksum" in asset else None,
                unpacks=bool(asset.get("hsad:unpack")),
            )
            for key, asset in self.content["assets"].items()
        )

    @property
    def how(self) -> str:
        """Way to obtain the files: ``download``, ``login``, ``on request`` or ``made here`` (by `hsad.make_scene`)."""
        return str(self.content["properties"]["hsad:how"])

    @property
    def license_link(self) -> str | None:
        """Address of the licence, None if the source names none."""
        return next((link["href"] for link in self.content.get("links", []) if link["rel"] == "license"), None)

    @property
    def links(self) -> tuple[str, ...]:
        """Addresses of the pages of the scene's publisher."""
        return tuple(link["href"] for link in self.content.get("links", []) if link["rel"] == "via")

    def to_dict(self) -> dict[str, Any]:
        """Return the STAC item."""
        return self.content

    def summary(self) -> dict[str, Any]:
        """Return the main properties of the scene in a flat dict, with names without prefix."""
        properties = self.content["properties"]
        assets = {asset.key: asset for asset in self.assets}
        cube, truth = assets["cube"], assets.get("truth")
        rows, cols, bands = (*cube.shape, None, None, None)[:3]
        wavelengths = properties.get("hsad:wavelengths", {})
        counted = properties.get("hsad:truth", {})
        return {
            "name": self.name,
            "title": properties["title"],
            "collection": self.content["collection"],
            "how": self.how,
            "cube": _scene(cube),
            "truth": _scene(truth) if truth else None,
            "rows": rows,
            "cols": cols,
            "bands": bands or wavelengths.get("count"),
            "wavelength_from": wavelengths.get("from"),
            "wavelength_to": wavelengths.get("to"),
            "gsd": properties.get("gsd"),
            "platform": properties.get("platform"),
            "instruments": properties.get("instruments", []),
            "dtype": cube.dtype,
            "units": properties.get("hsad:units"),
            "truth_pixels": counted.get("pixels"),
            "truth_objects": counted.get("objects"),
            "global_rx_auc": properties.get("hsad:global_rx_auc"),
            "size": cube.size,
            "sha256": cube.sha256,
            "checksum_from": properties.get("hsad:checksum_from"),
            "address_checked": properties.get("hsad:address_checked"),
            "license": f"{properties['license']}: {properties['hsad:license_note']}",
            "license_link": self.license_link,
            "citation": properties.get("sci:citation"),
            "doi": self.doi,
            "obtain": properties["hsad:obtain"],
            "links": list(self.links),
            "defects": properties["hsad:defects"],
        }

    @property
    def doi(self) -> str | None:
        """DOI of the data, else of the publication that describes them."""
        properties = self.content["properties"]
        published = (entry.get("doi") for entry in properties.get("sci:publications", []))
        return properties.get("sci:doi") or next((doi for doi in published if doi), None)

    def verify(self, path: Path) -> Asset:
        """Return the asset that has the checksum of a file, whatever the file's name.

        Raises
        ------
        SceneError
            If the file cannot be read, or is not one of this scene.
        """
        from hsad.products.provenance import sha256_of

        try:
            found = sha256_of(path)
        except OSError as error:
            raise SceneError(f"{path}: cannot be read ({error.strerror})") from error
        for asset in self.assets:
            if asset.sha256 == found:
                return asset
        known = sorted({f"{a.file} {a.sha256[:16]}" for a in self.assets if a.sha256})
        raise SceneError(
            f"{path}: sha256 {found[:16]} is no file of {self.name}, whose files are {', '.join(known) or 'unknown'}"
        )


def list_items(root: Path | None = None) -> list[CatalogItem]:
    """Return the scenes in the order of the catalogue.

    Parameters
    ----------
    root : Path, optional
        Folder of another catalogue of the same form. The default is the catalogue of hsad.

    Raises
    ------
    SceneError
        If a file of the catalogue is missing or is not JSON.
    """
    folder = _folder() if root is None else root
    return [
        CatalogItem(content["id"], content)
        for collection in _linked(folder / "catalog.json", "child")
        for content in map(_read, _linked(collection, "item"))
    ]


def list_libraries(root: Path | None = None) -> list[dict[str, str]]:
    """Return the known spectral libraries: ``name``, ``title``, ``where``, ``point``, ``license`` and ``citation``.

    Parameters
    ----------
    root : Path, optional
        Folder of another catalogue of the same form.

    Raises
    ------
    SceneError
        If the list is missing or cannot be read.

    Examples
    --------
    >>> [library["name"] for library in list_libraries()]
    ['earthlib', 'splib07', 'ecostress']
    """
    import tomllib

    path = (_folder() if root is None else root) / "libraries.toml"
    try:
        found: list[dict[str, str]] = tomllib.loads(path.read_text(encoding="utf-8"))["library"]
    except (OSError, ValueError, KeyError) as error:
        raise SceneError(f"{path}: not a readable list of spectral libraries ({error})") from error
    return found


def get_item(name: str, root: Path | None = None) -> CatalogItem:
    """Return the scene `name`.

    Raises
    ------
    ParameterError
        If there is no such scene; the message lists similar names, or all.
    """
    items = {item.name: item for item in list_items(root)}
    if name not in items:
        near = difflib.get_close_matches(name, items, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"choose from {', '.join(items)}"
        raise ParameterError(f"{name!r} is no scene of the catalogue; {hint}")
    return items[name]


def _folder() -> Path:
    """Return the folder of the catalogue: inside the package, or beside it in a clone."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "data_catalog", package.parent / "data_catalog"):
        if (folder / "catalog.json").is_file():
            return folder
    raise SceneError(f"{package / 'data_catalog'}: the catalogue is missing from this installation")


def _read(path: Path) -> dict[str, Any]:
    """Return a JSON object of the catalogue."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SceneError(f"{path}: not a readable part of the catalogue ({error})") from error
    if not isinstance(content, dict):
        raise SceneError(f"{path}: not a readable part of the catalogue (no JSON object)")
    return content


def _linked(path: Path, relation: str) -> list[Path]:
    """Return the files that a catalogue or collection links to."""
    return [path.parent / link["href"] for link in _read(path)["links"] if link["rel"] == relation]


def _scene(asset: Asset) -> str:
    """Return the name of an array on the command line, such as ``scene.mat:data``."""
    return f"{asset.file}:{asset.variable}" if asset.variable else asset.file
