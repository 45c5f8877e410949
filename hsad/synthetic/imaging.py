"""The imaging of synthetic ground: flight line, grid, light and mixtures to stored numbers, and the cube of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hsad.synthetic.sensor import FINE, Sensor
from hsad.synthetic.spectra import GROUND, TARGET_MATERIALS, gaussian, reflectances

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr
    from numpy.typing import NDArray

    from hsad.scene.cube import GeoGrid
    from hsad.synthetic.targets import Target

__all__ = ["FlightLine", "Imaging", "cube_of", "flight_line", "grid_of", "variability_curves", "with_targets"]

NODATA = -9999
GAIN = 1e-4
_EPSG = 32632  # UTM zone 32 north
_ORIGIN = (683_000.0, 5_340_000.0)  # of the upper left corner, m
_BLOCK_SAMPLES = 4 * 2**20  # pixels · bands in a block of rows; bounds the memory of the float32 spectra


@dataclass(frozen=True)
class FlightLine:
    """The flight line in the grid: valid pixels, their detector elements and places across track (-1 … 1)."""

    valid: NDArray[np.bool_]
    element: NDArray[np.int64]
    across: NDArray[np.float64]


def flight_line(rows: int, cols: int, heading: float) -> FlightLine:
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
    return FlightLine(valid, element, np.clip(u / (width / 2), -1, 1))


def grid_of(rows: int, cols: int, rotation: float, pixel_size: float) -> GeoGrid:
    """Return a grid in UTM whose rows are turned by `rotation` degrees counter-clockwise."""
    from affine import Affine
    from rasterio.crs import CRS

    from hsad.scene.cube import GeoGrid

    along = pixel_size * math.cos(math.radians(rotation))
    aside = pixel_size * math.sin(math.radians(rotation))
    transform = Affine(along, aside, _ORIGIN[0], aside, -along, _ORIGIN[1])
    return GeoGrid(rows, cols, CRS.from_epsg(_EPSG), transform)


def variability_curves(wavelength: NDArray[np.float64], amount: float) -> NDArray[np.float32]:
    """Return smooth spectral deviations, ``(deviations, bands)``; the narrower, the weaker."""
    curves = []
    for width, share in ((700.0, 1.0), (350.0, 0.6), (170.0, 0.35), (85.0, 0.2)):
        centres = np.arange(400 + width / 2, 2500, 1.5 * width)
        curves += [amount * share * gaussian(wavelength, float(centre), width / 2) for centre in centres]
    return np.stack(curves).astype(np.float32)


def with_targets(
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
class Imaging:
    """The imaging of a scene: mixtures and light to stored numbers, in blocks of rows."""

    sensor: Sensor
    swath: FlightLine
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


def cube_of(stored: NDArray[np.int16], sensor: Sensor, truth: xr.DataArray, source: str) -> xr.DataArray:
    """Return the cube of stored numbers on the grid of a truth."""
    import xarray as xr

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
            "gain": ("band", np.full(sensor.bands, GAIN)),
        },
    )
    cube.attrs = {
        "source": source,
        "reader": "synthetic",
        "interleave": "bip",
        "warnings": [],
        "_FillValue": NODATA,
    }
    cube.encoding = dict(truth.encoding)
    return cube
