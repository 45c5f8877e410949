"""Outputs of all commands: no input is replaced, and a second start finishes the set of a first one."""

import ast
import json
import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import click
import numpy as np
import pytest
import rasterio

import hsad
from hsad.cli import run
from hsad.cli.options import OUTPUT
from hsad.cli.program import hsad as program
from hsad.errors import OutputError
from hsad.files import check_output
from hsad.products import write_envi


def commands():
    """Return every command by its words, those of groups included."""
    found = {}
    for name, command in program.commands.items():
        if isinstance(command, click.Group):
            found |= {f"{name} {sub}": command.commands[sub] for sub in command.commands}
        else:
            found[name] = command
    return found


def pairs(command):
    """Return each output of a command with each other text that the command takes."""
    params = command.get_params(click.Context(command))
    outputs = [p for p in params if p.type is OUTPUT]
    texts = [
        p for p in params if isinstance(p.type, click.types.StringParamType) and p.type is not OUTPUT and not p.callback
    ]
    return [(output, text) for output in outputs for text in texts]


def command_line(command, given):
    """Return the arguments that give parameters their values, and every other one that is required some value."""
    arguments = []
    for param in command.get_params(click.Context(command)):
        if param.name not in given and not param.required:
            continue
        value = str(given.get(param.name, "other"))
        arguments += [value] if isinstance(param, click.Argument) else [param.opts[-1], *[value] * max(1, param.nargs)]
    return arguments


@pytest.mark.parametrize("words", commands())
def test_no_command_may_replace_a_file_that_another_of_its_options_names(words, tmp_path, monkeypatch):
    command, refused = commands()[words], []
    file = tmp_path / "file"
    file.write_text("precious")
    (tmp_path / "hard").hardlink_to(file)

    def callback(**_):
        for name in ("file", "hard"):
            with pytest.raises(OutputError, match="is read by this run"):
                check_output(tmp_path / name, (), overwrite=True)
        refused.append(True)

    monkeypatch.setattr(command, "callback", callback)
    for output, read in pairs(command):
        arguments = command_line(command, {output.name: tmp_path / "new", read.name: file})
        command.main(arguments, prog_name="hsad", standalone_mode=False)
    assert len(refused) == len(pairs(command))


def test_every_command_that_may_overwrite_says_what_it_writes():
    for words, command in commands().items():
        params = command.get_params(click.Context(command))
        names = {p.name for p in params}
        if "overwrite" in names:
            assert any(p.type is OUTPUT for p in params), words
        for p in params:
            written = p.name in {"output", "plot", "save_background", "p_values", "log", "into", "calibrate"}
            also = {
                "review": ("anomalies",),
                "find": ("scores", "raster"),
                "limits": ("raster",),
                "stream": ("places",),
            }.get(words, ())
            assert (p.type is OUTPUT) == (written or p.name in also), (words, p.name)


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    folder = tmp_path_factory.mktemp("outputs")
    write_envi(hsad.make_scene(rows=60, cols=50, bands=12, target_sizes=(1,), seed=4).cube, folder / "scene.hdr")
    return folder / "scene.hdr"


@pytest.fixture
def scored(scene, tmp_path):
    assert run(["detect", str(scene), "-m", "rx", "-o", str(tmp_path / "scores.tif")]) == 0
    return tmp_path / "scores.tif"


def test_real_commands_leave_the_files_that_they_read(scene, scored, tmp_path, capsys):
    mask = tmp_path / "mask.tif"
    with rasterio.open(scored) as file:
        profile = file.profile | {"driver": "GTiff", "count": 1, "dtype": "uint8", "nodata": None}
    with rasterio.open(mask, "w", **profile) as file:
        file.write(np.ones((1, 60, 50), np.uint8))
    page, picture = (tmp_path / name for name in ("scores.html", "scores.png"))
    for copy in (page, picture):
        copy.write_bytes(scored.read_bytes())
    data = scene.with_suffix(".img")
    before = {path: path.read_bytes() for path in (mask, page, picture, scored, scene, data)}
    for arguments in (
        ["threshold", scored, "-o", mask, "--clean-region", mask],
        ["threshold", scored, "-o", tmp_path / "m.tif", "--p-values", mask, "--clean-region", mask],
        ["report", scene, page, "-o", page],
        ["explain", scene, picture, "--at", "3,4", "-o", picture],
        ["detect", scene, "-m", "rx", "--mask", f"{picture}", "-o", tmp_path / "n.tif", "--plot", picture],
        ["detect", scene, "-m", "rx", "-o", data],
        ["convert", scene, data],
        ["evaluate", scored, "--truth", picture, "--plot", picture],
    ):
        capsys.readouterr()
        assert run([*map(str, arguments), "--overwrite"]) == 1, arguments
        assert "is read by this run" in capsys.readouterr().err, arguments
    assert {path: path.read_bytes() for path in before} == before


