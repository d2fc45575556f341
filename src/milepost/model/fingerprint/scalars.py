"""Encodings of leaves: numbers, text, bytes, times and the small value types of the standard library."""

from __future__ import annotations

from struct import pack
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import date, datetime, time, timedelta, timezone, tzinfo

    from milepost.model.fingerprint.walk import Encode, Walk

_NAN = pack("<Q", 0x7FF8000000000000)


def float_bytes(value: float) -> bytes:
    """Eight bytes; every NaN the same, -0.0 its own."""
    return pack("<d", value) if value == value else _NAN


def encode_int(walk: Walk | None, value: int) -> bytes:
    """Two's complement, as short as it goes, of any size."""
    return b"i" + value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)


def encode_bool(walk: Walk, value: bool) -> bytes:
    """True and False, each a tag of its own."""
    return b"T" if value else b"F"


def encode_float(walk: Walk, value: float) -> bytes:
    """Eight bytes behind a tag."""
    return b"f" + float_bytes(value)


def encode_complex(walk: Walk, value: complex) -> bytes:
    """Both parts as floats."""
    return b"c" + float_bytes(value.real) + float_bytes(value.imag)


def encode_str(walk: Walk | None, value: str) -> bytes:
    """UTF-8; a lone surrogate keeps its own bytes."""
    return b"s" + value.encode("utf-8", "surrogatepass")


def encode_bytes(walk: Walk, value: bytes) -> bytes:
    """As they are."""
    return _long(b"b", value)


def encode_bytearray(walk: Walk, value: bytearray) -> bytes:
    """As bytes, under a tag of its own."""
    return _long(b"B", value)


def _long(tag: bytes, value: bytes | bytearray) -> bytes:
    """Hashed where it lies when copying it behind a tag would cost memory."""
    if len(value) < 1 << 16:
        return tag + value
    from xxhash import xxh3_128

    hasher = xxh3_128(tag)
    hasher.update(value)
    return b"#" + hasher.digest()


def encode_memoryview(walk: Walk, value: memoryview) -> bytes:
    """Format, shape and content; strides do not count."""
    if value.format in ("O", "P"):
        from milepost.model.fingerprint.walk import Unkeyable

        raise Unkeyable("it is a view of pointers")
    return walk.typed(":memoryview", value.format, value.shape, value.tobytes())


def encode_range(walk: Walk, value: range) -> bytes:
    """Start, stop and step."""
    return walk.typed(":range", value.start, value.stop, value.step)


def encode_slice(walk: Walk, value: slice) -> bytes:
    """Start, stop and step."""
    return walk.typed(":slice", value.start, value.stop, value.step)


def encode_array(walk: Walk, value: Any) -> bytes:
    """`array.array`: type code, item size and content."""
    return walk.typed(":array.array", value.typecode, value.itemsize, value.tobytes())


def encode_decimal(walk: Walk, value: object) -> bytes:
    """By its exact notation: 1.0 and 1.00 are two."""
    return walk.typed(":Decimal", type(value).__str__(value))


def encode_fraction(walk: Walk, value: Any) -> bytes:
    """Numerator and denominator."""
    return walk.typed(":Fraction", value.numerator, value.denominator)


def encode_uuid(walk: Walk, value: Any) -> bytes:
    """Its number."""
    return walk.typed(":UUID", value.int)


def encode_path(walk: Walk, value: object) -> bytes:
    """A path as text; what the file holds does not count (that is what `File` is for)."""
    return walk.typed(":Path", type(value).__name__, str(value))


def encode_pattern(walk: Walk, value: Any) -> bytes:
    """What it was compiled from, and the flags."""
    return walk.typed(":Pattern", value.pattern, value.flags)


def encode_logger(walk: Walk, value: Any) -> bytes:
    """By its name: where its lines go cannot change a result."""
    return walk.typed(":Logger", value.name)


def encode_date(walk: Walk, value: date) -> bytes:
    """The day."""
    return walk.typed(":date", value.toordinal())


def encode_datetime(walk: Walk, value: datetime) -> bytes:
    """The fields as written, the fold, and the time zone: a naive one never equals an aware one."""
    fields = (value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond)
    return walk.typed(":datetime", fields, value.fold, _zone(value.tzinfo, value))


def encode_time(walk: Walk, value: time) -> bytes:
    """The fields as written, the fold, and the time zone."""
    fields = (value.hour, value.minute, value.second, value.microsecond)
    return walk.typed(":time", fields, value.fold, _zone(value.tzinfo, value))


def encode_timedelta(walk: Walk, value: timedelta) -> bytes:
    """Days, seconds and microseconds."""
    return walk.typed(":timedelta", value.days, value.seconds, value.microseconds)


def encode_timezone(walk: Walk, value: timezone) -> bytes:
    """Offset and name."""
    return walk.typed(":timezone", *value.__getinitargs__())  # type: ignore[attr-defined]


def encode_zoneinfo(walk: Walk, value: Any) -> bytes:
    """The name of the zone; its rules belong to the time zone database."""
    from milepost.model.fingerprint.walk import Unkeyable

    if value.key is None:
        raise Unkeyable("a time zone read from a file has no name")
    return walk.typed(":ZoneInfo", value.key)


def _zone(zone: tzinfo | None, value: datetime | time) -> object:
    """What stands for a time zone: itself when it is known, else its class and what it says about `value`."""
    if zone is None:
        return None
    if type(zone).__module__.partition(".")[0] in ("datetime", "zoneinfo"):
        return zone
    name = getattr(zone, "key", None) or getattr(zone, "zone", None)
    return (type(zone).__module__, type(zone).__qualname__, name, value.utcoffset(), value.tzname())


EXACT: dict[type, Encode] = {
    type(None): lambda walk, value: b"N",
    type(Ellipsis): lambda walk, value: b"E",
    type(NotImplemented): lambda walk, value: b"I",
    bool: encode_bool,
    int: encode_int,
    float: encode_float,
    complex: encode_complex,
    str: encode_str,
    bytes: encode_bytes,
    bytearray: encode_bytearray,
    memoryview: encode_memoryview,
    range: encode_range,
    slice: encode_slice,
}
