"""What the ledger shows of a process carried out by hand: a row for each stage, substage and work item."""

from __future__ import annotations

import msgspec

from milepost.model.by_hand import facts
from milepost.model.by_hand.specs import ProcessSpec, row_name
from milepost.model.by_hand.stage_standing import StageStanding, SubstageStanding
from milepost.model.rows import StepRow
from milepost.model.status import ProcessingStatus

_STATUS: dict[type[facts.Fact], ProcessingStatus] = {
    facts.SubstageCompleted: ProcessingStatus.SUCCESS,
    facts.SubstageFailed: ProcessingStatus.FAILED,
    facts.SubstageSkipped: ProcessingStatus.SKIPPED,
}


def positions(spec: ProcessSpec) -> dict[str, int]:
    """Where each row stands: a stage, then its substages, in order."""
    names = [
        name
        for stage in spec.stages.values()
        for name in (stage.name, *(row_name(stage.name, s) for s in stage.substages))
    ]
    return {name: position for position, name in enumerate(names)}


def stage_fields(standing: StageStanding, fact: facts.Fact | None = None) -> dict[str, object]:
    """How the stage's row changes. `fact`: what happened last."""
    fields: dict[str, object] = {
        "state": standing.state,
        "attempts": standing.attempt,
        "progress": standing.progress,
        "message": standing.message,
        "error": standing.document["error_message"],
    }
    reason = _reason(standing)
    if reason or fact is None or isinstance(fact, facts.StageStarted):
        fields["reason"] = reason  # else it stays what a computation of this stage has said
    if standing.spec.loop:
        fields |= {
            "items_total": standing.items_total,
            "items_done": standing.items_done,
            "items_failed": standing.items_failed,
        }
    if isinstance(fact, facts.StageStarted):
        fields |= {"address": None, "metrics": "{}", "traceback": None}
    elif isinstance(fact, facts.StageCompleted):
        fields |= {"address": fact.address, "metrics": msgspec.json.encode(fact.metrics).decode(), "traceback": None}
    elif isinstance(fact, facts.StageFailed) and not standing.is_done:
        fields |= {"address": fact.address, "traceback": fact.traceback}
    return fields


def substage_fields(stage: str, sub: SubstageStanding, fact: facts.Fact | None = None) -> dict[str, object]:
    """How a declared substage's row changes."""
    skipped = sub.document["skip_reason"]
    fields: dict[str, object] = {
        "parent": stage,
        "state": sub.state,
        "reason": f"skipped: {skipped}" if skipped else "",
        "attempts": sub.attempt,
        "progress": sub.progress,
        "error": sub.document["error_message"],
    }
    if isinstance(fact, facts.SubstageTracked) and fact.message:
        fields["message"] = fact.message
    if isinstance(fact, facts.Ended):
        fields["address"] = fact.address
    return fields


def item_step(run: str, standing: StageStanding, fact: facts.Fact) -> StepRow | None:
    """The entry for a work item that came to an end: under its stage's name, in its second iteration `name#2`."""
    status = _STATUS.get(type(fact))
    name = getattr(fact, "substage", None)
    if status is None or name is None:
        return None
    sub = standing.substages[name]
    if sub.spec is not None:
        return None
    began = sub.document["started_at"]
    seconds = max(fact.at - began.timestamp(), 0.0) if hasattr(began, "timestamp") else 0.0
    return StepRow(
        run=run,
        step=standing.name if standing.iteration <= 1 else f"{standing.name}#{standing.iteration}",
        item=name,
        attempt=max(sub.attempt, 1),
        status=status,
        result=fact.packed if isinstance(fact, facts.Ended) else None,
        address=fact.address if isinstance(fact, facts.Ended) else None,
        error=fact.error if isinstance(fact, facts.SubstageFailed) else None,
        seconds=seconds,
        at=fact.at,
    )


def _reason(standing: StageStanding) -> str:
    document = standing.document
    said = [f"skipped: {document['skip_reason']}"] if document.get("skip_reason") else []
    if document["current_algorithm"]:
        said.append(f"algorithm {document['current_algorithm']}")
    if standing.iteration > 1:
        said.append(f"iteration {standing.iteration}")
    if standing.document.get("unstored"):
        said.append(f"its result is not stored: {standing.document['unstored']}")
    return ", ".join(said)
