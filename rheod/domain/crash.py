"""Named crash points: places where a test may kill the process to show that nothing is lost.

Unarmed, which is always outside tests, a point is one comparison. Armed with `name:k`, the k-th passing of that point
kills the process with SIGKILL, as a power cut would.
"""

from __future__ import annotations

import os
import signal

_armed: str | None = None
_passings_left = 0


def arm(at: str | None) -> None:
    """Arm `name:k` (k from 1), or disarm with None; raises ValueError for anything else."""
    global _armed, _passings_left  # noqa: PLW0603 - one process, one crash
    if at is None:
        _armed = None
        return
    name, _, count = at.rpartition(":")
    if not name or not count.isdigit() or int(count) < 1:
        raise ValueError("a crash point is written name:k with k from 1")
    _armed, _passings_left = name, int(count)


def crashpoint(name: str) -> None:
    """Die here if armed for this name and count."""
    global _passings_left  # noqa: PLW0603 - as in arm
    if _armed is not None and _armed == name:
        _passings_left -= 1
        if _passings_left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
