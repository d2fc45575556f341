"""Why a stage is computed, in words: what is other than when it last had a result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from milepost.model.fingerprint.parts import Part
from milepost.model.rows import TraceRow
from milepost.process.manager import paths
from milepost.process.manager.snapshot import Snapshot
from milepost.process.manager.verifying import Verifier
from milepost.process.reasons import changes_since, last_with_key, phrases
from milepost.store.protocol import Store


def reason_to_compute(
    store: Store, process: str, stage: str, code: Sequence[Part], verifier: Verifier, snapshot: Snapshot
) -> str:
    """ "never run before", or what changed since: decisions, code, attributes, results of other stages."""
    last = last_with_key(store, process, stage)
    if last is None or last.key is None:
        return "never run before"
    trace = store.get(TraceRow, key=last.key)
    if trace is None:
        return "its result cannot be found again"
    now = [*code, *_reads_now(trace, verifier, snapshot)]
    return "; ".join(phrases(changes_since(store, stage, last.key, now))) or "its result is gone"


def _reads_now(trace: TraceRow, verifier: Verifier, snapshot: Snapshot) -> Iterator[Part]:
    for path, before in msgspec.json.decode(trace.reads, type=list[tuple[str, str]]):
        kind = paths.kind_of(path)
        if kind == paths.EFFECT:
            continue
        if kind == paths.UPSTREAM:
            # what was not asked for is not computed for a phrase
            yield Part(path, "upstream", verifier.upstream.get(path, before), paths.stage_and_name(path)[0])
        else:
            yield Part(path, paths.part_kind(path), verifier.now(path) or "", snapshot.text(path))
