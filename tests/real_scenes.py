"""Spectra and truths of real scenes, and the AUC of a map of scores."""

from __future__ import annotations

import numpy as np
from scipy.io import loadmat
from scipy.stats import rankdata

#: File and variable of a truth that is not the variable ``map`` of the spectra's file.
ELSEWHERE = {
    "pavia-lzw": "pavia-lzw.mat:groundtruth",
    "pavia-wu-data": "pavia-wu-mask.mat:mask",
    "sandiego-1-vabs": "sandiego-1-vabs-PlaneGT.mat:PlaneGT",
}


def truth_of(data, name):
    """Return the pixels of objects of a scene, ``(rows, cols)`` of bool."""
    file, _, variable = ELSEWHERE.get(name, f"{name}.mat:map").partition(":")
    return loadmat(data / "scenes" / file)[variable] != 0


def scene_and_truth(data, name):
    """Return spectra, float64, and truth."""
    return loadmat(data / "scenes" / f"{name}.mat")["data"].astype(np.float64), truth_of(data, name)


def auc(scores, truth):
    """Return the area under the ROC curve by ranks: the share of pairs that are in the right order."""
    ranks, positives = rankdata(np.ravel(scores)), truth.sum()
    wins = ranks[np.ravel(truth)].sum() - positives * (positives + 1) / 2
    return wins / (positives * (truth.size - positives))
