"""The algorithm of ERX as it was published, and the tables of the bench."""

from __future__ import annotations

import numpy as np

from hsad.bench.streams.measure import LineRates, erx


def test_erx_is_the_distance_to_moving_averages_of_mean_and_covariance():
    random = np.random.default_rng(1)
    lines = random.normal(size=(6, 40, 4)) @ random.normal(size=(4, 4))
    forward = erx(4, None)
    found = [forward(line) for line in lines][-1]
    weights = [0.9**5, *(0.1 * 0.9 ** (5 - number) for number in range(1, 6))]
    mean = sum(weight * line.mean(axis=0) for weight, line in zip(weights, lines, strict=True))
    covariance = sum(weight * np.cov(line.T) for weight, line in zip(weights, lines, strict=True)) + 2e-5 * np.eye(4)
    offset = lines[-1] - mean
    expected = np.sqrt(np.einsum("ij,jk,ik->i", offset, np.linalg.inv(covariance), offset))
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_the_projection_of_erx_is_sparse_and_keeps_lengths_on_average():
    pixels = np.random.default_rng(2).normal(size=(1, 100))
    kept = []
    for seed in range(300):
        forward = erx(100, 5, seed=seed)
        projection = forward.__closure__[forward.__code__.co_freevars.index("projection")].cell_contents
        assert set(np.round(np.unique(np.abs(projection)), 9)) <= {0.0, np.round(np.sqrt(10 / 5), 9)}
        kept.append(np.sum((pixels @ projection) ** 2) / np.sum(pixels**2))
    assert abs(np.mean(kept) - 1) < 0.15


def test_the_report_has_rates_ratios_and_areas():
    ratio = {"median": 4.0, "least": 3.0, "most": 5.0}
    report = LineRates("a machine", "0", 500, 200, {"rx": 1000.0}, {"ERX": ratio}, {"scene": {"rx": 0.9, "ERX": 0.8}})
    table = report.table()
    assert "| rx | 1000 |" in table
    assert "rx on all bands is 4 times as fast as ERX (rounds: 3 to 5)" in table
    assert "| mean | 0.9000 | 0.8000 |" in table
    assert report.to_dict()["aucs"]["scene"]["rx"] == 0.9
