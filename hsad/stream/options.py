"""The options of line-by-line work, for every method: defaults, help texts and forms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from hsad.errors import ParameterError
from hsad.job.options import option

__all__ = ["FORGETTING", "LineOptions"]

#: The forgetting factor that is used if none is stated.
FORGETTING = 0.99


@dataclass(frozen=True)
class LineOptions:
    """How a background follows the lines, and how many lines are scored together."""

    heading: ClassVar[str] = "Options of the lines"

    first_lines: int | None = option(
        None,
        "number of first lines, which are learned from and scored together; by default at least 32, and enough for ten "
        "pixels a band",
        metavar="LINES",
    )
    forgetting: float | None = option(
        None,
        "rx: weight that each new line leaves to the lines before it, above 0 and at most 1; 0.99 by default",
        metavar="F",
    )
    clean_start: bool = option(
        False, "rx: keep the background of the first lines instead of following the lines", metavar="FLAG"
    )
    refresh: int = option(32, "rx: most lines after which the covariance is factored again", metavar="LINES")
    together: int = option(
        1, "lines that are scored together: more are faster with a window, and come later", metavar="LINES"
    )

    def __post_init__(self) -> None:
        for name in ("first_lines", "refresh", "together"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value < 1):
                raise ParameterError(f"{name} must be a whole number of at least 1, not {value!r}")
        if self.forgetting is not None and not 0 < self.forgetting <= 1:
            raise ParameterError(f"forgetting must be above 0 and at most 1, not {self.forgetting!r}")
        if self.forgetting is not None and self.clean_start:
            raise ParameterError("forgetting and clean_start are two ways to treat later lines: give one of them")
