"""The catalogue of scenes: what is in it, and how to get it.

``data_catalog/`` is a static STAC catalogue; its README explains the fields. It describes files and does not contain
them.
"""

from __future__ import annotations

from hsad.catalog.fetch import Fetched, fetch
from hsad.catalog.items import Asset, CatalogItem, get_item, list_items, list_libraries

__all__ = ["Asset", "CatalogItem", "Fetched", "fetch", "get_item", "list_items", "list_libraries"]
