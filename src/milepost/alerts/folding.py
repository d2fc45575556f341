"""What the events of alerts come to: books, messages that wait, channels that are down; folded in their order."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from milepost import typed
from milepost.model.alerting import AlertState, Book, Change, Message, Page
from milepost.model.rows import EventRow

TOLD = "alert_told"  # changes became a message; to which channels it goes
SENT = "alert_sent"  # a channel took the message, or it was let go
UNDELIVERED = "alert_undelivered"  # a channel did not take it, for now
FORGOTTEN = "alerts_forgotten"  # the events up to one of them are gone: what they came to
KINDS = {
    "alert_pending": AlertState.PENDING,
    "alert_firing": AlertState.FIRING,
    "alert_resolved": AlertState.RESOLVED,
    "alert_withdrawn": AlertState.WITHDRAWN,
}
KIND_OF = {state: kind for kind, state in KINDS.items()}


class AlertSaid(msgspec.Struct, frozen=True):
    """The facts of an alert that changed."""

    rule: str
    subject: str
    text: str
    times: int = 1


class Told(msgspec.Struct, frozen=True):
    """The oldest `count` untold changes of a rule became a message."""

    id: str
    rule: str
    count: int
    channels: tuple[str, ...]
    is_last: bool = False


class Sent(msgspec.Struct, frozen=True):
    """What became of a message at a channel."""

    id: str
    channel: str
    error: str | None = None


class Outgoing(msgspec.Struct, frozen=True):
    """A message with the channels that have not taken it yet."""

    id: str
    message: Message
    channels: tuple[str, ...]


class Down(msgspec.Struct, frozen=True):
    """A channel that takes nothing: for how many rounds of tries, and when the last of them ended."""

    rounds: int
    at: float


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What the events up to `upto` came to, in place of them."""

    upto: int
    pages: dict[str, Page]
    outgoing: list[Outgoing]
    down: dict[str, Down]


class Folded:
    """The state at one place of the ledger. `warn` hears of events that cannot be read."""

    def __init__(self, warn: Callable[[str], object], summary: Summary | None = None) -> None:
        self._warn = warn
        self.books: dict[str, Book] = {}
        self.outgoing: dict[str, Outgoing] = {}
        self.down: dict[str, Down] = {}
        if summary is not None:
            self.books = {rule: Book(rule, page) for rule, page in summary.pages.items()}
            self.outgoing = {waiting.id: waiting for waiting in summary.outgoing}
            self.down = dict(summary.down)

    def summary(self, upto: int, now: float) -> Summary:
        """All of it that still counts."""
        pages = {rule: book.page(now) for rule, book in self.books.items()}
        return Summary(upto=upto, pages=pages, outgoing=list(self.outgoing.values()), down=self.down)

    def book(self, rule: str) -> Book:
        """What is known of a rule's alerts."""
        return self.books.setdefault(rule, Book(rule))

    def fold(self, row: EventRow) -> Change | None:
        """Take an event over; the change that it is, if it is one."""
        try:
            if row.kind in KINDS:
                return self._fold_alert(row, typed.from_json(row.json, AlertSaid))
            if row.kind == TOLD:
                self._fold_told(row, typed.from_json(row.json, Told))
            elif row.kind == SENT:
                self._fold_sent(typed.from_json(row.json, Sent))
            elif row.kind == UNDELIVERED:
                self._fold_undelivered(row, typed.from_json(row.json, Sent))
        except msgspec.DecodeError:  # written by a version that says it differently
            self._warn(f"event {row.seq} ({row.kind}) cannot be read, and is passed over")
        return None

    def _fold_alert(self, row: EventRow, said: AlertSaid) -> Change:
        change = Change(
            rule=said.rule, subject=said.subject, state=KINDS[row.kind], at=row.at, text=said.text, times=said.times
        )
        self.book(said.rule).fold(change)
        return change

    def _fold_told(self, row: EventRow, told: Told) -> None:
        changes = self.book(told.rule).fold_told(row.at, told.count)
        if told.channels and changes:
            message = Message(rule=told.rule, at=row.at, changes=changes, is_last=told.is_last)
            self.outgoing[told.id] = Outgoing(told.id, message, told.channels)

    def _fold_sent(self, sent: Sent) -> None:
        if sent.error is None:
            self.down.pop(sent.channel, None)
        waiting = self.outgoing.pop(sent.id, None)
        left = () if waiting is None else tuple(name for name in waiting.channels if name != sent.channel)
        if waiting is not None and left:
            self.outgoing[sent.id] = Outgoing(sent.id, waiting.message, left)

    def _fold_undelivered(self, row: EventRow, tried: Sent) -> None:
        before = self.down.get(tried.channel)
        self.down[tried.channel] = Down(rounds=1 if before is None else before.rounds + 1, at=row.at)
