"""Scores as lines of a raster that can be read at any time: an ENVI file whose header counts the lines so far."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from hsad.errors import OutputError
from hsad.files import staging
from hsad.products.cubes.envi import ENVI_SUFFIXES, check_envi, envi_fields
from hsad.scene.cube import GeoGrid, geo_grid

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ScoreLines", "score_files"]

_TYPE = np.dtype("<f4")


def score_files(output: str | Path, *, overwrite: bool) -> tuple[Path, Path]:
    """Return header and data file of the scores, if they can be written.

    Raises
    ------
    OutputError
        When the name has another ending than an ENVI file, or exists already.
    """
    path = Path(output)
    if path.suffix.lower() not in ENVI_SUFFIXES:
        raise OutputError(
            f"{path}: lines are written as an ENVI file, which can be read while it grows: the name must end with one "
            f"of {', '.join(ENVI_SUFFIXES)}; hsad convert makes a GeoTIFF of it"
        )
    return check_envi(path, GeoGrid(1, 1, None, None), overwrite=overwrite)


class ScoreLines:
    """A raster of scores that grows: float32, NaN where a pixel has no score, one line after the other.

    Whatever the moment, the header states no more lines than the data file has.

    Parameters
    ----------
    header, data : Path
    cube : (y, x, band) DataArray
        The lines, for their grid.
    description : str
        One sentence for the header.
    lines : int
        Lines that an earlier run wrote: what the file has beyond them is cut off.
    """

    def __init__(self, header: Path, data: Path, cube: xr.DataArray, description: str, lines: int) -> None:
        self._header, self._path, self._description = header, data, description
        self._grid = geo_grid(cube)
        self.lines = lines
        self._stated = -1
        try:
            if not lines:
                header.unlink(missing_ok=True)  # it would count the lines of another file
            self._file = data.open("r+b" if lines else "wb")
            self._file.truncate(lines * self._line_bytes)
            self._file.seek(lines * self._line_bytes)
        except OSError as error:
            raise OutputError(f"{data}: {error.strerror or error}") from error

    @property
    def _line_bytes(self) -> int:
        return self._grid.cols * _TYPE.itemsize

    def append(self, scores: NDArray[np.float32]) -> None:
        """Write lines of scores, ``(n, samples)``.

        Raises
        ------
        OutputError
            When the file cannot be written.
        """
        try:
            self._file.write(np.ascontiguousarray(scores, dtype=_TYPE).data)
        except OSError as error:
            raise OutputError(f"{self._path}: {error.strerror or error}") from error
        self.lines += len(scores)

    def publish(self) -> None:
        """Make the lines that were written visible to others: first the data, then the header that counts them."""
        if self.lines in (self._stated, 0):
            return
        try:
            self._file.flush()
        except OSError as error:
            raise OutputError(f"{self._path}: {error.strerror or error}") from error
        with staging(self._header) as folder:
            from spectral.io.envi import write_envi_header

            write_envi_header(str(folder / "header"), self._fields())
            (folder / "header").replace(self._header)  # at once: there is a header at any moment
        self._stated = self.lines

    def close(self) -> None:
        """Publish all lines, and close the file."""
        try:
            self.publish()
        finally:
            self._file.close()
        if not self.lines:
            self._path.unlink(missing_ok=True)

    def _fields(self) -> dict[str, Any]:
        """Return the fields of the header for the lines so far."""
        shape = (self.lines, self._grid.cols, 1)
        scores = xr.DataArray(np.broadcast_to(np.float32(0), shape), dims=("y", "x", "band"))
        scores = scores.assign_coords(band_name=("band", ["score"])).assign_attrs(description=self._description)
        grid = GeoGrid(self.lines, self._grid.cols, self._grid.crs, self._grid.transform)
        fields = envi_fields(grid.attach(scores), _TYPE, "bil", None, self._path)
        return {**fields, "byte order": 0, "data ignore value": "nan"}
