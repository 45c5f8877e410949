"""Lists of anomalies in the formats of other programs, read again by those programs' libraries."""

from __future__ import annotations

import csv
import json
import sqlite3
from xml.etree import ElementTree as ET

import numpy as np
import pyogrio
import pytest
import shapely
import xarray as xr
from affine import Affine
from rasterio.crs import CRS
from scipy import ndimage

import hsad
from hsad.anomalies.vectors import COLUMNS, SPECTRA, read_anomalies
from hsad.errors import OutputError
from hsad.scene.cube import GeoGrid

UTM = Affine(30.0, 0, 364000, 0, -30.0, 5810000)
TABLE = [name for name in COLUMNS if name not in SPECTRA]


def scores(crs=32633, source="scene.hdr"):
    """Smooth noise with six bright objects, scored by a method that has a table."""
    values = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(80, 90)), 1.0) * 3
    values[10:70:10, 40:43] = 40.0
    grid = GeoGrid(80, 90, None if crs is None else CRS.from_epsg(crs), None if crs is None else UTM)
    return grid.attach(xr.DataArray(values, dims=("y", "x"), attrs={"method": "auto", "source": source}))


@pytest.fixture(scope="module")
def found():
    return hsad.polygons(scores())


def read(path, layer=None):
    meta, _, wkb, fields = pyogrio.raw.read(path, layer=layer)
    return meta, shapely.from_wkb(wkb), dict(zip(meta["fields"], fields, strict=True))


def test_a_csv_file_has_a_row_for_each_anomaly(found, tmp_path):
    hsad.write_anomalies(found, tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == TABLE
    assert [int(row["id"]) for row in rows] == found.columns["id"].tolist()
    np.testing.assert_array_equal([float(row["score_max"]) for row in rows], found.columns["score_max"])
    np.testing.assert_array_equal([float(row["p_false"]) for row in rows], found.columns["p_false"])
    assert [row["grade"] for row in rows] == found.columns["grade"].tolist()
    assert {row["trusted"] for row in rows} <= {"True", "False"}
    assert {row["note"] for row in rows} == {""}


def test_a_text_of_a_csv_file_is_no_formula(tmp_path):
    hsad.write_anomalies(hsad.polygons(scores(source="=1+1")), tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
        assert {row["source"] for row in csv.DictReader(file)} == {"'=1+1"}


def test_a_shapefile_has_names_of_ten_characters(found, tmp_path):
    hsad.write_anomalies(found, tmp_path / "a.shp")
    assert {path.name for path in tmp_path.iterdir()} == {f"a.{end}" for end in ("shp", "shx", "dbf", "prj", "cpg")}
    meta, outlines, table = read(tmp_path / "a.shp")
    assert list(meta["fields"]) == [name[:10] for name in TABLE]
    assert shapely.equals(outlines, found.outline).all()
    assert CRS.from_user_input(meta["crs"]).to_epsg() == 32633
    np.testing.assert_array_equal(table["n_pixels"], found.columns["n_pixels"])
    np.testing.assert_allclose(table["score_max"], found.columns["score_max"], rtol=1e-12)
    np.testing.assert_allclose(table["expected_f"], found.columns["expected_false"], rtol=1e-9, atol=1e-14)
    assert table["grade"].tolist() == found.columns["grade"].tolist()
    with pytest.raises(OutputError, match="exists already"):
        hsad.write_anomalies(found, tmp_path / "a.shp")
    (tmp_path / "a.shp").unlink()
    with pytest.raises(OutputError, match=r"a\.dbf exists already"):
        hsad.write_anomalies(found, tmp_path / "a.shp")
    hsad.write_anomalies(found, tmp_path / "a.shp", overwrite=True)
    assert len(read(tmp_path / "a.shp")[1]) == len(found)


def test_kml_is_in_longitude_and_latitude(found, tmp_path):
    hsad.write_anomalies(found, tmp_path / "a.kml")
    meta, outlines, table = read(tmp_path / "a.kml")
    assert CRS.from_user_input(meta["crs"]).to_epsg() == 4326
    west, south, east, north = shapely.total_bounds(outlines)
    assert 12.9 < west < east < 13.1
    assert 52.3 < south < north < 52.5
    np.testing.assert_allclose([float(value) for value in table["score_max"]], found.columns["score_max"])
    names = [node.text for node in ET.parse(tmp_path / "a.kml").getroot().iter() if node.tag.endswith("}name")]  # noqa: S314  ours
    assert [name for name in names if name.isdigit()] == [str(number) for number in found.columns["id"]]
    with pytest.raises(OutputError, match=r"b\.kml: KML holds longitude and latitude.*choose \.gpkg"):
        hsad.write_anomalies(hsad.polygons(scores(crs=None)), tmp_path / "b.kml")
    assert not (tmp_path / "b.kml").exists()


def test_candidates_are_a_layer_of_their_own(found, tmp_path):
    hsad.write_anomalies(found, tmp_path / "a.gpkg")
    hsad.write_anomalies(found, tmp_path / "a.geojson")
    assert sorted(name for name, _ in pyogrio.list_layers(tmp_path / "a.gpkg")) == [
        "anomalies", "candidates", "layer_styles",
    ]  # fmt: skip
    assert len(read_anomalies(tmp_path / "a.gpkg")) == len(found)
    meta, outlines, table = read(tmp_path / "a.gpkg", "candidates")
    assert list(meta["fields"]) == list(COLUMNS)
    assert shapely.equals(outlines, found.candidates.outline).all()
    assert table["id"].tolist() == found.candidates.columns["id"].tolist()
    with sqlite3.connect(tmp_path / "a.gpkg") as database:
        styled = database.execute("SELECT DISTINCT f_table_name FROM layer_styles ORDER BY 1").fetchall()
        assert styled == [("anomalies",), ("candidates",)]
    database.close()
    document = json.loads((tmp_path / "a.geojson").read_text())
    assert len(document["features"]) == len(found)
    assert [feature["id"] for feature in document["candidates"]] == found.candidates.columns["id"].tolist()
    assert {"p_false", "grade", "trusted"} <= set(document["features"][0]["properties"])


@pytest.mark.parametrize("suffix", [".gpkg", ".geojson", ".csv", ".shp", ".kml"])
def test_a_list_without_anomalies_is_a_file_without_rows(tmp_path, suffix):
    nothing = hsad.polygons(scores(), threshold=100.0)
    path = hsad.write_anomalies(nothing, tmp_path / f"a{suffix}")
    if suffix == ".csv":
        assert path.read_text(encoding="utf-8").splitlines() == [",".join(TABLE)]
    else:
        layer = "anomalies" if suffix == ".gpkg" else None
        assert pyogrio.read_info(path, layer=layer)["features"] == 0
