"""A plan as faces show it: what will run, what is reused, why, and how long it took last time."""

from __future__ import annotations

from milepost.process.planner import Plan, Verdict
from milepost.views.view import View


class StagePlanView(View, frozen=True, kw_only=True):
    """What will become of one stage. `verdict`: reuse, run, or depends (on a stage that runs first)."""

    stage: str
    verdict: Verdict
    reason: str
    last_seconds: float | None
    notes: tuple[str, ...]
    is_mapped: bool


class PlanView(View, frozen=True, kw_only=True):
    """What `run` would do now. `seconds_expected` is what the stages that run took last time; None when unknown."""

    process: str
    stages: tuple[StagePlanView, ...]
    seconds_saved: float
    seconds_expected: float | None


def plan_view(plan: Plan) -> PlanView:
    """The view of a plan."""
    running = [stage.last_seconds for stage in plan.stages if stage.verdict is not Verdict.REUSE]
    known = [seconds for seconds in running if seconds is not None]
    return PlanView(
        process=plan.process,
        stages=tuple(
            StagePlanView(
                stage=stage.stage,
                verdict=stage.verdict,
                reason=stage.reason,
                last_seconds=stage.last_seconds,
                notes=stage.notes,
                is_mapped=stage.is_mapped,
            )
            for stage in plan.stages
        ),
        seconds_saved=plan.seconds_saved,
        seconds_expected=sum(known) if len(known) == len(running) else None,
    )
