"""The use case batch: many PUTs in one transaction, each refused for itself, parents before their children."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from rheod.catalog.putting import PutResult, put
from rheod.catalog.unit import Books, UnitOfWork
from rheod.domain.errors import Refused
from rheod.domain.model import ItemSpec
from rheod.store.groups import attempt

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Entry:
    """One item of a batch; no other of the batch has its external id."""

    external_id: str
    spec: ItemSpec


class BatchPut:
    """Puts many items at once: all that are taken are durable when it answers."""

    def __init__(self, *, books: Books) -> None:
        self._books = books

    async def put(self, account_id: str, entries: Sequence[Entry]) -> list[Refused | None]:
        """Create or update the items; for each None or why it was refused, which changes nothing for the others.

        Raises StoreUnavailable when nothing could be written.
        """
        return await self._books.write(partial(_put_all, account_id=account_id, entries=entries))


def _put_all(unit: UnitOfWork, *, account_id: str, entries: Sequence[Entry]) -> list[Refused | None]:
    verdicts: list[Refused | None] = [None] * len(entries)
    for place in parents_first(entries):
        entry = entries[place]

        def one(_db: sqlite3.Connection, entry: Entry = entry) -> PutResult:
            return put(unit, account_id, entry.external_id, entry.spec)

        outcome = attempt(one, unit.db)
        if isinstance(outcome, Refused):
            verdicts[place] = outcome
        elif isinstance(outcome, Exception):
            _log.error("an item of a batch failed", exc_info=outcome)
            verdicts[place] = Refused("INTERNAL", "Something went wrong inside rheod; it has been logged")
    return verdicts


def parents_first(entries: Sequence[Entry]) -> Iterator[int]:
    """The places of the entries, each after its parent where that is in the batch; else in the order given.

    Of entries that are each other's parents the first comes first, and is refused for want of its parent.
    """
    place_of = {entry.external_id: place for place, entry in enumerate(entries)}
    done: set[int] = set()
    for place in range(len(entries)):
        chain: list[int] = []
        at: int | None = place
        while at is not None and at not in done:
            done.add(at)
            chain.append(at)
            at = place_of.get(entries[at].spec.parent_external_id or "")
        yield from reversed(chain)
