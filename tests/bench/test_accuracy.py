"""The bench of accuracy: scenes, figures and regrets."""

import json

import numpy as np
import pytest
from scipy import ndimage
from sklearn.metrics import roc_auc_score

import hsad
from hsad.bench import accuracy, suite
from hsad.bench.accuracy import Accuracy, Figures, measure, run_accuracy, run_suite
from hsad.bench.known import KnownScene, as_cube, benchmark_scenes
from hsad.cli import run
from hsad.errors import ParameterError, SceneError
from hsad.synthetic.implants import implant, without_noise


def a_ground(seed=0, rows=60, cols=50, bands=40):
    random = np.random.default_rng(seed)
    mixture = ndimage.gaussian_filter(random.normal(size=(rows, cols, 5)), (2, 2, 0))
    spectra = 10 + mixture @ random.normal(size=(5, bands)) + 0.1 * random.normal(size=(rows, cols, bands))
    truth = np.zeros((rows, cols), dtype=bool)
    truth[5:7, 5:8] = True
    spectra[truth] += 3 * random.normal(size=bands)
    return spectra.astype(np.float32), truth


def known(name, seed=0):
    spectra, truth = a_ground(seed)
    return KnownScene(name, "native", as_cube(spectra), truth.astype(float), {})


def test_implants_keep_each_pixels_own_noise():
    spectra, own = a_ground()
    material = np.linspace(20, 5, spectra.shape[2])
    sizes = [1, 7, 30]
    made, truth = implant(spectra, own, sizes, (0.5, 0.5), [material], np.random.default_rng(3))
    assert [np.count_nonzero(truth == number) for number in (1, 2, 3)] == sizes
    inside = truth > 0
    untouched = ~inside
    np.testing.assert_allclose(made[untouched], spectra[untouched], atol=1e-4)
    # Without noise, a pixel is half of itself and half of the material at some brightness.
    noise = spectra - without_noise(spectra)
    mixed = 2 * (made - noise)[inside] - without_noise(spectra)[inside]
    brightness = mixed @ material / (material @ material)
    np.testing.assert_allclose(mixed, brightness[:, None] * material, atol=1e-3)
    assert 0.8 < brightness.min() < brightness.max() < 1.2
    # The scene's object and the pixels around it are left out. Implants are 3 pixels from it, and 2 from each other.
    np.testing.assert_array_equal(np.isnan(truth), ndimage.binary_dilation(own, np.ones((3, 3))))
    assert not (ndimage.binary_dilation(own, np.ones((7, 7))) & inside).any()
    assert ndimage.label(ndimage.binary_dilation(inside, np.ones((3, 3))), np.ones((3, 3)))[1] == 3


def test_implants_without_room_are_left_out():
    spectra, own = a_ground(rows=16, cols=16)
    _, truth = implant(spectra, own, [40, 200], (1, 1), [spectra[0, 0]], np.random.default_rng(0))
    assert set(np.unique(truth[np.isfinite(truth)])) <= {0, 1}


@pytest.fixture
def few(monkeypatch):
    """Reduce the synthetic cases to one small scene."""
    monkeypatch.setattr(
        suite, "_SYNTHETIC", (("small", {"rows": 48, "cols": 50, "bands": 20, "target_sizes": [1, 4]}),)
    )


@pytest.mark.usefixtures("few")
def test_the_suite_is_the_same_every_time_and_another_draw_is_another():
    names = [*suite.GROUNDS, "pavia-lzw", "pavia-wu"]
    scenes = [known(name, seed) for seed, name in enumerate(names)]
    first, again, other = ({c.name: c for c in suite.suite(scenes, draw)} for draw in (0, 0, 1))
    assert first.keys() == again.keys() == other.keys()
    families = [case.family for case in first.values()]
    assert {f: families.count(f) for f in suite.FAMILIES} == {
        "native": 10, "binned2": 10, "binned3": 10, "synthetic": 1, "faint": 12, "large": 10, "frequent": 10,
        "noisy": 10,
    }  # fmt: skip
    for name, case in first.items():
        np.testing.assert_array_equal(case.cube.values, again[name].cube.values)
        np.testing.assert_array_equal(case.truth, again[name].truth)
        changed = not np.array_equal(case.cube.values, other[name].cube.values)
        assert changed == (case.family not in {"native", "binned2", "binned3"})
        assert (case.truth > 0).any() or case.family == "large"  # these scenes are small for the largest objects
    assert [c.family for c in suite.suite(scenes[:1])] == ["native", "binned2", "binned3", "synthetic"]


def test_binned_is_a_mean_and_any():
    spectra, truth = a_ground()
    cube, coarse = suite.binned(spectra, truth, 3)
    assert cube.shape == (20, 16, 40)
    np.testing.assert_allclose(cube[1, 2], spectra[3:6, 6:9].mean(axis=(0, 1)), rtol=1e-5)
    assert coarse.sum() == 4  # rows 5-6 and columns 5-7 touch two squares each
    assert coarse[1:3, 1:3].all()


