"""The commands, one module per group: parse, act, print. `rheod.cli.main` has the root and loads a group when it is used.

A module that only asks the daemon must not import the daemon's libraries when it is loaded: `rheod status` answers at
once. What needs them is imported where it is used.
"""

from __future__ import annotations

from rheod.domain.errors import RheodError

OK = 0
FAILED = 1
WRONG_USAGE = 2
"""The exit status of wrong usage and of wrong settings."""
NEEDS_ATTENTION = 3
"""The exit status of a healthy rheod whose owner should look."""


class CommandFailed(RheodError):
    """A command cannot be done; the sentence says what to do, `status` is the exit status."""

    def __init__(self, sentence: str, *, status: int = FAILED) -> None:
        super().__init__(sentence)
        self.status = status
