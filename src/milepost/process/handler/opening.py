"""From nothing, or from what an earlier session recorded, to a process under way."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from milepost.errors import InvalidDataError
from milepost.kernel.clock import SYSTEM
from milepost.kernel.workspace import Workspace
from milepost.model.by_hand.specs import ProcessSpec
from milepost.model.decision import Choice, DecisionPoint
from milepost.model.fingerprint.preview import preview
from milepost.model.names import LONGEST_NAME, is_name
from milepost.model.rows import DecisionRow
from milepost.process.decisions.recording import decision_row
from milepost.process.handler.journal import Founding, Journal, read_founding


def new_process(
    name: str, description: str, spec: ProcessSpec, workspace: Workspace, *, project: str | None
) -> Journal:
    """A new process; `project`: of the manager that records its decisions, else the defaults are recorded here."""
    if not is_name(name):
        raise InvalidDataError(
            f"a process's name is a printable text of 1 to {LONGEST_NAME} characters, not {preview(name, 80)}"
        )
    founding = Founding(name=name, description=description, program=_program(), spec=spec)
    process_id = new_process_id()
    defaults = [] if project is not None else list(_defaults(process_id, spec, workspace))
    return Journal.begin(founding, workspace, process_id, defaults, project=project)


def known_process(words: str, spec: ProcessSpec | None, workspace: Workspace) -> Journal:
    """The process of this id or run name, as it was told; `spec`: its stages as they are configured today."""
    run, founding = read_founding(workspace.store, words)
    if spec is not None:
        founding = Founding(name=founding.name, description=founding.description, program=founding.program, spec=spec)
    return Journal.take_up(run, founding, workspace)


def new_process_id() -> str:
    """`proc_%Y%m%d%H%M%S_` and eight hexadecimal digits, in UTC."""
    return f"proc_{datetime.fromtimestamp(SYSTEM.now(), UTC):%Y%m%d%H%M%S}_{secrets.token_hex(4)}"


def _defaults(process_id: str, spec: ProcessSpec, workspace: Workspace) -> Iterator[DecisionRow]:
    for stage in spec.stages.values():
        for name, default in stage.decisions.items():
            point = DecisionPoint(stage=stage.name, name=name, default=default)
            yield decision_row(process_id, Choice(point=point, value=default, source="default"), workspace.objects)


def _program() -> str | None:
    path = getattr(sys.modules.get("__main__"), "__file__", None)
    return str(Path(path).resolve()) if path else None
