"""What all views are: frozen records whose times are UTC datetimes and which become JSON as they stand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec


class View(msgspec.Struct, frozen=True, kw_only=True):
    """The root of all views."""


def utc(epoch: float | None) -> datetime | None:
    """A ledger's time as a UTC datetime; None stays None.

    Example:
        >>> utc(0.0).isoformat()
        '1970-01-01T00:00:00+00:00'
    """
    return None if epoch is None else datetime.fromtimestamp(epoch, UTC)


def to_json(view: View | Sequence[View] | dict[str, object]) -> str:
    """One JSON document: times in ISO 8601 UTC, `null` where nothing is known."""
    return msgspec.json.format(msgspec.json.encode(view), indent=2).decode()
