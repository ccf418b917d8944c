"""An event loop in which time is a number: when nothing is ready it jumps to the next timer.

No sockets, no threads, no waiting: what runs in it is decided by its timers and nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class StuckError(Exception):
    """Nothing is ready and no timer is set: what is awaited can never happen."""


class _Jump:
    """In the place of a selector: instead of waiting it moves the clock."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        """Let `timeout` seconds pass at once."""
        if timeout is None:
            raise StuckError
        self._loop.passed += timeout
        return []


class VirtualLoop(asyncio.BaseEventLoop):
    """`passed` is its clock, in seconds. Work for a thread is done on the spot."""

    def __init__(self) -> None:
        super().__init__()
        self.passed = 0.0
        self._selector = _Jump(self)
        self._clock_resolution = (
            1e-6  # less is lost in a number of so many seconds, and a timer would never be due
        )

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self.passed

    def run_in_executor(  # type: ignore[override]
        self, _executor: Any, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Call `func` now; its future is done when it is handed out."""
        answer: asyncio.Future[T] = self.create_future()
        try:
            answer.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - as an executor does
            answer.set_exception(error)
        return answer

    def _process_events(self, event_list: Any) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody outside wakes this loop."""


def run_virtually(main: Coroutine[Any, Any, T], loop: VirtualLoop) -> T:
    """Run `main` to its end in the loop and close that."""
    try:
        return loop.run_until_complete(main)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
