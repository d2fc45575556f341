"""Why a stage is computed, in words: what is other than when it last had a result, part by part."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from milepost.model.fingerprint.parts import Part
from milepost.model.rows import TraceRow
from milepost.process.manager import paths
from milepost.process.manager.belongings import class_attribute, is_method, method_parts
from milepost.process.manager.snapshot import Snapshot
from milepost.process.manager.verifying import Verifier
from milepost.process.reasons import changes_since, last_with_key, phrases
from milepost.store.protocol import Store

Reads = Iterable[tuple[str, str]]


def reason_to_compute(
    store: Store, process: str, stage: str, code: Sequence[Part], verifier: Verifier, snapshot: Snapshot, cls: type
) -> str:
    """ "never run before", or what changed since: decisions, code, attributes, results of other stages."""
    last = last_with_key(store, process, stage)
    if last is None or last.key is None:
        return "never run before"
    trace = store.get(TraceRow, key=last.key)
    if trace is None:
        return "its result cannot be found again"
    reads = msgspec.json.decode(trace.reads, type=list[tuple[str, str]])
    now = [(path, _now(path, before, verifier)) for path, before in reads if paths.kind_of(path) != paths.EFFECT]
    parts = [*code, *parts_in_detail(now, snapshot, {}, cls, has_texts=False)]
    return "; ".join(phrases(changes_since(store, stage, last.key, parts))) or "its result is gone"


def _now(path: str, before: str, verifier: Verifier) -> str:
    if paths.kind_of(path) == paths.UPSTREAM:
        return verifier.upstream.get(path, before)  # what was not asked for is not computed for a phrase
    return verifier.now(path) or ""


def parts_in_detail(
    reads: Reads, snapshot: Snapshot, texts: Mapping[str, str], cls: type, *, has_texts: bool
) -> list[Part]:
    """What was read as parts for `why`; a method as its own code and what this reaches. `has_texts`: with sources."""
    parts: dict[str, Part] = {}
    for path, digest in reads:
        found = class_attribute(cls, path.partition(".")[2]) if paths.kind_of(path) == paths.CODE else None
        if is_method(found):
            detailed = method_parts(path, found, digest, has_texts=has_texts)
        else:
            text = texts.get(path) or snapshot.text(path) or _upstream_text(path)
            detailed = [Part(name=path, kind=paths.part_kind(path), digest=digest, text=text)]
        for part in detailed:
            parts.setdefault(part.name, part)
    return list(parts.values())


def _upstream_text(path: str) -> str | None:
    return paths.stage_and_name(path)[0] if paths.kind_of(path) == paths.UPSTREAM else None
