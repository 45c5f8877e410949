"""What users see of a detector's class: its parameters and references in ``help()``, under their own names."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from typing import Any, TypeVar

from hsad.detectors.checks import Check
from hsad.detectors.parameters import Parameter
from hsad.detectors.references import works
from hsad.errors import ParameterError

__all__ = ["for_users", "in_python"]

C = TypeVar("C", bound=type[Any])

#: The first heading of a docstring in numpydoc style: the parameters are described before it.
_HEADING = re.compile(r"^\S.*\n-{3,}$", re.MULTILINE)


def for_users(cls: C) -> C:
    """Describe a detector's parameters and references in its docstring, and let users call them by their aliases.

    It goes above ``@dataclass(frozen=True)``. A class without it works too: its help shows the fields as they are.
    """
    try:
        parameters = cls.parameters()
    except ParameterError:
        return cls  # the error comes when a detector is made, and names the class
    if any(p.name != p.field for p in parameters):
        cls.__init__ = _with_aliases(cls.__init__, {p.name: p.field for p in parameters})
    text = inspect.cleandoc(cls.__doc__ or "")
    if parameters:
        text = _with_parameters(text, parameters)
    if cls.cites:
        cited = [work.text for work in works(cls.cites)]
        cls.reference = "; ".join(cited)
        text = _with_references(text, cited)
    cls.__doc__ = text
    return cls


def _with_aliases(made: Callable[..., None], fields: dict[str, str]) -> Callable[..., None]:
    """Return an ``__init__`` that takes parameters by the names for users, and by those of the fields."""

    @functools.wraps(made)
    def init(self: Any, *arguments: Any, **parameters: Any) -> None:
        made(self, *arguments, **{fields.get(name, name): value for name, value in parameters.items()})

    names = {field: name for name, field in fields.items()}
    signature = inspect.signature(made)
    shown = [p.replace(name=names.get(p.name, p.name)) for p in signature.parameters.values()]
    init.__signature__ = signature.replace(parameters=shown)  # type: ignore[attr-defined]  # read by inspect
    return init


def _with_parameters(text: str, parameters: tuple[Parameter, ...]) -> str:
    """Return a docstring with a section on the parameters after the first paragraphs."""
    entries = "\n".join(_entry(p) for p in parameters)
    heading = _HEADING.search(text)
    before, after = (text, "") if heading is None else (text[: heading.start()], f"\n\n{text[heading.start() :]}")
    return f"{before.rstrip()}\n\nParameters\n----------\n{entries}{after}"


def _with_references(text: str, cited: list[str]) -> str:
    """Return a docstring with a list of references before its examples, or at its end."""
    section = "References\n----------\n" + "\n".join(f"- {work}." for work in cited)
    before, heading, examples = text.partition("\n\nExamples\n--------\n")
    return f"{before.rstrip()}\n\n{section}{heading}{examples}"


def _entry(parameter: Parameter) -> str:
    """Return the two lines of a parameter: name, type and default; help and range."""
    if parameter.required:
        return f"{parameter.name} : see `hsad.detectors.targets.given.targets_of`\n    {in_python(parameter.help)}."
    kinds = [] if parameter.type is str and parameter.choices else [_TYPES.get(parameter.type, "str")]
    if parameter.choices:
        kinds.append("{" + ", ".join(f'"{choice}"' for choice in parameter.choices) + "}")
    wanted = f" ({parameter.check.wanted})" if isinstance(parameter.check, Check) else ""
    return (
        f"{parameter.name} : {' or '.join(kinds)}, default {parameter.default!r}\n"
        f"    {in_python(parameter.help)}{wanted}."
    )


def in_python(text: str) -> str:
    """Return the help of an option as the beginning of a sentence that names other options as Python does.

    Examples
    --------
    >>> in_python("with --covariance ridge: added to the diagonal")
    'With `covariance` ridge: added to the diagonal'
    """
    text = re.sub(r"--([a-z][\w-]*)", lambda match: f"`{match[1].replace('-', '_')}`", text)
    return text[:1].upper() + text[1:]


_TYPES = {int: "int", float: "float", bool: "bool", tuple: "tuple of int"}
