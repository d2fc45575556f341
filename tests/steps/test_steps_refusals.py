"""Whatever is given where something else belongs: an error that says what and what to do, never another's error."""

import functools
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import PurePosixPath

import pytest

from milepost.errors import DefinitionError, MilepostError, StoreError
from milepost.steps import ProcessingStepManager


class Bad:
    """Nothing can be said of it."""

    def __repr__(self):
        raise RuntimeError("no text")


class Text(str):
    """As NumPy's texts are."""


class Unhashable(str):
    """A text that cannot be a key."""

    def __hash__(self):
        raise RuntimeError("no hash")


CYCLE: list[object] = []
CYCLE.append(CYCLE)
SECRET = {"api_key": "s3cr3t-canary"}
JUNK = [None, 0, -1, True, 1.5, float("nan"), 10**5000, b"x", [], {}, (), object(), Bad(), CYCLE, Decimal("1"), SECRET]
JUNK += [datetime(2026, 1, 1), lambda: 1, ValueError, range(3), {None: 1}]
OPTIONAL = {"status", "start_time", "end_time", "step_name", "details", "metrics", "error_message", "timestamp"}
NOW = datetime.now(UTC)
CALLS = {
    "add_step": ({"doc_id": "d", "step_name": "s", "status": "success"}, ("doc_id", "step_name", "status", "attempt")),
    "get_steps": ({"doc_id": "d"}, ("doc_id", "status", "step_name", "limit", "after", "end_time")),
    "iter_steps": ({"doc_id": "d"}, ("status", "step_name", "after", "start_time")),
    "get_recent_errors": ({"since": NOW}, ("since", "limit")),
    "latest_status": ({"doc_id": "d", "step_name": "s"}, ("doc_id", "step_name")),
    "declare": ({"step_name": "s"}, ("step_name", "after", "most_attempts")),
    "missing": ({"doc_id": "d", "step_name": "s"}, ("doc_id", "step_name")),
    "begin": ({"doc_id": "d", "step_name": "s"}, ("doc_id", "step_name")),
    "finish": ({"doc_id": "d", "step_name": "s", "status": "success"}, ("doc_id", "step_name", "status", "attempt")),
    "tracked": ({}, ("step_name", "retries", "retry_delay")),
}
FINE = {None, 0, True, 1.5}  # somewhere


@pytest.mark.parametrize(("call", "parameter"), [(call, one) for call, (_, bad) in CALLS.items() for one in bad])
@pytest.mark.parametrize("junk", JUNK, ids=lambda value: type(value).__name__)
def test_what_cannot_be_is_refused_in_words(manager, call, parameter, junk):
    """ValueError, TypeError or one of ours, with some words, at most a screen long, and no secret in it."""
    good, _ = CALLS[call]
    try:
        method = getattr(manager, call)
        if call == "tracked":
            method(**{parameter: junk})(lambda document: document)
        else:
            found = method(**{**good, parameter: junk})
            list(found) if call == "iter_steps" else found
    except (ValueError, TypeError, MilepostError) as error:
        said = str(error)
        assert 20 < len(said) < 1000
        assert "canary" not in said
        assert not any(
            inner in said for inner in ("binding argument", "datatype", "no len", "__str__", "4300", "unhash")
        )
    else:
        allowed = [0, ()] if parameter in ("limit", "after", "retries", "retry_delay") else [()]
        is_nothing = junk is None and not (parameter in ("doc_id", "since") or call in ("latest_status", "missing"))
        is_number = parameter == "retry_delay" and junk == 1.5
        is_names = parameter == "after" and call == "declare" and junk in ([], ())
        is_time = isinstance(junk, datetime) and parameter in ("since", "start_time", "end_time")
        assert is_nothing or is_number or is_names or is_time or any(junk is one for one in allowed), junk


def test_texts_of_another_class_are_texts(manager):
    """A document's id out of an array of NumPy's is the same document."""
    manager.add_step(Text("doc"), Text("ocr"), Text("running"))
    with manager.step(Text("doc"), Text("index")):
        pass
    manager.add_step("doc", Unhashable("ocr"), Unhashable("success"), error_message=Unhashable("x"))
    manager.declare(Text("last"), after=[Text("ocr")])
    assert [str(step.status) for step in manager.get_steps(Text("doc"), step_name=Text("ocr"))] == [
        "running",
        "success",
    ]
    assert {type(step.step_name) for step in manager.get_steps("doc")} == {str}
    assert manager.latest_status(Text("doc"), Text("index")) == "success"


