"""Wavelengths from a STAC item that lies beside a raster."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import Any

__all__ = ["stac_bands"]


def stac_bands(path: Path, bands: int) -> dict[str, Any]:
    """Return wavelength, fwhm and units (µm, as STAC has them); empty if no item describes all bands.

    The item is ``NAME.stac.json`` or ``NAME.json``; it counts if it has a ``stac_version``. Bands are looked
    for in the asset whose ``href`` is the raster, then in the item's properties, in the spellings of STAC 1.0
    (``eo:bands``) and 1.1 (``bands``).
    """
    for candidate in (path.with_suffix(".stac.json"), path.with_suffix(".json")):
        try:
            item = json.loads(candidate.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if not isinstance(item, dict) or "stac_version" not in item:
            continue
        for listed in _band_lists(item, path.name):
            table = _columns(listed)
            if len(listed) == bands and all(value is not None for value in table["wavelength"]):
                complete = all(value is not None for value in table["fwhm"])
                return {
                    "wavelength": table["wavelength"],
                    "fwhm": table["fwhm"] if complete else None,
                    "units": "µm",
                }
    return {}


def _band_lists(item: dict[str, Any], file_name: str) -> list[list[dict[str, Any]]]:
    own = [
        asset
        for asset in item.get("assets", {}).values()
        if PurePosixPath(str(asset.get("href", ""))).name == file_name
    ]
    holders = [*own, item.get("properties", {})]
    return [holder[key] for holder in holders for key in ("bands", "eo:bands") if holder.get(key)]


def _columns(bands: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {
        target: [band.get(key, band.get(f"eo:{key}")) for band in bands]
        for target, key in (("wavelength", "center_wavelength"), ("fwhm", "full_width_half_max"))
    }
