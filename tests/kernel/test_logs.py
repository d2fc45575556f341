"""What a run prints and logs: every line whole, none forged, no run stopped by it."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import logging
import os
import shutil
import stat
import subprocess
import sys
import threading

import msgspec
import pytest

from milepost.kernel import logfile
from milepost.kernel.context import Context, current
from milepost.kernel.logs import LogLine, RunLog, follow_logs, read_logs, render
from milepost.testing.clock import FakeClock


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "run-1"


def texts(folder, **wanted):
    return [line.text for line in read_logs(folder, **wanted)]


def context(stage="clean", item=None, run="run-1"):
    return Context(run_id=run, run_name=run, stage=stage, item=item, tell=lambda *_: None, is_cancelled=lambda: False)


def test_printed_and_logged(folder, capsys):
    """What is printed still appears, and is recorded with its stream, level, logger, stage and item."""
    with RunLog(folder, 3):
        token = current.set(context(item="r7"))
        print("one", "two")
        print("to err", file=sys.stderr)
        logging.getLogger("sales").warning("late by %d", 3)
        current.reset(token)
        sys.stdout.write("no newline")
    out, err = capsys.readouterr()
    assert ("one two\nno newline", "to err\n") == (out, err)
    lines = list(read_logs(folder))
    assert ["one two", "to err", "late by 3", "no newline"] == [line.text for line in lines]
    assert ("log", "WARNING", "sales", "clean", "r7") == (
        lines[2].stream,
        lines[2].level,
        lines[2].logger,
        lines[2].stage,
        lines[2].item,
    )
    assert [f"3-{os.getpid()}.jsonl"] == os.listdir(folder)
    assert 0o600 == stat.S_IMODE(next(folder.iterdir()).stat().st_mode)


def test_streams_come_back(folder):
    """On leaving, streams, handlers and levels are as before; a stream kept from inside only passes on."""
    before = (sys.stdout, sys.stderr, logging.root.handlers[:], logging.root.level, logging.basicConfig)
    with RunLog(folder) as log:
        kept = sys.stdout
        assert kept.isatty() == before[0].isatty()
        assert kept.encoding == before[0].encoding
        assert kept.fileno() == before[0].fileno()
    assert before == (sys.stdout, sys.stderr, logging.root.handlers[:], logging.root.level, logging.basicConfig)
    print("afterwards", file=kept)
    assert [] == texts(folder)
    assert 0 == log.dropped


def test_redirected_inside(folder):
    """Someone else's redirection is left in place, and what goes there is theirs."""
    mine = io.StringIO()
    with RunLog(folder), contextlib.redirect_stdout(mine):
        print("for a buffer")
    assert ("for a buffer\n", []) == (mine.getvalue(), texts(folder))


@pytest.mark.parametrize(
    ("written", "recorded"),
    [
        (["a\nb\n\nc"], ["a", "b", "", "c"]),
        (["x", "y", "\n"], ["xy"]),
        (["\r 1%", "\r 2%", "\rdone\n"], ["done"]),
        (["10%\r", "20%\r", "all\n"], ["all"]),
        (["dos\r\n", "mac"], ["dos", "mac"]),
        (["half\r", "\n"], ["half"]),
        (["-----BEGIN RSA PRIVATE KEY-----\nMIIE\n", "abc\n-----END RSA PRIVATE KEY-----\nfine\n"], ["***", "fine"]),
        (
            ["-----BEGIN EC PRIVATE KEY-----", "\n", "MIIE", "\n", "-----END EC PRIVATE KEY-----", "\n", "fine\n"],
            ["***", "fine"],
        ),
    ],
)
def test_pieces_become_lines(folder, written, recorded):
    """Pieces become lines at newlines; a bar that redraws itself leaves its last state; a private key leaves a mask."""
    with RunLog(folder):
        for piece in written:
            sys.stdout.write(piece)
    assert recorded == texts(folder)


