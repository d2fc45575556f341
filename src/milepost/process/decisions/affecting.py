"""Which stages a decision affects: those that take it or were seen to read it, and all that depend on their results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from milepost.model.fingerprint.parts import Part, load_parts
from milepost.model.fingerprint.values import digest
from milepost.model.folding import fold_stages
from milepost.model.rows import PartsRow, RunRow, SourceRow, StageRow
from milepost.model.status import RunState, StageState
from milepost.process.manager import paths
from milepost.process.many_rows import rows_of
from milepost.store.protocol import Store

_WATCHED = "argument:stage"  # the part that only a watched computation's key has: which stage it was asked for
Path2 = tuple[str, str]  # (stage, name)


class Affected(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a run's stages. `order`: in the order of the plan; `watched`: those whose reads were noted."""

    order: tuple[str, ...]
    needed_by: Mapping[str, Sequence[str]]
    readers: Mapping[Path2, Sequence[str]]
    watched: frozenset[str]

    def stages_of(self, stage: str, name: str) -> tuple[str, ...]:
        """The stages that a decision affects, in the order of the plan.

        A stage whose computation was watched counts only where it read the decision; any other takes its own.
        """
        own = [] if stage in self.watched else [stage]
        reached: dict[str, None] = {}
        waiting = [*own, *self.readers.get((stage, name), ())]
        while waiting:
            each = waiting.pop()
            if each not in reached:
                reached[each] = None
                waiting += self.needed_by.get(each, ())
        known = [each for each in self.order if each in reached]
        return (*(each for each in reached if each not in known), *known)


def affected_stages(store: Store, run: RunRow) -> Affected:
    """What the keys of a run's stages say; a stage that did not come so far is taken as it was in another run."""
    rows = fold_stages(store.rows(StageRow, run=run.id), RunState.INTERRUPTED)
    keys = {row.stage: row.key or _last_key(store, row) for row in rows if row.parent is None}
    parts = _parts(store, [key for key in keys.values() if key])
    of_stage = {stage: parts.get(key or "", ()) for stage, key in keys.items()}
    names = stages_by_number(of_stage)
    needed_by: dict[str, list[str]] = {}
    readers: dict[Path2, list[str]] = {}
    for stage, taken in of_stage.items():
        for need in _needs(taken):
            needed_by.setdefault(names.get(need, need), []).append(stage)
        for read, name in _reads(taken):
            readers.setdefault((names.get(read, read), name), []).append(stage)
    watched = frozenset(stage for stage, taken in of_stage.items() if _is_watched(taken))
    return Affected(order=_in_order(of_stage, needed_by), needed_by=needed_by, readers=readers, watched=watched)


def _in_order(stages: Iterable[str], needed_by: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The stages as they are, but each before those that take its result."""
    found: list[str] = []
    begun: set[str] = set()

    def add(stage: str) -> None:
        if stage not in begun:
            begun.add(stage)
            for taker in reversed(needed_by.get(stage, ())):
                add(taker)
            found.append(stage)

    for stage in reversed(list(stages)):
        add(stage)
    return tuple(reversed(found))


def _last_key(store: Store, row: StageRow) -> str | None:
    last = store.get(StageRow, process=row.process, stage=row.stage, state=StageState.COMPLETED)
    return last.key if last else None


def _parts(store: Store, keys: Sequence[str]) -> dict[str, tuple[Part, ...]]:
    """The parts of these keys; those that are other stages' results with their text, which names the stage."""
    found = {row.key: load_parts(row.parts) for row in rows_of(store, PartsRow, "key", list(dict.fromkeys(keys)))}
    wanted = {part.text_digest for parts in found.values() for part in parts if part.kind == "upstream"}
    rows = rows_of(store, SourceRow, "digest", [each for each in wanted if each])
    texts = {row.digest: row.text for row in rows}
    return {
        key: tuple(msgspec.structs.replace(part, text=texts.get(part.text_digest or "")) for part in parts)
        for key, parts in found.items()
    }


def _is_watched(parts: Iterable[Part]) -> bool:
    return any(part.name == _WATCHED for part in parts)


def stages_by_number(of_stage: Mapping[str, Sequence[Part]]) -> dict[str, str]:
    """The numbers by which watched computations call stages, with the names that these have in rows."""
    asked = {part.digest: stage for stage, parts in of_stage.items() for part in parts if part.name == _WATCHED}
    watched = [parts for parts in of_stage.values() if _is_watched(parts)]
    read = {paths.stage_and_name(part.name)[0] for parts in watched for part in parts if ":" in part.name}
    numbers = {text: asked.get(digest(int(text)).hex()) for text in read if text.isascii() and text.isdigit()}
    return {text: stage for text, stage in numbers.items() if stage is not None}


def _needs(parts: Sequence[Part]) -> list[str]:
    return [part.text for part in parts if part.kind == "upstream" and part.text]


def _reads(parts: Sequence[Part]) -> list[Path2]:
    """The decisions that a watched computation read."""
    if not _is_watched(parts):
        return []
    return [
        paths.stage_and_name(part.name)
        for part in parts
        if paths.kind_of(part.name).removeprefix(paths.DEFAULT) == paths.DECISION
    ]
