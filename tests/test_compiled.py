"""How kernels are compiled and cached: announced once, and never taken from a cache of other sources."""

import logging
import pickle
from pathlib import Path

import numba
from numba.core import event

from hsad.kernels import compiled
from hsad.kernels.ring import score


def test_compiling_is_announced_once(caplog):
    class Dispatcher:
        py_func = score.score_rings

    announcement = compiled.Announcement()
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