def test_two_outputs_of_one_command_have_two_names(scene, tmp_path, capsys):
    given = ["detect", str(scene), "-o", str(tmp_path / "s.tif"), "--plot", f"{tmp_path}/a.png"]
    assert run([*given, "--save-background", f"{tmp_path}/./a.png"]) == 1
    assert "is named for two outputs" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_review_does_not_write_through_a_link(scene, tmp_path, capsys):
    folder = tmp_path / "out"
    assert run(["survey", str(scene), "-o", str(folder), "-m", "rx", "--threshold", "1"]) == 0
    (tmp_path / "link.gpkg").symlink_to(folder / "anomalies.gpkg")
    review = tmp_path / "r.geojson"
    review.write_text(json.dumps({"features": [{"properties": {"id": 1, "state": "good"}}]}))
    before = (folder / "anomalies.gpkg").read_bytes()
    assert run(["review", str(tmp_path / "link.gpkg"), str(review)]) == 1
    assert "link of this name" in capsys.readouterr().err
    assert (folder / "anomalies.gpkg").read_bytes() == before
    assert run(["review", str(folder / "anomalies.gpkg"), str(review)]) == 0


class Killed(BaseException):
    """Stands for the end of the process."""


def stopped_after(monkeypatch, number, arguments):
    """Run a command that ends right after it has published so many files; return whether it ended so."""
    published = 0

    def counting(rename):
        def renamed(source, target):
            nonlocal published
            rename(source, target)
            if ".unfinished/" not in str(target):  # the tiles of a run
                published += 1
                if published == number:
                    raise Killed

        return renamed

    with monkeypatch.context() as patched:
        patched.setattr(os, "link", counting(os.link))
        patched.setattr(Path, "replace", counting(Path.replace))
        try:
            assert run(list(map(str, arguments))) == 0
        except Killed:
            return True
    return False


def sets(scene, folder):
    """Return command lines with more than one output, and the files that they make."""
    scores, sidecars = folder / "s.tif", ["s.json", "s.qml", "s.tif"]
    detect = ["detect", scene, "-m", "rx", "-o", scores]
    return {
        "survey": (["survey", scene, "-m", "rx", "-o", folder], ["scores.tif", "anomalies.gpkg", "report.html",
                    "quicklook.png", "scores.json", "scores.qml", "background.npz"]),
        "save": ([*detect, "--save-background", folder / "b.npz"], [*sidecars, "b.npz"]),
        "plot": ([*detect, "--plot", folder / "p.png", "--save-background", folder / "b.npz"],
                 [*sidecars, "b.npz", "p.png"]),
        "convert": (["convert", scene, folder / "c.hdr"], ["c.hdr", "c.img"]),
    }  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.long, pytest.mark.faults]) for name in ("survey", "plot")]
    + ["save", "convert"],
)
def test_the_same_command_finishes_its_set_wherever_it_was_ended(name, scene, tmp_path, monkeypatch, capsys):
    number, ended = (2 if name == "survey" else 0), True  # its first two are those of "save", too
    while ended:
        number += 1
        folder = tmp_path / str(number)
        if number % 2:
            folder.mkdir()
        arguments, files = sets(scene, folder)[name]
        ended = stopped_after(monkeypatch, number, arguments)
        scores = folder / files[0].replace("json", "tif")
        made = scores.stat().st_ino if scores.exists() else None
        if ended:
            assert run(list(map(str, arguments))) == 0, (number, capsys.readouterr().err)
        assert sorted(p.name for p in folder.iterdir()) == sorted(files), number
        if made is not None and scores.suffix == ".tif":
            assert scores.stat().st_ino == made, "the scores were computed again"
    assert number > 2
    assert run(list(map(str, arguments))) == 1
    assert "exists already" in capsys.readouterr().err


