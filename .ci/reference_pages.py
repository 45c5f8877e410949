"""Write the parts of pages of reference that follow from the code: `python .ci/reference_pages.py`.

They stand between marks, ``<!-- made: run-options -->`` … ``<!-- end -->``, as in the pages of the detectors.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable

from hsad.anomalies.options import ListOptions, NamingOptions
from hsad.job.options import ManyOptions, RunOptions, SceneOptions
from hsad.manual import page, path_of

PART = re.compile(r"(<!-- made: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def table(declaration: type, *, without: type | None = None) -> str:
    """Return the options that a dataclass declares as a table."""
    left_out = {f.name for f in dataclasses.fields(without)} if without else set()
    rows = ["| command line | Python | default | meaning |", "|---|---|---|---|"]
    for field in dataclasses.fields(declaration):
        if field.name in left_out:
            continue
        metavar = field.metadata["metavar"]
        flag = f"--{field.name.replace('_', '-')}"
        value = "" if field.type == "bool" else f" {metavar}"
        default = "none" if field.default is None else f"`{field.default}`"
        told = field.metadata["help"].replace("|", "\\|")
        option = f"`{flag}{value}`".replace("|", "\\|") if metavar else "-"
        rows.append(f"| {option} | `{field.name}` | {default} | {told} |")
    return "\n".join(rows)


PARTS: dict[str, Callable[[], str]] = {
    "scene-options": lambda: table(SceneOptions),
    "run-options": lambda: table(RunOptions, without=SceneOptions),
    "many-options": lambda: table(ManyOptions),
    "list-options": lambda: table(ListOptions),
    "naming-options": lambda: table(NamingOptions),
}

TOPICS = ("run-options",)


def rewritten(text: str) -> str:
    """Return a page with its parts made again."""
    return PART.sub(lambda found: f"{found[1]}{PARTS[found[2]]()}\n{found[3]}", text)


if __name__ == "__main__":
    for topic in TOPICS:
        path_of(topic).write_text(rewritten(page(topic)), encoding="utf-8")
