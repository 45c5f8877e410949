"""The catalogue of scenes with known truth: listing, verification of files, downloads.

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

from hsad.errors import HsadError, OutputError, ParameterError, SceneError

__all__ = ["Asset", "CatalogItem", "fetch", "get_item", "list_items", "list_libraries"]

_SCHEMES = ("https", "http", "file")
_SHA256 = "1220"  # multihash: the code of SHA-256 and its length, 32 bytes
_TIMEOUT = 60  # seconds without a byte


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
        Rows, columns and, for a cube, bands.
    dtype : str
        Data type of the array.
    size : int or None
        Bytes of the file.
    sha256 : str or None
        Checksum of the file, 64 hexadecimal digits.
    """

    key: str
    href: str
    variable: str | None
    shape: tuple[int, ...]
    dtype: str
    size: int | None
    sha256: str | None

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
                shape=tuple(asset["hsad:shape"]),
                dtype=asset["data_type"],
                size=asset.get("file:size"),
                sha256=asset["file:checksum"].removeprefix(_SHA256) if "file:checksum" in asset else None,
            )
            for key, asset in self.content["assets"].items()
        )

    @property
    def how(self) -> str:
        """Way to obtain the files: ``download``, ``made here`` (by `hsad.make_scene`) or ``on request``."""
        if "hsad:parameters" in self.content["properties"]:
            return "made here"
        return "download" if all(asset.url for asset in self.assets) else "on request"

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
        counted = properties.get("hsad:truth", {})
        return {
            "name": self.name,
            "title": properties["title"],
            "collection": self.content["collection"],
            "cube": _scene(cube),
            "truth": _scene(truth) if truth else None,
            "rows": cube.shape[0],
            "cols": cube.shape[1],
            "bands": cube.shape[2],
            "dtype": cube.dtype,
            "units": properties["hsad:units"],
            "truth_pixels": counted.get("pixels"),
            "truth_objects": counted.get("objects"),
            "global_rx_auc": properties.get("hsad:global_rx_auc"),
            "size": cube.size,
            "sha256": cube.sha256,
            "license": f"{properties['license']}: {properties['hsad:license_note']}",
            "citation": properties.get("sci:citation"),
            "obtain": properties["hsad:obtain"],
            "links": list(self.links),
            "defects": properties["hsad:defects"],
        }

    def verify(self, path: Path) -> Asset:
        """Return the asset that has the checksum of a file, whatever the file's name.

        Raises
        ------
        SceneError
            If the file cannot be read, or is not one of this scene.
        """
        try:
            found = _sha256(path)
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


def fetch(name: str, folder: Path, root: Path | None = None) -> list[Path]:
    """Download and verify the files of a scene, or make them, and return their paths.

    The folder is made. A file that exists with the right checksum is not downloaded again.

    Returns
    -------
    list of Path
        The files, the cube first.

    Raises
    ------
    ParameterError
        If there is no such scene.
    HsadError
        If the scene cannot be downloaded; the message says who provides it.
    SceneError
        If the download fails or has another checksum.
    OutputError
        If the folder cannot be written, or holds another file of that name.
    """
    item = get_item(name, root)
    parameters = item.content["properties"].get("hsad:parameters")
    if parameters is not None:
        _make_folder(folder)
        return _make(item, parameters, folder)
    assets = {asset.file: asset for asset in item.assets}
    for file, asset in assets.items():
        if asset.url is None:
            obtain = item.content["properties"]["hsad:obtain"]
            links = "".join(f": {link}" for link in item.links)
            raise HsadError(f"{name}: {file} cannot be downloaded; obtain it {obtain}{links}")
    _make_folder(folder)
    return [_download(asset, folder) for asset in assets.values()]


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: the folder cannot be made ({error.strerror})") from error


def _folder() -> Path:
    """Return the folder of the catalogue: inside the package, or beside it in a clone."""
    package = Path(__file__).resolve().parent
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


def _sha256(path: Path) -> str:
    from hsad.products.provenance import sha256_of

    return sha256_of(path)


def _download(asset: Asset, folder: Path) -> Path:
    """Download a file under a temporary name, verify it, rename it, and return its path."""
    from hsad.files import whole_file

    path = folder / asset.file
    if path.is_file() and _sha256(path) == asset.sha256:
        return path
    url = str(asset.url)
    with whole_file(path, overwrite=False) as staged:
        _copy(url, staged)
        found = _sha256(staged)
        if found != asset.sha256:
            raise SceneError(f"{url}: sha256 {found} instead of {asset.sha256}; the file was not kept")
    return path


def _copy(url: str, path: Path) -> None:
    """Copy the content of `url` into `path`, block by block."""
    import http.client
    import shutil
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as source, path.open("wb") as target:  # noqa: S310  see Asset.url
            shutil.copyfileobj(source, target)
    except urllib.error.URLError as error:
        raise SceneError(f"{url}: the download failed ({error.reason})") from error
    except (TimeoutError, http.client.HTTPException) as error:
        raise SceneError(f"{url}: the download failed ({error or type(error).__name__})") from error


def _make(item: CatalogItem, parameters: dict[str, Any], folder: Path) -> list[Path]:
    """Make a synthetic scene, write its cube and its truth, and return their paths."""
    import hashlib

    from hsad.files import check_output
    from hsad.products import write_envi
    from hsad.synthetic import make_scene

    cube, truth = (folder / asset.file for asset in item.assets)
    check_output(truth, ())
    scene = make_scene(**parameters)
    found = hashlib.sha256(scene.truth.values.astype("<i4").tobytes()).hexdigest()
    if found != item.content["properties"]["hsad:truth_sha256"]:
        raise HsadError(f"{item.name}: this version of hsad makes another truth (sha256 {found[:16]})")
    return [write_envi(scene.cube, cube), write_envi(scene.truth.expand_dims("band", axis=-1), truth)]
