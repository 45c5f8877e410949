"""Objects implanted into a real scene, at known places.

A pixel x of an object becomes ``(1 - f) c + f g t + (x - c)``. t is the spectrum of the object, f its fill, g the
brightness of the pixel, drawn from N(1, .05), and c the pixel on the leading components of the scene. The noise x - c
stays. White noise of each band's level in its place would betray implants in the directions of least variance, where
global RX would find them by their noise and not by their spectrum.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hsad.synthetic.targets import footprint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["implant", "material_ratios", "without_noise"]

#: Leading components that hold the spectra of a scene; the rest is noise.
_COMPONENTS = 30
#: Standard deviation of the brightness of the pixels of an implant.
_BRIGHTNESS = 0.05
#: Random places that are tried before an implant is left out for want of room.
_TRIES = 200
#: Pixels between an object of the scene and an implant.
_CLEAR = 3


def without_noise(spectra: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return a scene, ``(rows, cols, bands)``, projected onto its 30 leading principal components."""
    pixels = spectra.reshape(-1, spectra.shape[2]).astype(np.float64)
    mean = pixels.mean(axis=0)
    _, vectors = np.linalg.eigh((pixels - mean).T @ (pixels - mean))
    leading = vectors[:, -_COMPONENTS:]
    return np.asarray(mean + (pixels - mean) @ leading @ leading.T).reshape(spectra.shape)


def implant(
    spectra: NDArray[np.floating],
    truth: NDArray[np.bool_],
    sizes: Sequence[int],
    fills: tuple[float, float],
    materials: Sequence[NDArray[np.floating]],
    rng: np.random.Generator,
    *,
    gap: int = 2,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a scene with one object implanted for each size; objects without room are left out.

    Parameters
    ----------
    spectra : (rows, cols, bands) ndarray
    truth : (rows, cols) ndarray of bool
        Objects of the scene, which implants keep away from.
    sizes : sequence of int
        Pixels of each object.
    fills : (float, float)
        Limits of the share of each of its pixels that an object covers.
    materials : sequence of (bands,) ndarray
        Spectra of the objects in turn, in the units of the scene.
    rng : numpy.random.Generator
        Source of shapes, places, fills and brightness.
    gap : int
        Pixels between two implants.

    Returns
    -------
    spectra : (rows, cols, bands) ndarray of float64
    truth : (rows, cols) ndarray of float64
        0 background, else the number of the implant; NaN on the objects of the scene and the pixels around them.
    """
    from scipy import ndimage

    square = np.ones((3, 3))
    clean = without_noise(spectra)
    noise = spectra - clean
    free = ~ndimage.binary_dilation(truth, square, iterations=_CLEAR)
    label = np.zeros(truth.shape)
    rows, cols = truth.shape
    for number, size in enumerate(sizes, start=1):
        angle, aspect = rng.uniform(0, np.pi), rng.uniform(1, 2.5)
        down, right = footprint(size, "rectangle" if rng.random() < 0.5 else "ellipse", angle, aspect)
        fill = rng.uniform(*fills)
        for _ in range(_TRIES):
            row, col = down + rng.integers(rows), right + rng.integers(cols)
            inside = (row >= 0) & (row < rows) & (col >= 0) & (col < cols)
            if inside.all() and free[row, col].all():
                break
        else:
            continue
        bright = rng.normal(1, _BRIGHTNESS, (size, 1))
        clean[row, col] = (1 - fill) * clean[row, col] + fill * bright * materials[number % len(materials)]
        label[row, col] = number
        free &= ~ndimage.binary_dilation(label == number, square, iterations=gap)
    label[ndimage.binary_dilation(truth, square) & (label == 0)] = np.nan
    return clean + noise, label


def material_ratios(bands: int = 120) -> list[NDArray[np.float64]]:
    """Return the spectra of the target materials of `hsad.make_scene`, each divided by the mean of the ground."""
    from hsad.synthetic.scene import make_scene

    scene = make_scene(
        90, 90, bands, seed=7, target_sizes=[25] * 6, fills=[1.0], contrasts=[1.0], heading=0, noise_factor=0,
        variability=0,
    )  # fmt: skip
    good = scene.cube["good_wavelength"].values.astype(bool)
    spectra, truth = scene.cube.values[..., good].astype(np.float64), scene.truth.values
    ground = np.maximum(spectra[truth == 0].mean(axis=0), 1)
    by_material: dict[str, NDArray[np.float64]] = {}
    for target in scene.targets:
        by_material.setdefault(target.material, spectra[truth == target.number].mean(axis=0) / ground)
    return [by_material[material] for material in sorted(by_material)]
