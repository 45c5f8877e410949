"""Results with named fields, which runs, descriptions and evaluations return."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

__all__ = ["Record"]


class Record(Mapping[str, Any]):
    """Base of frozen dataclasses whose fields can also be looked up by name, as in a dictionary.

    ``result.auc`` is checked by type checkers and offered by editors; Tables and JSON are made with
    ``result["auc"]``, ``dict(result)`` and ``{**result}``. The fields come in the order of their declaration.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]  # of the subclasses

    def __getitem__(self, name: str) -> Any:
        if name not in list(self):
            raise KeyError(name)
        return getattr(self, name)

    def __iter__(self) -> Iterator[str]:
        return (f.name for f in dataclasses.fields(self))

    def __len__(self) -> int:
        return len(list(iter(self)))
