"""The companions of a score raster: the STAC item by the specification's rules, the QGIS style."""

from __future__ import annotations

import hashlib
import itertools
import json
from xml.etree import ElementTree as ET

import jsonschema
import matplotlib as mpl
import numpy as np
import pytest
import rasterio
import shapely
import xarray as xr
from affine import Affine
from matplotlib.colors import to_rgb
from rasterio.crs import CRS

from hsad.products import write_scores
from hsad.products.palette import SCORE_PALETTE
from hsad.products.score_classes import classes_of_list
from hsad.products.stac import footprint
from hsad.scene.cube import GeoGrid

UTM = CRS.from_epsg(32633)
ROTATED = Affine(2.758164292515292, 1.4823616, 500000.1, 1.8117752993938345, -2.25667987569433, 4e6)

POSITION = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
SHAPE = {"type": "object", "required": ["type", "coordinates"]}
RING = {"type": "array", "items": POSITION, "minItems": 4}
# The rules of STAC 1.1 and of the extensions' versions, as their specifications state them.
ITEM = {
    "type": "object",
    "required": ["type", "stac_version", "id", "geometry", "properties", "links", "assets"],
    "properties": {
        "type": {"const": "Feature"},
        "stac_version": {"const": "1.1.0"},
        "stac_extensions": {
            "type": "array",
            "uniqueItems": True,
            "items": {"pattern": r"^https://stac-extensions\.github\.io/[a-z]+/v\d+\.\d+\.\d+/schema\.json$"},
        },
        "id": {"type": "string", "minLength": 1},
        "geometry": {
            "oneOf": [
                {"type": "null"},
                {**SHAPE, "properties": {"type": {"const": "Polygon"}, "coordinates": {"items": RING}}},
                {
                    **SHAPE,
                    "properties": {
                        "type": {"const": "MultiPolygon"},
                        "coordinates": {"items": {"items": RING}},
                    },
                },
            ]
        },
        "bbox": {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 4},
        "links": {
            "type": "array",
            "items": {
                "required": ["rel", "href"],
                "properties": {"file:checksum": {"type": "string", "pattern": "^1220[0-9a-f]{64}$"}},
            },
        },
        "properties": {
            "required": ["datetime", "processing:lineage", "processing:datetime"],
            "properties": {
                "datetime": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"},
                "processing:software": {"type": "object", "additionalProperties": {"type": "string"}},
                "processing:expression": {
                    "required": ["format", "expression"],
                    "properties": {"format": {"type": "string"}},
                },
                "proj:code": {"oneOf": [{"type": "null"}, {"type": "string", "pattern": "^[A-Z]+:[0-9]+$"}]},
                "proj:wkt2": {"type": "string"},
                "proj:shape": {"items": {"type": "integer"}, "minItems": 2, "maxItems": 2},
                "proj:transform": {"items": {"type": "number"}, "minItems": 6, "maxItems": 6},
            },
        },
        "assets": {
            "required": ["scores"],
            "additionalProperties": {
                "required": ["href", "type", "roles"],
                "properties": {
                    "file:checksum": {"type": "string", "pattern": "^1220[0-9a-f]{64}$"},
                    "file:size": {"type": "integer", "minimum": 0},
                    "bands": {
                        "items": {
                            "required": ["name", "data_type", "nodata"],
                            "properties": {
                                "data_type": {"const": "float32"},
                                "nodata": {"const": "nan"},
                                "raster:sampling": {"enum": ["area", "point"]},
                                "statistics": {
                                    "additionalProperties": {"type": "number"},
                                    "propertyNames": {
                                        "enum": [
                                            "minimum",
                                            "maximum",
                                            "mean",
                                            "stddev",
                                            "count",
                                            "valid_percent",
                                        ]
                                    },
                                },
                            },
                        }
                    },
                },
            },
        },
    },
    "if": {"properties": {"geometry": {"type": "null"}}},
    "then": {"not": {"required": ["bbox"]}},
    "else": {"required": ["bbox"]},
}


