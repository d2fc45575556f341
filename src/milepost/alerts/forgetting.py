"""Old events of alerts are forgotten by `milepost gc`; what they came to is kept in one event in place of them.

So an alert that is open stays open, a message that waits goes on waiting, and no cool-down or cap begins anew.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import msgspec

from milepost.alerts.folding import FORGOTTEN, Folded
from milepost.alerts.journal import NO_RUN, PAGE, summary_of
from milepost.kernel.lock import try_acquire
from milepost.kernel.warning import warn
from milepost.kernel.workspace import Workspace
from milepost.model.rows import EventRow
from milepost.store.protocol import Store

KEPT_SECONDS = 30 * 86_400.0
MOST_KEPT = 10_000  # events
LOCK = "forget.lock"


def forget_alerts(
    workspace: Workspace, *, now: float, kept_seconds: float = KEPT_SECONDS, most: int = MOST_KEPT, delete: bool
) -> int:
    """Forget the events that are older than `kept_seconds`, and all but the newest `most`; how many those are.

    A watcher may be at work meanwhile. While another process does the same, nothing is done.
    """
    if not delete:
        return sum(len(page) for page in _pages(workspace.store, 0, _last_of(workspace.store, now, kept_seconds, most)))
    lock = try_acquire(os.fspath(workspace.path / "runs" / LOCK))
    if lock is None:
        return 0
    try:
        return _forget(workspace.store, _last_of(workspace.store, now, kept_seconds, most), now)
    finally:
        lock.release()


def _last_of(store: Store, now: float, kept_seconds: float, most: int) -> int:
    """The newest event to forget; 0 for none."""
    newest = [row for row in store.rows(EventRow, run=NO_RUN, newest=True, limit=most + 2) if row.kind != FORGOTTEN]
    last = newest[most].seq if len(newest) > most else 0
    for page in _pages(store, last, None):
        for row in page:
            if now - row.at <= kept_seconds:
                return last
            last = row.seq
    return last


def _pages(store: Store, after: int, upto: int | None) -> Iterator[list[EventRow]]:
    """The events between these, but for what earlier ones came to."""
    while upto is None or after < upto:
        rows = store.rows(EventRow, run=NO_RUN, after=after, limit=PAGE)
        if not rows:
            return
        after = rows[-1].seq
        yield [row for row in rows if row.kind != FORGOTTEN and (upto is None or row.seq <= upto)]


def _forget(store: Store, last: int, now: float) -> int:
    """Write down first, then take away: who is killed in between leaves what nobody reads any more."""
    base = store.get(EventRow, run=NO_RUN, kind=FORGOTTEN)
    before = None if base is None else summary_of(base)
    read_from = 0 if before is None else before.upto
    gone = [row.seq for page in _pages(store, 0, max(last, read_from)) for row in page]
    if last > read_from:
        folded = Folded(warn, before)
        for page in _pages(store, read_from, last):
            for row in page:
                folded.fold(row)
        text = msgspec.json.encode(folded.summary(last, now)).decode()
        store.write([EventRow(at=now, run=NO_RUN, kind=FORGOTTEN, json=text)], durable=True)
        if base is not None:
            gone.append(base.seq)
    for start in range(0, len(gone), 500):
        store.drop(EventRow, seq=gone[start : start + 500])
    return len(gone) - (last > read_from and base is not None)
