"""The errors and warnings of hsad: one base class each, and the few kinds a caller may want to tell apart.

Every message is one line that names the file or parameter, the offending value and, where there are some, the choices.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = [
    "ClusterError",
    "ConvergenceWarning",
    "DataError",
    "HsadError",
    "HsadWarning",
    "MissingExtraError",
    "OutputError",
    "OutputWarning",
    "ParameterError",
    "RankWarning",
    "ResumeWarning",
    "SceneError",
    "SceneWarning",
    "TileError",
    "without_warnings",
]


class HsadError(Exception):
    """Anything that hsad refuses to do; the command line prints it as one line and ends with status 1.

    Examples
    --------
    >>> import hsad
    >>> try:
    ...     hsad.open_cube("nowhere.hdr")
    ... except hsad.HsadError as error:
    ...     print(error)
    nowhere.hdr: no such file or directory
    """


class SceneError(HsadError):
    """A file cannot be read as what it was given for: missing, truncated, contradictory, unknown."""


class ParameterError(HsadError):
    """A parameter, option or name that is unknown or out of its range."""


class DataError(HsadError):
    """The pixels do not allow it: none valid, fewer than bands, a window larger than the scene."""


class OutputError(HsadError):
    """A result cannot be written: no such folder, no permission, no space, or it exists already."""


class ClusterError(HsadError):
    """A dask cluster cannot be used any longer: its scheduler is gone, or all of its workers."""


class TileError(HsadError):
    """Tiles of a scene could not be computed, twice; the message names them. What is finished is kept."""


class MissingExtraError(HsadError):
    """A method needs an optional package that is not installed; the message says how to install it."""


class HsadWarning(UserWarning):
    """Base of the warnings: the result stands, but not without this remark.

    Examples
    --------
    A program that must not go on after a remark makes it an error.

    >>> import warnings, hsad, numpy as np
    >>> scene = np.random.default_rng(0).normal(size=(30, 30, 3)) @ np.ones((3, 4))
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error", hsad.HsadWarning)
    ...     hsad.detect(scene, "rx")
    Traceback (most recent call last):
    ...
    hsad.errors.RankWarning: the covariance has rank 1 of 4: the other directions are ignored
    """


class SceneWarning(HsadWarning):
    """A file contradicts itself or its format, and hsad went on with what it could establish."""


class OutputWarning(HsadWarning):
    """Something beside the results cannot be written any longer, such as a log; the results can."""


class RankWarning(HsadWarning):
    """A covariance is rank-deficient; the rank policy decides the score outside its range."""


class ConvergenceWarning(HsadWarning):
    """An iteration stopped at its limit before it met its tolerance."""


class ResumeWarning(HsadWarning):
    """An unfinished run cannot be continued: the new one starts afresh."""


_filtering = threading.RLock()


@contextmanager
def without_warnings(category: type[Warning] = Warning) -> Iterator[None]:
    """Ignore warnings of a category inside the context, one thread at a time.

    The filters of `warnings` belong to the process. If two threads saved and restored them at the same time, one could
    restore what the other had set for a moment, and warnings would be ignored from then on.
    """
    with _filtering, warnings.catch_warnings():
        warnings.simplefilter("ignore", category)
        yield
