"""A program that carries a process out stage by stage, killed at any point: nothing it was told is lost, none twice."""

import os
import random
import signal
import subprocess
import sys
import time

from milepost import Workspace
from milepost.model.rows import EventRow, RunRow, SessionRow, StepRow
from milepost.process import ProcessStageHandler

KILLS, REPORTS, ITEMS = 16, 80, 200
PROGRAM = f"""
import os, sys
from milepost import ProcessStageHandler

told = os.open("told", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

def acknowledged(*words):
    os.write(told, (" ".join(map(str, words)) + "\\n").encode())

CONFIG = {{"stages": {{
    "load": {{"decisions": {{"chosen": {{"n": 0}}}}}},
    "work": {{"substages": {{"read": {{"weight": 3}}, "join": {{"dependencies": ["read"]}}}}}},
    "documents": {{"loop": True}},
    "report": {{}},
}}}}

if os.path.exists("process"):
    handler = ProcessStageHandler.open_process(open("process").read())
else:
    handler = ProcessStageHandler(None, CONFIG)
    process_id = handler.initialize_process("killed")
    with open("process.new", "w") as file:
        file.write(process_id)
    os.rename("process.new", "process")

def unfinished(stage):
    if handler.stages[stage]["status"] == "completed":
        return False
    handler.start_stage(stage)
    acknowledged("started", stage)
    return True

if unfinished("load"):
    done = len(handler.stages["load"]["tracking_data"])
    for n in range(max(done - 1, 0), {REPORTS}):  # the last report's decision may be missing
        if n >= done:
            handler.track_progress("load", n / {REPORTS}, f"report {{n}}", {{"n": n}})
            acknowledged("tracked", n)
        handler.record_stage_decision("load", "chosen", {{"n": n}})
        acknowledged("decided", n)
    handler.complete_stage("load", success=True, result_data={{"rows": list(range(1000))}})
    acknowledged("completed", "load")
if unfinished("work"):
    for substage in ("read", "join"):
        if handler.get_substage_status("work", substage)["status"] != "completed":
            handler.start_substage("work", substage)
            handler.complete_substage("work", substage, result_data=substage.upper())
            acknowledged("substage", substage)
    handler.complete_stage("work", success=True)
    acknowledged("completed", "work")
if unfinished("documents"):
    for item in range({ITEMS}):
        if handler.get_substage_status("documents", item)["status"] != "completed":
            handler.start_substage("documents", item)
            handler.complete_substage("documents", item, result_data={{"pages": item}})
            acknowledged("item", item)
    handler.complete_stage("documents", success=True, result_data="all")
    acknowledged("completed", "documents")
if unfinished("report"):
    handler.complete_stage("report", success=True)
handler.close()
"""


