"""Scenes in several images: pages of a TIFF, files of a folder, members of an archive."""

import tarfile
import zipfile

import numpy as np
import pytest
import rasterio

import hsad
from hsad.errors import SceneError

PIL = pytest.importorskip("PIL.Image")
SHAPE = (9, 11)
BANDS = 12
VALUES = np.random.default_rng(5).integers(1, 4000, (*SHAPE, BANDS)).astype(np.uint16)
PLACE = {"crs": "EPSG:32633", "transform": rasterio.Affine(10, 0, 500000, 0, -10, 4000500)}


def refused(path):
    with pytest.raises(SceneError) as error:
        hsad.open_cube(path)
    assert "\n" not in str(error.value)
    return str(error.value)


def write_pages(path, arrays, **options):
    pages = [PIL.fromarray(array) for array in arrays]
    pages[0].save(path, save_all=True, append_images=pages[1:], **options)
    return path


def band(path, values, **profile):
    profile = {**PLACE, **profile}
    with rasterio.open(
        path, "w", driver="GTiff", height=values.shape[0], width=values.shape[1], count=1, dtype=values.dtype, **profile
    ) as dataset:
        dataset.write(values, 1)
    return path


# --- pages


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "int32"])
@pytest.mark.parametrize("options", [{}, {"compression": "tiff_lzw"}, {"compression": "tiff_adobe_deflate"}])
def test_pages_of_one_size_and_type_are_bands(tmp_path, dtype, options):
    values = (VALUES % 250).astype(dtype)
    path = write_pages(tmp_path / "scene.tif", [values[:, :, number] for number in range(BANDS)], **options)
    cube = hsad.open_cube(path)
    np.testing.assert_array_equal(cube.values, values)
    np.testing.assert_array_equal(hsad.detect(path, "rx").values, hsad.detect(values, "rx"))


def test_pages_with_wavelengths_in_their_descriptions(tmp_path):
    from PIL import TiffImagePlugin

    def tags(number):
        found = TiffImagePlugin.ImageFileDirectory_v2()
        found[270] = f"band at {400.5 + number} nm"
        return found

    pages = [PIL.fromarray(VALUES[:, :, number]) for number in range(3)]
    with TiffImagePlugin.AppendingTiffWriter(str(tmp_path / "scene.tif"), True) as file:
        for number, page in enumerate(pages):
            page.encoderinfo = {"tiffinfo": tags(number)}
            page.save(file, format="TIFF", tiffinfo=tags(number))
            file.newFrame()
    np.testing.assert_allclose(hsad.open_cube(tmp_path / "scene.tif").wavelength, [400.5, 401.5, 402.5])


@pytest.mark.parametrize("other", [VALUES[:4, :, 0], VALUES[:, :, 0].astype(np.float32)])
def test_pages_of_several_sizes_or_types_are_refused_with_both(tmp_path, other):
    said = refused(write_pages(tmp_path / "scene.tif", [VALUES[:, :, 0], VALUES[:, :, 1], other]))
    assert "page 1 is 9×11 uint16, page 3 is " in said
    assert "scene.tif: " in said


def test_a_page_beside_a_whole_cube_is_said(tmp_path):
    shape = {"driver": "GTiff", "height": SHAPE[0], "width": SHAPE[1], "dtype": "uint16", **PLACE}
    with rasterio.open(tmp_path / "scene.tif", "w", count=BANDS, **shape) as dataset:
        dataset.write(VALUES.transpose(2, 0, 1))
    with rasterio.open(tmp_path / "scene.tif", "w", count=3, APPEND_SUBDATASET="YES", **shape) as dataset:
        dataset.write(VALUES[:, :, :3].transpose(2, 0, 1))
    cube = hsad.open_cube(tmp_path / "scene.tif")
    np.testing.assert_array_equal(cube.values, VALUES)
    assert cube.attrs["warnings"] == ["only the first of 2 pages is read: the others are not of its size and type"]


def test_overviews_and_masks_are_no_pages(tmp_path):
    path = band(tmp_path / "scene.tif", np.tile(VALUES[:, :, 0], (60, 60)))
    with rasterio.open(path, "r+") as dataset:
        dataset.build_overviews([2, 4])
    assert hsad.open_cube(path).shape == (540, 660, 1)


# --- folders of images


@pytest.mark.parametrize(
    "names, expected",
    [
        ([f"x_ms_{number + 1}.png" for number in range(BANDS)], None),
        ([f"scene_{400 + 100 * number}nm.png" for number in range(BANDS)], 400 + 100 * np.arange(BANDS)),
        ([f"R {0.4 + number / 10:.2f} um.png" for number in range(BANDS)], 400 + 100 * np.arange(BANDS)),
        ([f"{400.5 + 100 * number}.png" for number in range(BANDS)], 400.5 + 100 * np.arange(BANDS)),
    ],
)
def test_a_folder_of_images_is_a_cube_in_the_natural_order_of_the_names(tmp_path, names, expected):
    for number, file in enumerate(names):
        PIL.fromarray(VALUES[:, :, number]).save(tmp_path / file)
    cube = hsad.open_cube(tmp_path)
    np.testing.assert_array_equal(cube.values, VALUES)
    if expected is None:
        assert "wavelength" not in cube.coords
    else:
        np.testing.assert_allclose(cube.wavelength, expected)


