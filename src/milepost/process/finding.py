"""Which run, or which scenario, a user means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from milepost.errors import ScenarioStateError, UnknownRunError, UnknownScenarioError
from milepost.model.fingerprint.preview import preview
from milepost.model.nearest import did_you_mean
from milepost.model.rows import RunRow
from milepost.store.protocol import Store

if TYPE_CHECKING:
    from milepost.process.decisions.scenarios import Scenario, Scenarios
    from milepost.store.objects import Objects


def find_run(store: Store, words: str) -> RunRow:
    """The run that a name, an id, an unambiguous beginning of an id, or "last" means. Raises UnknownRunError."""
    if not isinstance(words, str):
        raise UnknownRunError(f"a run is meant by its name or id, not by {preview(words, 80)}. See `milepost ls`.")
    if words == "last":
        run = store.get(RunRow)
        if run is None:
            raise UnknownRunError("there is no run yet in this workspace: start one with `milepost run FILE.py`")
        return run
    run = store.get(RunRow, name=words) or store.get(RunRow, id=words)
    if run is not None:
        return run
    rows = store.rows(RunRow, newest=True, limit=1000)
    begins = [row for row in rows if len(words) >= 4 and row.id.startswith(words)]
    if len(begins) == 1:
        return begins[0]
    of_process = next((row.name for row in rows if row.process == words), None)
    hint = did_you_mean(words, [row.name for row in rows])
    hint = hint if of_process is None else f" It is the name of a process, whose newest run is {of_process}."
    raise UnknownRunError(f"no run is called {preview(words, 80)} in this workspace.{hint} See `milepost ls`.")


def find_scenario(
    store: Store, objects: Objects, name_or_id: str, process: str | None = None
) -> tuple[Scenarios, Scenario]:
    """A scenario of any process, or of one, by its name or id.

    Raises UnknownScenarioError, and ScenarioStateError when several processes have one of this name.
    """
    from milepost.process.decisions.scenarios import scenarios_of_all

    found: list[tuple[Scenarios, Scenario]] = []
    known: list[str] = []
    for scenarios in scenarios_of_all(store, objects, process):
        try:
            found.append((scenarios, scenarios.get(name_or_id)))
        except UnknownScenarioError:
            known += [scenario.name for scenario in scenarios.all()]
    if len(found) > 1:
        who = ", ".join(repr(scenarios.process) for scenarios, _ in found)
        raise ScenarioStateError(f"processes {who} each have a scenario {name_or_id!r}: say which with --process")
    if found:
        return found[0]
    where = "in this workspace" if process is None else f"of process {process!r}"
    hint = did_you_mean(name_or_id, known) or " Save one with `milepost scenarios save NAME`."
    raise UnknownScenarioError(f"there is no scenario {preview(name_or_id, 80)} {where}.{hint}", scenario=name_or_id)
