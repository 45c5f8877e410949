"""A process that opens damaged files: ``python -m hostile.attack KIND FIRST LAST [KIND FIRST LAST ...]``.

It prints one JSON object per file. A file may be read, or refused in one line that names it. Everything else is bad:
another error, another line, more than ten seconds or six gigabytes, the end of the process.
"""

from __future__ import annotations

import collections
import io
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numba.core import event

__all__ = ["BAD", "attack"]

BAD = ("unexpected", "nameless", "lines", "slow", "large", "wrong", "died", "hung")
SECONDS, GIGABYTES = 10.0, 6.0  # of the processor; of memory


def one(kind: str, number: int, folder: Path) -> tuple[str, str]:
    """Return the verdict on a file, and the message."""
    from hostile.corpora import build
    from hsad.cli.shell.errors import told
    from hsad.errors import HsadError

    path = build(kind, number, folder)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            verdict = USES.get(kind, use_scene)(path)
    except Exception as error:  # noqa: BLE001  its class is checked
        said = told(error)[0]
        if not isinstance(error, HsadError):
            return "unexpected", said
        if "\n" in str(error):
            return "lines", str(error)
        # A data file beside the header is the same scene.
        named = str(path.with_suffix("")) in said or (kind in USES and path.name in said)
        return ("refused" if named else "nameless"), said
    return verdict


def use_scene(path: Path) -> tuple[str, str]:
    """Open, describe and score a scene; compare a TIFF with what GDAL reads."""
    import hsad
    from hsad.job.describe import describe

    cube = hsad.open_cube(path)
    describe(cube)
    if path.suffix == ".tif":
        import rasterio
        from rasterio.enums import ColorInterp

        with rasterio.open(path) as dataset:
            kinds = zip(dataset.indexes, dataset.colorinterp, strict=True)
            colours = [index for index, kind in kinds if kind != ColorInterp.alpha]
            values = np.moveaxis(dataset.read(colours, out_dtype=cube.dtype), 0, 2)
        if values.shape != cube.shape or values.tobytes() != np.ascontiguousarray(cube.values).tobytes():
            return "wrong", "other numbers than GDAL's"
    hsad.detect(path, "rx", covariance="ridge", workers=1)
    return "read", ""


def use_background(path: Path) -> tuple[str, str]:
    """Score a scene with a background; an altered background must not score."""
    import hsad
    from hostile.backgrounds import background_seeds
    from hostile.damage import BANDS

    cube = np.random.default_rng(0).normal(50, 3, (40, 40, BANDS))
    hsad.score(cube, path)
    with np.load(path, allow_pickle=False) as opened:
        content = what_scores(opened)
    for seed in background_seeds():
        with np.load(io.BytesIO(seed)) as opened:
            if what_scores(opened) == content:
                return "read", ""
    return "wrong", "an altered background scores"


def use_sealed(path: Path) -> tuple[str, str]:
    """Score a scene with a background of right checksum, which may score with any content."""
    import hsad
    from hostile.damage import BANDS

    scores = hsad.score(np.random.default_rng(0).normal(50, 3, (40, 40, BANDS)), path)
    return "read", f"{np.isfinite(scores).mean():.0%} finite"


USES = {"background": use_background, "sealed": use_sealed}


class Compiling(event.Listener):
    """The seconds that kernels compile, which the file does not cause."""

    def __init__(self) -> None:
        self.seconds, self._depth, self._started = 0.0, 0, 0.0

    def on_start(self, _: Any) -> None:
        if not self._depth:
            self._started = time.process_time()
        self._depth += 1

    def on_end(self, _: Any) -> None:
        self._depth -= 1
        if not self._depth:
            self.seconds += time.process_time() - self._started


def what_scores(opened: Any) -> dict[str, Any]:
    """Return the content of a background without what says who saved it: versions of packages, and the run."""
    header = json.loads(opened["header"].tobytes())
    for name in ("version", "versions", "run"):
        header.pop(name, None)
    arrays = {name: opened[name] for name in opened.files if name != "header"}
    return {"header": header, **{name: (array.dtype, array.shape, array.tobytes()) for name, array in arrays.items()}}


def work(asked: Mapping[str, range]) -> None:
    """Open files one after the other in this process."""
    compiling = Compiling()
    event.register("numba:compile", compiling)
    for kind, number in ((kind, number) for kind, numbers in asked.items() for number in numbers):
        tell(kind, at=number)
        folder = Path(tempfile.mkdtemp(prefix="hostile"))
        started = time.process_time() - compiling.seconds
        verdict, said = one(kind, number, folder)
        seconds = time.process_time() - compiling.seconds - started
        gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        if verdict in ("read", "refused") and number > asked[kind].start and seconds > SECONDS:
            verdict, said = "slow", f"{seconds:.0f} s; {said}"
        if gigabytes > GIGABYTES:
            tell(kind, number=number, verdict="large", said=f"{gigabytes:.1f} GB")
            sys.exit(3)
        tell(kind, number=number, verdict=verdict, said=said)
        shutil.rmtree(folder, ignore_errors=True)


def tell(kind: str, **what: Any) -> None:
    print(json.dumps({"kind": kind, **what}), flush=True)  # noqa: T201


def attack(
    asked: Mapping[str, range], patience: float = 240
) -> tuple[dict[str, collections.Counter[str]], dict[str, list[str]]]:
    """Open the files of these kinds and numbers in child processes; return the verdicts and the bad files by kind."""
    counts: dict[str, collections.Counter[str]] = {kind: collections.Counter() for kind in asked}
    bad: dict[str, list[str]] = {kind: [] for kind in asked}
    left = dict(asked)
    while left := {kind: numbers for kind, numbers in left.items() if numbers}:
        words = [str(word) for kind, numbers in left.items() for word in (kind, numbers.start, numbers.stop)]
        kind, at = next(iter(left)), next(iter(left.values())).start
        # The folders of a child that dies go with this one.
        with (
            tempfile.TemporaryDirectory(prefix="hostile") as folder,
            subprocess.Popen(
                [sys.executable, "-m", "hostile.attack", *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                text=True, env={**os.environ, "TMPDIR": folder},
            ) as child,
        ):  # fmt: skip
            for line in child.stdout:
                found = json.loads(line)
                kind = found["kind"]
                if "at" in found:
                    at = found["at"]
                    continue
                counts[kind][found["verdict"]] += 1
                if found["verdict"] in BAD:
                    bad[kind].append(f"{kind} {found['number']}: {found['verdict']}: {found['said']}")
                left[kind] = range(found["number"] + 1, asked[kind].stop)
            status = child.wait(timeout=patience)
        if status not in (0, 3):
            counts[kind]["died"] += 1
            bad[kind].append(f"{kind} {at}: died with status {status}")
            left[kind] = range(at + 1, asked[kind].stop)
    return counts, bad


if __name__ == "__main__":
    kinds, firsts, lasts = (sys.argv[start::3] for start in (1, 2, 3))
    work({kind: range(int(first), int(last)) for kind, first, last in zip(kinds, firsts, lasts, strict=True)})
