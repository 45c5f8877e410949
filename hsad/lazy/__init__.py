"""Names of a package that are imported when they are first used, so that importing the package stays quick."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["lazy_attributes"]


def lazy_attributes(
    package: str, homes: Mapping[str, str], further: Callable[[str], str | None] = lambda _: None
) -> Callable[[str], Any]:
    """Return the function ``__getattr__`` of a package.

    Parameters
    ----------
    package : str
        Its name.
    homes : mapping of str to str
        The module in which each name lives.
    further : callable
        The module of a name that is not in `homes`, or None.

    Examples
    --------
    >>> lazy_attributes("demo", {"sqrt": "math"})("sqrt")(9)
    3.0
    """

    def attribute(name: str) -> Any:
        home = homes.get(name) or further(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(home), name)

    return attribute
