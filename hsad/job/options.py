"""The options of a run for every method: defaults, help texts and forms."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from hsad.errors import ParameterError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hsad.job.learned import Learned

__all__ = ["ManyOptions", "RunOptions", "SceneOptions", "option", "with_options"]

F = TypeVar("F", bound=Callable[..., Any])


def option(
    default: Any,
    help: str,  # noqa: A002  the command line's word
    *,
    metavar: str | None = None,
    choices: Sequence[str] = (),
    rare: bool = False,
) -> Any:
    """Declare a field as an option of the command line; without a `metavar` it exists in Python only.

    Parameters
    ----------
    default
        The value without the option. The annotation of the field is its type.
    help : str
        One phrase, without a full stop.
    metavar : str, optional
        The word for the value in ``--help``.
    choices : sequence of str, optional
        All values that the command line accepts.
    rare : bool, optional
        Whether few users need it: ``--help`` names it only, ``--help-all`` explains it.
    """
    about = {"help": help, "metavar": metavar, "choices": tuple(choices), "rare": rare}
    return dataclasses.field(default=default, metadata=about)


def with_options(options: type[Any], *without: str) -> Callable[[F], F]:
    """Return a decorator that lists the options behind ``**options`` in a docstring, all but those named in `without`.

    They stand in the section "Other Parameters", before what the function returns.
    """
    entries = "\n".join(
        f"{f.name} : {_kind(str(f.type))}\n    {_sentence(f.metadata['help'])}"
        for f in dataclasses.fields(options)
        if f.name not in without
    )

    def decorate(function: F) -> F:
        text = inspect.cleandoc(function.__doc__ or "")
        before, heading, after = text.partition("\n\nReturns\n-------\n")
        section = f"\n\nOther Parameters\n----------------\n{entries}"
        function.__doc__ = f"{before}{section}{heading}{after}"
        return function

    return decorate


def _kind(annotation: str) -> str:
    """Return an annotation as words: ``str or int, optional``."""
    words = {"NDArray[np.bool_]": "ndarray of bool", "NDArray[np.float64]": "ndarray of float", "Any": "object"}
    kinds = [kind.strip() for kind in annotation.split(" | ")]
    named = " or ".join(words.get(kind, kind) for kind in kinds if kind != "None")
    return f"{named}, optional" if "None" in kinds else named


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


GRIDS = ("map", "sensor", "north-up")
"""Grids that a result may have: the map of a swath, the pixels as they were measured, rows that run east."""


@dataclass(frozen=True)
class SceneOptions:
    """What a user states about a scene beside its file."""

    heading: ClassVar[str] = "Options of the scene"

    nodata: float | str | Sequence[float] | None = option(
        None,
        "stored numbers that mark missing data, separated by commas, besides those that the file declares",
        metavar="VALUE[,VALUE]",
        rare=True,
    )
    band_axis: int | None = option(
        None,
        "axis of the bands, 0 for the first and -1 for the last, in an array or in a file that does not state it",
        metavar="N",
        rare=True,
    )
    wavelengths: str | Path | Sequence[float] | NDArray[np.float64] | None = option(
        None,
        "file with one wavelength for each band, in nm or µm, for a scene that carries none",
        metavar="FILE",
        rare=True,
    )
    partial: bool = option(
        False,
        "read the complete lines of an ENVI file that is shorter than its header says",
        metavar="FLAG",
        rare=True,
    )

    def stated(self) -> dict[str, Any]:
        """Return the options that differ from their defaults, by name."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(SceneOptions)}
        return {name: value for name, value in values.items() if value is not None and value is not False}


@dataclass(frozen=True)
class RunOptions(SceneOptions):
    """Options of `hsad.detect`, `hsad.learn` and `hsad.score` for every method."""

    heading: ClassVar[str] = "Options of the run"

    bands: str | Sequence[Any] | NDArray[np.bool_] | None = option(
        None, "bands to use: 420-1340,1450-1790 (nm) or @1-50,60-100 (numbers, from 1)", metavar="RANGES"
    )
    pca: int | None = option(None, "use the first K principal components in place of the bands", metavar="K", rare=True)
    mask: str | Path | NDArray[np.bool_] | None = option(
        None, "file of the pixels to use, non-zero = valid: a raster, .npy, .mat:NAME or a vector file", metavar="FILE"
    )
    mask_flags: str | Sequence[str] | None = option(
        None,
        "quality flags of a product whose pixels are left out, such as cloud,shadow, or none; `hsad info` lists them",
        metavar="NAMES",
    )
    bad_bands: str | Sequence[int] | None = option(
        None, "bands to leave out besides those the file marks: 1-5,96-102 (numbers, from 1) or @FILE", metavar="RANGES"
    )
    grid: str | None = option(
        None,
        "grid of the result: map (the default) or sensor for the swath of a sensor; north-up for a rotated scene",
        metavar="map|sensor|north-up",
        rare=True,
    )
    region: str | tuple[slice, slice] | None = option(
        None, "rows and columns to use, counted from 0; the last ones are not included", metavar="ROW0:ROW1,COL0:COL1"
    )
    bbox: str | Sequence[float] | None = option(
        None, "window to use, in the units of the scene's map", metavar="W,S,E,N", rare=True
    )
    tile: int | None = option(
        None, "side of a tile in pixels; it changes the memory, and not the result", metavar="N", rare=True
    )
    workers: int | None = option(None, "number of threads; without it one for each processor", metavar="N")
    memory: str | int | None = option(
        None,
        "memory that the run may take on a machine, Python included; without it 2GB for each process",
        metavar="SIZE",
    )
    scheduler: Any = option(None, "address of a running dask scheduler", metavar="ADDRESS", rare=True)
    background: str | Path | Learned | None = option(
        None, "file that --save-background of an earlier run wrote: its background is used", metavar="FILE"
    )
    references: Sequence[Any] | None = option(
        None, "scenes to learn the background from, instead of the scene itself", metavar="SCENE..."
    )
    parts: bool = option(False, "return the kinds of evidence of the score, too")
    compute: bool = option(True, "False: return a lazy dask-backed result")
    progress: Any = option(
        None, "True: a bar; 'log': lines of the logger hsad; or a function that wraps the tiles as tqdm does"
    )

    @classmethod
    def split(cls, keywords: Mapping[str, Any]) -> tuple[RunOptions, dict[str, Any]]:
        """Return the options among `keywords`, and the rest: the detector's parameters."""
        names = {f.name for f in dataclasses.fields(cls)}
        own = {name: value for name, value in keywords.items() if name in names}
        return cls(**own), {name: value for name, value in keywords.items() if name not in names}

    def __post_init__(self) -> None:
        if self.workers is not None and (not isinstance(self.workers, int) or self.workers < 1):
            raise ParameterError(f"workers must be a whole number of at least 1, not {self.workers!r}")
        if self.grid not in (None, *GRIDS):
            raise ParameterError(f"grid: {self.grid!r}: choose from {', '.join(GRIDS)}")
        if self.region is not None and self.bbox is not None:
            raise ParameterError("region and bbox both choose a window: give one of them")


@dataclass(frozen=True)
class ManyOptions:
    """How a command goes through many scenes."""

    heading: ClassVar[str] = "Options for several scenes"

    at_once: int | None = option(
        None,
        "number of scenes that are worked on at the same time, each in a process; without it one for each processor "
        "that has 2 GB of memory",
        metavar="N",
    )

    def __post_init__(self) -> None:
        if self.at_once is not None and (not isinstance(self.at_once, int) or self.at_once < 1):
            raise ParameterError(f"at_once must be a whole number of at least 1, not {self.at_once!r}")
