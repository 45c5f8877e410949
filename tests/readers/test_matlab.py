"""MATLAB files as people have them: axes in other orders, matrices of bands and pixels, structs, cells and texts."""

from __future__ import annotations

import itertools
import tracemalloc
import zipfile

import h5py
import numpy as np
import pytest
import scipy.io

import hsad
from hsad.errors import ParameterError, SceneError
from hsad.readers import open_mask
from hsad.readers.matlab import numpy_files
from hsad.scene.grid import GeoGrid

VALUES = np.arange(5 * 7 * 4, dtype=np.float32).reshape(5, 7, 4)
WAVES = np.array([420.0, 500.0, 600.0, 730.0])
MAP = np.zeros((5, 7), np.uint8)


def by_h5py(path, by_matlab=False, **arrays):
    """Write a file as h5py does, with the marks of MATLAB and its order of axes if `by_matlab`."""
    with h5py.File(path, "w", userblock_size=512 if by_matlab else 0) as file:
        for name, values in arrays.items():
            file[name] = np.asarray(values).T if by_matlab else values
    if by_matlab:
        with path.open("r+b") as file:
            file.write(b"MATLAB 7.3 MAT-file, Platform: PCWIN64")


def by_scipy(path, **arrays):
    scipy.io.savemat(path, arrays)


def opened(path, **options):
    cube = hsad.open_cube(path, **options)
    return cube, " / ".join(cube.attrs["warnings"])


@pytest.mark.parametrize("write", [by_scipy, by_h5py])
@pytest.mark.parametrize(
    "order, beside",
    [
        *itertools.product([(0, 1, 2), (2, 0, 1), (0, 2, 1), (2, 1, 0), (1, 0, 2)], ["both", "map"]),
        *itertools.product([(0, 1, 2), (2, 0, 1), (0, 2, 1)], ["wavelength"]),  # rows come before columns then
    ],
)
def test_a_map_and_wavelengths_tell_the_axes(tmp_path, write, order, beside):
    others = {"wavelength": WAVES, "map": MAP}
    others = others if beside == "both" else {beside: others[beside]}
    write(
        tmp_path / "scene.mat",
        data=VALUES.transpose(order),
        **(others if beside == "both" else {beside: others[beside]}),
    )
    cube, remarks = opened(tmp_path / "scene.mat")
    np.testing.assert_array_equal(cube, VALUES)
    assert ("the axes of data" in remarks) == (order != (0, 1, 2))
    if beside != "map":
        assert cube.wavelength.values.tolist() == WAVES.tolist()


def test_what_matlab_wrote_is_in_its_order_and_what_h5py_wrote_is_in_that_of_numpy(tmp_path):
    by_h5py(tmp_path / "matlab.mat", True, data=VALUES)
    by_h5py(tmp_path / "numpy.mat", data=VALUES)
    with h5py.File(tmp_path / "storage.mat", "w") as file:
        file.create_dataset("data", data=VALUES.T).attrs["MATLAB_class"] = np.bytes_("single")
    with h5py.File(tmp_path / "mixed.mat", "w") as file:
        file.create_dataset("data", data=VALUES.T).attrs["MATLAB_class"] = np.bytes_("single")
        file["map"], file["wavelength"] = MAP.T, WAVES[None]
    for name, remarked in (("matlab", False), ("storage", False), ("mixed", False), ("numpy", True)):
        cube, remarks = opened(tmp_path / f"{name}.mat")
        np.testing.assert_array_equal(cube, VALUES)
        assert ("does not state the order of the axes" in remarks) == remarked


@pytest.mark.parametrize("write", [by_scipy, by_h5py])
@pytest.mark.parametrize("axis", [0, 1, 2, -1, -3])
def test_the_stated_axis_of_bands_overrules_what_the_file_tells(tmp_path, write, axis):
    write(tmp_path / "scene.mat", data=np.moveaxis(VALUES, 2, axis), wavelength=np.arange(300.0, 307.0))
    cube, remarks = opened(tmp_path / "scene.mat", band_axis=axis)
    np.testing.assert_array_equal(cube, VALUES)
    assert "the axes" not in remarks
    assert cube.attrs["opened_with"] == f'{{"band_axis": {axis}}}'
    assert "wavelength (7) has not one item for each of 4 bands" in remarks


