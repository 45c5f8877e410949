"""ENVI files written by plain numpy: all layouts, the spellings found in the wild, damaged ones."""

from __future__ import annotations

import gzip
import pickle
import tempfile
from pathlib import Path

import numpy as np
import pytest
import rasterio
from granules.envi import AXES, CODES, header_text, write
from hypothesis import given
from hypothesis import strategies as st

import hsad
from hsad.errors import SceneError
from hsad.readers.envi import scene as envi
from hsad.readers.envi.header import parse_header
from hsad.scene.cube import geo_grid, raster_of


def numbers(shape, dtype="i2"):
    rng = np.random.default_rng(sum(shape))
    return rng.integers(0, 120, shape).astype(dtype)


@given(
    st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(1, 5)),
    st.sampled_from(sorted(CODES)),
    st.sampled_from(sorted(AXES)),
    st.integers(0, 1),
    st.integers(0, 33),
    st.sampled_from(["", ".img", ".dat", ".raw", ".bil", ".bip", ".bsq", ".bin"]),
    st.integers(0, 3),
    st.randoms(use_true_random=False),
)
def test_any_layout_gives_back_what_numpy_wrote(shape, dtype, interleave, order, offset, suffix, excess, random):
    kind = np.dtype(dtype)
    values = np.frombuffer(random.randbytes(int(np.prod(shape)) * kind.itemsize), kind).reshape(shape)
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder), values, interleave=interleave, byte_order=order, suffix=suffix, header_offset=offset)
        data = path.with_suffix(suffix)
        data.write_bytes(data.read_bytes() + b"\0" * excess)
        for given_path in (path, data):
            cube = hsad.open_cube(given_path)
            assert cube.dtype == kind
            assert cube.attrs["interleave"] == interleave
            np.testing.assert_array_equal(cube.values, values)
        raster = raster_of(cube)
        rows, cols = slice(shape[0] // 2, shape[0]), slice(0, (shape[1] + 1) // 2)
        window = pickle.loads(pickle.dumps(raster)).read(rows, cols)  # noqa: S301  our own bytes
        assert window.flags.c_contiguous
        assert window.dtype.isnative
        np.testing.assert_array_equal(window, values[rows, cols])


@pytest.mark.parametrize("interleave", sorted(AXES))
@pytest.mark.parametrize("byte_order", [0, 1])
@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "u4", "f4", "f8"])
def test_spectral_python_and_gdal_see_the_same(tmp_path, interleave, byte_order, dtype):
    import spectral

    values = numbers((5, 4, 3), dtype)
    path = write(
        tmp_path,
        values,
        interleave=interleave,
        byte_order=byte_order,
        wavelength="{400, 500.5, 600}",
        map_info="{UTM, 1, 1, 440720, 3751320, 60, 60, 11, North, WGS-84}",
    )
    ours = hsad.open_cube(path)
    np.testing.assert_array_equal(ours.values, spectral.open_image(str(path)).open_memmap())
    with rasterio.open(path.with_suffix(".img")) as dataset:
        np.testing.assert_array_equal(ours.values, np.moveaxis(dataset.read(), 0, 2))


@pytest.mark.parametrize("interleave", sorted(AXES))
def test_frame_offsets_skip_bytes_before_and_after_each_frame(tmp_path, interleave):
    values = numbers((3, 4, 2), "i2")
    content = b"\xff" * 5
    for major in values.transpose(AXES[interleave]):
        content += b"\xee" * 3
        for minor in major:
            content += b"\xdd" * 2 + minor.tobytes() + b"\xdd"
        content += b"\xee"
    (tmp_path / "scene.img").write_bytes(content)
    keys = {"header_offset": 5, "major_frame_offsets": "{3, 1}", "minor_frame_offsets": "{2, 1}"}
    (tmp_path / "scene.hdr").write_text(header_text(values.shape, 2, interleave, **keys))
    np.testing.assert_array_equal(hsad.open_cube(tmp_path / "scene.hdr").values, values)


