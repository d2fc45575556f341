"""What a check's answer means, whatever it answers or raises: one finding that every face can show."""

from __future__ import annotations

import math
from collections.abc import Mapping

from milepost.errors import MilepostError
from milepost.health.check import Finding
from milepost.model.health import HealthStatus
from milepost.model.redaction import redact
from milepost.model.refusal import refusal_text
from milepost.model.shortening import LONGEST, encodable, shortened

_READ = 1_000_000  # characters of a text that are looked through for secrets


def finding_of(answer: object) -> Finding:
    """What a check's answer means: nothing or True is healthy, False is critical.

    Example:
        >>> finding_of(None).status, finding_of(False).status
        (<HealthStatus.HEALTHY: 'healthy'>, <HealthStatus.CRITICAL: 'critical'>)
    """
    if isinstance(answer, Finding):
        return _sound(answer)
    if isinstance(answer, HealthStatus):
        return Finding(answer)
    if answer is None or answer is True:
        return Finding(HealthStatus.HEALTHY)
    if answer is False:
        return Finding(HealthStatus.CRITICAL, "it says no")
    return Finding(
        HealthStatus.UNKNOWN,
        f"it answered {type(answer).__name__}, which is no Finding, HealthStatus, bool or None",
    )


def finding_of_error(error: BaseException) -> Finding:
    """What it means that a check raised: what it looked at is not well."""
    try:
        if isinstance(error, MilepostError):
            text = str(error)
        elif isinstance(error, OSError):
            text = refusal_text(error)
        else:
            text = f"{type(error).__name__}: {error}".rstrip(": ")
    except Exception as broken:
        text = f"{type(error).__name__}: <without a text: {type(broken).__name__}>"
    return Finding(HealthStatus.CRITICAL, _told(text))


def _sound(finding: Finding) -> Finding:
    text, metrics = _text(finding.text), _figures(finding.metrics)
    try:
        return Finding(HealthStatus(finding.status), text, metrics)
    except (ValueError, TypeError):
        return Finding(HealthStatus.UNKNOWN, f"it answered a Finding with status {_text(finding.status)!r}", metrics)


def _text(given: object) -> str:
    try:
        return "" if given is None else _told(str(given))
    except Exception as broken:
        return f"<without a text: {type(broken).__name__}>"


def _told(text: str) -> str:
    if len(text) <= _READ:
        return shortened(encodable(redact(text)))
    return f"{encodable(redact(text[:_READ]))[:LONGEST]} … ({len(text):,} characters)"


def _figures(given: object) -> Mapping[str, float]:
    """Finite numbers by name; what is none says nothing."""
    if not isinstance(given, Mapping):
        return {}
    return {name: figure for name, figure in given.items() if isinstance(name, str) and _is_figure(figure)}


def _is_figure(figure: object) -> bool:
    if isinstance(figure, bool) or not isinstance(figure, int | float):
        return False
    try:
        return math.isfinite(figure)
    except OverflowError:  # more than a float can hold
        return False
