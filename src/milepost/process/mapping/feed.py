"""The items of a mapped stage that are still to be done, in bounded windows, and those found done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import count, repeat, tee

import msgspec

from milepost.executors.task import ItemTask
from milepost.model.items import is_repeated, item_keys
from milepost.model.rows import StepRow
from milepost.process.mapping.items import items_of
from milepost.process.mapping.windows import DoneWindow, DoneWindows, Window, windows_of
from milepost.process.planner import StagePlan
from milepost.process.stages import StageOptions
from milepost.store.objects import Objects
from milepost.store.protocol import Store


class ItemFeed:
    """Windows of item tasks.

    Items done under the stage's items key are handed to `on_found` instead, and windows of nothing else to
    `on_done_window`, with the position of their first item.
    """

    def __init__(
        self,
        plan: StagePlan,
        options: StageOptions,
        store: Store,
        objects: Objects,
        collection: object,
        *,
        run: str,
        is_forced: bool,
        is_continued: bool,
        done_windows: DoneWindows,
        on_found: Callable[[list[tuple[ItemTask, StepRow]]], None],
        on_done_window: Callable[[int, DoneWindow], None],
    ) -> None:
        self.seen = 0
        self._plan = plan
        self._options = options
        self._store = store
        self._objects = objects
        self._run = run
        self._is_forced = is_forced
        self._is_new = not store.may_have_items(plan.items_key or "")
        self._is_continued = is_continued
        self._done_windows = done_windows
        self._on_found = on_found
        self._on_done_window = on_done_window
        self._values = items_of(collection, stage=plan.stage, each=options.each or "")

    def windows(self) -> Iterator[list[ItemTask]]:
        """The items to do, up to 1,000 at a time, in order."""
        shown, keyed = tee(self._values)
        pairs = zip(shown, item_keys(keyed, self._options.key, stage=self._plan.stage), strict=True)
        for several in windows_of(pairs):
            position, self.seen = self.seen, self.seen + len(several)
            values = [value for value, _ in several]
            items = [item for _, (item, _) in several]
            digests = [digest for _, (_, digest) in several]
            window = Window(position, items, digests)
            done = None if self._is_forced else self._done_windows.find(window)
            if done is not None:
                self._on_done_window(position, done)
                continue
            self._done_windows.expect(window)
            tasks = list(map(ItemTask, count(position), items, digests, repeat(1), values))
            yield self._with_attempts(self._without_found(tasks))

    def find(self, digests: Sequence[bytes]) -> dict[bytes, StepRow]:
        """Of these items, those done under the stage's items key whose result is still there."""
        found = self._store.find_items(self._plan.items_key or "", digests)
        return {digest: row for digest, row in found.items() if row.address is None or self._objects.has(row.address)}

    def _without_found(self, tasks: list[ItemTask]) -> list[ItemTask]:
        if self._is_forced:
            return tasks
        asked = [task.digest for task in self._perhaps_done(tasks)]
        found = self.find(asked) if asked else {}
        if not found:
            return tasks
        self._on_found([(task, found[task.digest]) for task in tasks if task.digest in found])
        return [task for task in tasks if task.digest not in found]

    def _perhaps_done(self, tasks: list[ItemTask]) -> list[ItemTask]:
        """In a stage that is new to the ledger only items can be done whose equals came before them."""
        if not self._is_new:
            return tasks
        if not is_repeated("".join([task.item for task in tasks])):
            return []
        return [task for task in tasks if is_repeated(task.item)]

    def _with_attempts(self, tasks: list[ItemTask]) -> list[ItemTask]:
        """In a continued run an item's attempts go on counting."""
        if not self._is_continued or not tasks:
            return tasks
        last = self._store.last_attempts(self._run, self._plan.stage, [task.item for task in tasks])
        return [
            msgspec.structs.replace(task, attempt=last[task.item] + 1) if task.item in last else task for task in tasks
        ]
