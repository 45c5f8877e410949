"""The numerics of the learned detectors, against formulas written out in numpy, brute force and finite differences."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hsad.errors import DataError  # noqa: E402  after the skip
from hsad.kernels.networks import rpcanet, skip, unrolled  # noqa: E402
from hsad.kernels.networks.bank import Places, greedy_coreset, nearest, neighbours  # noqa: E402
from hsad.kernels.networks.encoder import encoder_start, features_of  # noqa: E402
from hsad.kernels.networks.halos import SKIP_HALO  # noqa: E402
from hsad.kernels.networks.losses import detection_loss, soft_iou  # noqa: E402
from hsad.kernels.networks.patches import patch_basis, patch_norms, patch_start, smooth_basis  # noqa: E402
from hsad.kernels.networks.pieces import Piece  # noqa: E402
from hsad.kernels.networks.positions import PositionMoments, position_distance  # noqa: E402
from hsad.kernels.networks.training import Schedule, minimise  # noqa: E402
from hsad.kernels.networks.unrolled_training import Network, layer_maps, settle  # noqa: E402
from hsad.kernels.networks.weights import tensors_of  # noqa: E402


def plain(iterable, **_):
    return iterable


def box(values, side):
    """Sum over a square, cut at the edges, pixel by pixel."""
    rows, cols = values.shape
    half = side // 2
    out = np.empty((rows, cols))
    for i, j in np.ndindex(rows, cols):
        out[i, j] = values[max(0, i - half) : i + half + 1, max(0, j - half) : j + half + 1].sum()
    return out


def naive_layers(weights, images, valid, medians, outer, inner):
    """Two layers by the formulas of the documentation, one pixel at a time, in float64."""
    count, rows, cols = images.shape
    sparse, purity = np.zeros_like(images), valid.astype(float)
    kernel = np.exp(weights["log_kernel"].astype(float))
    evidence = []
    for number in range(2):
        rest = images - sparse
        lam = np.exp(float(weights["log_lam"][number]))
        left = np.empty_like(images)
        for i, j in np.ndindex(rows, cols):
            moment, total = np.zeros((count, count)), 0.0
            for a, b in itertools.product(range(rows), range(cols)):
                distance = max(abs(a - i), abs(b - j))
                if inner // 2 < distance <= outer // 2:
                    moment += purity[a, b] * np.outer(rest[:, a, b], rest[:, a, b])
                    total += purity[a, b]
            left[:, i, j] = lam * np.linalg.solve(moment / total + lam * np.eye(count), rest[:, i, j])
        z = sparse + np.einsum("kl,lij->kij", weights["W"].astype(float), left)
        squares = (z**2).sum(axis=0)
        norm = np.empty((rows, cols))
        for i, j in np.ndindex(rows, cols):
            total = weight = 0.0
            for a, b in itertools.product(range(-2, 3), range(-2, 3)):
                if 0 <= i + a < rows and 0 <= j + b < cols and valid[i + a, j + b]:
                    total += kernel[a + 2, b + 2] * squares[i + a, j + b]
                    weight += kernel[a + 2, b + 2]
            norm[i, j] = np.sqrt(total / weight + 1e-12)
        u = norm / medians[number]
        u = u / (box(purity * u, 31) / box(purity, 31)) ** float(weights["beta"])
        sparse = z * np.maximum(1 - float(weights["theta"][number]) / u, 0)
        purity = valid / (1 + (sparse**2).sum(axis=0) / (medians[number] / 2) ** 2)
        evidence.append((u, np.sqrt((sparse**2).sum(axis=0))))
    return evidence


def test_two_layers_of_the_unrolled_network_by_hand():
    random = np.random.default_rng(0)
    images = random.normal(size=(3, 11, 12)).astype(np.float32)
    images[:, 5, 5] += 6
    valid = random.random((11, 12)) > 0.1
    valid[5, 5] = True
    weights = unrolled.start(3, 2)
    weights["W"] = (0.5 * np.eye(3) + 0.1 * random.normal(size=(3, 3))).astype(np.float32)
    weights["theta"] = np.array([1.2, 0.8], dtype=np.float32)
    weights["beta"] = np.array(0.4, dtype=np.float32)
    weights["log_lam"] = np.log(np.array([0.3, 0.1], dtype=np.float32))
    network = Network(unrolled.Rings(7, 3), 2, 3, "cpu")
    piece = Piece(images, valid)
    scales = settle(weights, network, [piece], globally=False)
    made = layer_maps(weights, network, scales, piece)
    expected = naive_layers(weights, images.astype(float), valid, scales.medians, 7, 3)
    for (u, sparse), (wanted_u, wanted_sparse) in zip(made, expected, strict=True):
        np.testing.assert_allclose(u[valid], wanted_u[valid], rtol=2e-4)
        np.testing.assert_allclose(sparse[valid], wanted_sparse[valid], rtol=2e-3, atol=1e-4)
    assert (made[0][1][valid] == 0).any()
    assert made[0][1][5, 5] > 0


def test_the_gradient_of_the_unrolled_layers_agrees_with_finite_differences():
    random = np.random.default_rng(1)
    images = torch.tensor(random.normal(size=(2, 9, 9)))
    valid = torch.ones(9, 9, dtype=torch.float64)
    start = {
        name: torch.tensor(array.astype(float)) for name, array in unrolled.start(2, 2, theta=0.7, lam=0.2).items()
    }
    names = ("theta", "W", "log_lam", "beta", "log_kernel")

    def total(*values):
        weights = {**start, **dict(zip(names, values, strict=True))}
        state = unrolled.first_state(images, valid)
        for number in range(2):
            z, norm = unrolled.layer(weights, number, images, valid, state, unrolled.Rings(5, 1))
            state, u = unrolled.evidence(weights, number, z, norm, 0.5, valid, state.purity)
        return u.sum() + state.sparse.square().sum()

    values = [start[name].clone().requires_grad_() for name in names]
    assert torch.autograd.gradcheck(total, values, eps=1e-6, atol=1e-4, rtol=1e-3)


def test_the_global_gaussian_is_weighted_by_purity():
    random = np.random.default_rng(2)
    images = torch.tensor(random.normal(size=(3, 8, 8)))
    purity = torch.tensor(random.random((8, 8)))
    mean, covariance = unrolled.purified_moments(images, purity)
    pixels = images.numpy().reshape(3, -1)
    expected = np.cov(pixels, aweights=purity.numpy().ravel(), ddof=0)
    np.testing.assert_allclose(mean, np.average(pixels, axis=1, weights=purity.numpy().ravel()))
    np.testing.assert_allclose(covariance, expected)
    whitening = unrolled.whitening_of(covariance).numpy()
    np.testing.assert_allclose(whitening.T @ whitening, np.linalg.inv(expected), rtol=1e-5)


def naive_conv(images, weight, bias):
    """Convolution with repeated edges, one output at a time."""
    rows, cols = images.shape[1:]
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)), mode="edge")
    out = np.empty((len(weight), rows, cols))
    for i, j in np.ndindex(rows, cols):
        out[:, i, j] = np.einsum("oikl,ikl->o", weight, padded[:, i : i + 3, j : j + 3]) + bias
    return out


def naive_network(weights, name, image):
    values = image[None]
    for layer in range(3):
        values = naive_conv(values, weights[f"{name}.{layer}.weight"], weights[f"{name}.{layer}.bias"])
        if layer < 2:
            values = np.maximum(values, 0)
    return values[0]


def test_a_stage_of_rpcanet_by_hand():
    random = np.random.default_rng(3)
    weights = rpcanet.rpcanet_start(random, 1, 4, at_control=False)
    weights["0.epsilon"] = np.array(0.3, dtype=np.float32)
    image, sparse = random.normal(size=(2, 6, 7))
    x = image - sparse
    background = x + naive_network(weights, "0.L", x)
    y = sparse + image - background
    wanted = y - 0.3 * naive_network(weights, "0.S", y)
    restored = naive_network(weights, "0.M", background + wanted)
    given = (torch.tensor(one[None, None]).float() for one in (image, sparse))
    made_image, made_sparse = rpcanet.stage(tensors_of(weights, torch.device("cpu")), 0, *given)
    np.testing.assert_allclose(made_sparse[0, 0], wanted, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(made_image[0, 0], restored, rtol=1e-4, atol=1e-5)


def test_rpcanet_starts_at_the_smoothed_length_of_a_pixel():
    random = np.random.default_rng(4)
    images = random.normal(size=(5, 9, 9)).astype(np.float32)
    weights = rpcanet.rpcanet_start(random, 1, 6, at_control=True)
    valid = np.ones((9, 9), dtype=bool)
    norm = rpcanet.rpcanet_norm(weights, images, valid, "cpu")
    kernel = np.exp(weights["log_kernel"].astype(float))
    squares = (images.astype(float) ** 2).mean(axis=0)
    middle = (kernel * squares[2:7, 2:7]).sum() / kernel.sum()
    assert norm[4, 4] == pytest.approx(np.sqrt(middle + 1e-4), rel=1e-5)


def test_losses_by_hand():
    logit = torch.tensor([[2.0, -1.0, 0.5]])
    target, weight = torch.tensor([[1.0, 0.0, 1.0]]), torch.tensor([[1.0, 2.0, 0.0]])
    p = 1 / (1 + np.exp(-np.array([2.0, -1.0])))
    both, either = p[0], p[0] + 1 - p[0] + 2 * p[1]
    overlap = 1 - (both + 1) / (either + 1)
    entropy = (-5 * np.log(p[0]) - 2 * np.log(1 - p[1])) / 3
    assert soft_iou(torch.sigmoid(logit), target, weight).item() == pytest.approx(overlap)
    assert detection_loss(logit, target, weight).item() == pytest.approx(entropy + overlap, rel=1e-5)


def test_a_greedy_coreset_is_the_one_of_brute_force():
    features = np.random.default_rng(5).normal(size=(60, 3))
    chosen = greedy_coreset(features, 12, np.random.default_rng(7))
    distance = np.linalg.norm(features[:, None] - features, axis=2)
    expected = [int(np.random.default_rng(7).integers(60))]
    while len(expected) < 12:
        expected.append(int(distance[:, expected].min(axis=1).argmax()))
    assert list(chosen) == expected


def test_the_nearest_of_a_bank_by_brute_force():
    random = np.random.default_rng(6)
    features, bank = random.normal(size=(40, 4)), random.normal(size=(25, 4))
    here, there = random.integers(0, 12, (40, 2)), random.integers(0, 12, (25, 2))
    own = random.random(25) < 0.6
    distance = np.linalg.norm(features[:, None] - bank, axis=2)
    near = (np.abs(here[:, None] - there) <= 3).all(axis=2)
    allowed = np.where(near & own, np.inf, distance)
    places = Places(here, there, own, 3)
    np.testing.assert_allclose(nearest(features, bank, places, "cpu")[0], allowed.min(axis=1), atol=1e-7)
    around = neighbours(bank, 5)
    order = np.linalg.norm(bank[:, None] - bank, axis=2).argsort(axis=1)[:, :5]
    assert np.array_equal(around, order)
    nearest_one = allowed.argmin(axis=1)
    surprise = np.array(
        [1 - np.exp(row[j]) / np.exp(row[order[j]]).sum() for row, j in zip(allowed, nearest_one, strict=True)]
    )
    finite = np.isfinite(np.take_along_axis(allowed, order[nearest_one], axis=1)).all(axis=1)
    made, _ = nearest(features, bank, places, "cpu", around)
    np.testing.assert_allclose(made[finite], (allowed.min(axis=1) * surprise)[finite], atol=1e-7)


def test_large_distances_do_not_overflow_the_re_weighting():
    bank = 1e4 * np.random.default_rng(7).normal(size=(20, 2))
    places = Places(np.zeros((3, 2), dtype=int), np.zeros((20, 2), dtype=int), np.zeros(20, dtype=bool), -1)
    made, _ = nearest(np.full((3, 2), 1e5), bank, places, "cpu", neighbours(bank, 9))
    assert np.isfinite(made).all()


def test_gaussians_of_positions_are_those_of_numpy():
    random = np.random.default_rng(8)
    stack = random.normal(size=(7, 4, 5, 3))
    valid = random.random((7, 4, 5)) > 0.2
    held = PositionMoments.empty(4, 5, 3)
    for date, seen in zip(stack, valid, strict=True):
        held.add(0, 0, date[:2], seen[:2])
        held.add(2, 0, date[2:], seen[2:])
    own = np.array([[np.cov(stack[valid[:, i, j], i, j].T) for j in range(5)] for i in range(4)])
    np.testing.assert_allclose(held.pooled(2), own.mean(axis=(0, 1)), rtol=1e-4, atol=1e-5)
    new = random.normal(size=(4, 5, 3))
    flat = tuple(array.reshape(20, *array.shape[2:]) for array in (new, held.count, held.mean, held.scatter))
    made, products = position_distance(*flat, held.pooled(2), share=0.25, epsilon=0.1, device="cpu")
    for place, (i, j) in enumerate(np.ndindex(4, 5)):
        pooled = own.mean(axis=(0, 1))
        lift = 0.1 * (np.trace(own[i, j]) + np.trace(pooled)) / 6
        covariance = 0.75 * own[i, j] + 0.25 * pooled + lift * np.eye(3)
        step = new[i, j] - stack[valid[:, i, j], i, j].mean(axis=0)
        assert made[place] == pytest.approx(np.sqrt(step @ np.linalg.solve(covariance, step)), rel=1e-4)
        expected = step * np.linalg.solve(covariance, step)
        np.testing.assert_allclose(products[place], expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def test_patches_by_hand():
    random = np.random.default_rng(9)
    image = random.random((1, 12, 12)).astype(np.float32)
    weights = patch_start(4, 3, theta=0.03)
    weights["W"] = (weights["W"] + 0.05 * random.normal(size=(16, 16))).astype(np.float32)
    basis = patch_basis([Piece(image, np.ones((12, 12), dtype=bool))], 4, 2)
    np.testing.assert_allclose(basis.T @ basis, np.eye(2), atol=1e-12)
    whole = patch_norms(weights, basis, Piece(image, np.ones((12, 12), dtype=bool)), (0, 0), "cpu")
    merged, count = np.zeros((12, 12)), np.zeros((12, 12))
    for row, col in itertools.product(range(0, 9, 2), repeat=2):
        m = image[0, row : row + 4, col : col + 4].astype(float).ravel()
        sparse = np.zeros(16)
        for theta in weights["theta"]:
            rest = m - sparse
            z = sparse + weights["W"] @ (rest - basis @ (basis.T @ rest))
            sparse = np.sign(z) * np.maximum(np.abs(z) - theta, 0)
        merged[row : row + 4, col : col + 4] += z.reshape(4, 4)
        count[row : row + 4, col : col + 4] += 1
    # Away from the edges, where patches reach outside; there the image is continued.
    kernel = np.exp(weights["log_kernel"].astype(float))
    squares = (merged / count) ** 2
    middle = (kernel * squares[4:9, 4:9]).sum() / kernel.sum()
    assert whole[6, 6] == pytest.approx(np.sqrt(middle), rel=1e-4)


def test_patches_lie_where_they_lie_in_the_scene():
    random = np.random.default_rng(10)
    image = random.random((2, 30, 30)).astype(np.float32)
    valid = np.ones((30, 30), dtype=bool)
    for patch in (4, 5):
        weights, basis = patch_start(patch, 3), smooth_basis(patch)
        whole = patch_norms(weights, basis, Piece(image, valid), (0, 0), "cpu")
        part = patch_norms(weights, basis, Piece(image[:, 3:27, 5:28], valid[3:27, 5:28]), (3, 5), "cpu")
        np.testing.assert_allclose(part[9:15, 9:14], whole[12:18, 14:19], rtol=1e-4)


def test_the_autoencoder_looks_no_farther_than_it_says():
    random = np.random.default_rng(11)
    state = skip.skip_start(random, 2, 2, 4)
    statistics = {}
    for name in [key.removesuffix(".gain") for key in state if key.endswith(".gain")]:
        statistics |= {f"{name}.mean": np.zeros(1, np.float32), f"{name}.variance": np.ones(1, np.float32)}
    states = [{**state, **statistics}]
    images = random.normal(size=(2, 150, 150)).astype(np.float32)
    before = skip.skip_residual(states, images, 0 * images, (0, 0), "cpu")
    images[:, 75, 75] += 1e6
    after = skip.skip_residual(states, images, 0 * images, (0, 0), "cpu")
    changed = np.argwhere(after != before)
    farthest = np.abs(changed - 75).max()
    assert 20 < farthest <= SKIP_HALO - skip.CELL + 1
    part = skip.skip_residual(states, images[:, 13:, 6:], 0 * images[:, 13:, 6:], (13, 6), "cpu")
    halo = SKIP_HALO
    np.testing.assert_allclose(part[halo:, halo:], after[13 + halo :, 6 + halo :], rtol=1e-4)


def test_features_are_the_inner_layers():
    random = np.random.default_rng(12)
    weights = encoder_start(random, 3, width=4, code=2)
    images = random.normal(size=(3, 5, 6)).astype(np.float32)
    first = np.tanh(
        np.einsum("oi,ijk->ojk", weights["first.weight"][:, :, 0, 0], images) + weights["first.bias"][:, None, None]
    )
    second = np.tanh(naive_conv(first, weights["second.weight"], weights["second.bias"]))
    np.testing.assert_allclose(features_of(weights, images, "cpu"), np.concatenate([first, second]), rtol=1e-4)


def test_learning_finds_a_minimum_stops_and_keeps_the_best():
    def fit(steps, **schedule):
        weights = {"x": torch.tensor([4.0], requires_grad=True)}
        seen = []

        def loss(step):
            seen.append(step)
            return (weights["x"] - 1).square().sum()

        look = (lambda: float((weights["x"] - 3).abs())) if schedule else None
        found = minimise(weights, loss, Schedule(steps, {"": 0.1}, **schedule), method="m", show=plain, look=look)
        return found["x"].item(), len(seen)

    assert fit(400)[0] == pytest.approx(1, abs=0.05)
    # What decides about stopping is best on the way, at 3.
    value, steps = fit(400, every=5, patience=2)
    assert value == pytest.approx(3, abs=0.5)
    assert steps < 100


def test_a_loss_that_is_not_finite_ends_in_one_line():
    weights = {"x": torch.tensor([1.0], requires_grad=True)}
    with pytest.raises(DataError, match=r"autoencoder: the loss is nan after 0 steps"):
        minimise(
            weights, lambda _: weights["x"].log() * torch.nan, Schedule(3, {"": 0.1}), method="autoencoder", show=plain
        )
