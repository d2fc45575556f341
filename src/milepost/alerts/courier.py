"""Messages on their way: a thread for each channel, three tries with growing pauses; nobody waits for it.

What comes after a message that was not taken is handed back untried: the channel is down, and its watcher tries again.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Sequence

import msgspec

from milepost.alerts.channels.channel import Channel, ChannelDown
from milepost.alerts.notice import Notice, clean

PAUSES = (1.0, 4.0)  # seconds before the second and the third try


class Delivered(msgspec.Struct, frozen=True):
    """What became of a notice on one channel; `error` is why it was not taken."""

    id: str
    channel: str
    error: str | None


class Courier:
    """Hands notices to channels on threads of its own. What became of them is collected, not awaited."""

    def __init__(self, warn: Callable[[str], object], *, pauses: Sequence[float] = PAUSES) -> None:
        self._warn = warn
        self._pauses = pauses
        self._done: queue.SimpleQueue[Delivered] = queue.SimpleQueue()
        self._lanes: dict[str, queue.SimpleQueue[Notice | None]] = {}
        self._threads: list[threading.Thread] = []
        self._closing = threading.Event()
        self._down: set[str] = set()
        self._lock = threading.Condition()
        self._underway = 0
        self._given: set[tuple[str, str]] = set()  # until it was collected what became of them

    def hand_over(self, notice: Notice, channel: Channel) -> bool:
        """Send a notice as soon as its channel is free; False for one that is under way already."""
        with self._lock:
            if (notice.id, channel.name) in self._given:
                return False
            self._given.add((notice.id, channel.name))
            self._underway += 1
        self._lane(channel).put(notice)
        return True

    def delivered(self) -> list[Delivered]:
        """What was sent, or was not taken, since the last time."""
        found = []
        while not self._done.empty():
            found.append(self._done.get())
        with self._lock:
            self._given -= {(one.id, one.channel) for one in found}
        return found

    def wait(self, seconds: float) -> bool:
        """Wait for what is under way, at most so long; whether all of it is over."""
        with self._lock:
            return self._lock.wait_for(lambda: not self._underway, seconds)

    def close(self, seconds: float = 0.0) -> None:
        """Give what is under way so long, then try nothing again. What is not sent stays in the ledger as such."""
        self.wait(seconds)
        self._closing.set()
        for lane in self._lanes.values():
            lane.put(None)
        deadline = time.monotonic() + 0.2
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0.0))

    def _lane(self, channel: Channel) -> queue.SimpleQueue[Notice | None]:
        lane = self._lanes.get(channel.name)
        if lane is None:
            lane = self._lanes[channel.name] = queue.SimpleQueue()
            name = f"milepost-alerts-{len(self._threads)}"
            thread = threading.Thread(target=self._work, args=(channel, lane), name=name, daemon=True)
            self._threads.append(thread)
            thread.start()
        return lane

    def _work(self, channel: Channel, lane: queue.SimpleQueue[Notice | None]) -> None:
        while (notice := lane.get()) is not None and not self._closing.is_set():
            error, is_settled = self._deliver(channel, notice)
            if is_settled:
                self._done.put(Delivered(notice.id, channel.name, error))
            rest = _emptied(lane) if error is not None else []
            with self._lock:
                self._given -= {(one.id, channel.name) for one in rest}
                self._underway -= 1 + len(rest)
                self._lock.notify_all()

    def _deliver(self, channel: Channel, notice: Notice) -> tuple[str | None, bool]:
        """Why it failed for good, if it did, and whether that is settled: who is closed in between settles nothing."""
        for pause in (*self._pauses, None):
            error = _try(channel, notice)
            if error is None:
                self._down.discard(channel.name)
                return None, True
            if pause is None:
                break
            if self._closing.wait(pause):
                return error, False
        self._say_down(channel, error or "")
        return error, True

    def _say_down(self, channel: Channel, error: str) -> None:
        """Once, until it works again."""
        if channel.name not in self._down:
            self._down.add(channel.name)
            tries = len(self._pauses) + 1
            self._warn(f"alert channel {channel.name!r} is down after {tries} tries, and is tried again later: {error}")


def _emptied(lane: queue.SimpleQueue[Notice | None]) -> list[Notice]:
    """What waits behind a message that was not taken."""
    found: list[Notice] = []
    with contextlib.suppress(queue.Empty):
        while True:
            notice = lane.get_nowait()
            if notice is None:
                lane.put(None)  # the end: nothing is handed over any more
                break
            found.append(notice)
    return found


def _try(channel: Channel, notice: Notice) -> str | None:
    try:
        channel.send(notice)
    except ChannelDown as error:
        return clean(str(error), 500)
    except Exception as error:  # whatever a channel's library raises costs this notice and no more
        return clean(f"{type(error).__name__}: {error}", 500)
    return None
