"""Of which subjects a rule's condition holds now, in words: one small function for each kind of rule."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple

from milepost.alerts import rules as kinds
from milepost.alerts.scene import RunSeen, Scene
from milepost.model.alerting import Finding
from milepost.model.status import ProcessingStatus, RunState
from milepost.model.text import duration, span

WORKSPACE = "workspace"  # the subject of rules about all of it
LEVELS = {"healthy": 0, "warning": 1, "unknown": 1, "critical": 2}  # what is not known is no good sign
MOST_CAUSES = 3
TROUBLED = (ProcessingStatus.ERROR, ProcessingStatus.FAILED)

Holding = Collection[str]  # the subjects whose alerts are open already


class HealthNow(NamedTuple):
    """The health as who looks at it says: "healthy", "warning", "unknown" or "critical"; and why."""

    status: str
    issues: Sequence[str] = ()


class Observer:
    """Looks with one memory: what moved since when, and how far stages were. Times in it are monotonic."""

    def __init__(self, health: Callable[[], HealthNow] | None = None) -> None:
        self._health = health
        self._moved: dict[tuple[str, str], tuple[object, float]] = {}  # (rule, run) -> what was seen, since when
        self._done: dict[tuple[str, str, str], deque[tuple[float, int]]] = {}  # (rule, run, stage) -> items done

    def findings(self, rule: kinds.Rule, scene: Scene, holding: Holding) -> list[Finding] | None:
        """The subjects of which it holds; None when that cannot be said, so that nothing changes."""
        match rule:
            case kinds.Interrupted():
                return list(self._interrupted(rule, scene, holding))
            case kinds.Failed():
                return list(self._failed(rule, scene, holding))
            case kinds.Stalled():
                return list(self._stalled(rule, scene))
            case kinds.Duration():
                return list(self._duration(rule, scene))
            case kinds.Rate():
                return list(self._rate(rule, scene))
            case kinds.ErrorRate():
                return self._error_rate(rule, scene)
            case kinds.Health():
                return self._health_level(rule)
        raise TypeError(f"{type(rule).__name__} is no kind of rule")

    def forget_all_but(self, runs: Collection[str]) -> None:
        """Let go of what is remembered of runs whose id is not among these."""
        self._moved = {key: seen for key, seen in self._moved.items() if key[1] in runs}
        self._done = {key: seen for key, seen in self._done.items() if key[1].partition(" ")[0] in runs}

    def _interrupted(self, rule: kinds.Interrupted, scene: Scene, holding: Holding) -> Iterator[Finding]:
        for seen in _of_process(scene.unfinished, rule):
            if seen.seen.state is not RunState.INTERRUPTED:
                continue
            is_known = seen.run.name in holding or scene.now - seen.last_sign <= rule.newest_seconds
            if is_known and scene.is_newest(seen.run):
                yield _interruption(seen)

    def _failed(self, rule: kinds.Failed, scene: Scene, holding: Holding) -> Iterator[Finding]:
        for seen in _of_process(scene.failed, rule):
            ended = seen.run.ended if seen.run.ended is not None else seen.run.created
            is_known = seen.run.name in holding or scene.now - ended <= rule.newest_seconds
            if is_known and scene.is_newest(seen.run):
                yield _about(seen, f"failed ({seen.run.cause or 'no cause known'})")

    def _stalled(self, rule: kinds.Stalled, scene: Scene) -> Iterator[Finding]:
        for seen in _of_process(scene.active, rule):
            silence = scene.now - seen.last_sign
            if seen.seen.state is RunState.STALLED or silence >= rule.silent_seconds:
                yield _about(seen, f"is stalled ({seen.seen.cause or f'no heartbeat for {duration(silence)}'})")
            elif rule.still_seconds is not None:
                still = self._still_for(rule, seen, scene)
                if still >= rule.still_seconds:
                    yield _about(seen, f"is alive, and nothing of it moved for {duration(still)}")

    def _still_for(self, rule: kinds.Stalled, seen: RunSeen, scene: Scene) -> float:
        """How long this observer has seen the same of a run."""
        rows = scene.stages.get(seen.run.id, ())
        shown = [(row.stage, row.items_done, row.items_failed, row.progress, row.message, row.attempts) for row in rows]
        key, sight = (rule.name, seen.run.id), (seen.run.epoch, shown)
        if key not in self._moved or self._moved[key][0] != sight:
            self._moved[key] = (sight, scene.at)
        return scene.at - self._moved[key][1]

    def _duration(self, rule: kinds.Duration, scene: Scene) -> Iterator[Finding]:
        most = f"more than {span(rule.above_seconds)}"
        for seen in _of_process(scene.active, rule):
            if rule.stage is None:
                took = scene.worked_seconds(seen)
                if took > rule.above_seconds:
                    yield _about(seen, f"has been working for {duration(took)}, {most}")
                continue
            for row in scene.stages.get(seen.run.id, ()):
                took = scene.now - row.started if row.started is not None else 0.0
                if row.stage == rule.stage and took > rule.above_seconds:
                    yield _about(seen, f"has been working for {duration(took)}, {most}", row.stage)

    def _rate(self, rule: kinds.Rate, scene: Scene) -> Iterator[Finding]:
        for seen in _of_process(scene.active, rule):
            for row in scene.stages.get(seen.run.id, ()):
                if row.items_total is None or rule.stage not in (None, row.stage):
                    continue
                done = row.items_done + row.items_failed
                rate = self._rate_of((rule.name, f"{seen.run.id} {row.epoch}", row.stage), done, rule, scene.at)
                if rate is not None and rate < rule.below_per_second:
                    yield _about(
                        seen,
                        f"finishes {rate:.3g} items a second, less than {rule.below_per_second:g}, "
                        f"over the last {span(rule.window_seconds)}",
                        row.stage,
                    )

    def _rate_of(self, key: tuple[str, str, str], done: int, rule: kinds.Rate, at: float) -> float | None:
        """Items a second over the window; None until it was watched for so long."""
        samples = self._done.setdefault(key, deque())
        samples.append((at, done))
        while len(samples) > 2 and at - samples[1][0] >= rule.window_seconds:
            samples.popleft()
        began, before = samples[0]
        return (done - before) / (at - began) if at - began >= rule.window_seconds else None

    def _error_rate(self, rule: kinds.ErrorRate, scene: Scene) -> list[Finding]:
        counts = scene.store.outcomes(scene.now - rule.window_seconds)
        total = sum(count for status, count in counts.items() if status.is_terminal)
        statuses = (*TROUBLED, ProcessingStatus.WARNING) if rule.warnings else TROUBLED
        bad = sum(counts.get(status, 0) for status in statuses)
        if total < rule.least or bad <= rule.above * total:
            return []
        what, window = "failed or warned" if rule.warnings else "failed", span(rule.window_seconds)
        return [Finding(WORKSPACE, f"{bad:,} of {total:,} attempts ({bad / total:.0%}) {what} in the last {window}")]

    def _health_level(self, rule: kinds.Health) -> list[Finding] | None:
        now = self._health() if self._health is not None else HealthNow("unknown")
        level = LEVELS.get(now.status.lower())
        if level is None or (now.status.lower() == "unknown" and rule.at == "critical"):
            return None  # it may be so, or not
        if level < LEVELS[rule.at]:
            return []
        issues = "; ".join(now.issues)
        return [Finding(WORKSPACE, f"health is {now.status.lower()}" + (f": {issues}" if issues else ""))]


def _of_process(runs: Sequence[RunSeen], rule: kinds.OfRuns) -> Iterator[RunSeen]:
    return (seen for seen in runs if rule.process in (None, seen.run.process))


def _interruption(seen: RunSeen) -> Finding:
    """That it is dead; and of one that went on and died again, how often in a row, and why the last times."""
    causes = [*seen.earlier_deaths, seen.seen.cause or "no cause known"]
    named = "; ".join(causes[-MOST_CAUSES:])
    times = "" if len(causes) == 1 else f" {len(causes):,} times in a row"
    finding = _about(seen, f"was interrupted{times} ({'…; ' if len(causes) > MOST_CAUSES else ''}{named})")
    return Finding(finding.subject, finding.text, len(causes))


def _about(seen: RunSeen, what: str, stage: str | None = None) -> Finding:
    name = seen.run.name if stage is None else f"{seen.run.name}/{stage}"
    return Finding(name, f"run {name} of {seen.run.process} {what}")
