"""One private event loop on a thread of its own, shared by all async stages of a run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, TypeVar

from milepost.errors import Cancelled

if TYPE_CHECKING:
    import asyncio
    from concurrent.futures import Future

T = TypeVar("T")
CANCEL_CHECK_SECONDS = 0.05


class PrivateLoop:
    """An event loop that starts with the first coroutine and ends with `close`.

    Example:
        >>> import asyncio
        >>> loop = PrivateLoop()
        >>> loop.run(asyncio.sleep(0, "done"), is_cancelled=lambda: False)
        'done'
        >>> loop.close()
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def run(self, coroutine: Coroutine[object, object, T], *, is_cancelled: Callable[[], bool]) -> T:
        """The coroutine's result, computed on the loop in a copy of the caller's context.

        Raises Cancelled when the run is asked to stop meanwhile; the coroutine is cancelled then and given
        the time to clean up.
        """
        import asyncio

        future = asyncio.run_coroutine_threadsafe(coroutine, self._started())
        try:
            while not future.done():
                if is_cancelled():
                    raise Cancelled
                _wait_for(future, CANCEL_CHECK_SECONDS)
            return future.result()
        except BaseException:
            if future.cancel():
                _settle(self._loop)
            raise

    def close(self) -> None:
        """Cancel what still runs and end the thread."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None:
            return
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=2.0)

    def _started(self) -> asyncio.AbstractEventLoop:
        import asyncio

        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=_serve, args=(self._loop,), name="milepost-loop", daemon=True)
                self._thread.start()
            return self._loop


def _wait_for(future: Future[T], seconds: float) -> None:
    from concurrent.futures import wait

    wait([future], timeout=seconds)


def _settle(loop: asyncio.AbstractEventLoop | None) -> None:
    """Give a cancelled coroutine one second for its `finally` blocks."""
    import asyncio

    async def others_are_done() -> None:
        this = asyncio.current_task()
        cancelled = {task for task in asyncio.all_tasks() if task is not this and task.cancelling()}
        if cancelled:
            await asyncio.wait(cancelled, timeout=1.0)

    if loop is not None and loop.is_running():
        _wait_for(asyncio.run_coroutine_threadsafe(others_are_done(), loop), 1.5)


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    import asyncio

    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        waiting = asyncio.all_tasks(loop)
        for task in waiting:
            task.cancel()
        if waiting:
            loop.run_until_complete(asyncio.wait(waiting, timeout=1.0))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()
