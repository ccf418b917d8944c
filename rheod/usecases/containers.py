"""What a container may not be asked for: it groups items, is never listed, and goes only when it is empty.

Each rule is a refusal with a sentence; nothing here writes.
"""

from __future__ import annotations

import sqlite3

from rheod.domain.errors import Refused
from rheod.domain.model import Item, ItemSpec, ItemType, Listing
from rheod.domain.text import Text
from rheod.store import items


def refuse_other_type(db: sqlite3.Connection, item: Item, given: ItemSpec, listing: Listing | None) -> None:
    """Raise Refused (CONFLICT) where a PUT would make a container of a listed item, or an item of a full container."""
    if given.type is item.spec.type:
        return
    if given.type is ItemType.CONTAINER and listing is not None and listing.state.is_open:
        raise Refused(
            "CONFLICT",
            Text(
                "The item is at Tradera or on its way there and cannot become a container: delist it first"
                " (PATCH status not_listed)"
            ),
        )
    if given.type is ItemType.ITEM and (count := _children(db, item)):
        raise Refused(
            "CONFLICT", Text("The container holds {n} item(s) and cannot become an item itself", n=count)
        )


def refuse_price_or_status(item: Item) -> None:
    """Raise Refused (CONFLICT) for a container: it has no price and is neither listed nor sold."""
    if item.spec.type is ItemType.CONTAINER:
        raise Refused(
            "CONFLICT", Text("A container has no price and is never listed; change the items in it")
        )


def refuse_to_orphan(db: sqlite3.Connection, item: Item) -> None:
    """Raise Refused (CONFLICT) where deleting a container would leave items behind."""
    if item.spec.type is ItemType.CONTAINER and (count := _children(db, item)):
        raise Refused(
            "CONFLICT",
            Text(
                "The container still holds {n} item(s): delete them, or PUT them without this parent, first",
                n=count,
            ),
        )


def _children(db: sqlite3.Connection, item: Item) -> int:
    return items.count_children(db, item.account_id, item.external_id)
