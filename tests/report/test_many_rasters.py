"""Lists and reports of many score rasters: a file for each, one list or page over all, and what a second time does."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import rasterio
from pyogrio.raw import read

import hsad
from hsad.anomalies.vectors import read_anomalies
from hsad.products import write_envi


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """Return a folder with two scenes and their scores."""
    folder = tmp_path_factory.mktemp("rasters")
    for seed in (1, 2):
        write_envi(hsad.make_scene(rows=60, cols=70, bands=12, seed=seed).cube, folder / f"s{seed}.hdr")
        hsad.detect_to_file(folder / f"s{seed}.hdr", folder / f"s{seed}.tif", "rx")
    return folder


def test_each_raster_has_a_list_and_one_list_holds_all_of_them(scored, tmp_path, hsad_run):
    command = ("threshold", scored, "-o", tmp_path / "out", "--pfa", "3e-3", "--at-once", "1")
    status, out, _ = hsad_run(*command)
    assert status == 0
    counts = {}
    for name in ("s1", "s2"):
        own = hsad.polygons(scored / f"{name}.tif", pfa=3e-3)
        records = read_anomalies(tmp_path / "out" / f"{name}.gpkg")
        np.testing.assert_array_equal([one["score_max"] for one in records], own.columns["score_max"])
        counts[name] = len(records)
    meta, _, _, fields = read(tmp_path / "out" / "anomalies.gpkg", layer="anomalies")
    scenes = dict(zip(meta["fields"], fields, strict=True))["scene"].tolist()
    assert {name: scenes.count(name) for name in counts} == counts
    assert min(counts.values()) > 0
    assert "2 rasters: 2 listed, 0 there already, 0 failed" in out
    status, out, _ = hsad_run(*command, "--json")
    assert [one["state"] for one in json.loads(out)] == ["there already"] * 2
    status, _, err = hsad_run("threshold", scored, "-o", tmp_path / "out", "--pfa", "1e-3", "--at-once", "1")
    assert (status, err.count("other options (pfa: 0.003, now 0.001)")) == (1, 2)


def test_masks_of_many_rasters(scored, tmp_path, hsad_run):
    names = [scored / "s1.tif", scored / "s2.tif"]
    status, *_ = hsad_run(
        "threshold", *names, "-o", tmp_path / "out", "--format", "tif", "--pfa", "3e-3", "--at-once", "1"
    )
    assert status == 0
    with rasterio.open(tmp_path / "out" / "s2.tif") as mask:
        expected = hsad.threshold(scored / "s2.tif", pfa=3e-3).values
        np.testing.assert_array_equal(mask.read(1) == 1, expected)
    assert not (tmp_path / "out" / "anomalies.gpkg").exists()


def test_each_raster_has_a_report_and_a_page_leads_to_all(scored, tmp_path, hsad_run):
    stray = tmp_path / "stray.tif"
    hsad.write_scores(np.arange(12.0).reshape(3, 4), stray)
    status, out, err = hsad_run(
        "report", scored, stray, "-o", tmp_path / "out", "--no-reasons", "--pfa", "3e-3", "--at-once", "1"
    )
    assert status == 1
    assert err.startswith(f"hsad: error: {stray}: it names no scene")
    assert "3 rasters: 2 reported, 0 there already, 1 failed" in out
    page = (tmp_path / "out" / "index.html").read_text()
    assert re.findall(r'<a href="([^"]+)">', page) in (["s1.html", "s2.html"], ["s2.html", "s1.html"])
    assert "<strong>stray</strong>" in page
    for name in ("s1", "s2"):
        text = (tmp_path / "out" / f"{name}.html").read_text()
        assert f"Anomalies in {name}" in text


def test_what_cannot_be_meant_is_refused(scored, tmp_path, hsad_run):
    one, other = scored / "s1.tif", scored / "s2.tif"
    for command, said, failed in (
        (("threshold", one, other, "-o", tmp_path / "a.gpkg"), "2 rasters need a folder", 1),
        (("threshold", one, other, "-o", tmp_path / "a", "--p-values", tmp_path / "p.tif"), "p-values are of one", 1),
        (("threshold", one, "-o", tmp_path / "a.gpkg", "--format", "csv"), "format is for several rasters", 1),
        (("threshold", one, "-o", tmp_path / "a"), "the name must end with one of .tif", 1),
        (("threshold", tmp_path, "-o", tmp_path / "a"), "no .tif or .tiff file in this folder", 1),
        (("report", one, "-o", tmp_path / "a.html"), "one name is given", 2),
    ):
        status, _, err = hsad_run(*command)
        assert (status, said in err) == (failed, True), err
    assert not list(tmp_path.glob("a*"))
