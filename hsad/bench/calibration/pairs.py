"""The pairs of dates whose background the bank learns, and those that judge it.

=========  ======  ====================================================================================================
family     weight  content
=========  ======  ====================================================================================================
split      1       a scene split into two dates (`hsad.bench.changes.cases`), 2 to 24 objects that are new or gone
made       1       `hsad.make_pair`: other seasons, light, noise, bands, and objects that are new, gone or on both dates
=========  ======  ====================================================================================================

Each family has three displacements of the second date. What stands out in a split scene is known: only what was put
there has changed. So scenes without a known truth are as good as others.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from hsad.bench.calibration.scenes import Case, bases
from hsad.bench.changes.cases import REGISTRATIONS, Split
from hsad.bench.known import KnownScene
from hsad.synthetic import make_pair

__all__ = ["LEARNED_DRAWS", "PAIRS", "pair_cases"]

#: Families of pairs.
PAIRS = ("split", "made")

#: Draws of changes and light that the bank learns from.
LEARNED_DRAWS = (0, 1, 2)

#: Numbers of objects that are gone, and of objects that are new, in turn.
_NUMBERS = (1, 4, 12)

#: Limits of the fills of objects, and the noise of the second date over that of the first, in turn.
_FILLS = ((0.3, 1.0), (0.15, 0.6))
_NOISE = (1.0, 1.0, 2.0, 1.0)

_MOST_PIXELS = 25
_SEEDS = 200
_MADE: tuple[dict[str, Any], ...] = (
    {"season": 0.0, "illumination": 0.3},
    {"season": 0.3, "illumination": 0.6, "after_bands": 45},
    {"season": 1.0, "illumination": 1.0, "variability": 0.08},
    {"season": 0.5, "illumination": 0.5, "noise_factor": 3.0, "bands": 100},
)
_MADE_SIZES = ((1, 9), (1, 3, 9, 25), (1, 2, 4, 9, 16, 25))


def pair_cases(known: list[KnownScene], folder: Path, draws: tuple[int, ...]) -> Iterator[Case]:
    """Yield the pairs of the bank, and the judging ones of some draws.

    Parameters
    ----------
    known : list of KnownScene
        The benchmark scenes.
    folder : Path
        Folder of data, for the scenes that are not among the benchmark scenes.
    draws : tuple of int
        Draws that judge.
    """
    every = sorted({*LEARNED_DRAWS, *draws})
    for number, (name, spectra, truth, ground, origin) in enumerate(bases(known, folder)):
        split = Split(spectra, truth)
        for draw in every:
            for turn, registration in enumerate(REGISTRATIONS):
                random = np.random.default_rng([55, draw, number, turn])
                sizes = [int(size) for size in _drawn_sizes(_NUMBERS[(number + turn + draw) % 3], random)]
                fills, noise = _FILLS[(number + draw) % 2], _NOISE[(number + 2 * draw + turn) % 4]
                before, after, marked = split.dates(registration, random, sizes, fills, noise=noise)
                yield _case(f"split/{name}-{registration:g}@{draw}", "split", before, after, marked, ground, origin)
    for draw in every:
        for turn, registration in enumerate(REGISTRATIONS):
            for number, variant in enumerate(_MADE):
                seed = _SEEDS + 100 * draw + 10 * number + turn
                pixels = _MADE_SIZES[(number + turn + draw) % 3]
                made = make_pair(seed=seed, new_sizes=pixels, gone_sizes=pixels, registration=registration, **variant)
                yield _case(
                    f"made/{number}-{registration:g}@{draw}", "made", _good(made.before), _good(made.after),
                    made.truth.values.astype(np.float64), "synthetic", f"make_pair {variant}",
                )  # fmt: skip


def _drawn_sizes(number: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Return numbers of pixels, evenly in their logarithms."""
    return np.floor(np.exp(random.uniform(0, np.log(_MOST_PIXELS + 1), number))).astype(np.int64)


def _case(
    name: str,
    family: str,
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    truth: NDArray[np.float64],
    ground: str,
    origin: str,
) -> Case:
    """Return a pair as a case: a cube with the bands of both dates."""
    both = np.concatenate([before, after], axis=2).astype(np.float32)
    dates = np.repeat([0, 1], [before.shape[2], after.shape[2]])
    cube = xr.DataArray(both, dims=("y", "x", "band"), coords={"date": ("band", dates)})
    draw = int(name.rpartition("@")[2])
    return Case(KnownScene(name, family, cube, truth, {}), ground, origin, learned=draw in LEARNED_DRAWS)


def _good(date: xr.DataArray) -> NDArray[np.float64]:
    return np.asarray(date.values[..., date.coords["good_wavelength"].values], dtype=np.float64)