def written(folder, grid, values=None, **attrs):
    values = np.random.default_rng(0).chisquare(50, (grid.rows, grid.cols)) if values is None else values
    scores = grid.attach(xr.DataArray(values, dims=("y", "x"), attrs=attrs))
    path = write_scores(scores, folder / "my scores.tif")
    return path, json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "crs, transform",
    [
        (UTM, ROTATED),
        (CRS.from_proj4("+proj=sinu +lon_0=0 +R=6371007.181 +units=m"), Affine(30, 0, 5e5, 0, -30, 4e6)),
        (CRS.from_wkt('LOCAL_CS["Arbitrary",UNIT["metre",1]]'), Affine(30, 0, 5e5, 0, -30, 4e6)),
        (UTM, Affine(1e12, 0, 5e15, 0, -1e12, 4e15)),
        (UTM, None),
        (None, ROTATED),
        (None, None),
    ],
)
def test_item_follows_the_specification(tmp_path, crs, transform):
    source = tmp_path / "scene.mat"
    source.write_bytes(b"spectra")
    grid = GeoGrid(60, 50, crs, transform)
    attrs = {"method": "rx", "parameters": '{"trim": 0.1}', "version": "1.2.3", "source": f"{source}:data"}
    path, item = written(tmp_path, grid, **attrs)
    jsonschema.validate(item, ITEM)
    asset = item["assets"]["scores"]
    content = path.read_bytes()
    assert asset["href"] == "./my%20scores.tif"
    assert asset["file:size"] == len(content)
    assert asset["file:checksum"] == "1220" + hashlib.sha256(content).hexdigest()
    properties = item["properties"]
    assert properties["processing:software"] == {"hsad": "1.2.3"}
    assert properties["processing:expression"]["expression"] == {"method": "rx", "parameters": {"trim": 0.1}}
    (link,) = item["links"]
    assert (link["rel"], link["href"]) == ("derived_from", "scene.mat")
    assert link["file:checksum"] == "1220" + hashlib.sha256(b"spectra").hexdigest()
    declared = {url.split("/")[3] for url in item["stac_extensions"]}
    assert {"processing", "raster", "file"} <= declared
    assert ("projection" in declared) == any(name.startswith("proj:") for name in properties)
    if transform is not None:
        assert properties["proj:transform"] == list(transform)[:6]
        assert properties["proj:shape"] == [60, 50]
    if crs == UTM:
        assert properties["proj:code"] == "EPSG:32633"
    elif crs is not None:
        assert properties["proj:code"] is None
        assert CRS.from_wkt(properties["proj:wkt2"]) == crs


def test_item_reads_with_pystac(tmp_path):
    pystac = pytest.importorskip("pystac")
    _, item = written(tmp_path, GeoGrid(60, 50, UTM, ROTATED), method="rx")
    read = pystac.Item.from_dict(item)
    assert read.id == "my scores"
    assert read.datetime is not None
    assert read.assets["scores"].media_type == pystac.MediaType.COG


def test_item_without_provenance_or_valid_pixels(tmp_path):
    _, item = written(tmp_path, GeoGrid(6, 5, None, None), np.full((6, 5), np.nan))
    jsonschema.validate(item, ITEM)
    assert item["links"] == []
    assert item["geometry"] is None
    assert "statistics" not in item["assets"]["scores"]["bands"][0]


