"""The walk through a value: which encoder each part takes, and how parts join into one canonical encoding.

An encoding is a tag byte and a body. Inside a container each child stands as its length and its encoding, or, when
that is longer than 64 bytes, as "#" and the xxh3-128 of it. So every encoding can be read in one way only, memory
stays small, and a part that occurs twice is encoded once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from xxhash import xxh3_128_digest

from milepost.model.fingerprint.flat import flat_dict, flat_items, flat_set

MAX_DEPTH = 200  # two frames of ours a level: far from Python's own limit of 1000
_SHORT = 64
_LENGTHS = tuple(bytes((size,)) for size in range(_SHORT + 1))
_MEMORY = 1 << 16

Encode = Callable[["Walk", Any], bytes]
Functions = Callable[[object], bytes]


class Unkeyable(Exception):
    """Why a part has no fingerprint; `steps` lead to it, innermost first."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.steps: list[str] = []

    def at(self, step: str) -> Unkeyable:
        """The same, one step further out."""
        self.steps.append(step)
        return self


class Walk:
    """One walk through one value. `functions` turns functions, classes and modules into bytes."""

    __slots__ = ("_classes", "_done", "_open", "functions")

    def __init__(self, functions: Functions | None = None) -> None:
        self.functions = functions
        self._classes: dict[type, Encode] = {}
        self._open: set[int] = set()
        self._done: dict[int, tuple[object, bytes]] = {}  # holds the object too, so that its id stays its own

    def encode(self, value: object) -> bytes:
        """The encoding of `value`."""
        kind = type(value)
        encoder = EXACT.get(kind) or self._classes.get(kind)
        if encoder is None:
            from milepost.model.fingerprint.kinds import find_encoder

            encoder = self._classes[kind] = find_encoder(kind)
        return encoder(self, value)

    def part(self, value: object) -> bytes:
        """`value` as it stands inside a container."""
        encoder = EXACT.get(type(value))
        body = encoder(self, value) if encoder is not None else self.encode(value)
        return framed(body)

    def typed(self, label: str, *parts: object) -> bytes:
        """A value of a named kind, made of `parts`. For kinds that cannot contain themselves."""
        return b"k" + framed(label.encode("utf-8", "surrogatepass")) + b"".join(map(self.part, parts))

    def enter(self, value: object) -> bytes | None:
        """Begin a container; its encoding when this walk has already made it."""
        key = id(value)
        done = self._done.get(key)
        if done is not None:
            return done[1]
        if key in self._open:
            raise Unkeyable("it contains itself")
        if len(self._open) >= MAX_DEPTH:
            raise Unkeyable(f"it is nested deeper than {MAX_DEPTH} levels")
        self._open.add(key)
        return None

    def leave(self, value: object, body: bytearray | bytes) -> bytes:
        """End a container: its encoding, shortened."""
        self._open.discard(id(value))
        encoding = shortened(bytes(body))
        if len(self._done) >= _MEMORY:
            self._done.clear()
        self._done[id(value)] = (value, encoding)
        return encoding


def shortened(body: bytes) -> bytes:
    """`body`, or "#" and its digest when it is long."""
    return body if len(body) <= _SHORT else b"#" + xxh3_128_digest(body)


def framed(body: bytes) -> bytes:
    """`body` with its length in front, shortened."""
    if len(body) > _SHORT:
        return b"\x11#" + xxh3_128_digest(body)
    return _LENGTHS[len(body)] + body


def encode_dict(walk: Walk, value: dict[object, object]) -> bytes:
    """An exact dict: the order of its keys does not count."""
    flat = flat_dict(value)
    return b"D" + flat if flat is not None else encode_items(walk, value, b"d", dict.items(value), in_order=False)


def encode_list(walk: Walk, value: list[object]) -> bytes:
    """An exact list."""
    flat = flat_items(value)
    return b"L" + flat if flat is not None else encode_elements(walk, value, b"l", value)


def encode_tuple(walk: Walk, value: tuple[object, ...]) -> bytes:
    """An exact tuple."""
    flat = flat_items(value)
    return b"U" + flat if flat is not None else encode_elements(walk, value, b"t", value)


def encode_elements(walk: Walk, owner: object, head: bytes, elements: Iterable[object]) -> bytes:
    """The elements of `owner` in their order."""
    done = walk.enter(owner)
    if done is not None:
        return done
    body, position = bytearray(head), 0
    try:
        for element in elements:
            body += walk.part(element)
            position += 1
    except Unkeyable as lost:
        raise lost.at(f"[{position}]") from None
    return walk.leave(owner, body)


def encode_items(
    walk: Walk, owner: object, head: bytes, items: Iterable[tuple[object, object]], *, in_order: bool
) -> bytes:
    """Keys with values, sorted by the keys' encodings unless their order counts."""
    done = walk.enter(owner)
    if done is not None:
        return done
    parts, key = [], None
    try:
        for key, value in items:
            parts.append((walk.part(key), walk.part(value)))
    except Unkeyable as lost:
        raise lost.at(f"[{key_text(key)}]") from None
    if not in_order:
        parts.sort()
    return walk.leave(owner, head + b"".join(map(b"".join, parts)))


def encode_set(walk: Walk, value: set[object] | frozenset[object]) -> bytes:
    """A set: its elements sorted by their encodings."""
    flat = flat_set(value)
    if flat is not None:
        return (b"W" if type(value) is set else b"Y") + flat
    head = b"S" if type(value) is set else b"Z"
    done = walk.enter(value)
    if done is not None:
        return done
    try:
        parts = sorted(map(walk.part, value))
    except Unkeyable as lost:
        raise lost.at("{…}") from None
    return walk.leave(value, head + b"".join(parts))


def key_text(key: object) -> str:
    """A dict's key as a path shows it."""
    from milepost.model.fingerprint.preview import preview

    return preview(key, 60)


EXACT: dict[type, Encode] = {dict: encode_dict, list: encode_list, tuple: encode_tuple}
EXACT[set] = EXACT[frozenset] = encode_set
