"""The architecture: which room may import which, the length of files, the cost of start-up."""

from __future__ import annotations

import ast
import functools
import graphlib
import inspect
import json
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import hsad
from hsad.manual import CONTENTS, topics

PACKAGE = Path(hsad.__file__).parent

# The description of a ring and of the task, which all solvers share.
RING = {f"kernels.ring.{name}" for name in ("task", "window", "limits")}

# The parts of hsad that each room may import. A name is a module or a folder. A file belongs to the room with the
# longest name that fits, so a folder inside a folder can be a room. Arrows run one way.
ROOMS = {
    "errors": set(),
    "record": set(),
    "lazy": set(),
    "files": {"errors"},
    "gdal": {"files", "errors"},
    "progress": {"errors"},
    "scene": {"files", "gdal", "record", "errors"},
    "kernels": {"kernels.simd", "errors"},
    "kernels.simd": set(),
    "kernels.shrinkage": set(),
    "kernels.compiled": {"kernels.own_copies", "kernels.announcement", "errors"},
    "kernels.image": {"kernels.triangular", "kernels.compiled"},
    "kernels.low_rank": {
        "kernels.simd", "kernels.compiled", "kernels.covariance", "kernels.summaries", "kernels.triangular", "errors",
    },
    "kernels.ring": {
        "kernels.simd", "kernels.compiled", "kernels.covariance", "kernels.device", "kernels.shrinkage",
    },
    "kernels.ring.dual": {*RING, "kernels.ring.one_ring", "kernels.simd", "kernels.compiled"},
    "kernels.ring.primal": {*RING, "kernels.ring.one_ring", "kernels.simd", "kernels.compiled"},
    "kernels.ring.torch": {*RING, "kernels.shrinkage", "kernels.device", "errors"},
    "kernels.networks": {"kernels.device", "errors"},
    "evaluation": {"anomalies", "readers", "scene", "record", "errors"},
    "manual": {"errors"},
    "synthetic": {"scene", "errors"},
    "readers": {"kernels.transposition", "scene", "files", "gdal", "errors"},
    "products": {"lazy", "engine.memory", "scene", "files", "gdal", "errors"},
    "catalog": {"errors", "files", "products", "progress", "synthetic"},
    "detectors": {"kernels", "errors"},
    "engine": {
        "detectors.base", "detectors.block", "detectors.packing", "detectors.probe", "progress", "scene", "files",
        "errors",
    },
    "engine.memory": {"errors"},
    "job": {
        "engine", "detectors", "readers", "products", "progress", "scene", "files", "lazy", "record", "errors",
    },
    "changes": {"job", "engine", "detectors", "scene", "errors"},
    "detection": {"job", "detectors", "errors"},
    "anomalies": {
        "explanation.sentence", "job", "record", "engine", "readers", "products", "kernels.covariance", "scene",
        "files", "gdal", "errors",
    },
    "explanation.sentence": set(),
    "stream": {
        "detection", "job", "engine", "detectors", "kernels", "products", "readers", "scene", "files", "record",
        "errors",
    },
    "siblings": {
        "anomalies", "explanation.names", "job", "engine", "detectors", "kernels", "readers", "synthetic", "scene",
        "files", "record", "errors",
    },
    "explanation": {"anomalies", "job", "engine", "detectors", "kernels", "readers.libraries", "errors"},
    "plot": {"lazy", "explanation", "siblings", "anomalies", "evaluation", "products", "scene", "files", "errors"},
    "report": {
        "plot", "explanation", "siblings", "anomalies", "job", "detectors.base", "products", "scene", "files", "errors",
    },
    "report.comparison": {
        "report", "plot", "anomalies", "evaluation", "job", "detectors", "readers", "record", "files", "errors",
    },
    "report.many": {
        "report", "plot", "anomalies", "job", "detectors.base", "products", "readers", "files", "errors",
    },
    "accessor": {"plot", "detection", "detectors", "scene", "errors"},
    "doctor": {"engine", "job.environment", "kernels.compiled", "errors"},
    "bench": {
        "job", "siblings", "anomalies", "explanation.names", "catalog", "changes", "detection", "detectors", "engine",
        "evaluation", "files", "gdal", "kernels.device", "kernels.summaries", "plot", "products", "readers",
        "report.comparison.asked", "scene", "stream", "synthetic", "errors",
    },
    "demo": {
        "anomalies", "detection", "evaluation", "explanation", "files", "job", "plot", "products", "readers", "report",
        "scene", "synthetic", "errors",
    },
    "cli": {
        "anomalies", "bench", "catalog", "changes", "demo", "detection", "detectors", "doctor", "errors", "evaluation",
        "explanation", "files", "job", "lazy", "manual", "plot", "products", "progress", "readers", "report", "scene",
        "siblings", "stream",
    },
    "cli.shell": {"catalog", "detectors", "files", "job.options", "manual", "errors"},
    "__main__": {"cli"},
}  # fmt: skip

# Files that call a public function of the package by its public name, for the convenience of users.
CONVENIENCES = {"anomalies.vectors", "detectors.base", "explanation.explanation"}


