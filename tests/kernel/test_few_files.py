"""Where too many files are open, whoever opens a workspace or a ledger first is told what to do."""

import os
import subprocess
import sys

import pytest

FIRST = """
import os, resource, sys
from milepost import MilepostError, Process, Workspace, open_run, stage
from milepost.steps import ProcessingStepManager

def workspace(place):
    with Workspace.open(place) as opened:
        opened.store.sync()
        opened.objects

def ledger(place):
    with ProcessingStepManager(place + ".db") as manager:
        manager.add_step("doc", "ocr", "success")

def loop(place):
    with open_run("extract", workspace=place):
        pass

@stage
def one():
    return 1

def process(place):
    Process("p", [one]).run(workspace=place)

def spared(first, place, spare):
    lowest = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + spare, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    try:
        first(place)
        return "opened"
    except MilepostError as error:
        return f"{type(error).__name__}: {error}"
    except OSError as error:
        return f"raw: {error!r}"

first = globals()[sys.argv[1]]
for spare in [60] * bool(sys.argv[3]) + [*range(18), 60]:
    if os.fork() == 0:
        said = spared(first, os.path.join(sys.argv[2], "at", sys.argv[3] or str(spare)), spare)
        os.write(1, (said + "\\n").encode())
        os._exit(0)
    os.wait()
"""


@pytest.mark.parametrize("is_there", [False, True])
@pytest.mark.parametrize("first", ["workspace", "ledger", "loop", "process"])
def test_whoever_opens_first_is_told_what_to_do(tmp_path, first, is_there):
    """However few files may still be opened: never a raw OSError, and with enough of them it opens."""
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}
    arguments = [sys.executable, "-W", "ignore", "-c", FIRST, first, str(tmp_path), "same" if is_there else ""]
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=240, check=True)
    said = [line for line in done.stdout.splitlines() if "opened" == line or ": " in line]
    limited = said[is_there:]
    assert [] == [line for line in limited if "opened" != line and "ulimit -n" not in line]
    assert [] == [line for line in limited if line.startswith("raw: ")]
    assert "opened" not in limited[:2]
    assert "opened" == limited[-1] == said[0 if is_there else -1]
