"""Every vector kernel against its twin in numpy, on arguments whose sizes and places are all different."""

import importlib
import inspect
import pkgutil

import numpy as np
import pytest
import twins

from hsad.kernels import simd
from hsad.kernels.compiled import as_kernel
from hsad.kernels.simd import lane_microtiles, microtiles, triangle_microtiles
from hsad.kernels.simd.triangle_microtiles import Microtiles

RANDOM = np.random.default_rng(0)
SMALL = Microtiles(2, 4)


def n(*shape, dtype=np.float64):
    return RANDOM.normal(size=shape).astype(dtype)


def table():
    """A symmetric matrix of 40 pixels as a band, and 24 atoms: runs, and single ones."""
    atoms = np.r_[2:10, 11:14, 15, 17, 20:23, np.sort(RANDOM.choice(np.arange(23, 40), 8, replace=False))]
    return n(41 * 40 + 48), np.arange(40) * 41 + 8, np.r_[atoms, [39] * 8]


def runs(atoms, blocks):
    found = []
    for first in range(0, 8 * blocks, 8):
        group, begins = atoms[first : first + 8], [0]
        begins += [lane for lane in range(1, 8) if group[lane] != group[lane - 1] + 1]
        places = [group[lane] - lane for lane in [*begins, 7, 7][:3]]
        second = begins[1] if len(begins) > 1 else 8
        third = begins[2] if len(begins) > 2 else 8
        found += [*places, second, 0 if len(begins) > 3 else third]
    return np.array(found)


def gathering(*more):
    values, starts, atoms = table()
    return [values, starts, atoms, 0, 8, *more, np.zeros(900), 3, 40]


def joining():
    values, starts, atoms = table()
    return [values, starts, atoms, 0, 0, 3, runs(atoms, 3), 0, np.zeros(900), 3, 40]


def projecting():
    *front, _, at, step = joining()
    return [*front, n(40), np.zeros(900, np.float32), at, step]


def lane_system(order=8):
    """Eight positive definite systems, and what of their factors is known before the microtile (4, 4)."""
    step = 8 * (order + 1)
    a, lower = np.zeros((order + 1) * step), np.zeros((order + 1) * step)
    for lane in range(8):
        matrix = np.cov(n(order, 40)) + np.eye(order)
        a[twins.index(lane, (step, order), (8, order))] = matrix
        a[order * step + lane + 8 * np.arange(order)] = n(order)
        factor = np.linalg.cholesky(matrix)
        np.fill_diagonal(factor, 1 / np.diag(factor))
        lower[twins.index(lane, (step, order), (8, order))] = factor
        lower[order * step + lane + 8 * np.arange(order)] = n(order)
    return a, lower, step


def lane_elimination(i, j):
    a, lower, step = lane_system()
    return [a, lower, step, i, j, RANDOM.uniform(0, 0.1, 72), np.ones(8)]


def elimination(height, dtype, half=False):
    size, count = height * 64 // np.dtype(dtype).itemsize, 16
    above = 8 if half else 0
    rows = np.zeros((count + 8, size), dtype)
    rows[:count] = n(count, size, dtype=dtype)
    known = np.tril(n(8, 8)) + 4 * np.eye(8)
    columns = np.zeros((count + 8, 8), dtype)
    columns[:count], columns[count:] = rows[:count, above : above + 8], known.T
    a = n(8, size, dtype=dtype)
    a[:, above : above + 8] = columns[:count].T @ columns[:count] + known @ known.T
    inverse = np.ones(16, dtype)
    inverse[8:] = 1 / np.diag(known)
    return [a.ravel(), 0, rows.ravel(), 0, size, columns.ravel(), 0, 8, count, inverse, np.zeros(16, dtype), 8]


def updating(height, dtype):
    return [*elimination(height, dtype)[:9], n(900, dtype=dtype), 5, 8 * height + 90]


def panel(height):
    size, first = 16 * height, 32
    lower = n((first + size) * size + 7, dtype=np.float32) / size
    inverse = RANDOM.uniform(1, 2, first + size).astype(np.float32)
    return [lower, 7, inverse, n(2 * (first + size) + 5, dtype=np.float32), first, first + size + 5]


def twisting():
    size, z = 12, np.zeros(500)
    beside = np.r_[0.0, n(size - 1), 0.0]
    return [n(size), beside, beside**2, size, n(16), *np.zeros((3, 16)), np.zeros(48 * size), z, 2, 19]


def triangle(columns, kind):
    x = n(600)
    if kind == "products":
        return [x, 3, 40, 8, 5, 11, n(columns * 31 + 30), 2, 31]
    if kind == "squares":
        return [n(900), 4, 8, 8, x, 3, 40, n(8 * columns + 5), 5]
    return [n(900), 4, 29, 13, x, 3, 40, n(columns * 31 + 30), 2, 31]


