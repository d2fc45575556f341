"""Which run a user means."""

from __future__ import annotations

from milepost.errors import UnknownRunError
from milepost.model.nearest import did_you_mean
from milepost.model.rows import RunRow
from milepost.store.protocol import Store


def find_run(store: Store, words: str) -> RunRow:
    """The run that a name, an id, an unambiguous beginning of an id, or "last" means. Raises UnknownRunError."""
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
    raise UnknownRunError(
        f"no run is called {words!r} in this workspace.{did_you_mean(words, [row.name for row in rows])} "
        "See `milepost ls`."
    )
