"""What holds in every executor: arguments, results, errors, cancellation, context."""

from __future__ import annotations

import threading
import weakref

import executor_stages as stages
import pytest
from executor_bench import mapped, open_bench, whole

from milepost.errors import Cancelled, InvalidDataError, WorkerError
from milepost.executors import make_executor
from milepost.executors.task import Given, Handle, Loaded, Value, Work

EVERYWHERE = ["inline", "threads", "workers"]
IN_PROCESS = ["inline", "threads"]


@pytest.fixture(params=EVERYWHERE)
def name(request):
    return request.param


@pytest.fixture
def bench(name, tmp_path):
    def opened(*works):
        return open_bench(name, tmp_path, *works, modules=["executor_stages"])

    return opened


def test_a_mapped_stage_computes_each_item(bench):
    """Each item comes back once, in order, with its key, digest and attempt."""
    with bench(mapped(stages.double)) as b:
        outcome = b.do("double", 1, 2, 3)
        assert [(i.position, i.item, i.attempt, i.ok, i.kind) for i in outcome.items] == [
            (0, "i0", 1, True, "done"),
            (1, "i1", 1, True, "done"),
            (2, "i2", 1, True, "done"),
        ]
        assert outcome.items[2].digest == bytes([2]) * 16
        assert outcome.kind == "done"
        assert outcome.rest == ()
        assert b.result("double", 1, 2, 3) == [2, 4, 6]


def test_arguments_are_copies_of_their_own(name, bench, tmp_path):
    """A stage that changes what it receives changes nobody else's."""

    def spoil(given, stored):
        given.append(1)
        stored.append(2)
        return [given, stored]

    mine = [0]
    with bench() as b:
        address = b.objects.put([5]).address
    with bench(whole(spoil, arguments={"given": Value(mine), "stored": Loaded(address)})) as b:
        assert b.result("spoil") == [[0, 1], [5, 2]]
        assert b.result("spoil") == [[0, 1], [5, 2]]
    assert mine == [0]


def test_the_context_says_where_the_code_stands(bench):
    """Run, stage, item and attempt are known to the code that runs."""
    with bench(mapped(stages.context_now, run_name="blue-fox")) as b:
        assert b.result("context_now", 0, 0) == [
            ["blue-fox", "context_now", "i0", 1],
            ["blue-fox", "context_now", "i1", 1],
        ]


def test_handles_tell_progress_and_logs(bench):
    """Progress and logs reach the session's process, from wherever the stage runs."""
    arguments = {"run": Handle("run"), "stage": Handle("stage")}
    with bench(whole(stages.with_handles, arguments=arguments, run_name="blue-fox")) as b:
        assert b.result("with_handles") == ["blue-fox", "with_handles"]
        told = [(n.stage, n.kind, dict(n.payload)) for n in b.notices]
        assert told == [
            ("with_handles", "progress", {"fraction": 0.25, "message": "begun"}),
            ("with_handles", "log", {"text": "hello", "level": "INFO"}),
        ]


@pytest.mark.parametrize(
    ("what", "error"),
    [
        ("simple", "ValueError: simple"),
        ("odd", "Odd: (its text cannot be shown: RuntimeError)"),
        ("awkward", "Awkward: awkward 1"),
        ("surrogate", "ValueError: \\ud800"),
    ],
)
def test_every_exception_arrives_as_text(bench, what, error):
    """Also one that cannot be pickled, rebuilt or shown: type, text and traceback."""
    with bench(mapped(stages.raise_odd)) as b:
        (item,) = b.do("raise_odd", what).items
        assert (item.ok, item.kind, item.error) == (False, "failed", error)
        assert "raise_odd" in item.traceback
        assert "carry_out.py" not in item.traceback


def test_an_exception_that_can_cross_arrives_as_it_is(bench):
    """`__cause__` can be the exception itself."""
    with bench(whole(stages.raise_odd, arguments={"x": Value("simple")})) as b:
        outcome = b.do("raise_odd")
        assert outcome.kind == "failed"
        assert isinstance(outcome.exception, ValueError)


def test_one_item_that_fails_leaves_the_others(bench):
    """The batch goes on, also past sys.exit."""
    with bench(mapped(stages.kill_on)) as b:
        outcome = b.do("kill_on", 1, "leave", 3)
        assert [(i.ok, i.error) for i in outcome.items] == [
            (True, None),
            (False, "SystemExit: 7"),
            (True, None),
        ]


def test_a_generator_is_no_result(bench):
    """It says what to return instead."""
    with bench(whole(stages.generator_result)) as b:
        outcome = b.do("generator_result")
        assert outcome.kind == "failed"
        assert "return a list" in outcome.error


@pytest.mark.parametrize("name", IN_PROCESS)
def test_what_cannot_be_encoded_is_handed_on_in_process(bench, name):
    """The value itself, and why it is not stored."""
    with bench(whole(stages.unencodable)) as b:
        outcome = b.do("unencodable")
        assert outcome.kind == "done"
        assert isinstance(outcome.value, type(threading.Lock()))
        assert "lock" in outcome.unencodable


@pytest.mark.parametrize("name", ["workers"])
def test_what_cannot_be_encoded_cannot_cross_processes(bench, name):
    """It is a failure that names the type."""
    with bench(whole(stages.unencodable)) as b:
        outcome = b.do("unencodable")
        assert outcome.kind == "failed"
        assert "lock" in outcome.error


