"""Figures: score maps with scale bar and north arrow, anomalies on them, spectra, ROC curves, separability.

>>> import hsad.plot
>>> sorted(hsad.plot.__all__)[:3]
['plot_agreement', 'plot_anomalies', 'plot_explanation']
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hsad.plot.anomalies import plot_anomalies
    from hsad.plot.curves import plot_missed, plot_roc, plot_roc_3d, plot_separability
    from hsad.plot.explanation import plot_explanation
    from hsad.plot.layers import plot_layers
    from hsad.plot.maps import plot_scores
    from hsad.plot.sheets.agreement import plot_agreement
    from hsad.plot.sheets.maps import plot_sheet

__all__ = [
    "plot_agreement",
    "plot_anomalies",
    "plot_explanation",
    "plot_layers",
    "plot_missed",
    "plot_roc",
    "plot_roc_3d",
    "plot_scores",
    "plot_separability",
    "plot_sheet",
]

_HOMES = {
    "plot_agreement": "sheets.agreement",
    "plot_anomalies": "anomalies",
    "plot_explanation": "explanation",
    "plot_layers": "layers",
    "plot_missed": "curves",
    "plot_roc": "curves",
    "plot_roc_3d": "curves",
    "plot_scores": "maps",
    "plot_separability": "curves",
    "plot_sheet": "sheets.maps",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
