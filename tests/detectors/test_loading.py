"""Detectors of other packages: a real one, made of the manual's own page, is installed, listed, used and saved."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import hsad
from hsad.cli import run
from hsad.detectors.registry import DETECTORS, Registry
from hsad.manual import page

ROOT = Path(hsad.__file__).parents[1]


def page_files(topic):
    """Return the files that a page of the manual shows: blocks of code that begin with their name."""
    blocks = re.findall(r"```\w+\n# (\S+\.\w+)\n(.*?)```", page(topic), flags=re.DOTALL)
    return dict(blocks)


def install(source, folder):
    """Install a package from a folder into another, offline."""
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run(
        [*command, "--disable-pip-version-check", "--target", str(folder), str(source)], check=True, capture_output=True
    )


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Return the environment of a Python that has the manual's package, and a broken one, beside hsad."""
    pytest.importorskip("setuptools")
    folder = tmp_path_factory.mktemp("packages")
    files = page_files("adding-a-detector")
    assert sorted(files) == ["mean_distance.py", "pyproject.toml"]
    broken = {
        "pyproject.toml": files["pyproject.toml"]
        .replace("mean-distance", "half-done")
        .replace("mean_distance", "half"),
        "half.py": "import a_module_that_nobody_has\n",
    }
    for name, content in (("whole", files), ("broken", broken)):
        source = folder / name
        source.mkdir()
        for file, text in content.items():
            (source / file).write_text(text)
        install(source, folder / "site")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder / "site"), str(ROOT)])}


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    from hsad.products import write_envi

    folder = tmp_path_factory.mktemp("scene")
    cube = np.random.default_rng(0).normal(size=(70, 90, 5)).astype(np.float32)
    cube[30, 40] += 9
    write_envi(hsad.check_cube(cube), folder / "scene.hdr")
    return folder / "scene.hdr"


def call(installed, *arguments):
    command = [sys.executable, "-m", "hsad", *map(str, arguments)]
    return subprocess.run(command, env=installed, capture_output=True, text=True, timeout=240, check=False)


@pytest.mark.long
@pytest.mark.faults
def test_an_installed_detector_is_listed_and_a_broken_one_is_a_line(installed):
    result = call(installed, "methods", "--json")
    methods = json.loads(result.stdout)
    assert methods["mean-distance"]["package"] == "mean-distance"
    assert methods["rx"]["package"] is None
    assert "half-done" not in methods
    assert result.stderr.count("\n") == 1
    assert "half-done" in result.stderr
    assert "a_module_that_nobody_has" in result.stderr
    asked = call(installed, "methods", "half-done")
    assert (asked.returncode, asked.stdout) == (1, "")
    assert asked.stderr.splitlines()[-1].startswith("hsad: error: method 'half-done' of the package half-done")
    shown = call(installed, "detect", "--help-all").stdout
    assert "Parameters of mean-distance (Distance to the mean spectrum)" in shown
    assert "Exponent of the distance." in shown


@pytest.mark.long
@pytest.mark.faults
def test_an_installed_detector_scores_and_its_background_loads_again(installed, scene, tmp_path):
    first, second = tmp_path / "a.tif", tmp_path / "b.tif"
    kept = tmp_path / "kept.npz"
    result = call(
        installed, "detect", scene, "-m", "mean-distance", "--power", "2", "-o", first, "--save-background", kept
    )
    assert result.returncode == 0, result.stderr
    assert call(installed, "detect", scene, "--background", kept, "-o", second).returncode == 0
    values = hsad.open_cube(first).values
    # The formula, written out.
    spectra = hsad.open_cube(scene).values.astype(np.float64)
    distance = np.linalg.norm(spectra - spectra.mean(axis=(0, 1)), axis=2)
    np.testing.assert_allclose(values[..., 0], (distance / distance.mean()) ** 2, rtol=1e-5)
    assert np.array_equal(values, hsad.open_cube(second).values)
    refused = call(installed, "detect", scene, "-m", "mean-distance", "--power", "0", "-o", tmp_path / "c.tif")
    assert refused.stderr.splitlines()[-1] == "hsad: error: power must be above 0, not 0.0"
    # Where the package is missing, the file does not bring it in.
    with pytest.raises(hsad.HsadError, match="learned by mean-distance, which is not installed here"):
        hsad.score(scene, kept)


@pytest.mark.long
@pytest.mark.faults
def test_a_class_is_named_where_it_stands(scene, tmp_path):
    named = "mean_distance:MeanDistance"
    # A folder on the path is no installed package: no entry point leads here.
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "mean_distance.py").write_text(page_files("adding-a-detector")["mean_distance.py"])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path / "lib"), str(ROOT)])}
    kept, output = tmp_path / "kept.npz", tmp_path / "a.tif"
    result = call(environment, "detect", scene, "-m", named, "--power", "3", "-o", output, "--save-background", kept)
    assert result.returncode == 0, result.stderr
    again = ("detect", scene, "--background", kept, "-o", tmp_path / "b.tif")
    refused = call(environment, *again)
    assert refused.returncode == 1
    assert "name it as the method, too" in refused.stderr
    assert call(environment, *again, "-m", named).returncode == 0
    assert np.array_equal(hsad.open_cube(output).values, hsad.open_cube(tmp_path / "b.tif").values)
    wrong = call(environment, "detect", scene, "-m", "mean_distance:MeanDistanz", "-o", tmp_path / "c.tif")
    assert wrong.returncode == 1
    assert "MeanDistanz' cannot be loaded" in wrong.stderr.splitlines()[-1]


