"""The notebooks: what they import, what is stored in them, and (long) that they still print what is stored."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import nbformat
import pytest
from notebook_runs import code_cells, differences, printed, run

import hsad
import hsad.plot
import hsad.synthetic
from hsad import manual

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))
#: Public names that are not names of `hsad` itself.
ROOMS = {"hsad.plot": hsad.plot.__all__, "hsad.synthetic": hsad.synthetic.__all__}

of_each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def syntax(path):
    return ast.parse("\n".join(cell.source for cell in code_cells(nbformat.read(path, as_version=4))))


def test_the_notebooks_are_numbered_from_1():
    assert [path.stem[:3] for path in NOTEBOOKS] == [f"{number:02}_" for number in range(1, len(NOTEBOOKS) + 1)]


@of_each
def test_a_notebook_uses_public_names_only(path):
    for node in ast.walk(syntax(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                assert alias.name == "hsad" or alias.name.partition(".")[0] != "hsad", alias.name
        elif isinstance(node, ast.ImportFrom) and node.module.partition(".")[0] == "hsad":
            assert {alias.name for alias in node.names} <= set(ROOMS[node.module]), node.module
        elif isinstance(node, ast.Attribute):
            assert not node.attr.startswith("_"), node.attr
            within = ast.unparse(node.value)
            if within == "hsad":
                assert node.attr == "plot" or node.attr in dir(hsad), node.attr
            elif within in ROOMS:
                assert node.attr in ROOMS[within], node.attr


@of_each
def test_a_notebook_silences_no_warning(path):
    words = {node.attr for node in ast.walk(syntax(path)) if isinstance(node, ast.Attribute)}
    assert not words & {"simplefilter", "filterwarnings", "catch_warnings", "showwarning"}
    assert "warnings" not in {alias.name for node in ast.walk(syntax(path)) if isinstance(node, ast.Import)
                              for alias in node.names}  # fmt: skip


@of_each
def test_a_notebook_begins_with_a_question_ends_with_an_answer_and_shows_a_picture(path):
    book = nbformat.read(path, as_version=4)
    prose = [cell.source for cell in book.cells if cell.cell_type == "markdown"]
    assert prose[0].startswith("# ")
    assert "**Question.**" in prose[0]
    assert any("## Answer" in text for text in prose[-2:])
    outputs = [output for cell in code_cells(book) for output in cell.outputs]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert path.stat().st_size < 500_000


@of_each
def test_the_pages_of_the_manual_that_a_notebook_names_exist(path):
    for topic in re.findall(r"hsad help ([a-z-]+)", path.read_text(encoding="utf-8")):
        assert topic in manual.topics(), topic


@of_each
def test_a_notebook_can_be_read_without_running_it(path):
    cells = code_cells(nbformat.read(path, as_version=4))
    assert sum(bool(cell.outputs) for cell in cells) > len(cells) / 2
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    text = json.dumps([[cell.outputs, cell.metadata] for cell in cells])
    for private in ("/tmp/", "/home/", "/root/", "iopub", "shell.execute"):  # noqa: S108  places of one machine
        assert private not in text
    assert not any(printed(cell)["stderr"] for cell in cells)


def test_all_notebooks_together_are_small():
    assert sum(path.stat().st_size for path in NOTEBOOKS) < 3_000_000


def notebook(*texts, **metadata):
    cells = []
    for text in texts:
        cells.append(nbformat.v4.new_code_cell("print(…)", metadata=metadata))
        cells[-1].outputs = [nbformat.v4.new_output("stream", name="stdout", text=text)]
    return nbformat.v4.new_notebook(cells=cells)


@pytest.mark.parametrize(
    ("stored", "now", "count"),
    [
        ("AUC 0.981, 12 found", "AUC 0.982, 12 found", 0),  # one unit of the last digit
        ("AUC 0.981, 12 found", "AUC 0.950, 14 found", 2),
        ("2.3e-05", "2.3e-04", 1),
        ("lrx is best", "rx is best", 1),
        ("-0.5", "0.5", 1),
        ("rx   1", "rx 1", 0),  # white space
    ],
)
def test_what_differs_in_a_second_run_is_told(stored, now, count):
    assert len(differences(notebook(stored), notebook(now))) == count


def test_a_cell_may_state_its_own_tolerance_and_that_it_varies():
    assert len(differences(notebook("AP 0.50", "2"), notebook("AP 0.60", "5"))) == 2
    assert differences(notebook("AP 0.50", tolerance=0.3), notebook("AP 0.60")) == []
    assert differences(notebook("no QGIS", tags=["varies"]), notebook("a map")) == []


@pytest.mark.long
@of_each
def test_a_notebook_prints_what_is_stored(path, tmp_path):
    assert differences(nbformat.read(path, as_version=4), run(path, tmp_path)) == []


@pytest.mark.long
@pytest.mark.parametrize(
    "path", [path for path in NOTEBOOKS if "HSAD_DATA" in path.read_text()], ids=lambda path: path.stem
)
def test_a_notebook_runs_on_a_real_scene(path, data):
    book = run(path, data)
    stored = nbformat.read(path, as_version=4)
    assert differences(stored, book)  # it did not make a scene
    assert not re.search("Traceback", str(book))
