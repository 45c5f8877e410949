"""Checks of the elements of a MATLAB file of version 5 before scipy reads them.

scipy's reader trusts the tag of each element. An unknown data type, or a stated but missing imaginary part, ends the
process. So this module checks tags and sizes first. The memory that the check needs does not grow with the sizes in the
tags. MathWorks describes the format in "MAT-File Format", chapter 1.
"""

from __future__ import annotations

import math
import zlib
from pathlib import Path
from typing import BinaryIO, Literal

from hsad.errors import SceneError

__all__ = ["check_elements"]

_HEADER = 128  # bytes
_ORDERS: tuple[Literal["little"], Literal["big"]] = ("little", "big")
_MATRIX, _COMPRESSED, _INT8, _INT32, _UINT32 = 14, 15, 1, 5, 6
_NUMBER_BYTES = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 9: 8, 12: 8, 13: 8}
_TEXT_BYTES = {**_NUMBER_BYTES, 16: 1, 17: 2, 18: 4}
_CELL, _STRUCT, _OBJECT, _CHAR, _SPARSE, _FUNCTION, _OPAQUE = 1, 2, 3, 4, 5, 16, 17
_NUMERIC = range(6, 16)
_MOST_AXES = 32  # numpy before version 2 has no arrays of more axes
_DEEPEST = 64  # levels of arrays within arrays; scenes have a few, and each level is a recursion
_PIECE = 2**20  # bytes that are unpacked at once
#: Largest ratio of unpacked to packed bytes that deflate can reach.
_MOST_GROWTH = 1032


def check_elements(path: str) -> None:
    """Raise `SceneError` for a file in which an element contradicts its tag.

    Parameters
    ----------
    path : str
        A file of version 5 or 4. In a file of version 4 only the first header is checked.

    Raises
    ------
    SceneError
        When a tag, a size or a shape contradicts the others or the length of the file.
    """
    size = Path(path).stat().st_size
    with Path(path).open("rb") as file:
        header = file.read(_HEADER)
        orders: dict[bytes, Literal["little", "big"]] = {b"IM": "little", b"MI": "big"}
        order = orders.get(header[126:128])
        if 0 in header[:4]:
            _check_version4(header, size, path)  # only version 4 begins with small integers
            return
        if order is None:
            raise SceneError(f"{path}: not a readable MATLAB file: no mark of the byte order at byte 126")
        try:
            place = _HEADER
            while place < size:
                file.seek(place)
                kind, length = _tag(_Plain(file, size - place), order)
                if length > size - place - 8:
                    raise _DamageError(f"an element promises {length} bytes, {size - place - 8} are left")
                if kind == _COMPRESSED:
                    stream: _Stream = _Inflated(file, length)
                    inner, promised = _tag(stream, order)
                    if promised > _MOST_GROWTH * length:
                        raise _DamageError(f"{length} compressed bytes promise {promised}")
                    _require(inner == _MATRIX, f"data of type {inner} where an array should be")
                    _Matrix(order).check(stream, promised, top=True)
                else:
                    _require(kind == _MATRIX, f"data of type {kind} where an array should be")
                    _Matrix(order).check(_Plain(file, length), length, top=True)
                place += 8 + length
        except (_DamageError, zlib.error) as error:
            raise SceneError(f"{path}: not a readable MATLAB file: at byte {place}, {error}") from error


class _DamageError(ValueError):
    """An element contradicts its tag, its array or the length of the file."""


def _require(fits: bool, otherwise: str) -> None:
    if not fits:
        raise _DamageError(otherwise)


class _Stream:
    """A stream of bytes."""

    def read(self, count: int) -> bytes:
        """Return exactly `count` bytes; callers request few bytes, never a size that a file states."""
        raise NotImplementedError

    def skip(self, count: int) -> None:
        """Skip bytes."""
        while count > 0:
            self.read(min(count, _PIECE))
            count -= _PIECE


class _Plain(_Stream):
    def __init__(self, file: BinaryIO, length: int) -> None:
        self._file = file
        self._left = length

    def read(self, count: int) -> bytes:
        content = self._file.read(min(count, self._left))
        _require(len(content) == count, f"{count - len(content)} bytes are missing")
        self._left -= count
        return content

    def skip(self, count: int) -> None:
        _require(count <= self._left, f"{count - self._left} bytes are missing")
        self._file.seek(count, 1)
        self._left -= count


