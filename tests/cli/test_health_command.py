"""`milepost health` as a command: exit codes, JSON, and the three questions kept apart."""

from __future__ import annotations

import json
import time
from pathlib import Path

import msgspec
import pytest

from milepost import Workspace
from milepost.model.rows import StepRow
from milepost.model.status import ProcessingStatus


@pytest.fixture
def ledger(folder: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch):
    """Records so many attempts of documents that ended like this just now."""
    monkeypatch.setenv("HOME", str(folder))

    def record(status: str, number: int) -> None:
        rows = [
            StepRow(run="", step="extract", item=f"{status}-{n}", status=ProcessingStatus(status), at=time.time())
            for n in range(number)
        ]
        with Workspace.open(folder / ".milepost") as workspace:
            workspace.store.write(rows)

    return record


def test_a_healthy_workspace(milepost, ledger):
    """0, or 11 where the machine is so busy that half its work waits; JSON says the same."""
    ledger("success", 5)
    told = milepost("health", "--json")
    document = msgspec.json.decode(told.stdout)
    others = {check["name"]: check["status"] for check in document["checks"]}
    busy = others.pop("cpu") != "healthy"
    assert set(others.values()) == {"healthy"}, document["issues"]
    assert (told.returncode, document["status"]) == ((11, "warning") if busy else (0, "healthy"))
    assert document["total_docs"] == 5
    assert document["at"].endswith("Z")


def test_warnings_and_failures_have_codes_of_their_own(milepost, ledger):
    ledger("warning", 30)
    assert milepost("health").returncode == 11
    ledger("failed", 30)
    told = milepost("health")
    assert told.returncode == 12
    assert "30 of 60 attempts failed" in told.stdout
    assert told.stderr == ""


def test_failing_documents_make_nobody_unready_or_dead(milepost, ledger):
    """Kubernetes would restart what works, and take it out of service."""
    ledger("failed", 30)
    ready = milepost("health", "--ready")
    assert (ready.returncode, len(ready.stdout.splitlines())) == (0, 3)
    assert (milepost("health", "--live").returncode, milepost("health", "--live").stdout) == (0, "live\n")


def test_live_looks_at_nothing(milepost, folder):
    """No workspace is needed and none is made; health and readiness need one."""
    assert milepost("health", "--live").returncode == 0
    assert json.loads(milepost("health", "--live", "--json").stdout) == {"status": "healthy"}
    assert not (folder / ".milepost").exists()
    for question in ((), ("--ready",)):
        told = milepost("health", *question)
        assert told.returncode == 4
        assert "no workspace at" in told.stderr
    assert not (folder / ".milepost").exists()


def test_two_questions_at_once_are_wrong_usage(milepost, ledger):
    ledger("success", 1)
    assert milepost("health", "--live", "--ready").returncode == 2
    assert milepost("health", "--timeout", "0").returncode == 2


def test_a_locked_ledger_is_unknown_and_the_command_ends(milepost, ledger, folder):
    """Another program holds its write lock; the command neither waits for it nor hangs at its own end."""
    import apsw

    ledger("success", 1)
    other = apsw.Connection(str(folder / ".milepost" / "ledger.db"))
    other.execute("BEGIN IMMEDIATE")
    try:
        began = time.monotonic()
        told = milepost("health", "--ready", "--timeout", "0.5")
        assert time.monotonic() - began < 20  # the store itself would wait for half a minute
        assert told.returncode == 13
        assert "no answer for 0.5 s" in told.stdout
    finally:
        other.execute("ROLLBACK")
        other.close()


def test_the_codes_are_in_the_help(milepost):
    """Of the command, and of all."""
    told = milepost("health", "--help").stdout
    assert all(f"  {code} " in told for code in (0, 11, 12, 13, 4))
    assert "11, 12, 13" in milepost("--help").stdout
