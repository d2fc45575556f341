"""Recording a step: what is taken, what is refused, and where it is kept."""

import pickle
from datetime import UTC, datetime

import pytest

from milepost import Process, ProcessManager, Workspace, stage
from milepost.errors import StoreError, StoreFull, UnknownRunError
from milepost.model.redaction import register_secret
from milepost.model.rows import RunRow, StageRow, StepRow
from milepost.steps import ProcessingStepManager
from milepost.store.memory import MemoryStore
from milepost.testing.sample_rows import STRANGE_TEXTS, run_row

NAMES = [
    *filter(None, STRANGE_TEXTS),
    "../../etc/passwd",
    "a\0b",
    "x" * 5_000,
    "C:\\x",
    "-rf",
    "naïve 🧭",
    "🧭" * 300,
    "%s{}",
]
OTHERS = ["n\u0301", "\u0144", "a", "a\0", "a\0\0"]  # look alike, and are not


@pytest.mark.parametrize("name", [*NAMES, *OTHERS], ids=ascii)
def test_any_name_is_kept_as_data(manager, name):
    """Documents and steps of any name come back by it, and no other does."""
    manager.add_step(name, "ocr", "running")
    manager.add_step("doc", name[:1_000], "success")
    manager.add_steps([(name, "ocr", "success"), (f"{name}!", "ocr", "success")])
    assert [str(step.status) for step in manager.get_steps(name)] == ["running", "success"]
    assert manager.get_steps(name)[0].metadata["doc_id"] == name
    assert [step.step_name for step in manager.get_steps("doc")] == [name[:1_000]]


def test_names_that_look_alike_are_others(manager):
    """No normal form, no end at a NUL."""
    manager.add_steps((name, "ocr", "success") for name in OTHERS)
    assert [len(manager.get_steps(name)) for name in OTHERS] == [1] * len(OTHERS)


def test_a_name_of_ten_megabytes(manager):
    """Is a name too."""
    name = "x" * 10_000_000
    manager.add_step(name, "ocr", "success")
    assert [step.status for step in manager.get_steps(name)] == ["success"]
    assert manager.get_steps(name[:-1]) == []


@pytest.mark.parametrize(
    ("call", "kind", "said"),
    [
        (("", "ocr", "success"), ValueError, "document's id cannot be empty"),
        (("doc", "", "success"), ValueError, "step's name cannot be empty"),
        (("doc", "x" * 1_001, "success"), ValueError, "at most 1,000 characters"),
        ((7, "ocr", "success"), TypeError, "document's id is a text, not int"),
        (("doc", None, "success"), TypeError, "step's name is a text, not NoneType"),
        (("doc", "ocr", "sucess"), ValueError, "Did you mean 'success'"),
        (("doc", "ocr", "success", None, None, None, "noon"), TypeError, "is a datetime"),
    ],
)
def test_what_cannot_be_recorded_is_refused(manager, call, kind, said):
    """With what is wrong, and nothing is recorded; in bulk with its place."""
    with pytest.raises(kind, match=said):
        manager.add_step(*call)
    with pytest.raises(kind, match=f"step 1 of those given: .*{said}"):
        manager.add_steps([("good", "ocr", "success"), call])
    assert [step.metadata["doc_id"] for step in manager.iter_steps()] == ["good"]


def test_anything_said_is_kept_and_the_step_with_it(manager):
    """Details of another shape than a dict stand under "value"; an error message may be an exception."""
    manager.add_step("doc", "ocr", "success", ["a", float("nan")])
    manager.add_step("doc", "ocr", "error", error_message=OSError("torn"))
    first, second = manager.get_steps("doc")
    assert first.details == {"value": ["a", "nan"]}
    assert second.error_message == "torn"


def test_secrets_stay_outside(manager, tmp_path, caplog):
    """In no row, no file, no log record: by name, by look, and those registered."""
    register_secret("correct horse")
    manager.add_step(
        "doc", "ocr", "error", {"password": "hunter22", "note": "correct horse"}, {"api_key": "abc4711xyz"},
        "GET https://ada:lovelace@host/x failed: correct horse",
    )  # fmt: skip
    manager.add_steps([("doc", "ocr", "error", {"password": "hunter22"}, None, "correct horse")])
    manager.close()
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("steps.db*"))
    logged = repr([vars(record) for record in caplog.records])
    for secret in ("hunter22", "abc4711xyz", "lovelace", "correct horse"):
        assert secret.encode() not in kept
        assert secret not in logged


