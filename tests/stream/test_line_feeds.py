"""Lines from files and pipes: scenes, files that a second process writes, ends of every kind, places."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
from affine import Affine
from processes import command, running, values, wait_for
from rasterio.crs import CRS
from scipy import ndimage

import hsad
from hsad.errors import OutputError, ParameterError, SceneError
from hsad.job.options import RunOptions
from hsad.scene.cube import GeoGrid
from hsad.scene.ground import longitude_latitude
from hsad.stream.feeds.files import GrowingFile
from hsad.stream.feeds.pipe import Pipe
from hsad.stream.places import Places
from hsad.stream.run import stream_to_file

LINES, SAMPLES, BANDS = 90, 30, 6


def made_lines(kind="<i2"):
    random = np.random.default_rng(5)
    lines = 1000 + 40 * random.normal(size=(LINES, SAMPLES, BANDS)) @ random.normal(size=(BANDS, BANDS))
    lines[70, 12] += 900
    return np.round(lines).astype(kind)


def write_header(path, lines=LINES, samples=SAMPLES, kind=2, interleave="bil", more=""):
    path.write_text(
        f"ENVI\nsamples = {samples}\nlines = {lines}\nbands = {BANDS}\nheader offset = 0\ndata type = {kind}\n"
        f"interleave = {interleave}\nbyte order = 0\n{more}"
    )


def stored(lines):
    """Return the bytes of lines in BIL order."""
    return np.ascontiguousarray(lines.transpose(0, 2, 1)).tobytes()


def write_scene(folder, lines=None):
    lines = made_lines() if lines is None else lines
    write_header(folder / "scene.hdr")
    (folder / "scene.img").write_bytes(stored(lines))
    return folder / "scene.hdr"


def expected(lines=None, method="rx", **options):
    lines = made_lines() if lines is None else lines
    scan = hsad.LineScan(method, bands=BANDS, samples=SAMPLES, **options)
    parts = [scan.push(lines), scan.finish()]
    return np.concatenate([part for part in parts if part is not None])


def test_a_scene_gives_a_raster_that_other_programs_read(tmp_path):
    result = stream_to_file(write_scene(tmp_path), tmp_path / "scores.hdr")
    np.testing.assert_array_equal(values(tmp_path / "scores.img")[0], expected())
    assert (result.lines, result.ended, result.state) == (LINES, True, None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scene.hdr", "scene.img", "scores.hdr", "scores.img"]
    text = (tmp_path / "scores.hdr").read_text()
    assert "method rx" in text
    assert "scene.hdr" in text
    assert hsad.threshold(hsad.open_cube(tmp_path / "scores.hdr").isel(band=0), threshold=300.0).sum() > 0


def test_georeferencing_goes_into_the_raster_and_the_places(tmp_path):
    made = hsad.make_scene(rows=60, cols=40, bands=10, target_sizes=(4,), heading=0, seed=1)
    hsad.write_cube(made.cube, tmp_path / "scene.hdr")
    found = []
    stream_to_file(tmp_path / "scene.hdr", tmp_path / "scores.img", listed=50, on_place=found.append)
    scores = hsad.open_cube(tmp_path / "scores.img")
    assert scores.rio.transform() == made.cube.rio.transform()
    assert scores.rio.crs == made.cube.rio.crs
    assert found
    for place in found:
        grid = GeoGrid(60, 40, made.cube.rio.crs, made.cube.rio.transform())
        lon, lat = longitude_latitude(grid, np.array([place["row"]]), np.array([place["col"]]))
        assert (place["lon"], place["lat"]) == (pytest.approx(lon[0], abs=1e-7), pytest.approx(lat[0], abs=1e-7))


WRITER = """
import sys, time
from pathlib import Path
folder, content = Path(sys.argv[1]), Path(sys.argv[2]).read_bytes()
size = int(sys.argv[3])
time.sleep(0.3)
with (folder / "grown.img").open("wb") as file:
    for start in range(0, len(content), size):
        file.write(content[start : start + size])
        file.flush()
        time.sleep(0.004)
