"""The writing side of the log: a bounded queue and one thread, so that a stalled reader never holds up the event loop.

Knows nothing of what stands in a line.
"""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import TextIO

MAX_WAITING_LINES = 1_000
LINES_AT_ONCE = 64
"""What has gathered while a line was written goes out with one write."""


class LogOutput:
    """The writing side: a bounded queue and one thread; `stream` must be a real file, pipe or terminal."""

    def __init__(self, *, stream: TextIO, notice: Callable[[int], str]) -> None:
        self._descriptor = os.dup(stream.fileno())
        self._notice = notice
        # SimpleQueue, since a finalizer may log while the same thread is inside put()
        self._lines: SimpleQueue[str | None] = SimpleQueue()
        self._closed = False
        self._dropped = 0
        self._dropping = threading.Lock()  # callers are in several threads
        self._told = 0  # written by the thread
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """How many lines were dropped since the start."""
        return self._dropped

    def put(self, line: str) -> None:
        """Queue a line, or count it as dropped when the reader stalls; never waits."""
        if self._closed:
            return
        if self._lines.qsize() >= MAX_WAITING_LINES:
            with self._dropping:
                self._dropped += 1
        else:
            self._lines.put(line)

    def close(self, *, deadline_s: float = 2.0) -> bool:
        """Write what waits, for at most so many seconds; whether all of it went out. Later lines are ignored."""
        if not self._closed:
            self._closed = True
            self._lines.put(None)
        self._thread.join(deadline_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        going_on = True
        while going_on:
            lines = [self._lines.get()]
            lines += [self._lines.get() for _ in range(min(self._lines.qsize(), LINES_AT_ONCE))]
            going_on = None not in lines
            if told := [line for line in lines if line is not None]:
                self._write("\n".join(told))
            if self._lines.qsize() < MAX_WAITING_LINES // 2:
                self._tell_dropped()
        os.close(self._descriptor)

    def _tell_dropped(self) -> None:
        if count := self._dropped - self._told:
            self._told += count
            self._write(self._notice(count))

    def _write(self, line: str) -> None:
        data = memoryview((line + "\n").encode(errors="backslashreplace"))
        with suppress(OSError):  # the reader is gone: there is nobody left to tell
            while data:
                data = data[self._write_some(data) :]

    def _write_some(self, data: memoryview) -> int:
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:  # somebody made the shared pipe non-blocking
            waiting = select.poll()
            waiting.register(self._descriptor, select.POLLOUT)
            waiting.poll()
            return 0
