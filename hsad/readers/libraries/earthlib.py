"""The spectra that the package earthlib installs: 7,261 spectra of soils, plants and built surfaces, 400-2450 nm."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from hsad.errors import MissingExtraError, SceneError
from hsad.readers.libraries.content import Content, printable
from hsad.readers.libraries.single_files import read_envi, read_table

__all__ = ["EARTHLIB", "read_earthlib"]

EARTHLIB = "earthlib"
"""The name by which users choose this library."""

_WORDS = {"npv": "dry vegetation", "comp_shingle": "composite shingle", "other": "other material"}
"""Names of classes that need an explanation; npv stands for non-photosynthetic vegetation."""


def read_earthlib() -> Content:
    """Return the content of the library.

    Raises
    ------
    MissingExtraError
        When the package is not installed.
    SceneError
        When its files are not where its version 1 has them.
    """
    found = importlib.util.find_spec(EARTHLIB)  # found, not imported: it needs pandas and tells its own log
    if found is None or not found.submodule_search_locations:
        raise MissingExtraError("library earthlib: the package is not installed: pip install 'hsad[library]'")
    folder = Path(next(iter(found.submodule_search_locations))) / "data"
    try:
        content = read_envi(folder / "spectra.sli")
        rows = read_table(folder / "spectra.csv")  # in the order of the spectra; the header cuts some of the names
        names, classes = [row["name"] for row in rows], [_class(row) for row in rows]
        if len(names) != len(content.names):
            raise ValueError(f"{len(names)} lines in its table, and {len(content.names)} spectra")
    except Exception as error:
        raise SceneError(f"{folder}: not the data of earthlib 1: {printable(str(error))}") from error
    return Content(names, content.wavelength, content.spectra, classes)


def _class(row: dict[str, str]) -> str:
    """Return the class of a spectrum in words: "bare soil", "vegetation canopy", "built asphalt".

    Examples
    --------
    >>> _class({"level_2": "npv", "level_3": "bark"}), _class({"level_2": "npv", "level_3": "npv"})
    ('dry vegetation bark', 'dry vegetation')
    """
    words = [_WORDS.get(row[level], row[level].replace("_", " ")) for level in ("level_2", "level_3")]
    return " ".join(dict.fromkeys(words))