def test_a_folder_of_geotiffs_keeps_place_scale_and_the_nodata_value_of_each(tmp_path):
    values = VALUES.astype(np.int16)
    values[0, 0, 2], values[1, 1, 3], values[2, 2, 4] = -1, -2, -1
    for number in range(BANDS):
        band(tmp_path / f"S2_B{number + 1:02d}.tif", values[:, :, number], nodata=-2 if number == 3 else -1)
    cube = hsad.open_cube(tmp_path)
    assert (cube.rio.crs.to_epsg(), cube.rio.transform()) == (32633, PLACE["transform"])
    scores = hsad.detect(tmp_path, "rx").values
    assert np.argwhere(np.isnan(scores)).tolist() == [[0, 0], [1, 1], [2, 2]]


def test_images_of_several_sizes_or_places_are_refused_with_both_names(tmp_path):
    band(tmp_path / "b1.tif", VALUES[:, :, 0])
    band(tmp_path / "b2.tif", VALUES[:, :, 1], transform=rasterio.Affine(10, 0, 500010, 0, -10, 4000500))
    assert refused(tmp_path).endswith("b2 does not lie where b1 lies")
    band(tmp_path / "b2.tif", VALUES[:5, :, 1])
    assert "b1 is 9×11 uint16, b2 is 5×11 uint16" in refused(tmp_path)


# --- archives


def write_envi(folder):
    VALUES.transpose(0, 2, 1).tofile(folder / "x.img")
    lines = ["ENVI", "lines = 9", "samples = 11", f"bands = {BANDS}", "interleave = bil", "data type = 12"]
    lines += ["header offset = 0", "byte order = 0", "data ignore value = 3", "reflectance scale factor = 10000"]
    wavelengths = ", ".join(str(400 + 100 * number) for number in range(BANDS))
    lines += [f"wavelength = {{{wavelengths}}}", "wavelength units = Nanometers"]
    (folder / "x.hdr").write_text("\n".join(lines))
    return folder / "x.img", folder / "x.hdr"


def write_tiff(folder):
    with rasterio.open(
        folder / "x.tif", "w", driver="GTiff", height=9, width=11, count=BANDS, dtype="uint16", nodata=3, **PLACE
    ) as dataset:
        dataset.write(VALUES.transpose(2, 0, 1))
    return (folder / "x.tif",)


def pack(path, members, folder="deep/in side"):
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for member in members:
                archive.write(member, f"{folder}/{member.name}")
    else:
        with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as archive:
            for member in members:
                archive.add(member, f"{folder}/{member.name}")
    return path


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz", ".tgz"])
@pytest.mark.parametrize("write", [write_tiff, write_envi])
def test_the_only_image_of_an_archive_is_read_in_place(tmp_path, suffix, write):
    (tmp_path / "raw").mkdir()
    members = write(tmp_path / "raw")
    path = pack(tmp_path / f"a scene {{1}}{suffix}", members)
    cube, plain = hsad.open_cube(path), hsad.open_cube(members[0])
    np.testing.assert_array_equal(cube.values, VALUES)
    assert cube.attrs["source"] == str(path)
    np.testing.assert_array_equal(hsad.detect(path, "rx").values, hsad.detect(plain, "rx").values)
    assert cube.rio.transform() == plain.rio.transform()
    if write is write_envi:
        np.testing.assert_allclose(cube.wavelength, plain.wavelength)
        np.testing.assert_allclose(cube.gain, plain.gain)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted([path.name, "raw"])


def test_what_cannot_be_read_in_place_is_named(tmp_path):
    (tmp_path / "ENMAP01-METADATA.XML").write_text("<xml/>")
    (tmp_path / "readme.txt").write_text("nothing")
    members = [*write_tiff(tmp_path), tmp_path / "ENMAP01-METADATA.XML"]
    said = refused(pack(tmp_path / "product.zip", members, "p"))
    assert "unpack it: p/x.tif, p/ENMAP01-METADATA.XML" in said
    assert "unpack it: p/readme.txt" in refused(pack(tmp_path / "text.tar", [tmp_path / "readme.txt"], "p"))
    two = pack(tmp_path / "two.zip", [*write_tiff(tmp_path), *write_envi(tmp_path)], "p")
    assert "an archive with 2 images" in refused(two)
    np.testing.assert_array_equal(hsad.open_cube(f"{two}:p/x.tif").values, VALUES)
    assert "no member 'y.tif' in the archive" in refused(f"{two}:y.tif")


@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x.tar.gz", "x.tgz"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", b"\x1f\x8b\x08 broken", bytes(700)])
def test_damaged_archives_are_one_line(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert name in refused(tmp_path / name)
