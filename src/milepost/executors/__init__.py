"""Where tasks are carried out: in this thread, in threads, or in processes of their own."""

from __future__ import annotations

from milepost.errors import InvalidDataError
from milepost.executors.task import Executor

EXECUTORS = ("inline", "threads", "workers")


def make_executor(name: str, workers: int | None = None) -> Executor:
    """The executor of this name with `workers` threads or processes (default: one per processor).

    Raises InvalidDataError for a name that none has.

    Example:
        >>> make_executor("threads", 2).slots
        2
    """
    if name == "inline":
        from milepost.executors.inline import InlineExecutor

        return InlineExecutor()
    if name == "threads":
        from milepost.executors.threads import ThreadsExecutor

        return ThreadsExecutor(workers)
    if name == "workers":
        from milepost.executors.workers.pool import WorkersExecutor

        return WorkersExecutor(workers)
    raise InvalidDataError(f"no executor is named {name!r}: pass one of {', '.join(EXECUTORS)}")