def test_threads_do_not_mix(folder):
    """Lines that many threads print at once are each whole."""
    with RunLog(folder):
        threads = [threading.Thread(target=lambda n=n: [print("x" * 50, n) for _ in range(200)]) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(f"{'x' * 50} {n}" for n in range(4) for _ in range(200)) == sorted(texts(folder))


def test_secrets_are_masked(folder):
    """Secrets in what is printed, logged, raised and named are in no file."""
    with RunLog(folder) as log:
        print("login with password=canary-1 at https://ada:canary-2@host/")
        try:
            raise ValueError("token: canary-3")
        except ValueError:
            logging.exception("Authorization: Bearer canary-4")
        log.write_line("out", "fine", item="api_key=canary-5")
    assert b"canary" not in b"".join(path.read_bytes() for path in folder.iterdir())
    assert any("Traceback" in text for text in texts(folder))


FORGERIES = [
    "a\nb",
    "\x1b[2J\x1b]0;title\x07",
    "\x9b31m",
    "a\u2028b\u2029c\x85d",
    "\u202egnp.exe",
    "\x7f\x00\x08",
    "\r\n{}",
    "\udcff",
    "\ufeff",
]


@pytest.mark.parametrize("text", FORGERIES)
def test_no_forged_lines(folder, text):
    """No text makes two lines of one, in the file or on a terminal, nor reaches the terminal as a control."""
    with RunLog(folder) as log:
        log.write_line("out", text, level=text, stage=text, item=text, logger=text)
    raw = next(folder.iterdir()).read_bytes()
    assert 1 == len(raw.decode("utf-8").splitlines())
    assert raw[:-1].decode("utf-8").isprintable()
    line = next(read_logs(folder))
    assert line.text == text or text == "\udcff"
    shown = render(line)
    assert all(part.startswith("    | ") for part in shown.split("\n")[1:])
    assert all(part.isprintable() for part in shown.split("\n"))
    json.loads(raw)


def test_long_lines_are_cut(folder):
    """A line of megabytes, in one piece or many, is cut at 64 KiB with a mark that says what is missing."""
    with RunLog(folder):
        print("x" * 3_000_000)
        for _ in range(300):
            sys.stdout.write("y" * 1000)
        print()
    for text, size in zip(texts(folder), (3_000_000, 300_000), strict=True):
        assert text[65536:] == f"… ({size - 65536:,} more characters were cut)"


def test_levels(folder, capsys):
    """INFO is recorded under Python's default level; who handles records sees what it saw before."""
    stream = io.StringIO()
    theirs = logging.StreamHandler(stream)
    logging.root.addHandler(theirs)
    former = logging.root.level
    logging.root.setLevel(logging.WARNING)
    quiet = logging.getLogger("quiet")
    quiet.setLevel(logging.ERROR)
    chatty = logging.getLogger("chatty")
    chatty.setLevel(logging.DEBUG)
    try:
        with RunLog(folder):
            logging.info("recorded only")
            logging.debug("nowhere")
            logging.warning("both")
            quiet.warning("nowhere")
            chatty.debug("both")
        logging.info("after")
    finally:
        logging.root.removeHandler(theirs)
        logging.root.setLevel(former)
        quiet.setLevel(logging.NOTSET)
        chatty.setLevel(logging.NOTSET)
    assert ["recorded only", "both", "both"] == texts(folder)
    assert "both\nboth\n" == stream.getvalue()


UNCONFIGURED = """
import logging, sys
from milepost.kernel.logs import RunLog
with RunLog(sys.argv[1]):
    logging.info("info"); logging.getLogger("a").warning("warned")
    if len(sys.argv) > 2:
        from logging import basicConfig
        logging.basicConfig(format="%(message)s!", stream=sys.stdout)
        logging.info("hidden"); logging.warning("shown")
logging.warning("last")
"""


def test_unconfigured_logging(folder):
    """A program without logging set up still sees its warnings on standard error, each recorded once."""
    done = subprocess.run([sys.executable, "-c", UNCONFIGURED, folder], capture_output=True, text=True, check=True)
    assert ("", "warned\nWARNING:root:last\n") == (done.stdout, done.stderr)
    assert ["info", "warned"] == texts(folder)


def test_basic_config_inside(folder):
    """`logging.basicConfig` inside a stage works as if nothing were recorded."""
    done = subprocess.run([sys.executable, "-c", UNCONFIGURED, folder, "x"], capture_output=True, text=True, check=True)
    assert ("shown!\nlast!\n", "warned\n") == (done.stdout, done.stderr)
    assert ["info", "warned", "hidden", "shown"] == texts(folder, stream="log")


def test_unformattable_record(folder):
    """A record whose arguments do not fit is reported as logging reports it, and the run goes on."""
    code = UNCONFIGURED.replace('"warned")', '"%d", "three"); print("goes on")')
    done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=True)
    assert "goes on\n" == done.stdout
    assert "--- Logging error ---" in done.stderr
    assert "goes on" in texts(folder)