def test_regret_by_hand():
    def row(scene, method, auc, seed=None):
        return Figures(scene, "native", method, seed, auc, 0.5, 4, 1, 0.1)

    rows = (
        row("a", "rx", 0.9), row("a", "crd", 0.95), row("a", "auto", 0.85),
        row("b", "rx", 0.7), row("b", "lrx", 0.6), row("b", "auto", 0.75),
        row("c", "auto", 0.75), row("b", "rpcanet", 0.4, 0), row("b", "rpcanet", 0.6, 1),
    )  # fmt: skip
    report = Accuracy({"hsad": "0"}, rows, {}, ("nothing",), ("auto", "rpcanet"))
    assert report.regret("auto") == pytest.approx({"a": 0.1, "b": -0.05})
    assert report.regret("rpcanet") == pytest.approx({"b": 0.2})
    table = report.table()
    assert "| auto | 0.100 | 0.0250 | 1 of 2: a 0.100 |" in table
    assert "| rpcanet | 1 | 2 | 0.5000 ± 0.1414 | 0.4000 | 0.5000 ± 0.0000 | 0.2500 ± 0.0000 | 0.10 |" in table
    assert "Left out: nothing" in table
    by_scene = Accuracy({"hsad": "0"}, rows, {}, ()).table().splitlines()
    assert by_scene[-3] == "| a | 0.9000 0.500 1/4 | 0.9500 0.500 1/4 | 0.8500 0.500 1/4 | - | - |"
    assert by_scene[-2].endswith("| 0.5000 0.500 1/4 |")


def test_figures_agree_with_another_library_and_failures_are_remarks():
    scene = known("a")
    methods = {"rx": ("rx", {}), "control": ("control", {}), "padim": ("padim", {}), "lrx": ("lrx", {"outer": 99})}
    figures, remarks = measure([scene], 1, methods, 2)
    assert [row.method for row in figures] == ["rx", "control"]
    scores = hsad.detect(scene.cube, "rx").values
    assert figures[0].auc == pytest.approx(roc_auc_score(scene.truth.ravel(), scores.ravel()))
    assert (figures[0].objects, figures[0].seed) == (1, None)
    assert remarks[0].startswith("padim from a on: ")
    assert remarks[1].startswith("lrx from a on: ")
    # The formula of the control: whitened components, the root of the sum of their squares, blurred.
    pixels = scene.cube.values.reshape(-1, 40).astype(float)
    values, vectors = np.linalg.eigh(np.cov(pixels.T, bias=True))
    white = (pixels - pixels.mean(axis=0)) @ vectors[:, -20:] / np.sqrt(values[-20:])
    blurred = ndimage.gaussian_filter(np.linalg.norm(white, axis=1).reshape(60, 50), 0.7)
    np.testing.assert_allclose(accuracy._control(scene.cube).values, blurred, rtol=1e-4)


@pytest.mark.usefixtures("few")
def test_the_commands_print_tables_and_json(capsys, tmp_path, monkeypatch):
    monkeypatch.delenv("HSAD_DATA", raising=False)
    assert run(["bench", "--accuracy", "--only", "rx,control", "-q"]) == 0
    text = capsys.readouterr().out
    assert "| rx | 1 | - | " in text
    assert "Left out: 10 of 10 benchmark scenes" in text
    assert run(["bench", "--accuracy", "--suite", "--only", "rx", "--data", str(tmp_path), "--json", "-q"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert {row["method"] for row in report["figures"]} == {"rx", *accuracy.RIVALS}
    assert report["regret"]["rx"]["synthetic/small"] >= 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--suite"], "--suite does not go with speed, but with --accuracy"),
        (["--accuracy", "--quick"], "--quick does not go with --accuracy, but with speed or --io or --large"),
        (["--accuracy", "--only", "rxx"], "unknown method 'rxx'"),
        (["--accuracy", "--seeds", "0", "--only", "rx"], "--seeds (seeds=) must be at least 1, not 0"),
        (["--accuracy", "--suite", "--draw", "-1"], "--draw (draw=) must be at least 0, not -1"),
        (["--accuracy", "--data", "nowhere"], "nowhere: no such folder"),
    ],
)
def test_what_makes_no_sense_is_one_line(arguments, message, capsys):
    assert run(["bench", *arguments, "-q"]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert len(error.strip().splitlines()) == 1


def test_another_file_under_a_scenes_name_is_refused(tmp_path):
    (tmp_path / "abu-beach-3.mat").write_bytes(b"something else")
    with pytest.raises(SceneError, match=r"abu-beach-3\.mat: sha256 .* is no file of abu-beach-3"):
        benchmark_scenes(tmp_path)


def test_the_benchmark_scenes_at_hand(data):
    scenes = benchmark_scenes(data)
    assert len(scenes) == 10
    assert {s.name: int(s.truth.sum()) for s in scenes}["pavia-wu"] == 43  # as the catalogue counts
    assert all(s.sha256 and s.truth.shape == s.cube.shape[:2] for s in scenes)


def test_functions_refuse_what_the_command_refuses():
    with pytest.raises(ParameterError, match="unknown method"):
        run_accuracy(methods=["nothing"])
    with pytest.raises(ParameterError, match="draw"):
        run_suite(draw=-1)
