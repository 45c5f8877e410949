"""The pages of the detectors, and their references: nothing that the code says stands in them by hand."""

from __future__ import annotations

import dataclasses
import importlib.util
import inspect
import json
import re
from pathlib import Path

import numpy as np
import pytest

import hsad
from hsad.detectors import detector_class
from hsad.detectors.references import all_works, works
from hsad.manual import CONTENTS, page

ROOT = Path(hsad.__file__).parent.parent
OWN = [name for name in hsad.DETECTORS if hsad.DETECTORS.package(name) is None and ":" not in name]

HEADINGS = (
    "What it finds", "Definition", "Algorithm", "Parameters", "Example", "Where it fails", "Cost",
    "Differences from the paper", "References",
)  # fmt: skip

EQUATION = re.compile(r"^\$\$\n(.+?)\n\$\$ \((eq-[\w-]+)\)$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def maker():
    script = ROOT / ".ci" / "detector_pages.py"
    if not script.exists():
        pytest.skip("no clone: the script that makes the pages is not installed")
    spec = importlib.util.spec_from_file_location("detector_pages", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_method_has_a_page():
    assert set(OWN) <= set(CONTENTS["detectors"])


@pytest.mark.parametrize("name", ["methods", "citing", *OWN])
def test_a_page_holds_what_the_code_says_now(maker, name):
    assert maker.rewritten(name, page(name)) == page(name), "run: python .ci/detector_pages.py"


@pytest.mark.parametrize("name", OWN)
def test_a_page_has_the_headings_of_all_pages(name):
    found = re.findall(r"^## (.+)$", page(name), re.MULTILINE)
    assert [heading for heading in found if heading in HEADINGS] == list(HEADINGS)


@pytest.mark.parametrize("name", OWN)
def test_a_page_defines_the_score_in_numbered_equations(name):
    definition = page(name).partition("\n## Definition\n")[2].partition("\n## Algorithm\n")[0]
    assert EQUATION.search(definition)
    assert definition.count("$$") == 2 * len(EQUATION.findall(definition)), "an equation without a label"


@pytest.mark.long
@pytest.mark.parametrize("name", OWN)
def test_passes_and_accounts_are_those_that_the_pages_state(maker, name):
    """Counted on a small scene; the processor time is that of one machine and is not compared."""
    made = maker.detector(name)
    if "torch" in made.packages:
        pytest.importorskip("torch")
    made = dataclasses.replace(made, steps=1) if hasattr(made, "steps") else made
    cubes = [
        hsad.make_scene(rows=64, cols=64, bands=maker.BANDS, seed=seed, target_sizes=[1, 4]).cube.values
        for seed in range(5 if name == "padim" else 1)
    ]
    passes, _, scores = maker.counted(made, cubes)
    known = json.loads(maker.DATA.read_text(encoding="utf-8"))["methods"][name]
    row, col = divmod(int(np.nanargmax(scores)), 64)
    reason = hsad.explain(cubes[0], made, row, col, **maker.references_of(cubes)).reason
    assert (reason.contributions is not None) == known["account"]
    if name == "rpca":
        passes = known["passes"]  # one for each iteration
    assert passes == known["passes"]


def test_labels_of_equations_are_unique():
    labels = [label for name in ("methods", *OWN) for _, label in EQUATION.findall(page(name))]
    assert len(set(labels)) == len(labels)


@pytest.mark.parametrize("name", OWN)
def test_a_page_says_what_each_parameter_does(name):
    table = page(name).partition("\n## Parameters\n")[2].partition("\n## Example\n")[0]
    for parameter in detector_class(name).parameters():
        assert re.search(rf"^\| `{parameter.name}` \|.*\| .{{10,}} \|$", table, re.MULTILINE), parameter.name


@pytest.mark.parametrize("name", OWN)
def test_a_page_cites_works_with_their_doi_or_says_that_there_is_none(name):
    references = page(name).partition("\n## References\n")[2]
    cited = works(detector_class(name).cites)
    assert cited
    for work in cited:
        assert (
            f"https://doi.org/{work.doi.replace('(', '%28').replace(')', '%29')}" in references
            if work.doi
            else ("no DOI" in references)
        )
        assert work.bibtex in references


@pytest.mark.parametrize("key", all_works())
def test_a_reference_is_a_whole_entry_of_bibtex(key):
    work = all_works()[key]
    assert work.bibtex.count("{") == work.bibtex.count("}")
    assert {"author", "title", "year"} <= set(work.fields)
    assert len(work.fields) == work.bibtex.count(" = "), "a field that is not on a line of its own"
    if work.doi:
        assert re.fullmatch(r"10\.\d{4,}/\S+", work.doi)
    else:
        assert work.identifier.partition(", ")[2], "a work without DOI needs another identifier"


def test_every_reference_is_cited_and_the_file_has_each_once():
    text = (Path(hsad.__file__).parent / "detectors" / "references" / "references.bib").read_text(encoding="utf-8")
    keys = re.findall(r"^@\w+\{([\w-]+),$", text, re.MULTILINE)
    assert sorted(keys) == sorted(all_works())
    assert set(keys) == {key for name in OWN for key in detector_class(name).cites}


def test_the_program_is_cited_with_its_version():
    assert all_works()["hsad"].fields["version"] == hsad.__version__
    assert "hsad" in detector_class("auto").cites


@pytest.mark.parametrize("name", OWN)
def test_help_shows_each_parameter_and_the_references(name):
    cls = detector_class(name)
    text = inspect.getdoc(cls)
    section = text.partition("Parameters\n----------\n")[2].partition("\n\n")[0]
    assert re.findall(r"^(\w+) : ", section, re.MULTILINE) == [p.name for p in cls.parameters()]
    shown = [name for name in inspect.signature(cls).parameters if name not in ("args", "kwargs")]
    assert {p.name for p in cls.parameters()} <= set(shown)
    for work in works(cls.cites):
        assert work.identifier in text


def test_bibtex_of_a_method_is_printed(hsad_run):
    code, out, _ = hsad_run("methods", "crd", "--bibtex")
    assert code == 0
    assert out.strip() == works(["li2015"])[0].bibtex


def test_bibtex_of_all_methods_has_each_work_once(hsad_run):
    keys = re.findall(r"^@\w+\{([\w-]+),$", hsad_run("methods", "--bibtex")[1], re.MULTILINE)
    assert sorted(keys) == sorted(all_works())


def test_bibtex_and_json_exclude_each_other(hsad_run):
    code, _, err = hsad_run("methods", "crd", "--bibtex", "--json")
    assert code == 1
    assert "--bibtex and --json exclude each other" in err
    assert json.loads(hsad_run("methods", "crd", "--json")[1])["references"][0]["key"] == "li2015"
