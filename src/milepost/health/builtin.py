"""The checks that every workspace has, by name, with what each may take and what it may do to the whole."""

from __future__ import annotations

from functools import partial

import msgspec

from milepost.health.check import Check
from milepost.health.documents import documents_succeed
from milepost.health.ground import Ground
from milepost.health.history import History
from milepost.health.loglines import log_lines_are_written
from milepost.health.machine import cpu_is_left, memory_is_left
from milepost.health.runs import checkpoints_are_fresh, dead_runs_are_taken_up, runs_go_on
from milepost.health.storage import disk_has_room, store_is_writable


def built_in(ground: Ground, history: History, *, timeout: float) -> list[Check]:
    """In the order in which they are shown. What is recorded, or seen over a window, does not flap: one look counts."""
    checks = [
        Check(name="store", ask=partial(store_is_writable, ground), looks=1, is_about_readiness=True),
        Check(name="disk", ask=partial(disk_has_room, ground, history), looks=1),
        Check(name="documents", ask=partial(documents_succeed, ground), looks=1),
        Check(name="stalled runs", ask=partial(runs_go_on, ground), looks=1),
        Check(name="dead sessions", ask=partial(dead_runs_are_taken_up, ground), looks=1),
        Check(name="checkpoints", ask=checkpoints_are_fresh, looks=1),
        Check(name="memory", ask=partial(memory_is_left, ground), is_shared=False),
        Check(name="cpu", ask=partial(cpu_is_left, ground), critical=False),
        Check(name="log lines", ask=partial(log_lines_are_written, ground), critical=False, looks=1),
    ]
    return [msgspec.structs.replace(check, timeout=timeout) for check in checks]
