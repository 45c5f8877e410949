"""The synthetic scene, put together from ground, light, targets and sensor."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.errors import ParameterError
from hsad.synthetic.fields import gaussian_field, mixtures, relief, shading
from hsad.synthetic.imaging import Imaging, cube_of, flight_line, grid_of, variability_curves, with_targets
from hsad.synthetic.sensor import Sensor
from hsad.synthetic.spectra import GROUND
from hsad.synthetic.targets import Target, place_targets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import xarray as xr


__all__ = ["SyntheticScene", "make_scene"]

_SUN_ZENITH, _SUN_AZIMUTH = 38.0, 150.0
_STEEPNESS = 0.12  # root mean square slope of the terrain, rise over run


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

    Examples
    --------
    >>> import hsad
    >>> scene = hsad.make_scene(rows=60, cols=70, bands=30, seed=1, target_sizes=[1, 4])
    >>> scene.cube.dims, scene.cube.shape
    (('y', 'x', 'band'), (60, 70, 30))
    >>> int(scene.truth.max()) == len(scene.targets)  # the truth holds the number of each target
    True
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
    swath = flight_line(rows, cols, heading)
    targets, numbered = place_targets(swath.valid, target_sizes, fills, contrasts, for_targets)
    height = relief((rows, cols), for_ground)
    ground = mixtures(height, list(GROUND), for_ground)
    direct, diffuse = shading(height, ground[..., list(GROUND).index("water")], _STEEPNESS, _SUN_ZENITH, _SUN_AZIMUTH)
    abundances = with_targets(ground, targets, numbered)
    deviation = variability_curves(sensor.wavelength, variability)
    # A Gaussian whose width varies in space has heavier tails than one of fixed width.
    width = np.exp(0.4 * gaussian_field((rows, cols), 2.0, for_ground))
    deviations = np.empty((rows, cols, len(deviation)), dtype=np.float32)
    for k in range(len(deviation)):
        deviations[..., k] = width * gaussian_field((rows, cols), 0.7, for_ground)

    stripes = sensor.stripes(int(swath.element.max()) + 1, for_stripes)
    imaging = Imaging(sensor, swath, deviation, stripes, for_noise)
    stored = imaging.record(abundances, direct, diffuse, deviations)
    truth = grid_of(rows, cols, rotation, pixel_size).attach(xr.DataArray(numbered, dims=("y", "x"), name="truth"))
    cube = cube_of(stored, sensor, truth, f"synthetic scene of seed {seed}")
    return SyntheticScene(
        cube=cube,
        truth=truth,
        targets=targets,
        parameters=parameters,
    )
