"""Carries a run out: plans each stage once its inputs are known, reuses or hands out, records what comes back."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from itertools import count

import msgspec

from milepost.errors import Cancelled, StageExecutionError
from milepost.executors.task import Argument, Given, Handle, Loaded, Outcome, Value, Work
from milepost.kernel.clock import SYSTEM
from milepost.kernel.handles import Run
from milepost.kernel.signals import StopSignals
from milepost.kernel.workspace import Workspace
from milepost.model.metrics import dump_metrics
from milepost.model.rows import ResultRow
from milepost.model.status import StageState
from milepost.process.board import Board
from milepost.process.crew import Crew
from milepost.process.definition import Process
from milepost.process.ending import end_run
from milepost.process.jobs import Ending, Job, Trade, WholeJob
from milepost.process.mapping.job import MappedJob
from milepost.process.opening import Choices, Opened, open_run
from milepost.process.planner import Planner, StagePlan, Upstream, Verdict, forced_stages, upstream_of
from milepost.process.results import Results
from milepost.process.watching import Watch

LONGEST_WAIT_SECONDS = 0.5


class RunOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a run is to be carried out; see `Process.run`."""

    new: bool = False
    executor: str | None = None
    workers: int | None = None
    only: str | None = None
    start_from: str | None = None
    run: str | None = None
    scenario: str | None = None


def carry_out_process(
    process: Process,
    choices: Choices,
    options: RunOptions,
    workspace: Workspace | str | None,
    on_start: Callable[[Run, Workspace], None] | None,
) -> Run:
    """Claim a run, carry it out to its end, and return it; see `Process.run` for what is raised."""
    process.selected(options.only)  # an unknown stage is an error before anything is made or claimed
    forced = forced_stages(process, options.start_from)
    place = workspace if isinstance(workspace, Workspace) else Workspace.open(workspace)
    opened = open_run(process, choices, place, run=options.run, new=options.new, scenario=options.scenario)
    stop = StopSignals(place.config.grace_seconds)
    runner = Runner(process, choices, options, place, opened, forced, stop)
    with stop:
        try:
            with runner.watch.on():
                runner.board.open()  # who looks from now on sees this session's stages, not those of the last
                if on_start is not None:
                    on_start(runner.handle, place)
                runner.carry_out()
        except BaseException as error:
            with stop.shielded():
                runner.handle.state = end_run(opened, runner.board, error, stop)
                raise
        with suppress(Cancelled), stop.shielded():  # asked too late: it is complete
            runner.handle.state = end_run(opened, runner.board, None, stop)
    return runner.handle


