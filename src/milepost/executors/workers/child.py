"""What a worker process does: take the snapshot, carry out what comes down the pipe, exit when the pipe closes."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import sys
import threading
from pathlib import Path
from time import monotonic
from types import FrameType

import msgspec

from milepost import typed
from milepost.errors import WorkerError
from milepost.executors.carry_out import Carrier
from milepost.executors.snapshot import install_snapshot
from milepost.executors.task import Equipment, Notice, Outcome, Work
from milepost.executors.wire import to_wire
from milepost.executors.workers import framing
from milepost.executors.workers.framing import frame
from milepost.executors.workers.losses import cannot_begin, refused
from milepost.executors.workers.slot import Slot
from milepost.kernel.context import current
from milepost.kernel.rootlog import RootRecorder

PROGRESS_SECONDS = 0.05  # between two notices of progress
PR_SET_PDEATHSIG = 1


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker is told first."""

    objects_root: str
    key: bytes
    cwd: str | None
    argv: list[str]
    snapshot: bytes | None
    wait_seconds: float


def main(connection_fd: int, watch_fd: int, slot_fd: int, parent: int) -> None:
    """The worker's life. `parent` is the pid of the session's process."""
    _leave_signals_to_the_parent()
    threading.Thread(target=_die_with_parent, args=(watch_fd,), name="milepost-watch", daemon=True).start()
    _die_with_parent_at_once(parent)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    with socket.socket(fileno=connection_fd) as connection:
        first = framing.receive(connection)
        if first is None:
            return
        worker = Worker(connection, Slot(slot_fd), typed.msgpack_decoder(Setup)(first.body))
        if worker.prepare():
            worker.serve()


class Worker:
    """One worker, seen from inside."""

    def __init__(self, connection: socket.socket, slot: Slot, setup: Setup) -> None:
        self._connection = connection
        self._sending = threading.Lock()
        self._setup = setup
        self._works: dict[str, Work] = {}
        self._unusable: dict[str, WorkerError] = {}
        self._slot = slot
        self._held: Notice | None = None  # progress that is not sent yet
        self._told = 0.0

    def prepare(self) -> bool:
        """Become a copy of the session's process as far as user code can tell."""
        try:
            if self._setup.cwd is not None:
                os.chdir(self._setup.cwd)
            sys.argv = list(self._setup.argv)
            if self._setup.snapshot is not None:
                install_snapshot(self._setup.snapshot)
            self._carrier = self._make_carrier()
            RootRecorder(_tell_record).attach()
        except Exception as error:
            self._send(framing.BROKEN, framing.broken_to_wire(cannot_begin("a worker cannot begin", error)))
            return False
        self._send(framing.READY)
        return True

    def serve(self) -> None:
        """Carry out tasks until the pipe closes."""
        while (message := framing.receive(self._connection)) is not None:
            if message.tag == framing.WORK:
                self._take_work(message.body)
            elif message.tag == framing.TASK:
                self._take_task(message.body)

    def _make_carrier(self) -> Carrier:
        equipment = Equipment(
            objects_root=Path(self._setup.objects_root),
            key=self._setup.key,
            wait_seconds=self._setup.wait_seconds,
            works=self._works,
            on_notice=self._notify,
            is_cancelled=self._slot.is_stopped,
        )
        return Carrier(equipment, is_worker=True, at_hand=self._slot.at_hand)

    def _take_work(self, sent: bytes) -> None:
        stage, body = pickle.loads(sent)
        self._unusable.pop(stage, None)
        try:
            self._works[stage] = pickle.loads(body)
        except Exception as error:
            self._unusable[stage] = cannot_begin("its function or a decision cannot be made anew in a worker", error)

    def _take_task(self, sent: bytes) -> None:
        try:
            task = framing.task_from_wire(sent)
        except Exception as error:
            self._send(framing.UNREADABLE, str(error).encode("utf-8", "backslashreplace"))
            return
        unusable = self._unusable.get(task.stage)
        outcome = refused(task, unusable) if unusable is not None else self._carrier.carry_out(task)
        self._finish(outcome)

    def _finish(self, outcome: Outcome) -> None:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                continue  # the user closed it
        if self._held is not None:
            self._send(framing.NOTICE, to_wire(self._held))
            self._held = None
        self._send(framing.OUTCOME, framing.outcome_to_wire(outcome))

    def _notify(self, notice: Notice) -> None:
        if notice.kind == "progress":
            now = monotonic()
            if now - self._told < PROGRESS_SECONDS:
                self._held = notice
                return
            self._told = now
        self._held = None if notice.kind == "progress" else self._held
        self._send(framing.NOTICE, to_wire(notice))

    def _send(self, tag: bytes, body: bytes = b"") -> None:
        with self._sending:
            self._connection.sendall(frame(tag, body))


def _tell_record(level: str, logger: str, text: str) -> None:
    """A record that user code logged goes to the run's log with its stage and item."""
    context = current.get()
    if context is not None:
        context.notify("log", {"text": text, "level": level, "logger": logger})


def _leave_signals_to_the_parent() -> None:
    """Do nothing on SIGINT and SIGTERM. Not SIG_IGN: what user code starts would inherit that."""

    def nothing(number: int, where: FrameType | None) -> None:
        pass

    signal.signal(signal.SIGINT, nothing)
    signal.signal(signal.SIGTERM, nothing)


def _die_with_parent(watch_fd: int) -> None:
    """Wait for the parent's end of a pipe to close; then end this process and what it started."""
    while os.read(watch_fd, 1):
        pass
    os.killpg(0, signal.SIGKILL)


def _die_with_parent_at_once(parent: int) -> None:
    """On Linux let the kernel do it: a thread cannot run while user code keeps the GIL."""
    if sys.platform.startswith("linux"):
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
