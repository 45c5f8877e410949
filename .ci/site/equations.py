"""Equations as MathML, which browsers draw themselves: a page needs no script and no network for them."""

import re

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator

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
    made: str = convert(node.astext(), display=display)
    unknown = re.findall(r"\\\w+", made)
    if unknown:
        _logger.warning("no MathML for %s", ", ".join(unknown), location=node)
    return made
