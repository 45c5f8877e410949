"""Small pictures of scenes for a page that lists many: the scene, with a ring around each anomaly."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hsad.files import whole_file
from hsad.plot.pictures import overview, picture_step

if TYPE_CHECKING:
    from hsad.anomalies.opened import Scene

__all__ = ["draw_thumbnail"]

_SIDE = 360
"""Pixels of the longer side: twice as many as the page shows, for screens with two pixels a point."""
_RINGS = 40
"""Most anomalies with a ring: more would hide the scene."""
_RING, _EDGE = (0, 229, 255), (8, 16, 24)


def draw_thumbnail(scene: Scene, places: Sequence[tuple[int, int]], path: str | Path, *, overwrite: bool) -> None:
    """Draw a scene, with rings around some of its pixels, into a JPEG file of some 10 kB.

    Parameters
    ----------
    scene : Scene
    places : sequence of (int, int)
        Row and column of anomalies, the highest score first; the first 40 get rings.
    path : path
    overwrite : bool

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    from PIL import Image, ImageDraw

    picture, _ = overview(scene)
    rows, cols, _ = picture.shape
    scale = _SIDE / max(rows, cols)
    size = max(1, round(cols * scale)), max(1, round(rows * scale))
    small = Image.fromarray(picture).resize(size, Image.Resampling.BOX if scale < 1 else Image.Resampling.NEAREST)
    pen = ImageDraw.Draw(small)
    step = picture_step(scene.grid.rows, scene.grid.cols)
    radius = max(7.0, 2.5 * scale)
    for row, col in places[:_RINGS]:
        x, y = (col / step + 0.5) * scale, (row / step + 0.5) * scale
        for wider, color, width in ((1, _EDGE, 5), (0, _RING, 3)):
            box = (x - radius - wider, y - radius - wider, x + radius + wider, y + radius + wider)
            pen.ellipse(box, outline=color, width=width)
    with whole_file(path, (".jpg",), overwrite=overwrite) as staged:
        small.save(staged, "JPEG", quality=82, optimize=True)
