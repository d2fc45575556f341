"""A manager that is copied, pickled, sent to workers, or found in a forked child."""

import copy
import multiprocessing
import os
import pickle

import pytest

from milepost import ProcessManager
from milepost.errors import ProcessManagementError
from milepost.model.rows import DecisionRow, RunRow


class Sums(ProcessManager):
    def _compute_stage(self, stage):
        return sum(self.core_data) + self.current_decisions[1].get("more", 0)


class Giving(ProcessManager):
    def _compute_stage(self, stage):
        return {"me": self}


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, pickle.dumps])
@pytest.mark.parametrize("is_under_way", [False, True])
def test_it_cannot_be_copied(made, way, is_under_way):
    """A copy would share decisions and run with its original: the error says what to do instead."""
    manager = made(Sums, [1, 2])
    if is_under_way:
        manager.make_decisions(1, {"more": 1})
    with pytest.raises(ProcessManagementError, match=r"'Sums'.*Make another.*decisions\(\)"):
        way(manager)
    manager.make_decisions(1, {"more": 2})
    assert 5 == manager.get_stage_data(1).value


def test_sent_to_a_worker_it_says_so(made):
    """A pool of spawned processes gets the same words, and not those of a lock inside."""
    manager = made(Sums, [1, 2])
    with multiprocessing.get_context("spawn").Pool(1) as pool, pytest.raises(ProcessManagementError, match="'Sums'"):
        pool.apply(print, (manager,))


def test_as_a_result_it_is_not_stored(made):
    """A computation that returns its manager gives it, and the result is not kept."""
    with pytest.warns(RuntimeWarning, match="cannot be copied"):
        data = made(Giving).get_stage_data(1)
    assert "success" == data["status"]


def test_made_before_a_fork_it_serves_the_child(made, place):
    """What has begun nothing belongs to nobody yet: a server that loads first and forks then uses it."""
    manager = made(Sums, [1, 2])
    assert [] == manager.get_saved_scenarios()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            manager.make_decisions(1, {"more": 1})
            code = 0 if manager.get_stage_data(1).value == 4 else 2
            manager.close()
        finally:
            os._exit(code)
    assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    manager.make_decisions(1, {"more": 2})
    assert 5 == manager.get_stage_data(1).value
    manager.close()
    assert {"completed"} == {row.state for row in place.store.rows(RunRow)}
    assert ["1", "2"] == [row.value for row in place.store.rows(DecisionRow, name="more")]
    assert 2 == len({row.run for row in place.store.rows(DecisionRow, name="more")})
