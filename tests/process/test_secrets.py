"""What is chosen under a secret's name is nowhere in the workspace."""

import logging

import pytest

from milepost.errors import DecisionValidationError, StageExecutionError
from milepost.model.redaction import redact

LOGIN = """
import logging
from milepost import Process, stage

API_KEY = "canary-global-0001"

@stage
def login(password: str, login: dict, port: int = 1, token: int = 0):
    print("connecting with", password)
    logging.getLogger("login").warning("as %s", login["secret"])
    raise ValueError(f"refused {password} {login['secret']} {len(API_KEY)}")

sales = Process("sales", [login])
"""
CHOSEN = {"login.password": "canary-chosen-0002", "login.login": {"secret": "canary-nested-0003"}}


@pytest.mark.parametrize("executor", ["inline", "workers"])
def test_no_file_of_the_workspace_holds_a_secret_decision(load, workspace, tmp_path, executor):
    """Not as a decision, a part of a key, a printed or logged line, nor an error's text; nor a secret global."""
    process = load(LOGIN)
    logging.getLogger("login").setLevel(logging.WARNING)
    with pytest.raises(StageExecutionError):
        process.run(CHOSEN, workspace=workspace, executor=executor, workers=1)
    with pytest.raises(StageExecutionError):
        process.run(
            {**CHOSEN, "login.password": "canary-other-0004"}, workspace=workspace, executor=executor, workers=1
        )
    workspace.close()
    held = [path for path in workspace.path.rglob("*") if path.is_file() and b"canary" in path.read_bytes()]
    assert held == []


def test_a_refused_secret_is_not_shown(load, workspace):
    """The error says which decision does not fit, not what was offered."""
    process = load(LOGIN)
    with pytest.raises(DecisionValidationError) as refused:
        process.plan({**CHOSEN, "login.token": "canary-refused-0005"}, workspace=workspace)
    assert "canary" not in str(refused.value) and "'token' = ***" in str(refused.value)


def test_short_words_are_not_taken_out_of_every_line(load, workspace):
    """A password of four letters is masked where it is recorded, and is otherwise a word like any."""
    load(LOGIN).settle({**CHOSEN, "login.password": "none"})
    assert redact("none of them") == "none of them"
