"""QGIS styles. QGIS applies ``NAME.qml`` when it opens a raster or a layer ``NAME`` beside it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import numpy as np

from hsad.products.palette import SCORE_PALETTE, STRETCH, is_logarithmic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hsad.products.summary import BandSummary

__all__ = ["STATE_COLORS", "raster_style", "vector_style"]

STATE_COLORS = {"pending": "#ffb000", "real": "#1fb57a", "not real": "#7f8aa3", "unsure": "#cc79a7"}
"""Colours of anomalies by the state of their review; colour-blind users can distinguish them on light and dark maps."""

_VERSION = "3.22.0"  # the oldest QGIS with all elements of the styles


def raster_style(band: BandSummary) -> str:
    """Return a QGIS style for the first band of a score raster.

    Parameters
    ----------
    band : BandSummary
        The palette covers its `low` to its `high`, or 0 to 1 for an empty band.

    Returns
    -------
    str
        The document. The raster is drawn in single-band pseudocolor, linear between the colours of the palette, which
        are spaced evenly or logarithmically (`is_logarithmic`). Nodata is transparent.
    """
    low, high = (band.low, band.high) if math.isfinite(band.low) else (0.0, 1.0)
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
    for name, text in (
        ("limits", "CumulativeCut"),
        ("extent", "WholeRaster"),
        ("statAccuracy", "Exact"),
        ("cumulativeCutLower", f"{STRETCH[0] / 100:g}"),
        ("cumulativeCutUpper", f"{STRETCH[1] / 100:g}"),
        ("stdDevFactor", "2"),
    ):
        ET.SubElement(origin, name).text = text
    _shader(ET.SubElement(renderer, "rastershader"), low, high)
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


def _shader(parent: ET.Element, low: float, high: float) -> None:
    """Add the colours as items at their values, which QGIS draws, and as the colour ramp, which its dialog shows."""
    shader = ET.SubElement(
        parent,
        "colorrampshader",
        colorRampType="INTERPOLATED",
        classificationMode="1",
        clip="0",
        minimumValue=repr(low),
        maximumValue=repr(high),
        labelPrecision="4",
    )
    ramp = ET.SubElement(shader, "colorramp", type="gradient", name="[source]")
    places = np.linspace(0.0, 1.0, len(SCORE_PALETTE))
    stops = ":".join(
        f"{place:.6g};{_rgba(color)}" for place, color in zip(places[1:-1], SCORE_PALETTE[1:-1], strict=True)
    )
    options = ET.SubElement(ramp, "Option", type="Map")
    for name, value in (
        ("color1", _rgba(SCORE_PALETTE[0])),
        ("color2", _rgba(SCORE_PALETTE[-1])),
        ("discrete", "0"),
        ("rampType", "gradient"),
        ("stops", stops),
    ):
        ET.SubElement(options, "Option", type="QString", name=name, value=value)
    spaced = np.geomspace if is_logarithmic(low, high) else np.linspace
    for value, color in zip(spaced(low, high, len(SCORE_PALETTE)), SCORE_PALETTE, strict=True):
        ET.SubElement(shader, "item", value=repr(float(value)), color=color, alpha="255", label=f"{value:.4g}")


def vector_style(states: Sequence[str]) -> str:
    """Return a QGIS style for anomalies: outlines in the colour of their state, labelled with their rank.

    Parameters
    ----------
    states : sequence of str
        Values of the field ``state``, keys of `STATE_COLORS`.

    Returns
    -------
    str
        The document.
    """
    root = ET.Element("qgis", version=_VERSION, styleCategories="Symbology|Labeling", labelsEnabled="1")
    renderer = ET.SubElement(
        root, "renderer-v2", type="categorizedSymbol", attr="state", enableorderby="0", forceraster="0"
    )
    categories = ET.SubElement(renderer, "categories")
    symbols = ET.SubElement(renderer, "symbols")
    for number, state in enumerate(states):
        ET.SubElement(categories, "category", render="true", value=state, symbol=str(number), label=state)
        symbol = ET.SubElement(symbols, "symbol", type="fill", name=str(number), alpha="1", clip_to_extent="1")
        layer = ET.SubElement(symbol, "layer", {"class": "SimpleFill", "enabled": "1", "locked": "0", "pass": "0"})
        for key, value in (
            ("color", "0,0,0,0"),
            ("style", "no"),
            ("outline_color", _rgba(STATE_COLORS[state])),
            ("outline_style", "solid"),
            ("outline_width", "0.6"),
            ("outline_width_unit", "MM"),
        ):
            ET.SubElement(layer, "prop", k=key, v=value)
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
