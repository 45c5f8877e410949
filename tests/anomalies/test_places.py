"""Anomalies of scenes elsewhere: other planets, local grids, beyond 180 degrees; what GDAL reads from their files."""

from __future__ import annotations

import json

import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from affine import Affine
from rasterio.crs import CRS

import hsad
from hsad.anomalies.decide import threshold_to_file
from hsad.anomalies.opened import Scene, open_scores
from hsad.anomalies.options import ListOptions
from hsad.anomalies.vectors import read_anomalies
from hsad.cli import run
from hsad.errors import DataError, SceneWarning
from hsad.products import write_envi
from hsad.products.ortho import orthorectified
from hsad.products.stac import footprint
from hsad.scene.grid import GeoGrid
from hsad.scene.swath import GridSwath

MOON = CRS.from_wkt(
    'GEOGCS["Moon 2000",DATUM["D_Moon_2000",SPHEROID["Moon_2000_IAU_IAG",1737400,0]],'
    'PRIMEM["Reference_Meridian",0],UNIT["degree",0.0174532925199433]]'
)
LOCAL = CRS.from_wkt('LOCAL_CS["site grid",UNIT["metre",1]]')
WRONG = CRS.from_wkt(
    'PROJCS["UTM Zone 15, Northern Hemisphere",GEOGCS["GCS",DATUM["D",SPHEROID["S",6378.137,298.257]],'
    'PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],'
    'PARAMETER["latitude_of_origin",0],PARAMETER["central_meridian",-93],PARAMETER["scale_factor",0.9996],'
    'PARAMETER["false_easting",500000],PARAMETER["false_northing",0],UNIT["metre",1]]'
)
ELSEWHERE = {
    "moon": (MOON, Affine(0.001, 0, 20, 0, -0.001, 60)),
    "local": (LOCAL, Affine(0.01, 0, 5, 0, -0.01, 3)),
    "wrong": (WRONG, Affine(2, 0, 5e5, 0, -2, 4e6)),
}


def scores_file(path, crs, transform, rows=40, cols=50):
    values = np.random.default_rng(0).normal(size=(rows, cols)).astype(np.float32)
    values[10:12, 20:23] = 20 + np.arange(6).reshape(2, 3)
    with rasterio.open(
        path, "w", driver="GTiff", height=rows, width=cols, count=1, dtype="float32", crs=crs, transform=transform
    ) as dataset:
        dataset.write(values, 1)
    return values


@pytest.mark.parametrize("name", ELSEWHERE)
def test_outlines_without_a_way_to_wgs_84_are_in_the_scenes_own_coordinates(tmp_path, name):
    crs, transform = ELSEWHERE[name]
    scores_file(tmp_path / "s.tif", crs, transform)
    for suffix in ("geojson", "gpkg"):
        with pytest.warns(SceneWarning, match="no way from the CRS to longitude and latitude") as said:
            threshold_to_file(tmp_path / "s.tif", tmp_path / f"a.{suffix}", ListOptions(threshold=15.0))
        assert len(said) == 1
    document = json.loads((tmp_path / "a.geojson").read_text())
    (feature,) = document["features"]
    x, y = (value + side for value, side in zip((transform.c, transform.f), (0, 0), strict=True))
    box = shapely.box(x + 20 * transform.a, y + 12 * transform.e, x + 23 * transform.a, y + 10 * transform.e)
    assert shapely.geometry.shape(feature["geometry"]).symmetric_difference(box).area < 1e-6 * box.area
    assert (feature["properties"]["lon"], feature["properties"]["lat"]) == (None, None)
    assert "no way from its CRS to WGS 84" in document["remark"]
    for path, layer in ((tmp_path / "a.gpkg", "anomalies"), (tmp_path / "a.geojson", None)):
        meta, _, wkb, _ = pyogrio.raw.read(path, layer=layer)
        assert shapely.from_wkb(wkb)[0].symmetric_difference(box).area < 1e-6 * box.area
        read = CRS.from_user_input(meta["crs"])
        if name != "local":  # whose WKT differs by GDAL's version
            assert read.to_dict().get("R", read.to_dict().get("a")) == crs.to_dict().get("R", crs.to_dict().get("a"))
    assert footprint(GeoGrid(40, 50, crs, transform)) is None


