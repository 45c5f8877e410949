"""Lists of scenes: text files and STAC item collections."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from hsad.errors import SceneError
from hsad.readers.existing import checked_name

__all__ = ["expand_scenes"]

_LISTS = (".txt", ".lst")


def expand_scenes(names: Iterable[str | Path]) -> list[str]:
    """Return the names of scenes, with each list replaced by the scenes in it.

    Parameters
    ----------
    names : iterable of path
        Scenes, or lists of scenes: text files (``.txt``, ``.lst``) with one scene per line, in which blank lines and
        lines that begin with ``#`` do not count, and STAC items or item collections (``.json``, ``.geojson``), whose
        data assets are the scenes. Relative names in a list start from the folder of the list.

    Raises
    ------
    SceneError
        When a list cannot be read or lists nothing, or an item has no data asset that is a local file.
    """
    found: list[str] = []
    for name in names:
        path = checked_name(Path(name))
        suffix = path.suffix.lower()
        if suffix in _LISTS and path.is_file():
            listed = _lines(path)
        elif suffix in (".json", ".geojson") and path.is_file():
            listed = _assets(path)
        else:
            found.append(str(name))
            continue
        if not listed:
            raise SceneError(f"{path}: lists no scene")
        found += [str(checked_name(path.parent / entry)) for entry in listed]
    return found


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
