"""What each vector kernel of hsad/kernels/simd does, as a few lines of numpy with the same arguments.

They are the oracle of `test_vector_kernels.py`, and the shortest description of the kernels. `lanes` is the number of
lanes of a vector: 8 in float64, 16 in float32.
"""

# ruff: noqa: ARG001  a twin has the arguments of its kernel

from __future__ import annotations

import functools

import numpy as np
from scipy.linalg import solve_triangular


def index(start, *axes):
    """Return ``start + Σ step_k i_k`` for ``i_k < count_k``, with one axis for each (step, count)."""
    return start + functools.reduce(np.add, np.ix_(*(step * np.arange(count) for step, count in axes)))


def lanes(array):
    return 64 // array.itemsize


def subtract_atoms(x, band, places, count, coefficients, residuals):
    values = x[places[:count, None] + band + np.arange(16)]
    residuals.reshape(-1, 8)[band : band + 16] -= values.T @ coefficients.reshape(-1, 8)[:count]


def correlate_atoms(x, places, first, bands, residuals, out):
    values = x[places[first : first + 8, None] + np.arange(bands)]
    out.reshape(-1, 8)[first : first + 8] = values @ residuals.reshape(-1, 8)[:bands]


def multiply_atoms(table, starts, atoms, first, count, coefficients, out):
    i, j = np.indices((count, count))
    low, high = np.minimum(i, j), np.maximum(i, j)
    gram = table[starts[atoms[low]] + atoms[high]]
    part = np.where((low >= first) & (low < first + 4), gram, 0.0)
    out.reshape(-1, 8)[:count] += part @ coefficients.reshape(-1, 8)[:count]


def gather_columns(table, starts, atoms, column, first, out, out_at, out_step):
    join_columns(table, starts, atoms, column, first, 1, None, 0, out, out_at, out_step)


def gather_rows(table, starts, atoms, column, first, out, out_at, out_step):
    values = table[starts[atoms[first : first + 8]] + atoms[column : column + 8, None]]
    out[index(out_at, (out_step, 8), (1, 8))] = values


def join_columns(table, starts, atoms, column, first, blocks, runs, run, out, out_at, out_step):
    values = table[starts[atoms[column : column + 8], None] + atoms[first : first + 8 * blocks]]
    out[index(out_at, (out_step, 8), (1, 8 * blocks))] = values


def project_columns(table, starts, atoms, column, first, blocks, runs, run, terms, out, out_at, out_step):
    values = table[starts[atoms[column : column + 8], None] + atoms[first : first + 8 * blocks]]
    values = values - np.outer(terms[column : column + 8], terms[first : first + 8 * blocks])
    out[index(out_at, (out_step, 8), (1, 8 * blocks))] = values


def center_columns(table, starts, atoms, column, first, blocks, runs, run, terms, out, out_at, out_step):
    values = table[starts[atoms[column : column + 8], None] + atoms[first : first + 8 * blocks]]
    values = values + np.add.outer(terms[column : column + 8], terms[first : first + 8 * blocks])
    out[index(out_at, (out_step, 8), (1, 8 * blocks))] = values


def lane_products(x, weights, weighed, apart, i, j, count, m, m_step):
    left = weighed[index(0, (apart, 5), (8, count), (1, 8))]
    right = x[index(j * apart, (apart, 5), (8, count), (1, 8))]
    m[index(i * m_step + 8 * j, (m_step, 5), (8, 5), (1, 8))] += np.einsum("rkp,ckp->rcp", left, right)


def lane_squares(x, weights, weighed, apart, i, j, count, m, m_step):
    right = x[index(j * apart, (apart, 5), (8, count), (1, 8))]
    left = right * weights[: 8 * count].reshape(count, 8)
    weighed[index(0, (apart, 5), (8, count), (1, 8))] = left
    lower = np.tril(np.ones((5, 5)))[..., None]
    m[index(i * m_step + 8 * j, (m_step, 5), (8, 5), (1, 8))] += lower * np.einsum("rkp,ckp->rcp", left, right)


def lane_factor(a, lower, step, i, j, ridge, growth):
    for lane in range(8):
        place = index(i * step + 8 * j + lane, (step, 4), (8, 4))
        known = lower[index(i * step + lane, (step, 4), (8, j))]
        whole = a[place] + np.diag(ridge[8 * np.arange(j, j + 4) + lane])
        factor = np.linalg.cholesky(np.tril(whole) + np.tril(whole, -1).T - known @ known.T)
        pivots = np.diag(factor) ** 2
        growth[lane] = max(growth[lane], np.max(np.diag(whole) / pivots))
        np.fill_diagonal(factor, 1 / np.diag(factor))
        rows, columns = np.tril_indices(4)
        lower[place[rows, columns]] = factor[rows, columns]


