"""Steps as blocks and as functions: recorded as they begin and end, however they end."""

import asyncio
import threading

import pytest

from milepost.errors import DefinitionError, StoreFull
from milepost.model.redaction import register_secret
from milepost.steps import ProcessingStepManager, current_step
from milepost.store.memory import MemoryStore


def told(manager, doc_id="doc"):
    """Each row as (step, attempt, status, message)."""
    return [
        (step.step_name, step.metadata["attempt"], str(step.status), step.error_message)
        for step in manager.get_steps(doc_id)
    ]


def test_a_block_that_goes_well(manager):
    """RUNNING when it begins, SUCCESS when it ends, with what was noted and measured, and how long it took."""
    with manager.step("doc", "ocr", engine="x") as step:
        assert told(manager) == [("ocr", 1, "running", None)]
        step.note(pages=3)
        step.measure(words=70)
        assert current_step() is step
    assert current_step() is None
    began, ended = manager.get_steps("doc")
    assert (began.status, began.details) == ("running", {"engine": "x"})
    assert (ended.status, ended.details, ended.error_message) == ("success", {"engine": "x", "pages": 3}, None)
    assert ended.metadata["metrics"] == {"words": 70, "duration_ms": ended.duration_ms}
    assert ended.duration_ms >= 0


@pytest.mark.parametrize(
    ("said", "status", "message"),
    [
        (["warn dim"], "warning", "dim"),
        (["warn dim", "warn skewed"], "warning", "dim; skewed"),
        (["skip empty"], "skipped", "empty"),
        (["skip empty", "warn dim"], "warning", "empty; dim"),
        (["fail torn"], "failed", "torn"),
        (["warn dim", "fail torn", "warn late"], "failed", "dim; torn; late"),
    ],
)
def test_a_block_that_says_how_it_ended(manager, said, status, message):
    """WARNING, SKIPPED or FAILED, the worst of them, with what was said; nothing is raised."""
    with manager.step("doc", "ocr") as step:
        for each in said:
            call, _, text = each.partition(" ")
            getattr(step, call)(text)
    assert told(manager)[-1] == ("ocr", 1, status, message)


def test_a_block_that_raises(manager):
    """ERROR with the exception, which goes on its way; FAILED where the block had given up."""
    with pytest.raises(ZeroDivisionError), manager.step("doc", "ocr") as step:
        step.note(page=3)
        1 / 0
    with pytest.raises(OSError), manager.step("doc", "ocr") as step:
        step.fail("torn")
        raise OSError("page 3")
    assert told(manager)[1::2] == [
        ("ocr", 1, "error", "ZeroDivisionError: division by zero"),
        ("ocr", 2, "failed", "torn (OSError: page 3)"),
    ]
    assert manager.get_steps("doc", "error")[0].details == {"page": 3}


def test_attempts_that_are_used_up(manager):
    """With `most_attempts`, the exception of the last one ends as FAILED and says after how many."""
    manager.declare("ocr", most_attempts=2)
    for _ in range(2):
        with pytest.raises(ValueError), manager.step("doc", "ocr"):
            raise ValueError("down")
    assert told(manager)[1::2] == [
        ("ocr", 1, "error", "ValueError: down"),
        ("ocr", 2, "failed", "given up after 2 attempts: ValueError: down"),
    ]


def test_an_end_by_hand_stands(manager):
    """Who ends the attempt inside of its block has said how it ended; an exception afterwards is not lost."""
    with manager.step("doc", "ocr"):
        manager.add_step("doc", "ocr", "skipped")
    assert told(manager) == [("ocr", 1, "running", None), ("ocr", 1, "skipped", None)]
    with pytest.raises(ValueError), manager.step("doc", "ocr"):
        manager.add_step("doc", "ocr", "success")
        raise ValueError("late")
    assert told(manager)[-2:] == [("ocr", 2, "success", None), ("ocr", 3, "error", "ValueError: late")]


def test_two_blocks_of_one_step_at_once(manager):
    """Each ends the attempt that it began, in whatever order."""
    first, second = manager.step("doc", "ocr"), manager.step("doc", "ocr")
    first.__enter__()
    second.__enter__()
    first.warn("first")
    second.warn("second")
    first.__exit__(None, None, None)
    second.__exit__(None, None, None)
    assert told(manager)[2:] == [("ocr", 1, "warning", "first"), ("ocr", 2, "warning", "second")]


def test_blocks_inside_blocks(manager):
    """The innermost is the current one, and the outer one is again when it ends."""
    with manager.step("doc", "outer") as outer:
        with manager.step("doc", "inner") as inner:
            assert current_step() is inner
        assert current_step() is outer
    assert [name for name, *_ in told(manager)] == ["outer", "inner", "inner", "outer"]


def test_names_of_details_are_free(manager):
    """Also those that parameters have."""
    with manager.step("doc", "ocr", doc_id=7, step_name="x", self=1):
        pass
    assert manager.get_steps("doc")[-1].details == {"doc_id": 7, "step_name": "x", "self": 1}


