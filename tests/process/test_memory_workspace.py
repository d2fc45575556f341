"""What a run promises does not depend on which store keeps its rows."""

import pytest

from milepost.errors import StageExecutionError
from milepost.testing import memory_workspace

JOB = """
import pathlib
from milepost import Process, stage

@stage
def rows(count: int = 30):
    return list(range(count))

@stage(each="rows")
def score(row):
    if pathlib.Path("stop").exists() and row == 20:
        raise ValueError("stopped")
    return row * 2

@stage
def total(score):
    return sum(score)

job = Process("job", [rows, score, total])
"""


def test_a_run_fails_continues_and_is_reused_with_rows_in_memory(load, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    workspace = memory_workspace(tmp_path)
    (tmp_path / "stop").touch()
    with pytest.raises(StageExecutionError):
        load(JOB).run(workspace=workspace)
    (tmp_path / "stop").unlink()
    continued = load(JOB).run(workspace=workspace)
    assert 870 == continued.results["total"]
    assert "reused" == continued.stages["rows"]
    assert {"reused"} == set(load(JOB).run(workspace=workspace).stages.values())
