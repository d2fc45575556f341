"""`milepost accept`: recording that a change of code is compatible, so that earlier results stand."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from milepost.errors import ProcessManagementError
from milepost.kernel.clock import SYSTEM
from milepost.kernel.user import user_name
from milepost.kernel.workspace import Workspace
from milepost.model.fingerprint.code import with_texts
from milepost.model.fingerprint.parts import Change, Part, compare, load_parts
from milepost.model.rows import AcceptedRow, PartsRow, StageRow
from milepost.process.definition import Process
from milepost.process.opening import Choices
from milepost.process.planner import Planner
from milepost.process.reasons import text_of
from milepost.store.protocol import Store

CODE_KINDS = frozenset({"code", "class", "global", "closure", "default", "package", "python", "version"})
ROWS_BACK = 200


class Acceptance(msgspec.Struct, frozen=True, kw_only=True):
    """What was accepted: the changes, and the run whose results stand again."""

    stage: str
    changes: tuple[Change, ...]
    run: str


def accept_change(process: Process, choices: Choices, stage: str, workspace: Workspace) -> Acceptance:
    """Let today's code of `stage` count as the code that made its last results, and record who said so.

    Raises ProcessManagementError when there is no earlier code, or it does not differ from today's.
    """
    process.require(stage)
    store = workspace.store
    code, _ = Planner(process, choices, store, workspace.objects).code(stage)
    today = with_texts(code, process.stages[stage].__wrapped__)
    row, changes = _last_other_code(store, process.name, stage, today)
    now = SYSTEM.now()
    store.write(
        [
            AcceptedRow(
                stage=stage,
                part=change.name,
                old=change.old.digest if change.old else "",
                new=change.new.digest if change.new else "",
                who=user_name(),
                at=now,
            )
            for change in changes
        ],
        durable=True,
    )
    return Acceptance(stage=stage, changes=tuple(changes), run=row.run)


def _last_other_code(store: Store, process: str, stage: str, today: Sequence[Part]) -> tuple[StageRow, list[Change]]:
    rows = store.rows(StageRow, process=process, stage=stage, newest=True, limit=ROWS_BACK)
    keys = {row.key: row for row in reversed(rows) if row.key is not None}
    if not keys:
        raise ProcessManagementError(f"stage {stage!r} has no earlier result that its code could count as")
    for key, row in reversed(keys.items()):
        known = store.get(PartsRow, key=key)
        if known is None:
            continue
        earlier = [part for part in load_parts(known.parts, text_of(store)) if part.kind in CODE_KINDS]
        changes = compare(earlier, [part for part in today if part.kind in CODE_KINDS])
        if changes:
            return row, changes
    raise ProcessManagementError(f"stage {stage!r}: its code is what made its last result; there is nothing to accept")
