"""Every block of commands, and every block of Python, in the README and the manual runs as a reader copies it."""

from __future__ import annotations

import configparser
import contextlib
import functools
import json
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import pyogrio
import pytest
import rasterio.features
import scipy.io
import shapely
from distributed import Client

import hsad
from hsad.cli import run
from hsad.cli.program import hsad as program
from hsad.manual import topics
from hsad.products import write_envi

ROOT = Path(hsad.__file__).parent.parent
#: Translations have the blocks of their sources (tests/manual/test_japanese.py), so these are not run twice.
PAGES = [
    ROOT / "README.md",
    *(path for path in sorted((ROOT / "hsad" / "manual").rglob("*.md")) if path.parent.name != "ja"),
]
FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)

#: The address of the scheduler in the manual.
ADDRESS = "tcp://host:8786"

#: Methods whose networks a block trains.
WITH_TORCH = [name for name in hsad.DETECTORS if "torch" in hsad.DETECTORS[name].packages]

#: What a slow block has in it. .ci/run runs these blocks, too. Comparisons and surveys of many have tests of their own.
SLOW = (
    "survey incoming",
    "survey scenes.txt",
    'survey(["north.hdr"',
    "-m crd -o second",
    "hsad compare",
    "hsad.compare(",
    *(f"-m {name}" for name in WITH_TORCH),
    '"padim"',
    "dask scheduler",
    "Client(",
    "LocalCluster(",
    "Learned.load",
)

#: Blocks that no test runs, by page and number of the block among those of its language, with the reason.
NOT_RUN = {
    ("README", "sh", 0): "installs the package from a clone: .ci/run runs this line",
    ("README", "sh", 1): "runs all tests, this one included: .ci/run runs this line",
    ("install", "sh", 0): "installs the package in a clone, as .ci/run does",
    ("install", "sh", 1): "installs torch's companions, as .ci/run does",
    ("install", "sh", 2): "fetches all packages from a network",
    ("install", "sh", 3): "installs what the block before has fetched",
    ("install", "sh", 4): "sets a variable of the shell; tests/bench compiles all kernels",
    ("install", "sh", 5): "runs all tests, this one included: .ci/run runs this line",
    ("first-map", "sh", 0): "the demo, which .ci/run runs",
    ("contributing", "sh", 0): "installs the package in a clone, as .ci/run does",
    ("contributing", "sh", 1): "runs all checks and tests, this one included",
    ("contributing", "sh", 2): "measures for hours: tests/bench runs each bench in a short form",
    ("line-by-line", "sh", 1): "waits for a file that grows, and reads a pipe: tests/stream does both",
    ("changing-a-kernel", "sh", 0): "runs tests and measures for minutes",
    ("adding-a-detector", "python", 0): "a file of a package: tests/detectors/test_loading.py installs and uses it",
    ("adding-a-reader", "python", 0): "tests/readers/test_doors.py runs the blocks of this page together",
    ("adding-a-reader", "python", 1): "tests/readers/test_doors.py runs the blocks of this page together",
    ("adding-a-reader", "python", 2): "tests/readers/test_doors.py runs the blocks of this page together",
}


@dataclass(frozen=True)
class Block:
    """A block of code of a page.

    Attributes
    ----------
    page, language : str
    number : int
        Among the blocks of this language in the page, from 0.
    text : str
    """

    page: str
    language: str
    number: int
    text: str

    @property
    def key(self) -> tuple[str, str, int]:
        return self.page, self.language, self.number


def blocks(*languages: str) -> list[Block]:
    found = []
    for page in PAGES:
        counts = dict.fromkeys(languages, 0)
        for language, text in FENCE.findall(page.read_text(encoding="utf-8")):
            if language in languages:
                found.append(Block(page.stem, language, counts[language], text))
                counts[language] += 1
    return found


def parameters(language: str) -> list:
    """Return the blocks that are run; slow ones have the mark `long`."""
    found = []
    for block in blocks(language):
        if block.key not in NOT_RUN:
            marks = [pytest.mark.long] if any(slow in block.text for slow in SLOW) else []
            found.append(pytest.param(block, id=f"{block.page}-{block.number}", marks=marks))
    return found


def envi(name: str) -> Callable[[Path], None]:
    """Return a function that writes an ENVI scene, another one for each name."""

    def write(folder: Path) -> None:
        write_envi(made(len(name)).cube, folder / name)

    return write


def date(number: int) -> Callable[[Path], None]:
    """Return a function that writes a date of a series: another noise, brighter from date to date."""

    def write(folder: Path) -> None:
        cube = made().cube
        noise = np.random.default_rng(number).normal(0, 0.01, cube.shape)
        write_envi(
            cube.copy(data=((1 + number / 20) * cube.values + noise).astype(cube.dtype)), folder / f"d0{number}.hdr"
        )

    return write