def test_two_runs_in_one_process(tmp_path):
    """What belongs to one run is not in another's log; what belongs to none is in both."""
    with RunLog(tmp_path / "a"), RunLog(tmp_path / "b"):
        for run in ("a", "b"):
            token = current.set(context(run=run))
            print("of", run)
            current.reset(token)
        print("of none")
    assert ["of a", "of none"] == texts(tmp_path / "a")
    assert ["of b", "of none"] == texts(tmp_path / "b")


WRITER = """
import sys
from milepost.kernel.logs import RunLog
with RunLog(sys.argv[1], 1) as log:
    print("ready", flush=True)
    number = 0
    while True:
        log.write_line("log", f"line {number} " + "äx" * (number % 700), level="INFO", stage="s")
        number += 1
"""


def test_kill_leaves_whole_lines(folder):
    """After kill -9 of 4 writing processes every line but possibly the last of each file is valid and in order."""
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, folder], stdout=subprocess.PIPE) for _ in range(4)]
    for writer in writers:
        writer.stdout.readline()
    threading.Event().wait(0.4)
    for writer in writers:
        writer.kill()
    for writer in writers:
        writer.wait()
        writer.stdout.close()
    files = list(folder.iterdir())
    assert 4 == len(files)
    total = 0
    for file in files:
        *lines, _ = file.read_bytes().split(b"\n")
        numbers = [int(json.loads(line)["text"].split()[1]) for line in lines if b'"log"' in line]
        assert list(range(len(numbers))) == numbers
        total += len(lines)
    merged = list(read_logs(folder))
    assert total == len(merged) > 100
    assert merged == sorted(merged, key=lambda line: line.at)


FULL = """
import resource, sys, warnings
from milepost.kernel.logs import RunLog
limit = 10_000
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
with warnings.catch_warnings(record=True) as seen, RunLog(sys.argv[1], 1) as log:
    warnings.simplefilter("always")
    for number in range(300): log.write_line("out", f"line {number} " + "x" * 80)
    lost = log.dropped
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    log.write_line("out", "there is room again")
print(lost, log.dropped, len(seen))
"""


def test_full_disk(folder):
    """A full disk stops nothing: lines are dropped and counted, one warning, whole lines only, and the log goes on."""
    done = subprocess.run([sys.executable, "-c", FULL, folder], capture_output=True, text=True, check=True)
    lost, dropped, warned = map(int, done.stdout.split())
    assert 100 < lost == dropped < 300
    assert 1 == warned
    lines = [json.loads(line) for line in next(folder.iterdir()).read_text().splitlines()]
    assert 300 - lost + 2 == len(lines)
    assert f"{lost:,} lines could not be written before this one" == lines[-2]["text"]
    assert "there is room again" == lines[-1]["text"]


