"""The site needs no network: the build fails if a page or a style loads something from one."""

import re
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.errors import SphinxError

_LOADED = {
    ".html": re.compile(
        r"<(?:script|img|link|iframe|source|object|embed)\b[^>]*\b(?:src|href|data)=\"(?:https?:)?//[^>]*>"
    ),
    ".css": re.compile(r"(?:@import|url\()\s*['\"]?(?:https?:)?//[^)]*"),
}


def setup(app: Sphinx) -> None:
    """Look through the files of the site when it is built."""
    app.connect("build-finished", _check)


def _check(app: Sphinx, error: Exception | None) -> None:
    if error is not None or app.builder.format != "html":
        return
    for path in sorted(Path(app.outdir).rglob("*")):
        pattern = _LOADED.get(path.suffix)
        found = pattern.search(path.read_text("utf-8")) if pattern else None
        if found is not None:
            raise SphinxError(f"{path.relative_to(app.outdir)} loads from a network: {found[0][:200]}")
