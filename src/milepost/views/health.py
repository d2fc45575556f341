"""Health as every face shows it: a line a check, and what is to be done first."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from milepost.health import CheckResult, HealthReport, HealthStatus
from milepost.views.view import View


class CheckView(View, frozen=True, kw_only=True):
    """One check. `found` is what this look found, `status` what counts: a bad look alone may be an accident."""

    name: str
    status: HealthStatus
    found: HealthStatus
    text: str
    critical: bool
    seconds: float
    is_cached: bool

    @property
    def is_waiting(self) -> bool:
        """Whether this look was worse than what counts so far."""
        return self.found > self.status


class HealthView(View, frozen=True, kw_only=True):
    """A health check in full; shares are from 0 to 1 and of the last hour."""

    status: HealthStatus
    at: datetime
    issues: tuple[str, ...]
    error_rate: float
    warning_rate: float
    failed_docs_ratio: float
    avg_processing_time: float
    total_docs: int
    metrics: Mapping[str, float]
    checks: tuple[CheckView, ...]


def health_view(report: HealthReport) -> HealthView:
    """The report, the worst checks first."""
    return HealthView(
        status=report.status,
        at=report.timestamp,
        issues=report.issues,
        error_rate=report.error_rate,
        warning_rate=report.warning_rate,
        failed_docs_ratio=report.failed_docs_ratio,
        avg_processing_time=report.avg_processing_time,
        total_docs=report.total_docs,
        metrics=report.metrics,
        checks=tuple(sorted(map(_check, report.checks), key=lambda check: -check.status.rank)),
    )


def _check(result: CheckResult) -> CheckView:
    return CheckView(
        name=result.name,
        status=result.status,
        found=result.found,
        text=result.text,
        critical=result.critical,
        seconds=result.seconds,
        is_cached=result.is_cached,
    )