def test_a_span_that_ends_before_it_begins_is_refused(manager):
    """Two bounds in the wrong order are a mistake, not an empty answer."""
    with pytest.raises(ValueError, match="start_time .* is after end_time"):
        manager.get_steps("doc", start_time=NOW, end_time=NOW - timedelta(seconds=1))
    assert manager.get_steps("doc", start_time=NOW, end_time=NOW) == []


@pytest.mark.parametrize("status", ["running", "pending"])
def test_only_an_end_finishes(manager, status):
    """What does not end an attempt does not finish it."""
    attempt = manager.begin("doc", "ocr")
    with pytest.raises(ValueError, match=f"{status} ends nothing"):
        manager.finish("doc", "ocr", status, attempt=attempt)
    with pytest.raises(TypeError, match="finish has no 'foo': it has details, metrics, error_message"):
        manager.finish("doc", "ocr", "success", foo=1)


@pytest.mark.parametrize("place", ["", "\0", "a\0b", "\ud800", "x" * 5000])
def test_a_place_that_cannot_be_is_refused(place):
    """With what was given, as a StoreError."""
    with pytest.raises(StoreError, match="steps cannot be kept at"):
        ProcessingStepManager(place).add_step("d", "s", "success")


def test_a_decorator_without_its_brackets(manager):
    """`@manager.tracked` is met often enough to be understood at once."""
    with pytest.raises(DefinitionError, match=r"write @manager\.tracked\(\)"):

        @manager.tracked
        def ocr(document):
            return document


def test_what_is_tracked_is_a_function_with_a_name(manager):
    """Said when it is decorated, not when it is called."""
    for wrong in (5, "ocr", None, classmethod(lambda cls, document: 1), str):
        with pytest.raises(DefinitionError, match="ocr"):
            manager.tracked("ocr")(wrong)
    nameless = functools.partial(lambda language, document: document, "en")
    with pytest.raises(DefinitionError, match="has no name of its own"):
        manager.tracked()(nameless)
    assert manager.tracked("ocr")(nameless)("doc") == "doc"


@pytest.mark.parametrize("document", [None, {}, {"id": 1}, [1], object(), True, 1.5, b"x"], ids=range(8))
def test_a_call_whose_document_has_no_name(manager, document):
    """Nothing is recorded of a document `None`, nor of one that is called otherwise in the next process."""

    @manager.tracked("ocr")
    def ocr(document):
        raise AssertionError("it is not called")

    with pytest.raises(TypeError, match="say key="):
        ocr(document)
    assert list(manager.iter_steps()) == []


def test_documents_that_have_a_name(manager):
    """Numbers, paths and the like are called by their text."""
    seen = manager.tracked("ocr")(lambda document: document)
    for document in (7, PurePosixPath("a/b.pdf"), Decimal("1.5"), Text("x")):
        seen(document)
    assert {step.metadata["doc_id"] for step in manager.iter_steps()} == {"7", "a/b.pdf", "1.5", "x"}
    by_size = manager.tracked("size", key=lambda document: len(document))(lambda document: document)
    by_size("four")
    assert manager.latest_status("4", "size") == "success"


def test_an_object_whose_call_is_async_is_awaited(manager):
    """Its step ends when the call has, with its error."""
    import asyncio

    class Reader:
        async def __call__(self, document):
            await asyncio.sleep(0)
            raise ValueError("torn")

    with pytest.raises(ValueError, match="torn"):
        asyncio.run(manager.tracked("ocr")(Reader())("doc"))
    assert manager.latest_status("doc", "ocr") == "error"


def test_a_function_that_gives_something_to_await_has_not_ended(manager):
    """A decorator between hides that a function is async: nothing is called a success before it ran."""

    async def ocr(document):
        return document

    with pytest.raises(DefinitionError, match="gave something to await"):
        manager.tracked("ocr")(lambda document: ocr(document))("doc")
    assert manager.latest_status("doc", "ocr") == "error"
