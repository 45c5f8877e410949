"""What a run may take is divided once, and the parts are never more than the whole."""

from __future__ import annotations

import gc
import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsad.detectors.auto import Auto
from hsad.engine import plan as planning
from hsad.engine.plan import Budget, plan
from hsad.engine.runners.cluster import Cluster
from hsad.engine.runners.local import Threads, Workers
from hsad.errors import ParameterError
from hsad.readers.rasters import loaded
from hsad.readers.rasters.loaded import LoadedRaster


@dataclass(frozen=True)
class Source:
    """A scene of which only the sizes are asked."""

    shape: tuple[int, int, int]
    pixel_bytes: int
    unit: tuple[int, int] | None = None
    whole: tuple[str, int] | None = None
    row_step: int = 1


def spectra(bands, itemsize):
    return 4.0 * itemsize * bands


@given(
    sides=st.tuples(st.integers(1, 4000), st.integers(1, 4000)),
    bands=st.integers(1, 400),
    unit=st.sampled_from([None, (1, 4000), (64, 64), (512, 30)]),
    scenes=st.lists(st.integers(10**6, 10**9), max_size=2),
    memory=st.integers(3 * 10**8, 2 * 10**10),
    halo=st.integers(0, 20),
    workers=st.builds(
        lambda threads, processes, machines, apart, fixed: Workers(
            threads, processes, processes * machines, apart and fixed, fixed
        ),
        st.integers(1, 8), st.integers(1, 8), st.integers(1, 3), st.booleans(), st.booleans(),
    ),
)  # fmt: skip
def test_the_parts_add_up_to_the_whole(sides, bands, unit, scenes, memory, halo, workers):
    sources = [Source((*sides, bands), 2 * bands, unit)]
    sources += [Source((*sides, bands), 2 * bands, None, (f"{n}", size)) for n, size in enumerate(scenes)]
    try:
        budget = Budget.of(sources, 64, halo, spectra, memory, workers)
        planned = [plan(source, 64, halo, spectra, budget) for source in sources]
    except ParameterError as error:
        assert "give at least" in str(error)  # noqa: PT017
        return
    each = budget.tiles + budget.decoded + budget.caches
    assert min(budget.tiles, budget.decoded, budget.caches) >= 0
    assert budget.beside + workers.processes * each <= memory
    assert budget.beside == (workers.processes + workers.separate_caller) * (planning.PROGRAM + sum(scenes))
    assert budget.everywhere <= workers.total * budget.caches
    for source, passes in zip(sources, planned, strict=True):
        # What a task takes, by hand: its tile as stored, and a leaf with its surroundings in work.
        high, wide = (min((64 << passes.level) + 2 * halo, side) for side in sides)
        leaf = min(64 + 2 * halo, sides[0]) * min(64 + 2 * halo, sides[1])
        task = high * wide * 2 * bands + leaf * 32 * bands
        task += 8 * source.unit[0] * source.unit[1] * 2 * bands if source.unit else 0
        assert passes.threads * task <= budget.tiles + 1
        assert passes.threads == workers.threads or not workers.fixed


def test_what_is_said_to_be_enough_is_enough():
    source = Source((300, 300, 150), 300)
    for workers in (Workers(4), Workers(2, 3, 3, separate_caller=True, fixed=True)):
        with pytest.raises(ParameterError, match=r"give at least (\d+)MB") as caught:
            Budget.of([source], 64, 5, spectra, 201 * 10**6, workers)
        enough = int(str(caught.value).split("at least ")[1].split("MB")[0]) * 10**6
        budget = Budget.of([source], 64, 5, spectra, enough, workers)
        assert plan(source, 64, 5, spectra, budget).threads >= 1
        with pytest.raises(ParameterError, match="give at least"):
            Budget.of([source], 64, 5, spectra, enough - 2 * 10**6, workers)


@pytest.mark.parametrize("bands", [224, 425])
def test_the_default_detector_fits_a_small_machine(bands):
    """Its blocks are large: their spectra as float64 alone would be 500 MB, or 950."""
    source, auto = Source((640, 640, bands), 2 * bands), Auto()
    budget = Budget.of([source], auto.leaf, auto.halo, auto.footprint, 10**9, Workers(2))
    assert plan(source, auto.leaf, auto.halo, auto.footprint, budget).threads >= 1


@pytest.mark.parametrize(
    "leaf, halo, unit, sides",
    [(64, 0, None, {256}), (64, 7, None, {256}), (256, 136, None, {1024}), (64, 0, (256, 256), {512, 1024})],
)
def test_tiles_are_as_large_as_brings_something(leaf, halo, unit, sides):
    """Beyond 256 pixels only where a tile's surroundings, or the blocks of a file, are large beside it."""
    source = Source((4096, 4096, 20), 40, unit)
    budget = Budget.of([source], leaf, halo, lambda *_: 100.0, 4 * 10**9, Workers(2))
    assert leaf << plan(source, leaf, halo, lambda *_: 100.0, budget).level in sides


def test_threads_are_one_process_and_a_default_is_enough_for_each():
    assert Threads(3).workers() == Workers(3)
    source = Source((300, 300, 150), 300)
    for processes in (1, 40):
        workers = Workers(2, processes, processes, separate_caller=True, fixed=True)
        assert Budget.of([source], 64, 0, spectra, None, workers).memory == processes * 2 * 10**9


@pytest.mark.cluster
def test_the_workers_of_a_cluster_on_this_machine_share_its_memory_with_us(cluster):
    workers = Cluster(cluster).workers()
    assert (workers.threads, workers.processes, workers.total, workers.separate_caller, workers.fixed) == (
        1,
        2,
        2,
        True,
        True,
    )


def test_a_scene_that_is_read_whole_is_held_as_long_as_somebody_reads_from_it(tmp_path):
    path = tmp_path / "scene"
    path.write_bytes(b"1")
    gc.collect()
    before, loads = len(loaded._loaded), []

    def load(_):
        loads.append(1)
        return np.arange(24.0).reshape(2, 3, 4)

    raster = LoadedRaster.open(str(path), load)
    other = LoadedRaster.open(str(path), load)
    assert (len(loads), raster.held) == (1, 192)
    assert np.array_equal(raster.read(slice(0, 2), slice(1, 3)), np.arange(24.0).reshape(2, 3, 4)[:, 1:3])
    del raster
    gc.collect()
    assert len(loaded._loaded) == before + 1
    del other
    gc.collect()
    assert len(loaded._loaded) == before


def test_a_scene_that_is_read_whole_travels_without_its_numbers(tmp_path):
    path = tmp_path / "scene"
    path.write_bytes(bytes(8000))
    raster = LoadedRaster.open(str(path), numbers)
    sent = pickle.dumps(raster)
    assert len(sent) < 1000
    assert np.array_equal(pickle.loads(sent).read(slice(0, 1), slice(0, 10)), np.zeros((1, 10, 1)))  # noqa: S301


def numbers(path):
    return np.zeros((Path(path).stat().st_size // 80, 10, 1))
