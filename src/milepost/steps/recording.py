"""From what was reported to committed rows: each in the attempt that it belongs to, whoever else writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

import msgspec

from milepost.errors import StoreError
from milepost.kernel.at_hand import Entry
from milepost.kernel.clock import SYSTEM
from milepost.model.rows import StepRow
from milepost.model.status import ProcessingStatus
from milepost.steps.attempts import Start, Starts, attempt_for, seconds_since
from milepost.steps.deaths import look_for_the_dead
from milepost.steps.drafts import Draft
from milepost.steps.ledger import Ledger
from milepost.store.protocol import Standing

RUNNING = ProcessingStatus.RUNNING  # found there at a tenth of what it costs in its class
BATCH_ROWS = 5_000
BATCH_SECONDS = 0.1
BATCH_BYTES = 16_000_000
_MOST_RACES = 10_000


def record(ledger: Ledger, run: str, draft: Draft, starts: Starts, *, is_bound: bool = False) -> StepRow | None:
    """Commit one step and give its row; None where its attempt was named and has such a row already.

    What begins is noted as at hand, until it ends; `is_bound`: at the latest with this process. Raises StoreError
    when the store cannot take it within its patience.
    """
    if draft.status is RUNNING:
        return _begun(ledger, run, draft, starts, is_bound=is_bound)
    if not draft.status.is_terminal:
        return _committed(ledger, run, draft, None)
    row = _committed(ledger, run, draft, starts.end(run, draft.item, draft.step))
    attempt = draft.attempt if row is None else row.attempt
    if attempt is not None:
        no_longer_at_hand(ledger, run, draft.step, draft.item, attempt)
    return row


def no_longer_at_hand(ledger: Ledger, run: str, step: str, item: str, attempt: int) -> None:
    """This process has no hand in the attempt any more."""
    notes = ledger.notes()
    if notes is not None and not notes.is_empty:
        notes.end((run, step, item, attempt))


def _begun(ledger: Ledger, run: str, draft: Draft, starts: Starts, *, is_bound: bool) -> StepRow | None:
    notes = None if draft.is_dated else ledger.notes()
    slot = 0 if notes is None else notes.begin(Entry(run, draft.step, draft.item, draft.at, is_bound))
    try:
        row = _committed(ledger, run, draft, None)
    except Exception:  # a Ctrl-C may come after the commit: then it stays noted, for nobody knows of the attempt
        if notes is not None:
            notes.keep(slot, None)
        raise
    if notes is not None:
        notes.keep(slot, None if row is None else (run, draft.step, draft.item, row.attempt))
    if row is not None:
        starts.begin(run, draft.item, draft.step, Start(row.attempt, row.at, SYSTEM.monotonic(), draft.is_dated))
    return row


def _committed(ledger: Ledger, run: str, draft: Draft, start: Start | None) -> StepRow | None:
    if start is not None and draft.attempt in (None, start.attempt):
        row = draft.row(run, start.attempt, start.seconds_until(draft.at, is_dated=draft.is_dated))
        if ledger.recorder.record(row):
            return row
    elif draft.attempt is None:
        row = draft.row(run, 1, 0.0)
        if ledger.recorder.record(row, fresh=True):  # as nearly all are: nothing has to be looked up
            return row
    for _ in range(_MOST_RACES):
        standing = _standing(ledger, run, draft)
        if draft.status is RUNNING and standing is not None and standing.status is draft.status:
            look_for_the_dead(ledger, now=True)  # so that the attempt before has its end first
            standing = _standing(ledger, run, draft)
        row = _row(run, draft, standing)
        if ledger.recorder.record(row):
            return row
        if draft.attempt is not None:
            return None
    raise StoreError(f"the ledger never took step {draft.step!r} of {draft.item!r:.80}: is it really written?")


def _standing(ledger: Ledger, run: str, draft: Draft) -> Standing | None:
    return ledger.store.standings(run, draft.step, [draft.item]).get(draft.item)


def _row(run: str, draft: Draft, standing: Standing | None) -> StepRow:
    if standing is None and draft.attempt is None:
        return draft.row(run, 1, 0.0)
    attempt = attempt_for(standing, draft.status) if draft.attempt is None else draft.attempt
    seconds = seconds_since(standing, attempt, draft.at) if draft.status.is_terminal else 0.0
    return draft.row(run, attempt, seconds)


def announced(ledger: Ledger, drafts: Iterable[Draft]) -> Iterator[Draft]:
    """The drafts, as long as their documents are known or become so by a PENDING step. Raises ValueError."""
    recent: dict[str, None] = {}  # announced in this very stream, and perhaps not committed yet
    for each in drafts:
        is_announcing = each.status is ProcessingStatus.PENDING and not ledger.needs_lineage
        if not is_announcing and each.item not in recent and not ledger.knows(each.item):
            raise ValueError(
                f"nobody announced document {each.item!r:.80}: record a PENDING step of it first, or leave strict out"
            )
        recent[each.item] = None
        if len(recent) > 2 * BATCH_ROWS:
            del recent[next(iter(recent))]
        yield each


def batches(drafts: Iterable[Draft]) -> Iterator[list[Draft]]:
    """The drafts in portions of at most 5,000 steps, 16 MB of text, or what comes in 100 ms (and one that ends it).

    What was collected before an error of who gives them is a portion too; the error follows it.
    """
    collected: list[Draft] = []
    began, size = SYSTEM.monotonic(), 0
    given = iter(drafts)
    while True:
        try:
            draft = next(given, None)
        except BaseException:
            if collected:
                yield collected
            raise
        if draft is None:
            break
        collected.append(draft)
        if draft.details is not None or len(draft.item) > 1000:
            size += len(draft.item) + len(draft.details or "")
        if len(collected) >= BATCH_ROWS or size > BATCH_BYTES or SYSTEM.monotonic() - began > BATCH_SECONDS:
            yield collected
            collected, size = [], 0
            began = SYSTEM.monotonic()
    if collected:
        yield collected


def record_batch(ledger: Ledger, run: str, drafts: Sequence[Draft]) -> tuple[int, list[StepRow]]:
    """Commit these in one transaction (one more for lost races): how many rows are new, and those that are there."""
    kept: list[StepRow] = []
    count = 0
    for _ in range(_MOST_RACES):
        rows = _place_all(ledger, run, drafts)
        changed = ledger.recorder.record(*rows)
        for row in rows if (notes := ledger.notes()) is not None and not notes.is_empty else ():
            if row.status.is_terminal:
                no_longer_at_hand(ledger, run, row.step, row.item, row.attempt)
        count += changed
        if changed == len(rows):
            return count, kept + rows
        lost = _lost(ledger, run, rows)
        kept += [row for row, is_lost in zip(rows, lost, strict=True) if not is_lost]
        drafts = [each for each, is_lost in zip(drafts, lost, strict=True) if is_lost and each.attempt is None]
        if not drafts:
            return count, kept
    raise StoreError(f"the ledger never took {len(drafts):,} of the steps: is it really written?")


def _place_all(ledger: Ledger, run: str, drafts: Sequence[Draft]) -> list[StepRow]:
    standings: dict[str, dict[str, Standing]] = {}
    is_repeated = False
    for step, group in _by_step(drafts):
        items = list({each.item: None for each in group})
        standings[step] = ledger.store.standings(run, step, items)
        is_repeated = is_repeated or len(items) < len(group)
    rows = []
    for each in drafts:
        known = standings[each.step]
        standing = known.get(each.item)
        row = _row(run, each, standing)
        rows.append(row)
        if not is_repeated:
            continue
        here = Standing(row.attempt, row.status, row.at)
        if standing is None or (here.attempt, here.status.phase) > (standing.attempt, standing.status.phase):
            known[each.item] = here
    return rows


def _by_step(drafts: Iterable[Draft]) -> Iterator[tuple[str, list[Draft]]]:
    grouped: dict[str, list[Draft]] = {}
    for step, group in groupby(drafts, key=lambda each: each.step):
        grouped.setdefault(step, []).extend(group)
    yield from grouped.items()


def _lost(ledger: Ledger, run: str, rows: Sequence[StepRow]) -> list[bool]:
    """Which of these the store did not keep, since another row had their place."""
    there: dict[tuple[str, str, int, int], StepRow] = {}
    for step in {row.step for row in rows}:
        items = list({row.item for row in rows if row.step == step})
        for start in range(0, len(items), 1000):
            for row in ledger.store.rows(StepRow, item=items[start : start + 1000], step=step, run=run):
                there[_place(row)] = msgspec.structs.replace(row, seq=0)
    taken: set[tuple[str, str, int, int]] = set()
    lost = []
    for row in rows:
        place = _place(row)
        lost.append(place in taken or there.get(place) != row)
        taken.add(place)
    return lost


def _place(row: StepRow) -> tuple[str, str, int, int]:
    return row.item, row.step, row.attempt, row.status.phase
