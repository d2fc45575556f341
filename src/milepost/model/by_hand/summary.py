"""A process carried out by hand, summed up in the documented shape."""

from __future__ import annotations

from collections import Counter

from milepost.model.by_hand.machine import StageMachine
from milepost.model.by_hand.stage_standing import StageStanding

NOT_INITIALIZED = "not_initialized"
_SHOWN = ("id", "status", "sequence", "started_at", "completed_at", "error_message", "current_algorithm")


def of_process(machine: StageMachine) -> dict[str, object]:
    """What the whole process came to so far; `progress` is the mean of its stages, skipped ones count as done."""
    stages = machine.stages
    shares = [1.0 if standing.is_done else standing.progress for standing in stages.values()]
    whole: dict[str, object] = {
        "id": machine.process_id,
        "status_counts": dict(Counter(str(standing.state) for standing in stages.values())),
        "active_stage": machine.active,
        "progress": sum(shares) / len(shares) if shares else 0.0,
        "stages": {name: of_stage(standing) for name, standing in stages.items()},
    }
    counts = {name: _substage_counts(one) for name, one in stages.items() if one.substages or one.spec.loop}
    return {**whole, "substages": counts} if counts else whole


def of_stage(standing: StageStanding) -> dict[str, object]:
    """What one stage of it came to so far."""
    document = standing.document
    decisions = document["decisions"]
    assert isinstance(decisions, dict)
    said: dict[str, object] = {
        "name": standing.name,
        **{name: document[name] for name in _SHOWN},
        "decision_count": len(decisions),
        "progress": standing.progress,
        "iteration": standing.iteration,
    }
    if standing.spec.substages:
        said["substages"] = {
            sub.spec.name: {"status": str(sub.state), "progress": sub.progress, "sequence": sub.spec.sequence}
            for sub in standing.declared()
            if sub.spec is not None
        }
    if standing.spec.loop:
        said |= {name: document[name] for name in ("items_total", "items_done", "items_failed")}
    return said


def _substage_counts(standing: StageStanding) -> dict[str, int]:
    counts = Counter({str(state): count for state, count in standing.items.items() if count})
    counts.update(str(sub.state) for sub in standing.declared())
    return dict(counts)
