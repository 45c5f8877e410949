"""Marks stay with what they were given to: after another threshold, another detector, in a list of another length."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr
from affine import Affine
from rasterio.crs import CRS

import hsad
from hsad.anomalies.decide import threshold_to_file
from hsad.anomalies.marks.reviewed import Mark
from hsad.anomalies.marks.written import set_marks
from hsad.anomalies.options import ListOptions
from hsad.anomalies.vectors import read_anomalies
from hsad.cli import run
from hsad.report.review import apply_review
from hsad.scene.cube import GeoGrid

PLACES = {"first": (10, 10), "wide": (10, 30), "weak": (30, 10), "other": (30, 40)}


def scores(*, crs=None, shift=(0, 0), **changes):
    """Return a map with one object at each place; `changes` are their heights."""
    values = np.random.default_rng(0).normal(size=(50, 60))
    heights = {"first": 40.0, "wide": 30.0, "weak": 12.0, "other": 20.0} | changes
    for name, (row, col) in PLACES.items():
        values[row + shift[0], col + shift[1]] = heights[name]
    values[10 + shift[0], 31 + shift[1]] = heights["wide"] - 1
    transform = None if crs is None else Affine(4, 0, 500000, 0, -4, 4e6)
    return GeoGrid(50, 60, crs, transform).attach(xr.DataArray(values.astype(np.float32), dims=("y", "x")))


def listed(tmp_path, array, limit, name="a.gpkg"):
    hsad.write_scores(array, tmp_path / "scores.tif", overwrite=True)
    options = ListOptions.of({"threshold": limit})
    return threshold_to_file(tmp_path / "scores.tif", tmp_path / name, options, overwrite=True)


def marks_by_place(path):
    return {(r["row"], r["col"]): (r["state"], r["note"], r["class"]) for r in read_anomalies(path)}


def number_at(path, place):
    return next(r["id"] for r in read_anomalies(path) if (r["row"], r["col"]) == place)


@pytest.mark.parametrize("crs", [None, CRS.from_epsg(32632)], ids=["no georeferencing", "UTM"])
def test_marks_survive_a_new_threshold_and_come_back_with_a_lower_one(tmp_path, crs):
    path = tmp_path / "a.gpkg"
    assert listed(tmp_path, scores(crs=crs), 10.0)["marks"] == ""
    real, doubtful = number_at(path, PLACES["wide"]), number_at(path, PLACES["weak"])
    set_marks(path, {real: Mark("real", "two pixels", "roof"), doubtful: Mark("unsure", "faint")})
    again = listed(tmp_path, scores(crs=crs), 15.0)  # the weak one is not in this list
    assert (
        again["marks"]
        == "1 anomaly has marks from the replaced list; 1 mark waits for anomalies that are not in this list"
    )
    assert marks_by_place(path)[PLACES["wide"]] == ("real", "two pixels", "roof")
    assert marks_by_place(path)[PLACES["first"]] == ("pending", None, None)
    set_marks(path, {number_at(path, PLACES["first"]): Mark("not real")})
    back = listed(tmp_path, scores(crs=crs), 10.0)
    assert back["marks"] == "3 anomalies have marks from the replaced list"
    assert marks_by_place(path) == {
        PLACES["first"]: ("not real", None, None),
        PLACES["wide"]: ("real", "two pixels", "roof"),
        PLACES["weak"]: ("unsure", "faint", None),
        PLACES["other"]: ("pending", None, None),
    }


def test_marks_go_by_place_not_by_rank_and_up_to_two_pixels_away(tmp_path):
    path = tmp_path / "a.gpkg"
    listed(tmp_path, scores(), 10.0)
    set_marks(
        path, {number_at(path, PLACES["first"]): Mark("real"), number_at(path, PLACES["other"]): Mark("not real")}
    )
    listed(tmp_path, scores(shift=(0, 3), first=11.0, other=50.0), 10.0)  # two pixels lie between the outlines
    states = {place: mark[0] for place, mark in marks_by_place(path).items()}
    assert states == {(10, 13): "real", (30, 43): "not real", (10, 33): "pending", (30, 13): "pending"}
    listed(tmp_path, scores(shift=(4, 7)), 10.0)  # five pixels away
    assert {mark[0] for mark in marks_by_place(path).values()} == {"pending"}


def test_both_parts_of_an_anomaly_get_its_mark_and_the_larger_overlap_wins(tmp_path):
    path = tmp_path / "a.gpkg"
    whole = np.random.default_rng(0).normal(size=(60, 60)).astype(np.float32)
    whole[5:8, 5:20], whole[40, 40] = 20, 30
    listed(tmp_path, whole, 10.0)
    set_marks(path, {number_at(path, (5, 5)): Mark("real")})
    parts = whole.copy()
    parts[:, 11:14] = -1
    listed(tmp_path, parts, 10.0)
    ids = {r["id"]: r for r in read_anomalies(path)}
    assert sorted(r["state"] for r in ids.values()) == ["pending", "real", "real"]
    small, large = sorted((r for r in ids.values() if r["state"] == "real"), key=lambda r: r["n_pixels"])
    assert (large["n_pixels"], small["n_pixels"]) == (18, 18)
    set_marks(path, {number_at(path, (5, 14)): Mark("not real")})
    whole[5:8, 5] = -1  # the first part is the smaller one now
    listed(tmp_path, whole, 10.0)
    assert sorted(r["state"] for r in read_anomalies(path)) == ["not real", "pending"]


def test_marks_of_another_scene_or_crs_are_not_carried(tmp_path):
    path = tmp_path / "a.gpkg"
    first = scores()
    first.attrs["source"] = "one.hdr"
    listed(tmp_path, first, 10.0)
    set_marks(path, {1: Mark("real")})
    other = scores()
    other.attrs["source"] = "two.hdr"
    assert listed(tmp_path, other, 10.0)["marks"] == ""
    set_marks(path, {1: Mark("real")})
    moved = scores(crs=CRS.from_epsg(32632))
    moved.attrs["source"] = "two.hdr"
    assert listed(tmp_path, moved, 10.0)["marks"] == ""


def test_what_is_replaced_may_be_anything(tmp_path):
    (tmp_path / "a.gpkg").write_text("no list")
    assert listed(tmp_path, scores(), 10.0)["marks"] == ""
    assert len(read_anomalies(tmp_path / "a.gpkg")) == 4


def test_a_survey_keeps_the_marks_of_the_last_one(tmp_path, capsys):
    from hsad.products import write_envi

    made = hsad.make_scene(rows=60, cols=60, bands=20, seed=3, target_sizes=[4] * 4, fills=[1.0], heading=0)
    write_envi(made.cube, tmp_path / "scene.hdr")
    command = ["survey", str(tmp_path / "scene.hdr"), "-o", str(tmp_path / "out"), "-m", "rx"]
    assert run([*command, "--false-objects", "30"]) == 0
    path = tmp_path / "out" / "anomalies.gpkg"
    first = read_anomalies(path)[0]
    set_marks(path, {1: Mark("real", "seen", "tarpaulin")})
    capsys.readouterr()
    assert run([*command, "--false-objects", "5", "--overwrite"]) == 0
    assert "1 anomaly has marks from the replaced list." in capsys.readouterr().err
    assert marks_by_place(path)[first["row"], first["col"]] == ("real", "seen", "tarpaulin")
    page = (tmp_path / "out" / "report.html").read_text()
    assert '"note":["seen"' in page


def test_a_review_of_another_list_of_the_scene_is_taken_by_place(tmp_path):
    path = tmp_path / "a.gpkg"
    array = scores()
    array.attrs["source"] = "scene.hdr"
    listed(tmp_path, array, 10.0)
    features = [
        {"properties": {**record, "state": "real" if place == PLACES["wide"] else "unsure", "note": str(place)}}
        for record in read_anomalies(path)
        if (place := (record["row"], record["col"])) in (PLACES["wide"], PLACES["weak"])
    ]
    (tmp_path / "r.geojson").write_text(json.dumps({"features": features}))
    first = scores(first=1.0)  # all ranks are different now
    first.attrs["source"] = "scene.hdr"
    listed(tmp_path, first, 15.0)
    result = apply_review(path, tmp_path / "r.geojson")
    assert (result["changed"], result["unplaced"]) == (1, 1)
    assert marks_by_place(path)[PLACES["wide"]] == ("real", str(PLACES["wide"]), None)
    assert result["states"] == {"pending": 1, "real": 1}