def lane_solve(height):
    def solve(a, lower, step, i, j, ridge, growth):
        for lane in range(8):
            place = index(i * step + 8 * j + lane, (step, height), (8, 4))
            left, right = (lower[index(k * step + lane, (step, n), (8, j))] for k, n in ((i, height), (j, 4)))
            diagonal = np.tril(lower[index(j * step + 8 * j + lane, (step, 4), (8, 4))])
            np.fill_diagonal(diagonal, 1 / np.diag(diagonal))
            lower[place] = solve_triangular(diagonal, (a[place] - left @ right.T).T, lower=True).T

    return solve


def copy_atoms(x, x_at, band_step, offsets, first, y, bands, out, out_at, apart, squares, squares_at):
    atoms = x_at + offsets[first : first + 4]
    values = x[index(0, (band_step, bands), (0, 4), (1, 8)) + atoms[:, None]]
    out[index(out_at, (apart, bands), (8, 4), (1, 8))] = values
    squares[squares_at : squares_at + 32] = np.sum((y[: 8 * bands].reshape(-1, 1, 8) - values) ** 2, axis=0).ravel()


def invert_distances(squares, count, limits):
    values = squares[: 8 * count].reshape(-1, 8)
    values[:] = 1 / np.maximum(values + limits[8:16], limits[:8])


def back_substitute_lanes(lower, line, order, x):
    for lane in range(8):
        factor = np.tril(lower[index(lane, (line, order), (8, order))])
        np.fill_diagonal(factor, 1 / np.diag(factor))
        right = lower[order * line + lane + 8 * np.arange(order)]
        x[lane + 8 * np.arange(order)] = solve_triangular(factor, right, lower=True, trans=1)


def sum_squares(x, x_at, count, out):
    out[:8] = np.sum(x[x_at : x_at + 8 * count].reshape(-1, 8) ** 2, axis=0)


def largest_square(x, step, count, out):
    out[:8] = np.max(x[index(0, (step, count), (1, 8))] ** 2, axis=0)


def sum_moments(a, line, y, bands, inverse_counts, out):
    sums = a[index(line, (line, bands), (1, 8))]
    squares = a[index(line + 8, (line + 8, bands), (1, 8))]
    out[:8] = np.sum(squares - sums**2 * inverse_counts, axis=0)
    out[8:16] = np.sum((y[8 : 8 + 8 * bands].reshape(-1, 8) - sums * inverse_counts) ** 2, axis=0)


def _subtract(height, a, a_at, rows, rows_at, rows_step, columns, columns_at, columns_step, count):
    size = height * lanes(a)
    microtile = a[index(a_at, (rows_step, 8), (1, size))]
    left = rows[index(rows_at, (rows_step, count), (1, size))]
    right = columns[index(columns_at, (columns_step, count), (1, 8))]
    return microtile - right.T @ left


def eliminate(height, factor, half=False):
    def kernel(a, a_at, rows, rows_at, rows_step, columns, columns_at, columns_step, count, inverse, floor, block):
        above = 8 if half else 0
        values = _subtract(height, a, a_at, rows, rows_at, rows_step, columns, columns_at, columns_step, count)
        if factor:
            diagonal = np.linalg.cholesky(values[:, above : above + 8].T)
            inverse[block : block + 8] = 1 / np.diag(diagonal)
        else:
            done = columns_at + count * columns_step
            diagonal = np.tril(columns[index(done, (columns_step, 8), (1, 8))].T)
            np.fill_diagonal(diagonal, 1 / inverse[block : block + 8])
        values = solve_triangular(diagonal, values, lower=True)
        values[:, :above] = 0.0
        rows[index(rows_at + count * rows_step, (rows_step, 8), (1, values.shape[1]))] = values

    return kernel


def update(height):
    def kernel(
        a, a_at, rows, rows_at, rows_step, columns, columns_at, columns_step, count, out, out_at, out_step
    ):  # fmt: skip
        values = _subtract(height, a, a_at, rows, rows_at, rows_step, columns, columns_at, columns_step, count)
        out[index(out_at, (out_step, 8), (1, values.shape[1]))] = values

    return kernel


def add_dots(a, a_at, step, x, x_at, vectors, sums):
    products = a[index(a_at, (step, 8), (1, vectors * lanes(a)))] * x[x_at : x_at + vectors * lanes(a)]
    sums[:] += products.reshape(8, vectors, lanes(a)).sum(axis=1).ravel()


def add_columns(a, a_at, step, columns, x, out, out_at):
    out[out_at : out_at + lanes(a)] += x[:columns] @ a[index(a_at, (step, columns), (1, lanes(a)))]


def shift_columns(a, a_at, step, columns, column_terms, row_terms, row_at):
    terms = column_terms[:columns, None] + row_terms[row_at : row_at + 8]
    a[index(a_at, (step, columns), (1, 8))] += terms


def reflect_rows(a, at, step, row, vectors, v, w, following, product):
    rows, columns = slice(row, row + 4), slice(0, 8 * vectors)
    place = index(at, (step, 4), (1, 8 * vectors))
    a[place] -= np.outer(v[rows], w[columns]) + np.outer(w[rows], v[columns])
    product[columns] += following[rows] @ a[place]


