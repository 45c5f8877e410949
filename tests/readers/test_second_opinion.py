"""Our readers beside hyperproc's, whose authors checked them against real granules: the same files, the same numbers.

hyperproc needs Python 3.12: where it cannot be imported, these tests are left out. ``pip install hyperproc==0.1.2`` in
an environment of such a Python, then ``pytest tests/readers/test_second_opinion.py``.
"""

from __future__ import annotations

import warnings
from functools import partial

import numpy as np
import pytest
from granules import aviris, dlr, emit, pace, prisma, tanager

import hsad
from hsad.scene.cube import geo_grid, nodata
from hsad.scene.swath import swath_of

try:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import hyperproc
except (ImportError, SyntaxError) as error:  # of which the second is what it is on Python 3.11
    pytest.skip(f"hyperproc cannot be imported: {error}", allow_module_level=True)

pytestmark = pytest.mark.filterwarnings("ignore")  # what it does with the xarray that is there is theirs to mend


def aviris_5(folder):
    """Write a netCDF of AVIRIS-3's layout under a name of AVIRIS-5: hyperproc reads netCDF of the latter only."""
    return aviris.write_netcdf(folder).rename(folder / "AV520250508t173511_000_L2A_RFL_ORT.nc")


BARE = {"angles": False, "extras": False}  # of PRISMA: what our small files do not hold
KINDS = {
    "enmap-l1c": (partial(dlr.write_enmap, level="L1C"), {}),
    "enmap-l2a": (dlr.write_enmap, {}),
    "desis-l2a": (dlr.write_desis, {}),
    "emit-l1b": (partial(emit.write_cube, kind="RAD"), {"ortho": False}),
    "emit-l2a": (emit.write_cube, {"ortho": False}),
    "prisma-l1": (partial(prisma.write, level="L1"), BARE),
    "prisma-l2c": (partial(prisma.write, level="L2C"), BARE),
    "prisma-l2d": (prisma.write, BARE),
    "tanager": (tanager.write, {}),
    "pace-l1b": (pace.write_l1b, {}),
    "pace-l2": (pace.write_l2, {}),
    "aviris-5": (aviris_5, {"product": "reflectance"}),
    "aviris-ng": (aviris.write_ng, {}),
}


def physical(cube):
    """Return physical values, NaN where a number is nodata."""
    fill = nodata(cube)
    values = cube.values.astype(np.float64)
    missing = np.isnan(values) if fill is None else values == np.asarray(fill).astype(cube.dtype)
    values = values * cube.coords.get("gain", 1.0).values if "gain" in cube.coords else values
    values = values + cube.coords["bias"].values if "bias" in cube.coords else values
    return np.where(missing, np.nan, values)


@pytest.mark.parametrize("kind", KINDS)
def test_values_and_wavelengths_agree(tmp_path, kind):
    write, options = KINDS[kind]
    path = write(tmp_path)
    ours = hsad.open_cube(path)
    theirs = hyperproc.open(path, **options)
    theirs = theirs[hyperproc.main_var(theirs)].transpose("y", "x", "wavelength")
    wavelengths = np.asarray(theirs.wavelength, np.float64)
    places = [int(np.abs(ours.wavelength.values - centre).argmin()) for centre in wavelengths]
    assert len(set(places)) == len(wavelengths)
    np.testing.assert_allclose(ours.wavelength.values[places], wavelengths, rtol=1e-6)
    np.testing.assert_allclose(physical(ours)[..., places], theirs.values, rtol=2e-6)  # theirs are float32


@pytest.mark.parametrize("kind", ["enmap-l2a", "desis-l2a", "prisma-l2d", "tanager", "aviris-5", "aviris-ng"])
def test_maps_agree(tmp_path, kind):
    write, options = KINDS[kind]
    path = write(tmp_path)
    theirs = hyperproc.open(path, **options)
    grid = geo_grid(hsad.open_cube(path))
    np.testing.assert_allclose(grid.transform.to_gdal(), theirs.attrs["transform"], rtol=1e-12, atol=1e-9)


def test_the_lookup_table_of_emit_agrees(tmp_path):
    x, y = emit.lookup()
    x[1, 1], y[1, 1] = 0, 0
    path = emit.write_cube(tmp_path, glt=(x, y))
    theirs = hyperproc.open(path)  # on the map
    theirs = theirs[hyperproc.main_var(theirs)].transpose("y", "x", "wavelength").values[..., 0]
    ours = hsad.open_cube(path)
    line, sample = swath_of(ours).lookup(slice(0, len(x)))
    np.testing.assert_allclose(np.where(line < 0, np.nan, physical(ours)[line, sample, 0]), theirs, rtol=2e-6)


def test_quality_layers_agree(tmp_path):
    path = dlr.write_enmap(tmp_path)
    theirs = hyperproc.open(path)
    ours = hsad.open_cube(path)
    bits = dict(zip(ours.quality.attrs["flag_meanings"].split(), ours.quality.attrs["flag_masks"], strict=True))
    for flag, name in (
        ("cloud", "cloud"),
        ("shadow", "cloudshadow"),
        ("cirrus", "cirrus"),
        ("haze", "haze"),
        ("snow", "snow"),
    ):
        np.testing.assert_array_equal((ours.quality.values & bits[flag]) != 0, theirs[name].values.astype(bool))


def test_their_cubes_are_scenes(tmp_path):
    path = dlr.write_enmap(tmp_path, layers=False)
    theirs = hyperproc.open(path)
    scores = hsad.detect(theirs[hyperproc.main_var(theirs)], "rx", covariance="ridge", bands="400-1000,2400")
    np.testing.assert_array_equal(np.isnan(scores), np.isnan(hsad.detect(path, "rx", covariance="ridge")))
    assert np.isfinite(scores.values[:4]).all()
