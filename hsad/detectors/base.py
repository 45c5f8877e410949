"""What every detector is: a frozen dataclass of parameters with `halo`, `learn` and `score`.

A detector maps spectra to one number a pixel. It differs from others in two ways only: how far it looks around a
pixel (`halo`), and what it learns from the scene before it scores (`learn`). It knows blocks of spectra, never
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

__all__ = ["Background", "Detector", "Scan"]

T = TypeVar("T")


class Scan(Protocol):
    """What `Detector.learn` is given: a way to see every block of the scene or scenes, wherever they lie.

    Attributes
    ----------
    memory : int
        Bytes of memory for what detectors keep of blocks between passes, in all processes together.
    progress : callable
        Shows how far a training has come: ``progress(range(steps), total=steps, desc=...)``.
    """

    @property
    def memory(self) -> int:
        """Bytes of memory for what detectors keep of blocks between passes, in all processes together."""
        ...

    def everywhere(self, function: Callable[[], T]) -> list[T]:
        """Return ``function()`` of each process that works on blocks: how much memory is free there, say.

        A run that goes on after it ended early asks again, while it recalls what its passes returned: no score may
        depend on it.
        """
        ...

    @property
    def progress(self) -> Callable[..., Iterable[Any]]:
        """What shows how far steps that are no passes have come; it returns them."""
        ...

    def __call__(self, function: Callable[..., T | None], *arguments: Any, halo: int = 0) -> T | None:
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

    Attributes
    ----------
    shapes : dict
        The sizes of its arrays, by field: see `hsad.detectors.declared.check_declared`, which holds what a file brings
        against them and against the types of the fields.
    """

    shapes: ClassVar[dict[str, Any]] = {}

    def summary(self) -> dict[str, Any]:
        """Return the fields that are single numbers or strings: what a user wants to read about the fit."""
        return {
            f.name: value
            for f in dataclasses.fields(self)
            if isinstance(value := getattr(self, f.name), str | int | float)
        }


@dataclass(frozen=True)
class Detector(ABC):
    """Base of all detectors: subclass it as a frozen dataclass whose fields are the parameters.

    The fields are declared with `parameter` and checked once, when the detector is made. A detector has no other
    state: it can be shared between threads, pickled, and printed as the provenance of its result.

    Attributes
    ----------
    halo : int
        Pixels on each side that a score depends on, derived from the parameters (a property where it varies).
    smallest_side : int
        Smallest side of a scene that can be scored: ``2·halo + 1``, where the whole halo must lie in the scene.
    leaf : int
        Side, in pixels, of the blocks that are learned from and scored. It is part of the definition of a result
        (sums are formed along a tree of leaves), never a matter of memory; tiles are made of whole leaves.
    evidence : tuple of str
        Names of the kinds of evidence that a score is made of, where there are several; see `parts`.
    packages : tuple of str
        Packages, besides numpy, whose version may change what is learned: saved models name it.
    title, reference : str
        One line that says what the method is, and where its formula comes from.

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
        """Return the bytes that each pixel of a block takes while it is learned from or scored, its spectra included.

        Spectra take ``itemsize · bands``; so much again three times is enough for most. The engine cuts tiles by it.
        """
        return 4.0 * itemsize * bands

    def check_machine(self) -> None:  # noqa: B027  most detectors run on every machine
        """Refuse what this machine lacks (a device, a package): asked before any work that is done here.

        Raises
        ------
        ParameterError, MissingExtraError
        """

    def learn(self, scan: Scan) -> Background | None:  # noqa: ARG002  for those who learn
        """Learn from the scene by scanning its blocks as often as needed; None when there is nothing to learn."""
        return None

    def check_background(self, background: Background | None, bands: int, name: str = "background") -> None:
        """Refuse a background that a file brought and `learn` could not have returned for spectra of so many bands.

        Raises
        ------
        ValueError
        """
        if type(self).learn is Detector.learn:
            learned: Any = None
        else:
            learned = hints_of(type(self).learn).get("return", Any)
        check_value(background, learned, self._sizes(bands), name)

    def _sizes(self, bands: int) -> dict[str, int]:
        """Return the sizes of arrays of a background that follow from the parameters, and the number of bands."""
        return {"bands": bands}

    def adapt(self, scan: Scan, background: Any) -> Any:  # noqa: ARG002  for those who look at a scene first
        """Return the background as it applies to the scene that is about to be scored, which `scan` goes over.

        For what is a matter of each scene, as its illumination, and is not to be learned from others. What is returned
        is not saved: it is found anew for each scene.
        """
        return background

    @abstractmethod
    def score(self, block: Block, background: Any) -> NDArray[np.float64]:
        """Return the scores of the block's core, ``(core rows, core cols)``: higher = more anomalous, NaN invalid.

        `background` is what `learn` returned, or an equal one that was saved and loaded.
        """

    def account(self, block: Block, background: Any) -> Reason:  # noqa: ARG002  for those that have one
        """Return why the one pixel in the block's core scores as it does.

        The pixel is valid and has a score. Contributions by band, where there are any, sum to it: they come from the
        same numbers as the score, so that the two cannot differ.
        """
        return Reason("this method gives no account by band: compare the spectrum with its surroundings")

    def parts(self, block: Block, background: Any) -> NDArray[np.float64]:  # noqa: ARG002  for those that have some
        """Return each kind of `evidence` at the block's core, shape ``(core rows, core cols, kinds)``."""
        return np.empty((*block.core_valid.shape, 0))

    def detect(self, cube: Any, **options: Any) -> Any:
        """Score every pixel of `cube`; the same as ``hsad.detect(cube, self, **options)``."""
        import hsad  # the package's public function: nothing below the main job may name its room

        return hsad.detect(cube, self, **options)
