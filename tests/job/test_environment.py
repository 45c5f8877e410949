"""Environment variables that make libraries fail are named in one line, before any work."""

from __future__ import annotations

import os

import pytest
from processes import hsad

from hsad.errors import ParameterError
from hsad.job.environment import check_environment


@pytest.mark.parametrize("text", ["a: [", "- 1\n- 2\n", "\t:\n"])
def test_a_configuration_of_dask_that_cannot_be_read_is_one_line(text, tmp_path):
    (tmp_path / "dask.yaml").write_text(text)
    refused("DASK_CONFIG", str(tmp_path / "dask.yaml"))


@pytest.mark.parametrize("variable, value", [("NUMBA_NUM_THREADS", "0"), ("MPLBACKEND", "nothing")])
def test_a_variable_that_a_library_refuses_is_one_line(variable, value):
    refused(variable, value)


def refused(variable, value):
    environment = {**os.environ, variable: value}
    done = hsad("detect", "scene.hdr", "-o", "scores.tif", env=environment)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith(f"hsad: error: {variable}={value}: ")
    assert "unset it" in done.stderr


@pytest.mark.parametrize(
    "variable, values",
    [
        ("NUMBA_NUM_THREADS", ["1", "64", "", "many"]),
        ("MPLBACKEND", ["agg", "Agg", "", "module://matplotlib_inline.backend_inline"]),
        ("DASK_CONFIG", ["", "/nowhere/dask.yaml"]),
    ],
)
def test_values_that_work_or_are_not_used_are_left(variable, values, monkeypatch):
    for value in values:
        monkeypatch.setenv(variable, value)
        check_environment()


def test_numbers_of_threads_below_one_are_refused_in_python(monkeypatch):
    monkeypatch.setenv("NUMBA_NUM_THREADS", "-2")
    with pytest.raises(ParameterError, match="NUMBA_NUM_THREADS=-2: must be 1 or more"):
        check_environment()
