"""A workspace that somebody deletes, moves or replaces under a run: an error, never "completed" with nothing kept."""

import os
import shutil

import pytest

from milepost import Process, Workspace, open_run, stage
from milepost.errors import StoreError
from milepost.model.rows import RunRow
from milepost.model.status import RunState


def delete(place):
    shutil.rmtree(place)


def move(place):
    os.rename(place, place.with_name("elsewhere"))


def replace(place):
    move(place)
    with open_run("other", workspace=place):
        pass


def delete_the_ledger(place):
    (place / "ledger.db").unlink()


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "ws"


@pytest.mark.parametrize("harm", [delete, move, replace, delete_the_ledger])
@pytest.mark.parametrize("batch", [0.0, 60.0])
def test_a_loop_does_not_go_on_into_nothing(place, harm, batch):
    """The step at hand says so, or with batches the end; no later item is begun where each is committed."""
    seen = []
    with pytest.raises(StoreError, match="was moved, deleted or replaced"), open_run("extract", workspace=place) as run:
        for step in run.items(range(5), key=int, batch=batch):
            with step as number:
                seen.append(number)
                if number == 2:
                    harm(place)
    assert seen == ([0, 1, 2] if not batch else [0, 1, 2, 3, 4])
    assert run.state is not RunState.COMPLETED


def test_one_that_was_moved_back_goes_on(place):
    """What was done before and after is there."""
    with pytest.raises(StoreError), open_run("extract", workspace=place) as run:
        for step in run.items(range(5), key=int):
            with step as number:
                if number == 2:
                    move(place)
    os.rename(place.with_name("elsewhere"), place)
    with open_run("extract", workspace=place) as again:
        seen = []
        for step in again.items(range(5), key=int):
            with step as number:
                seen.append(number)
    assert (again.id, seen) == (run.id, [3, 4])
    with Workspace.open(place) as workspace:
        assert workspace.store.get(RunRow, id=run.id).state is RunState.COMPLETED


def test_a_process_does_not_complete_into_nothing(place):
    """As little as a loop does."""

    @stage
    def first():
        delete(place)

    @stage
    def second(first):
        raise AssertionError("it went on")

    with pytest.raises(StoreError, match="was moved, deleted or replaced"):
        Process("extract", [first, second]).run(workspace=place)
    assert not (place / "ledger.db").exists()
