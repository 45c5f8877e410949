"""The scenes whose background the bank learns, and those that judge it.

==========  ======  ===================================================================================================
family      weight  content
==========  ======  ===================================================================================================
native      1       the benchmark scenes
binned2     .3      averaged 2 × 2
blur        .3      blurred by a PSF of .5 to .9 pixels, with noise
blurbin     .15     the same, averaged 2 × 2
noisy       .3      with white noise or stripes, draws 0 to 2 (see `hsad.bench.suite`)
space       .3      as a spaceborne sensor sees them: blurred, averaged 2 × 2 or 3 × 3, with the noise of its SNR; real
                    spaceborne and high-flown scenes where they are at hand, with implants
striped     .15     the same, with gains that differ between columns
synthetic   1       of `hsad.make_scene`
==========  ======  ===================================================================================================

The weight is that within a ground: scenes of one ground show the same place, and leave together when a ground is left
out. The families faint, large, frequent and synthetic of the suite only judge.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hsad.bench.figures import GROUNDS
from hsad.bench.known import KnownScene, as_cube
from hsad.bench.suite import binned, stretched, suite
from hsad.readers import open_cube
from hsad.synthetic import make_scene
from hsad.synthetic.implants import implant, material_ratios, without_noise

__all__ = ["WEIGHTS", "Case", "bases", "cases"]

WEIGHTS = {
    "native": 1.0, "binned2": 0.3, "blur": 0.3, "blurbin": 0.15, "noisy": 0.3, "space": 0.3, "striped": 0.15,
    "synthetic": 1.0,
}  # fmt: skip
"""Weight of a scene within its ground, by family."""
UNKNOWN_TRUTH = {"jasper-ridge": 0.3, "enmap": 0.3}
"""Weight of grounds of which no truth is known: what stands out in one scene may be real. All others have 1."""

_SYNTHETIC: tuple[dict[str, Any], ...] = (
    {}, {"variability": 0.02}, {"variability": 0.08}, {"noise_factor": 3.0}, {"striping": 0.01},
    {"variability": 0.05, "smile": 1.0},
)  # fmt: skip
_JUDGING = ("faint", "large", "frequent", "synthetic")
_NOISY_DRAWS = (0, 1, 2)
_SPACE_DRAWS = (0, 1)
_FROM_ABOVE = {
    "jasper-ridge": "envi/jasper-ridge/jasperRidge2_R198.hdr",
    "enmap": "geotiff/enmap-potsdam/mosaic_64x96x224.tif",
}
"""Real scenes from space or from high up, and where they lie in the folder of data; they are left out where missing."""
_SNR = (60.0, 120.0, 250.0)
_LONG_WAVES = 2.0
"""How much more noise a spaceborne sensor has in the second half of its bands, at longer waves."""


@dataclass(frozen=True, eq=False)
class Case:
    """A scene, its ground, where it comes from, and whether the bank learns from it."""

    scene: KnownScene
    ground: str
    origin: str
    learned: bool


def cases(known: list[KnownScene], folder: Path, draws: tuple[int, ...]) -> Iterator[Case]:
    """Yield the scenes of the bank, and the judging ones of some draws.

    Parameters
    ----------
    known : list of KnownScene
        The benchmark scenes.
    folder : Path
        Folder of data, for the scenes that are not among the benchmark scenes.
    draws : tuple of int
        Draws of implants that judge.
    """
    for scene in suite(known, 0, ("native", "binned2")):
        yield Case(scene, _ground(scene.name), _checksums(scene), learned=True)
    yield from _blurred(known)
    for number, variant in enumerate(_SYNTHETIC):
        made = make_scene(
            rows=220, cols=240, seed=50 + number, heading=0.0, target_sizes=[1, 2, 4, 9] * 3, fills=[0.5, 1.0],
            contrasts=[1.0], **variant,
        )  # fmt: skip
        scene = KnownScene(f"synthetic/{number}", "synthetic", made.cube, made.truth.values.astype(float), {})
        yield Case(scene, "synthetic", f"make_scene seed {50 + number} {variant}", learned=True)
    for draw in sorted({*_NOISY_DRAWS, *draws}):
        for scene in suite(known, draw, ("noisy",)):
            learned = draw in _NOISY_DRAWS
            yield Case(_renamed(scene, draw), _ground(scene.name), f"suite draw {draw}", learned=learned)
    for draw in sorted({*_SPACE_DRAWS, *draws}):
        yield from _from_above(known, folder, draw, learned=draw in _SPACE_DRAWS)
    for draw in draws:
        for scene in suite(known, draw, _JUDGING):
            ground = "synthetic" if scene.family == "synthetic" else _ground(scene.name)
            yield Case(_renamed(scene, draw), ground, f"suite draw {draw}", learned=False)


def _renamed(scene: KnownScene, draw: int) -> KnownScene:
    return KnownScene(f"{scene.name}@{draw}", scene.family, scene.cube, scene.truth, scene.sha256)


def _ground(name: str) -> str:
    """Return the ground of a scene whose name is a family, a slash and then the name of its benchmark scene."""
    return next(GROUNDS[known] for known in GROUNDS if f"{name}-".partition("/")[2].startswith(f"{known}-"))


def _checksums(scene: KnownScene) -> str:
    return ", ".join(f"{file} sha256 {digest}" for file, digest in scene.sha256.items())


def _blurred(known: list[KnownScene]) -> Iterator[Case]:
    """Yield the benchmark scenes blurred, with noise of 1 % of each band's median."""
    for number, scene in enumerate(known):
        rng = np.random.default_rng([9, number])
        spectra = scene.cube.values.astype(np.float64)
        sigma = (0.5, 0.7, 0.9)[number % 3]
        noise = 0.01 * np.median(np.abs(spectra), axis=(0, 1))
        made = ndimage.gaussian_filter(spectra, (sigma, sigma, 0)) + noise * rng.standard_normal(spectra.shape)
        coarse, truth = binned(made, scene.truth > 0, 2)
        for family, cube, marked in (("blur", made, scene.truth), ("blurbin", coarse, truth.astype(np.float64))):
            case = KnownScene(f"{family}/{scene.name}", family, as_cube(cube), marked, scene.sha256)
            yield Case(case, GROUNDS.get(scene.name, scene.name), f"{_checksums(scene)} blurred", learned=True)


