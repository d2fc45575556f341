"""The store is written for real and nothing stays; a disk that fills is told before it is full, and when it is."""

import os
import subprocess
import sys
from contextlib import contextmanager

import apsw
import msgspec
import pytest

from milepost import Workspace
from milepost.health import HealthCheckManager, HealthStatus
from milepost.health.history import History
from milepost.health.storage import PROBE_BYTES, disk_has_room
from milepost.kernel.loglines import LogLine, encode
from milepost.model.rows import ROWS, RunRow, StepRow
from milepost.model.status import ProcessingStatus
from milepost.store.memory import MemoryStore

HEALTHY, WARNING, UNKNOWN, CRITICAL = HealthStatus
AS_ROOT = () if os.getuid() == 0 else ("sudo", "-n")
DISK_BYTES = 8 << 20


def test_the_write_changes_nothing_that_lasts(workspace, manager, record):
    """No row, no object, no file but the history; the counter of durable commits has moved: it was a real one."""
    record("success", 3)

    def rows():
        return {kind: workspace.store.rows(kind) for kind in ROWS}

    def files():
        return sorted(str(path) for path in (workspace.path / "objects").rglob("*"))

    before, moved = (rows(), files()), int(workspace.store.describe()["durable_seq"])
    assert HEALTHY is manager.perform_readiness_check().status
    assert before == (rows(), files())
    assert moved < int(workspace.store.describe()["durable_seq"])


def test_readiness_asks_the_store_alone(manager, record):
    """Failing documents make nobody unready."""
    record("failed", 10)
    report = manager.perform_readiness_check()
    assert (HEALTHY, ["store"]) == (report.status, [check.name for check in report.checks])
    assert CRITICAL is manager.perform_health_check().status


def test_readiness_is_as_it_is_now(workspace, manager):
    """One bad look is enough to be unready, and one good look to be ready again."""
    objects = workspace.path / "objects"
    assert HEALTHY is manager.perform_readiness_check().status
    objects.rename(workspace.path / "away")
    assert CRITICAL is manager.perform_readiness_check().status
    (workspace.path / "away").rename(objects)
    assert HEALTHY is manager.perform_readiness_check().status


def test_a_workspace_that_was_opened_to_read_is_written_all_the_same(workspace, clock):
    """Whether it could be written is the question."""
    workspace.store.sync()
    with Workspace.open(workspace.path, read_only=True) as reading:
        with HealthCheckManager(workspace=reading, clock=clock) as manager:
            assert HEALTHY is manager.perform_readiness_check().status


def test_a_ledger_that_is_locked_is_unknown_and_blocks_nobody(workspace, clock, record):
    """Another program holds the write lock: the store does not answer, all else does."""
    record("success", 3)
    other = apsw.Connection(str(workspace.path / "ledger.db"))
    other.execute("BEGIN IMMEDIATE")
    try:
        with HealthCheckManager(workspace=workspace, clock=clock, timeout=2) as manager:
            status = {check.name: check.status for check in manager.perform_health_check().checks}
            assert (UNKNOWN, HEALTHY) == (status["store"], status["documents"])
            other.execute("ROLLBACK")
            manager._asking._questions["store"]._answered.wait(60)
            assert HEALTHY is manager.perform_readiness_check().status
    finally:
        other.close()


def test_a_ledger_that_is_damaged_is_critical_and_says_what_to_do(tmp_path, clock):
    place = tmp_path / "damaged"
    with Workspace.open(place) as workspace:
        workspace.store.sync()
    (place / "ledger.db").write_bytes(b"no database" * 1000)
    with HealthCheckManager(workspace=place, clock=clock) as manager:
        report = manager.perform_health_check()
    found = {check.name: check for check in report.checks}
    assert CRITICAL is report.status
    assert "the file is not what was written" in found["store"].text
    assert (UNKNOWN, True) == (found["documents"].status, found["documents"].text.startswith("could not look: "))


def test_a_workspace_that_is_a_file_is_critical(tmp_path, clock):
    (tmp_path / "file").write_text("")
    report = HealthCheckManager(workspace=tmp_path / "file", clock=clock).perform_health_check()
    assert CRITICAL is report.status
    assert "is a file, not a workspace" in report.issues[0]