def test_strictness(manager, tmp_path):
    """A document that nobody announced is refused under `strict`, alone and in bulk; a PENDING step announces it."""
    strict = ProcessingStepManager(tmp_path / "steps.db", strict=True)
    with pytest.raises(ValueError, match="nobody announced document 'doc'"):
        strict.add_step("doc", "ocr", "running")
    with pytest.raises(ValueError, match="nobody announced"):
        strict.add_steps([("doc", "ocr", "running")])
    strict.add_step("doc", "ocr", "pending")
    strict.add_step("doc", "ocr", "running")
    manager.add_step("known", "text", "success")
    strict.add_steps([("known", "ocr", "success"), ("new", "ocr", "pending"), ("new", "ocr", "success")])
    assert len(strict.get_steps("new")) == 2


@pytest.mark.parametrize("named", ["{}/a.db", "sqlite:///{}/b.db", "{}/folder", "{}/deep/er/.milepost"])
def test_storage_by_path_or_url(tmp_path, named):
    """A file, a URL of one, a folder: what one manager recorded there another finds."""
    where = named.format(tmp_path)
    with ProcessingStepManager(where) as manager:
        manager.add_step("doc", "ocr", "success")
    assert len(ProcessingStepManager(where).get_steps("doc")) == 1


def test_a_folder_with_other_things_in_it_keeps_them(tmp_path):
    """The ledger goes to `.milepost` inside, as it does without any storage; the folder is the user's."""
    (tmp_path / "thesis.tex").touch()
    ProcessingStepManager(tmp_path).add_step("doc", "ocr", "success")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".milepost", "thesis.tex"]
    assert len(ProcessingStepManager().get_steps("doc")) == 1


def test_relative_urls_and_memory(tmp_path):
    """As SQLAlchemy has them: three slashes are relative, four absolute; no path is a ledger in memory."""
    ProcessingStepManager("sqlite:///here.db").add_step("doc", "ocr", "success")
    assert (tmp_path / "here.db").is_file()
    ProcessingStepManager(f"sqlite:///{tmp_path}/there.db").add_step("doc", "ocr", "success")
    assert (tmp_path / "there.db").is_file()
    memory = ProcessingStepManager("sqlite://")
    memory.add_step("doc", "ocr", "success")
    assert len(memory.get_steps("doc")) == 1


@pytest.mark.parametrize(
    ("storage", "kind"), [("postgresql://host/db", StoreError), (7, TypeError), ({"a": 1}, TypeError)]
)
def test_storage_that_cannot_be(storage, kind):
    """Is refused at the first use, with what there is instead."""
    with pytest.raises(kind, match="give"):
        ProcessingStepManager(storage).add_step("doc", "ocr", "success")


def test_a_store_and_a_workspace_are_storages(tmp_path):
    """As objects; they stay open when the manager is closed."""
    store = MemoryStore()
    with ProcessingStepManager(store) as manager:
        manager.add_step("doc", "ocr", "success")
    assert len(store.rows(StepRow, item="doc")) == 1
    with Workspace.open(tmp_path / "w") as workspace:
        ProcessingStepManager(workspace).add_step("doc", "ocr", "success")
        assert len(workspace.store.rows(StepRow)) == 1


def test_a_manager_that_was_closed_opens_again(manager):
    """Closing lets go; the next call takes up."""
    manager.add_step("doc", "ocr", "running")
    manager.close()
    manager.add_step("doc", "ocr", "success")
    assert [step.metadata["attempt"] for step in manager.get_steps("doc")] == [1, 1]


def test_a_manager_can_be_sent_elsewhere(manager):
    """By pickle: it opens the same storage there, with what was declared."""
    manager.declare("ocr", after=["download"], most_attempts=2)
    manager.add_step("doc", "download", "success")
    other = pickle.loads(pickle.dumps(manager))
    other.add_step("doc", "ocr", "running")
    assert other.dependencies == manager.dependencies
    assert len(manager.get_steps("doc")) == 2


def test_a_storage_that_fails_is_a_runtime_error(tmp_path, monkeypatch):
    """What the store cannot take within its patience is a StoreError, a RuntimeError; nothing is recorded."""

    class Full(MemoryStore):
        def write(self, rows, **how):
            raise StoreFull("no space is left")

    monkeypatch.setenv("MILEPOST_STORE_WAIT_SECONDS", "0")
    manager = ProcessingStepManager(Full())
    with pytest.raises(RuntimeError, match="no space"):
        manager.add_step("doc", "ocr", "success")
    with pytest.raises(StoreError):
        manager.add_steps([("doc", "ocr", "success")])
    assert manager.get_steps("doc") == []