@pytest.mark.parametrize("transform", [ROTATED, Affine(20, 0, 7e5, 0, 30, 5e6)])
def test_footprint_is_the_outline_in_longitude_and_latitude(transform):
    import pyproj  # an independent road to PROJ

    rows, cols = 4000, 3000
    shape = footprint(GeoGrid(rows, cols, UTM, transform))
    (ring,) = shape["coordinates"]
    to_utm = pyproj.Transformer.from_crs(4326, 32633, always_xy=True)
    x, y = np.array(to_utm.transform(*np.transpose(ring)))
    a, b, c, d, e, f, *_ = transform
    column, row = np.linalg.solve([[a, b], [d, e]], [x - c, y - f])
    on_edge = np.minimum.reduce([abs(column), abs(row), abs(column - cols), abs(row - rows)])
    assert on_edge.max() < 0.01  # pixels; coordinates are rounded to a centimetre
    corners = {(round(p, 1) + 0.0, round(q, 1) + 0.0) for p, q in zip(column, row, strict=True)}
    assert {(0, 0), (cols, 0), (0, rows), (cols, rows)} <= corners
    assert ring[0] == ring[-1]
    assert sum(p[0] * q[1] - q[0] * p[1] for p, q in itertools.pairwise(ring)) > 0  # counterclockwise


def test_footprint_is_split_at_the_antimeridian(tmp_path):
    grid = GeoGrid(100, 200, CRS.from_epsg(32660), Affine(1000, 0, 7e5, 0, -1000, 2e5))
    _, item = written(tmp_path, grid)
    jsonschema.validate(item, ITEM)
    assert item["geometry"]["type"] == "MultiPolygon"
    west, south, east, north = item["bbox"]
    assert 178 < west < 180
    assert -180 < east < -178
    assert south < north


def style_items(path):
    root = ET.parse(path.with_suffix(".qml")).getroot()  # noqa: S314  written by this test
    renderer = root.find("pipe/rasterrenderer")
    assert (renderer.get("type"), renderer.get("band")) == ("singlebandpseudocolor", "1")
    shader = renderer.find("rastershader/colorrampshader")
    assert shader.get("colorRampType") == "DISCRETE"
    items = shader.findall("item")
    return [float(item.get("value")) for item in items], items


def test_style_has_five_classes_by_the_share_of_pixels(tmp_path):
    values = np.arange(2000.0).reshape(40, 50)
    values[0, :10] = np.nan
    path, _ = written(tmp_path, GeoGrid(40, 50, UTM, ROTATED), values)
    text = path.with_suffix(".qml").read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE qgis")
    places, items = style_items(path)
    np.testing.assert_allclose(places[:-1], np.nanpercentile(values, (50, 95, 99, 99.9)))
    assert places[-1] == np.inf
    labels = [item.get("label") for item in items]
    assert labels == ["lower half of the scores", "upper half", "highest 5 %", "highest 1 %", "highest 0.1 %"]
    assert [item.get("alpha") for item in items] == ["0", "150", "255", "255", "255"]
    assert len({item.get("color") for item in items}) == 5


@pytest.mark.parametrize("fill", [np.nan, 3.5])
def test_style_of_an_empty_or_constant_map_has_classes_that_rise(tmp_path, fill):
    path, _ = written(tmp_path, GeoGrid(6, 5, None, None), np.full((6, 5), fill))
    places, items = style_items(path)
    assert len(items) == 5
    assert (np.diff(places) > 0).all()
    assert np.isfinite(places[:-1]).all()


def test_classes_of_a_list_begin_where_its_grades_begin():
    grades = {"possible": (0.5, 4.0), "likely": (0.3, 5.0), "almost certain": (0.1, None)}
    classes = classes_of_list(1.0, 4.0, 9.0, grades)
    assert [one.upper for one in classes[:3]] == [1.0, 4.0, 5.0]
    assert classes[3].upper > 9.0  # nothing in the scene is almost certain
    assert [one.label for one in classes] == [
        "lower half of the scores",
        "no better than background",
        "possible: background with probability 0.5 at most",
        "likely: background with probability 0.3 at most",
        "almost certain: background with probability 0.1 at most (no score here)",
    ]
    lower = classes_of_list(1.0, 2.0, 9.0, grades)  # a list by another rule starts where nothing is possible yet
    assert [one.upper for one in lower] == [one.upper for one in classes]
    none = classes_of_list(1.0, 2.0, 9.0, dict.fromkeys(grades, (0.5, None)))
    assert [one.upper > 9.0 for one in none] == [False, True, True, True, True]  # all of it is background
    thirds = classes_of_list(1.0, 3.0, 9.0, {})
    np.testing.assert_allclose([one.upper for one in thirds], [1, 3, 5, 7, np.inf])


