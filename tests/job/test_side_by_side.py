"""Work in several processes: results in order, errors and warnings of another process, and processes that crash."""

from __future__ import annotations

import math
import os
import time
import warnings

import psutil
import pytest

from hsad.errors import HsadError, SceneWarning
from hsad.job.many import processes
from hsad.job.many.processes import side_by_side


@pytest.mark.parametrize("at_once", [1, 2])
def test_results_come_in_the_order_of_the_tasks_and_errors_among_them(at_once):
    found = list(side_by_side(math.sqrt, [4.0, -1.0, 9.0, 16.0], at_once))
    assert [found[0], *found[2:]] == [2.0, 3.0, 4.0]
    assert isinstance(found[1], ValueError)


def test_the_work_is_done_by_other_processes_that_end_with_it():
    found = list(side_by_side(os.getenv, ["HOME"] * 3, 2))
    assert found == [os.environ["HOME"]] * 3
    assert not [child for child in psutil.Process().children() if "hsad.job.many" in " ".join(child.cmdline())]


def test_a_warning_in_another_process_is_one_here():
    with pytest.warns(SceneWarning, match="odd"):
        assert list(side_by_side(warnings.warn, [SceneWarning("odd"), SceneWarning("odd")], 2)) == [None, None]


def test_a_process_that_crashes_costs_its_task_only():
    found = list(side_by_side(os._exit, [3], 2))
    assert isinstance(found[0], HsadError)
    assert "with status 3" in str(found[0])
    # The next task of the same process gets a new one.
    first, second, third = side_by_side(eval, ["1 + 1", "__import__('os').kill(__import__('os').getpid(), 9)", "2"], 2)
    assert (first, third) == (2, 2)
    assert "by signal 9" in str(second)


def test_a_process_is_replaced_after_some_tasks(monkeypatch):
    monkeypatch.setattr(processes, "_TASKS", 3)
    state = "__import__('os').environ"  # lives as long as the process
    counted = f"{state}.__setitem__('N', {state}.get('N', '') + 'x') or len({state}['N'])"
    assert max(side_by_side(eval, [counted] * 14, 2)) == 3


def test_a_caller_that_stops_early_waits_for_nobody():
    for _ in side_by_side(time.sleep, [0.0, 3e6, 3e6, 3e6], 2):  # a caller that waits runs into the limit of tests
        break
    assert not [child for child in psutil.Process().children() if "hsad.job.many" in " ".join(child.cmdline())]
