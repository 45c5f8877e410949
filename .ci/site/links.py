"""Code in a sentence becomes a link: names of Python, commands, and `hsad help TOPIC`."""

import re

from docutils import nodes
from sources import COMMANDS, DOCUMENTS
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

import hsad

_NAME = re.compile(r"hsad\.(\w+)(?:\(.*\))?$", re.DOTALL)
_HELP = re.compile(r"hsad help ([\w/-]+)$")
_COMMAND = re.compile(r"hsad ([a-z-]+)(?: --help)?$")


def setup(app: Sphinx) -> None:
    """Register the transform."""
    app.add_transform(_Links)


class _Links(SphinxTransform):
    default_priority = 700

    def apply(self, **_: object) -> None:
        for node in list(self.document.findall(nodes.literal)):
            if not isinstance(node.parent, nodes.TextElement) or isinstance(node.parent, nodes.reference | nodes.title):
                continue
            target = self._target(node.astext())
            if target is not None and target[1] != f"/{self.env.current_document.docname}":
                kind, name = target
                link = addnodes.pending_xref(
                    "",
                    node.deepcopy(),
                    refdomain="std" if kind == "doc" else "py",
                    reftype=kind,
                    reftarget=name,
                    refexplicit=True,
                    refwarn=True,
                    refdoc=self.env.current_document.docname,
                )
                node.replace_self(link)

    def _target(self, text: str) -> tuple[str, str] | None:
        if (found := _HELP.match(text)) and found[1] in DOCUMENTS:
            return "doc", f"/{DOCUMENTS[found[1]]}"
        if (found := _COMMAND.match(text)) and found[1] in COMMANDS:
            return "doc", f"/commands/{found[1]}"
        if (found := _NAME.match(text)) and found[1] in dir(hsad):
            return "obj", f"hsad.{found[1]}"
        return None
