"""What every detector is: a frozen dataclass of parameters with `reach`, `learn` and `score`.

A detector maps spectra to one number a pixel. It differs from others in two ways only: how far it looks around a
pixel (`reach`), and what it learns from the scene before it scores (`learn`). It knows blocks of spectra, never
files, tiles or threads.
"""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from abc import ABCMeta, abstractmethod
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from hsad.errors import ParameterError

__all__ = ["Background", "Block", "Detector", "Parameter", "Scan", "Scene", "parameter"]

T = TypeVar("T")


@dataclass(frozen=True)
class Scene:
    """Which scene a block belongs to: its number among the scenes learned from, and its size in pixels."""

    index: int
    rows: int
    cols: int


@dataclass(frozen=True)
class Block:
    """A leaf of a scene with its surroundings, as detectors see it.

    Near an edge of the scene the surroundings are clamped, but the block spans at least ``2·reach + 1`` pixels
    from that edge (the whole scene if that is smaller), so a window that is shifted inside the scene is inside the
    block too. An edge of the block closer than `reach` to the core is an edge of the scene.

    Attributes
    ----------
    spectra : (rows, cols, bands) ndarray of float64
        C-contiguous, with the surroundings; the values of invalid pixels mean nothing (they are 0).
    valid : (rows, cols) ndarray of bool
        False where a pixel has no data or is masked.
    core : tuple of two slices
        Rows and columns of the pixels to score.
    origin : tuple of two int
        Row and column of ``spectra[0, 0]`` in the scene.
    scene : Scene
        The scene the block was cut from.
    memo : mutable mapping
        A cache for this place, kept between passes where that is possible. It may be empty at any time.
    """

    spectra: NDArray[np.float64]
    valid: NDArray[np.bool_]
    core: tuple[slice, slice]
    origin: tuple[int, int]
    scene: Scene
    memo: MutableMapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def core_valid(self) -> NDArray[np.bool_]:
        """Validity of the pixels to score, shape ``(core rows, core cols)``."""
        return self.valid[self.core]

    @property
    def pixels(self) -> NDArray[np.float64]:
        """Valid spectra of the core, shape ``(n, bands)``; not to be written to."""
        core, valid = self.spectra[self.core], self.core_valid
        return core.reshape(-1, core.shape[2]) if valid.all() else core[valid]

    @property
    def pixel_numbers(self) -> NDArray[np.int64]:
        """Absolute numbers (row · scene columns + column) of `pixels`, shape ``(n,)``."""
        rows, cols = np.nonzero(self.core_valid)
        row = rows + self.origin[0] + self.core[0].start
        return np.asarray(row * self.scene.cols + cols + self.origin[1] + self.core[1].start, dtype=np.int64)

    def spread(self, values: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return one value a valid core pixel as a map of the core, NaN elsewhere."""
        scores = np.full(self.core_valid.shape, np.nan)
        scores[self.core_valid] = values
        return scores


class Scan(Protocol):
    """What `Detector.learn` is given: a way to see every block of the scene or scenes, wherever they lie.

    Attributes
    ----------
    memory : int
        Bytes of memory that the run may take.
    """

    @property
    def memory(self) -> int:
        """Bytes of memory that the run may take."""
        ...

    def __call__(self, function: Callable[..., T | None], *arguments: Any, reach: int = 0) -> T | None:
        """Return ``function(block, *arguments)`` of every block, merged with ``+`` along a fixed tree.

        `function` and `arguments` must pickle. None is the identity of the merge: a block with nothing to say
        returns None, and so does the scan when no block says anything. What is returned must be a typed summary
        (`hsad.kernels.summaries`) or a number, since ``+`` on tuples and lists concatenates.
        """
        ...


@dataclass(frozen=True)
class Background:
    """What a detector learned: numbers, strings, arrays and other backgrounds, in the fields of a dataclass.

    It is saved as ``.npz`` with a JSON header, never as a pickle, and scores other scenes than its own.
    """

    def summary(self) -> dict[str, Any]:
        """Return the fields that are single numbers or strings: what a user wants to read about the fit."""
        return {
            f.name: value
            for f in dataclasses.fields(self)
            if isinstance(value := getattr(self, f.name), str | int | float)
        }


def parameter(
    default: T,
    help: str,  # noqa: A002  the command line's word
    *,
    check: Callable[[T], str | None] | None = None,
    name: str | None = None,
) -> T:
    """Declare a field of a detector: its default, its help text and its check.

    Parameters
    ----------
    default
        The value if the user gives none; the annotation of the field is its type. A ``Literal`` gives choices.
    help : str
        One phrase for the command line and the documentation.
    check : callable, optional
        Returns what the value must be (``"odd and at least 3"``) when it is not, else None.
    name : str, optional
        What users call it where a field cannot have that name, as with ``score``, which is a method.
    """
    return field(default=default, metadata={"help": help, "check": check, "name": name})


@dataclass(frozen=True)
class Parameter:
    """One parameter of a detector, as the command line and `hsad methods` show it; `field` holds its value."""

    name: str
    field: str
    type: type
    default: Any
    choices: tuple[Any, ...]
    help: str
    check: Callable[[Any], str | None] | None

    def convert(self, value: Any) -> Any:
        """Return `value` as this parameter's type, checked.

        Raises
        ------
        ParameterError
            Naming the parameter, the value and the choices or the range.
        """
        if isinstance(value, str) and value in self.choices:
            return value
        if self.type is tuple:
            return self._numbers(value)
        if self.type is str:
            raise ParameterError(f"{self.name}: {value!r} is not one of {', '.join(map(str, self.choices))}")
        number: Any = value
        if self.type is not bool or not isinstance(value, bool | np.bool_):
            try:
                number = self.type(value)
            except (TypeError, ValueError):
                number = None
            if isinstance(value, bool | str) or number is None or number != value or not np.isfinite(number):
                kind = {int: "a whole number", float: "a number", bool: "true or false"}[self.type]
                alternatives = "".join(f" or {choice}" for choice in self.choices)
                raise ParameterError(f"{self.name}: {value!r} is not {kind}{alternatives}")
        wanted = self.check(number) if self.check else None
        if wanted is not None:
            raise ParameterError(f"{self.name} must be {wanted}, not {value!r}")
        return bool(number) if self.type is bool else number

    def _numbers(self, value: Any) -> tuple[int, ...]:
        """Return whole numbers, given as a sequence or as a text with commas."""
        items = value.split(",") if isinstance(value, str) else value
        try:
            numbers = tuple(int(item) for item in items)
            whole = all(isinstance(item, str) or item == number for item, number in zip(items, numbers, strict=True))
        except (TypeError, ValueError):
            numbers, whole = (), False
        if not numbers or not whole:
            raise ParameterError(f"{self.name}: {value!r} is not a list of whole numbers such as 1,2,3")
        wanted = self.check(numbers) if self.check else None
        if wanted is not None:
            raise ParameterError(f"{self.name} must be {wanted}, not {value!r}")
        return numbers

    def parse(self, text: Any) -> Any:
        """Return the value that a text on the command line says, checked as by `convert`."""
        if isinstance(text, str) and text not in self.choices and self.type in (int, float):
            try:
                number = float(text)
            except ValueError:
                return self.convert(text)
            return self.convert(int(number) if self.type is int and number.is_integer() else number)
        return self.convert(text)


@functools.cache
def _parameters(cls: type[Detector]) -> tuple[Parameter, ...]:
    hints = typing.get_type_hints(cls)
    found = []
    for f in dataclasses.fields(cls):
        if "help" not in f.metadata:
            continue  # not a user's parameter: a wrapper's detector
        union = typing.get_origin(hints[f.name]) in (types.UnionType, typing.Union)
        options = typing.get_args(hints[f.name]) if union else (hints[f.name],)
        kinds = [kind for option in options if isinstance(kind := typing.get_origin(option) or option, type)]
        choices = [c for option in options if typing.get_origin(option) is Literal for c in typing.get_args(option)]
        kind = kinds[0] if kinds else str
        found.append(
            Parameter(
                f.metadata["name"] or f.name,
                f.name,
                kind,
                f.default,
                tuple(choices),
                f.metadata["help"],
                f.metadata["check"],
            )
        )
    return tuple(found)


class _ByUsersNames(ABCMeta):
    """Lets a detector be made with its parameters called as users call them."""

    def __call__(cls, *args: Any, **parameters: Any) -> Any:
        fields = {p.name: p.field for p in cls.parameters()}  # type: ignore[attr-defined]
        return super().__call__(*args, **{fields.get(name, name): value for name, value in parameters.items()})


@dataclass(frozen=True)
class Detector(metaclass=_ByUsersNames):
    """Base of all detectors: subclass it as a frozen dataclass whose fields are the parameters.

    The fields are declared with `parameter` and checked once, when the detector is made. A detector has no other
    state: it can be shared between threads, pickled, and printed as the provenance of its result.

    Attributes
    ----------
    reach : int
        Pixels on each side that a score depends on, derived from the parameters (a property where it varies).
    smallest_side : int
        Smallest side of a scene that can be scored: ``2·reach + 1``, where the whole reach must lie in the scene.
    leaf : int
        Side, in pixels, of the blocks that are learned from and scored. It is part of the definition of a result
        (sums are formed along a tree of leaves), never a matter of memory; tiles are made of whole leaves.
    evidence : tuple of str
        Names of the kinds of evidence that a score is made of, where there are several; see `parts`.
    title, reference : str
        One line that says what the method is, and where its formula comes from.

    Examples
    --------
    A complete detector: the distance to the scene's mean spectrum, in units of the typical distance.

    >>> import dataclasses
    >>> import numpy as np
    >>> import hsad
    >>> from hsad.detectors.base import Background, Block, Detector, Scan, parameter
    >>> from hsad.kernels.summaries import Totals
    >>> @dataclasses.dataclass(frozen=True)
    ... class MeanSpectrum(Background):
    ...     mean: np.ndarray
    ...     scale: float
    >>> def total(block):
    ...     return Totals(len(block.pixels), block.pixels.sum(axis=0))
    >>> def total_distance(block, mean):
    ...     return Totals(len(block.pixels), np.linalg.norm(block.pixels - mean, axis=1).sum())
    >>> @dataclasses.dataclass(frozen=True)
    ... class MeanDistance(Detector):
    ...     "Euclidean distance to the mean spectrum."
    ...     power: float = parameter(1.0, "exponent of the distance")
    ...     def learn(self, scan: Scan) -> MeanSpectrum:
    ...         mean = scan(total).mean
    ...         return MeanSpectrum(mean, float(scan(total_distance, mean).mean))
    ...     def score(self, block: Block, background: MeanSpectrum) -> np.ndarray:
    ...         distance = np.linalg.norm(block.pixels - background.mean, axis=1) / background.scale
    ...         return block.spread(distance**self.power)
    >>> scene = np.random.default_rng(0).normal(size=(70, 90, 5))
    >>> scene[30, 40] += 9
    >>> scores = hsad.detect(scene, MeanDistance(power=2.0))
    >>> np.unravel_index(scores.argmax(), scores.shape) == (30, 40)
    True
    """

    leaf: ClassVar[int] = 64
    evidence: ClassVar[tuple[str, ...]] = ()
    title: ClassVar[str] = ""
    reference: ClassVar[str] = ""

    def __post_init__(self) -> None:
        for p in self.parameters():
            object.__setattr__(self, p.field, p.convert(getattr(self, p.field)))

    @classmethod
    def parameters(cls) -> tuple[Parameter, ...]:
        """Return the parameters in the order of the fields."""
        return _parameters(cls)

    @property
    def reach(self) -> int:
        """Pixels on each side that a score depends on."""
        return 0

    @property
    def smallest_side(self) -> int:
        """Smallest side, in pixels, of a scene that can be scored."""
        return 2 * self.reach + 1

    def footprint(self, bands: int) -> float:
        """Return the bytes that each pixel of a block takes while it is learned from or scored, its spectra included.

        Spectra take ``8 · bands``; so much again three times is enough for most. The engine cuts tiles by it.
        """
        return 32.0 * bands

    def learn(self, scan: Scan) -> Background | None:  # noqa: ARG002  for those who learn
        """Learn from the scene by scanning its blocks as often as needed; None when there is nothing to learn."""
        return None

    @abstractmethod
    def score(self, block: Block, background: Any) -> NDArray[np.float64]:
        """Return the scores of the block's core, ``(core rows, core cols)``: higher = more anomalous, NaN invalid.

        `background` is what `learn` returned, or an equal one that was saved and loaded.
        """

    def parts(self, block: Block, background: Any) -> NDArray[np.float64]:  # noqa: ARG002  for those that have some
        """Return each kind of `evidence` at the block's core, shape ``(core rows, core cols, kinds)``."""
        return np.empty((*block.core_valid.shape, 0))

    def detect(self, cube: Any, **options: Any) -> Any:
        """Score every pixel of `cube`; the same as ``hsad.detect(cube, self, **options)``."""
        from hsad.detection import detect

        return detect(cube, self, **options)
