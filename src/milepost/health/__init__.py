"""Whether all goes well: named checks, each with its own time-out, and what they say together."""

from milepost.health.check import CheckResult, Finding
from milepost.health.manager import HealthCheckManager
from milepost.health.report import HealthReport
from milepost.model.health import HealthStatus, Levels, Thresholds

__all__ = [
    "CheckResult",
    "Finding",
    "HealthCheckManager",
    "HealthReport",
    "HealthStatus",
    "Levels",
    "Thresholds",
]
