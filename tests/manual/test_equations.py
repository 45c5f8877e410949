"""Equations of the manual in a terminal: readable without LaTeX, and nothing of them lost."""

from __future__ import annotations

import re

import pytest

from hsad.manual import page, topics
from hsad.manual.equations import in_characters
from hsad.manual.markdown import tree

EQUATIONS = [
    pytest.param(node.content, id=node.info or topic)
    for topic in topics()
    for node in tree(page(topic)).walk()
    if node.type in {"equation", "formula"}
]


@pytest.mark.parametrize(
    ("latex", "shown"),
    [
        (r"s(x) = (x - \mu)^\top C^{-1} (x - \mu)", ["s(x) = (x − μ)ᵀ C⁻¹ (x − μ)"]),
        (r"\mu = \frac{1}{n} \sum_{i=1}^{n} x_i, \qquad d = 2", ["μ = 1/n Σ_(i=1 … n) x_i,", "d = 2"]),
        (r"\frac{a + b}{2k}", ["(a + b)/(2k)"]),
        (r"\frac{(a + b)(c + d)}{(a + b)}", ["((a + b)(c + d))/(a + b)"]),
        (r"\left\lVert x - x_i \right\rVert^2", ["‖x − x_i‖²"]),
        (r"\max_i \hat y, \; \sin^2 x", ["max_i ŷ, sin² x"]),
        (r"\sqrt{\tfrac{1}{2} z_{k-1}}", ["√(1/2 z_(k−1))"]),
        (r"e^{-\gamma t}", ["e^(−γ t)"]),
    ],
)
def test_latex_becomes_the_characters_of_a_terminal(latex, shown):
    assert in_characters(latex) == shown


@pytest.mark.parametrize("latex", EQUATIONS)
def test_no_equation_of_the_manual_keeps_a_mark_of_latex(latex):
    parts = in_characters(latex)
    assert not any(mark in part for part in parts for mark in ("\\", "\x01", "\x02", "\x03", "  "))
    for opening, closing in ("()", "⌊⌋"):
        assert sum(part.count(opening) - part.count(closing) for part in parts) == 0
    # Digits are the same on both sides, raised or not.
    plain = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
    shown, source = (re.findall(r"\d", text.translate(plain)) for text in ("".join(parts), latex))
    assert sorted(shown) == sorted(source)


def test_an_unknown_command_is_an_error_and_not_shown_as_it_is():
    with pytest.raises(NotImplementedError, match=r"\\oint"):
        in_characters(r"\oint x")
