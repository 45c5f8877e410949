"""Surveys of many scenes: a folder for each, one list and one page over all, and a next time that does what is left."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import psutil
import pyproj
import pytest
import rasterio
import shapely
from affine import Affine
from processes import PATIENCE, command, running, same_bytes, values, wait_for
from pyogrio.raw import read

import hsad
from hsad.errors import ParameterError
from hsad.products import write_envi

FILES = {
    *("scores.tif", "scores.json", "scores.qml", "background.npz"),
    *("anomalies.gpkg", "report.html", "quicklook.png"),
}


def write_scene(path: Path, seed: int, crs: str | None = None) -> Path:
    """Write a scene of noise with two odd pixels: a GeoTIFF in a CRS, or an ENVI file without one."""
    random = np.random.default_rng(seed)
    values = random.normal(size=(6, 40, 50)).astype(np.float32)
    values[:, 10, 20] += 9
    values[:, 30, 40] -= 11
    if crs is None:
        write_envi(hsad.check_cube(np.moveaxis(values, 0, 2)), path, overwrite=True)
        return path
    profile = {"driver": "GTiff", "count": 6, "height": 40, "width": 50, "dtype": "float32"}
    with rasterio.open(path, "w", crs=crs, transform=Affine(20, 0, 300_000, 0, -20, 5_800_000), **profile) as dataset:
        dataset.write(values)
    return path


def write_scenes(folder: Path) -> Path:
    """Write a folder of scenes in two CRSs and without one, a damaged one, and files that are no scenes."""
    folder.mkdir()
    write_scene(folder / "north.tif", 1, "EPSG:32632")
    write_scene(folder / "south.tif", 2, "EPSG:32633")
    write_scene(folder / "plain.hdr", 3)
    (folder / "broken.tif").write_bytes((folder / "north.tif").read_bytes()[:300])
    with rasterio.open(
        folder / "mask.tif",
        "w",
        driver="GTiff",
        count=1,
        height=40,
        width=50,
        dtype="uint8",
        crs="EPSG:32632",
        transform=Affine(20, 0, 300_000, 0, -20, 5_800_000),
    ) as dataset:
        dataset.write(np.ones((1, 40, 50), np.uint8))
    (folder / "notes.md").write_text("# notes\n")
    return folder


def look(folder: Path, out: Path, **options):
    options = {"decide": {"pfa": 2e-3}, "kinds": 0, "at_once": 1, **options}
    return hsad.survey(folder, out, options.pop("method", "rx"), **options)


@pytest.fixture(scope="module")
def surveyed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("many")
    write_scenes(folder / "in")
    return folder, look(folder / "in", folder / "out")


def times(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_each_scene_has_a_folder_and_a_failing_one_stops_no_other(surveyed):
    folder, found = surveyed
    assert [(one["name"], one["state"]) for one in found] == [
        ("broken", "failed"),
        ("north", "done"),
        ("plain", "done"),
        ("south", "done"),
    ]
    assert "broken.tif" in found[0]["error"]
    assert {path.name for path in (folder / "out").iterdir()} == {
        "north", "plain", "south", "index.html", "anomalies.gpkg", "anomalies.csv",
    }  # fmt: skip
    for one in found[1:]:
        assert {path.name for path in Path(one["folder"]).iterdir()} == FILES | {"survey.json", "thumbnail.jpg"}
    own = hsad.survey(found[1]["scene"], folder / "alone", "rx", decide={"pfa": 2e-3}, kinds=0)
    assert (found[1]["count"], found[1]["headline"]) == (own["count"], own["headline"])


def test_one_list_holds_the_anomalies_of_all_scenes_in_wgs84(surveyed):
    folder, found = surveyed
    meta, _, wkb, fields = read(folder / "out" / "anomalies.gpkg", layer="anomalies")
    columns = dict(zip(meta["fields"], fields, strict=True))
    assert meta["crs"] == "EPSG:4326"
    assert len(wkb) == sum(one["count"] for one in found[1:]) >= 6
    own_crs = {"north": "EPSG:32632", "south": "EPSG:32633"}
    for scene in ("north", "south", "plain"):
        _, _, own_wkb, own_fields = read(folder / "out" / scene / "anomalies.gpkg", layer="anomalies")
        rows = np.flatnonzero(columns["scene"] == scene)
        rows = rows[np.argsort(columns["id"][rows])]
        assert columns["source"][rows[0]] == str(folder / "in" / f"{scene}.{'hdr' if scene == 'plain' else 'tif'}")
        np.testing.assert_array_equal(columns["score_max"][rows], own_fields[3])
        if scene == "plain":
            assert {wkb[row] for row in rows} == {None}
            assert (columns["row"][rows[0]], columns["col"][rows[0]]) in {(10, 20), (30, 40)}
            continue
        way = pyproj.Transformer.from_crs(own_crs[scene], "EPSG:4326", always_xy=True)
        for row, own in zip(rows, own_wkb, strict=True):
            expected = shapely.transform(shapely.from_wkb(own), way.transform, interleaved=False)
            got = shapely.from_wkb(wkb[row])
            assert shapely.hausdorff_distance(got, expected) < 1e-9


def test_the_csv_file_holds_the_same_rows_as_the_geopackage(surveyed):
    folder, _ = surveyed
    with (folder / "out" / "anomalies.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    meta, _, _, fields = read(folder / "out" / "anomalies.gpkg", layer="anomalies", read_geometry=False)
    columns = dict(zip(meta["fields"], fields, strict=True))
    assert [row["scene"] for row in rows] == columns["scene"].tolist()
    np.testing.assert_allclose([float(row["score_max"]) for row in rows], columns["score_max"])
    assert all(row["lon"] == "" for row in rows if row["scene"] == "plain")


def test_the_page_links_each_report_and_says_why_a_scene_failed(surveyed):
    folder, found = surveyed
    text = (folder / "out" / "index.html").read_text()
    links = re.findall(r'<a href="([^"]+)">', text)
    lists = [folder / "out" / "anomalies.gpkg", folder / "out" / "anomalies.csv"]
    assert {folder / "out" / link for link in links} == {*(Path(one["report"]) for one in found[1:]), *lists}
    assert all((folder / "out" / link).is_file() for link in links)
    assert text.count("data:image/jpeg;base64,") == 3
    assert "://" not in re.sub(r"data:image/jpeg;base64,[A-Za-z0-9+/=]+", "", text)
    assert "3 scenes with anomalies, 0 without, 1 failed" in text
    assert "<strong>broken</strong>" in text


def test_the_next_time_passes_over_what_is_done(surveyed):
    folder, _ = surveyed
    before = {path: when for path, when in times(folder / "out").items() if path.parent != folder / "out"}
    again = look(folder / "in", folder / "out")
    assert [one["state"] for one in again] == ["failed", *["there already"] * 3]
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_other_options_and_changed_scenes_are_done_anew_only_with_overwrite(surveyed, tmp_path):
    folder = tmp_path / "many"
    (folder / "in").mkdir(parents=True)
    for name in ("north.tif", "south.tif"):
        shutil.copy(surveyed[0] / "in" / name, folder / "in" / name)
    look(folder / "in", folder / "out")
    other = look(folder / "in", folder / "out", decide={"pfa": 5e-3})
    assert {one["state"] for one in other} == {"failed"}
    assert "other options (pfa: 0.002, now 0.005)" in other[0]["error"]
    north = folder / "in" / "north.tif"
    os.utime(north, (1, 1))  # the same content at another time is the same scene
    assert {one["state"] for one in look(folder / "in", folder / "out")} == {"there already"}
    write_scene(north, 7, "EPSG:32632")
    changed = look(folder / "in", folder / "out")
    assert [one["state"] for one in changed] == ["failed", "there already"]
    assert str(north) in changed[0]["error"]
    anew = look(folder / "in", folder / "out", overwrite=True)
    assert [one["state"] for one in anew] == ["done", "there already"]
    (folder / "out" / "south" / "report.html").unlink()
    assert "report.html is missing" in look(folder / "in", folder / "out")[1]["error"]


def test_scenes_of_one_name_get_their_folders_before_them_and_keep_their_names(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_scene(tmp_path / name / "s.hdr", 1)
    first = look([tmp_path / "a" / "s.hdr"], tmp_path / "out")
    assert [one["name"] for one in first] == ["s"]
    both = look([tmp_path / "a" / "s.hdr", tmp_path / "b" / "s.hdr"], tmp_path / "out")
    assert [(one["name"], one["state"]) for one in both] == [("s", "there already"), ("b-s", "done")]
    with pytest.raises(ParameterError, match="named twice"):
        look([tmp_path / "a" / "s.hdr"] * 2, tmp_path / "out")


def test_the_command_prints_a_line_for_each_scene(surveyed, hsad_run, tmp_path):
    scenes, found = [surveyed[0] / "in" / name for name in ("broken.tif", "north.tif")], surveyed[1]
    out_folder = tmp_path / "out"
    arguments = ["survey", *scenes, "-o", out_folder, "-m", "rx", "--pfa", "2e-3", "--kinds", "0", "--at-once", "1"]
    status, out, err = hsad_run(*arguments)
    assert status == 1
    assert [line.split(": ")[0] for line in out.splitlines()[:-1]] == [str(out_folder / "north")]
    assert "2 scenes: 1 surveyed, 0 there already, 1 failed" in out
    assert len(re.findall(r"^hsad: error: .*broken\.tif", err, re.MULTILINE)) == 1
    status, out, _ = hsad_run(*arguments, "--json")
    listed = json.loads(out)
    assert [one["state"] for one in listed] == ["failed", "there already"]
    assert listed[1]["count"] == found[1]["count"]


@pytest.mark.long
@pytest.mark.faults
def test_a_kill_leaves_nothing_half_written_and_the_next_run_goes_on(tmp_path):
    (tmp_path / "in").mkdir()
    for seed in range(4):
        write_scene(tmp_path / "in" / f"s{seed}.tif", seed, "EPSG:32632")
    out = tmp_path / "out"
    arguments = ["survey", tmp_path / "in", "-o", out, "-m", "rx", "--pfa", "2e-3", "--at-once", "2"]
    with running(*arguments) as process:
        wait_for(lambda: list(out.glob("*/scores.tif")), process)
        helpers = psutil.Process(process.pid).children()
        process.send_signal(signal.SIGKILL)
        process.wait()
    deadline = time.monotonic() + PATIENCE
    assert len(helpers) == 2
    while any(helper.is_running() and helper.status() != psutil.STATUS_ZOMBIE for helper in helpers):
        assert time.monotonic() < deadline, "the processes outlive the one that started them"
        time.sleep(0.01)
    finished = {path.parent.name for path in out.glob("*/survey.json")}
    for path in out.glob("*/*"):  # whatever has its final name can be read
        if path.suffix == ".tif":
            hsad.open_cube(path).load()
        elif path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix == ".html":
            assert path.read_text().endswith("</html>\n")
    done = subprocess.run(command(*arguments), capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("there already: ") == len(finished)
    assert {path.name for path in out.iterdir()} == {
        "index.html", "anomalies.csv", "anomalies.gpkg", *(f"s{seed}" for seed in range(4)),
    }  # fmt: skip
    for seed in range(4):
        assert {path.name for path in (out / f"s{seed}").iterdir()} == FILES | {"survey.json", "thumbnail.jpg"}
        scores = hsad.detect(hsad.open_cube(tmp_path / "in" / f"s{seed}.tif"), "rx").values
        assert same_bytes(values(out / f"s{seed}" / "scores.tif"), scores[None])


@pytest.mark.long
def test_the_runs_of_many_scenes_go_to_a_cluster(surveyed, cluster, tmp_path):
    folder, _ = surveyed
    out = tmp_path / "out"
    found = look(folder / "in", out, scheduler=cluster.scheduler.address, at_once=2)
    assert [one["state"] for one in found] == ["failed", *["done"] * 3]
    for name in ("north", "plain", "south"):
        assert same_bytes(values(folder / "out" / name / "scores.tif"), values(out / name / "scores.tif"))


def test_each_run_says_what_is_new_since_the_last_one(tmp_path, hsad_run):
    folder, out = tmp_path / "incoming", tmp_path / "out"
    folder.mkdir()

    def rows():
        with (out / "anomalies.csv").open(newline="") as file:
            return {(row["scene"], row["new"]) for row in csv.DictReader(file)}

    def surveyed(*names):
        for name in names:
            write_scene(folder / f"{name}.hdr", seed=len(name))
        status, told, err = hsad_run("survey", folder, "-m", "rx", "-o", out, "--at-once", 1)
        assert status == 0, err
        return told.splitlines()[-1], (out / "index.html").read_text()

    last, page = surveyed("a", "bb")  # all is new, and there was no run before
    assert last.startswith("2 scenes: 2 surveyed")
    assert 'class="new"' not in page
    assert rows() == {("a", "True"), ("bb", "True")}
    last, page = surveyed("ccc")
    assert re.fullmatch(r"new since the last run: 1 scene with \d+ anomal(y|ies).*", last)
    assert re.search(r'<h2>ccc <span class="new">new</span></h2>', page)
    assert page.count('class="new"') == 1
    assert rows() == {("a", "False"), ("bb", "False"), ("ccc", "True")}
    last, page = surveyed()
    assert last == "nothing is new since the last run"
    assert rows() == {("a", "False"), ("bb", "False"), ("ccc", "False")}
    # A scene of a run that ended before its page is new in the next one.
    before = (out / "index.html").read_bytes()
    surveyed("dddd")
    (out / "index.html").write_bytes(before)
    last, _ = surveyed()
    assert last.startswith("new since the last run: 1 scene with")


def test_calls_that_share_a_folder_leave_what_is_over_all_to_the_last_one(tmp_path):
    scenes = [
        write_envi(hsad.make_scene(rows=80, cols=90, bands=12, seed=seed).cube, tmp_path / f"{seed}.hdr")
        for seed in (1, 2)
    ]
    for scene in scenes:
        (one,) = hsad.survey([scene], tmp_path / "out", "rx", at_once=1, over_all=False)
        assert one["state"] == "done"
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"1", "2"}
    found = hsad.survey(scenes, tmp_path / "out", "rx", at_once=1)
    assert [one["state"] for one in found] == ["there already"] * 2
    assert (tmp_path / "out" / "index.html").is_file()