def _from_above(known: list[KnownScene], folder: Path, draw: int, *, learned: bool) -> Iterator[Case]:
    """Yield scenes as spaceborne sensors see them, without and with stripes."""
    library = material_ratios()
    for number, (name, spectra, truth, ground, origin) in enumerate(bases(known, folder)):
        for family in ("space", "striped"):
            rng = np.random.default_rng([77, draw, number, int(family == "striped")])
            real = ground in _FROM_ABOVE
            factor = 1 if real else (2, 3)[(number + draw) % 2]
            coarse, marked = _coarse(spectra, truth, factor)
            labels = marked.astype(np.float64)
            if real or draw % 2 == 1:
                materials = [_library(coarse, library, rng), _odd(coarse, marked, rng)]
                many = int(np.clip(12 * marked.size / 1e4, 3, 12))
                sizes = [int(size) for size in rng.integers(1, 5, many)]
                fills = ((0.15, 0.5), (0.4, 1.0))[rng.integers(2)]
                coarse, labels = implant(coarse.astype(np.float32), marked, sizes, fills, materials, rng)
            if draw > 0 or family == "striped":
                coarse = _with_noise(coarse, rng)
            if family == "striped":
                coarse = _with_stripes(coarse, rng)
            scene = KnownScene(f"{family}/{name}-x{factor}@{draw}", family, as_cube(coarse), labels, {})
            yield Case(scene, ground, f"{origin} seed 77 {draw} {number}", learned=learned)


def bases(
    known: list[KnownScene], folder: Path
) -> Iterator[tuple[str, NDArray[np.float64], NDArray[np.bool_], str, str]]:
    """Yield name, spectra, truth, ground and origin of the scenes that are seen from above."""
    for scene in known:
        if scene.name != "pavia-lzw":  # the same pixels as another
            truth = scene.truth > 0
            ground = GROUNDS.get(scene.name, scene.name)
            yield scene.name, scene.cube.values.astype(np.float64), truth, ground, _checksums(scene)
    for name, place in _FROM_ABOVE.items():
        path = folder / place
        if path.is_file():
            cube = open_cube(path)
            spectra = cube.values.astype(np.float64)
            good = np.isfinite(spectra).all(axis=(0, 1)) & (spectra != cube.attrs.get("_FillValue")).all(axis=(0, 1))
            if "good_wavelength" in cube.coords:
                good &= np.asarray(cube.good_wavelength.values, dtype=np.bool_)
            truth = np.zeros(spectra.shape[:2], dtype=np.bool_)
            yield name, spectra[..., good], truth, name, _checksum(path)


def _checksum(path: Path) -> str:
    """Return the checksum of a raster; of an ENVI scene that of its data."""
    data = path.with_suffix(".img") if path.suffix == ".hdr" else path
    with data.open("rb") as file:
        return f"{data.name} sha256 {hashlib.file_digest(file, 'sha256').hexdigest()}"


def _coarse(
    spectra: NDArray[np.float64], truth: NDArray[np.bool_], factor: int
) -> tuple[NDArray[np.floating], NDArray[np.bool_]]:
    """Return a scene in larger pixels, blurred by a PSF of .45 of such a pixel."""
    if factor == 1:
        return spectra, truth
    blurred = ndimage.gaussian_filter(spectra, (0.45 * factor, 0.45 * factor, 0))
    return binned(blurred, truth, factor)


def _with_noise(spectra: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.float64]:
    level = np.abs(np.median(spectra, axis=(0, 1))) / rng.choice(_SNR)
    level *= np.where(np.arange(len(level)) > len(level) / 2, _LONG_WAVES, 1.0)
    return np.asarray(spectra + level * rng.standard_normal(spectra.shape))


def _with_stripes(spectra: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a scene whose columns differ in gain, a few of them by much in some bands."""
    columns = (1, *spectra.shape[1:])
    gain = 1 + 0.003 * rng.standard_normal(columns)
    wrong = rng.random(columns) < (0.005, 0.02)[rng.integers(2)]
    return np.asarray(spectra * (gain + wrong * rng.normal(0.0, 0.05, columns)))


def _library(
    spectra: NDArray[np.floating], library: Sequence[NDArray[np.float64]], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return a material of the library in the units of a scene."""
    mean = spectra.mean(axis=(0, 1))
    return np.asarray(mean * stretched(library[int(rng.integers(len(library)))], len(mean)))


def _odd(spectra: NDArray[np.floating], truth: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a pixel of a scene, one of the 5 % at the largest angle to its mean."""
    mean = spectra[~truth].mean(axis=0)
    pixels = without_noise(spectra)[~truth]
    cosine = pixels @ mean / (np.linalg.norm(pixels, axis=1) * np.linalg.norm(mean) + 1e-12)
    far = np.flatnonzero(cosine <= np.quantile(cosine, 0.05))
    return np.asarray(pixels[far[rng.integers(len(far))]])