class Runner:
    """One session's work on one run. What is decided is in the planner and the jobs; this hands it around."""

    def __init__(
        self,
        process: Process,
        choices: Choices,
        options: RunOptions,
        workspace: Workspace,
        opened: Opened,
        forced: frozenset[str],
        stop: StopSignals,
    ) -> None:
        self._process = process
        self._choices = choices
        self._workspace = workspace
        self._opened = opened
        self._forced = forced
        self._stop = stop
        self._selected = process.selected(options.only)
        self._results = Results(workspace.objects)
        self._planner = Planner(
            process,
            choices,
            workspace.store,
            workspace.objects,
            forced=forced,
            token=f"{opened.run.id}:{opened.epoch}",
        )
        self._jobs: dict[str, Job] = {}
        self._failure: StageExecutionError | None = None
        self._numbers = count(1)
        self.board = Board(opened, workspace.store, process.name, self._selected)
        self.watch = Watch(workspace, opened, self.board, stop)
        self.handle = Run(
            opened.run.id,
            opened.run.name,
            process=process.name,
            results=self._results,
            stages=self.board.states,
        )
        self._crew = Crew(
            process,
            workspace,
            executor=options.executor,
            workers=options.workers,
            on_notice=self.watch.noticed,
            is_cancelled=lambda: stop.is_requested,
            on_turn=self._show_begun,
            turns=self.board.turns,
        )

    def carry_out(self) -> None:
        """Go on until every stage has a result, one failed for good, or the run was asked to stop."""
        try:
            while not self._is_over():
                self._begin_ready()
                self._hand_out()
                for outcome in self._await():
                    with self.board.turns.of(outcome.stage):
                        self._absorb(outcome)
        finally:
            self._crew.close()
        if self._failure is not None:
            raise self._failure

    def _is_over(self) -> bool:
        if self._stop.is_requested and not self._crew.is_busy:
            raise Cancelled(
                f"run {self._opened.run.name} was cancelled: {self._stop.cause}", signal=self._stop.requested
            )
        if self._failure is not None:
            return not self._crew.is_busy
        return all(name in self._results for name in self._selected)

    def _begin_ready(self) -> None:
        while self._failure is None and not self._stop.is_requested:
            ready = self._process.graph.next_stages(done=self._results.keys(), begun=self._jobs.keys())
            ready = [name for name in ready if name in self._selected]
            if not ready:
                return
            for name in ready:
                self._begin(name)

    def _begin(self, name: str) -> None:
        upstream = {need: self._results.upstream(need) for need in self._process.graph.needs[name]}
        plan = self._planner.plan(name, upstream)
        if plan.verdict is Verdict.REUSE and plan.result is not None:
            self.board.reused(plan, plan.result)
            self._results.put(name, upstream_of(plan.result))
            return
        lost = [need for need in upstream if not self._is_whole(need)]
        if lost:
            self._results.forget(lost)  # they are planned again, and run
            return
        if self._crew.is_inline(self._process.stages[name].options):
            self.board.turns.take_part(name)
        with self.board.turns.of(name):
            job = self._job(plan, upstream)
        self._jobs[name] = job
        self._crew.take_on(job)

    def _show_begun(self, job: Job) -> None:
        self.board.begun(job, self._process.stages[job.plan.stage].__wrapped__, self._planner.files)

    def _is_whole(self, need: str) -> bool:
        """Whether a reused result can be read; a damaged one counts as missing before anyone is handed it."""
        address = self._results.upstream(need).address
        if address is None or self.board.states[need] is not StageState.REUSED:
            return True
        return self._workspace.objects.is_whole(address)

    def _hand_out(self) -> None:
        if self._stop.is_requested:
            self._crew.cancel()
            return
        if self._failure is None:
            self._crew.hand_out(list(self._jobs.values()))
        for job in list(self._jobs.values()):
            with self.board.turns.of(job.plan.stage):
                self._settle(job)

    def _await(self) -> list[Outcome]:
        dues = [due for job in self._jobs.values() if (due := job.due_in()) is not None]
        pause = min([LONGEST_WAIT_SECONDS, *dues])
        if self._crew.is_busy:
            return self._crew.wait(pause)
        if self._jobs:
            self._stop.wait(pause)
        return []

    def _absorb(self, outcome: Outcome) -> None:
        job = self._jobs.get(outcome.stage)
        if job is None:
            return
        job.absorb(outcome)
        if outcome.kind == "cancelled":
            self._stop.request(f"stage {outcome.stage!r} raised Cancelled")  # does nothing when we asked
        self.board.progressed(job)
        self._settle(job)

    def _settle(self, job: Job) -> None:
        """Put away a job that is over."""
        name = job.plan.stage
        if name not in self._jobs or (job.ending is None and job.failure is None):
            return
        del self._jobs[name]
        if job.ending is not None:
            self._results.put(name, self._stored(job, job.ending))
        else:
            self.board.failed(job)
            self._failure = self._failure or job.failure

    def _stored(self, job: Job, ending: Ending) -> Upstream:
        """Commit a result beyond a power cut before anyone is told."""
        changed = self._planner.files.changed_since()
        note = f"{changed[0]} changed while it ran, so it is not reusable" if changed else ending.note
        result = None
        if ending.is_reusable and not changed and ending.upstream.address is not None and job.plan.key is not None:
            result = ResultRow(
                key=job.plan.key,
                address=ending.upstream.address,
                stage=job.plan.stage,
                run=self._opened.run.id,
                seconds=self.board.seconds(job.plan.stage),
                size_bytes=ending.size_bytes,
                at=SYSTEM.now(),
                classes=ending.upstream.classes,
                metrics=dump_metrics(ending.metrics),
            )
        self.board.completed(job, ending, result, note)
        if ending.upstream.address is not None:
            return ending.upstream
        token = f"{self._opened.run.id}:{self._opened.epoch}:{job.plan.stage}"  # found by nobody again
        return msgspec.structs.replace(ending.upstream, digest=token)

    def _job(self, plan: StagePlan, upstream: dict[str, Upstream]) -> Job:
        options = self._process.stages[plan.stage].options
        work = self._work(plan.stage, upstream)
        trade = Trade(
            run=self._opened.run.id,
            recorder=self._opened.recorder,
            objects=self._workspace.objects,
            monotonic=SYSTEM.monotonic,
            random=random.random,
        )
        if options.each is None:
            return WholeJob(plan, options, work, trade, self._number)
        return MappedJob(
            plan,
            options,
            work,
            trade,
            self._workspace.store,
            self._results[options.each],
            number=self._number,
            is_forced=plan.stage in self._forced,
            is_continued=self._opened.found is not None,
        )

    def _work(self, name: str, upstream: dict[str, Upstream]) -> Work:
        made, parameters = self._process.stages[name], self._process.parameters[name]
        arguments: dict[str, Argument] = {}
        for parameter, need in parameters.upstream.items():
            taken = upstream[need]
            arguments[parameter] = Given(taken.value) if taken.address is None else Loaded(taken.address)
        for choice in self._choices[name].values():
            arguments[choice.point.name] = Value(choice.value)
        for parameter, kind in parameters.handles.items():
            arguments[parameter] = Handle("run" if kind == "run" else "stage")
        return Work(
            stage=name,
            function=made.__wrapped__,
            arguments=arguments,
            item_parameter=parameters.item,
            is_async=made.is_async,
            keeps_items=made.options.retries > 0,
            timeout=made.options.timeout,
            concurrency=made.options.workers or 8,
            run_id=self._opened.run.id,
            run_name=self._opened.run.name,
        )

    def _number(self) -> int:
        return next(self._numbers)
