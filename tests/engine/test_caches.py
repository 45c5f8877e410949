"""The caches of leaves: they stay on the worker that filled them, as long as the run."""

import gc
import pickle
import time
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import sketches

from hsad.detectors.base import Detector, Scan
from hsad.detectors.block import Block
from hsad.engine import caches
from hsad.engine.caches import LeafCaches
from hsad.engine.run import Engine
from hsad.engine.runners.cluster import Cluster
from hsad.engine.runners.local import Runner
from hsad.engine.source import source_of
from hsad.scene.cube import check_cube


@dataclass(frozen=True)
class Visits(Detector):
    """Counts how often the caches of leaves knew of an earlier visit."""

    leaf: ClassVar[int] = 16

    def learn(self, scan: Scan):
        return sketches.Mean(np.array([scan(visit), scan(visit), scan(visit)]))

    def score(self, block: Block, background: sketches.Mean):  # noqa: ARG002
        return np.zeros(block.core_valid.shape)


def visit(block):
    known = block.cache.get("visits", 0)
    block.cache["visits"] = known + 1
    return known


def arrived():
    gc.collect()
    return len(caches._arrived)


def source():
    return source_of(check_cube(np.random.default_rng(0).normal(size=(64, 96, 3))))


def visits(runner: Runner):
    return Engine(runner, tile=16).learn(Visits(), [source()]).mean


@pytest.mark.cluster
def test_workers_find_their_caches_again_and_forget_them_after_the_run(cluster):
    runner = Cluster(cluster)
    none, once, twice = visits(runner)
    # Each of 24 leaves, but for those that a worker took over from the other.
    assert none == 0
    assert 12 <= once <= 24
    assert once < twice <= 48
    runner.close()
    for _ in range(100):
        if not any(cluster.run(arrived).values()):
            break
        time.sleep(0.1)
    assert not any(cluster.run(arrived).values())


def test_caches_are_found_by_name_while_somebody_holds_them():
    sent = pickle.dumps(LeafCaches(1000))
    caches = pickle.loads(sent)  # noqa: S301
    caches[0, 0] = {"a": 1}
    assert pickle.loads(sent) is caches  # noqa: S301
    assert pickle.loads(pickle.dumps(LeafCaches(1000))) == {}  # noqa: S301
    del caches
    gc.collect()
    assert pickle.loads(sent) == {}  # noqa: S301
