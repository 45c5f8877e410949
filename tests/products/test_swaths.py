"""Results of a sensor's grid on a map: through lookup tables and through latitudes; quality options of a run."""

from __future__ import annotations

import json

import numpy as np
import pytest
from granules import COLS, ROWS, dlr, emit, pace
from processes import hsad as command

import hsad
from hsad.errors import DataError, ParameterError
from hsad.gdal import open_dataset
from hsad.job.files import detect_to_file
from hsad.scene.cube import GeoGrid
from hsad.scene.swath import PointSwath, swath_of, swath_window

RX = {"method": "rx", "covariance": "ridge"}


def read(path):
    with open_dataset(str(path)) as dataset:
        return dataset.read(1), dataset.crs, dataset.transform, dataset.tags()


def by_hand(scores, glt):
    """Return scores on the map, cell by cell."""
    x, y = glt
    result = np.full(x.shape, np.nan)
    for place in np.ndindex(x.shape):
        if x[place] and y[place]:
            result[place] = scores[abs(y[place]) - 1, abs(x[place]) - 1]
    return result


def test_files_are_on_the_map_and_arrays_on_the_sensors_grid(tmp_path):
    emit.write_mask(tmp_path)
    scene = emit.write_cube(tmp_path)
    on_sensor = hsad.detect(scene, **RX)
    assert on_sensor.shape == (ROWS, COLS)
    assert on_sensor.rio.crs is None
    detect_to_file(scene, tmp_path / "map.tif", **RX)
    values, crs, transform, tags = read(tmp_path / "map.tif")
    np.testing.assert_allclose(values, by_hand(on_sensor.values, emit.lookup()), rtol=1e-6)
    assert (crs.to_epsg(), transform.to_gdal()) == (4326, tuple(emit.GEOTRANSFORM))
    assert (tags["HSAD_GRID"], tags["HSAD_MASK_FLAGS"]) == ("map", "cloud,cirrus,dilated_cloud,spacecraft")
    assert not list(tmp_path.glob("*.unfinished"))

    on_map = hsad.detect(scene, grid="map", **RX)
    np.testing.assert_array_equal(on_map, values)
    assert tuple(on_map.rio.transform()) == tuple(transform)

    detect_to_file(scene, tmp_path / "sensor.tif", grid="sensor", **RX)
    values, crs, _, tags = read(tmp_path / "sensor.tif")
    np.testing.assert_array_equal(values, on_sensor.values)
    assert crs is None
    assert "HSAD_GRID" not in tags


def test_filled_cells_show_the_pixel_they_were_filled_with(tmp_path):
    x, y = emit.lookup()
    x[1, 1:3], y[1, 1:3] = (-x[1, 2], x[1, 2]), (-y[1, 2], y[1, 2])
    scene = emit.write_cube(tmp_path, glt=(x, y))
    detect_to_file(scene, tmp_path / "map.tif", **RX)
    values = read(tmp_path / "map.tif")[0]
    assert values[1, 1] == values[1, 2]
    np.testing.assert_allclose(values, by_hand(hsad.detect(scene, **RX).values, (x, y)), rtol=1e-6)


def test_a_window_takes_its_part_of_the_map(tmp_path):
    scene = emit.write_cube(tmp_path)
    region = {"region": "1:4,0:3", **RX}
    detect_to_file(scene, tmp_path / "part.tif", **region)
    values, _, transform, _ = read(tmp_path / "part.tif")
    # The table mirrors columns: columns 0 to 2 of the grid are seen in columns 2 to 4 of the map, rows in 2 to 4.
    np.testing.assert_array_equal(values, hsad.detect(scene, **region).values[:, ::-1])
    assert transform.to_gdal() == (10 + 2 * 0.5, 0.5, 0, 50 - 2 * 0.25, 0, -0.25)


