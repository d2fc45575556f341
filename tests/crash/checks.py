"""What must be true of a workspace after any crash. Runs in a process of its own; says what is not as promised."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Collection
from pathlib import Path

FINAL = {"completed", "reused"}


def main(order: dict) -> int:
    """Check the folder's workspace, carry the process on, check again; a line of JSON per violation."""
    violations = []
    told = [json.loads(line) for line in Path(order["acked"]).read_text().splitlines()]
    violations += broken_promises(
        told[: order.get("told", len(told))], has_calls=order.get("has_calls", True), leaving=order.get("leaving", ())
    )
    if order.get("carry_on", True):
        violations += carried_on(order)
    sys.stdout.write("".join(json.dumps(violation) + "\n" for violation in violations))
    return 1 if violations else 0


def broken_promises(told: list[list], *, has_calls: bool, leaving: Collection[str]) -> list[str]:
    """What was told and is not so; what is there and must not be. `leaving`: runs that were being forgotten."""
    from milepost import Workspace

    place = Path(os.environ["MILEPOST_WORKSPACE"])
    if not (place / "ledger.db").exists():
        return [f"there is no ledger, but told was {told[0]}"] if told else []
    with Workspace.open(place, create=False) as workspace:
        found = Found(workspace)
        return [
            *(text for line in told if (text := found.contradicts(line))),
            *found.damages(),
            *found.halves(leaving),
            *(found.never_executed() if has_calls else ()),
        ]


class Found:
    """What a workspace holds."""

    def __init__(self, workspace) -> None:
        from milepost.model.rows import DecisionRow, EventRow, ResultRow, RunRow, StageRow, StepRow

        store = workspace.store
        self.workspace = workspace
        self.steps = {(row.run, row.item, row.step, row.attempt): row for row in store.rows(StepRow)}
        self.results = {row.key: row.address for row in store.rows(ResultRow)}
        self.runs = {row.id: row for row in store.rows(RunRow)}
        self.stages = {(row.run, row.stage, row.epoch): row for row in store.rows(StageRow)}
        self.decisions = {(row.run, row.stage, row.name, row.value) for row in store.rows(DecisionRow)}
        self.events = {(row.run, row.epoch, row.kind) for row in store.rows(EventRow)}

    def contradicts(self, line: list) -> str | None:
        """Why a line that was told is not true; None when it is."""
        kind, *facts = line
        if self._holds(kind, facts):
            return None
        return f"told and lost: {line}"

    def _holds(self, kind: str, facts: list) -> bool:
        if kind == "StepRow":
            return tuple(facts) in self.steps
        if kind == "ResultRow":
            return self.results.get(facts[0]) == facts[1]
        if kind == "DecisionRow":
            return tuple(facts) in self.decisions
        if kind == "EventRow":
            return tuple(facts) in self.events
        if kind == "object":
            return self.workspace.objects.has(facts[0])
        if kind == "RunRow":
            run = self.runs.get(facts[0])
            return run is not None and (facts[1] != "completed" or run.state == "completed")
        if kind == "StageRow":
            row = self.stages.get(tuple(facts[:3]))
            return row is not None and (facts[3] not in FINAL or row.state in FINAL)
        return kind == "barrier"

    def damages(self) -> list[str]:
        """What `milepost verify` reports, and objects that rows name and that cannot be read."""
        from milepost.views.storage import verify_all

        found = verify_all(self.workspace.store, self.workspace.objects).damages
        return [f"damaged: {damage.where}: {damage.problem}" for damage in found]

    def halves(self, leaving: Collection[str]) -> list[str]:
        """Rows of which one half is there: a completed stage has its result, a step's run exists."""
        texts = [
            f"stage {row.stage} is completed and has no result"
            for row in self.stages.values()
            if row.state == "completed" and row.address and self.results.get(row.key) != row.address
            if row.run not in leaving
        ]
        stored = {row.key for row in self.stages.values()}
        texts += [f"result of no stage: {key}" for key in self.results if key.startswith("f1:") and key not in stored]
        texts += [f"step of no run: {key}" for key in self.steps if key[0] not in self.runs]
        return texts

    def never_executed(self) -> list[str]:
        """Items recorded as done that no call was made for."""
        path = Path("calls")
        called = set(path.read_text().splitlines()) if path.exists() else set()
        done = {key[1] for key, row in self.steps.items() if row.status.is_done}
        return [f"done, but never executed: {item}" for item in sorted(done) if f"score {item}" not in called]


def carried_on(order: dict) -> list[str]:
    """Run again without faults: the right result, and all in order."""
    from milepost.process.targets import load_target

    try:
        run = load_target("sales.py").run()
        report = run.results["report"]
    except Exception as error:
        import traceback

        traceback.print_exc()
        return [f"running again failed: {type(error).__name__}: {error}"]
    texts = [] if report == order["expected"] else [f"wrong result: {report}"]
    if run.state != "completed":
        texts.append(f"the run ended {run.state}")
    leftovers = [name for name in os.listdir(Path(os.environ["MILEPOST_WORKSPACE"]) / "objects") if is_stale(name)]
    return texts + [f"left behind: {name}" for name in leftovers]


def is_stale(name: str) -> bool:
    path = Path(os.environ["MILEPOST_WORKSPACE"]) / "objects" / name
    return name.startswith(".tmp-") and path.stat().st_mtime < __import__("time").time() - 60
