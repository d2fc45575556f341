"""The thread that looks after the workers: hands tasks out, listens, notices deaths, ends what is overdue."""

from __future__ import annotations

import contextlib
import os
import pickle
import selectors
import sys
import threading
import warnings
from collections import deque
from queue import SimpleQueue
from time import monotonic, sleep

import msgspec

from milepost.errors import WorkerError
from milepost.executors.inline import not_begun
from milepost.executors.task import Equipment, Given, Notice, Outcome, Task, Work
from milepost.executors.wire import to_wire
from milepost.executors.workers import framing
from milepost.executors.workers.child import Setup
from milepost.executors.workers.framing import Frame, frame
from milepost.executors.workers.losses import cannot_begin, lost, refused
from milepost.executors.workers.process import WorkerProcess, cause_of_death
from milepost.executors.workers.slot import CAPACITY
from milepost.kernel.host import oom_kills

TICK_SECONDS = 0.1  # without pidfd, deaths are looked for this often; cancellation always
SLACK_SECONDS = 0.1  # beyond a timeout, for an async call to end itself
START_TRIES = 3  # workers in a row that die before they are ready
CLOSE_SECONDS = 1.0  # for idle workers to end by themselves
POLL_SECONDS = 0.005
LAST_WORDS = 20  # lines of a worker that did not start


