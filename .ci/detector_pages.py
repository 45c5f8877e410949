"""Write the parts of the detectors' pages that follow from the code: `python .ci/detector_pages.py`.

A page of ``hsad/manual/detectors``, and that on citing, is prose with parts between marks: ``<!-- made: parameters
-->`` … ``<!-- end -->``. This script replaces what stands between them. With ``--measure`` it measures the passes,
times and accounts of all methods again first (a minute), and keeps them in ``hsad/manual/data/detectors.json``.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import platform
import re
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import hsad
from hsad.detectors import Detector, Parameter, detector_class
from hsad.detectors.change.base import ChangeDetector
from hsad.detectors.checks import Check
from hsad.detectors.described import in_python
from hsad.detectors.references import works
from hsad.manual import CONTENTS, path_of

MANUAL = Path(hsad.__file__).parent / "manual"
DATA = MANUAL / "data" / "detectors.json"
BANK = MANUAL.parent / "anomalies" / "null" / "bank.json"

#: A part of a page: its name, and what stands between the marks.
PART = re.compile(r"(<!-- made: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)

#: Number of bands for which the tables state memory and time.
BANDS = 100
SIDE = 128

#: Passes over the scene that are not a fixed number.
VARYING = {
    "rpca": "3, and 1 for each iteration",
    "padim": "4, and 1 for each date",
}

#: Whether a learned background scores other scenes, where it is not simply yes.
CARRIES = {
    "lrx": "nothing is learned",
    "rpca-bands": "nothing is learned",
    "autoencoder": "with `--input scene`",
    "padim": "scenes on its grid",
    "crd": "one scale",
    "srd": "one scale",
    "kcrd": "scale and γ",
    "sam": "the targets",
    **dict.fromkeys(("chronochrome", "covariance-equalisation", "hyperbolic"), "other pairs of dates"),
}


def detector(name: str) -> Detector:
    """Return a method at its defaults; one with targets gets a spectrum, one of two dates half of the bands."""
    cls = detector_class(name)
    if issubclass(cls, ChangeDetector):
        return cls(before_bands=BANDS // 2)
    if any(p.required for p in cls.parameters()):
        return cls(target=[[0.1 + 0.01 * band for band in range(BANDS)]])
    return cls()


def methods() -> list[str]:
    """Return the methods of hsad that have a page, in the order of the registry."""
    return [name for name in hsad.DETECTORS if hsad.DETECTORS.package(name) is None and name in CONTENTS["detectors"]]


def parameters(name: str) -> str:
    """Return the table of the parameters of a method."""
    rows = [f"| {option(p)} | {default(p)} | {values(p)} | {effect(p)} |" for p in detector_class(name).parameters()]
    return "\n".join(["| parameter | default | values | effect |", "|---|---|---|---|", *rows])


def option(p: Parameter) -> str:
    """Return the name of a parameter, as in Python; the command line has hyphens."""
    return f"`{p.name}`"


def default(p: Parameter) -> str:
    """Return the default of a parameter."""
    if p.required:
        return "required"
    if p.default == "":
        return "none"
    return f"{', '.join(map(str, p.default))}" if isinstance(p.default, tuple) else f"{p.default}"


def values(p: Parameter) -> str:
    """Return the choices or the range of a parameter."""
    choices = ", ".join(f"`{choice}`" for choice in p.choices)
    kind = {int: "whole number", float: "number", bool: "yes or no", tuple: "whole numbers"}.get(p.type, "text")
    wanted = p.check.wanted if isinstance(p.check, Check) else ""
    number = "" if p.type is str and p.choices else f"{kind}{f', {wanted}' if wanted else ''}"
    if p.required:
        return "see [targets](ace.md)" if p.name == "target" else kind
    return " or ".join(part for part in (choices, number) if part)


def effect(p: Parameter) -> str:
    """Return what a parameter does, as a sentence."""
    return f"{in_python(p.help.replace('|', 'or'))}."


def program() -> str:
    """Return the citation of hsad in words and in BibTeX."""
    (work,) = works(["hsad"])
    named = f"hsad {work.fields['version']} ({work.authors}, {work.fields['year']})"
    words = f"> The anomalies were found with {named}, method `auto` at its defaults."
    return f"{words}\n\n```bibtex\n{work.bibtex}\n```"


def references(name: str) -> str:
    """Return the list of works that a method cites, and their BibTeX."""
    cited = works(detector_class(name).cites)
    assert cited, f"{name} cites no work"  # noqa: S101  a page without a reference is an error
    lines = [f"- {work.text if not work.doi else linked(work.text, work.doi)}." for work in cited]
    entries = "\n\n".join(work.bibtex for work in cited)
    return "\n".join([*lines, "", f"`hsad methods {name} --bibtex` prints them:", "", "```bibtex", entries, "```"])


def linked(text: str, doi: str) -> str:
    """Return a reference with its DOI as a link."""
    return text.replace(f"doi:{doi}", f"[doi:{doi}](https://doi.org/{doi.replace('(', '%28').replace(')', '%29')})")


def facts(name: str, measured: dict[str, Any]) -> dict[str, str]:
    """Return what a method needs and what it can tell, in the order of the tables."""
    made, own = detector(name), measured["methods"][name]
    return {
        "passes": VARYING.get(name, str(own["passes"])),
        "halo": str(made.halo),
        "smallest side": str(made.smallest_side),
        "kB a pixel": f"{made.footprint(BANDS, 8) / 1000:.1f}",
        "µs a pixel": f"{float(format(own['microseconds'], '.2g')):g}",
        "GPU": "yes" if any(p.name == "device" for p in made.parameters()) else "-",
        "torch": "yes" if "torch" in made.packages else "-",
        "parts": ", ".join(made.evidence if isinstance(made, ChangeDetector) else made.evidence[:-1]) or "-",
        "account by band": ("in Python" if isinstance(made, ChangeDetector) else "yes") if own["account"] else "-",
        "bank": "yes" if name in banked() else "-",
        "carries": CARRIES.get(name, "yes"),
    }


WORDS = {
    "passes": "passes over the scene",
    "halo": "halo, pixels on each side",
    "smallest side": "smallest side of a scene, pixels",
    "kB a pixel": f"memory, kB a pixel of a tile ({BANDS} bands)",
    "µs a pixel": f"processor time, µs a pixel ({BANDS} bands)",
    "GPU": 'runs on a GPU (`device="cuda"`)',
    "torch": "needs torch",
    "parts": "kinds of evidence (`--parts`)",
    "account by band": "account by band (`hsad explain`)",
    "bank": "table of backgrounds in the bank (expected false alarms)",
    "carries": "a learned background scores other scenes",
}


def cost(name: str, measured: dict[str, Any]) -> str:
    """Return the table of facts of one method."""
    rows = [f"| {WORDS[key]} | {value} |" for key, value in facts(name, measured).items()]
    return "\n".join(["| property | at the defaults |", "|---|---|", *rows])


def matrix(keys: tuple[str, ...], measured: dict[str, Any]) -> str:
    """Return a table of some facts of all methods."""
    lines = [f"| method | {' | '.join(keys)} |", f"|{'---|' * (len(keys) + 1)}"]
    for name in methods():
        found = facts(name, measured)
        lines.append(f"| [`{name}`]({name}.md) | {' | '.join(found[key] for key in keys)} |")
    return "\n".join(lines)


def banked() -> set[str]:
    """Return the methods of which the bank has a table."""
    return {prior["method"] for prior in json.loads(BANK.read_text(encoding="utf-8"))["priors"]}


def made_parts(page: str) -> dict[str, Callable[[], str]]:
    """Return the parts of a page by name."""
    measured = json.loads(DATA.read_text(encoding="utf-8"))
    if page == "methods":
        keys = tuple(WORDS)
        return {
            "needs": lambda: matrix(keys[:7], measured),
            "tells": lambda: matrix(keys[7:], measured),
            "measured": lambda: measured["machine"],
        }
    if page == "citing":
        return {"program": program}
    return {
        "parameters": lambda: parameters(page),
        "cost": lambda: cost(page, measured),
        "references": lambda: references(page),
    }


def rewritten(page: str, text: str) -> str:
    """Return the text of a page with its parts as they are made now."""
    parts = made_parts(page)
    named = [match[2] for match in PART.finditer(text)]
    assert sorted(named) == sorted(parts), f"{page}: has the parts {named}, should have {list(parts)}"  # noqa: S101
    return PART.sub(lambda match: f"{match[1]}{parts[match[2]]()}\n{match[3]}", text)


class Counting:
    """A scan of a scene in memory that counts the passes."""

    def __init__(self, scan: Any) -> None:
        self._scan, self.passes = scan, 0
        self.memory, self.everywhere, self.progress = scan.memory, scan.everywhere, scan.progress

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Run one pass."""
        self.passes += 1
        return self._scan(*arguments, **options)


