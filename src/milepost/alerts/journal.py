"""Alerts in the ledger: events that every watcher of a workspace folds to the same books, and messages not yet sent.

They belong to no run (`run` is ""), so forgetting a run forgets none of them and reading them needs no other event.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from milepost import typed
from milepost.alerts.folding import (
    FORGOTTEN,
    KIND_OF,
    SENT,
    TOLD,
    UNDELIVERED,
    AlertSaid,
    Down,
    Folded,
    Outgoing,
    Sent,
    Summary,
    Told,
)
from milepost.errors import StoreError
from milepost.model.alerting import Book, Change, Message
from milepost.model.rows import EventRow
from milepost.store.protocol import Store

NO_RUN = ""
PAGE = 5_000
MOST_UNWRITTEN = 10_000  # events kept while the ledger cannot be written


class Journal:
    """The books of all rules, read from the ledger and written to it. `warn` hears when it cannot be written."""

    def __init__(self, store: Store, warn: Callable[[str], object]) -> None:
        self._store = store
        self._warn = warn
        self._seq = 0
        self._folded: Folded | None = None
        self._unwritten: list[EventRow] = []
        self._own = 0  # the next so many events in the ledger are this journal's, and folded already

    def book(self, rule: str) -> Book:
        """What is known of a rule's alerts."""
        return self._state.book(rule)

    def outgoing(self) -> list[Outgoing]:
        """The messages that some channel has not taken, the oldest first."""
        return list(self._state.outgoing.values())

    def down(self, channel: str) -> Down | None:
        """Since when this channel takes nothing; None when it is not known to be down."""
        return self._state.down.get(channel)

    def catch_up(self) -> list[Change]:
        """Fold what others recorded since the last time; the changes among it."""
        self._write_what_waits()
        if self._unwritten:
            return []  # who records is alone with it: there is nothing of others
        return self._read() if self._folded is not None else self._read_from_the_start()

    def _read_from_the_start(self) -> list[Change]:
        """All of it, again when `gc` took something away in between."""
        while True:
            base = self._store.get(EventRow, run=NO_RUN, kind=FORGOTTEN)
            summary = None if base is None else summary_of(base)
            self._folded = Folded(self._warn, summary)
            self._seq = 0 if summary is None else summary.upto
            changes = self._read()
            if self._store.get(EventRow, run=NO_RUN, kind=FORGOTTEN) == base:
                return changes

    def _read(self) -> list[Change]:
        changes = []
        while page := self._store.rows(EventRow, run=NO_RUN, after=self._seq, limit=PAGE):
            self._seq = page[-1].seq
            page = [row for row in page if row.kind != FORGOTTEN]
            mine = min(self._own, len(page))  # nobody else records while a watcher does
            self._own -= mine
            changes += [change for row in page[mine:] if (change := self._state.fold(row)) is not None]
        return changes

    @property
    def _state(self) -> Folded:
        if self._folded is None:
            self._folded = Folded(self._warn)
        return self._folded

    def record(self, changes: Sequence[Change], at: float) -> None:
        """Keep changes, and fold them."""
        self._keep([
            _event(change.at, KIND_OF[change.state], AlertSaid(change.rule, change.subject, change.text, change.times))
            for change in changes
        ])  # fmt: skip

    def tell(self, message: Message, channels: tuple[str, ...], number: str) -> None:
        """Keep that the oldest untold changes of a rule are told in this message; without channels to nobody."""
        told = Told(number, message.rule, len(message.changes), channels, message.is_last)
        self._keep([_event(message.at, TOLD, told)])

    def sent(self, number: str, channel: str, error: str | None, at: float) -> None:
        """Keep that a channel took a message, or why it is let go."""
        self._keep([_event(at, SENT, Sent(number, channel, error))])

    def undelivered(self, number: str, channel: str, error: str, at: float) -> None:
        """Keep that a channel is down: the message waits."""
        self._keep([_event(at, UNDELIVERED, Sent(number, channel, error))])

    def _write_what_waits(self) -> None:
        """Try again to write what could not be written; what got there in spite of an error is not written twice."""
        if not self._unwritten:
            return
        try:
            there = {(row.at, row.kind, row.json) for row in self._store.rows(EventRow, run=NO_RUN, after=self._seq)}
        except StoreError:
            return
        rows = [row for row in self._unwritten if (row.at, row.kind, row.json) not in there]
        self._own += len(self._unwritten) - len(rows)
        self._unwritten = []
        self._write(rows)

    def _keep(self, rows: list[EventRow]) -> None:
        """Fold, and write: a ledger that is full keeps nobody from being told so."""
        for row in rows:
            self._state.fold(row)
        if rows:
            self._write(rows)

    def _write(self, rows: list[EventRow]) -> None:
        if self._unwritten:  # in their order, or not at all
            self._unwritten = [*self._unwritten, *rows][-MOST_UNWRITTEN:]
            return
        try:
            self._store.write(rows, durable=True)
            self._own += len(rows)
        except StoreError as error:
            self._unwritten = rows[-MOST_UNWRITTEN:]
            self._warn(f"alerts cannot be recorded, and go on without: {error}")


def summary_of(row: EventRow) -> Summary:
    """What `gc` left in place of the events that it took away."""
    return typed.from_json(row.json, Summary)


def _event(at: float, kind: str, said: msgspec.Struct) -> EventRow:
    return EventRow(at=at, run=NO_RUN, kind=kind, json=msgspec.json.encode(said).decode())
