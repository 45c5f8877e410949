"""The pages of evidence: each table is that of the numbers in the folder of data, and a ground counts once."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import hsad
from hsad.bench.accuracy import Accuracy
from hsad.bench.figures import Figures, by_ground, found_by_ground
from hsad.bench.page import data_of, keep, put_into, table_of, tables_in

EVIDENCE = Path(hsad.__file__).parent / "manual" / "evidence"
PAGES = sorted(EVIDENCE.glob("*.md"))
ACCURACY = EVIDENCE / "accuracy.md"

#: The places that the benchmark scenes show, as `data_catalog` describes them.
PLACES = (
    ("airport-2", "urban-5"), ("airport-4",), ("beach-3",), ("beach-4", "pavia-lzw", "pavia-wu"), ("urban-2",),
    ("urban-4",), ("sandiego-1",),
)  # fmt: skip


def kept(page):
    """Return the tables of the numbers of a page."""
    return {name: table_of(table) for name, table in data_of(page).get("tables", {}).items()}


def accuracy_of(page):
    data = data_of(page)
    assert data["figures"]["columns"] == list(Figures.__annotations__)
    return Accuracy(data["versions"], tuple(map(Figures.of, data["figures"]["rows"])), data["scenes"], ())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_tables_of_a_page_are_those_of_its_numbers(page):
    shown = tables_in(page)
    expected = kept(page)
    if page == ACCURACY:
        expected |= {table.split("|")[1].strip(): table for table in accuracy_of(page).page_tables()}
    assert shown == expected


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_table_of_figures_is_kept_as_numbers_and_its_section_names_what_made_it(page):
    text = page.read_text(encoding="utf-8")
    known = {table for name, table in tables_in(page).items() if name}
    for section in re.split(r"^## ", text, flags=re.MULTILINE):
        for table in re.findall(r"(?:^\|.*\n)+", section, re.MULTILINE):
            if re.search(r"\|[^|a-z]*(?<!\d)\.\d\d", table):
                assert any(table.strip() in one for one in known), f"{page.stem}: not kept as numbers:\n{table[:200]}"


def test_the_row_of_a_method_counts_a_ground_once():
    figures = accuracy_of(ACCURACY).figures
    of = {row.scene: row for row in figures if row.method == "auto"}
    aucs, precisions, shares = (
        [np.mean([value(of[scene]) for scene in scenes]) for scenes in PLACES]
        for value in (lambda r: r.auc, lambda r: r.average_precision, lambda r: r.found / r.objects)
    )
    areas, finds = (
        [cell.strip() for cell in line.split("|")]
        for name in ("method", "method at 1e-3")
        for line in tables_in(ACCURACY)[name].splitlines()
        if line.startswith("| `auto` |")
    )
    assert float(areas[2]) == pytest.approx(np.mean(aucs), abs=5.1e-5)
    assert float(areas[4]) == pytest.approx(np.mean(precisions), abs=5.1e-4)
    assert float(finds[2]) == pytest.approx(np.mean(shares), abs=5.1e-3)
    objects = sum(of[scene].objects for scenes in PLACES for scene in scenes)
    found = sum(of[scene].found for scenes in PLACES for scene in scenes)
    assert finds[3] == f"{found}/{objects}"
    interval = stats.bootstrap(
        (np.array(precisions),), np.mean, confidence_level=0.9, method="percentile", rng=np.random.default_rng(5)
    ).confidence_interval
    low, high = (float(end) for end in areas[5].split("-"))
    assert (low, high) == pytest.approx(tuple(interval), abs=0.02)


def row(scene, method, auc, *, seed=None, found=1):
    return Figures(scene, "native", method, seed, auc, 0.5, 4, found, 0.1)


def test_seeds_scenes_and_grounds_are_averaged_in_this_order():
    rows = [row("airport-2", "a", 0.8), row("urban-5", "a", 0.6, found=3), row("beach-3", "a", 0.9, found=4)]
    rows += [row("airport-2", "b", auc, seed=seed) for seed, auc in enumerate((0.5, 0.7))]
    rows += [row("beach-3", "b", auc, seed=seed) for seed, auc in enumerate((0.9, 0.9))]
    areas, finds = by_ground(rows)[2:], found_by_ground(rows)[2:]
    # a: ((.8 + .6) / 2 + .9) / 2, found ((1/4 + 3/4) / 2 + 1) / 2; b: ((.5 + .7) / 2 + .9) / 2.
    assert areas[0] == "| `a` | .8000 | .700-.900 | .500 | .50-.50 | .6000 |"
    assert areas[1].startswith("| `b` | .7500 | .600-.900 |")
    assert finds[0] == "| `a` | .75 | 8/12 | .7667/.500 | - | 0.1 | - |"
    assert finds[1].endswith("| 2 |")


PAGE = """# Page

hsad 0

| method | x |
|---|---|

hsad 0

| method at 1e-3 | x |
|---|---|

hsad 0

| scene | x |
|---|---|

hsad 0

| other | x |
|---|---|
| a | .5 |
"""


def test_tables_and_numbers_of_measured_methods_are_replaced_and_others_stay(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "evidence").mkdir()
    page = tmp_path / "evidence" / "page.md"
    page.write_text(PAGE)
    keep(page, tables_in(page)["other"])
    first = Accuracy(
        {"hsad": "1"}, (row("beach-3", "rx", 0.9), row("beach-3", "crd", 0.8)), {"beach-3": {"f": "1"}}, ()
    )
    first.into(page)
    Accuracy({"hsad": "2"}, (row("beach-3", "rx", 0.7),), {}, ()).into(page)
    data = json.loads((tmp_path / "data" / "page.json").read_text())
    assert {(values[2], values[4]) for values in data["figures"]["rows"]} == {("rx", 0.7), ("crd", 0.8)}
    assert (data["versions"], data["scenes"]) == ({"hsad": "2"}, {"beach-3": {"f": "1"}})
    assert data["tables"]["other"]["rows"] == [["a", ".5"]]
    assert page.read_text().count("hsad 2; 1 scenes of 1 grounds") == 3
    assert "| beach-3 | 0.7000 0.500 1/4 | 0.8000 0.500 1/4 |" in page.read_text()
    put_into(page, kept(page)["other"].replace(".5", ".6"))
    assert "| a | .6 |" in page.read_text()
