"""What `gis.py` runs with the Python of QGIS: grab the dialog of a tool, and a window with layers, map and table."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, "/usr/share/qgis/python/plugins")

import qgis.utils
from processing.core.Processing import Processing
from qgis.core import (
    QgsApplication,
    QgsLayerTreeModel,
    QgsMultiBandColorRenderer,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
)
from qgis.gui import QgsMapCanvas, QgsMessageBar
from qgis.PyQt.QtCore import QEventLoop, Qt, QTimer
from qgis.PyQt.QtWidgets import QDockWidget, QMainWindow, QTableWidget, QTableWidgetItem, QTreeView

BANDS = (14, 9, 3)
COLUMNS = ("id", "grade", "p_false", "n_pixels", "area_m2", "reason")


class Interface:
    """What a dialog asks the main window of QGIS for."""

    def __init__(self, window: QMainWindow, canvas: QgsMapCanvas) -> None:
        self.window, self.canvas = window, canvas

    def mainWindow(self) -> QMainWindow:  # noqa: N802  QGIS's name
        """Return the window."""
        return self.window

    def mapCanvas(self) -> QgsMapCanvas:  # noqa: N802  QGIS's name
        """Return the map."""
        return self.canvas

    def messageBar(self) -> QgsMessageBar:  # noqa: N802  QGIS's name
        """Return a bar that nobody sees."""
        return QgsMessageBar()


def wait(milliseconds: int) -> None:
    """Let QGIS draw."""
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec_()


def grab_tool(window: QMainWindow, canvas: QgsMapCanvas, folder: Path) -> None:
    """Grab the dialog of the tool survey, filled in."""
    qgis.utils.iface = Interface(window, canvas)
    from processing.gui import AlgorithmDialog

    AlgorithmDialog.iface = qgis.utils.iface
    tool = QgsApplication.processingRegistry().createAlgorithmById("hsad:survey")
    dialog = AlgorithmDialog.AlgorithmDialog(tool, parent=window)
    dialog.setParameters({"SCENE": "C:/data/scene.hdr", "FOLDER": "C:/data/survey"})
    dialog.show()
    dialog.resize(880, 600)
    wait(300)
    dialog.grab().save(str(folder / "qgis-tool.png"))
    dialog.hide()


def layers(folder: Path) -> list[Any]:
    """Return the layers of a survey, the uppermost first."""
    vectors = QgsVectorLayer(f"{folder}/survey/anomalies.gpkg|layername=anomalies", "anomalies", "ogr")
    scores = QgsRasterLayer(f"{folder}/survey/scores.tif", "scores")
    scores.setOpacity(0.75)
    scene = QgsRasterLayer(f"{folder}/scene.img", "scene")
    scene.setRenderer(QgsMultiBandColorRenderer(scene.dataProvider(), *BANDS))
    scene.setDefaultContrastEnhancement()
    return [vectors, scores, scene]


def grab_layers(window: QMainWindow, canvas: QgsMapCanvas, folder: Path) -> None:
    """Grab the layers with their legends, the map, and the list as a table."""
    shown = layers(folder)
    QgsProject.instance().addMapLayers(shown, addToLegend=True)
    model = QgsLayerTreeModel(QgsProject.instance().layerTreeRoot())
    tree = QTreeView()
    tree.setModel(model)
    tree.setHeaderHidden(True)
    tree.expandToDepth(1)
    dock = QDockWidget("Layers")
    dock.setWidget(tree)
    window.addDockWidget(Qt.LeftDockWidgetArea, dock)
    dock.setMinimumWidth(330)
    window.setCentralWidget(canvas)
    table = QDockWidget("anomalies: features")
    table.setWidget(filled(shown[0]))
    table.setMinimumHeight(190)
    window.addDockWidget(Qt.BottomDockWidgetArea, table)
    canvas.setDestinationCrs(shown[1].crs())
    canvas.setLayers(shown)
    canvas.setExtent(shown[1].extent())
    window.resize(1040, 760)
    window.show()
    wait(400)
    canvas.refresh()
    wait(2500)
    window.grab().save(str(folder / "qgis-layers.png"))


def filled(vectors: QgsVectorLayer) -> QTableWidget:
    """Return the first columns of the list."""
    features = sorted(vectors.getFeatures(), key=lambda feature: feature["id"])
    table = QTableWidget(len(features), len(COLUMNS))
    table.setHorizontalHeaderLabels(COLUMNS)
    table.verticalHeader().setVisible(False)
    for row, feature in enumerate(features):
        for column, name in enumerate(COLUMNS):
            value = feature[name]
            text = f"{value:.3g}" if isinstance(value, float) else str(value)
            table.setItem(row, column, QTableWidgetItem(text))
    table.resizeColumnsToContents()
    table.horizontalHeader().setStretchLastSection(True)
    return table


def main() -> None:
    """Draw both."""
    provider, folder = sys.argv[1], Path(sys.argv[2])
    application = QgsApplication([], True)
    application.initQgis()
    Processing.initialize()
    spec = importlib.util.spec_from_file_location("startup", provider)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    window, canvas = QMainWindow(), QgsMapCanvas()
    grab_tool(window, canvas, folder)
    grab_layers(window, canvas, folder)
    sys.stdout.flush()
    os._exit(0)  # QGIS may crash while Python takes its widgets apart


if __name__ == "__main__":
    main()
