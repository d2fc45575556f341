"""One computation of a stage under way: what it started with, and what it has read so far."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from contextvars import ContextVar

from milepost.errors import InvalidDataError
from milepost.model.files import files_in
from milepost.model.fingerprint.classes import class_name, classes_in, find_class
from milepost.model.fingerprint.writes import is_user_class
from milepost.process.manager import paths
from milepost.process.manager.belongings import class_digest
from milepost.process.manager.naming import StageId
from milepost.process.manager.snapshot import Snapshot
from milepost.process.manager.stage_data import Outcome


class Computation:
    """Notes reads by path, in their order. `content` gives the digest of a file's content."""

    def __init__(self, stage: StageId, snapshot: Snapshot, outer: Computation | None, content: Callable[[str], str]):
        self.stage = stage
        self.snapshot = snapshot
        self.outer = outer
        self.reads: dict[str, str | None] = {}  # path -> digest; None: the snapshot's
        self.texts: dict[str, str] = {}
        self.state: list[str] = []  # what it writes to, and what does not count therefore
        self.manager = 0  # the id of who carries it out
        self.settled: set[str] = set()  # attributes of it that need no more looking at
        self.added_to: set[str] = set()  # attributes that were read for nothing else
        self.scalars: set[str] = set()  # attributes that were numbers or texts when they were first looked at
        self.problems: dict[str, None] = {}  # why its result is not to be found again
        self.metrics: dict[str, int | float] = {}
        self.left: dict[str, str] = {}  # attributes that it left on the manager, with their digests
        self.is_computing = False
        self.waits_for: set[Computation] = set()
        self.done = threading.Event()
        self.outcome: Outcome | None = None  # None when done: who led was stopped, and another has to
        self._content = content
        self._lock = threading.Lock()

    def chain(self) -> Iterator[Computation]:
        """This one and those that asked for it."""
        here: Computation | None = self
        while here is not None:
            yield here
            here = here.outer

    def note(self, path: str, digest: str | None = None, text: str | None = None) -> None:
        """Something was read. The first time counts."""
        with self._lock:
            if self.is_computing and path not in self.reads:
                self.reads[path] = digest
                if text is not None:
                    self.texts[path] = text

    def saw_classes(self, references: Iterable[str]) -> None:
        """Instances of the user's classes were taken: the code of these counts."""
        for reference in references:
            path = f"{paths.CLASS}:{reference}"
            if path not in self.reads:
                self.note(path, class_digest(find_class(reference)).digest)

    def drop(self, paths_of_state: Iterable[str]) -> list[str]:
        """Reads that do not count after all; gives those that were there."""
        with self._lock:
            return [path for path in paths_of_state if self.reads.pop(path, self) is not self]

    def waits_in_the_end_for(self, others: Collection[Computation]) -> bool:
        """Whether this one is one of these, or waits for one of them by whatever way."""
        seen, ahead = set(), [self]
        while ahead:
            one = ahead.pop()
            if one in others:
                return True
            if one not in seen:
                seen.add(one)
                ahead += one.waits_for
        return False

    def has_read(self, path: str) -> bool:
        """Whether this was read before."""
        return path in self.reads

    def saw(self, stage: StageId | None, name: str | None, only_keys: bool, *, of_defaults: bool = False) -> None:
        """A decision was read, or all of a stage, or all there is; with `only_keys` whether or which ones are there."""
        head = paths.DEFAULT if of_defaults else ""
        if stage is None:
            self.note(f"{head}{paths.STAGES}:")
            values = self.snapshot.defaults if of_defaults else self.snapshot.decisions
            for each in () if only_keys else values:
                self.saw(each, None, False, of_defaults=of_defaults)
        elif only_keys:
            self.note(paths.path_of(head + paths.STAGE, stage))
        elif name is None:
            self._saw_stage(head, stage)
        else:
            self._saw_decision(head, stage, name)

    def _saw_stage(self, head: str, stage: StageId) -> None:
        values = self.snapshot.defaults if head else self.snapshot.decisions
        self.note(paths.path_of(head + paths.NAMES, stage))
        for name in values.get(stage, ()):
            self._saw_decision(head, stage, name)

    def _saw_decision(self, head: str, stage: StageId, name: str) -> None:
        path = paths.path_of(head + paths.DECISION, stage, name)
        if path in self.reads:
            return
        values = self.snapshot.defaults if head else self.snapshot.decisions
        value = values.get(stage, {}).get(name)
        if self.is_computing:
            self.saw_classes(class_name(cls) for cls in classes_in(value) if is_user_class(cls))
        if not any(True for _ in files_in(value)):
            self.note(path)
            return
        try:  # its content counts as it is before it is read
            self.note(path, self.snapshot.digest(path, self._content))
        except InvalidDataError as error:
            self.note(path)
            self.problems[str(error)] = None

    def digests(self) -> dict[str, str]:
        """Every read with its digest: decisions first, then the manager's own, then results of other stages."""
        with self._lock:
            reads = dict(self.reads)
        found = {
            path: self.snapshot.digest(path, self._content) if known is None else known for path, known in reads.items()
        }
        return dict(sorted(found.items(), key=lambda read: _TURN.get(paths.kind_of(read[0]), 0)))


_TURN = {paths.CODE: 1, paths.CLASS: 1, paths.VALUE: 2, paths.UPSTREAM: 3}

under_way: ContextVar[Computation | None] = ContextVar("milepost_computation", default=None)
