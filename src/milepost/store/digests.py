"""The digest that a step's row carries, so that a flipped bit is seen: SQLite itself would hand it out as it is."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import msgspec

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
    number = _xxh3()(encoded)
    return number if number < 2**63 else number - 2**64


def _plain(cell: object) -> object:
    if isinstance(cell, str):
        return cell.encode("utf-8", "surrogatepass")
    return hex(cell) if isinstance(cell, int) else cell


@lru_cache(maxsize=1)
def _xxh3() -> Callable[[bytes], int]:
    import xxhash

    return xxhash.xxh3_64_intdigest
