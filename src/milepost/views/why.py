"""Why a stage ran or was reused: its recorded reason, and the parts of its key beside those of the key before."""

from __future__ import annotations

from milepost.errors import InvalidDataError
from milepost.kernel.alive import Seen
from milepost.model.fingerprint.parts import Change, compare, diff_text, load_parts
from milepost.model.folding import fold_stages
from milepost.model.nearest import did_you_mean
from milepost.model.rows import PartsRow, RunRow, SourceRow, StageRow
from milepost.model.status import RunState, StageState
from milepost.process.loops.program import LOOP
from milepost.store.protocol import Store
from milepost.views.stages import state_as_seen
from milepost.views.view import View

_ENDED_EARLY = {
    RunState.FAILED: "failed",
    RunState.CANCELLED: "was cancelled",
    RunState.INTERRUPTED: "was interrupted",
}


class PartChange(View, frozen=True, kw_only=True):
    """One part of a fingerprint that differs. `diff` is a unified diff of code, or old and new; "" when unknown."""

    name: str
    kind: str
    what: str
    diff: str


class StageWhy(View, frozen=True, kw_only=True):
    """Why one stage did what it did. `compared_with` names the run before whose key differed; None: there is none."""

    stage: str
    state: StageState
    reason: str
    key: str | None
    reused_from: str | None = None
    compared_with: str | None = None
    changes: tuple[PartChange, ...] = ()


def why_stages(store: Store, run: RunRow, stage: str | None = None, *, seen: Seen | None = None) -> list[StageWhy]:
    """The stages of a run, or the one that is named, each with what changed. Raises InvalidDataError for no such.

    `seen`: what the run really is, as `look` finds it; without, what it says.
    """
    seen = seen or Seen(run.state, run.cause, run.ended)
    rows = fold_stages(store.rows(StageRow, run=run.id), RunState.INTERRUPTED)
    chosen = [row for row in rows if stage is None or row.stage == stage]
    if stage is not None and not chosen:
        raise InvalidDataError(
            f"run {run.name!r} has no stage {stage!r}.{did_you_mean(stage, [row.stage for row in rows])}"
        )
    return [_why(store, run, row, seen) for row in chosen]


def _why(store: Store, run: RunRow, row: StageRow, seen: Seen) -> StageWhy:
    before = _before(store, row) if row.key and row.state is not StageState.REUSED else None
    changes = _changes(store, before.key or "", row.key or "") if before else []
    return StageWhy(
        stage=row.stage,
        state=state_as_seen(row.state, seen.state),
        reason=row.reason or _unsaid(run, row, seen),
        key=row.key,
        reused_from=_name(store, row.reused_from),
        compared_with=_name(store, before.run) if before else None,
        changes=tuple(
            PartChange(name=change.name, kind=change.kind, what=change.what, diff=diff_text(change))
            for change in changes
        ),
    )


def _unsaid(run: RunRow, row: StageRow, seen: Seen) -> str:
    """What is true of a stage of which no reason was recorded."""
    if row.state is StageState.PENDING and seen.state in _ENDED_EARLY:
        return f"the run {_ENDED_EARLY[seen.state]} before it came to this{f': {seen.cause}' if seen.cause else ''}"
    if row.state is StageState.PENDING:
        return "it has not begun"
    if run.decisions_hash not in ("", LOOP):
        return ""
    return "its program carries it out by hand: it runs whenever the program calls it, and nothing of it is reused"


def _before(store: Store, row: StageRow) -> StageRow | None:
    """The newest earlier row of the same stage of the same process, if it had another key."""
    rows = store.rows(StageRow, process=row.process, stage=row.stage, newest=True, limit=50)
    earlier = [other for other in rows if other.key is not None and _is_before(other, row)]
    return earlier[0] if earlier and earlier[0].key != row.key else None


def _is_before(other: StageRow, row: StageRow) -> bool:
    if other.run == row.run:
        return other.epoch < row.epoch
    return other.seq < row.seq


def _changes(store: Store, old: str, new: str) -> list[Change]:
    rows = [store.get(PartsRow, key=key) for key in (old, new)]
    if rows[0] is None or rows[1] is None:
        return []

    def text(digest: str) -> str | None:
        found = store.get(SourceRow, digest=digest)
        return found.text if found else None

    return compare(load_parts(rows[0].parts, text), load_parts(rows[1].parts, text))


def _name(store: Store, run: str | None) -> str | None:
    found = store.get(RunRow, id=run) if run else None
    return found.name if found else run
