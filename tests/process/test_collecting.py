"""A collection takes nothing of a session that begins while it is under way."""

import os
import threading
import time
from pathlib import Path

from milepost.model.rows import RunRow
from milepost.process import collecting
from milepost.process.collecting import collect

SLOW = """
    import time
    from pathlib import Path
    from milepost import Process, stage

    @stage
    def first():
        return list(range(5_000))

    @stage
    def slow(first, place: str = ""):
        if place:
            Path(place, "begun").touch()
            while not Path(place, "go").exists():
                time.sleep(0.01)
        return len(first)

    job = Process("job", [first, slow])
"""


def test_a_run_that_begins_while_others_are_forgotten_keeps_its_results(workspace, load, monkeypatch, tmp_path):
    """It has found a result just before the run that made it went: the object stays, and so does its own run."""
    job = load(SLOW)
    job.run(workspace=workspace)
    for path in workspace.objects.root.glob("??/*"):
        os.utime(path, (1, 1))
    forget = collecting.forget
    run = threading.Thread(target=lambda: job.run({"slow.place": str(tmp_path)}, workspace=workspace))

    def begin_and_forget(store, runs):
        run.start()
        while not Path(tmp_path, "begun").exists():
            assert run.is_alive()
            time.sleep(0.01)
        forget(store, runs)

    monkeypatch.setattr(collecting, "forget", begin_and_forget)
    found = collect(workspace, now=time.time(), grace_seconds=0, older_than_seconds=0, delete=True)
    Path(tmp_path, "go").touch()
    run.join()
    (left,) = workspace.store.rows(RunRow)
    assert (found.objects, found.alive) == (0, (left.name,))
    assert len(found.runs) == 1
    assert job.run({"slow.place": str(tmp_path)}, workspace=workspace).results["first"] == list(range(5_000))
    assert all(workspace.objects.is_whole(address) for address in workspace.store.addresses())
