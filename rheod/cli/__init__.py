"""What the commands do, one module per group of commands; `rheod.cli` parses and dispatches.

A module that only asks the daemon must not import the daemon's libraries when it is loaded: `rheod status` answers at
once. What needs them is imported where it is used.
"""

from __future__ import annotations

from rheod.domain.errors import RheodError

OK = 0
FAILED = 1
WRONG_USAGE = 2
NEEDS_ATTENTION = 3
"""The exit statuses (interface.md): 2 is wrong usage or settings, 3 is healthy but the owner should look."""


class CommandFailed(RheodError):
    """A command cannot be done; the sentence says what to do, `status` is the exit status."""

    def __init__(self, sentence: str, *, status: int = FAILED) -> None:
        super().__init__(sentence)
        self.status = status