def test_a_survey_of_a_laboratory_cube_ends_well_and_goes_back_to_envi(tmp_path, capfd):
    cube = np.random.default_rng(1).normal(size=(30, 34, 6)).astype("<f4")
    cube[12, 20] += 9
    cube.transpose(0, 2, 1).tofile(tmp_path / "lab.img")
    (tmp_path / "lab.hdr").write_text(
        "ENVI\nsamples = 34\nlines = 30\nbands = 6\nheader offset = 0\ndata type = 4\ninterleave = bil\n"
        "byte order = 0\nmap info = {Arbitrary, 1, 1, 10.0, 20.0, 0.5, 0.5, 0, units=Meters}\n"
    )
    assert run(["survey", str(tmp_path / "lab.hdr"), "-m", "rx", "-o", str(tmp_path / "out"), "-q"]) == 0
    assert capfd.readouterr().err.count("no way from the CRS") == 1
    found = read_anomalies(tmp_path / "out" / "anomalies.gpkg")[0]
    assert (found["row"], found["col"], found["lon"]) == (12, 20, None)
    assert found["area_m2"] == found["n_pixels"] * 0.25
    assert run(["convert", str(tmp_path / "lab.hdr"), str(tmp_path / "again.hdr"), "-q"]) == 0
    with rasterio.open(tmp_path / "lab.img") as before, rasterio.open(tmp_path / "again.img") as after:
        assert (after.transform, after.crs) == (before.transform, before.crs)


def test_anomalies_beyond_180_degrees_are_cut_and_found_by_their_longitude(tmp_path):
    wgs84 = CRS.from_epsg(4326)
    scores_file(tmp_path / "s.tif", wgs84, Affine(0.01, 0, 180 - 0.215, 0, -0.01, 50))
    threshold_to_file(tmp_path / "s.tif", tmp_path / "a.geojson", ListOptions(threshold=15.0))
    (feature,) = json.loads((tmp_path / "a.geojson").read_text())["features"]
    parts = shapely.geometry.shape(feature["geometry"])
    assert parts.geom_type == "MultiPolygon"
    assert parts.area == pytest.approx(6e-4)
    assert (parts.bounds[0], parts.bounds[2]) == (-180, 180)
    assert feature["properties"]["lon"] == pytest.approx(-180 + 0.01)
    scores = open_scores(tmp_path / "s.tif")
    scene = Scene.of(np.zeros((40, 50, 3)), scores.grid)
    assert scene.pixel_at(-179.99, 49.885) == (11, 22)
    outside = GeoGrid(40, 50, MOON, Affine(0.01, 0, 20, 0, -0.01, 60))
    with pytest.raises(DataError, match="no way to the CRS"):
        Scene.of(np.zeros((40, 50, 3)), outside).pixel_at(20.1, 59.9)


def test_a_rotated_scene_gives_a_north_up_result(tmp_path, capfd):
    turned = GeoGrid(40, 50, CRS.from_epsg(32633), Affine(2.4, 1.8, 5e5, 1.8, -2.4, 4e6))
    spectra = np.random.default_rng(2).normal(size=(40, 50, 3)).astype(np.float32)
    spectra[20, 30] += 12
    write_envi(turned.attach(hsad.check_cube(spectra)), tmp_path / "s.hdr")
    for name, options in {"plain": [], "upright": ["--grid", "north-up"]}.items():
        command = ["detect", str(tmp_path / "s.hdr"), "-m", "rx", "-q", "-o", str(tmp_path / f"{name}.tif"), *options]
        assert run(command) == 0
    with rasterio.open(tmp_path / "plain.tif") as plain, rasterio.open(tmp_path / "upright.tif") as upright:
        assert (upright.transform.b, upright.transform.d) == (0, 0)
        assert upright.transform.a == pytest.approx(3.0)
        assert upright.tags()["HSAD_GRID"] == "north-up"
        scores, values = plain.read(1), upright.read(1)
        row, col = upright.index(*plain.xy(20, 30))
        assert values[row, col] == scores.max() == np.nanmax(values)
        assert set(values[np.isfinite(values)].tolist()) <= set(scores.ravel().tolist())
    command = ["survey", str(tmp_path / "s.hdr"), "-m", "rx", "-q", "-o", str(tmp_path / "out"), "--grid", "north-up"]
    assert run(command) == 0, capfd.readouterr().err
    found = read_anomalies(tmp_path / "out" / "anomalies.gpkg")[0]
    assert (found["row"], found["col"]) == (row, col)
    np.testing.assert_allclose(json.loads(found["mean_spectrum"]), spectra[20, 30], rtol=1e-5)
    in_python = hsad.detect(tmp_path / "s.hdr", "rx", grid="north-up")
    np.testing.assert_array_equal(in_python.values, values)


def test_scores_that_were_turned_north_up_find_their_spectra():
    turned = GeoGrid(40, 50, CRS.from_epsg(32633), Affine(2.4, 1.8, 5e5, 1.8, -2.4, 4e6))
    spectra = np.random.default_rng(2).normal(size=(40, 50, 3)).astype(np.float32)
    cube = turned.attach(hsad.check_cube(spectra))
    for source in (turned, turned.window(slice(5, 25), slice(10, 40))):
        upright = source.north_up()
        scene = Scene.of(cube, upright)
        shown, valid = scene.spectra(slice(0, upright.rows), slice(0, upright.cols))
        expected = orthorectified(spectra, GridSwath(turned, upright))
        np.testing.assert_array_equal(valid, np.isfinite(expected[..., 0]))
        np.testing.assert_array_equal(shown.astype(np.float32), expected)
