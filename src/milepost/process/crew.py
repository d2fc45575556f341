"""The executors of one run: which stage goes where, how much is handed out at once, what comes back."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext

from milepost.executors import make_executor
from milepost.executors.task import Equipment, Executor, Notice, Outcome, Task, Work
from milepost.kernel.workspace import Workspace
from milepost.process.definition import Process
from milepost.process.jobs import Job
from milepost.process.stages import StageOptions
from milepost.process.turns import Turns


class Crew:
    """Opens an executor when the first stage needs it. `executor` and `workers` are what the user asked for."""

    def __init__(
        self,
        process: Process,
        workspace: Workspace,
        *,
        executor: str | None,
        workers: int | None,
        on_notice: Callable[[Notice], None],
        is_cancelled: Callable[[], bool],
        on_turn: Callable[[Job], None],
        turns: Turns,
    ) -> None:
        self._process = process
        self._turns = turns
        self._on_turn = on_turn  # a job's first: until then it waits for a slot
        self._workspace = workspace
        self._wanted = executor
        self._workers = workers
        self._on_notice = on_notice
        self._is_cancelled = is_cancelled
        self._works: dict[str, Work] = {}
        self._waiting: set[str] = set()  # stages that had no turn yet
        self._executors: dict[str, Executor] = {}
        self._under_way: dict[int, str] = {}  # task number -> executor
        self._by_stage: dict[str, int] = {}
        self._inline = ""  # the stage whose task the inline executor has

    @property
    def is_busy(self) -> bool:
        """Whether some task has not come back."""
        return bool(self._under_way)

    def is_inline(self, options: StageOptions) -> bool:
        """Whether a stage works in this thread, in turn with others."""
        return self._name_for(options) == "inline"

    def take_on(self, job: Job) -> None:
        """Make a stage's work known before its first task."""
        self._works[job.plan.stage] = job.work
        self._waiting.add(job.plan.stage)

    def hand_out(self, jobs: Sequence[Job]) -> None:
        """Submit the jobs' next tasks, in turn, while there is room."""
        waiting = list(jobs)
        while waiting:
            waiting = [job for job in waiting if self._hand_out_one(job)]

    def _hand_out_one(self, job: Job) -> bool:
        executor = self._executor_for(job.options)
        if not self._has_room(executor, job.options):
            return False
        with self._turns.of(job.plan.stage):
            if job.plan.stage in self._waiting:
                self._waiting.remove(job.plan.stage)
                self._on_turn(job)
            task = job.next_task()
        if task is not None:
            self._submit(executor, task)
        return task is not None

    def wait(self, timeout: float) -> list[Outcome]:
        """What came back, at latest after `timeout` seconds; inline, this is where the work is done."""
        busy = [executor for name, executor in self._executors.items() if name in self._under_way.values()]
        outcomes: list[Outcome] = []
        for executor in sorted(busy, key=lambda executor: executor.name == "inline"):
            with self._turns.of(self._inline) if executor.name == "inline" else nullcontext():
                outcomes += executor.wait(timeout if len(busy) == 1 else min(timeout, 0.02))
        for outcome in outcomes:
            del self._under_way[outcome.task]
            self._by_stage[outcome.stage] -= 1
        return outcomes

    def cancel(self) -> None:
        """Begin nothing more."""
        for executor in self._executors.values():
            executor.cancel()

    def close(self) -> None:
        """Let go of all executors."""
        for executor in self._executors.values():
            executor.close()
        self._executors.clear()

    def _submit(self, executor: Executor, task: Task) -> None:
        self._under_way[task.number] = executor.name
        self._by_stage[task.stage] = self._by_stage.get(task.stage, 0) + 1
        if executor.name == "inline":
            self._inline = task.stage
        executor.submit(task)

    def _has_room(self, executor: Executor, options: StageOptions) -> bool:
        out = sum(1 for name in self._under_way.values() if name == executor.name)
        if executor.name == "inline":
            return out == 0
        if options.workers is not None and options.workers < executor.slots:
            return self._by_stage.get(options.name, 0) < options.workers
        return out < 2 * executor.slots

    def _executor_for(self, options: StageOptions) -> Executor:
        name = self._name_for(options)
        if name not in self._executors:
            executor = make_executor(name, self._slots())
            executor.open(self._equipment(name))
            self._executors[name] = executor
        return self._executors[name]

    def _name_for(self, options: StageOptions) -> str:
        if options.timeout is not None and not self._process.stages[options.name].is_async:
            return "workers"  # nothing else can end a call that does not come back
        if self._wanted is not None:
            return self._wanted
        return "workers" if options.workers is not None else "inline"

    def _slots(self) -> int:
        asked = [made.options.workers or 0 for made in self._process.stages.values()]
        return self._workers or self._workspace.config.num_workers or max(asked) or os.cpu_count() or 1

    def _equipment(self, name: str) -> Equipment:
        mapped = [made.options for made in self._process.stages.values() if made.options.each is not None]
        return Equipment(
            objects_root=self._workspace.path / "objects",
            wait_seconds=self._workspace.config.store_wait_seconds,
            key=self._workspace.key,
            works=self._works,
            cwd=os.getcwd(),
            sys_path=tuple(sys.path),
            snapshot=self._snapshot() if name == "workers" else None,
            has_items=any(self._name_for(options) == name for options in mapped),
            on_notice=self._on_notice,
            is_cancelled=self._is_cancelled,
        )

    def _snapshot(self) -> bytes:
        from milepost.executors.snapshot import take_snapshot

        return take_snapshot([made.__wrapped__ for made in self._process.stages.values()])
