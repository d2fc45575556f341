"""The one place where the code of a stage is called: the same in process, in threads and in workers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import copy_context
from copy import deepcopy
from time import perf_counter
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import TYPE_CHECKING

from milepost.errors import Cancelled, CannotEncode, StageExecutionError
from milepost.executors.arguments import Arguments, handles, has_handles
from milepost.executors.batch import Batch, Overdue
from milepost.executors.faults import describe, error_text
from milepost.executors.loop import PrivateLoop
from milepost.executors.task import Equipment, ItemTask, Notice, Outcome, Parcel, Task, Work
from milepost.kernel.context import Context, current
from milepost.model.metrics import metrics_of
from milepost.store.objects import Objects

if TYPE_CHECKING:
    from milepost.store.objects import Stored

STOPS = (Cancelled, KeyboardInterrupt)
GENERATORS = (GeneratorType, AsyncGeneratorType)
NOT_VALUES = frozenset({CoroutineType, *GENERATORS})  # which have no subclasses


class Carrier:
    """Carries tasks out, one at a time per thread.

    `at_hand(index, is_begun)` is told when an item (of a whole stage: index 0) is begun and when it is done.
    `is_worker`: this process only computes, so a result that cannot be encoded can go nowhere.
    """

    def __init__(
        self,
        equipment: Equipment,
        *,
        is_worker: bool = False,
        at_hand: Callable[[int, bool], None] | None = None,
    ) -> None:
        self._equipment = equipment
        self._objects = Objects(equipment.objects_root, equipment.key, wait_seconds=equipment.wait_seconds)
        self._arguments = Arguments(self._objects)
        self._workspace = str(equipment.objects_root.parent)
        self._loop = PrivateLoop()
        self._is_worker = is_worker
        self._at_hand = at_hand
        self._surroundings = copy_context()

    def carry_out(self, task: Task) -> Outcome:
        """Do what the task says. Errors of user code, Cancelled and KeyboardInterrupt become outcomes."""
        work = self._equipment.works[task.stage]
        carry = self._whole if task.items is None else self._batch
        return self._surroundings.copy().run(carry, work, task)

    def close(self) -> None:
        """End the private loop."""
        self._loop.close()

    def _whole(self, work: Work, task: Task) -> Outcome:
        started = perf_counter()
        context = self._entrance(work)(None, task.attempt)
        try:
            arguments = self._arguments.of(work, context)
            if self._at_hand is not None:
                self._at_hand(0, True)
            result = self._called(work, arguments)
            seconds = perf_counter() - started
            stored, value, unencodable = self._store(result)
        except STOPS as stop:
            return _stopped(task, stop)
        except BaseException as exception:
            return failed(task, exception, perf_counter() - started)
        return Outcome(
            task=task.number,
            stage=task.stage,
            kind="done",
            stored=stored,
            value=value,
            unencodable=unencodable,
            seconds=seconds,
            metrics={**context.metrics, **metrics_of(result)},
        )

    def _batch(self, work: Work, task: Task) -> Outcome:
        started = perf_counter()
        batch = Batch(task.items or ())
        stop: BaseException | None = None
        try:
            self._compute(work, batch)
        except STOPS as stopped:
            stop = stopped
        except BaseException as exception:
            batch.fail_all(exception)
        return Outcome(
            task=task.number,
            stage=task.stage,
            kind="cancelled" if stop is not None else batch.kind,
            items=tuple(batch.outcomes),
            rest=batch.rest(),
            exception=stop or batch.exception,
            error=error_text(stop) if stop is not None else None,
            seconds=perf_counter() - started,
        )

    def _compute(self, work: Work, batch: Batch) -> None:
        """Compute items until the batch or its time is over."""
        begin = self._beginner(work)
        if not work.is_async:
            return self._one_by_one(work, batch, begin)

        from milepost.executors.lanes import Lanes

        lanes = Lanes(work, batch, begin, lambda result: self._objects.pack(_value(work, result)), self._settled)
        return self._loop.run(lanes.compute(), is_cancelled=self._equipment.is_cancelled)

    def _one_by_one(self, work: Work, batch: Batch, begin: Callable[[int, ItemTask], object]) -> None:
        pack, at_hand = self._objects.pack, self._at_hand
        for index, item, started in batch.in_time():
            try:
                result = begin(index, item)
                if type(result) in NOT_VALUES:
                    result = self._awaited(work, result)
                packed = pack(result)
            except STOPS:
                raise
            except BaseException as exception:
                batch.fail(item, exception, perf_counter() - started)
            else:
                batch.finish(item, packed, perf_counter() - started)
            if at_hand is not None:
                at_hand(index, False)

    def _beginner(self, work: Work) -> Callable[[int, ItemTask], object]:
        """What begins one item: everything that is the same for all of them is settled before."""
        arguments = dict(self._arguments.of_items(work))
        function, parameter, needs_handles = work.function, work.item_parameter or "", has_handles(work)
        is_cancelled, at_hand, enter, keeps_items = (
            self._equipment.is_cancelled,
            self._at_hand,
            self._entrance(work),
            work.keeps_items,
        )

        def begin(index: int, item: ItemTask) -> object:
            if is_cancelled():
                raise Cancelled
            context = enter(item.item, item.attempt)
            if at_hand is not None:
                at_hand(index, True)
            arguments[parameter] = None  # a copy of the item before is let go before another is made
            value = item.value
            if type(value) is Parcel:
                value = value.open()
            elif keeps_items:
                value = deepcopy(value)
            arguments[parameter] = value
            if needs_handles:
                arguments.update(handles(work, context))
            return function(**arguments)

        return begin

    def _called(self, work: Work, arguments: Mapping[str, object]) -> object:
        return self._awaited(work, work.function(**arguments))

    def _awaited(self, work: Work, result: object) -> object:
        """The result, awaited where it is a coroutine. Raises StageExecutionError for a generator."""
        if isinstance(result, CoroutineType):
            from milepost.executors.lanes import in_time

            result = self._loop.run(in_time(result, work), is_cancelled=self._equipment.is_cancelled)
        return _value(work, result)

    def _settled(self, index: int) -> None:
        if self._at_hand is not None:
            self._at_hand(index, False)

    def _store(self, result: object) -> tuple[Stored | None, object, str | None]:
        try:
            return self._objects.put(result), None, None
        except CannotEncode as error:
            if self._is_worker:
                raise
            return None, result, str(error)

    def _entrance(self, work: Work) -> Callable[[str | None, int], Context]:
        """What makes the surroundings of the stage, or of one item of it, those of the code that runs."""
        run_id, run_name, stage, workspace = work.run_id, work.run_name, work.stage, self._workspace
        tell, is_cancelled, surround = self._tell, self._equipment.is_cancelled, current.set

        def enter(item: str | None, attempt: int) -> Context:
            context = Context(run_id, run_name, tell, is_cancelled, stage, item, attempt, workspace)
            surround(context)
            return context

        return enter

    def _tell(self, where: Context, kind: str, payload: Mapping[str, object]) -> None:
        self._equipment.on_notice(Notice(where.stage or "", kind, payload, where.item, where.attempt))


def failed(task: Task, exception: BaseException, seconds: float = 0.0) -> Outcome:
    """The outcome of a whole stage that raised, or of items none of which could be begun."""
    error, traceback = describe(exception)
    batch = Batch(task.items or ())
    batch.fail_all(exception)
    return Outcome(
        task=task.number,
        stage=task.stage,
        kind="timeout" if isinstance(exception, Overdue) else "failed",
        items=tuple(batch.outcomes),
        exception=exception,
        error=error,
        traceback=traceback,
        seconds=seconds,
    )


def _stopped(task: Task, stop: BaseException) -> Outcome:
    return Outcome(task=task.number, stage=task.stage, kind="cancelled", exception=stop, error=error_text(stop))


def _value(work: Work, result: object) -> object:
    """The result itself. Raises StageExecutionError for a generator."""
    if isinstance(result, GENERATORS):
        raise StageExecutionError(
            f"stage {work.stage!r} returned a generator; a result is stored as a whole: return a list, "
            f"or map a stage over the items with each={work.stage!r}",
            stage=work.stage,
        )
    return result