def land(folder: Path) -> None:
    """Write a mask on the grid of the scenes, without their first rows."""
    truth = made().truth.astype("uint8")
    truth[:] = 1
    truth[:10] = 0
    truth.rio.to_raster(folder / "land.tif")


def learned(folder: Path) -> None:
    hsad.learn(made().cube, "unrolled-rpca", steps=2).save(folder / "b.npz")


@functools.cache
def made(seed: int = 0):
    return hsad.make_scene(rows=128, cols=64, bands=18, target_sizes=[1, 4, 9], seed=seed, heading=0.0)


def matlab(folder: Path) -> None:
    scipy.io.savemat(folder / "scene.mat", {"data": made().cube.values, "map": made().truth.values})


def polygons(folder: Path) -> None:
    """Write the outlines of the targets, as rasterio finds them."""
    truth = made().truth
    shapes = rasterio.features.shapes((truth.values > 0).astype(np.uint8), transform=truth.rio.transform())
    outlines = np.array([shapely.to_wkb(shapely.geometry.shape(shape)) for shape, value in shapes if value])
    pyogrio.raw.write(
        folder / "truth.gpkg", outlines, [], [], geometry_type="Polygon", crs=truth.rio.crs.to_wkt(), layer="truth",
    )  # fmt: skip


def items(folder: Path) -> None:
    """Write a STAC item collection of one scene."""
    envi("east.hdr")(folder)
    asset = {"href": "east.hdr", "roles": ["data"]}
    item = {"type": "Feature", "stac_version": "1.0.0", "id": "east", "assets": {"scene": asset}}
    (folder / "items.json").write_text(json.dumps({"type": "FeatureCollection", "features": [item]}))


def names_of_scenes(folder: Path) -> None:
    envi("west.hdr")(folder)
    (folder / "scenes.txt").write_text("west.hdr\n")


def library(folder: Path) -> None:
    lines = [f"{nm},{nm / 2600},{0.1 + 0.4 * (nm > 600)}" for nm in range(380, 2560, 10)]
    (folder / "library.csv").write_text("\n".join(["nm,asphalt,red tile", *lines]))


def surveyed(folder: Path) -> None:
    if not (folder / "scene.hdr").exists():
        envi("scene.hdr")(folder)
    hsad.survey(folder / "scene.hdr", folder / "folder", "rx")


#: Makers of the files that blocks name and do not make themselves.
MADE: dict[str, Callable[[Path], None]] = {
    **{name: envi(name) for name in ("scene.hdr", "north.hdr", "south.hdr")},
    **{f"d0{number}.hdr": date(number) for number in range(1, 7)},
    "land.tif": land,
    "scene.mat": matlab,
    "truth.gpkg": polygons,
    "scenes.txt": names_of_scenes,
    "items.json": items,
    "b.npz": learned,
    "library.csv": library,
    "folder/scores.tif": surveyed,
}
FILE = re.compile(r"(?:\bfolder/)?[\w-]+\.(?:hdr|img|tif|mat|nc|h5|zarr|gpkg|geojson|txt|csv|json|npz|npy)\b")
#: What stands before the name of a file that is written, on the command line and in Python.
WRITTEN = re.compile(r"(?:(?:-o|--output|--plot|--log|--save-background) |(?:write_\w+|save|plot_\w+)\(.*)[\"']?$")


def prepare(block: Block, folder: Path) -> None:
    """Make the files that a block reads before it writes them."""
    written = {"folder/scores.tif"} if "-o folder" in block.text else set()
    for line in block.text.splitlines():
        code = line.partition("#")[0]
        for match in FILE.finditer(code):
            if WRITTEN.search(code[: match.start()]):
                written.add(match[0])
            elif match[0] not in written and not (folder / match[0]).exists() and match[0] in MADE:
                MADE[match[0]](folder)


def commands(text: str) -> list[list[str]]:
    """Return the words of each line of a block, comments left out, continued lines joined."""
    lines = text.replace("\\\n", " ").splitlines()
    return [words for words in (shlex.split(line, comments=True) for line in lines) if words]


@contextlib.contextmanager
def beside(words: list[str], folder: Path):
    """Run a command that does not end by itself while a block goes on."""
    with (folder / "beside.log").open("ab") as log:
        process = subprocess.Popen([sys.executable, "-m", *words], cwd=folder, stdout=log, stderr=log)
    try:
        yield
        assert process.poll() is None, f"{shlex.join(words)} ended: {(folder / 'beside.log').read_text()}"
    finally:
        process.terminate()
        process.wait(20)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.mark.parametrize("block", parameters("sh"))
