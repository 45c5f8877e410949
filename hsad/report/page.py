"""The page for the review of anomalies: one HTML file that needs no network and no other file."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hsad import __version__
from hsad.anomalies.decide import choose_anomalies
from hsad.anomalies.headline import answer, headline
from hsad.anomalies.opened import Scene, open_scores
from hsad.anomalies.options import ListOptions
from hsad.anomalies.origin import origin_sentence
from hsad.anomalies.surroundings import look_around
from hsad.anomalies.vectors import COLUMNS, Anomalies
from hsad.errors import DataError
from hsad.explanation.explain import explainer
from hsad.files import check_output, whole_file
from hsad.job.options import SceneOptions
from hsad.job.remarks import remarks_on
from hsad.plot.pictures import data_url, overview, picture_step, score_picture
from hsad.plot.spectrum_line import line_breaks, shaded_stretches, spectrum_axis
from hsad.products.palette import SCORE_PALETTE
from hsad.products.styles import STATE_COLORS
from hsad.scene.ground import pixel_areas

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hsad.anomalies.scoremap import ScoreMap
    from hsad.scene.grid import GeoGrid

__all__ = ["Account", "report_to_file", "write_page"]

PAGE_SUFFIXES = (".html", ".htm")
_SPECTRA = 200
"""Anomalies whose spectra are in the page: with 400 bands they take about 2 MB."""
_REASONS = 60
"""Anomalies for which the detector accounts: each may take a second."""
_DEGREE_METRES = 111_320.0
"""A degree of longitude at the equator, in metres: nowhere is a degree much longer."""
_LEFT_OUT = {"peak_wavelengths", "mean_spectrum", "background_spectrum"}


@dataclass(frozen=True)
class Account:
    """The run whose detector accounts for the anomalies.

    Attributes
    ----------
    scene : path, cube or array
        The scene that the detector learns.
    options : mapping
        Options of the run: bands, a mask, a window.
    start : (int, int)
        First row and column of the window that the detector learns.
    """

    scene: Any
    options: Mapping[str, Any]
    start: tuple[int, int]


def report_to_file(
    scene: Any,
    scores: str | Path,
    output: str | Path,
    options: ListOptions | None = None,
    *,
    stated: SceneOptions | None = None,
    reasons: bool = True,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write the review page of a score raster.

    Parameters
    ----------
    scene, scores, output : path
        The scene, its scores, and the page (``.html``).
    options : ListOptions, optional
        How the anomalies are chosen.
    stated : SceneOptions, optional
        What the user states about the scene beside its file.
    reasons : bool
        Whether the detector accounts for the highest anomalies, for which it learns the scene once more.
    overwrite : bool

    Returns
    -------
    dict
        ``output``, what `hsad.anomalies.headline.answer` says, and what `Threshold.to_dict` says.

    Raises
    ------
    HsadError
        When a file cannot be read, the scores do not lie in the scene, or the page cannot be written.
    """
    target = check_output(output, PAGE_SUFFIXES, overwrite=overwrite)
    opened = open_scores(scores)
    beside = Scene.of(scene, opened.grid, stated=stated)
    anomalies = choose_anomalies(opened, beside, options or ListOptions())
    account = Account(scene, {} if stated is None else stated.stated(), (0, 0)) if reasons else None
    write_page(target, anomalies, opened, beside, account, overwrite=overwrite)
    return {**anomalies.threshold, **answer(anomalies), "output": str(target)}