def test_removed_log(folder):
    """A log folder that is removed is made again, and what was lost is counted."""
    clock = FakeClock()
    with RunLog(folder, clock=clock) as log:
        log.write_line("out", "first")
        shutil.rmtree(folder)
        log.write_line("out", "lost")
        clock.advance(1)
        log.write_line("out", "second")
        assert 1 <= log.dropped <= 2
    assert "second" == texts(folder)[-1]


@pytest.mark.parametrize("problem", ["file", "read-only", "descriptors"])
def test_log_that_cannot_be_made(folder, monkeypatch, problem):
    """A file in the way, a folder without permission or no descriptors left: one warning, nothing raised."""
    if problem == "file":
        folder.write_text("in the way")
    code = {"read-only": errno.EROFS, "descriptors": errno.EMFILE}.get(problem)
    if code:

        def refuse(*_):
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(logfile.os, "open", refuse)
    with pytest.warns(RuntimeWarning, match="the run goes on") as warned, RunLog(folder) as log:
        print("one")
        print("two")
        log.write_line("out", "three")
    monkeypatch.undo()
    assert 1 == len(warned)
    assert log.dropped >= 3


def test_forked_children_have_their_own_file(folder):
    """A forked child writes to a file of its own, even if a thread was writing when it was forked."""
    with RunLog(folder, 2) as log:
        sys.stdout.write("of the parent, ")
        is_over = threading.Event()

        def write():
            while not is_over.is_set():
                log.write_line("out", "x")

        thread = threading.Thread(target=write)
        thread.start()
        try:
            for _ in range(10):
                child = os.fork()
                if child == 0:
                    os.close(1)
                    log.write_line("out", "of the child")
                    os._exit(0)
                assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        finally:
            is_over.set()
            thread.join()
        print("whole")
    assert 11 == len(list(folder.iterdir()))
    assert 10 == texts(folder).count("of the child")
    assert 1 == texts(folder).count("of the parent, whole")


def test_reading(folder):
    """Sessions come in their order, files of one by time; torn lines and foreign files are left out; filters apply."""
    folder.mkdir()

    def line(at, text, **more):
        return msgspec.json.encode(LogLine(at=at, stream=more.pop("stream", "out"), text=text, **more)) + b"\n"

    (folder / "2-10.jsonl").write_bytes(line(50, "later session, earlier clock"))
    (folder / "1-11.jsonl").write_bytes(line(1, "a") + line(4, "d", level="DEBUG") + b'{"at":5,"str')
    (folder / "1-12.jsonl").write_bytes(
        line(2, "b", stage="s") + b"rubbish\n\n\xff\n{}\n" + line(300, "c", level="ERROR")
    )
    (folder / "notes.jsonl").write_bytes(line(0, "foreign"))
    (folder / "x-1.jsonl").write_bytes(line(0, "foreign"))
    assert ["a", "b", "d", "c", "later session, earlier clock"] == texts(folder)
    assert ["b"] == texts(folder, stage="s")
    assert ["c"] == texts(folder, level="warning")
    assert ["c", "later session, earlier clock"] == texts(folder, since=5, tail=2)
    assert [] == texts(folder, stream="err")
    assert [] == texts(folder, tail=0)
    assert [] == texts(folder / "nowhere")


def test_following(folder):
    """Following gives what is there, then what is added, new files too, no half line, and ends when the run is over."""
    folder.mkdir()
    steps = iter(range(100))
    whole = msgspec.json.encode(LogLine(at=9.0, stream="out", text="in two pieces")) + b"\n"

    def is_over():
        step = next(steps)
        if step == 0:
            with RunLog(folder, 1) as log:
                log.write_line("out", "old")
                log.write_line("out", "first")
        elif step == 1:
            (folder / "2-1.jsonl").write_bytes(whole[:20])
        elif step == 2:
            with open(folder / "2-1.jsonl", "ab") as file:
                file.write(whole[20:])
        return step == 3

    found = [line.text for line in follow_logs(folder, is_over=is_over, tail=1, poll_seconds=0.001)]
    assert ["first", "in two pieces"] == found
