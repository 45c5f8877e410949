"""QGIS styles. QGIS applies ``NAME.qml`` when it opens a raster or a layer ``NAME`` beside it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from hsad.products.palette import GRADE_COLORS, GRADE_DASHES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hsad.products.score_classes import ScoreClass

__all__ = ["STATE_COLORS", "raster_style", "vector_styles"]

STATE_COLORS = {"pending": "#ffb000", "real": "#1fb57a", "not real": "#7f8aa3", "unsure": "#cc79a7"}
"""Colours of anomalies by the state of their review; colour-blind users can distinguish them on light and dark maps."""

_QT_DASHES = {"-": "solid", "--": "dash", ":": "dot"}
"""Names of line styles in QGIS, by the letters of matplotlib."""

_VERSION = "3.22.0"  # the oldest QGIS with all elements of the styles


def raster_style(classes: Sequence[ScoreClass]) -> str:
    """Return a QGIS style for the first band of a score raster.

    Parameters
    ----------
    classes : sequence of ScoreClass
        From the lowest to the highest, as `hsad.products.score_classes` makes them.

    Returns
    -------
    str
        The document. The raster is drawn in single-band pseudocolor with one colour for each class. Nodata is
        transparent.
    """
    ends = [one.upper for one in classes if math.isfinite(one.upper)]
    low, high = min(ends), max(ends)
    root = ET.Element("qgis", version=_VERSION, styleCategories="Symbology", hasScaleBasedVisibilityFlag="0")
    pipe = ET.SubElement(root, "pipe")
    provider = ET.SubElement(pipe, "provider")
    ET.SubElement(
        provider,
        "resampling",
        enabled="false",
        maxOversampling="2",
        zoomedInResamplingMethod="nearestNeighbour",
        zoomedOutResamplingMethod="nearestNeighbour",
    )
    renderer = ET.SubElement(
        pipe,
        "rasterrenderer",
        type="singlebandpseudocolor",
        band="1",
        opacity="1",
        alphaBand="-1",
        nodataColor="",
        classificationMin=repr(low),
        classificationMax=repr(high),
    )
    ET.SubElement(renderer, "rasterTransparency")
    origin = ET.SubElement(renderer, "minMaxOrigin")
    for name, text in (("limits", "None"), ("extent", "WholeRaster"), ("statAccuracy", "Exact")):
        ET.SubElement(origin, name).text = text
    _shader(ET.SubElement(renderer, "rastershader"), classes, low, high)
    ET.SubElement(pipe, "brightnesscontrast", brightness="0", contrast="0", gamma="1")
    ET.SubElement(
        pipe,
        "huesaturation",
        saturation="0",
        grayscaleMode="0",
        colorizeOn="0",
        colorizeStrength="100",
        colorizeRed="255",
        colorizeGreen="128",
        colorizeBlue="128",
        invertColors="0",
    )
    ET.SubElement(pipe, "rasterresampler", maxOversampling="2")
    ET.SubElement(pipe, "resamplingStage").text = "resamplingFilter"
    ET.SubElement(root, "blendMode").text = "0"
    ET.indent(root)
    doctype = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
    return doctype + ET.tostring(root, encoding="unicode") + "\n"


def _shader(parent: ET.Element, classes: Sequence[ScoreClass], low: float, high: float) -> None:
    """Add the classes as items at their upper ends, which QGIS draws, and a colour ramp, which its dialog shows."""
    shader = ET.SubElement(
        parent,
        "colorrampshader",
        colorRampType="DISCRETE",
        classificationMode="1",
        clip="0",
        minimumValue=repr(low),
        maximumValue=repr(high),
        labelPrecision="4",
    )
    ramp = ET.SubElement(shader, "colorramp", type="gradient", name="[source]")
    options = ET.SubElement(ramp, "Option", type="Map")
    stops = ":".join(
        f"{place:.6g};{_rgba(one.color)}" for place, one in zip(_inner(classes), classes[1:-1], strict=True)
    )
    for name, value in (
        ("color1", _rgba(classes[0].color)),
        ("color2", _rgba(classes[-1].color)),
        ("discrete", "1"),
        ("rampType", "gradient"),
        ("stops", stops),
    ):
        ET.SubElement(options, "Option", type="QString", name=name, value=value)
    for one in classes:
        value = repr(one.upper) if math.isfinite(one.upper) else "inf"
        ET.SubElement(shader, "item", value=value, color=one.color, alpha=str(one.alpha), label=one.label)


def _inner(classes: Sequence[ScoreClass]) -> list[float]:
    """Return the places of the classes between the first and the last one on a ramp from 0 to 1."""
    return [place / (len(classes) - 1) for place in range(1, len(classes) - 1)]


def vector_styles(states: Sequence[str], grades: Sequence[tuple[str, float]]) -> dict[str, str]:
    """Return QGIS styles for anomalies, by their names: outlines in the colour of a class, labelled with their rank.

    Parameters
    ----------
    states : sequence of str
        Values of the field ``state``, keys of `STATE_COLORS`.
    grades : sequence of (str, float)
        Values of the field ``grade``, keys of `GRADE_COLORS`, each with its largest probability of being background.

    Returns
    -------
    dict of str to str
        The documents: "by grade", which QGIS takes first, and "by state".
    """
    graded = [
        (
            name,
            f"{name}: background with probability {most:g} at most",
            GRADE_COLORS[name],
            _QT_DASHES[GRADE_DASHES[name]],
        )
        for name, most in grades
    ]
    return {
        "by grade": _outlines("grade", [*graded, ("", "without a grade", "#ffffff", "solid")]),
        "by state": _outlines("state", [(state, state, STATE_COLORS[state], "solid") for state in states]),
    }


def _outlines(field: str, classes: Sequence[tuple[str, str, str, str]]) -> str:
    """Return a style with a value, a label, a colour and a line style for each class; a dark edge lies under all."""
    root = ET.Element("qgis", version=_VERSION, styleCategories="Symbology|Labeling", labelsEnabled="1")
    renderer = ET.SubElement(
        root, "renderer-v2", type="categorizedSymbol", attr=field, enableorderby="0", forceraster="0"
    )
    categories = ET.SubElement(renderer, "categories")
    symbols = ET.SubElement(renderer, "symbols")
    for number, (value, label, color, dash) in enumerate(classes):
        ET.SubElement(categories, "category", render="true", value=value, symbol=str(number), label=label)
        symbol = ET.SubElement(symbols, "symbol", type="fill", name=str(number), alpha="1", clip_to_extent="1")
        for ink, width, style in (("#000000", "1.1", "solid"), (color, "0.6", dash)):
            layer = ET.SubElement(symbol, "layer", {"class": "SimpleFill", "enabled": "1", "locked": "0", "pass": "0"})
            for key, setting in (
                ("color", "0,0,0,0"),
                ("style", "no"),
                ("outline_color", _rgba(ink)),
                ("outline_style", style),
                ("outline_width", width),
                ("outline_width_unit", "MM"),
            ):
                ET.SubElement(layer, "prop", k=key, v=setting)
    labeling = ET.SubElement(root, "labeling", type="simple")
    settings = ET.SubElement(labeling, "settings", calloutType="simple")
    text = ET.SubElement(
        settings,
        "text-style",
        fieldName="id",
        isExpression="0",
        fontSize="8",
        textColor="20,24,32,255",
        fontFamily="Sans Serif",
    )
    ET.SubElement(
        text, "text-buffer", bufferDraw="1", bufferSize="0.8", bufferSizeUnits="MM", bufferColor="255,255,255,255"
    )
    ET.SubElement(settings, "placement", placement="1", quadOffset="2")
    ET.indent(root)
    doctype = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
    return doctype + ET.tostring(root, encoding="unicode") + "\n"


def _rgba(color: str) -> str:
    """Return the colour ``#rrggbb`` in the form of QGIS ramps, ``r,g,b,a``."""
    red, green, blue = bytes.fromhex(color[1:])
    return f"{red},{green},{blue},255"
