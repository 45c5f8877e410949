"""How far a run has come: a bar in a terminal, lines in a log, any function like tqdm's."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from processes import command, write_scene

import hsad
from hsad import progress
from hsad.errors import ParameterError

CUBE = np.random.default_rng(0).normal(size=(130, 150, 6))


def test_lines_of_a_log_tell_tiles_speed_time_left_and_memory(caplog, monkeypatch):
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.0)
    with caplog.at_level(logging.INFO, logger="hsad"):
        scores = hsad.detect(CUBE, "rx", tile=64, workers=1, progress="log")
    assert np.array_equal(scores, hsad.detect(CUBE, "rx"), equal_nan=True)
    lines = [record.getMessage() for record in caplog.records]
    for what in ("learning, pass 1", "scoring"):
        mine = [line for line in lines if line.startswith(what)]
        assert mine[0] == f"{what}: 9 tiles, {130 * 150} pixels"
        assert len(mine) == 10
        pattern = rf"{what}: (\d) of 9 tiles, [\d.e+]+ pixels/s, \d+ s left, \d+\.\d\d GB"
        assert [int(re.fullmatch(pattern, line)[1]) for line in mine[1:]] == list(range(1, 10))
    assert ", 0 s left," in lines[-1]


def test_any_function_like_tqdms_is_told_what_there_is_to_do():
    told = []

    def show(iterable, *, total, desc):
        told.append((desc, total, iterable.pixels))
        return iterable

    hsad.detect(CUBE, "rx", tile=64, progress=show)
    assert told == [("learning, pass 1", 9, 19500), ("scoring", 9, 19500)]


def test_what_is_no_way_to_show_progress_is_refused():
    with pytest.raises(ParameterError, match="progress: 'loud' is neither True, 'log' nor a function"):
        hsad.detect(CUBE, "rx", progress="loud")


def test_a_terminal_shows_a_bar_and_a_log_file_gets_lines(tmp_path):
    termios = pytest.importorskip("termios", reason="no pseudo-terminals here")
    scene = write_scene(tmp_path, rows=200, cols=200, bands=20)
    log = tmp_path / "run.log"
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (24, 120))
    arguments = command("detect", scene, "-m", "lrx", "--outer", 9, "--inner", 5, "--tile", 64, "--log", log)
    process = subprocess.Popen(
        [*arguments, "-o", tmp_path / "s.tif"], stderr=theirs, stdout=subprocess.PIPE, text=True
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 4096):
            shown += part
    except OSError:  # how Linux says that the other side is closed
        pass
    os.close(ours)
    stdout, _ = process.communicate()
    assert process.returncode == 0
    assert "40000 of 40000 pixels scored" in stdout
    text = shown.decode()
    assert re.search(r"scoring: +\d+%.*k?/40\.0k \[", text), text
    assert re.search(r"\d+/16 tiles, \d\.\d\d GB", text), text
    assert "pixels/s" not in text  # the bar has it: lines are for the log
    # Where kernels are compiled first, a line says so, and others may come while that takes its time.
    begun, *lines = [line for line in log.read_text().splitlines() if "compiling kernels" not in line]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d [\d:,]+ .*s\.tif: scoring .*scene\.hdr", begun)
    assert lines[0].endswith("scoring: 16 tiles, 40000 pixels")
    assert "scoring: 16 of 16 tiles" in lines[-1]


@pytest.mark.long
@pytest.mark.faults
def test_without_a_terminal_nothing_is_shown(tmp_path):
    scene = write_scene(tmp_path, rows=60, cols=60, bands=5)
    for option in ([], ["--quiet"]):
        done = subprocess.run(
            [*command("detect", scene, "-m", "rx", "--overwrite", "-o", tmp_path / "s.tif"), *option],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stderr == ""


def test_a_log_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "no").write_text("a file where the log wants a folder")
    done = subprocess.run(
        [sys.executable, "-m", "hsad", "detect", "x.tif", "-o", "s.tif", "--log", str(tmp_path / "no" / "log")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert str(tmp_path / "no") in done.stderr
