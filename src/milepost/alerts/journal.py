"""Alerts in the ledger: events that every watcher of a workspace folds to the same books, and messages not yet sent.

They belong to no run (`run` is ""), so forgetting a run forgets none of them and reading them needs no other event.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from milepost.errors import StoreError
from milepost.model.alerting import AlertState, Book, Change, Message
from milepost.model.rows import EventRow
from milepost.store.protocol import Store

NO_RUN = ""
TOLD = "alert_told"  # changes became a message; to which channels it goes
SENT = "alert_sent"  # a channel took the message, or was given up
KINDS = {
    "alert_pending": AlertState.PENDING,
    "alert_firing": AlertState.FIRING,
    "alert_resolved": AlertState.RESOLVED,
    "alert_withdrawn": AlertState.WITHDRAWN,
}
KIND_OF = {state: kind for kind, state in KINDS.items()}
PAGE = 5_000
MOST_UNWRITTEN = 10_000  # events kept while the ledger cannot be written


class _Alert(msgspec.Struct, frozen=True):
    rule: str
    subject: str
    text: str


class _Told(msgspec.Struct, frozen=True):
    id: str
    rule: str
    count: int
    channels: tuple[str, ...]
    is_last: bool = False


class _Sent(msgspec.Struct, frozen=True):
    id: str
    channel: str
    error: str | None = None


class Outgoing(msgspec.Struct, frozen=True):
    """A message with the channels that have not taken it yet."""

    id: str
    message: Message
    channels: tuple[str, ...]


class Journal:
    """The books of all rules, read from the ledger and written to it. `warn` hears when it cannot be written."""

    def __init__(self, store: Store, warn: Callable[[str], object]) -> None:
        self._store = store
        self._warn = warn
        self._seq = 0
        self._books: dict[str, Book] = {}
        self._outgoing: dict[str, Outgoing] = {}
        self._unwritten: list[EventRow] = []
        self._own = 0  # the next so many events in the ledger are this journal's, and folded already

    def book(self, rule: str) -> Book:
        """What is known of a rule's alerts."""
        return self._books.setdefault(rule, Book(rule))

    def outgoing(self) -> list[Outgoing]:
        """The messages that some channel has not taken, the oldest first."""
        return list(self._outgoing.values())

    def catch_up(self) -> list[Change]:
        """Fold what others recorded since the last time; the changes among it."""
        self._write_what_waits()
        if self._unwritten:
            return []  # who records is alone with it: there is nothing of others
        changes = []
        while page := self._store.rows(EventRow, run=NO_RUN, after=self._seq, limit=PAGE):
            self._seq = page[-1].seq
            mine = min(self._own, len(page))  # nobody else records while a watcher does
            self._own -= mine
            changes += [change for row in page[mine:] if (change := self._fold(row)) is not None]
        return changes

    def record(self, changes: Sequence[Change], at: float) -> None:
        """Keep changes, and fold them."""
        self._keep([
            _event(change.at, KIND_OF[change.state], _Alert(change.rule, change.subject, change.text))
            for change in changes
        ])  # fmt: skip

    def tell(self, message: Message, channels: tuple[str, ...], number: str) -> None:
        """Keep that the oldest untold changes of a rule are told in this message; without channels to nobody."""
        told = _Told(number, message.rule, len(message.changes), channels, message.is_last)
        self._keep([_event(message.at, TOLD, told)])

    def sent(self, number: str, channel: str, error: str | None, at: float) -> None:
        """Keep that a channel took a message, or that it was given up."""
        self._keep([_event(at, SENT, _Sent(number, channel, error))])

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
            self._fold(row)
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

    def _fold(self, row: EventRow) -> Change | None:
        try:
            if row.kind in KINDS:
                return self._fold_alert(row, msgspec.json.decode(row.json, type=_Alert))
            if row.kind == TOLD:
                self._fold_told(row, msgspec.json.decode(row.json, type=_Told))
            elif row.kind == SENT:
                self._fold_sent(msgspec.json.decode(row.json, type=_Sent))
        except msgspec.DecodeError:  # written by a version that says it differently
            self._warn(f"event {row.seq} ({row.kind}) cannot be read, and is passed over")
        return None

    def _fold_alert(self, row: EventRow, alert: _Alert) -> Change:
        change = Change(rule=alert.rule, subject=alert.subject, state=KINDS[row.kind], at=row.at, text=alert.text)
        self.book(alert.rule).fold(change)
        return change

    def _fold_told(self, row: EventRow, told: _Told) -> None:
        changes = self.book(told.rule).fold_told(row.at, told.count)
        if told.channels and changes:
            message = Message(rule=told.rule, at=row.at, changes=changes, is_last=told.is_last)
            self._outgoing[told.id] = Outgoing(told.id, message, told.channels)

    def _fold_sent(self, sent: _Sent) -> None:
        waiting = self._outgoing.pop(sent.id, None)
        left = () if waiting is None else tuple(name for name in waiting.channels if name != sent.channel)
        if waiting is not None and left:
            self._outgoing[sent.id] = Outgoing(sent.id, waiting.message, left)


def _event(at: float, kind: str, said: msgspec.Struct) -> EventRow:
    return EventRow(at=at, run=NO_RUN, kind=kind, json=msgspec.json.encode(said).decode())
