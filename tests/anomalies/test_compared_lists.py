"""Two lists of one place at two times: what is still there, new or gone, and whose marks go where."""

from __future__ import annotations

import json

import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS

import hsad
from hsad.anomalies.marks.reviewed import Mark
from hsad.anomalies.marks.written import set_marks
from hsad.anomalies.vectors import read_anomalies
from hsad.errors import ParameterError, SceneError
from hsad.scene.grid import GeoGrid

SIDE = 60


def scores_of(places, epsg=32632, pixel=5.0, shift=(0.0, 0.0)):
    """Return a map with a square of 2 x 2 high pixels at each place, the first one the highest."""
    values = np.zeros((SIDE, SIDE), dtype=np.float32)
    for number, (row, col) in enumerate(places):
        values[row : row + 2, col : col + 2] = 100 - number
    if epsg is None:
        return values
    import xarray as xr

    transform = Affine(pixel, 0, 500_000 + shift[0], 0, -pixel, 5_400_000 + shift[1])
    return GeoGrid(SIDE, SIDE, CRS.from_epsg(epsg), transform).attach(xr.DataArray(values, dims=("y", "x")))


def write(path, places, kinds=None, **grid):
    found = hsad.polygons(scores_of(places, **grid), threshold=0.5)
    if kinds is not None:
        found = found.with_columns(kind=np.array(kinds, dtype=object))
    hsad.write_anomalies(found, path)
    return path


def mark(path, number, state, note=None, label=None):
    set_marks(path, {number: Mark(state, note, label)})


@pytest.fixture
def lists(tmp_path):
    old = write(tmp_path / "old.gpkg", [(10, 10), (30, 30), (50, 20), (5, 50)], kinds=["A", "B", "B", "C"])
    mark(old, 1, "real", "a shed", "roof")
    mark(old, 3, "not real")
    new = write(tmp_path / "new.gpkg", [(31, 31), (11, 10), (40, 40), (5, 53)], kinds=["A", "B", "C", None])
    return old, new


def by_place(path, layer="anomalies"):
    from pyogrio.raw import read

    meta, _, _, fields = read(path, layer=layer, read_geometry=False)
    columns = dict(zip(meta["fields"], fields, strict=True))
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    return {(values["row"], values["col"]): values for values in (dict(zip(columns, row, strict=True)) for row in rows)}


def test_what_overlaps_or_is_near_is_still_there(lists, tmp_path):
    output = tmp_path / "diff.gpkg"
    found = hsad.compare_lists(*lists, output)
    # (31, 31) overlaps (30, 30); (11, 10) overlaps (10, 10); (5, 53) is one pixel beside (5, 50); (50, 20) is gone.
    assert (found.still_there, found.added, found.gone) == (3, 1, 1)
    written = by_place(output)
    assert {place: row["status"] for place, row in written.items()} == {
        (31, 31): "still there", (11, 10): "still there", (5, 53): "still there", (40, 40): "new"
    }  # fmt: skip
    assert {place: row["old_id"] for place, row in written.items() if row["status"] == "still there"} == {
        (31, 31): 2, (11, 10): 1, (5, 53): 4
    }  # fmt: skip
    gone = by_place(output, "gone")
    assert {place: row["state"] for place, row in gone.items()} == {(50, 20): "not real"}
    # The file is a list for every command.
    assert len(read_anomalies(output)) == 4


def test_marks_and_kinds_go_to_what_is_still_there(lists, tmp_path):
    output = tmp_path / "diff.gpkg"
    found = hsad.compare_lists(*lists, output)
    written = by_place(output)
    shed = written[11, 10]
    assert (shed["state"], shed["note"], shed["class"]) == ("real", "a shed", "roof")
    assert {row["state"] for place, row in written.items() if place != (11, 10)} == {"pending"}
    # The new letters A, B, C are the old B (of 30,30), A (of 10,10) and a letter that no list has.
    assert [written[place]["kind"] for place in ((31, 31), (11, 10), (40, 40), (5, 53))] == ["B", "A", "D", None]
    assert (found.marks, found.waiting) == (1, 1)
    # What is gone and comes back has its mark again.
    back = write(tmp_path / "back.gpkg", [(50, 20)])
    again = hsad.compare_lists(output, back, tmp_path / "again.gpkg")
    assert (again.still_there, again.added, again.gone) == (0, 1, 4)
    assert by_place(tmp_path / "again.gpkg")[50, 20]["state"] == "not real"