class _Inflated(_Stream):
    def __init__(self, file: BinaryIO, length: int) -> None:
        self._file = file
        self._left = length
        self._inflate = zlib.decompressobj()

    def read(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            packed = self._inflate.unconsumed_tail
            if not packed:
                packed = self._file.read(min(_PIECE, self._left))
                self._left -= len(packed)
            piece = self._inflate.decompress(packed, count - len(found))
            _require(bool(piece or packed) and not (self._inflate.eof and not piece), "the packed data end too early")
            found += piece
        return found


def _tag(stream: _Stream, order: Literal["little", "big"]) -> tuple[int, int]:
    """Return type and length of an element whose tag has eight bytes."""
    return _tag_of(stream.read(8), order)


def _number(content: bytes, order: Literal["little", "big"]) -> int:
    return int.from_bytes(content, order)


class _Matrix:
    """Check of an array and of the arrays in it."""

    def __init__(self, order: Literal["little", "big"], depth: int = 0) -> None:
        self._order = order
        self._depth = depth
        _require(depth < _DEEPEST, f"arrays within arrays, {depth} deep")

    def check(self, stream: _Stream, length: int, *, top: bool = False) -> None:
        """Check an array of `length` bytes after its tag; the numbers of an array at the top level are not read."""
        if length == 0 and not top:
            return  # an empty cell
        self._stream, self._left = stream, length
        kind, size = self._whole_tag()
        _require((kind, size) == (_UINT32, 8), "an array without its flags")
        flags = _number(self._take(8)[:4], self._order)
        family, is_complex = flags & 0xFF, bool(flags & 0x800)
        if family == _OPAQUE:
            self._opaque()
            return
        shape = self._shape()
        self._text("name")
        self._values(family, is_complex, math.prod(shape), top)
        if not top:
            self._pass(self._left)

    def _values(self, family: int, is_complex: bool, count: int, top: bool) -> None:
        if family in _NUMERIC or family == _CHAR:
            for number in range(1 + is_complex):
                # Nothing follows the numbers of an array at the top level, so they need not be unpacked.
                last = top and number == int(is_complex)
                self._numbers(count, exact=family != _CHAR, last=last)
        elif family == _SPARSE:
            for _ in range(3 + is_complex):
                self._numbers(None, exact=False, last=False)
        elif family in (_STRUCT, _OBJECT):
            if family == _OBJECT:
                self._text("class")
            self._children(count * self._fields())
        elif family in (_CELL, _FUNCTION):
            self._children(count if family == _CELL else 1)
        else:
            raise _DamageError(f"an array of class {family}")

    def _whole_tag(self) -> tuple[int, int]:
        return _tag_of(self._take(8), self._order)

    def _take(self, count: int) -> bytes:
        _require(count <= self._left, f"an array is {count - self._left} bytes shorter than what it holds")
        self._left -= count
        return self._stream.read(count)

    def _pass(self, count: int) -> None:
        _require(count <= self._left, f"an array is {count - self._left} bytes shorter than what it holds")
        self._left -= count
        self._stream.skip(count)

    def _element(self) -> tuple[int, int, bytes | None]:
        """Return type and length of an element, and its content if the tag contains it."""
        tag = self._take(8)
        first = _number(tag[:4], self._order)
        if first >> 16:
            kind, length = first & 0xFFFF, first >> 16
            _require(length <= 4, f"{length} bytes in the place of 4")
            return kind, length, tag[4 : 4 + length]
        kind, length = _tag_of(tag, self._order)
        _require(length <= self._left, f"an element promises {length} bytes, its array has {self._left} left")
        return kind, length, None

    def _content(self, kinds: dict[int, int], what: str, most: int) -> bytes:
        kind, length, content = self._element()
        _require(kind in kinds, f"data of type {kind} for {what}")
        _require(length <= most, f"{length} bytes for {what}")
        if content is None:
            content = self._take(length)
            self._pass(min(-length % 8, self._left))
        return content

    def _shape(self) -> tuple[int, ...]:
        content = self._content({_INT32: 4, _UINT32: 4}, "a shape", 4 * _MOST_AXES)
        _require(len(content) % 4 == 0 and len(content) >= 4, f"a shape of {len(content)} bytes")
        sizes = tuple(_number(content[at : at + 4], self._order) for at in range(0, len(content), 4))
        _require(max(sizes) < 2**31, "a negative size")
        return sizes

    def _text(self, what: str) -> bytes:
        return self._content(_TEXT_BYTES, f"a {what}", _PIECE)

    def _fields(self) -> int:
        """Return the number of fields of a struct."""
        content = self._content({_INT32: 4}, "the length of names", 4)
        width = _number(content, self._order)
        _require(len(content) == 4 and 0 < width < _PIECE, f"names of {width} bytes")
        names = self._content({_INT8: 1}, "the names of fields", 64 * _PIECE)
        _require(len(names) % width == 0, f"{len(names)} bytes of names, each of {width}")
        return len(names) // width

    def _numbers(self, count: int | None, *, exact: bool, last: bool) -> None:
        kind, length, content = self._element()
        widths = _NUMBER_BYTES if exact else _TEXT_BYTES
        _require(kind in widths, f"numbers of type {kind}")
        if exact and count is not None:
            _require(length == count * widths[kind], f"{length} bytes for {count} numbers of {widths[kind]} bytes")
        if content is None and not last:
            self._pass(length)
            self._pass(min(-length % 8, self._left))

    def _children(self, count: int) -> None:
        _require(count <= self._left // 8, f"{count} arrays in {self._left} bytes")
        for _ in range(count):
            kind, length = self._whole_tag()
            _require(kind == _MATRIX, f"data of type {kind} where an array should be")
            _require(length <= self._left, f"an array promises {length} bytes, {self._left} are left")
            _Matrix(self._order, self._depth + 1).check(self._stream, length)
            self._left -= length

    def _opaque(self) -> None:
        """Check an object of a MATLAB class, which is stored as three texts and an array."""
        for what in ("name", "type", "class"):
            self._text(what)
        self._children(1)


def _tag_of(tag: bytes, order: Literal["little", "big"]) -> tuple[int, int]:
    return _number(tag[:4], order), _number(tag[4:], order)


def _check_version4(header: bytes, size: int, path: str) -> None:
    """Raise `SceneError` for a file whose first header, as one of version 4, states more bytes than the file has."""
    for order in _ORDERS:
        kind, rows, cols, imaginary, name = (
            int.from_bytes(header[start : start + 4], order, signed=True) for start in range(0, 20, 4)
        )
        plausible = len(header) >= 20 and 0 <= kind < 5000 and min(rows, cols) >= 0 and imaginary in (0, 1) and name > 0
        if plausible and 20 + name + rows * cols <= size:
            return
    raise SceneError(f"{path}: not a readable MATLAB file: it does not begin as one")
