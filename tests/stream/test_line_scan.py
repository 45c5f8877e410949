"""Lines in, scores out: equal to the batch result on the lines seen, or to a naive formula."""

from __future__ import annotations

import numpy as np
import pytest

import hsad
from hsad.errors import DataError, ParameterError, SceneError
from hsad.stream.kept import KeptLines
from hsad.stream.state import load_scan, save_scan

LINES, SAMPLES, BANDS = 60, 36, 8


def made_lines(seed=0):
    random = np.random.default_rng(seed)
    lines = random.normal(size=(LINES, SAMPLES, BANDS)) @ random.normal(size=(BANDS, BANDS)) + 5
    lines[45, 20] += 12
    lines[10, 5] = np.nan
    lines[51] = np.nan
    return lines


def scores_of(lines, method, chunk=1, scan=None, **options):
    scan = scan or hsad.LineScan(method, bands=lines.shape[2], samples=lines.shape[1], **options)
    parts = [scan.push(lines[row : row + chunk]) for row in range(0, len(lines), chunk)]
    return np.concatenate([part for part in (*parts, scan.finish()) if part is not None])


def naive_running(lines, start, forgetting, refresh, trim=0.0):
    """Score each line from all pixels before it, with a weight for each; nothing is merged or updated."""
    valid = np.isfinite(lines).all(axis=2)
    used = valid.copy()
    scores = np.full(valid.shape, np.nan)

    def gaussian(upto):
        weights = np.concatenate([np.full(used[t].sum(), forgetting ** (upto - 1 - t)) for t in range(upto)])
        pixels = lines[:upto][used[:upto]]
        mean = np.average(pixels, axis=0, weights=weights)
        return mean, np.cov(pixels.T, aweights=weights, ddof=0)

    def distance(line, mean, covariance):
        return np.einsum("ij,ij->i", line - mean, np.linalg.solve(covariance, (line - mean).T).T)

    def limit(upto):
        last = scores[max(0, upto - start) : upto]
        kept = np.sort(last[np.isfinite(last)])
        return kept[int(np.ceil((1 - trim) * len(kept))) - 1]

    first = lines[:start][valid[:start]]
    mean, covariance = first.mean(axis=0), np.cov(first.T, ddof=0)
    for row in range(start):
        scores[row] = distance(lines[row], mean, covariance)
    bound = limit(start) if trim else np.inf
    used[:start] &= ~(scores[:start] > bound)
    last = start
    for row in range(start, len(lines)):
        if row - last >= min(refresh, max(1, row // 8)):
            last = row
            mean, covariance = gaussian(row)
            bound = limit(row) if trim else np.inf
        scores[row] = distance(lines[row], mean, covariance)
        used[row] &= ~(scores[row] > bound)
    return scores


@pytest.mark.parametrize(("forgetting", "refresh"), [(1.0, 1), (0.97, 5)])
def test_running_rx_is_the_weighted_mean_and_covariance_of_the_lines_before(forgetting, refresh):
    lines = made_lines()
    found = scores_of(lines, "rx", first_lines=20, forgetting=forgetting, refresh=refresh)
    expected = naive_running(lines, 20, forgetting, refresh)
    np.testing.assert_allclose(found, expected.astype(np.float32), rtol=3e-7)


def test_moments_that_follow_the_lines_agree_with_the_formula_to_nine_digits():
    lines = made_lines()[:, :, :5] + 1000  # far from zero, where sums of squares would cancel
    scan = hsad.LineScan("rx", bands=5, samples=SAMPLES, first_lines=20, forgetting=0.9, refresh=1)
    scan.push(lines)
    state = scan.state()["running"]
    valid = np.isfinite(lines).all(axis=2)
    weights = np.repeat(0.9 ** np.arange(LINES - 1, -1, -1), valid.sum(axis=1))
    pixels = lines[valid]
    mean = np.average(pixels, axis=0, weights=weights)
    np.testing.assert_allclose(state["number"][0], weights.sum(), rtol=1e-12)
    np.testing.assert_allclose(state["mean"], mean, rtol=1e-12)
    whitening = state["gaussian"].whitening
    expected = np.linalg.inv(np.cov(pixels.T, aweights=weights, ddof=0))
    np.testing.assert_allclose(whitening @ whitening.T, expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())


def test_trimmed_running_rx_leaves_out_what_exceeds_the_quantile_of_the_last_scores():
    lines = made_lines()
    lines[30:34, 10:12] += 40
    whole = scores_of(lines, "rx", first_lines=20, forgetting=1.0, refresh=4)
    found = scores_of(lines, "rx", first_lines=20, forgetting=1.0, refresh=4, trim=0.05)[20:]
    # The start is a batch result: its trimming is iterated, and it is compared with that.
    start = hsad.detect(lines[:20], "rx", trim=0.05)
    scan = hsad.LineScan("rx", bands=BANDS, samples=SAMPLES, first_lines=20, trim=0.05)
    np.testing.assert_array_equal(scan.push(lines[:20]), start)
    assert np.nanmedian(found[14:]) > np.nanmedian(whole[34:])
    assert np.nanmedian(found[-5:]) == pytest.approx(BANDS, rel=0.3)


def test_trimming_follows_its_formula_where_the_start_needs_none():
    lines = made_lines()
    found = scores_of(lines, "rx", first_lines=20, forgetting=0.98, refresh=4, trim=0.001)
    # In 720 pixels no whole pixel is 0.1 %: the start is that of plain rx, and the limit its largest score.
    expected = naive_running(lines, 20, 0.98, 4, trim=0.001)
    np.testing.assert_allclose(found, expected.astype(np.float32), rtol=3e-7)


WINDOWS = [
    ("lrx", {}),
    ("lrx", {"outer": 9, "inner": 3, "border": "truncate"}),
    ("lrx", {"outer": 9, "inner": 3, "border": "reflect", "covariance": "oas"}),
    ("crd", {"outer": 9, "inner": 5}),
    ("crd", {"outer": 11, "inner": 3, "measure": "objective"}),
]


@pytest.mark.parametrize(("method", "parameters"), WINDOWS)
@pytest.mark.parametrize("seen", [LINES, 31])
def test_windows_give_what_the_batch_gives_for_the_lines_seen(method, parameters, seen):
    lines = made_lines()[:seen]
    words = {("score" if name == "measure" else name): value for name, value in parameters.items()}
    expected = hsad.detect(lines, method, **words)
    np.testing.assert_allclose(scores_of(lines, method, **words), expected, rtol=1e-9)
    np.testing.assert_allclose(scores_of(lines, method, chunk=7, together=4, **words), expected, rtol=1e-9)


def test_delay_counts_the_lines_until_a_score():
    scan = hsad.LineScan("lrx", bands=BANDS, samples=SAMPLES, outer=9, inner=3, together=3)
    assert (scan.delay, scan.first_lines) == (6, 9)
    for line in made_lines():
        scan.push(line)
        assert scan.pushed < 9 or scan.pushed - scan.scored <= 4 + 2
    assert scan.pushed - scan.scored <= scan.delay
    assert hsad.LineScan("rx", bands=BANDS, samples=SAMPLES).delay == 0


def test_scores_do_not_depend_on_how_many_lines_are_pushed_at_once():
    lines = made_lines()
    for method, options in (("rx", {"trim": 0.02}), ("lrx", {"together": 2}), ("rx", {"clean_start": True})):
        alone = scores_of(lines, method, **options)
        np.testing.assert_array_equal(scores_of(lines, method, chunk=25, **options), alone)
        np.testing.assert_array_equal(scores_of(lines, method, chunk=LINES, **options), alone)


SMALL_AUTO = {"outer": 7, "inner": 3, "areas": (2, 4), "clutter": 5, "components": 3}


@pytest.mark.parametrize(
    ("method", "parameters"),
    [("rx", {"covariance": "ledoit-wolf"}), ("crd", {"weights": "none"}), ("auto", SMALL_AUTO), ("rx", {"pca": 3})],
)
def test_a_clean_start_gives_what_the_background_of_the_first_lines_gives(method, parameters):
    lines = made_lines()
    background = hsad.learn(lines[:40], method, **parameters)
    expected = hsad.score(lines, background)
    np.testing.assert_array_equal(scores_of(lines, method, first_lines=40, clean_start=True, **parameters), expected)
    carried = hsad.LineScan(bands=BANDS, samples=SAMPLES, background=background)
    np.testing.assert_array_equal(scores_of(lines, None, scan=carried), expected)
    assert carried.first_lines == 0


def test_a_lost_line_is_a_line_without_scores():
    lines = made_lines()
    scan = hsad.LineScan("lrx", bands=BANDS, samples=SAMPLES)
    parts = [scan.push(lines[:30]), scan.skip(2), scan.push(lines[32:]), scan.finish()]
    found = np.concatenate([part for part in parts if part is not None])
    lines[30:32] = np.nan
    np.testing.assert_array_equal(found, hsad.detect(lines, "lrx"))
    assert np.isnan(found[30:32]).all()


def test_nodata_gains_and_bad_bands_of_a_cube_hold_for_lines():
    cube = hsad.make_scene(rows=50, cols=60, bands=40, seed=3, target_sizes=(1, 3), heading=20.0).cube
    scan = hsad.LineScan("lrx", bands=40, samples=60, like=cube)
    np.testing.assert_array_equal(scores_of(cube.values, None, scan=scan), hsad.detect(cube, "lrx").values)


def test_a_line_of_another_width_is_refused_and_the_scan_goes_on():
    lines = made_lines()
    scan = hsad.LineScan("rx", bands=BANDS, samples=SAMPLES)
    scan.push(lines[:40])
    with pytest.raises(ParameterError, match=r"36 pixels x 8 bands, not float64 of shape \(35, 8\); nothing of the"):
        scan.push(lines[40, :35])
    rest = scan.push(lines[40:])
    np.testing.assert_array_equal(rest, scores_of(lines, "rx")[40:])
    assert scan.finish().shape == (0, SAMPLES)
    with pytest.raises(ParameterError, match="the scan is finished"):
        scan.push(lines[0])


def test_what_cannot_go_line_by_line_is_refused_in_one_sentence():
    size = {"bands": BANDS, "samples": SAMPLES}
    with pytest.raises(ParameterError, match="forgetting is for rx without columns"):
        hsad.LineScan("lrx", forgetting=0.9, **size)
    with pytest.raises(ParameterError, match="two ways to treat later lines"):
        hsad.LineScan("rx", forgetting=0.9, clean_start=True, **size)
    with pytest.raises(ParameterError, match=r"forgetting must be above 0 and at most 1, not 1\.5"):
        hsad.LineScan("rx", forgetting=1.5, **size)
    with pytest.raises(ParameterError, match="samples must be a whole number of at least 1, not 0"):
        hsad.LineScan("rx", bands=3, samples=0)
    with pytest.raises(ParameterError, match="ledoit-wolf needs every line again"):
        hsad.LineScan("rx", covariance="ledoit-wolf", first_lines=20, **size).push(made_lines())
    with pytest.raises(DataError, match="a window of 15 pixels is larger than the scene of 9 x 36"):
        scores_of(made_lines()[:9], "lrx")
    background = hsad.learn(made_lines(), "rx")
    with pytest.raises(ParameterError, match="first_lines is decided by the background"):
        hsad.LineScan(background=background, first_lines=20, **size)
    with pytest.raises(ParameterError, match="learned on 8 bands, the scene has 9"):
        hsad.LineScan(background=background, bands=9, samples=SAMPLES)


@pytest.mark.parametrize(
    ("method", "options"),
    [("rx", {"trim": 0.02}), ("lrx", {"together": 4}), ("rx", {"clean_start": True}), ("rx", {"pca": 3})],
)
@pytest.mark.parametrize("cut", [5, 34, 57])
def test_a_scan_from_a_file_goes_on_as_if_nothing_had_happened(tmp_path, method, options, cut):
    lines = made_lines()
    scan = hsad.LineScan(method, bands=BANDS, samples=SAMPLES, **options)
    before = scan.push(lines[:cut])
    save_scan(scan, tmp_path / "scan.state", {"row": cut}, overwrite=False)
    again, more = load_scan(tmp_path / "scan.state")
    assert more == {"row": cut}
    after = scores_of(lines[cut:], None, scan=again)
    found = after if before is None else np.concatenate([before, after])
    np.testing.assert_array_equal(found, scores_of(lines, method, **options))


def test_a_foreign_file_is_no_scan(tmp_path):
    (tmp_path / "scan.state").write_bytes(b"PK something else")
    with pytest.raises(SceneError, match=r"scan\.state: not the state of a scan"):
        load_scan(tmp_path / "scan.state")
    with pytest.raises(SceneError, match="no such file"):
        load_scan(tmp_path / "missing.state")


def test_memory_holds_the_lines_of_the_window_only():
    kept = KeptLines(4, 3, 5)
    numbers = np.arange(400.0)
    for row in range(100):
        kept.append(np.full((1, 4, 3), numbers[row]), np.ones((1, 4), dtype=bool))
        kept.forget_before(row - 4)
        spectra, valid = kept.lines(kept.first, kept.stop)
        np.testing.assert_array_equal(spectra[:, 0, 0], numbers[max(0, row - 4) : row + 1])
        assert valid.all()
        assert kept._spectra.shape[0] == 10
    kept.append(np.zeros((30, 4, 3)), np.zeros((30, 4), dtype=bool))
    assert kept.stop - kept.first == 35
    np.testing.assert_array_equal(kept.lines(96, 101)[0][:, 0, 0], [96, 97, 98, 99, 0])