def test_a_review_of_the_new_list_stays(lists, tmp_path):
    old, new = lists
    mark(new, 2, "unsure")
    hsad.compare_lists(old, new, tmp_path / "diff.gpkg")
    row = by_place(tmp_path / "diff.gpkg")[11, 10]
    assert (row["state"], row["note"]) == ("unsure", None)


def test_the_distance_is_set(lists):
    assert hsad.compare_lists(*lists, within=0).still_there == 2
    assert hsad.compare_lists(*lists, within=4.9).still_there == 2
    assert hsad.compare_lists(*lists, within=5.1).still_there == 3
    with pytest.raises(ParameterError, match="within must be a distance of at least 0, not -1"):
        hsad.compare_lists(*lists, within=-1)


def test_lists_of_other_grids_and_crs_are_compared_on_the_earth(tmp_path):
    from rasterio.warp import transform

    old = write(tmp_path / "old.gpkg", [(10, 10), (40, 40)])
    # Smaller pixels, from another corner: row 20 and column 20 cover 10, 10.
    fine = write(tmp_path / "fine.gpkg", [(20, 20)], pixel=2.5)
    assert hsad.compare_lists(old, fine).still_there == 1
    x, y = transform("EPSG:32632", "EPSG:32633", [500_000 + 52.5], [5_400_000 - 52.5])
    shift = x[0] - 500_000 - 52.5, y[0] - 5_400_000 + 52.5
    other = write(tmp_path / "other.gpkg", [(10, 10)], epsg=32633, shift=shift)
    found = hsad.compare_lists(old, other)
    assert (found.still_there, found.gone) == (1, 1)


def test_lists_without_georeference_are_compared_by_rows_and_columns(tmp_path):
    old = write(tmp_path / "old.gpkg", [(10, 10), (40, 40)], epsg=None)
    new = write(tmp_path / "new.gpkg", [(11, 11), (20, 40)], epsg=None)
    found = hsad.compare_lists(old, new)
    assert (found.still_there, found.added, found.gone, found.unit) == (1, 1, 1, "pixels")
    placed = write(tmp_path / "placed.gpkg", [(10, 10)])
    with pytest.raises(SceneError, match=r"old.gpkg: has no CRS, so its places cannot be compared with those of a map"):
        hsad.compare_lists(old, placed)


def test_empty_lists(tmp_path):
    empty, full = write(tmp_path / "e.gpkg", []), write(tmp_path / "f.gpkg", [(10, 10)])
    output = tmp_path / "d.gpkg"
    assert hsad.compare_lists(empty, full, output).added == 1
    found = hsad.compare_lists(full, empty, output, overwrite=True)
    assert (found.still_there, found.added, found.gone) == (0, 0, 1)
    assert list(by_place(output, "gone")) == [(10, 10)]
    assert hsad.compare_lists(empty, empty).records == []


def test_a_file_that_is_no_list_is_one_line(lists, tmp_path, hsad_run):
    from pyogrio.raw import write as write_raw

    foreign = tmp_path / "foreign.gpkg"
    write_raw(str(foreign), np.array([b"\x01\x01\x00\x00\x00" + bytes(16)], dtype=object), [np.array([1])], ["a"],
              layer="roads", driver="GPKG", geometry_type="Point", crs="EPSG:4326")  # fmt: skip
    for pair in ((lists[0], foreign), (foreign, lists[1]), (tmp_path / "none.gpkg", lists[1])):
        status, _, err = hsad_run("compare-lists", *pair)
        assert (status, len(err.splitlines())) == (1, 1)
        assert "foreign.gpkg" in err or "none.gpkg" in err


def test_the_command_says_it_in_a_line_and_as_json(lists, tmp_path, hsad_run):
    old, new = lists
    output = tmp_path / "diff.gpkg"
    status, out, err = hsad_run("compare-lists", old, new, "-o", output)
    assert (status, err) == (0, "")
    assert out.startswith(f"{output}: 3 still there, 1 new, 1 gone (the same where outlines overlap or lie within 10")
    assert out.rstrip().endswith("; 1 with marks of the old list, 1 mark waits for what is gone")
    status, out, _ = hsad_run("compare-lists", old, new, "--json")
    told = json.loads(out)
    assert (told["still_there"], told["added"], told["gone"]) == (3, 1, 1)
    assert [record["status"] for record in told["records"]].count("gone") == 1
    assert {record["old_id"] for record in told["records"] if record["status"] == "new"} == {None}
    status, _, err = hsad_run("compare-lists", old, new, "-o", old, "--overwrite")
    assert status == 1