def reflect(height):
    def kernel(z, z_at, step, rows, v, v_at, following_at, sums, sums_at):
        place, taken = index(z_at, (step, rows), (1, 8 * height)), sums[sums_at : sums_at + 8 * height]
        z[place] -= np.outer(v[v_at : v_at + rows], taken)
        taken[:] = v[following_at : following_at + rows] @ z[place]

    return kernel


def add_corners(x, corners, first, count, pixels, i, j, changes):
    for pixel in range(pixels):
        change = np.zeros((4, 8))
        for pair in range(first + pixel * count, first + (pixel + 1) * count):
            plus, minus = corners[2 * pair], corners[2 * pair + 1]
            change += np.outer(x[plus + i : plus + i + 4], x[plus + j : plus + j + 8])
            change -= np.outer(x[minus + i : minus + i + 4], x[minus + j : minus + j + 8])
        changes[32 * pixel : 32 * pixel + 32] = change.ravel()


def slide_microtile(changes, slope, slope_at, sums, sums_at, step):
    running = slope[slope_at : slope_at + 32] + np.cumsum(changes[:256].reshape(8, 32), axis=0)
    slope[slope_at : slope_at + 32] = running[-1]
    sums[index(sums_at, (step, 4), (8, 8), (1, 8))] += running.reshape(8, 4, 8).transpose(1, 2, 0)


def transpose(x, x_at, offsets, first, out, out_at, out_step):
    values = x[x_at + offsets[first : first + 8] + np.arange(8)[:, None]]
    out[index(out_at, (out_step, 8), (1, 8))] = values


def forward_panel(height, sides):
    def kernel(lower, at, inverse, x, first, step):
        size = 16 * height
        factor = lower[index(at, (size, first + size), (1, size))].T
        diagonal = np.tril(factor[:, first:])
        np.fill_diagonal(diagonal, 1 / inverse[first : first + size])
        for side in range(sides):
            own = x[side * step : side * step + first + size]
            own[first:] = solve_triangular(diagonal, own[first:] - factor[:, :first] @ own[:first], lower=True)

    return kernel


def sum_dots(sums):
    sums[:8] = sums.reshape(8, 16).sum(axis=1)


def multiply_tiles(tiles, at, below, x, column, out):
    here, under = slice(column, column + 8), slice(column + 8, column + 8 + 8 * below)
    stacked = tiles[at : at + 64 * (below + 1)].reshape(-1, 8, 8).transpose(0, 2, 1).reshape(-1, 8)
    diagonal, rest = stacked[:8], stacked[8:]
    out[here] += diagonal @ x[here] + rest.T @ x[under]
    out[under] += rest @ x[here]


def add_products(height, columns):
    def kernel(x, x_at, step, row, column, count, out, out_at, out_step):
        rows = x[index(x_at + row, (step, count), (1, 8 * height))]
        out[index(out_at, (out_step, columns), (1, 8 * height))] += (
            x[index(x_at + column, (step, count), (1, columns))].T @ rows
        )

    return kernel


def _whitening(height, w, w_at, count, later):
    rows = count + later * (height - 1)
    whitening = w[index(w_at, (8 * height, rows), (1, 8 * height))]
    return np.where(np.arange(rows)[:, None] < count + later * (np.arange(8 * height) // 8), whitening, 0.0)


def add_squares(height, columns):
    def kernel(w, w_at, count, later, x, x_at, step, out, out_at):
        whitening = _whitening(height, w, w_at, count, later)
        white = x[index(x_at, (step, columns), (1, len(whitening)))] @ whitening
        squares = (white**2).reshape(columns, height, 8).sum(axis=1)
        out[index(out_at, (8, columns), (1, 8))] += squares

    return kernel


def project(height, columns):
    def kernel(w, w_at, w_step, count, x, x_at, step, out, out_at, out_step):
        whitening = w[index(w_at, (w_step, count), (1, 8 * height))]
        out[index(out_at, (out_step, columns), (1, 8 * height))] = (
            x[index(x_at, (step, columns), (1, count))] @ whitening
        )

    return kernel


def add_lanes(vectors, groups, out):
    out[: 8 * groups] = vectors[: 64 * groups].reshape(-1, 8).sum(axis=1)


def twist(diagonal, beside, squares, size, at, below, rests, norms, work, z, z_at, z_step):
    matrix = np.diag(diagonal) + np.diag(beside[1:size], 1) + np.diag(beside[1:size], -1)
    for k, point in enumerate(at):
        inverse = np.linalg.inv(matrix - point * np.eye(size))
        place = np.argmax(np.abs(np.diag(inverse)))
        vector = inverse[:, place] / inverse[place, place]
        below[k], rests[k], norms[k] = (
            np.sum(np.linalg.eigvalsh(matrix) < point),
            1 / inverse[place, place],
            vector @ vector,
        )
        z[z_at + k + z_step * np.arange(size)] = vector
