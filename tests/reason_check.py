"""Sentences about anomalies, checked against the pixels by formulas written out."""

from __future__ import annotations

import json
import re

import numpy as np
import pyogrio
from scipy import ndimage

import hsad
from hsad.anomalies.vectors import read_anomalies

_STRETCH = re.compile(
    r"(?:(Brighter|Darker|brighter|darker)(?: than (?:its surroundings|the scene's mean))? |and )"
    r"(?:(in every band)|at (\d+)(?:-(\d+))? nm|in bands? (\d+)(?:-(\d+))?) \((\d+(?:\.\d+)?) σ\)"
)


def stretches(sentence):
    """Return direction (+1, -1), low, high (None: every band) and σ of each stretch that a sentence names."""
    found, direction = [], 0
    for word, every, *ends, sigma in _STRETCH.findall(sentence):
        direction = {"brighter": 1, "darker": -1, "": direction}[word.lower()]
        low, high = (ends[0] or ends[2], ends[1] or ends[3])
        found.append((direction, None if every else float(low), None if every else float(high or low), float(sigma)))
    return found


def contrast(spectra, valid, above, row, col):
    """Return per band what the object at a pixel differs from its ring, in the ring's standard deviations."""
    for side in (25, 75, 151):
        starts = [max(0, min(at - side // 2, size - side)) for at, size in ((row, len(valid)), (col, valid.shape[1]))]
        window = tuple(slice(start, start + side) for start in starts)
        here, usable = above[window], valid[window]
        labels = ndimage.label(here & usable, np.ones((3, 3)))[0]
        own = labels == labels[row - starts[0], col - starts[1]]
        ring = usable & ~ndimage.binary_dilation((here & usable) | own, np.ones((3, 3)))
        inner = np.zeros_like(own)
        inner[
            int(starts[0] > 0) : own.shape[0] - int(starts[0] + side < len(valid)),
            int(starts[1] > 0) : own.shape[1] - int(starts[1] + side < valid.shape[1]),
        ] = True
        if ring.sum() >= 8 and not (own & ~inner).any():
            break
    if ring.sum() < 8:
        ring = usable & ~own
    pixels = spectra[window]
    return (pixels[own].mean(axis=0) - pixels[ring].mean(axis=0)) / pixels[ring].std(axis=0)


def wrong_in(record, sentence, differences, numbers):
    """Return what is wrong in a sentence, given the contrasts of the bands and their wavelengths or numbers."""
    wrong = []
    size = re.search(r", ([\d,]+) pixels?", sentence)
    if size is None or int(size[1].replace(",", "")) != record["n_pixels"]:
        wrong.append("size")
    named = stretches(sentence)
    if "Within 1 σ" in sentence:
        if np.nanmax(np.abs(differences)) >= 1:
            wrong.append("a band is above 1 σ")
    elif not named:
        wrong.append("no direction")
    for direction, low, high, sigma in named:
        places = np.round(numbers)
        inside = np.ones(len(places), bool) if low is None else (places >= low) & (places <= high)
        values = direction * differences[inside]
        values = values[np.isfinite(values)]
        if not (values > 0).all():
            wrong.append("direction")
        if abs(values.mean() - sigma) > (0.06 if sigma < 3 else 0.55):
            wrong.append(f"σ {values.mean():.2f} {sigma}")
    return wrong


def expected_unlike(parts, row, col, spatial_weight=0.4):
    """Return what the default detector found a pixel unlike, from the bands that ``parts`` adds to its scores."""
    score, spectral, spatial, whole, region = (
        float(np.asarray(values)[row, col])
        for values in (parts, *(parts.coords[name] for name in ("spectral", "spatial", "global", "region")))
    )
    if max(whole, region) >= score - 1e-5:
        return "the whole scene"
    return "its neighbours" if spatial_weight * spatial > spectral else "the ring around it"


def wrong_numbers(text, score):
    """Return what is wrong in the detector's account of a score by ``auto``."""
    compared = {name: float(value) for name, value in re.findall(r"(local|global|region) (-?\d+\.\d+) \(", text)}
    signed = re.findall(r"([-+]?) ?(-?\d+\.\d+) (spectral|spatial|clutter)", text)
    wrong = []
    if abs(sum(float(sign + value) for sign, value, _ in signed) - compared["local"]) > 1e-9:
        wrong.append("terms do not add up")
    if abs(max(compared.values()) - score) > 0.0051 or max(compared, key=compared.get) != next(iter(compared)):
        wrong.append("the score is not the first number")
    return wrong


def wrong_in_survey(scene, folder, method="auto"):
    """Return how many sentences of a survey were checked, and those that are wrong with what is wrong in them."""
    cube = hsad.open_cube(scene)
    spectra = cube.values.astype(np.float64)
    numbers = np.arange(1, spectra.shape[2] + 1, dtype=np.float64)
    if "wavelength" in cube.coords:
        numbers = cube.coords["wavelength"].values
    good = cube.coords["good_wavelength"].values if "good_wavelength" in cube.coords else np.ones(len(numbers), bool)
    scores = hsad.open_cube(folder / "scores.tif").values[..., 0]
    valid = np.isfinite(scores)
    meta = pyogrio.read_info(folder / "anomalies.gpkg", layer="anomalies")["layer_metadata"]
    threshold = json.loads(meta["threshold"])["threshold"]
    records = read_anomalies(folder / "anomalies.gpkg")
    parts = hsad.detect(cube, "auto", parts=True) if method == "auto" and records else None
    page = (folder / "report.html").read_text()
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1])
    wrong = []
    for record in records:
        with np.errstate(invalid="ignore", divide="ignore"):
            differences = contrast(spectra[..., good], valid, scores >= threshold, record["row"], record["col"])
        faults = wrong_in(record, record["reason"], differences, numbers[good])
        shown = data["reasons"].get(str(record["id"]))
        unlike = record["reason"].partition(", unlike ")[2]
        if shown is not None and parts is not None:
            faults += wrong_numbers(shown["text"], record["score_max"])
            if unlike != expected_unlike(parts, record["row"], record["col"]):
                faults.append(f"unlike {unlike}")
        if shown is not None and not unlike:
            faults.append("does not say what it is unlike")
        if shown is not None and not shown["text"].startswith(record["reason"]):
            faults.append("the page says another thing")
        each = shown["parts"] if shown is not None and shown["parts"] else []
        # The page has four digits of each part.
        if each and abs(sum(each) - record["score_max"]) > 5.1e-4 * np.abs(each).sum():
            faults.append("parts do not sum to the score")
        if faults:
            wrong.append((record["id"], record["reason"], faults))
    return len(records), wrong
