"""The values of the parameter `target`: places, names and spectra, in the one form that a detector keeps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hsad.errors import ParameterError

__all__ = ["FORMS", "Target", "targets_of"]

#: What a user names (``"10,20"``), or its name with its spectrum.
Target = str | tuple[str, tuple[float, ...]]

#: The forms of a target, for messages and help.
FORMS = "ROW,COL, LIST.gpkg:ID, LIST.gpkg:KIND or LIBRARY:NAME"

#: Name of a spectrum that the user gives as numbers.
_UNNAMED = "spectrum"

#: Fewest numbers of a spectrum: two numbers are a row and a column.
_LEAST_BANDS = 3


def targets_of(value: Any, option: str = "target") -> tuple[Target, ...]:
    """Return one target or several as a tuple that can be hashed and written as JSON.

    Parameters
    ----------
    value : str, pair of int, (bands,) array_like of float, (str, spectrum), or sequence of these
        A text names a place, an anomaly or a spectrum of a library, see `FORMS`. A pair of whole numbers is a row and a
        column. Three numbers and more are a spectrum in the units of the scene. A name with a spectrum is what a
        finished run states.
    option : str
        The name of the option, for messages.

    Raises
    ------
    ParameterError
        When the value has another form, or a spectrum has a number that is not finite.

    Examples
    --------
    >>> targets_of((10, 20))
    ('10,20',)
    >>> targets_of(["10,20", [0.5, 0.25, 1.0]])
    ('10,20', ('spectrum', (0.5, 0.25, 1.0)))
    """
    if isinstance(value, str) or _is_numbers(value):
        return (_target(value, option),)
    if not isinstance(value, Iterable):
        raise _unknown(value, option)
    found = tuple(_target(item, option) for item in value)
    if not found:
        raise ParameterError(f"{option}: name what to look for: {FORMS}")
    return found


def _target(item: Any, option: str) -> Target:
    if isinstance(item, str):
        if not item.strip():
            raise ParameterError(f"{option}: name what to look for: {FORMS}")
        return item
    if _is_numbers(item):
        values = np.asarray(item, dtype=np.float64)
        if len(values) == 2 and (values == np.round(values)).all():
            return f"{int(values[0])},{int(values[1])}"
        if len(values) < _LEAST_BANDS:
            raise _unknown(item, option)
        return _named(_UNNAMED, values, option)
    if isinstance(item, Sequence) and len(item) == 2 and isinstance(item[0], str) and _is_numbers(item[1]):
        return _named(item[0], np.asarray(item[1], dtype=np.float64), option)
    raise _unknown(item, option)


def _named(name: str, values: NDArray[np.float64], option: str) -> Target:
    if not np.isfinite(values).all():
        raise ParameterError(f"{option}: {name}: a number of the spectrum is not finite")
    return name, tuple(values.tolist())


def _is_numbers(value: Any) -> bool:
    """Tell whether a value is a row of numbers."""
    if isinstance(value, str) or not isinstance(value, Sequence | np.ndarray) or any(isinstance(v, str) for v in value):
        return False
    try:
        numbers = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        return False
    return numbers.ndim == 1 and len(numbers) > 0


def _unknown(value: Any, option: str) -> ParameterError:
    return ParameterError(f"{option}: {value!r} is none of {FORMS}, and no spectrum of at least {_LEAST_BANDS} numbers")
