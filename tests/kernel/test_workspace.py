"""A workspace is made whole, also where somebody was killed while making it."""

from functools import partial

import pytest

from milepost import Workspace
from milepost.errors import WorkspaceError


@pytest.mark.parametrize("made", [(), (".gitignore",), (".gitignore", "objects"), (".gitignore", "objects", "runs")])
def test_one_whose_maker_was_killed_is_finished_by_who_opens_it_next(tmp_path, made):
    folder = tmp_path / ".milepost"
    folder.mkdir(mode=0o700)
    for name in made:
        (folder / name).touch() if name.startswith(".") else (folder / name).mkdir()
    with Workspace.open(folder):
        pass
    assert {".gitignore", "objects", "runs", "logs"} == {path.name for path in folder.iterdir()}
    assert "*\n" == (folder / ".gitignore").read_text()


def test_it_is_made_behind_a_link_and_below_folders_that_do_not_exist(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    with Workspace.open(tmp_path / "link" / "a" / "b" / ".milepost") as workspace:
        assert tmp_path / "disk" / "a" / "b" / ".milepost" == workspace.path


def test_who_only_reads_makes_nothing(tmp_path):
    with pytest.raises(WorkspaceError, match="no workspace"):
        Workspace.open(tmp_path / ".milepost", read_only=True)
    assert [] == list(tmp_path.iterdir())


def test_a_file_is_no_workspace(tmp_path):
    (tmp_path / ".milepost").touch()
    with pytest.raises(WorkspaceError, match="is a file"):
        Workspace.open(tmp_path / ".milepost")


@pytest.mark.parametrize("keeps", [(), ("theirs.txt",), ("ledger.db",)])
def test_a_folder_in_place_of_the_ledger_is_said_and_left_alone(tmp_path, keeps):
    """Whoever opens it, to write, to read or to plan; nothing is made beside it or in it."""
    folder = tmp_path / ".milepost" / "ledger.db"
    folder.mkdir(mode=0o700, parents=True)
    folder.parent.chmod(0o700)
    for name in keeps:
        (folder / name).touch()
    for opened in (Workspace.open, partial(Workspace.open, read_only=True), Workspace.open_to_plan):
        with pytest.raises(WorkspaceError, match=r"ledger\.db is a folder.*move it away") as refused:
            opened(folder.parent)
        assert str(folder) in str(refused.value)
    assert [folder] == list(folder.parent.iterdir())
    assert list(keeps) == [path.name for path in folder.iterdir()]
