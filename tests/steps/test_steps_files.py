"""Ledgers in files that others move, delete and fill."""

import shutil

import pytest

from milepost.errors import StoreError, WorkspaceError
from milepost.steps import ProcessingStepManager


@pytest.mark.parametrize("place", ["steps.db", "project"])
@pytest.mark.parametrize("is_put_back", [False, True])
def test_a_ledger_that_is_deleted_under_us_takes_nothing_more(tmp_path, place, is_put_back):
    """Nothing is acknowledged that would be lost; closed, the manager begins anew there."""
    path = tmp_path / place
    manager = ProcessingStepManager(path)
    manager.add_step("doc", "ocr", "running")
    for each in tmp_path.iterdir():
        if each.name.startswith(place):
            shutil.rmtree(each) if each.is_dir() else each.unlink()
    if is_put_back:
        other = ProcessingStepManager(path)
        other.add_step("doc", "ocr", "success")
    for call in (
        lambda: manager.add_step("doc", "ocr", "success"),
        lambda: manager.add_steps([("doc", "ocr", "success")]),
        lambda: manager.get_steps("doc"),
        lambda: manager.begin("doc", "ocr"),
    ):
        with pytest.raises(StoreError, match="was moved, deleted or replaced while it was open"):
            call()
    manager.close()
    manager.add_step("doc", "index", "success")
    assert [step.step_name for step in manager.get_steps("doc")] == ["ocr"] * is_put_back + ["index"]


def test_a_folder_in_place_of_the_ledger_is_refused(tmp_path):
    """Where the ledger itself is named, no workspace is made inside the folder that has its name."""
    folder = tmp_path / "ledger.db"
    folder.mkdir()
    with pytest.raises(WorkspaceError, match=r"ledger\.db is a folder.*move it away"):
        ProcessingStepManager(folder).add_step("doc", "ocr", "success")
    assert [] == list(folder.iterdir())
