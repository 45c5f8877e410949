"""Annotations of backgrounds and parameters: what they stand for, however they are written."""

from __future__ import annotations

import dataclasses
import re
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from typing_extensions import TypeAliasType, TypeVar

from hsad.detectors.declared import check_declared, options_of

Scalar = TypeVar("Scalar", bound=np.generic)

#: As ``NDArray`` is written from numpy 2.5 on.
NamedArray = TypeAliasType("NamedArray", np.ndarray[Any, np.dtype[Scalar]], type_params=(Scalar,))  # type: ignore[type-var]


def arrays_of(hint):
    return [option for option in options_of(hint) if option is not type(None)]


@pytest.mark.parametrize("hint", [NDArray[np.float64], NamedArray[np.float64], NamedArray[np.float64] | None], ids=str)
def test_an_array_is_an_array_whatever_name_its_type_has(hint):
    (option,) = arrays_of(hint)
    assert option.__origin__ is np.ndarray
    assert option.__args__[1] == np.dtype[np.float64]


def test_names_of_types_stand_for_their_choices():
    choices = TypeAliasType("choices", Literal["a", "b"])
    assert options_of(choices) == (Literal["a", "b"],)
    assert options_of(choices | float) == (Literal["a", "b"], float)
    assert options_of(int) == (int,)


@dataclasses.dataclass
class Held:
    named: NamedArray[np.float64]
    usual: NDArray[np.float64]
    weights: dict[str, NDArray[np.float32]]


@pytest.mark.parametrize("field", ["named", "usual", "weights"])
@pytest.mark.parametrize(
    "wrong",
    ["text", None, 1.5, np.zeros(3, complex), np.zeros(3, np.int8), np.array(["text"]), np.zeros(3, bool)],
    ids=repr,
)
def test_other_types_are_refused_by_name(field, wrong):
    good = {"named": np.zeros(3), "usual": np.zeros(3), "weights": {"W": np.zeros(3, np.float32)}}
    check_declared(Held(**good), {})
    for item in [wrong, {"W": wrong}] if field == "weights" else [wrong]:
        with pytest.raises(ValueError, match=re.escape(f"background.{field}")):
            check_declared(Held(**{**good, field: item}), {})
