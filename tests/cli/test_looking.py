"""What the commands that only look promise."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from milepost.kernel.workspace import Workspace
from milepost.model.rows import RunRow

Command = Callable[..., subprocess.CompletedProcess[str]]


def test_ls_shows_a_dead_run_as_interrupted_though_nobody_wrote_that_down(milepost: Command, recorded: str) -> None:
    """With its cause, newest first; `stages` counts reused ones as done."""
    done = milepost("ls")
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert lines[0].split() == ["name", "process", "state", "stages", "items", "when", "took"]
    assert lines[1].split()[:2] == ["brisk-otter", "sales"]
    assert "interrupted (" in lines[1]
    assert "1/2" in lines[1]
    assert lines[2].startswith("old-elk")


def test_why_knows_that_a_run_is_dead(milepost: Command, recorded: str) -> None:
    """What it left running reads interrupted, as everywhere."""
    assert ["score  interrupted: threshold 0.75 → 0.8"] == [
        line for line in milepost("why", recorded).stdout.splitlines() if line.startswith("score")
    ]


@pytest.mark.parametrize("columns", ["40", "60", "80"])
def test_ls_fits_a_narrow_window(milepost: Command, recorded: str, columns: str) -> None:
    """Columns are dropped, nothing wraps."""
    assert all(len(line) <= int(columns) for line in milepost("ls", COLUMNS=columns).stdout.splitlines())


def test_show_escapes_what_would_act_on_the_terminal(milepost: Command, recorded: str) -> None:
    """An item's name and error with escapes are shown, not obeyed."""
    done = milepost("show", recorded, "--items", "--status", "failed")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert "evil\\n\\x1b[2J" in done.stdout


def test_show_counts_what_the_ledger_holds(milepost: Command, recorded: str) -> None:
    """The row said 2 when the session died; 3 are recorded."""
    done = milepost("show")
    assert "3/5" in done.stdout
    assert "score.threshold" in done.stdout
    assert "chosen by ann" in done.stdout


@pytest.mark.parametrize(
    "arguments", [["ls"], ["show"], ["show", "--items"], ["why"], ["gc"], ["doctor"], ["verify"], ["cancel"]]
)
def test_json_is_one_document(milepost: Command, recorded: str, arguments: list[str]) -> None:
    """On standard output, and nothing else there."""
    json.loads(milepost(*arguments, "--json").stdout)


def test_json_times_are_iso_utc(milepost: Command, recorded: str) -> None:
    """They end in Z."""
    assert all(run["created_at"].endswith("Z") for run in json.loads(milepost("ls", "--json").stdout))


def test_an_unknown_run_is_5_and_suggests_the_nearest(milepost: Command, recorded: str) -> None:
    """In one paragraph, without a traceback."""
    done = milepost("show", "brisk-oter")
    assert done.returncode == 5
    assert "Did you mean 'brisk-otter'?" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("error: ")


def test_an_error_with_json_is_a_document_too(milepost: Command, recorded: str) -> None:
    """Kind, message and exit code; the paragraph is on standard error."""
    done = milepost("show", "nobody", "--json")
    assert json.loads(done.stdout)["error"]["exit_code"] == done.returncode == 5


def test_debug_shows_the_traceback(milepost: Command, recorded: str) -> None:
    """Only then."""
    assert "Traceback" in milepost("show", "nobody", "--debug").stderr


def test_an_unknown_command_suggests_the_nearest(milepost: Command) -> None:
    """Exit code 2."""
    done = milepost("resum")
    assert done.returncode == 2
    assert "Did you mean 'resume'?" in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        ["ls"], ["cancel"], ["resume"], ["retry"], ["accept", "clean"], ["why"], ["show"], ["logs"],
        ["gc", "--delete"], ["verify"], ["doctor"],
    ],
)  # fmt: skip
def test_no_workspace_is_4_and_nothing_is_made(milepost: Command, folder: Path, command: list[str]) -> None:
    """A command on runs that exist makes no folder and says where a workspace was expected."""
    done = milepost(*command)
    assert done.returncode == 4
    assert "no workspace at" in done.stdout + done.stderr
    assert not (folder / ".milepost").exists()


def test_a_folder_that_is_no_workspace_is_left_as_it_is(milepost: Command, folder: Path) -> None:
    """Naming it by mistake puts nothing in it."""
    before = sorted(folder.iterdir())
    assert milepost("cancel", "--workspace", str(folder)).returncode == 4
    assert sorted(folder.iterdir()) == before


def test_a_plan_needs_no_workspace_and_makes_none(milepost: Command, folder: Path) -> None:
    """Where nothing was done yet, everything is to run."""
    done = milepost("plan", "sales.py")
    assert done.returncode == 0, done.stderr
    assert "never run before" in done.stdout
    assert not (folder / ".milepost").exists()
    assert not (folder / ".config").exists()


@pytest.mark.parametrize("command", [["ls"], ["run", "sales.py"]])
def test_a_workspace_whose_name_is_too_long_is_4(milepost: Command, command: list[str]) -> None:
    """The system's refusal is told as one of the workspace."""
    done = milepost(*command, "--workspace", "x" * 300)
    assert done.returncode == 4
    assert "cannot be a workspace" in done.stderr


