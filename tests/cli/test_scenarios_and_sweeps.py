"""What `milepost scenarios`, `run --scenario` and `run --sweep` promise, in processes of their own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from milepost.kernel.workspace import Workspace
from milepost.model.rows import DecisionRow, RunRow
from milepost.model.status import RunState

Command = Callable[..., subprocess.CompletedProcess[str]]


def rows(folder: Path, kind: type, **equal: object) -> list:
    with Workspace.open(folder / ".milepost", read_only=True) as workspace:
        return workspace.store.rows(kind, **equal)


@pytest.fixture
def saved(milepost: Command) -> None:
    """Two scenarios."""
    for name, threshold in (("strict", "0.9"), ("loose", "0.1")):
        done = milepost("scenarios", "save", name, "sales.py", "--set", f"score.threshold={threshold}")
        assert done.returncode == 0, done.stderr


def test_saved_listed_shown_renamed_removed(milepost: Command, saved: None) -> None:
    """Each in a process of its own; the list is a table, what is not there has the nearest name and exit code 2."""
    assert "as version 2" in milepost("scenarios", "save", "strict", "sales.py", "--note", "all defaults").stdout
    listed = milepost("scenarios", "ls").stdout.splitlines()
    assert len(milepost("scenarios").stdout.splitlines()) == len(listed)
    assert [line.split()[0] for line in listed] == ["scenario", "strict", "loose"]
    assert "all defaults" in listed[1]
    assert "score.threshold=0.1" in listed[2]
    page = milepost("scenarios", "show", "strict").stdout
    assert "every decision at its default" in page
    assert "score.threshold=0.9" in page  # of version 1
    assert "is called tight now" in milepost("scenarios", "rename", "strict", "tight").stdout
    assert "removed scenario loose" in milepost("scenarios", "rm", "loose").stdout
    assert [line["name"] for line in json.loads(milepost("scenarios", "ls", "--json").stdout)] == ["tight"]
    gone = milepost("scenarios", "show", "tihgt")
    assert (gone.returncode, "Did you mean 'tight'" in gone.stderr) == (2, True)


def test_a_scenario_saved_from_a_run_gives_its_results_again(milepost: Command, folder: Path) -> None:
    """Every decision of the run is in it; the run that it is asked for reuses all, and bears its name."""
    milepost("run", "sales.py", "--set", "orders.count=3", "--set", "score.threshold=0.5")
    said = milepost("scenarios", "save", "small", "--run", "last").stdout
    assert said == "saved scenario small of sales: 3 decisions\n"
    done = json.loads(milepost("run", "sales.py", "--scenario", "small", "--note", "to check", "--json").stdout)
    assert {stage["state"] for stage in done["stages"]} == {"reused"}
    assert done["run"]["scenario"] == "small"
    notes = {row.note for row in rows(folder, DecisionRow, run=done["run"]["id"])}
    assert notes == {"to check"}
    page = milepost("scenarios", "show", "small").stdout
    assert done["run"]["name"] in page


@pytest.mark.parametrize(
    "wrong",
    [["save", "x"], ["save", "x", "sales.py", "--run", "last"], ["save", "x", "--run", "last", "--set", "a.b=1"],
     ["save", "a\nb", "sales.py"], ["save", "x", "sales.py", "--set", "score.treshold=1"], ["show"], ["frob"]],
)  # fmt: skip
def test_wrong_usage_is_2_and_saves_nothing(milepost: Command, folder: Path, wrong: list[str]) -> None:
    """Said in one paragraph."""
    done = milepost("scenarios", *wrong)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("error: ")
    assert not (folder / ".milepost").exists()


def test_several_scenarios_share_what_they_have_in_common(milepost: Command, folder: Path, saved: None) -> None:
    """One after the other; the second reuses what does not depend on its decisions; a table ends it."""
    done = milepost("run", "sales.py", "--scenario", "strict", "--scenario", "loose")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "2 runs of sales, one after the other; what they have in common is computed once"
    assert [line for line in lines if " of 2)" in line] == ["strict  (1 of 2)", "loose  (2 of 2)"]
    second = lines[lines.index("loose  (2 of 2)") :]
    assert [line.split()[0] for line in second if " reused  " in line and "(unchanged)" in line] == ["orders", "clean"]
    assert any(line.startswith("2 of 8 stage results reused") for line in lines)
    table = lines[next(at for at, line in enumerate(lines) if "stage results reused" in line) + 1 :]
    assert table[1].split() == ["strict", "loose"]
    assert ["score.threshold", "0.9", "0.1"] in [line.split()[:3] for line in table]
    assert [row.scenario for row in rows(folder, RunRow)] == ["strict", "loose"]


def test_a_sweep_is_every_combination_labelled_by_its_decisions(milepost: Command, folder: Path, saved: None) -> None:
    """Over a scenario, with other decisions fixed; the JSON document has every run and the comparison."""
    arguments = ["--scenario", "strict", "--set", "orders.count=4", "--sweep", "score.threshold=0.6,0.7"]
    done = milepost("run", "sales.py", *arguments, "--sweep", "clean.drop_refunds=[true, false]", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    combinations = [
        f"threshold={threshold}, drop_refunds={drop}" for threshold in (0.6, 0.7) for drop in ("true", "false")
    ]
    assert [run["label"] for run in document["runs"]] == [f"strict, {each}" for each in combinations]
    assert {run["run"]["run"]["state"] for run in document["runs"]} == {"completed"}
    assert list(document["comparison"]["decisions"]["score.threshold"].values()) == [0.6, 0.6, 0.7, 0.7]
    assert len(rows(folder, RunRow, scenario="strict")) == 4
    assert len({row.decisions_hash for row in rows(folder, RunRow)}) == 4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--sweep", "score.threshold=0.6,many"], "'many' does not fit"),
        (["--sweep", "score.treshold=0.6"], "Did you mean 'threshold'"),
        (["--sweep", "score.threshold"], "expected stage.name=value"),
        (["--sweep", "score.threshold=[1"], "a JSON list of the values"),
        (["--sweep", "score.threshold=1,2,1"], "1 stands there twice"),
        (["--sweep", "score.threshold=0.5,2,0.50"], "0.5 and 0.50 are the same value"),
        (["--sweep", "clean.drop_refunds=[true,false,true]"], "true stands there twice"),
        (["--sweep", "score.threshold=[]"], "names no value"),
        (["--sweep", "score.threshold=1,2", "--set", "score.threshold=3"], "score.threshold is given twice"),
        (["--scenario", "strict", "--scenario", "strict"], "strict is given twice"),
        (["--scenario", "strict", "--scenario", "strickt"], "Did you mean 'strict'"),
        (["--sweep", "orders.count=" + ",".join(map(str, range(1001)))], "1,001 runs, one after the other"),
    ],
)
def test_what_cannot_be_swept_runs_nothing(
    milepost: Command, folder: Path, saved: None, arguments: list[str], said: str
) -> None:
    """All is checked before the first begins."""
    done = milepost("run", "sales.py", *arguments)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    assert rows(folder, RunRow) == []


def test_one_that_fails_does_not_stop_the_others_and_counts(milepost: Command, folder: Path) -> None:
    """The exit code is that of the worst; the table shows what the others came to."""
    (folder / "picky.py").write_text("""