def test_a_box_on_the_map_is_a_window_of_the_grid(tmp_path):
    scene = emit.write_cube(tmp_path)
    # Columns 2 and 3, rows 2 to 4 of the map: columns 2 and 1 and rows 1 to 3 of the grid.
    box = hsad.detect(scene, bbox="11.0,48.75,12.0,49.5", **RX)
    np.testing.assert_array_equal(box, hsad.detect(scene, region="1:4,1:3", **RX))
    with pytest.raises(DataError, match="holds no pixel of the scene"):
        hsad.detect(scene, bbox="10.0,49.75,10.5,50.0", **RX)


def test_a_window_that_is_seen_nowhere(tmp_path):
    x, y = emit.lookup()
    x[x == 1] = 0
    swath = swath_of(hsad.open_cube(emit.write_cube(tmp_path, glt=(x, y))))
    with pytest.raises(DataError, match="columns 0:1 are seen nowhere on the map"):
        swath_window(swath, slice(0, ROWS), slice(0, 1))


def test_grid_options_that_cannot_be(tmp_path):
    scene = emit.write_cube(tmp_path)
    with pytest.raises(ParameterError, match="grid: 'globe': choose from map, sensor"):
        hsad.detect(scene, grid="globe", **RX)
    with pytest.raises(ParameterError, match="'map': the scene says nowhere"):
        hsad.detect(np.zeros((5, 5, 2)), grid="map", **RX)
    with pytest.raises(ParameterError, match="compute=False gives none"):
        hsad.detect(scene, grid="map", compute=False, **RX)


def test_an_error_after_the_scores_leaves_nothing(tmp_path, monkeypatch):
    from hsad.products import ortho

    def fail(*_):
        raise OSError(28, "No space left on device")

    scene = emit.write_cube(tmp_path)
    monkeypatch.setattr(ortho, "_gathered", fail)
    with pytest.raises(hsad.errors.OutputError, match="No space left"):
        detect_to_file(scene, tmp_path / "map.tif", **RX)
    assert not (tmp_path / "map.tif").exists()
    monkeypatch.undo()
    detect_to_file(scene, tmp_path / "map.tif", **RX)  # goes on with what was scored


@pytest.mark.parametrize("write", [emit.write_cube, pace.write_l2], ids=["table", "points"])
def test_an_envi_file_is_on_the_map_too(tmp_path, write):
    scene = write(tmp_path)
    detect_to_file(scene, tmp_path / "map.tif", **RX)
    detect_to_file(scene, tmp_path / "map.img", **RX)
    values, crs, transform, _ = read(tmp_path / "map.tif")
    again, crs_again, transform_again, _ = read(tmp_path / "map.img")
    np.testing.assert_array_equal(again, values)
    assert np.isnan(again).any()  # voids
    assert crs_again == crs
    np.testing.assert_allclose(tuple(transform_again), tuple(transform), rtol=1e-12)
    detect_to_file(scene, tmp_path / "sensor.img", grid="sensor", **RX)
    np.testing.assert_array_equal(read(tmp_path / "sensor.img")[0], hsad.detect(scene, **RX))


# --- latitudes and longitudes


class Rows:
    """A layer in memory."""

    def __init__(self, values):
        self.values = values
        self.shape = values.shape

    def read(self, rows):
        return self.values[rows]

    def __hash__(self):
        return id(self)


def rotated(rows=60, cols=40, angle=0.4, spacing=30.0):
    """Return latitudes and longitudes of a grid turned in UTM zone 33, and its coordinates there."""
    from rasterio.warp import transform

    row, col = np.indices((rows, cols)).astype(float)
    x = 500000 + spacing * (col * np.cos(angle) + row * np.sin(angle))
    y = 5500000 + spacing * (col * np.sin(angle) - row * np.cos(angle))
    lon, lat = transform("EPSG:32633", "EPSG:4326", x.ravel(), y.ravel())
    return np.reshape(lat, x.shape), np.reshape(lon, x.shape), x, y


