"""What a health check says: one frozen value, which becomes JSON and comes back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from milepost import typed
from milepost.errors import InvalidDataError
from milepost.health.check import CheckResult
from milepost.model.health import HealthStatus


class HealthReport(msgspec.Struct, frozen=True, kw_only=True):
    """How well it went at `timestamp` (UTC). Shares are from 0 to 1 and of the last hour, times in seconds.

    Example:
        >>> report = HealthReport(status=HealthStatus.HEALTHY, timestamp=datetime(2026, 1, 1, tzinfo=UTC))
        >>> HealthReport.from_dict(report.to_dict()) == report
        True
    """

    status: HealthStatus
    timestamp: datetime
    issues: tuple[str, ...] = ()  # one sentence for each check that is not healthy
    metrics: Mapping[str, float] = {}  # every figure that a check gave
    error_rate: float = 0.0  # of attempts
    warning_rate: float = 0.0
    failed_docs_ratio: float = 0.0
    avg_processing_time: float = 0.0  # of an attempt
    total_docs: int = 0
    checks: tuple[CheckResult, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """As JSON holds it: words, numbers, lists; the time in ISO 8601."""
        made: dict[str, object] = msgspec.to_builtins(self)
        return made

    @classmethod
    def from_dict(cls, data: Mapping[str, object]) -> HealthReport:
        """A report from `to_dict`; a time without a zone is UTC. Raises InvalidDataError where it is none."""
        try:
            report = typed.convert(dict(data), cls)
        except (msgspec.ValidationError, TypeError, ValueError) as error:
            raise InvalidDataError(f"this is no health report: {error}") from error
        if report.timestamp.tzinfo is None:
            return msgspec.structs.replace(report, timestamp=report.timestamp.replace(tzinfo=UTC))
        return report