def test_another_command_does_not_take_over_an_unfinished_set(scene, tmp_path, monkeypatch, capsys):
    arguments, _ = sets(scene, tmp_path)["survey"]
    assert stopped_after(monkeypatch, 4, arguments)
    scores = (tmp_path / "scores.tif").read_bytes()
    assert run([*map(str, arguments), "--covariance", "ridge"]) == 1
    assert "exists already" in capsys.readouterr().err
    assert (tmp_path / "scores.tif").read_bytes() == scores


def test_a_killed_process_is_continued(scene, tmp_path):
    arguments, files = sets(scene, tmp_path)["survey"]
    program = (
        "import os, sys\nlink = os.link\n"
        "def killing(source, target):\n"
        "    link(source, target)\n"
        "    if str(target).endswith('scores.tif'):\n        os.kill(os.getpid(), 9)\n"
        "os.link = killing\n"
        "from hsad.cli import run\nrun(sys.argv[1:])\n"
    )
    done = subprocess.run([sys.executable, "-c", program, *map(str, arguments)], capture_output=True, check=False)
    assert done.returncode == -9, done.stderr
    made = (tmp_path / "scores.tif").stat().st_ino
    assert run(list(map(str, arguments))) == 0
    assert set(files) <= {p.name for p in tmp_path.iterdir()}
    assert (tmp_path / "scores.tif").stat().st_ino == made


def test_a_backslash_in_the_name_of_an_output_is_refused_before_the_work(scene, tmp_path, capsys):
    assert run(["detect", str(scene), "-m", "rx", "-o", f"{tmp_path}/a\\b.tif"]) == 1
    assert "cannot hold a backslash" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_deeply_nested_parameters_of_a_raster_are_no_traceback(scored, tmp_path, capsys):
    with rasterio.open(scored, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as file:
        file.update_tags(HSAD_PARAMETERS="[" * 100_000 + "]" * 100_000)
    assert run(["threshold", str(scored), "-o", str(tmp_path / "m.tif"), "--threshold", "5"]) == 0
    assert "unexpected" not in capsys.readouterr().err


ESC = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e"


def test_values_of_files_do_not_steer_the_terminal(scene, tmp_path, capsys):
    named = tmp_path / "s.hdr"
    named.write_text(scene.read_text("utf-8") + f"sensor type = {ESC}\n", encoding="utf-8")
    (tmp_path / "s.img").write_bytes(scene.with_suffix(".img").read_bytes())
    listed = tmp_path / "scenes.txt"
    listed.write_text(f"missing{ESC}.hdr\n", encoding="utf-8")
    table = tmp_path / "library.csv"
    wavelengths = hsad.open_cube(scene).wavelength.values
    rows = "\n".join(f"{value},{value}" for value in wavelengths)
    table.write_text(f"wavelength,{ESC}\n{rows}\n", encoding="utf-8")
    scores = tmp_path / "scores.tif"
    assert run(["detect", str(scene), "-m", "rx", "-o", str(scores)]) == 0
    for arguments in (
        ["info", named],
        ["detect", listed, "-o", tmp_path / "out"],
        ["explain", scene, scores, "--at", "3,4", "--library", table],
        ["info", f"{ESC}.hdr"],
        ["methods", ESC],
        ["detect", scene, f"--{ESC}", "-o", scores],
    ):
        run(list(map(str, arguments)))
        said = capsys.readouterr()
        text = said.out + said.err
        assert text
        assert not [c for c in text if (unicodedata.category(c) == "Cc" and c != "\n") or c == "\u202e"], arguments


def test_only_one_file_of_the_command_line_prints():
    folder = Path(hsad.__file__).parent / "cli"
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if path.name != "terminal.py" and isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in {"print", "click.echo", "click.secho", "sys.stdout.write", "sys.stderr.write"}, (
                    path
                )


def test_several_values_may_follow_references(scene, tmp_path, capsys):
    plain = ["detect", scene, "-m", "rx", "--references", scene, "--references", scene, "-o", tmp_path / "a.tif"]
    short = ["detect", scene, "-m", "rx", "-o", tmp_path / "b.tif", "--references", scene, scene]
    first = ["detect", "-o", tmp_path / "c.tif", "-m", "rx", "--references", scene, scene]
    for arguments in (plain, short, first):
        assert run(list(map(str, arguments))) == 0, capsys.readouterr().err
    read = [rasterio.open(tmp_path / f"{name}.tif").read(1) for name in "abc"]
    np.testing.assert_array_equal(read[1], read[0])
    np.testing.assert_allclose(read[2], read[0], rtol=1e-5)  # one reference: the same scene once
