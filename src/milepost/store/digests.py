"""The digest that a step's row carries: a flipped bit, which SQLite would hand out as it is, is seen."""

from __future__ import annotations

import msgspec
import xxhash  # not later: a child forked while a thread is importing would wait for that thread for ever

_encode = msgspec.msgpack.Encoder().encode


def row_digest(cells: tuple[object, ...]) -> int:
    """xxh3-64 of what a row says, as a signed integer of 64 bits.

    >>> row_digest(("run", 1, b"x")) == row_digest(("run", 1, b"x")) != row_digest(("run", 1, b"y"))
    True
    """
    try:
        encoded = _encode(cells)
    except (UnicodeEncodeError, OverflowError):
        encoded = _encode(tuple(_plain(cell) for cell in cells))
    number = xxhash.xxh3_64_intdigest(encoded)
    return number if number < 2**63 else number - 2**64


def _plain(cell: object) -> object:
    if isinstance(cell, str):
        return cell.encode("utf-8", "surrogatepass")
    return hex(cell) if isinstance(cell, int) else cell
