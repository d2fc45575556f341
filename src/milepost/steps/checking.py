"""What may be given for a name, a number or a document, and how what was given instead is shown."""

from __future__ import annotations

import math
import os
from typing import cast

from milepost.errors import StoreError
from milepost.steps.telling import plain

LONGEST_STEP_NAME = 1_000  # characters; steps are few and shared by many documents
_MOST_COUNT = 2**63 - 1
_SHOWN = 60


def shown(value: object) -> str:
    """What was given, in few characters and without secrets, whatever it does when it is looked at.

    Example:
        >>> shown({"api_key": "4711"}), shown("x" * 100)[-5:]
        ("{'api_key': '***'}", 'xxxx…')
    """
    if isinstance(value, int) and abs(value) > _MOST_COUNT:
        return "a number of more than 64 bits"
    text = repr(plain(value))
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def name_of(name: object, what: str, *, longest: int | None = None) -> str:
    """The name as a plain text. ValueError for an empty one or one that is too long, TypeError for what is no text."""
    if not isinstance(name, str):
        raise TypeError(f"{what} is a text, not {type(name).__name__}: {shown(name)}; give str(…) of it")
    name = str.__str__(name)
    if not name:
        raise ValueError(f"{what} cannot be empty: name what the step was about")
    if longest is not None and len(name) > longest:
        raise ValueError(f"{what} has at most {longest:,} characters, not {len(name):,}; {name[:40]!r}… is too long")
    return name


def document_id(name: object) -> str:
    """A document's id, checked."""
    return name if type(name) is str and name else name_of(name, "a document's id")


def step_name(name: object) -> str:
    """A step's name, checked."""
    if type(name) is str and 0 < len(name) <= LONGEST_STEP_NAME:
        return name
    return name_of(name, "a step's name", longest=LONGEST_STEP_NAME)


def count(value: object, what: str, *, least: int = 0) -> int:
    """A number of things. TypeError for what counts nothing, ValueError for less than `least`."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{what} is a whole number, not {type(value).__name__}: {shown(value)}")
    number = cast(int, value).__index__()
    if not least <= number <= _MOST_COUNT:
        raise ValueError(f"{what} is a whole number from {least} up to 2⁶³, so it cannot be {shown(number)}")
    return number


def seconds(value: object, what: str) -> float:
    """A length of time. TypeError for what is no number, ValueError for a negative one and those without an end."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{what} is a number of seconds, not {type(value).__name__}: {shown(value)}")
    if not 0 <= value <= _MOST_COUNT or not math.isfinite(value):
        raise ValueError(f"{what} is a number of seconds from 0 up, so it cannot be {shown(value)}")
    return float(value)


def document_in(value: object) -> str:
    """The id of the document that an argument of a tracked function is: a text, a number, a path, what has a text.

    TypeError for what would be called otherwise the next time, or like no other document.
    """
    if isinstance(value, str):
        return document_id(value)
    if isinstance(value, os.PathLike):
        return document_id(str(value))
    is_number = hasattr(value, "__index__") and not isinstance(value, bool)
    has_text = type(value).__str__ is not object.__str__ and not hasattr(value, "__iter__")
    if is_number or (has_text and not isinstance(value, type)):
        return document_id(str(value))
    raise TypeError(
        f"a {type(value).__name__} names no document: {shown(value)}; say key=, which parameter does, or what finds it"
    )


def place_error(place: str, reason: object) -> StoreError:
    """That no ledger can be there."""
    return StoreError(f"steps cannot be kept at {place!r:.80}: {reason}; give a path or sqlite:///FILE")
