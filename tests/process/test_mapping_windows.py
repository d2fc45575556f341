"""Windows of items that are done as a whole: found at once, never wrongly, and not needed for anything to be right."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milepost import Workspace
from milepost.errors import StageExecutionError
from milepost.model.rows import ResultRow, StageRow, StepRow
from milepost.process.jobs import Trade
from milepost.process.mapping.windows import PREFIX, DoneWindows, Window
from milepost.store.memory import MemoryStore
from milepost.store.objects import Objects
from milepost.store.sequence import SequenceWriter

JOB = """
import pathlib
from milepost import Process, stage

class Score:
    def __init__(self, value):
        self.value = value

@stage
def rows(count: int = 2500, first: int = 0, changed: int = -1):
    return [{"id": f"r{n}", "value": -n if n == changed else n} for n in range(first, count)]

@stage(each="rows", key="id")
def score(row):
    with open("calls", "a") as calls:
        calls.write(row["id"] + "\\n")
    return RESULT

@stage
def total(score):
    return len(score)

job = Process("scores", [rows, score, total])
"""
NUMBERS = JOB.replace("RESULT", "row['value'] * 2")
STOPPING = NUMBERS.replace(
    "    return row", "    if pathlib.Path('stop').exists() and row['value'] == 2499: raise ValueError\n    return row"
)


def calls(tmp_path):
    try:
        seen = (tmp_path / "calls").read_text().split()
    except FileNotFoundError:
        return []
    (tmp_path / "calls").unlink()
    return seen


def remembered(workspace):
    return [row for row in workspace.store.rows(ResultRow) if row.key.startswith(PREFIX)]


def counts(workspace, run):
    row = workspace.store.get(StageRow, run=run.id, stage="score")
    return row.items_total, row.items_done, row.items_reused


def forget_rows(workspace):
    """Drop what says of single items that they are done: what is found now is found by windows."""
    for row in workspace.store.rows(StageRow):
        workspace.store.drop(StepRow, run=row.run)


def chunks_of(items, monkeypatch):
    """Have sequences written in chunks of so many items."""
    monkeypatch.setattr(SequenceWriter.__init__, "__defaults__", (items, *SequenceWriter.__init__.__defaults__[1:]))


@pytest.mark.parametrize("executor", ["inline", "threads"])
def test_whole_windows_are_found_by_another_run(workspace, load, tmp_path, executor):
    """Also where results came back out of order; what does not fill the same window is looked up item by item."""
    process = load(NUMBERS)
    process.run(workspace=workspace, executor=executor, workers=2)
    calls(tmp_path)
    forget_rows(workspace)
    run = process.run({"rows.count": 2600}, workspace=workspace)
    seen = calls(tmp_path)
    assert 100 <= len(seen) <= 1100
    assert [f"r{n}" for n in range(2600)][-len(seen) :] == seen
    assert [2 * n for n in range(2600)] == list(run.results["score"])
    assert (2600, len(seen), 2600 - len(seen)) == counts(workspace, run)


@pytest.mark.parametrize("chunk", [100, 5000])
def test_an_item_less_at_the_beginning_changes_the_windows_there_alone(workspace, load, tmp_path, monkeypatch, chunk):
    """Windows end where their items say so; one may lie in several chunks."""
    chunks_of(chunk, monkeypatch)
    process = load(NUMBERS)
    process.run({"rows.count": 4500}, workspace=workspace)
    calls(tmp_path)
    forget_rows(workspace)
    run = process.run({"rows.count": 4500, "rows.first": 1}, workspace=workspace)
    seen = calls(tmp_path)
    assert len(seen) <= 2500
    assert [f"r{n}" for n in range(1, 4500)][: len(seen)] == seen
    assert [2 * n for n in range(1, 4500)] == list(run.results["score"])


def test_a_stopped_run_goes_on_behind_its_windows(workspace, load, tmp_path, monkeypatch):
    """The windows whose chunk was stored before the stop are found, the others' items one by one."""
    chunks_of(1000, monkeypatch)
    process = load(STOPPING)
    (tmp_path / "stop").touch()
    with pytest.raises(StageExecutionError):
        process.run(workspace=workspace)
    assert remembered(workspace)
    calls(tmp_path)
    (tmp_path / "stop").unlink()
    run = process.run(workspace=workspace)
    assert ["r2499"] == calls(tmp_path)
    assert [2 * n for n in range(2500)] == list(run.results["score"])
    assert (2500, 1, 2499) == counts(workspace, run)


def test_one_changed_item_is_computed_alone(workspace, load, tmp_path):
    """The window that holds it is another one; the rest of it is found item by item."""
    process = load(NUMBERS)
    process.run(workspace=workspace)
    calls(tmp_path)
    run = process.run({"rows.changed": 1234}, workspace=workspace)
    assert ["r1234"] == calls(tmp_path)
    assert [-2468 if n == 1234 else 2 * n for n in range(2500)] == list(run.results["score"])


def test_chunks_that_are_gone_or_damaged_cost_nothing(workspace, load, tmp_path):
    """The items' own rows still say what was computed."""
    process = load(NUMBERS)
    process.run(workspace=workspace)
    calls(tmp_path)
    for row in remembered(workspace):
        workspace.objects.path(row.address).unlink(missing_ok=True)
    process.run({"rows.count": 2501}, workspace=workspace)
    assert ["r2500"] == calls(tmp_path)
    chunks = {workspace.objects.path(row.address) for row in remembered(workspace)}
    for path in [path for path in chunks if path.exists()]:
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
    run = process.run({"rows.count": 2502}, workspace=workspace)
    assert ["r2501"] == calls(tmp_path)
    assert [2 * n for n in range(2502)] == list(run.results["score"])


