"""The pages of reference beside the package: options, messages, the environment, the cube."""

import importlib.util
import re
from pathlib import Path

import pytest
from granules import dlr, emit

import hsad
from hsad import errors
from hsad.manual import page
from hsad.products import write_envi

ROOT = Path(hsad.__file__).parents[1]


def names(text, column=0):
    """Return the names in one column of the tables of a text."""
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row[column])}


def part(topic, heading):
    return re.split(r"^## ", re.split(rf"^## {heading}\n", page(topic), flags=re.MULTILINE)[1], flags=re.MULTILINE)[0]


def test_the_tables_of_options_are_those_of_the_code():
    path = ROOT / ".ci" / "reference_pages.py"
    if not path.exists():
        pytest.skip("an installed package has no .ci")
    spec = importlib.util.spec_from_file_location("reference_pages", path)
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    for topic in maker.TOPICS:
        assert maker.rewritten(page(topic)) == page(topic), "run: python .ci/reference_pages.py"


def test_messages_names_every_class_of_errors_and_warnings():
    classes = {name for name in errors.__all__ if isinstance(getattr(errors, name), type)}
    warned = {name for name in classes if issubclass(getattr(errors, name), Warning)}
    assert names(part("messages", "Errors")) >= classes - warned
    assert names(part("messages", "Warnings")) == warned


def test_environment_names_every_variable_that_the_package_reads():
    read = set()
    for path in ROOT.glob("hsad/**/*.py"):
        if "bench" in path.parts:  # its peers' variables
            continue
        text = path.read_text("utf-8")
        read |= set(re.findall(r"\b_?HSAD_(?:OFFLINE|DATA|COMMAND|PYTHONPATH|COMPLETE)\b", text))
        read |= set(re.findall(r"(?:environ(?:\.get\(|\[)|getenv\(|envvar=)\"(\w+)\"", text))
        read |= set(re.findall(r"\"(\w+)\" in os\.environ", text))
        for listed in re.findall(r"for name in \(([^)]*)\) if name in os\.environ", text):
            read |= set(re.findall(r"\"(\w+)\"", listed))
    text = page("environment")
    missing = {name for name in read if f"`{name}`" not in text}
    assert missing == set()
    assert {name for name in names(part("environment", "Of hsad")) if name.startswith("HSAD_")} <= read


def test_the_cube_has_the_coordinates_and_attributes_of_its_page(tmp_path):
    scene = hsad.make_scene(rows=80, cols=90, bands=8, seed=1)
    write_envi(scene.cube, tmp_path / "scene.hdr")
    folders = [tmp_path / name for name in ("emit", "enmap")]
    for folder in folders:
        folder.mkdir()
    files = [tmp_path / "scene.hdr", emit.write_cube(folders[0]), dlr.write_enmap(folders[1])]
    cubes = [scene.cube, *map(hsad.open_cube, files)]
    coordinates, attributes = names(part("cube", "Coordinates")), names(part("cube", "Attributes"))
    for cube in cubes:
        assert set(cube.coords) <= coordinates
        assert set(cube.attrs) <= attributes
    always = {row.split("`")[1] for row in part("cube", "Attributes").splitlines() if "| yes |" in row}
    assert always == {"source", "reader", "warnings"}
    assert always <= set(cubes[1].attrs)
    code = "".join(
        path.read_text("utf-8") for room in ("readers", "scene") for path in ROOT.glob(f"hsad/{room}/**/*.py")
    )
    for name in coordinates | attributes:
        assert re.search(rf"[\"]{name}[\"]|\b{name}=", code), name
