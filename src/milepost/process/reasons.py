"""Why a stage has to run, in words: what changed since it last had a result."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from milepost.model.fingerprint.parts import Change, Part, compare, load_parts, unaccepted
from milepost.model.rows import AcceptedRow, PartsRow, SourceRow, StageRow
from milepost.model.status import StageState
from milepost.store.protocol import Store

SHOWN_CHANGES = 3


def reason_to_run(store: Store, process: str, stage: str, key: str, parts: Sequence[Part]) -> str:
    """Never run, cut short, or what changed since the last time, in one phrase."""
    last = last_with_key(store, process, stage)
    if last is None:
        return "never run before"
    if last.key == key:
        return _cut_short(last)
    changes = changes_since(store, stage, last.key or "", parts)
    return "; ".join(phrases(changes)) or "its fingerprint changed"


def last_with_key(store: Store, process: str, stage: str) -> StageRow | None:
    """The newest row of this stage in any run of the process that got as far as a key."""
    rows = store.rows(StageRow, process=process, stage=stage, newest=True, limit=20)
    return next((row for row in rows if row.key is not None), None)


def changes_since(store: Store, stage: str, key: str, parts: Sequence[Part]) -> list[Change]:
    """What differs between the parts recorded under a key and these, but for what the user accepted."""
    known = store.get(PartsRow, key=key)
    if known is None:
        return []
    changes = compare(load_parts(known.parts, text_of(store)), parts)
    return unaccepted(changes, store.rows(AcceptedRow, stage=stage))


def text_of(store: Store) -> Callable[[str], str | None]:
    """Reads the text of a part by its digest."""

    def text(digest: str) -> str | None:
        row = store.get(SourceRow, digest=digest)
        return row.text if row else None

    return text


def _cut_short(last: StageRow) -> str:
    if last.items_failed:
        return f"{last.items_failed:,} of its items failed before"
    if last.state in (StageState.COMPLETED, StageState.REUSED):
        return "its result is gone" if last.address else "its result was not stored"
    return "was interrupted" if last.state is StageState.RUNNING else f"{last.state} before"


def phrases(changes: Sequence[Change]) -> list[str]:
    """A phrase for each change, the most telling first, at most three and a count of the rest."""
    ordered = sorted(changes, key=lambda change: _WEIGHT.get(change.kind, 9))
    told = [_phrase(change) for change in ordered[:SHOWN_CHANGES]]
    rest = len(ordered) - len(told)
    return told + ([f"and {rest} more"] if rest else [])


_WEIGHT = {"decision": 0, "file": 1, "code": 2, "class": 3, "global": 4, "version": 5, "upstream": 6}


def _phrase(change: Change) -> str:
    name = change.name.partition(":")[2] or change.name
    old, new = _text(change.old), _text(change.new)
    if change.kind == "upstream":
        return f"{new or old} has another result"
    if change.kind == "file":
        return f"file {new or old} changed"
    if change.kind in ("decision", "package", "python", "version"):
        return f"{name} {old} → {new}" if old and new else f"{name} {new} is new" if new else f"{name} is gone"
    if change.name == "code":
        return "its code changed"
    return f"{name} {change.what}"


def _text(part: Part | None) -> str:
    return "" if part is None else (part.text or "")
