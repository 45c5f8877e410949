"""hsad in the Processing toolbox of QGIS: survey, detect and threshold. One file.

Copy it into the folder ``python`` of a QGIS profile under the name ``startup.py`` (Settings, User Profiles, Open Active
Profile Folder). ``hsad doctor`` prints the path of this file. QGIS has another Python than hsad, so this file runs hsad
as a program: the command in the environment variable ``HSAD_COMMAND``, or ``hsad`` on the path. The parameters of the
methods come from ``hsad methods --json``.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

from qgis.core import (
    QgsApplication,
    QgsProcessingAlgorithm,
    QgsProcessingException,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFile,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterFolderDestination,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
    QgsProcessingProvider,
)

#: Variables that tell the libraries of QGIS where their data lie: hsad brings libraries of its own.
_OF_QGIS = ("PYTHONHOME", "PYTHONPATH", "PROJ_LIB", "PROJ_DATA", "GDAL_DATA", "GDAL_DRIVER_PATH")
_ENDINGS = "ENVI, GeoTIFF, MATLAB, HDF5 (*.*)"


def command() -> list[str]:
    """Return the command that runs hsad."""
    return shlex.split(os.environ.get("HSAD_COMMAND", "hsad"))


def run_hsad(arguments: list[str], feedback: Any = None) -> dict[str, Any]:
    """Run hsad and return the JSON that it prints; its line of error becomes an error of QGIS."""
    environment = {name: value for name, value in os.environ.items() if name not in _OF_QGIS}
    if "HSAD_PYTHONPATH" in os.environ:
        environment["PYTHONPATH"] = os.environ["HSAD_PYTHONPATH"]
    call = [*command(), *arguments, "--json"]
    try:
        done = subprocess.run(call, capture_output=True, text=True, env=environment, check=False)  # noqa: S603
    except OSError as error:
        raise QgsProcessingException(f"hsad cannot be run ({error}): set HSAD_COMMAND to where it is") from error
    for line in done.stderr.splitlines():
        if feedback is not None:
            feedback.pushInfo(line)
    if done.returncode:
        raise QgsProcessingException(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "hsad failed")
    return dict(json.loads(done.stdout))


class _Methods:
    """The detectors and their parameters, read from hsad once."""

    known: dict[str, Any] | None = None

    @classmethod
    def all(cls) -> dict[str, Any]:
        if cls.known is None:
            cls.known = run_hsad(["methods"])
        return cls.known


class _Algorithm(QgsProcessingAlgorithm):
    """Names and parameters that all three algorithms have."""

    title = ""
    help = ""

    def createInstance(self) -> _Algorithm:  # noqa: N802  QGIS's name
        return type(self)()

    def name(self) -> str:
        return self.title

    def displayName(self) -> str:  # noqa: N802  QGIS's name
        return self.title.capitalize()

    def shortHelpString(self) -> str:  # noqa: N802  QGIS's name
        return self.help

    def add_scene(self) -> None:
        self.addParameter(QgsProcessingParameterFile("SCENE", "Scene (scene.mat:NAME: type it)", fileFilter=_ENDINGS))

    def add_method(self) -> None:
        """Add the method, and a text for each parameter of a method; an empty text means the default."""
        names = list(_Methods.all())
        default = next(number for number, name in enumerate(names) if _Methods.all()[name]["default"])
        self.addParameter(QgsProcessingParameterEnum("METHOD", "Method", names, defaultValue=default))
        users: dict[str, tuple[str, list[str]]] = {}
        for method, entry in _Methods.all().items():
            for p in entry["parameters"]:
                users.setdefault(p["name"], (p["help"], []))[1].append(method)
        for name, (text, methods) in users.items():
            parameter = QgsProcessingParameterString(name, f"{name}: {text} ({', '.join(methods)})", optional=True)
            parameter.setFlags(parameter.flags() | parameter.FlagAdvanced)
            self.addParameter(parameter)

    def add_false_objects(self) -> None:
        number = QgsProcessingParameterNumber.Double
        text = "False anomalies to accept (empty: the default list)"
        self.addParameter(QgsProcessingParameterNumber("FALSE", text, number, None, optional=True, minValue=0.01))
        self.addParameter(
            QgsProcessingParameterNumber("PER", "... in this number of pixels", number, 10000.0, minValue=1)
        )

    def method_arguments(self, parameters: dict[str, Any], context: Any) -> list[str]:
        names = list(_Methods.all())
        method = names[self.parameterAsEnum(parameters, "METHOD", context)]
        arguments = ["-m", method]
        for p in _Methods.all()[method]["parameters"]:
            text = self.parameterAsString(parameters, p["name"], context).strip()
            option = p["name"].replace("_", "-")
            if text.lower() in ("true", "false") and isinstance(p["default"], bool):
                arguments.append(f"--{option}" if text.lower() == "true" else f"--no-{option}")
            elif text:
                arguments += [f"--{option}", text]
        return arguments

    def false_arguments(self, parameters: dict[str, Any], context: Any) -> list[str]:
        if parameters.get("FALSE") in (None, ""):
            return []
        false, per = (self.parameterAsDouble(parameters, name, context) for name in ("FALSE", "PER"))
        return ["--false-objects", repr(false), "--per", repr(per)]


class Survey(_Algorithm):
    """Scores, anomalies, a report and a picture."""

    title = "survey"
    help = (
        "Scores every pixel of the scene, lists the anomalies with the probability that each is background, and writes "
        "a report and a picture. Load scores.tif and anomalies.gpkg of the folder as layers: their styles come with "
        "them. Open report.html in a browser to see why each anomaly stands out."
    )

    def initAlgorithm(self, _: Any = None) -> None:  # noqa: N802  QGIS's name
        self.add_scene()
        self.add_method()
        self.add_false_objects()
        self.addParameter(QgsProcessingParameterFolderDestination("FOLDER", "Folder"))

    def processAlgorithm(self, parameters: dict[str, Any], context: Any, feedback: Any) -> dict[str, Any]:  # noqa: N802
        folder = self.parameterAsString(parameters, "FOLDER", context)
        scene = self.parameterAsString(parameters, "SCENE", context)
        options = [*self.method_arguments(parameters, context), *self.false_arguments(parameters, context)]
        result = run_hsad(["survey", scene, "-o", folder, "--overwrite", *options], feedback)
        feedback.pushInfo(result["headline"])
        return {"FOLDER": folder, **{name.upper(): result[name] for name in ("scores", "anomalies", "report")}}


class Detect(_Algorithm):
    """Scores."""

    title = "detect"
    help = "Scores every pixel of the scene. Higher is more anomalous."

    def initAlgorithm(self, _: Any = None) -> None:  # noqa: N802  QGIS's name
        self.add_scene()
        self.add_method()
        self.addParameter(QgsProcessingParameterRasterDestination("SCORES", "Scores"))

    def processAlgorithm(self, parameters: dict[str, Any], context: Any, feedback: Any) -> dict[str, Any]:  # noqa: N802
        output = self.parameterAsOutputLayer(parameters, "SCORES", context)
        scene = self.parameterAsString(parameters, "SCENE", context)
        options = self.method_arguments(parameters, context)
        run_hsad(["detect", scene, "-o", output, "--overwrite", *options], feedback)
        return {"SCORES": output}


class Threshold(_Algorithm):
    """Anomalies."""

    title = "threshold"
    help = "Lists the anomalies of a score raster, with the probability that each of them is background."

    def initAlgorithm(self, _: Any = None) -> None:  # noqa: N802  QGIS's name
        self.addParameter(QgsProcessingParameterRasterLayer("SCORES", "Scores"))
        self.add_false_objects()
        ending = "GeoPackage (*.gpkg)"
        self.addParameter(QgsProcessingParameterFileDestination("ANOMALIES", "Anomalies", fileFilter=ending))

    def processAlgorithm(self, parameters: dict[str, Any], context: Any, feedback: Any) -> dict[str, Any]:  # noqa: N802
        layer = self.parameterAsRasterLayer(parameters, "SCORES", context)
        output = str(Path(self.parameterAsString(parameters, "ANOMALIES", context)).with_suffix(".gpkg"))
        options = self.false_arguments(parameters, context)
        result = run_hsad(["threshold", layer.source(), "-o", output, "--overwrite", *options], feedback)
        feedback.pushInfo(f"{result['headline']}. {result['sentence']}")
        return {"ANOMALIES": output}


class HsadProvider(QgsProcessingProvider):
    """The group "hsad" of the toolbox."""

    def id(self) -> str:
        return "hsad"

    def name(self) -> str:
        return "hsad: hyperspectral anomalies"

    def loadAlgorithms(self) -> None:  # noqa: N802  QGIS's name
        for algorithm in (Survey, Detect, Threshold):
            self.addAlgorithm(algorithm())


if QgsApplication.instance() is not None and QgsApplication.processingRegistry().providerById("hsad") is None:
    PROVIDER = HsadProvider()  # a global name, since the registry does not hold a reference to it in Python
    QgsApplication.processingRegistry().addProvider(PROVIDER)
