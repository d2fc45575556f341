"""A step as it was reported, checked and put in words, before it is known which attempt it belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from milepost.kernel.clock import SYSTEM
from milepost.model.rows import StepRow
from milepost.model.status import ProcessingStatus
from milepost.steps.moments import to_seconds
from milepost.steps.step import ProcessingStep, status_of
from milepost.steps.telling import text_of, told

LONGEST_STEP_NAME = 1_000  # characters; steps are few and shared by many documents
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
    if type(doc_id) is not str or not doc_id:
        check_name(doc_id, "a document's id")
    if type(step_name) is not str or not step_name or len(step_name) > LONGEST_STEP_NAME:
        check_name(step_name, "a step's name", longest=LONGEST_STEP_NAME)
    if attempt is not None and (not isinstance(attempt, int) or not 1 <= attempt < 2**63):
        raise ValueError(f"attempt counts from 1, so it cannot be {attempt!r:.40}")
    return Draft(
        doc_id,  # type: ignore[arg-type]
        step_name,  # type: ignore[arg-type]
        status_of(status),  # type: ignore[arg-type]
        None if details is None else told(details),
        None if metrics is None else told(metrics),
        None if error_message is None else text_of(error_message),
        round(SYSTEM.now(), 6) if timestamp is None else to_seconds(timestamp),  # type: ignore[arg-type]
        timestamp is not None,
        None if not metrics else _seconds(metrics),
        attempt,
    )


def check_name(name: object, what: str, *, longest: int | None = None) -> None:
    """ValueError for an empty name or one that is too long, TypeError for what is no text."""
    if not isinstance(name, str):
        raise TypeError(f"{what} is a text, not {type(name).__name__}: {name!r:.60}; give str(…) of it")
    if not name:
        raise ValueError(f"{what} cannot be empty: name what the step was about")
    if longest is not None and len(name) > longest:
        raise ValueError(f"{what} has at most {longest:,} characters, not {len(name):,}; {name[:40]!r}… is too long")


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
        raise TypeError(f"a step is a dict, a tuple in the order of add_step, or a ProcessingStep, not {each!r:.60}")
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
