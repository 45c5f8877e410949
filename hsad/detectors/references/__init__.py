"""The published works that detectors cite, from ``references.bib`` beside this file: the one place that holds them."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Work", "all_works", "works"]

_ENTRY = re.compile(r"^@(\w+)\{([\w-]+),\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_FIELD = re.compile(r"^  (\w+) = \{(.*)\},$", re.MULTILINE)

_MOST_AUTHORS = 4
"""Largest number of authors that are all named."""


@dataclass(frozen=True)
class Work:
    """A published work.

    Attributes
    ----------
    key : str
        Its name in BibTeX.
    bibtex : str
        Its entry, as in the file.
    fields : dict of str to str
    """

    key: str
    bibtex: str
    fields: dict[str, str]

    @property
    def doi(self) -> str:
        """Its DOI; "" if it has none."""
        return self.fields.get("doi", "")

    @property
    def identifier(self) -> str:
        """Its DOI; for a work without one the words "no DOI" and what identifies it."""
        if self.doi:
            return f"doi:{self.doi}"
        named = {"isbn": "ISBN ", "version": "version ", "number": "report "}
        return ", ".join(["no DOI", *(word + self.fields[name] for name, word in named.items() if name in self.fields)])

    @property
    def authors(self) -> str:
        """Initials and names of its authors; of more than four the first only."""
        names = [_initials(name) for name in self.fields["author"].split(" and ")]
        return f"{names[0]} et al." if len(names) > _MOST_AUTHORS else ", ".join(names)

    @property
    def venue(self) -> str:
        """Where it was published, with volume, pages and year."""
        home = next(
            self.fields[name] for name in ("journal", "booktitle", "institution", "howpublished") if name in self.fields
        )
        issue = f"({self.fields['number']})" if "volume" in self.fields and "number" in self.fields else ""
        volume = f" {self.fields['volume']}{issue}" if "volume" in self.fields else ""
        pages = f":{self.fields['pages']}" if volume and "pages" in self.fields else ""
        alone = f", pages {self.fields['pages']}" if not volume and "pages" in self.fields else ""
        return f"{home}{volume}{pages}{alone}, {self.fields['year']}".replace("--", "-")

    @property
    def text(self) -> str:
        """The reference in one line, with its identifier."""
        return f'{self.authors}, "{self.fields["title"]}", {self.venue}, {self.identifier}'


def works(keys: Iterable[str]) -> list[Work]:
    """Return works by their keys, in this order.

    Examples
    --------
    >>> works(["reed1990"])[0].doi
    '10.1109/29.60107'

    Raises
    ------
    KeyError
        When the file has no entry with a key.
    """
    return [all_works()[key] for key in keys]


@functools.cache
def all_works() -> dict[str, Work]:
    """Return all works by their keys."""
    text = (Path(__file__).parent / "references.bib").read_text(encoding="utf-8")
    return {m[2]: Work(m[2], m[0], dict(_FIELD.findall(m[3]))) for m in _ENTRY.finditer(text)}


def _initials(name: str) -> str:
    """Return ``I. S. Reed`` for ``Reed, Irving S.``, and a name in braces as it is."""
    if name.startswith("{"):
        return name.strip("{}")
    last, _, first = name.partition(", ")
    return " ".join([*("-".join(f"{part[0]}." for part in word.split("-")) for word in first.split()), last])
