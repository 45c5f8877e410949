"""Wavelengths from a STAC item that lies beside a raster."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import Any

__all__ = ["stac_bands"]

_LARGEST = 16 * 2**20  # bytes; the item of a scene has a few thousand


def stac_bands(path: Path, bands: int) -> dict[str, Any]:
    """Return wavelength, fwhm and units (µm, the unit of STAC), or an empty dict if no item describes all bands.

    The item is ``NAME.stac.json`` or ``NAME.json`` and has a ``stac_version``. The function searches the asset whose
    ``href`` is the raster, then the item's properties, for the list of bands of STAC 1.1 (``bands``) or 1.0
    (``eo:bands``).
    """
    for candidate in (path.with_suffix(".stac.json"), path.with_suffix(".json")):
        if not candidate.is_file() or candidate.stat().st_size > _LARGEST:
            continue
        try:
            item = json.loads(candidate.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError, RecursionError):
            continue
        if not isinstance(item, dict) or "stac_version" not in item:
            continue
        for listed in _band_lists(item, path.name):
            table = _columns(listed)
            if len(listed) == bands and all(_is_number(value) for value in table["wavelength"]):
                complete = all(_is_number(value) for value in table["fwhm"])
                return {
                    "wavelength": table["wavelength"],
                    "fwhm": table["fwhm"] if complete else None,
                    "units": "µm",
                }
    return {}


def _band_lists(item: dict[str, Any], file_name: str) -> list[list[dict[str, Any]]]:
    assets = item.get("assets")
    of_raster = [
        asset
        for asset in (assets.values() if isinstance(assets, dict) else ())
        if isinstance(asset, dict) and PurePosixPath(str(asset.get("href", ""))).name == file_name
    ]
    holders = [holder for holder in (*of_raster, item.get("properties")) if isinstance(holder, dict)]
    listed = [holder.get(key) for holder in holders for key in ("bands", "eo:bands")]
    return [bands for bands in listed if isinstance(bands, list) and all(isinstance(band, dict) for band in bands)]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _columns(bands: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {
        target: [band.get(key, band.get(f"eo:{key}")) for band in bands]
        for target, key in (("wavelength", "center_wavelength"), ("fwhm", "full_width_half_max"))
    }
