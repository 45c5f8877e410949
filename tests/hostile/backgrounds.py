"""Damaged backgrounds by number, with changed bytes, arrays or headers; some have a right checksum."""

from __future__ import annotations

import io
import json
import tempfile
import warnings
from functools import cache
from pathlib import Path

import numpy as np

from hostile.damage import BANDS, flipped

__all__ = ["background", "background_seeds", "sealed"]


@cache
def background_seeds() -> list[bytes]:
    """Return saved backgrounds of methods that learn."""
    import hsad

    found = []
    random = np.random.default_rng(4)
    cube = random.normal(size=(40, 40, BANDS)) @ random.normal(size=(BANDS, BANDS)) + 50
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number, (method, options) in enumerate(
            [
                ("rx", {}),
                ("rx", {"trim": 0.05}),
                ("rx", {"covariance": "oas", "pca": 3}),
                ("low-rank", {}),
                ("rpca", {}),
                ("lrx", {"outer": 9, "inner": 3, "pca": 2}),
                ("srd", {"outer": 9, "inner": 3, "atoms": 2}),
                ("auto", {}),
            ]
        ):
            path = Path(folder) / f"{number}.npz"
            hsad.learn(cube, method, **options).save(path)
            found.append(path.read_bytes())
    return found


def background(number: int, folder: Path) -> Path:
    """Write a background with changed bytes, or with an array or the header changed before writing."""
    random = np.random.default_rng([4, number])
    seed = background_seeds()[random.integers(len(background_seeds()))]
    path = folder / "background.npz"
    if random.random() < 0.4:
        path.write_bytes(flipped(seed, random, len(seed)))
        return path
    return written(path, changed_arrays(seed, random))


def sealed(number: int, folder: Path) -> Path:
    """Write a changed background with the checksum of the changed content."""
    from hsad.job.learned import _digest

    random = np.random.default_rng([5, number])
    arrays = changed_arrays(background_seeds()[random.integers(len(background_seeds()))], random)
    said = json.loads(arrays.pop("header", np.zeros(0, np.uint8)).tobytes() or "{}")
    if isinstance(said, dict):
        kept = {name: value for name, value in said.items() if name not in {"version", "versions", "digest"}}
        said = {**said, "version": "0", "digest": _digest(kept, arrays)}
    return written(folder / "background.npz", {**arrays, "header": np.frombuffer(json.dumps(said).encode(), np.uint8)})


def changed_arrays(seed: bytes, random: np.random.Generator) -> dict[str, np.ndarray]:
    """Return the content of a background with one array or one value of the header changed."""
    with np.load(io.BytesIO(seed)) as opened:
        arrays = dict(opened)
    name = sorted(arrays)[random.integers(len(arrays))]
    array = arrays[name]
    way = random.integers(8)
    if name == "header":
        said = altered(json.loads(array.tobytes()), random)
        arrays[name] = np.frombuffer(json.dumps(said).encode(), np.uint8)
    elif way == 0:
        arrays[name] = array[..., :-1] if array.ndim else array.astype("i1")
    elif way == 1:
        del arrays[name]
    elif way == 2:
        arrays[name] = array.astype(random.choice(["f4", "i4", "c8", "?", "U3", "u1"]))
    elif way == 3:
        arrays[name] = np.full(array.shape, random.choice([np.nan, np.inf, 0, 1e308, -1e308])).astype(array.dtype)
    elif way == 4:
        arrays[name] = array[None] if random.random() < 0.5 else array.T
    elif way == 5:
        arrays[name] = array + np.asarray(1, array.dtype) if array.dtype.kind in "iuf" else array
    elif way == 6 and array.size and array.dtype.kind in "iuf":
        arrays[name] = array.copy()
        number = random.choice([-1e308, 1e308, 1e-320, -1.0, 0.0, 127.0])
        arrays[name].flat[random.integers(array.size)] = np.array(number).astype(array.dtype)
    else:
        arrays[name] = np.zeros((0, *array.shape[1:]), array.dtype)
    return arrays


def written(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    """Write arrays in the format of a background."""
    with path.open("wb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.savez(file, **arrays)
    return path


def altered(value: object, random: np.random.Generator) -> object:
    """Return a JSON value with one element replaced."""
    nasty = [None, -1, 0, 1e308, "x", [], {}, True, "nan", [[]], {"array": "x"}, 2**70]
    if isinstance(value, dict) and value and random.random() < 0.85:
        key = sorted(value)[random.integers(len(value))]
        if random.random() < 0.15:
            return {k: v for k, v in value.items() if k != key}
        return {**value, key: altered(value[key], random)}
    if isinstance(value, list) and value and random.random() < 0.85:
        at = int(random.integers(len(value)))
        return [*value[:at], altered(value[at], random), *value[at + 1 :]]
    return nasty[random.integers(len(nasty))]
