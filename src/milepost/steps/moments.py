"""Times as people give them and as rows keep them: aware in UTC, seconds since the epoch."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from milepost.kernel.warning import warn

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_told: set[str] = set()  # so that a million naive times are one warning


def as_utc(moment: datetime, name: str = "timestamp") -> datetime:
    """The same moment in UTC. A naive one is taken to be UTC already, with one warning per program.

    Raises TypeError for what is no datetime, ValueError where UTC has no such moment.
    """
    if not isinstance(moment, datetime):
        raise TypeError(f"{name} is a datetime, not {type(moment).__name__}: for instance datetime.now(UTC)")
    if moment.utcoffset() is None:
        if "naive" not in _told:
            _told.add("naive")
            warn(f"{name} {moment} names no time zone and is taken as UTC; give datetime.now(UTC) or the like")
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{name} {moment} is outside of the years that UTC has here") from None


def to_seconds(moment: datetime, name: str = "timestamp") -> float:
    """Seconds since the epoch, as rows keep them."""
    return (as_utc(moment, name) - EPOCH).total_seconds()


def in_microseconds(seconds: float) -> float:
    """Seconds in whole microseconds, as datetimes have them; much faster than `round(seconds, 6)`.

    Example:
        >>> in_microseconds(1.23456789), in_microseconds(-1.23456789)
        (1.234568, -1.234568)
    """
    return round(seconds * 1e6) / 1e6


def span(start: datetime | None, end: datetime | None) -> tuple[float | None, float | None]:
    """Both bounds in seconds. ValueError where the end comes before the start."""
    since = None if start is None else to_seconds(start, "start_time")
    until = None if end is None else to_seconds(end, "end_time")
    if since is not None and until is not None and since > until:
        raise ValueError(f"start_time {start} is after end_time {end}: no step can lie between")
    return since, until


def from_seconds(seconds: float) -> datetime:
    """The moment of a row; the nearest there is where no datetime reaches.

    Example:
        >>> from_seconds(1.5).isoformat()
        '1970-01-01T00:00:01.500000+00:00'
    """
    try:
        return EPOCH + timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        return EPOCH if seconds != seconds else (datetime.max if seconds > 0 else datetime.min).replace(tzinfo=UTC)
