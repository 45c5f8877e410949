"""The cache of compiled kernels: no folder to write to, and damaged files, cost time and a remark but no run."""

import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import numba
import numpy as np
import pytest

from hsad.errors import HsadWarning, OutputWarning
from hsad.kernels import own_copies
from hsad.kernels.compiled import compiled

# As for somebody who may write neither to the installation nor to a home: numba finds no folder.
NOWHERE = "import numba.core.caching as c; c.CacheImpl._locator_classes = []\n"

RUN = """
import sys, warnings
import numpy as np, hsad
with warnings.catch_warnings(record=True) as found:
    warnings.simplefilter("always")
    scores = hsad.detect(np.random.default_rng(0).normal(size=(9, 9, 3)), "rx", workers=1)
for warning in found:
    print(warning.category.__name__, warning.message)
from hsad.doctor import examine
print([finding.state for finding in examine() if finding.subject == "compiled code"])
np.save(sys.argv[1], scores)
"""


def lines_of(script, *arguments, **environment):
    command = [sys.executable, "-c", script, *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | environment)
    return result.stdout.splitlines()


@pytest.mark.long
@pytest.mark.faults
def test_without_a_folder_to_write_to_kernels_are_compiled_with_one_remark(tmp_path):
    *remarks, doctor = lines_of(NOWHERE + RUN, tmp_path / "anew.npy")
    assert [line.split()[0] for line in remarks] == ["OutputWarning"]
    assert "NUMBA_CACHE_DIR" in remarks[0]
    assert doctor == "['remark']"
    assert lines_of(RUN, tmp_path / "cached.npy") == ["['well']"]
    np.testing.assert_array_equal(np.load(tmp_path / "anew.npy"), np.load(tmp_path / "cached.npy"))


def cubed(x):
    return x * x * x


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(own_copies, "_WARNED", set())
    return tmp_path / "cache"


def test_a_folder_that_cannot_be_written_any_more_costs_a_remark(folder):
    kernel = compiled(cubed)
    for path in (*folder.rglob("*"), folder):
        path.rmdir()
    folder.write_text("a file")
    with pytest.warns(OutputWarning, match=re.escape(str(folder))):
        assert kernel(2.0) == 8.0
    assert kernel(2) == 8


def cut(share):
    def damage(path):
        path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])

    return damage


def zero(path):
    """As after a power failure: the length is right, a page of it was never written."""
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 64] = bytes(64)
    path.write_bytes(content)


def flip(path):
    """One bit of the machine code."""
    content = bytearray(path.read_bytes())
    content[content.index(b".text") - 200] ^= 1
    path.write_bytes(content)


def become_folder(path):
    path.unlink()
    path.mkdir()


DAMAGES = [
    ("nbi", cut(0)), ("nbi", cut(0.5)), ("nbi", cut(0.99)), ("nbi", lambda path: path.write_bytes(b"text")),
    ("nbi", become_folder), ("nbc", cut(0)), ("nbc", cut(0.5)), ("nbc", cut(0.99)), ("nbc", zero), ("nbc", flip),
]  # fmt: skip


@pytest.mark.parametrize("suffix, damage", DAMAGES)
def test_a_damaged_file_is_named_and_its_kernel_is_compiled_anew(folder, suffix, damage):
    assert compiled(cubed)(2.0) == 8.0
    (path,) = folder.rglob(f"*.{suffix}")
    damage(path)
    with pytest.warns(HsadWarning, match=re.escape(str(path.with_suffix("").with_suffix("")))):
        assert compiled(cubed)(2.0) == 8.0
    if damage is become_folder:
        return  # nothing can be written in its place
    again = compiled(cubed)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert again(2.0) == 8.0
    assert sum(again.stats.cache_hits.values()) == 1


def test_a_missing_data_file_is_written_again(folder):
    assert compiled(cubed)(2.0) == 8.0
    (path,) = folder.rglob("*.nbc")
    path.unlink()
    assert compiled(cubed)(2.0) == 8.0
    assert Path(path).exists()