# Rooms or files that may import a library for scheduling, rasters or networks; others receive objects as arguments.
LIBRARIES = {
    ("dask", "distributed"): {
        "engine",
        "scene.cube",
        "job.environment",
        "products.raster",
        "doctor",
        "bench.costs",
    },
    ("rasterio",): {
        "gdal",
        "scene",
        "readers",
        "products",
        "synthetic",
        "doctor",
        "bench",
        "catalog",
        "anomalies",
    },
    ("torch",): {"kernels.ring.torch", "kernels.networks", "kernels.device", "doctor", "bench.peers"},
}


@functools.cache
def imported(path: Path) -> set[str]:
    """Return all imports of a file, lazy ones too, ``from x import y`` as ``x.y``."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def within(name: str, rooms) -> bool:
    return any(name == room or name.startswith(f"{room}.") for room in rooms)


def dotted(path: Path) -> str:
    """Return the name of a module within hsad: ``kernels.ring.task``."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room(name: str) -> str:
    """Return the room of a module, the longest name that fits."""
    fitting = [known for known in ROOMS if within(name, [known])]
    assert fitting, f"{name} is in no room: add it to ROOMS in tests/test_architecture.py, with its imports"
    return max(fitting, key=len)


# Files for other programs, whose Python runs them; they import nothing of hsad.
FOREIGN = PACKAGE / "gis"

FILES = sorted(
    path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py" and not path.is_relative_to(FOREIGN)
)

TESTS = sorted(Path(__file__).parent.rglob("*.py"))


# One test looks at all files and lists those at fault: 1,600 tests that take no time each would take seconds together.
def test_arrows_run_one_way():
    wrong = []
    for path in FILES:
        own = room(dotted(path))
        for module in imported(path):
            if module == "hsad" and dotted(path) not in CONVENIENCES:
                wrong.append(f"{path} imports the package itself")
            if not module.startswith("hsad.") or module == "hsad.__version__":
                continue
            if not within(module.removeprefix("hsad."), {own} | ROOMS[own]):
                wrong.append(f"{path} imports {module}")
    assert wrong == []


def test_no_file_imports_itself_by_way_of_others():
    """Lazy imports and those for types count too: graphlib finds a circle of any length."""
    modules = {f"hsad.{dotted(path)}": path for path in FILES}
    graph = {
        name: {target if target in modules else target.rpartition(".")[0] for target in imported(path)} & set(modules)
        for name, path in modules.items()
    }
    try:
        list(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        pytest.fail(f"these files import each other in a circle: {' <- '.join(error.args[1])}")


def test_few_rooms_know_how_things_run():
    assert [
        f"{path} imports {module}"
        for path in FILES
        for libraries, rooms in LIBRARIES.items()
        if not within(dotted(path), rooms)
        for module in imported(path)
        if within(module, libraries)
    ] == []


def test_rooms_have_no_cycles():
    def below(name, seen):
        for target in ROOMS.get(name, ()):
            # A room inside another may use single modules of it; the room itself stands for all that is in it.
            if target in ROOMS:
                assert target not in seen, f"{' -> '.join([*seen, target])}"
                below(target, [*seen, target])

    for name in ROOMS:
        below(name, [name])


def test_no_test_module_is_imported():
    assert [
        f"{path} imports {module}" for path in TESTS for module in imported(path) if module.startswith("test_")
    ] == []


def test_files_for_other_programs_import_nothing_of_hsad():
    paths = sorted(FOREIGN.rglob("*.py"))
    assert paths
    for path in paths:
        assert not {module for module in imported(path) if within(module, ["hsad"])}, path


def test_the_top_level_holds_what_the_readme_says_and_no_more():
    allowed = {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "hsad", "tests", "data_catalog", "notebooks"}
    git = shutil.which("git")
    listed = git and subprocess.run([git, "ls-files"], cwd=PACKAGE.parent, capture_output=True, text=True, check=False)
    if not listed or not listed.stdout:
        pytest.skip("no clone: nothing says which files are the repository's")
    tracked = listed.stdout.splitlines()
    assert {path.partition("/")[0] for path in tracked if not path.startswith(".")} <= allowed


def test_the_package_itself_is_not_crowded():
    assert len(list(PACKAGE.glob("*.py"))) <= 12


def test_names_of_test_files_do_not_repeat_their_folder():
    for path in Path(__file__).parent.glob("*/test_*.py"):
        folder = path.parent.name
        assert not path.stem.startswith((f"test_{folder}", f"test_{folder.rstrip('s')}_")), path


def test_no_room_is_crowded():
    paths = [*FILES, *TESTS]
    for folder in {path.parent for path in paths}:
        assert len([path for path in paths if path.parent == folder]) <= 16, folder


def test_files_are_of_readable_length():
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in [*FILES, *TESTS]}
    assert {path: number for path, number in lines.items() if number > 400} == {}


def loaded_by(statement: str) -> set[str]:
    code = f"{statement}\nimport sys, json\nprint(json.dumps(sorted(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(result.stdout.splitlines()[-1]))


