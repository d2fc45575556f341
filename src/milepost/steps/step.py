"""A step as it is handed out: what was done to a document, how it ended, and what was said of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec.structs import force_setattr

from milepost.model.nearest import did_you_mean
from milepost.model.status import ProcessingStatus
from milepost.steps.checking import name_of, shown
from milepost.steps.moments import as_utc, from_seconds
from milepost.steps.telling import plain


def status_of(status: ProcessingStatus | str) -> ProcessingStatus:
    """The status, given as such or by its name in any case. ValueError names the nearest.

    Example:
        >>> status_of("SUCCESS")
        <ProcessingStatus.SUCCESS: 'success'>
    """
    if type(status) in _AS_THEY_ARE and status in _STATUSES:
        return _STATUSES[status]
    if isinstance(status, str):
        name = str.__str__(status).rpartition(".")[2].strip().lower()
        if name in _STATUSES:
            return _STATUSES[name]
    known = [str(one) for one in ProcessingStatus]
    meant = did_you_mean(status.lower() if isinstance(status, str) else "", known)
    raise ValueError(f"status {shown(status)} is none that a step can have.{meant}")


_STATUSES = {str(one): one for one in ProcessingStatus}
_AS_THEY_ARE = (ProcessingStatus, str)  # whose hash and equality nobody has changed


class ProcessingStep(msgspec.Struct, frozen=True):
    """One row of a document's ledger: a step that waits, runs, or has ended.

    `details`: what was found, as given to `add_step`. `metadata`: `metrics` (numbers by name; `duration_ms` in
    milliseconds), `error_message`, and for steps read from a ledger `doc_id`, `attempt` (from 1), `run` and `seq` (its
    place in the ledger). `timestamp` is in UTC. Secrets were masked when it was recorded.

    Raises ValueError for an unknown status, TypeError for a name or metadata of another kind.

    Example:
        >>> step = ProcessingStep("ocr", "success", {"pages": 10}, {"metrics": {"duration_ms": 1500}})
        >>> step.duration_ms, step.error_message, step.is_terminal_state(), step.is_error_state()
        (1500, None, True, False)
    """

    step_name: str
    status: ProcessingStatus
    details: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    timestamp: datetime = None  # type: ignore[assignment]  # now

    def __post_init__(self) -> None:
        """Settle what was given loosely: the status by name, the time, empty metadata, details that are no dict."""
        if type(self.step_name) is not str or not self.step_name:
            force_setattr(self, "step_name", name_of(self.step_name, "a step's name"))
        force_setattr(self, "status", status_of(self.status))
        force_setattr(self, "timestamp", datetime.now(UTC) if self.timestamp is None else as_utc(self.timestamp))
        if type(self.details) is not dict and not isinstance(self.details, Mapping):
            force_setattr(self, "details", {} if self.details is None else {"value": self.details})
        if type(self.metadata) is not dict and not isinstance(self.metadata, Mapping | None):
            raise TypeError(f"metadata is a dict, not {type(self.metadata).__name__}: {shown(self.metadata)}")
        if not self.metadata:
            force_setattr(self, "metadata", {"metrics": {}, "error_message": None})

    @property
    def duration_ms(self) -> float | None:
        """How long the step took, in milliseconds; None where nobody knows."""
        metrics = self.metadata.get("metrics")
        return metrics.get("duration_ms") if isinstance(metrics, Mapping) else None

    @property
    def error_message(self) -> str | None:
        """What went wrong, if anything did."""
        return self.metadata.get("error_message")

    def is_terminal_state(self) -> bool:
        """Whether the step is over: neither PENDING nor RUNNING."""
        return self.status.is_terminal

    def is_error_state(self) -> bool:
        """Whether it ended in ERROR or FAILED."""
        return self.status in (ProcessingStatus.ERROR, ProcessingStatus.FAILED)

    def to_dict(self) -> dict[str, Any]:
        """The step as JSON can hold it; `from_dict` reads it."""
        return {
            "step_name": self.step_name,
            "status": str(self.status),
            "details": plain(self.details),
            "metadata": plain(self.metadata),
            "timestamp": self.timestamp.isoformat(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ProcessingStep:
        """A step of what `to_dict` gives, or of the same with a status and a datetime as they are.

        The time may be ISO 8601 or seconds since the epoch too. Raises ValueError where the name or the status is
        missing or wrong.

        Example:
            >>> step = ProcessingStep("ocr", "failed", timestamp=datetime(2026, 1, 2, tzinfo=UTC))
            >>> ProcessingStep.from_dict(step.to_dict()) == step
            True
        """
        if not isinstance(data, Mapping):
            raise TypeError(f"a step is read from a dict, not from {type(data).__name__}: {shown(data)}")
        for name in ("step_name", "status"):
            if name not in data:
                raise ValueError(f"a step needs {name!r}: given were {', '.join(map(repr, data)) or 'no fields'}")
        return cls(
            step_name=data["step_name"],
            status=data["status"],
            details=data.get("details"),  # type: ignore[arg-type]  # settled there
            metadata=data.get("metadata"),  # type: ignore[arg-type]
            timestamp=_moment(data.get("timestamp")),  # type: ignore[arg-type]
        )


def _moment(given: object) -> datetime | None:
    if given is None or isinstance(given, datetime):
        return given
    if isinstance(given, int | float) and not isinstance(given, bool):
        return from_seconds(given)
    try:
        return datetime.fromisoformat(given)  # type: ignore[arg-type]
    except (ValueError, TypeError):
        raise ValueError(f"timestamp {shown(given)} is no time in ISO 8601, such as 2026-01-02T03:04:05Z") from None
