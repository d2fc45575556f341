"""What a check is, what it may answer, and what becomes of its answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from milepost.errors import InvalidDataError
from milepost.model.health import HealthStatus
from milepost.model.health_looks import KEPT_LOOKS, LOOKS
from milepost.model.redaction import redact_value

TIMEOUT_SECONDS = 5.0
COULD_NOT_LOOK = "could not look: "  # and then why
LONGEST_SECONDS = 366 * 86_400.0


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
    if not isinstance(check.name, str) or not check.name:
        raise InvalidDataError(f"a check needs a name that is a text, not {shown(check.name)}")
    if not callable(check.ask):
        raise InvalidDataError(f"check {check.name!r:.80} is no function but {type(check.ask).__name__}")
    seconds(check.timeout, f"check {check.name!r:.80}: timeout")
    if check.ttl != 0:
        seconds(check.ttl, f"check {check.name!r:.80}: ttl")
    if isinstance(check.looks, bool) or not isinstance(check.looks, int) or not 1 <= check.looks <= KEPT_LOOKS:
        raise InvalidDataError(
            f"check {check.name!r:.80}: looks is a whole number from 1 to {KEPT_LOOKS}, not {shown(check.looks)}"
        )
    return check


def seconds(given: object, what: str) -> float:
    """A time that can be waited. Raises InvalidDataError for what is none."""
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given <= LONGEST_SECONDS:
        raise InvalidDataError(f"{what} is more than 0 seconds and at most a year, not {shown(given)}")
    return float(given)


def shown(given: object) -> str:
    """What was given in few characters, without secrets, whatever it does when it is looked at."""
    try:
        return repr(redact_value("", given)[0])[:60]
    except Exception:
        return f"a {type(given).__name__}"