def test_start_up_loads_nothing_heavy():
    heavy = {"numpy", "scipy", "xarray", "rasterio", "numba", "dask", "matplotlib", "distributed", "torch"}
    assert not heavy & loaded_by("import hsad")
    assert not heavy & loaded_by("import hsad.cli; hsad.cli.run(['--help'])")
    assert not (heavy - {"numpy"}) & loaded_by("import hsad.cli; hsad.cli.run(['detect', '--help'])")


#: Packages and modules that are slow to import, and which of the commands on a small scene import them first. Those
#: that no command may import stand under "none".
SLOW = {
    "threshold": {
        *("xarray", "pandas", "pyogrio", "rasterio", "rioxarray", "shapely"),
        *("scipy.cluster", "scipy.linalg", "scipy.ndimage", "scipy.sparse", "scipy.spatial", "scipy.special"),
    },
    "detect": {"numba"},
    "explain": set(),
    "report": {"jinja2", "PIL"},
    "survey": {"matplotlib", "mpl_toolkits"},
    "none": {
        *(
            "IPython",
            "dask.core",
            "distributed",
            "h5py",
            "matplotlib.pyplot",
            "numpy.f2py.f2py2e",
            "pytest",
            "requests",
        ),
        *("scipy.fft", "scipy.interpolate", "scipy.io", "scipy.optimize", "scipy.signal", "scipy.sparse.csgraph"),
        *("scipy.sparse.linalg", "scipy.stats", "spectral", "torch"),
    },
}


def test_commands_on_a_small_scene_import_few_slow_packages(tmp_path):
    """Each import is a wait of every run. A time would depend on the machine; the names do not."""
    made = hsad.make_scene(rows=48, cols=48, bands=12, target_sizes=(1, 3), seed=1)
    hsad.write_cube(made.cube, tmp_path / "s.hdr")
    hsad.detect_to_file(tmp_path / "s.hdr", tmp_path / "s.tif", "rx")
    code = """
        import json, sys
        import hsad.cli
        hsad.cli.defer_modules(hsad.cli._SELDOM_USED)
        lines = {
            "threshold": "threshold s.tif -o s.gpkg",
            "detect": "detect s.hdr -o d.tif -m rx",
            "explain": "explain s.hdr s.tif --at 9,9",
            "report": "report s.hdr s.tif -o s.html",
            "survey": "survey s.hdr -o s -m rx",
        }
        found = {}
        for command, line in lines.items():
            assert hsad.cli.run([*line.split(), "--quiet"]) == 0
            found[command] = sorted(sys.modules)
        print(json.dumps(found))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    slow, known = set().union(*SLOW.values()), set()
    for command, loaded in json.loads(done.stdout.splitlines()[-1]).items():
        new = slow & set(loaded) - known
        assert new <= SLOW[command], f"{command} imports {sorted(new - SLOW[command])}"
        known |= set(loaded)


def test_public_names_exist_and_are_declared_once():
    assert set(hsad.__all__) == {*hsad._HOMES, "__version__"}
    for name in dir(hsad):
        assert getattr(hsad, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = hsad.nothing


def test_every_public_name_has_an_example_that_is_run():
    """Pytest runs all examples in docstrings (`--doctest-modules`); those of detectors are in their classes."""
    public = {name: getattr(hsad, name) for name in dir(hsad) if name != "__version__"}
    documented = {name: value if callable(value) else type(value) for name, value in public.items()}
    assert [name for name, value in documented.items() if ">>> " not in (inspect.getdoc(value) or "")] == []


def test_the_readme_is_short():
    assert len((PACKAGE.parent / "README.md").read_text().splitlines()) <= 120


def test_the_page_on_the_architecture_names_every_room():
    table = (PACKAGE / "manual" / "project" / "architecture.md").read_text()
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir() and list(path.glob("*.py"))}
    assert {name for name in rooms if not re.search(rf"[`/]{name}`", table)} == set()


def test_pages_of_the_manual_have_titles_and_are_in_its_contents():
    folder = PACKAGE / "manual"
    pages = {str(path.relative_to(folder)) for path in folder.rglob("*.md")}
    assert pages == {f"{room}/{topic}.md" for room, names in CONTENTS.items() for topic in names}
    assert len(topics()) == len(pages), "two pages have one topic"
    for path in pages:
        assert (folder / path).read_text(encoding="utf-8").startswith("# "), path


#: Words that once had a meaning only here, and the words of the field in their place.
REPLACED = {"crew": "workers", "memo": "cache", "memos": "caches"}


def test_prose_and_names_use_the_words_of_the_field():
    paths = [path for suffix in ("py", "md") for path in PACKAGE.rglob(f"*.{suffix}")]
    paths += [path for path in TESTS if path != Path(__file__)]
    for path in paths:
        words = set(re.findall(r"[a-z]+", path.read_text(encoding="utf-8").lower()))
        assert not words & REPLACED.keys(), f"{path}: {[(word, REPLACED[word]) for word in words & REPLACED.keys()]}"
