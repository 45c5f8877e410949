"""Two dates of one synthetic place: season, light and registration change, objects come and go."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hsad.errors import ParameterError
from hsad.synthetic.fields import gaussian_field, mixtures, relief, shading
from hsad.synthetic.imaging import Imaging, cube_of, flight_line, grid_of, variability_curves, with_targets
from hsad.synthetic.sensor import Sensor
from hsad.synthetic.spectra import GROUND
from hsad.synthetic.targets import Target, place_targets

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr
    from numpy.typing import NDArray

__all__ = ["SyntheticPair", "make_pair"]

#: Logarithm of the factor of the abundance of materials over a season of 1; other materials keep theirs.
_SEASON = {"vegetation": -1.0, "stressed vegetation": 0.5, "litter": 0.7, "bright soil": 0.3}

#: Zenith and azimuth of the sun on the first date, and their change on the second at an illumination of 1, degrees.
_SUN, _SUN_CHANGE = (38.0, 150.0), (17.0, 45.0)

#: Gain and haze (reflectance at 400 nm) that an illumination of 1 adds on the second date.
_GAIN, _HAZE = 0.3, 0.03

_STEEPNESS = 0.12  # root mean square slope of the terrain, rise over run


@dataclass(frozen=True)
class SyntheticPair:
    """Two synthetic scenes of one place and what changed between them.

    Attributes
    ----------
    before, after : xarray.DataArray
        ``(y, x, band)``, as the cubes of `make_scene`.
    truth : xarray.DataArray
        ``(y, x)``, int32: the number of the object that is new or gone, 0 where nothing changed but season and light.
    new, gone, kept : tuple of Target
        Objects on the second date only, on the first only, and on both.
    """

    before: xr.DataArray
    after: xr.DataArray
    truth: xr.DataArray
    new: tuple[Target, ...]
    gone: tuple[Target, ...]
    kept: tuple[Target, ...]


def make_pair(
    rows: int = 140,
    cols: int = 150,
    bands: int = 60,
    seed: int = 0,
    *,
    new_sizes: Sequence[int] = (1, 3, 9, 25),
    gone_sizes: Sequence[int] = (1, 3, 9, 25),
    kept_sizes: Sequence[int] = (3, 9, 25),
    fills: Sequence[float] = (0.5, 1.0),
    season: float = 0.3,
    illumination: float = 0.5,
    registration: float = 0.3,
    after_bands: int | None = None,
    noise_factor: float = 1.0,
    variability: float = 0.04,
) -> SyntheticPair:
    """Return two dates of one synthetic place, with objects that are new, gone or on both dates.

    Parameters
    ----------
    rows, cols, bands, seed
        As for `make_scene`.
    new_sizes, gone_sizes, kept_sizes : sequence of int
        Pixels of the objects on the second date only, on the first only, and on both. There is one object for each
        combination of a size and a fill.
    fills : sequence of float
        Shares of these pixels that the objects cover.
    season : float
        Change of the ground: 0 none; at 1 green vegetation falls to about a third in favour of litter and soil,
        unevenly over the scene.
    illumination : float
        Change of the light: 0 none; at 1 the sun is 17 degrees lower and 45 degrees further, and the second date has
        up to 30 % more gain, by band, and haze.
    registration : float
        Root mean square displacement of the second date, in pixels; it varies smoothly over the scene.
    after_bands : int, optional
        Bands of the second date, of another sensor; `bands` by default.
    noise_factor, variability
        As for `make_scene`. Each date has its own noise.

    Returns
    -------
    SyntheticPair

    Raises
    ------
    ParameterError
        If a value is out of its range, or the objects do not fit in the scene.

    Examples
    --------
    >>> import hsad
    >>> pair = hsad.make_pair(60, 70, 20, seed=1, new_sizes=(9,), gone_sizes=(9,), kept_sizes=(9,), fills=(1.0,))
    >>> pair.before.shape == pair.after.shape, len(pair.new), int(pair.truth.max())
    (True, 1, 2)
    """
    import xarray as xr

    after_bands = bands if after_bands is None else after_bands
    _check(
        rows=(rows, 8), cols=(cols, 8), bands=(bands, 2), after_bands=(after_bands, 2), seed=(seed, 0),
        season=(season, 0), illumination=(illumination, 0), registration=(registration, 0),
        noise_factor=(noise_factor, 0), variability=(variability, 0),
    )  # fmt: skip
    shape = (rows, cols)
    for_ground, for_targets, for_season, for_registration, *for_noise = (
        np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(6)
    )
    line = flight_line(rows, cols, 0.0)
    sizes = [*new_sizes, *gone_sizes, *kept_sizes]
    targets, numbered = place_targets(line.valid, sizes, fills, (1.0,), for_targets)
    new, rest = targets[: len(new_sizes) * len(fills)], targets[len(new_sizes) * len(fills) :]
    gone, kept = rest[: len(gone_sizes) * len(fills)], rest[len(gone_sizes) * len(fills) :]

    height = relief(shape, for_ground)
    ground = mixtures(height, list(GROUND), for_ground)
    deviation = np.stack([gaussian_field(shape, 0.7, for_ground) for _ in range(_curves(bands))], axis=-1)
    later = _after_a_season(ground, season, for_season)
    change = np.stack([gaussian_field(shape, 0.7, for_season) for _ in range(_curves(bands))], axis=-1)
    common = math.exp(-season)
    deviations = deviation, np.float32(common) * deviation + np.float32(math.sqrt(1 - common**2)) * change
    moved = _displacement(shape, registration, for_registration)
    dates = []
    for date, (present, abundances) in enumerate((((*gone, *kept), ground), ((*new, *kept), later))):
        sensor = Sensor((bands, after_bands)[date], noise_factor, 0.0, 0.0)
        water = abundances[..., list(GROUND).index("water")]
        sun = (at + date * illumination * by for at, by in zip(_SUN, _SUN_CHANGE, strict=True))
        layers = [
            with_targets(abundances, present, numbered),
            *shading(height, water, _STEEPNESS, *sun),
            deviations[date],
        ]
        if date and registration:
            layers = [_sampled(layer, moved) for layer in layers]
        curves = variability_curves(sensor.wavelength, variability)
        stripes = np.ones((cols, sensor.bands), dtype=np.float32)
        imaging = Imaging(sensor, line, curves, stripes, for_noise[date])
        stored = imaging.record(layers[0], layers[1], layers[2], layers[3])
        if date and illumination:
            stored = _in_other_light(stored, sensor.wavelength, illumination)
        dates.append((stored, sensor))
    changed = np.where(numbered <= len(new) + len(gone), numbered, 0)
    truth = grid_of(rows, cols, 0.0, 4.0).attach(xr.DataArray(changed, dims=("y", "x"), name="truth"))
    before, after = (
        cube_of(stored, sensor, truth, f"synthetic pair of seed {seed}, {name} date")
        for name, (stored, sensor) in zip(("first", "second"), dates, strict=True)
    )
    return SyntheticPair(before, after, truth, new, gone, kept)


def _check(**given: tuple[float, float]) -> None:
    for name, (value, least) in given.items():
        if not least <= value < math.inf:
            raise ParameterError(f"{name} must be finite and at least {least}, not {value}")


def _curves(bands: int) -> int:
    """Return the number of spectral deviations of a pixel."""
    return len(variability_curves(Sensor(bands, 1.0, 0.0, 0.0).wavelength, 0.0))


def _after_a_season(ground: NDArray[np.float32], season: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return the abundances of the ground on the second date."""
    rows, cols, _ = ground.shape
    later = ground.copy()
    for number, name in enumerate(GROUND):
        uneven = gaussian_field((rows, cols), min(rows, cols) / 10, rng)
        later[..., number] *= np.exp(
            np.float32(season) * (np.float32(_SEASON.get(name, 0.0)) + np.float32(0.5) * uneven)
        )
    later /= later.sum(axis=-1, keepdims=True)
    return later


