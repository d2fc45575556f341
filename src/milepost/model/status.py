"""The states of runs, stages and steps, with the chart of how they change.

::

    run     pending → running → completed
                        │  ├──→ failed        a stage raised and errors="stop"
                        │  ├──→ cancelled     a signal, `milepost cancel`
                        │  └──→ interrupted   its session died: never stored by the dying, always by who looks
                        └─ failed, cancelled, interrupted → running (a new session continues)

    stage   pending → running → completed | failed | cancelled | interrupted
            pending → reused | skipped

Stalled is derived by who looks (no heartbeat for 15 s on another host), never stored.
"""

from __future__ import annotations

from enum import StrEnum


class RunState(StrEnum):
    """Where a run stands."""

    PENDING = "pending"
    RUNNING = "running"
    STALLED = "stalled"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    SKIPPED = "skipped"

    @property
    def can_continue(self) -> bool:
        """Whether a new session may take this run up where it stopped."""
        return self in (RunState.FAILED, RunState.CANCELLED, RunState.INTERRUPTED)

    @property
    def is_active(self) -> bool:
        """Whether a session is supposed to be carrying this run out."""
        return self in (RunState.PENDING, RunState.RUNNING, RunState.PAUSED, RunState.STALLED)


class StageState(StrEnum):
    """Where one stage of one run stands."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    REUSED = "reused"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    SKIPPED = "skipped"

    @property
    def has_result(self) -> bool:
        """Whether those who depend on this stage may go on."""
        return self in (StageState.COMPLETED, StageState.REUSED)


class ProcessingStatus(StrEnum):
    """The outcome of one attempt of one step of one item."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCESS = "success"
    WARNING = "warning"
    ERROR = "error"
    FAILED = "failed"
    SKIPPED = "skipped"

    @property
    def is_terminal(self) -> bool:
        """Whether the attempt is over."""
        return self not in _PHASES

    @property
    def phase(self) -> int:
        """0 waits, 1 works, 2 is over: an attempt goes through each once at most."""
        return _PHASES.get(self, 2)

    @property
    def is_done(self) -> bool:
        """Whether the item needs no further attempt."""
        return self in _DONE

    @property
    def state(self) -> RunState:
        """The same outcome as a run would show it."""
        return _STATE[self]


_PHASES = {ProcessingStatus.PENDING: 0, ProcessingStatus.RUNNING: 1}  # the others are over
_DONE = frozenset({ProcessingStatus.SUCCESS, ProcessingStatus.WARNING, ProcessingStatus.SKIPPED})
_STATE = {
    ProcessingStatus.PENDING: RunState.PENDING,
    ProcessingStatus.RUNNING: RunState.RUNNING,
    ProcessingStatus.SUCCESS: RunState.COMPLETED,
    ProcessingStatus.WARNING: RunState.COMPLETED,
    ProcessingStatus.ERROR: RunState.FAILED,
    ProcessingStatus.FAILED: RunState.FAILED,
    ProcessingStatus.SKIPPED: RunState.SKIPPED,
}