from milepost import Process, stage

@stage
def only(number: int = 0):
    if number == 2:
        raise ValueError("not two")
    return {"metrics": {"square": number * number}}

picky = Process("picky", [only])
""")
    done = milepost("run", "picky.py", "--sweep", "only.number=1,2,3")
    assert done.returncode == 1
    assert "ValueError: not two" in done.stderr
    assert [row.state for row in rows(folder, RunRow)] == ["completed", "failed", "completed"]
    assert ["only.square", "1", "-", "9"] in [line.split() for line in done.stdout.splitlines()]
    shown = milepost("show", "last").stdout.splitlines()
    assert ["only.square", "9"] in [line.split() for line in shown]


WAITING = """
import time
from pathlib import Path
from milepost import Process, Stage, stage

@stage
def shared():
    return 1

@stage
def only(shared, handle: Stage, number: int = 0):
    while number == 1 and not Path("go").exists():
        Path("begun").touch()
        handle.check()
        time.sleep(0.02)
    return shared + number

waiting = Process("waiting", [shared, only])
"""


@pytest.fixture
def waiting(folder: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A sweep of 1, 2 and 3 whose first run works until there is a file `go`; a process of its own."""
    (folder / "waiting.py").write_text(WAITING)
    command = [sys.executable, "-m", "milepost", "run", "waiting.py", "--sweep", "only.number=1,2,3"]
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        deadline = time.monotonic() + 120
        while not (folder / "begun").exists():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield process
    finally:
        process.kill()
        process.communicate()


def test_one_that_is_alive_elsewhere_is_3_and_the_others_run(
    milepost: Command, folder: Path, waiting: subprocess.Popen[str]
) -> None:
    """Two shells that sweep the same values at once do each other no harm."""
    second = milepost("run", "waiting.py", "--sweep", "only.number=1,4")
    assert second.returncode == 3, second.stderr
    assert "is being carried out by process" in second.stderr
    (folder / "go").touch()
    waiting.communicate(timeout=240)
    assert waiting.returncode == 0
    assert [row.state for row in rows(folder, RunRow)] == [RunState.COMPLETED] * 4


def test_ctrl_c_stops_all_and_the_same_command_goes_on(
    milepost: Command, folder: Path, waiting: subprocess.Popen[str]
) -> None:
    """130; what was under way can go on, what was not begun is said and is not begun."""
    waiting.send_signal(signal.SIGINT)
    said, _ = waiting.communicate(timeout=240)
    assert waiting.returncode == 130
    assert "stopped before 2 runs began: the same command goes on" in said
    assert [row.state for row in rows(folder, RunRow)] == [RunState.CANCELLED]
    (folder / "go").touch()
    done = milepost("run", "waiting.py", "--sweep", "only.number=1,2,3")
    assert done.returncode == 0, done.stderr
    assert "continues after session 1 was cancelled" in done.stdout
    assert [row.state for row in rows(folder, RunRow)] == [RunState.COMPLETED] * 3


def test_help_names_them(milepost: Command) -> None:
    """In `milepost --help`, in `run --help` and in the group's own."""
    assert "scenarios" in milepost("--help").stdout
    assert "--sweep STAGE.NAME=V,V,…" in milepost("run", "--help").stdout
    assert [word in milepost("scenarios", "--help").stdout for word in ("save", "ls", "show", "rm", "rename")] == [
        True
    ] * 5
