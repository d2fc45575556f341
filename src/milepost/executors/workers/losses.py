"""The outcome of a task whose worker is gone, or that none can begin: who is to blame, what can be handed out again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from milepost.errors import MilepostError, StageTimeout, WorkerError
from milepost.executors.faults import describe
from milepost.executors.task import ItemOutcome, ItemTask, Outcome, OutcomeKind, Task
from milepost.model.refusal import ADVICE, refusal_text

if TYPE_CHECKING:
    from milepost.executors.workers.process import WorkerProcess


def lost(worker: WorkerProcess, task: Task, cause: str, timeout: float | None, seconds: float) -> Outcome:
    """What became of the task. Only items at hand are charged; those done but not sent run again for nothing."""
    kind: OutcomeKind = "lost" if timeout is None else "timeout"
    guilty = _at_hand(worker)
    error = _error(task, guilty, cause, timeout)
    text = f"{type(error).__name__}: {error}"
    items = tuple(
        ItemOutcome(item.position, item.item, item.digest, item.attempt, False, error=text, seconds=seconds, kind=kind)
        for item in guilty
    )
    blamed = {item.position for item in guilty}
    return Outcome(
        task=task.number,
        stage=task.stage,
        kind=kind,
        items=items,
        rest=tuple(item for item in task.items or () if item.position not in blamed),
        exception=error,
        error=text,
        seconds=seconds,
        cause=cause,
    )


def refused(task: Task, error: WorkerError) -> Outcome:
    """What became of a task that no worker can begin: nobody is charged, and trying again is of no use."""
    traceback = error.details.get("traceback")
    return Outcome(
        task=task.number,
        stage=task.stage,
        kind="refused",
        rest=task.items or (),
        exception=error,
        error=str(error),
        traceback=traceback if isinstance(traceback, str) else None,
    )


def cannot_begin(what: str, error: BaseException) -> WorkerError:
    """The reason, in words, that `what` is of no use to a worker."""
    fault = describe(error)
    said = fault.error
    if isinstance(error, WorkerError):
        said = str(error)
    elif isinstance(error, OSError) and error.errno in ADVICE:
        said = refusal_text(error)
    return WorkerError(f"{what}: {said}", cause=fault.error, traceback=fault.traceback)


def _at_hand(worker: WorkerProcess) -> list[ItemTask]:
    """The items that were begun and not done; when none was, the next one, or a death could repeat for ever."""
    begun = [worker.items[index] for index in worker.slot.begun() if index < len(worker.items)]
    if begun or not worker.items:
        return begun
    done = worker.slot.done()
    return [next((item for index, item in enumerate(worker.items) if index not in done), worker.items[0])]


def _error(task: Task, guilty: list[ItemTask], cause: str, timeout: float | None) -> MilepostError:
    where = f"stage {task.stage!r}" + (f", item {guilty[0].item!r}" if guilty else "")
    if timeout is not None:
        return StageTimeout(f"{where} took longer than {timeout:g} s", stage=task.stage, cause=cause)
    return WorkerError(f"the worker died at {where}: {cause}", stage=task.stage, cause=cause)
