"""What the tests of the executors share: equipment in a temporary folder, and tasks made short."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from milepost.executors import make_executor
from milepost.executors.snapshot import take_snapshot
from milepost.executors.task import Equipment, Executor, ItemTask, Notice, Outcome, Task, Work
from milepost.store.objects import Objects

KEY = b"k" * 32
PATIENCE = 120.0  # seconds until something is taken to hang


class Bench:
    """One open executor, its objects and its notices."""

    def __init__(
        self, executor: Executor, root: Path, works: Mapping[str, Work], modules: list[str], *, has_items: bool
    ) -> None:
        self.executor = executor
        self.objects = Objects(root, KEY)
        self.notices: list[Notice] = []
        self.stop = threading.Event()
        self._number = 0
        self._ready: list[Outcome] = []
        executor.open(
            Equipment(
                objects_root=root,
                key=KEY,
                works=works,
                snapshot=take_snapshot(modules=modules) if executor.name == "workers" else None,
                has_items=has_items,
                on_notice=self.notices.append,
                is_cancelled=self.stop.is_set,
            )
        )

    def submit(self, stage: str, *values: object) -> None:
        self._number += 1
        items = tuple(ItemTask(n, f"i{n}", bytes([n % 256]) * 16, 1, value) for n, value in enumerate(values))
        self.executor.submit(Task(number=self._number, stage=stage, items=items or None))

    def next(self) -> Outcome:
        deadline = time.monotonic() + PATIENCE
        while not self._ready:
            assert time.monotonic() < deadline, "no outcome came"
            self._ready += self.executor.wait(1.0)
        return self._ready.pop(0)

    def do(self, stage: str, *values: object) -> Outcome:
        self.submit(stage, *values)
        return self.next()

    def result(self, stage: str, *values: object) -> object:
        """The stage's result, or the list of its items' results."""
        outcome = self.do(stage, *values)
        assert outcome.kind == "done", outcome.traceback or outcome.error or outcome.items
        if not values:
            return outcome.value if outcome.stored is None else self.objects.get(outcome.stored.address)
        assert all(item.packed for item in outcome.items)
        return [self.objects.unpack(i.packed.result, i.packed.address) for i in outcome.items if i.packed]

    def printed(self) -> list[tuple[object, object]]:
        return [(n.payload["stream"], n.payload["text"]) for n in self.notices if n.kind == "output"]


@contextmanager
def open_bench(
    name: str, root: Path, *works: Work, slots: int = 1, modules: list[str] | None = None, has_items: bool = False
) -> Iterator[Bench]:
    executor = make_executor(name, slots)
    bench = Bench(executor, root, {work.stage: work for work in works}, modules or [], has_items=has_items)
    try:
        yield bench
    finally:
        executor.close()


def whole(function: Callable[..., object], **more: object) -> Work:
    return Work(stage=function.__name__, function=function, **more)  # type: ignore[arg-type]


def mapped(function: Callable[..., object], **more: object) -> Work:
    return Work(stage=function.__name__, function=function, item_parameter="x", **more)  # type: ignore[arg-type]
