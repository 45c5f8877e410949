"""The bench of speed: its formulas agree with hsad and with each other, and its table shows the figures."""

import json
import os

import numpy as np
import pytest

from hsad.bench import commands, formulas, reading, run
from hsad.bench.cases import Case, cases
from hsad.bench.peers import batched
from hsad.bench.peers.octave import octave_blas, octave_ialm
from hsad.bench.peers.peer import Peer, numpy_loop, numpy_whole
from hsad.errors import ParameterError


def small(name, method, parameters, reference, peer, **sizes):
    sizes = {"bands": 6, "side": 24, "outer": 0, "inner": 0, **sizes}
    return Case(name, method, parameters, **sizes, flops=1e3, reference=reference, peers=(peer,), repeats=1)


def a_lasso(cube, row, col, outer, inner):
    ring = formulas.ring_of(cube, row, col, outer, inner)
    return formulas.lasso(cube[row, col], ring, 1e-2, 100, accelerated=True)


SMALL = [
    small("pursuit", "rpca", {}, formulas.rpca, numpy_whole("svd", formulas.rpca)),
    small("bands", "rpca-bands", {}, formulas.band_rpca, numpy_whole("svd", formulas.band_rpca)),
    small("patches", "low-rank", {}, formulas.low_rank, numpy_whole("svd", formulas.low_rank)),
    small("lasso", "srd", {"solver": "fista"}, a_lasso, numpy_loop("loop", a_lasso, 2), outer=7, inner=3),
]


@pytest.mark.parametrize("case", SMALL, ids=lambda case: case.name)
def test_hsad_agrees_with_the_formulas(case, monkeypatch):
    monkeypatch.setattr(run, "cases", lambda *, quick: [case])
    report = run.run_bench()
    (row,) = report.rows
    (peer,) = case.peers
    assert row.difference < 1e-4
    assert set(row.peers) == {peer.name}
    assert min(row.hsad, row.bound, row.gemm_gflops, *row.peers.values()) > 0
    line = report.table().splitlines()[-1]
    # The cube is one leaf, which is not divided among threads.
    assert row.hsad_two is None
    assert len(row.runs) == 1
    assert line.startswith(f"| {case.name} | {row.hsad:.3g} | {row.hsad:.3g} (0%) | - | ")
    if case.method == "rpca":
        assert abs(row.objectives[peer.name]) < 1e-6
        assert f"x, objective {row.objectives[peer.name]:+.0e})" in line
    else:
        assert "objective" not in line


def test_torch_peers_compute_what_the_formulas_say():
    torch = pytest.importorskip("torch")
    cube = np.random.default_rng(0).random((9, 14, 6))
    y, atoms = batched.rings_of(torch.from_numpy(cube[1:8]), 7, 3)
    rings = [(cube[4, col], formulas.ring_of(cube, 4, col, 7, 3)) for col in range(3, 11)]
    for found, expected in (
        (batched.crd(y, atoms, 1e-2), [formulas.crd(*ring, 1e-2, distance=True) for ring in rings]),
        (batched.kernel_crd(y, atoms, 1e-2, 0.5), [formulas.kernel_crd(*ring, 1e-2, 0.5) for ring in rings]),
        (batched.local_rx(y, atoms, 1e-2), [formulas.local_rx(*ring, 1e-2) for ring in rings]),
    ):
        assert found.numpy() == pytest.approx(expected, rel=1e-9)
    assert batched.torch_batch("torch", batched.crd).available


def test_octave_reaches_the_same_objective():
    peer = octave_ialm()
    if not peer.available:
        pytest.skip("GNU Octave (octave-cli) is not installed")
    cube = np.random.default_rng(0).random((15, 12, 7))
    assert peer.measure(cube, 0, 0).objective == pytest.approx(formulas.rpca(cube).objective, rel=1e-9)
    assert "BLAS" in octave_blas().upper()


def test_cases_have_names_of_their_own_and_quick_ones_are_small():
    everything, quick = cases(), cases(quick=True)
    assert len({case.name for case in everything}) == len(everything)
    assert {case.name for case in quick} < {case.name for case in everything}
    assert all(case.bands * case.side**2 < 2e6 for case in quick)
    assert all(isinstance(peer, Peer) for case in everything for peer in case.peers)
    assert {"rx", "crd", "kcrd", "lrx", "srd", "rpca", "rpca-bands", "low-rank"} <= {c.method for c in everything}


def test_every_layout_is_read_beside_the_file(monkeypatch, tmp_path):
    monkeypatch.setattr(reading, "_SIZE", {True: 40})
    monkeypatch.setattr(reading, "_BANDS", 9)
    monkeypatch.setattr(reading, "_REPEATS", 1)
    monkeypatch.setattr(reading.tempfile, "tempdir", str(tmp_path))
    sums = []
    monkeypatch.setattr(reading, "_windows", lambda source: sums.append(source.read(slice(0, 40), slice(0, 40)).sum()))
    report = reading.run_reading(quick=True)
    assert len({int(total) for total in sums}) == 1  # the same numbers, whatever the layout
    assert [row.layout for row in report.rows] == list(reading._LAYOUTS)
    cold = hasattr(os, "posix_fadvise")
    for row in report.rows:
        assert row.plain > 0
        assert row.windows > 0
        assert (row.cold_plain is not None) == (row.cold_windows is not None) == cold
        assert row.file_bytes >= 40 * 40 * 9 * 2 or "deflated" in row.layout
    lines = report.table().splitlines()
    assert len(lines) == 4 + len(report.rows)
    assert len({line.count("|") for line in lines[2:]}) == 1
    assert json.loads(json.dumps(report.to_dict()))["shape"] == [40, 40, 9]
    assert not list(tmp_path.iterdir())
    with pytest.raises(ParameterError, match="no layout has 'tape' in its name"):
        reading.run_reading(only="tape")


