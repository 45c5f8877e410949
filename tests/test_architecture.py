"""The shape of the house: which room may import which, how long a file may be, what start-up may cost."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import hsad

PACKAGE = Path(hsad.__file__).parent

# What each room may import of hsad; a name stands for a module or a folder. Arrows run one way.
ROOMS = {
    "errors": set(),
    "kernels": {"errors"},
    "cube": {"errors"},
    "evaluation": {"errors"},
    "catalog": {"errors", "products", "synthetic"},
    "synthetic": {"cube", "errors"},
    "readers": {"cube", "errors"},
    "products": {"cube", "errors"},
    "detectors": {"kernels", "errors"},
    "engine": {"detectors.base", "detectors.packing", "cube", "errors"},
    "options": {"cube", "detectors", "errors"},
    "detection": {"options", "progress", "engine", "detectors", "readers", "products", "cube", "errors"},
    "runs": {"detection", "options", "progress", "engine", "detectors", "products", "errors"},
    "progress": {"errors"},
    "description": {"engine", "detectors.base", "cube", "errors"},
    "accessor": {"detection", "detectors"},
    "doctor": {"engine"},
    "bench": {"detection", "detectors", "engine"},
    "demo": {"runs", "detection", "evaluation", "products", "readers", "synthetic", "errors"},
    "cli": {
        "bench", "catalog", "cube", "demo", "description", "detection", "detectors", "doctor", "errors", "evaluation",
        "options", "products", "progress", "readers", "runs",
    },
    "__main__": {"cli"},
}  # fmt: skip

# The one upward arrow: `Detector.detect` is a convenience that calls the main job.
UPWARD = {("detectors/base.py", "detection")}


def imports(path: Path) -> set[str]:
    """Return the modules of hsad that a file imports anywhere, without the leading ``hsad.``."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = [node.module] if node.module != "hsad" else [f"hsad.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            assert not (isinstance(node, ast.ImportFrom) and node.level), f"{path}: relative import"
            continue
        found |= {name.removeprefix("hsad.") for name in names if name.startswith("hsad.")}
    return found


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_arrows_run_one_way(path):
    own = room(path)
    assert own in ROOMS, f"{own} is no room of the house: say in tests/test_architecture.py what it may import"
    for module in imports(path) - {"__version__"}:
        if (str(path.relative_to(PACKAGE)), module) in UPWARD:
            continue
        allowed = {own} | ROOMS[own]
        assert any(module == name or module.startswith(f"{name}.") for name in allowed), f"{path} imports {module}"


def test_rooms_have_no_cycles():
    def below(name, seen):
        for target in ROOMS[name.split(".")[0]]:
            target_room = target.split(".")[0]
            assert target_room not in seen, f"{' -> '.join([*seen, target_room])}"
            below(target_room, [*seen, target_room])

    for name in ROOMS:
        below(name, [name])


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_are_of_readable_length(path):
    assert len(path.read_text().splitlines()) <= 400


def test_only_the_engine_and_the_cube_know_dask():
    for path in FILES:
        if room(path) in {"kernels", "detectors", "evaluation", "errors"}:
            names = {
                alias.name
                for node in ast.walk(ast.parse(path.read_text()))
                if isinstance(node, ast.Import)
                for alias in node.names
            }
            assert not any(name.startswith(("dask", "distributed", "rasterio")) for name in names), path


def loaded_by(statement: str) -> set[str]:
    code = f"{statement}\nimport sys, json\nprint(json.dumps(sorted(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(result.stdout.splitlines()[-1]))


def test_start_up_loads_nothing_heavy():
    heavy = {"numpy", "scipy", "xarray", "rasterio", "numba", "dask", "matplotlib", "distributed", "torch"}
    assert not heavy & loaded_by("import hsad")
    assert not heavy & loaded_by("import hsad.cli; hsad.cli.run(['--help'])")
    assert not (heavy - {"numpy"}) & loaded_by("import hsad.cli; hsad.cli.run(['detect', '--help'])")


def test_public_names_exist_and_are_declared_once():
    assert set(hsad.__all__) == {*hsad._HOMES, "__version__"}
    for name in hsad.__all__:
        assert getattr(hsad, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = hsad.nothing
