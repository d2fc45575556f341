"""Steps in an object of the user's that keeps lineages: what it can do, it does."""

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from milepost.errors import StoreError
from milepost.steps import ProcessingStep, ProcessingStepManager

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


class Folder:
    """Lineages as JSON files; saved with the document's id."""

    def __init__(self, path):
        self.path = path

    def get_lineage(self, doc_id):
        file = self.path / f"{doc_id}.json"
        return json.loads(file.read_text()) if file.exists() else None

    def save_lineage(self, doc_id, lineage):
        (self.path / f"{doc_id}.json").write_text(json.dumps(lineage, allow_nan=False))

    def get_all_lineage(self):
        return {file.stem: json.loads(file.read_text()) for file in sorted(self.path.glob("*.json"))}


class Objects:
    """Lineages as objects with a list of steps; saved by themselves."""

    def __init__(self):
        self.lineages = {"doc": SimpleNamespace(doc_id="doc", steps=[ProcessingStep("import", "success")])}

    def get_lineage(self, doc_id):
        return self.lineages.get(doc_id)

    def save_lineage(self, lineage):
        key = lineage["doc_id"] if isinstance(lineage, dict) else lineage.doc_id
        self.lineages[key] = lineage

    def get_all_lineage(self):
        return list(self.lineages.values())


@pytest.fixture(params=["folder", "objects"])
def keeper(request, tmp_path):
    return Folder(tmp_path) if request.param == "folder" else Objects()


def test_the_documented_calls(keeper):
    """Steps are added, found by status and time, and errors are found across documents, the newest first."""
    manager = ProcessingStepManager(keeper)
    manager.add_step("doc", "ocr", "running")
    manager.add_step("doc", "ocr", "error", {"score": float("nan")}, {"duration_ms": 5}, "torn")
    manager.add_step("other", "ocr", "warning", error_message="dim")
    manager.add_steps([("other", "ocr", "success"), ("doc", "ocr", "failed")])
    again = ProcessingStepManager(keeper)
    steps = again.get_steps("doc", step_name="ocr")
    assert [(str(step.status), step.metadata["attempt"]) for step in steps] == [
        ("running", 1),
        ("error", 1),
        ("failed", 2),
    ]
    assert (steps[1].details, steps[1].duration_ms, steps[1].error_message) == ({"score": "nan"}, 5, "torn")
    assert [step.status for step in again.get_steps("doc", "error", LONG_AGO, datetime.now(UTC))] == ["error"]
    found = again.get_recent_errors(LONG_AGO, include_warnings=True)
    assert [(error["doc_id"], error["status"]) for error in found] == [
        ("doc", "failed"),
        ("other", "warning"),
        ("doc", "error"),
    ]
    assert again.get_recent_errors(datetime.now(UTC) + timedelta(hours=1)) == []
    assert again.latest_status("other", "ocr") == "success"


def test_blocks_and_pages(keeper):
    """The rest works on it as on a ledger."""
    manager = ProcessingStepManager(keeper)
    for n in range(5):
        with manager.step("pages", "ocr", n=n) as step:
            assert step.attempt == n + 1
    page = manager.get_steps("pages", "success", limit=2)
    rest = manager.get_steps("pages", "success", after=page[-1])
    assert [step.details["n"] for step in page + rest] == [0, 1, 2, 3, 4]


def test_its_unknown_documents(keeper):
    """Are made, unless `strict`: then what it has no lineage of is refused."""
    strict = ProcessingStepManager(keeper, strict=True)
    for status in ("pending", "success"):
        with pytest.raises(ValueError, match="nobody announced document 'new'"):
            strict.add_step("new", "ocr", status)
    ProcessingStepManager(keeper).add_step("new", "ocr", "success")
    strict.add_step("new", "ocr", "success")
    assert len(strict.get_steps("new")) == 2


def test_a_keeper_that_fails(keeper, monkeypatch):
    """Its exception is the cause of a StoreError, which is a RuntimeError, and names the call."""

    def save_lineage(*arguments):
        raise OSError("disk on fire")

    monkeypatch.setattr(keeper, "save_lineage", save_lineage)
    with pytest.raises(RuntimeError, match=r"save_lineage failed: OSError: disk on fire") as caught:
        ProcessingStepManager(keeper).add_step("doc", "ocr", "success")
    assert isinstance(caught.value, StoreError)
    assert isinstance(caught.value.__cause__, OSError)


def _keeper(gives):
    class Junkyard:
        def get_lineage(self, document):
            return gives

        def save_lineage(self, document, lineage):
            raise AssertionError("nothing is saved over what was not understood")

        def get_all_lineage(self):
            return {"doc": gives}

    return Junkyard()


@pytest.mark.parametrize(
    "gives",
    [
        5,
        "text",
        [],
        frozenset(),
        {"processing_steps": 5},
        {"processing_steps": "text"},
        {"processing_steps": [5]},
        {"processing_steps": [{}]},
        {"processing_steps": [{"step_name": "s", "status": "weird"}]},
        {"processing_steps": [{"step_name": "s", "status": "success", "metadata": {"attempt": "x"}}]},
        {"processing_steps": [{"step_name": "s", "status": "success", "metadata": 5}]},
        {"processing_steps": [{"step_name": "s", "status": "success", "timestamp": "junk"}]},
    ],
    ids=repr,
)
def test_what_is_no_lineage_is_said_and_never_overwritten(gives):
    """StoreError with who gave it, and of which document, for whatever is asked of it."""
    manager = ProcessingStepManager(_keeper(gives))
    for call in (
        lambda: manager.get_steps("doc"),
        lambda: manager.latest_status("doc", "ocr"),
        lambda: manager.add_step("doc", "ocr", "success"),
        lambda: list(manager.iter_steps()),
    ):
        with pytest.raises(StoreError, match="Junkyard.get_(all_)?lineage gave what is no lineage of 'doc'"):
            call()


@pytest.mark.parametrize("gives", [5, "text", [{"steps": []}]])
def test_all_lineages_that_are_none(gives):
    """The same of `get_all_lineage`."""

    class Keeper:
        def get_lineage(self, document):
            return None

        def save_lineage(self, document, lineage):
            return None

        def get_all_lineage(self):
            return gives

    with pytest.raises(StoreError, match="Keeper.get_all_lineage gave"):
        list(ProcessingStepManager(Keeper()).iter_steps())
