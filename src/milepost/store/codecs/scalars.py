"""The standard library's values as MessagePack extensions, each with its own code and exact type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from fractions import Fraction
from pathlib import PosixPath, PurePosixPath, PureWindowsPath, WindowsPath
from typing import NamedTuple, cast
from uuid import UUID, SafeUUID
from zoneinfo import ZoneInfo

from msgspec.msgpack import decode, encode


class Unsuited(Exception):
    """This value is not for the tree: another codec has to take it."""


class Scalar(NamedTuple):
    """How one type is written and read; `code` is part of the stored format and never changes."""

    code: int
    write: Callable[..., bytes]
    read: Callable[[bytes], object]


def _write_int(value: int) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)


def _read_int(payload: bytes) -> int:
    return int.from_bytes(payload, "little", signed=True)


def _write_text(value: object) -> bytes:
    return str(value).encode("utf-8", "surrogatepass")


def _read_text(payload: bytes) -> str:
    return payload.decode("utf-8", "surrogatepass")


def _write_ints(*values: int) -> bytes:
    return encode([_write_int(value) for value in values])


def _read_ints(payload: bytes) -> list[int]:
    return [_read_int(each) for each in cast("list[bytes]", decode(payload))]


def _zone(zone: tzinfo | None) -> object:
    """A time zone as plain data: nothing, a zone's name, or an offset with perhaps a name of its own."""
    if zone is None:
        return None
    if type(zone) is ZoneInfo and zone.key is not None:
        return zone.key
    if type(zone) is timezone:
        offset, *name = zone.__getinitargs__()  # type: ignore[attr-defined]
        return [offset.days, offset.seconds, offset.microseconds, *name]
    raise Unsuited(f"a time zone of type {type(zone).__name__}")


def _read_zone(plain: object) -> tzinfo | None:
    if plain is None:
        return None
    if isinstance(plain, str):
        return ZoneInfo(plain)
    days, seconds, microseconds, *name = cast("list[int]", plain)
    return timezone(timedelta(days, seconds, microseconds), *cast("list[str]", name))


def _write_datetime(value: datetime) -> bytes:
    day = [value.year, value.month, value.day]
    return encode([*day, *_clock(value), _zone(value.tzinfo)])


def _read_datetime(payload: bytes) -> datetime:
    *numbers, fold, zone = cast("list[int]", decode(payload))
    return datetime(*numbers, tzinfo=_read_zone(zone), fold=fold)  # type: ignore[arg-type,misc]


def _write_time(value: time) -> bytes:
    return encode([*_clock(value), _zone(value.tzinfo)])


def _read_time(payload: bytes) -> time:
    *numbers, fold, zone = cast("list[int]", decode(payload))
    return time(*numbers, tzinfo=_read_zone(zone), fold=fold)  # type: ignore[arg-type,misc]


def _clock(value: datetime | time) -> list[int]:
    return [value.hour, value.minute, value.second, value.microsecond, value.fold]


def _read_uuid(payload: bytes) -> UUID:
    return UUID(bytes=payload[:16], is_safe=SafeUUID(int.from_bytes(payload[16:], "little", signed=True)))


def _write_uuid(value: UUID) -> bytes:
    safe = -1 if value.is_safe.value is None else value.is_safe.value
    return value.bytes if safe == -1 else value.bytes + safe.to_bytes(1, "little", signed=True)


def _read_whole_uuid(payload: bytes) -> UUID:
    return _read_uuid(payload) if len(payload) > 16 else UUID(bytes=payload)


def _read_complex(payload: bytes) -> complex:
    return complex(*cast("list[float]", decode(payload)))


SCALARS: Mapping[type, Scalar] = {
    int: Scalar(1, _write_int, _read_int),
    str: Scalar(2, _write_text, _read_text),
    complex: Scalar(3, lambda value: encode([value.real, value.imag]), _read_complex),
    bytearray: Scalar(4, bytes, bytearray),
    datetime: Scalar(10, _write_datetime, _read_datetime),
    date: Scalar(11, lambda value: encode(value.toordinal()), lambda each: date.fromordinal(decode(each))),
    time: Scalar(12, _write_time, _read_time),
    timedelta: Scalar(
        13,
        lambda value: encode([value.days, value.seconds, value.microseconds]),
        lambda each: timedelta(*decode(each)),
    ),
    timezone: Scalar(14, lambda value: encode(_zone(value)), lambda each: _read_zone(decode(each))),
    ZoneInfo: Scalar(15, lambda value: encode(_zone(value)), lambda each: _read_zone(decode(each))),
    Decimal: Scalar(20, _write_text, lambda each: Decimal(each.decode())),
    Fraction: Scalar(
        21,
        lambda value: _write_ints(value.numerator, value.denominator),
        lambda each: Fraction(*_read_ints(each)),
    ),
    UUID: Scalar(22, _write_uuid, _read_whole_uuid),
    range: Scalar(
        23,
        lambda value: _write_ints(value.start, value.stop, value.step),
        lambda each: range(*_read_ints(each)),
    ),
    PurePosixPath: Scalar(30, _write_text, lambda each: PurePosixPath(_read_text(each))),
    PureWindowsPath: Scalar(31, _write_text, lambda each: PureWindowsPath(_read_text(each))),
    PosixPath: Scalar(32, _write_text, lambda each: PosixPath(_read_text(each))),
    WindowsPath: Scalar(33, _write_text, lambda each: WindowsPath(_read_text(each))),
}
READERS: Mapping[int, Callable[[bytes], object]] = {each.code: each.read for each in SCALARS.values()}
