"""What goes wrong in the middle of a run ends in one line; what is finished is kept, and used by the next start."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import rasterio
from processes import (
    PATIENCE,
    finished_tiles,
    hsad,
    restore,
    running,
    same_bytes,
    unfinished,
    values,
    wait_for,
    write_scene,
)
from rasterio.errors import NotGeoreferencedWarning
from sketches import LocalContrast, MeanDistance

import hsad as library
from hsad.detectors.parameters import parameter
from hsad.errors import ClusterError, TileError

pytestmark = pytest.mark.faults

CRD = ("-m", "crd", "--outer", 11, "--inner", 5, "--tile", 64, "--workers", 2)


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    return write_scene(tmp_path_factory.mktemp("scene"))


@pytest.fixture(scope="module")
def whole(scene):
    return library.detect(scene, "crd", outer=11, inner=5).values[None]


def fails_in_one_line(done):
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("hsad: error: ")
    return done.stderr


def goes_on(scene, options, output, expected):
    """Run again: what was finished is used, and the result is that of an undisturbed run."""
    done = hsad("detect", scene, *options, "-o", output, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["continued"] > 0
    assert same_bytes(values(output), expected)
    assert not unfinished(output).exists()


def write_tiled(path, spectra):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        rows, cols, bands = spectra.shape
        with rasterio.open(
            path, "w", driver="GTiff", width=cols, height=rows, count=bands, dtype="float32", compress="deflate",
            tiled=True, blockxsize=64, blockysize=64, interleave="pixel",
        ) as dataset:  # fmt: skip
            dataset.write(np.moveaxis(spectra, -1, 0))


@pytest.mark.long
@pytest.mark.faults
def test_a_tile_that_always_fails_is_named_and_the_rest_is_kept(tmp_path):
    spectra = np.random.default_rng(1).normal(size=(200, 260, 12)).astype(np.float32)
    scene, output = tmp_path / "scene.tif", tmp_path / "s.tif"
    write_tiled(scene, spectra)
    content, status = scene.read_bytes(), scene.stat()
    offset = block_offset(content, 5 * 1 + 2)
    damaged = bytearray(content)
    damaged[offset + 10 : offset + 400] = bytes(390)
    restore(scene, bytes(damaged), status)
    options = ("-m", "lrx", "--outer", 5, "--inner", 3, "--tile", 64)
    message = fails_in_one_line(hsad("detect", scene, *options, "-o", output))
    # Its own tile cannot be read, nor can those whose windows reach into it.
    assert "9 of 20 tiles failed twice: rows 0:64, columns 64:128 (SceneError" in message
    assert str(scene) in message
    assert "what is finished is kept in" in message
    assert finished_tiles(output) == 11
    assert not output.exists()
    restore(scene, content, status)
    goes_on(scene, options, output, library.detect(spectra, "lrx", outer=5, inner=3)[None])


def block_offset(content, number):
    """Return where block `number` of a little-endian classic TIFF begins, from its first directory."""
    directory = int.from_bytes(content[4:8], "little")
    entries = int.from_bytes(content[directory : directory + 2], "little")
    for entry in range(entries):
        start = directory + 2 + 12 * entry
        if int.from_bytes(content[start : start + 2], "little") == 324:
            table = int.from_bytes(content[start + 8 : start + 12], "little")
            return int.from_bytes(content[table + 4 * number : table + 4 * number + 4], "little")
    raise AssertionError("no tile offsets")


@pytest.mark.long
def test_a_source_that_is_truncated_during_the_run(scene, whole, tmp_path):
    data, output = scene.with_suffix(".img"), tmp_path / "s.tif"
    content, status = data.read_bytes(), data.stat()
    with running("detect", scene, *CRD, "-o", output) as process:
        wait_for(lambda: finished_tiles(output) >= 4, process)
        process.send_signal(signal.SIGSTOP)  # not in the midst of a read, which would be a matter of luck
        os.truncate(data, len(content) // 2)
        process.send_signal(signal.SIGCONT)
        stdout, stderr = process.communicate()
    try:
        assert (process.returncode, stdout, stderr.count("\n")) == (1, "", 1)
        # Said by the first tile that is finished after that, or by all the others that cannot be read.
        promised = f"its header promises {len(content)} bytes, the file has {len(content) // 2}"
        changed = f"{data}: changed while it was read, from {len(content)} to {len(content) // 2} bytes"
        assert promised in stderr or changed in stderr
        # The truncated file is no scene at all: nothing is lost by trying.
        fails_in_one_line(hsad("detect", scene, *CRD, "-o", output))
        assert finished_tiles(output) >= 4
    finally:
        restore(data, content, status)
    goes_on(scene, CRD, output, whole)


@pytest.fixture
def small_disk(tmp_path):
    """Return a folder on a file system of 8 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if mount is None or os.name != "posix":
        pytest.skip("no mount command for a small file system")
    made = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=8M", "tmpfs", folder], capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {made.stderr.strip()}")
    yield folder
    subprocess.run([shutil.which("umount"), "--lazy", folder], check=True)


