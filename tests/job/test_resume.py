"""A run that ends early is continued by the same command, and gives the same pixels, byte for byte."""

from __future__ import annotations

import contextlib
import json
import os
import signal

import learned
import numpy as np
import pytest
from processes import finished_tiles, hsad, running, same_bytes, unfinished, values, wait_for, write_scene

import hsad as library
from hsad.detectors import DETECTORS, make_detector
from hsad.detectors.packing import find_loaded, pack, unpack
from hsad.engine.resume import Journal
from hsad.engine.run import Engine
from hsad.engine.runners.local import Runner
from hsad.engine.source import source_of
from hsad.engine.tile_scores import TileScores
from hsad.engine.tiles import LeafGrid
from hsad.errors import DataError, OutputError, ResumeWarning
from hsad.job.learned import Learned
from hsad.kernels.summaries import Moments
from hsad.scene.cube import check_cube

pytestmark = pytest.mark.faults

CRD = ("-m", "crd", "--outer", 11, "--inner", 5, "--tile", 64, "--workers", 2)
RPCA = ("-m", "rpca", "--tile", 64, "--workers", 2)


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    return write_scene(tmp_path_factory.mktemp("scene"))


@pytest.fixture(scope="module")
def whole(scene, tmp_path_factory):
    """Scores of runs that nobody disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    for name, options in (("crd", CRD), ("rpca", RPCA)):
        assert hsad("detect", scene, *options, "-o", folder / f"{name}.tif").returncode == 0
    return {name: values(folder / f"{name}.tif") for name in ("crd", "rpca")}


def finish(scene, options, output):
    """Run to the end and return how many pixels were there already."""
    done = hsad("detect", scene, *options, "-o", output, "--json")
    assert done.returncode == 0, done.stderr
    assert not unfinished(output).exists()
    return json.loads(done.stdout)["continued"]


@pytest.mark.long
def test_a_run_that_is_killed_again_and_again_gives_the_same_pixels(scene, whole, tmp_path):
    output = tmp_path / "s.tif"
    before = 0
    for wanted in (1, 5, 12, 20, 28):
        with running("detect", scene, *CRD, "-o", output) as process:
            wait_for(lambda wanted=wanted: finished_tiles(output) >= wanted, process)
            process.send_signal(signal.SIGKILL)
            process.wait()
        assert not output.exists()
        assert finished_tiles(output) >= max(before, wanted)
        before = finished_tiles(output)
    # Tiles of another size and one thread: what is finished counts all the same.
    continued = finish(scene, [*CRD[:-4], "--tile", 256, "--workers", 1], output)
    assert continued >= before * 64 * (400 % 64)
    assert same_bytes(values(output), whole["crd"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s.json", "s.qml", "s.tif"]


@pytest.mark.long
def test_a_killed_run_into_an_envi_file_leaves_nothing_behind(scene, whole, tmp_path):
    output = tmp_path / "s.img"
    with running("detect", scene, *CRD, "-o", output) as process:
        wait_for(lambda: finished_tiles(output) >= 3, process)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert len(list(tmp_path.iterdir())) == 2  # what is finished, and what was being put together
    assert finish(scene, CRD, output) > 0
    assert same_bytes(values(output), whole["crd"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s.hdr", "s.img"]


@pytest.mark.long
def test_learning_goes_on_after_the_last_finished_pass(scene, whole, tmp_path):
    output = tmp_path / "s.tif"

    def scans():
        return len(list(unfinished(output).glob("scan-????")))

    before = 0
    for wanted in (2, 9):
        with running("detect", scene, *RPCA, "-o", output) as process:
            wait_for(lambda wanted=wanted: scans() >= wanted, process)
            process.send_signal(signal.SIGKILL)
            process.wait()
        assert scans() >= max(before, wanted)
        before = scans()
    finish(scene, RPCA, output)
    assert same_bytes(values(output), whole["rpca"])


def ignore_interruptions():
    """What a shell does for a job in the background."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@pytest.mark.parametrize(
    ("before", "sent"),
    [
        pytest.param(None, signal.SIGINT, id=""),
        pytest.param(ignore_interruptions, signal.SIGINT, id="ignored by the shell"),
        pytest.param(None, signal.SIGTERM, id="SIGTERM"),
    ],
)
@pytest.mark.long
@pytest.mark.faults
def test_an_interruption_is_one_line_that_says_what_is_kept(scene, tmp_path, before, sent):
    output = tmp_path / "s.tif"
    slow = ("-m", "crd", "--outer", 21, "--inner", 5, "--tile", 64, "--workers", 1)
    with running("detect", scene, *slow, "-o", output, preexec_fn=before) as process:
        wait_for(lambda: finished_tiles(output) >= 3, process)
        process.send_signal(sent)
        stdout, stderr = process.communicate()
    assert process.returncode == 130, stderr
    assert stdout == ""
    *answered, ended = stderr.splitlines()
    assert answered in (["hsad: stopping; Ctrl-C again ends at once"], [])  # nothing where the end came first
    assert ended.startswith("hsad: error: interrupted; what is finished is kept in")
    assert not output.exists()
    if before is not None or sent != signal.SIGINT:
        return
    assert finish(scene, slow, output) >= 3 * 64 * (400 % 64)
    whole = library.detect(scene, "crd", outer=21, inner=5)
    assert same_bytes(values(output), whole.values[None])


