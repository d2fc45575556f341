"""Many threads and one computation; threads that computations start; threads that wait for one another."""

import asyncio
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from milepost import ProcessManager
from milepost.errors import Cancelled, ProcessManagementError, StageExecutionError
from milepost.process.manager.asking import Asking


def test_64_threads_one_computation(made):
    """All get the result, each a copy of its own."""
    entered, counted = threading.Barrier(64), []

    class Slow(ProcessManager):
        def _compute_stage(self, stage):
            counted.append(stage)
            return [1, 2, 3]

    manager = made(Slow)

    def ask(_):
        entered.wait()
        return manager.get_stage_data(1)["results"]

    with ThreadPoolExecutor(64) as pool:
        results = list(pool.map(ask, range(64)))
    assert counted == [1]
    assert results == [[1, 2, 3]] * 64
    assert len({id(result) for result in results}) == 64


@pytest.fixture
def someone_waits(monkeypatch):
    """Is set as soon as a thread waits for another's computation."""
    waits, wait = threading.Event(), Asking._wait

    def told(self, one):
        waits.set()
        wait(self, one)

    monkeypatch.setattr(Asking, "_wait", told)
    return waits


def test_those_who_wait_get_the_error_too(made, someone_waits):
    """It is computed once for all who asked while it ran, and again for who asks later."""
    started, go = threading.Event(), threading.Event()
    counted = []

    class Failing(ProcessManager):
        def _compute_stage(self, stage):
            counted.append(1)
            started.set()
            go.wait()
            raise ValueError("no")

    manager = made(Failing)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(manager.get_stage_data, 1)
        started.wait()
        second = pool.submit(manager.get_stage_data, 1)
        someone_waits.wait()
        go.set()
        assert [first.result()["status"], second.result()["status"]] == ["error", "error"]
    assert len(counted) == 1
    assert manager.get_stage_data(1)["status"] == "error"
    assert len(counted) == 2


def test_another_computes_when_the_first_was_stopped(made, someone_waits):
    """Who leads may be cancelled; who waits goes on."""
    started, go = threading.Event(), threading.Event()
    counted = []

    class Stopped(ProcessManager):
        def _compute_stage(self, stage):
            counted.append(1)
            if len(counted) == 1:
                started.set()
                go.wait()
                raise Cancelled
            return [7]

    manager = made(Stopped)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(manager.get_stage_data, 1)
        started.wait()
        second = pool.submit(manager.get_stage_data, 1)
        someone_waits.wait()
        go.set()
        with pytest.raises(Cancelled):
            first.result()
        assert second.result()["results"] == [7]


def test_two_stages_that_wait_for_each_other_in_two_threads(made):
    """One of them is told; nobody waits for ever."""
    meet = threading.Barrier(2)

    class Crossed(ProcessManager):
        def _compute_stage(self, stage):
            if stage < 3 and not self.core_data[stage]:
                self.core_data[stage].append(1)
                meet.wait()
            return self.get_stage_data(3 - stage, raise_errors=True).value

    manager = made(Crossed, {1: [], 2: []})
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(manager.get_stage_data, [1, 2]))
    assert {data["status"] for data in results} == {"error"}
    assert "asks for its own result" in "".join(data["error"] for data in results)


def in_pool(function):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(contextvars.copy_context().run, function).result()


def in_bare_thread(function):
    found = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]


def in_asyncio(function):
    return asyncio.run(asyncio.to_thread(function))


@pytest.mark.parametrize("elsewhere", [in_pool, in_bare_thread, in_asyncio])
def test_what_is_read_in_threads_counts(made, elsewhere):
    """Of decisions, attributes, other stages: with the computation's context, and without."""

    class Threaded(ProcessManager):
        def _compute_stage(self, stage):
            return elsewhere(lambda: [self.current_decisions[1]["a"], self.core_data])

    manager = made(Threaded, 5)
    manager.make_decisions(1, {"a": 1, "b": 1})
    assert manager.get_stage_data(2)["results"] == [1, 5]
    manager.make_decisions(1, {"b": 2})
    assert manager.get_stage_data(2).was_reused
    manager.make_decisions(1, {"a": 2})
    assert manager.get_stage_data(2)["results"] == [2, 5]
    manager.core_data = 6
    assert manager.get_stage_data(2)["results"] == [2, 6]


def test_a_stage_asked_for_in_a_thread_with_context_is_in_the_circle(made):
    """A computation that asks for itself through a thread is told at once."""

    class Circle(ProcessManager):
        def _compute_stage(self, stage):
            return in_pool(lambda: self.get_stage_data(1, raise_errors=True).value)

    with pytest.raises(StageExecutionError, match="asks for its own result: 1 → 1"):
        made(Circle).get_stage_data(1, raise_errors=True)


def test_others_read_on_while_a_stage_runs(made):
    """Another thread sees what it decides meanwhile; the stage does not."""
    started, go = threading.Event(), threading.Event()

    class Slow(ProcessManager):
        def _compute_stage(self, stage):
            before = self.current_decisions[1]["a"]
            started.set()
            go.wait()
            return [before, self.current_decisions[1]["a"]]

    manager = made(Slow)
    manager.make_decisions(1, {"a": 1})
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(manager.get_stage_data, 1)
        started.wait()
        manager.make_decisions(1, {"a": 2})
        assert manager.current_decisions[1]["a"] == 2
        go.set()
        with pytest.warns(RuntimeWarning, match="decisions were changed while a thread"):
            data = running.result()
    assert data["results"] == [1, 1]
    assert manager.get_stage_data(1)["results"] == [2, 2]


def test_a_forked_child_is_refused(made):
    """Its parent holds the run: the child is told, and the run stays the parent's."""
    import os

    manager = made()
    manager.make_decisions(1, {"a": 1})
    child = os.fork()
    if child == 0:
        try:
            manager.make_decisions(1, {"a": 2})
        except ProcessManagementError as error:
            os._exit(7 if "forked" in str(error) else 8)
        os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    manager.make_decisions(1, {"a": 3})
    assert manager.decisions() == {"1": {"a": 3}}
