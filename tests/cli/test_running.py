"""What running from a shell promises: real processes, really killed."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from milepost.errors import MilepostError
from milepost.kernel.workspace import Workspace
from milepost.model.rows import StepRow

Command = Callable[..., subprocess.CompletedProcess[str]]


BULKY = """
import os, time
from milepost import Process, stage

@stage
def numbers():
    return list(range(60))

@stage(each="numbers")
def bulky(number):
    time.sleep(0.05)
    return os.urandom(20_000)

@stage
def whole(bulky):
    return sum(len(one) for one in bulky)

bulk = Process("bulk", [numbers, bulky, whole])
"""


@pytest.fixture
def slowly(folder: Path, environment: dict[str, str]) -> Callable[..., object]:
    """A run whose items take 0.1 s, begun; gives the process once some items are recorded."""

    @contextmanager
    def begin(*arguments: str) -> Iterator[subprocess.Popen[str]]:
        process = subprocess.Popen(
            [sys.executable, "-m", "milepost", "run", "sales.py", *arguments],
            cwd=folder, env={**environment, "PAUSE": "0.1"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            _await_items(folder, 3, process)
            yield process
        finally:
            process.kill()
            process.communicate()

    return begin


def _await_items(folder: Path, count: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(MilepostError):  # it may be being made at this moment
            with Workspace.open(folder / ".milepost", create=False, read_only=True) as workspace:
                if len(workspace.store.rows(StepRow, limit=count)) >= count:
                    return
        time.sleep(0.05)
    raise AssertionError(f"no items were recorded; exit code {process.poll()}")


def test_a_run_says_its_name_a_line_a_change_and_a_summary(milepost: Command) -> None:
    """On a pipe: no escape sequence, no redrawing; exit code 0."""
    done = milepost("run", "sales.py")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("run ")
    assert lines[0].endswith(" of sales")
    assert [line.split()[:2] for line in lines[1:5] if "report" not in line] == [
        ["orders", "completed"], ["clean", "completed"], ["score", "completed"],
    ]  # fmt: skip
    assert "made a report" in lines
    assert any(line.startswith("sales ") and " completed in " in line for line in lines)
    assert "\x1b" not in done.stdout
    assert "\r" not in done.stdout


def test_a_second_run_reuses_all_and_says_so(milepost: Command) -> None:
    """`clean      reused   0.0 s   (unchanged)`."""
    milepost("run", "sales.py")
    done = milepost("run", "sales.py")
    reused = [line.split() for line in done.stdout.splitlines() if " reused  " in line and "unchanged)" in line]
    assert [words[0] for words in reused] == ["orders", "clean", "score", "report"]
    assert "made a report" not in done.stdout


def test_a_decision_is_set_by_its_annotation_and_only_what_depends_on_it_runs(milepost: Command) -> None:
    """`--set score.threshold=0.5` is a float; the plan foretells it, `why` tells it afterwards."""
    milepost("run", "sales.py")
    plan = json.loads(milepost("plan", "sales.py", "--set", "score.threshold=0.5", "--json").stdout)
    assert {stage["stage"]: stage["verdict"] for stage in plan["stages"]} == {
        "orders": "reuse", "clean": "reuse", "score": "run", "report": "depends",
    }  # fmt: skip
    done = milepost("run", "sales.py", "--set", "score.threshold=0.5", "--json")
    document = json.loads(done.stdout)
    assert {stage["stage"]: stage["state"] for stage in document["stages"]} == {
        "orders": "reused", "clean": "reused", "score": "completed", "report": "completed",
    }  # fmt: skip
    why = milepost("why", "last", "score").stdout
    assert "threshold" in why
    assert "0.75 -> 0.5" in why


def test_why_shows_the_lines_of_code_that_changed(milepost: Command, folder: Path) -> None:
    """As a diff of the source."""
    milepost("run", "sales.py")
    source = (folder / "sales.py").read_text()
    (folder / "sales.py").write_text(source.replace(">= 0]", ">= 10.5]"))
    milepost("run", "sales.py")
    why = milepost("why", "last", "clean").stdout
    assert "its code changed" in why
    assert '+    return [order for order in orders if order["amount"] >= 10.5]' in why


def test_json_is_alone_on_standard_output(milepost: Command) -> None:
    """What the user's code prints goes to standard error then."""
    done = milepost("run", "sales.py", "--json")
    assert json.loads(done.stdout)["run"]["state"] == "completed"
    assert "made a report" in done.stderr


def test_a_failure_is_1_and_the_last_line_resumes(milepost: Command) -> None:
    """One paragraph without a traceback; the command that is shown does what it says."""
    done = milepost("run", "sales.py", FAIL="1")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "no paper" in done.stderr
    assert done.stdout.splitlines()[-2] == "to go on:"
    last = done.stdout.splitlines()[-1].split()
    assert last[:2] == ["milepost", "resume"]
    again = milepost(*last[1:])
    assert again.returncode == 0, again.stderr
    assert "continues after session 1 failed" in again.stdout.splitlines()[0]
    assert milepost("resume").stdout.count("there is nothing to resume") == 1


