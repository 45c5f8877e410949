"""One engine for every kind of detector: whole, tiled, in threads, on a cluster, equal bit for bit."""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sketches import LocalContrast, MeanDistance, NearestPrototype, PlaceDistance, RobustMean

from hsad.detectors.auto import Auto
from hsad.detectors.block import clamped, narrowed
from hsad.engine.caches import LeafCaches
from hsad.engine.leaves import blocks_of
from hsad.engine.run import Engine
from hsad.engine.runners.blas import one_blas_thread
from hsad.engine.runners.cluster import Cluster
from hsad.engine.runners.local import Memory, Runner, Threads
from hsad.engine.source import source_of
from hsad.engine.tiles import LeafGrid, MergeTree, Tile
from hsad.errors import DataError
from hsad.scene.cube import Raster, check_cube

KINDS = [LocalContrast(), MeanDistance(), RobustMean(), NearestPrototype(), PlaceDistance()]


def scene(seed, rows=75, cols=101, bands=7, invalid=0.05):
    random = np.random.default_rng(seed)
    spectra = random.normal(size=(rows, cols, bands)) * np.arange(1, bands + 1) + 100 * random.random(bands)
    spectra[random.random((rows, cols)) < invalid] = np.nan
    return source_of(check_cube(spectra))


def everything(source):
    whole = slice(0, source.shape[0]), slice(0, source.shape[1])
    return source.spectra(source.read(*whole), *whole)


def run(engine, detector, sources):
    background = engine.learn(detector, sources)
    scores = np.empty(sources[0].shape[:2], dtype=np.float32)
    scores.fill(-1)
    for tile in engine.score(detector, sources[0], background):
        scores[tile.rows, tile.cols] = tile.scores
    return scores


class Shuffled(Runner):
    """Finishes tasks in a random order, as a cluster may."""

    def __init__(self, seed):
        self.seed = seed

    def run(self, function, items, *shared):
        items = list(items)
        order = np.random.default_rng(self.seed).permutation(len(items))
        yield from Memory().run(function, [items[number] for number in order], *shared)


@pytest.mark.parametrize("detector", KINDS, ids=lambda d: type(d).__name__)
@pytest.mark.parametrize("scenes", [1, 3])
def test_every_kind_gives_the_same_bits_however_it_is_run(detector, scenes):
    sources = [scene(seed) for seed in range(scenes)]
    whole = run(Engine(Memory(), tile=10**6), detector, sources)
    assert np.array_equal(np.isnan(whole), ~everything(sources[0])[1])
    for engine in (
        Engine(Memory(), tile=1),
        Engine(Memory(), tile=32),
        Engine(Threads(2), tile=16),
        Engine(Threads(5), tile=64),
        Engine(Shuffled(4), tile=16),
    ):
        assert np.array_equal(run(engine, detector, sources), whole, equal_nan=True)


@pytest.mark.long
@pytest.mark.faults
@pytest.mark.cluster
def test_every_kind_gives_the_same_bits_on_a_cluster(cluster):
    for detector in KINDS:
        sources = [scene(seed) for seed in (0, 1)]
        whole = run(Engine(Memory(), tile=10**6), detector, sources)
        assert np.array_equal(run(Engine(Cluster(cluster), tile=32), detector, sources), whole, equal_nan=True)


def test_a_cache_may_be_empty_at_any_time():
    source = scene(5)
    with_cache, without = (run(Engine(), RobustMean(use_cache=use), [source]) for use in (True, False))
    assert np.array_equal(with_cache, without, equal_nan=True)


def test_a_local_detector_equals_its_definition_on_the_whole_scene():
    source = scene(6, rows=40, cols=33)
    spectra, valid = everything(source)
    expected = np.full(valid.shape, np.nan)
    for row, col in np.argwhere(valid):
        top, left = (min(max(a - 4, 0), n - 9) for a, n in ((row, 40), (col, 33)))
        window = spectra[top : top + 9, left : left + 9][valid[top : top + 9, left : left + 9]]
        expected[row, col] = np.linalg.norm(spectra[row, col] - window.mean(axis=0))
    np.testing.assert_allclose(run(Engine(tile=16), LocalContrast(), [source]), expected, rtol=1e-6)


