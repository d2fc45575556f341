"""Values and texts read as the types they are declared to be: msgspec, made safe for several threads.

msgspec describes a class when it is first used, and puts the description where others find it before it is whole:
two threads that are the first to read one class crash the process (msgspec 0.22, a SIGSEGV; nothing of a lock in it).
So a class is described here, by one thread at a time, before anything is read. Nothing else in the house calls
msgspec with a type.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")
_describing = threading.RLock()


def convert(
    value: object, kind: type[T], *, strict: bool = True, foreign: Callable[[type, Any], object] | None = None
) -> T:
    """The value as an instance of this type; `foreign` reads what msgspec does not know.

    Raises:
        msgspec.ValidationError: The value does not fit.
        TypeError: msgspec does not support the type.

    Example:
        >>> convert("3", int, strict=False)
        3
    """
    _describe(kind)
    return msgspec.convert(value, kind, strict=strict, dec_hook=foreign)


def converter(kind: type[T]) -> Callable[[Mapping[str, object]], T]:
    """Makes instances of this class from their fields, and takes "3" for 3; for those who do so often."""
    _describe(kind)
    return lambda fields: msgspec.convert(fields, kind, strict=False)


def from_json(text: str | bytes, kind: type[T]) -> T:
    """The instance that this JSON says.

    Raises:
        msgspec.DecodeError: It is not JSON, or does not fit the type (then a msgspec.ValidationError).

    Example:
        >>> from_json("[1, 2]", tuple[int, ...])
        (1, 2)
    """
    _describe(kind)
    return msgspec.json.decode(text, type=kind)


def json_decoder(kind: type[T]) -> Callable[[str | bytes], T]:
    """What reads this type from JSON, for those who do so often."""
    _describe(kind)
    return msgspec.json.Decoder(kind).decode


def msgpack_decoder(kind: type[T]) -> Callable[[bytes | memoryview], T]:
    """What reads this type from MessagePack, for those who do so often."""
    _describe(kind)
    return msgspec.msgpack.Decoder(kind).decode


def _describe(kind: type) -> None:
    """Have msgspec describe a type and all that it names; what is wrong with it shows where it is used."""
    with _describing, suppress(Exception):
        msgspec.convert(_NOTHING, kind)


_NOTHING = object()  # fits no type: it is refused once the type is described


# A child is forked while nobody describes: the lock is free in it, and every class that it inherits is whole.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=lambda: _describing.acquire() and None,
        after_in_parent=_describing.release,
        after_in_child=_describing.release,
    )