def test_the_nearest_pixel_is_seen():
    lat, lon, x, y = rotated()
    swath = PointSwath(Rows(lat), Rows(lon), "scene")
    assert swath.grid.crs.to_epsg() == 32633
    np.testing.assert_allclose(swath.grid.transform.a, 30, rtol=1e-3)
    line, sample = swath.lookup(slice(0, swath.grid.rows))
    col, row = np.meshgrid(np.arange(swath.grid.cols) + 0.5, np.arange(swath.grid.rows) + 0.5)
    east = swath.grid.transform.c + col * swath.grid.transform.a
    north = swath.grid.transform.f + row * swath.grid.transform.e
    distance = np.hypot(east[..., None] - x.ravel(), north[..., None] - y.ravel())
    seen = line >= 0
    np.testing.assert_array_equal((line * 40 + sample)[seen], distance.argmin(axis=2)[seen])
    assert (distance.min(axis=2)[~seen] > 20).all()  # half a diagonal of a pixel: no hole within
    assert len(np.unique((line * 40 + sample)[seen])) > 0.9 * lat.size
    # Strips agree with the whole.
    np.testing.assert_array_equal(swath.lookup(slice(7, 19))[1], sample[7:19])


def test_a_swath_across_half_a_continent_is_in_degrees():
    lat, lon = 60 - 0.1 * np.indices((30, 300))[0], -10 + 0.1 * np.indices((30, 300))[1]
    swath = PointSwath(Rows(lat), Rows(lon), "scene")
    assert swath.grid.crs.to_epsg() == 4326
    assert swath.grid.transform.a == pytest.approx(0.1)


def test_places_that_are_none_are_left_out():
    lat, lon, *_ = rotated()
    lat[:5], lon[:5] = -9999, -9999
    lat[5], lon[5] = 0, 0
    lat[6, 0] = np.nan
    swath = PointSwath(Rows(lat), Rows(lon), "scene")
    line, _ = swath.lookup(slice(0, swath.grid.rows))
    assert set(np.unique(line)) == {-1, *range(6, 60)}
    nowhere = PointSwath(Rows(np.full((4, 4), np.nan)), Rows(lon[:4, :4]), "scene")
    assert not nowhere.is_located
    with pytest.raises(hsad.errors.SceneError, match="scene: its latitudes and longitudes place no pixels"):
        _ = nowhere.grid


def test_places_that_cannot_be_are_named():
    lat, lon, *_ = rotated(400, 400, spacing=0.01)
    lat[0, 0], lon[0, 0] = 48.0, 17.0
    with pytest.raises(hsad.errors.SceneError, match="scene: its latitudes and longitudes span a map of"):
        _ = PointSwath(Rows(lat), Rows(lon), "scene").grid


def test_pace_on_a_map(tmp_path):
    scene = pace.write_l2(tmp_path)
    detect_to_file(scene, tmp_path / "map.tif", **RX)
    values, crs, *_ = read(tmp_path / "map.tif")
    assert crs.to_epsg() in (32615, 32616)
    scores = hsad.detect(scene, **RX).values
    assert set(np.unique(values[np.isfinite(values)])) == set(scores[np.isfinite(scores)])


# --- options


def test_bad_bands(tmp_path):
    scene = dlr.write_enmap(tmp_path)
    (tmp_path / "bad.txt").write_text("1-2\n4\n")
    with pytest.raises(DataError, match="no band is left"):
        hsad.detect(scene, bad_bands=f"@{tmp_path / 'bad.txt'}", **RX)
    # Bands 1, 2 and 4 of 4 are good; without band 2 two are left.
    fewer = hsad.detect(scene, bad_bands="2", **RX)
    np.testing.assert_array_equal(fewer, hsad.detect(scene, bands="@1,4", **RX))
    np.testing.assert_array_equal(fewer, hsad.detect(scene, bad_bands=[1], **RX))
    assert fewer.attrs["bad_bands"] == "2"
    detect_to_file(scene, tmp_path / "scores.tif", bad_bands="2-3", **RX)
    assert read(tmp_path / "scores.tif")[3]["HSAD_BAD_BANDS"] == "2-3"


