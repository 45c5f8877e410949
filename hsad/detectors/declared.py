"""Checks of a background from a file against the types and the sizes of arrays that its class declares."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

__all__ = ["check_declared", "check_value", "hints_of", "options_of"]


def check_declared(value: Any, sizes: Mapping[str, int], name: str = "background") -> None:
    """Check the fields of a dataclass against their annotations, and its arrays against its ``shapes``.

    Parameters
    ----------
    value : dataclass
        Its class may have ``shapes``, a mapping by field. For an array it has a size for each axis, as a number or by
        a name; equal names stand for equal sizes. For a dataclass in a field it has the name of the size that is the
        number of bands there.
    sizes : mapping
        Known sizes, such as ``bands``, the number of bands of the spectra.
    name : str
        For messages.

    Raises
    ------
    ValueError
        With the field, what it should be and what it is.
    """
    hints = hints_of(type(value))
    shapes = getattr(type(value), "shapes", {})
    known = dict(sizes)
    for f in dataclasses.fields(value):
        _check(getattr(value, f.name), hints.get(f.name, Any), shapes.get(f.name), known, f"{name}.{f.name}")


def hints_of(thing: Any) -> dict[str, Any]:
    """Return the annotations of a class or a function; none if a name in them is imported for type checkers only."""
    try:
        return typing.get_type_hints(thing)
    except NameError:
        return {}


def options_of(hint: Any) -> tuple[Any, ...]:
    """Return the alternatives of an annotation, with what stands behind the names of types (``type Name = ...``).

    From numpy 2.5 on ``NDArray[np.float64]`` is such a name on Python 3.12 and later.
    """
    origin = typing.get_origin(hint)
    if hasattr(hint, "__value__") and origin is None:
        return options_of(hint.__value__)
    if hasattr(origin, "__value__"):
        return options_of(origin.__value__[typing.get_args(hint)])
    if origin in (types.UnionType, typing.Union):
        return tuple(option for part in typing.get_args(hint) for option in options_of(part))
    return (hint,)


def check_value(value: Any, hint: Any, sizes: Mapping[str, int], name: str = "background") -> None:
    """Check a value against an annotation, and all fields of a dataclass against theirs.

    Raises
    ------
    ValueError
        As `check_declared`.
    """
    _check(value, hint, None, dict(sizes), name)


def _check(value: Any, hint: Any, shape: Any, sizes: dict[str, int], name: str) -> None:
    options = options_of(hint)
    fitting = [option for option in options if _is(value, option)]
    if not fitting:
        wanted = " or ".join(map(_named, options))
        raise ValueError(f"{name} is {_described(value)}, not {wanted}")
    if isinstance(value, float) and math.isnan(value):  # a limit may be infinite
        raise ValueError(f"{name} is not a number")
    if isinstance(value, np.ndarray) and value.dtype.kind in "fc" and not np.isfinite(value).all():
        raise ValueError(f"{name} holds what is no finite number")
    if isinstance(value, np.ndarray) and shape is not None:
        _check_shape(value, shape, sizes, name)
    elif isinstance(value, tuple | dict):
        _check_items(value, typing.get_args(fitting[0]), sizes, name)
    elif dataclasses.is_dataclass(value):
        check_declared(value, {**sizes, "bands": sizes[shape]} if shape else sizes, name)


def _check_items(value: tuple[Any, ...] | dict[Any, Any], parts: Any, sizes: dict[str, int], name: str) -> None:
    """Check the items of a tuple or of a dictionary against the arguments of its annotation, if there are any."""
    if not parts:
        return
    if isinstance(value, dict):
        for key, item in value.items():
            _check(key, parts[0], None, sizes, f"a key of {name}")
            _check(item, parts[1], None, sizes, f"{name}[{key!r}]")
        return
    several = parts[1:] == (...,)
    if not several and len(parts) != len(value):
        raise ValueError(f"{name} has {len(value)} items, not {len(parts)}")
    for number, item in enumerate(value):
        _check(item, parts[0 if several else number], None, sizes, f"{name}.{number}")


def _is(value: Any, option: Any) -> bool:
    """Tell whether a value is of a type; always True for types that no file can hold, such as a protocol."""
    if option is None or option is type(None):
        return value is None
    if typing.get_origin(option) is Literal:
        return value in typing.get_args(option)
    kind = typing.get_origin(option) or option
    if kind is np.ndarray:
        return isinstance(value, np.ndarray) and _scalar(option) in (None, value.dtype.type)
    if kind in (int, float):
        return not isinstance(value, bool) and isinstance(value, int if kind is int else int | float)
    return not isinstance(kind, type) or getattr(kind, "_is_protocol", False) or isinstance(value, kind)


def _scalar(option: Any) -> Any:
    """Return the type of the numbers in an annotation ``NDArray[np.float64]``; None for any."""
    arguments = typing.get_args(option)
    scalar = typing.get_args(arguments[1])[0] if len(arguments) == 2 else None
    return scalar if isinstance(scalar, type) and issubclass(scalar, np.generic) else None


def _check_shape(array: np.ndarray[Any, Any], shape: tuple[str | int, ...], sizes: dict[str, int], name: str) -> None:
    wanted = tuple(
        sizes.setdefault(size, array.shape[axis]) if isinstance(size, str) and axis < array.ndim else size
        for axis, size in enumerate(shape)
    )
    if array.shape != wanted:
        raise ValueError(f"{name} has the shape {array.shape}, not {wanted}")


def _named(option: Any) -> str:
    if typing.get_origin(option) is np.ndarray:
        scalar = _scalar(option)
        return f"an array of {scalar.__name__}" if scalar else "an array"
    return str(getattr(option, "__name__", option))


def _described(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype}"
    text = repr(value)
    return text if len(text) < 40 else type(value).__name__
