"""What is known of the items of a generator is read ahead in the order of recording, and never said otherwise."""

from hypothesis import given, settings
from hypothesis import strategies as st

from milepost.model.rows import StepRow
from milepost.model.status import ProcessingStatus
from milepost.process.loops import ahead
from milepost.process.loops.ahead import Ahead
from milepost.store.memory import MemoryStore

names = st.integers(0, 40).map(str)


@given(recorded=st.lists(names, max_size=80), asked=st.lists(names, max_size=80, unique=True), page=st.integers(1, 12))
@settings(max_examples=300)
def test_it_says_what_the_ledger_says_in_any_order(recorded, asked, page):
    """Items with several attempts, that were left out, that come in another order or were never seen."""
    store = MemoryStore()
    attempts = {}
    for item in recorded:
        attempts[item] = attempts.get(item, 0) + 1
        store.write([
            StepRow(run="r", step="s", item=item, attempt=attempts[item], status=ProcessingStatus.ERROR, at=1.0)
        ])  # fmt: skip

    def rows_of(items):
        found = {}
        for row in store.rows(StepRow, run="r", step="s", item=items):
            found.setdefault(row.item, []).append(row)
        return found

    before, ahead.PAGE = ahead.PAGE, page
    try:
        known = Ahead(store, "r", "s", rows_of)
        for item in asked:
            assert [row.attempt for row in known.take(item)] == list(range(1, attempts.get(item, 0) + 1))
    finally:
        ahead.PAGE = before


def test_in_the_order_of_recording_the_ledger_is_asked_by_the_page():
    """Ten thousand items that are done, some of them tried twice, and some left out of the source since."""
    store = MemoryStore()
    for number in range(10_000):
        row = StepRow(run="r", step="s", item=str(number), attempt=1, status=ProcessingStatus.SUCCESS, at=1.0)
        store.write([row])
    questions = []

    def rows_of(items):
        questions.append(len(items))
        found = {}
        for row in store.rows(StepRow, run="r", step="s", item=items):
            found.setdefault(row.item, []).append(row)
        return found

    known = Ahead(store, "r", "s", rows_of)
    for number in range(10_000):
        if number % 7:
            assert known.take(str(number))
    assert len(questions) < 20
