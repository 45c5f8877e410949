"""The command line on real files: every scene gives a map, every odd file a description or one clear line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio

import hsad
from hsad.cli import run
from hsad.scene.cube import geo_grid


def refused(path):
    """Return what of a refusal is to be expected of a file, told from what it holds; None where there are scores."""
    try:
        cube = hsad.open_cube(path)
    except hsad.HsadError as error:  # a truth without a cube
        return str(error).partition(": ")[2]
    values = cube.values
    usable = cube.good_wavelength.values if "good_wavelength" in cube.coords else np.ones(cube.sizes["band"], bool)
    missing = ~np.isfinite(values[..., usable])
    if "_FillValue" in cube.attrs:
        missing |= values[..., usable] == np.asarray(cube.attrs["_FillValue"]).astype(values.dtype)
    dead = missing.all(axis=(0, 1))
    valid = ~missing[..., ~dead].any(axis=2)
    if "valid" in cube.coords:
        valid &= cube.valid.values
    # A covariance of fewer pixels than bands says nothing of most directions.
    return "valid pixels are fewer than" if valid.sum() < max(2, (~dead).sum()) else None


def one_line_error(status, captured):
    return status == 1 and captured.err.startswith("hsad: error: ") and captured.err.count("\n") == 1


@pytest.mark.long
@pytest.mark.faults
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")  # many benchmarks have no place
def test_detect_runs_on_every_scene(data, tmp_path, capsys):
    files = [
        *sorted((data / "scenes").glob("*.mat")),
        *sorted((data / "envi").rglob("*.hdr")),
        *sorted((data / "geotiff").rglob("*.tif")),
    ]
    assert len(files) > 25
    for path in files:
        output = tmp_path / f"{path.stem}.tif"
        status = run(["detect", str(path), "-m", "rx", "-o", str(output)])
        captured = capsys.readouterr()
        reason = refused(path)
        if reason is not None:
            assert one_line_error(status, captured), (path, captured.err)
            assert reason in captured.err, path
            assert not output.exists()
            continue
        assert status == 0, (path, captured.err)
        cube = hsad.open_cube(path)
        with rasterio.open(output) as raster:
            assert raster.shape == cube.shape[:2], path
            assert raster.crs == cube.rio.crs
            scores = raster.read(1)
        assert np.isfinite(scores).any(), path


def test_few_pixels_are_enough_for_a_shrunk_covariance(data, tmp_path):
    path = data / "envi" / "wiser" / "caltech_225_4_3_nm_continuum_removed.hdr"
    output = tmp_path / "scores.tif"
    assert run(["detect", str(path), "-m", "rx", "--covariance", "oas", "-o", str(output)]) == 0
    with rasterio.open(output) as raster, rasterio.open(path.with_suffix("")) as scene:
        assert raster.transform == scene.transform
        assert not raster.transform.is_rectilinear
        assert raster.crs == scene.crs


def test_info_on_every_odd_file(data, capsys):
    files = [path for path in sorted((data / "odd").rglob("*")) if path.is_file()]
    assert len(files) > 60
    described = 0
    for path in files:
        status = run(["info", str(path), "--json"])
        captured = capsys.readouterr()
        if status == 0:
            description = json.loads(captured.out)
            assert description["rows"] > 0, path
            described += 1
        else:
            assert one_line_error(status, captured), (path, captured.err)
            assert path.name.split(".")[0] in captured.err, captured.err
    assert described > 30


def test_a_rotated_grid_is_kept_exactly(data, tmp_path):
    header = data / "odd" / "gdal" / "envi" / "rotation.hdr"
    with rasterio.open(header.with_suffix(".img")) as scene:
        crs, transform, size = scene.crs, scene.transform, scene.shape
    cube = hsad.open_cube(header)
    assert cube.shape[:2] == size
    # The file itself holds too few pixels to score: its grid goes to a map of the same size.
    grid = geo_grid(cube)
    hsad.write_scores(grid.attach(cube[..., 0].drop_attrs().astype(np.float32)), tmp_path / "map.tif")
    with rasterio.open(tmp_path / "map.tif") as raster:
        assert raster.transform == transform
        assert raster.crs == crs
    assert not transform.is_rectilinear


def test_a_band_without_data_does_not_mask_the_scene(data, tmp_path):
    path = data / "geotiff" / "enmap-potsdam" / "mosaic_64x96x224.tif"
    output = tmp_path / "scores.tif"
    assert run(["detect", str(path), "-o", str(output)]) == 0
    with rasterio.open(output) as raster, rasterio.open(path) as scene:
        assert (raster.crs, raster.transform) == (scene.crs, scene.transform)
        assert np.isfinite(raster.read(1)).all()
        stored = scene.read()
    dead = (stored == -32768).all(axis=(1, 2))
    assert np.flatnonzero(dead).tolist() == list(range(129, 135))
    # The same without the file's word that these bands are bad.
    cube = hsad.open_cube(path).drop_vars("good_wavelength")
    assert np.isfinite(hsad.detect(cube, "rx", covariance="oas")).all()


def test_published_scene_through_the_whole_path(data, tmp_path, capsys):
    scene = Path(data / "scenes" / "abu-airport-2.mat")
    assert run(["detect", str(scene), "-m", "rx", "-o", str(tmp_path / "rx.tif")]) == 0
    capsys.readouterr()
    assert run(["evaluate", str(tmp_path / "rx.tif"), "--truth", f"{scene}:map", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert round(figures["auc"], 4) == 0.8404
    assert figures["objects"] == 2
