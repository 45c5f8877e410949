"""Layout of the numbers of an ENVI image in its data file."""

from __future__ import annotations

import re

import numpy as np

from hsad.errors import SceneError
from hsad.readers.envi.header import DATA_TYPES, Header
from hsad.readers.rasters.raw import INTERLEAVES, Layout

__all__ = ["header_layout"]


def header_layout(header: Header, remarks: list[str]) -> Layout:
    """Return the layout of the numbers in the data file that a header states.

    Parameters
    ----------
    header : Header
    remarks : list of str
        A remark is added for each missing key whose value is assumed.

    Raises
    ------
    SceneError
        When the header does not state a valid layout, or the numbers are complex.
    """
    shape = (
        header.whole("lines", least=1),
        header.whole("samples", least=1),
        header.whole("bands", least=1),
    )
    code = header.whole("data type")
    if code not in DATA_TYPES:
        raise SceneError(f"{header.path}: 'data type = {code}' is not one of {', '.join(map(str, DATA_TYPES))}")
    dtype = np.dtype(DATA_TYPES[code])
    if dtype.kind == "c":
        raise SceneError(f"{header.path}: 'data type = {code}' is complex numbers, a cube holds real ones")
    interleave = header.text("interleave", "bsq" if shape[2] == 1 else "").lower()
    if interleave not in INTERLEAVES:
        stated = f"'interleave = {header.text('interleave')}' is not one of" if interleave else "no 'interleave':"
        raise SceneError(f"{header.path}: {stated} {', '.join(INTERLEAVES)}")
    if dtype.itemsize > 1 and not header.text("byte order"):
        remarks.append("the header has no 'byte order': taken as 0 (little-endian)")
    byte_order = header.whole("byte order", 0)
    if byte_order not in (0, 1):
        raise SceneError(f"{header.path}: 'byte order = {byte_order}' is not 0 (little-endian) or 1 (big-endian)")
    return Layout(
        shape,
        dtype.newbyteorder(">" if byte_order else "<"),
        interleave,
        header.whole("header offset", 0),
        _frame_offsets(header, "major frame offsets"),
        _frame_offsets(header, "minor frame offsets"),
    )


def _frame_offsets(header: Header, key: str) -> tuple[int, int]:
    stated = header.numbers(key)
    if not stated:
        return 0, 0
    if len(stated) != 2 or not all(re.fullmatch(r"[0-9]{1,18}", item) for item in stated):
        raise SceneError(f"{header.path}: '{key}' must be two whole numbers, not {', '.join(stated)}")
    return int(stated[0]), int(stated[1])
