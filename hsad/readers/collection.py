"""Lists of scenes: text files, STAC item collections, and folders of scenes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from hsad.errors import SceneError
from hsad.gdal import open_dataset
from hsad.readers.envi.files import find_header
from hsad.readers.existing import checked_name
from hsad.readers.registry import CATCH_ALL, Reader, all_readers
from hsad.readers.scene import read_cube
from hsad.readers.sensors import SENSORS

__all__ = ["expand_scenes", "listed_files"]

_LISTS = (".txt", ".lst")
_TIFF = (".tif", ".tiff")
#: Endings of scenes in a folder whose formats are known by the content only: those of GDAL and of xarray.
_BY_ENDING = (*_TIFF, ".nc", ".nc4", ".h5", ".hdf5", ".he5", ".img", ".jp2", ".vrt")


def expand_scenes(names: Iterable[str | Path]) -> list[str]:
    """Return the names of scenes, with each list replaced by the scenes in it.

    Parameters
    ----------
    names : iterable of path
        Scenes, or lists of scenes: text files (``.txt``, ``.lst``) with one scene per line, in which blank lines and
        lines that begin with ``#`` do not count, and STAC items or item collections (``.json``, ``.geojson``), whose
        data assets are the scenes. Relative names in a list start from the folder of the list. A folder that is no
        product stands for the scenes in it, in the order of their names: files and products, without subfolders,
        rasters of one band and scores of hsad.

    Raises
    ------
    SceneError
        When a list cannot be read or lists nothing, an item has no data asset that is a local file, or a folder holds
        no scene.
    """
    found: list[str] = []
    for name in names:
        path = checked_name(Path(name))
        suffix = path.suffix.lower()
        if suffix in _LISTS and path.is_file():
            listed = _lines(path)
        elif suffix in (".json", ".geojson") and path.is_file():
            listed = _assets(path)
        elif path.is_dir() and not _is_product(path):
            found += _scenes_in(path)
            continue
        else:
            found.append(str(name))
            continue
        if not listed:
            raise SceneError(f"{path}: lists no scene")
        found += [str(checked_name(path.parent / entry)) for entry in listed]
    return found


def listed_files(names: Iterable[str | Path], suffixes: tuple[str, ...]) -> list[str]:
    """Return the names of files, with each folder replaced by its files of these endings, in the order of their names.

    Raises
    ------
    SceneError
        When a folder holds no such file.
    """
    found: list[str] = []
    for name in names:
        path = checked_name(Path(name))
        if not path.is_dir():
            found.append(str(name))
            continue
        inside = [str(entry) for entry in _entries(path) if entry.suffix.lower() in suffixes and entry.is_file()]
        if not inside:
            raise SceneError(f"{path}: no {' or '.join(suffixes)} file in this folder; subfolders are not searched")
        found += inside
    return found


def _entries(folder: Path) -> list[Path]:
    """Return what a folder holds, without hidden files, in the order of the names."""
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise SceneError(f"{folder}: {(error.strerror or str(error)).lower()}") from error


def _is_product(folder: Path) -> bool:
    """Tell whether a folder is one scene: a sensor's product, a Zarr store, a folder of images."""
    if not any(_can_read(reader, folder) for reader in all_readers()):
        return False
    try:
        read_cube(folder)
    except SceneError:  # it holds several products, or one beside other scenes
        return folder.suffix.lower() == ".zarr"
    return True


def _can_read(reader: Reader, path: Path) -> bool:
    return (path.is_file() or bool(getattr(reader, "folders", False))) and reader.can_read(path)


def _scenes_in(folder: Path) -> list[str]:
    """Return the scenes in a folder; a scene of several files is named once."""
    found: list[str] = []
    products: set[str] = set()
    for entry in _entries(folder):
        try:
            if entry.is_dir():
                chosen = any(_can_read(reader, entry) for reader in all_readers())
            elif any(_can_read(reader, entry) for reader in SENSORS):
                data = _data_of(entry)
                chosen = data not in products
                products.add(data)
            else:
                chosen = _is_scene_file(entry)
        except OSError:  # a file that may not be read has its line where it is opened
            chosen = entry.suffix.lower() in _BY_ENDING
        if chosen:
            found.append(str(entry))
    if not found:
        raise SceneError(f"{folder}: no scene in this folder; subfolders are not searched")
    return found


def _data_of(entry: Path) -> str:
    """Return the file with the numbers of a product of which `entry` is one file."""
    try:
        attrs = read_cube(entry).attrs
    except SceneError:
        return str(entry)
    return str(attrs.get("data_file") or attrs.get("source"))


def _is_scene_file(entry: Path) -> bool:
    """Tell whether a file is a scene by itself: not the data file of a header, no layer of one band, no result."""
    ending = entry.suffix.lower()
    header = find_header(entry)
    if header is not None and header != entry:
        return False
    if ending not in _BY_ENDING:
        known = [reader for reader in all_readers() if reader not in CATCH_ALL]
        return any(_can_read(reader, entry) for reader in known)
    return ending not in _TIFF or not _is_layer(entry)


def _is_layer(path: Path) -> bool:
    """Tell whether a raster has a single band, as masks and truths have, or holds scores of hsad."""
    try:
        with open_dataset(str(path)) as dataset:
            return bool(dataset.count == 1 or "HSAD_METHOD" in dataset.tags())
    except SceneError:
        return False  # its line comes where it is opened


def _lines(path: Path) -> list[str]:
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise SceneError(f"{path}: not a list of scenes ({error})") from error
    return [line for line in lines if line and not line.startswith("#")]


def _assets(path: Path) -> list[str]:
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
        items = document["features"] if document["type"] == "FeatureCollection" else [document]
        return [_data_asset(item, path) for item in items]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise SceneError(f"{path}: neither a STAC item nor a collection of items ({error!r})") from error


def _data_asset(item: dict[str, Any], path: Path) -> str:
    """Return the file of an item's data asset: by its role, else by its key, else the only one."""
    assets = item["assets"]
    by_role = [asset for asset in assets.values() if "data" in asset.get("roles", ())]
    candidates = by_role or [assets[key] for key in ("data", "image") if key in assets] or list(assets.values())
    if len(candidates) != 1 and not by_role:
        raise SceneError(f"{path}: item {item.get('id')!r} has {len(assets)} assets, none of them marked as data")
    location = urlparse(candidates[0]["href"])
    if location.scheme not in ("", "file"):
        raise SceneError(f"{path}: item {item.get('id')!r} is not a local file: {candidates[0]['href']}")
    return unquote(location.path) if location.scheme else str(candidates[0]["href"])