def counted(made: Detector, cubes: list[Any]) -> tuple[int, float, Any]:
    """Return the passes, the processor time and the scores of a run that learns from a scene and scores it."""
    passes: list[int] = []
    cls = type(made)
    learn, adapt = cls.learn, cls.adapt

    def counting(own: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: Detector, scan: Any, *more: Any) -> Any:
            scan = Counting(scan)
            found = own(self, scan, *more)
            passes.append(scan.passes)
            return found

        return call

    cls.learn, cls.adapt = counting(learn), counting(adapt)  # type: ignore[method-assign]
    start = time.process_time()
    try:
        scores = hsad.detect(cubes[0], made, workers=1, **references_of(cubes))
    finally:
        cls.learn, cls.adapt = learn, adapt  # type: ignore[method-assign]
    return sum(passes) + 1, time.process_time() - start, scores


def references_of(cubes: list[Any]) -> dict[str, Any]:
    """Return the option of a run that learns from several scenes."""
    return {"references": cubes} if len(cubes) > 1 else {}


def measure() -> dict[str, Any]:
    """Return passes, processor time and account of every method on a synthetic scene."""
    cubes = [hsad.make_scene(rows=SIDE, cols=SIDE, bands=BANDS, seed=seed).cube.values for seed in range(5)]
    found = {}
    for name in methods():
        made = detector(name)
        given = cubes if name == "padim" else cubes[:1]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # The first run of a compiled method compiles it; a network has nothing to compile.
            runs = [counted(made, given) for _ in range(1 if "torch" in made.packages else 4)]
            passes, _, scores = runs[-1]
            row, col = divmod(int(np.nanargmax(scores)), SIDE)
            short = dataclasses.replace(made, steps=1) if hasattr(made, "steps") else made
            account = hsad.explain(given[0], short, row, col, **references_of(given)).reason.contributions
        least = min(seconds for _, seconds, _ in runs)
        found[name] = {
            "passes": passes,
            "microseconds": round(least / SIDE**2 * 1e6, 3),
            "account": account is not None,
        }
    return {
        "command": "python .ci/detector_pages.py --measure",
        "machine": (
            f"Measured on a synthetic scene of {SIDE} × {SIDE} pixels and {BANDS} bands: processor time of one thread "
            f"for learning and scoring, the least of three runs, of methods with networks of one run ({machine()})."
        ),
        "methods": found,
    }


def machine() -> str:
    """Return the processor and the version of Python."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else ""
    name = re.search(r"model name\s*: (.*)", lines)
    return f"{name[1].strip() if name else platform.processor()}, Python {platform.python_version()}"


def main() -> None:
    """Rewrite all pages, after measuring if that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--measure", action="store_true", help="measure passes, times and accounts again first")
    if parser.parse_args().measure:
        DATA.write_text(json.dumps(measure(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for page in ["methods", *methods(), "citing"]:
        path = path_of(page)
        path.write_text(rewritten(page, path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
