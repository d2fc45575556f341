"""The lines of a run's logs: how one is written as JSON, shown on a terminal, and read back from many files.

A line is `{"at", "stream", "level", "stage", "item", "logger", "text"}`, empty fields left out. Stream is
"out", "err" or "log". Whatever the text holds, the file has one line for it: control characters,
separators and characters that reverse the direction of writing are there as JSON escapes only.
"""

from __future__ import annotations

import os
import re
import time
from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime
from heapq import merge
from itertools import groupby
from pathlib import Path

import msgspec

from milepost import typed

TEXT_LIMIT = 64 * 1024  # characters of one line's text
_READ_LIMIT = 8 * TEXT_LIMIT  # bytes of one line's JSON: every character may be an escape
_MARK_ROOM = 64  # a text that was cut already is not cut again
POLL_SECONDS = 0.25

# C0 but tab, DEL, C1, line and paragraph separators, and all that changes the direction of writing
_UNSAFE = "\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff"
_UNSAFE_SHOWN = re.compile(f"[{_UNSAFE}]")
_UNSAFE_IN_JSON = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]")
_LEVELS = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "WARN": 30, "ERROR": 40, "CRITICAL": 50, "FATAL": 50}
_PLAIN = _LEVELS["INFO"]  # what was printed, and levels we do not know


class LogLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line that a run printed or logged; `at` in UTC epoch seconds."""

    at: float
    stream: str
    text: str
    level: str | None = None
    stage: str | None = None
    item: str | None = None
    logger: str | None = None


_encode = msgspec.json.Encoder().encode
_decode = typed.json_decoder(LogLine)


def encode(line: LogLine) -> bytes:
    """The line as it is written: JSON with its newline, no other byte that could act on a terminal.

    Example:
        >>> encode(LogLine(at=1.5, stream="out", text="a\\nb\\x9b"))
        b'{"at":1.5,"stream":"out","text":"a\\\\nb\\\\u009b"}\\n'
    """
    try:
        raw = _encode(line)
    except UnicodeEncodeError:  # a lone surrogate, as in a file name that is not UTF-8
        raw = _encode(msgspec.structs.replace(line, **{n: _whole(v) for n, v in _texts(line)}))
    if raw.isascii() and b"\x7f" not in raw:
        return raw + b"\n"
    text = raw.decode("utf-8")
    return _UNSAFE_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode("utf-8") + b"\n"


def _texts(line: LogLine) -> Iterator[tuple[str, str]]:
    for name in ("stream", "text", "level", "stage", "item", "logger"):
        value = getattr(line, name)
        if value is not None:
            yield name, value


def _whole(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def shorten(text: str, dropped: int = 0) -> str:
    """Text cut to TEXT_LIMIT characters, with a mark that says how many are missing (`dropped` of them before)."""
    if not dropped and len(text) <= TEXT_LIMIT + _MARK_ROOM:
        return text
    missing = max(0, len(text) - TEXT_LIMIT) + dropped
    return f"{text[:TEXT_LIMIT]}… ({missing:,} more characters were cut)"


def render(line: LogLine) -> str:
    """The line for a terminal, local time first; further lines of its text are indented, so none can be
    forged.

    Example:
        >>> render(LogLine(at=0, stream="log", level="INFO", stage="clean", text="red \\x1b[31m"))[8:]
        ' clean INFO: red \\\\x1b[31m'
    """
    when = datetime.fromtimestamp(line.at).strftime("%H:%M:%S")
    where = visible(line.stage or "") + (f"[{visible(line.item)}]" if line.item else "")
    level = visible(line.level) if line.level else ("stderr" if line.stream == "err" else "")
    head = " ".join(word for word in (where, level) if word)
    text = "\n    | ".join(visible(part) for part in line.text.split("\n"))
    return f"{when} {head}: {text}" if head else f"{when} {text}"


def visible(text: str) -> str:
    """Text in which every character that could act on a terminal or turn the line about is shown as an
    escape.
    """
    return _UNSAFE_SHOWN.sub(lambda found: ascii(found[0])[1:-1], text)


def read_logs(
    folder: str | os.PathLike[str],
    *,
    stage: str | None = None,
    stream: str | None = None,
    level: str | None = None,
    since: float | None = None,
    tail: int | None = None,
) -> Iterator[LogLine]:
    """The lines of all files of a run in order of time, session by session; what is torn or foreign is
    left out.

    `level` is the lowest to be given (what was printed counts as INFO), `since` is UTC epoch seconds,
    `tail` gives the last lines only. One line per file is held in memory, or `tail` lines.
    """
    wanted = _filter(stage, stream, level, since)
    lines = (line for line in _in_order(_files(Path(folder))) if wanted(line))
    return lines if tail is None else iter(deque(lines, maxlen=tail))


def follow_logs(
    folder: str | os.PathLike[str],
    *,
    is_over: Callable[[], bool],
    stage: str | None = None,
    stream: str | None = None,
    level: str | None = None,
    since: float | None = None,
    tail: int | None = None,
    poll_seconds: float = POLL_SECONDS,
) -> Iterator[LogLine]:
    """As `read_logs`, and then what is added, until `is_over()` says so and all was given.

    Lines that arrive between two looks are in order of time; new files are found. A line is given when
    its newline is there.
    """
    wanted = _filter(stage, stream, level, since)
    offsets: dict[Path, int] = {}
    is_first = True
    while True:
        was_over = is_over()  # asked before reading: what was written before the end is read
        lines = sorted(_added(Path(folder), offsets), key=_at)
        kept = [line for line in lines if wanted(line)]
        yield from kept if tail is None or not is_first else kept[len(kept) - min(tail, len(kept)) :]
        is_first = False
        if was_over:
            return
        time.sleep(poll_seconds)


def _filter(stage: str | None, stream: str | None, level: str | None, since: float | None) -> Callable[[LogLine], bool]:
    lowest = _rank(level) if level is not None else 0

    def wanted(line: LogLine) -> bool:
        return (
            (stage is None or line.stage == stage)
            and (stream is None or line.stream == stream)
            and (since is None or line.at >= since)
            and _rank(line.level) >= lowest
        )

    return wanted


def _rank(level: str | None) -> int:
    if level is None:
        return _PLAIN
    if level.upper().startswith("LEVEL "):  # how logging names a number that has no name
        return int(level[6:]) if level[6:].isdigit() else _PLAIN
    return _LEVELS.get(level.upper(), _PLAIN)


def _files(folder: Path) -> list[Path]:
    """The files, sessions in their order; what is not named `<epoch>-<pid>.jsonl` is not ours."""
    return sorted((path for path in folder.glob("*-*.jsonl") if _epoch(path) >= 0), key=_epoch)


def _epoch(path: Path) -> int:
    number = path.name.partition("-")[0]
    return int(number) if number.isascii() and number.isdigit() else -1


def _in_order(files: list[Path]) -> Iterator[LogLine]:
    for _, together in groupby(files, key=_epoch):
        yield from merge(*(_lines(path) for path in together), key=_at)


def _at(line: LogLine) -> float:
    return line.at


def _lines(path: Path) -> Iterator[LogLine]:
    try:
        with open(path, "rb") as file:
            while raw := file.readline(_READ_LIMIT):
                line = _parse(raw)
                if line is not None:
                    yield line
    except OSError:  # removed meanwhile
        return


def _parse(raw: bytes) -> LogLine | None:
    if not raw.endswith(b"\n"):
        return None
    try:
        return _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _added(folder: Path, offsets: dict[Path, int]) -> Iterator[LogLine]:
    for path in _files(folder):
        try:
            with open(path, "rb") as file:
                file.seek(offsets.get(path, 0))
                while (raw := file.readline(_READ_LIMIT)) and (raw.endswith(b"\n") or len(raw) == _READ_LIMIT):
                    offsets[path] = file.tell()
                    line = _parse(raw)
                    if line is not None:
                        yield line
        except OSError:
            continue