@given(
    rows=st.integers(1, 60),
    cols=st.integers(1, 60),
    leaf=st.integers(1, 20),
    level=st.integers(0, 3),
    halo=st.integers(0, 25),
)
def test_tiles_cover_the_scene_once_and_read_enough(rows, cols, leaf, level, halo):
    grid = LeafGrid(rows, cols, leaf)
    level = min(level, grid.top)
    covered = np.zeros((rows, cols), dtype=int)
    for tile in grid.tiles(level):
        window = grid.window(level, tile.row, tile.col)
        read = [clamped(w.start, w.stop, n, halo) for w, n in zip(window, (rows, cols), strict=True)]
        for row, col in grid.leaves(tile):
            core = grid.window(0, row, col)
            covered[core] += 1
            for part, whole, size in zip(core, read, (rows, cols), strict=True):
                leaf_read = clamped(part.start, part.stop, size, halo)
                assert whole.start <= leaf_read.start
                assert leaf_read.stop <= whole.stop
                # A shifted window of any pixel of the core lies inside what is read, where the scene holds one.
                if size > 2 * halo:
                    for pixel in (part.start, part.stop - 1):
                        start = min(max(pixel - halo, 0), size - 2 * halo - 1)
                        assert leaf_read.start <= start
                        assert start + 2 * halo + 1 <= leaf_read.stop
    assert (covered == 1).all()


@given(rows=st.integers(1, 9), cols=st.integers(1, 9), level=st.integers(0, 3), order=st.randoms())
def test_the_merge_tree_is_the_same_in_any_order_and_in_any_tiling(rows, cols, level, order):
    grid = LeafGrid(rows, cols, 1)
    level = min(level, grid.top)
    # Strings show the order and the nesting in which they were merged; None is the identity.
    values = {
        place: None if sum(place) % 4 == 3 else _Nested(f"{place}") for place in grid.leaves(next(grid.tiles(grid.top)))
    }

    def merged(places, start, stop):
        tree = MergeTree(grid, start, stop)
        for place in places:
            tree.add(*place, values[place])
        return tree.merged

    places = list(values)
    direct = merged(places, 0, grid.top)[0, 0]
    order.shuffle(places)
    assert merged(places, 0, grid.top)[0, 0] == direct
    upper = MergeTree(grid, level, grid.top)
    nodes = list(merged(places, 0, level).items())
    order.shuffle(nodes)
    for place, value in nodes:
        upper.add(*place, value)
    assert upper.merged[0, 0] == direct


class _Nested(str):
    __slots__ = ()

    def __add__(self, other):
        return _Nested(f"({self}+{other})")


def test_a_window_larger_than_the_scene_is_refused():
    with pytest.raises(DataError, match="window of 31 pixels is larger than the scene of 30 x 60"):
        run(Engine(), LocalContrast(window=31), [scene(0, rows=30, cols=60)])


def test_blas_threads_are_limited_while_anybody_is_inside_and_given_back_after():
    from threadpoolctl import threadpool_info

    def threads():
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    before = threads()
    inside, leave = threading.Event(), threading.Event()

    def other():
        with one_blas_thread():
            inside.set()
            leave.wait(10)

    with one_blas_thread():
        thread = threading.Thread(target=other)
        thread.start()
        inside.wait(10)
    assert set(threads()) == {1}
    leave.set()
    thread.join()
    assert threads() == before


