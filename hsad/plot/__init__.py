"""Figures: score maps with scale bar and north arrow, anomalies on them, spectra, ROC curves, separability.

>>> import hsad.plot
>>> [name for name in hsad.plot.__all__ if name.startswith("plot_")][:3]
['plot_agreement', 'plot_anomalies', 'plot_explanation']
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hsad.lazy import lazy_attributes

if TYPE_CHECKING:
    from hsad.plot.anomalies import plot_anomalies
    from hsad.plot.curves import plot_missed, plot_roc, plot_roc_3d, plot_separability
    from hsad.plot.explanation import plot_explanation
    from hsad.plot.layers import plot_layers
    from hsad.plot.maps import plot_scores
    from hsad.plot.notebook.html import anomalies_html, explanation_html
    from hsad.plot.quicklook import plot_quicklook
    from hsad.plot.sheets.agreement import plot_agreement
    from hsad.plot.sheets.maps import plot_sheet

__all__ = [
    "anomalies_html",
    "explanation_html",
    "plot_agreement",
    "plot_anomalies",
    "plot_explanation",
    "plot_layers",
    "plot_missed",
    "plot_quicklook",
    "plot_roc",
    "plot_roc_3d",
    "plot_scores",
    "plot_separability",
    "plot_sheet",
]

_HOMES = {
    "anomalies_html": "hsad.plot.notebook.html",
    "explanation_html": "hsad.plot.notebook.html",
    "plot_agreement": "hsad.plot.sheets.agreement",
    "plot_anomalies": "hsad.plot.anomalies",
    "plot_explanation": "hsad.plot.explanation",
    "plot_layers": "hsad.plot.layers",
    "plot_missed": "hsad.plot.curves",
    "plot_quicklook": "hsad.plot.quicklook",
    "plot_roc": "hsad.plot.curves",
    "plot_roc_3d": "hsad.plot.curves",
    "plot_scores": "hsad.plot.maps",
    "plot_separability": "hsad.plot.curves",
    "plot_sheet": "hsad.plot.sheets.maps",
}

__getattr__ = lazy_attributes(__name__, _HOMES)


def __dir__() -> list[str]:
    return __all__
