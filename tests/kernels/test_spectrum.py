"""The leading eigenvectors of symmetric matrices against LAPACK, and where they are hard to tell apart."""

import numpy as np
import pytest

from hsad.kernels.low_rank.pursuit import shrink_spectrum
from hsad.kernels.low_rank.spectrum import largest_vectors, leading_vectors


def with_values(values, seed=0):
    """A symmetric matrix with these eigenvalues."""
    size = len(values)
    turned = np.linalg.qr(np.random.default_rng(seed).normal(size=(size, size)))[0]
    matrix = (turned * values) @ turned.T
    return (matrix + matrix.T) / 2


def check(matrix, floor):
    """Compare with LAPACK: values, and the matrix of what lies above the floor (vectors of equal values may turn)."""
    expected, vectors = np.linalg.eigh(matrix)
    kept = expected > floor
    found, values, ours = leading_vectors(matrix, floor, len(matrix))
    assert found
    top = expected[-1]
    np.testing.assert_allclose(values, expected[kept][::-1], atol=1e-13 * top)
    np.testing.assert_allclose(ours.T @ ours, np.eye(len(values)), atol=1e-11)
    np.testing.assert_allclose(matrix @ ours, ours * values, atol=1e-13 * top)
    np.testing.assert_allclose(
        (ours * values) @ ours.T, (vectors[:, kept] * expected[kept]) @ vectors[:, kept].T, atol=1e-12 * top
    )


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 20, 61, 64, 130])
@pytest.mark.parametrize("ratio", [0.5, 0.93])
def test_as_lapack_finds_them(size, ratio):
    values = ratio ** np.arange(size)
    for floor in (0.9, np.sqrt(values[size // 2] * values[(size - 1) // 2 + (size % 2 and size > 1)]), 1e-9):
        if np.abs(values - floor).min() > 1e-12:
            check(with_values(values), floor)


@pytest.mark.parametrize("scale", [1e-140, 1e-3, 1e140])
def test_the_scale_does_not_matter(scale):
    check(scale * with_values(0.8 ** np.arange(30)), scale * 0.01)


@pytest.mark.parametrize("matrix", [np.diag(np.arange(1.0, 20.0)), np.ones((12, 12)), np.zeros((4, 4))])
def test_what_is_diagonal_already_and_what_is_of_low_rank(matrix):
    check(matrix, 0.7)


@pytest.mark.parametrize(
    "matrix",
    [
        np.eye(9),
        np.diag([5.0, 5.0, 3.0, 1.0, 1.0]),
        with_values(np.repeat([3.0, 2.0, 1e-3], 6)),
        with_values(np.concatenate([1 + 1e-15 * np.arange(5), [0.5, 0.1]])),
        np.kron(np.eye(3), with_values(np.array([4.0, 2.0, 1.0]))),
    ],
)
def test_equal_values_are_left_to_lapack(matrix):
    assert not leading_vectors(matrix, 0.7, len(matrix))[0]
    penalty = 0.7**-0.5
    vectors, factors, nuclear = shrink_spectrum(matrix, penalty)
    expected, all_vectors = np.linalg.eigh(matrix)
    singular = np.sqrt(np.maximum(expected, 0))
    left = np.maximum(singular - 1 / penalty, 0)
    assert nuclear == pytest.approx(left.sum())
    whole = (all_vectors * left / np.maximum(singular, 1e-9)) @ all_vectors.T
    np.testing.assert_allclose((vectors * factors) @ vectors.T, whole, atol=1e-12)


def test_nothing_above_the_floor():
    found, values, vectors = leading_vectors(with_values(np.array([3.0, 2.0, 1.0])), 3.5, 3)
    assert found
    assert values.shape == (0,)
    assert vectors.shape == (3, 0)


@pytest.mark.parametrize("values", [0.7 ** np.arange(40), np.repeat([2.0, 1.0], 5), np.repeat([1.0, 0.0], [3, 7])])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_so_many_of_the_largest(values, count):
    matrix = with_values(values)
    found, vectors = largest_vectors(matrix, count)
    np.testing.assert_allclose(found, values[:count], atol=1e-13)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(count), atol=1e-12)
    np.testing.assert_allclose(matrix @ vectors, vectors * found, atol=1e-13)
