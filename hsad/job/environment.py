"""Environment variables that make a library fail when it is imported: refused before the work, in one line."""

from __future__ import annotations

import importlib
import os

from hsad.errors import ParameterError

__all__ = ["check_environment"]

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