def test_gzip(tmp_path):
    values = numbers((4, 3, 2), "f4")
    path = write(tmp_path, values, byte_order=1, interleave="bil", header_offset=7, file_compression=1)
    data = tmp_path / "scene.img"
    data.write_bytes(gzip.compress(data.read_bytes()))
    cube = hsad.open_cube(path)
    np.testing.assert_array_equal(cube.values, values)
    assert cube.dtype.isnative
    whole = data.read_bytes()
    data.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SceneError, match=r"scene.img: the compressed file is damaged"):
        hsad.open_cube(path)
    data.write_bytes(gzip.compress(b"short"))
    with pytest.raises(SceneError, match="promises 103 bytes, uncompressed it has 5"):
        hsad.open_cube(path)
    data.write_bytes(b"no gzip")
    with pytest.raises(SceneError, match="not in gzip format"):
        hsad.open_cube(path)


ROTATIONS = [0, 90, -90, 180, 270, 45, -66, 12.345678, -0.001]


@pytest.mark.parametrize("rotation", ROTATIONS)
def test_rotation_and_crs_are_gdals(tmp_path, rotation):
    keys = {
        "map_info": "{UTM, 1.5, 2.5, 736600.089, 4078126.75, 2.7, 3.1, 12, North, WGS-84, units=Meters, "
        f"rotation={rotation}}}"
    }
    path = write(tmp_path, numbers((3, 4, 2)), **keys)
    with rasterio.open(tmp_path / "scene.img") as dataset:
        expected, crs = dataset.transform, dataset.crs
    grid = geo_grid(hsad.open_cube(path))
    assert tuple(grid.transform) == tuple(expected)
    assert grid.crs == crs
    assert crs.to_epsg() == 32612


@pytest.mark.parametrize(
    "info, epsg",
    [
        ("{Geographic Lat/Lon, 1, 1, -44.84, -22.93, 0.003, 0.003, WGS-84, units=Degrees}", 4326),
        ("{UTM, 1, 1, 440720, 3751320, 60, 60, 11, South, WGS-84}", 32711),
        ("{UTM, 1, 1, 440720, 3751320, 60, 60, 11, North, North America 1927}", 26711),
    ],
)
def test_crs_from_map_info_alone(tmp_path, info, epsg):
    cube = hsad.open_cube(write(tmp_path, numbers((2, 2, 2)), map_info=info))
    assert cube.rio.crs.to_epsg() == epsg


def test_a_pam_file_does_not_override_the_header(tmp_path):
    keys = {
        "wavelength": "{400.0, 500.0}",
        "map_info": "{UTM, 1, 1, 440720, 3751320, 60, 60, 11, North, WGS-84}",
    }
    path = write(tmp_path, numbers((2, 2, 2)), wavelength_units="nm", **keys)
    (tmp_path / "scene.img.aux.xml").write_text(
        '<PAMDataset><Metadata domain="ENVI"><MDI key="wavelength">{1.0, 2.0}</MDI></Metadata></PAMDataset>'
    )
    with rasterio.open(tmp_path / "scene.img") as dataset:
        assert dataset.tags(ns="ENVI")["wavelength"] == "{1.0, 2.0}"
    assert hsad.open_cube(path).wavelength.values.tolist() == [400, 500]


def test_an_unknown_projection_keeps_the_transform_and_says_so(tmp_path):
    cube = hsad.open_cube(write(tmp_path, numbers((2, 2, 2)), map_info="{Arbitrary, 1, 1, 10, 20, 3, 3}"))
    assert tuple(geo_grid(cube).transform)[:6] == (3, 0, 10, 0, -3, 20)
    assert cube.attrs["warnings"] == ["the map projection 'Arbitrary' is not known: its coordinates are local"]


