"""A step as it was reported, checked and put in words, before it is known which attempt it belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from milepost.kernel.clock import SYSTEM
from milepost.model.rows import StepRow
from milepost.model.status import ProcessingStatus
from milepost.steps import checking
from milepost.steps.moments import in_microseconds, to_seconds
from milepost.steps.step import ProcessingStep, status_of
from milepost.steps.telling import text_of, told

FIELDS = ("doc_id", "step_name", "status", "details", "metrics", "error_message", "timestamp", "attempt")
_KNOWN = frozenset(FIELDS)

Reported = Mapping[str, object] | tuple[object, ...] | ProcessingStep


class Draft(msgspec.Struct, frozen=True, gc=False):
    """What one row is going to say. `attempt`: None where it follows from what is there."""

    item: str
    step: str
    status: ProcessingStatus
    details: str | None
    metrics: str | None
    error: str | None
    at: float
    is_dated: bool
    seconds: float | None
    attempt: int | None = None

    def row(self, run: str, attempt: int, seconds: float) -> StepRow:
        """The row, of this attempt; a duration that was reported counts before `seconds`."""
        return StepRow(
            run=run,
            step=self.step,
            item=self.item,
            attempt=attempt,
            status=self.status,
            error=self.error,
            seconds=seconds if self.seconds is None else self.seconds,
            at=self.at,
            details=self.details,
            metrics=self.metrics,
        )


def draft(
    doc_id: object,
    step_name: object,
    status: object,
    details: object = None,
    metrics: object = None,
    error_message: object = None,
    timestamp: object = None,
    attempt: object = None,
) -> Draft:
    """Check what was reported. ValueError or TypeError say what of it cannot be recorded."""
    return Draft(
        checking.document_id(doc_id),
        checking.step_name(step_name),
        status_of(status),  # type: ignore[arg-type]
        None if details is None else told(details),
        None if metrics is None else told(metrics),
        None if error_message is None else text_of(error_message),
        in_microseconds(SYSTEM.now()) if timestamp is None else to_seconds(timestamp),  # type: ignore[arg-type]
        timestamp is not None,
        None if metrics is None else _seconds(metrics),
        None if attempt is None else checking.count(attempt, "attempt", least=1),
    )


def ending(doc_id: object, step_name: object, status: object, said: Mapping[str, object]) -> Draft:
    """What `finish` reports. Raises as `draft` does, and for what ends nothing."""
    unknown = said.keys() - _KNOWN
    if unknown:
        raise TypeError(f"finish has no {', '.join(map(repr, sorted(unknown)))}: it has {', '.join(FIELDS[3:])}")
    made = draft(doc_id, step_name, status, *(said.get(name) for name in FIELDS[3:]))
    if not made.status.is_terminal:
        raise ValueError(f"{made.status} ends nothing: finish with success, warning, error, failed or skipped")
    return made


def drafts(reported: Iterable[Reported]) -> Iterator[Draft]:
    """What each of these reports. An error names the place of the one that cannot be recorded, from 0."""
    for position, each in enumerate(reported):
        try:
            yield _draft_of(each)
        except (ValueError, TypeError) as error:
            raise type(error)(f"step {position} of those given: {error}") from error


def _draft_of(each: Reported) -> Draft:
    if type(each) is dict and each.keys() <= _KNOWN:  # as nearly all are
        get = each.get
        return draft(
            get("doc_id"), get("step_name"), get("status"), get("details"), get("metrics"), get("error_message"),
            get("timestamp"), get("attempt"),
        )  # fmt: skip
    if isinstance(each, tuple):
        if len(each) == 2 and isinstance(each[1], ProcessingStep):
            return _of_step(each[0], each[1])
        return draft(*each)
    if isinstance(each, ProcessingStep):
        return _of_step(each.metadata.get("doc_id"), each)
    if not isinstance(each, Mapping):
        raise TypeError(
            f"a step is a dict, a tuple in the order of add_step, or a ProcessingStep, not {checking.shown(each)}"
        )
    if "metadata" in each:
        metadata = each["metadata"]
        step = ProcessingStep.from_dict(each)
        return _of_step(each.get("doc_id") or (isinstance(metadata, Mapping) and metadata.get("doc_id")), step)
    unknown = each.keys() - _KNOWN
    if unknown:
        raise TypeError(f"a step has no {', '.join(map(repr, sorted(unknown)))}: it has {', '.join(FIELDS)}")
    return draft(*(each.get(name) for name in FIELDS))


def _of_step(document: object, step: ProcessingStep) -> Draft:
    attempt = step.metadata.get("attempt")
    metrics, error = step.metadata.get("metrics"), step.error_message
    return draft(document, step.step_name, step.status, step.details, metrics, error, step.timestamp, attempt)


def _seconds(metrics: object) -> float | None:
    """The duration that was reported under `duration_ms`, in seconds."""
    given = metrics.get("duration_ms") if isinstance(metrics, Mapping) else None
    if isinstance(given, bool) or not isinstance(given, int | float):
        return None
    try:
        seconds = given / 1000
    except OverflowError:
        return None
    return seconds if 0 <= seconds < float("inf") else None
