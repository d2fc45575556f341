"""What `milepost compare` and `milepost decisions` promise."""

from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., subprocess.CompletedProcess[str]]

SALES = """
from milepost import Process, stage

@stage
def orders(count: int = 20, api_token: str = "none"):
    return [{"invoice": n, "amount": n * 1.5} for n in range(count)]

@stage(each="orders", key="invoice", errors="collect")
def score(invoice, threshold: float = 0.75):
    if invoice["invoice"] == 7 and threshold > 0.8:
        raise ValueError("this one is bad")
    return invoice["amount"] * threshold

@stage
def report(score, title: str = "sales"):
    return {"title": title, "metrics": {"total": sum(score)}}

sales = Process("sales", [orders, score, report])
"""


@pytest.fixture
def runs(milepost: Command, folder: Path) -> list[str]:
    """Two runs that differ in a decision and a secret; the second with a failed item and a note."""
    (folder / "sales.py").write_text(SALES)
    for threshold, note in (("0.75", "as ever"), ("0.9", "the auditors | asked")):
        milepost("run", "sales.py", "--set", f"score.threshold={threshold}", "--set",
                 f"orders.api_token=sesame{threshold}", "--note", note)  # fmt: skip
    listed = json.loads(milepost("ls", "--json").stdout)
    return [run["name"] for run in listed][::-1]


def test_compare_shows_what_differs_and_counts_the_rest(milepost: Command, runs: list[str]) -> None:
    """Decisions, metrics, what was reused, items that failed."""
    done = milepost("compare", *runs, COLUMNS="100")
    assert done.returncode == 0, done.stderr
    lines = {line.split()[0]: line for line in done.stdout.splitlines() if line.strip()}
    assert lines[runs[0]].split() == runs
    assert lines["score.threshold"].split() == ["score.threshold", "0.75", "0.9"]
    assert lines["report.total"].split()[-2:] == ["+16", "%"]
    assert lines["items"].split() == ["items", "failed", "0", "1"]
    assert "orders.count" not in lines
    assert "orders.count" in milepost("compare", *runs, "--all").stdout


@pytest.mark.parametrize("columns", ["40", "50", "80"])
def test_compare_and_decisions_fit_a_narrow_window(milepost: Command, runs: list[str], columns: str) -> None:
    """Nothing wraps."""
    shown = milepost("compare", *runs, COLUMNS=columns).stdout + milepost("decisions", COLUMNS=columns).stdout
    assert all(len(line) <= int(columns) for line in shown.splitlines())


def test_compare_as_json_markdown_and_csv(milepost: Command, runs: list[str]) -> None:
    """One document, one table, a line for each."""
    document = json.loads(milepost("compare", *runs, "--json").stdout)
    assert document["decisions"]["score.threshold"] == {runs[0]: 0.75, runs[1]: 0.9}
    assert [column["items_failed"] for column in document["columns"]] == [0, 1]
    markdown = milepost("compare", *runs, "--markdown").stdout.splitlines()
    assert markdown[0].startswith(f"|  | {runs[0]} | {runs[1]} |")
    table = list(csv.DictReader(milepost("compare", *runs, "--csv").stdout.splitlines()))
    assert [line["score.threshold"] for line in table] == ["0.75", "0.9"]
    assert [line["subject"] for line in table] == runs


def test_scenarios_and_runs_stand_beside_each_other(milepost: Command, runs: list[str]) -> None:
    """A scenario that was never run shows what it decides."""
    milepost("scenarios", "save", "strict", "sales.py", "--set", "score.threshold=0.95")
    done = milepost("compare", "strict", "last")
    assert done.returncode == 0, done.stderr
    assert "never run" in done.stdout
    assert "0.95" in done.stdout
    document = json.loads(milepost("compare", "scenario:strict", f"run:{runs[0]}", "--json").stdout)
    assert [column["label"] for column in document["columns"]] == ["strict", runs[0]]


def test_the_newest_runs_are_compared_oldest_first(milepost: Command, runs: list[str]) -> None:
    """Of a process, where that is said."""
    document = json.loads(milepost("compare", "--last", "5", "--process", "sales", "--json").stdout)
    assert [column["label"] for column in document["columns"]] == runs
    assert json.loads(milepost("compare", "--last", "5", "--process", "x", "--json").stdout)["columns"] == []
    assert milepost("compare", "--last", "5", "--process", "x").stdout == "no runs like that to compare\n"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["one"], 2, "at least two"),
        ([], 2, "at least two"),
        (["last", "last", "--last", "3"], 2, "at least two"),
        (["last", "nobody"], 5, "no run and no scenario is called 'nobody'"),
        (["last", "scenario:nobody"], 2, "no scenario 'nobody'"),
        (["last", "last", "--csv", "--markdown"], 2, "one of"),
    ],
)
def test_what_cannot_be_compared_is_said(
    milepost: Command, runs: list[str], arguments: list[str], code: int, said: str
) -> None:
    """In one paragraph."""
    done = milepost("compare", *arguments)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stderr


def test_no_secret_shows_in_any_form(milepost: Command, runs: list[str]) -> None:
    """That they differ is told, not what they are."""
    forms = [[], ["--json"], ["--markdown"], ["--csv"], ["--all"]]
    shown = [milepost("compare", *runs, *form).stdout for form in forms]
    shown += [milepost("decisions", *form).stdout for form in ([], ["--json"], ["--history"])]
    assert all("***" in text and "sesame" not in text for text in (each.replace("\\*", "*") for each in shown))
    assert "orders.api_token" in shown[0]


def test_decisions_show_defaults_authors_notes_and_what_they_affect(milepost: Command, runs: list[str]) -> None:
    """Of the last run, or the one that is named."""
    done = milepost("decisions", COLUMNS="120")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    (threshold,) = [line for line in lines if "score.threshold" in line]
    assert threshold.split()[:6] == ["*", "score.threshold", "0.9", "0.75", "score,", "report"]
    assert "    the auditors | asked" in lines
    assert "orders.count" in done.stdout
    assert "orders.count" not in milepost("decisions", "--changed").stdout
    assert "as ever" in milepost("decisions", runs[0]).stdout


def test_decisions_as_json(milepost: Command, runs: list[str]) -> None:
    """Values as they are, times in UTC, every record on request."""
    found = json.loads(milepost("decisions", "--json", "--history").stdout)
    threshold = next(each for each in found["decisions"] if each["name"] == "threshold")
    assert (threshold["value"], threshold["default"], threshold["differs"]) == (0.9, 0.75, True)
    assert threshold["at"].endswith("Z")
    assert threshold["affects"] == ["score", "report"]
    assert len(threshold["history"]) == 1


@pytest.mark.parametrize("command", [["compare", "a", "b"], ["compare", "--last", "3"], ["decisions"]])
def test_without_a_workspace_nothing_is_made(milepost: Command, folder: Path, command: list[str]) -> None:
    """Exit code 4."""
    assert milepost(*command).returncode == 4
    assert not (folder / ".milepost").exists()
