"""Clusters: jobs inside their tasks, addresses that lead to no scheduler, workers that run another revision."""

from __future__ import annotations

import contextlib
import gc
import os
import shutil
import socket
import subprocess
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from processes import PATIENCE, same_bytes, values, write_scene

import hsad
from hsad.engine.runners import connection
from hsad.engine.runners.cluster import Cluster
from hsad.errors import ClusterError, ParameterError


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """Return five scenes: more than the cluster has workers."""
    folders = [tmp_path_factory.mktemp(f"scene{number}") for number in range(5)]
    return [str(write_scene(folder, rows=70, cols=80, bands=6, seed=n)) for n, folder in enumerate(folders)]


def in_threads(scenes, outputs):
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(hsad.detect_to_file, scenes, outputs, ["rx"] * len(scenes)))


@pytest.mark.long
@pytest.mark.cluster
@pytest.mark.timeout(150)
def test_jobs_inside_tasks_of_a_cluster_end_where_they_are_more_than_the_workers(scenes, tmp_path, cluster):
    import dask
    import dask.bag

    address = cluster.scheduler.address
    threads = lambda pair: in_threads(*pair)  # noqa: E731  a lambda travels by value

    def pairs(name):
        (tmp_path / name).mkdir()
        return [(scene, str(tmp_path / name / f"{number}.tif")) for number, scene in enumerate(scenes)]

    def job(pair, **options):
        return hsad.detect_to_file(*pair, "rx", **options)

    bag = dask.bag.from_sequence(pairs("bag"), npartitions=5)
    waiting = {
        "submit": [cluster.submit(hsad.detect_to_file, *pair, "rx") for pair in pairs("submit")],
        "map": cluster.map(job, pairs("map")),
        "delayed": cluster.compute([dask.delayed(job)(pair) for pair in pairs("delayed")]),
        "bag": [cluster.compute(bag.map(job))],
        "threads": [cluster.submit(threads, list(zip(*pairs("threads"), strict=True)))],
        "address": cluster.map(job, pairs("address"), scheduler=address),
    }
    expected = [hsad.detect(scene, "rx", workers=1).values[None] for scene in scenes]
    for name, futures in waiting.items():
        cluster.gather(futures)
        for number, scores in enumerate(expected):
            assert same_bytes(values(tmp_path / name / f"{number}.tif"), scores), name


@pytest.mark.parametrize(
    "address, said",
    [
        ("somewhere", "names no port"),
        ("tcp://somewhere", "names no port"),
        ("tcp://", "names no port"),
        ("", "names no port"),
        ("tcp://:8786", "names no host"),
        ("tcp://127.0.0.1:99999", "no port from 1 to 65535"),
        ("127.0.0.1:http", "no port from 1 to 65535"),
        ("http://127.0.0.1:8787/status", "a web page, such as the dashboard"),
        ("https://127.0.0.1:8787", "a web page, such as the dashboard"),
        ("ftp://127.0.0.1:1", "begins with none of tcp://, tls://"),
        ("inproc://127.0.0.1/1/1", "no dask scheduler answers"),
        ("inproc://1", "no dask scheduler answers"),
        ("tls://127.0.0.1:8786", "needs certificates"),
        ("tcp://127.0.0.1:1", "no dask scheduler answers"),
        (8786, "8786 is no address"),
    ],
)
def test_an_address_that_leads_to_no_scheduler_is_refused_in_one_line(address, said, monkeypatch):
    monkeypatch.setattr(connection, "_TIMEOUT", 0.5)
    with pytest.raises(ParameterError, match=said) as caught:
        Cluster(address)
    assert "\n" not in str(caught.value)
    assert str(address) in str(caught.value)


@contextlib.contextmanager
def listening(answer):
    """Yield the address of a program that accepts connections and sends these bytes, or is silent."""
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:
        held = []

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    held.append(server.accept()[0])
                    held[-1].sendall(answer)

        pool.submit(serve)
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        for one in held:
            one.close()


