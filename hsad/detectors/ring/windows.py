"""What the detectors with a dual window share: its parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from hsad.detectors.base import Detector
from hsad.detectors.parameters import parameter
from hsad.errors import ParameterError
from hsad.kernels.ring.window import BORDERS, Window

__all__ = ["Border", "Device", "DualWindow", "odd_from"]

Border = Literal["shift", "truncate", "reflect"]

Device = Literal["cpu", "cuda"]


def odd_from(least: int) -> Callable[[int], str | None]:
    """Return the check of a window's side that must be odd and at least this."""
    return lambda side: None if side % 2 and side >= least else f"odd and at least {least}"


@dataclass(frozen=True)
class DualWindow(Detector):
    """A detector that compares a pixel with the ring between a guard window and an outer window.

    Attributes
    ----------
    outer, inner : int
        Odd sides of the windows in pixels, ``inner < outer``.
    border : {"shift", "truncate", "reflect"}
        What happens near an edge of the scene, see `hsad.kernels.ring.window`.
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
        """The window as kernels know it."""
        return Window(self.outer, self.inner, BORDERS.index(self.border))

    @property
    def halo(self) -> int:
        """Half the outer window."""
        return self.outer // 2

    @property
    def smallest_side(self) -> int:
        """The outer window must lie in the scene."""
        return self.outer

    def check_machine(self) -> None:
        """Refuse a device that is not here, for those that can compute on several."""
        device = getattr(self, "device", "cpu")
        if device != "cpu":
            from hsad.kernels.device import torch_device

            torch_device(device, f"device {device}")
