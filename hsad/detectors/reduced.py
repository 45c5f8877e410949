"""A wrapper: any detector on the first principal components of the scene instead of its bands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from hsad.detectors.account import Reason
from hsad.detectors.base import Background, Detector, Scan
from hsad.detectors.block import Block, InMemory
from hsad.detectors.checks import at_least
from hsad.detectors.moments import leading, moments_of, with_signs
from hsad.detectors.parameters import TAKEN, Parameter, declared, parameter
from hsad.detectors.probe import require_valid
from hsad.errors import ParameterError

__all__ = ["Components", "OnComponents"]

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Components(Background):
    """Principal components, and the background that the detector learned on them.

    Attributes
    ----------
    mean : (d,) ndarray of float64
    vectors : (d, k) ndarray of float64
        Orthonormal, by decreasing variance. The largest element of each is positive.
    inner : Background or None
    """

    shapes: ClassVar[dict[str, Any]] = {"mean": ("bands",), "vectors": ("bands", "components"), "inner": "components"}

    mean: NDArray[np.float64]
    vectors: NDArray[np.float64]
    inner: Background | None

    def project(self, block: Block) -> Block:
        """Return the block with components in place of spectra; invalid pixels stay 0."""
        projected = (block.spectra - self.mean) @ self.vectors
        projected[~block.valid] = 0.0
        return replace(block, window=InMemory(projected, block.valid))


@dataclass(frozen=True)
class OnComponents(Detector):
    """A detector that sees the first `pca` principal components (centred, not whitened).

    Attributes
    ----------
    detector : Detector
    pca : int
        Number of components k.
    """

    detector: Detector
    pca: int = parameter(10, "number of principal components", check=at_least(1))

    @classmethod
    def parameters(cls) -> tuple[Parameter, ...]:
        """Return ``pca``, the only parameter; it has the name of an option that every run has."""
        return declared(cls, TAKEN - {"pca"})

    @property
    def unwrapped(self) -> Detector:
        """The detector that sees the components."""
        return self.detector

    @property
    def leaf(self) -> int:  # type: ignore[override]
        """The leaf of the detector."""
        return self.detector.leaf

    @property
    def halo(self) -> int:
        """The halo of the detector."""
        return self.detector.halo

    @property
    def evidence(self) -> tuple[str, ...]:  # type: ignore[override]
        """The kinds of evidence of the detector."""
        return self.detector.evidence

    @property
    def smallest_side(self) -> int:
        """The smallest side that the detector needs."""
        return self.detector.smallest_side

    def check_machine(self) -> None:
        """Refuse a machine that lacks what the detector needs."""
        self.detector.check_machine()

    def footprint(self, bands: int, itemsize: int) -> float:
        """Return the bytes of a pixel: spectra twice, while they are projected, and the detector's on components."""
        return 2.0 * itemsize * bands + self.detector.footprint(self.pca, itemsize)

    def check_background(self, background: Background | None, bands: int, name: str = "background") -> None:
        """Refuse a background that cannot come from `learn`, see `Detector.check_background`."""
        super().check_background(background, bands, name)
        if isinstance(background, Components):
            self.detector.check_background(background.inner, self.pca, f"{name}.inner")

    def check_scene(self, background: Any, shape: tuple[int, int, int]) -> None:
        """Refuse a scene that the detector's background does not fit."""
        self.detector.check_scene(background.inner, (*shape[:2], self.pca))

    def _sizes(self, bands: int) -> dict[str, int]:
        return {"bands": bands, "components": self.pca}

    def learn(self, scan: Scan) -> Components:
        """Return the components, found in one pass, and what the detector learned on them."""
        moments = require_valid(scan(moments_of))
        bands = len(moments.mean)
        if self.pca > bands:
            raise ParameterError(f"pca must be at most the number of bands, {bands}, not {self.pca}")
        _, vectors = leading(moments.covariance, self.pca)
        components = Components(moments.mean, np.ascontiguousarray(with_signs(vectors)), None)
        detector = self.detector.on_components(components.mean, components.vectors)
        return replace(components, inner=detector.learn(_ProjectedScan(scan, components)))

    def adapt(self, scan: Scan, background: Components) -> Components:
        """Return the components with the detector's background for the scene that will be scored next."""
        return replace(background, inner=self.detector.adapt(_ProjectedScan(scan, background), background.inner))

    def score(self, block: Block, background: Components) -> NDArray[np.float64]:
        """Return the detector's scores on the projected block."""
        return self.detector.score(background.project(block), background.inner)

    def account(self, block: Block, background: Components) -> Reason:
        """Return the detector's account of the components, traced back to the bands."""
        reason = self.detector.account(background.project(block), background.inner)
        reason = reason.in_bands(block.pixel, background.mean, background.vectors)
        return replace(reason, sentence=f"{reason.sentence} (on {self.pca} principal components)")

    def parts(self, block: Block, background: Components) -> NDArray[np.float64]:
        """Return the detector's kinds of evidence on the projected block."""
        return self.detector.parts(background.project(block), background.inner)


class _ProjectedScan:
    """A scan whose blocks hold components instead of bands."""

    def __init__(self, scan: Scan, components: Components) -> None:
        self._scan = scan
        self._components = components
        self.memory = scan.memory
        self.everywhere = scan.everywhere
        self.progress = scan.progress

    def __call__(self, function: Callable[..., T | None], *arguments: Any, halo: int = 0) -> T | None:
        return self._scan(_on_projected, self._components, function, *arguments, halo=halo)


def _on_projected(block: Block, components: Components, function: Callable[..., T], *arguments: Any) -> T:
    return function(components.project(block), *arguments)
