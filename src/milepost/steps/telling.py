"""What is said of a step, as JSON: whatever its shape, without secrets, and never a reason to lose the step."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence, Set
from datetime import date, time, timedelta
from enum import Enum
from typing import cast

import msgspec

from milepost.model.redaction import MASK, is_secret, names_a_secret, redact, redact_value
from milepost.model.shortening import LONGEST, shortened

DEEPEST = 50
MOST_VALUES = 1_000_000  # of one step's details; what is beyond them is left out
LARGEST_BYTES = 64_000_000
LONGEST_ERROR = 100_000  # characters of a message; of an exception `LONGEST`
MOST_OF_A_GROUP = 5
_READ = 1_000_000  # characters of a message that are looked through at all
_LARGEST_ARRAY = 1_000
_LEFT_OUT = "…"
_LEAST, _MOST = -(2**63), 2**64 - 1
_encode = msgspec.json.Encoder().encode
_harmless: set[str] = set()  # names that were found to be no secret's
_MOST_NAMES = 10_000


def told(value: object) -> str | None:
    """JSON of what was said of a step; None where nothing was.

    NaN and infinity become texts, as do bytes, integers beyond 64 bits and what has no other form; times are ISO 8601,
    durations seconds; a circle ends in "…". Secrets are masked as `milepost.model.redaction` finds them.

    Example:
        >>> told({"chars": 5000, "score": float("nan"), "api_key": "4711"})
        '{"chars":5000,"score":"nan","api_key":"***"}'
    """
    if value is None or (isinstance(value, dict) and not value):
        return None
    flat = _flat(value) if type(value) is dict else None
    text = _json(plain(value) if flat is None else flat)
    if len(text) > LARGEST_BYTES:
        return _json({"left_out": f"{len(text):,} characters of details: keep them in a file and name it here"})
    return text


def heard(text: str | None) -> object:
    """What `told` made JSON of; an empty dict for None."""
    if text is None:
        return {}
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        from json import loads  # which reads lone surrogates

        try:
            return loads(text)
        except ValueError:
            return {"unreadable": text}


def plain(value: object) -> object:
    """The value as JSON can hold it, without secrets."""
    return _Telling().plain("", value, 0)


def text_of(error: object) -> str | None:
    """An error message without secrets, the beginning of a long one; of an exception its text."""
    if error is None:
        return None
    try:
        text = str(error)
    except Exception as broken:
        return f"<{type(error).__name__} without a text: {type(broken).__name__}>"
    told = redact(text[:_READ])  # further than is kept: a secret that the cut tears in two is masked before
    return told if len(text) <= LONGEST_ERROR else f"{told[:LONGEST_ERROR]} … ({len(text):,} characters)"


def error_text(error: BaseException) -> str:
    """An exception by its type and text, with the notes that were added, and what a group of them consists of.

    Example:
        >>> error_text(ExceptionGroup("two", [ValueError("torn"), KeyError("page")]))
        "ExceptionGroup: two (2 sub-exceptions): ValueError: torn; KeyError: 'page'"
    """
    text = _type_and_text(error)
    if isinstance(error, BaseExceptionGroup):
        inner = list(_leaves(error))
        more = [f"and {len(inner) - MOST_OF_A_GROUP} more"] if len(inner) > MOST_OF_A_GROUP else []
        text += ": " + "; ".join([*map(_type_and_text, inner[:MOST_OF_A_GROUP]), *more])
    notes = [str(note) for note in getattr(error, "__notes__", ())]
    whole = "\n".join([text, *notes])
    return shortened(redact(whole[:_READ])) if len(whole) <= _READ else _beginning(whole)


def _beginning(text: str) -> str:
    return f"{redact(text[:_READ])[:LONGEST]} … ({len(text):,} characters)"


def _type_and_text(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception as broken:
        text = f"<without a text: {type(broken).__name__}>"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


def _json(value: object) -> str:
    try:
        return _encode(value).decode()
    except UnicodeEncodeError:
        from json import dumps  # which escapes lone surrogates

        return dumps(value, allow_nan=False, separators=(",", ":"))


def _flat(value: dict[str, object]) -> dict[str, object] | None:
    """What most details are, plain values under names that were met before, without secrets; None for all else."""
    kept: dict[str, object] = {}
    for name, one in value.items():
        if name not in _harmless:
            return None
        kind = type(one)
        if kind is str:
            one = redact(cast(str, one))
        elif kind is int:
            if not _LEAST <= cast(int, one) <= _MOST:
                return None
        elif kind is float:
            if not math.isfinite(cast(float, one)):
                return None
        elif one is not None and kind is not bool:
            return None
        kept[name] = one
    return kept


class _Telling:
    """One walk through what was said."""

    __slots__ = ("_above", "_left")

    def __init__(self) -> None:
        self._left = MOST_VALUES
        self._above: set[int] = set()  # the values that the present one is inside of

    def plain(self, name: str, value: object, depth: int) -> object:
        kind = type(value)
        if value is None or kind is bool:
            return value
        if name and name not in _harmless and _is_secret(name, value):
            return MASK
        if kind is int:
            return value if _LEAST <= cast(int, value) <= _MOST else redact_value("", value)[0]
        if kind is float:
            return value if math.isfinite(cast(float, value)) else str(value)
        if kind is str:
            return redact(cast(str, value))
        self._left -= 1
        if depth >= DEEPEST or self._left < 0 or id(value) in self._above:
            return _LEFT_OUT
        self._above.add(id(value))
        try:
            return self._other(value, depth + 1)
        except Exception as error:  # whatever a user's object does when it is looked at
            return f"<{kind.__name__} without a text: {type(error).__name__}>"
        finally:
            self._above.discard(id(value))

    def _other(self, value: object, depth: int) -> object:
        if isinstance(value, Mapping):
            return self._mapping(value, depth)
        if isinstance(value, list | tuple | Set):
            return self._each(value, depth)
        if isinstance(value, Enum):
            return self.plain("", value.value, depth)
        if isinstance(value, int | float | str):
            return self.plain("", _bare(value), depth)
        if isinstance(value, date | time):
            return value.isoformat()
        if isinstance(value, timedelta):
            return value.total_seconds()
        if isinstance(value, BaseException):
            return redact(f"{type(value).__name__}: {value}")
        return self._strange(value, depth)

    def _mapping(self, value: Mapping[object, object], depth: int) -> dict[str, object]:
        kept: dict[str, object] = {}
        for key, one in value.items():
            if self._left < 0:
                kept[_LEFT_OUT] = f"{len(value):,} entries in all"
                break
            self._left -= 1
            name = key if type(key) is str else str(key.value if isinstance(key, Enum) else key)
            shown = redact(name)
            while shown in kept:  # 1 and "1" are two
                shown += "'"
            kept[shown] = self.plain(name, one, depth)
        return kept

    def _each(self, values: Sequence[object] | Set[object], depth: int) -> list[object]:
        kept: list[object] = []
        for one in values:
            if self._left < 0:
                kept.append(_LEFT_OUT)
                break
            self._left -= 1
            kept.append(self.plain("", one, depth))
        return kept

    def _strange(self, value: object, depth: int) -> object:
        fields = getattr(type(value), "__dataclass_fields__", None) or getattr(type(value), "__struct_fields__", None)
        if fields and not isinstance(value, type):
            return self._mapping({name: getattr(value, name) for name in fields}, depth)
        if hasattr(value, "dtype") and hasattr(value, "tolist") and getattr(value, "size", _MOST) <= _LARGEST_ARRAY:
            return self.plain("", value.tolist(), depth)  # a number or a small array of NumPy's
        if type(value).__module__ in ("uuid", "decimal", "fractions", "ipaddress") or hasattr(value, "__fspath__"):
            return redact(str(value))
        return redact_value("", value)[0]


def _bare(value: int | float | str) -> int | float | str:
    """The builtin that a value of a subclass is."""
    if isinstance(value, str):
        return str.__str__(value)
    return int(value) if isinstance(value, int) else float(value)


def _is_secret(name: str, value: object) -> bool:
    if names_a_secret(name):
        return is_secret(name, value)
    if len(_harmless) < _MOST_NAMES and len(name) < 100 and redact(name) == name:
        _harmless.add(name)
    return False
