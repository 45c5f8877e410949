"""Kinds on the page of a survey: their members, their names, and more places like them."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

import hsad
from hsad.anomalies.vectors import read_anomalies
from hsad.errors import ParameterError
from hsad.products import write_envi
from hsad.synthetic.implants import material_ratios


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A scene with objects of one material: three that are pure, and four that fill a third of their pixel."""
    folder = tmp_path_factory.mktemp("kinds")
    cube = hsad.make_scene(96, 96, 50, seed=21, target_sizes=[], heading=0).cube
    good = np.flatnonzero(cube.good_wavelength.values)
    mean = cube.values[..., good].reshape(-1, len(good)).mean(axis=0)
    ratio = material_ratios(60)[2]
    paint = np.interp(np.linspace(0, 1, len(good)), np.linspace(0, 1, len(ratio)), ratio) * mean
    strong, weak = [(10, 12), (40, 70), (75, 30)], [(20, 50), (55, 15), (62, 62), (85, 80)]
    values = cube.values.astype(np.float64)
    for fill, places in ((1.0, strong), (0.35, weak)):
        for row, col in places:
            values[row : row + 2, col : col + 2, good] += fill * (paint - values[row : row + 2, col : col + 2, good])
    scene = cube.copy(data=np.round(values).astype(cube.dtype))
    write_envi(scene, folder / "scene.hdr")
    gain = cube.gain.values[good] if "gain" in cube.coords else np.ones(len(good))
    order = np.argsort(cube.wavelength.values[good])
    rows = [f"{w},{p},{o}" for w, p, o in zip(
        cube.wavelength.values[good][order], (paint * gain)[order], (0.5 * mean * gain)[order] + 0.1, strict=True
    )]  # fmt: skip
    (folder / "library.csv").write_text("\n".join(["nm,signal,mud", "class,red paint,wet soil", *rows]))
    return folder, strong, weak


def kinds_of(page):
    return json.JSONDecoder().raw_decode(page[re.search(r'"kinds":(?=\{"A")', page).end() :])[0]


def test_a_survey_shows_more_places_like_its_kinds(folder):
    folder, strong, weak = folder
    hsad.survey(folder / "scene.hdr", folder / "out", "rx", library=folder / "library.csv", decide={"false_objects": 5})
    records = read_anomalies(folder / "out" / "anomalies.gpkg")
    page = (folder / "out" / "report.html").read_text()
    kinds = kinds_of(page)
    members = {number for kind in kinds.values() for number in kind["members"]}
    assert {kind for kind in kinds if len(kinds[kind]["members"]) > 1}
    assert all(records[number - 1]["kind"] in kinds for number in members)
    by_place = {(r["row"] // 2 * 2, r["col"] // 2 * 2): r for r in records}
    letters = {by_place[place]["kind"] for place in strong if place in by_place}
    assert len(letters) == 1
    kind = kinds[letters.pop()]
    seen = {(more["row"], more["col"]) for more in kind["more"]}
    listed = {(record["row"], record["col"]) for record in records}
    near = [any(abs(r - row) <= 1 and abs(c - col) <= 1 for r, c in seen | listed) for row, col in weak]
    assert sum(near) >= 3
    assert not seen & listed
    assert kind["expected_false"] <= len(kind["more"])
    assert kind["name"] == "most like red paint"
    assert any("most like red paint" in str(record["most_like"]) for record in records)


@pytest.mark.long
def test_kinds_can_be_switched_off_and_are_checked(folder):
    folder, _, _ = folder
    with pytest.raises(ParameterError, match="kinds must be at least 0"):
        hsad.survey(folder / "scene.hdr", folder / "bad", "rx", kinds=-1)
    hsad.survey(folder / "scene.hdr", folder / "none", "rx", kinds=0, decide={"false_objects": 5})
    kinds = kinds_of((folder / "none" / "report.html").read_text())
    assert all("more" not in kind for kind in kinds.values())


def test_names_need_reasons(folder):
    from hsad.report.page import report_to_file

    folder, _, _ = folder
    with pytest.raises(ParameterError, match="library: names are found with the reasons"):
        report_to_file("s.hdr", "s.tif", folder / "r.html", library=folder / "library.csv", reasons=False)


def test_a_search_has_limits_and_names(folder, capsys):
    from hsad.cli import run

    folder, strong, _ = folder
    out = folder / "found"
    out.mkdir()
    row, col = strong[0]
    command = ["find", str(folder / "scene.hdr"), "--like", f"{row},{col}", "-o", str(out / "found.gpkg")]
    more = ["--limits", str(out / "limits.tif"), "--library", str(folder / "library.csv"), "--false-share", ".3"]
    assert run([*command, *more, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    fills = hsad.open_cube(out / "limits.tif")[..., 0].values
    cosine = told["queries"][0]["threshold"]
    assert told["limits"]["threshold"] == cosine
    scores = hsad.detect(folder / "scene.hdr", "ace", target=(row, col)).values
    reached = scores >= cosine**2
    assert (fills[reached] == 0).all()
    assert (fills[~reached] > 0).all()
    assert "would have been found in 90 % of the scene" in told["limits"]["sentence"]
    names = [record["most_like"] for record in read_anomalies(out / "found.gpkg")]
    assert sum("red paint" in name for name in names) >= 2
