"""ENVI images written by plain numpy."""

from __future__ import annotations

CODES = {"u1": 1, "i2": 2, "i4": 3, "f4": 4, "f8": 5, "u2": 12, "u4": 13, "i8": 14, "u8": 15}
AXES = {"bsq": (2, 0, 1), "bil": (0, 2, 1), "bip": (0, 1, 2)}


def header_text(shape, code=4, interleave="bsq", byte_order=0, **keys):
    rows, cols, bands = shape
    lines = ["ENVI", f"samples = {cols}", f"lines = {rows}", f"bands = {bands}", f"data type = {code}"]
    lines += [f"interleave = {interleave}", f"byte order = {byte_order}"]
    return "\n".join([*lines, *(f"{key.replace('_', ' ')} = {value}" for key, value in keys.items()), ""])


def write(folder, values, *, interleave="bsq", byte_order=0, name="scene", suffix=".img", **keys):
    """Write an ENVI image with plain numpy and return the path of its header."""
    stored = values.astype(values.dtype.newbyteorder("<>"[byte_order]))
    content = stored.transpose(AXES[interleave]).tobytes()
    padding = b"\xab" * keys.get("header_offset", 0)
    (folder / f"{name}{suffix}").write_bytes(padding + content)
    path = folder / f"{name}.hdr"
    code = CODES[values.dtype.str[1:]]
    path.write_text(header_text(values.shape, code, interleave, byte_order, **keys), encoding="utf-8")
    return path
