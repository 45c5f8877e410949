"""The suite of cases for default methods: benchmark scenes, binned, with implants or noise, and synthetic scenes.

==========  =====  ==================================================================================================
family      cases  content
==========  =====  ==================================================================================================
native      10     the benchmark scenes with their own truths
binned2     10     native scenes averaged 2 × 2; a binned pixel is anomalous if any of its pixels is
binned3     10     native scenes averaged 3 × 3
synthetic   14     `hsad.make_scene` with default, faint, large and frequent targets; noise, stripes and smile
faint       12     objects of 1-4 pixels implanted into the benchmark scenes, sub-pixel fill .05-.5
large       10     1-4 objects of 110-400 pixels implanted, fill .3-1
frequent    10     objects of 1-16 pixels implanted until they cover 1-5 % of the scene, fill .3-1
noisy       10     the benchmark scenes with white noise or multiplicative stripes, some with faint implants
==========  =====  ==================================================================================================

The spectrum of an implant has one of three sources in turn. *other*: the largest object of another benchmark scene, as
ratio to the mean of that scene's background, stretched over the bands of this scene by position. *library*: a target
material of `hsad.make_scene` as such a ratio. *here*: a pixel of the same scene, from the 5 % with the largest angle
to the mean spectrum.
Draw 0 is the suite. Other draws have other implants and synthetic scenes of the same kinds; they judge choices that
were made on draw 0.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hsad.bench.known import KnownScene, as_cube
from hsad.synthetic import make_scene
from hsad.synthetic.implants import implant, material_ratios, without_noise

__all__ = ["FAMILIES", "GROUNDS", "Materials", "binned", "stretched", "suite"]

FAMILIES = ("native", "binned2", "binned3", "synthetic", "faint", "large", "frequent", "noisy")

#: Scenes for implants. No two of them show the same pixels, except for 20 columns.
GROUNDS = ("airport-2", "airport-4", "beach-3", "beach-4", "urban-2", "urban-4", "urban-5", "sandiego-1")
_SOURCES = ("other", "library", "here")

_SMALL: dict[str, Any] = {"rows": 130, "cols": 140, "heading": 0.0}
_MANY: dict[str, Any] = {"fills": [0.4, 1.0], "contrasts": [0.5, 1.0]}
_SYNTHETIC: tuple[tuple[str, dict[str, Any]], ...] = (
    ("demo", {}),
    ("default-1", {**_SMALL, "seed": 1}),
    ("default-2", {**_SMALL, "seed": 2, "variability": 0.02}),
    ("default-3", {**_SMALL, "seed": 3, "variability": 0.08}),
    ("faint-4", {**_SMALL, "seed": 4, "target_sizes": [1, 2, 4] * 4, "fills": [0.1, 0.3], "contrasts": [1.0]}),
    ("faint-5", {**_SMALL, "seed": 5, "target_sizes": [1, 3, 9] * 2, "fills": [0.2], "contrasts": [0.5, 1.0]}),
    ("small-6", {**_SMALL, "seed": 6, "target_sizes": [1, 2, 4, 9] * 2, "fills": [0.5, 1.0], "contrasts": [1.0]}),
    ("large-7", {**_SMALL, "seed": 7, "target_sizes": [150, 300], "fills": [0.4, 1.0], "contrasts": [1.0]}),
    ("large-8", {**_SMALL, "seed": 8, "target_sizes": [250], "fills": [1.0], "contrasts": [0.5, 1.0]}),
    ("frequent-9", {**_SMALL, **_MANY, "seed": 9, "target_sizes": [4] * 30}),
    ("frequent-10", {**_SMALL, **_MANY, "seed": 10, "target_sizes": [9] * 15}),
    ("noise-11", {**_SMALL, "seed": 11, "noise_factor": 4.0}),
    ("striped-12", {**_SMALL, "seed": 12, "striping": 0.02}),
    ("striped-13", {**_SMALL, "seed": 13, "striping": 0.01, "smile": 1.0, "noise_factor": 2.0}),
)


def suite(scenes: list[KnownScene], draw: int = 0, families: Collection[str] = FAMILIES) -> Iterator[KnownScene]:
    """Yield the cases, which are the same in each call, in order.

    Parameters
    ----------
    scenes : list of KnownScene
        The benchmark scenes. If a scene for implants is missing, the families with implants or noise are left out.
    draw : int
        Number of the draw of implants and synthetic scenes, from 0.
    families : collection of str
        Some of `FAMILIES`. A case does not depend on the choice of families.
    """
    for factor, family in ((1, "native"), (2, "binned2"), (3, "binned3")):
        for scene in scenes if family in families else ():
            cube, truth = binned(scene.cube.values, scene.truth > 0, factor)
            yield KnownScene(f"{family}/{scene.name}", family, as_cube(cube), truth.astype(float), scene.sha256)
    for name, parameters in _SYNTHETIC if "synthetic" in families else ():
        made = make_scene(**{**parameters, "seed": parameters.get("seed", 0) + 100 * draw})
        yield KnownScene(f"synthetic/{name}", "synthetic", made.cube, made.truth.values.astype(float), {})
    by_name = {scene.name: (scene.cube.values, scene.truth > 0) for scene in scenes}
    if by_name.keys() >= set(GROUNDS):
        implants = _Implants({name: by_name[name] for name in GROUNDS}, draw)
        for kind in (implants.faint, implants.large, implants.frequent, implants.noisy):
            if kind.__name__ in families:
                yield from kind()


def binned(
    spectra: NDArray[np.floating], truth: NDArray[np.bool_], factor: int
) -> tuple[NDArray[np.floating], NDArray[np.bool_]]:
    """Return squares of pixels averaged; a square with an anomalous pixel is anomalous. Rests at edges are cut off."""
    rows, cols = (size // factor for size in truth.shape)
    inside = np.s_[: rows * factor, : cols * factor]
    cube = spectra[inside].reshape(rows, factor, cols, factor, -1).mean(axis=(1, 3))
    return cube, np.asarray(truth[inside].reshape(rows, factor, cols, factor).any(axis=(1, 3)))


class Materials:
    """The spectra of implants, in the units of each ground.

    Parameters
    ----------
    grounds : mapping of str to (cube, truth)
        The scenes for implants: spectra ``(rows, cols, bands)``, and objects ``(rows, cols)`` as true.
    """

    def __init__(self, grounds: Mapping[str, tuple[NDArray[np.float32], NDArray[np.bool_]]]) -> None:
        self.grounds = grounds
        self.objects = {name: _largest_object(*scene) for name, scene in grounds.items()}
        self.library = material_ratios()
        self.clean = {name: without_noise(cube) for name, (cube, _) in grounds.items()}

    def material(self, ground: str, source: str, rng: np.random.Generator) -> NDArray[np.float64]:
        """Return a spectrum in the units of the scene `ground`."""
        cube, truth = self.grounds[ground]
        mean = cube[~truth].mean(axis=0).astype(np.float64)
        if source == "other":
            names = [name for name in GROUNDS if name != ground]
            return np.asarray(mean * stretched(self.objects[names[rng.integers(len(names))]], len(mean)))
        if source == "library":
            return np.asarray(mean * stretched(self.library[rng.integers(len(self.library))], len(mean)))
        pixels = self.clean[ground][~truth]
        cosine = pixels @ mean / (np.linalg.norm(pixels, axis=1) * np.linalg.norm(mean) + 1e-12)
        far = np.flatnonzero(cosine <= np.quantile(cosine, 0.05))
        return np.asarray(pixels[far[rng.integers(len(far))]])


class _Implants:
    """The families made from the benchmark scenes."""

    def __init__(self, grounds: Mapping[str, tuple[NDArray[np.float32], NDArray[np.bool_]]], draw: int) -> None:
        self.grounds = grounds
        self.draw = draw
        self.materials = Materials(grounds)

    def faint(self) -> Iterator[KnownScene]:
        for k in range(12):
            ground, rng = GROUNDS[k % 8], self._rng(1, k)
            fills = ((0.05, 0.15), (0.1, 0.3), (0.2, 0.5))[k % 3]
            sizes = [int(n) for n in rng.integers(1, 5, (20, 40, 60)[(k // 3) % 3])]
            source = _SOURCES[(k + k // 3) % 3]
            name = f"faint/{ground}-{fills[0]:g}-{source}-{k}"
            yield self._scene(name, ground, sizes, fills, (source,) * 2, rng)

    def large(self) -> Iterator[KnownScene]:
        for k in range(10):
            ground, rng = GROUNDS[(3 * k + 1) % 8], self._rng(2, k)
            sizes = [[400], [250, 150], [110, 150, 200], [130] * 4, [300, 300]][k % 5]
            fills = ((0.9, 1.0), (0.3, 0.6))[k % 2]
            name = f"large/{ground}-{fills[0]:g}-{_SOURCES[k % 3]}-{k}"
            yield self._scene(name, ground, sizes, fills, (_SOURCES[k % 3],), rng)

    def frequent(self) -> Iterator[KnownScene]:
        for k in range(10):
            ground, rng = GROUNDS[(5 * k + 2) % 8], self._rng(3, k)
            share, most = (0.01, 0.03, 0.05)[k % 3], (4, 9, 16)[(k // 3) % 3]
            sizes: list[int] = []
            while sum(sizes) < share * self.grounds[ground][1].size:
                sizes.append(int(rng.integers(1, most + 1)))
            fills = ((0.3, 0.5), (0.6, 1.0))[k % 2]
            source = _SOURCES[(k + 1) % 3]
            name = f"frequent/{ground}-{share:g}-{fills[0]:g}-{source}-{k}"
            yield self._scene(name, ground, sizes, fills, (source,) * (1 + k % 2), rng, gap=1)

    def noisy(self) -> Iterator[KnownScene]:
        for k in range(10):
            ground, rng = GROUNDS[(k + 4) % 8], self._rng(4, k)
            kind = ("white", "striped", "both", "white-faint", "striped-faint")[k % 5]
            spectra, objects = self.grounds[ground]
            cube, truth = spectra.astype(np.float64), objects.astype(np.float64)
            if kind.endswith("faint"):
                materials = [self.materials.material(ground, source, rng) for source in ("other", "library")]
                sizes = [int(n) for n in rng.integers(1, 5, 40)]
                cube, truth = implant(spectra, objects, sizes, (0.2, 0.5), materials, rng)
            if not kind.startswith("white"):  # a gain for each band and column
                cube = cube * (1 + (0.01, 0.03)[k // 5] * rng.standard_normal((1, *cube.shape[1:])))
            if not kind.startswith("striped"):
                level = (0.03, 0.08)[k // 5] * np.median(cube, axis=(0, 1))
                cube = cube + level * rng.standard_normal(cube.shape)
            yield KnownScene(f"noisy/{ground}-{kind}-{k}", "noisy", as_cube(cube), truth, {})

    def _scene(
        self,
        name: str,
        ground: str,
        sizes: list[int],
        fills: tuple[float, float],
        sources: tuple[str, ...],
        rng: np.random.Generator,
        *,
        gap: int = 2,
    ) -> KnownScene:
        materials = [self.materials.material(ground, source, rng) for source in sources]
        cube, truth = implant(*self.grounds[ground], sizes, fills, materials, rng, gap=gap)
        return KnownScene(name, name.partition("/")[0], as_cube(cube), truth, {})

    def _rng(self, family: int, number: int) -> np.random.Generator:
        return np.random.default_rng([family, number, self.draw] if self.draw else [family, number])


def _largest_object(cube: NDArray[np.float32], truth: NDArray[np.bool_]) -> NDArray[np.floating]:
    labels, _ = ndimage.label(truth, np.ones((3, 3)))
    largest = labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])
    return np.asarray(cube[largest].mean(axis=0) / np.maximum(cube[~truth].mean(axis=0), 1e-6))


def stretched(ratio: NDArray[np.floating], bands: int) -> NDArray[np.float64]:
    """Return a material's ratio to a mean spectrum, smoothed and stretched over a number of bands by position."""
    # Smoothing removes effects of sensor and atmosphere on single bands, which are no property of the material.
    smooth = ndimage.gaussian_filter1d(ratio, 2.0)
    return np.asarray(np.interp(np.linspace(0, 1, bands), np.linspace(0, 1, len(smooth)), smooth))