def test_an_exception_is_recorded_without_secrets(manager):
    """Its text is redacted as any other, and one without a text is recorded all the same."""
    register_secret("correct horse")

    class Mute(Exception):
        def __str__(self):
            raise RuntimeError("no text")

    with pytest.raises(OSError), manager.step("doc", "ocr"):
        raise OSError("login with correct horse failed")
    with pytest.raises(Mute), manager.step("doc", "ocr"):
        raise Mute
    messages = [step.error_message for step in manager.get_steps("doc", "error")]
    assert messages == ["OSError: login with *** failed", "Mute: <without a text: RuntimeError>"]


def test_tasks_have_blocks_of_their_own(manager):
    """200 tasks at once, each in its block: each ended task has its two rows, each cancelled one waits again."""

    async def work(n):
        async with manager.step(f"doc{n}", "ocr") as step:
            await asyncio.sleep(0)
            assert current_step() is step
            if n % 4 == 0:
                await asyncio.Event().wait()
            if n % 4 == 1:
                raise ValueError(n)

    async def all_of_them():
        tasks = [asyncio.create_task(work(n)) for n in range(200)]
        await asyncio.sleep(0.01)
        for task in tasks[::4]:
            task.cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(all_of_them())
    for n in range(200):
        ends = {0: ["running", "pending"], 1: ["running", "error"]}.get(n % 4, ["running", "success"])
        assert [status for _, _, status, _ in told(manager, f"doc{n}")] == ends


def test_threads_have_blocks_of_their_own(manager):
    """What one thread is at is not what another is at."""
    both = threading.Barrier(2)
    seen = {}

    def work(name):
        with manager.step(name, "ocr") as step:
            both.wait()
            seen[name] = current_step() is step
            both.wait()

    threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {"a": True, "b": True}


def test_a_tracked_function(manager):
    """Each call is a step of the document in its first argument; it returns what it returns, and keeps its name."""

    @manager.tracked("text_extraction")
    def extract(path, depth=1):
        """Text of a page."""
        current_step().note(depth=depth)
        return path.upper()

    assert extract("doc") == extract(path="doc", depth=2) == "DOC"
    assert (extract.__name__, extract.__doc__) == ("extract", "Text of a page.")
    ends = manager.get_steps("doc", "success")
    assert [(step.step_name, step.details) for step in ends] == [
        ("text_extraction", {"depth": 1}),
        ("text_extraction", {"depth": 2}),
    ]


def test_how_a_call_names_its_document(manager):
    """The first argument (not self), a parameter by name, or what finds it."""

    class Reader:
        @manager.tracked()
        def read(self, document):
            return document

    @manager.tracked("b", key="name")
    def by_name(data, *, name="default"):
        return name

    @manager.tracked("c", key=lambda record: record["id"])
    def by_call(record):
        return record

    Reader().read("one")
    by_name(b"...")
    by_name(b"...", name="two")
    by_call({"id": 3})
    assert [told(manager, doc)[-1][:3] for doc in ("one", "default", "two", "3")] == [
        ("read", 1, "success"),
        ("b", 1, "success"),
        ("b", 1, "success"),
        ("c", 1, "success"),
    ]


def test_functions_that_cannot_be_tracked(manager):
    """A generator has no one end; a parameter that is not there names no document. Both are said at once."""
    with pytest.raises(DefinitionError, match="one by one"):

        @manager.tracked()
        def pages(document):
            yield document

    with pytest.raises(DefinitionError, match="no parameter 'doc' names the document: it has path"):

        @manager.tracked(key="doc")
        def read(path):
            return path

    with pytest.raises(DefinitionError, match="it has none"):
        manager.tracked()(lambda: 1)


@pytest.mark.parametrize("is_async", [False, True])
def test_retries_are_attempts(manager, is_async):
    """Each try has its rows; the one that goes well ends it, the last that fails ends as FAILED."""
    left = {"good": 1, "bad": 9}

    def work(document):
        left[document] -= 1
        if left[document] >= 0:
            raise OSError("down")
        return document

    if is_async:

        async def tried(document):
            return work(document)
    else:
        tried = work
    tracked = manager.tracked("fetch", retries=2, retry_delay=0.0)(tried)

    def called(document):
        return asyncio.run(tracked(document)) if is_async else tracked(document)

    assert called("good") == "good"
    with pytest.raises(OSError, match="down"):
        called("bad")
    assert [(attempt, status) for _, attempt, status, _ in told(manager, "good")] == [
        (1, "running"), (1, "error"), (2, "running"), (2, "success"),
    ]  # fmt: skip
    ends = told(manager, "bad")[1::2]
    assert [status for _, _, status, _ in ends] == ["error", "error", "failed"]
    assert ends[-1][3] == "given up after 3 attempts: OSError: down"


def test_a_ledger_that_fails_is_not_tried_again(monkeypatch):
    """What cannot be recorded is raised at once: the work is not done again for it."""

    class Full(MemoryStore):
        def write(self, rows, **how):
            raise StoreFull("no space is left")

    monkeypatch.setenv("MILEPOST_STORE_WAIT_SECONDS", "0")
    calls = []
    with pytest.raises(StoreFull):
        ProcessingStepManager(Full()).tracked("ocr", retries=5)(lambda document: calls.append(document))("doc")
    assert calls == []
