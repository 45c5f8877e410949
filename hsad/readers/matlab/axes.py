"""Choice of the axes of rows, columns and bands of an array from the other arrays of its file.

MATLAB's arrays are (rows, columns, bands) by convention. Programs that write ``.mat`` files in Python may use numpy's
order of axes, and some put the bands first. The length of a vector of wavelengths and the size of a map of the scene's
pixels show which axes are which.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from hsad.errors import ParameterError
from hsad.readers.matlab.content import MatArray

__all__ = ["Axes", "scene_axes", "three_axes"]

Axes = tuple[int, int, int]

# Axes of rows, columns and bands, the most usual order first. The bands are last, first (as in networks) or between
# rows and columns (BIL). The orders in which columns come before rows follow.
_ORDERS: tuple[Axes, ...] = ((0, 1, 2), (1, 2, 0), (0, 2, 1), (2, 1, 0), (1, 0, 2), (2, 0, 1))
_NAMES = ("rows", "columns", "bands")


def three_axes(shape: Sequence[int]) -> tuple[int, int, int] | None:
    """Return a shape without surplus leading axes of length 1, or None if it then does not have three axes."""
    surplus = len(shape) - 3
    singles = [axis for axis, size in enumerate(shape) if size == 1][:surplus] if surplus > 0 else []
    sizes = [int(size) for axis, size in enumerate(shape) if axis not in singles]
    return (sizes[0], sizes[1], sizes[2]) if len(sizes) == 3 else None


def scene_axes(
    array: MatArray,
    vectors: dict[str, int],
    images: Sequence[MatArray],
    band_axis: int | None = None,
) -> tuple[Axes, list[str]]:
    """Return the axes of an array that are rows, columns and bands, and remarks.

    Parameters
    ----------
    array : MatArray
        An array of three axes besides axes of length 1 (see `three_axes`).
    vectors : dict of str to int
        Length of each list in the file with one item per band, such as wavelengths.
    images : sequence of MatArray
        The other arrays of two axes, some of which may be maps of the scene's pixels.
    band_axis : int, optional
        The axis of the bands, if the user states it.

    Raises
    ------
    ParameterError
        When the array has no such axis.
    """
    shape = three_axes(array.shape) or (1, 1, 1)
    orders = _ORDERS
    if band_axis is not None:
        if band_axis not in range(-3, 3):
            raise ParameterError(f"band_axis: {array} has no axis {band_axis!r}: choose from 0, 1, 2 or -1")
        orders = tuple(order for order in _ORDERS if order[2] == band_axis % 3)
    lists = {name: size for name, size in vectors.items() if size in shape}
    maps = [image for image in images if any(image.shape == _picture(shape, order) for order in _ORDERS)]

    def agreeing(order: Axes) -> list[str]:
        """Return the reasons for an order, at most one list and one map."""
        of_bands = [f"{name} has {size} items" for name, size in lists.items() if size == shape[order[2]]]
        of_pixels = [f"{image} is a map" for image in maps if image.shape == _picture(shape, order)]
        return of_bands[:1] + of_pixels[:1]

    best = max(orders, key=lambda order: len(agreeing(order)))
    reasons, remarks = agreeing(best), []
    if band_axis is None and best != (0, 1, 2):
        remarks.append(f"the axes of {array} are taken as {_axis_names(best)}, because {' and '.join(reasons)}")
    elif band_axis is None and not reasons and not array.by_matlab:
        remarks.append(
            f"the file does not state the order of the axes of {array}: taken as {_axis_names(best)}; "
            "band_axis (--band-axis) states another"
        )
    elif band_axis is None and len(reasons) < bool(lists) + bool(maps):
        evidence = [f"{name} ({size})" for name, size in itertools.islice(lists.items(), 1)] + list(map(str, maps[:1]))
        remarks.append(
            f"the axes of {array} are taken as {_axis_names(best)}, which does not fit {' and '.join(evidence)}"
        )
    return best, remarks


def _picture(shape: tuple[int, int, int], order: Axes) -> tuple[int, int]:
    return shape[order[0]], shape[order[1]]


def _axis_names(order: Axes) -> str:
    return ", ".join(_NAMES[order.index(axis)] for axis in range(3))