def write_page(
    path: Path,
    anomalies: Anomalies,
    scores: ScoreMap,
    scene: Scene,
    account: Account | None,
    *,
    overwrite: bool = False,
) -> None:
    """Write the page, with the detector's reasons when there is an account.

    Raises
    ------
    OutputError
        When it cannot be written; nothing is left behind then.
    """
    from jinja2 import Environment
    from markupsafe import Markup

    picture, colours = overview(scene)
    data = _data(anomalies, scores, scene, account)
    data["picture"] = data_url(picture)
    assets = files("hsad.report") / "assets"
    source = Path(scores.source or scene.name).name
    page = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
        (assets / "report.html.j2").read_text("utf-8")
    )
    text = page.render(
        title=f"Anomalies in {source}",
        summary=headline(anomalies),
        sentence=origin_sentence(anomalies.threshold),
        doubts=anomalies.threshold["doubts"],
        facts=_facts(anomalies, scores, scene, colours),
        # Files of the package, and JSON that cannot end its script element. All other texts are escaped.
        style=Markup((assets / "report.css").read_text("utf-8")),  # noqa: S704
        script=Markup((assets / "report.js").read_text("utf-8")),  # noqa: S704
        data=Markup(_json(data)),  # noqa: S704
    )
    with whole_file(path, PAGE_SUFFIXES, overwrite=overwrite) as staged:
        staged.write_text(text + "\n", encoding="utf-8")


def _json(data: Mapping[str, Any]) -> str:
    """Return JSON without a text that could end a script element."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _facts(anomalies: Anomalies, scores: ScoreMap, scene: Scene, colours: str) -> list[tuple[str, str]]:
    grid, threshold = scores.grid, anomalies.threshold
    interval, false = threshold["interval"], threshold["expected_false"]
    rows = [
        ("Scene", f"{scene.name}, {grid.rows} x {grid.cols} pixels, {len(scene.source.bands)} bands used"),
        ("Picture", colours),
        ("CRS", "none" if grid.crs is None else str(grid.crs.to_string())),
        ("Method", scores.method or "not known"),
        ("Parameters", ", ".join(f"{name} = {value}" for name, value in scores.parameters.items())),
        ("Learned", ", ".join(f"{name} = {_number(value)}" for name, value in scores.background.items())),
        ("Threshold", f"{threshold['threshold']:.6g} by rule {threshold['rule']}"),
        (
            "Expected false",
            "not known" if false is None else f"{false:.3g}",
        ),
        ("90 % interval", "-" if interval is None else f"{interval[0]:.3g} to {interval[1]:.3g}"),
        ("Doubts", "; ".join(threshold["doubts"]) or "none"),
        ("Smallest, merged", f"{threshold['min_pixels']} pixels; {threshold['merge']} pixels apart"),
        ("Remarks on the scene", "; ".join(remarks_on(scene.cube))),
        ("hsad", __version__),
    ]
    return [(name, text) for name, text in rows if text]


def _number(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _data(anomalies: Anomalies, scores: ScoreMap, scene: Scene, account: Account | None) -> dict[str, Any]:
    """Return the data of the page's script."""
    grid = scores.grid
    metres = _metres(grid)
    collection = anomalies.to_geojson()
    grey, low, high, logarithmic = score_picture(scores)
    columns = [name for name in COLUMNS if name not in _LEFT_OUT]
    records = anomalies.records()
    table = {name: [record[name] for record in records] for name in columns}
    digest = hashlib.sha256(json.dumps([table, scores.source, anomalies.threshold["threshold"]]).encode()).hexdigest()
    axis, axis_name = spectrum_axis(scene.wavelength, scene.source.bands + 1)
    return {
        "name": Path(scores.source or scene.name).stem,
        "key": digest[:16],
        "rows": grid.rows,
        "cols": grid.cols,
        "step": picture_step(grid.rows, grid.cols),
        "transform": None if grid.transform is None else list(grid.transform)[:6],
        "crs": None if grid.crs is None else str(grid.crs.to_string())[:40],
        "decimals": grid.decimals,
        "degree_decimals": _degree_decimals(metres),
        "metres": metres,
        "palette": _palette(),
        "low": low,
        "high": high,
        "log": logarithmic,
        "grey": data_url(grey),
        "columns": columns,
        "colors": STATE_COLORS,
        "anomalies": table,
        "shapes": _shapes(anomalies),
        "outlines": [feature["geometry"] for feature in collection["features"]],
        "coordinates": {name: collection[name] for name in ("crs", "remark") if name in collection},
        "axis": [_short(value) for value in axis],
        "axis_name": axis_name,
        "breaks": line_breaks(axis).tolist(),
        "shaded": [stretch for stretch, _ in shaded_stretches(axis, absorption=scene.wavelength is not None)],
        "spectra": _spectra(anomalies, scores, scene),
        "reasons": {} if account is None else _reasons(anomalies, scores, scene, account),
    }


