"""`create_components`: both managers of a configuration."""

import pytest

import milepost
from milepost import create_components
from milepost.datasets import DataManager
from milepost.errors import DefinitionError
from milepost.process import ProcessManager

CONFIG = {
    "PROJECT_NAME": "calls",
    "dummy_data_filepaths": {"calls": "data/calls.csv"},
    "stages": {"data_loading": {"sequence": 1, "decisions": {"selections": {"apply": False}}}},
}


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_both(tmp_path):
    """A data manager that knows the data sets, a process manager that knows the stages; nothing is made on disk."""
    data_manager, process_manager = create_components(use_db=False, no_tracking=False, config=CONFIG)
    assert isinstance(data_manager, DataManager)
    assert ["calls"] == data_manager.names()
    assert isinstance(process_manager, ProcessManager)
    assert "calls" == process_manager.project_name
    assert {"selections": {"apply": False}} == process_manager.get_default_values("data_loading")
    assert CONFIG == process_manager.config
    assert [] == list(tmp_path.iterdir())


def test_without_tracking():
    """None is exactly what nobody tracks with."""
    assert create_components(no_tracking=True, config=CONFIG)[1] is None
    assert create_components(no_tracking=False)[1] is not None


@pytest.mark.parametrize(
    ("given", "config", "name"),
    [
        ({}, {}, "base_data_project"),
        ({}, {"PROJECT_NAME": " "}, "base_data_project"),
        ({}, CONFIG, "calls"),
        ({"project_name": "mine"}, CONFIG, "mine"),
    ],
)
def test_what_the_process_is_called(given, config, name):
    """As it is asked for, else as the configuration says."""
    assert name == create_components(config=config, **given)[1].project_name


@pytest.mark.parametrize(
    ("config", "said"),
    [(["stages"], "a CONFIG is a mapping"), ({"stages": {"a": {"sequence": "x"}}}, "stage 'a': field 'sequence'")],
)
def test_a_configuration_that_cannot_be(config, said):
    """Is refused in words."""
    with pytest.raises(DefinitionError, match=said):
        create_components(config=config)


def test_is_what_the_package_exports():
    """By its documented name."""
    assert milepost.create_components is create_components
