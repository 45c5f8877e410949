"""Several scenes into a folder: a line for each, a summary, and one that fails stops no other."""

from __future__ import annotations

import json

import numpy as np
import pytest
from processes import hsad, same_bytes, values, write_scene

import hsad as library
from hsad.errors import ParameterError, SceneError
from hsad.job.batch import output_names
from hsad.readers.collection import expand_scenes


@pytest.fixture
def scenes(tmp_path):
    """Return the headers of two scenes of the same name in two folders."""
    folders = [tmp_path / name for name in ("north", "south")]
    for folder in folders:
        folder.mkdir()
    return [write_scene(folder, rows=40, cols=50, bands=6, seed=seed) for seed, folder in enumerate(folders)]


def expected(scene):
    return library.detect(scene, "rx").values[None]


def test_each_scene_has_its_line_and_a_failing_one_its_own(scenes, tmp_path):
    broken = tmp_path / "broken.hdr"
    broken.write_text("ENVI\nsamples = 10\nlines = 10\nbands = 3\ndata type = 4\ninterleave = bip\n")
    (tmp_path / "broken.img").write_bytes(bytes(100))
    folder = tmp_path / "out"
    done = hsad("detect", scenes[0], broken, scenes[1], "missing.hdr", "-m", "rx", "-o", folder)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"{folder / 'north-scene.tif'}: rx, 2000 of 2000 pixels scored")
    assert lines[1].startswith(f"{folder / 'south-scene.tif'}: rx, 2000 of 2000 pixels scored")
    assert lines[2:] == ["4 scenes: 2 scored, 0 there already, 2 failed"]
    errors = done.stderr.splitlines()
    assert len(errors) == 2
    assert f"{tmp_path / 'broken.img'}: " in errors[0]
    assert "missing.hdr: no such file" in errors[1]
    for scene, name in zip(scenes, ("north-scene", "south-scene"), strict=True):
        assert same_bytes(values(folder / f"{name}.tif"), expected(scene))
    files = [path for path in folder.iterdir() if not path.name.endswith(".unfinished-set")]
    assert {path.suffix for path in files} == {".tif", ".json", ".qml"}


@pytest.mark.long
def test_the_same_command_again_does_only_what_is_missing(scenes, tmp_path):
    folder = tmp_path / "out"
    assert hsad("detect", scenes[0], scenes[1], "-m", "rx", "-o", folder).returncode == 0
    kept = (folder / "north-scene.tif").stat().st_mtime_ns
    (folder / "south-scene.tif").unlink()
    again = hsad("detect", *scenes, "-m", "rx", "-o", folder, "--json")
    report = json.loads(again.stdout)
    assert [scene["state"] for scene in report["scenes"]] == ["there already", "scored"]
    assert (report["scored"], report["there_already"], report["failed"]) == (1, 1, 0)
    assert (folder / "north-scene.tif").stat().st_mtime_ns == kept
    # What is there was made by another method, or from other bands: not what is asked for.
    for options in (("-m", "lrx", "--outer", 7, "--inner", 3), ("-m", "rx", "--bands", "@1-4")):
        other = hsad("detect", *scenes, *options, "-o", folder)
        assert other.returncode == 1
        assert other.stderr.count("exists already") == 2
    assert hsad("detect", *scenes, "-m", "rx", "--bands", "@1-4", "-o", folder, "--overwrite").returncode == 0
    assert not same_bytes(values(folder / "north-scene.tif"), expected(scenes[0]))


def test_lists_of_scenes(scenes, tmp_path, hsad_run):
    listed = tmp_path / "scenes.txt"
    listed.write_text(f"# two flight lines\nnorth/scene.hdr\n\n  {scenes[1]}\n")
    assert expand_scenes([listed]) == [str(tmp_path / "north/scene.hdr"), str(scenes[1])]
    status, out, _ = hsad_run("detect", listed, "-m", "rx", "-o", tmp_path / "out", "--workers", 1)
    assert status == 0
    assert out.endswith("2 scenes: 2 scored, 0 there already, 0 failed\n")


def stac_item(name, **assets):
    return {"type": "Feature", "stac_version": "1.1.0", "id": name, "assets": assets}


@pytest.mark.long
@pytest.mark.faults
def test_stac_item_collections(scenes, tmp_path):
    collection = tmp_path / "items.json"
    items = [
        stac_item("a", thumbnail={"href": "a.png"}, cube={"href": "north/scene.hdr", "roles": ["data"]}),
        stac_item("b", data={"href": f"file://{scenes[1]}"}, thumbnail={"href": "b.png"}),
    ]
    collection.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    assert expand_scenes([collection]) == [str(tmp_path / "north/scene.hdr"), str(scenes[1])]
    done = hsad("detect", collection, "-m", "rx", "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert same_bytes(values(tmp_path / "out" / "south-scene.tif"), expected(scenes[1]))


@pytest.mark.parametrize(
    "content, remark",
    [
        ("{}", "neither a STAC item nor a collection of items"),
        ("[1]", "neither a STAC item nor a collection of items"),
        ("not json", "neither a STAC item nor a collection of items"),
        (json.dumps({"type": "FeatureCollection", "features": []}), "lists no scene"),
        (json.dumps(stac_item("far", data={"href": "https://example.org/a.tif"})), "'far' is not a local file"),
        (json.dumps(stac_item("two", a={"href": "a.tif"}, b={"href": "b.tif"})), "'two' has 2 assets, none"),
    ],
)
def test_lists_that_are_none(tmp_path, content, remark):
    path = tmp_path / "items.json"
    path.write_text(content)
    with pytest.raises(SceneError, match=remark) as caught:
        expand_scenes([path])
    assert str(path) in str(caught.value)


def test_one_scene_into_a_folder(scenes, tmp_path, hsad_run):
    folder = tmp_path / "out"
    folder.mkdir()
    assert hsad_run("detect", scenes[0], "-m", "rx", "-o", folder)[0] == 0
    assert (folder / "scene.tif").exists()


def test_what_cannot_be_meant_is_refused(scenes, tmp_path, hsad_run):
    arguments = ["detect", *scenes, "-m", "rx", "-o"]
    status, _, err = hsad_run(*arguments, tmp_path / "out", "--save-background", tmp_path / "b.npz")
    assert (status, err.count("\n")) == (1, 1)
    (tmp_path / "file.tif").write_bytes(b"")
    status, _, err = hsad_run(*arguments, tmp_path / "file.tif")
    assert (status, err.count("\n")) == (1, 1)
    assert "file.tif" in err
    with pytest.raises(ParameterError, match="is named twice"):
        output_names([scenes[0], scenes[0]])


def test_from_python(scenes, tmp_path):
    outcomes = list(library.detect_many([scenes[0], tmp_path / "none.hdr"], tmp_path / "out", "rx"))
    assert [outcome.state for outcome in outcomes] == ["scored", "failed"]
    assert isinstance(outcomes[1].error, SceneError)
    assert outcomes[0].result["valid"] == 2000
    assert np.isfinite(values(tmp_path / "out" / "scene.tif")).all()


def test_variables_of_one_file_are_scenes_of_their_own():
    named = output_names(["s.nc:one", "s.nc:two", "s.h5:group/two", "other/s.nc:one", "s.mat:x.y"])
    assert len(set(named)) == 5
    assert named[1:3] == ["s-two.tif", "s-group-two.tif"]
    assert named[4] == "s-x-y.tif"


def test_the_same_name_for_two_results_is_refused():
    with pytest.raises(ParameterError, match="named twice"):
        output_names(["s.nc:one", "s.nc:one"])
