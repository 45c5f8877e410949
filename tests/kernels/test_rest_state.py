"""The iteration of robust PCA on X - M in single precision, against its formulas."""

import numpy as np
import pytest

from hsad.kernels.low_rank.rest_state import next_rest, rest_map, sparse_rest
from hsad.kernels.triangular import new_scatter, scatter_matrix


@pytest.mark.parametrize("bands, rank", [(13, 0), (13, 5), (50, 22), (50, 23), (67, 60)])
def test_an_iteration_is_that_of_the_method(bands, rank):
    random = np.random.default_rng(bands + rank)
    x = random.normal(size=(300, bands)) + 1000 * random.random((300, 3)) @ random.random((3, bands))
    t = random.normal(size=x.shape).astype(np.float32)
    m = x - t
    vectors = np.linalg.svd(m)[2].T[:, :rank]
    factors = np.linspace(0.99, 0.2, rank)
    low = m @ vectors @ np.diag(factors) @ vectors.T
    ratio, threshold = 0.7, 0.6
    d = x - low + ratio * (m - low)
    sparse = np.sign(d) * np.maximum(np.abs(d) - threshold, 0)
    following = low + d - sparse

    state, gram = t.copy(), new_scatter(bands)
    squares = next_rest(x, state, rest_map(vectors, factors), ratio, threshold, gram)
    assert squares == pytest.approx(((x - low - sparse) ** 2).sum(), rel=1e-5)
    np.testing.assert_allclose(state, x - following, rtol=1e-6, atol=2e-5)
    np.testing.assert_allclose(scatter_matrix(gram), following.T @ following, rtol=1e-4)

    state, sums = t.copy(), np.zeros(2)
    again = sparse_rest(x, state, rest_map(vectors, factors), ratio, threshold, sums)
    assert again == pytest.approx(squares, rel=1e-12)
    np.testing.assert_allclose(state, sparse, rtol=1e-6, atol=2e-5)
    assert sums[0] == pytest.approx(np.abs(sparse).sum(), rel=1e-5)
    assert sums[1] == np.count_nonzero(state)
