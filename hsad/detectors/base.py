"""The base of all detectors: a frozen dataclass of parameters with `halo`, `learn`, `score` and `account`.

A detector maps spectra to one number for each pixel. Detectors differ in two ways only: how far they look around a
pixel (`halo`), and what they learn from the scene before they score (`learn`). They see blocks of spectra, never
files, tiles or threads.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from hsad.detectors.account import Reason
from hsad.detectors.block import Block
from hsad.detectors.declared import check_value, hints_of
from hsad.detectors.parameters import Parameter, declared

__all__ = ["Background", "Detector", "Scan", "default_footprint"]

T = TypeVar("T")


def default_footprint(bands: int, itemsize: int) -> float:
    """Return the bytes that each pixel of a block takes in most passes: its spectrum, and three arrays of that size."""
    return 4.0 * itemsize * bands


class Scan(Protocol):
    """The way in which `Detector.learn` sees every block of the scene or scenes, wherever they lie.

    Attributes
    ----------
    memory : int
        Bytes of memory for the caches of detectors between passes, in all processes together.
    progress : callable
        Shows the progress of a training: ``progress(range(steps), total=steps, desc=...)``.
    """

    @property
    def memory(self) -> int:
        """Bytes of memory for the caches of detectors between passes, in all processes together."""
        ...

    def everywhere(self, function: Callable[[], T]) -> list[T]:
        """Return ``function()`` of each process that works on blocks, for example its free memory.

        A run that is continued calls the function again, but reads the results of its earlier passes from files. So
        no score may depend on the function.
        """
        ...

    @property
    def progress(self) -> Callable[..., Iterable[Any]]:
        """A function that shows the progress of steps that are no passes, and returns the steps."""
        ...

    def __call__(self, function: Callable[..., T | None], *arguments: Any, halo: int = 0) -> T | None:
        """Return ``function(block, *arguments)`` of every block, merged with ``+`` along a fixed tree.

        `function` and `arguments` must pickle. None is the identity of the merge. A block with nothing to add returns
        None, and so does the scan when no block has anything. The function must return a typed summary
        (`hsad.kernels.summaries`) or a number, because ``+`` joins tuples and lists end to end.
        """
        ...


@dataclass(frozen=True)
class Background:
    """The result of learning: numbers, strings, arrays and other backgrounds, in the fields of a dataclass.

    hsad saves it as ``.npz`` with a JSON header, never as a pickle. It can score other scenes than its own.

    Attributes
    ----------
    shapes : dict
        The sizes of its arrays, by field. `hsad.detectors.declared.check_declared` checks the content of a file
        against them and against the types of the fields.
    """

    shapes: ClassVar[dict[str, Any]] = {}

    def summary(self) -> dict[str, Any]:
        """Return the fields that are single numbers or strings, for a user to read."""
        return {
            f.name: value
            for f in dataclasses.fields(self)
            if isinstance(value := getattr(self, f.name), str | int | float)
        }


@dataclass(frozen=True)
class Detector(ABC):
    """Base of all detectors: subclass it as a frozen dataclass whose fields are the parameters.

    The fields are declared with `parameter` and checked once, when the detector is made. A detector has no other
    state, so threads can share it, it can be pickled, and its text is the provenance of its result.

    Attributes
    ----------
    halo : int
        Pixels on each side that a score depends on, derived from the parameters (a property where it varies).
    smallest_side : int
        Smallest side, in pixels, of a scene that can be scored: ``2·halo + 1`` unless a detector says otherwise.
    leaf : int
        Side, in pixels, of the blocks that are learned from and scored. It is part of the definition of a result,
        because sums are formed along a tree of such blocks (leaves), and does not depend on memory. A tile consists of
        whole leaves.
    evidence : tuple of str
        Names of the kinds of evidence in a score, where there are several; see `parts`.
    packages : tuple of str
        Packages, besides numpy, whose version may change what is learned. A saved model names their versions.
    title, reference : str
        One line on the method, and the source of its formula.
    cites : tuple of str
        Keys of the works in ``hsad/detectors/references/references.bib`` that define a method of hsad. Its `reference`
        is made from them.

    Examples
    --------
    A complete detector: the distance to the scene's mean spectrum, in units of the typical distance.

    >>> import dataclasses
    >>> import numpy as np
    >>> import hsad
    >>> from hsad.detectors import Background, Block, Detector, Scan, parameter
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
    packages: ClassVar[tuple[str, ...]] = ()
    title: ClassVar[str] = ""
    reference: ClassVar[str] = ""
    cites: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        for p in self.parameters():
            object.__setattr__(self, p.field, p.convert(getattr(self, p.field)))

    @classmethod
    def parameters(cls) -> tuple[Parameter, ...]:
        """Return the parameters in the order of the fields."""
        return declared(cls)

    @property
    def unwrapped(self) -> Detector:
        """The detector itself where this one only changes what it sees, as `OnComponents` does; else this one."""
        return self

    @property
    def halo(self) -> int:
        """Pixels on each side that a score depends on."""
        return 0

    @property
    def smallest_side(self) -> int:
        """Smallest side, in pixels, of a scene that can be scored."""
        return 2 * self.halo + 1

    def footprint(self, bands: int, itemsize: int) -> float:
        """Return the bytes that a pixel takes, its spectrum included, while its block is learned from or scored.

        A spectrum takes ``itemsize · bands`` bytes. Most detectors need at most three times as much beside it. The
        engine chooses the size of tiles by this number.
        """
        return default_footprint(bands, itemsize)

    def check_machine(self) -> None:  # noqa: B027  most detectors run on every machine
        """Refuse a machine that lacks a device or a package; called before any work on this machine.

        Raises
        ------
        ParameterError, MissingExtraError
        """

    def learn(self, scan: Scan) -> Background | None:  # noqa: ARG002  overridden by detectors that learn
        """Return what is learned from the scene, in any number of scans; None if there is nothing to learn."""
        return None

    def check_background(self, background: Background | None, bands: int, name: str = "background") -> None:
        """Refuse a background from a file that `learn` could not have returned for spectra of this number of bands.

        Raises
        ------
        ValueError
        """
        if type(self).learn is Detector.learn:
            learned: Any = None
        else:
            learned = hints_of(type(self).learn).get("return", Any)
        check_value(background, learned, self._sizes(bands), name)

    def check_scene(self, background: Any, shape: tuple[int, int, int]) -> None:  # noqa: B027  most fit every scene
        """Refuse a scene ``(rows, cols, bands)`` that a background does not fit; called before it is scored.

        Raises
        ------
        ParameterError
        """

    def _sizes(self, bands: int) -> dict[str, int]:
        """Return the sizes of arrays of a background that follow from the parameters, and the number of bands."""
        return {"bands": bands}

    def adapt(self, scan: Scan, background: Any) -> Any:  # noqa: ARG002  overridden by few detectors
        """Return the background for the scene that will be scored next, whose blocks `scan` visits.

        A detector overrides this if something belongs to each scene alone, such as its illumination. The result is
        not saved, but found again for each scene.
        """
        return background

    @abstractmethod
    def score(self, block: Block, background: Any) -> NDArray[np.float64]:
        """Return the scores of the block's core, ``(core rows, core cols)``: higher = more anomalous, NaN invalid.

        `background` is the result of `learn`, or an equal one from a file.
        """

    def account(self, block: Block, background: Any) -> Reason:  # noqa: ARG002  overridden by detectors with an account
        """Return why the one pixel in the block's core scores as it does.

        The pixel is valid and has a score. Contributions by band, where there are any, sum to it: they come from the
        same numbers as the score, so that the two cannot differ.
        """
        return Reason("this method gives no account by band: compare the spectrum with its surroundings")

    def parts(self, block: Block, background: Any) -> NDArray[np.float64]:  # noqa: ARG002  overridden by detectors with parts
        """Return each kind of `evidence` at the block's core, shape ``(core rows, core cols, kinds)``."""
        return np.empty((*block.core_valid.shape, 0))

    def on_components(self, mean: NDArray[np.float64], vectors: NDArray[np.float64]) -> Detector:  # noqa: ARG002  for targets
        """Return the detector for components ``(x - mean) @ vectors`` in place of spectra x, see `OnComponents`."""
        return self

    def detect(self, cube: Any, **options: Any) -> Any:
        """Score every pixel of `cube`; the same as ``hsad.detect(cube, self, **options)``."""
        import hsad  # the package's public function: nothing below the main job may name its room

        return hsad.detect(cube, self, **options)