def test_each_line_of_commands_ends_with_status_0(block, tmp_path, monkeypatch, capsys):
    if any(f"-m {name}" in block.text for name in WITH_TORCH):
        pytest.importorskip("torch")
    prepare(block, tmp_path)
    monkeypatch.chdir(tmp_path)
    port = str(free_port())
    address = f"tcp://127.0.0.1:{port}"
    text = block.text.replace(ADDRESS, address)
    with contextlib.ExitStack() as stack:
        for words in commands(text):
            if words[0] == "dask":
                place = ["--host", "127.0.0.1", "--port", port, "--dashboard-address", ":0"]
                stack.enter_context(beside([*words, *(place if words[1] == "scheduler" else [])], tmp_path))
                if words[1] == "worker":
                    with Client(address, timeout=60, set_as_default=False) as client:
                        client.wait_for_workers(1, timeout=60)
                continue
            if words[0] in ("mkdir", "cp"):
                subprocess.run(words, check=True)
                continue
            assert words[0] == "hsad", f"{shlex.join(words)}: say in NOT_RUN why no test can run this block"
            assert run(words[1:]) == 0, f"{shlex.join(words)}\n{capsys.readouterr().err}"


@pytest.mark.parametrize("block", parameters("python"))
def test_python_runs(block, tmp_path, monkeypatch, request):
    if 'load("b.npz")' in block.text:
        pytest.importorskip("torch")
    prepare(block, tmp_path)
    monkeypatch.chdir(tmp_path)
    # Names that the text around the blocks explains.
    names = {"__name__": "__main__", "hsad": hsad, "other_cube": made(1).cube, "third_cube": made(2).cube}
    text = block.text
    if ADDRESS in text:
        text = text.replace(ADDRESS, request.getfixturevalue("cluster").scheduler.address)
        names["scenes"] = [write_envi(made(seed).cube, tmp_path / f"{seed}.hdr") for seed in range(3)]
        names["outputs"] = [tmp_path / f"{seed}.tif" for seed in range(3)]
    exec(compile(text, block.page, "exec"), names)  # noqa: S102  it is our own page
    assert "outputs" not in text or all(path.exists() for path in names["outputs"])


def test_timers_run_commands_that_exist_and_units_are_whole():
    """A unit of systemd is an INI file; a line of cron has five fields and a command."""
    page = next(path for path in PAGES if path.stem == "every-new-scene").read_text(encoding="utf-8")
    units = [text for language, text in FENCE.findall(page) if language == "ini"]
    called = re.findall(r"^ExecStart=\S+/(hsad .*)$", "".join(units), re.MULTILINE)
    called += re.findall(r"^(?:[\d*]+ ){5}cd \S+ && flock -n \S+ (hsad [^>]*) >>", page, re.MULTILINE)
    assert len(called) == 2
    for line in called:
        words = shlex.split(line)
        with program.commands[words[1]].make_context(words[1], words[2:]) as context:
            assert context.params["output"] == "surveys"
    for text in units:
        unit = configparser.ConfigParser()
        unit.optionxform = str
        unit.read_string(text)
        assert "Description" in unit["Unit"]
        assert {"Service", "Timer", "Path"} & set(unit.sections())


def test_blocks_that_are_not_run_exist():
    assert set(NOT_RUN) <= {block.key for block in blocks("sh", "python")}


def test_blocks_are_found_and_name_their_language():
    assert len(blocks("sh")) >= 5
    for page in PAGES:
        assert {language for language, _ in FENCE.findall(page.read_text(encoding="utf-8"))} <= {
            "sh", "python", "toml", "text", "bibtex", "ini",
        }, page  # fmt: skip


def commands_in_text() -> list:
    """Return the commands between backticks outside of blocks, with their pages."""
    found = {}
    for page in PAGES:
        text = FENCE.sub("", page.read_text(encoding="utf-8"))
        for command in re.findall(r"`(hsad [^`]+)`", text):
            found[page.stem, " ".join(command.split())] = None
    return [pytest.param(command, id=f"{page}: {command}") for page, command in found]


@pytest.mark.parametrize("text", commands_in_text())
def test_commands_in_the_text_exist_with_their_options(text):
    words = [word for word in text.split()[1:] if word != "…"]
    command = program
    while isinstance(command, click.Group) and words and words[0] != "COMMAND":
        command = command.commands[words.pop(0)]
    named = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)} - {"-m"}
    declared = command.get_params(click.Context(command))
    assert named <= {name for option in declared for name in (*option.opts, *option.secondary_opts)}
    if command.name == "help" and words and words[0] not in {"TOPIC", "--search"}:
        assert words[0] in topics()
