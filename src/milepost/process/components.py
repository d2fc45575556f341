"""`create_components`: the data manager and the process manager of a program, in one call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from milepost.errors import DefinitionError

if TYPE_CHECKING:
    from milepost.datasets import DataManager
    from milepost.process.manager import ProcessManager

PROJECT = "base_data_project"


def create_components(
    use_db: bool = False,
    no_tracking: bool = False,
    config: Mapping[str, object] | None = None,
    project_name: str = PROJECT,
) -> tuple[DataManager, ProcessManager | None]:
    """What loads and saves data, and what records decisions and results; the second is None with `no_tracking`.

    `config` names data sets and stages. `project_name` is what the process is called, else `config["PROJECT_NAME"]`.
    Raises DefinitionError and InvalidDataError for a configuration that cannot be.
    """
    if config is not None and not isinstance(config, Mapping):
        raise DefinitionError(f"a CONFIG is a mapping, not {type(config).__name__}")
    from milepost.datasets import make_data_manager

    data_manager = make_data_manager(config, use_db=use_db)
    return data_manager, None if no_tracking else _process_manager(config or {}, project_name)


def _process_manager(config: Mapping[str, object], project_name: str) -> ProcessManager:
    from milepost.process.manager import ProcessManager

    named = config.get("PROJECT_NAME")
    if project_name == PROJECT and isinstance(named, str) and named.strip():
        project_name = named
    return ProcessManager(project_name=project_name, config=config)
