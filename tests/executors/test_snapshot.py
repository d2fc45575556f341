"""The user's modules cross to workers by value, and classes are the same on both sides."""

from __future__ import annotations

import os
import subprocess
import sys

import executor_stages as stages
import psutil
import pytest
from executor_bench import mapped, open_bench, whole

from milepost.errors import WorkerError
from milepost.executors.snapshot import take_snapshot
from milepost.executors.task import Value, Work

HERE = os.path.dirname(__file__)


@pytest.fixture
def bench(tmp_path):
    def opened(*works, slots=1, modules=("executor_stages",)):
        return open_bench("workers", tmp_path, *works, slots=slots, modules=list(modules))

    return opened


def test_everything_a_module_can_hold_works_in_a_worker(bench):
    """Caches, dispatch, closures, partials, super, properties, enums, dataclasses, slots, metaclasses, tuples."""
    expected = stages.everything(0)
    with bench(mapped(stages.everything)) as b:
        assert b.result("everything", 0) == [expected]


def test_struct_classes_cross_by_value(bench):
    """Fields, defaults, factories, renamed and keyword-only fields, super()."""
    expected = stages.structs(0)
    with bench(mapped(stages.structs)) as b:
        assert b.result("structs", 0) == [expected]


def test_functions_of_a_module_share_its_state(bench):
    """A global that one function writes, the other reads; locks are new and free."""
    stages.counter = 0
    with bench(mapped(stages.scaled), mapped(stages.read_counter)) as b:
        assert b.result("scaled", 1, 2) == [10, 20]
        assert b.result("read_counter", 0) == [2]
    assert stages.counter == 0


def test_globals_count_as_they_are_in_memory(bench):
    """A value set after the import is what the worker sees."""
    stages.FACTOR = 7
    try:
        with bench(mapped(stages.scaled)) as b:
            assert b.result("scaled", 1) == [7]
    finally:
        stages.FACTOR = 10


def test_instances_cross_in_both_directions(bench):
    """Items, results, enum members and closures; `isinstance` holds on both sides."""
    item = {
        "row": stages.Row("a"),
        "dog": stages.Dog("Rex"),
        "colour": stages.Colour.BLUE,
        "slotted": stages.Slotted(3),
        "call": lambda n: n + 1,
    }
    with bench(mapped(stages.classes_there_and_back)) as b:
        (result,) = b.result("classes_there_and_back", item)
    assert result == {"row": stages.Row("a!"), "colour": stages.Colour.RED, "point": stages.Point(3), "call": 2}
    assert type(result["row"]) is stages.Row
    assert result["colour"] is stages.Colour.RED


def test_lambdas_and_closures_are_stages(bench):
    """Also those that no module holds, with what they close over."""
    box = [1, 2]
    with bench(
        Work(stage="lambda", function=lambda x: [x, box], item_parameter="x"),
        Work(stage="adder", function=stages.make_adder(5), item_parameter="x"),
        Work(stage="counter", function=stages.make_counter(), item_parameter="x"),
        Work(stage="call", function=lambda f: f(3), arguments={"f": Value(stages.make_adder(1))}),
    ) as b:
        assert b.result("lambda", 3) == [[3, [1, 2]]]
        assert b.result("adder", 3) == [8]
        assert b.result("counter", 0, 0) == [1, 2]
        assert b.result("call") == 4


def test_what_cannot_be_copied_says_so_when_it_is_used(bench):
    """Module, attribute and what to do; the rest of the module works."""
    with bench(mapped(stages.use_connection), mapped(stages.scaled)) as b:
        outcome = b.do("use_connection", 0)
        assert isinstance(outcome.exception, WorkerError)
        assert "executor_stages.connection" in outcome.items[0].error
        assert "inside the function" in outcome.items[0].error
        assert b.result("scaled", 1) == [10]


def test_values_that_no_function_mentions_stay_at_home():
    """A notebook's large frames are not sent to every worker."""
    stages.forgotten = ["x" * 1000] * 3 + [bytes(50_000_000)]
    try:
        assert len(take_snapshot(modules=["executor_stages"])) < 1_000_000
    finally:
        del stages.forgotten


