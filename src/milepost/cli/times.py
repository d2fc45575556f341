"""Points in time as people write them: `1h`, `90s`, `2d` ago, or a date."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime

import click

_UNITS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_AGO = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|m|h|d|w)")


class Moment(click.ParamType):  # type: ignore[type-arg]
    """A time as UTC epoch seconds: so long ago, or an ISO date or time (of this time zone, unless it names one)."""

    name = "time"

    def convert(self, value: object, parameter: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        text = str(value).strip()
        ago = _AGO.fullmatch(text.lower())
        if ago is not None:
            return time.time() - float(ago[1]) * _UNITS[ago[2]]
        try:
            at = datetime.fromisoformat(text)
            return (at if at.tzinfo is not None else at.astimezone()).astimezone(UTC).timestamp()
        except (ValueError, OverflowError, OSError):
            self.fail(f"{text!r} is no time: say how long ago (90s, 15m, 1h, 2d, 1w) or when (2026-11-22 08:00)")


MOMENT = Moment()
