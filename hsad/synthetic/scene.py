"""The synthetic scene, put together from ground, light, targets and sensor."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.errors import ParameterError
from hsad.synthetic.fields import gaussian_field, mixtures, relief, shading
from hsad.synthetic.sensor import FINE, Sensor
from hsad.synthetic.spectra import GROUND, TARGET_MATERIALS, gaussian, reflectances
from hsad.synthetic.targets import Target, place_targets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import xarray as xr
    from numpy.typing import NDArray

    from hsad.scene.cube import GeoGrid

__all__ = ["SyntheticScene", "make_scene"]

NODATA = -9999
GAIN = 1e-4
_EPSG = 32632  # UTM zone 32 north
_ORIGIN = (683_000.0, 5_340_000.0)  # of the upper left corner, m
_SUN_ZENITH, _SUN_AZIMUTH = 38.0, 150.0
_STEEPNESS = 0.12  # root mean square slope of the terrain, rise over run
_BLOCK_SAMPLES = 4 * 2**20  # pixels · bands in a block of rows; bounds the memory of the float32 spectra


@dataclass(frozen=True)
class SyntheticScene:
    """A synthetic scene and its truth.

    Attributes
    ----------
    cube : xarray.DataArray
        ``(y, x, band)``, int16, 10⁴ · reflectance (coordinate ``gain``), nodata -9999, see `hsad.scene.cube`.
    truth : xarray.DataArray
        ``(y, x)``, int32: 0 background (and nodata), else the number of the target.
    targets : tuple of Target
        Target of each number.
    parameters : dict
        The arguments of `make_scene` that make this scene again.
    """

    cube: xr.DataArray
    truth: xr.DataArray
    targets: tuple[Target, ...]
    parameters: dict[str, Any]


@dataclass(frozen=True)
class _Swath:
    """The flight line in the grid: valid pixels, their detector elements and places across track (-1 … 1)."""

    valid: NDArray[np.bool_]
    element: NDArray[np.int64]
    across: NDArray[np.float64]


def _swath(rows: int, cols: int, heading: float) -> _Swath:
    """Return the largest swath that is turned by `heading` degrees and has the grid as its bounding box."""
    angle = math.radians(abs(heading))
    sine, cosine = math.sin(angle), math.cos(angle)
    width = (cols * cosine - rows * sine) / math.cos(2 * angle)
    length = (rows * cosine - cols * sine) / math.cos(2 * angle)
    row, col = np.mgrid[:rows, :cols]
    down, right = row - (rows - 1) / 2, col - (cols - 1) / 2
    if heading < 0:
        right = -right
    u, v = right * cosine - down * sine, right * sine + down * cosine
    if heading < 0:
        u = -u
    valid = (abs(u) <= width / 2) & (abs(v) <= length / 2)
    element = np.clip(np.floor(u + width / 2), 0, math.ceil(width) - 1).astype(np.int64)
    return _Swath(valid, element, np.clip(u / (width / 2), -1, 1))


def _grid(rows: int, cols: int, rotation: float, pixel_size: float) -> GeoGrid:
    """Return a grid in UTM whose rows are turned by `rotation` degrees counter-clockwise."""
    from affine import Affine
    from rasterio.crs import CRS

    from hsad.scene.cube import GeoGrid

    along = pixel_size * math.cos(math.radians(rotation))
    aside = pixel_size * math.sin(math.radians(rotation))
    transform = Affine(along, aside, _ORIGIN[0], aside, -along, _ORIGIN[1])
    return GeoGrid(rows, cols, CRS.from_epsg(_EPSG), transform)


def _variability(wavelength: NDArray[np.float64], amount: float) -> NDArray[np.float32]:
    """Return smooth spectral deviations, ``(deviations, bands)``; the narrower, the weaker."""
    curves = []
    for width, share in ((700.0, 1.0), (350.0, 0.6), (170.0, 0.35), (85.0, 0.2)):
        centres = np.arange(400 + width / 2, 2500, 1.5 * width)
        curves += [amount * share * gaussian(wavelength, float(centre), width / 2) for centre in centres]
    return np.stack(curves).astype(np.float32)


def _check(parameters: Mapping[str, Any]) -> None:
    """Refuse arguments of `make_scene` that are out of range."""
    for name, least in (
        ("rows", 8),
        ("cols", 8),
        ("bands", 2),
        ("seed", 0),
        ("noise_factor", 0),
        ("striping", 0),
        ("variability", 0),
    ):
        if not least <= parameters[name] < math.inf:
            raise ParameterError(f"{name} must be finite and at least {least}, not {parameters[name]}")
    for name in ("rotation", "smile"):
        if not math.isfinite(parameters[name]):
            raise ParameterError(f"{name} must be finite, not {parameters[name]}")
    if not 0 < parameters["pixel_size"] < math.inf:
        raise ParameterError(f"pixel_size must be finite and above 0, not {parameters['pixel_size']}")
    rows, cols, heading = (parameters[name] for name in ("rows", "cols", "heading"))
    limit = math.degrees(math.atan2(min(rows, cols), max(rows, cols)))
    if not abs(heading) < limit:
        raise ParameterError(
            f"heading must lie between -{limit:.1f} and {limit:.1f} degrees for a scene of {rows} by {cols}, "
            f"not {heading}"
        )


def make_scene(
    rows: int = 200,
    cols: int = 220,
    bands: int = 120,
    seed: int = 0,
    *,
    target_sizes: Sequence[int] = (1, 3, 9, 25, 110),
    fills: Sequence[float] = (0.4, 1.0),
    contrasts: Sequence[float] = (0.5, 1.0),
    heading: float = 5.0,
    rotation: float = 0.0,
    pixel_size: float = 4.0,
    noise_factor: float = 1.0,
    variability: float = 0.04,
    striping: float = 0.0,
    smile: float = 0.0,
) -> SyntheticScene:
    """Return a georeferenced scene with known targets, made from a seed.

    The ground is a mixture of materials in regions, patches and texture, on hilly terrain lit by sun and sky.
    The spectrum of each pixel deviates smoothly from its mixture. There is one target for each combination of
    `target_sizes`, `fills` and `contrasts`. Bands in the water vapour absorptions are noise and marked as bad.

    Parameters
    ----------
    rows, cols, bands : int
        Size of the cube; the bands cover 400-2500 nm.
    seed : int
        Seed of everything random. Ground, targets, noise and stripes have separate random streams, so a change of
        `noise_factor` does not move the targets. The global state of numpy is not used.
    target_sizes : sequence of int
        Pixels of the targets. An empty sequence makes a scene of background alone.
    fills : sequence of float
        Shares of these pixels that the target covers, above 0, at most 1.
    contrasts : sequence of float
        1 is the pure target material; towards 0 the spectrum approaches that of the ground at the target's centre.
    heading : float
        Degrees by which the swath is turned inside the grid. Pixels outside the swath have no data; 0 fills the grid.
    rotation : float
        Degrees by which the grid is turned counter-clockwise; the transform is then rotated.
    pixel_size : float
        m.
    noise_factor : float
        Multiplies the sensor's noise.
    variability : float
        Typical relative deviation of a pixel's spectrum from its mixture, in broad spectral regions.
    striping, smile : float
        Faults of the sensor, see `hsad.synthetic.sensor.Sensor`. The default is none.

    Returns
    -------
    SyntheticScene
        Cube, truth, and the targets.

    Raises
    ------
    ParameterError
        If a value is out of its range, or the targets do not fit in the scene.

    Notes
    -----
    The same arguments give the same scene, bit for bit on one machine. Another processor or library build may
    change a stored number by 1. The cube takes 2 bytes per number, its making about 350 bytes per pixel.
    """
    import xarray as xr

    parameters = {
        "rows": rows,
        "cols": cols,
        "bands": bands,
        "seed": seed,
        "target_sizes": list(target_sizes),
        "fills": list(fills),
        "contrasts": list(contrasts),
        "heading": heading,
        "rotation": rotation,
        "pixel_size": pixel_size,
        "noise_factor": noise_factor,
        "variability": variability,
        "striping": striping,
        "smile": smile,
    }
    _check(parameters)
    streams = [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(4)]
    for_ground, for_targets, for_noise, for_stripes = streams

    sensor = Sensor(bands, noise_factor, striping, smile)
    swath = _swath(rows, cols, heading)
    targets, numbered = place_targets(swath.valid, target_sizes, fills, contrasts, for_targets)
    height = relief((rows, cols), for_ground)
    ground = mixtures(height, list(GROUND), for_ground)
    direct, diffuse = shading(height, ground[..., list(GROUND).index("water")], _STEEPNESS, _SUN_ZENITH, _SUN_AZIMUTH)
    abundances = _implant(ground, targets, numbered)
    deviation = _variability(sensor.wavelength, variability)
    # A Gaussian whose width varies in space has heavier tails than one of fixed width.
    width = np.exp(0.4 * gaussian_field((rows, cols), 2.0, for_ground))
    deviations = np.empty((rows, cols, len(deviation)), dtype=np.float32)
    for k in range(len(deviation)):
        deviations[..., k] = width * gaussian_field((rows, cols), 0.7, for_ground)

    stripes = sensor.stripes(int(swath.element.max()) + 1, for_stripes)
    imaging = _Imaging(sensor, swath, deviation, stripes, for_noise)
    stored = imaging.record(abundances, direct, diffuse, deviations)
    truth = _grid(rows, cols, rotation, pixel_size).attach(xr.DataArray(numbered, dims=("y", "x"), name="truth"))
    # The coordinates of the truth serve the cube too, because rioxarray copies an array that it adds coordinates to.
    cube = xr.DataArray(
        stored,
        dims=("y", "x", "band"),
        name="cube",
        coords={
            **truth.coords,
            "wavelength": (
                "band",
                sensor.wavelength,
                {"units": "nm", "standard_name": "radiation_wavelength"},
            ),
            "fwhm": ("band", sensor.fwhm, {"units": "nm"}),
            "good_wavelength": ("band", sensor.good_wavelength),
            "gain": ("band", np.full(bands, GAIN)),
        },
    )
    cube.attrs = {
        "source": f"synthetic scene of seed {seed}",
        "reader": "synthetic",
        "interleave": "bip",
        "warnings": [],
        "_FillValue": NODATA,
    }
    cube.encoding = dict(truth.encoding)
    return SyntheticScene(
        cube=cube,
        truth=truth,
        targets=targets,
        parameters=parameters,
    )


def _implant(
    ground: NDArray[np.float32], targets: Sequence[Target], numbered: NDArray[np.int32]
) -> NDArray[np.float32]:
    """Return the abundances of ground and target materials, ``(rows, cols, materials)``, with the targets."""
    kinds = ground.shape[2]
    abundances = np.zeros((*ground.shape[:2], kinds + len(TARGET_MATERIALS)), dtype=np.float32)
    abundances[..., :kinds] = ground
    for target in targets:
        mixture = np.zeros(abundances.shape[2], dtype=np.float32)
        mixture[:kinds] = (1 - target.contrast) * ground[target.row, target.col]
        mixture[kinds + list(TARGET_MATERIALS).index(target.material)] = target.contrast
        pixels = numbered == target.number
        abundances[pixels] = (1 - target.fill) * abundances[pixels] + target.fill * mixture
    return abundances


@dataclass(frozen=True)
class _Imaging:
    """The imaging of a scene: mixtures and light to stored numbers, in blocks of rows."""

    sensor: Sensor
    swath: _Swath
    deviation: NDArray[np.float32]
    stripes: NDArray[np.float32]
    rng: np.random.Generator

    def record(
        self,
        abundances: NDArray[np.float32],
        direct: NDArray[np.float32],
        diffuse: NDArray[np.float32],
        deviations: NDArray[np.float32],
    ) -> NDArray[np.int16]:
        """Return the cube, shape ``(rows, cols, bands)``."""
        materials = np.concatenate([reflectances(GROUND, FINE), reflectances(TARGET_MATERIALS, FINE)])
        pure, change = (part.astype(np.float32) for part in self.sensor.observe(materials))
        slope, floor = (part.astype(np.float32) for part in self.sensor.noise())
        sky = self.sensor.diffuse.astype(np.float32)
        shift = self.sensor.shift(self.swath.across).astype(np.float32)
        rows, cols = direct.shape
        stored = np.empty((rows, cols, self.sensor.bands), dtype=np.int16)
        step = max(1, _BLOCK_SAMPLES // (cols * self.sensor.bands))
        for start in range(0, rows, step):
            block = slice(start, start + step)
            spectra = abundances[block] @ pure
            if self.sensor.smile:
                spectra += shift[block, :, None] * (abundances[block] @ change)
            spectra *= np.exp(deviations[block] @ self.deviation)
            spectra *= direct[block, :, None] * (1 - sky) + diffuse[block, :, None] * sky
            # Noise is drawn row by row in the order of the scene, so it does not depend on the height of a block.
            noise = self.rng.standard_normal(spectra.shape, dtype=np.float32)
            noise *= np.sqrt(slope * np.maximum(spectra, 0) + floor)
            spectra += noise
            if self.sensor.striping:
                spectra *= self.stripes[self.swath.element[block]]
            spectra *= np.float32(1 / GAIN)
            # No noise may equal the nodata value.
            stored[block] = np.clip(np.rint(spectra), NODATA + 1, np.iinfo(np.int16).max)
        stored[~self.swath.valid] = NODATA
        return stored
