"""Item keys of mapped stages: what an item is called in the ledger, and the digest of its value.

With `key=` an item is called by the text of that value, and two items of one name are an error that names both.
Without, by the hex digest of its content; the second item of equal content gets "#2" behind it, the third "#3".
Never by its position, so items may be inserted, removed and reordered.

Text of a key: a `str` stands as it is, unless it could be read as something else (a number, a literal, another type's
form) or does not print: then it is quoted as JSON. So `1` is the item 1 and `"1"` the item of that text. Everything
but `str`, `int`, `float`, `bool` and `None` is written as its type's name with the text in parentheses. Long keys end
in "…" and a digest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from milepost.errors import InvalidDataError, UnkeyableError
from milepost.model.fingerprint import digest, preview
from milepost.model.nearest import did_you_mean

Key = str | Callable[[object], object] | None
_LONGEST = 200
_LITERALS = frozenset({"None", "True", "False"})
_FORM = re.compile(r"[\"(\[{<]|\w+\(.*\)$", re.DOTALL)
_DRAWERS = 1 << 14
_MARK, _RECORD = 12, 16  # bytes


def item_keys(
    items: Iterable[object], key: Key = None, *, stage: str, content: bool = True
) -> Iterator[tuple[str, bytes]]:
    """The key and the digest (16 bytes) of each item, in order, one at a time.

    `key` is a field of a dict, an attribute, or a callable. Without `content` the digest is that of the key alone.
    Memory: 10 MB, and about 50 bytes an item at most.
    Raises InvalidDataError for a missing field, a key that two items share, a callable that raises; UnkeyableError
    for an item without a fingerprint.

    Example:
        >>> [text for text, _ in item_keys([{"id": 7}, {"id": "7"}], "id", stage="score")]
        ['7', '"7"']
    """
    return _by_content(items, stage) if key is None else _by_key(items, key, stage, content)


def _by_content(items: Iterable[object], stage: str) -> Iterator[tuple[str, bytes]]:
    counts = Numbers()
    put = counts.put
    for position, item in enumerate(items):
        try:
            found = digest(item)
        except UnkeyableError:
            found = _digest(item, position, stage)
        before = put(found, 1)
        if before is None:
            yield found.hex(), found
            continue
        counts.change(found, before + 1)
        yield f"{found.hex()}#{before + 1}", found


def is_repeated(item: str) -> bool:
    """Whether an item key, or one of several joined, may be that of an item whose equal came before it.

    Only without `key=` are there such.

    Example:
        >>> texts = [text for text, _ in item_keys(["a", "a"], stage="score")]
        >>> [is_repeated(text) for text in texts]
        [False, True]
    """
    return "#" in item


def _by_key(
    items: Iterable[object], key: str | Callable[[object], object], stage: str, content: bool
) -> Iterator[tuple[str, bytes]]:
    positions = Numbers()
    for position, item in enumerate(items):
        value = _key_of(item, key, position, stage)
        text = key_text(value, name=f"stage {stage!r}: the key of item {position}")
        of_key = digest(text)
        first = positions.put(of_key, position)
        if first is not None:
            raise InvalidDataError(
                f"stage {stage!r}: items {first} and {position} have the same key {preview(value)}:"
                " choose a key= that differs, or leave it out",
                stage=stage, positions=(first, position), key=text,
            )  # fmt: skip
        yield text, _digest(item, position, stage) if content else of_key


def _digest(item: object, position: int, stage: str) -> bytes:
    try:
        return digest(item, name="item")
    except UnkeyableError as error:
        path = f"item[{position}]{str(error.details['path']).removeprefix('item')}"
        text = f"stage {stage!r}: {path} has no fingerprint: {error.details['reason']}"
        raise UnkeyableError(text, path=path, reason=error.details["reason"]) from error.__cause__


def _key_of(item: object, key: str | Callable[[object], object], position: int, stage: str) -> object:
    if not isinstance(key, str):
        try:
            return key(item)
        except Exception as error:
            raise InvalidDataError(
                f"stage {stage!r}: key= raised {type(error).__name__} at item {position} ({preview(item, 80)})",
                stage=stage, position=position,
            ) from error  # fmt: skip
    try:
        return item[key] if isinstance(item, Mapping) else getattr(item, key)
    except (KeyError, AttributeError):
        raise _missing_field(item, key, position, stage) from None


def _missing_field(item: object, key: str, position: int, stage: str) -> InvalidDataError:
    names = item if isinstance(item, Mapping) else [name for name in dir(item) if not name.startswith("_")]
    fields = [str(name) for name in names][:50]
    text = f"stage {stage!r}: item {position} ({type(item).__name__}) has no {key!r} for key=."
    return InvalidDataError(text + did_you_mean(key, fields), stage=stage, position=position, field=key)


def key_text(value: object, *, name: str = "key") -> str:
    """The text of a key: readable, one line, another for another value or type.

    Example:
        >>> key_text("INV-7"), key_text("7"), key_text(7), key_text((1, "a"))
        ('INV-7', '"7"', '7', '(1, a)')
    """
    text = _text(value, name)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]}…#{digest(value, name=name).hex()}"


def _text(value: object, name: str) -> str:
    kind = type(value)
    if kind is str:
        return _str_text(value)  # type: ignore[arg-type]
    if kind is int and value.bit_length() <= 512:  # type: ignore[attr-defined]
        return str(value)
    if kind in (float, bool, type(None)):
        return repr(value)
    if kind is tuple and len(value) <= 8:  # type: ignore[arg-type]
        inner = ", ".join(_quoted_in_tuple(each, name) for each in value)  # type: ignore[attr-defined]
        return f"({inner})"
    if _is_written_well(value):
        return f"{kind.__name__}({_printable(str(value))})"
    return f"{kind.__name__}({digest(value, name=name).hex()})"


def _quoted_in_tuple(value: object, name: str) -> str:
    text = _text(value, name)
    is_plain = not isinstance(value, str) or not re.search(r"[,()]", text) or text.startswith('"')
    return text if is_plain else json.dumps(value)


def _str_text(value: str) -> str:
    head = value[: _LONGEST + 1]
    if head.isprintable() and head.strip() == head != "" and not _reads_otherwise(head):
        return head if len(value) <= _LONGEST else value
    return json.dumps(value, ensure_ascii=not value.isprintable())


def _reads_otherwise(text: str) -> bool:
    """Whether a bare text could be taken for a number, a literal or another type's form."""
    if text in _LITERALS or _FORM.match(text):
        return True
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_written_well(value: object) -> bool:
    """Whether `str` of it says all of it, as of dates, decimals, identifiers, paths and NumPy's numbers."""
    module, name = type(value).__module__, type(value).__qualname__
    return f"{module}.{name}" in _WRITTEN_WELL


