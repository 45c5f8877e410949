"""A small scene in memory gives the same windows as its file, and reads that once."""

from __future__ import annotations

import numpy as np
import pytest

import hsad
from hsad.engine import held as module
from hsad.engine.held import held
from hsad.engine.source import source_of
from hsad.products import write_envi


@pytest.fixture
def source(tmp_path):
    scene = hsad.make_scene(rows=40, cols=50, bands=12, target_sizes=[1, 4], seed=4).cube
    write_envi(scene, tmp_path / "s.hdr")
    cube = hsad.open_cube(tmp_path / "s.hdr")
    return source_of(cube, chosen=np.arange(12) % 3 != 0, window=(slice(5, 40), slice(10, 50)))


def test_windows_are_the_same_bit_for_bit(source):
    near = held(source)
    for rows, cols in ((slice(0, 35), slice(0, 40)), (slice(3, 4), slice(7, 19)), (slice(30, 35), slice(39, 40))):
        stored, expected = near.read(rows, cols), source.read(rows, cols)
        assert stored.dtype == expected.dtype
        assert stored.tobytes() == expected.tobytes()
        for one, other in zip(near.spectra(stored, rows, cols), source.spectra(expected, rows, cols), strict=True):
            np.testing.assert_array_equal(one, other)


def test_the_file_is_read_once_and_a_window_is_a_copy(source, monkeypatch):
    near = held(source)
    first = near.read(slice(0, 2), slice(0, 2))
    monkeypatch.setattr(type(source.raster), "read", None)
    again = near.read(slice(0, 2), slice(0, 2))
    again[:] = 0
    assert near.read(slice(0, 2), slice(0, 2)).tobytes() == first.tobytes()


def test_a_large_scene_stays_in_its_file(source, monkeypatch):
    monkeypatch.setattr(module, "HELD_BYTES", 40 * 50 * 12)
    assert held(source) is source
