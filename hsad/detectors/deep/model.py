"""The base of the learned detectors: common parameters, and the check of the weights of a loaded model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hsad.detectors.base import Detector
from hsad.detectors.checks import at_least
from hsad.detectors.parameters import parameter
from hsad.detectors.ring.windows import Device

__all__ = ["DeepDetector", "check_weights"]


@dataclass(frozen=True)
class DeepDetector(Detector):
    """A detector that learns from a random sample, determined by its seed, and computes with torch.

    Attributes
    ----------
    seed : int
    device : {"cpu", "cuda"}
    """

    packages: ClassVar[tuple[str, ...]] = ("torch",)

    seed: int = parameter(
        0, "seed of the sample and of the training: the same seed gives the same result", check=at_least(0)
    )
    device: Device = parameter("cpu", "where it is computed")


def check_weights(weights: Mapping[str, NDArray[Any]], dimensions: Mapping[str, int]) -> None:
    """Refuse weights of a file if one is missing, has other dimensions or is not finite.

    Raises
    ------
    ValueError
    """
    for name, count in dimensions.items():
        if name not in weights or np.ndim(weights[name]) != count:
            raise ValueError(f"the weights {name!r} are missing or have other dimensions")
    for name, array in weights.items():
        if not np.isfinite(array).all():
            raise ValueError(f"the weights {name!r} are not finite")