class Hub:
    """Owns the workers of one executor. `put` is told each outcome."""

    def __init__(self, equipment: Equipment, slots: int, outcomes: SimpleQueue[Outcome]) -> None:
        self._equipment = equipment
        self._slots = slots
        self._outcomes = outcomes
        self._queue: deque[Task] = deque()
        self._workers: list[WorkerProcess] = []
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = os.pipe()[::-1]
        os.set_blocking(self._wake, False)
        self._selector.register(self._woken, selectors.EVENT_READ, None)
        self._works: dict[str, tuple[Work, bytes]] = {}
        self._started = 0
        self._false_starts = 0
        self._last_words: deque[str] = deque(maxlen=LAST_WORDS)
        self._broken: WorkerError | None = None  # why no worker can begin anything
        self._oom_kills = oom_kills()
        self._is_cancelled = False
        self._is_closing = False
        self._has_warned = False
        self._has_ended = False
        self._setup = self._setup_frame()
        self._thread = threading.Thread(target=self._serve, name="milepost-workers", daemon=True)
        self._thread.start()

    def submit(self, task: Task) -> None:
        """Take a task. From any thread."""
        self._queue.append(task)
        self._wake_up()
        if self._has_ended:
            self._refuse_queued()

    def cancel(self) -> None:
        """Begin nothing more. From any thread."""
        self._is_cancelled = True
        self._wake_up()

    def close(self) -> None:
        """End all workers and the thread. From any thread."""
        self._is_closing = True
        self._wake_up()
        self._thread.join(timeout=2 * CLOSE_SECONDS + 1.0)

    def forget_in_child(self) -> None:
        """In a fork of this process: let go of the pipes, so that workers see when their parent ends."""
        for worker in self._workers:
            worker.abandon()

    def _wake_up(self) -> None:
        try:
            os.write(self._wake, b"!")
        except (BlockingIOError, OSError):
            return  # it is awake, or gone

    def _serve(self) -> None:
        try:
            while not self._is_closing:
                self._listen(self._selector.select(self._patience()))
                self._end_overdue()
                self._look_for_deaths()
                self._spread_cancellation()
                self._hand_out()
        except BaseException as error:
            self._give_up(error)
        finally:
            self._end_all()
            self._has_ended = True
            self._refuse_queued()

    def _give_up(self, error: BaseException) -> None:
        """A fault of ours: nobody may wait for ever for what will not come."""
        self._broken = cannot_begin("the workers cannot go on", error)
        for worker in self._workers:
            if worker.task is not None:
                self._outcomes.put(refused(worker.task, self._broken))
        self._refuse_queued()

    def _refuse_queued(self) -> None:
        with contextlib.suppress(IndexError):  # both threads may empty it
            while True:
                task = self._queue.popleft()
                self._outcomes.put(refused(task, self._broken or WorkerError("the workers were closed")))

    def _patience(self) -> float | None:
        """Seconds until something is to be looked at without being called."""
        if not self._workers:
            return None
        waits = [TICK_SECONDS]
        for worker, timeout in self._timed():
            left = worker.seconds_left(timeout)
            waits.append(SLACK_SECONDS if left is None else max(0.0, left + SLACK_SECONDS))
        return min(waits)

    def _listen(self, events: list[tuple[selectors.SelectorKey, int]]) -> None:
        for key, ready in events:
            if key.data is None:
                os.read(self._woken, 1 << 16)
                continue
            worker = key.data
            if ready & selectors.EVENT_WRITE and worker.flush():
                self._selector.modify(worker.connection.fileno(), selectors.EVENT_READ, worker)
            self._hear(worker)

    def _hear(self, worker: WorkerProcess) -> None:
        messages = worker.received()
        self._pass_output_on(worker)  # before the outcome, so that lines are told with their item
        for message in messages:
            self._take(worker, message)

    def _take(self, worker: WorkerProcess, message: Frame) -> None:
        if message.tag == framing.READY:
            worker.is_ready = True
            self._false_starts = 0
        elif message.tag == framing.BROKEN:
            self._broken = framing.broken_from_wire(message.body)
        elif message.tag == framing.NOTICE:
            self._tell(pickle.loads(message.body))
        elif message.tag == framing.UNREADABLE and worker.task is not None:
            self._send_apart(worker, worker.task)
        elif message.tag == framing.OUTCOME and worker.task is not None:
            self._finish(worker, framing.outcome_from_wire(message.body, worker.task))

    def _finish(self, worker: WorkerProcess, outcome: Outcome) -> None:
        worker.task = None
        worker.items = ()
        self._outcomes.put(outcome)

    def _tell(self, notice: Notice) -> None:
        try:
            self._equipment.on_notice(notice)
        except Exception as error:
            if not self._has_warned:
                self._has_warned = True
                warnings.warn(f"what workers tell cannot be recorded: {error}", RuntimeWarning, stacklevel=1)

    def _pass_output_on(self, worker: WorkerProcess) -> None:
        for stream, lines in zip(("out", "err"), worker.lines, strict=True):
            for text in lines.read():
                if not worker.is_ready:
                    self._last_words.append(text)
                stage, item = worker.whereabouts()
                payload = {"text": text, "stream": stream, "worker": worker.number}
                self._tell(Notice(stage, "output", payload, item))
            if lines.is_closed:
                self._unwatch(lines.fd)

    def _timed(self) -> list[tuple[WorkerProcess, float]]:
        """The workers whose task has a timeout, in seconds."""
        timed = []
        for worker in self._workers:
            timeout = self._works[worker.task.stage][0].timeout if worker.task is not None else None
            if timeout is not None:
                timed.append((worker, timeout))
        return timed

    def _end_overdue(self) -> None:
        for worker, timeout in self._timed():
            left = worker.seconds_left(timeout)
            if left is not None and left < -SLACK_SECONDS:
                self._hear(worker)  # it may have told its outcome just now
                if worker.task is not None:
                    worker.is_overdue = True
                    worker.kill()

    def _look_for_deaths(self) -> None:
        for worker in [worker for worker in self._workers if worker.is_deaf or worker.is_dead()]:
            worker.kill()  # what it started may keep the pipes open
            self._hear(worker)
            self._remove(worker)

    def _remove(self, worker: WorkerProcess) -> None:
        timeout = self._works[worker.task.stage][0].timeout if worker.task and worker.is_overdue else None
        task, seconds = worker.task, worker.seconds_at_hand()
        self._release(worker)
        cause = self._cause(worker.wait(), is_ours=worker.is_overdue)
        if not worker.is_ready:
            self._note_false_start(cause)
        if task is not None:
            self._outcomes.put(lost(worker, task, cause, timeout, seconds))
        worker.let_go()

    def _release(self, worker: WorkerProcess) -> None:
        for watched in worker.watched:
            self._unwatch(watched)
        self._workers.remove(worker)

    def _cause(self, status: int, *, is_ours: bool) -> str:
        before, self._oom_kills = self._oom_kills, oom_kills()
        by_kernel = status == -9 and not is_ours
        if by_kernel and before is not None and self._oom_kills is not None and self._oom_kills > before:
            return "out of memory"
        return cause_of_death(status)

    def _note_false_start(self, cause: str) -> None:
        self._false_starts += 1
        if self._false_starts >= START_TRIES and self._broken is None:
            words = "\n".join(self._last_words)
            said = f"workers cannot be started: {cause}" + (f"\n{words}" if words else "")
            self._broken = WorkerError(said, cause=cause)

    def _spread_cancellation(self) -> None:
        if not self._is_cancelled and not self._equipment.is_cancelled():
            return
        self._is_cancelled = True
        for worker in self._workers:
            worker.slot.stop()
        while self._queue:
            self._outcomes.put(not_begun(self._queue.popleft()))

    def _unwatch(self, fd: int) -> None:
        with contextlib.suppress(KeyError):
            self._selector.unregister(fd)

    def _hand_out(self) -> None:
        while self._queue:
            worker = self._free_worker() if self._broken is None else None
            if self._broken is not None:  # found out just now, maybe: nobody would look again
                self._refuse_queued()
                return
            if worker is None:
                return
            self._give(worker, self._queue.popleft())

    def _free_worker(self) -> WorkerProcess | None:
        """One that is ready and idle. Starts as many as are wanted and allowed."""
        idle = [worker for worker in self._workers if worker.task is None]
        starting = [worker for worker in idle if not worker.is_ready]
        wanted = len(self._queue) - len(idle)
        if not self._started and self._equipment.has_items:
            wanted = self._slots
        for _ in range(min(wanted, self._slots - len(self._workers))):
            try:
                starting.append(self._start())
            except Exception as error:
                self._broken = cannot_begin("workers cannot be started", error)
                return None
        return next((worker for worker in idle if worker.is_ready), None)

    def _start(self) -> WorkerProcess:
        self._started += 1
        threads = max(1, (os.cpu_count() or 1) // self._slots)
        worker = WorkerProcess(self._started, self._equipment.sys_path or tuple(sys.path), threads)
        self._workers.append(worker)
        for watched in worker.watched:
            self._selector.register(watched, selectors.EVENT_READ, worker)
        self._send(worker, self._setup)
        return worker

    def _send(self, worker: WorkerProcess, message: bytes) -> None:
        worker.send(message)
        if worker.has_unsent():
            both = selectors.EVENT_READ | selectors.EVENT_WRITE
            self._selector.modify(worker.connection.fileno(), both, worker)

    def _give(self, worker: WorkerProcess, task: Task) -> None:
        try:
            work = self._work_frame(task.stage)
        except Exception as error:
            self._outcomes.put(refused(task, cannot_begin("it cannot be sent to a worker", error)))
            return
        if worker.known.get(task.stage) is not work:
            worker.known[task.stage] = work
            self._send(worker, work)
        items = None if task.items is None else task.items[:CAPACITY]
        sent = msgspec.structs.replace(task, items=items)
        worker.begin(task, items or ())
        try:
            message = framing.task_to_wire(sent)
        except Exception:
            self._send_apart(worker, sent)
        else:
            self._send(worker, frame(framing.TASK, message))

    def _send_apart(self, worker: WorkerProcess, task: Task) -> None:
        """Item by item in one frame, so that one that cannot cross does not hold up the others."""
        message = framing.task_to_wire_apart(task)
        worker.begin(worker.task or task, task.items or ())
        self._send(worker, frame(framing.TASK, message))

    def _work_frame(self, stage: str) -> bytes:
        work = self._equipment.works[stage]
        known = self._works.get(stage)
        if known is None or known[0] is not work:
            self._works[stage] = known = (work, frame(framing.WORK, to_wire((stage, to_wire(_sendable(work))))))
        return known[1]

    def _setup_frame(self) -> bytes:
        setup = Setup(
            objects_root=str(self._equipment.objects_root),
            key=self._equipment.key,
            cwd=self._equipment.cwd or os.getcwd(),
            argv=list(sys.argv),
            snapshot=self._equipment.snapshot,
            wait_seconds=self._equipment.wait_seconds,
        )
        return frame(framing.SETUP, msgspec.msgpack.encode(setup))

    def _end_all(self) -> None:
        for worker in self._workers:
            if worker.task is None and worker.is_ready:
                worker.hang_up()
            else:
                worker.kill()
        deadline = monotonic() + CLOSE_SECONDS
        while monotonic() < deadline and not all(worker.is_dead() for worker in self._workers):
            for worker in self._workers:
                self._pass_output_on(worker)
            sleep(POLL_SECONDS)
        for worker in self._workers:
            worker.kill()
            self._pass_output_on(worker)
            worker.wait()
            worker.let_go()
        self._workers.clear()
        self._selector.close()
        os.close(self._wake)
        os.close(self._woken)


def _sendable(work: Work) -> Work:
    given = [name for name, argument in work.arguments.items() if isinstance(argument, Given)]
    if given:
        raise WorkerError(
            f"stage {work.stage!r}: the result for {given[0]!r} cannot be stored, so it cannot cross to a worker: "
            "return data instead, or run with executor 'inline' or 'threads'",
            stage=work.stage,
        )
    return work
