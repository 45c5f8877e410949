"""Whatever hsad writes: nothing but regular files, none replaced unasked, no link followed, all of it known at once."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from processes import hsad, running, wait_for, write_scene

from hsad.cli import run
from hsad.cli.shell.log import open_log
from hsad.errors import OutputError
from hsad.files import check_output, publish, staging, whole_file
from hsad.plot import plot_roc, plot_scores
from hsad.products import write_envi, write_scores

SCORES = np.random.default_rng(0).random((20, 30))
CUBE = np.zeros((4, 5, 3), np.float32)

pytestmark = pytest.mark.faults
posix = pytest.mark.skipif(sys.platform == "win32", reason="no links or pipes to plant")


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    return write_scene(tmp_path_factory.mktemp("scene"), rows=30, cols=40, bands=6)


@pytest.fixture
def planted(tmp_path):
    """Return names that are not regular files: a folder, links to a file, to nothing and to a folder, a pipe."""
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("victim")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "folder_link").symlink_to("folder")
    os.mkfifo(tmp_path / "pipe")
    return {"folder": "a folder", "link": "a link", "dangling": "a link", "folder_link": "a link", "pipe": "a pipe"}


def tree(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() and not path.is_symlink() else None
        for path in folder.rglob("*")
        if path.is_file() or path.is_symlink()
    }


def error_of(status_and_text, capsys):
    assert status_and_text == 1
    said = capsys.readouterr().err
    assert said.startswith("hsad: error: ")
    assert said.count("\n") == 1
    return said


@posix
def test_nothing_but_a_regular_file_is_replaced(tmp_path, planted):
    before = tree(tmp_path)
    for name, kind in planted.items():
        for overwrite in (False, True):
            with pytest.raises(OutputError, match=f"{name}: {kind} of this name exists already"):
                check_output(tmp_path / name, (), overwrite=overwrite)
            with pytest.raises(OutputError, match=kind), whole_file(tmp_path / name, overwrite=overwrite):
                raise AssertionError("the work began")
    assert tree(tmp_path) == before


@posix
@pytest.mark.parametrize("suffix", [".tif", ".json", ".qml", ".tif.aux.xml"])
def test_links_in_the_place_of_scores_and_companions_are_refused(tmp_path, suffix):
    (tmp_path / "victim").write_text("precious")
    (tmp_path / f"s{suffix}").symlink_to("victim")
    for overwrite in (False, True):
        with pytest.raises(OutputError, match="a link of this name"):
            write_scores(SCORES, tmp_path / "s.tif", overwrite=overwrite)
    assert (tmp_path / "victim").read_text() == "precious"
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(["victim", f"s{suffix}"])


def test_a_file_that_appears_while_another_is_written_stays(tmp_path):
    path = tmp_path / "late"
    writing = whole_file(path, overwrite=False)
    writing.__enter__().write_text("ours")
    path.write_text("theirs")
    with pytest.raises(OutputError, match="late exists already"):
        writing.__exit__(None, None, None)
    assert tree(tmp_path) == {"late": b"theirs"}


def test_publishing_does_not_replace_what_appeared_between_check_and_renaming(tmp_path, monkeypatch):
    """The system itself refuses, where looking first was too early."""
    path = tmp_path / "late"
    with staging(path) as folder:
        (folder / "late").write_text("ours")
        path.write_text("theirs")
        monkeypatch.setattr("hsad.files._check_name", lambda *_, **__: None)
        with pytest.raises(FileExistsError):
            publish(folder / "late", path, overwrite=False)
    assert path.read_text() == "theirs"


@posix
def test_what_a_killed_process_left_goes_and_nothing_else(tmp_path):
    path, program = tmp_path / "s.img", "import sys, time\nfrom pathlib import Path\nfrom hsad.files import staging\n"
    program += "with staging(Path(sys.argv[1])) as f: (f / 'half').touch(); print(f, flush=True); time.sleep(600)"
    command = [sys.executable, "-c", program, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        left = Path(process.stdout.readline().strip())
        with staging(path) as other:
            assert left.is_dir()  # it is at work
            with staging(path):
                assert other.is_dir()  # so is this very process
        process.kill()
    assert (left / "half").exists()
    foreign = [tmp_path / ".s.img.abcdefgh.partial", tmp_path / ".s.img.partial", tmp_path / ".t.img.abcdefgh.partial"]
    for folder in foreign:
        folder.mkdir()
        (folder / "keep").write_text("precious")
    (foreign[0] / "hsad.staging").symlink_to(tmp_path / "victim")
    (tmp_path / "victim").write_text("precious")
    (tmp_path / ".s.img.linkedto.partial").symlink_to(foreign[2])
    (foreign[2] / "hsad.staging").touch()
    expected = {name: content for name, content in tree(tmp_path).items() if not name.startswith(left.name)}
    with whole_file(path, overwrite=False) as staged:
        staged.write_text("ours")
    assert tree(tmp_path) == {**expected, "s.img": b"ours"}


def test_a_name_that_is_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("", ".", "..", "/", "a\0b"):
        with pytest.raises(OutputError, match="not the name of a file"):
            check_output(name, ())


@pytest.mark.parametrize(
    "first, second", [("a.tif", "a.tiff"), ("a.tiff", "a.tif"), ("a.tif", "a.TIF"), ("a.TIFF", "a.tif")]
)
def test_two_rasters_do_not_share_companions(tmp_path, first, second):
    write_scores(SCORES, tmp_path / first)
    before = tree(tmp_path)
    for overwrite in (False, True):
        with pytest.raises(OutputError, match=re.escape(f"{first} beside it would share a.json and a.qml")):
            write_scores(SCORES, tmp_path / second, overwrite=overwrite)
    assert tree(tmp_path) == before
    write_scores(SCORES, tmp_path / first, overwrite=True)


def test_two_images_do_not_share_a_header(tmp_path):
    write_envi(CUBE, tmp_path / "a.img")
    before = tree(tmp_path)
    for second in ("a.dat", "a.bil"):
        for overwrite in (False, True):
            with pytest.raises(OutputError, match=r"a\.img beside it would share a\.hdr|exists already"):
                write_envi(CUBE, tmp_path / second, overwrite=overwrite)
    assert tree(tmp_path) == before


def test_figures_are_not_replaced_unasked(tmp_path):
    class Line:
        false_alarm_rate = detection_rate = np.linspace(0, 1, 5)
        auc = 0.5

    path = tmp_path / "picture.png"
    path.write_text("precious")
    draws = (lambda **how: plot_scores(SCORES, path, **how), lambda **how: plot_roc({"a": Line}, path, **how))
    for draw in draws:
        path.write_text("precious")
        with pytest.raises(OutputError, match="exists already"):
            draw()
        assert path.read_text() == "precious"
        draw(overwrite=True)
        assert path.read_bytes()[1:4] == b"PNG"


def detect(scene, output, *options):
    return run(["detect", str(scene), "-m", "rx", "-o", str(output), *map(str, options)])


@pytest.mark.parametrize("overwrite", [(), ("--overwrite",)])
@pytest.mark.parametrize("option", ["--save-background", "--log"])
@pytest.mark.parametrize("name", [".", "s.tif", "s.json", "s.qml", "scene.img", "scene.hdr", ""])
def test_what_cannot_be_written_is_said_before_the_work(scene, tmp_path, capsys, option, name, overwrite, monkeypatch):
    if option == "--log" and name.startswith("s."):
        return  # a log is open before the scores are written, so they refuse it: see below
    if name == "scene.hdr" and overwrite and option == "--save-background":
        return  # the data file is what is read; a header is an output like any other where overwriting was asked for
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("hsad.job.job.Job.learn", None)  # the work
    path = scene.with_name(name) if name.startswith("scene") else name
    content = {p: p.read_bytes() for p in scene.parent.iterdir()}
    error_of(detect(scene, "s.tif", option, path, *overwrite), capsys)
    assert {p: p.read_bytes() for p in scene.parent.iterdir()} == content
    assert list(tmp_path.iterdir()) == []


@posix
def test_a_background_goes_to_no_planted_name(scene, tmp_path, capsys, planted):
    before = tree(tmp_path)
    for name, kind in planted.items():
        for more in ((), ("--overwrite",)):
            said = error_of(detect(scene, tmp_path / "s.tif", "--save-background", tmp_path / name, *more), capsys)
            assert kind in said
    assert tree(tmp_path) == before
    # The temporary name that used to be predictable, as a link: not touched.
    (tmp_path / f".b.npz.{os.getpid()}").symlink_to("victim")
    assert detect(scene, tmp_path / "s.tif", "--save-background", tmp_path / "b.npz") == 0
    assert (tmp_path / "victim").read_text() == "precious"
    assert (tmp_path / f".b.npz.{os.getpid()}").is_symlink()


def test_a_background_replaces_only_when_told_to(scene, tmp_path, capsys):
    (tmp_path / "b.npz").write_text("precious")
    assert "b.npz exists already" in error_of(
        detect(scene, tmp_path / "s.tif", "--save-background", tmp_path / "b.npz"), capsys
    )
    assert tree(tmp_path) == {"b.npz": b"precious"}
    assert detect(scene, tmp_path / "s.tif", "--save-background", tmp_path / "b.npz", "--overwrite") == 0
    assert (tmp_path / "b.npz").read_bytes()[:2] == b"PK"


@pytest.mark.parametrize(
    "output, kept, beside, said",
    [
        ("s.tif", "s.qml", None, "belongs to the score raster"),
        ("s.img", "s.hdr", None, "belongs to the score raster"),
        ("s.hdr", "s.img", None, "belongs to the score raster"),
        ("s.img", "b.npz", "s.dat", "s.dat beside it would share s.hdr"),
    ],
)
def test_names_that_cross_each_other_are_said_before_the_work(
    scene, tmp_path, capsys, monkeypatch, output, kept, beside, said
):
    monkeypatch.setattr("hsad.job.job.Job.learn", None)  # the work
    if beside:
        (tmp_path / beside).write_text("precious")
    before = tree(tmp_path)
    for more in ((), ("--overwrite",)):
        assert said in error_of(detect(scene, tmp_path / output, "--save-background", tmp_path / kept, *more), capsys)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("log", ["s.tif", "s.json", "s.qml", "b.npz", "p.png"])
def test_a_log_under_the_name_of_a_result_is_refused(scene, tmp_path, capsys, log):
    named = ["--save-background", tmp_path / "b.npz", "--plot", tmp_path / "p.png", "--log", tmp_path / log]
    error = error_of(detect(scene, tmp_path / "s.tif", "--overwrite", *named), capsys)
    assert log in error
    assert "choose another name for" in error
    assert tree(tmp_path) == {}


@pytest.mark.parametrize("read", ["mask", "background"])
def test_what_a_run_reads_it_does_not_replace(scene, tmp_path, capsys, read):
    np.save(tmp_path / "mask.npy", np.ones((30, 40)))
    given = {"mask": tmp_path / "mask.npy", "background": tmp_path / "b.npz"}[read]
    assert detect(scene, tmp_path / "first.tif", "--save-background", tmp_path / "b.npz") == 0
    capsys.readouterr()
    content = given.read_bytes()
    arguments = ["detect", scene, f"--{read}", given, "-o", tmp_path / "s.tif", "--save-background", given]
    assert "is read by this run" in error_of(run([*map(str, arguments), "--overwrite"]), capsys)
    assert given.read_bytes() == content


@posix
def test_logs_grow_and_nothing_else_does(tmp_path, planted):
    log = tmp_path / "log"
    for line in (b"2026-01-02 03:04:05,678 one\n", b"2026-01-02 03:04:06,678 two\n"):
        descriptor = open_log(log)
        os.write(descriptor, line)
        os.close(descriptor)
    assert log.read_text().count("\n") == 2
    before = tree(tmp_path)
    for name in (*planted, "victim"):
        with pytest.raises(OutputError):
            open_log(tmp_path / name)
    assert tree(tmp_path) == before


@posix
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_log_that_cannot_grow_does_not_end_the_run(scene, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("hsad.cli.shell.log.open_log", lambda _: os.open("/dev/full", os.O_WRONLY))
    assert detect(scene, tmp_path / "s.tif", "--log", tmp_path / "log") == 0
    said = capsys.readouterr()
    assert said.err.count("no more lines go to the log (No space left on device)") == 1
    assert said.err.count("\n") == 1
    assert (tmp_path / "s.tif").exists()


def test_demo_and_evaluation_replace_only_when_told_to(tmp_path, capsys):
    (tmp_path / "roc.png").write_text("precious")
    assert "roc.png exists already" in error_of(run(["demo", "-o", str(tmp_path)]), capsys)
    assert tree(tmp_path) == {"roc.png": b"precious"}
    write_scores(SCORES, tmp_path / "s.tif")
    np.save(tmp_path / "truth.npy", SCORES > 0.9)
    arguments = ["evaluate", tmp_path / "s.tif", "--truth", tmp_path / "truth.npy", "--plot", tmp_path / "roc.png"]
    assert "roc.png exists already" in error_of(run([*map(str, arguments)]), capsys)
    assert (tmp_path / "roc.png").read_text() == "precious"
    assert run([*map(str, arguments), "--overwrite"]) == 0
    assert (tmp_path / "roc.png").read_bytes()[1:4] == b"PNG"
    arguments = ["bench", "--only", "nothing", "--plot", tmp_path / "roc.png"]
    assert "exists already" in error_of(run([*map(str, arguments)]), capsys)


@pytest.mark.long
@pytest.mark.faults
@posix
def test_an_output_made_during_the_run_stays(tmp_path):
    """Another program writes the name while hsad is at work: what it wrote stays."""
    big = write_scene(tmp_path, rows=120, cols=150, bands=30)
    output = tmp_path / "s.tif"
    with running("detect", big, "-m", "crd", "--tile", 64, "--workers", 1, "-o", output) as process:
        wait_for(lambda: output.with_name("s.tif.unfinished").exists(), process)
        output.write_text("theirs")
        _, said = process.communicate()
    assert process.returncode == 1
    assert said.splitlines()[-1].startswith(f"hsad: error: {output} exists already")
    assert output.read_text() == "theirs"
    # What was computed is kept.
    assert hsad("detect", big, "-m", "crd", "--tile", 64, "-o", output, "--overwrite").returncode == 0
