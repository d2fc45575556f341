"""Where a manager's steps are kept: the ledger and the run, which may depend on the code that calls."""

from __future__ import annotations

import threading

from milepost.errors import UnknownRunError
from milepost.kernel.context import Context, current
from milepost.model.rows import RunRow
from milepost.steps.checking import name_of
from milepost.steps.deaths import look_for_the_dead
from milepost.steps.ledger import Ledger, ledger_of


class Whereabouts:
    """What was given as storage and run. Nothing is opened before it is needed; safe from any thread."""

    def __init__(self, storage: object, run: object) -> None:
        self.storage = storage
        self._given_run = run
        self._opening = threading.Lock()
        self._ledgers: dict[str | None, Ledger] = {}
        self._run: str | None = None

    def ledger(self) -> Ledger:
        """The ledger, of the run's workspace where the calling code is in a run and no storage was given.

        Now and then somebody has to look for what was at hand of processes that died: who asks for the ledger does.
        """
        return self._ledger_at(self._here())

    def to_write(self) -> tuple[Ledger, str]:
        """Where to record now, and of which run: the one that was given, else that of the calling code; "" for none.

        That the ledger is still there is seen when it is committed.
        """
        where = self._here()
        run = self._run if self._given_run is None else self.run()
        if run is None:
            run = "" if where is None else where.run_id
        return self._ledger_at(where), run

    def _here(self) -> Context | None:
        return current.get() if self.storage is None else None

    def _ledger_at(self, where: Context | None) -> Ledger:
        place = None if where is None else where.workspace
        ledger = self._ledgers.get(place)
        if ledger is None:
            with self._opening:
                ledger = self._ledgers.get(place)
                if ledger is None:
                    ledger = self._ledgers[place] = ledger_of(self.storage if place is None else place)
        look_for_the_dead(ledger)
        return ledger

    def run(self) -> str | None:
        """The run that was given, by its id. Raises UnknownRunError."""
        if self._given_run is None or self._run is not None:
            return self._run
        given = getattr(self._given_run, "id", self._given_run)
        given = name_of(given, "a run's name")
        store = self.ledger().store
        found = store.get(RunRow, id=given) or store.get(RunRow, name=given)
        if found is None:
            raise UnknownRunError(f"no run is called {given!r:.80} in this ledger; see `milepost ls`")
        self._run = found.id
        return self._run

    def close(self) -> None:
        """Let the ledgers go; asked for again, they are opened again."""
        self._ledgers.clear()
