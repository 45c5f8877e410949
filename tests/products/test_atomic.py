"""Results are there whole or not at all: failing runs, full disks, names that are taken."""

from __future__ import annotations

import subprocess
import sys
import warnings

import numpy as np
import pytest
import rasterio
import xarray as xr
from rasterio.errors import NotGeoreferencedWarning

from hsad.errors import OutputError
from hsad.files import whole_file
from hsad.products import ScoreWriter, write_scores
from hsad.scene.cube import GeoGrid

pytestmark = pytest.mark.faults

SCORES = np.random.default_rng(0).chisquare(50, (300, 270))


def raster_values(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path) as dataset:
            return dataset.read(1)


@pytest.mark.parametrize("failure", [RuntimeError("boom"), KeyboardInterrupt()])
def test_nothing_is_left_when_the_run_fails(tmp_path, failure):
    def run():
        with ScoreWriter(tmp_path / "s.tif", GeoGrid(30, 40, None, None), {}) as writer:
            writer.write(slice(0, 30), slice(0, 40), np.ones((30, 40)))
            raise failure

    with pytest.raises(type(failure)):
        run()
    assert list(tmp_path.iterdir()) == []


def test_a_failing_run_leaves_the_earlier_result_alone(tmp_path):
    path = write_scores(SCORES, tmp_path / "s.tif")
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    grid = GeoGrid(300, 270, None, None)

    def run():
        with ScoreWriter(path, grid, {}, overwrite=True) as writer:
            writer.write(slice(0, 300), slice(0, 270), np.zeros((300, 270)))
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError):
        run()
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before
    write_scores(np.zeros((300, 270)), path, overwrite=True)
    assert not raster_values(path).any()


def test_stale_statistics_of_an_earlier_raster_go(tmp_path):
    (tmp_path / "s.tif.aux.xml").write_text("<PAMDataset/>")
    write_scores(SCORES, tmp_path / "s.tif")
    assert not (tmp_path / "s.tif.aux.xml").exists()


def test_outputs_that_cannot_be_are_refused_before_any_work(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "there.tif").write_text("kept")
    (tmp_path / "notes.json").write_text('{"mine": 1}')
    grid = GeoGrid(3, 4, None, None)
    for name, remark in [
        ("file/s.tif", "is not a folder"),
        ("s.png", ".tif, .tiff"),
        ("there.tif", "exists already"),
        ("notes.tif", "notes.json would be replaced"),
    ]:
        with pytest.raises(OutputError) as caught:
            ScoreWriter(tmp_path / name, grid, {})
        assert remark in str(caught.value)
        assert "\n" not in str(caught.value)
        assert str(tmp_path) in str(caught.value)
    assert (tmp_path / "there.tif").read_text() == "kept"


def test_folders_of_an_output_are_made_and_go_again_when_nothing_is_written(tmp_path):
    write_scores(SCORES, tmp_path / "new" / "deep" / "s.tif")
    assert raster_values(tmp_path / "new" / "deep" / "s.tif").shape == SCORES.shape
    (tmp_path / "kept").mkdir()
    with (
        pytest.raises(OutputError, match="no space"),
        whole_file(tmp_path / "kept" / "a" / "b" / "s.txt", overwrite=False),
    ):
        raise OSError(28, "no space")
    assert [path.name for path in (tmp_path / "kept").iterdir()] == []
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file is not a folder"):
        write_scores(SCORES, tmp_path / "file" / "deep" / "s.tif")


def test_the_scene_itself_is_never_overwritten(tmp_path):
    scene = tmp_path / "scene.tif"
    scene.write_bytes(b"spectra")
    with pytest.raises(OutputError, match="is read by this run"):
        write_scores(xr.DataArray(SCORES, dims=("y", "x"), attrs={"source": str(scene)}), scene, overwrite=True)
    assert scene.read_bytes() == b"spectra"


def run_python(program, folder):
    return subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )


FULL = """
import resource
import numpy as np
from hsad.errors import OutputError
from hsad.products import write_scores
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
try:
    write_scores(np.random.default_rng(0).random((500, 500)), "s.tif")
except OutputError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files to run into")
def test_no_space_is_one_line_and_leaves_nothing(tmp_path):
    done = run_python(FULL, tmp_path)
    assert done.stderr == ""
    assert "s.tif" in done.stdout
    assert done.stdout.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


# The disk fills up after the check for space: at 99.9% GDAL reports nothing, the values must tell.
FILLS_LATER = """
import resource, sys
from pathlib import Path
import numpy as np
from hsad.errors import OutputError
from hsad.products import raster
scores = np.random.default_rng(0).random((700, 700))
size = raster.write_scores(scores, "whole.tif").stat().st_size
to_cog = raster.to_cog
for share in (0.2, 0.97, 0.999):
    def to_cog_on_a_full_disk(work, staged):
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(size * share), resource.RLIM_INFINITY))
        to_cog(work, staged)
    raster.to_cog = to_cog_on_a_full_disk
    try:
        raster.write_scores(scores, "s.tif")
    except OutputError as error:
        print(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print(sorted(p.name for p in Path().iterdir()))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files to run into")
def test_a_disk_that_fills_up_later_leaves_nothing_either(tmp_path):
    lines = run_python(FILLS_LATER, tmp_path).stdout.splitlines()
    assert len(lines) == 6
    for told, left in zip(lines[::2], lines[1::2], strict=True):
        assert told.startswith("s.tif")
        assert left == "['whole.json', 'whole.qml', 'whole.tif']"
