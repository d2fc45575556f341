"""Watching from another shell: one run live, and all of them with alerts, also for those that are dead."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from test_on_a_terminal import ESCAPE, Terminal

from milepost.errors import MilepostError
from milepost.kernel.workspace import Workspace
from milepost.model.rows import StepRow

Command = Callable[..., subprocess.CompletedProcess[str]]

RULES = """
[alerts]
channels = ["pager"]
[alerts.rule.dead]
on = "interrupted"
severity = "critical"
[alerts.channel.pager]
kind = "command"
command = ["sh", "-c", "cat >> called.jsonl"]
"""


class Shell:
    """A `milepost` that goes on beside the test; `said` is what it printed so far."""

    def __init__(self, folder: Path, environment: dict[str, str], *arguments: str, **more: str) -> None:
        self.said = ""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "milepost", *arguments], cwd=folder, env={**environment, **more},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self.said += line
                self._news.notify_all()

    def await_text(self, pattern: str) -> None:
        with self._news:
            found = self._news.wait_for(lambda: re.search(pattern, self.said), 120)
        assert found, f"no {pattern!r} in {self.said!r}"

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        code = self.process.wait(120)
        self._reader.join(120)
        return code

    def close(self) -> None:
        self.process.kill()
        self.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def shell(folder: Path, environment: dict[str, str]) -> Iterator[Callable[..., Shell]]:
    with contextlib.ExitStack() as stack:

        def begin(*arguments: str, **more: str) -> Shell:
            made = Shell(folder, environment, *arguments, **more)
            stack.callback(made.close)
            return made

        yield begin


@pytest.fixture
def begun(folder: Path, shell: Callable[..., Shell]) -> Callable[..., Shell]:
    """A run whose items take a while, some of them done."""

    def begin(**more: str) -> Shell:
        run = shell("run", "sales.py", **{"PAUSE": "0.1", **more})
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and run.process.poll() is None:
            with contextlib.suppress(MilepostError):  # it may be being made at this moment
                with Workspace.open(folder / ".milepost", create=False, read_only=True) as workspace:
                    if workspace.store.rows(StepRow, limit=2):
                        return run
            time.sleep(0.05)
        raise AssertionError(f"no items were recorded: {run.said}")

    return begin


def called(folder: Path) -> list[dict[str, Any]]:
    path = folder / "called.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_a_killed_run_alerts_once_through_restarts_and_is_resolved_by_its_resumption(
    folder: Path, milepost: Command, shell: Callable[..., Shell], begun: Callable[..., Shell]
) -> None:
    """SIGKILL of the run: the command is called once. SIGKILL of the watcher: the next one neither repeats nor
    forgets. The run is resumed: resolved, told once. Ctrl-C: 130, and nothing is left behind."""
    (folder / "alerts.toml").write_text(RULES)
    watch = ("watch", "--rules", "alerts.toml", "--interval", "0.1")
    run = begun()
    first = shell(*watch)
    first.await_text("watching for 1 rule")
    run.end(signal.SIGKILL)
    first.await_text(r"firing +dead +run \S+ of sales was interrupted \(killed\)")
    _await(lambda: called(folder))
    _await(lambda: milepost("watch", "--once", "--rules", "alerts.toml").returncode == 10)
    _await(lambda: _is_settled(folder))
    first.end(signal.SIGKILL)

    second = shell(*watch)
    second.await_text("firing +dead")
    assert milepost("resume").returncode == 0
    second.await_text(r"resolved +dead +no longer: run \S+ of sales was interrupted")
    _await(lambda: len(called(folder)) > 1)
    assert second.end(signal.SIGINT) == 130
    assert second.said.count("firing") == 1  # what it found standing, told to who looks and to nobody else
    assert [document["state"] for document in called(folder)] == ["firing", "resolved"]
    assert called(folder)[0]["severity"] == "critical"
    assert milepost("watch", "--once", "--rules", "alerts.toml").returncode == 0
    assert len(called(folder)) == 2


def _await(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _is_settled(folder: Path) -> bool:
    from milepost.model.rows import EventRow

    with Workspace.open(folder / ".milepost", create=False, read_only=True) as workspace:
        return workspace.store.get(EventRow, run="", kind="alert_sent") is not None


def test_a_message_that_was_not_sent_when_the_watcher_was_killed_is_sent_by_the_next(
    folder: Path, shell: Callable[..., Shell], begun: Callable[..., Shell], milepost: Command
) -> None:
    """The watcher dies while its command works: the alert is in the ledger, and so is that it is not told yet."""
    table = "[alerts.channel.pager]"
    hanging = RULES.replace("cat >> called.jsonl", "echo $$ > started; mv started begun; exec sleep 600")
    hanging = hanging.replace(table, f"{table}\ntimeout_seconds = 60")
    (folder / "alerts.toml").write_text(hanging)
    begun().end(signal.SIGKILL)
    watcher = shell("watch", "--rules", "alerts.toml")
    _await((folder / "begun").exists)
    watcher.end(signal.SIGKILL)
    os.kill(int((folder / "begun").read_text()), signal.SIGKILL)  # in a session of its own, it outlives its watcher
    (folder / "alerts.toml").write_text(RULES)
    assert milepost("watch", "--once", "--rules", "alerts.toml").returncode == 10
    assert [document["state"] for document in called(folder)] == ["firing"]


def test_a_message_that_a_channel_did_not_take_is_sent_when_the_channel_is_mended(
    folder: Path, shell: Callable[..., Shell], begun: Callable[..., Shell], milepost: Command
) -> None:
    """It waits in the ledger, through the death of its watcher, and is told once."""
    (folder / "alerts.toml").write_text(RULES.replace("cat >>", "test -e mended && cat >>"))
    begun().end(signal.SIGKILL)
    watcher = shell("watch", "--rules", "alerts.toml", "--interval", "0.1")
    watcher.await_text(
        "alert channel 'pager' is down after 3 tries, and is tried again later: sh ended with exit code 1"
    )
    watcher.end(signal.SIGKILL)
    assert not called(folder)
    (folder / "mended").touch()
    for _ in range(2):
        assert milepost("watch", "--once", "--rules", "alerts.toml").returncode == 10
    assert [document["state"] for document in called(folder)] == ["firing"]


def test_once_tells_what_fires_by_its_exit_code(milepost: Command, recorded: str) -> None:
    """10 when an alert fires, 0 when none does; as JSON one document with what changed and what fires."""
    fires = milepost("watch", "--once")
    assert fires.returncode == 10
    assert f"run {recorded} of sales was interrupted" in fires.stdout
    again = milepost("watch", "--once", "--json")
    assert again.returncode == 10
    document = json.loads(again.stdout)
    assert document["changes"] == []
    assert [(alert["rule"], alert["subject"]) for alert in document["firing"]] == [("interrupted", recorded)]


def test_health_is_asked_for_rules_that_are_on_it(milepost: Command, recorded: str, folder: Path) -> None:
    """The same health as `milepost health`, with its issues in the alert."""
    (folder / "alerts.toml").write_text("[alerts.rule.ill]\non = 'health'\nat = 'warning'\n")
    for _ in range(3):  # health waits for three looks in a row before it goes down
        seen = milepost("watch", "--once", "--rules", "alerts.toml")
    status = json.loads(milepost("health", "--json").stdout)["status"]
    assert status != "healthy"
    assert seen.returncode == 10
    assert f"health is {status}" in seen.stdout
    assert seen.stderr == ""


def test_a_workspace_that_is_made_anew_under_its_watcher_is_watched(
    folder: Path, shell: Callable[..., Shell], begun: Callable[..., Shell]
) -> None:
    """It says that the old one is gone, and a run that dies in the new one raises its alert."""
    (folder / "alerts.toml").write_text(RULES)
    begun().wait()
    watcher = shell("watch", "--rules", "alerts.toml", "--interval", "0.1")
    watcher.await_text("watching for 1 rule")
    shutil.rmtree(folder / ".milepost")
    watcher.await_text("was moved, deleted or replaced")
    begun().end(signal.SIGKILL)
    watcher.await_text(r"firing +dead +run \S+ of sales was interrupted")
    _await(lambda: called(folder))
    assert watcher.end(signal.SIGTERM) == 143


def test_a_second_watcher_looks_on_and_takes_over(
    folder: Path, shell: Callable[..., Shell], begun: Callable[..., Shell]
) -> None:
    """It shows what the first records, and when that one is killed, it records itself."""
    (folder / "alerts.toml").write_text(RULES)
    watch = ("watch", "--rules", "alerts.toml", "--interval", "0.1")
    run, first = begun(), shell(*watch)
    first.await_text("watching for 1 rule")
    second = shell(*watch, "--json")
    run.end(signal.SIGKILL)
    second.await_text('"state":"firing"')
    _await(lambda: _is_settled(folder))
    first.end(signal.SIGKILL)
    shell("resume").wait()
    second.await_text('"state":"resolved"')
    assert second.end(signal.SIGTERM) == 143
    assert [json.loads(line)["state"] for line in second.said.splitlines()] == ["firing", "resolved"]
    assert [document["state"] for document in called(folder)] == ["firing", "resolved"]


@pytest.mark.parametrize(
    ("settings", "number", "code", "said"),
    [
        ({}, None, 0, "completed in"),
        ({"FAIL": "1"}, None, 1, "failed in"),
        ({}, signal.SIGTERM, 143, "cancelled in"),
        ({}, signal.SIGINT, 130, "cancelled in"),
        ({}, signal.SIGKILL, 1, "interrupted in"),
    ],
    ids=["completed", "failed", "terminated", "ctrl-c", "killed"],
)  # fmt: skip
def test_following_a_run_ends_with_it_and_leaves_with_its_exit_code(
    shell: Callable[..., Shell], begun: Callable[..., Shell], settings: dict[str, str], number: int | None, code: int,
    said: str,
) -> None:  # fmt: skip
    """From another shell, by a line for each change, then the summary and how to go on."""
    run = begun(**settings)
    watcher = shell("watch", "last")
    watcher.await_text("run .* of sales")
    if number is not None:
        run.process.send_signal(number)
    ended = run.wait()
    assert watcher.wait() == code
    assert ended in (code, -signal.SIGKILL)
    assert said in watcher.said
    assert ("milepost resume" in watcher.said) == (code != 0)
    assert "Traceback" not in watcher.said


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_who_stops_following_leaves_the_run_alone(
    shell: Callable[..., Shell], begun: Callable[..., Shell], number: int, code: int
) -> None:
    """By Ctrl-C or SIGTERM: its exit code says so, and the run completes."""
    run = begun()
    watcher = shell("watch", "last")
    watcher.await_text("run .* of sales")
    assert watcher.end(number) == code
    assert "goes on without being watched" in watcher.said
    assert run.wait() == 0


def test_following_on_a_terminal_shows_the_live_table_of_run(
    folder: Path, environment: dict[str, str], begun: Callable[..., Shell]
) -> None:
    """The same table, redrawn in place, from a process that has nothing to do with the run."""
    begun()
    terminal = Terminal(folder, environment, 100, "watch", "last")
    try:
        terminal.read_until("running")
        assert terminal.read_to_the_end() == 0
    finally:
        terminal.close()
    plain = ESCAPE.sub("", terminal.screen)
    assert plain.count("orders  completed") >= 1
    assert "\x1b[?25l" in terminal.screen and terminal.screen.rfind("\x1b[?25h") > terminal.screen.rfind("\x1b[?25l")
    assert "completed in" in plain[plain.rindex("sales ") :]


def test_a_run_that_is_over_is_summed_up_at_once(milepost: Command, recorded: str) -> None:
    """By its name, with the exit code of how it ended; as JSON the same document as `show`."""
    assert milepost("watch", "old-elk").returncode == 0
    dead = milepost("watch", recorded, "--json")
    assert dead.returncode == 1
    assert json.loads(dead.stdout)["run"]["state"] == "interrupted"


def test_wrong_uses_say_so(milepost: Command, recorded: str, folder: Path) -> None:
    """A run with what is for all of them; a run that is not there; rules that cannot be."""
    both = milepost("watch", "last", "--once")
    assert both.returncode == 2
    assert "leave RUN out" in both.stderr
    assert milepost("watch", "brisk-oter").returncode == 5
    (folder / "alerts.toml").write_text("[alerts.rule.a]\non = 'interrupted'\nfor_second = 3\n")
    wrong = milepost("watch", "--rules", "alerts.toml")
    assert wrong.returncode == 2
    assert "rule 'a': there is no field 'for_second'. Did you mean 'for_seconds'?" in wrong.stderr
    assert os.listdir(folder / ".milepost" / "runs") == []
