"""Products in HDF5 and XML with random damage: each gives a cube or one line; never a crash, a hang or huge memory."""

from __future__ import annotations

import contextlib
import tracemalloc
import warnings

import h5py
import numpy as np
import pytest
from granules import dlr, emit, neon, pace, prisma, tanager
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import hsad
from hsad.errors import HsadError, SceneError
from hsad.readers.rasters.hdf5 import open_hdf5
from hsad.readers.sensors.markup import read_xml

FAST = settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
_MOST = 64 * 2**20  # bytes that opening a file of some kilobytes may take


def metadata_of(folder):
    image = dlr.write_enmap(folder)
    return image.with_name(image.name.replace("SPECTRAL_IMAGE.TIF", "METADATA.XML"))


KINDS = {
    "xml": metadata_of,
    "emit": emit.write_cube,
    "prisma": prisma.write,
    "tanager": tanager.write,
    "neon": neon.write,
    "pace": pace.write_l2,
}


@pytest.fixture(scope="module", params=KINDS.values(), ids=KINDS)
def product(request, tmp_path_factory):
    path = request.param(tmp_path_factory.mktemp("whole"))
    hsad.open_cube(path)  # whatever is loaded once is loaded now
    return path, path.read_bytes()


@given(data=st.data())
@FAST
def test_damage_is_one_line_or_a_cube(product, data):
    path, whole = product
    content = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        kind = data.draw(st.sampled_from(["byte", "run", "cut", "repeat"]))
        if kind == "byte":
            content[place] = data.draw(st.integers(0, 255))
        elif kind == "run":
            content[place : place + 8] = data.draw(st.sampled_from([b"\xff" * 8, bytes(8), b"9" * 8]))
        elif kind == "cut":
            del content[max(1, place) :]
        else:
            content[place:place] = content[max(0, place - 16) : place]
    path.write_bytes(content)
    try:
        said, most = outcome(path)
    finally:
        path.write_bytes(whole)
    assert "\n" not in said
    assert not said or str(path.parent) in said
    assert most < 2 * _MOST


def outcome(path):
    """Open a scene and read it if it is small; return what the error says, and how much memory it took."""
    tracemalloc.start()
    said = ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            cube = hsad.open_cube(path)
            if cube.nbytes < _MOST:
                _ = cube.values
    except HsadError as error:
        said = str(error)
    finally:
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return said, most


@pytest.mark.parametrize("free, size", [(True, 0), (False, 2**64 - 16), (False, 2**64 - 48)])
def test_a_heap_without_an_end_is_refused(tmp_path, free, size):
    """A fuzzer found it: libhdf5 walks through such a heap for ever, and no time limit reaches it."""
    path = emit.write_cube(tmp_path)
    content = bytearray(path.read_bytes())
    heap = content.index(b"GCOL\x01\0\0\0")
    place = heap + 16
    while free and content[place : place + 2] != b"\0\0":  # object 0 is the free space
        place += 16 + (int.from_bytes(content[place + 8 : place + 16], "little") + 7) // 8 * 8
    content[place + 8 : place + 16] = size.to_bytes(8, "little")
    path.write_bytes(content)
    with pytest.raises(SceneError, match=rf"not a readable HDF5 file: its heap at byte {heap} is damaged"):
        hsad.open_cube(path)


@pytest.mark.parametrize("user_block", [0, 512])
@pytest.mark.parametrize("count", [2**24, 2**32 - 1])
def test_a_pointer_to_more_than_the_heap_holds_is_refused(tmp_path, user_block, count):
    """A fuzzer found it: libhdf5 takes memory for the elements before it looks whether they are there."""
    path = tmp_path / "texts.h5"
    with h5py.File(path, "w", userblock_size=user_block) as file:
        file["texts"] = np.array(["abc", "", "de" * 3000, "f"] * 300, object)
        numbers = file.create_dataset("numbers", 50, h5py.vlen_dtype("u1"))
        numbers[:] = [np.arange(i, dtype="u1") for i in range(50)]
    with open_hdf5(str(path)) as file:
        assert list(file["texts"].asstr()[:4]) == ["abc", "", "de" * 3000, "f"]
    content = bytearray(path.read_bytes())
    heap = content.index(b"GCOL\x01\0\0\0")
    pointer = content.index(b"\3\0\0\0" + (heap - user_block).to_bytes(8, "little"))
    content[pointer : pointer + 4] = count.to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(SceneError, match=rf"its heap at byte {heap} is damaged"), open_hdf5(str(path)):
        pass


@given(text=st.text(max_size=300))
@example(text="<a>" * 200_000)
@example(text="<!DOCTYPE a [<!ENTITY b 'bbbbbbbbbb'><!ENTITY c '&b;&b;&b;&b;'>]><a>&c;</a>")
@FAST
def test_any_text_is_xml_or_one_line(text, tmp_path_factory):
    path = tmp_path_factory.mktemp("xml") / "METADATA.XML"
    path.write_text(text, encoding="utf-8", errors="replace")
    with contextlib.suppress(SceneError):
        read_xml(path)
