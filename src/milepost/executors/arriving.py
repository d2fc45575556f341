"""Taking what has come back from those who work."""

from __future__ import annotations

from queue import Empty, SimpleQueue

from milepost.executors.task import Outcome


def arrived(outcomes: SimpleQueue[Outcome], timeout: float | None) -> list[Outcome]:
    """All outcomes there are, at latest after `timeout` seconds (None: as soon as there is one)."""
    ready: list[Outcome] = []
    try:
        ready.append(outcomes.get(timeout=timeout))
        while True:
            ready.append(outcomes.get_nowait())
    except Empty:
        return ready
