"""The records that the ledger holds, one frozen struct per table.

Times (`at`, `created`, `started`, `ended`, `beat`) are UTC epoch seconds as floats; `seconds` are durations
from the monotonic clock; sizes are `_bytes`. Views turn times into UTC datetimes named `_at`.
A row's `seq` is given by the store when it is 0.
"""

from __future__ import annotations

import msgspec

from milepost.model.status import ProcessingStatus, RunState, StageState


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """The root of all rows."""


class RunRow(Row, frozen=True, kw_only=True):
    """One carrying-out of a process. Identity: `id`; `name` is unique too. Writing it again replaces it."""

    id: str
    name: str
    process: str
    decisions_hash: str
    target: str | None = None  # how to load the process again: "/path/file.py:name" or "package.module:name"
    cwd: str | None = None
    state: RunState = RunState.RUNNING
    cause: str | None = None  # why it is failed, cancelled or interrupted, in words
    epoch: int = 1  # +1 at each take-over; fences writes
    created: float
    ended: float | None = None
    scenario: str | None = None  # the named set of decisions it was asked for
    project: str | None = None  # under which its scenarios are kept; None: under the name of its process


class SessionRow(Row, frozen=True, kw_only=True):
    """One OS process taking part in a run. Identity: (`run`, `epoch`). Writing it again replaces it."""

    run: str
    epoch: int
    host: str
    boot_id: str
    pid: int
    pid_started: float
    started: float
    beat: float
    ended: float | None = None
    end: RunState | None = None  # the end marker; None while alive or when it died without a word
    cause: str | None = None
    python: str = ""
    version: str = ""
    oom_kills: int | None = None  # the control group's count when the session began


class DecisionRow(Row, frozen=True, kw_only=True):
    """A recorded choice. Appended; the current one of (`run`, `stage`, `name`) is the last."""

    seq: int = 0
    run: str
    stage: str
    name: str
    value: str  # JSON, secrets redacted
    source: str = "chosen"  # or "default"
    who: str = ""
    host: str = ""
    at: float
    note: str | None = None  # why, in the words of who chose
    address: str | None = None  # the object that holds it when JSON cannot; `value` is a preview then
    is_redacted: bool = False  # `value` is masked, or a preview of what no object could hold
    default: str | None = None  # the decision point's default as JSON, redacted; None where it has none


class StageRow(Row, frozen=True, kw_only=True):
    """One stage of one run as one session saw it. Identity: (`run`, `stage`, `epoch`); replaced when written again."""

    seq: int = 0
    run: str
    stage: str
    epoch: int
    process: str
    state: StageState
    position: int = 0  # in the order of the plan
    key: str | None = None
    reason: str = ""  # why it ran or was reused, in words
    address: str | None = None
    reused_from: str | None = None  # the run that made the result
    started: float | None = None
    ended: float | None = None
    seconds: float | None = None
    attempts: int = 0
    items_total: int | None = None
    items_done: int = 0  # in this session, reused ones not counted
    items_reused: int = 0
    items_failed: int = 0
    progress: float | None = None
    message: str | None = None
    error: str | None = None  # type and text, redacted
    traceback: str | None = None
    memory_bytes: int | None = None  # peak of the session's process tree while it ran
    parent: str | None = None  # of a substage: the stage it is part of
    metrics: str = "{}"  # JSON: name -> number, returned under "metrics" or reported on the handle


class StepRow(Row, frozen=True, kw_only=True, gc=False):
    """One attempt of one item at one step, as it waits, runs, or is over. It never changes.

    At most one per (`run`, `item`, `step`, `attempt`) and phase of its status: an end never gives way to a late start.
    """

    seq: int = 0
    run: str
    step: str  # the stage's name, or the document's step
    item: str  # the item key, as text
    attempt: int = 1
    status: ProcessingStatus
    key: str = ""  # stage key without the collection
    digest: bytes = b""  # of the item's value, 16 bytes
    result: bytes | None = None  # small results, encoded; see milepost.store.codecs
    address: str | None = None  # large results
    error: str | None = None
    seconds: float = 0.0
    at: float
    details: str | None = None  # JSON: what who recorded the step said of it
    metrics: str | None = None  # JSON: name -> number


class ResultRow(Row, frozen=True, kw_only=True):
    """fingerprint → digest: which object is the result of a stage key. Identity: `key`; replaced when written again."""

    key: str
    address: str
    stage: str
    run: str
    seconds: float
    size_bytes: int
    at: float
    classes: tuple[str, ...] = ()  # the user's classes found in the value, as "module:qualname"
    metrics: str = "{}"  # as in StageRow, for who reuses it


class PartsRow(Row, frozen=True, kw_only=True):
    """The parts behind a stage key, kept so that `why` can say which changed. Identity: `key`."""

    key: str
    stage: str
    parts: bytes  # JSON of milepost.model.fingerprint parts
    at: float


class SourceRow(Row, frozen=True, kw_only=True):
    """A text (source code, a value's preview) by digest, for `why`'s diff. Identity: `digest`."""

    digest: str
    text: str


class AcceptedRow(Row, frozen=True, kw_only=True):
    """A change the user called compatible: part `new` of `stage` counts as `old`. "" stands for absent."""

    seq: int = 0
    stage: str
    part: str
    old: str
    new: str
    who: str
    at: float


class FileRow(Row, frozen=True, kw_only=True):
    """A file's digest with what makes re-reading needless. Identity: `path` (absolute)."""

    path: str
    size_bytes: int
    mtime_ns: int
    inode: int
    digest: str
    at: float


class ScenarioRow(Row, frozen=True, kw_only=True):
    """One version of a named set of decisions. Identity: (`process`, `name`, `version`); never changes.

    The current one is the highest version; it is gone when that is `removed`. `id` stays through versions and names.
    """

    seq: int = 0
    id: str
    process: str
    name: str
    version: int = 1
    decisions: str  # JSON: stage -> name -> value, as chosen; secrets are left out
    address: str | None = None  # the object with those that JSON cannot hold: {"stage": {"name": value}}
    left_out: tuple[str, ...] = ()  # "stage.name" of secrets, whose values are not kept
    who: str = ""
    host: str = ""
    at: float
    note: str | None = None
    removed: bool = False


class TraceRow(Row, frozen=True, kw_only=True):
    """What a watched computation read, in its order. Identity: `key`, that of its result; never changes."""

    seq: int = 0
    code: str  # the key of its code parts alone
    key: str  # of code and reads together
    stage: str
    reads: bytes  # JSON: [[path, digest or "" when absent], ...]
    at: float


class EventRow(Row, frozen=True, kw_only=True):
    """A fact in the past tense. Appended."""

    seq: int = 0
    at: float
    run: str
    epoch: int = 0
    kind: str
    stage: str | None = None
    v: int = 1
    json: str = "{}"


ROWS: tuple[type[Row], ...] = (
    RunRow, SessionRow, DecisionRow, StageRow, StepRow, ResultRow, PartsRow, SourceRow, AcceptedRow, FileRow,
    ScenarioRow, TraceRow, EventRow,
)  # fmt: skip