CASES = {
    "atom_products.subtract_atoms": (twins.subtract_atoms, lambda: [
        n(500), 16, np.arange(9) * 48, 7, n(80), n(8 * 48)]),
    "atom_products.correlate_atoms": (twins.correlate_atoms, lambda: [
        n(900), RANDOM.permutation(16) * 40, 8, 33, n(8 * 33), n(8 * 16)]),
    "atom_products.multiply_atoms": (twins.multiply_atoms, lambda: [*table(), 8, 21, n(8 * 32), n(8 * 32)]),
    "gathering.center_columns": (twins.center_columns, projecting),
    "gathering.gather_columns": (twins.gather_columns, gathering),
    "gathering.gather_rows": (twins.gather_rows, gathering),
    "gathering.join_columns": (twins.join_columns, joining),
    "gathering.project_columns": (twins.project_columns, projecting),
    "lane_microtiles.add_products": (twins.lane_products, lambda: [
        n(900), n(80), n(900), 80, 5, 0, 7, n(900), 88]),
    "lane_microtiles.add_squares": (twins.lane_squares, lambda: [n(900), n(80), n(900), 80, 5, 5, 7, n(1100), 88]),
    "lane_microtiles.lane_factor": (twins.lane_factor, lambda: lane_elimination(4, 4)),
    "lane_microtiles.lane_solve": (twins.lane_solve(4), lambda: lane_elimination(4, 0)),
    "lane_microtiles.lane_solve_row": (twins.lane_solve(1), lambda: lane_elimination(8, 4)),
    "lane_microtiles.copy_atoms": (twins.copy_atoms, lambda: [
        n(900), 9, 64, RANDOM.permutation(8) * 8, 2, n(80), 9, n(900), 6, 72, n(50), 3]),
    "lane_microtiles.invert_distances": (twins.invert_distances, lambda: [
        np.abs(n(80)), 7, np.r_[np.full(8, 0.5), np.full(8, 0.1)]]),
    "lane_sums.back_substitute_lanes": (twins.back_substitute_lanes, lambda: [
        *lane_system()[1:], 8, np.zeros(64)]),
    "lane_sums.sum_squares": (twins.sum_squares, lambda: [n(90), 5, 9, n(8)]),
    "lane_sums.largest_square": (twins.largest_square, lambda: [n(200), 19, 9, n(8)]),
    "lane_sums.sum_moments": (twins.sum_moments, lambda: [n(900), 88, n(90), 7, RANDOM.uniform(0.1, 1, 8), n(16)]),
    "microtiles.add_dots": (twins.add_dots, lambda: [n(900), 5, 60, n(60), 3, 4, n(64)]),
    "microtiles.add_columns": (twins.add_columns, lambda: [n(900), 5, 60, 7, n(9), n(20), 3]),
    "microtiles.shift_columns": (twins.shift_columns, lambda: [n(900), 5, 60, 7, n(9), n(20), 3]),
    "reflections.reflect_rows": (twins.reflect_rows, lambda: [n(300), 3, 50, 5, 4, *n(4, 40)]),
    "reflections.reflect_1": (twins.reflect(1), lambda: [n(900), 3, 50, 9, n(30), 2, 14, n(40), 5]),
    "reflections.reflect_2": (twins.reflect(2), lambda: [n(900), 3, 50, 9, n(30), 2, 14, n(40), 5]),
    "reflections.reflect_3": (twins.reflect(3), lambda: [n(900), 3, 50, 9, n(30), 2, 14, n(40), 5]),
    "slide_microtiles.add_corners": (twins.add_corners, lambda: [
        n(900), RANDOM.integers(0, 800, 80), 3, 4, 5, 8, 16, n(160)]),
    "slide_microtiles.slide_microtile": (twins.slide_microtile, lambda: [n(256), n(50), 9, n(600), 7, 99]),
    "slide_microtiles.transpose": (twins.transpose, lambda: [n(900), 5, RANDOM.permutation(20) * 40, 7, n(300), 4, 33]),
    "substitution.sum_dots": (twins.sum_dots, lambda: [n(128, dtype=np.float32)]),
    "symmetric.multiply_tiles": (twins.multiply_tiles, lambda: [n(64 * 6), 64, 3, n(50), 8, n(50)]),
    "triangle_microtiles.add_lanes": (twins.add_lanes, lambda: [n(200), 3, n(24)]),
    "twisted.twist": (twins.twist, twisting),
}  # fmt: skip
for height in (1, 2, 3):
    CASES |= {
        f"microtiles.factor_microtile_{height}": (
            twins.eliminate(height, factor=True), lambda height=height: elimination(height, np.float64)),
        f"microtiles.factor_half_{height}": (
            twins.eliminate(height, factor=True, half=True),
            lambda height=height: elimination(height, np.float32, half=True)),
        f"microtiles.solve_microtile_{height}": (
            twins.eliminate(height, factor=False), lambda height=height: elimination(height, np.float64)),
        f"microtiles.update_microtile_{height}": (
            twins.update(height), lambda height=height: updating(height, np.float64)),
        f"substitution.forward_panel_{height}": (twins.forward_panel(height, 1), lambda height=height: panel(height)),
        f"substitution.forward_two_{height}": (twins.forward_panel(height, 2), lambda height=height: panel(height)),
    }  # fmt: skip