def test_times_of_windows_stand_beside_those_of_the_file():
    row = reading.ReadingRow("deflated", 500_000, 1000.0, 100.0, None, None)
    report = reading.Reading("a machine", "1", (100, 100, 50), "int16", 256, (row,))
    # A file of 0.5 MB takes 0.5 ms; a million bytes of numbers in it, 10 ms.
    assert report.table().splitlines()[-1] == "| deflated | 0.5 | 1000 | 100 | 20.0 | - | - | - |"


def test_a_whole_command_is_measured(monkeypatch):
    case = Case("command", "rx", {"covariance": "ridge"}, 4, 70, 0, 0, 1e3, None, repeats=1, command="int16")
    started = []
    monkeypatch.setattr(commands.subprocess, "run", lambda command, **_: started.append(command))
    monkeypatch.setattr(run, "cases", lambda *, quick: [case])
    monkeypatch.setattr(run, "octave_blas", lambda: "")
    (row,) = run.run_bench().rows
    assert row.difference is None
    assert row.hsad_two is not None
    assert [command[command.index("--workers") + 1] for command in started] == ["1", "1", "2"]
    assert "--covariance=ridge" in started[0]


PAGE = """# Speed

A sentence.

hsad 0.0, a machine; 1 GFLOP/s

| work | hsad |
|---|---|
| rx | 9 |

| work | of another kind |
|---|---|
"""


def test_a_table_takes_the_place_of_the_last(tmp_path, hsad_run, monkeypatch):
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    case = Case("rx", "rx", {}, 4, 20, 0, 0, 1e3, None, repeats=1)
    monkeypatch.setattr(run, "cases", lambda *, quick: [case])
    status, out, _ = hsad_run("bench", "--into", page)
    assert status == 0
    assert page.read_text() == PAGE.replace(PAGE[PAGE.index("hsad") : PAGE.index("\n\n| work | of")], out.strip())


@pytest.mark.parametrize("text", ["# Speed\n", PAGE + PAGE, None])
def test_a_page_without_one_table_is_refused_before_anything_is_measured(tmp_path, hsad_run, monkeypatch, text):
    page = tmp_path / "page.md"
    if text is not None:
        page.write_text(text)
    monkeypatch.setattr(run, "_measure", lambda case: pytest.fail(f"{case} was measured"))
    status, _, err = hsad_run("bench", "--into", page)
    assert status == 1
    assert f"--into: {page}: " in err
    assert "nexpected" not in err
    assert not page.exists() or page.read_text() == text


def report_of(path, **runs):
    rows = [{"name": name.replace("_", " "), "bound": 2.0, "runs": times} for name, times in runs.items()]
    path.write_text(json.dumps({"rows": rows}))
    return str(path)


def test_two_reports_are_compared_row_by_row(tmp_path, hsad_run):
    before = report_of(tmp_path / "a.json", rx=[4.0, 4.2, 4.4], lrx_d=[1.0, 1.5, 2.0], gone=[1.0])
    after = report_of(tmp_path / "b.json", rx=[2.0, 2.1, 2.2], lrx_d=[1.9, 1.9, 1.9], new=[1.0])
    status, out, _ = hsad_run("bench", "--compare", before, after)
    assert status == 0
    assert "| rx | 2.10 | 1.05 | 2.00 | faster |" in out
    assert "| lrx d | 0.75 | 0.95 | 0.79 | within the spread |" in out
    assert "| gone | only before |" in out
    assert "| new | only after |" in out
    status, out, _ = hsad_run("bench", "--compare", after, before)
    assert status == 1
    assert "| rx | 1.05 | 2.10 | 0.50 | slower |" in out


@pytest.mark.parametrize("text", ["", "[]", '{"rows": [{"name": "rx", "bound": 0, "runs": [1]}]}', '{"rows": []}'])
def test_what_is_no_report_is_refused(tmp_path, hsad_run, text):
    good = report_of(tmp_path / "good.json", rx=[1.0])
    bad = tmp_path / "bad.json"
    bad.write_text(text)
    status, _, err = hsad_run("bench", "--compare", good, str(bad))
    assert status != 0
    assert "bad.json" in err
    assert "--compare" in err


def test_a_report_is_compared_with_the_table_of_the_manual(tmp_path, hsad_run):
    row = ["crd plain d=10", "0.2", "0.3 (50%)", "-", "4.0", "-", "-"]
    before, after = tmp_path / "speed.json", tmp_path / "after.json"
    before.write_text(json.dumps({"tables": {"work": {"measured": "", "columns": [], "rows": [row]}}}))
    after.write_text(json.dumps({"rows": [{"name": row[0], "runs": [0.5, 0.6, 0.7], "bound": 0.2}]}))
    status, out, _ = hsad_run("bench", "--compare", str(before), str(after))
    assert status == 0
    # Runs of 0.2, 0.3 and 0.35 at 4 times the bound of 0.05 against 2.5, 3 and 3.5 times.
    assert "| crd plain d=10 | 6.00 | 3.00 | 2.00 | faster |" in out
