"""What a check is, what it may answer, and what becomes of its answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from milepost.errors import InvalidDataError, MilepostError
from milepost.model.health import HealthStatus
from milepost.model.health_looks import LOOKS
from milepost.model.redaction import redact
from milepost.model.refusal import refusal_text

TIMEOUT_SECONDS = 5.0


class Finding(msgspec.Struct, frozen=True):
    """What one look found: a status, a sentence, and figures by name.

    Example:
        >>> Finding(HealthStatus.WARNING, "the queue holds 1,200 files", {"queued": 1200}).status
        <HealthStatus.WARNING: 'warning'>
    """

    status: HealthStatus
    text: str = ""
    metrics: Mapping[str, float] = {}


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """A question with a name, asked in a thread of its own."""

    name: str
    ask: Callable[[], object]
    timeout: float = TIMEOUT_SECONDS  # seconds; after them the answer is UNKNOWN
    ttl: float = 0.0  # seconds for which an answer holds
    critical: bool = True  # False: a warning at worst
    looks: int = LOOKS  # so many bad ones in a row count
    is_shared: bool = True  # looks of other processes at the same workspace count too
    is_about_readiness: bool = False


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a check contributes. `found` is what this look found, `status` what counts after damping."""

    name: str
    status: HealthStatus
    found: HealthStatus
    text: str = ""
    metrics: Mapping[str, float] = {}
    critical: bool = True
    seconds: float = 0.0  # the look took
    is_cached: bool = False


def checked(check: Check) -> Check:
    """The check itself. Raises InvalidDataError when it cannot be one."""
    if not check.name or not isinstance(check.name, str):
        raise InvalidDataError(f"a check needs a name, not {check.name!r}")
    if not callable(check.ask):
        raise InvalidDataError(f"check {check.name!r} is no function but {type(check.ask).__name__}")
    if not check.timeout > 0:
        raise InvalidDataError(f"check {check.name!r}: timeout is {check.timeout}; give it more than 0 seconds")
    if not check.ttl >= 0 or check.looks < 1:
        raise InvalidDataError(f"check {check.name!r}: ttl is at least 0 seconds and looks at least 1")
    return check


def finding_of(answer: object) -> Finding:
    """What a check's answer means: nothing or True is healthy, False is critical.

    Example:
        >>> finding_of(None).status, finding_of(False).status
        (<HealthStatus.HEALTHY: 'healthy'>, <HealthStatus.CRITICAL: 'critical'>)
    """
    if isinstance(answer, Finding):
        return answer
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
    if isinstance(error, MilepostError):
        text = str(error)
    elif isinstance(error, OSError):
        text = refusal_text(error)
    else:
        text = f"{type(error).__name__}: {error}".rstrip(": ")
    return Finding(HealthStatus.CRITICAL, redact(text))