def test_a_replaced_worker_computes_with_the_old_code(bench, tmp_path, monkeypatch):
    """Edited on disk, then the worker is killed: its successor has the snapshot, also for imports in functions."""
    (tmp_path / "edited.py").write_text(
        "import edited_too\ndef answer(x):\n    import edited_too as t\n    return t.V\n"
    )
    (tmp_path / "edited_too.py").write_text("V = 'old'\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import edited

    try:
        with bench(
            mapped(edited.answer), mapped(stages.kill_on), modules=["edited", "edited_too", "executor_stages"]
        ) as b:
            assert b.result("answer", 0) == ["old"]
            (tmp_path / "edited.py").write_text("def answer(x):\n    return 'new'\n")
            (tmp_path / "edited_too.py").write_text("V = 'new'\n")
            assert b.do("kill_on", "kill").kind == "lost"
            assert b.result("answer", 0) == ["old"]
    finally:
        del sys.modules["edited"], sys.modules["edited_too"]


SCRIPT = """
import sys; sys.path.insert(0, {here!r})
from dataclasses import dataclass
from pathlib import Path
from executor_bench import mapped, open_bench
from milepost.executors.snapshot import take_snapshot

LIMIT = 3
print("once")

@dataclass
class Order:
    number: int
    def big(self): return self.number > LIMIT

def score(x):
    assert isinstance(x, Order)
    return Order(helper(x))

def helper(x): return x.number * 2 + x.big()

bench = open_bench("workers", Path({root!r}), mapped(score), modules=["__main__"], slots=2)
with bench as b:
    results = b.result("score", Order(1), Order(5))
assert all(type(r) is Order for r in results), results
print([r.number for r in results])
"""


@pytest.mark.parametrize("way", ["file", "-c", "stdin", "-m"])
def test_a_script_without_a_main_guard_works(tmp_path, way):
    """Stages and classes in `__main__`; the script's own lines run once."""
    text = SCRIPT.format(here=HERE, root=str(tmp_path))
    (tmp_path / "sales.py").write_text(text)
    command = {"file": ["sales.py"], "-c": ["-c", text], "stdin": ["-"], "-m": ["-m", "sales"]}[way]
    done = subprocess.run(
        [sys.executable, *command],
        input=text if way == "stdin" else "",
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("once\n[2, 11]\n", 0), done.stderr


def test_a_module_that_cannot_be_rebuilt_is_an_error_not_a_hang(bench, tmp_path, monkeypatch):
    """The outcome says what the worker could not take."""
    (tmp_path / "grumpy.py").write_text(
        "class Grumpy:\n    def __reduce__(self):\n        return (int, ('x',))\n"
        "it = Grumpy()\ndef use(x):\n    return it\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    import grumpy

    with bench(mapped(grumpy.use), modules=["grumpy"]) as b:
        outcome = b.do("use", 1)
    assert outcome.kind == "refused"
    assert "module 'grumpy' cannot be made anew there, because its 'it' raises ValueError" in outcome.error


def test_an_item_that_cannot_cross_fails_alone(bench):
    """Its batch goes on, and the error names the type."""
    import threading

    with bench(mapped(stages.double)) as b:
        outcome = b.do("double", 1, iter(threading.enumerate, None), 3)
        assert [(i.item, i.ok) for i in outcome.items] == [("i0", True), ("i1", False), ("i2", True)]


def test_a_worker_is_a_process_of_the_session(bench):
    """It is our child, and its first result comes with the first task."""
    with bench(mapped(stages.pid)) as b:
        (worker,) = b.result("pid", 0)
        assert psutil.Process(worker).ppid() == os.getpid()


def test_numpy_and_pandas_globals_cross(bench):
    """Third-party values go by value, third-party modules by name."""
    with bench(whole(stages.with_numpy)) as b:
        assert b.result("with_numpy") == 6