def test_an_axis_that_an_array_does_not_have_is_refused(tmp_path):
    by_scipy(tmp_path / "scene.mat", data=VALUES)
    with pytest.raises(ParameterError, match=r"band_axis: data \(5×7×4\) has no axis 3"):
        hsad.open_cube(tmp_path / "scene.mat", band_axis=3)
    (tmp_path / "scene.hdr").write_text("ENVI\nsamples = 2\nlines = 1\nbands = 1\ndata type = 1\ninterleave = bsq\n")
    (tmp_path / "scene.img").write_bytes(b"\1\2")
    with pytest.raises(ParameterError, match="the format ENVI states which axis"):
        hsad.open_cube(tmp_path / "scene.hdr", band_axis=0)


def test_evidence_that_contradicts_itself_is_said(tmp_path):
    by_scipy(tmp_path / "scene.mat", data=VALUES, wavelength=np.arange(400.0, 407.0), map=MAP)
    cube, remarks = opened(tmp_path / "scene.mat")
    np.testing.assert_array_equal(cube, VALUES)
    assert "does not fit wavelength (7)" in remarks


@pytest.mark.parametrize("write", [by_scipy, lambda path, **arrays: by_h5py(path, True, **arrays)])
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("size", [{"nRow": [[5.0]], "nCol": [[7.0]]}, {"rows": [[5]], "cols": [[7]]}, {"GT": MAP}])
def test_a_matrix_of_bands_and_pixels_is_folded_as_matlab_folds_it(tmp_path, write, turned, size):
    matrix = VALUES.reshape(35, 4, order="F")  # MATLAB: reshape(cube, 35, 4)
    write(tmp_path / "scene.mat", Y=matrix if turned else matrix.T, **size, A=np.ones((3, 35)), maxValue=[[9.0]])
    cube, remarks = opened(tmp_path / "scene.mat")
    np.testing.assert_array_equal(cube, VALUES)
    assert "column by column" in remarks
    assert opened(f"{tmp_path / 'scene.mat'}:Y")[0].shape == (5, 7, 4)


def test_a_matrix_of_unknown_size_is_refused_with_what_is_missing(tmp_path):
    by_scipy(tmp_path / "scene.mat", X=np.ones((35, 4)))
    with pytest.raises(SceneError, match=r"no array of three dimensions .* nRow and nCol .* it holds X \(35×4\)"):
        hsad.open_cube(tmp_path / "scene.mat")
    by_scipy(tmp_path / "scene.mat", X=np.ones((35, 4)), nRow=np.nan, nCol=-3)
    with pytest.raises(SceneError, match="no array of three dimensions"):
        hsad.open_cube(tmp_path / "scene.mat")


def cells(*items):
    packed = np.empty((1, len(items)), object)
    for number, item in enumerate(items):
        packed[0, number] = item
    return packed


def test_cells_and_arrays_of_structs_are_read_by_the_names_that_matlab_gives_them(tmp_path):
    structs = np.array([(VALUES, "a"), (VALUES * 2, "b")], dtype=[("Data", "O"), ("Name", "O")])
    by_scipy(tmp_path / "structs.mat", hsi=structs)
    cube, remarks = opened(tmp_path / "structs.mat")
    np.testing.assert_array_equal(cube, VALUES)
    assert "2 cubes of one size: hsi(1).Data is read, not hsi(2).Data" in remarks
    np.testing.assert_array_equal(opened(f"{tmp_path / 'structs.mat'}:hsi(2).Data")[0], VALUES * 2)
    by_scipy(tmp_path / "cell.mat", parts=cells("x", VALUES, WAVES))
    cube, remarks = opened(tmp_path / "cell.mat")
    np.testing.assert_array_equal(cube, VALUES)
    assert cube.wavelength.values.tolist() == WAVES.tolist()
    assert "parts{3} is used as the wavelengths" in remarks
    by_scipy(tmp_path / "nested.mat", a={"info": {"wavelength": WAVES}, "b": cells({"Data": VALUES})})
    cube, _ = opened(f"{tmp_path / 'nested.mat'}:a.b{{1}}.Data")
    np.testing.assert_array_equal(cube, VALUES)
    by_scipy(tmp_path / "line.mat", scene={"data": VALUES[:1]})
    assert opened(tmp_path / "line.mat")[0].shape == (1, 7, 4)


