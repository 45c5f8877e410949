"""Global RX against its definition, Spectral Python, scikit-learn, and the published areas under the curve."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import spectral
from hypothesis import given
from real_scenes import auc, truth_of
from sklearn.covariance import OAS, LedoitWolf
from strategies import scenes

import hsad
from hsad.errors import DataError, ParameterError, RankWarning
from hsad.kernels.covariance import ledoit_wolf_shrinkage, mahalanobis, oas_shrinkage, whitener
from hsad.kernels.summaries import Histogram, Moments, Sample, quantile


def definition(spectra, extra=0.0):
    """Return (x − μ)ᵀ (C + extra·I)⁻¹ (x − μ), C divided by n, for ``(n, d)`` spectra."""
    centred = spectra - spectra.mean(axis=0)
    covariance = centred.T @ centred / len(spectra)
    return np.sum(centred * np.linalg.solve(covariance + extra * np.eye(spectra.shape[1]), centred.T).T, axis=1)


def learned_scores(scene, **parameters):
    """Return float64 scores of the valid pixels, without the rounding to float32 of a map."""
    background = hsad.learn(scene, "rx", **parameters).background
    return background.distance(scene[~np.isnan(scene).any(axis=2)])


@given(scene=scenes(min_side=20))
def test_equals_the_definition(scene):
    spectra = scene[~np.isnan(scene).any(axis=2)]
    scores = learned_scores(scene)
    condition = np.linalg.cond(np.cov(spectra.T)) if spectra.shape[1] > 1 else 1
    np.testing.assert_allclose(scores, definition(spectra), rtol=max(1e-9, 1e-13 * condition))
    assert np.isclose(scores.mean(), spectra.shape[1], rtol=1e-9)
    ridged = learned_scores(scene, covariance="ridge", ridge=0.3)
    extra = 0.3 * np.trace(np.atleast_2d(np.cov(spectra.T, bias=True))) / spectra.shape[1]
    np.testing.assert_allclose(ridged, definition(spectra, extra), rtol=1e-9)


def test_equals_spectral_python():
    scene = np.random.default_rng(0).normal(size=(60, 70, 12)) @ np.random.default_rng(1).normal(size=(12, 12))
    theirs = spectral.rx(scene)  # divides the covariance by n − 1
    n = 60 * 70
    np.testing.assert_allclose(hsad.detect(scene, "rx"), theirs * n / (n - 1), rtol=1e-6)


@pytest.mark.parametrize("count", [8, 40, 500])
def test_shrinkage_equals_scikit_learn(count):
    random = np.random.default_rng(count)
    spectra = random.normal(size=(count, 20)) @ random.normal(size=(20, 20)) + 3
    moments = Moments.of(spectra)
    fourth = np.mean(np.sum((spectra - moments.mean) ** 2, axis=1) ** 2)
    assert np.isclose(ledoit_wolf_shrinkage(moments.covariance, count, fourth), LedoitWolf().fit(spectra).shrinkage_)
    assert np.isclose(oas_shrinkage(moments.covariance, count), OAS().fit(spectra).shrinkage_)
    # And the same end to end, through the passes of `learn`.
    scene = spectra.reshape(count // 4, 4, 20)
    for name, estimator in (("ledoit-wolf", LedoitWolf()), ("oas", OAS())):
        expected = estimator.fit(spectra).mahalanobis(spectra)
        np.testing.assert_allclose(learned_scores(scene, covariance=name), expected, rtol=1e-9)


@pytest.mark.parametrize("covariance", ["pinv", "ledoit-wolf"])
def test_trimming_equals_the_plain_loop(covariance):
    random = np.random.default_rng(5)
    scene = random.normal(size=(50, 60, 4))
    scene[:5, :20] += 6  # a frequent anomaly that hides itself
    spectra = scene.reshape(-1, 4)
    kept = np.ones(len(spectra), dtype=bool)
    while True:
        inside = spectra[kept]
        fitted = LedoitWolf().fit(inside).covariance_ if covariance == "ledoit-wolf" else np.cov(inside.T, bias=True)
        centred = spectra - inside.mean(axis=0)
        scores = np.sum(centred @ np.linalg.inv(fitted) * centred, axis=1)
        now = scores <= np.sort(scores)[len(scores) - int(0.05 * len(scores)) - 1]
        if (now == kept).all():
            break
        kept = now
    np.testing.assert_allclose(learned_scores(scene, trim=0.05, covariance=covariance), scores, rtol=1e-9)
    plain = learned_scores(scene).reshape(50, 60)
    assert scores.reshape(50, 60)[:5, :20].min() > 2 * plain[:5, :20].max()


def test_does_not_change_under_an_affine_map():
    random = np.random.default_rng(2)
    scene = random.normal(size=(40, 50, 6))
    mapped = scene @ random.normal(size=(6, 6)) * 1000 + random.normal(size=6)
    np.testing.assert_allclose(learned_scores(mapped), learned_scores(scene), rtol=1e-9)


def test_a_rank_deficient_covariance_is_reported_and_pseudo_inverted():
    random = np.random.default_rng(3)
    scene = random.normal(size=(30, 30, 5))
    doubled = np.concatenate([scene, scene[..., :2]], axis=2)
    with pytest.warns(RankWarning, match="rank 5 of 7"):
        learned = hsad.learn(doubled, "rx")
    assert learned.background.summary() == {"count": 900, "rank": 5}
    expected = np.linalg.pinv(np.cov(doubled.reshape(-1, 7).T, bias=True), rcond=1e-10)
    centred = doubled.reshape(-1, 7) - doubled.reshape(-1, 7).mean(axis=0)
    np.testing.assert_allclose(
        learned.background.distance(doubled.reshape(-1, 7)),
        np.sum(centred @ expected * centred, axis=1),
        rtol=1e-8,
    )


def test_what_does_not_allow_statistics_is_refused():
    scene = np.random.default_rng(0).normal(size=(3, 4, 20))
    with pytest.raises(DataError, match="12 valid pixels are fewer than the 20 bands"):
        hsad.detect(scene, "rx")
    assert np.isfinite(hsad.detect(scene, "rx", covariance="oas")).all()
    with pytest.raises(DataError, match="all valid pixels are equal"):
        hsad.detect(np.ones((9, 9, 3)), "rx")
    with pytest.raises(DataError, match="no valid pixel"):
        hsad.detect(np.full((9, 9, 3), np.nan), "rx")
    crossed = np.ones((8, 8, 2))
    crossed[:4, :, 0] = crossed[4:, :, 1] = np.nan  # each band has data, no pixel has both
    for method in ("rx", "lrx"):
        with pytest.raises(DataError, match="no valid pixel"):
            hsad.detect(crossed, method, **({} if method == "rx" else {"outer": 5, "inner": 3}))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"covariance": "diagonal"}, "covariance: 'diagonal' is not one of pinv, ridge, ledoit-wolf, oas"),
        ({"ridge": 0}, "ridge must be above 0, not 0"),
        ({"trim": 1}, "trim must be at least 0 and below 1, not 1"),
        ({"trim": "half"}, "trim: 'half' is not a number"),
        ({"window": 3}, "rx has no parameter 'window'; choose from covariance, ridge, trim"),
        ({"trm": 0.1}, r"did you mean 'trim'\?"),
    ],
)
def test_wrong_parameters_name_value_and_choices(parameters, message):
    with pytest.raises(ParameterError, match=message):
        hsad.detect(np.zeros((5, 5, 2)), "rx", **parameters)


#: The column "AUC of global RX" of the table that comes with the scenes.
PUBLISHED = {
    "abu-airport-2": 0.8404, "abu-airport-4": 0.9526, "abu-beach-3": 0.9998, "abu-beach-4": 0.9887,
    "abu-urban-2-198bands": 0.9952, "abu-urban-2": 0.9946, "abu-urban-4": 0.9887, "abu-urban-5": 0.9692,
    "pavia-lzw": 0.9934, "pavia-wu-data": 0.9982, "sandiego-1-vabs": 0.9055, "sandiego-1": 0.8885,
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_areas_under_the_curve(data, name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RankWarning)
        scores = np.asarray(hsad.detect(data / "scenes" / f"{name}.mat", "rx"))
    truth = truth_of(data, name)
    assert round(auc(scores, truth), 4) == PUBLISHED[name]
    assert np.isclose(hsad.evaluate(scores, truth)["auc"], auc(scores, truth))


def test_a_sample_does_not_depend_on_the_cut():
    random = np.random.default_rng(0)
    spectra, numbers = random.normal(size=(1000, 3)), random.permutation(1000)
    whole = Sample.of(spectra, numbers, 40, seed=7)
    parts = [Sample.of(spectra[part], numbers[part], 40, seed=7) for part in np.array_split(np.arange(1000), 13)]
    merged = sum(parts[1:], start=parts[0])
    assert np.array_equal(merged.spectra, whole.spectra)
    other = Sample.of(spectra, numbers, 40, seed=8)
    assert not np.array_equal(other.spectra, whole.spectra)
    # A fair sample: which pixels are drawn over many seeds is uniform.
    drawn = np.concatenate(
        [Sample.of(numbers[:, None].astype(float), numbers, 40, seed=seed).spectra[:, 0] for seed in range(500)]
    )
    counts = np.bincount(drawn.astype(int), minlength=1000)
    assert abs(counts.mean() - 20) < 1e-12
    assert 12 < counts.var() < 28


@pytest.mark.parametrize("share", [1e-9, 0.1, 0.3, 0.5, 0.999, 1.0])
def test_a_quantile_from_histograms_is_exact(share):
    values = np.random.default_rng(1).normal(size=1001).astype(np.float32) * 100
    parts = np.array_split(values, 7)

    def histogram(prefix):
        first, *others = [Histogram.of(part, prefix) for part in parts]
        return sum(others, start=first)

    expected = np.sort(values)[max(0, int(np.ceil(share * 1001 - 1e-9)) - 1)]
    assert quantile(histogram, share) == expected
    assert np.isnan(quantile(lambda _: None, share))


def test_moments_do_not_cancel():
    spectra = np.random.default_rng(4).normal(size=(5000, 3)) + 1e8
    parts = [Moments.of(part) for part in np.array_split(spectra, 17)]
    merged = sum(parts[1:], start=parts[0])
    np.testing.assert_allclose(merged.covariance, np.cov(spectra.T, bias=True), rtol=1e-7, atol=1e-9)
    white = mahalanobis(spectra, merged.mean, whitener(merged.covariance))
    assert np.isclose(white.mean(), 3, rtol=1e-6)