def fill_up(path):
    """Write until nothing goes onto the disk any more."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass


@pytest.mark.long
def test_a_disk_that_fills_up_during_the_run(scene, whole, small_disk):
    output, other = small_disk / "s.tif", small_disk / "other"
    with running("detect", scene, *CRD, "-o", output) as process:
        wait_for(lambda: finished_tiles(output) >= 4, process)
        process.send_signal(signal.SIGSTOP)
        fill_up(other)
        process.send_signal(signal.SIGCONT)
        stdout, stderr = process.communicate()
    assert (process.returncode, stdout, stderr.count("\n")) == (1, "", 1)
    assert "No space left on device; what is finished is kept in" in stderr
    assert not output.exists()
    assert finished_tiles(output) >= 4
    # Still full: said before any work, and nothing lost.
    assert "No space left on device" in fails_in_one_line(hsad("detect", scene, *CRD, "-o", output))
    assert finished_tiles(output) >= 4
    other.unlink()
    goes_on(scene, CRD, output, whole)


CLUSTER = """
import sys, time, warnings
warnings.simplefilter("ignore")
from distributed import LocalCluster
if __name__ == "__main__":
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()
"""


@contextlib.contextmanager
def started_cluster():
    """Start a cluster of two worker processes that a test may kill; give its process and its address."""
    environment = {
        **os.environ,
        # Workers find the detectors of tests.
        "PYTHONPATH": os.pathsep.join(map(str, Path(__file__).parents[:2])),
        "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1",
    }
    process = subprocess.Popen(
        [sys.executable, "-c", CLUSTER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True, env=environment,
    )  # fmt: skip
    yield process, process.stdout.readline().strip()
    process.communicate("")


@pytest.fixture
def cluster_of_its_own():
    with started_cluster() as (_, address):
        yield address


def worker_processes(address):
    from distributed import Client

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Client(address, set_as_default=False) as client:
            deadline = time.monotonic() + PATIENCE
            while len(client.nthreads()) < 2:
                assert time.monotonic() < deadline, "no workers"
                time.sleep(0.05)
            return list(client.run(os.getpid).values())


@pytest.mark.long
@pytest.mark.cluster
def test_a_worker_that_is_killed_twice_costs_nothing(scene, whole, tmp_path, cluster_of_its_own):
    output = tmp_path / "s.tif"
    options = (*CRD[:-2], "--scheduler", cluster_of_its_own)
    with running("detect", scene, *options, "-o", output) as process:
        for wanted in (3, 12):
            wait_for(lambda wanted=wanted: finished_tiles(output) >= wanted, process)
            process.send_signal(signal.SIGSTOP)
            os.kill(worker_processes(cluster_of_its_own)[0], signal.SIGKILL)
            process.send_signal(signal.SIGCONT)
        _, stderr = process.communicate()
    assert process.returncode == 0, stderr  # dask itself may say there that it computes lost results again
    assert same_bytes(values(output), whole)


@dataclass(frozen=True)
class Deadly(LocalContrast):
    """Kills the process that scores the leaf at this place, as running out of memory does."""

    row: int = parameter(16, "row of the leaf")

    def score(self, block, background):
        if (block.origin[0] + block.core[0].start, block.origin[1] + block.core[1].start) == (self.row, 32):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().score(block, background)


@pytest.mark.long
@pytest.mark.cluster
def test_a_tile_that_kills_every_worker_is_named_and_the_rest_is_kept(tmp_path, cluster_of_its_own):
    scene, output = write_scene(tmp_path, rows=60, cols=70, bands=5), tmp_path / "s.tif"
    with pytest.raises(TileError) as caught:
        library.detect_to_file(scene, output, Deadly(), tile=16, scheduler=cluster_of_its_own)
    assert "1 of 20 tiles failed twice: rows 16:32, columns 32:48 (KilledWorker" in str(caught.value)
    assert finished_tiles(output) == 19
    assert not output.exists()


@dataclass(frozen=True)
class Failing(MeanDistance):
    """Fails everywhere."""

    def score(self, block, background):
        raise ZeroDivisionError(f"at {block.origin}, {background}")


def test_tiles_that_all_fail_are_not_all_tried(tmp_path):
    scene, output = write_scene(tmp_path, rows=100, cols=200, bands=3), tmp_path / "s.tif"
    with pytest.raises(TileError, match=r"16 of 91 tiles failed twice: rows 0:16, columns 0:16 \(ZeroDivisionError"):
        library.detect_to_file(scene, output, Failing(), tile=16, workers=1)
    assert not output.exists()


@pytest.mark.long
@pytest.mark.cluster
def test_a_scheduler_that_is_gone_is_said_and_the_rest_is_kept(scene, whole, tmp_path):
    output = tmp_path / "s.tif"
    with started_cluster() as (process, address):
        with running("detect", scene, *CRD[:-2], "--scheduler", address, "-o", output) as run:
            wait_for(lambda: finished_tiles(output) >= 3, run)
            process.kill()
            _, stderr = run.communicate()
        assert run.returncode == 1
        assert stderr.count("\n") == 1, stderr
        assert "hsad: error: scheduler: the connection to the cluster is lost" in stderr.splitlines()[-1]
        assert finished_tiles(output) >= 3
    goes_on(scene, CRD, output, whole)


NOWHERE = """
from dataclasses import dataclass
from hsad.detectors.base import Detector
@dataclass(frozen=True)
class Unknown(Detector):
    def score(self, block, background):
        return block.spectra[block.core][..., 0]
"""


@pytest.mark.cluster
def test_a_detector_that_the_cluster_cannot_import(tmp_path, cluster_of_its_own, monkeypatch):
    scene, folder = write_scene(tmp_path, rows=60, cols=70, bands=5), tmp_path / "only_here"
    folder.mkdir()
    (folder / "nowhere.py").write_text(NOWHERE)
    monkeypatch.syspath_prepend(folder)
    detector = importlib.import_module("nowhere").Unknown()
    with pytest.raises((ClusterError, TileError), match=r"nowhere|import"):
        library.detect_to_file(scene, tmp_path / "s.tif", detector, scheduler=cluster_of_its_own)
    assert not (tmp_path / "s.tif").exists()