def test_a_kernel_that_takes_long_does_not_hold_up_an_interruption(scene, tmp_path):
    """The scene is one leaf of a window as large as it can be: minutes of one compiled call in the main thread."""
    output = tmp_path / "s.tif"
    slow = ("-m", "crd", "--outer", 301, "--inner", 3, "--workers", 1)
    with running("detect", scene, *slow, "-o", output, "--log", tmp_path / "log") as process:
        wait_for(
            lambda: "scoring: " in (tmp_path / "log").read_text() if (tmp_path / "log").exists() else False, process
        )
        process.send_signal(signal.SIGTERM)
        assert process.stderr.readline().startswith("hsad: stopping")
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stderr.splitlines()[-1].startswith("hsad: error: interrupted")
    assert not output.exists()


@pytest.mark.long
def test_other_parameters_or_another_scene_start_afresh_and_say_so(scene, whole, tmp_path):
    output = tmp_path / "s.tif"

    def leave_unfinished():
        with running("detect", scene, *CRD, "-o", output) as process:
            wait_for(lambda: finished_tiles(output) >= 2, process)
            process.kill()
            process.wait()

    leave_unfinished()
    done = hsad("detect", scene, *CRD, "--lam", 0.5, "-o", output, "--json")
    assert "an unfinished run had other parameters; starting afresh" in done.stderr
    assert json.loads(done.stdout)["continued"] == 0
    assert not same_bytes(values(output), whole["crd"])

    output = tmp_path / "t.tif"
    leave_unfinished()
    status = scene.with_suffix(".img").stat()
    os.utime(scene.with_suffix(".img"), ns=(status.st_atime_ns, status.st_mtime_ns + 10**9))
    done = hsad("detect", scene, *CRD, "-o", output, "--json")
    os.utime(scene.with_suffix(".img"), ns=(status.st_atime_ns, status.st_mtime_ns))
    assert "an unfinished run had other scene, references; starting afresh" in done.stderr
    assert json.loads(done.stdout)["continued"] == 0
    assert same_bytes(values(output), whole["crd"])

    output = tmp_path / "u.tif"
    leave_unfinished()
    done = hsad("detect", scene, *CRD, "-o", output, "--restart", "--json")
    assert done.stderr == ""
    assert json.loads(done.stdout)["continued"] == 0


@pytest.mark.long
def test_of_two_runs_on_one_output_the_second_says_so(scene, whole, tmp_path):
    output = tmp_path / "s.tif"
    with running("detect", scene, *CRD, "-o", output) as first:
        wait_for(lambda: finished_tiles(output) >= 1, first)
        first.send_signal(signal.SIGSTOP)  # else it might be done before the second has started
        second = hsad("detect", scene, *CRD, "-o", output)
        first.send_signal(signal.SIGCONT)
        assert second.returncode == 1
        assert second.stderr.count("\n") == 1
        assert "another run is at work on this output" in second.stderr
        first.communicate()
    assert first.returncode == 0
    assert same_bytes(values(output), whole["crd"])


GRID = LeafGrid(24, 9, 8)


def tile(seed=0):
    scores = np.random.default_rng(seed).random((8, 9, 3)).astype(np.float32)
    return TileScores(slice(16, 24), slice(0, 9), scores)


def leave(folder, fingerprint, error=None):
    with pytest.raises(KeyboardInterrupt) if error is None else pytest.raises(type(error)):  # noqa: SIM117
        with Journal(folder, fingerprint) as journal:
            journal.keep(tile())
            journal.keep_scan(1, Moments.of(np.eye(3)))
            journal.keep_scan(2, object())
            journal.keep_scan(3, None)
            raise error or KeyboardInterrupt


def test_a_journal_gives_back_what_was_kept(tmp_path):
    leave(tmp_path / "run", {"a": 1})
    with Journal(tmp_path / "run", {"a": 1}) as journal:
        (kept,) = journal.finished(GRID, 3)
        assert (kept.rows, kept.cols) == (slice(16, 24), slice(0, 9))
        assert same_bytes(kept.layers, tile().layers)
        moments, found = journal.recall_scan(1)
        assert found
        np.testing.assert_array_equal(moments.scatter, Moments.of(np.eye(3)).scatter)
        assert journal.recall_scan(2) == (None, False)  # nothing that could be kept without a pickle
        assert journal.recall_scan(3) == (None, True)
        assert journal.recall_scan(4) == (None, False)
    assert not (tmp_path / "run").exists()


def test_damaged_files_of_a_journal_are_not_used(tmp_path):
    leave(tmp_path / "run", {"a": 1})
    for path in (*(tmp_path / "run").glob("*.tile"), tmp_path / "run" / "scan-0001"):
        content = bytearray(path.read_bytes())
        content[-5] ^= 1
        path.write_bytes(content)
    (tmp_path / "run" / "scan-0003").write_bytes(b"")
    with Journal(tmp_path / "run", {"a": 1}) as journal:
        assert list(journal.finished(GRID, 3)) == []
        assert [journal.recall_scan(number)[1] for number in (1, 2, 3)] == [False] * 3


