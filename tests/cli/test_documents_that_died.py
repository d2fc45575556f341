"""What a killed process had at hand of documents, on the command line: told, tried again, and missed by health."""

import json
import subprocess
import sys

import pytest

KILLED = """
import os, signal
from milepost.steps import ProcessingStepManager
with ProcessingStepManager().step("invoice 7", "ocr"):
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def killed(folder, environment):
    """A program was killed while it worked on a document."""
    subprocess.run([sys.executable, "-c", KILLED], cwd=folder, env=environment, check=False)


def test_health_misses_it_until_somebody_looks(killed, milepost):
    """A warning with its name; looking at health changes nothing."""
    for _ in range(2):
        document = json.loads(milepost("health", "--json").stdout)
        (said,) = [check["text"] for check in document["checks"] if check["name"] == "dead sessions"]
        assert said.startswith("1 document was at hand of processes that died: ocr of invoice 7")
    milepost("errors")
    assert "invoice 7" not in milepost("health").stdout.partition("documents")[0]


def test_it_is_among_the_errors(killed, milepost):
    """Without a program that begins anew."""
    assert "1 × its process died while it was at hand: killed or crashed" in milepost("errors").stdout


def test_it_is_tried_again(killed, milepost):
    """As any other that failed."""
    assert milepost("retry", "--documents").stdout.startswith("1 attempt waits now")
    items = json.loads(milepost("export", "--documents", "--json", "--attempts").stdout)
    assert [(item["attempt"], item["status"]) for item in items] == [(1, "running"), (1, "error"), (2, "pending")]