def test_an_item_that_cannot_be_encoded_fails(bench):
    """The text names the type."""
    with bench(mapped(stages.unencodable)) as b:
        (item,) = b.do("unencodable", 1).items
        assert not item.ok
        assert "lock" in item.error


@pytest.mark.parametrize("name", IN_PROCESS)
def test_a_given_value_is_handed_in(bench, name):
    """The live object, since no codec holds it."""
    lock = threading.Lock()
    with bench(Work(stage="same", function=lambda x: x, arguments={"x": Given(lock)})) as b:
        assert b.result("same") is lock


@pytest.mark.parametrize("name", ["workers"])
def test_a_given_value_cannot_cross(bench, name):
    """The error says which and what to do."""
    with bench(Work(stage="same", function=lambda x: x, arguments={"x": Given(threading.Lock())})) as b:
        outcome = b.do("same")
        assert isinstance(outcome.exception, WorkerError)
        assert "'x' cannot be stored" in outcome.error


def test_async_items_run_at_once(bench):
    """A batch of 40 items of 50 ms takes two rounds of 20, each with its own context."""
    with bench(mapped(stages.async_item, is_async=True, concurrency=20)) as b:
        b.do("async_item", 0)  # the worker has started, asyncio is loaded
        outcome = b.do("async_item", *range(40))
        assert outcome.seconds < 1.0
        assert len(outcome.items) == 40
        values = [b.objects.unpack(i.packed.result, i.packed.address) for i in outcome.items]
        assert sorted(values) == sorted([n, f"i{n}"] for n in range(40))


def test_async_items_have_a_timeout_in_every_executor(bench):
    """The item that hangs is a timeout; the others are done."""
    with bench(mapped(stages.async_hang, is_async=True, concurrency=4, timeout=0.3)) as b:
        outcome = b.do("async_hang", 1, "hang", 3)
        assert {i.item: i.kind for i in outcome.items} == {"i0": "done", "i1": "timeout", "i2": "done"}


def test_cancellation_keeps_what_is_done(bench):
    """Items done so far are outcomes, the others the rest."""
    arguments = {"stage": Handle("stage")}
    with bench(mapped(stages.polite, arguments=arguments)) as b:
        threading.Timer(0.5, b.stop.set).start()
        outcome = b.do("polite", 1, 2)
        assert outcome.kind == "cancelled"
        assert [item.item for item in (*outcome.rest,)] == ["i0", "i1"]


def test_except_exception_cannot_swallow_cancellation(bench):
    """Cancelled is a BaseException."""
    with bench(mapped(stages.swallow, arguments={"stage": Handle("stage")})) as b:
        threading.Timer(0.5, b.stop.set).start()
        assert b.do("swallow", 1).kind == "cancelled"


def test_after_cancel_nothing_is_begun(bench):
    """What waits comes back as cancelled, whole."""
    with bench(mapped(stages.double)) as b:
        b.executor.cancel()
        outcome = b.do("double", 1, 2)
        assert (outcome.kind, len(outcome.rest)) == ("cancelled", 2)


def test_a_batch_that_takes_too_long_comes_back_with_a_rest(bench):
    """So that what is done can be committed, not only when the whole batch is."""
    with bench(mapped(stages.slow)) as b:
        outcome = b.do("slow", *([0.15] * 5))
        assert outcome.kind == "done"
        assert [item.item for item in outcome.items] == ["i0", "i1"]
        assert [item.item for item in outcome.rest] == ["i2", "i3", "i4"]


def test_an_interrupt_at_the_keyboard_keeps_what_is_done(tmp_path):
    """KeyboardInterrupt in an inline item is a cancelled outcome, and the exception travels in it."""

    def interrupted(x):
        if x == 2:
            raise KeyboardInterrupt
        return x

    with open_bench("inline", tmp_path, mapped(interrupted)) as b:
        outcome = b.do("interrupted", 1, 2, 3)
        assert outcome.kind == "cancelled"
        assert isinstance(outcome.exception, KeyboardInterrupt)
        assert ([i.item for i in outcome.items], [i.item for i in outcome.rest]) == (["i0"], ["i1", "i2"])


def test_cancelled_raised_by_a_signal_is_an_outcome(tmp_path):
    """The whole stage is cancelled, not failed."""

    def stopped():
        raise Cancelled("by hand")

    with open_bench("inline", tmp_path, whole(stopped)) as b:
        assert b.do("stopped").kind == "cancelled"


def test_threads_run_at_once(tmp_path):
    """Two slots work at the same time: items that wait for each other are done."""
    both = threading.Barrier(2)

    def meet(x):
        return both.wait(60) + x

    with open_bench("threads", tmp_path, mapped(meet), slots=2) as b:
        b.submit("meet", 0)
        b.submit("meet", 0)
        assert {b.next().kind, b.next().kind} == {"done"}


def test_an_unknown_executor_is_refused():
    """The error names those there are."""
    with pytest.raises(InvalidDataError, match="inline, threads, workers"):
        make_executor("dask")


@pytest.mark.parametrize("name", IN_PROCESS)
def test_the_copy_of_an_item_is_let_go_before_the_next_is_made(name, tmp_path):
    """A batch of large items has one copy in memory at a time."""
    living: weakref.WeakSet[Large] = weakref.WeakSet()
    seen = []

    class Large:
        def __deepcopy__(self, memo):
            seen.append(len(living))
            living.add(copy := Large())
            return copy

    with open_bench(name, tmp_path, mapped(stages.nothing_of, keeps_items=True)) as b:
        assert b.result("nothing_of", Large(), Large(), Large()) == [None] * 3
    assert seen == [0, 0, 0]
