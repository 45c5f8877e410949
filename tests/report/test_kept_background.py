"""What a survey learned is read beside its scores, and only by runs that would learn the same."""

import json
import re
import shutil

import numpy as np
import pytest

import hsad
from hsad.cli import run
from hsad.engine.run import Engine
from hsad.job import learned
from hsad.report.page import report_to_file


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kept")
    cube = hsad.make_scene(rows=50, cols=60, bands=12, target_sizes=(1, 3), seed=5).cube
    hsad.write_cube(cube, folder / "scene.hdr")
    hsad.survey(folder / "scene.hdr", folder / "s", "rx", kinds=0)
    return folder


@pytest.fixture
def surveyed(made, tmp_path):
    """Return a folder with the survey and its scene, whose files a test may change."""
    shutil.copytree(made / "s", tmp_path / "s")
    return made / "scene.hdr", tmp_path / "s"


@pytest.fixture
def passes(monkeypatch):
    """Return a list of the detectors that learned."""
    found, learn = [], Engine.learn

    def counted(engine, detector, *arguments):
        found.append(detector)
        return learn(engine, detector, *arguments)

    monkeypatch.setattr(Engine, "learn", counted)
    return found


def explained(scene, folder, capsys, *options):
    capsys.readouterr()
    assert run(["explain", str(scene), str(folder / "scores.tif"), "--at", "7,9", "--json", *options]) == 0
    return json.loads(capsys.readouterr().out)


def test_explain_and_report_learn_nothing_again_and_say_the_same(surveyed, passes, capsys):
    scene, folder = surveyed
    kept = explained(scene, folder, capsys)
    report_to_file(scene, folder / "scores.tif", folder / "kept.html")
    assert passes == []
    (folder / "background.npz").unlink()
    assert explained(scene, folder, capsys) == kept
    report_to_file(scene, folder / "scores.tif", folder / "learned.html")
    assert len(passes) == 2

    def page(name):
        return [
            line for line in (folder / name).read_text().splitlines() if "Written" not in line and " UTC" not in line
        ]

    assert page("kept.html") == page("learned.html")


def test_a_background_of_other_pixels_bands_or_numbers_is_not_used(surveyed, passes, capsys, tmp_path):
    scene, folder = surveyed
    explained(scene, folder, capsys, "--nodata", "-5")
    assert len(passes) == 1
    other = tmp_path / "scene.hdr"
    hsad.write_cube(hsad.open_cube(scene) * np.float32(2), other)
    twice = explained(other, folder, capsys)
    assert len(passes) == 2
    (folder / "background.npz").unlink()
    assert explained(other, folder, capsys) == twice


def test_a_damaged_background_is_named_in_one_line_and_learned_again(surveyed, passes, capsys):
    scene, folder = surveyed
    kept = explained(scene, folder, capsys)
    file = folder / "background.npz"
    file.write_bytes(file.read_bytes()[:200])
    assert run(["explain", str(scene), str(folder / "scores.tif"), "--at", "7,9", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == kept
    assert len(passes) == 1
    assert re.fullmatch(r"hsad: warning: .*background\.npz: not a background .*; the scene is learned again\n", err)


def test_a_large_background_is_not_kept_and_an_older_one_goes(surveyed, monkeypatch):
    scene, folder = surveyed
    monkeypatch.setattr(learned, "_MOST_KEPT", 100)
    hsad.survey(scene, folder, "rx", kinds=0, overwrite=True, trim=0.01)
    assert not (folder / "background.npz").exists()


def test_a_kept_background_scores_other_scenes(surveyed):
    scene, folder = surveyed
    known = hsad.Learned.load(folder / "background.npz")
    assert np.array_equal(hsad.score(scene, known), hsad.detect(scene, "rx"), equal_nan=True)
