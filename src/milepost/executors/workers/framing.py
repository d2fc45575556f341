"""The frames between the session's process and its workers: a tag, a length, and bytes.

The pipe is private to the two processes, so pickles on it are trusted. Outcomes are MessagePack: they are many.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from milepost import typed
from milepost.errors import CannotEncode, WorkerError
from milepost.executors.task import ItemOutcome, ItemTask, Outcome, OutcomeKind, Parcel, Task
from milepost.executors.wire import exception_from_wire, exception_to_wire, to_wire
from milepost.store.objects import Packed, Stored

if TYPE_CHECKING:
    import socket

SETUP, WORK, TASK = b"S", b"W", b"T"
READY, BROKEN, OUTCOME, NOTICE, UNREADABLE = b"R", b"B", b"O", b"N", b"U"
HEAD = struct.Struct("<cQ")
READ_BYTES = 1 << 18


class Frame(NamedTuple):
    """One message."""

    tag: bytes
    body: bytes


def frame(tag: bytes, body: bytes = b"") -> bytes:
    """The bytes of a message."""
    return HEAD.pack(tag, len(body)) + body


class Frames:
    """Bytes in, messages out.

    Example:
        >>> frames = Frames()
        >>> sent = frame(READY) + frame(BROKEN, b"no")
        >>> list(frames.feed(sent[:12])), list(frames.feed(sent[12:]))
        ([Frame(tag=b'R', body=b'')], [Frame(tag=b'B', body=b'no')])
    """

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, received: bytes) -> Iterator[Frame]:
        """The messages that are complete now."""
        self._bytes += received
        while len(self._bytes) >= HEAD.size:
            tag, length = HEAD.unpack_from(self._bytes)
            end = HEAD.size + length
            if len(self._bytes) < end:
                return
            body = bytes(memoryview(self._bytes)[HEAD.size : end])
            del self._bytes[:end]
            yield Frame(tag, body)


def receive(connection: socket.socket) -> Frame | None:
    """The next message from a blocking connection; None when the other side is gone."""
    head = _exactly(connection, HEAD.size)
    if head is None:
        return None
    tag, length = HEAD.unpack(head)
    body = _exactly(connection, length)
    return None if body is None else Frame(tag, body)


def _exactly(connection: socket.socket, size: int) -> bytes | None:
    buffer = bytearray(size)
    view = memoryview(buffer)
    while view:
        got = connection.recv_into(view)
        if not got:
            return None
        view = view[got:]
    return bytes(buffer)


def task_to_wire(task: Task) -> bytes:
    """A task in one piece. Raises what pickling raises."""
    return to_wire((task.number, task.stage, task.attempt, _rows(task.items)))


def task_to_wire_apart(task: Task) -> bytes:
    """A task whose items are pickled one by one; one that cannot be fails when the worker begins it."""
    items = tuple(msgspec.structs.replace(item, value=_parcel(item)) for item in task.items or ())
    return to_wire((task.number, task.stage, task.attempt, _rows(items)))


def _parcel(item: ItemTask) -> Parcel:
    try:
        return Parcel(to_wire(item.value))
    except Exception as error:
        text = f"a {type(item.value).__name__} cannot cross to a worker ({type(error).__name__}: {error})"
        return Parcel(to_wire(_Refusal(text)))


class _Refusal:
    """Raises when it is unpickled."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __reduce__(self) -> tuple[object, ...]:
        return refuse, (self.text,)


def refuse(text: str) -> None:
    """Say in the worker what went wrong in the session's process."""
    raise CannotEncode(text)


def task_from_wire(sent: bytes) -> Task:
    """A task. Raises when it cannot be rebuilt here."""
    number, stage, attempt, rows = pickle.loads(sent)
    items = None if rows is None else tuple(ItemTask(*row) for row in rows)
    return Task(number=number, stage=stage, attempt=attempt, items=items)


def _rows(items: tuple[ItemTask, ...] | None) -> list[tuple[object, ...]] | None:
    if items is None:
        return None
    return [(item.position, item.item, item.digest, item.attempt, item.value) for item in items]


class ItemReport(msgspec.Struct, frozen=True, array_like=True):
    """An item's outcome, without what the other side knows."""

    position: int
    packed: Packed | None
    error: str | None
    traceback: str | None
    seconds: float
    kind: OutcomeKind


class Report(msgspec.Struct, frozen=True, array_like=True):
    """A task's outcome, without what the other side knows."""

    task: int
    kind: OutcomeKind
    stored: Stored | None
    items: list[ItemReport]
    exception: bytes | None
    error: str | None
    traceback: str | None
    seconds: float
    metrics: dict[str, int | float]


def broken_to_wire(error: WorkerError) -> bytes:
    """Why a worker cannot begin anything."""
    return msgspec.msgpack.encode((str(error), error.details))


def broken_from_wire(sent: bytes) -> WorkerError:
    """The same on the other side."""
    text, details = msgspec.msgpack.decode(sent, type=tuple[str, dict[str, str]])
    return WorkerError(text, **details)


_encoder = msgspec.msgpack.Encoder()
_decode = typed.msgpack_decoder(Report)


def outcome_to_wire(outcome: Outcome) -> bytes:
    """An outcome's bytes."""
    items = [
        ItemReport(item.position, item.packed, item.error, item.traceback, item.seconds, item.kind)
        for item in outcome.items
    ]
    return _encoder.encode(
        Report(
            outcome.task,
            outcome.kind,
            outcome.stored,
            items,
            exception_to_wire(outcome.exception),
            outcome.error,
            outcome.traceback,
            outcome.seconds,
            outcome.metrics,
        )
    )


def outcome_from_wire(sent: bytes, task: Task) -> Outcome:
    """The outcome of `task`; items it does not tell of are its rest."""
    report = _decode(sent)
    left = {item.position: item for item in task.items or ()}
    items = tuple(_item(row, left.pop(row.position)) for row in report.items)
    return Outcome(
        task=report.task,
        stage=task.stage,
        kind=report.kind,
        stored=report.stored,
        items=items,
        rest=tuple(left.values()),
        exception=exception_from_wire(report.exception),
        error=report.error,
        traceback=report.traceback,
        seconds=report.seconds,
        metrics=report.metrics,
    )


def _item(report: ItemReport, task: ItemTask) -> ItemOutcome:
    return ItemOutcome(
        task.position,
        task.item,
        task.digest,
        task.attempt,
        report.kind == "done",
        report.packed,
        report.error,
        report.traceback,
        report.seconds,
        report.kind,
    )
