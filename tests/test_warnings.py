"""Filters of warnings: those of the process are the same after a run, also where several threads run."""

from __future__ import annotations

import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import hsad
from hsad.errors import without_warnings


def test_threads_that_ignore_warnings_at_the_same_time_leave_no_filter_behind():
    before = list(warnings.filters)
    inside, begun = threading.Event(), threading.Event()

    def first():
        with without_warnings(RuntimeWarning):
            inside.set()
            begun.wait(10)
            second.join(0.2)  # it would come in now, and leave last

    def late():
        inside.wait(10)
        begun.set()
        with without_warnings(UserWarning):
            one.join(0.2)

    one, second = threading.Thread(target=first), threading.Thread(target=late)
    one.start()
    second.start()
    one.join()
    second.join()
    assert list(warnings.filters) == before


def test_runs_in_several_threads_leave_no_filter_behind():
    scenes = [np.random.default_rng(seed).normal(size=(12, 12, 5)) for seed in range(24)]
    hsad.detect(scenes[0], "rx", workers=1)  # libraries set filters of their own when they are imported
    before = list(warnings.filters)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda scene: hsad.detect(scene, "rx", workers=1), scenes))
    assert list(warnings.filters) == before