def test_all_is_computed_again_when_asked_for(workspace, load, tmp_path):
    """A forced run finds no window."""
    process = load(NUMBERS)
    process.run(workspace=workspace)
    calls(tmp_path)
    process.run(new=True, start_from="rows", workspace=workspace)
    assert 2500 == len(calls(tmp_path))


def test_a_window_with_a_failed_item_is_not_remembered(workspace, load, tmp_path):
    """The item is tried again by the next run, and its window is remembered when it has succeeded."""
    collecting = STOPPING.replace('key="id"', 'key="id", errors="collect"').replace("2499", "1500")
    process = load(collecting)
    (tmp_path / "stop").touch()
    process.run(workspace=workspace)
    before = len(remembered(workspace))
    calls(tmp_path)
    (tmp_path / "stop").unlink()
    run = process.run(workspace=workspace)
    assert ["r1500"] == calls(tmp_path)
    assert before + 1 == len(remembered(workspace))
    assert [2 * n for n in range(2500)] == list(run.results["score"])


def test_the_saved_time_is_what_the_items_took(workspace, load):
    """A window's seconds are those of its items, computed or reused themselves."""
    process = load(NUMBERS)
    first = process.run(workspace=workspace)
    spent = sum(row.seconds for row in workspace.store.rows(StepRow, run=first.id))
    assert spent == pytest.approx(sum(row.seconds for row in remembered(workspace)))


@pytest.mark.parametrize("result", ["Score(row['value'] % 7)", "[Score(row['value'] % 3), b'x' * 5000]"])
def test_a_resumed_result_is_the_one_computed_afresh(workspace, load, tmp_path, result):
    """Same items, same address, same classes: with pickles in the chunk, and with objects that it names."""
    process = load(JOB.replace("RESULT", result))
    process.run({"rows.count": 1300}, workspace=workspace)
    run = process.run({"rows.count": 1400}, workspace=workspace)
    with Workspace.open(tmp_path / "other") as other:
        afresh = process.run({"rows.count": 1400}, workspace=other)
        expected = other.store.get(ResultRow, stage="score", key=_key(other, afresh))
    found = workspace.store.get(ResultRow, stage="score", key=_key(workspace, run))
    assert (found.address, found.classes) == (expected.address, expected.classes)
    assert ("job:Score",) == found.classes


def test_an_object_that_a_window_names_and_that_is_gone_is_made_again(workspace, load, tmp_path):
    """A window is found only when every result in it can be read."""
    process = load(JOB.replace("RESULT", "bytes([row['value'] % 200]) * 5000"))
    first = process.run({"rows.count": 1000}, workspace=workspace)
    calls(tmp_path)
    workspace.objects.path(workspace.store.get(StepRow, run=first.id, item="r7").address).unlink()
    run = process.run({"rows.count": 1001}, workspace=workspace)
    assert {"r7", "r1000"} <= set(calls(tmp_path))
    assert [bytes([n % 200]) * 5000 for n in range(1001)] == list(run.results["score"])


def _key(workspace, run):
    return workspace.store.get(StageRow, run=run.id, stage="score").key


class Told:
    """A recorder that writes at once."""

    def __init__(self, store):
        self.observe = lambda row: store.write([row])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_window_is_found_with_its_own_results_or_not_at_all(tmp_path_factory, data):
    """Whatever was left out and wherever chunks ended; another digest, key, order or items key finds nothing."""
    store, objects = MemoryStore(), Objects(tmp_path_factory.mktemp("o"), bytes(32))
    trade = Trade(run="r", recorder=Told(store), objects=objects, monotonic=float, random=float)
    windows = DoneWindows(store, trade, stage="s", items_key="f1:a")
    count, chunk, length = (data.draw(st.integers(1, most)) for most in (40, 12, 8))
    left_out = data.draw(st.sets(st.integers(0, count - 1), max_size=3))
    items = [(f"item {n}", bytes([n]) * 16) for n in range(count)]
    asked = [
        Window(number * length, [name for name, _ in part], [digest for _, digest in part])
        for number, part in enumerate(items[start : start + length] for start in range(0, count, length))
    ]
    for window in asked:
        windows.expect(window)
    writer = SequenceWriter(objects, chunk, on_chunk=windows.stored)
    for n, (name, _) in enumerate(items):
        if n not in left_out:
            writer.append(objects.pack(n), name)
    writer.close()
    fresh = DoneWindows(store, trade, stage="t", items_key="f1:a")
    for window in asked:
        found = fresh.find(window)
        positions = set(range(window.start, window.start + len(window.items)))
        assert (found is None) == bool(left_out & positions)
        if found is not None:
            results = [each for part in fresh.results(found) for each in part]
            names = [(name, objects.unpack(result, None)) for name, result, _ in results]
            assert names == [(f"item {n}", n) for n in range(count) if f"item {n}" in window.items]
        for other in _others(window):
            assert fresh.find(other) is None
        assert DoneWindows(store, trade, stage="s", items_key="f1:b").find(window) is None


def _others(window):
    replace = msgspec.structs.replace
    yield replace(window, digests=[*window.digests[:-1], b"another digest.."])
    yield replace(window, items=[*window.items[:-1], "another item"])
    if len(window.items) > 1:
        yield replace(window, items=window.items[::-1], digests=window.digests[::-1])
        yield replace(window, digests=window.digests[::-1])
        yield replace(window, items=window.items[1:], digests=window.digests[1:])
