"""Readers of other packages: found through their entry point, used, and named when they fail."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from importlib.metadata import EntryPoint

import numpy as np
import pytest

import hsad
from hsad.errors import SceneError, SceneWarning
from hsad.manual import path_of
from hsad.readers import all_readers, registry

MANUAL = path_of("adding-a-reader")

# What a wheel holds besides the module; pip fills in the rest.
WHEEL = {
    "METADATA": "Metadata-Version: 2.1\nName: hsad-toy-reader\nVersion: 1.0\n",
    "WHEEL": "Wheel-Version: 1.0\nGenerator: by hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "entry_points.txt": "[hsad.readers]\ntoy = toy_reader:ToyReader\nbroken = toy_reader:NoSuchThing\n",
    "RECORD": "",
}


def code_blocks() -> list[str]:
    blocks = MANUAL.read_text(encoding="utf-8").split("```python\n")[1:]
    return [block.split("```")[0] for block in blocks]


def test_the_page_of_the_manual_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "adding_a_reader"}
    monkeypatch.setitem(sys.modules, "adding_a_reader", type(sys)("adding_a_reader"))
    for block in code_blocks():
        exec(compile(block, str(MANUAL), "exec"), namespace)  # noqa: S102  it is our own page


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """Install a package with the reader of the manual's page into a folder of its own, with pip."""
    wheel = tmp_path_factory.mktemp("wheel") / "hsad_toy_reader-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("toy_reader.py", "\n".join(code_blocks()[:2]))
        for name, content in WHEEL.items():
            archive.writestr(f"hsad_toy_reader-1.0.dist-info/{name}", content)
    target = tmp_path_factory.mktemp("target")
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", target, wheel]
    subprocess.run(command, check=True, capture_output=True)
    return target


@pytest.mark.long
@pytest.mark.faults
def test_an_installed_reader_opens_scenes(package, tmp_path):
    values = np.random.default_rng(1).integers(0, 900, (12, 15, 3)).astype("int16")
    values[3, 4] = -1
    (tmp_path / "scene.toy").write_bytes(b"12 15 3 0.01\n" + values.tobytes())
    (tmp_path / "short.toy").write_bytes(b"12 15 3 0.01\n")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (str(package), *sys.path)))}

    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "hsad", *arguments], env=environment, capture_output=True, text=True, check=False
        )

    told = run("info", str(tmp_path / "scene.toy"))
    assert told.returncode == 0, told.stderr
    assert "reader          Toy" in told.stdout
    assert "valid_fraction  0.9944" in told.stdout  # 179 of 180
    # The other entry point of the package names nothing: one line says so, and the rest goes on.
    assert "the reader broken of hsad-toy-reader (toy_reader:NoSuchThing) cannot be used" in told.stderr
    assert "Traceback" not in told.stderr

    scored = run("detect", str(tmp_path / "scene.toy"), "-m", "rx", "-o", str(tmp_path / "scores.tif"))
    assert scored.returncode == 0, scored.stderr
    expected = hsad.detect(np.where(values == -1, np.nan, values * 0.01), "rx")
    found = hsad.open_cube(tmp_path / "scores.tif").values[..., 0]
    np.testing.assert_allclose(found, expected, rtol=1e-5)

    wrong = run("info", str(tmp_path / "short.toy"))
    assert wrong.returncode == 1
    assert wrong.stderr.splitlines()[-1].startswith(f"hsad: error: {tmp_path / 'short.toy'}: (12, 15, 3) numbers")


class Stumbling:
    name = "stumbling"

    def can_read(self, path):
        return path.suffix == ".odd"

    def read(self, path, variable=None):
        raise ZeroDivisionError(f"{path} {variable}")


def entries(monkeypatch, *values):
    points = [EntryPoint(f"reader{number}", value, "hsad.readers") for number, value in enumerate(values)]
    monkeypatch.setattr(registry, "entry_points", lambda group: points)
    registry._foreign.cache_clear()
    monkeypatch.setitem(sys.modules, "stumbling_reader", type(sys)("stumbling_reader"))
    sys.modules["stumbling_reader"].Stumbling = Stumbling
    sys.modules["stumbling_reader"].Nothing = object()


@pytest.fixture(autouse=True)
def _forget_readers():
    yield
    registry._foreign.cache_clear()


def test_a_reader_that_fails_is_named_with_its_package(tmp_path, monkeypatch):
    entries(monkeypatch, "stumbling_reader:Stumbling")
    (tmp_path / "scene.odd").write_text("x")
    with pytest.raises(SceneError, match=r"scene\.odd: the reader stumbling of stumbling_reader failed: ZeroDivision"):
        hsad.open_cube(tmp_path / "scene.odd")


@pytest.mark.parametrize(
    "value, said", [("no_such_module:x", "ModuleNotFoundError"), ("stumbling_reader:Nothing", "it has no name and no")]
)
def test_a_broken_entry_point_is_one_warning(tmp_path, monkeypatch, value, said):
    entries(monkeypatch, value)
    (tmp_path / "scene.odd").write_text("x")
    with pytest.warns(SceneWarning, match=said) as caught, pytest.raises(SceneError, match="none of the readers"):
        hsad.open_cube(tmp_path / "scene.odd")
    assert len(caught) == 1
    assert "\n" not in str(caught[0].message)


def test_foreign_readers_come_before_those_that_open_anything(monkeypatch):
    entries(monkeypatch, "stumbling_reader:Stumbling")
    names = [reader.name for reader in all_readers()]
    assert names[-3:] == ["stumbling", "netCDF or Zarr", "GDAL"]