@pytest.mark.long
@pytest.mark.faults
@pytest.mark.cluster
def test_workers_of_a_cluster_know_it_too(installed, scene, tmp_path):
    script = """
import sys, warnings
warnings.simplefilter("ignore")
if __name__ == "__main__":
    from distributed import LocalCluster
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        from hsad.cli import run
        sys.exit(run(["detect", sys.argv[1], "-m", "mean-distance", "-o", sys.argv[2],
                      "--scheduler", cluster.scheduler_address]))
"""
    (tmp_path / "script.py").write_text(script)
    output = tmp_path / "far.tif"
    command = [sys.executable, str(tmp_path / "script.py"), str(scene), str(output)]
    result = subprocess.run(command, env=installed, capture_output=True, text=True, timeout=240, check=False)
    assert result.returncode == 0, result.stderr
    near = tmp_path / "near.tif"
    assert call(installed, "detect", scene, "-m", "mean-distance", "-o", near).returncode == 0
    assert np.array_equal(hsad.open_cube(output).values, hsad.open_cube(near).values)


@pytest.mark.long
@pytest.mark.faults
def test_the_contract_is_for_others_too(installed):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(ROOT / "tests" / "test_contract.py")]
    chosen = ["--detector", "mean-distance", "-k", "anomaly or lazy or background or pickles"]
    environment = {**installed, "CI": "1"}
    result = subprocess.run(
        [*command, *chosen], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False
    )
    assert result.returncode == 0, result.stdout
    assert re.search(r"4 passed", result.stdout), result.stdout


def test_the_house_needs_one_line_a_detector():
    registry = Registry({"mine": "hsad.detectors.global_rx:GlobalRX", "not": "hsad.errors:HsadError"})
    assert registry["mine"] is hsad.GlobalRX
    assert registry.name_of(hsad.GlobalRX) == "mine"
    with pytest.raises(hsad.HsadError, match=r"hsad\.errors:HsadError is no hsad\.Detector"):
        _ = registry["not"]
    assert "sys:path" not in DETECTORS


@pytest.mark.parametrize(
    ("given", "meant"), [("RX", "rx"), ("local_rx", "lrx"), ("LocalRX", "lrx"), ("low_rank", "low-rank"), ("crx", None)]
)
def test_other_spellings_are_understood_as_hints(given, meant):
    with pytest.raises(hsad.HsadError, match="unknown method") as caught:
        hsad.detect(np.zeros((5, 5, 2)), given)
    if meant:
        assert f"did you mean {meant!r}?" in str(caught.value)


def test_a_class_of_detectors_is_as_good_as_its_name():
    scene = np.random.default_rng(0).normal(size=(30, 30, 4))
    expected = hsad.detect(scene, "lrx", outer=7, inner=3)
    assert np.array_equal(hsad.detect(scene, hsad.LocalRX, outer=7, inner=3), expected)
    for wrong in (dict, 3, np.mean):
        with pytest.raises(hsad.HsadError, match=r"method: .*detector"):
            hsad.detect(scene, wrong)


def test_a_parameter_may_not_be_called_as_an_option_of_every_run(scene, tmp_path, monkeypatch, hsad_run):
    import inspect

    import click

    from hsad.cli.commands.decisions import survey
    from hsad.cli.commands.detect import detect
    from hsad.cli.commands.stream import stream
    from hsad.cli.options import parameters_by_name
    from hsad.detectors.parameters import TAKEN
    from hsad.job.batch import detect_many
    from hsad.job.options import RunOptions

    calls = (
        hsad.detect, hsad.learn, hsad.score, hsad.detect_to_file, detect_many, hsad.survey, hsad.LineScan,
    )  # fmt: skip
    taken = {
        name for call in calls for name, p in inspect.signature(call).parameters.items() if p.kind is not p.VAR_KEYWORD
    }
    taken |= {f.name for f in dataclasses.fields(RunOptions)}
    for command in (detect, survey, stream):
        words = [word for p in command.get_params(click.Context(command)) for word in (p.name, *p.opts)]
        taken |= {word.lstrip("-").replace("-", "_") for word in words if len(word.lstrip("-")) > 1 and word[0] != "_"}
    assert taken - {name.replace("-", "_") for name in parameters_by_name()} == TAKEN
    body = page_files("adding-a-detector")["mean_distance.py"].replace("power", "memory")
    (tmp_path / "greedy.py").write_text(body)
    monkeypatch.syspath_prepend(tmp_path)
    said = "greedy:MeanDistance has a parameter 'memory', which is an option of hsad's own: it needs another name"
    for arguments in (
        ("methods", "greedy:MeanDistance"),
        ("detect", scene, "-o", "s.tif", "-m", "greedy:MeanDistance"),
    ):
        status, out, err = hsad_run(*arguments)
        assert (status, out, err) == (1, "", f"hsad: error: method 'greedy:MeanDistance': {said}\n")
    from greedy import MeanDistance

    for cls in (MeanDistance, "greedy:MeanDistance"):
        with pytest.raises(hsad.HsadError, match=said):
            hsad.detect(np.zeros((5, 5, 2)), cls)
    with pytest.raises(hsad.HsadError, match=said):
        MeanDistance()


def test_help_shows_the_manual(capsys):
    assert run(["help"]) == 0
    listed = capsys.readouterr().out
    assert "adding-a-detector" in listed
    assert run(["help", "adding-a-detector"]) == 0
    assert "mean_distance.py" in capsys.readouterr().out
    assert run(["help", "adding-detectors"]) == 1
    assert "did you mean 'adding-a-detector'?" in capsys.readouterr().err
