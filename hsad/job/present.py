"""The form in which a caller gets scores: an array, or a map with its georeferencing and its provenance."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import xarray as xr
from numpy.typing import NDArray

from hsad import __version__
from hsad.detectors import describe_detector
from hsad.detectors.base import Detector
from hsad.errors import ParameterError
from hsad.job.learned import Learned
from hsad.products.ortho import orthorectified
from hsad.scene.cube import GeoGrid
from hsad.scene.swath import GridSwath, Swath

__all__ = ["Form", "provenance_of"]

#: Coordinates of a cube that say which pixels are valid: a score says it by being a number.
_OF_VALIDITY = {"valid", "quality"}


def provenance_of(detector: Detector, cube: xr.DataArray) -> dict[str, str]:
    """Return the texts that a result carries about its method and its scene."""
    method, parameters = describe_detector(detector)
    attrs = cube.attrs
    texts = {"method": method, "parameters": json.dumps(parameters), "version": __version__}
    texts |= {name: str(attrs[name]) for name in ("source", "data_file", "acquired") if name in attrs}
    if "source_before" in attrs:
        texts["before"] = str(attrs["source_before"])
    if attrs.get("mask_flags"):
        texts["mask_flags"] = ",".join(attrs["mask_flags"])
    if attrs.get("bad_bands"):
        texts["bad_bands"] = attrs["bad_bands"]
    return texts


@dataclass(frozen=True, kw_only=True)
class Form:
    """The form of the scores of a scene.

    Attributes
    ----------
    cube : (y, x, band) DataArray
        The scene, for its coordinates.
    window : tuple of two slice
        Rows and columns of the scene that are scored.
    grid : GeoGrid
        The grid of the window.
    swath : Swath or None
        How the window lies on a map, where files of its scores are maps.
    on_map : bool
        Whether results in memory are maps, too.
    as_array : bool
        Whether the caller gets an array, because the scene was one.
    evidence : tuple of str
        The kinds of evidence that come with the score.
    provenance : dict of str
        What the result says about itself.
    """

    cube: xr.DataArray
    window: tuple[slice, slice]
    grid: GeoGrid
    swath: Swath | None
    on_map: bool
    as_array: bool
    evidence: tuple[str, ...]
    provenance: dict[str, str]

    @property
    def map_name(self) -> str:
        """The option `grid` that names the map of the results; empty when they stay on the grid of the scene."""
        if self.swath is None:
            return ""
        return "north-up" if isinstance(self.swath, GridSwath) else "map"

    def of_scores(self, layers: NDArray[Any], learned: Learned) -> Any:
        """Return scores and kinds of evidence, ``(rows, cols, 1 + kinds)``, as the caller gets them."""
        if self.as_array:
            return layers if self.evidence else layers[..., 0]
        attrs = {**self.provenance, "background": json.dumps(learned.summary()) if learned.background else ""}
        if self.on_map and self.swath is not None:
            kinds = [orthorectified(layers[..., kind], self.swath) for kind in range(layers.shape[-1])]
            return self._map(self.swath.grid, kinds[0], kinds[1:], {**attrs, "grid": self.map_name})
        kinds = [layers[..., kind] for kind in range(layers.shape[-1])]
        return self._on_the_scene(kinds[0], kinds[1:], attrs)

    def of_lazy_scores(self, scores: Any) -> Any:
        """Return scores that are not computed yet, ``(rows, cols)``, as the caller gets them.

        Raises
        ------
        ParameterError
            When the caller asks for a map, which needs all scores.
        """
        if self.as_array:
            return scores
        if self.on_map and self.swath is not None:
            raise ParameterError(f"grid: {self.map_name!r} needs all scores: compute=False gives none")
        return self._on_the_scene(scores, [], self.provenance)

    def _on_the_scene(self, scores: Any, kinds: list[Any], attrs: dict[str, str]) -> xr.DataArray:
        result = self._map(self.grid, scores, kinds, {**attrs, "long_name": f"anomaly score ({attrs['method']})"})
        rows, cols = self.window
        return result.assign_coords(
            {
                name: coordinate.isel({"y": rows, "x": cols}, missing_dims="ignore")
                for name, coordinate in self.cube.coords.items()
                if coordinate.ndim and set(coordinate.dims) <= {"y", "x"} and name not in _OF_VALIDITY
            }
        )

    def _map(self, grid: GeoGrid, scores: Any, kinds: list[Any], attrs: dict[str, str]) -> xr.DataArray:
        result = xr.DataArray(scores, dims=("y", "x"), name="score", attrs=attrs)
        named = zip(self.evidence, kinds, strict=False)  # scores that are not computed come without evidence
        return grid.attach(result.assign_coords({name: (("y", "x"), kind) for name, kind in named}))