def test_a_folder_with_a_damaged_manifest_is_left_to_its_owner(tmp_path):
    leave(tmp_path / "run", {"a": 1})
    (tmp_path / "run" / "run.json").write_bytes(b"{")
    with (
        pytest.raises(OutputError, match=r"holds no run\.json of an unfinished run"),
        Journal(tmp_path / "run", {"a": 1}),
    ):
        pass
    assert len(list((tmp_path / "run").glob("*.tile"))) == 1


def test_a_journal_says_in_what_the_earlier_run_differed(tmp_path):
    leave(tmp_path / "run", {"a": 1, "b": [2], "c": 3})
    with (
        pytest.warns(ResumeWarning, match="an unfinished run had other b, c; starting afresh; what it has"),
        Journal(tmp_path / "run", {"a": 1, "b": [1], "c": 4}) as journal,
    ):
        assert list(journal.finished(GRID, 3)) == []


def test_what_another_run_has_finished_makes_way_and_comes_back(tmp_path):
    folder, mine, other = tmp_path / "run", {"a": 1}, {"a": 2}
    leave(folder, mine)
    with (
        pytest.warns(ResumeWarning, match=r"other a; starting afresh; what it has finished is kept in .*run-\w{8}"),
        Journal(folder, other) as journal,
    ):
        assert list(journal.finished(GRID, 3)) == []
    assert len(list(tmp_path.iterdir())) == 1  # the other ended well, and nothing is left of it
    with Journal(folder, mine) as journal:
        assert len(list(journal.finished(GRID, 3))) == 1
    assert list(tmp_path.iterdir()) == []
    leave(folder, mine)
    with Journal(folder, other, restart=True) as journal:  # --restart drops it
        assert list(journal.finished(GRID, 3)) == []
    assert list(tmp_path.iterdir()) == []


def test_nothing_stays_of_a_run_that_would_fail_again(tmp_path):
    leave(tmp_path / "run", {}, DataError("no valid pixel"))
    assert not (tmp_path / "run").exists()
    with pytest.raises(OSError, match="boom"), Journal(tmp_path / "run", {}):
        raise OSError("boom")
    assert not (tmp_path / "run").exists()


def test_a_journal_belongs_to_one_run(tmp_path):
    with Journal(tmp_path / "run", {}) as journal:
        journal.keep(tile())
        with pytest.raises(OutputError, match="another run is at work"), Journal(tmp_path / "run", {}):
            pass
        assert len(list(journal.finished(GRID, 3))) == 1


def test_packed_values_come_back_and_a_file_cannot_name_what_it_likes():
    value = {"a": (1, 2.5, None, "x"), "b": Moments.of(np.arange(12.0).reshape(4, 3)), "c": np.float32(3)}
    arrays = {}
    packed = json.loads(json.dumps(pack(value, "value", arrays)))
    found = unpack(packed, arrays, find_loaded)
    assert (found["a"], found["c"]) == (value["a"], 3.0)
    np.testing.assert_array_equal(found["b"].mean, value["b"].mean)
    for name in ("os:system", "subprocess:Popen", "hsad.kernels.summaries:quantile", "nowhere:Class"):
        with pytest.raises(KeyError):
            find_loaded(name)
    for unfit in (object(), {1, 2}, np.array([object()])):
        with pytest.raises(TypeError, match="cannot be saved"):
            pack(unfit, "value", {})


class Idle(Runner):
    """Does nothing: what is asked of it should have been kept."""

    def run(self, function, items, *shared):  # noqa: ARG002
        raise AssertionError(f"{function} runs again")
        yield


#: Parameters with which methods learn quickly.
QUICK = {
    "unrolled-rpca": {"training": "none"},
    "rpcanet": {"steps": 1, "stages": 1},
    "deep-rx": {"features": "random"},
    "autoencoder": {"steps": 2, "channels": 4},
    **{method: {"target": range(8)} for method in ("ace", "mf", "cem", "sam")},
    **{method: {"before_bands": 4} for method in ("chronochrome", "covariance-equalisation", "hyperbolic")},
}


@pytest.mark.parametrize("method", [learned.param(method, method) for method in DETECTORS])
def test_what_every_method_learns_follows_from_the_scans_that_are_kept(method, tmp_path):
    spectra = np.random.default_rng(3).normal(size=(70, 80, 8)).cumsum(axis=2)
    source, detector = source_of(check_cube(spectra)), make_detector(method, **QUICK.get(method, {}))
    sources = [source] * (4 if method == "padim" else 1)
    with contextlib.suppress(KeyboardInterrupt), Journal(tmp_path / "run", {}) as journal:
        background = Engine().learn(detector, sources, journal)
        journal.keep(tile())
        raise KeyboardInterrupt
    with Journal(tmp_path / "run", {}) as journal:
        again = Engine(Idle()).learn(detector, sources, journal)
    first, second = (Learned(detector, learned, np.arange(8), 8, None) for learned in (background, again))
    assert first.digest() == second.digest()