def test_a_header_of_the_wild(tmp_path):
    values = numbers((2, 3, 3), "u2")
    (tmp_path / "scene.raw").write_bytes(values.transpose(AXES["bil"]).tobytes())
    text = (
        "ENVI\r\n"
        "; made by hand\n"
        "description ={\n  a } brace, and samples = 99 inside\n  the text}\n"
        "  Samples=3\n\tlines\t= 2\nbands = 3\n"
        "data type = 12\nInterleave = BIL\n"
        "sensor type =\n"
        "default bands = {}\n"
        "wavelengths = {\n0.4, 0.5,\n; a comment\n0.6\n}\n"
        "wavelength units = µm\n"
        "fwhm = { .01 .02\n .03 }\n"
        "bbl = {1.0, 0.0, 1.000000}\n"
        "band_names = {blue,\n green (0.5 µm), red}\n"
        "data ignore value = -9999\n"
    )
    (tmp_path / "scene.hdr").write_bytes(text.encode("latin-1"))
    cube = hsad.open_cube(tmp_path / "scene.hdr")
    np.testing.assert_array_equal(cube.values, values)
    np.testing.assert_allclose(cube.wavelength, [400, 500, 600])
    np.testing.assert_allclose(cube.fwhm, [10, 20, 30])
    assert cube.good_wavelength.values.tolist() == [True, False, True]
    assert cube.band_name.values.tolist() == ["blue", "green (0.5 µm)", "red"]
    assert "_FillValue" not in cube.attrs
    assert cube.attrs["warnings"] == [
        "the header has no 'byte order': taken as 0 (little-endian)",
        "the nodata value -9999 cannot occur in uint16 data: it is ignored",
    ]


def test_scaling_is_recorded_not_applied(tmp_path):
    values = numbers((2, 2, 2))
    plain = hsad.open_cube(write(tmp_path, values, reflectance_scale_factor=10000))
    np.testing.assert_array_equal(plain.values, values)
    np.testing.assert_allclose(plain.gain, [1e-4, 1e-4])
    assert "bias" not in plain.coords
    keys = {"data_gain_values": "{0.5, 2}", "data_offset_values": "{-1, 0}", "reflectance_scale_factor": 10}
    both = hsad.open_cube(write(tmp_path, values, name="both", **keys))
    assert (both.gain.values.tolist(), both.bias.values.tolist()) == ([0.5, 2], [-1, 0])
    assert any("'reflectance scale factor' is ignored" in remark for remark in both.attrs["warnings"])
    with pytest.raises(SceneError, match=r"'data gain values' must be a number or 2 numbers.*\(3\)"):
        hsad.open_cube(write(tmp_path, values, name="odd", data_gain_values="{1, 2, 3}"))
    with pytest.raises(SceneError, match="reflectance scale factor"):
        hsad.open_cube(write(tmp_path, values, name="zero", reflectance_scale_factor=0))


def test_nodata_is_the_number_that_is_stored(tmp_path):
    values = np.full((2, 2, 2), -3.4028235e38, dtype="f4")
    cube = hsad.open_cube(write(tmp_path, values, data_ignore_value="-3.40282e+38"))
    assert cube.attrs["_FillValue"] == np.float32(-3.40282e38)
    assert hsad.open_cube(write(tmp_path, numbers((2, 2, 2)), data_ignore_value="-50")).attrs["_FillValue"] == -50


def test_the_file_whose_size_fits_is_the_data(tmp_path):
    values = numbers((3, 3, 3))
    write(tmp_path, values, suffix=".dat")
    (tmp_path / "scene.img").write_bytes(b"\0" * 1000)
    (tmp_path / "scene").write_bytes(b"\0" * 10)
    cube = hsad.open_cube(tmp_path / "scene.hdr")
    np.testing.assert_array_equal(cube.values, values)
    assert raster_of(cube).path.endswith("scene.dat")


def test_header_named_after_the_whole_file_name(tmp_path):
    values = numbers((3, 3, 3))
    write(tmp_path, values).rename(tmp_path / "scene.img.hdr")
    for name in ("scene.img", "scene.img.hdr"):
        np.testing.assert_array_equal(hsad.open_cube(tmp_path / name).values, values)


