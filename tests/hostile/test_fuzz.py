"""Hundreds of damaged files end well; ``pytest -m long tests/hostile`` opens tens of thousands."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from hostile.attack import attack

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="memory is measured with resource")
SHORT = {"header": 80, "tiff": 40, "mat": 40, "background": 25, "sealed": 25, "granule": 35}
LONG = {"header": 20_000, "tiff": 5_000, "mat": 3_000, "background": 2_500, "sealed": 2_500, "granule": 6_000}


@pytest.fixture(scope="module", autouse=True)
def child_finds_this_folder():
    folder = str(Path(__file__).parents[1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH", "")])))
        yield


@pytest.fixture(scope="module")
def short():
    """Return what one child says of the files of all kinds: it takes a second to start."""
    return attack({kind: range(number) for kind, number in SHORT.items()})


@pytest.mark.faults
@pytest.mark.parametrize("kind", SHORT)
def test_damaged_files_are_read_or_refused_in_one_line_that_names_them(kind, short):
    counts, bad = (found[kind] for found in short)
    assert bad == []
    assert sum(counts.values()) == SHORT[kind]
    assert counts["refused"] > SHORT[kind] // 10  # else the damage would be none


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("kind", LONG)
def test_many_damaged_files(kind, record_property):
    counts, bad = (found[kind] for found in attack({kind: range(SHORT[kind], SHORT[kind] + LONG[kind])}))
    record_property("counts", dict(counts))
    assert bad == []
