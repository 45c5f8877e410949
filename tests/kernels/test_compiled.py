"""How kernels are compiled and cached: announced once, and never taken from a cache of other sources."""

import logging
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest
from numba.core import event

import hsad
from hsad.bench import compilation
from hsad.kernels import compiled
from hsad.kernels.announcement import Announcement
from hsad.kernels.ring import score
from hsad.manual import page


def test_compiling_is_announced_once(caplog):
    class Dispatcher:
        py_func = score.score_rings

    announcement = Announcement()
    with caplog.at_level(logging.INFO, "hsad"):
        for _ in range(2):
            announcement.on_start(event.Event("numba:compile", event.EventStatus.START, {"dispatcher": Dispatcher}))
    assert [record.message for record in caplog.records] == ["compiling kernels, once for this machine"]


def test_a_cache_of_other_sources_is_not_even_unpickled(monkeypatch, tmp_path):
    """It may hold types that are gone, which unpickling would stumble over."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    kernel = compiled.compiled(doubled)
    index = Path(kernel._cache._cache_file._index_path)
    index.parent.mkdir(parents=True, exist_ok=True)
    index.write_bytes(pickle.dumps(numba.__version__) + b"cgone\nTile\n.")
    assert kernel(2.0) == 4.0
    assert pickle.loads(index.read_bytes()) != numba.__version__  # noqa: S301


def doubled(x):
    return 2 * x


@compiled.inner
def total(values):
    found = 0.0
    for value in values:
        found += value * value
    return found


@compiled.compiled
def total_of_rows(values):
    found = 0.0
    for row in range(values.shape[0]):
        found += total(values[row])
    return found


def test_a_function_inside_of_kernels_is_not_for_python(tmp_path, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    caller = compiled.compiled(total_of_rows.py_func)
    assert caller(np.array([[3.0], [1.0]])) == 10.0
    assert sorted(path.name.split("-")[0] for path in tmp_path.rglob("*.nb?")) == ["test_compiled.total_of_rows"] * 2
    with pytest.raises(TypeError, match="total runs inside of kernels only"):
        total(np.ones(1))
    assert compiled.as_kernel(total)(np.array([3.0, 1.0])) == 10.0


def test_a_kernel_calls_its_own_copies_only():
    """Copies that the process shares make the last bits depend on which kernel was loaded first."""
    values = np.arange(12.0).reshape(3, 4)
    caller = compiled.compiled(total_of_rows.py_func)
    caller._cache.disable()  # a cached kernel has no text to look at
    assert caller(values) == np.sum(values * values)
    (code,) = caller.inspect_llvm().values()
    defined = re.findall(r"^define ([\w ]*?)\S* @\S*test_compiled\S*", code, re.MULTILINE)
    assert defined
    assert not [words for words in defined if "linkonce" in words]


SCORES = """
import hashlib, hsad
scene = hsad.make_scene(rows=60, cols=70, seed=3).cube.values[..., :48]
for _ in range(2):
    print(hashlib.sha256(hsad.detect(scene, "crd", workers=1).tobytes()).hexdigest())
"""


@pytest.mark.long
def test_the_same_bits_compiled_and_from_the_cache(tmp_path):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    script = SCORES + "\nimport sys\nprint('numba.np.linalg' in sys.modules, file=sys.stderr)"
    command = [sys.executable, "-c", script]
    runs = [subprocess.run(command, env=environment, capture_output=True, text=True, check=True) for _ in range(2)]
    assert len({line for run in runs for line in run.stdout.split()}) == 1
    # Machine code from the cache needs nothing of the compiler.
    assert [run.stderr.split()[-1] for run in runs] == ["True", "False"]


def test_every_method_with_kernels_is_compiled_at_a_quiet_time(monkeypatch, hsad_run):
    learned_by_torch = {"unrolled-rpca", "rpcanet", "deep-rx", "patchcore", "padim", "autoencoder"}
    ours = {name for name in hsad.DETECTORS if ":" not in name}  # other tests load detectors of modules
    assert {method for method, _, _ in compilation.RUNS.values()} == ours - learned_by_torch
    seen = []
    monkeypatch.setattr(compilation, "detect", lambda scene, method, **_: seen.append((method, scene.shape[2])))
    status, out, _ = hsad_run("doctor", "--compile")
    assert status == 0
    assert seen == [(method, bands) for method, bands, _ in compilation.RUNS.values()]
    assert [line[:32].strip() for line in out.splitlines()] == [*compilation.RUNS, "all"]


@pytest.mark.long
def test_after_compiling_nothing_is_compiled(tmp_path):
    """In a process of its own; there the second time all comes from the cache."""
    script = "from hsad.bench.compilation import *; import hsad.kernels.announcement as c\n"
    script += "c.Announcement.on_start = lambda *_: print('compiled')\ncompile_kernels()"
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", script]
    runs = [subprocess.run(command, env=environment, capture_output=True, text=True, check=True) for _ in range(2)]
    assert "compiled" in runs[0].stdout
    assert "compiled" not in runs[1].stdout


USED = """
import sys
from hsad.cli import run
assert run(["survey", sys.argv[1], "-o", sys.argv[2], "-q"]) == 0
from numba.core.registry import CPUDispatcher
for name, module in list(sys.modules.items()):
    for value in vars(module).values() if name.startswith("hsad.kernels") else ():
        if type(value) is CPUDispatcher and value.overloads:
            print(value.py_func.__name__)
"""


@pytest.mark.long
def test_a_survey_needs_the_kernels_that_the_manual_names(tmp_path):
    scene = hsad.make_scene(rows=128, cols=128, bands=60, target_sizes=(1, 3, 9))
    hsad.write_cube(scene.cube, tmp_path / "scene.hdr")
    command = [sys.executable, "-c", USED, str(tmp_path / "scene.hdr"), str(tmp_path / "out")]
    used = set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    text = page("changing-a-kernel").partition("## What a survey compiles")[2].partition("## ")[0]
    assert used == set(re.findall(r"`(\w+)`", text)) - {"auto"}