def test_cells_and_structs_of_version_7_3(tmp_path):
    with h5py.File(tmp_path / "scene.mat", "w") as file:
        refs = file.create_group("#refs#")
        for name, values in {"a": VALUES.T, "b": VALUES.T * 2, "c": WAVES[:, None]}.items():
            refs.create_dataset(name, data=values).attrs["MATLAB_class"] = np.bytes_("single")
        text = np.array([[ord(letter)] for letter in "nm"], np.uint16)
        refs.create_dataset("d", data=text).attrs["MATLAB_class"] = np.bytes_("char")
        kind = h5py.ref_dtype
        cell = file.create_dataset("parts", (3, 1), kind)
        cell.attrs["MATLAB_class"] = np.bytes_("cell")
        cell[:, 0] = [refs[name].ref for name in "adc"]
        group = file.create_group("hsi")
        group.attrs["MATLAB_class"] = np.bytes_("struct")
        group.create_dataset("Data", (2, 1), kind)[:, 0] = [refs["a"].ref, refs["b"].ref]
    np.testing.assert_array_equal(opened(f"{tmp_path / 'scene.mat'}:hsi(2).Data")[0], VALUES * 2)
    cube, remarks = opened(f"{tmp_path / 'scene.mat'}:parts{{1}}")
    np.testing.assert_array_equal(cube, VALUES)
    assert cube.wavelength.values.tolist() == WAVES.tolist()
    assert "parts{3}" in remarks


def test_a_group_that_holds_itself_does_not_hang(tmp_path):
    with h5py.File(tmp_path / "scene.mat", "w") as file:
        group = file.create_group("a")
        group["b"], group["c"] = group, group
    with pytest.raises(SceneError, match=r"deep|more than"):
        hsad.open_cube(tmp_path / "scene.mat")
    with h5py.File(tmp_path / "chain.mat", "w") as file:
        group = file.create_group("a")
        for _ in range(30):  # each link leads on twice: a thousand million ways to the end
            inner = group.create_group("b")
            group["c"] = inner
            group = inner
    with pytest.raises(SceneError, match="more than 10000"):
        hsad.open_cube(tmp_path / "chain.mat")


@pytest.mark.parametrize(
    "listed, units",
    [
        (cells(*(f"{wave:.1f} nm" for wave in WAVES)), None),
        (cells(*(np.array([[wave]]) for wave in WAVES)), None),
        (np.array([f"{wave / 1000:.4f}" for wave in WAVES]), "micrometers"),
        (np.array([f"{wave:7.2f}nm" for wave in WAVES]), None),
    ],
)
def test_wavelengths_may_be_texts(tmp_path, listed, units):
    by_scipy(tmp_path / "scene.mat", data=VALUES, wavelength=listed, **({"wavelength_units": units} if units else {}))
    assert opened(tmp_path / "scene.mat")[0].wavelength.values.tolist() == pytest.approx(WAVES.tolist())


def test_leading_axes_of_one_are_left_out(tmp_path):
    by_scipy(tmp_path / "scene.mat", data=VALUES[None], wavelength=WAVES)
    np.testing.assert_array_equal(opened(tmp_path / "scene.mat")[0], VALUES)
    by_h5py(tmp_path / "seven.mat", data=VALUES[None, None], wavelength=WAVES)
    np.testing.assert_array_equal(opened(tmp_path / "seven.mat")[0], VALUES)


def test_a_map_that_h5py_wrote_fits_in_either_order(tmp_path):
    truth = np.arange(35).reshape(5, 7) % 3 == 0
    grid = GeoGrid(5, 7, None, None)
    for name, values in (("numpy", truth), ("matlab", truth.T)):
        by_h5py(tmp_path / f"{name}.mat", map=values.astype(np.uint8))
        np.testing.assert_array_equal(open_mask(tmp_path / f"{name}.mat", grid), truth)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (0, 2, 1), (2, 1, 0)])
