"""The options of a threshold and of a list of anomalies: one declaration for Python and for the command line."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, get_args

from hsad.errors import ParameterError
from hsad.job.options import option

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "FORMATS", "KINDS", "MERGE", "RULES", "UNIT_PIXELS", "ListOptions", "NamingOptions", "Rule", "ThresholdOptions",
]  # fmt: skip

Rule = Literal["list", "bank", "gpd", "percentile", "chi2", "f", "otsu"]
RULES: tuple[str, ...] = get_args(Rule)

UNIT_PIXELS = 1e4
"""Rates of objects are numbers per this many pixels."""

FALSE_OBJECTS = 10.0
"""False anomalies that are accepted per `ThresholdOptions.per` pixels where they are counted and no number is set."""

FORMATS = ("gpkg", "geojson", "shp", "kml", "csv", "tif")
"""Endings of the file that is written for each of several rasters."""

MERGE = 2
"""Default of `ListOptions.merge`: the bank counts its false anomalies with this distance."""


@dataclass(frozen=True)
class ThresholdOptions:
    """How a threshold is chosen."""

    heading: ClassVar[str] = "Options of the list"

    rule: Rule | None = option(
        None,
        "rule that sets the threshold: list keeps every anomaly that is background with a probability of at most .5; "
        "bank accepts a number of false anomalies; the others accept a share of false pixels. Without it list, or the "
        "rule that another option asks for",
        metavar="NAME",
        choices=RULES,
    )
    false_objects: float | None = option(
        None,
        "number of false anomalies to accept in --per pixels; 10 without it",
        metavar="NUMBER",
    )
    per: float = option(1e4, "number of pixels that --false-objects refers to", metavar="PIXELS", rare=True)
    pfa: float | None = option(
        None,
        "share of background pixels to accept, for gpd, percentile, chi2 and f; .001 without it",
        metavar="SHARE",
        rare=True,
    )
    fdr: float | None = option(
        None,
        "share of false anomalies to accept in the list, for bank and for a clean region",
        metavar="SHARE",
        rare=True,
    )
    threshold: float | None = option(None, "the lowest score of an anomaly, instead of a rule", metavar="SCORE")
    degrees_of_freedom: int | None = option(
        None,
        "degrees of freedom for chi2 and f, if the score raster does not state them: the number of bands",
        metavar="N",
        rare=True,
    )
    clean_region: str | Path | NDArray[np.bool_] | None = option(
        None,
        "window or mask that you know to be background: what is found there counts as false",
        metavar="R0:R1,C0:C1|FILE",
    )

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Self:
        """Return the options that a caller sets by keywords.

        Raises
        ------
        ParameterError
            When an option is unknown or out of its range.
        """
        known = {f.name for f in dataclasses.fields(cls)}
        unknown = next((name for name in options if name not in known), None)
        if unknown == "bands":
            raise ParameterError("threshold has no option 'bands'; the rules chi2 and f take degrees_of_freedom")
        if unknown is not None:
            raise ParameterError(f"threshold has no option {unknown!r}; it has {', '.join(sorted(known))}")
        return cls(**options)

    def __post_init__(self) -> None:
        if self.rule is not None and self.rule not in RULES:
            raise ParameterError(f"rule: {self.rule!r} is not one of {', '.join(RULES)}")
        for name in ("false_objects", "per", "pfa", "fdr"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ParameterError(f"{name} must be above 0, not {value!r}")
        for name in ("pfa", "fdr"):
            if (value := getattr(self, name)) is not None and value >= 1:
                raise ParameterError(f"{name} must be below 1, not {value!r}")
        if self.threshold is not None and not math.isfinite(self.threshold):
            raise ParameterError(f"threshold must be a number, not {self.threshold!r}")
        if self.degrees_of_freedom is not None and self.degrees_of_freedom < 1:
            raise ParameterError(f"degrees_of_freedom must be at least 1, not {self.degrees_of_freedom!r}")
        if self.rate > UNIT_PIXELS / 10:
            raise ParameterError(
                f"false_objects: {self.false_objects or FALSE_OBJECTS:g} per {self.per:g} pixels is more than one in "
                "ten pixels"
            )

    @property
    def rate(self) -> float:
        """The number of accepted false anomalies per `UNIT_PIXELS` pixels."""
        return (self.false_objects or FALSE_OBJECTS) / self.per * UNIT_PIXELS

    @property
    def counts_objects(self) -> bool:
        """Whether a number or a share of false anomalies is asked for."""
        return self.rule == "bank" or self.false_objects is not None or self.fdr is not None or self.per != UNIT_PIXELS

    def to_dict(self) -> dict[str, Any]:
        """Return the options as JSON holds them; a clean region that is an array is named only."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        region = self.clean_region
        if region is not None:
            values["clean_region"] = str(region) if isinstance(region, str | Path) else "an array"
        return values


@dataclass(frozen=True)
class ListOptions(ThresholdOptions):
    """How a list of anomalies is made: by a threshold, then by the size of objects and the distance between them."""

    heading: ClassVar[str] = "Options of the list"

    min_pixels: int = option(1, "least number of pixels of an anomaly in the list", metavar="N")
    merge: int = option(
        MERGE,
        "join pixels at most N rows and columns apart into one anomaly; 1 joins only pixels that touch",
        metavar="N",
    )


KINDS = 12
"""Kinds whose siblings a survey looks for: one pass over the scene finds those of all."""

_LIBRARY = "spectral library for the names of materials: .sli, .csv, a folder of ECOSTRESS or splib07, or earthlib"


@dataclass(frozen=True)
class NamingOptions:
    """What a survey says of its anomalies beside their scores."""

    heading: ClassVar[str] = "Options of names and kinds"

    library: str | Path | None = option(None, _LIBRARY, metavar="LIBRARY")
    kinds: int = option(
        KINDS,
        "number of kinds for which the report shows further places of the same material; 0 for none",
        metavar="N",
    )

    def __post_init__(self) -> None:
        if self.kinds < 0:
            raise ParameterError(f"kinds must be at least 0, not {self.kinds!r}")
