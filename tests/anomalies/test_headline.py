"""The answer in one sentence, for every case, and that no output states a number that contradicts it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hsad.anomalies.grades import GRADES, grade_of
from hsad.anomalies.headline import answer, headline
from hsad.anomalies.vectors import Anomalies
from hsad.cli import run
from hsad.scene.cube import GeoGrid


def listed(p_false, *, candidates=0, choice="list", background="bank", **stated):
    """A list with these probabilities, as the parts of hsad that read it see it."""
    p_false = np.array(p_false, dtype=np.float64)
    known = bool(np.isfinite(p_false).all())
    threshold = {
        "threshold": 4.25, "rule": "list", "origin": {"choice": choice, "background": background},
        "expected_false": float(p_false.sum()) if known else None,
        "expected_false_high": 3 * float(p_false.sum()) if known else None,
        "trusted": True, "at_most": False, "rough": False, **stated,
    }  # fmt: skip
    columns = {"p_false": p_false, "grade": grade_of(p_false)}
    made = Anomalies(np.full(len(p_false), None), GeoGrid(9, 9, None, None), columns, threshold)
    return replace(made, candidates=listed([0.9] * candidates)) if candidates else made


@pytest.mark.parametrize(
    "anomalies, sentence",
    [
        (
            listed([0.05] * 7 + [0.2] * 5 + [0.4] * 2),
            "14 anomalies: 7 almost certain, 5 likely, 2 possible; about 2 of them false, up to 6",
        ),
        (listed([0.02] * 3), "3 anomalies: 3 almost certain; probably none of them false"),
        (listed([0.1, 0.2]), "2 anomalies: 1 almost certain, 1 likely; probably none of them false, up to 1"),
        (listed([0.4] * 3), "3 anomalies: 3 possible; about 1 of them false, up to 3"),
        (listed([0.04]), "1 anomaly, almost certain; it is false with a probability of 4 %"),
        (listed([0.45]), "1 anomaly, possible; it is false with a probability of 45 %"),
        (listed([0.001]), "1 anomaly, almost certain; it is false with a probability below 1 %"),
        (listed([], candidates=5), "nothing stands out: the 5 highest are what background reaches by chance"),
        (listed([], candidates=1), "nothing stands out: the highest is what background reaches by chance"),
        (listed([]), "nothing stands out"),
        (listed([0.25] * 8, at_most=True), "8 anomalies: 8 likely; at most 2 of them false"),
        (listed([0.01] * 8, at_most=True), "8 anomalies: 8 almost certain; at most 1 of them false"),
        (listed([0.3], at_most=True), "1 anomaly, likely; it is false with a probability of at most 30 %"),
        (listed([0.25] * 8, rough=True), "8 anomalies: 8 likely; roughly 2 of them false, up to 6"),
        (
            listed([0.25] * 8, trusted=False),
            "8 anomalies: 8 likely; about 2 of them false, up to 6 (not to be trusted here)",
        ),
        (
            listed([], candidates=5, trusted=False),
            "nothing stands out: the 5 highest are what background reaches by chance (not to be trusted here)",
        ),
        (
            listed([0.05, 0.2, 0.8, 0.9], choice="false objects"),
            "4 anomalies: 1 almost certain, 1 likely, 2 no better than background; about 2 of them false, up to 4",
        ),
        (
            listed([0.95] * 5, choice="given"),
            "5 anomalies: 5 no better than background; about 5 of them false",
        ),
        (
            listed([0.95], choice="given"),
            "1 anomaly, no better than background; it is false with a probability of 95 %",
        ),
        (
            listed([], choice="share of false objects"),
            "no anomaly: no score reaches the threshold 4.25",
        ),
        (
            listed([], choice="given", trusted=False),
            "no anomaly: no score reaches the threshold 4.25",
        ),
        (
            listed([np.nan] * 12, choice="share of background pixels", background="gpd", expected_false=10.0),
            "12 anomalies; at most 10 of them false by the rule gpd",
        ),
        (
            listed([np.nan] * 4, choice="share of background pixels", background="chi2", expected_false=10.0),
            "4 anomalies; at most 4 of them false by the rule chi2",
        ),
        (listed([np.nan] * 4, choice="classes"), "4 anomalies; how many of them are false is not known"),
        (listed([np.nan], choice="given"), "1 anomaly; whether it is false is not known"),
    ],
)
def test_each_case_has_its_sentence(anomalies, sentence):
    assert headline(anomalies) == sentence
    assert answer(anomalies)["headline"] == sentence


@pytest.mark.parametrize("command", ["threshold", "survey"])
def test_the_help_page_names_each_grade_with_its_number(command, capsys):
    assert run([command, "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    for name, most in GRADES:
        assert f"{name}, at most {most:g}".replace("0.", ".") in said


def test_the_numbers_are_those_of_the_list_and_never_above_its_length():
    found = answer(listed([0.05] * 7 + [0.2] * 5 + [0.4] * 2))
    assert found["grades"] == {"almost certain": 7, "likely": 5, "possible": 2}
    assert (found["count"], found["expected_false"]) == (14, pytest.approx(2.15))
    above = answer(listed([np.nan] * 3, choice="share of background pixels", background="gpd", expected_false=31.9))
    assert (above["count"], above["expected_false"], above["at_most"]) == (3, 3.0, True)
    unknown = answer(listed([np.nan] * 3, choice="classes"))
    assert unknown["expected_false"] is None
    assert unknown["expected_false_high"] is None
