"""Results as HTML for notebooks: the headline, a picture, and a table of the first ten; of bounded size."""

from __future__ import annotations

import base64
import html
import io
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hsad.anomalies.headline import headline
from hsad.errors import HsadError
from hsad.plot.explanation import plot_explanation
from hsad.plot.quicklook import plot_quicklook

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from hsad.anomalies.vectors import Anomalies
    from hsad.explanation.explanation import Explanation

__all__ = ["anomalies_html", "box", "explanation_html", "list_table", "picture", "table"]

_ROWS = 10
"""Anomalies of a list that a notebook shows."""
_WIDTH = 900
"""Pixels of the longer side of a picture."""
_MOST_VALUES = 500_000_000
"""Numbers of a scene that are read for a picture: about a second. A larger scene is not drawn."""

_STYLE = (
    "<style scoped>.hsad table{border-collapse:collapse;font-size:90%}"
    ".hsad th,.hsad td{padding:2px 8px;text-align:left}"
    ".hsad td.n{text-align:right;font-variant-numeric:tabular-nums}.hsad tr{border-bottom:1px solid #8884}"
    ".hsad img{max-width:100%;height:auto}</style>"
)


def box(title: str, *parts: str) -> str:
    """Return a title, which is escaped, above parts of HTML."""
    return f'<div class="hsad">{_STYLE}<p><b>{html.escape(title)}</b></p>{"".join(parts)}</div>'


def picture(figure: Figure | None = None, *, png: bytes | None = None) -> str:
    """Return a figure, or the content of an image file, as an image of at most 900 pixels, some 100 kB of JPEG."""
    from PIL import Image

    if figure is not None:
        file = io.BytesIO()
        figure.savefig(file, dpi=100, format="png")
        png = file.getvalue()
    image = Image.open(io.BytesIO(png or b"")).convert("RGB")
    image.thumbnail((_WIDTH, _WIDTH))
    small = io.BytesIO()
    image.save(small, "JPEG", quality=85)
    return f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(small.getvalue()).decode()}">'


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "<td></td>"
    if isinstance(value, bool | str):
        return f"<td>{html.escape(str(value))}</td>"
    return f'<td class="n">{value:.4g}</td>' if isinstance(value, float) else f'<td class="n">{value}</td>'


def table(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return the first ten rows as a table, and how many there are more."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows[:_ROWS])
    drawn = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    more = len(rows) - _ROWS
    return f"{drawn}<p>and {more} more: <code>.to_dataframe()</code> has all of them</p>" if more > 0 else drawn


_NAMES = {
    "id": "#",
    "grade": "grade",
    "p_false": "p false",
    "score_max": "score",
    "n_pixels": "pixels",
    "row": "row",
    "col": "col",
    "cosine": "cosine",
    "fill": "fill",
    "kind": "kind",
    "state": "state",
    "class": "class",
    "reason": "reason",
}
"""Columns of a list that a notebook shows, and their headings."""


def list_table(records: Sequence[Mapping[str, Any]]) -> str:
    """Return the first ten anomalies as a table of the columns that hold anything; "" where there is none."""
    if not records:
        return ""
    names = [name for name in _NAMES if any(record.get(name) not in (None, "", "pending") for record in records)]
    rows = [
        [_short(record.get(name)) if name == "p_false" else record.get(name) for name in names] for record in records
    ]
    return table([_NAMES[name] for name in names], rows)


def _short(probability: float | None) -> str | None:
    if probability is None:
        return None
    return f"{probability:.2f}" if probability >= 0.005 else "<0.01"


def anomalies_html(anomalies: Anomalies) -> str:
    """Return a list of anomalies as a notebook shows it: the headline, the scene with rings, and the first ten."""
    return box(headline(anomalies), _seen(anomalies), list_table(anomalies.records()))


def _seen(anomalies: Anomalies) -> str:
    """Return the picture of the scene and the scores that a list is of; an empty text where they are not at hand."""
    if anomalies.seen is None:
        return ""
    scores, scene = anomalies.seen
    bands = 1 if scene is None else len(scene.source.bands)
    if scores.grid.rows * scores.grid.cols * bands > _MOST_VALUES:
        return ""
    try:
        return picture(plot_quicklook(scores, scene, anomalies=anomalies, title=""))
    except (HsadError, OSError):  # the files are gone
        return ""


def explanation_html(explanation: Explanation) -> str:
    """Return an explanation as a notebook shows it: the sentence, the numbers that were compared, and the figure."""
    evidence = sorted(explanation.reason.evidence.items(), key=lambda pair: -pair[1])
    numbers = [("score", explanation.score), *evidence]
    where = [("row", explanation.row), ("col", explanation.col), ("method", explanation.method)]
    rank = [] if explanation.rank is None else [("rank", explanation.rank), ("of pixels", explanation.among)]
    named: list[tuple[str, Any]] = [*where, *rank, *numbers]
    return box(
        explanation.because,
        f"<p>{html.escape(explanation.sentence.replace(f'{explanation.because}. ', '', 1))}</p>",
        table([name for name, _ in named], [[value for _, value in named]]),
        picture(plot_explanation(explanation)),
    )
