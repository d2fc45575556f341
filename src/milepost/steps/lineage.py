"""Steps in an object of the user's that keeps the lineage of documents, one whole list of steps per document.

Such an object has `get_lineage(doc_id)` (None for an unknown document), `save_lineage(doc_id, lineage)` or
`save_lineage(lineage)`, and `get_all_lineage()`. A lineage is a dict with the steps under "processing_steps", or an
object with an attribute of that name ("steps" and "history" are found too); `get_all_lineage` gives a dict of them by
document, or lineages that carry their "doc_id".

What it can do is what the object can: a step is saved by reading the document's list and saving it again, so it is as
durable as `save_lineage`, two processes at once can lose steps of the same document, and errors across documents
are found by reading all of them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any, cast

from milepost.errors import StoreError
from milepost.model.rows import RunRow, StepRow
from milepost.model.status import ProcessingStatus
from milepost.steps.checking import shown
from milepost.steps.moments import to_seconds
from milepost.steps.reading import step_of
from milepost.steps.step import ProcessingStep
from milepost.steps.telling import told
from milepost.store.protocol import Durability, Fence, Standing

CALLS = ("get_lineage", "save_lineage", "get_all_lineage")
STEPS = ("processing_steps", "steps", "history")
_CALLS_FOR_TWO = 2
_NO_LINEAGE = (str, bytes, int, float, list, tuple, set, frozenset)


def keeps_lineage(storage: object) -> bool:
    """Whether it has what a lineage is kept by."""
    return all(callable(getattr(storage, name, None)) for name in CALLS)


class LineageStore:
    """What the ledger of documents asks of a store, on an object that keeps lineages."""

    durability = Durability.PROCESS

    def __init__(self, keeper: object) -> None:
        self._keeper = cast(Any, keeper)
        self._lock = threading.RLock()
        self._takes_two = _takes_two(self._keeper.save_lineage)

    def write(
        self, rows: Sequence[StepRow], *, fence: Fence | None = None, durable: bool = False, fresh: bool = False
    ) -> int:
        with self._lock:
            return sum(
                self._add(row)
                for row in rows
                if not (fresh and self._standing(row.run, row.step, row.item) is not None)
            )

    def get(self, kind: type[RunRow], /, **equal: object) -> RunRow | None:
        return None  # it knows no runs

    def rows(
        self, kind: type[StepRow], /, *, after: int = 0, limit: int | None = None, newest: bool = False, **equal: object
    ) -> list[StepRow]:
        documents = equal.get("item")
        found = list(self._of(documents) if isinstance(documents, str) else self._all())
        found = [row for row in found if row.seq > after and all(_fits(row, *one) for one in equal.items())]
        return (found[::-1] if newest else found)[:limit]

    def standings(self, run: str, step: str, items: Sequence[str]) -> dict[str, Standing]:
        return {item: standing for item in items if (standing := self._standing(run, step, item)) is not None}

    def recent_steps(
        self,
        statuses: Sequence[ProcessingStatus],
        since: float,
        *,
        until: float | None = None,
        limit: int | None = None,
    ) -> list[StepRow]:
        end = float("inf") if until is None else until
        found = [row for row in self._all() if row.status in statuses and since <= row.at <= end]
        return sorted(found, key=lambda row: row.at, reverse=True)[:limit]

    def sync(self) -> int:
        """Nothing more can be done for what was saved."""
        return 0

    def knows(self, document: str) -> bool:
        """Whether there is a lineage of this document."""
        return self._asked("get_lineage", document) is not None

    def _standing(self, run: str, step: str, item: str) -> Standing | None:
        rows = [row for row in self._of(item) if row.step == step and row.run == run]
        if not rows:
            return None
        furthest = max(rows, key=lambda row: (row.attempt, row.status.phase))
        return Standing(furthest.attempt, furthest.status, furthest.at)

    def _add(self, row: StepRow) -> bool:
        with self._lock:
            lineage = self._asked("get_lineage", row.item)
            lineage = {"doc_id": row.item} if lineage is None else lineage
            same = (row.step, row.run, row.attempt, row.status.phase)
            there = self._rows("get_lineage", row.item, lineage)
            if any((r.step, r.run, r.attempt, r.status.phase) == same for r in there):
                return False
            lineage = _with_steps(lineage, [*_steps(lineage), step_of(row).to_dict()])
            self._asked("save_lineage", *((row.item, lineage) if self._takes_two else (lineage,)))
            return True

    def _of(self, document: str) -> Iterator[StepRow]:
        lineage = self._asked("get_lineage", document)
        return iter(()) if lineage is None else self._rows("get_lineage", document, lineage)

    def _all(self) -> Iterator[StepRow]:
        every = self._asked("get_all_lineage")
        if every is None:
            return
        if isinstance(every, str | bytes) or not isinstance(every, Iterable):
            raise self._junk("get_all_lineage", f"{shown(every)}, neither a dict by document nor lineages")
        pairs: Iterable[tuple[object, object]]
        pairs = every.items() if isinstance(every, Mapping) else ((_field(each, "doc_id"), each) for each in every)
        for document, lineage in pairs:
            if document is None:
                raise self._junk("get_all_lineage", f"a lineage without its doc_id: {shown(lineage)}")
            yield from self._rows("get_all_lineage", str(document), lineage)

    def _rows(self, call: str, document: str, lineage: object) -> Iterator[StepRow]:
        try:
            return iter(list(_rows(document, _steps(lineage))))
        except (ValueError, TypeError, AttributeError) as error:
            raise self._junk(call, f"what is no lineage of {document!r:.80}: {error}") from error

    def _junk(self, call: str, what: str) -> StoreError:
        kind = type(self._keeper).__name__
        return StoreError(f"{kind}.{call} gave {what}", storage=kind)

    def _asked(self, call: str, *arguments: object) -> Any:
        try:
            return getattr(self._keeper, call)(*arguments)
        except Exception as error:
            kind = type(self._keeper).__name__
            raise StoreError(f"{kind}.{call} failed: {type(error).__name__}: {error}", storage=kind) from error


def _takes_two(save: Any) -> bool:
    from inspect import signature

    try:
        parameters = signature(save).parameters.values()
    except (TypeError, ValueError):
        return True
    places = [one for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    return len(places) >= _CALLS_FOR_TWO or any(one.kind is one.VAR_POSITIONAL for one in parameters)


def _field(lineage: object, name: str) -> object:
    return lineage.get(name) if isinstance(lineage, Mapping) else getattr(lineage, name, None)


def _steps(lineage: object) -> list[object]:
    if isinstance(lineage, _NO_LINEAGE):
        raise TypeError(f"{shown(lineage)}, neither a dict nor an object with {STEPS[0]}")
    for name in STEPS:
        found = _field(lineage, name)
        if isinstance(found, str | bytes):
            raise TypeError(f"its {name} are a text")
        if found is not None:
            return list(cast("Iterable[object]", found))
    return []


def _with_steps(lineage: object, steps: list[object]) -> object:
    name = next((each for each in STEPS if _field(lineage, each) is not None), STEPS[0])
    if isinstance(lineage, MutableMapping):
        lineage[name] = steps
    else:
        setattr(lineage, name, steps)
    return lineage


def _rows(document: str, steps: Iterable[object]) -> Iterator[StepRow]:
    """The rows that these steps are; `seq` is the place in the list."""
    for seq, each in enumerate(steps, 1):
        step = each if isinstance(each, ProcessingStep) else ProcessingStep.from_dict(cast("Mapping[str, Any]", each))
        duration = step.duration_ms
        yield StepRow(
            seq=seq,
            run=str(step.metadata.get("run") or ""),
            step=step.step_name,
            item=document,
            attempt=int(step.metadata.get("attempt") or 1),
            status=step.status,
            error=step.error_message,
            seconds=duration / 1000 if isinstance(duration, int | float) else 0.0,
            at=to_seconds(step.timestamp),
            details=told(step.details),
            metrics=told(step.metadata.get("metrics")),
        )


def _fits(row: StepRow, column: str, wanted: object) -> bool:
    found = getattr(row, column)
    return found == wanted or (isinstance(wanted, list | tuple) and found in wanted)
