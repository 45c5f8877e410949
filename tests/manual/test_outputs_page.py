"""The reference of outputs, name by name, beside the files and answers of real runs."""

import dataclasses
import json
import re
import sqlite3

import numpy as np
import pyogrio
import pytest
import rasterio

import hsad
from hsad.anomalies.vectors import COLUMNS
from hsad.cli import run
from hsad.doctor import Finding
from hsad.manual import page
from hsad.products import write_envi
from hsad.products.provenance import Provenance

#: What the types of the page are in JSON.
TYPES = {"text": str, "yes/no": bool, "number": (int, float), "whole number": int, "object": dict, "time": str}

ROW = re.compile(r"^\| (`[^|]+) \| ([^|]*) \|(.*)\|$", re.MULTILINE)


def section(title):
    """Return the names of the tables below a heading: for each its type and whether it may be null."""
    text = re.split(rf"^##+ {re.escape(title)}\n", page("outputs"), flags=re.MULTILINE)[1]
    found: dict[str, tuple[str, bool]] = {}
    for names, type_, rest in ROW.findall(re.split(r"^##", text, flags=re.MULTILINE)[0]):
        null = rest.split("|")[-2].strip()
        found |= dict.fromkeys(re.findall(r"`([^`]+)`", names), (type_, null != "-"))
    return found


def flat(value, stated, prefix=""):
    """Yield names and values of JSON as the page writes them: ``origin.rule``, ``points[].fill``."""
    for key, item in value.items():
        name = f"{prefix}{key}"
        if name in stated:
            yield name, item
        elif isinstance(item, dict):
            yield from flat(item, stated, f"{name}.")
        elif isinstance(item, list) and any(other.startswith(f"{name}[].") for other in stated):
            for one in item:
                yield from flat(one, stated, f"{name}[].")
        else:
            yield name, item


def compare(answers, stated, *, absent=()):
    """Compare names, types and nulls of answers with those that the page states."""
    seen = set()
    for answer in answers:
        for name, value in flat(answer, stated):
            assert name in stated, f"{name} is not on the page"
            type_, may_be_null = stated[name]
            if value is None:
                assert may_be_null, f"{name} is null, which the page does not say"
            elif type_ != "any":
                expected = list if type_.startswith("list") else TYPES[type_]
                assert isinstance(value, expected), f"{name}: {value!r} is no {type_}"
                assert not isinstance(value, bool) or type_ == "yes/no", f"{name}: {value!r} is no {type_}"
            seen.add(name)
    assert stated.keys() - seen == set(absent)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("outputs-page")
    scene = hsad.make_scene(rows=64, cols=60, bands=20, seed=1, target_sizes=[1, 4], heading=0.0)
    write_envi(scene.cube, folder / "scene.hdr")
    write_envi(scene.cube[:40], folder / "second.hdr")
    np.save(folder / "truth.npy", scene.truth.values)
    return folder


@pytest.fixture
def answer(folder, monkeypatch, capsys):
    """Return a function that runs a command in the folder and returns what it prints as JSON."""
    monkeypatch.chdir(folder)

    def ask(line):
        assert run([*line.split(), "--json"]) == 0, capsys.readouterr().err
        return json.loads(capsys.readouterr().out)

    return ask


@pytest.fixture
def surveyed(folder, answer):
    if not (folder / "out").exists():
        (folder / "out.json").write_text(json.dumps(answer("survey scene.hdr -o out -m rx")))
    return json.loads((folder / "out.json").read_text())


def test_the_answer_of_a_survey(folder, surveyed):
    stated = section("The threshold") | section("The answer of survey")
    stated["anomalies"] = ("text", False)
    of_many = {"scene", "name", "state", "error", "acquired", "surveyed", "files"}
    compare([surveyed], {name: value for name, value in stated.items() if name not in of_many})
    row = re.findall(r"^\| `hsad survey SCENE -o FOLDER` \|(.*)$", page("outputs"), re.MULTILINE)[0]
    assert {path.name for path in (folder / "out").iterdir()} == set(re.findall(r"`([^`]+)`", row))