def test_a_killed_run_continues_and_says_what_was_done(
    milepost: Command, slowly: Callable[..., object], folder: Path
) -> None:
    """After SIGKILL, `resume` names the session, its fate, and the items that need not be repeated."""
    with slowly() as process:  # type: ignore[attr-defined]
        process.send_signal(signal.SIGKILL)
        process.wait()
    shown = re.search(r"interrupted \(killed\) +2/4 +(\d+)/20 ", milepost("ls").stdout)
    done = milepost("resume")
    assert done.returncode == 0, done.stderr
    first = done.stdout.splitlines()[0]
    assert "continues after session 1 was killed" in first
    assert shown and f"2 of 4 stages and {shown[1]} of 20 items" in first
    detail = json.loads(milepost("show", "--json").stdout)
    score = next(stage for stage in detail["stages"] if stage["stage"] == "score")
    assert score["items_reused"] >= 3
    assert score["items_done"] == 20
    assert score["saved_seconds"] >= 0.1 * score["items_reused"]
    assert "interrupted before with" not in done.stdout


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_a_run_that_resumes(
    slowly: Callable[..., object], milepost: Command, number: signal.Signals, code: int
) -> None:
    """Exit code 130 or 143; the last line is the command that goes on."""
    with slowly() as process:  # type: ignore[attr-defined]
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert process.returncode == code, err
    assert "Traceback" not in err
    assert out.splitlines()[-1].startswith("milepost resume ")
    assert "cancelled" in milepost("ls").stdout


def test_cancel_stops_a_run_from_another_shell(slowly: Callable[..., object], milepost: Command) -> None:
    """And says how to go on."""
    with slowly() as process:  # type: ignore[attr-defined]
        done = milepost("cancel")
        out, _ = process.communicate(timeout=30)
    assert "is cancelled" in done.stdout
    assert done.stdout.splitlines()[-1] == out.splitlines()[-1]
    assert process.returncode == 143


def test_a_run_that_is_alive_elsewhere_is_3(slowly: Callable[..., object], milepost: Command) -> None:
    """Its owner is named."""
    with slowly() as process:  # type: ignore[attr-defined]
        done = milepost("resume")
        assert done.returncode == 3
        assert str(process.pid) in done.stderr


def test_failed_items_are_shown_and_tried_again(milepost: Command) -> None:
    """A collected failure leaves the run completed; `show --status failed` names it, `retry` repairs it."""
    done = milepost("run", "sales.py", BAD="7")
    assert done.returncode == 0, done.stderr
    assert "milepost retry" in done.stdout.splitlines()[-1]
    shown = milepost("show", "--status", "failed").stdout
    assert "this one is bad" in shown
    again = milepost("retry")
    assert again.returncode == 0, again.stderr
    detail = json.loads(milepost("show", "--json").stdout)
    assert detail["run"]["items_failed"] == 0
    assert detail["run"]["items_done"] == 20
    assert "none of its items failed" in milepost("retry").stdout


def test_accept_keeps_results_under_changed_code(milepost: Command, folder: Path) -> None:
    """The change is shown and recorded; the plan reuses again."""
    milepost("run", "sales.py")
    source = (folder / "sales.py").read_text()
    (folder / "sales.py").write_text(source.replace(">= 0]", "> -0.5]"))
    assert milepost("plan", "sales.py", "--json").stdout.count('"run"') == 1
    accepted = milepost("accept", "clean")
    assert accepted.returncode == 0, accepted.stderr
    assert "> -0.5" in accepted.stdout
    assert "nothing to do: all 4 stages are reused" in milepost("plan", "sales.py").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "nowhere.py"], "nowhere.py"),
        (["run", "sales.py:salse"], "Did you mean 'sales'?"),
        (["run", "sales.py", "--set", "score.treshold=1"], "Did you mean 'threshold'?"),
        (["run", "sales.py", "--set", "scor.threshold=1"], "Did you mean 'score'?"),
        (["run", "sales.py", "--set", "score.threshold=many"], "'threshold'"),
        (["run", "sales.py", "--only", "claen"], "Did you mean 'clean'?"),
        (["run", "sales.py", "--from", "claen"], "Did you mean 'clean'?"),
        (["run", "sales.py", "--executor", "cluster"], "cluster"),
        (["run", "broken.py"], "broken.py:1"),
    ],
)
def test_wrong_usage_is_2_and_says_what_to_do(milepost: Command, folder: Path, arguments: list[str], said: str) -> None:
    """One paragraph, the nearest name, nothing recorded."""
    (folder / "broken.py").write_text("raise KeyError('x')\n")
    done = milepost(*arguments)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().split("\n\n")) == 1


def test_a_target_that_raises_what_is_no_exception_is_2(milepost: Command, folder: Path) -> None:
    """A class of its own below BaseException does not pass as a failed run."""
    (folder / "odd.py").write_text("class Odd(BaseException): ...\nraise Odd('x')\n")
    done = milepost("run", "odd.py")
    assert done.returncode == 2 and "odd.py cannot be loaded: Odd: x" in done.stderr


