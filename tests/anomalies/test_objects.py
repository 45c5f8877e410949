"""Anomalies: the same objects whatever the strips, valid outlines, files that others read."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from xml.etree import ElementTree as ET

import numpy as np
import pyogrio
import pytest
import shapely
import xarray as xr
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Geod
from rasterio.crs import CRS
from rasterio.features import rasterize
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

import hsad
from hsad.anomalies.decide import threshold_to_file
from hsad.anomalies.marks.reviewed import Mark
from hsad.anomalies.marks.written import set_marks
from hsad.anomalies.objects import _groups, find_objects
from hsad.anomalies.options import ListOptions
from hsad.anomalies.vectors import COLUMNS, read_anomalies
from hsad.errors import OutputError, ParameterError, SceneError
from hsad.scene.cube import GeoGrid

ROTATED = Affine(4.5, 2.0, 500000.1, 2.0, -4.5, 4e6)


def noise(rows, cols, seed=0, smooth=1.0):
    return ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(rows, cols)), smooth)


def strips(scores, height):
    return [(first, scores[first : first + height]) for first in range(0, len(scores), height)]


@given(
    seed=st.integers(0, 99),
    height=st.integers(1, 20),
    merge=st.integers(1, 4),
    share=st.sampled_from([0.5, 0.8, 0.95]),
    below=st.sampled_from([0.0, 0.1, 0.3]),
)
def test_strips_give_what_the_whole_gives(seed, height, merge, share, below):
    scores = noise(33, 27, seed)
    scores[np.random.default_rng(seed).random(scores.shape) < 0.05] = np.nan
    threshold, joined_from = np.nanquantile(scores, [share, share - below])
    whole = find_objects([(0, scores)], threshold, merge=merge, joined_from=joined_from)
    parts = find_objects(strips(scores, height), threshold, merge=merge, joined_from=joined_from)
    for name in ("pixels", "score_max", "row", "col"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))
    np.testing.assert_allclose(parts.score_mean, whole.score_mean, rtol=1e-13)
    assert shapely.equals_exact(parts.outline, whole.outline).all()
    assert shapely.is_valid(parts.outline).all()


@pytest.mark.parametrize("merge", [1, 2, 3])
def test_objects_are_those_of_a_naive_search(merge):
    scores = noise(30, 40, 3)
    threshold = np.quantile(scores, 0.9)
    pixels = list(zip(*np.nonzero(scores >= threshold), strict=True))
    groups = []
    for pixel in pixels:
        near = [g for g in groups if any(max(abs(pixel[0] - r), abs(pixel[1] - c)) <= merge for r, c in g)]
        groups = [g for g in groups if g not in near] + [[pixel, *(p for g in near for p in g)]]
    found = find_objects([(0, scores)], threshold, merge=merge)
    assert sorted(found.pixels) == sorted(map(len, groups))
    for number, outline in enumerate(found.outline):
        burnt = rasterize([outline], out_shape=scores.shape)
        group = next(g for g in groups if (found.row[number], found.col[number]) in g)
        assert sorted(zip(*np.nonzero(burnt), strict=True)) == sorted(group)
        assert found.score_mean[number] == pytest.approx(np.mean([scores[p] for p in group]))
        assert found.score_max[number] == max(scores[p] for p in group)


@pytest.mark.parametrize("below", [0.05, 0.2])
def test_parts_are_joined_where_a_region_of_the_lower_score_holds_both(below):
    scores = noise(40, 50, 5)
    threshold, joined_from = np.quantile(scores, [0.95, 0.95 - below])
    parts = ndimage.label(scores >= threshold, np.ones((3, 3)))[0]
    regions, count = ndimage.label(scores >= joined_from, np.ones((3, 3)))
    wanted = [np.count_nonzero((regions == k) & (parts > 0)) for k in range(1, count + 1)]
    wanted = sorted(pixels for pixels in wanted if pixels)
    found = find_objects(strips(scores, 7), threshold, joined_from=joined_from)
    inside = [parts[row, col] for row, col in zip(found.row, found.col, strict=True)]
    assert len(set(inside)) == len(inside) < parts.max()
    assert sorted(found.pixels) == wanted
    assert sum(outline.area for outline in found.outline) == np.count_nonzero(parts)
    above = find_objects([(0, scores)], threshold, joined_from=threshold + 1)
    assert len(above) == parts.max()


def test_what_lies_in_a_hole_is_one_object_with_what_is_around_it_unless_the_hole_is_large():
    scores = np.zeros((40, 40))
    scores[2:15, 2:15] = 1.0
    scores[4:13, 4:13] = 0.0
    scores[8, 8] = 3.0
    ring = 13 * 13 - 9 * 9  # 88 pixels around a hole of 81
    assert list(find_objects(strips(scores, 3), 0.5).pixels) == [ring + 1]
    assert list(find_objects([(0, scores)], 0.5, min_pixels=2).pixels) == [ring + 1]
    scores[3:14, 3:14] = 0.0
    scores[8, 8] = 3.0  # 48 pixels around a hole of 121
    assert list(find_objects(strips(scores, 3), 0.5).pixels) == [1, 48]


def test_holes_stay_holes_and_small_objects_go():
    scores = np.zeros((20, 20))
    scores[2:9, 2:9] = 1.0
    scores[4:7, 4:7] = 0.0
    scores[15, 15] = 2.0
    found = find_objects(strips(scores, 3), 0.5)
    assert list(found.pixels) == [1, 40]
    assert len(found.outline[1].interiors) == 1
    assert found.outline[1].area == 40
    assert list(find_objects([(0, scores)], 0.5, min_pixels=2).pixels) == [40]
    assert len(find_objects([(0, scores)], 5.0)) == 0
    assert len(find_objects([(0, np.full((4, 4), np.nan))], 0.0)) == 0
    with pytest.raises(ParameterError, match="min_pixels must be at least 1"):
        find_objects([(0, scores)], 1.0, min_pixels=0)


@pytest.mark.long
def test_a_hundred_thousand_objects():
    scores = np.zeros((2000, 2000), dtype=np.float32)
    scores[::6, ::6] = 1 + np.random.default_rng(0).random((334, 334))
    found = find_objects(strips(scores, 128), 0.5)
    assert len(found) == 334 * 334
    assert (np.diff(found.score_max) <= 0).all()


def georeferenced(scores, transform=ROTATED, crs=32633, **attrs):
    grid = GeoGrid(*scores.shape, None if crs is None else CRS.from_epsg(crs), transform)
    return grid.attach(xr.DataArray(scores, dims=("y", "x"), attrs={"method": "auto", **attrs}))


def test_outlines_lie_where_the_pixels_lie():
    scores = noise(40, 30)
    found = hsad.polygons(georeferenced(scores), threshold=float(np.quantile(scores, 0.9)), merge=1)
    burnt = rasterize(found.outline, out_shape=scores.shape, transform=ROTATED)
    np.testing.assert_array_equal(burnt == 1, scores >= np.quantile(scores, 0.9))
    np.testing.assert_allclose(shapely.area(found.outline), found.columns["area_m2"])
    assert list(found.columns["id"]) == list(range(1, len(found) + 1))
    row, col = found.columns["row"][0], found.columns["col"][0]
    x, y = ROTATED * (col + 0.5, row + 0.5)
    transformer = __import__("pyproj").Transformer.from_crs(32633, 4326, always_xy=True)
    assert (found.columns["lon"][0], found.columns["lat"][0]) == pytest.approx(transformer.transform(x, y), abs=1e-7)


def test_areas_in_degrees_are_those_of_the_ellipsoid():
    scores = noise(20, 20)
    found = hsad.polygons(
        georeferenced(scores, Affine(0.001, 0, 11, 0, -0.001, 48), 4326), threshold=float(scores.max())
    )
    area = abs(Geod(ellps="WGS84").geometry_area_perimeter(found.outline[0])[0])
    assert found.columns["area_m2"][0] == pytest.approx(area, rel=0.005)


@pytest.mark.parametrize(
    "crs, transform", [(32633, ROTATED), (None, None), (4326, Affine(0.001, 0, 11, 0, -0.001, 48))]
)
def test_files_are_read_by_others(tmp_path, crs, transform):
    scores = georeferenced(noise(60, 50), transform, crs, source="a <b> & c")
    found = hsad.polygons(scores, false_objects=100)
    hsad.write_anomalies(found, tmp_path / "a.gpkg")
    hsad.write_anomalies(found, tmp_path / "a.geojson")
    meta, _, wkb, fields = pyogrio.raw.read(tmp_path / "a.gpkg", layer="anomalies")
    assert list(meta["fields"]) == list(COLUMNS)
    table = dict(zip(meta["fields"], fields, strict=True))
    np.testing.assert_array_equal(table["n_pixels"], found.columns["n_pixels"])
    np.testing.assert_array_equal(table["score_max"], found.columns["score_max"])
    assert (np.diff(table["expected_false"]) >= 0).all()
    outlines = shapely.from_wkb(wkb)
    assert shapely.is_valid(outlines).all()
    assert shapely.equals(outlines, found.outline).all()
    assert (meta["crs"] is not None) == (crs is not None)
    with sqlite3.connect(tmp_path / "a.gpkg") as database:
        styles = database.execute("SELECT styleName, f_table_name, styleQML, useAsDefault FROM layer_styles").fetchall()
        assert [(name, table, default) for name, table, _, default in styles] == [
            ("by grade", "anomalies", 1),
            ("by state", "anomalies", 0),
        ]
        for (_, _, text, _), field in zip(styles, ("grade", "state"), strict=True):
            assert ET.fromstring(text).find("renderer-v2").get("attr") == field  # noqa: S314  hsad wrote it
        contents = dict(database.execute("SELECT table_name, data_type FROM gpkg_contents"))
    database.close()
    assert contents == {"anomalies": "features", "layer_styles": "attributes"}

    document = json.loads((tmp_path / "a.geojson").read_text())
    shapes = np.array([shapely.geometry.shape(f["geometry"]) for f in document["features"]])
    assert shapely.is_valid(shapes).all()
    assert all(f["properties"]["source"] == "a <b> & c" for f in document["features"])
    assert document["threshold"]["rule"] == "bank"
    if crs is not None:
        first = document["features"][0]["properties"]
        assert shapes[0].buffer(1e-6).contains(shapely.Point(first["lon"], first["lat"]))
        assert shapely.get_coordinates(shapes)[:, 0].max() < 20
        outer = shapely.geometry.shape(document["features"][0]["geometry"])
        assert getattr(outer, "geoms", [outer])[0].exterior.is_ccw


def test_marks_go_into_the_geopackage(tmp_path):
    found = hsad.polygons(georeferenced(noise(60, 50)), false_objects=100)
    path = hsad.write_anomalies(found, tmp_path / "a.gpkg")
    before = pyogrio.raw.read(path, layer="anomalies")[2]
    marks = {1: Mark("real", "a blue car", "vehicle"), 3: Mark("not real"), 2: Mark("pending", "", "")}
    assert set_marks(path, marks) == 2
    records = read_anomalies(path)[:4]
    assert [record["state"] for record in records] == ["real", "pending", "not real", "pending"]
    assert [(record["note"], record["class"]) for record in records[:2]] == [("a blue car", "vehicle"), (None, None)]
    np.testing.assert_array_equal(pyogrio.raw.read(path, layer="anomalies")[2], before)
    assert set_marks(path, {1: Mark("unsure")}) == 1  # a note that is not stated stays
    assert [read_anomalies(path)[0][name] for name in ("state", "note")] == ["unsure", "a blue car"]
    assert set_marks(path, {1: Mark("real", "")}) == 1
    assert [read_anomalies(path)[0][name] for name in ("state", "note", "class")] == ["real", None, "vehicle"]
    with pytest.raises(ParameterError, match="has no anomaly 99999"):
        set_marks(path, {1: Mark("not real"), 99999: Mark("real")})
    assert read_anomalies(path)[0]["state"] == "real"
    with pytest.raises(SceneError, match="written into a GeoPackage"):
        set_marks(tmp_path / "a.geojson", {1: Mark("real")})


def test_files_of_earlier_versions_are_read_and_marked(tmp_path):
    found = hsad.polygons(georeferenced(noise(60, 50)), false_objects=100)
    path = hsad.write_anomalies(found, tmp_path / "a.gpkg")
    with closing(sqlite3.connect(path)) as database, database:
        for name in ("ST_IsEmpty", "ST_MinX", "ST_MaxX", "ST_MinY", "ST_MaxY"):
            database.create_function(name, 1, lambda _: None)
        database.execute("UPDATE anomalies SET state = CASE id WHEN 1 THEN 'good' WHEN 2 THEN 'bad' ELSE state END")
        database.execute("ALTER TABLE anomalies DROP COLUMN note")
        database.execute("ALTER TABLE anomalies DROP COLUMN class")
    assert [record["state"] for record in read_anomalies(path)][:3] == ["real", "not real", "pending"]
    assert set_marks(path, {3: Mark("real", "seen", "roof"), 1: Mark("real")}) == 1
    names, rows = pyogrio.raw.read(path, layer="anomalies")[0]["fields"], read_anomalies(path)
    assert {"note", "class"} <= set(names)
    assert [rows[2][name] for name in ("state", "note", "class")] == ["real", "seen", "roof"]


def test_no_anomaly_is_a_valid_answer(tmp_path):
    found = hsad.polygons(georeferenced(noise(30, 30)), threshold=99.0)
    assert len(found) == 0
    for suffix in ("gpkg", "geojson"):
        hsad.write_anomalies(found, tmp_path / f"a.{suffix}")
    assert pyogrio.read_info(tmp_path / "a.gpkg", layer="anomalies")["features"] == 0
    assert json.loads((tmp_path / "a.geojson").read_text())["features"] == []


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scored")
    scene = hsad.make_scene(rows=90, cols=100, seed=3)
    from hsad.products import write_envi

    write_envi(scene.cube, folder / "scene.hdr")
    hsad.detect_to_file(folder / "scene.hdr", folder / "scores.tif", "rx")
    return folder


def test_masks_and_p_values(scored, tmp_path):
    import rasterio

    result = threshold_to_file(
        scored / "scores.tif",
        tmp_path / "mask.tif",
        ListOptions(min_pixels=2, false_objects=20),
        p_values=tmp_path / "p.tif",
    )
    with (
        rasterio.open(scored / "scores.tif") as scores,
        rasterio.open(tmp_path / "mask.tif") as mask,
        rasterio.open(tmp_path / "p.tif") as p,
    ):
        values, marked, chance = scores.read(1), mask.read(1), p.read(1)
        assert (mask.crs, mask.transform, mask.nodata) == (scores.crs, scores.transform, 255)
        assert json.loads(mask.tags()["HSAD_THRESHOLD"])["threshold"] == result["threshold"]
    np.testing.assert_array_equal(marked == 255, np.isnan(values))
    above = values >= result["threshold"]
    labels, _ = ndimage.label(ndimage.binary_dilation(above, np.ones((2, 2)), origin=(-1, -1)), np.ones((3, 3)))
    # Twice as many pixels join parts that they connect, and at least 1 % of all.
    known = np.sort(values[np.isfinite(values)])
    level = known[-max(2 * np.count_nonzero(above), int(0.01 * len(known)))]
    regions, _ = ndimage.label(values >= level, np.ones((3, 3)))
    group = labels.copy()
    for _ in range(9):
        for parts in (labels, regions):
            lowest = ndimage.minimum(group, np.where(above, parts, 0), np.arange(parts.max() + 1))
            group[above] = lowest[parts[above]]
    sizes = np.bincount(group[above], minlength=group.max() + 1)
    np.testing.assert_array_equal(marked == 1, above & (sizes[group] >= 2))
    order = np.argsort(values[~np.isnan(values)])
    assert (np.diff(chance[~np.isnan(values)][order]) <= 0).all()
    assert np.nanmax(chance) <= 1


def test_spectra_come_from_the_scene(scored, tmp_path):
    threshold_to_file(scored / "scores.tif", tmp_path / "a.gpkg", ListOptions(false_objects=20))
    record = read_anomalies(tmp_path / "a.gpkg")[0]
    cube = hsad.open_cube(scored / "scene.hdr")
    used = cube.values[:, :, cube.good_wavelength.values].astype(float)
    spectrum, background = (np.array(json.loads(record[f"{kind}_spectrum"])) for kind in ("mean", "background"))
    assert spectrum.shape == (used.shape[2],)
    if record["n_pixels"] == 1:
        gain = cube.gain.values[cube.good_wavelength.values] if "gain" in cube.coords else 1.0
        np.testing.assert_allclose(spectrum, used[record["row"], record["col"]] * gain, rtol=1e-5)
    peaks = json.loads(record["peak_wavelengths"])
    assert len(peaks) == 3
    assert all(cube.wavelength.min() <= peak <= cube.wavelength.max() for peak in peaks)
    assert not np.allclose(spectrum, background)


def test_wrong_outputs_are_refused(scored, tmp_path):
    with pytest.raises(OutputError, match=r"must end with one of \.tif"):
        threshold_to_file(scored / "scores.tif", tmp_path / "a.xyz")
    with pytest.raises(ParameterError, match="rule otsu does not say"):
        threshold_to_file(
            scored / "scores.tif", tmp_path / "m.tif", ListOptions(rule="otsu"), p_values=tmp_path / "p.tif"
        )
    with pytest.raises(SceneError, match="missing"):
        threshold_to_file(scored / "scene.img.missing", tmp_path / "m.tif")
    with pytest.raises(OutputError, match="is read by this run"):
        threshold_to_file(scored / "scores.tif", scored / "scores.tif", overwrite=True)
    assert list(tmp_path.iterdir()) == []


def test_equal_scores_of_a_calm_scene_join_nothing():
    """Most pixels of a map may have one score, such as 0: they are no ground between two anomalies."""
    scores = np.zeros((60, 70))
    scores[10, 10], scores[50, 60] = 5.0, 4.0
    found = hsad.polygons(scores, threshold=3.0)
    assert list(zip(found.columns["row"], found.columns["col"], strict=True)) == [(10, 10), (50, 60)]
    assert found.columns["n_pixels"].tolist() == [1, 1]


@pytest.mark.parametrize("number, pairs", [(0, 0), (1, 0), (10, 3), (300, 120), (300, 299), (300, 2000)])
def test_what_pairs_join_is_a_connected_component(number, pairs):
    random = np.random.default_rng(pairs)
    joined = random.integers(0, max(number, 1), (pairs, 2))
    order = random.permutation(number)
    for edges in (joined, np.stack([order[:-1], order[1:]], axis=1)):
        graph = coo_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(number, number))
        expected = connected_components(graph, directed=False)[1] if number else []
        assert np.array_equal(_groups(edges, number), expected)