_WRITTEN_WELL = frozenset(
    {"datetime.date", "datetime.timedelta", "decimal.Decimal", "uuid.UUID", "fractions.Fraction", "pathlib.PosixPath"}
    | {"numpy.int64", "numpy.int32", "numpy.uint64", "numpy.float64", "numpy.datetime64", "numpy.str_"}
)


def _printable(text: str) -> str:
    return text if text.isprintable() else json.dumps(text)


class Numbers:
    """A table from digests to numbers below 2**32, in about 20 bytes each when they are many.

    The first of them, up to `near`, are in a dict, which is faster. Of the others, drawers by 14 bits of the digest
    hold records of 12 more bytes of it and 4 of the number, found by a search for the bytes. So among a million the
    odds that two digests are taken for one are below 10**-18.
    """

    def __init__(self, near: int = 87_000) -> None:
        self._most_near = near
        self._near: dict[bytes, int] = {}
        self._drawers: list[bytearray | None] = [None] * _DRAWERS
        self._far = 0

    def __len__(self) -> int:
        return len(self._near) + self._far

    def put(self, key: bytes, number: int) -> int | None:
        """Note `number` for a new digest; for a known one leave all as it is and return what it has."""
        near = self._near
        if key in near:
            return near[key]
        if len(near) < self._most_near:
            near[key] = number
            return None
        return self._put_far(key, number)

    def _put_far(self, key: bytes, number: int) -> int | None:
        mark, place = key[:_MARK], (key[_MARK] << 8 | key[_MARK + 1]) % _DRAWERS
        drawer = self._drawers[place]
        if drawer is None:
            drawer = self._drawers[place] = bytearray()
        elif (at := _find(drawer, mark)) >= 0:
            return int.from_bytes(drawer[at + _MARK : at + _RECORD], "little")
        drawer += mark + number.to_bytes(4, "little")
        self._far += 1
        return None

    def change(self, key: bytes, number: int) -> None:
        """Give a known digest another number."""
        if key in self._near:
            self._near[key] = number
            return
        drawer = self._drawers[(key[_MARK] << 8 | key[_MARK + 1]) % _DRAWERS]
        assert drawer is not None
        at = _find(drawer, key[:_MARK]) + _MARK
        drawer[at : at + 4] = number.to_bytes(4, "little")


def _find(drawer: bytearray, mark: bytes) -> int:
    """Where the record begins, -1 when there is none; matches that lie across records are none."""
    at = drawer.find(mark)
    while at > 0 and at % _RECORD:
        at = drawer.find(mark, at + 1)
    return at