def test_no_target_is_2(milepost: Command) -> None:
    """As from a variable of the shell that is empty."""
    done = milepost("run", "")
    assert done.returncode == 2 and "'' names no process; pass file.py" in done.stderr


def test_a_name_of_a_megabyte_is_answered_in_a_paragraph(milepost: Command, folder: Path) -> None:
    """The complaint says how long it was and what is known."""
    setting = "'score.' + 'x' * 10**6 + '=1'"
    code = f"from milepost.cli.main import main; main(['run', 'sales.py', '--set', {setting}])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env={**os.environ, "MILEPOST_WORKSPACE": str(folder / ".milepost")},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert len(done.stderr) < 2_500
    assert "characters)" in done.stderr and "Known: threshold" in done.stderr


def test_an_error_of_megabytes_is_shown_and_stored_short(milepost: Command, folder: Path) -> None:
    """Its beginning, its end and how long it was."""
    (folder / "long.py").write_text(
        "from milepost import Process, stage\n@stage\ndef loud():\n    raise ValueError('x' * 5_000_000)\n"
        "long = Process('long', [loud])\n"
    )
    done = milepost("run", "long.py")
    assert done.returncode == 1
    assert len(done.stderr) < 2_500 and "(5,000,012 characters)" in done.stderr
    assert len(milepost("show", "--json").stdout) < 30_000


def test_gc_during_a_run_takes_nothing_of_it(milepost: Command, folder: Path) -> None:
    """Objects that workers wrote and no row names yet stay, whatever the grace; runs are not forgotten meanwhile."""
    milepost("run", "sales.py")
    (folder / "bulky.py").write_text(BULKY)
    process = subprocess.Popen(
        [sys.executable, "-m", "milepost", "run", "bulky.py", "--executor", "workers", "--workers", "2"],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "HOME": str(folder), "MILEPOST_WORKSPACE": str(folder / ".milepost")},
    )  # fmt: skip
    swept = []
    try:
        _await_items(folder, 25, process)
        while process.poll() is None:
            swept.append(milepost("gc", "--delete", "--grace", "0", "--older-than", "0", "--json"))
        out, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0, out
    assert [done.stderr for done in swept if done.returncode] == []
    while_alive = [found for done in swept if (found := json.loads(done.stdout))["alive"]]
    assert while_alive
    assert {(found["objects"], *found["runs"]) for found in while_alive} == {(0,)}
    assert milepost("verify").returncode == 0


def test_a_script_that_exits_when_imported_is_a_target_in_trouble(milepost: Command, folder: Path) -> None:
    """Its exit code is not ours: 3 would say that the run is alive elsewhere."""
    (folder / "exits.py").write_text("import sys\nsys.exit(3)\n")
    done = milepost("run", "exits.py")
    assert done.returncode == 2 and "exits.py cannot be loaded: SystemExit: 3" in done.stderr


def test_a_reader_that_goes_away_does_not_end_the_run(folder: Path, environment: dict[str, str]) -> None:
    """`milepost run | head -1` completes the run."""
    subprocess.run(
        ["bash", "-c", f"{sys.executable} -m milepost run sales.py --only score | head -1"],
        cwd=folder, env={**environment, "PAUSE": "0.02"}, capture_output=True, timeout=60, check=True,
    )  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "milepost", "ls"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "completed" in done.stdout


def test_the_logs_have_what_was_printed(milepost: Command) -> None:
    """By stage."""
    milepost("run", "sales.py")
    assert milepost("logs", "--stage", "report").stdout.endswith("report: made a report\n")


def test_resume_goes_back_to_where_the_run_began(milepost: Command, folder: Path, environment: dict[str, str]) -> None:
    """From any folder, given the workspace."""
    milepost("run", "sales.py", FAIL="1")
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    kept = {name: value for name, value in environment.items() if name != "MILEPOST_WORKSPACE"}
    done = subprocess.run(
        [sys.executable, "-m", "milepost", "resume", "--workspace", os.fspath(folder / ".milepost")],
        cwd=elsewhere, env=kept, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


THINGS = """
from milepost import Process, stage

class Thing:
    def __init__(self, n):
        self.n = n

@stage
def make(n: int = 3):
    return Thing(n)

@stage
def use(make, times: int = 1):
    return make.n * times

things = Process("things", [make, use])
"""


def test_a_pickle_that_another_key_signed_is_refused_and_made_again_as_the_error_says(
    milepost: Command, folder: Path
) -> None:
    """The key lies outside of the workspace: one who comes with another runs nothing that the first one pickled."""
    (folder / "things.py").write_text(THINGS)
    assert milepost("run", "things.py").returncode == 0
    (folder / "other").mkdir()
    elsewhere = {"HOME": str(folder / "other")}
    refused = milepost("run", "things.py", "--set", "use.times=2", **elsewhere)
    assert refused.returncode == 4
    assert "key did not sign it" in refused.stderr
    assert "with --from STAGE" in refused.stderr
    again = milepost("run", "things.py", "--set", "use.times=2", "--from", "make", **elsewhere)
    assert again.returncode == 0, again.stderr
