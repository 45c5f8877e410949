"""Masks and truths for a grid: from a MATLAB variable, a raster, a numpy file or a vector file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad.errors import ParameterError, SceneError, without_warnings
from hsad.files import split_variable
from hsad.gdal import keeps_offline
from hsad.readers.existing import existing_file
from hsad.readers.matlab.matfile import MatArray, is_matlab, listing, load_array, read_content
from hsad.readers.matlab.numpy_files import is_numpy
from hsad.readers.scene import read_cube

if TYPE_CHECKING:
    from affine import Affine
    from numpy.typing import NDArray

    from hsad.scene.cube import GeoGrid

__all__ = ["burnt", "open_mask"]

_VECTOR_SUFFIXES = (".gpkg", ".geojson", ".json", ".shp", ".fgb", ".kml")
_TRUTH_NAMES = ("map", "gt", "groundtruth", "ground_truth", "planegt", "truth", "mask")
# Two grids are the same if their corners differ by less than this share of a pixel, because files round coordinates.
_PIXEL_TOLERANCE = 1e-2


def open_mask(path: str | Path, grid: Any) -> NDArray[np.bool_]:
    """Return the pixels of a grid that a file marks, ``(rows, cols)``: those neither zero nor nodata.

    Parameters
    ----------
    path : str or Path
        A MATLAB file (``scene.mat:map`` names the array; without a name it is the only two-dimensional one,
        or the one with a name that truths have), a raster of one band, a ``.npy`` file, or a vector file.
        Vectors are reprojected and burnt: a pixel is marked where its centre lies in a polygon, or a point in it.
    grid : GeoGrid, DataArray or array
        Size and place of the scene: its grid, a cube, or scores. A raster that is georeferenced must lie where the
        scene lies.

    Raises
    ------
    SceneError
        When the file cannot be read, does not fit the grid, or marks nothing because no feature touches the
        grid.

    Examples
    --------
    >>> import hsad, numpy as np, pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "truth.npy"
    >>> np.save(path, np.eye(4))
    >>> int(hsad.open_mask(path, np.zeros((4, 4, 30))).sum())
    4
    """
    grid = _grid_of(grid)
    located, variable = split_variable(path)
    existing_file(located)
    if is_numpy(located) or is_matlab(located):
        values = _matlab(str(located), variable, grid)
    elif located.suffix.lower() in _VECTOR_SUFFIXES:
        return _vector(str(located), grid)
    else:
        values = _raster(path, grid)
    if values.shape != (grid.rows, grid.cols):
        raise SceneError(f"{path}: {_size(values.shape)} pixels for a scene of {_size((grid.rows, grid.cols))}")
    return np.asarray((values != 0) & ~np.isnan(values))


def _grid_of(scene: Any) -> GeoGrid:
    """Return the grid of a cube, a map or an array; a grid as it is."""
    from hsad.scene.cube import GeoGrid, geo_grid

    if isinstance(scene, GeoGrid):
        return scene
    if {"y", "x"} <= set(getattr(scene, "dims", ())):
        return geo_grid(scene)
    shape = np.shape(scene)
    if len(shape) < 2:
        raise ParameterError(f"a mask needs a scene of rows and columns, not an array of {len(shape)} dimensions")
    return GeoGrid(shape[0], shape[1], None, None)


def _size(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))


def _matlab(source: str, variable: str | None, grid: GeoGrid) -> NDArray[Any]:
    """Return the map in a MATLAB file, turned to the grid where the file does not state the order of axes."""
    arrays = read_content(source).arrays
    flat = [array for array in arrays if len(array.shape) == 2 and min(array.shape) > 0]
    if variable is not None:
        found = [array for array in flat if array.name == variable]
    else:
        # Single numbers and vectors beside a truth are candidates only if the file holds nothing else.
        found = [array for array in flat if min(array.shape) > 1] or flat
        if len(found) > 1:
            found = [array for array in found if array.field.lower() in _TRUTH_NAMES]
    if len(found) != 1:
        what = f"no two-dimensional array called {variable!r}" if variable else _ambiguity(found)
        raise SceneError(f"{source}: {what}; it holds {listing(arrays)}")
    values = load_array(source, found[0])
    turned = not found[0].by_matlab and values.T.shape == (grid.rows, grid.cols) != values.shape
    return values.T if turned else values


def _ambiguity(found: list[MatArray]) -> str:
    if not found:
        return "no two-dimensional array that is plainly the map: name one, as in file.mat:NAME"
    return f"{' and '.join(array.name for array in found)} may each be the map: name one, as in file.mat:NAME"


def _raster(path: str | Path, grid: GeoGrid) -> NDArray[Any]:
    from hsad.scene.cube import geo_grid, nodata

    cube = read_cube(path)
    if cube.sizes["band"] != 1:
        raise SceneError(f"{path}: a mask has one band, this file has {cube.sizes['band']}")
    if cube.shape[:2] != (grid.rows, grid.cols):
        raise SceneError(f"{path}: {_size(cube.shape[:2])} pixels for a scene of {_size((grid.rows, grid.cols))}")
    placed = geo_grid(cube)
    if placed.crs is not None and grid.crs is not None and placed.crs != grid.crs:
        raise SceneError(f"{path}: its CRS is {placed.crs}, the scene's is {grid.crs}")
    if (
        placed.transform is not None
        and grid.transform is not None
        and not _same(placed.transform, grid.transform, (grid.rows, grid.cols))
    ):
        raise SceneError(
            f"{path}: its transform is {tuple(placed.transform)[:6]}, the scene's is {tuple(grid.transform)[:6]}"
        )
    values = cube.values[:, :, 0].astype(np.float64)
    fill = nodata(cube)
    if fill is not None:
        values[values == fill] = np.nan
    if "valid" in cube.coords:
        values[~cube.coords["valid"].values] = np.nan
    return values


def _same(first: Affine, second: Affine, shape: tuple[int, int]) -> bool:
    """Tell whether two transforms place the corners of a grid at the same points."""
    rows, cols = shape
    corners = np.array([[0, cols, 0, cols], [0, 0, rows, rows], [1, 1, 1, 1]], dtype=np.float64)
    one, other = (np.array(transform, dtype=np.float64).reshape(3, 3) for transform in (first, second))
    return bool(np.abs(np.linalg.solve(other, one @ corners) - corners).max() < _PIXEL_TOLERANCE)


def _vector(source: str, grid: GeoGrid) -> NDArray[np.bool_]:
    from pyogrio.errors import DataLayerError, DataSourceError, GeometryError
    from pyogrio.raw import read as read_vector

    if grid.transform is None:
        raise SceneError(f"{source}: a vector file fits a georeferenced scene only, this one has no transform")
    if keeps_offline():
        with Path(source).open("rb") as file:
            if b"VRTDataSource" in file.read(4096):
                raise SceneError(f"{source}: names other files, which HSAD_OFFLINE forbids")
    try:
        with without_warnings(RuntimeWarning):  # GDAL's; the geometries are checked below
            meta, _, geometries, _ = read_vector(source, layer=0, columns=[], force_2d=True)
    except (DataSourceError, DataLayerError, GeometryError, ValueError) as error:
        raise SceneError(f"{source}: not a readable vector file: {' '.join(str(error).split())}") from error
    return burnt(source, geometries, meta.get("crs"), grid, grid.transform)


def burnt(
    source: str, geometries: NDArray[Any], crs: str | None, grid: GeoGrid, transform: Affine
) -> NDArray[np.bool_]:
    """Return the pixels of a grid whose centres lie in a polygon, or that hold a point, ``(rows, cols)``.

    Parameters
    ----------
    source : str
        The file of the polygons, for messages.
    geometries : array of bytes
        Well-known binaries; None for a feature without one.
    crs : str or None
        Their CRS; without one they are in that of the grid.
    grid : GeoGrid
    transform : Affine
        From columns and rows to the coordinates of the polygons in the CRS of the grid.

    Raises
    ------
    SceneError
        When they cannot be used, or cover no centre of a pixel.
    """
    from rasterio.features import rasterize

    try:
        shapes = _shapes(geometries, crs, grid)
        if not shapes:
            raise SceneError(f"{source}: holds no feature with a geometry")
        found = rasterize(
            shapes,
            out_shape=(grid.rows, grid.cols),
            transform=transform,
            all_touched=False,
            dtype="uint8",
        )
    except SceneError:
        raise
    except Exception as error:  # GEOS, PROJ and GDAL raise errors of classes that are not all public
        raise SceneError(f"{source}: its features cannot be used: {' '.join(str(error).split())}") from error
    if not found.any():
        raise SceneError(f"{source}: none of its {len(shapes)} features covers the centre of a pixel of the scene")
    return np.asarray(found != 0)


def _shapes(geometries: NDArray[Any], crs: str | None, grid: GeoGrid) -> list[Any]:
    """Decode well-known binaries and bring them to the grid's CRS; without a CRS they are in it already."""
    import shapely
    from rasterio.crs import CRS
    from rasterio.warp import transform

    shapes = shapely.from_wkb([wkb for wkb in geometries if wkb is not None])
    shapes = shapes[~shapely.is_empty(shapes)]
    if crs is None or grid.crs is None or CRS.from_user_input(crs) == grid.crs:
        return list(shapes)
    stated = CRS.from_user_input(crs)
    coordinates = shapely.get_coordinates(shapes)
    moved = transform(stated, grid.crs, coordinates[:, 0], coordinates[:, 1])
    return list(shapely.set_coordinates(shapes, np.column_stack(moved)))
