"""The fast path: values that MessagePack holds exactly, told by their exact types."""

from __future__ import annotations

import msgspec

from milepost.errors import ObjectDamaged

DEPTH = 100  # deeper values are pickled, or refused

SCALARS: frozenset[type] = frozenset({type(None), bool, int, float, str, bytes})

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


def encode_plain(value: object) -> bytes | None:
    """The bytes of a value of plain types, or None when it holds anything else.

    >>> encode_plain({"a": 1}).hex()
    '81a16101'
    >>> encode_plain((1, 2)) is None
    True
    """
    if type(value) not in SCALARS and not is_plain(value, DEPTH):
        return None
    try:
        return _encode(value)
    except (OverflowError, UnicodeEncodeError):  # an int over 64 bits, a lone surrogate
        return None


def decode_plain(payload: bytes | bytearray | memoryview) -> object:
    """The value of `encode_plain`'s bytes."""
    try:
        return _decode(payload)
    except (ValueError, TypeError, RecursionError) as error:
        raise ObjectDamaged(f"stored MessagePack cannot be read: {error}") from error


def is_plain(value: object, depth: int) -> bool:
    """Whether only exact plain types occur in `value`, nested no deeper than `depth`."""
    kind = type(value)
    if kind in SCALARS:
        return True
    if depth <= 0:
        return False
    if kind is dict:
        if not SCALARS.issuperset(map(type, value)):  # type: ignore[call-overload]
            return False
        inner = value.values()  # type: ignore[attr-defined]
    elif kind is list:
        inner = value
    else:
        return False
    return SCALARS.issuperset(map(type, inner)) or all(is_plain(each, depth - 1) for each in inner)