KERNELS = {
    f"{info.name}.{name}": value
    for info in pkgutil.iter_modules(simd.__path__)
    for name, value in vars(importlib.import_module(f"hsad.kernels.simd.{info.name}")).items()
    if isinstance(value, type(microtiles.add_dots)) and value._defn.__module__.endswith(f".{info.name}")
}  # those that a module defines, not those that it imports

# A height or two of each kind; the others with the long tests.
QUICK = [name for name in CASES if not name.endswith(("_1", "_3"))]


def test_every_vector_kernel_has_a_twin_with_its_arguments():
    assert set(KERNELS) == set(CASES)
    for name, (twin, arguments) in CASES.items():
        names = list(inspect.signature(KERNELS[name]._defn).parameters)[1:]
        assert names == list(inspect.signature(twin).parameters), name
        assert len(arguments()) == len(names), name


def agree(kernel, twin, arguments):
    mine, theirs = ([a.copy() if isinstance(a, np.ndarray) else a for a in arguments] for _ in range(2))
    as_kernel(kernel)(*mine)
    twin(*theirs)
    changed = 0
    for name, one, other, before in zip(inspect.signature(twin).parameters, mine, theirs, arguments, strict=True):
        if isinstance(one, np.ndarray) and name != "work":
            single = one.dtype == np.float32
            np.testing.assert_allclose(one, other, rtol=1e-3 if single else 1e-9, atol=1e-3 if single else 1e-10)
            changed += not np.array_equal(other, before)
    assert changed


@pytest.mark.parametrize("name", QUICK)
def test_a_vector_kernel_does_what_its_twin_does(name):
    twin, arguments = CASES[name]
    agree(KERNELS[name], twin, arguments())


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(set(CASES) - set(QUICK)))
def test_a_vector_kernel_of_another_height_does_what_its_twin_does(name):
    twin, arguments = CASES[name]
    agree(KERNELS[name], twin, arguments())


@pytest.mark.long
@pytest.mark.parametrize("height", [1, 2, 3])
def test_in_single_precision_too(height):
    for kind, factor in (("factor", True), ("solve", False)):
        kernel = getattr(microtiles, f"{kind}_microtile_{height}")
        agree(kernel, twins.eliminate(height, factor=factor), elimination(height, np.float32))
    agree(microtiles.add_dots, twins.add_dots, [
        n(900, dtype=np.float32), 5, 70, n(80, dtype=np.float32), 3, 4, n(128, dtype=np.float32)])  # fmt: skip


@pytest.mark.parametrize("tiles, height, columns", [(SMALL, 2, 4), (triangle_microtiles.MICROTILES[-1], None, None)])
def test_the_microtiles_of_a_gaussian(tiles, height, columns):
    height, columns = height or triangle_microtiles.HEIGHT, columns or triangle_microtiles.COLUMNS
    agree(tiles.add_products, twins.add_products(height, columns), triangle(columns, "products"))
    agree(tiles.add_squares, twins.add_squares(height, columns), triangle(columns, "squares"))
    agree(tiles.project, twins.project(height, columns), triangle(columns, "projections"))


def test_a_lost_pivot_takes_its_unknown_out():
    """`floor` in packed systems, a share of the diagonal in lanes."""
    arguments = elimination(1, np.float64)
    arguments[10] = np.full(16, np.inf)
    as_kernel(microtiles.factor_microtile_1)(*arguments)
    assert np.all(arguments[9][8:] == 0)
    a, lower, step, i, j, ridge, growth = lane_elimination(0, 0)
    a[twins.index(0, (step, 8), (1, 64))] = 1.0
    as_kernel(lane_microtiles.lane_factor)(a, lower, step, i, j, 0 * ridge, growth)
    assert np.all(lower[twins.index(step + 8, (step + 8, 3), (1, 8))] == 0)
    np.testing.assert_allclose(growth, 1e15)
