"""A process that opens damaged files: ``python -m hostile.attack KIND FIRST LAST``.

It prints one JSON object per file. A file may be read, or refused in one line that names it. Everything else is bad:
another error, another line, more than ten seconds or six gigabytes, the end of the process.
"""

from __future__ import annotations

import collections
import io
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
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
    """Return the content of a background without the versions of the packages that saved it."""
    header = json.loads(opened["header"].tobytes())
    for name in ("version", "versions"):
        header.pop(name, None)
    arrays = {name: opened[name] for name in opened.files if name != "header"}
    return {"header": header, **{name: (array.dtype, array.shape, array.tobytes()) for name, array in arrays.items()}}


def work(kind: str, first: int, last: int) -> None:
    """Open files one after the other in this process."""
    compiling = Compiling()
    event.register("numba:compile", compiling)
    for number in range(first, last):
        folder = Path(tempfile.mkdtemp(prefix="hostile"))
        print(json.dumps({"at": number}), flush=True)  # noqa: T201
        started = time.process_time() - compiling.seconds
        verdict, said = one(kind, number, folder)
        seconds = time.process_time() - compiling.seconds - started
        gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        if verdict in ("read", "refused") and number > first and seconds > SECONDS:
            verdict, said = "slow", f"{seconds:.0f} s; {said}"
        if gigabytes > GIGABYTES:
            print(json.dumps({"number": number, "verdict": "large", "said": f"{gigabytes:.1f} GB"}), flush=True)  # noqa: T201
            sys.exit(3)
        print(json.dumps({"number": number, "verdict": verdict, "said": said}), flush=True)  # noqa: T201
        shutil.rmtree(folder, ignore_errors=True)


def attack(kind: str, first: int, last: int, patience: float = 240) -> tuple[collections.Counter[str], list[str]]:
    """Open files `first` to `last` in child processes; return the number of each verdict, and the bad files."""
    counts: collections.Counter[str] = collections.Counter()
    bad: list[str] = []
    while first < last:
        command = [sys.executable, "-m", "hostile.attack", kind, str(first), str(last)]
        at = first
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
            for line in child.stdout:
                found = json.loads(line)
                if "at" in found:
                    at = found["at"]
                    continue
                counts[found["verdict"]] += 1
                if found["verdict"] in BAD:
                    bad.append(f"{kind} {found['number']}: {found['verdict']}: {found['said']}")
                first = found["number"] + 1
            status = child.wait(timeout=patience)
        if status not in (0, 3):
            counts["died"] += 1
            bad.append(f"{kind} {at}: died with status {status}")
            first = at + 1
    return counts, bad


if __name__ == "__main__":
    work(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
