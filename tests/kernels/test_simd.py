"""Sums of products, whitened lengths and symmetric products by microtiles, against numpy."""

import numpy as np
import pytest
from numba import njit

from hsad.kernels.compiled import as_kernel
from hsad.kernels.covariance import mahalanobis
from hsad.kernels.image.projection import project
from hsad.kernels.ring.lasso import _apply
from hsad.kernels.simd import triangle_microtiles
from hsad.kernels.simd.symmetric import TILE
from hsad.kernels.summaries import Moments


@pytest.mark.parametrize("bands", [1, 7, 8, 24, 33, 50])
def test_moments_of_pieces(bands):
    random = np.random.default_rng(bands)
    # A first piece far from the rest: what lies between their means counts, too.
    spectra = random.normal(size=(200, bands)) + np.where(np.arange(200) < 70, 1e6, 0.0)[:, None]
    moments = Moments.of(iter([spectra[:1], spectra[:0], spectra[1:70], spectra[70:]]))
    centred = spectra - spectra.mean(axis=0)
    assert moments.count == 200
    np.testing.assert_allclose(moments.mean, spectra.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(moments.scatter, centred.T @ centred, rtol=1e-12)
    assert np.array_equal(moments.scatter, moments.scatter.T)
    assert Moments.of(spectra[:0]) is None


@pytest.mark.parametrize("columns", [1, 5, 8, 20, 30])
def test_projections_are_the_same_wherever_a_pixel_lies(columns):
    random = np.random.default_rng(columns)
    for bands in (1, 11):
        spectra, vectors = random.normal(size=(4, 9, bands)), random.normal(size=(bands, columns))
        shift = random.normal(size=columns)
        whole = project(spectra, vectors, shift)
        np.testing.assert_allclose(whole, spectra @ vectors - shift, rtol=1e-12, atol=1e-13)
        for part in (np.s_[:1, 3:4], np.s_[:, 8:], np.s_[1:3, 2:5], np.s_[:, ::2]):
            assert np.array_equal(project(spectra[part], vectors, shift), whole[part])


@pytest.mark.parametrize("bands, rank", [(1, 1), (9, 9), (24, 24), (41, 41), (50, 20), (8, 3)])
def test_whitened_lengths(bands, rank):
    random = np.random.default_rng(rank)
    spectra, mean = random.normal(size=(131, bands)), random.normal(size=bands)
    whitening = random.normal(size=(bands, rank))
    if rank == bands:
        whitening = np.triu(whitening)
    expected = np.sum(((spectra - mean) @ whitening) ** 2, axis=1)
    np.testing.assert_allclose(mahalanobis(spectra, mean, whitening), expected, rtol=1e-12)
    np.testing.assert_array_equal(
        mahalanobis([spectra[:60], spectra[60:]], mean, whitening), mahalanobis(spectra, mean, whitening)
    )


@pytest.mark.parametrize("height, columns", [(3, 8), (1, 4), (2, 4)])
def test_the_size_of_a_microtile_does_not_show(height, columns):
    """Processors with shorter vectors take smaller ones."""
    tiles = triangle_microtiles.Microtiles(height, columns)
    add_products, add_squares = tiles.add_products, tiles.add_squares
    x = np.random.default_rng(0).normal(size=(8, 24))
    wide = 8 * height

    @njit
    def products(x, out):
        add_products(x, 0, 24, 0, 0, 8, out, 0, 24)

    @njit
    def squares(w, x, out):
        add_squares(w, 0, 8, 8, x, 0, 24, out, 0)

    out = np.zeros((24, 24))
    products(x.ravel(), out.ravel())
    np.testing.assert_allclose(out[:columns, :wide], (x.T @ x)[:columns, :wide], rtol=1e-12)
    lengths = np.zeros((8, 8))
    whitening = np.triu(np.random.default_rng(1).normal(size=(wide, wide)))
    squares(whitening.ravel(), x.ravel(), lengths.ravel())
    expected = np.sum((x[:columns, :wide] @ whitening) ** 2, axis=1)
    np.testing.assert_allclose(lengths.sum(axis=1)[:columns], expected, rtol=1e-12)


@pytest.mark.parametrize("order", [8, 16, 56])
def test_symmetric_product(order):
    random = np.random.default_rng(order)
    matrix = random.normal(size=(order, order))
    matrix, x, out = matrix + matrix.T, random.normal(size=order), np.empty(order)
    places = [(row, col) for col in range(0, order, 8) for row in range(col, order, 8)]
    tiles = np.concatenate([matrix[row : row + 8, col : col + 8].T.ravel() for row, col in places])
    assert tiles.size == TILE * len(places)
    as_kernel(_apply)(tiles, order, x, out)
    np.testing.assert_allclose(out, matrix @ x, rtol=1e-12, atol=1e-12)
