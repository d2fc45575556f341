"""A mapped stage: one ledger row per item, found again by content, in order, retried, collected."""

import pytest

from milepost.errors import InvalidDataError, StageExecutionError
from milepost.model.rows import StageRow, StepRow
from milepost.model.status import ProcessingStatus, StageState

JOB = """
import pathlib
from milepost import Process, stage

@stage
def rows(count: int = 50, start: int = 0):
    return [{"id": f"r{n}", "value": n} for n in range(start, count)]

@stage(each="rows", key="id")
def score(row, factor: int = 2):
    with open("calls", "a") as calls:
        calls.write(row["id"] + "\\n")
    return row["value"] * factor

@stage
def total(score):
    return sum(score)

job = Process("scores", [rows, score, total])
"""


def calls(tmp_path):
    seen = (tmp_path / "calls").read_text().split()
    (tmp_path / "calls").unlink()
    return seen


@pytest.mark.parametrize("executor", ["inline", "threads", "workers"])
def test_results_come_in_the_order_of_the_items_with_one_row_each(workspace, load, executor):
    run = load(JOB).run(workspace=workspace, executor=executor, workers=2)
    assert [2 * n for n in range(50)] == list(run.results["score"])
    assert run.results["total"] == 2450
    rows = workspace.store.rows(StepRow, run=run.id)
    assert {f"r{n}" for n in range(50)} == {row.item for row in rows}
    assert {ProcessingStatus.SUCCESS} == {row.status for row in rows}
    assert len(rows) == 50


def test_only_new_items_are_computed_when_the_collection_grows(workspace, load, tmp_path):
    process = load(JOB)
    process.run(workspace=workspace)
    calls(tmp_path)
    run = process.run({"rows.count": 53, "rows.start": 1}, workspace=workspace)
    assert ["r50", "r51", "r52"] == sorted(calls(tmp_path))
    assert [2 * n for n in range(1, 53)] == list(run.results["score"])
    stage = workspace.store.get(StageRow, run=run.id, stage="score")
    assert (52, 3, 49) == (stage.items_total, stage.items_done, stage.items_reused)


def test_an_edited_item_function_never_yields_a_mixed_result(workspace, load, tmp_path):
    failing = JOB.replace("    return row", "    if row['value'] == 30: raise ValueError('stop')\n    return row")
    with pytest.raises(StageExecutionError, match="stage 'score' failed at item 'r30': ValueError: stop"):
        load(failing).run(workspace=workspace)
    done = set(calls(tmp_path))
    assert "r0" in done
    run = load(JOB.replace("* factor", "* factor + 1")).run(workspace=workspace)
    assert [2 * n + 1 for n in range(50)] == list(run.results["score"])
    assert 50 == len(calls(tmp_path))


def test_a_continued_run_computes_only_the_rest(workspace, load, tmp_path):
    stopping = JOB.replace(
        "    with open", "    if pathlib.Path('stop').exists() and row['value'] == 30: raise ValueError\n    with open"
    )
    (tmp_path / "stop").touch()
    with pytest.raises(StageExecutionError):
        load(stopping).run(workspace=workspace)
    before = calls(tmp_path)
    (tmp_path / "stop").unlink()
    run = load(stopping).run(workspace=workspace)
    assert {f"r{n}" for n in range(50)} - set(before) == set(calls(tmp_path))
    attempts = {row.item: row.attempt for row in workspace.store.rows(StepRow, run=run.id) if row.status.is_done}
    assert 2 == attempts["r30"]
    assert 1 == attempts["r0"]


def test_without_a_key_the_content_counts_and_equal_items_are_told_apart(workspace, load):
    process = load(
        """
        from milepost import Process, stage

        @stage
        def words():
            return ["a", "b", "a"]

        @stage(each="words")
        def shout(word):
            return word.upper()

        job = Process("words", [words, shout])
        """
    )
    run = process.run(workspace=workspace)
    assert ["A", "B", "A"] == list(run.results["shout"])
    assert 3 == len({row.item for row in workspace.store.rows(StepRow, run=run.id)})


def test_a_key_that_occurs_twice_names_both_items(workspace, load):
    process = load(JOB.replace('f"r{n}"', '"same"'))
    with pytest.raises(InvalidDataError, match="score.*0.*1|score.*same"):
        process.run(workspace=workspace)


def test_collect_leaves_failed_items_out_and_reports_them(workspace, load, tmp_path):
    collecting = JOB.replace('key="id"', 'key="id", errors="collect"').replace(
        "    with open",
        "    if pathlib.Path('bad').exists() and row['value'] % 20 == 0: raise ValueError(f'bad {row}')\n    with open",
    )
    (tmp_path / "bad").touch()
    run = load(collecting).run(workspace=workspace)
    assert [2 * n for n in range(50) if n % 20] == list(run.results["score"])
    stage = workspace.store.get(StageRow, run=run.id, stage="score")
    assert (stage.state, stage.items_failed, stage.items_done) == (StageState.COMPLETED, 3, 47)
    assert "3 items failed: r0: ValueError: bad" in stage.error
    calls(tmp_path)
    (tmp_path / "bad").unlink()
    again = load(collecting).run(workspace=workspace, run=run.name)
    assert again.id == run.id
    assert ["r0", "r20", "r40"] == sorted(calls(tmp_path))
    assert [2 * n for n in range(50)] == list(again.results["score"])
    assert again.results["total"] == 2450


