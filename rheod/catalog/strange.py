"""The owner's use cases about push messages that nobody could read: see them, put them away."""

from __future__ import annotations

from rheod.catalog.unit import Books
from rheod.domain.errors import Refused
from rheod.store import quarantine
from rheod.store.quarantine import Strange

MOST = 20


class StrangeMessages:
    """Messages in quarantine; each may be a sale, so only the owner puts one away."""

    def __init__(self, *, books: Books) -> None:
        self._books = books

    async def newest(self) -> list[Strange]:
        """The newest ones that wait for the owner."""
        return await self._books.read(lambda db: quarantine.strange(db, limit=MOST))

    async def put_away(self, message_id: int) -> None:
        """The owner has looked at it. Raises Refused (NOT_FOUND) when it waits for nobody."""
        if not await self._books.write(lambda unit: quarantine.put_away(unit.db, message_id, now=unit.now)):
            raise Refused("NOT_FOUND", "No such message waits")