@pytest.mark.parametrize(
    "bands, said",
    [
        ("0-2", "'0-2' in '0-2' is not a range within 1-4"),
        ("x", "'x'"),
        ("2-9", "'2-9'"),
        ("@none", "none: No such"),
    ],
)
def test_bad_bands_that_are_none(tmp_path, bands, said):
    with pytest.raises(ParameterError, match=f"bad_bands: {said}"):
        hsad.detect(dlr.write_enmap(tmp_path), bad_bands=bands, **RX)


@pytest.mark.long
@pytest.mark.faults
def test_the_command_line(tmp_path):
    scene = dlr.write_enmap(tmp_path)
    told = json.loads(command("info", scene, "--json").stdout)
    assert told["product"] == "EnMAP L2A"
    assert told["mask_flags"] == ["cloud", "shadow", "cirrus", "saturated", "background"]
    assert told["flags"]["cloud"] == 1 / 20
    assert told["flags"]["pixel"] is None
    assert told["valid_fraction"] == 12 / 20
    shown = command("info", scene).stdout
    assert "mask_flags      cloud, shadow, cirrus, saturated, background" in shown
    out = tmp_path / "scores.tif"
    arguments = ("detect", scene, "-m", "rx", "--covariance", "ridge", "-o", out)
    assert command(*arguments, "--mask-flags", "none", "--bad-bands", "2").returncode == 0
    values, _, _, tags = read(out)
    assert np.isfinite(values[:4]).all()
    assert (tags["HSAD_BAD_BANDS"], tags.get("HSAD_MASK_FLAGS")) == ("2", None)
    wrong = command(*arguments, "--overwrite", "--mask-flags", "smoke")
    assert wrong.returncode == 1
    assert wrong.stderr.startswith("hsad: error: mask_flags: 'smoke': choose from cloud, shadow")
    assert "--grid map|sensor|north-up" in command("detect", "--help-all").stdout


def test_grids_of_strips_are_whole():
    from hsad.scene.swath import map_strips

    strips = list(map_strips(GeoGrid(5, 2**20, None, None)))
    assert [(strip.start, strip.stop) for strip in strips] == [(n, n + 1) for n in range(5)]


@pytest.mark.parametrize("options", [(), ("--region", "1:5,0:3")])
def test_the_picture_of_a_scene_lies_where_its_scores_do(tmp_path, hsad_run, monkeypatch, options):
    from hsad.plot import quicklook

    drawn = []
    plot = quicklook.plot_scores
    monkeypatch.setattr(quicklook, "plot_scores", lambda *a, **k: (drawn.append(k["background"]), plot(*a, **k)))
    scene = emit.write_cube(tmp_path)
    output = tmp_path / "s.tif"
    status, _, err = hsad_run("detect", scene, "-m", "rx", *options, "-o", output, "--plot", tmp_path / "s.png")
    assert status == 0, err
    assert (tmp_path / "s.png").exists()
    (picture,) = drawn
    scores = hsad.open_cube(output).values[..., 0]
    assert picture.shape == (*scores.shape, 3)
    assert (picture[~np.isfinite(scores)] == 0).all()
    # Pixels of one score are one pixel of the sensor, on the map as on its own grid.
    assert (
        hsad_run(
            "detect", scene, "-m", "rx", "--grid", "sensor", "-o", tmp_path / "o.tif", "--plot", tmp_path / "o.png"
        )[0]
        == 0
    )
    if options == ():
        seen = {
            round(float(score), 4): tuple(color)
            for score, color in zip(
                hsad.open_cube(tmp_path / "o.tif").values[..., 0].ravel(), drawn[1].reshape(-1, 3), strict=True
            )
        }
        known = np.isfinite(scores)
        assert [seen[round(float(score), 4)] for score in scores[known]] == [tuple(color) for color in picture[known]]
