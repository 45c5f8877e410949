"""The catalogue is valid STAC, with the extensions that its files name."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import jsonschema
import pytest

from hsad.catalog import list_items

ROOT = Path(__file__).resolve().parents[2] / "data_catalog"
FILES = sorted(ROOT.rglob("*.json"))
ITEMS = list_items()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_keeps_the_core_rules_of_stac(path):
    content = json.loads(path.read_text())
    assert content["stac_version"] == "1.1.0"
    assert content["type"] == {"catalog": "Catalog", "collection": "Collection"}.get(path.stem, "Feature")
    relations = [link["rel"] for link in content["links"]]
    assert relations.count("root") == 1
    assert relations.count("parent") == (path.stem != "catalog")
    for link in content["links"]:
        assert link["href"].startswith(("./", "../", "http://", "https://"))
        if link["href"].startswith("."):
            assert (path.parent / link["href"]).is_file(), link
    if content["type"] != "Feature":
        assert content["description"]
        return
    assert content["id"] == path.stem
    assert content["collection"] == path.parent.name
    assert ("bbox" in content) == (content["geometry"] is not None)
    properties = content["properties"]
    dates = [properties[key] for key in ("start_datetime", "end_datetime") if key in properties]
    if properties["datetime"] is None:
        start, end = (datetime.fromisoformat(date) for date in dates)
        assert start < end
    for asset in content["assets"].values():
        assert asset["href"]
        assert asset["roles"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_is_valid_by_the_published_schemas(path):
    pystac = pytest.importorskip("pystac", reason="pystac brings the schemas of STAC 1.1 along")
    from jsonschema_specifications import REGISTRY
    from referencing import Resource

    folder = Path(pystac.__file__).parent / "validation" / "jsonschemas"
    places = {
        "geojson": "https://geojson.org/schema/",
        "stac-spec/v1.1.0": "https://schemas.stacspec.org/v1.1.0/item-spec/json-schema/",
    }
    schemas, registry = {}, REGISTRY
    for place, address in places.items():
        for file in (folder / place).glob("*.json"):
            schemas[file.stem] = json.loads(file.read_text())
            # By the name that others call it by: one of them misspells its own.
            registry = registry.with_resource(address + file.name, Resource.from_contents(schemas[file.stem]))
    content = json.loads(path.read_text())
    kind = {"Catalog": "catalog", "Collection": "collection", "Feature": "item"}[content["type"]]
    jsonschema.Draft7Validator(schemas[kind], registry=registry).validate(content)
    broken = {**content, "stac_version": "0.9"} if kind != "item" else {**content, "properties": {}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(schemas[kind], registry=registry).validate(broken)


#: The rules of the extensions for the fields that the catalogue uses, as their documents state them.
RULES = {
    "https://stac-extensions.github.io/file/v2.1.0/schema.json": {
        "file:size": {"type": "integer", "minimum": 0},
        "file:checksum": {"type": "string", "pattern": "^1220[0-9a-f]{64}$"},  # multihash, of SHA-256 here
    },
    "https://stac-extensions.github.io/scientific/v1.0.0/schema.json": {
        "sci:doi": {"type": "string", "pattern": r"^10\.[0-9a-zA-Z]{4,}/\S+$"},
        "sci:citation": {"type": "string"},
        "sci:publications": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "minProperties": 1,
                "properties": {"doi": {"pattern": r"^10\.[0-9a-zA-Z]{4,}/\S+$"}, "citation": {"type": "string"}},
            },
        },
    },
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json": {
        "proj:code": {"type": ["string", "null"], "pattern": "^[^:]+:[^:]+$"},
        "proj:shape": {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2},
        "proj:transform": {"type": "array", "items": {"type": "number"}, "minItems": 6, "maxItems": 9},
    },
    "https://stac-extensions.github.io/eo/v2.0.0/schema.json": {
        "eo:center_wavelength": {"type": "number", "exclusiveMinimum": 0, "maximum": 100},  # µm
        "eo:cloud_cover": {"type": ["number", "null"], "minimum": 0, "maximum": 100},
    },
}


def fields_of(content):
    """Return all fields with a prefix, in an item or collection and in its properties, assets and bands."""
    places = [content, content.get("properties", {}), *content.get("assets", {}).values()]
    places += [band for asset in content.get("assets", {}).values() for band in asset.get("bands", [])]
    return [(name, value) for place in places for name, value in place.items() if ":" in name]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_keeps_the_rules_of_the_extensions_it_names(path):
    content = json.loads(path.read_text())
    rules = {name: rule for address in content.get("stac_extensions", []) for name, rule in RULES[address].items()}
    for name, value in fields_of(content):
        if not name.startswith("hsad:"):
            jsonschema.Draft7Validator(rules[name]).validate(value)  # KeyError: the extension is not named
    if "sci:doi" in {**content, **content.get("properties", {})}:
        doi = {**content, **content.get("properties", {})}["sci:doi"]
        assert f"https://doi.org/{doi}" in [link["href"] for link in content["links"] if link["rel"] == "cite-as"]


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.name)
def test_another_reader_finds_the_same_in_the_extensions(item):
    pystac = pytest.importorskip("pystac")
    from pystac.extensions.file import FileExtension
    from pystac.extensions.scientific import ScientificExtension

    read = pystac.Item.from_dict(item.to_dict())
    for asset in item.assets:
        if FileExtension.has_extension(read):
            found = FileExtension.ext(read.assets[asset.key])
            assert found.size == asset.size
            assert found.checksum == (None if asset.sha256 is None else f"1220{asset.sha256}")
    if ScientificExtension.has_extension(read):
        found = ScientificExtension.ext(read)
        published = [entry.doi for entry in found.publications or []]
        assert item.doi == (found.doi or (published[0] if published else None))
        assert item.summary()["citation"] == found.citation