@pytest.mark.long
@pytest.mark.faults
def test_a_silent_program_at_the_address_is_refused_after_five_seconds():
    with listening(b"") as address:
        started = time.monotonic()
        with pytest.raises(ParameterError, match=r"no dask scheduler answers at .*no answer within 5 s"):
            Cluster(address)
        assert 4 < time.monotonic() - started < 15


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", bytes(64)])
def test_another_program_at_the_address_is_refused(answer, monkeypatch):
    monkeypatch.setattr(connection, "_TIMEOUT", 1.0)
    with listening(answer) as address, pytest.raises(ParameterError, match="no dask scheduler answers"):
        Cluster(address)


@pytest.mark.cluster
def test_a_worker_and_a_dashboard_are_no_schedulers(cluster, monkeypatch):
    monkeypatch.setattr(connection, "_TIMEOUT", 2.0)
    worker = next(iter(cluster.nthreads()))
    with pytest.raises(ParameterError, match=f"a dask worker answers at '{worker}'"):
        Cluster(worker)
    monkeypatch.setattr(connection, "_TIMEOUT", 0.5)  # which passes
    dashboard = f"tcp://127.0.0.1:{cluster.cluster.scheduler.http_server.port}"
    with pytest.raises(ParameterError, match="no dask scheduler answers"):
        Cluster(dashboard)


@contextlib.contextmanager
def worker_process(address, *folders):
    """Start a worker that finds packages in these folders first."""
    process = subprocess.Popen(
        [sys.executable, "-m", "dask", "worker", address, "--no-nanny", "--nthreads", "1", "--no-dashboard"],
        cwd=folders[0],  # `-m` searches this folder before all others
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders))},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for_workers(client, number):
    deadline = time.monotonic() + PATIENCE
    while len(client.nthreads()) < number:
        assert time.monotonic() < deadline, "no workers"
        time.sleep(0.05)
    return set(client.nthreads())


@pytest.mark.cluster
def test_a_worker_with_another_revision_is_named_before_any_work_and_when_it_joins_late(tmp_path):
    from distributed import Client, LocalCluster

    package, tests = Path(hsad.__file__).parent, Path(__file__).parents[1]
    shutil.copytree(package, tmp_path / "hsad", ignore=shutil.ignore_patterns("__pycache__", "*.nbi", "*.nbc"))
    with (tmp_path / "hsad" / "kernels" / "covariance.py").open("a") as file:
        file.write("\n# changed\n")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about ports that are in use
        local = LocalCluster(n_workers=0, dashboard_address=None)
    with local, Client(local, set_as_default=False) as client:
        address = local.scheduler_address
        with worker_process(address, package.parent, tests):
            equal = wait_for_workers(client, 1)
            runner = Cluster(client)
            with worker_process(address, tmp_path, tests):
                (other,) = wait_for_workers(client, 2) - equal
                named = rf"the worker {other} runs another revision of hsad \({hsad.__version__}, sources \w+\)"
                with pytest.raises(ClusterError, match=named):
                    hsad.detect(np.random.default_rng(0).random((40, 50, 3)), "rx", scheduler=address)
                late = [outcome for _, outcome in runner.run(time.sleep, [0.1] * 20)]
                with pytest.raises(ClusterError, match=named):
                    [outcome.result() for outcome in late]


def test_no_garbage_is_collected_while_a_client_starts(monkeypatch):
    import distributed

    seen = []

    class Watched:
        def __init__(self, *_, **__):
            seen.append(gc.get_threshold()[0])
            raise OSError("no scheduler")

    monkeypatch.setattr(distributed, "Client", Watched)
    monkeypatch.setattr(connection, "_ask", lambda *_: None)
    with pytest.raises(ParameterError, match="no dask scheduler answers"):
        connection.connected("tcp://127.0.0.1:1")
    assert seen == [0]
    assert gc.get_threshold()[0] > 0
    assert gc.isenabled()
