"""Numbers as people read them: durations, sizes, counts, rates, ages. Every text fits a table's column."""

from __future__ import annotations

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_UNKNOWN = "–"


def duration_text(seconds: float | None) -> str:
    """A duration in its two largest units; a dash when it is not known.

    Example:
        >>> [duration_text(s) for s in (0.00025, 0.18, 3.21, 42.4, 192, 4320, 100_000)]
        ['250 µs', '180 ms', '3.2 s', '42 s', '3 min 12 s', '1 h 12 min', '1 d 3 h']
    """
    if seconds is None or seconds != seconds or abs(seconds) == float("inf"):
        return _UNKNOWN
    if seconds < 0:
        return "-" + duration_text(-seconds)
    if round(seconds * 1e6) < 1000:
        return f"{round(seconds * 1e6)} µs" if seconds else "0 s"
    if round(seconds * 1e3) < 1000:
        return f"{round(seconds * 1e3)} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    return _long_duration(round(seconds))


def _long_duration(seconds: int) -> str:
    if seconds < _MINUTE:
        return f"{seconds} s"
    if seconds < _HOUR:
        return _two(seconds, _MINUTE, "min", 1, "s")
    if seconds < _DAY:
        return _two(seconds, _HOUR, "h", _MINUTE, "min")
    return _two(seconds, _DAY, "d", _HOUR, "h")


def _two(seconds: int, large: int, large_name: str, small: int, small_name: str) -> str:
    whole, rest = divmod(seconds, large)
    part = rest // small
    return f"{whole:,} {large_name} {part} {small_name}" if part else f"{whole:,} {large_name}"


def bytes_text(count: int | None) -> str:
    """A size in decimal units, three figures.

    Example:
        >>> [bytes_text(n) for n in (0, 999, 1000, 1_234_567, 41_000_000_000)]
        ['0 B', '999 B', '1.00 kB', '1.23 MB', '41.0 GB']
    """
    if count is None:
        return _UNKNOWN
    if count < 0:
        return "-" + bytes_text(-count)
    if count < 1000:
        return f"{count} B"
    amount = float(count)
    for unit in ("kB", "MB", "GB", "TB", "PB"):
        amount /= 1000
        text = _three_figures(amount)
        if text != "1000":
            return f"{text} {unit}"
    return f"{amount:,.0f} PB"


def _three_figures(amount: float) -> str:
    if amount < 9.995:
        return f"{amount:.2f}"
    return f"{amount:.1f}" if amount < 99.95 else f"{min(amount, 1000):.0f}"


def count_text(count: int | None) -> str:
    """A count with its thousands apart.

    Example:
        >>> count_text(336776)
        '336,776'
    """
    return _UNKNOWN if count is None else f"{count:,}"


def rate_text(per_second: float | None) -> str:
    """A rate in the unit that gives a figure of one or more: per second, minute, hour or day.

    Example:
        >>> [rate_text(r) for r in (1234, 7.25, 0.25, 0.001)]
        ['1,234/s', '7.2/s', '15/min', '3.6/h']
    """
    if per_second is None or per_second != per_second or per_second < 0 or per_second == float("inf"):
        return _UNKNOWN
    for unit, seconds in (("s", 1), ("min", _MINUTE), ("h", _HOUR)):
        if per_second * seconds >= 1:
            return f"{_rate(per_second * seconds)}/{unit}"
    return f"{_rate(per_second * _DAY)}/d"


def _rate(amount: float) -> str:
    return f"{amount:,.0f}" if amount >= 9.95 or amount == int(amount) else f"{amount:.1f}"


def ago_text(seconds: float | None) -> str:
    """An age in its largest unit.

    Example:
        >>> [ago_text(s) for s in (2, 42, 300, 7200, 200_000)]
        ['just now', '42 s ago', '5 min ago', '2 h ago', '2 d ago']
    """
    if seconds is None or seconds != seconds:
        return _UNKNOWN
    if seconds < 5:
        return "just now"  # also for the near future: two machines' clocks differ
    for unit, length in (("d", _DAY), ("h", _HOUR), ("min", _MINUTE)):
        if seconds >= length:
            return f"{int(min(seconds, 1e15) // length):,} {unit} ago"
    return f"{int(seconds)} s ago"