header = folder / "grown.hdr"
header.write_text(header.read_text().replace("lines = 0", "lines = 90"))
"""


@pytest.mark.parametrize("known", [0, LINES])
def test_a_file_that_a_second_process_writes_is_followed_to_its_end(tmp_path, known):
    content = stored(made_lines())
    (tmp_path / "all").write_bytes(content)
    write_header(tmp_path / "grown.hdr", lines=known)
    piece = 3 * len(content) // LINES // 2  # one line and a half: lines come in parts
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), str(tmp_path / "all"), str(piece)])
    found = []
    result = stream_to_file(
        tmp_path / "grown.hdr", tmp_path / "scores.hdr", follow=True, wait=60, on_place=found.append
    )
    assert writer.wait() == 0
    np.testing.assert_array_equal(values(tmp_path / "scores.img")[0], expected())
    assert result.ended
    assert result.seconds < 50  # the end was seen in the header, not by waiting


def test_a_file_that_stops_growing_ends_after_the_stated_time_and_says_what_is_missing(tmp_path):
    write_header(tmp_path / "grown.hdr")
    content = stored(made_lines())
    (tmp_path / "grown.img").write_bytes(content[: 60 * len(content) // LINES + 17])
    result = stream_to_file(tmp_path / "grown.hdr", tmp_path / "scores.hdr", "lrx", follow=True, wait=0.1)
    np.testing.assert_array_equal(values(tmp_path / "scores.img")[0], hsad.detect(made_lines()[:60], "lrx"))
    assert result.remarks == (f"{tmp_path / 'grown.hdr'}: 60 of 90 lines came, then none for 0.1 s: taken as the end",)


def test_the_raster_can_be_read_while_it_grows(tmp_path):
    write_header(tmp_path / "grown.hdr", lines=0)
    content = stored(made_lines())
    grown = tmp_path / "grown.img"
    grown.write_bytes(content[: 50 * len(content) // LINES])
    with running("stream", "--follow", tmp_path / "grown.hdr", "-o", tmp_path / "scores.hdr", "--wait", 100) as process:
        wait_for((tmp_path / "scores.hdr").exists, process)
        first = values(tmp_path / "scores.img")[0]
        np.testing.assert_array_equal(first, expected()[: len(first)])
        with grown.open("ab") as file:
            file.write(content[50 * len(content) // LINES : 80 * len(content) // LINES])
        wait_for(lambda: len(values(tmp_path / "scores.img")[0]) == 80, process)
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=60)
        assert process.returncode == 130
    assert "80 lines" in told
    assert "the same command goes on" in told
    np.testing.assert_array_equal(values(tmp_path / "scores.img")[0], expected()[:80])
    with grown.open("ab") as file:
        file.write(content[80 * len(content) // LINES :])
    write_header(tmp_path / "grown.hdr")
    result = stream_to_file(
        str(tmp_path / "grown.hdr"), tmp_path / "scores.hdr", follow=True, wait=1, overwrite=True, restart=True
    )
    assert result.lines == LINES


@pytest.mark.parametrize("method", ["rx", "lrx"])
def test_what_was_stopped_goes_on_bit_for_bit(tmp_path, method):
    scene = write_scene(tmp_path)
    asked = iter([False] * 3 + [True] * 10)
    first = stream_to_file(
        scene, tmp_path / "scores.hdr", method, listed=50, places=tmp_path / "p", stopped=lambda: next(asked)
    )
    assert not first.ended
    assert first.lines < LINES
    with pytest.raises(OutputError, match=re.escape("the unfinished scan of another command: --restart")):
        stream_to_file(scene, tmp_path / "scores.hdr", "crd", places=tmp_path / "p")
    # What a kill may leave behind: lines and places that the state does not know.
    with (tmp_path / "scores.img").open("ab") as file:
        file.write(b"\0" * 400)
    with (tmp_path / "p").open("ab") as file:
        file.write(b'{"row": ')
    second = stream_to_file(scene, tmp_path / "scores.hdr", method, listed=50, places=tmp_path / "p")
    assert (second.ended, second.lines) == (True, LINES)
    np.testing.assert_array_equal(values(tmp_path / "scores.img")[0], expected(method=method))
    whole = stream_to_file(scene, tmp_path / "whole.hdr", method, listed=50, places=tmp_path / "q")
    assert (tmp_path / "p").read_text() == (tmp_path / "q").read_text()
    assert second.places == whole.places > 0
    assert not (tmp_path / "scores.state").exists()


def piped(content, header, run=None):
    """Return what a pipe yields for some bytes that come in odd pieces, and the pipe."""
    read, write = os.pipe()
    pid = os.fork()
    if not pid:  # a second process writes
        os.close(read)
        for start in range(0, len(content), 777):
            os.write(write, content[start : start + 777])
        os._exit(0)
    os.close(write)
    pipe = Pipe(read, header, run or RunOptions())
    lines = list(pipe.lines(0, lambda: False))
    os.waitpid(pid, 0)
    os.close(read)
    return np.concatenate(lines), pipe


@pytest.mark.parametrize(("kind", "code", "interleave"), [("<i2", 2, "bil"), ("<f4", 4, "bip"), ("<u2", 12, "bil")])
def test_a_pipe_of_raw_lines_is_what_its_header_says(tmp_path, kind, code, interleave):
    lines = made_lines(kind)
    write_header(tmp_path / "lines.hdr", kind=code, interleave=interleave, lines=0)
    content = stored(lines) if interleave == "bil" else lines.tobytes()
    found, pipe = piped(content, tmp_path / "lines.hdr")
    np.testing.assert_array_equal(found, lines)
    assert (pipe.ended, pipe.trouble) == (True, None)


def test_a_pipe_that_ends_within_a_line_has_the_lines_before(tmp_path):
    write_header(tmp_path / "lines.hdr")
    size = SAMPLES * BANDS * 2
    found, pipe = piped(stored(made_lines())[: 60 * size + 100], tmp_path / "lines.hdr")
    np.testing.assert_array_equal(found, made_lines()[:60])
    assert str(pipe.trouble).startswith(f"the pipe ended within line 60: 100 of its {size} bytes came")


@pytest.mark.long
def test_a_pipe_that_ends_within_a_line_scores_the_lines_before(tmp_path):
    write_header(tmp_path / "lines.hdr")
    content = stored(made_lines())
    size = len(content) // LINES
    with subprocess.Popen(
        command("stream", "-", "--header", tmp_path / "lines.hdr", "-o", tmp_path / "scores.hdr", "--places", "-"),
        stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=False, cwd=tmp_path,
    ) as process:  # fmt: skip
        _, told = process.communicate(content[: 60 * size + 100], timeout=120)
    assert process.returncode == 1
    assert "the pipe ended within line 60" in told.decode()
    np.testing.assert_array_equal(values(tmp_path / "scores.img")[0], expected(made_lines()[:60]))


def test_a_header_whose_lines_change_their_width_ends_the_scan_and_keeps_the_scores(tmp_path):
    write_header(tmp_path / "grown.hdr", lines=0)
    (tmp_path / "grown.img").write_bytes(stored(made_lines()))
    feed = GrowingFile(tmp_path / "grown.hdr", 30, RunOptions())
    lines = feed.lines(0, lambda: False)
    assert sum(len(found) for found in itertools.takewhile(len, lines)) == LINES
    write_header(tmp_path / "grown.hdr", samples=25)
    with pytest.raises(SceneError, match="its lines have 25 pixels x 6 bands now, before 30 x 6"):
        next(lines)


def test_a_file_that_was_written_anew_is_not_taken_for_the_old_one(tmp_path):
    write_header(tmp_path / "grown.hdr", lines=0)
    (tmp_path / "grown.img").write_bytes(stored(made_lines()[:10]))
    feed = GrowingFile(tmp_path / "grown.hdr", 30, RunOptions())
    with pytest.raises(SceneError, match="fewer than the 7200 of the 20 lines that were scored: it was written anew"):
        next(feed.lines(20, lambda: False))


def test_nodata_of_the_header_is_a_line_without_scores(tmp_path):
    lines = made_lines()
    lines[40] = -9999
    lines[50, 3, 2] = -9999
    scene = write_scene(tmp_path, lines)
    write_header(tmp_path / "scene.hdr", more="data ignore value = -9999\n")
    result = stream_to_file(scene, tmp_path / "scores.hdr", "lrx")
    found = values(tmp_path / "scores.img")[0]
    np.testing.assert_array_equal(found, hsad.detect(scene, "lrx").values)
    assert np.isnan(found[40]).all()
    assert np.isnan(found[50, 3])
    assert result.empty_lines == 1
    assert "90 lines (1 without data)" in result.sentence


def test_what_cannot_be_streamed_is_refused_before_any_work(tmp_path):
    scene = write_scene(tmp_path)
    with pytest.raises(ParameterError, match="header: lines of a pipe need an ENVI header"):
        stream_to_file("-", tmp_path / "s.hdr")
    with pytest.raises(ParameterError, match="header describes the lines of a pipe"):
        stream_to_file(scene, tmp_path / "s.hdr", header=scene)
    with pytest.raises(OutputError, match=r"must end with one of .*hsad convert makes a GeoTIFF of it"):
        stream_to_file(scene, tmp_path / "s.tif")
    with pytest.raises(ParameterError, match="listed must be above 0"):
        stream_to_file(scene, tmp_path / "s.hdr", listed=0)
    write_header(tmp_path / "bands.hdr", interleave="bsq")
    with pytest.raises(SceneError, match="lines that follow each other need bil or bip"):
        stream_to_file(tmp_path / "bands.hdr", tmp_path / "s.hdr", follow=True)
    with pytest.raises(SceneError, match="no ENVI header"):
        stream_to_file(tmp_path / "missing.hdr", tmp_path / "s.hdr", follow=True)
    assert not list(tmp_path.glob("s.*"))


def test_the_command_prints_places_as_json_lines(tmp_path, hsad_run):
    status, printed, told = hsad_run("stream", write_scene(tmp_path), "-o", tmp_path / "s.hdr", "--listed", 20)
    assert status == 0
    places = [json.loads(line) for line in printed.splitlines()]
    assert any((place["row"], place["col"]) == (70, 12) for place in places)
    assert f"{len(places)} places; the limit lets 20 of 10,000 pixels pass, unusual or not" in told
    status, printed, _ = hsad_run("stream", tmp_path / "scene.hdr", "-o", tmp_path / "t.hdr", "-m", "lrx", "--json")
    assert json.loads(printed)["lines"] == LINES


def test_places_are_the_connected_pixels_above_the_limit():
    random = np.random.default_rng(3)
    scores = ndimage.gaussian_filter(random.normal(size=(400, 70)), 1).astype(np.float32)
    scores[100, 20:30] = np.nan
    places = Places(300.0, GeoGrid(400, 70, CRS.from_epsg(32632), Affine(2, 0, 5e5, 0, -2, 5e6)))
    found, limits = [], []
    for line in scores:
        found += places.add(line[None])
        limits.append(places.limit)
    found += places.finish()
    above = scores > np.array(limits)[:, None]
    labels, count = ndimage.label(above, np.ones((3, 3)))
    sizes = ndimage.sum_labels(above, labels, range(1, count + 1))
    peaks = ndimage.maximum_position(np.where(above, scores, -9), labels, range(1, count + 1))
    told = sorted((place["row"], place["col"], place["pixels"]) for place in found)
    assert told == sorted((*map(int, peak), int(size)) for peak, size in zip(peaks, sizes, strict=True))
    # The limit is the stated quantile of the scores so far, to the width of a bin.
    finite = np.sort(scores[:385][np.isfinite(scores[:385])])[::-1]
    assert finite[int(0.03 * len(finite)) + 1] <= limits[399] * 1.01
    assert (finite > limits[399]).mean() <= 0.03


def test_places_go_on_from_a_state():
    random = np.random.default_rng(4)
    scores = ndimage.gaussian_filter(random.normal(size=(200, 60)), 2).astype(np.float32)
    grid = GeoGrid(200, 60, None, None)
    whole = Places(200.0, grid)
    expected_places = whole.add(scores) + whole.finish()
    first, second = Places(200.0, grid), Places(200.0, grid)
    found = first.add(scores[:111])
    second.restore(first.state())
    assert found + second.add(scores[111:]) + second.finish() == expected_places
    assert second.count == whole.count == len(expected_places) > 3