def test_a_blas_that_is_loaded_later_is_limited_too():
    code = (
        "from hsad.engine.runners.blas import one_blas_thread\n"
        "with one_blas_thread():\n"
        "    import numpy, scipy.linalg\n"
        "    from threadpoolctl import threadpool_info\n"
        "    print({pool['num_threads'] for pool in threadpool_info() if pool['user_api'] == 'blas'})"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "{1}\n"


def test_an_error_in_a_task_ends_the_run_and_names_itself():
    class Bad(MeanDistance):
        def score(self, block, background):  # noqa: ARG002
            raise DataError(f"no such leaf: {block.origin}")

    for runner in (Memory(), Threads(2)):
        with pytest.raises(DataError, match="no such leaf"):
            run(Engine(runner, tile=16), Bad(), [scene(0)])


def test_sources_are_small_when_pickled():
    source = scene(0)
    assert pickle.loads(pickle.dumps(source)).shape == source.shape  # noqa: S301


class Counted:
    """A source that counts how often it is pickled: that is how often it is sent."""

    sent = 0

    def __init__(self, source):
        self._source = source

    def __getattr__(self, name):
        if name.startswith("__") or name == "_source":
            raise AttributeError(name)
        return getattr(self._source, name)

    def __reduce__(self):
        Counted.sent += 1
        return _the_source, (self._source,)


def _the_source(source):
    return source


@pytest.mark.long
@pytest.mark.faults
@pytest.mark.cluster
def test_what_passes_have_in_common_is_sent_to_a_cluster_once(cluster):
    source = Counted(scene(0))
    background = Engine(Cluster(cluster), tile=32).learn(RobustMean(), [source])
    assert len(background.means) > 4  # passes
    assert Counted.sent == 1


@dataclass(frozen=True)
class Watched:
    """A raster that notes how many pixels are read."""

    raster: Raster
    pixels: list[int] = field(default_factory=list, compare=False)

    def __getattr__(self, name):
        return getattr(self.raster, name)

    def read(self, rows, cols):
        self.pixels.append((rows.stop - rows.start) * (cols.stop - cols.start))
        return self.raster.read(rows, cols)


def watched(source):
    return replace(source, raster=Watched(source.raster))


def test_a_block_is_the_same_read_at_once_or_in_strips_or_in_part():
    source = scene(3)
    spectra, valid = everything(source)
    for _, block in blocks_of(Tile(0, 1, 1, 0), source, 16, 9, LeafCaches(10**6)):
        top, left = block.origin
        here = (slice(top, top + block.shape[0]), slice(left, left + block.shape[1]))
        strips = list(block.strips())
        assert np.array_equal(np.concatenate([values for _, values, _ in strips]), spectra[here])
        assert np.array_equal(block.valid, valid[here])
        near = narrowed(block, 2)
        inside = (
            slice(near.origin[0], near.origin[0] + near.shape[0]),
            slice(near.origin[1], near.origin[1] + near.shape[1]),
        )
        for _ in range(2):  # as it is, and when all of it has been looked at
            assert np.array_equal(np.concatenate([values for _, values, _ in near.strips()]), spectra[inside])
            assert np.array_equal(near.valid, valid[inside])
            assert np.array_equal(near.spectra, spectra[inside])
            assert np.array_equal(block.spectra, spectra[here])
            near = narrowed(block, 2)
        assert np.array_equal(near.pixels, np.concatenate(list(near.pieces())))


def test_what_is_remembered_is_not_read_again():
    source = watched(scene(4, rows=60, cols=70))
    detector, engine, read = Auto(outer=7, inner=3, areas=(4, 9), clutter=5), Engine(Memory()), source.raster.pixels
    background = engine.learn(detector, [source])
    assert sum(read[:2]) == 2 * 60 * 70  # moments; then what is spatial
    read.clear()
    (tile,) = engine.score(detector, source, background)
    assert not read
    fresh = list(Engine(Memory()).score(detector, source, background))
    assert read
    assert np.array_equal(fresh[0].layers, tile.layers, equal_nan=True)