def test_palette_is_perceptually_uniform():
    inferno = mpl.colormaps["inferno"]
    places = np.linspace(0, 1, len(SCORE_PALETTE))
    np.testing.assert_allclose([to_rgb(c) for c in SCORE_PALETTE], inferno(places)[:, :3], atol=0.01)


@pytest.mark.parametrize(
    "acquired, times",
    [
        ("2021-06-05T10:20:30Z", {"datetime": "2021-06-05T10:20:30Z"}),
        ("2021-06-05T12:20:30+02:00", {"datetime": "2021-06-05T10:20:30Z"}),
        ("2021-06-05T10:20:30.250", {"datetime": "2021-06-05T10:20:30.250Z"}),
        ("2021-06-05", {"start_datetime": "2021-06-05T00:00:00Z", "end_datetime": "2021-06-05T23:59:59Z"}),
        (
            "2021-06-05T10:20:30Z/2021-06-05T10:20:34Z",
            {"start_datetime": "2021-06-05T10:20:30Z", "end_datetime": "2021-06-05T10:20:34Z"},
        ),
    ],
)
def test_an_item_says_when_its_scene_was_acquired(tmp_path, acquired, times):
    scores = GeoGrid(4, 5, UTM, ROTATED).attach(xr.DataArray(np.ones((4, 5)), dims=("y", "x")))
    scores.attrs |= {"method": "rx", "acquired": acquired}
    properties = json.loads(write_scores(scores, tmp_path / "s.tif").with_suffix(".json").read_text())["properties"]
    stated = {name: properties[name] for name in ("start_datetime", "end_datetime", "datetime") if name in properties}
    assert stated == {"datetime": None, **times}
    assert properties["created"] == properties["processing:datetime"] != properties["datetime"]
    with rasterio.open(tmp_path / "s.tif") as dataset:
        assert dataset.tags()["HSAD_ACQUIRED"] == acquired


@pytest.mark.parametrize("acquired", ["", "yesterday", "2021-06-05/2021-06-06/2021-06-07", "/"])
def test_an_item_without_a_time_of_acquisition_says_so(tmp_path, acquired):
    scores = xr.DataArray(np.ones((4, 5)), dims=("y", "x"), attrs={"acquired": acquired})
    item = json.loads(write_scores(scores, tmp_path / "s.tif").with_suffix(".json").read_text())
    jsonschema.validate(item, ITEM)
    assert item["properties"]["datetime"] == item["properties"]["created"]
    assert "datetime is the time of processing" in item["properties"]["description"]


@pytest.mark.parametrize(
    "west, bbox", [(0.0, [-180, 0, 180, 5]), (179.0, [179, 0, -171, 5]), (200.0, [-160, 0, -150, 5])]
)
def test_grids_of_0_to_360_degrees_lie_within_180(tmp_path, west, bbox):
    cols = 72 if west == 0 else 2
    grid = GeoGrid(1, cols, CRS.from_epsg(4326), Affine(5, 0, west, 0, -5, 5))
    scores = grid.attach(xr.DataArray(np.ones((1, cols)), dims=("y", "x")))
    item = json.loads(write_scores(scores, tmp_path / "s.tif").with_suffix(".json").read_text())
    assert item["bbox"] == pytest.approx(bbox)
    shape = shapely.geometry.shape(item["geometry"])
    assert shape.is_valid
    assert shape.area == pytest.approx(25 * cols)
    assert shape.bounds[0] >= -180
    assert shape.bounds[2] <= 180