@pytest.fixture
def disk(tmp_path):
    """A small disk of its own."""
    folder = tmp_path / "disk"
    folder.mkdir(mode=0o700)
    options = f"size={DISK_BYTES},mode=0700,uid={os.getuid()}"
    subprocess.run([*AS_ROOT, "mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run([*AS_ROOT, "umount", "-l", str(folder)], check=True)


@contextmanager
def filled(disk, *, left=0):
    """So many bytes are free while entered."""
    filler = disk / "filler"
    try:
        with filler.open("wb", buffering=0) as file:
            for size in (1 << 16, 1 << 12, 1):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError:
                    continue
            os.ftruncate(file.fileno(), os.fstat(file.fileno()).st_size - left)
        yield
    finally:
        filler.unlink()


def command(place, *arguments):
    told = subprocess.run(
        [sys.executable, "-m", "milepost", "health", "--workspace", str(place), *arguments],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert "Traceback" not in told.stderr
    return told


def test_a_full_disk_is_critical_and_healthy_again_when_there_is_room(disk, clock):
    """Seen by who had the workspace open, and by a command that begins now; both come back by themselves."""
    place = disk / ".milepost"
    with HealthCheckManager(workspace=place, clock=clock) as manager:
        for name in ("cpu", "memory"):
            manager.unregister(name)
        assert HEALTHY is manager.perform_health_check().status
        with filled(disk):
            report = manager.perform_health_check()
            found = {check.name: check for check in report.checks}
            assert (CRITICAL, CRITICAL) == (found["store"].status, found["disk"].status)
            assert "0 B free" in found["disk"].text
            assert "space" in found["store"].text
            assert CRITICAL is manager.perform_readiness_check().status
            assert 12 == command(place).returncode
            assert 12 == command(place, "--ready").returncode
            assert 0 == command(place, "--live").returncode
        assert HEALTHY is manager.perform_health_check().status
    assert 0 == command(place, "--ready").returncode


def test_a_full_disk_is_critical_when_nobody_has_the_ledger_open(disk):
    """Then not even its log can be made, and what is recorded cannot be read: that is unknown, and says why."""
    place = disk / ".milepost"
    with Workspace.open(place) as workspace:
        workspace.store.write([RunRow(id="r", name="r", process="p", decisions_hash="d", created=1.0)])
    with filled(disk):
        told = command(place, "--json")
        assert 12 == told.returncode
        found = {check["name"]: check for check in msgspec.json.decode(told.stdout)["checks"]}
        assert ("critical", "critical") == (found["store"]["status"], found["disk"]["status"])
        assert "unknown" == found["documents"]["status"]
        assert "no space is left" in found["documents"]["text"]
    assert 0 == command(place, "--ready").returncode


def test_a_workspace_that_can_only_be_read_is_critical_and_is_read(disk, clock, record):
    """The disk was mounted read-only after an error: what failed is still told."""
    place = disk / ".milepost"
    with Workspace.open(place) as workspace:
        failed = [{"item": str(n), "status": ProcessingStatus.FAILED, "error": "no paper"} for n in range(3)]
        workspace.store.write([StepRow(run="r", step="print", at=clock.now(), **each) for each in failed])
    subprocess.run([*AS_ROOT, "mount", "-o", "remount,ro", str(disk)], check=True)
    with HealthCheckManager(workspace=place, clock=clock) as manager:
        found = {check.name: check for check in manager.perform_health_check().checks}
    assert (CRITICAL, CRITICAL) == (found["store"].status, found["documents"].status)
    assert "its disk is read-only" in found["store"].text
    assert "no paper" in found["documents"].text


def test_a_disk_that_is_nearly_full_is_a_warning(disk, clock):
    place = disk / ".milepost"
    Workspace.open(place).close()
    with filled(disk, left=DISK_BYTES // 20), HealthCheckManager(workspace=place, clock=clock) as manager:
        disk_check = manager.perform_health_check().checks[1]
        assert ("disk", WARNING) == (disk_check.name, disk_check.status)
        assert "milepost gc" in disk_check.text


def test_a_disk_that_fills_steadily_is_told_before_it_is_full(disk, clock):
    """A tenth of it in ten minutes: it lasts for less than six hours. When it fills no more, that is over."""
    place = disk / ".milepost"
    with HealthCheckManager(workspace=place, clock=clock) as manager:
        look = lambda: {check.name: check for check in manager.perform_health_check().checks}["disk"]  # noqa: E731
        assert HEALTHY is look().status
        filler = disk / "filler"
        for minute in range(1, 11):
            clock.advance(60)
            filler.write_bytes(bytes(DISK_BYTES // 200 * minute))
            found = look()
        assert WARNING is found.status
        assert "at the rate of the last hour" in found.text
        assert 0 < found.metrics["disk_full_in_seconds"] < 6 * 3600
        for _ in range(70):
            clock.advance(60)
            found = look()
        assert (HEALTHY, True) == (found.status, found.metrics["disk_full_in_seconds"] > 12 * 3600)


def test_without_a_folder_there_is_no_disk(clock):
    manager = HealthCheckManager(store=MemoryStore(), clock=clock)
    found = disk_has_room(manager._ground, History())
    assert (HEALTHY, "no workspace on a disk") == (found.status, found.text)


def test_the_file_that_is_written_is_of_a_size_that_counts():
    """More than what a file system keeps beside a name."""
    assert PROBE_BYTES >= 1 << 14


@pytest.fixture
def logs(workspace, clock):
    """Writes lines to the log of a run, as its session would."""
    run = RunRow(id="r", name="r", process="p", decisions_hash="d", created=clock.now())
    workspace.store.write([run])

    def write(*lines):
        folder = workspace.log_folder("r")
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "1-2.jsonl").open("ab") as file:
            file.writelines(encode(line) for line in lines)

    return write


def gap(number, at, **more):
    text = f"{number:,} lines could not be written before this one"
    return LogLine(**{"at": at, "stream": "log", "level": "WARNING", "logger": "milepost", "text": text, **more})


def test_dropped_log_lines_are_counted_for_an_hour(logs, found, clock):
    logs(LogLine(at=clock.now(), stream="out", text="fine"))
    assert HEALTHY is found("log lines").status
    logs(gap(1200, clock.now()), gap(3, clock.now()), gap(50, clock.now() - 4000))
    lost = found("log lines")
    assert (WARNING, 1203, "1,203 lines lost in the last hour") == (
        lost.status,
        lost.metrics["log_lines_dropped"],
        lost.text,
    )
    clock.advance(3700)
    assert HEALTHY is found("log lines").status


def test_who_prints_such_a_sentence_loses_no_line(logs, found, clock):
    """Only the log's own lines count; torn and foreign ones are passed over."""
    logs(
        gap(7, clock.now(), logger=None, stream="out"),
        gap(7, clock.now(), text="x lines could not be written before this one"),
    )
    assert HEALTHY is found("log lines").status


def test_lines_that_a_full_disk_cost_are_counted(disk, clock):
    """By the log itself, once there is room again."""
    from milepost.kernel.logs import RunLog

    place = disk / ".milepost"
    with Workspace.open(place) as workspace:
        workspace.store.write([RunRow(id="r", name="r", process="p", decisions_hash="d", created=clock.now())])
        log = RunLog(workspace.log_folder("r"), clock=clock)
        log.write_line("out", "before")
        with filled(disk), pytest.warns(RuntimeWarning, match="its log cannot be written"):
            for _ in range(100):
                log.write_line("out", "x" * 5000)
        log.write_line("out", "after")
        with HealthCheckManager(workspace=workspace, clock=clock) as manager:
            found = {check.name: check for check in manager.perform_health_check().checks}["log lines"]
        assert (WARNING, log.dropped) == (found.status, found.metrics["log_lines_dropped"])


def test_checkpoints_are_said_to_be_none(found):
    assert "no checkpoints" == found("checkpoints").text
