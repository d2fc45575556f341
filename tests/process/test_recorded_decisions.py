from pathlib import Path

import pytest

from milepost.errors import InvalidDataError
from milepost.process.decisions.recording import recorded_decisions
from milepost.process.finding import find_run

JOB = """
    from pathlib import Path

    from milepost import File, Process, stage

    @stage
    def lines(path: File = "a.txt", more: list[File] = [], api_token: str = "none"):
        return [Path(each).read_text() for each in [path, *more]]

    job = Process("job", [lines])
"""


def recorded(workspace, process):
    return recorded_decisions(workspace.store, workspace.objects, find_run(workspace.store, "last"), process)


def test_a_chosen_file_is_the_file_of_the_resumed_run(load, workspace):
    """A run that is resumed from a shell reads the files it began with, not the default ones."""
    for name in "abc":
        Path(f"{name}.txt").write_text(name)
    process = load(JOB)
    process.run({"lines.path": "b.txt", "lines.more": ["c.txt"]}, workspace=workspace)
    decisions = recorded(workspace, process)
    assert {"lines.path": "b.txt", "lines.more": ["c.txt"]}.items() <= decisions.items()


def test_a_chosen_secret_is_asked_for_again(load, workspace):
    """What was chosen and not kept is never replaced by its default in silence."""
    Path("a.txt").write_text("a")
    process = load(JOB)
    process.run({"lines.api_token": "hunter2"}, workspace=workspace)
    with pytest.raises(InvalidDataError, match=r"value chosen for lines\.api_token is not kept"):
        recorded(workspace, process)


def test_a_secret_left_at_its_default_does_not_stand_in_the_way(load, workspace):
    """A default is in the code, so it need not be kept."""
    Path("a.txt").write_text("a")
    process = load(JOB)
    process.run(workspace=workspace)
    assert "lines.api_token" not in recorded(workspace, process)
