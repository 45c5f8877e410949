"""The bench of large scenes in a short form: files hold what is promised, and each table runs and says what it cost."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import processes
import pytest

from hsad.bench.costs import large_scenes
from hsad.bench.costs.cost import Cost, CostRow, anonymous
from hsad.bench.costs.large_scenes import TABLES, LargeScenes, run_large
from hsad.bench.scene_files import LAYOUTS, Shape, data_file, made_block, scene_file, write_scene
from hsad.cli import run
from hsad.errors import OutputError

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_file_repeats_the_block(layout, tmp_path):
    """GDAL and h5py read the files."""
    import h5py

    shape = Shape(150, 300, 3)
    path = data_file(write_scene(tmp_path, layout, shape))
    if layout == "emit":
        with h5py.File(path) as file:
            values = file["reflectance"][:]
    else:
        values = np.moveaxis(processes.values(path), 0, 2)
    block = made_block(shape)
    np.testing.assert_array_equal(values, np.concatenate([block, block, block])[:150])


@linux
def test_anonymous_memory_is_what_the_kernel_says():
    """RssAnon of /proc/PID/status is another count of the same pages."""
    ballast = np.ones(30_000_000, dtype=np.uint8)
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    kernel = int(status["RssAnon"].split()[0]) * 1024
    assert anonymous(os.getpid()) >= kernel - 4e6 > ballast.nbytes


@linux
@pytest.mark.parametrize(
    ("table", "only", "works"),
    [
        pytest.param("layouts", "bsq", ["bsq"], marks=pytest.mark.long),
        pytest.param("linear", "rx", ["rx"] * 2, marks=pytest.mark.long),
        pytest.param("methods", "trim", ["rx --trim 0.01, 1GB, 1 threads"], marks=pytest.mark.long),
        pytest.param("waits", "threshold", ["threshold"], marks=pytest.mark.long),
    ],
)
def test_each_table_has_a_short_form(table, only, works):
    report = run_large([table], quick=True, only=only)
    assert [row.work for row in report.rows] == works
    for row in report.rows:
        assert 0.2 < row.cost.seconds < 120
        assert 5e7 < row.cost.peak < 2e9
        assert all(speed > 0 for speed in row.speeds.values())
        line = [cell.strip() for cell in report.table().splitlines()[-1].split("|")]
    assert float(line[3]) == pytest.approx(row.cost.seconds, abs=0.05)
    assert float(line[4]) == pytest.approx(1e6 * row.cost.seconds / row.shape.pixels, abs=0.005)
    assert line[6] == f"{row.cost.peak / 1e6:.0f} MB"


def test_a_method_that_is_refused_is_a_row_with_its_reason(monkeypatch, hsad_run):
    def refuse(*_):
        raise RuntimeError("hsad: error: memory: 1GB does not hold it\n")

    monkeypatch.setattr(large_scenes, "detect", refuse)
    status, out, _ = hsad_run("bench", "--large", "methods", "--quick", "--only", "kcrd")
    assert status == 0
    assert out.splitlines()[-1].endswith("| - | - | - | - | hsad: error: memory: 1GB does not hold it |")


@linux
def test_a_scene_that_does_not_fit_on_the_disk_is_refused_before_it_is_written(tmp_path):
    with (
        pytest.raises(OutputError, match=r"bip: needs up to 20000000000.0 MB"),
        scene_file("bip", Shape(10**6, 10**6, 10**4), tmp_path),
    ):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.long
@pytest.mark.cluster
@pytest.mark.parametrize("table", TABLES)
def test_all_of_a_table_runs(table):
    rows = run_large([table], quick=True).rows
    assert rows
    assert not [row.remark for row in rows if row.remark]


def test_each_table_takes_its_place_in_a_page(tmp_path, monkeypatch, hsad_run):
    shape = Shape(10, 10, 5)
    made = LargeScenes("a machine", "9", tuple(CostRow(name, "rx", shape, Cost(2, 3)) for name in ("waits", "cluster")))
    monkeypatch.setattr("hsad.bench.run_large", lambda *_, **__: made)
    page = tmp_path / "page.md"
    old = "words\n\nhsad 0, old\n\n| {} | scene |\n|---|---|\n| old | 1 |\n\n"
    page.write_text("".join(map(old.format, ["cluster", "other", "waits"])))
    assert hsad_run("bench", "--large", "waits", "--large", "cluster", "--into", page)[0] == 0
    text = page.read_text()
    assert text.count("| old | 1 |") == 1
    assert [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")] == [
        "cluster", "rx", "other", "old", "waits", "rx",
    ]  # fmt: skip
    assert text.count("hsad 9, a machine\n\n| ") == 2
    assert json.loads((tmp_path / "page.json").read_text())["tables"]["waits"]["rows"][0][:3] == [
        "rx", "10 x 10 x 5 int16, 1e-06 GB", "2.0",
    ]  # fmt: skip
    status, _, err = hsad_run("bench", "--large", "methods", "--into", page)
    assert status == 1
    assert "one table is needed that has 'methods' in its first column" in err


def test_an_unknown_name_is_one_line(capsys):
    assert run(["bench", "--large", "all"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