def test_a_path_with_a_colon(tmp_path):
    folder = tmp_path / "12:30"
    folder.mkdir()
    values = numbers((3, 3, 3))
    np.testing.assert_array_equal(hsad.open_cube(write(folder, values, name="a:b")).values, values)


def test_far_too_long_a_file_is_remarked_on(tmp_path):
    path = write(tmp_path, numbers((2, 2, 2)))
    data = tmp_path / "scene.img"
    data.write_bytes(data.read_bytes() * 2 + b"\0")
    assert hsad.open_cube(path).attrs["warnings"] == ["the data file is 17 bytes longer than its header promises"]


def test_too_short_a_file_is_refused_with_both_sizes(tmp_path):
    path = write(tmp_path, numbers((4, 4, 4)))
    cube = hsad.open_cube(path)
    (tmp_path / "scene.img").write_bytes(b"\0" * 100)
    for given_path in (path, tmp_path / "scene.img"):
        with pytest.raises(SceneError, match=r"scene.img: its header promises 128 bytes, the file has 100"):
            hsad.open_cube(given_path)
    with pytest.raises(SceneError, match="promises 128 bytes, the file has 100"):
        raster_of(cube).read(slice(0, 1), slice(0, 1))
    (tmp_path / "scene.img").unlink()
    with pytest.raises(SceneError, match=r"scene.hdr: no data file beside the ENVI header"):
        hsad.open_cube(path)
    with pytest.raises(SceneError, match=r"scene.img"):
        raster_of(cube).read(slice(0, 1), slice(0, 1))


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("interleave = bsq", "interleave = bqs", "'interleave = bqs' is not one of bsq, bil, bip"),
        ("interleave = bsq", "", "no 'interleave'"),
        ("data type = 2", "data type = 7", "'data type = 7' is not one of 1, 2, 3"),
        ("data type = 2", "data type = 6", "complex"),
        ("data type = 2", "data type = two", "'data type = two' is not a whole number"),
        ("samples = 2", "samples = 0", "'samples = 0' is not a whole number of at least 1"),
        ("samples = 2", "samples = -2", "'samples = -2'"),
        ("lines = 2", "", "has no 'lines'"),
        ("byte order = 0", "byte order = 2", "'byte order = 2' is not 0"),
        ("byte order = 0", "byte order = 0\nheader offset = -1", "'header offset = -1'"),
        ("byte order = 0", "byte order = 0\nsamples = 3", "'samples' occurs twice, as 2 and as 3"),
        ("byte order = 0", "byte order = 0\nwavelength = {1, 2", "'wavelength' has no closing brace"),
        ("byte order = 0", "byte order = 0\nfile type = ENVI Spectral Library", "spectral library"),
        ("byte order = 0", "byte order = 0\nmajor frame offsets = {1}", "'major frame offsets' must be two"),
    ],
)
def test_contradictory_headers_are_refused_in_one_line(tmp_path, old, new, message):
    path = write(tmp_path, numbers((2, 2, 2)))
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(SceneError, match=r"scene\.(hdr|img): ") as error:
        hsad.open_cube(path)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_classification_is_a_cube_with_a_remark(tmp_path):
    cube = hsad.open_cube(write(tmp_path, numbers((2, 2, 1), "u1"), file_type="ENVI Classification"))
    assert cube.attrs["warnings"] == ["the file is a classification: its numbers are classes, not spectra"]


@given(st.text(max_size=200))
def test_any_text_parses_or_is_refused(text):
    try:
        header = parse_header(f"ENVI\n{text}", Path("scene.hdr"))
    except SceneError:
        return
    assert all(isinstance(value, str) for value in header.values.values())


def test_variables_are_for_files_that_have_them(tmp_path):
    with pytest.raises(SceneError, match="no variables"):
        envi.read(write(tmp_path, numbers((2, 2, 2))), "data")
