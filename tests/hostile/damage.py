"""The small cube in the damaged files, and damage that fits all formats: changed bytes."""

from __future__ import annotations

import struct

import numpy as np

__all__ = ["BANDS", "COLS", "CUBE", "ROWS", "flipped"]

ROWS, COLS, BANDS = 12, 10, 6
CUBE = np.random.default_rng(5).normal(100, 10, (ROWS, COLS, BANDS)).astype("<f4")


def flipped(content: bytes | bytearray, random: np.random.Generator, within: int) -> bytearray:
    """Return content with some bytes changed, and perhaps zeros, a cut or a missing end."""
    changed = bytearray(content)
    within = min(within, len(changed))
    for _ in range(random.integers(1, 5)):
        at = int(random.integers(within))
        changed[at] = random.choice(
            [0, 1, 2, 3, 127, 128, 255, random.integers(256), changed[at] ^ (1 << random.integers(8))]
        )
    way = random.integers(12)
    at, length = int(random.integers(within)), int(random.integers(1, 32))
    if way == 0:
        changed[at : at + length] = bytes(len(changed[at : at + length]))
    elif way == 1:
        del changed[at : at + length]
    elif way == 2:
        del changed[int(random.integers(len(changed))) :]
    elif way == 3 and at + 8 <= len(changed):
        changed[at : at + 4] = struct.pack("<I", random.choice([0, 1, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**24]))
    return changed
