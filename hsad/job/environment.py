"""What libraries take from their surroundings: variables that make them fail, and the scheduler of dask."""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Iterator

from hsad.errors import ParameterError
from hsad.lazy.deferred import when_run

__all__ = ["check_environment", "reads_in_threads"]

#: Backends that each matplotlib has. Other names are looked up in matplotlib itself, which takes time to import.
_BACKENDS = {"agg", "cairo", "pdf", "pgf", "ps", "qtagg", "svg", "template", "tkagg", "webagg"}


def check_environment() -> None:
    """Refuse values of environment variables that a library refuses with a traceback, after work or in the midst.

    Raises
    ------
    ParameterError
        It names the variable, its value and what to do.
    """
    _check_numba()
    _check_matplotlib()
    _check_dask()


@contextlib.contextmanager
def reads_in_threads() -> Iterator[None]:
    """Let dask read small parts of files in threads of this process.

    Asked without a scheduler, or for one by its name, dask imports `distributed` to look for a client, which takes a
    quarter of a second. Runs on a cluster have a client of their own.
    """
    with contextlib.ExitStack() as settings:

        def choose() -> None:
            import dask
            from dask.threaded import get

            settings.enter_context(dask.config.set(scheduler=get))

        settings.callback(when_run("dask", choose))
        yield


def _check_numba() -> None:
    text = os.environ.get("NUMBA_NUM_THREADS")
    try:
        threads = int(text) if text else 1
    except ValueError:  # numba does not use it
        return
    if threads < 1:
        raise ParameterError(f"NUMBA_NUM_THREADS={text}: must be 1 or more; unset it, hsad has threads of its own")


def _check_matplotlib() -> None:
    backend = os.environ.get("MPLBACKEND")
    if not backend or backend.lower() in _BACKENDS or backend.startswith("module://"):
        return
    try:
        importlib.import_module("matplotlib")  # it refuses a wrong name
    except ValueError as error:
        raise ParameterError(
            f"MPLBACKEND={backend}: no backend of matplotlib has this name; unset it, or choose agg"
        ) from error


def _check_dask() -> None:
    place = os.environ.get("DASK_CONFIG")
    if not place or not os.path.exists(place):  # noqa: PTH110  dask does not use it then
        return
    try:
        importlib.import_module("dask.config")  # it reads the files
    except Exception as error:
        reason = " ".join(str(error).split())
        raise ParameterError(
            f"DASK_CONFIG={place}: dask cannot read it ({reason}); mend the file, or unset it"
        ) from error
