"""Saved backgrounds: what a file brings is what was saved, or one line says that it is not."""

from __future__ import annotations

import json
import tracemalloc
import warnings
from dataclasses import fields, is_dataclass, replace

import numpy as np
import pytest

import hsad
from hsad.detectors import DETECTORS, make_detector
from hsad.detectors.packing import write_packed
from hsad.detectors.probe import Scale
from hsad.errors import HsadError, SceneError
from hsad.job.learned import Learned, _digest, versions_of

#: Methods that learn something, with parameters that suit a small scene.
METHODS = {
    "auto": {"outer": 7, "inner": 3, "areas": (4, 9), "clutter": 5},
    "rx": {},
    "crd": {"outer": 5, "inner": 3, "pca": 3},
    "rx-pca": {"pca": 2},
    "rpca": {"measure": "rx", "max_iterations": 20, "tolerance": 1e-3},
    "low-rank": {"patch": 4, "stride": 2, "rank": 2},
}


def scene(rows=24, cols=26, bands=5):
    return np.random.default_rng(1).normal(size=(rows, cols, bands)).cumsum(axis=2)


def learn(method):
    parameters = {("score" if name == "measure" else name): value for name, value in METHODS[method].items()}
    return hsad.learn(scene(), method.partition("-pca")[0], **parameters)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("backgrounds")
    for method in METHODS:
        learn(method).save(folder / f"{method}.npz")
    return folder


@pytest.mark.parametrize("method", METHODS)
def test_a_background_comes_back_as_it_was(method, saved):
    loaded = Learned.load(saved / f"{method}.npz")
    assert loaded.digest() == learn(method).digest()
    assert np.array_equal(hsad.score(scene(), loaded), hsad.score(scene(), learn(method)), equal_nan=True)


def test_a_background_names_what_it_was_learned_with(saved, tmp_path):
    loaded = Learned.load(saved / "rx.npz")
    assert loaded.versions == {"numpy": np.__version__}
    torch = pytest.importorskip("torch")
    replace(loaded, versions=versions_of(hsad.PatchCore())).save(tmp_path / "b.npz")
    assert Learned.load(tmp_path / "b.npz").versions == {"numpy": np.__version__, "torch": str(torch.__version__)}


def damaged(content, random):
    """Return a file as a bad disk, a bad transfer or somebody else may leave it."""
    content = bytearray(content)
    start, size = int(random.integers(len(content))), int(random.integers(1, 64))
    kind = random.integers(6)
    if kind == 0:
        content[start] ^= 1 << random.integers(8)
    elif kind == 1:
        content[start : start + size] = bytes(len(content[start : start + size]))
    elif kind == 2:
        content[start : start + size] = random.bytes(len(content[start : start + size]))
    elif kind == 3:
        del content[start : start + size]
    elif kind == 4:
        content[start:start] = random.bytes(size)
    else:
        del content[start:]
    return bytes(content)


def try_damaged(saved, path, count):
    """Load damaged files: each is refused in one line that names it, or is what was saved."""
    random = np.random.default_rng(5)
    whole = {method: ((saved / f"{method}.npz").read_bytes(), learn(method).digest()) for method in METHODS}
    refused = 0
    for number in range(count):
        content, digest = whole[list(METHODS)[number % len(METHODS)]]
        path.write_bytes(damaged(content, random))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # zipfile's, of names that occur twice
                loaded = Learned.load(path)
        except SceneError as error:
            assert str(error).startswith(f"{path}: ")  # noqa: PT017
            assert "\n" not in str(error)  # noqa: PT017
            refused += 1
        else:
            assert loaded.digest() == digest
    return refused


def test_damaged_files_are_refused_or_harmless(saved, tmp_path):
    assert try_damaged(saved, tmp_path / "b.npz", 240) > 120


@pytest.mark.long
def test_many_damaged_files_are_refused_or_harmless(saved, tmp_path):
    assert try_damaged(saved, tmp_path / "b.npz", 2500) > 1250


def alterations(value, change):
    """Yield copies of a background, each with something else in one of its fields."""
    for f in fields(value):
        item = getattr(value, f.name)
        if isinstance(item, np.ndarray):
            wrong = [item.astype(np.float32), item[..., None], item[0], np.concatenate([item, item]), None, 1.0]
            wrong += ["text", item.astype(complex), item.astype(np.int8), item.astype(str)]
            wrong += [item.T] if item.shape[0] != item.shape[-1] else []
        elif isinstance(item, bool):
            wrong = [3.5, "x", None]
        elif isinstance(item, int | float):
            wrong = ["x", None, np.zeros(3)]
        elif is_dataclass(item):
            yield from alterations(item, lambda part, f=f: change(replace(value, **{f.name: part})))
            wrong = [3.0, *([] if isinstance(item, Scale) else [Scale(1.0)])]
        else:
            wrong = [3.5]
        for other in wrong:
            yield f.name, change(replace(value, **{f.name: other}))