@pytest.mark.parametrize("fortran", [False, True])
@pytest.mark.parametrize("dtype", ["<f4", ">i2", "<f8"])
def test_a_cube_of_numpy_is_read_by_its_band_axis(tmp_path, order, fortran, dtype):
    values = VALUES.astype(dtype)
    stored = values.transpose(order)
    np.save(tmp_path / "scene.npy", np.asfortranarray(stored) if fortran else np.ascontiguousarray(stored))
    expected = np.moveaxis(stored, order.index(2), 2)
    cube, remarks = opened(tmp_path / "scene.npy", band_axis=order.index(2))
    np.testing.assert_array_equal(cube, expected)
    assert (cube.dtype, remarks) == (values.dtype.newbyteorder("="), "")
    np.testing.assert_array_equal(cube.isel(y=slice(1, 3), x=slice(2, 3)), expected[1:3, 2:3])


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_archive_of_numpy_is_read_as_a_file_of_matlab_is(tmp_path, save):
    save(tmp_path / "scene.npz", cube=VALUES.transpose(2, 0, 1), wavelength=WAVES, map=MAP, names=np.array(["a", "b"]))
    cube, remarks = opened(tmp_path / "scene.npz")
    np.testing.assert_array_equal(cube, VALUES)
    assert cube.wavelength.values.tolist() == WAVES.tolist()
    assert cube.attrs["reader"] == "NumPy"
    assert "the axes of cube (4×5×7) are taken as bands, rows, columns" in remarks
    truth = np.arange(35).reshape(5, 7) % 3 == 0
    save(tmp_path / "truth.npz", gt=truth, other=VALUES)
    for name in ("truth.npz", "truth.npz:gt"):
        np.testing.assert_array_equal(open_mask(f"{tmp_path}/{name}", GeoGrid(5, 7, None, None)), truth)
    np.testing.assert_array_equal(opened(f"{tmp_path}/truth.npz:other")[0], VALUES)
    with pytest.raises(SceneError, match=r"no numeric array called 'b'; it holds gt \(5×7\), other \(5×7×4\)"):
        hsad.open_cube(f"{tmp_path}/truth.npz:b")


def npy(shape, descr="<f8", body=b""):
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header.encode() + body


@pytest.mark.parametrize(
    "content, message",
    [
        (npy((10**6, 10**6, 10)), "states 80000000000128 bytes, it has 128"),
        (npy((2, 2, -1)), "states|not a readable"),
        (npy((2, 2, 2), "|O", b"\x80\x04."), "no array of three dimensions"),
        (npy("x" * 20), "numpy"),
        (npy((2, 2, 2), body=bytes(63)), "states 192 bytes, it has 191"),
        (b"\x93NUMPY", "numpy"),
        (b"PK\3\4 no archive", "numpy"),
        (b"", "numpy"),
    ],
)
def test_damaged_files_of_numpy_are_one_line(tmp_path, content, message):
    with zipfile.ZipFile(tmp_path / "packed.npz", "w") as archive:
        archive.writestr("cube.npy", content)
    (tmp_path / "plain.npy").write_bytes(content)
    (tmp_path / "other.npz").write_bytes(content)
    for name in ("plain.npy", "packed.npz", "other.npz"):
        tracemalloc.start()
        with pytest.raises(SceneError, match=message if name != "other.npz" else "numpy") as error:
            hsad.open_cube(tmp_path / name)
        assert tracemalloc.get_traced_memory()[1] < 2**24
        tracemalloc.stop()
        assert str(error.value).startswith(str(tmp_path / name))
        assert "\n" not in str(error.value)


def test_a_small_archive_that_unpacks_to_gigabytes_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(numpy_files, "_MOST_UNPACKED", 2**20)
    np.savez_compressed(tmp_path / "scene.npz", cube=np.zeros((30, 1000, 1000), np.uint8))
    tracemalloc.start()
    with pytest.raises(SceneError, match="cube unpacks to 30000128 bytes, more than 100 times its"):
        hsad.open_cube(tmp_path / "scene.npz")
    content = bytearray((tmp_path / "scene.npz").read_bytes())
    place = content.rindex(b"PK\1\2")
    content[place + 20 : place + 24] = (1000).to_bytes(4, "little")  # packed bytes, by the directory
    (tmp_path / "scene.npz").write_bytes(content)
    with pytest.raises(SceneError, match="cube promises 30000128 bytes, 1000 cannot hold them"):
        hsad.open_cube(tmp_path / "scene.npz")
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()
