"""The synthetic scene: what it promises about itself, and that it is neither trivial nor impossible."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from sklearn.metrics import average_precision_score, roc_auc_score

import hsad
from hsad.errors import ParameterError
from hsad.scene.cube import check_cube, geo_grid
from hsad.synthetic import make_enmap, make_scene
from hsad.synthetic.fields import gaussian_field, mixtures, relief, shading
from hsad.synthetic.sensor import FINE, Sensor
from hsad.synthetic.spectra import GROUND, TARGET_MATERIALS, reflectances

SMALL = {"rows": 60, "cols": 70, "bands": 24, "target_sizes": (1, 6, 20)}


@pytest.fixture(scope="module")
def scene():
    return make_scene()


def global_rx(cube):
    """Squared Mahalanobis distances of the valid pixels over the good bands, from the definition."""
    valid = (cube.values != cube.attrs["_FillValue"]).all(axis=-1)
    x = cube.values[valid][:, cube.good_wavelength.values] * 1e-4
    x = x - x.mean(axis=0)
    inverse = np.linalg.pinv(x.T @ x / len(x), rcond=1e-12, hermitian=True)
    return valid, np.einsum("nd,de,ne->n", x, inverse, x, optimize=True)


def test_the_cube_keeps_the_contract(scene):
    cube = scene.cube
    assert check_cube(cube) is cube
    assert cube.shape == (200, 220, 120)
    assert cube.dtype == np.int16
    assert cube.wavelength.attrs["units"] == "nm"
    assert 400 < cube.wavelength.values[0] < cube.wavelength.values[-1] < 2500
    assert np.all(cube.fwhm.values == 17.5)
    assert np.all(cube.gain.values == 1e-4)
    assert cube.rio.crs.to_epsg() == 32632
    for array in (cube, scene.truth):
        assert array.spatial_ref.attrs["GeoTransform"] == "683000.0 4.0 0.0 5340000.0 0.0 -4.0"
        assert array.x.values[0] == 683002
        assert array.y.values[-1] == 5340000 - 800 + 2


def test_the_bad_bands_are_the_water_vapour_bands_and_noisy(scene):
    wavelength, good = scene.cube.wavelength.values, scene.cube.good_wavelength.values
    assert set(np.round(wavelength[~good], -2)) == {1300, 1400, 1800, 1900}
    inside = scene.cube.values[60:140, 60:160] * 1e-4
    roughness = np.abs(np.diff(inside, axis=1)).mean(axis=(0, 1))
    assert roughness[~good].max() > 10 * np.median(roughness[good])


def test_nodata_lies_in_the_corners_of_every_band(scene):
    nodata = scene.cube.values == -9999
    assert np.array_equal(nodata.any(axis=-1), nodata.all(axis=-1))
    wedge = nodata[..., 0]
    assert ndimage.label(wedge)[1] == 4
    assert wedge[[0, 0, -1, -1], [0, -1, 0, -1]].all()
    assert 0.05 < wedge.mean() < 0.25
    # As a swath of that heading: its left edge moves by tan(5°) of a column a row.
    left = np.argmin(wedge[40:160], axis=1)
    assert np.polyfit(np.arange(120), left, 1)[0] == pytest.approx(np.tan(np.radians(5)), abs=0.02)
    assert not (make_scene(**SMALL, heading=0).cube.values == -9999).any()


def test_mirrored_headings_give_mirrored_wedges():
    one, other = (make_scene(**SMALL, heading=h).cube.values[..., 0] == -9999 for h in (6, -6))
    assert np.array_equal(one, other[:, ::-1])


def test_the_table_of_targets_is_the_truth(scene):
    truth = scene.truth.values
    numbers, sizes = np.unique(truth[truth > 0], return_counts=True)
    assert list(numbers) == [t.number for t in scene.targets] == list(range(1, 21))
    assert list(sizes) == [t.size for t in scene.targets]
    assert {(t.size, t.fill, t.contrast) for t in scene.targets} == {
        (s, f, c) for s in (1, 3, 9, 25, 110) for f in (0.4, 1.0) for c in (0.5, 1.0)
    }
    assert {t.material for t in scene.targets} == set(TARGET_MATERIALS)
    assert all(truth[t.row, t.col] == t.number for t in scene.targets)
    assert not truth[scene.cube.values[..., 0] == -9999].any()


@given(seed=st.integers(0, 2**32), size=st.integers(1, 60), heading=st.floats(-20, 20))
def test_targets_are_connected_apart_and_on_data(seed, size, heading):
    scene = make_scene(60, 66, 2, seed, target_sizes=(size,), fills=(1.0,), heading=heading)
    truth = scene.truth.values
    _, objects = ndimage.label(truth, np.ones((3, 3)))
    assert objects == len(scene.targets) == 2
    # Within three pixels of a target there is no other: the largest and the smallest number agree.
    largest = ndimage.maximum_filter(truth, 7)
    smallest = ndimage.minimum_filter(np.where(truth == 0, 9, truth), 7)
    assert np.array_equal(largest[truth > 0], smallest[truth > 0])
    assert not truth[scene.cube.values[..., 0] == -9999].any()


def test_fill_and_contrast_mix_the_spectra_as_stated():
    quiet = {**SMALL, "noise_factor": 0, "variability": 0, "heading": 0}
    cubes = {
        (fill, contrast): make_scene(**quiet, fills=(fill,), contrasts=(contrast,))
        for fill in (1e-9, 0.5, 1.0)
        for contrast in (1e-9, 0.5, 1.0)
    }
    one = cubes[1.0, 1.0]
    target = one.targets[-1]
    pixels = one.truth.values == target.number
    values = {key: scene.cube.values[pixels].astype(float) for key, scene in cubes.items()}
    ground, pure, camouflaged = values[1e-9, 1.0], values[1.0, 1.0], values[1.0, 1e-9]
    # int16 storage rounds each of the three terms by up to half a unit.
    np.testing.assert_allclose(values[0.5, 1.0], (ground + pure) / 2, atol=1.01)
    np.testing.assert_allclose(values[1.0, 0.5], (pure + camouflaged) / 2, atol=1.01)
    np.testing.assert_allclose(values[0.5, 0.5], ground / 2 + camouflaged / 4 + pure / 4, atol=1.01)
    material = {target.material: TARGET_MATERIALS[target.material]}
    expected = Sensor(24, 0, 0, 0).observe(reflectances(material, FINE))[0][0]
    # Light changes the level, and the share of the sky its colour a little: the shape stays.
    assert np.corrcoef(pure.mean(axis=0), expected)[0, 1] > 0.995


def test_same_seed_same_scene_and_each_part_has_its_own_stream():
    np.random.seed(1)  # noqa: NPY002  global state must not matter
    one = make_scene(**SMALL, seed=5)
    np.random.seed(2)  # noqa: NPY002  global state must not matter
    again, noisier = make_scene(**one.parameters), make_scene(**SMALL, seed=5, noise_factor=3)
    other = make_scene(**SMALL, seed=6)
    assert np.array_equal(one.cube.values, again.cube.values)
    assert one.targets == again.targets == noisier.targets
    assert np.array_equal(one.truth.values, noisier.truth.values)
    assert not np.array_equal(one.cube.values, noisier.cube.values)
    assert one.targets != other.targets


def test_the_height_of_the_blocks_changes_nothing(monkeypatch):
    whole = make_scene(**SMALL)
    monkeypatch.setattr("hsad.synthetic.imaging._BLOCK_SAMPLES", 7 * 70 * 24)
    pieces = make_scene(**SMALL)
    # BLAS may sum in another order for another height: a rounding may flip, nothing more.
    assert np.abs(whole.cube.values.astype(int) - pieces.cube.values).max() <= 1


def test_a_rotated_grid_has_a_rotated_transform_and_no_coordinates():
    scene = make_scene(**SMALL, rotation=30, pixel_size=2)
    transform = geo_grid(scene.cube).transform
    assert "x" not in scene.cube.coords
    # One pixel to the right is 2 m, 30° to the north of east; one down is 2 m, 30° to the east of south.
    right, down = (transform.a, transform.d), (transform.b, transform.e)
    np.testing.assert_allclose(right, [np.sqrt(3), 1], atol=1e-9)
    np.testing.assert_allclose(down, [1, -np.sqrt(3)], atol=1e-9)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_global_rx_finds_most_but_not_all(seed):
    scene = make_scene(seed=seed)
    valid, scores = global_rx(scene.cube)
    positive = scene.truth.values[valid] > 0
    assert 0.88 < roc_auc_score(positive, scores) < 0.995
    assert 0.3 < average_precision_score(positive, scores) < 0.8


def test_noise_depends_on_the_band_and_scales_with_its_factor():
    def noise(factor, bands=120):
        quiet, loud = (
            make_scene(rows=40, cols=40, bands=bands, target_sizes=(1,), heading=0, noise_factor=f).cube
            for f in (0, factor)
        )
        return (loud.values.astype(float) - quiet.values).std(axis=(0, 1))[quiet.good_wavelength.values]

    single, double = noise(1), noise(2)
    np.testing.assert_allclose(double / single, 2, rtol=0.15)
    wavelength = Sensor(120, 1, 0, 0).wavelength[Sensor(120, 1, 0, 0).good_wavelength]
    assert single[wavelength > 2200].mean() > 2 * single[(wavelength > 600) & (wavelength < 900)].mean()


def test_stripes_follow_the_detector_elements():
    parameters = {**SMALL, "heading": 0, "target_sizes": (1,), "noise_factor": 0}
    plain = make_scene(**parameters).cube.values.astype(float)
    striped = make_scene(**parameters, striping=0.02).cube.values.astype(float)
    bright = plain > 1000
    ratio = np.where(bright, striped / np.where(bright, plain, 1), np.nan)
    # int16 rounds two numbers above 1000 by half a unit each.
    assert np.nanmax(np.nanstd(ratio[:, :, 2:], axis=0)) < 1e-3
    gains = np.nanmean(ratio[:, :, 2:], axis=0)
    assert np.nanstd(gains) == pytest.approx(0.02, rel=0.1)


def test_smile_moves_the_bands_at_the_edges_of_the_swath():
    sensor = Sensor(120, 0, 0, 0)
    vegetation = reflectances({"vegetation": GROUND["vegetation"]}, FINE)
    value, change = sensor.observe(vegetation)
    # Against the bands moved for good: each response formed at its shifted centre.
    from hsad.synthetic.sensor import _transmittance

    sigma = 17.5 / np.sqrt(8 * np.log(2))
    for shift in (-1.0, 0.5):
        response = np.exp(-0.5 * ((FINE - sensor.wavelength[:, None] - shift) / sigma) ** 2)
        response /= response.sum(axis=1, keepdims=True)
        moved = response @ (vegetation[0] * _transmittance()) / sensor.transmittance
        good = sensor.good_wavelength
        np.testing.assert_allclose((value + shift * change)[0, good], moved[good], atol=2e-3)
    parameters = {**SMALL, "heading": 0, "noise_factor": 0}
    plain, smiling = (make_scene(**parameters, smile=s).cube.values.astype(float) for s in (0, 1.0))
    difference = np.abs(smiling - plain).mean(axis=(0, 2))
    assert difference[[34, 35]].max() < 0.5
    assert difference[[0, -1]].min() > 5


@given(length=st.floats(0.5, 6), seed=st.integers(0, 1000))
def test_gaussian_fields_have_the_stated_correlation(length, seed):
    field = gaussian_field((256, 256), length, np.random.default_rng(seed))
    assert field.mean() == pytest.approx(0, abs=1e-4)
    assert field.std() == pytest.approx(1, abs=1e-3)
    lag = max(1, round(length))
    measured = np.mean(field * np.roll(field, lag, axis=0))
    assert measured == pytest.approx(np.exp(-(lag**2) / (4 * length**2)), abs=0.15)


def test_mixtures_are_abundances_and_water_lies_low():
    height = relief((80, 90), np.random.default_rng(0))
    abundances = mixtures(height, list(GROUND), np.random.default_rng(1))
    assert abundances.min() >= 0
    np.testing.assert_allclose(abundances.sum(axis=-1), 1, rtol=1e-5)
    water = abundances[..., list(GROUND).index("water")]
    assert np.average(height, weights=water) < height.mean() - 0.5


def test_shading_is_the_cosine_of_incidence():
    # A plane that rises 1 in 10 towards the left and so faces the right, where the sun stands at 30°.
    height = np.tile(-np.arange(12, dtype=np.float32), (9, 1))
    direct, diffuse = shading(height, np.zeros_like(height), 0.1, 30, 90)
    slope = np.arctan(0.1)
    np.testing.assert_allclose(direct, np.cos(np.radians(30) - slope) / np.cos(np.radians(30)), rtol=1e-6)
    np.testing.assert_allclose(diffuse, (1 + np.cos(slope)) / 2, rtol=1e-6)
    # Rows count downwards: a plane that falls towards larger rows faces the bottom of the grid, south.
    height = np.tile(-np.arange(12, dtype=np.float32)[:, None], (1, 9))
    sunny, _ = shading(height, np.zeros_like(height), 0.1, 30, 180)
    dark, _ = shading(height, np.zeros_like(height), 0.1, 30, 0)
    assert sunny.min() > 1 > dark.max()
    level, _ = shading(height, np.ones_like(height), 0.1, 30, 180)
    np.testing.assert_allclose(level, 1, rtol=1e-6)


def test_spectra_are_reflectances_with_their_features():
    for materials in (GROUND, TARGET_MATERIALS):
        spectra = reflectances(materials, FINE)
        assert spectra.min() >= 0
        assert spectra.max() <= 1
        assert np.abs(np.diff(spectra, axis=1)).max() < 0.02

    def at(name, *wavelengths):
        return GROUND[name](np.array(wavelengths, dtype=float))

    red, infrared, dry, wet = at("vegetation", 670, 860, 1650, 1450)
    assert (infrared - red) / (infrared + red) > 0.7
    assert wet < 0.5 * dry
    assert at("clay rock", 2207)[0] < 0.85 * at("clay rock", 2120)[0]
    assert at("carbonate rock", 2338)[0] < 0.85 * at("carbonate rock", 2250)[0]
    assert at("water", 860)[0] < at("water", 560)[0] / 3


def test_a_scene_without_targets_is_background():
    scene = make_scene(**{**SMALL, "target_sizes": ()})
    assert scene.targets == ()
    assert not scene.truth.values.any()


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"rows": 4}, "rows must be finite and at least 8, not 4"),
        ({"bands": 1}, "bands must be finite and at least 2, not 1"),
        ({"noise_factor": -1}, "noise_factor must be finite and at least 0, not -1"),
        ({"noise_factor": float("nan")}, "noise_factor must be finite and at least 0, not nan"),
        ({"pixel_size": 0}, "pixel_size must be finite and above 0, not 0"),
        ({"seed": -1}, "seed must be finite and at least 0, not -1"),
        ({"rotation": float("inf")}, "rotation must be finite, not inf"),
        ({"heading": 45}, "heading must lie between -42.3 and 42.3 degrees .* not 45"),
        ({"target_sizes": (0,)}, "target_sizes must be whole numbers of at least 1, not 0"),
        ({"target_sizes": (2.5,)}, "target_sizes must be whole numbers of at least 1, not 2.5"),
        ({"fills": (1.5,)}, "fills must lie above 0 and at most at 1, not 1.5"),
        ({"contrasts": (0,)}, "contrasts must lie above 0 and at most at 1, not 0"),
        (
            {"rows": 20, "cols": 22},
            "no room for 20 targets of 1, 3, 9, 25, 110 pixels in a scene of 20 by 22",
        ),
    ],
)
def test_bad_parameters_are_named(parameters, message):
    with pytest.raises(ParameterError, match=message):
        make_scene(**parameters)


def test_a_made_enmap_product_is_read_as_one_with_its_cloud_left_out(tmp_path):
    product = make_enmap(tmp_path, rows=60, cols=60, seed=2)
    assert sorted(path.name.rpartition("Z-")[2] for path in product.iterdir()) == [
        "METADATA.XML",
        "QL_QUALITY_CLOUD.TIF",
        "QL_QUALITY_CLOUDSHADOW.TIF",
        "SPECTRAL_IMAGE.TIF",
    ]
    with (
        rasterio.open(next(product.glob("*SPECTRAL_IMAGE.TIF"))) as image,
        rasterio.open(next(product.glob("*CLOUD.TIF"))) as layer,
    ):
        assert image.shape == layer.shape == (60, 60)
        assert image.count == 224
        assert image.res == (30, 30)
        red, cloud = image.read(30), layer.read(1) > 0
    assert red[cloud].min() > 7000 > np.quantile(red[~cloud], 0.99)
    cube = hsad.open_cube(product)
    # Clouds and shadows do not count for the percentiles of the picture.
    picture, clear = cube.hsad.rgb().values, cube.quality.values == 0
    with rasterio.open(next(product.glob("*SPECTRAL_IMAGE.TIF"))) as image:
        red = image.read(int(np.abs(cube.wavelength.values - 650).argmin()) + 1)
    low, high = np.percentile(red[clear], [2, 98])
    np.testing.assert_allclose(picture[clear][:, 0], np.clip((red[clear] - low) / (high - low), 0, 1), atol=1e-5)
    assert (picture[cloud] == 1).all()
    told = hsad.describe(cube)
    assert told["flags"]["cloud"] == pytest.approx(cloud.mean())
    assert told["valid_fraction"] <= 1 - cloud.mean() - told["flags"]["shadow"] + 1e-9
