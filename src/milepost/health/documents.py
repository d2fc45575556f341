"""How documents fare: the attempts of the last five minutes and of the last hour, of whatever run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from milepost.health.check import Finding
from milepost.health.ground import Ground, unknown_without_ledger
from milepost.model.health import LONG_SECONDS, SHORT_SECONDS, Count, HealthStatus, Thresholds, judge_rate
from milepost.model.redaction import redact
from milepost.model.rows import StepRow
from milepost.model.shortening import shortened
from milepost.model.status import ProcessingStatus
from milepost.model.text import counted, duration
from milepost.store.protocol import Store

ERRORS = (ProcessingStatus.ERROR, ProcessingStatus.FAILED)
WARNINGS = (ProcessingStatus.WARNING,)
SAMPLED = 300  # the last attempts, from which documents and times are told
AHEAD_SECONDS = 86_400.0  # a clock that was set back hides no failure; what is dated further ahead is a mistake
_TEXT_CHARACTERS = 120

Outcomes = Mapping[ProcessingStatus, int]


class _Trouble(NamedTuple):
    """What went wrong of one kind: in both windows, and the last time."""

    short: Count
    long: Count
    last: StepRow | None
    silence_seconds: float


@unknown_without_ledger
def documents_succeed(ground: Ground) -> Finding:
    """Error and warning rate; a failure without a message counts like any other."""
    store, now = ground.reading(), ground.clock.now()
    short, long = _outcomes(store, now, SHORT_SECONDS), _outcomes(store, now, LONG_SECONDS)
    errors = _trouble(store, ERRORS, short, long, now)
    warnings = _trouble(store, WARNINGS, short, long, now)
    metrics = _rates(errors, warnings) | _sampled(store, now, errors.long.total)
    status, text = _judge(errors, warnings, ground.thresholds)
    return Finding(status, text, metrics)


def _outcomes(store: Store, now: float, window: float) -> Outcomes:
    """How the attempts of a window ended, without the failures that are dated in some far future by mistake."""
    later = store.outcomes(now + AHEAD_SECONDS)
    bad = {status: later.get(status, 0) for status in (*ERRORS, *WARNINGS)}  # all else is not counted by its time
    return {status: count - bad.get(status, 0) for status, count in store.outcomes(now - window).items()}


def _trouble(
    store: Store, statuses: Sequence[ProcessingStatus], short: Outcomes, long: Outcomes, now: float
) -> _Trouble:
    counts = [Count(sum(found.get(status, 0) for status in statuses), sum(found.values())) for found in (short, long)]
    last = None
    if counts[1].bad:
        last = next(iter(store.recent_steps(statuses, now - LONG_SECONDS, until=now + AHEAD_SECONDS, limit=1)), None)
    return _Trouble(counts[0], counts[1], last, LONG_SECONDS if last is None else max(now - last.at, 0.0))


def _judge(errors: _Trouble, warnings: _Trouble, thresholds: Thresholds) -> tuple[HealthStatus, str]:
    failing = judge_rate(errors.short, errors.long, thresholds.errors, silence_seconds=errors.silence_seconds)
    warning = judge_rate(warnings.short, warnings.long, thresholds.warnings, silence_seconds=warnings.silence_seconds)
    if errors.long.bad and failing >= warning:
        return failing, _told(errors, "failed")
    if warnings.long.bad:
        return warning, _told(warnings, "ended with a warning")
    attempts = counted(errors.long.total, "attempt")
    return (
        HealthStatus.HEALTHY,
        f"{attempts} in the last hour, none failed" if errors.long.total else "none in the last hour",
    )


def _told(trouble: _Trouble, what: str) -> str:
    """`12 of 40 attempts failed in the last 5 min (30 %), the last 4.0 s ago: extract of a.pdf: corrupt file`."""
    count, window = (trouble.short, "5 min") if trouble.short.bad else (trouble.long, "hour")
    text = f"{count.bad:,} of {counted(count.total, 'attempt')} {what} in the last {window} ({count.share:.0%})"
    if trouble.last is None:
        return text
    said = shortened(redact(trouble.last.error or "no message").partition("\n")[0], _TEXT_CHARACTERS)
    return (
        f"{text}, the last {duration(trouble.silence_seconds)} ago: {trouble.last.step} of {trouble.last.item}: {said}"
    )


def _rates(errors: _Trouble, warnings: _Trouble) -> dict[str, float]:
    return {
        "error_rate": errors.long.share,
        "error_rate_5m": errors.short.share,
        "warning_rate": warnings.long.share,
        "warning_rate_5m": warnings.short.share,
        "attempts": errors.long.total,
        "attempts_5m": errors.short.total,
    }


def _sampled(store: Store, now: float, attempts: int) -> dict[str, float]:
    """Documents, the share of them that stands at a failure, and seconds per attempt.

    Exact while the hour had no more attempts than are looked at; else the newest speak for all.
    """
    recent = store.rows(StepRow, newest=True, limit=SAMPLED) if attempts else []
    rows = [row for row in recent if now - LONG_SECONDS <= row.at <= now + AHEAD_SECONDS and row.status.is_terminal]
    if not rows:
        return {"total_docs": 0, "failed_docs_ratio": 0.0, "avg_processing_time": 0.0}
    stands: dict[tuple[str, str], ProcessingStatus] = {}
    for row in rows:  # the newest first
        stands.setdefault((row.item, row.step), row.status)
    documents = {item for item, _ in stands}
    failed = {item for (item, _), status in stands.items() if status in ERRORS}
    return {
        "total_docs": round(len(documents) * max(attempts / len(rows), 1.0)),
        "failed_docs_ratio": len(failed) / len(documents),
        "avg_processing_time": sum(row.seconds for row in rows) / len(rows),
    }
