"""Numbers of one line beside each other: as few digits as tell them apart, the same decimals for all."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, isfinite, log10

from milepost.model.comparison.subjects import Number

_DIGITS = range(4, 18)  # significant ones of the largest; 17 tell any two floats apart
MANY_PERCENT = 100_000  # from here on it is said how many times as much it is
_PLAIN = (1e-4, 1e15)  # outside of these a number is written with its exponent


def figures(values: Sequence[Number | None]) -> list[str]:
    """The numbers as texts, "" for None.

    Example:
        >>> figures([0.91234, 0.912, None]), figures([1204331, 7]), figures([0.5, 2])
        (['0.9123', '0.9120', ''], ['1,204,331', '7'], ['0.5', '2.0'])
    """
    known = [value for value in values if value is not None]
    if all(isinstance(value, int) for value in known):
        return ["" if value is None else f"{value:,}" for value in values]
    different = len(set(known))
    texts: dict[Number, str] = {}
    for digits in _DIGITS:
        texts = _written(known, digits)
        if len(set(texts.values())) >= different:
            break
    return ["" if value is None else texts[value] for value in values]


def change(values: Sequence[Number | None]) -> str:
    """By how much the second of two numbers is more or less than the first: `+2.7 %`; "" where that says nothing.

    Example:
        >>> change([8.0, 10.0]), change([0, 3]), change([2, 2]), change([0.002, 600.0])
        ('+25 %', '', '', '×300,000')
    """
    old, new = values
    if not old or new is None or old == new or not isfinite(old) or not isfinite(new):
        return ""
    percent = (new / old - 1) * (100 if old > 0 else -100)
    if abs(percent) >= MANY_PERCENT:
        times = new / old
        return "" if times < 0 or not isfinite(times) else f"×{times:,.0f}" if times < _PLAIN[1] else f"×{times:.2g}"
    text = f"{percent:+.1f}" if abs(percent) < 9.95 else f"{percent:+,.0f}"
    return f"{text} %" if text not in ("+0.0", "-0.0") else ""


def _written(known: Sequence[Number], digits: int) -> dict[Number, str]:
    sizes = [abs(value) for value in known if value and isfinite(value)] or [1.0]
    if min(sizes) < _PLAIN[0] or max(sizes) >= _PLAIN[1]:
        return {value: f"{value:.{digits}g}" for value in known}
    least = min(2 - floor(log10(min(sizes))), 6)  # a small number beside a large one keeps some digits
    decimals = max(digits - 1 - floor(log10(max(sizes))), least, 0)
    texts = {value: f"{value:,.{decimals}f}" for value in known}
    idle = min(_idle_zeros(text) for text in texts.values())
    return {value: text[: len(text) - idle] for value, text in texts.items()}


def _idle_zeros(text: str) -> int:
    """How many decimals say nothing; one always stays, for it says that this is no count."""
    decimals = text.partition(".")[2]
    return max(min(len(decimals) - len(decimals.rstrip("0")), len(decimals) - 1), 0)
