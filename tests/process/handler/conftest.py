import pytest

from milepost.process import ProcessStageHandler

CONFIG = {
    "PROJECT_NAME": "calls",
    "available_algorithms": ["example_algorithm", "other_algorithm"],
    "algorithm_defaults": {"example_algorithm": {"threshold": 0.5}},
    "stages": {
        "data_loading": {
            "sequence": 1,
            "requires_previous": False,
            "decisions": {"selections": {"apply_selection": False, "limit": 10}, "time_periods": 1},
        },
        "checking": {"sequence": 2, "optional": True, "algorithms": []},
        "processing": {
            "sequence": 3,
            "algorithms": ["example_algorithm"],
            "repeatable": True,
            "substages": {
                "read": {"sequence": 1, "weight": 3, "required": True},
                "join": {"sequence": 2, "dependencies": ["read"], "max_retries": 2, "retry_on_failure": True},
                "tidy": {"sequence": 3, "optional": True, "weight": 0},
            },
        },
        "documents": {"sequence": 4, "loop": True, "repeatable": True},
        "report": {"sequence": 5},
    },
}


@pytest.fixture
def make(workspace):
    """Handlers on one workspace; what they have under way is ended after the test."""
    made = []

    def make(config=CONFIG, manager=None):
        made.append(ProcessStageHandler(manager, config, workspace=workspace))
        return made[-1]

    yield make
    for handler in made:
        handler.close()


@pytest.fixture
def handler(make):
    """A handler with a process of CONFIG under way."""
    handler = make()
    handler.initialize_process("My Process", "Process description")
    return handler