def test_an_item_is_retried_and_every_attempt_is_in_the_ledger(workspace, load, tmp_path):
    process = load(
        JOB.replace('key="id"', 'key="id", retries=2, retry_delay=0.001').replace(
            "    with open",
            "    mark = pathlib.Path(f'try-{row[\"id\"]}')\n"
            "    mark.write_text(mark.read_text() + 'x' if mark.exists() else 'x')\n"
            "    if row['value'] == 7 and len(mark.read_text()) < 3: raise OSError('busy')\n    with open",
        )
    )
    run = process.run(workspace=workspace)
    rows = [row for row in workspace.store.rows(StepRow, run=run.id) if row.item == "r7"]
    assert [(1, "error"), (2, "error"), (3, "success")] == [(row.attempt, str(row.status)) for row in rows]
    assert "OSError: busy" in rows[0].error
    assert [2 * n for n in range(50)] == list(run.results["score"])


def test_a_frame_is_mapped_row_by_row_as_dicts(workspace, load):
    process = load(
        """
        import pandas
        from milepost import Process, stage

        @stage
        def frame():
            return pandas.DataFrame({"id": [1, 2], "name": ["x", "y"]})

        @stage(each="frame", key="id")
        def text(row):
            return f"{row['id']}{row['name']}"

        job = Process("frames", [frame, text])
        """
    )
    assert ["1x", "2y"] == list(process.run(workspace=workspace).results["text"])


def test_a_collection_without_order_is_refused_with_what_to_do(workspace, load):
    process = load(
        JOB.replace("return [{", "return {n: {").replace(
            "} for n in range(start, count)]", "} for n in range(start, count)}"
        )
    )
    with pytest.raises(
        InvalidDataError, match=r"stage 'score' maps over 'rows', whose result is a dict.*list\(d.items"
    ):
        process.run(workspace=workspace)


def test_zero_items_give_an_empty_result(workspace, load):
    run = load(JOB).run({"rows.count": 0}, workspace=workspace)
    assert [] == list(run.results["score"])
    assert 0 == run.results["total"]


def test_a_mapped_stage_over_a_mapped_stage(workspace, load):
    process = load(
        JOB.replace("def total(score):\n    return sum(score)", "def total(half):\n    return sum(half)")
        .replace(
            "@stage\ndef total", '@stage(each="score")\ndef half(value):\n    return value // 2\n\n@stage\ndef total'
        )
        .replace("[rows, score, total]", "[rows, score, half, total]")
    )
    assert 1225 == process.run(workspace=workspace).results["total"]


def test_an_async_mapped_stage(workspace, load):
    process = load(JOB.replace("def score(row", "async def score(row"))
    assert 2450 == process.run(workspace=workspace).results["total"]


def test_a_second_run_reuses_the_mapped_stage_as_a_whole(workspace, load, tmp_path):
    process = load(JOB)
    process.run(workspace=workspace)
    calls(tmp_path)
    run = process.run(workspace=workspace)
    assert StageState.REUSED is run.stages["score"]
    assert not (tmp_path / "calls").exists()
    stage = workspace.store.get(StageRow, run=run.id, stage="score")
    assert 50 == stage.items_reused


def test_failed_items_are_the_reason_to_run_again(workspace, load, tmp_path):
    collecting = JOB.replace('key="id"', 'key="id", errors="collect"').replace(
        "    with open",
        "    if pathlib.Path('bad').exists() and row['value'] == 3: raise ValueError('bad')\n    with open",
    )
    (tmp_path / "bad").touch()
    load(collecting).run(workspace=workspace)
    plan = {stage.stage: stage.reason for stage in load(collecting).plan(workspace=workspace).stages}
    assert "1 of its items failed before" == plan["score"]


def test_two_mapped_stages_share_the_workers(workspace, load):
    """Each waits for an item of the other, so they can only end when both are handed out."""
    process = load(
        """
        import pathlib, time
        from milepost import Process, stage

        @stage
        def rows():
            return list(range(40))

        def meet(mine, other):
            pathlib.Path(mine).touch()
            for _ in range(1000):
                if pathlib.Path(other).exists():
                    return mine
                time.sleep(0.01)
            raise TimeoutError(other)

        @stage(each="rows")
        def left(row):
            return meet("left", "right")

        @stage(each="rows")
        def right(row):
            return meet("right", "left")

        job = Process("both", [rows, left, right])
        """
    )
    run = process.run(workspace=workspace, executor="workers", workers=2)
    assert ["left"] * 40 == list(run.results["left"])


@pytest.mark.parametrize("executor", ["inline", "threads", "workers"])
def test_a_retry_gets_the_item_as_it_was(workspace, load, tmp_path, executor):
    """A function that changes its argument and then fails does not change what its next attempt sees."""
    process = load("""
        import pathlib
        from milepost import Process, stage

        @stage
        def rows():
            return [{"id": number, "tags": [number]} for number in range(3)]

        @stage(each="rows", key="id", retries=3, retry_delay=0.0)
        def seen(row):
            found = {"id": row["id"], "tags": list(row["tags"])}
            row["id"] = -1
            row["tags"].append("again")
            tried = pathlib.Path(f"tried-{found['id']}-{found['tags'][0]}")
            if not tried.exists():
                tried.touch()
                raise ValueError("once more")
            return found

        job = Process("job", [rows, seen])
    """)
    run = process.run(workspace=workspace, executor=executor, workers=1)
    assert list(run.results["seen"]) == [{"id": number, "tags": [number]} for number in range(3)]


def test_async_items_overlap(workspace, load):
    """Each item waits until another has begun, so they can only end when several are under way."""
    process = load(
        """
        import asyncio
        from milepost import Process, stage

        @stage
        def rows():
            return list(range(8))

        begun = []

        @stage(each="rows", version="1")
        async def meet(row):
            begun.append(row)
            for _ in range(1000):
                if len(begun) >= 4:
                    return row
                await asyncio.sleep(0.01)
            raise TimeoutError("nobody came")

        job = Process("meeting", [rows, meet])
        """
    )
    assert list(range(8)) == list(process.run(workspace=workspace).results["meet"])