@pytest.mark.parametrize("method", METHODS)
def test_arrays_of_other_shapes_and_types_are_refused_by_the_name_of_their_field(method, tmp_path):
    learned = learn(method)
    path, tried = tmp_path / "b.npz", 0
    for name, background in alterations(learned.background, lambda changed: changed):
        replace(learned, background=background).save(path, overwrite=True)  # with a digest that is right
        with pytest.raises(SceneError, match=rf"b\.npz: not a background that hsad saved .*\b{name}\b"):
            Learned.load(path)
        tried += 1
    assert tried >= 6


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused_by_the_name_of_their_field(number, tmp_path):
    learned = learn("rx")
    path = tmp_path / "b.npz"
    for f in fields(learned.background):
        value = getattr(learned.background, f.name)
        if not isinstance(value, np.ndarray):
            continue
        changed = value.copy()
        changed.flat[0] = number
        replace(learned, background=replace(learned.background, **{f.name: changed})).save(path, overwrite=True)
        with pytest.raises(SceneError, match=rf"b\.npz: not a background .*{f.name} holds what is no finite number"):
            hsad.score(scene(), path)


def test_what_does_not_go_with_a_scene_names_the_file_of_the_background(tmp_path):
    learned = learn("rx")
    path = tmp_path / "b.npz"
    learned.save(path)
    with pytest.raises(HsadError, match=r"b\.npz: the background was learned on 5 bands, the scene has 4"):
        hsad.score(scene(bands=4), path)
    huge = replace(learned.background, mean=np.full(5, 1e308))
    replace(learned, background=huge).save(path, overwrite=True)
    with np.errstate(all="ignore"), pytest.raises(HsadError, match=r"b\.npz: the background gives no pixel"):
        hsad.score(scene(), path)
    header, arrays = learned.packed()
    header["parameters"]["covariance"] = "x"
    with path.open("wb") as file:
        write_packed(file, {"version": "1", **header, "digest": _digest(header, arrays)}, arrays)
    with pytest.raises(SceneError, match=r"b\.npz: not a background that hsad saved \(covariance: 'x' is not one of"):
        hsad.score(scene(), path)


@pytest.mark.parametrize("method", [name for name in DETECTORS if name in {"rx", "auto", "lrx", "rpca", "low-rank"}])
def test_a_background_of_another_method_is_refused(method, tmp_path):
    for other in METHODS:
        if other != method:
            learned = replace(learn(other), detector=make_detector(method))
            learned.save(tmp_path / "b.npz", overwrite=True)
            with pytest.raises(SceneError, match="not a background that hsad saved"):
                Learned.load(tmp_path / "b.npz")


@pytest.mark.parametrize(
    "bands",
    [
        [],
        [0, 1, 2, 3, -(2**63)],
        [0, 0, 1, 2, 3],
        [0, 1, 2, 3, 5],
        [-1, 0, 1, 2, 3],
        [4, 3, 2, 1, 0],
        [0, 1, 2],
        [0.0, 1, 2, 3, 4],
    ],
)
def test_bands_that_no_scene_has_are_refused(bands, tmp_path):
    replace(learn("rx"), bands=np.array(bands)).save(tmp_path / "b.npz")
    with pytest.raises(SceneError, match="not a background that hsad saved"):
        Learned.load(tmp_path / "b.npz")


@pytest.mark.parametrize("header", [[], None, 3, {}, {"format": 1}, {"format": 2}, {"format": [2]}, {"format": "2"}])
def test_headers_of_something_else_are_refused(header, tmp_path):
    path = tmp_path / "b.npz"
    np.savez(path, header=np.frombuffer(json.dumps(header).encode(), np.uint8))
    with pytest.raises(HsadError, match=r"b\.npz: "):
        Learned.load(path)


def test_a_packed_archive_of_a_few_kilobytes_is_refused_before_it_is_unpacked(tmp_path):
    path = tmp_path / "b.npz"
    header = np.frombuffer(json.dumps({"format": 2}).encode(), np.uint8)
    np.savez_compressed(path, header=header, mean=np.zeros(50_000_000, np.uint8))
    tracemalloc.start()
    with pytest.raises(SceneError, match=r"b\.npz: "):
        Learned.load(path)
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()
