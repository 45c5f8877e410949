"""The base of the detectors with a dual window: its parameters, and the account of a ring."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from hsad.detectors.account import Reason
from hsad.detectors.base import Detector
from hsad.detectors.block import Block
from hsad.detectors.checks import odd_from
from hsad.detectors.parameters import parameter
from hsad.errors import ParameterError
from hsad.kernels.ring.window import BORDERS, Window

if TYPE_CHECKING:
    from hsad.kernels.ring.account import RingAccount

__all__ = ["Border", "Device", "DualWindow"]

Border = Literal["shift", "truncate", "reflect"]

Device = Literal["cpu", "cuda"]


@dataclass(frozen=True)
class DualWindow(Detector):
    """A detector that compares a pixel with the ring between a guard window and an outer window.

    Attributes
    ----------
    outer, inner : int
        Odd sides of the windows in pixels, ``inner < outer``.
    border : {"shift", "truncate", "reflect"}
        The rule near an edge of the scene, see `hsad.kernels.ring.window`.
    """

    outer: int = parameter(15, "side of the outer window, odd", check=odd_from(3))
    inner: int = parameter(7, "side of the guard window, odd", check=odd_from(1))
    border: Border = parameter("shift", "at the edge: move the window inside, cut it, or mirror the scene")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.inner >= self.outer:
            raise ParameterError(f"inner must be smaller than outer ({self.outer}), not {self.inner}")

    @property
    def window(self) -> Window:
        """The window in the form for kernels."""
        return Window(self.outer, self.inner, BORDERS.index(self.border))

    @property
    def halo(self) -> int:
        """Half the outer window."""
        return self.outer // 2

    @property
    def smallest_side(self) -> int:
        """The outer window must lie in the scene."""
        return self.outer

    def reason_of(self, block: Block, score: float, found: RingAccount | None, factor: float, sentence: str) -> Reason:
        """Return a kernel's account of spectra that were multiplied by a factor, in the units of the spectra.

        The sentence may name ``{count}``, the pixels of the ring, and ``{share}``, what they leave of the pixel's
        length.
        """
        if found is None:
            return Reason("its ring holds too few valid pixels: it has no score")
        pixel, residual = block.pixel, found.difference / factor
        share = float(np.linalg.norm(residual)) / max(float(np.linalg.norm(pixel)), np.finfo(np.float64).tiny)
        return Reason(
            sentence.format(count=len(found.ring), share=f"{100 * share:.3g} %"),
            found.contributions,
            pixel - residual,
            residual,
            None if found.slopes is None else found.slopes,
            ring=found.ring / factor,
            unlike="the ring around it",
        ).summing_to(score)

    def check_machine(self) -> None:
        """Refuse a device that this machine lacks, if the detector has a choice of devices."""
        device = getattr(self, "device", "cpu")
        if device != "cpu":
            from hsad.kernels.device import torch_device

            torch_device(device, f"device {device}")
