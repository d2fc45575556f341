"""Text that people read: harmless to a terminal, measured in its columns; durations, counts and sizes in words."""

from __future__ import annotations

import re
from collections.abc import Sequence

# C0 and C1 controls, what reorders or hides text, separators that break a line, and lone surrogates.
_ACTING = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]"
)

_FORMULA = ("=", "+", "-", "@")
_NUMBER = re.compile(r"-?[0-9.eE+-]+")


def safe(text: object, *, limit: int | None = None) -> str:
    """Text as one harmless line: what would move a cursor, colour, reorder or break it is written as an escape.

    Example:
        >>> safe("a\\x1b[2Jb")
        'a\\\\x1b[2Jb'
    """
    shown = _ACTING.sub(_escape, str(text))
    return shown if limit is None else clip(shown, limit)


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    short = {10: "\\n", 13: "\\r", 9: "\\t"}.get(code)
    return short or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")


def inert(value: object) -> object:
    """A cell of a CSV: a text that a spreadsheet would take for a formula, or a terminal for a command, as mere text.

    Example:
        >>> inert("=1+1"), inert("-5"), inert(-5)
        ("'=1+1", '-5', -5)
    """
    if not isinstance(value, str):
        return value
    text = safe(value)
    return f"'{text}" if text.lstrip().startswith(_FORMULA) and not _NUMBER.fullmatch(text) else text


def width(text: str) -> int:
    """How many columns a terminal gives this text."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(sign) else 2 if east_asian_width(sign) in "WF" else 1 for sign in text)


def clip(text: str, columns: int) -> str:
    """The text, cut with an ellipsis to so many columns."""
    if width(text) <= columns:
        return text
    kept = text[: max(columns - 1, 0)]
    while kept and width(kept) > columns - 1:
        kept = kept[:-1]
    return kept + "…" if columns > 0 else ""


def clip_apart(texts: Sequence[str], columns: Sequence[int]) -> list[str]:
    """The texts, each cut to its columns; what would be cut before it differs from the others begins later.

    Example:
        >>> clip_apart(["/data/2024/january.csv", "/data/2024/february.csv"], [12, 12])
        ['…january.csv', '…february.c…']
    """
    wide = [at for at, text in enumerate(texts) if width(text) > columns[at]]
    if not wide:
        return list(texts)
    start = _before_difference(texts, min(columns[at] for at in wide))
    begun = {at: f"…{texts[at][start:]}" for at in wide if start}
    return [clip(begun.get(at, text), columns[at]) for at, text in enumerate(texts)]


def _before_difference(texts: Sequence[str], columns: int) -> int:
    """Where to begin so that the difference is seen: 0 while it is in the first half, else at a word before it.

    Where their ends can be seen whole from an earlier place, that is it.
    """
    first, last = min(texts), max(texts)
    shared = next((at for at, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first))
    if first == last or shared <= columns // 2:
        return 0
    words = [found.end() for found in re.finditer(r"[\s/,.:;=_\-\[{(\"']", first[:shared])]
    near = [at for at in words if at > shared - columns // 3]
    ends_whole = max(map(len, texts)) - columns + 1
    return min(near[-1] if near else shared, max(ends_whole, 1))


def duration(seconds: float | None) -> str:
    """A duration: `0.0 s`, `12.4 s`, `3 min 05 s`, `2 h 07 min`, `3 d 4 h`; nothing for None."""
    if seconds is None:
        return ""
    seconds = max(seconds, 0.0)
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def span(seconds: float) -> str:
    """A length of time that was chosen: as `duration` says it, without a rest of nothing: `1 h`, `5 min`.

    Example:
        >>> span(3600), span(300), span(90), span(2)
        ('1 h', '5 min', '1 min 30 s', '2 s')
    """
    return re.sub(r"\.0(?= s$)| 0+ (?:s|min|h)$", "", duration(seconds))


def counted(number: int, thing: str) -> str:
    """`1 item`, `1,204 items`."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def size(size_bytes: int | None) -> str:
    """A size: `812 B`, `4.1 MB`, `142 MB`."""
    if size_bytes is None:
        return ""
    figure, units = float(size_bytes), iter(("B", "kB", "MB", "GB", "TB", "PB"))
    unit = next(units)
    while figure >= 999.5 and (larger := next(units, None)):
        figure, unit = figure / 1000, larger
    return f"{figure:.0f} {unit}" if unit == "B" or figure >= 9.95 else f"{figure:.1f} {unit}"
