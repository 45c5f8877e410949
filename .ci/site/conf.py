"""The site of the manual: `python -m sphinx -W -n -E -b html .ci/site build/site`.

`sources` gathers the pages of `hsad/manual` and the notebooks, and writes the pages that are made from the package.
"""

import sys
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent))

import equations
import links
import offline
import sources
import ziamath  # for its font: browsers without a font for mathematics draw small roots and brackets

import hsad

project = "hsad"
author = "hsad maintainers"
version = release = hsad.__version__
root_doc = "index"
language = "en"

extensions = ["myst_nb", "numpydoc", "sphinx.ext.autodoc"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
myst_dmath_double_inline = True
nb_execution_mode = "off"  # the outputs that the notebooks hold are shown
nb_ipywidgets_js: dict[str, dict[str, str]] = {}  # they are loaded from a network

# Names in single backticks lead to the reference where it has them, and are code otherwise.
default_role = "py:obj"
nitpick_ignore_regex = [("py:obj", ".*")]
autodoc_typehints = "none"  # the texts name the types
numpydoc_show_class_members = False
numpydoc_show_inherited_class_members = False
numpydoc_class_members_toctree = False

html_theme = "furo"
html_title = f"hsad {release}"
html_static_path = ["static", str(Path(ziamath.__file__).parent / "fonts" / "STIXTwoMath-Regular.ttf")]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_copy_source = html_show_sourcelink = False
html_show_sphinx = html_show_copyright = False
html_theme_options = {"navigation_with_keys": True, "top_of_page_buttons": []}
smartquotes = False  # options begin with two hyphens


def setup(app: Sphinx) -> dict[str, Any]:
    """Gather the sources, and read the site from there."""
    folder = app.outdir.with_name(f"{app.outdir.name}-source")
    sources.gather(Path(folder))
    app.srcdir = folder
    equations.setup(app)
    links.setup(app)
    offline.setup(app)
    app.connect("html-page-context", _name_language)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _name_language(_app: Sphinx, pagename: str, _template: str, context: dict[str, Any], _doctree: object) -> None:
    """State the language of a page; without it browsers take Chinese forms of Japanese characters."""
    if pagename.startswith("ja/"):
        context["language"] = "ja"
