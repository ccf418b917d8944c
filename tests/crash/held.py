"""What a running process holds, as Linux shows it: open files, threads, and children at work.

It only looks; the picture decoders (children of the daemon) are counted out of what the daemon holds, since they come
with work and end when idle.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_OF_A_DECODER = 2
"""The ends of the two pipes to it; and asyncio has a thread wait for it."""

_POOL = min(32, (os.cpu_count() or 1) + 4)
"""Threads that asyncio begins as files are read side by side, and then keeps."""


@dataclass(frozen=True, slots=True)
class Held:
    """Open file descriptors and threads of a process, without those that its children cost."""

    files: int
    threads: int

    def has_leaked(self, since: Held) -> bool:
        """No leaks: more than then, but for two connections that happen to be open, and asyncio's own threads."""
        return self.files > since.files + 2 or self.threads > since.threads + _POOL


def held(pid: int) -> Held | None:
    """What it holds now; None when it has died."""
    try:
        files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
        threads = len(list(Path(f"/proc/{pid}/task").iterdir()))
        decoders = len(children(pid))
    except OSError:
        return None
    if files == 0:  # killed, and not yet reaped
        return None
    return Held(files - _OF_A_DECODER * decoders, threads - decoders)


def children(pid: int) -> list[int]:
    """The processes that one of its threads has started."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            found += [int(each) for each in (task / "children").read_text().split()]
        except OSError:  # a thread may end between the listing and the look
            continue
    return found


def resident_bytes(pid: int) -> int:
    """The memory a process has in use; 0 when it has died."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
