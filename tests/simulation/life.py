"""One life of the daemon, from a start to a kill: what its dead hand must not do any more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn, TypeVar

from tests.simulation.faults import Crash

T = TypeVar("T")


class Life:
    """As after kill -9, nothing of a dead life reaches the store or a peer, and nobody in it goes on."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self.over = asyncio.Event()
        self._note = note
        self._visits: set[asyncio.Task[Any]] = set()

    @property
    def dead(self) -> bool:
        """Whether the kill has come."""
        return self.over.is_set()

    def check(self) -> None:
        """Stop the caller if it is dead."""
        if self.dead:
            raise asyncio.CancelledError

    def kill(self, where: str) -> None:
        """Kill the daemon; the supervisor then clears away what it left in memory."""
        if not self.dead:
            self._note(f"killed {where}")
            self.over.set()
            for visit in self._visits:
                visit.cancel()

    async def die(self, where: str) -> NoReturn:
        """Kill the daemon from within: the caller never goes on."""
        self.kill(where)
        await asyncio.get_running_loop().create_future()
        raise AssertionError("unreachable")

    async def may_die(self, crash: Crash | None, when: Crash, where: str) -> None:
        """Die here if that is this step's fate."""
        self.check()
        if crash == when:
            await self.die(f"{when} {where}")

    async def visit(self, request: Coroutine[Any, Any, T]) -> T:
        """A request from outside (the API's): ConnectionResetError when the daemon dies over it."""
        if self.dead:
            request.close()
            raise ConnectionResetError
        task = asyncio.get_running_loop().create_task(request)
        self._visits.add(task)
        try:
            return await task
        except asyncio.CancelledError:
            raise ConnectionResetError from None
        finally:
            self._visits.discard(task)
