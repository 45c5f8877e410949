"""Kinds: groups of alike anomalies, against average linkage written out."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

import hsad
from hsad.anomalies.kinds import SAME_KIND, Whitened, groups, letters
from hsad.anomalies.vectors import read_anomalies
from hsad.synthetic.implants import implant, material_ratios


def naive_groups(white):
    """Join the two groups with the largest mean cosine until it is below the limit."""
    unit = white / np.linalg.norm(white, axis=1, keepdims=True)
    cosine, found = unit @ unit.T, [[place] for place in range(len(white))]
    while len(found) > 1:
        pairs = [(cosine[np.ix_(a, b)].mean(), i, j) for i, a in enumerate(found) for j, b in enumerate(found) if i < j]
        best, i, j = max(pairs)
        if best < SAME_KIND:
            break
        found[i] += found.pop(j)
    label = np.empty(len(white), dtype=int)
    for number, members in enumerate(found):
        label[members] = number
    return label


@pytest.fixture(scope="module")
def clouds():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(6, 15))
    label = rng.integers(0, 6, 60)
    return centres[label] * rng.uniform(1, 4, (60, 1)) + 0.8 * rng.normal(size=(60, 15)), label


def test_groups_are_average_linkage(clouds):
    white, _ = clouds
    found = groups(white)
    assert adjusted_rand_score(found, naive_groups(white)) == 1
    first = [int(np.flatnonzero(found == number)[0]) for number in range(found.max() + 1)]
    assert first == sorted(first)


def test_anomalies_beyond_the_linked_ones_join_the_group_they_are_like(clouds):
    white, label = clouds
    assert adjusted_rand_score(groups(white, linked=25), label) > 0.8
    assert groups(white, linked=25).max() >= groups(white).max() - 1


def test_ten_thousand_anomalies_are_grouped():
    rng = np.random.default_rng(1)
    label = rng.integers(0, 9, 10_000)
    white = 4 * np.eye(9, 30)[label] + 0.3 * rng.normal(size=(10_000, 30))
    assert adjusted_rand_score(groups(white), label) > 0.99


@pytest.mark.parametrize("white", [np.zeros((0, 4)), np.ones((1, 4)), np.zeros((2, 4))])
def test_few_or_empty_spectra_are_groups_of_their_own(white):
    assert groups(white).tolist() == list(range(len(white)))


def test_letters_go_on_after_z():
    assert [letters(n) for n in (0, 1, 25, 26, 27, 52)] == ["A", "B", "Z", "AA", "AB", "BA"]


def test_the_background_leaves_the_most_unlike_pixels_out():
    rng = np.random.default_rng(2)
    pixels = rng.normal(size=(5000, 8))
    strange = np.concatenate([pixels, 40 + rng.normal(size=(100, 8))])
    found = Whitened.of(strange)
    np.testing.assert_allclose(found.mean, 0, atol=0.1)
    lengths = np.linalg.norm(found.white(pixels), axis=1)
    assert np.sqrt(np.mean(lengths**2)) == pytest.approx(np.sqrt(8), rel=0.15)


@pytest.fixture(scope="module")
def planted():
    """A scene with seven objects of each of two materials, and the number of the material of each object."""
    scene = hsad.make_scene(100, 100, 60, seed=11, target_sizes=[], heading=0)
    good = scene.cube.good_wavelength.values.astype(bool)
    spectra = scene.cube.values[..., good].astype(np.float64)
    mean = spectra.reshape(-1, good.sum()).mean(axis=0)
    ratios = material_ratios(60)
    positions = np.linspace(0, 1, good.sum())
    materials = [np.interp(positions, np.linspace(0, 1, len(r)), r) * mean for r in (ratios[0], ratios[2])]
    rng = np.random.default_rng(3)
    cube, label = implant(spectra, np.zeros((100, 100), dtype=bool), [6] * 14, (0.6, 1.0), materials, rng)
    return cube.astype(np.float32), label.astype(int)


def test_anomalies_of_one_material_are_one_kind(planted, tmp_path):
    cube, label = planted
    found = hsad.polygons(np.where(label > 0, 100.0 - label, 0.0), scene=cube, threshold=50)
    number = label[found.columns["row"], found.columns["col"]]
    assert len(found) >= 12
    kinds = found.columns["kind"]
    assert kinds[0] == "A"
    assert adjusted_rand_score(number % 2, kinds) > 0.85
    path = hsad.write_anomalies(found, tmp_path / "a.gpkg")
    assert [record["kind"] for record in read_anomalies(path)] == kinds.tolist()
    without_scene = hsad.polygons(np.where(label > 0, 100.0 - label, 0.0), threshold=50)
    assert set(without_scene.columns["kind"]) == {None}