@pytest.mark.usefixtures("surveyed")
def test_the_answer_of_a_survey_of_many(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    (folder / "broken.hdr").write_text("ENVI\n")
    call = "survey scene.hdr second.hdr broken.hdr -o many -m rx --at-once 1 --json"
    assert run(call.split()) == 1
    answers = json.loads(capsys.readouterr().out)
    stated = section("The threshold") | section("The answer of survey")
    stated["anomalies"] = ("text", False)
    compare(answers, stated)
    kept = {path.name for path in (folder / "many" / "scene").iterdir()}
    assert kept == {path.name for path in (folder / "out").iterdir()} | {"survey.json", "thumbnail.jpg"}
    assert {path.name for path in (folder / "many").iterdir() if path.name[0] != "."} - {"broken"} == {
        "scene", "second", "index.html", "anomalies.gpkg", "anomalies.csv"
    }  # fmt: skip
    listed = pyogrio.read_info(folder / "many" / "anomalies.gpkg", layer="anomalies")["fields"]
    fields = section("Lists of anomalies").keys() | section("Lists of many scenes").keys()
    assert set(listed) == fields - {"mean_spectrum", "background_spectrum"}


def test_tags_of_scores_are_those_of_the_provenance(surveyed):
    tags = section("Score rasters")
    assert set(tags) == set(Provenance(**dict.fromkeys(Provenance.__dataclass_fields__, "x")).tags())
    with rasterio.open(surveyed["scores"]) as file:
        written = {tag for tag in file.tags() if tag.startswith("HSAD_")}
        assert file.descriptions == ("score",)
    assert written <= set(tags)
    assert {tag for tag, (_, missing) in tags.items() if not missing} <= written


@pytest.mark.usefixtures("surveyed")
def test_masks_and_p_values(folder, answer):
    told = answer("threshold out/scores.tif -o mask.tif --p-values p.tif")
    for name, band, kind, nodata in (("mask.tif", "anomalous", "uint8", 255), ("p.tif", "p-value", "float32", np.nan)):
        with rasterio.open(folder / name) as file:
            assert file.descriptions == (band,)
            assert file.dtypes == (kind,)
            assert file.nodata == nodata or np.isnan(nodata)
            assert {tag for tag in file.tags() if tag.startswith("HSAD_")} == set(section("Masks and p-values"))
    stated = section("The threshold") | section("The answer of threshold")
    compare([told, answer("threshold out/scores.tif -o t.gpkg --pfa 1e-2")], stated)


@pytest.mark.usefixtures("surveyed")
def test_the_stac_item(folder):
    stated = section("The STAC item")
    item = json.loads((folder / "out" / "scores.json").read_text())
    assert set(item["assets"]) == {"scores", "style", "anomalies"}
    fields = {name: value for name, value in item["assets"]["anomalies"].items() if name.startswith("hsad:")}
    assert set(fields) == {name for name in stated if name.startswith("hsad:")}
    assert item["properties"].keys() | fields.keys() <= stated.keys()
    always = {name for name, (_, missing) in stated.items() if not missing}
    assert always <= item["properties"].keys() | fields.keys()
    for name, value in (item["properties"] | fields).items():
        type_ = stated[name][0]
        assert isinstance(value, list if type_.startswith("list") else TYPES[type_]), name
    band = item["assets"]["scores"]["bands"][0]
    for name in (*band, *band["statistics"], *item["assets"]["scores"]):
        assert f"`{name}`" in page("outputs"), name


@pytest.mark.usefixtures("surveyed")
def test_fields_of_lists(folder):
    stated = section("Lists of anomalies")
    kinds = {"whole number": int, "number": float, "yes/no": bool}
    assert {name: kinds.get(type_, str) for name, (type_, _) in stated.items()} == COLUMNS
    path = folder / "out" / "anomalies.gpkg"
    assert list(pyogrio.read_info(path, layer="anomalies")["fields"]) == list(stated)
    with sqlite3.connect(path) as file:
        layers = {name for (name,) in file.execute("select table_name from gpkg_contents")}
    assert layers <= {"anomalies", "candidates", "layer_styles"}
    threshold = json.loads(pyogrio.read_info(path, layer="anomalies")["layer_metadata"]["threshold"])
    compare([threshold], section("The threshold"))


def test_the_answer_of_find_and_its_list(folder, answer):
    found = answer("find scene.hdr --like 10,10 -o found.gpkg --limits fills.tif")
    compare([found], section("The answer of find"))
    compare([found["limits"]], section("The answer of limits"))
    fields = set(pyogrio.read_info(folder / "found.gpkg", layer="anomalies")["fields"])
    assert fields == section("Lists of anomalies").keys() | section("Lists of hsad find").keys()


def test_the_answer_of_a_stream(answer):
    compare([answer("stream scene.hdr -m rx -o lines.hdr --places places.txt")], section("The answer of stream"))


def test_the_answers_of_change_and_compare_lists(folder, answer):
    compare([answer("change scene.hdr scene.hdr -o change.tif")], section("The answer of detect"))
    answer("detect scene.hdr -m rx -o dated.tif")
    for name, share in (("old", "4e-3"), ("new", "8e-3")):
        answer(f"threshold dated.tif -o {name}.gpkg --pfa {share}")
    compare([answer("compare-lists old.gpkg new.gpkg -o diff.gpkg")], section("The answer of compare-lists"))
    assert {name for name, _ in pyogrio.list_layers(folder / "diff.gpkg")} == {"anomalies", "gone", "layer_styles"}
    of_lists = section("Lists of anomalies").keys()
    for layer, further in (("anomalies", section("Lists of hsad compare-lists").keys()), ("gone", set())):
        assert set(pyogrio.read_info(folder / "diff.gpkg", layer=layer)["fields"]) == of_lists | further


def test_the_answer_of_detect_and_what_it_keeps(folder, answer):
    compare([answer("detect scene.hdr -m rx -o rx.tif --save-background b.npz")], section("The answer of detect"))
    kept = np.load(folder / "b.npz")
    stated = section("Backgrounds")
    entries = {name.partition(".")[0] for name in kept}
    assert {
        re.sub(r"\.NAME$", "", name) for name in stated if name in ("header", "bands", "wavelength", "background.NAME")
    } == entries
    header = json.loads(kept["header"].tobytes())
    assert set(header) == stated.keys() - {"header", "bands", "wavelength", "background.NAME"}


@pytest.mark.usefixtures("surveyed")
def test_the_answers_of_evaluate_explain_and_compare(folder, answer):
    compare([answer("evaluate out/scores.tif --truth truth.npy")], section("The answer of evaluate"))
    explain = section("The answer of explain")
    answers = [answer("explain scene.hdr out/scores.tif --at 10,10")]
    answer("threshold out/scores.tif -o five.gpkg --pfa 2e-2")
    answers.append(answer("explain scene.hdr out/scores.tif --id 1 --anomalies five.gpkg"))
    compare(answers, explain)
    told = answer("compare scene.hdr -m rx,lrx --truth truth.npy -o cmp")
    compare([told], section("The answer of compare"))
    assert json.loads((folder / "cmp" / "comparison.json").read_text()).keys() == told.keys()
    row = re.findall(r"^\| `hsad compare -o FOLDER.*$", page("outputs"), re.MULTILINE)[0]
    for name in told["files"]:
        known = name.startswith("scores-") or f"`{name}`" in row
        assert known, name


def test_the_answers_of_info_methods_and_doctor(answer):
    compare([answer("info scene.hdr")], section("The answer of info"))
    text = section("Answers about hsad itself")
    doctor = {"subject", "state", "found", "remedy"}
    compare([answer("methods rx"), answer("methods ace")], {k: v for k, v in text.items() if k not in doctor})
    assert doctor == {field.name for field in dataclasses.fields(Finding)}


def test_the_answer_of_catalog_fetch(answer):
    compare([answer("catalog fetch synthetic-0 -o fetched")], section("The answer of catalog fetch"))