class Program:
    """The program in its folder, and what it was told is done."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "program.py").write_text(PROGRAM)

    def start(self):
        return subprocess.Popen(
            [sys.executable, "program.py"], cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def told(self):
        path = self.folder / "told"
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        return [line.split() for line in lines if line.endswith("\n")]

    def process_id(self):
        path = self.folder / "process"
        return path.read_text() if path.exists() else None

    def killed(self, dice):
        """Let it work until some more was told, then kill it at no particular point."""
        process = self.start()
        enough = len(self.told()) + dice.choice([0, 1, 2, 5, 10, 20, 30])
        while process.poll() is None and (self.process_id() is None or len(self.told()) < enough):
            time.sleep(0.0005)
        end = time.monotonic() + dice.uniform(0, 0.005)
        while time.monotonic() < end:
            pass
        process.kill()
        said, _ = process.communicate(timeout=60)
        assert process.returncode in (0, -signal.SIGKILL), said
        return process.returncode != 0

    def finish(self):
        process = self.start()
        said, _ = process.communicate(timeout=120)
        assert 0 == process.returncode, said


def check_nothing_is_lost(program, workspace):
    """A handler opened on the process has all that was acknowledged."""
    with ProcessStageHandler.open_process(program.process_id(), workspace=workspace) as handler:
        load, work, documents = (handler.stages[name] for name in ("load", "work", "documents"))
        for what, which in program.told():
            match what:
                case "started":
                    assert handler.stages[which]["status"] in ("running", "completed")
                case "tracked":
                    assert f"report {which}" == load["tracking_data"][int(which)]["message"]
                    assert load["progress"] >= int(which) / REPORTS
                case "decided":
                    assert load["decisions"]["chosen"]["n"] >= int(which)
                case "substage":
                    assert ("completed", which.upper()) == tuple(
                        work["substages"][which][key] for key in ("status", "result_data")
                    )
                case "item":
                    item = documents["substages"][which]
                    assert ("completed", {"pages": int(which)}) == (item["status"], item["result_data"])
                case "completed":
                    assert "completed" == handler.stages[which]["status"]


def test_killed_at_random_points(tmp_path, monkeypatch):
    """After each kill all that was acknowledged is there; in the end everything is there exactly once."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("MILEPOST_WORKSPACE", raising=False)
    program, dice, kills = Program(tmp_path), random.Random(20), 0
    while kills < KILLS and program.killed(dice):
        kills += 1
        with Workspace.open(tmp_path / ".milepost") as workspace:
            check_nothing_is_lost(program, workspace)
    assert kills >= KILLS / 2, "it ended before it was killed often enough"
    program.finish()

    with Workspace.open(tmp_path / ".milepost") as workspace:
        check_nothing_is_lost(program, workspace)
        store, run = workspace.store, program.process_id()
        reports = store.rows(EventRow, run=run, kind="progress_tracked")
        steps = store.rows(StepRow, run=run, step="documents")
        assert REPORTS == len(reports)
        assert [str(n) for n in range(ITEMS)] == [step.item for step in steps if step.status == "success"]
        assert "completed" == store.get(RunRow, id=run).state
        dead = [session for session in store.rows(SessionRow, run=run) if session.cause == "killed"]
        assert kills / 2 <= len(dead) <= kills  # the others were killed before they had the run
        with ProcessStageHandler.open_process(run, workspace=workspace) as handler:
            load, documents = handler.stages["load"], handler.stages["documents"]
            assert [f"report {n}" for n in range(REPORTS)] == [one["message"] for one in load["tracking_data"]]
            assert ({"n": REPORTS - 1}, {"rows": list(range(1000))}) == (
                load["decisions"]["chosen"],
                load["result_data"],
            )
            assert (ITEMS, 0, "all") == tuple(documents[key] for key in ("items_done", "items_failed", "result_data"))
            assert 1.0 == handler.get_process_summary()["progress"]


def test_killed_between_any_two_calls(tmp_path, monkeypatch):
    """A program that stops after its n-th event, for every n: opened again, there are exactly n."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    program = """
import os, signal, sys
from milepost.process.handler import journal
from milepost import ProcessStageHandler, Workspace

count = 0
commit = journal.Journal.commit
def counted(self, happened, *others, **how):
    global count
    commit(self, happened, *others, **how)
    count += 1
    if count == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)
journal.Journal.commit = counted

handler = ProcessStageHandler(None, {"stages": {"a": {"substages": {"x": {}}}, "b": {"optional": True}}},
                              workspace=Workspace.open(sys.argv[2]))
print(handler.initialize_process("n"), flush=True)
handler.start_stage("a")
handler.start_substage("a", "x")
handler.complete_substage("a", "x")
handler.complete_stage("a", result_data=[1])
handler.skip_stage("b", "no")
"""
    seen = []
    for n in range(1, 6):
        place = tmp_path / str(n) / ".milepost"
        done = subprocess.run(
            [sys.executable, "-c", program, str(n), str(place)], capture_output=True, text=True, env=os.environ
        )
        assert -signal.SIGKILL == done.returncode, done.stderr
        with Workspace.open(place) as workspace:
            with ProcessStageHandler.open_process(done.stdout.strip(), workspace=workspace) as handler:
                a, b = handler.stages["a"], handler.stages["b"]
                seen.append((a["status"], a["substages"]["x"]["status"], b["status"]))
    assert [
        ("running", "pending", "pending"),
        ("running", "running", "pending"),
        ("running", "completed", "pending"),
        ("completed", "completed", "pending"),
        ("completed", "completed", "skipped"),
    ] == seen
