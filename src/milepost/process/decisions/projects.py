"""The name under which scenarios are kept, and the runs that may show them."""

from __future__ import annotations

from milepost.model.rows import RunRow
from milepost.store.protocol import Store

NEWEST = 2000  # runs of a project that are looked through for what shows a scenario


def project_of(run: RunRow) -> str:
    """The name under which the scenarios are kept that a run may show: its process's, or its manager's."""
    return run.project or run.process


def runs_of_project(store: Store, name: str) -> list[RunRow]:
    """The newest runs that may show scenarios kept under this name, newest first."""
    named = [run for run in store.rows(RunRow, process=name, newest=True, limit=NEWEST) if project_of(run) == name]
    attached = store.rows(RunRow, project=name, newest=True, limit=NEWEST)
    both = {run.id: run for run in (*named, *attached)}
    return sorted(both.values(), key=lambda run: -run.created)[:NEWEST]
