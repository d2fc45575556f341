"""The quick way for flat data: a dict, list or tuple of plain scalars becomes MessagePack in one call.

A container is flat when its keys are `str`, its values are exactly `str`, `int`, `float`, `bool` or `None`, no float
is NaN, every int fits 64 bits and no string has a lone surrogate. That depends on the value alone, so equal values
always take the same way; what is not flat is walked element by element under other tags.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.msgpack import Encoder

_SCALARS = frozenset({str, int, float, bool, type(None)})
_KEYS = frozenset({str})
_NAN, _MINUS_NAN = b"\xcb\x7f", b"\xcb\xff"  # how a packed NaN begins; infinity and large floats begin so too
_pack = Encoder(order="deterministic").encode


def flat_dict(value: dict[object, object]) -> bytes | None:
    """The body of an exact dict, or None when it is not flat."""
    if not _SCALARS.issuperset(map(type, value.values())) or not _KEYS.issuperset(map(type, value)):
        return None
    packed = _packed(value)
    if packed is not None and (_NAN in packed or _MINUS_NAN in packed):
        return None if _has_nan(value.values()) else packed
    return packed


def flat_items(value: list[object] | tuple[object, ...]) -> bytes | None:
    """The body of an exact list or tuple, or None when it is not flat."""
    if not _SCALARS.issuperset(map(type, value)):
        return None
    packed = _packed(value)
    if packed is not None and (_NAN in packed or _MINUS_NAN in packed):
        return None if _has_nan(value) else packed
    return packed


def flat_set(value: Iterable[object]) -> bytes | None:
    """The body of a set of nothing but `str`, or nothing but `int`, sorted; None for any other set."""
    kinds = set(map(type, value))
    if kinds != _KEYS and kinds != {int}:
        return None
    return _packed(sorted(value))  # type: ignore[type-var]


def _has_nan(values: Iterable[object]) -> bool:
    return any(value != value for value in values)


def _packed(value: object) -> bytes | None:
    try:
        return _pack(value)
    except (OverflowError, ValueError):  # a large int; a lone surrogate, 4 GiB of text
        return None
