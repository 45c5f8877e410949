"""Fixtures and hypothesis profiles shared by all tests."""

from __future__ import annotations

import gc
import os
import tempfile
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import HealthCheck, settings

# "ci" tries the same examples every time, "local" other ones; `--hypothesis-profile many` tries ten times more.
settings.register_profile(
    "ci", max_examples=8, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("local", settings.get_profile("ci"), derandomize=False)
settings.register_profile("many", settings.get_profile("local"), max_examples=100)
settings.load_profile("ci" if os.environ.get("CI") else "local")


def pytest_addoption(parser):
    parser.addoption(
        "--detector",
        action="append",
        metavar="'NAME [PARAMETER=VALUE ...]'",
        help="Put this detector, of an installed package or package.module:Class, under contract; may be repeated.",
    )
    parser.addoption(
        "--part", metavar="I/N", help="Run the tests number I, I + N, I + 2N, ... of those chosen, counted from 0."
    )


def pytest_configure(config):
    config.pluginmanager.register(Examples())  # not as this file, whose hooks are for the tests of this folder alone


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Leave what is collected to the end of the run: to look for garbage in it takes half a second each time."""
    thresholds = gc.get_threshold()
    gc.set_threshold(0)  # not `gc.disable`: dask.array notes when it is imported whether the collector is on, for ever
    try:
        return (yield)
    finally:
        gc.set_threshold(*thresholds)
        gc.freeze()


class Examples:
    """Examples in docstrings make temporary folders, which are for the reader to keep and for the tests to remove."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item):
        if not isinstance(item, pytest.DoctestItem):
            return (yield)
        with tempfile.TemporaryDirectory() as folder, mock.patch.object(tempfile, "tempdir", folder):
            return (yield)


@pytest.hookimpl(trylast=True)  # after what -m, -k and --deselect leave out
def pytest_collection_modifyitems(config, items):
    part = config.getoption("--part")
    if part:
        first, every = map(int, part.split("/"))
        items[:] = items[first % every :: every]


@pytest.fixture(scope="session")
def data() -> Path:
    """Return the folder of real scenes, or skip: it is not part of the repository."""
    named = os.environ.get("HSAD_DATA")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"
    if not (folder / "scenes").is_dir():
        pytest.skip(f"no real scenes in {folder}: set HSAD_DATA to the folder that holds scenes/, envi/, odd/")
    return folder


@pytest.fixture
def hsad_run(capsys):
    """Return a function that runs a command line and gives status, stdout and stderr."""
    from hsad.cli import run

    def call(*arguments):
        status = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


@pytest.fixture(scope="session")
def cluster():
    """Yield a client of a real dask cluster: two worker processes of one thread each."""
    import warnings

    from distributed import Client, LocalCluster

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what dask says about ports and unclosed sockets is not ours
        with (
            LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as local,
            Client(local, set_as_default=False) as client,
        ):
            yield client


@pytest.fixture
def cuda_on_cpu(monkeypatch) -> None:
    """Make the device ``cuda`` torch's CPU device, so that its code runs without a GPU."""
    from hsad.kernels import device

    real = device.torch_device
    monkeypatch.setattr(device, "torch_device", lambda name, by: real("cpu" if name == "cuda" else name, by))
