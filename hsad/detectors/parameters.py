"""The parameters of a detector: declared once as fields, with their default, help and check."""

from __future__ import annotations

import dataclasses
import functools
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import numpy as np

from hsad.detectors.declared import options_of
from hsad.errors import ParameterError

__all__ = ["TAKEN", "Parameter", "declared", "parameter"]

T = TypeVar("T")

#: Names of the options of runs, files and thresholds, on the command line and in Python. A parameter of a detector may
#: not have one of them.
TAKEN = frozenset(
    {
        *("bands", "pca", "mask", "mask_flags", "bad_bands", "grid", "region", "bbox", "tile", "workers", "memory"),
        *("scheduler", "background", "references", "parts", "compute", "progress"),
        *("band_axis", "nodata", "wavelengths", "partial"),
        *("scene", "scenes", "cube", "cubes", "folder", "method", "output", "plot", "save_background", "overwrite"),
        *("restart", "log", "json", "as_json", "open", "open_it", "quiet", "debug", "help", "help_all"),
        *("decide", "rule", "false_objects", "per", "pfa", "fdr", "threshold", "clean_region", "min_pixels", "merge"),
        "degrees_of_freedom",
        *("library", "kinds", "at_once", "over_all"),
        *("samples", "like", "first_lines", "forgetting", "clean_start", "refresh", "together"),
        *("follow", "header", "wait", "places", "listed"),
    }
)


def parameter(
    default: T,
    help: str,  # noqa: A002  the command line's word
    *,
    check: Callable[[T], str | None] | None = None,
    alias: str | None = None,
    metavar: str | None = None,
    convert: Callable[[Any], T] | None = None,
    required: bool = False,
) -> T:
    """Return a field of a detector with its default, its help text and its check.

    Parameters
    ----------
    default
        The value if the user sets none. The annotation of the field is its type. A ``Literal`` gives choices.
    help : str
        One phrase for the command line and the documentation.
    check : callable, optional
        Returns what the value must be (``"odd and at least 3"``) if it is not that, else None. See
        `hsad.detectors.checks`.
    alias : str, optional
        The name for users where the field cannot have that name: ``score`` is a method. See `for_users`.
    metavar : str, optional
        The word for the value in ``--help``, of a parameter that is neither a number nor a choice. With ``...`` at its
        end the option takes several values.
    convert : callable, optional
        Returns the value of the field for what the user gives, or raises `ParameterError`. It takes the place of the
        conversion by type and of `check`.
    required : bool
        Whether the user must give a value: `convert` refuses the default.
    """
    more = {"metavar": metavar, "convert": convert, "required": required}
    return field(default=default, metadata={"help": help, "check": check, "alias": alias, **more})


@dataclass(frozen=True)
class Parameter:
    """One parameter of a detector, as users see it; the value is in the detector's field of the name `field`."""

    name: str
    field: str
    type: type
    default: Any
    choices: tuple[Any, ...]
    help: str
    check: Callable[[Any], str | None] | None
    metavar: str | None = None
    converter: Callable[[Any], Any] | None = None
    required: bool = False

    @property
    def several(self) -> bool:
        """Whether the option of the command line takes several values."""
        return self.metavar is not None and self.metavar.endswith("...")

    def convert(self, value: Any) -> Any:
        """Return `value` as this parameter's type, checked.

        Raises
        ------
        ParameterError
            Naming the parameter, the value and the choices or the range.
        """
        if self.converter is not None:
            return self.converter(value)
        return self._by_type(value)

    def _by_type(self, value: Any) -> Any:
        if isinstance(value, str) and value in self.choices:
            return value
        if self.type is tuple:
            return self._numbers(value)
        if self.type is str and self.check is not None:
            wanted = self.check(value)
            if isinstance(value, str) and wanted is None:
                return value
            raise ParameterError(f"{self.name} must be {wanted or 'a text'}, not {value!r}")
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
        """Return the whole numbers of a sequence, or of a text with commas."""
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

    def read(self, text: Any) -> Any:
        """Return the number in a text of the command line, if the parameter is a number; `convert` checks it."""
        if not isinstance(text, str) or text in self.choices or self.type not in (int, float):
            return text
        try:
            number = float(text)
        except ValueError:
            return text
        return int(number) if self.type is int and number.is_integer() else number


@functools.cache
def declared(cls: type[Any], taken: frozenset[str] = TAKEN) -> tuple[Parameter, ...]:
    """Return the parameters that a detector declares, in the order of its fields.

    Raises
    ------
    ParameterError
        When a parameter has the name of another option.
    """
    hints = typing.get_type_hints(cls)
    found = []
    for f in dataclasses.fields(cls):
        if "help" not in f.metadata:
            continue  # the detector in a wrapper is no parameter
        options = options_of(hints[f.name])
        kinds = [kind for option in options if isinstance(kind := typing.get_origin(option) or option, type)]
        choices = [c for option in options if typing.get_origin(option) is Literal for c in typing.get_args(option)]
        kind = kinds[0] if kinds else str
        found.append(
            Parameter(
                f.metadata["alias"] or f.name,
                f.name,
                kind,
                f.default,
                tuple(choices),
                f.metadata["help"],
                f.metadata["check"],
                *(f.metadata[name] for name in ("metavar", "convert", "required")),
            )
        )
    crossing = [p.name for p in found if p.name.replace("-", "_") in taken]
    if crossing:
        raise ParameterError(
            f"{cls.__module__}:{cls.__qualname__} has a parameter {crossing[0]!r}, which is an option of hsad's own: "
            "it needs another name"
        )
    return tuple(found)