def test_doctor_is_4_when_the_ledger_is_damaged(milepost: Command, folder: Path, recorded: str) -> None:
    """Also when it can still be opened."""
    assert milepost("doctor").returncode == 0
    ledger = folder / ".milepost" / "ledger.db"
    content = bytearray(ledger.read_bytes())
    for page in range(len(content) // 2 // 4096, len(content) // 4096):
        content[page * 4096 : page * 4096 + 64] = b"\xa5" * 64
    ledger.write_bytes(content)
    done = milepost("doctor")
    assert done.returncode == 4
    assert "bad" in done.stdout


def test_the_page_of_a_run_fits_a_narrow_window(milepost: Command, recorded: str) -> None:
    """Its first lines wrap; only a path may be longer."""
    lines = milepost("show", COLUMNS="40").stdout.splitlines()
    assert all(len(line) <= 40 for line in lines if "/" not in line)


def test_a_broken_pipe_is_quiet(folder: Path, recorded: str, environment: dict[str, str]) -> None:
    """`milepost show | head -1` prints no traceback and no complaint."""
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m milepost ls --json | true"],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stderr == ""


def test_gc_removes_nothing_unless_told(milepost: Command, folder: Path, recorded: str) -> None:
    """A dry run says what would go and how; --delete does it; what a run reaches stays."""
    dry = milepost("gc", "--grace", "0")
    assert "would remove 1 object" in dry.stdout
    assert "to do it: milepost gc --delete --grace 0" in dry.stdout.splitlines()
    forget = milepost("gc", "--grace", "0.5", "--older-than", "0").stdout
    assert forget.splitlines()[-1] == "to do it: milepost gc --delete --older-than 0 --grace 0.5"
    assert "removed 1 object" in milepost("gc", "--grace", "0", "--delete").stdout
    assert "nothing to collect" in milepost("gc", "--grace", "0").stdout
    assert milepost("verify").returncode == 0


def test_gc_forgets_old_runs_and_what_only_they_reach(milepost: Command, folder: Path, recorded: str) -> None:
    """The dry run foretells what the deletion does; a result that another run uses stays."""
    dry = json.loads(milepost("gc", "--older-than", "0", "--grace", "0", "--json").stdout)
    done = json.loads(milepost("gc", "--older-than", "0", "--grace", "0", "--delete", "--json").stdout)
    assert dry["runs"] == done["runs"] == ["old-elk"]
    assert dry["objects"] == done["objects"] == 1
    with Workspace.open(folder / ".milepost", read_only=True) as workspace:
        assert [run.name for run in workspace.store.rows(RunRow)] == ["brisk-otter"]


def test_verify_finds_a_flipped_bit(milepost: Command, folder: Path, recorded: str) -> None:
    """And exits with 4."""
    for path in (folder / ".milepost" / "objects").glob("*/*"):
        damaged = bytearray(path.read_bytes())
        damaged[-1] ^= 1
        path.chmod(0o600)
        path.write_bytes(damaged)
    done = milepost("verify")
    assert done.returncode == 4
    assert "damaged" in done.stdout


def test_cancelling_a_run_that_is_not_running_says_so(milepost: Command, recorded: str) -> None:
    """It is interrupted already."""
    assert "is not running: it is interrupted" in milepost("cancel", recorded).stdout


def test_help_names_every_command_and_exit_code(milepost: Command) -> None:
    """Each command's own help works, too."""
    from milepost.cli.main import COMMANDS

    said = milepost("--help").stdout
    for code in ("0", "1", "2", "3", "4", "5", "130", "143"):
        assert f" {code} " in said
    for command in COMMANDS:
        assert f"  {command} " in said


def test_the_version_is_the_packages(milepost: Command) -> None:
    """`milepost --version` needs no workspace and no installed metadata."""
    from milepost import __version__

    assert milepost("--version").stdout == f"milepost {__version__}\n"


def test_help_loads_no_command() -> None:
    """Nor rich, nor the store."""
    code = (
        "import sys; from milepost.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted(m for m in sys.modules if m.split('.')[0] in ('rich', 'apsw', 'psutil', 'asyncio')"
        " or m.startswith(('milepost.process', 'milepost.store', 'milepost.views', 'milepost.cli.'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "['milepost.cli.main', 'milepost.cli.options', 'milepost.cli.trouble']"


def test_logs_are_read_back_filtered_and_harmless(milepost: Command, folder: Path, recorded: str) -> None:
    """By stage and count; what would act on the terminal is escaped."""
    with Workspace.open(folder / ".milepost", read_only=True) as workspace:
        logs = workspace.log_folder("b" * 16)
    logs.mkdir(parents=True)
    lines = [
        {"at": 1_700_000_000.0 + n, "stream": "out", "stage": stage, "text": text}
        for n, (stage, text) in enumerate([("clean", "one"), ("score", "two \x1b[2J"), ("score", "three")])
    ]
    (logs / "1-1.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert [line.split(" ", 1)[1] for line in milepost("logs").stdout.splitlines()] == [
        "clean: one", "score: two \\x1b[2J", "score: three",
    ]  # fmt: skip
    assert milepost("logs", "--stage", "score", "--tail", "1").stdout.endswith(" score: three\n")
    assert [line["text"] for line in json.loads(milepost("logs", "--json").stdout)][0] == "one"
    assert milepost("logs", "-f").stdout.count("\n") == 3
