"""The catalogue is true of the files it describes, and says what a user must know."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage
from sklearn.metrics import roc_auc_score

from hsad.catalog import fetch, get_item, items, list_items
from hsad.errors import HsadError, OutputError, ParameterError, SceneError
from hsad.manual import path_of
from hsad.synthetic import make_scene

ROOT = Path(__file__).resolve().parents[2] / "data_catalog"
FILES = sorted(ROOT.rglob("*.json"))
ITEMS = list_items()
#: Items whose files are at hand where the tests have data.
REAL = [item for item in ITEMS if item.how == "on request"]

AUC = {  # global RX, as published with the shared scenes
    "abu-airport-2": 0.8404,
    "abu-airport-4": 0.9526,
    "abu-beach-3": 0.9998,
    "abu-beach-4": 0.9887,
    "abu-urban-2-198bands": 0.9952,
    "abu-urban-2": 0.9946,
    "abu-urban-4": 0.9887,
    "abu-urban-5": 0.9692,
    "pavia-lzw": 0.9934,
    "pavia-wu": 0.9982,
    "sandiego-1": 0.8885,
    "sandiego-1-v73": 0.8885,  # the cube and the truth of sandiego-1
    "sandiego-1-vabs": 0.9055,
}


def array(folder, asset):
    """Read an array of a MATLAB file without hsad."""
    import h5py
    import scipy.io

    path = folder / asset.file
    try:
        return scipy.io.loadmat(path)[asset.variable]
    except NotImplementedError:  # version 7.3
        with h5py.File(path) as file:
            return file[asset.variable][()].T


def global_rx_auc(pixels, truth):
    """Return the AUC of the squared Mahalanobis distance, from the definitions."""
    x = pixels - pixels.mean(axis=0, dtype=float)
    inverse = np.linalg.pinv(x.T @ x / len(x), rcond=1e-12, hermitian=True)
    return roc_auc_score(truth, ((x @ inverse) * x).sum(axis=1))


def assets(item):
    return {asset.key: asset for asset in item.assets}


def test_every_file_is_linked_once_and_names_are_unique():
    names = [item.name for item in ITEMS]
    assert len(names) == len(set(names)) == 21
    assert {path.stem for path in FILES} - {"catalog", "collection"} == set(names)


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.name)
def test_items_say_what_a_user_must_know(item):
    summary = item.summary()
    json.dumps(summary)
    assert summary["defects"]
    assert summary["obtain"]
    assert summary["cube"]
    assert summary["units"]
    assert summary["bands"] or item.name == "enmap-alps"
    assert summary["wavelength_from"] < summary["wavelength_to"]
    assert summary["license"].startswith(("other: ", "MIT: ", "CC-BY-4.0: "))
    if not summary["license"].startswith("other"):
        assert summary["license_link"].startswith("https://")
    assert item.to_dict()["id"] == item.name


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.name)
def test_the_way_to_an_item_fits_its_addresses_and_what_is_known_of_them(item):
    properties = item.content["properties"]
    addresses = [asset.url for asset in item.assets]
    assert (item.how in {"download", "login"}) == all(addresses)
    assert (item.how == "made here") == ("hsad:parameters" in properties)
    assert any(addresses) == ("hsad:address_checked" in properties)
    if all(addresses):
        checked = any(asset.sha256 for asset in item.assets)
        assert checked == ("hsad:checksum_from" in properties)
        assert checked or any("no checksum is known" in defect for defect in properties["hsad:defects"])
        for address in addresses:
            assert address.startswith("https://")
    else:
        assert all(asset.sha256 for asset in item.assets) or item.how == "made here"


def test_wavelengths_of_bands_agree_with_the_stated_range():
    seen = 0
    for item in ITEMS:
        stated = item.content["properties"]["hsad:wavelengths"]
        bands = item.content["assets"]["cube"].get("bands")
        shape = assets(item)["cube"].shape
        if shape and "count" in stated:
            assert stated["count"] == shape[2]
        if bands:
            seen += 1
            centres = [band["eo:center_wavelength"] for band in bands]  # STAC states them in µm
            assert len(centres) == stated["count"]
            assert centres == sorted(centres)
            assert centres[0] * 1000 == pytest.approx(stated["from"], abs=0.051)
            assert centres[-1] * 1000 == pytest.approx(stated["to"], abs=0.051)
    assert seen == 2


def test_wavelengths_of_the_sub_image_are_those_of_its_file(data):
    item = get_item("muufl-sub")
    stored = array(data / "scenes", assets(item)["wavelengths"]).ravel()
    stated = [band["eo:center_wavelength"] for band in item.content["assets"]["cube"]["bands"]]
    np.testing.assert_allclose(stated, stored / 1000, atol=1e-4)
    campus = [band["eo:center_wavelength"] for band in get_item("muufl-campus-1").content["assets"]["cube"]["bands"]]
    np.testing.assert_allclose(campus, stored[4:-4] / 1000, atol=1e-4)  # its page: four bands left out at either end


def test_the_published_figures_are_recorded():
    assert {item.name: item.summary()["global_rx_auc"] for item in REAL} == {**AUC, "muufl-sub": None}


# --- against the files ------------------------------------------------------------------------------------


@pytest.mark.parametrize("item", REAL, ids=lambda item: item.name)
def test_items_are_true_of_their_files(item, data):
    for asset in item.assets:
        path = data / "scenes" / asset.file
        assert path.stat().st_size == asset.size
        assert hashlib.sha256(path.read_bytes()).hexdigest() == asset.sha256
        assert item.verify(path).file == asset.file
        values = array(data / "scenes", asset)
        assert (values.shape, values.dtype.name) == (asset.shape, asset.dtype)
    properties, found = item.content["properties"], assets(item)
    cube = array(data / "scenes", found["cube"])
    pixels = cube.reshape(-1, cube.shape[-1])
    if "mask" in found:
        pixels = pixels[array(data / "scenes", found["mask"]).ravel() != 0]
    distinct = len(np.unique(pixels, axis=0))
    assert properties["hsad:duplicate_pixels"] == pytest.approx(1 - distinct / len(pixels), abs=5e-4)
    if "truth" in found:
        truth = array(data / "scenes", found["truth"]) != 0
        objects = ndimage.label(truth, np.ones((3, 3)))[1]
        assert properties["hsad:truth"] == {"pixels": truth.sum(), "objects": objects}
        assert global_rx_auc(pixels, truth.ravel()) == pytest.approx(properties["hsad:global_rx_auc"], abs=5e-5)


def test_recorded_relations_between_scenes_hold(data):
    def load(name, key):
        return array(data / "scenes", assets(get_item(name))[key])

    airport, urban = load("abu-airport-2", "cube"), load("abu-urban-5", "cube")
    assert np.array_equal(airport[:, :20], urban[:, 80:])
    assert np.array_equal(load("abu-urban-2", "cube")[..., :198], load("abu-urban-2-198bands", "cube"))
    one, v73, vabs = (load(name, "cube") for name in ("sandiego-1", "sandiego-1-v73", "sandiego-1-vabs"))
    assert np.array_equal(one, v73)
    assert np.array_equal(one, vabs)
    truths = [load(name, "truth") != 0 for name in ("sandiego-1", "sandiego-1-v73", "sandiego-1-vabs")]
    assert np.array_equal(truths[0], truths[1])
    assert (truths[0] != truths[2]).sum() == 13
    wu, lzw, beach = (load(name, "truth") != 0 for name in ("pavia-wu", "pavia-lzw", "abu-beach-4"))
    assert [(lzw != beach).sum(), (lzw != wu[4:104, 5:105]).sum(), (beach != wu[4:104, 5:105]).sum()] == [
        17, 38, 33,
    ]  # fmt: skip
    pavia = load("pavia-wu", "cube")[4:104, 5:105].astype(float)
    for name in ("pavia-lzw", "abu-beach-4"):
        other = load(name, "cube")
        for band in (0, 50, 101):
            assert np.corrcoef(pavia[..., band].ravel(), other[..., band].ravel())[0, 1] == pytest.approx(1)
    assert (load("muufl-sub", "mask") == 0).sum() == 604


def test_the_synthetic_item_is_the_scene_that_its_parameters_make():
    item = get_item("synthetic-0")
    properties = item.content["properties"]
    scene = make_scene(**properties["hsad:parameters"])
    assert scene.parameters == make_scene().parameters == properties["hsad:parameters"]
    assert properties["hsad:truth"] == {
        "pixels": (scene.truth.values > 0).sum(), "objects": len(scene.targets),
    }  # fmt: skip
    assert assets(item)["cube"].shape == scene.cube.shape
    cube = scene.cube.values[..., scene.cube.good_wavelength.values]
    valid = cube[..., 0] != -9999
    auc = global_rx_auc(cube[valid], scene.truth.values[valid] > 0)
    assert auc == pytest.approx(properties["hsad:global_rx_auc"], abs=1e-3)
    transform = [float(number) for number in scene.cube.spatial_ref.attrs["GeoTransform"].split()]
    c, a, b, f, d, e = transform
    assert properties["proj:transform"] == [a, b, c, d, e, f]
    from rasterio.warp import transform as warp

    ring = item.content["geometry"]["coordinates"][0]
    x, y = warp("EPSG:4326", properties["proj:code"], *zip(*ring, strict=True))
    np.testing.assert_allclose(sorted(set(np.round(x, 2))), [c, c + 220 * a], atol=0.02)
    np.testing.assert_allclose(sorted(set(np.round(y, 2))), [f + 200 * e, f], atol=0.02)


# --- use ----------------------------------------------------------------------------------------------------


def test_unknown_names_are_answered_with_near_ones():
    with pytest.raises(ParameterError, match=r"'abu-airport' is no scene of the catalogue; did you mean abu-"):
        get_item("abu-airport")
    with pytest.raises(ParameterError, match=r"'xyz' is no scene .*; choose from synthetic-0, .*abu-airport-2"):
        get_item("xyz")


def test_the_installed_catalogue_is_found_inside_the_package(tmp_path, monkeypatch):
    package = tmp_path / "site-packages" / "hsad"
    monkeypatch.setattr(items, "__file__", str(package / "catalog" / "items.py"))
    package.mkdir(parents=True)
    with pytest.raises(SceneError, match="data_catalog: the catalogue is missing from this installation"):
        list_items()
    (package / "data_catalog").symlink_to(ROOT)
    assert [item.name for item in list_items()] == [item.name for item in ITEMS]


def test_a_broken_catalogue_is_named(tmp_path):
    with pytest.raises(SceneError, match=r"catalog.json: not a readable part"):
        list_items(tmp_path)
    (tmp_path / "catalog.json").write_text("[]")
    with pytest.raises(SceneError, match="no JSON object"):
        list_items(tmp_path)


def test_scenes_without_an_address_say_where_to_ask(tmp_path):
    with pytest.raises(HsadError, match=r"abu-beach-3: abu-beach-3.mat cannot be downloaded; obtain it from"):
        fetch("abu-beach-3", tmp_path)
    with pytest.raises(HsadError, match=r"emit-20220903: needs a login; obtain it with .*: https://.*_RFL_.*MASK_"):
        fetch("emit-20220903", tmp_path)
    assert not list(tmp_path.iterdir())


def test_verify_tells_which_file_it_is_or_that_it_is_none(tmp_path):
    item = get_item("pavia-wu")
    other = tmp_path / "pavia-wu-data.mat"
    with pytest.raises(SceneError, match="cannot be read"):
        item.verify(other)
    other.write_bytes(b"not the scene")
    with pytest.raises(SceneError, match=r"is no file of pavia-wu, whose files are pavia-wu-data.mat 177474d4"):
        item.verify(other)


def test_the_synthetic_scene_is_made_and_opens(tmp_path):
    import rasterio

    header, truth = (made.path for made in fetch("synthetic-0", tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == {
        "synthetic-0.hdr", "synthetic-0.img", "synthetic-0-truth.hdr", "synthetic-0-truth.img",
    }  # fmt: skip
    with (
        rasterio.open(header.with_suffix(".img")) as cube,
        rasterio.open(truth.with_suffix(".img")) as labels,
    ):
        assert cube.shape == labels.shape == (200, 220)
        assert cube.count == 120
        assert cube.transform == labels.transform
        assert cube.crs.to_epsg() == labels.crs.to_epsg() == 32632
        assert (labels.read(1) > 0).sum() == 592
    with pytest.raises(OutputError, match="exists already"):
        fetch("synthetic-0", tmp_path)


def test_the_page_of_the_manual_has_the_scenes_of_the_catalogue():
    script = ROOT.parent / ".ci" / "catalogue.py"
    if not script.is_file():
        pytest.skip("no clone: the script that writes the page is not part of the package")
    spec = importlib.util.spec_from_file_location("catalogue", script)
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    page = path_of("catalogue").read_text("utf-8")
    assert maker.filled(page) == page, "run: python .ci/catalogue.py"
    assert all(f"| `{item.name}` |" in page and f"- `{item.name}`: " in page for item in ITEMS)
