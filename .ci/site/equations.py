"""Equations as MathML, which browsers draw themselves: a page needs no script and no network for them."""

import re

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator

#: Commands of LaTeX that the converter does not know, in words that it knows.
_SPELT_OUT = {r"\arg": r"\operatorname{arg}"}

#: Bars of a norm, which the converter lets grow with everything on their line.
_BARS = re.compile(r"<mo>(&#x02016;|&#x02225;|&#x0007C;)</mo>")

#: Functions without a space to the letter or number before or after them.
_AFTER = re.compile(r"(<mi>(?:ln|log|exp|det|dim|sin|cos)</mi>)(?=<(?:mi|mn|msu|mfrac|msqrt|mover))")
_BEFORE = re.compile(r"(</(?:mi|mn|msub|msup|msubsup|mfrac)>)(?=<mi>(?:ln|log|exp|det|dim|sin|cos)</mi>)")
_SPACE = '<mspace width="0.17em"/>'

_logger = logging.getLogger(__name__)


def setup(app: Sphinx) -> None:
    """Register the renderer of equations `mathml`."""
    app.add_html_math_renderer("mathml", (_formula, None), (_equation, None))


def _formula(translator: HTML5Translator, node: nodes.math) -> None:
    translator.body.append(_mathml(node, "inline"))
    raise nodes.SkipNode


def _equation(translator: HTML5Translator, node: nodes.math_block) -> None:
    translator.body.append(translator.starttag(node, "div", CLASS="equation"))
    translator.body.append(_mathml(node, "block"))
    if node["number"]:
        translator.body.append(f'<span class="eqno">({get_node_equation_number(translator, node)})</span>')
    translator.body.append("</div>\n")
    raise nodes.SkipNode


def _mathml(node: nodes.math | nodes.math_block, display: str) -> str:
    text = node.astext()
    for command, words in _SPELT_OUT.items():
        text = re.sub(re.escape(command) + r"(?![A-Za-z])", lambda _, words=words: words, text)
    made: str = convert(text, display=display)
    unknown = re.findall(r"\\\w+", made)
    if unknown:
        _logger.warning("no MathML for %s", ", ".join(unknown), location=node)
    made = _BARS.sub(r'<mo stretchy="false">\1</mo>', made)
    return _BEFORE.sub(rf"\1{_SPACE}", _AFTER.sub(rf"\1{_SPACE}", made))