def _palette() -> list[list[int]]:
    """Return 256 colours: the first one for pixels without a score, the others from low to high."""
    known = np.array([list(bytes.fromhex(color[1:])) for color in SCORE_PALETTE], dtype=np.float64)
    places = np.linspace(0, len(known) - 1, 255)
    channels = [np.interp(places, np.arange(len(known)), known[:, channel]) for channel in range(3)]
    return [[0, 0, 0], *np.round(np.stack(channels, axis=1)).astype(int).tolist()]


def _metres(grid: GeoGrid) -> float | None:
    """Return how many metres the side of a pixel in the middle is long, None where that is not known."""
    area = pixel_areas(grid, np.array([grid.rows // 2]), np.array([grid.cols // 2]))[0]
    return float(np.sqrt(area)) if np.isfinite(area) else None


def _degree_decimals(metres: float | None) -> int:
    """Return the decimals of a longitude or latitude of which the last one counts at most half a pixel."""
    return 5 if metres is None else max(0, math.ceil(-math.log10(metres / 2 / _DEGREE_METRES)))


def _shapes(anomalies: Anomalies) -> list[list[list[float]]]:
    """Return the rings of each outline in pixels, each ring as a list x, y, x, y and so on."""
    import shapely

    if not len(anomalies):
        return []
    outline = anomalies.outline
    if anomalies.grid.transform is not None:
        points = anomalies.grid.to_pixels(shapely.get_coordinates(outline))
        outline = shapely.set_coordinates(outline.copy(), np.round(points, 2))
    found = []
    for shape in outline:
        parts = getattr(shape, "geoms", [shape])
        rings = [ring for part in parts for ring in (part.exterior, *part.interiors)]
        found.append([np.asarray(ring.coords)[:-1].ravel().tolist() for ring in rings])
    return found


def _spectra(anomalies: Anomalies, scores: ScoreMap, scene: Scene) -> dict[int, dict[str, list[float | None]]]:
    found = {}
    for place in range(min(_SPECTRA, len(anomalies))):
        row, col = int(anomalies.columns["row"][place]), int(anomalies.columns["col"][place])
        around = look_around(scene, scores, row, col, anomalies.threshold["threshold"])
        found[place + 1] = {
            "s": _list(around.spectrum),
            "b": _list(around.background),
            "d": _list(around.spread),
        }
    return found


def _reasons(anomalies: Anomalies, scores: ScoreMap, scene: Scene, account: Account) -> dict[int, dict[str, Any]]:
    """Return the detector's account of the highest anomalies, by their rank."""
    if not scores.method or not len(anomalies):
        return {}
    found: dict[int, dict[str, Any]] = {}
    method, parameters = scores.method, {**scores.parameters, **account.options}
    if "background" in account.options:
        method, parameters = "", dict(account.options)
    with explainer(account.scene, method or None, parameters) as ready:
        same = np.array_equal(ready.learned.bands, scene.source.bands)
        for place in range(min(_REASONS, len(anomalies))):
            row, col = int(anomalies.columns["row"][place]), int(anomalies.columns["col"][place])
            try:
                scene_row, scene_col = scene.own_pixel(row, col)
                why = replace(ready.at(scene_row - account.start[0], scene_col - account.start[1]), row=row, col=col)
            except DataError:
                continue
            parts, made = (why.reason.contributions, why.reason.reconstruction) if same else (None, None)
            found[place + 1] = {
                "text": why.sentence,
                "parts": None if parts is None else _list(parts),
                "made": None if made is None else _list(made),
            }
    return found


def _short(value: float) -> float | None:
    return float(f"{value:.4g}") if np.isfinite(value) else None


def _list(values: NDArray[np.float64]) -> list[float | None]:
    return [_short(float(value)) for value in values]