def _displacement(shape: tuple[int, int], registration: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the rows and columns of the first date that the pixels of the second show, ``(2, rows, cols)``."""
    length = min(shape) / 4
    fields = np.stack([gaussian_field(shape, length, rng) for _ in range(2)]).astype(np.float64)
    return np.asarray(np.mgrid[: shape[0], : shape[1]] + registration / math.sqrt(2) * fields)


def _sampled(layer: NDArray[np.float32], places: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return a layer, ``(rows, cols)`` or ``(rows, cols, n)``, at other places, by bilinear interpolation."""
    from scipy import ndimage

    if layer.ndim == 2:
        return np.asarray(ndimage.map_coordinates(layer, places, order=1, mode="nearest"))
    return np.stack([_sampled(layer[..., number], places) for number in range(layer.shape[-1])], axis=-1)


def _in_other_light(
    stored: NDArray[np.int16], wavelength: NDArray[np.float64], illumination: float
) -> NDArray[np.int16]:
    """Return stored numbers with a gain and haze that vary smoothly over the bands."""
    gain = 1 + illumination * _GAIN * np.cos((wavelength - 400) / 600) ** 2
    haze = illumination * _HAZE * (wavelength / 400) ** -3.0 * 1e4
    return np.clip(np.rint(stored * gain + haze), -9998, np.iinfo(np.int16).max).astype(np.int16)
