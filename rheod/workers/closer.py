"""Settles the closings that push tells of: an ad that ended, unless an order explains it."""

from __future__ import annotations

from rheod.catalog import sales
from rheod.catalog.sales import SellersAndSite
from rheod.catalog.unit import Books
from rheod.domain.model import Job
from rheod.workers.lane import Done, Outcome, PutOff

_WAIT_FOR_ORDER_MS = 2000


class Closer:
    """Works `close` jobs; their subject is an inbox id."""

    def __init__(self, *, books: Books, sellers: SellersAndSite) -> None:
        self._books = books
        self._sellers = sellers

    async def close(self, job: Job) -> Outcome:
        """Settle one ItemClosed message."""
        wait = await self._books.write(lambda unit: sales.close(unit, int(job.subject), self._sellers))
        if wait is None:
            return Done()
        return PutOff(until=self._books.now() + _WAIT_FOR_ORDER_MS, reason=wait.reason, counted=False)
