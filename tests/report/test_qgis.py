"""QGIS, where it is installed: the styles that hsad writes are drawn, its provider's algorithms run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import hsad
from hsad.anomalies.vectors import read_anomalies
from hsad.products import write_envi
from hsad.products.palette import GRADE_COLORS

PYTHON = "/usr/bin/python3"
PROVIDER = Path(hsad.__file__).parent / "gis" / "qgis_provider.py"

PROGRAM = """
import importlib.util, json, sys
sys.path.insert(0, "/usr/share/qgis/python/plugins")
from qgis.core import QgsApplication, QgsMapRendererParallelJob, QgsMapSettings, QgsRasterLayer, QgsVectorLayer
from qgis.PyQt.QtCore import QSize
application = QgsApplication([], False)
application.initQgis()
from processing.core.Processing import Processing
Processing.initialize()
import processing
provider, scene, folder = sys.argv[1:]
spec = importlib.util.spec_from_file_location("startup", provider)
spec.loader.exec_module(importlib.util.module_from_spec(spec))
found = {}
found["survey"] = processing.run("hsad:survey", {"SCENE": scene, "METHOD": 1, "FOLDER": folder, "FALSE": 50})
rx = {"SCENE": scene, "METHOD": 1, "trim": "0.01", "SCORES": folder + "/rx.tif"}
found["detect"] = processing.run("hsad:detect", rx)
found["threshold"] = processing.run("hsad:threshold", {"SCORES": folder + "/rx.tif", "ANOMALIES": folder + "/rx.gpkg"})
vectors = QgsVectorLayer(folder + "/anomalies.gpkg|layername=anomalies", "anomalies", "ogr")
scores = QgsRasterLayer(folder + "/scores.tif", "scores")
renderer = type(vectors.renderer()).__name__
found["vectors"] = [vectors.isValid(), vectors.featureCount(), renderer, vectors.labelsEnabled()]
found["categories"] = [[category.value(), category.label()] for category in vectors.renderer().categories()]
found["styles"] = vectors.listStylesInDatabase()[2]
found["scores"] = [scores.isValid(), type(scores.renderer()).__name__]
items = scores.renderer().shader().rasterShaderFunction().colorRampItemList()
found["classes"] = [[item.value if item.value < 1e300 else None, item.label] for item in items]
settings = QgsMapSettings()
settings.setLayers([vectors, scores])
settings.setDestinationCrs(scores.crs())
settings.setExtent(scores.extent())
settings.setOutputSize(QSize(900, 800))
job = QgsMapRendererParallelJob(settings)
job.start()
job.waitForFinished()
job.renderedImage().save(folder + "/map.png")
print("FOUND " + json.dumps(found))
application.exitQgis()
"""


@pytest.mark.long
def test_qgis_runs_the_provider_and_draws_the_styles(tmp_path):
    from matplotlib.colors import to_rgb
    from matplotlib.image import imread

    known = subprocess.run([PYTHON, "-c", "import qgis.core"], capture_output=True, check=False)
    if known.returncode:
        pytest.skip("no QGIS here: apt-get install python3-qgis")
    write_envi(hsad.make_scene(rows=90, cols=100, seed=3).cube, tmp_path / "scene.hdr")
    environment = {
        **os.environ,
        "QT_QPA_PLATFORM": "offscreen",
        "HSAD_COMMAND": f"{sys.executable} -m hsad",
        "HSAD_PYTHONPATH": str(PROVIDER.parents[2]),
    }
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        [PYTHON, "-c", PROGRAM, str(PROVIDER), str(tmp_path / "scene.hdr"), str(tmp_path / "out")],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        timeout=280,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("FOUND ")]
    assert lines, done.stderr
    found = json.loads(lines[0].removeprefix("FOUND "))
    valid, count, renderer, labels = found["vectors"]
    assert (valid, renderer, labels) == (True, "QgsCategorizedSymbolRenderer", True)
    assert count > 3
    categories = dict(found["categories"])
    assert list(categories) == ["almost certain", "likely", "possible", ""]
    assert categories["likely"] == "likely: background with probability 0.3 at most"
    assert set(found["styles"]) == {"by grade", "by state"}
    assert found["scores"] == [True, "QgsSingleBandPseudoColorRenderer"]
    with_trim = hsad.open_cube(found["detect"]["SCORES"]).values[..., 0]
    np.testing.assert_array_equal(with_trim, hsad.detect(tmp_path / "scene.hdr", "rx", trim=0.01).values)
    assert Path(found["threshold"]["ANOMALIES"]).is_file()
    classes = [label for _, label in found["classes"]]
    assert classes[:2] == ["lower half of the scores", "no better than background"]
    assert [text.split(":")[0] for text in classes[2:]] == ["possible", "likely", "almost certain"]
    graded = {record["grade"]: record["score_max"] for record in read_anomalies(tmp_path / "out" / "anomalies.gpkg")}
    starts = dict(zip(("possible", "likely"), [value for value, _ in found["classes"][1:3]], strict=True))
    for grade in starts.keys() & graded.keys():
        assert starts[grade] <= graded[grade] * 1.001
    picture = imread(tmp_path / "out" / "map.png")[..., :3]
    outlines = [np.array(to_rgb(color)) for color in (*GRADE_COLORS.values(), "black")]  # or their dark edges
    assert sum((np.abs(picture - color) < 0.08).all(axis=-1).sum() for color in outlines) > 50
    assert len(np.unique((picture * 15).astype(int).reshape(-1, 3), axis=0)) > 5  # and classes below them
