"""Two lists of anomalies of one place at two times: what is still there, what is new, and what is gone."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from hsad.anomalies.grades import GRADES
from hsad.anomalies.kinds import letters
from hsad.anomalies.marks.carried import MARK, marked, waiting_in
from hsad.anomalies.marks.matching import NEAR, overlapped, owners
from hsad.anomalies.marks.states import PENDING, STATES
from hsad.anomalies.vectors import CANDIDATES, LAYER, layer_metadata, open_layer, read_candidates
from hsad.errors import ParameterError, SceneError
from hsad.files import check_output, publish, staging
from hsad.products.layers import add_styles, write_layer
from hsad.products.styles import vector_styles
from hsad.record import Record
from hsad.scene.ground import from_degrees, in_degrees

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

__all__ = ["GONE", "ListComparison", "compare_lists"]

GONE = "gone"
"""The layer of what only the old list has."""

_STILL, _NEW = "still there", "new"


@dataclass(frozen=True)
class ListComparison(Record):
    """The comparison of two lists.

    Attributes
    ----------
    old, new : str
        The files.
    output : str or None
        The file that was written.
    still_there, added, gone : int
        Number of anomalies of the new list that the old one has, and that it lacks; number of anomalies of the old list
        that the new one lacks.
    within : float
        Largest distance between the outlines of one thing that do not overlap, in units of the map of the new list.
    unit : str
        ``"map units"``, or ``"pixels"`` where the lists have no georeference.
    marks : int
        Number of anomalies that got a state, a note or a class from the old list.
    waiting : int
        Number of marks whose anomalies are not in the new list.
    records : list of dict
        ``id`` (in its own list), ``status``, ``old_id``, ``row``, ``col``, ``lon``, ``lat``, ``score_max``, ``kind``,
        ``state``, ``note`` and ``class`` of each anomaly: the new list first, then what is gone.
    """

    old: str
    new: str
    output: str | None
    still_there: int
    added: int
    gone: int
    within: float
    unit: str
    marks: int
    waiting: int
    records: list[dict[str, Any]]

    def sentence(self) -> str:
        """Return the comparison in words."""
        how = f"the same where outlines overlap or lie within {self.within:.4g} {self.unit}"
        text = f"{self.still_there} still there, {self.added} new, {self.gone} gone ({how})"
        if self.marks or self.waiting:
            text += f"; {self.marks} with marks of the old list"
        if self.waiting:
            text += f", {self.waiting} {'mark waits' if self.waiting == 1 else 'marks wait'} for what is gone"
        return text


@dataclass(frozen=True, eq=False)
class _List:
    """A list of anomalies: its CRS, outlines and columns."""

    path: str
    crs: str | None
    outlines: NDArray[Any]
    columns: dict[str, NDArray[Any]]

    @classmethod
    def of(cls, path: str | os.PathLike[str]) -> Self:
        crs, outlines, columns = open_layer(path)
        number = len(columns["id"])
        plain = {"state": np.full(number, PENDING, dtype=object)}
        plain |= {name: np.full(number, None, dtype=object) for name in ("note", "class", "kind")}
        return cls(str(path), crs, np.asarray(outlines, dtype=object), {**plain, **columns})

    def __len__(self) -> int:
        return len(self.outlines)

    @property
    def pixel(self) -> float:
        """The side of a pixel, from the areas of the outlines; 0 for an empty list."""
        import shapely

        if "n_pixels" not in self.columns or not len(self):
            return 0.0
        return float(np.sqrt(np.nanmedian(shapely.area(self.outlines) / self.columns["n_pixels"])))

    def placed_as(self, other: _List) -> _List:
        """Return the list with its outlines in the CRS of another list.

        Raises
        ------
        SceneError
            When only one of the two says where it lies, or there is no way between their CRS.
        """
        import shapely
        from rasterio.crs import CRS

        if not len(self) or not len(other):
            return self
        if self.crs is None or other.crs is None:
            if self.crs is None and other.crs is None:
                return self
            without = self if self.crs is None else other
            raise SceneError(f"{without.path}: has no CRS, so its places cannot be compared with those of a map")
        one, two = CRS.from_user_input(self.crs), CRS.from_user_input(other.crs)
        if one == two:
            return self
        points = shapely.get_coordinates(self.outlines)
        moved = np.column_stack(from_degrees(two, *in_degrees(one, points[:, 0], points[:, 1])))
        if not np.isfinite(moved).all():
            raise SceneError(f"{self.path}: there is no way from its CRS to that of {other.path}")
        return replace(self, outlines=shapely.set_coordinates(self.outlines.copy(), moved))

    def part(self, chosen: NDArray[Any]) -> _List:
        """Return some of the anomalies."""
        columns = {name: column[chosen] for name, column in self.columns.items()}
        return replace(self, outlines=self.outlines[chosen], columns=columns)


def compare_lists(
    old: str | os.PathLike[str],
    new: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    within: float | None = None,
    overwrite: bool = False,
) -> ListComparison:
    """Compare two lists of anomalies of one place at two times.

    An anomaly of the new list is still there if it overlaps one of the old list, or lies near one. It then has the
    state, note and class of that one, unless it was reviewed itself, and the letter of its kind. The lists may be of
    different scenes, detectors and CRS.

    Parameters
    ----------
    old, new : path
        GeoPackages (or GeoJSON files) that hsad wrote.
    output : path, optional
        GeoPackage to write. Its layer ``anomalies`` is the new list with the marks and two further fields, ``status``
        (``still there`` or ``new``) and ``old_id``. Its layer ``gone`` has what only the old list has. It is a list for
        every command.
    within : float, optional
        Largest distance between the outlines of one thing, in units of the map of the new list (pixels without
        georeference); two pixels by default.
    overwrite : bool
        Whether the output may be replaced.

    Returns
    -------
    ListComparison

    Raises
    ------
    SceneError
        When a file is no list of hsad, or the places of the two cannot be compared.
    ParameterError
        When `within` is negative.
    OutputError
        When the output cannot be written.

    Examples
    --------
    >>> import hsad, numpy as np, pathlib, tempfile
    >>> folder, scores = pathlib.Path(tempfile.mkdtemp()), np.zeros((60, 60))
    >>> scores[10, 10] = scores[30, 30] = 1
    >>> first = hsad.write_anomalies(hsad.polygons(scores, threshold=0.5), folder / "first.gpkg")
    >>> scores[30, 30], scores[50, 20] = 0, 1
    >>> second = hsad.write_anomalies(hsad.polygons(scores, threshold=0.5), folder / "second.gpkg")
    >>> found = hsad.compare_lists(first, second)
    >>> found.still_there, found.added, found.gone
    (1, 1, 1)
    """
    if within is not None and not 0 <= within < np.inf:
        raise ParameterError(f"within must be a distance of at least 0, not {within}")
    target = None if output is None else check_output(output, (".gpkg",), overwrite=overwrite)
    later = _List.of(new)
    earlier = _List.of(old).placed_as(later)
    near = NEAR * max(later.pixel, earlier.pixel) if within is None else float(within)
    owner = owners(later.outlines, earlier.outlines, near)
    kept = owner >= 0
    gone = ~overlapped(earlier.outlines, later.outlines)
    gone[owner[kept]] = False
    said, homeless = _said(earlier, gone, old, later)
    columns, took, used = _with_marks(later, said, near)
    columns["kind"] = _kinds(later.columns["kind"], earlier.columns["kind"], owner)
    columns["status"] = np.where(kept, _STILL, _NEW).astype(object)
    old_id = np.full(len(later), np.nan)
    old_id[kept] = earlier.columns["id"][owner[kept]]
    columns["old_id"] = old_id
    missing = earlier.part(gone)
    left = replace(later, columns=columns)
    homeless[used] = False
    waiting = _as_waiting(said.part(homeless))
    if target is not None:
        _write(left, missing, waiting, target, new, overwrite=overwrite)
    return ListComparison(
        old=str(old),
        new=str(new),
        output=None if output is None else str(output),
        still_there=int(kept.sum()),
        added=int((~kept).sum()),
        gone=int(gone.sum()),
        within=near,
        unit="map units" if later.crs is not None or earlier.crs is not None else "pixels",
        marks=len(took),
        waiting=len(waiting),
        records=[*_records(left, columns["status"]), *_records(missing, np.full(len(missing), GONE, dtype=object))],
    )


def _with_marks(
    later: _List, said: _List, near: float
) -> tuple[dict[str, NDArray[Any]], NDArray[np.intp], NDArray[np.intp]]:
    """Return the columns of the new list with marks of the old one, the places that got some, and the marks used."""
    owner = owners(later.outlines, said.outlines, near)
    take = np.flatnonzero((owner >= 0) & ~marked(later.columns))
    columns = dict(later.columns)
    for name in MARK:
        columns[name] = np.array(columns[name], dtype=object)
        columns[name][take] = said.columns[name][owner[take]]
    return columns, take, owner[owner >= 0]


def _said(earlier: _List, gone: NDArray[np.bool_], path: Any, later: _List) -> tuple[_List, NDArray[np.bool_]]:
    """Return the marks of the old list, those that wait in its file too, and which of them are of no anomaly."""
    import shapely

    own = np.flatnonzero(marked(earlier.columns))
    asleep = [mark for mark in waiting_in(path) if {"outline", *MARK} <= set(mark)]
    crs, _, _ = open_layer(path, outlines=False)
    outlines = np.asarray(shapely.from_wkt([mark["outline"] for mark in asleep], on_invalid="ignore"), dtype=object)
    columns = {name: np.array([mark[name] for mark in asleep], dtype=object) for name in MARK}
    waiting = _List(str(path), crs, outlines, columns).placed_as(later)
    together = replace(
        earlier,
        outlines=np.concatenate([earlier.outlines[own], waiting.outlines]),
        columns={name: np.concatenate([earlier.columns[name][own], waiting.columns[name]]) for name in MARK},
    )
    return together, np.concatenate([gone[own], np.ones(len(waiting), dtype=np.bool_)])


def _as_waiting(said: _List) -> list[dict[str, Any]]:
    import shapely

    return [
        {**{name: said.columns[name][place] for name in MARK}, "outline": shapely.to_wkt(said.outlines[place])}
        for place in range(len(said))
    ]


def _kinds(new: NDArray[Any], old: NDArray[Any], owner: NDArray[np.intp]) -> NDArray[Any]:
    """Return the kinds of the new list in the letters of the old one, where most of what they share has them."""
    shared = ((kind, old[number]) for kind, number in zip(new, owner, strict=True) if number >= 0)
    votes = Counter((str(kind), str(letter)) for kind, letter in shared if kind and letter)
    renamed: dict[str, str] = {}
    for (kind, letter), _ in sorted(votes.items(), key=lambda vote: (-vote[1], vote[0])):
        if kind not in renamed and letter not in renamed.values():
            renamed[kind] = letter
    used = {str(kind) for kind in old if kind} | set(renamed.values())
    number = 0
    for kind in dict.fromkeys(str(kind) for kind in new if kind):
        if kind in renamed:
            continue
        while letters(number) in used:
            number += 1
        renamed[kind] = letters(number)
        used.add(renamed[kind])
    return np.array([renamed[str(kind)] if kind else None for kind in new], dtype=object)


def _records(listed: _List, status: NDArray[Any]) -> list[dict[str, Any]]:
    names = [name for name in _TOLD if name in listed.columns]
    rows = zip(*(listed.columns[name].tolist() for name in names), strict=True)
    return [
        {**{name: _plain(value) for name, value in zip(names, values, strict=True)}, "status": str(state)}
        for values, state in zip(rows, status, strict=True)
    ]


def _plain(value: Any) -> Any:
    """Return a value as JSON can hold it; the number of an anomaly is whole."""
    if isinstance(value, float):
        return None if not np.isfinite(value) else int(value) if value.is_integer() else value
    return value


_TOLD = ("id", "old_id", "row", "col", "lon", "lat", "score_max", "kind", "state", "note", "class")
"""Fields of an anomaly that the answer repeats."""


def _write(
    listed: _List, gone: _List, waiting: list[dict[str, Any]], target: Path, new: Any, *, overwrite: bool
) -> None:
    """Write the new list with its marks, what is gone, and the candidates of the new list."""
    metadata = {name: text for name, text in layer_metadata(new).items() if name == "threshold"}
    if waiting:
        metadata["waiting_marks"] = json.dumps(waiting)
    styles = vector_styles(STATES, GRADES)
    with staging(target) as folder:
        staged = folder / target.name
        write_layer(staged, target, LAYER, listed.outlines, listed.columns, listed.crs, metadata)
        write_layer(staged, target, GONE, gone.outlines, gone.columns, listed.crs if len(gone) else gone.crs)
        below = _candidates(new)
        if below is not None:
            write_layer(staged, target, CANDIDATES, below.outlines, below.columns, below.crs)
            add_styles(staged, target, CANDIDATES, {"by state": styles["by state"]})
        add_styles(staged, target, GONE, {"by state": styles["by state"]})
        add_styles(staged, target, LAYER, styles)
        publish(staged, target, overwrite=overwrite)


def _candidates(path: Any) -> _List | None:
    """Return the layer of candidates of a GeoPackage; None where there is none."""
    if not read_candidates(path):
        return None
    crs, outlines, columns = open_layer(path, layer=CANDIDATES)
    return _List(str(path), crs, np.asarray(outlines, dtype=object), columns)
