"""``cube.hsad``: the detectors as methods of every xarray cube."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hsad.errors import ParameterError, SceneWarning

__all__ = ["HsadAccessor"]

_NEAR_NM = 50.0
"""Largest distance in nm of a band from its colour without a warning: half of the width of a colour."""
_PICTURE_PIXELS = 10**6
"""Most pixels of a picture: about as many as a screen shows."""


@xr.register_dataset_accessor("hsad")
@xr.register_dataarray_accessor("hsad")
class HsadAccessor:
    """Detection on a cube, and pictures of it: ``cube.hsad.rx(trim=0.01)`` is ``hsad.detect(cube, "rx", trim=0.01)``.

    Each name in `hsad.DETECTORS` is a method, with an underscore for a hyphen. The accessor exists when `hsad` has
    opened or checked a cube, and after ``import hsad.accessor``.
    """

    def __init__(self, cube: xr.DataArray | xr.Dataset) -> None:
        self._cube = cube

    def detect(self, method: Any = None, **options: Any) -> Any:
        """Score every pixel; see `hsad.detect`."""
        from hsad.detection import detect

        return detect(self._cube, method, **options)

    def bands(self, low: float, high: float) -> xr.DataArray:
        """Return the bands with centres from `low` to `high` nm, ends included, in the order of the cube.

        Raises
        ------
        ParameterError
            When there is no such band, or the cube has no wavelengths.
        """
        cube, wavelength = self._with_wavelengths("choose bands by")
        chosen = (wavelength >= low) & (wavelength <= high)
        if not chosen.any():
            span = f"{wavelength.min():g}-{wavelength.max():g}"
            raise ParameterError(f"bands: no band from {low:g} to {high:g} nm; the scene has {span}")
        return cube.isel(band=np.flatnonzero(chosen))

    def rgb(self) -> xr.DataArray:
        """Return a quick picture in true colour, each colour stretched between its percentiles 2 and 98.

        The picture has the three bands nearest to 650, 550 and 470 nm, and at most a million pixels of a large scene.
        Pixels that a run leaves out by the cube's quality flags, such as clouds, are shown, but do not count for the
        percentiles.

        Returns
        -------
        (y, x, color) DataArray of float32
            From 0 to 1, NaN for pixels without data; ``picture.plot.imshow()`` shows it.

        Warns
        -----
        SceneWarning
            When no band is within 50 nm of a colour: the nearest one is shown.
        """
        from hsad.plot.true_colour import RGB_NM, nearest_bands, stretched
        from hsad.scene.cube import nodata
        from hsad.scene.quality import valid_pixels

        cube, wavelength = self._with_wavelengths("make a picture by")
        good = cube.coords["good_wavelength"].values if "good_wavelength" in cube.coords else np.ones(len(wavelength))
        candidates = np.flatnonzero(good) if np.any(good) else np.arange(len(wavelength))
        centres = np.array(list(RGB_NM.values()))
        nearest, distance = nearest_bands(wavelength[candidates], centres)
        chosen = candidates[nearest]
        far = distance > _NEAR_NM
        if far.any():
            asked, shown = (", ".join(f"{nm:g}" for nm in numbers[far]) for numbers in (centres, wavelength[chosen]))
            warnings.warn(f"no band near {asked} nm: {shown} nm are shown", SceneWarning, stacklevel=2)
        step = max(1, int(np.ceil(np.sqrt(cube.sizes["y"] * cube.sizes["x"] / _PICTURE_PIXELS))))
        small = cube.isel(y=slice(None, None, step), x=slice(None, None, step))
        picture = small.isel(band=chosen).rename(band="color")
        values = picture.values.astype(np.float64)
        fill = nodata(cube)
        if fill is not None:
            values[(values == fill).any(axis=2)] = np.nan
        if "valid" in small.coords:
            values[~small.coords["valid"].values] = np.nan
        result = picture.copy(data=stretched(values, valid_pixels(small)).astype(np.float32)).assign_coords(
            color=list(RGB_NM)
        )
        return result.drop_vars(["quality", "valid", "gain", "bias", "band_name"], errors="ignore").assign_attrs(
            long_name="true colour", _FillValue=np.nan
        )

    def nearest(self, *wavelengths: float) -> xr.DataArray:
        """Return the bands whose centres are nearest to some wavelengths in nm, in the order of these wavelengths.

        ``cube.sel(wavelength=650, method="nearest")`` needs an index of ``band`` and ascending wavelengths. A cube has
        no such index, and sensors with several detectors have no such wavelengths. This method needs neither.

        Returns
        -------
        (y, x, band) DataArray
            One band for each wavelength.

        Raises
        ------
        ParameterError
            When the cube has no wavelengths, or none was named.
        """
        from hsad.plot.true_colour import nearest_bands

        cube, centres = self._with_wavelengths("choose bands by")
        if not wavelengths:
            raise ParameterError("nearest: name at least one wavelength in nm")
        return cube.isel(band=nearest_bands(centres, wavelengths)[0])

    def plot(self, scores: Any, path: Any = None, **options: Any) -> Any:
        """Return the figure of the scene in true colour beside its scores; options as for `hsad.plot.plot_scores`."""
        from hsad.plot.maps import plot_scores

        return plot_scores(scores, path, **{"background": self.rgb().values, "background_title": "Scene", **options})

    def _with_wavelengths(self, what: str) -> tuple[xr.DataArray, NDArray[np.float64]]:
        from hsad.scene.cube import check_cube

        cube = check_cube(self._cube)
        if "wavelength" not in cube.coords:
            raise ParameterError(f"the cube has no wavelengths to {what}")
        return cube, np.asarray(cube.coords["wavelength"].values, dtype=np.float64)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        from hsad.detectors import DETECTORS

        method = name.replace("_", "-")
        if method not in DETECTORS:
            raise AttributeError(f"no detector {method!r}; there are {', '.join(DETECTORS)}")
        return functools.partial(self.detect, method)

    def __dir__(self) -> list[str]:
        from hsad.detectors import DETECTORS

        return ["bands", "detect", "nearest", "plot", "rgb", *(name.replace("-", "_") for name in DETECTORS)]
