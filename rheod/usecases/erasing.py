"""A buyer's wish to be forgotten: their data goes from every order, event, message and answer at once, and from the disk."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import structlog

from rheod.domain.errors import Refused, Text
from rheod.store import erasure, key_value
from rheod.store.engine.copies import GOOD_MARK
from rheod.usecases.transaction import Store

_log = structlog.get_logger(__name__)
_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased, and what rheod cannot reach: copies of before, the last backup made at this time (ms)."""

    orders: int
    copies: tuple[str, ...]
    backup_at: int | None


class Erasing:
    """Erases buyers at the owner's word."""

    def __init__(self, *, store: Store) -> None:
        self._store = store

    async def buyer(self, account_id: str, named: str) -> Erased:
        """Erase the buyer with this alias or address of mail, or of the order with this number, from all their orders.

        Raises Refused (NOT_FOUND) when no order that is not erased has such a buyer.
        """
        found = await self._store.read(partial(erasure.of_buyer, account_id=account_id, named=named))
        if not found.orders:
            raise Refused("NOT_FOUND", Text("No buyer of this name, address or order is kept"))
        for start in range(0, len(found.orders), _AT_ONCE):
            some = found.orders[start : start + _AT_ONCE]
            await self._store.write(lambda tx, some=some: erasure.erase_orders(tx.db, some, now=tx.now))  # type: ignore[misc]
        await self._store.write(lambda tx: erasure.erase_answers(tx.db, found.names))
        await self._store.overwrite()
        _log.info("buyer erased at the owner's word", orders=len(found.orders))
        backup = await self._store.read(lambda db: key_value.get(db, GOOD_MARK))
        return Erased(
            orders=len(found.orders),
            copies=self._store.copies(),
            backup_at=None if backup is None else int(backup),
        )

    @staticmethod
    def told(erased: Erased) -> Text:
        """What the owner is told."""
        if erased.copies:
            return Text(
                "Erased from {n} orders here. Copies of before still hold it: delete {copies}, and your backups",
                n=erased.orders,
                copies=", ".join(erased.copies),
            )
        if erased.backup_at is not None:
            return Text(
                "Erased from {n} orders here. Your backups of before still hold it: delete them when you can",
                n=erased.orders,
            )
        return Text("Erased from {n} orders here", n=erased.orders)