def test_a_storage_that_recovers_is_waited_for():
    """Full for a moment: the call waits, with one warning, and records."""

    class Tight(MemoryStore):
        refusals = 2

        def write(self, rows, **how):
            if self.refusals:
                self.refusals -= 1
                raise StoreFull("no space is left")
            return super().write(rows, **how)

    manager = ProcessingStepManager(Tight())
    with pytest.warns(RuntimeWarning, match="waiting up to 60 s"):
        manager.add_step("doc", "ocr", "success")
    assert len(manager.get_steps("doc")) == 1


def test_steps_of_a_run(tmp_path):
    """`run` by id, by name or as an object: recorded in it, and read from it alone; an unknown one is an error."""
    store = MemoryStore()
    run = run_row()
    store.write([run])
    mine, all_of_them = ProcessingStepManager(store, run=run.name), ProcessingStepManager(store)
    mine.add_step("doc", "ocr", "error")
    all_of_them.add_step("doc", "ocr", "success")
    assert [step.metadata["run"] for step in mine.get_steps("doc")] == [run.id]
    assert [step.metadata["run"] for step in all_of_them.get_steps("doc")] == [run.id, ""]
    assert [step.metadata["attempt"] for step in all_of_them.get_steps("doc")] == [1, 1]
    since = datetime(2000, 1, 1, tzinfo=UTC)
    assert len(ProcessingStepManager(store, run=run).get_recent_errors(since)) == 1
    assert mine.latest_status("doc", "ocr") == "error"
    with pytest.raises(UnknownRunError, match="no run is called 'nope'"):
        ProcessingStepManager(store, run="nope").add_step("doc", "ocr", "success")


ledger = ProcessingStepManager()


@stage
def read_all():
    for doc in ("a", "b"):
        with ledger.step(doc, "read"):
            pass
    return ["a", "b"]


@stage(each="read_all", key=str)
def words(page):
    with ledger.step(page, "count") as step:
        step.note(words=len(page))
    return len(page)


@stage(each="read_all", key=str)
def clash(page):
    ledger.add_step(page, "clash", "success")
    return page


@pytest.mark.parametrize("executor", ["inline", "threads", "workers"])
def test_inside_of_a_run_steps_are_the_runs(tmp_path, executor):
    """In the run's workspace, wherever the stage is carried out; the stage's own items are beside them."""
    workspace = Workspace.open(tmp_path / "elsewhere")
    run = Process("p", [read_all, words]).run(workspace=workspace, executor=executor)
    assert run.state == "completed"
    found = ProcessingStepManager(workspace, run=run.id)
    assert sorted({step.step_name for step in found.get_steps("a")}) == ["count", "read", "words"]
    ended = found.get_steps("a", "success", step_name="count")
    assert [step.details for step in ended] == [{"words": 1}]
    assert workspace.store.get(RunRow).id == run.id
    assert not (tmp_path / ".milepost").exists()
    ledger.close()


def test_inside_of_a_watched_stage_steps_are_the_runs(tmp_path):
    """A stage that a `ProcessManager` computes records in its run too."""

    class Mine(ProcessManager):
        def _compute_stage(self, stage):
            ledger.add_step("doc", "read", "success")
            return [stage]

    with Mine({}) as manager:
        assert manager.get_stage_data(1)["status"] == "success"
    (step,) = ProcessingStepManager().get_steps("doc")
    assert step.metadata["run"] == Workspace.open().store.get(RunRow).id
    ledger.close()


def test_a_stage_that_reports_steps_is_reused(tmp_path):
    """Where steps are recorded, and what is in there, is no part of a stage's fingerprint."""
    workspace = Workspace.open(tmp_path / "elsewhere")
    process = Process("p", [read_all, words])
    process.run(workspace=workspace)
    again = process.run(workspace=workspace, new=True)
    assert {row.state for row in workspace.store.rows(StageRow, run=again.id)} == {"reused"}
    ledger.close()


def test_a_stage_keeps_its_name_to_itself(tmp_path):
    """A step called like the mapped stage that runs would take the place of the item's own row, so it is refused."""
    with pytest.raises(Exception, match="records its items under its own name"):
        Process("p", [read_all, clash]).run(workspace=Workspace.open(tmp_path / "w"))
    ledger.close()
