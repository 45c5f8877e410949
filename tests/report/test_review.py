"""Reviews: what is no review, or too large, or nested, is one line and changes nothing."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys

import numpy as np
import pyogrio
import pytest

import hsad
from hsad.anomalies.vectors import read_anomalies
from hsad.errors import OutputError, ParameterError, SceneError
from hsad.report.review import apply_review


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    scores = np.random.default_rng(0).normal(size=(30, 40))
    scores[5, 6], scores[20, 30] = 30, 20
    return hsad.write_anomalies(hsad.polygons(scores, threshold=10.0), tmp_path_factory.mktemp("package") / "a.gpkg")


def saved(path, *features):
    path.write_text(json.dumps({"features": [{"properties": properties} for properties in features]}))
    return path


@pytest.mark.parametrize(
    "text, message",
    [
        ('{"features": [{"properties": {"id": 1e999, "state": "good"}}]}', "an id is a whole number"),
        ('{"features": [{"properties": {"id": NaN, "state": "good"}}]}', "an id is a whole number"),
        ('{"features": [{"properties": {"id": 1.9, "state": "good"}}]}', "id 1.9 .*whole number"),
        ('{"features": [{"properties": {"id": true, "state": "good"}}]}', "whole number"),
        ('{"features": [{"properties": {"id": "1", "state": "good"}}]}', "whole number"),
        ('{"features": [{"properties": {"id": 1, "state": 5}}]}', "a state a text"),
        ('{"features": [{"properties": {"state": "good"}}]}', "feature 1 has no id and state"),
        ('{"features": [[]]}', "feature 1 has no id and state"),
        ('{"features": 5}', "no list of features"),
        ("[]", "no list of features"),
        ("[" * 200_000, "nested too deeply"),
        ('{"features": [{"properties": {"id": ' + "9" * 5000 + ', "state": "good"}}]}', "not a review"),
    ],
)
def test_what_is_no_review_is_refused_in_a_line(package, tmp_path, text, message):
    (tmp_path / "r.geojson").write_text(text)
    with pytest.raises(SceneError, match=message) as refused:
        apply_review(package, tmp_path / "r.geojson")
    assert "r.geojson" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 400


def test_reviews_that_contradict_themselves_are_refused(package, tmp_path):
    with pytest.raises(SceneError, match="two things about anomaly 1"):
        apply_review(package, saved(tmp_path / "r", {"id": 1, "state": "good"}, {"id": 1, "state": "false"}))
    with pytest.raises(ParameterError, match="has no anomaly -3"):
        apply_review(package, saved(tmp_path / "r", {"id": -3, "state": "real"}))
    with pytest.raises(ParameterError, match="state 'fine' is not one of pending, real, not real, unsure"):
        apply_review(package, saved(tmp_path / "r", {"id": 1, "state": "fine"}))
    assert {record["state"] for record in read_anomalies(package)} == {"pending"}


def test_whole_numbers_may_be_written_with_a_point(package, tmp_path):
    copy = shutil.copy(package, tmp_path / "a.gpkg")
    result = apply_review(copy, saved(tmp_path / "r", {"id": 2.0, "state": "bad"}))
    assert (result["changed"], result["states"]) == (1, {"not real": 1, "pending": 1})


def test_notes_and_classes_are_written_on_one_line(package, tmp_path):
    copy = shutil.copy(package, tmp_path / "a.gpkg")
    mark = {"id": 1, "state": "unsure", "note": "a roof?\n\x1b[31mask  again", "class": "roof"}
    apply_review(copy, saved(tmp_path / "r", mark, {"id": 2, "state": "pending", "note": None}))
    first, second = read_anomalies(copy)
    assert (first["state"], first["note"], first["class"]) == ("unsure", "a roof? [31mask again", "roof")
    assert (second["state"], second["note"], second["class"]) == ("pending", None, None)


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes and devices with a name")
def test_pipes_devices_and_huge_files_are_not_read(package, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in ("/dev/zero", tmp_path / "pipe"):
        with pytest.raises(SceneError, match="not a regular file"):
            apply_review(package, path)
    with pytest.raises(SceneError, match="not a regular file"):
        read_anomalies(tmp_path / "pipe")
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(2 * 2**30)
    with pytest.raises(SceneError, match="2147 MB are too many"):
        apply_review(package, tmp_path / "huge")


def test_packages_of_others_are_refused(package, tmp_path):
    review = saved(tmp_path / "r", {"id": 1, "state": "good"})
    for name, change in {
        "texts.gpkg": "UPDATE anomalies SET row = NULL WHERE id = 1",
        "stateless.gpkg": "ALTER TABLE anomalies RENAME COLUMN state TO condition",
    }.items():
        with sqlite3.connect(shutil.copy(package, tmp_path / name)) as database:
            for function in ("ST_IsEmpty", "ST_MinX", "ST_MaxX", "ST_MinY", "ST_MaxY"):
                database.create_function(function, 1, lambda _: None)
            database.execute(change)
        database.close()
        with pytest.raises(SceneError, match="holds no anomalies of hsad"):
            apply_review(tmp_path / name, review)
    pyogrio.raw.write(
        tmp_path / "other.gpkg", np.array([None], dtype=object), [np.array(["x"], dtype=object)], ["name"],
        layer="anomalies", geometry_type="Point", crs="EPSG:4326",
    )  # fmt: skip
    with pytest.raises(SceneError, match="its fields are name"):
        apply_review(tmp_path / "other.gpkg", review)
    (tmp_path / "link.gpkg").symlink_to(package)
    with pytest.raises(OutputError, match="a link of this name"):
        apply_review(tmp_path / "link.gpkg", review)


FULL = """
import os, resource, sys
import numpy as np
import hsad
from hsad.errors import OutputError
scores = np.random.default_rng(0).normal(size=(200, 200))
found = hsad.polygons(scores, threshold=1.0)
for size in sys.argv[1:]:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(size), resource.RLIM_INFINITY))
    try:
        hsad.write_anomalies(found, "a.gpkg")
    except OutputError as error:
        print(f"{size}: {error}; left: {os.listdir()}")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files to run into")
def test_a_geopackage_on_a_full_disk_is_one_line(tmp_path):
    sizes = ["0", "20000", "100000", "400000"]
    done = subprocess.run(
        [sys.executable, "-c", FULL, *sizes], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    lines = done.stdout.splitlines()
    assert len(lines) == len(sizes), done.stdout + done.stderr
    for size, line in zip(sizes, lines, strict=True):
        assert line.startswith(f"{size}: ")
        assert "a.gpkg" in line
        assert line.endswith("left: []")
    assert list(tmp_path.iterdir()) == []
