"""Words and figures for people: durations, ages, counts, sizes, and text that cannot act on a terminal."""

from __future__ import annotations

import re
from datetime import datetime

from milepost.model.text import clip as clip
from milepost.model.text import counted as counted
from milepost.model.text import duration as duration
from milepost.model.text import safe as safe
from milepost.model.text import size as size
from milepost.model.text import width as width

LEAST_COLUMNS = 20  # a narrower window wraps by itself
_FIGURE = re.compile(r"(?<=\d) (?=(?:s|min|h|d|[kMGTP]?B|%)(?!\w))")  # the blank before a unit


def safe_lines(text: str) -> list[str]:
    """The lines of a text, each harmless; tabs become spaces."""
    return [safe(line) for line in text.expandtabs(4).splitlines()]


def wrapped(text: str, columns: int, *, indent: str = "") -> list[str]:
    """The text as lines of at most so many columns, broken between words; a longer word stays whole, as does `1.8 s`.

    Example:
        >>> wrapped("one two three four five", 20, indent="  ")
        ['  one two three four', '  five']
    """
    from textwrap import wrap

    lines = wrap(
        _FIGURE.sub("\N{NO-BREAK SPACE}", text), max(columns, LEAST_COLUMNS),
        initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines] or [indent]


def rough(seconds: float | None) -> str:
    """An estimate, no more exact than it is: `4 s`, `3 min`, `2 h 10 min`."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{max(round(seconds), 1) if seconds > 0 else 0} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    return duration(minutes // 10 * 600 if minutes >= 120 else minutes * 60)


def age(at: datetime | None, now: float) -> str:
    """How long ago: `12 s ago`, `5 min ago`, `3 h ago`, `yesterday`, else the date."""
    if at is None:
        return ""
    seconds = max(now - at.timestamp(), 0.0)
    if seconds < 60:
        return f"{int(seconds)} s ago"
    if seconds < 3600:
        return f"{int(seconds // 60)} min ago"
    if seconds < 86400:
        return f"{int(seconds // 3600)} h ago"
    if seconds < 7 * 86400:
        days = int(seconds // 86400)
        return "yesterday" if days == 1 else f"{days} days ago"
    return at.astimezone().strftime("%Y-%m-%d")


def count(number: int | None) -> str:
    """A count with thousands set apart: `1,204`."""
    return "" if number is None else f"{number:,}"


def rate(per_second: float | None) -> str:
    """A rate: `310/s`, `4.2/s`, `12/min`, `3/h`."""
    if per_second is None or per_second <= 0:
        return ""
    for figure, unit in ((per_second, "s"), (per_second * 60, "min")):
        if figure >= 1:
            return f"{figure:,.0f}/{unit}" if figure >= 9.95 else f"{figure:.1f}/{unit}"
    return f"{per_second * 3600:.1f}/h"


def listed(names: list[str], *, most: int = 6) -> str:
    """`orders, clean and score`; beyond `most`, `… and 4 more`."""
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1] if names else "") if part)
