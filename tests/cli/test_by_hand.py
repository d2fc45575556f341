"""A process that a program carries out stage by stage, looked at from a shell while it lives and when it was killed."""

import json
import re
import subprocess
import sys

import pytest

PROGRAM = """
import os, signal, sys
from milepost import ProcessStageHandler

handler = ProcessStageHandler(None, {"stages": {
    "load": {}, "work": {"substages": {"read": {}, "join": {}}}, "documents": {"loop": True, "repeatable": True},
    "end": {},
}})
print(handler.initialize_process("nightly"), flush=True)
handler.start_stage("load")
handler.complete_stage("load")
handler.start_stage("work")
handler.start_substage("work", "read")
handler.complete_substage("work", "read")
handler.track_progress("work", 0.75, "joining the tables")
handler.complete_stage("work")
for round in (1, 2):
    handler.start_stage("documents", items_total=5)
    for n in range(5 if round == 1 else 3):
        handler.start_substage("documents", n)
        handler.complete_substage("documents", n, success=n != 2)
    if round == 1:
        handler.complete_stage("documents")
print("told", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def program(folder, environment):
    """The program, waiting with everything told."""
    (folder / "nightly.py").write_text(PROGRAM)
    process = subprocess.Popen(
        [sys.executable, "nightly.py"],
        cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    process.process_id = process.stdout.readline().strip()
    assert "told\n" == process.stdout.readline()
    yield process
    process.kill()
    process.communicate()


def test_it_is_listed_and_shown_like_any_other(program, milepost):
    """Substages stand under their stage and do not count as stages; items and messages are there."""
    assert re.search(r"nightly +running +2/4 +2/5, 1 failed", milepost("ls").stdout)
    lines = milepost("show").stdout.splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith("  stage"))
    table = [line.split()[:2] for line in lines[first + 1 : first + 7]]
    assert [
        ["load", "completed"], ["work", "completed"], ["read", "completed"], ["join", "pending"],
        ["documents", "running"], ["end", "pending"],
    ] == table  # fmt: skip
    assert lines[first + 3].startswith("    read  ")
    assert "joining the tables" in milepost("logs").stdout
    items = json.loads(milepost("show", "--items", "--json").stdout)["items"]
    assert 8 == len(items)


def test_resume_says_how_to_go_on(program, milepost, folder):
    """While it lives, that it does; killed, which program to start and what it has to call."""
    said = milepost("resume")
    assert 2 == said.returncode
    assert "is under way: its own program carries it out" in said.stderr
    program.kill()
    program.wait()
    assert "interrupted (killed)" in milepost("ls").stdout
    assert "2/5, 1 failed" in milepost("ls").stdout  # of the round at hand, not of the one before
    for command in ("resume", "retry"):
        said = milepost(command)
        assert 2 == said.returncode
        assert f"start {folder / 'nightly.py'} again" in said.stderr
        assert f"ProcessStageHandler.open_process('{program.process_id}')" in said.stderr
