"""Without the private names of numba, or where these do something else: kernels are compiled the public way."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from hsad.kernels import own_copies

# Each after numba itself is loaded, which needs the names.
HIDDEN = {
    "a class that is gone": "import numba.core.typed_passes as t; del t.NativeLowering",
    "a module that is gone": "import sys, numba.core.caching; sys.modules['numba.core.caching'] = None",
    "a method that is gone": "from numba.core.codegen import JITCodeLibrary as J; owner = next(c for c in J.__mro__ "
    "if '_finalize_dynamic_globals' in vars(c)); del owner._finalize_dynamic_globals",
    "the cache's method": "from numba.core.caching import IndexDataCacheFile as I; del I._load_data",
    "events": "import sys, numba.core as c; del c.event; sys.modules['numba.core.event'] = None",
}

LOADED = """
import logging
logging.basicConfig(format="%(name)s %(levelname)s %(message)s")
from hsad.kernels import compiled
print(bool(compiled.PLAIN))
"""

# Another lowering than the one that is looked for, in a numba of the future: inner functions are shared by kernels.
OTHERWISE = """
import types, numba
from numba.core import compiler
from numba.core.compiler import DefaultPassBuilder as Builder
numba.version_info = types.SimpleNamespace(short=(9, 0))
made = Builder.define_nopython_pipeline
class Other(compiler.NativeLowering): pass
def otherwise(*arguments):
    pipeline = made(*arguments)
    pipeline.passes = [(Other if step is compiler.NativeLowering else step, why) for step, why in pipeline.passes]
    return pipeline
from numba.core.compiler_machinery import register_pass
Other._name = "other"
register_pass(mutates_CFG=True, analysis_only=False)(Other)
Builder.define_nopython_pipeline = staticmethod(otherwise)
"""

SCORES = """
import sys, numpy as np, hsad
spectra = np.random.default_rng(0).normal(size=(30, 32, 6)).cumsum(axis=2)
np.save(sys.argv[1], [hsad.detect(spectra, m, workers=1) for m in sys.argv[2:]])
from hsad.doctor import examine
print([finding.state for finding in examine() if finding.subject == "compiled code"])
"""


def python(script, *arguments, **environment):
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True, **environment)


def test_the_versions_tried_are_those_that_the_package_allows():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    (bounds,) = [r.specifier for r in map(Requirement, project["dependencies"]) if r.name == "numba"]
    (low_major, low), (major, high) = own_copies.TESTED
    assert f">={low_major}.{low}." in str(bounds)
    assert f"<{major}.{high + 1}" in str(bounds)


@pytest.mark.parametrize("name", HIDDEN)
def test_a_missing_name_is_one_line_in_the_log(name):
    result = python(HIDDEN[name] + LOADED)
    if name == "events":  # only the announcement needs them
        assert (result.stdout, result.stderr) == ("False\n", "")
        return
    assert result.stdout == "True\n"
    (line,) = result.stderr.splitlines()
    assert line.startswith("hsad WARNING numba ")
    assert "compiled the plain way" in line


def test_a_numba_that_is_newer_than_the_tests_is_tried_out():
    assert python(OTHERWISE.partition("from numba.core import")[0] + LOADED).stdout == "False\n"
    result = python(OTHERWISE + LOADED)
    assert result.stdout == "True\n"
    assert "shares its functions" in result.stderr


@pytest.mark.parametrize(
    "methods",
    [
        pytest.param(("rx",), marks=[pytest.mark.long, pytest.mark.faults]),
        pytest.param(("lrx", "crd", "kcrd", "srd", "auto"), marks=pytest.mark.long),
    ],
)
def test_the_plain_way_gives_the_same_scores(tmp_path, methods):
    import numpy as np

    python(SCORES, tmp_path / "own.npy", *methods)
    result = python(HIDDEN["a class that is gone"] + SCORES, tmp_path / "plain.npy", *methods)
    assert result.stdout == "['remark']\n"
    np.testing.assert_allclose(np.load(tmp_path / "plain.npy"), np.load(tmp_path / "own.npy"), rtol=2e-7)


def test_doctor_names_a_version_that_is_not_allowed(monkeypatch):
    import importlib.metadata

    from hsad.doctor import examine

    versions = {"numpy": "2.1.3", "shapely": "2.0.5", "numba": "0.99.0"}
    installed = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda package: versions.get(package) or installed(package))
    monkeypatch.setattr(
        importlib.metadata,
        "requires",
        lambda _: ["numpy>=2.2", "shapely>=2.0.6", "numba>=0.61.2,<0.69", "dask>=2024.8"],
    )
    found = {finding.subject: finding for finding in examine()}
    for package, version in versions.items():
        assert found[package].state == "remark"
        assert found[package].found.startswith(f"{version}, hsad is tested with ")
    assert found["dask"].state == "well"
