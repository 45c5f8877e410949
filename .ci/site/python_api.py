"""The reference of the Python interface: a page for each public name, in groups."""

import importlib
import inspect

import hsad
import hsad.accessor
import hsad.plot
from hsad import _HOMES, errors
from hsad.detectors import DETECTORS

__all__ = ["pages"]

#: The groups of the names of `hsad` by the first word of the modules that hold them.
_GROUPS = {
    "Reading": ("readers", "scene", "synthetic"),
    "Detecting": ("detection", "job", "changes", "stream"),
    "Lists of anomalies": ("anomalies", "report"),
    "Explaining, finding more": ("explanation", "siblings"),
    "Writing": ("products",),
    "Measuring": ("evaluation",),
}

#: Classes of what the functions return, and of options: their names stand in their modules.
_CLASSES = {
    "Reading": ("hsad.synthetic.SyntheticScene",),
    "Detecting": ("hsad.job.options.RunOptions", "hsad.job.files.RunOutcome", "hsad.job.batch.SceneOutcome"),
    "Lists of anomalies": (
        "hsad.anomalies.vectors.Anomalies",
        "hsad.anomalies.options.ThresholdOptions",
        "hsad.anomalies.options.ListOptions",
        "hsad.anomalies.options.NamingOptions",
        "hsad.report.comparison.result.Comparison",
    ),
    "Explaining, finding more": ("hsad.explanation.explanation.Explanation", "hsad.siblings.missed.Missed"),
    "Measuring": (
        "hsad.evaluation.measures.Evaluation",
        "hsad.evaluation.intervals.ObjectScore",
        "hsad.evaluation.intervals.Interval",
    ),
    "Writing a detector": (
        "hsad.detectors.Background",
        "hsad.detectors.Block",
        "hsad.detectors.Scan",
        "hsad.detectors.Parameter",
        "hsad.detectors.parameter",
        "hsad.detectors.Reason",
    ),
}


def pages() -> dict[str, str]:
    """Return the text of each page by document."""
    groups = _groups()
    made = {f"api/{name}": _page(name) for names in groups.values() for name in names}
    lines = ["# Python interface", "", "`import hsad` gives all names that begin with `hsad.` and have one dot.", ""]
    for title, names in groups.items():
        rows = [f"| [`{name}`]({name}.md) | {_summary(name)} |" for name in names]
        lines += [f"## {title}", "", "| name | what it is |", "|---|---|", *rows, ""]
    lines += ["```{toctree}", ":hidden:", "", *(name for names in groups.values() for name in names), "```", ""]
    return {"api/index": "\n".join(lines), **made}


def _groups() -> dict[str, list[str]]:
    """Return the names of each group: those of functions and classes, with their modules."""
    groups: dict[str, list[str]] = {title: [] for title in _GROUPS}
    rooms = {room: title for title, names in _GROUPS.items() for room in names}
    for name, home in _HOMES.items():
        room = home.split(".")[1]
        if room in rooms:
            groups[rooms[room]].append(f"hsad.{name}")
        elif room not in {"detectors", "errors"}:
            groups.setdefault("Further", []).append(f"hsad.{name}")
    groups["Detectors"] = [f"hsad.{name}" for name in DETECTORS.class_homes()]
    groups["Writing a detector"] = ["hsad.Detector", "hsad.DETECTORS"]
    groups["Figures"] = [f"hsad.plot.{name}" for name in hsad.plot.__all__]
    groups["Methods of cubes of xarray"] = ["hsad.accessor.HsadAccessor"]
    groups["Errors and warnings"] = [f"hsad.errors.{name}" for name in errors.__all__]
    for title, names in _CLASSES.items():
        groups[title] += names
    return groups


def _object(name: str) -> object:
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def _summary(name: str) -> str:
    """Return the first sentence of a docstring."""
    text = inspect.getdoc(_object(name)) or ""
    return text.partition("\n\n")[0].replace("\n", " ").replace("|", "\\|")


def _page(name: str) -> str:
    found = _object(name)
    if not inspect.isclass(found):
        kind, options = ("function" if inspect.isfunction(found) else "data"), []
    elif issubclass(found, hsad.Detector) and found is not hsad.Detector:
        kind, options = "class", []  # their methods are those of Detector
    elif issubclass(found, Exception):
        kind, options = "exception", ["   :show-inheritance:"]
    else:
        kind, options = "class", ["   :members:", "   :inherited-members: dict, list, tuple, Mapping"]
    return "\n".join([f"# {name}", "", "```{eval-rst}", f".. auto{kind}:: {name}", *options, "```", ""])
