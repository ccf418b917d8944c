"""Rows of the inbox: every push message as it came, stored before anything is done about it.

A message that cannot be understood is quarantined: the owner is shown it and puts it away; it is never acted on.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rheod.domain.model import CloseReason
from rheod.store.columns import restored


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxEntry:
    """A message to be kept. `state` is new, quarantined or ignored; `business_key` names what it is about."""

    message_id: str
    body: str
    state: str
    reason: str | None = None
    business_key: str | None = None
    account_id: str | None = None
    type: str | None = None
    order_id: int | None = None
    tradera_item_ids: tuple[int, ...] = ()
    close_reason: CloseReason | None = None


def add(db: sqlite3.Connection, entry: InboxEntry, *, now: int) -> int | None:
    """Keep a message and return its id; None when it, or another about the same thing, is here already."""
    row = db.execute(
        "INSERT INTO inbox (message_id, business_key, account_id, type, order_id, close_reason, body, state, reason,"
        " received_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING id",
        (
            _storable(entry.message_id),
            entry.business_key,
            entry.account_id,
            entry.type,
            entry.order_id,
            entry.close_reason,
            _storable(entry.body),
            entry.state,
            entry.reason,
            now,
        ),
    ).fetchone()
    if row is None:
        known = find(db, entry.business_key) if entry.business_key else None
        if known is not None:
            _name_ads(db, known, entry.tradera_item_ids)
        return None
    inbox_id: int = row["id"]
    _name_ads(db, inbox_id, entry.tradera_item_ids)
    return inbox_id


def _name_ads(db: sqlite3.Connection, inbox_id: int, ads: Sequence[int]) -> None:
    db.executemany(
        "INSERT OR IGNORE INTO inbox_items (inbox_id, tradera_item_id) VALUES (?, ?)",
        [(inbox_id, ad) for ad in ads],
    )


def find(db: sqlite3.Connection, business_key: str) -> int | None:
    """The row about this order or ad that waits, if there is one."""
    row = db.execute(
        "SELECT id FROM inbox WHERE business_key = ? AND state = 'new'", (business_key,)
    ).fetchone()
    return None if row is None else row["id"]


def _storable(text: str) -> str:
    """The text with lone surrogates escaped, which UTF-8 cannot hold."""
    return text.encode("utf-8", "backslashreplace").decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedAd:
    """An ad that Tradera has said is closed, and why."""

    account_id: str
    tradera_item_id: int
    reason: CloseReason


def closed_ad(db: sqlite3.Connection, inbox_id: int) -> ClosedAd | None:
    """What an ItemClosed that has not been dealt with says; None for every other message."""
    row = db.execute(
        "SELECT account_id, tradera_item_id, close_reason FROM inbox JOIN inbox_items ON inbox_id = inbox.id"
        " WHERE inbox.id = ? AND state = 'new' AND close_reason IS NOT NULL",
        (inbox_id,),
    ).fetchone()
    if row is None:
        return None
    return ClosedAd(
        account_id=row["account_id"],
        tradera_item_id=row["tradera_item_id"],
        reason=CloseReason(row["close_reason"]),
    )


_LONGEST_WAIT_MS = 3600 * 1000
"""A look-up that waits longer was put off by a clock that was ahead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingOrder:
    """An order that a message named and that is not read yet, and the ads that it names."""

    inbox_id: int
    account_id: str
    tries: int
    received_at: int
    ads: tuple[int, ...]


def waits(db: sqlite3.Connection, order_id: int) -> WaitingOrder | None:
    """The order of this number, while it waits to be read."""
    row = db.execute(
        "SELECT id, account_id, tries, received_at FROM inbox WHERE business_key = ? AND state = 'new'",
        (f"OrderCreated:{order_id}",),
    ).fetchone()
    if row is None:
        return None
    ads = _column(db, "SELECT tradera_item_id FROM inbox_items WHERE inbox_id = ?", row["id"])
    return WaitingOrder(
        inbox_id=row["id"],
        account_id=row["account_id"],
        tries=row["tries"],
        received_at=row["received_at"],
        ads=tuple(ads),
    )


def orders_to_look_up(db: sqlite3.Connection, account_id: str, *, limit: int, now: int) -> list[int]:
    """Ids of orders that a message named and that are to be looked up now, oldest first.

    One that has been looked up in vain comes after the others, and alone.
    """
    rows = db.execute(
        "SELECT order_id, tries FROM inbox WHERE account_id = ? AND type = 'OrderCreated' AND state = 'new'"
        " AND order_id IS NOT NULL AND (ask_at IS NULL OR ask_at NOT BETWEEN ? AND ?)"
        " ORDER BY tries > 0, coalesce(ask_at, 0), id LIMIT ?",
        (account_id, now + 1, now + _LONGEST_WAIT_MS, limit),
    ).fetchall()
    fresh = [row["order_id"] for row in rows if row["tries"] == 0]
    return fresh or [row["order_id"] for row in rows[:1]]


def next_look_up(db: sqlite3.Connection, account_id: str) -> int | None:
    """When the next order is looked up again (ms; 0: at once); None when none waits."""
    row = db.execute(
        "SELECT min(coalesce(ask_at, 0)) FROM inbox WHERE account_id = ? AND type = 'OrderCreated' AND state = 'new'"
        " AND order_id IS NOT NULL",
        (account_id,),
    ).fetchone()
    at: int | None = row[0]
    return at


def put_off(db: sqlite3.Connection, account_id: str, order_id: int, *, until: int, tried: bool) -> int:
    """Look the order up again only then; returns how often it was looked up in vain, with this time if `tried`."""
    row = db.execute(
        "UPDATE inbox SET ask_at = ?, tries = tries + ? WHERE account_id = ? AND order_id = ? AND state = 'new'"
        " RETURNING tries",
        (until, int(tried), account_id, order_id),
    ).fetchone()
    return 0 if row is None else row["tries"]


def note_doubt(
    db: sqlite3.Connection, inbox_id: int, *, reason: str, answer: str | None, ads: Sequence[int], now: int
) -> bool:
    """Keep what was said of an order that cannot be read, and the ads it names.

    Returns whether it may be a sale of ours: an ad of ours is named of which no order is known, or no ad at all.
    """
    _name_ads(db, inbox_id, ads)
    row = db.execute(
        "UPDATE inbox SET reason = ?, answer = coalesce(?, answer), doubt_since = CASE WHEN"
        f" NOT EXISTS (SELECT 1 FROM inbox_items named WHERE named.inbox_id = inbox.id) OR EXISTS ({_OURS})"
        " THEN coalesce(doubt_since, ?) END WHERE id = ? RETURNING doubt_since",
        (reason, answer, now, inbox_id),
    ).fetchone()
    return row["doubt_since"] is not None


def names_unsold_ad(db: sqlite3.Connection, inbox_id: int) -> bool:
    """Whether an ad of ours is named of which no order is known."""
    row = db.execute(f"SELECT 1 FROM inbox WHERE id = ? AND EXISTS ({_OURS})", (inbox_id,)).fetchone()
    return row is not None


_OURS = (
    "SELECT 1 FROM inbox_items named JOIN listings USING (tradera_item_id)"
    " WHERE named.inbox_id = inbox.id AND listings.account_id = inbox.account_id AND NOT EXISTS"
    " (SELECT 1 FROM order_lines sold WHERE sold.tradera_item_id = named.tradera_item_id)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SaleInDoubt:
    """An order that may be a sale of ours and cannot be read. `order_id` None: nobody knows its number.

    `ads` are those it names, `items` the external ids of ours among them; `answer` is the beginning of what Tradera said.
    """

    inbox_id: int
    account_id: str
    order_id: int | None
    ads: tuple[int, ...]
    items: tuple[str, ...]
    reason: str | None
    answer: str | None
    since: int
    tries: int
    ask_at: int | None

    @property
    def number(self) -> int:
        """By which the owner names it."""
        return self.order_id or self.inbox_id


_IN_DOUBT = "inbox.type = 'OrderCreated' AND inbox.state = 'new' AND inbox.doubt_since IS NOT NULL"


def sales_in_doubt(db: sqlite3.Connection, account_id: str, *, limit: int = 100) -> list[SaleInDoubt]:
    """The account's sales in doubt, the oldest first."""
    rows = db.execute(
        "SELECT id, order_id, reason, substr(answer, 1, ?) AS answer, doubt_since, tries, ask_at FROM inbox"
        f" WHERE account_id = ? AND {_IN_DOUBT} ORDER BY id LIMIT ?",
        (SHOWN_CHARS, account_id, limit),
    ).fetchall()
    return [
        SaleInDoubt(
            inbox_id=row["id"],
            account_id=account_id,
            order_id=row["order_id"],
            ads=tuple(_column(db, "SELECT tradera_item_id FROM inbox_items WHERE inbox_id = ?", row["id"])),
            items=tuple(
                _column(
                    db,
                    "SELECT DISTINCT external_id FROM inbox_items JOIN listings USING (tradera_item_id)"
                    " JOIN items ON items.id = listings.item_id WHERE inbox_id = ?",
                    row["id"],
                )
            ),
            reason=restored(row["reason"]),
            answer=row["answer"],
            since=row["doubt_since"],
            tries=row["tries"],
            ask_at=row["ask_at"],
        )
        for row in rows
    ]


def _column(db: sqlite3.Connection, query: str, inbox_id: int) -> list[Any]:
    return [row[0] for row in db.execute(query, (inbox_id,)).fetchall()]


def doubts_since(db: sqlite3.Connection) -> list[int]:
    """Since when each sale of any account is in doubt (ms)."""
    rows = db.execute(f"SELECT doubt_since FROM inbox WHERE {_IN_DOUBT} ORDER BY doubt_since")
    return [row[0] for row in rows.fetchall()]


def doubt_owner(db: sqlite3.Connection) -> str:
    """The reference of the account of the sale that is in doubt for longest; "" without any."""
    row = db.execute(
        "SELECT (SELECT reference FROM accounts WHERE accounts.id = inbox.account_id) FROM inbox"
        f" WHERE {_IN_DOUBT} ORDER BY doubt_since LIMIT 1"
    ).fetchone()
    return "" if row is None or row[0] is None else str(row[0])


def doubt_about_item(db: sqlite3.Connection, item_id: str) -> int | None:
    """The number of a sale in doubt of one of the item's ads of which no order is known."""
    row = db.execute(
        "SELECT coalesce(order_id, inbox.id) FROM listings JOIN inbox_items USING (tradera_item_id)"
        f" JOIN inbox ON inbox.id = inbox_id WHERE listings.item_id = ? AND {_IN_DOUBT} AND NOT EXISTS"
        " (SELECT 1 FROM order_lines sold WHERE sold.tradera_item_id = listings.tradera_item_id) LIMIT 1",
        (item_id,),
    ).fetchone()
    return None if row is None else row[0]


def order_waits_for_item(db: sqlite3.Connection, item_id: str) -> bool:
    """Whether an order of one of the item's ads is not read yet."""
    row = db.execute(
        "SELECT 1 FROM listings JOIN inbox_items USING (tradera_item_id) JOIN inbox ON inbox.id = inbox_id"
        " WHERE listings.item_id = ? AND type = 'OrderCreated' AND inbox.state = 'new' LIMIT 1",
        (item_id,),
    ).fetchone()
    return row is not None


def orders_waiting(db: sqlite3.Connection) -> dict[str, int]:
    """How many orders named by messages are not looked up yet, by account id."""
    rows = db.execute(
        "SELECT account_id, count(*) FROM inbox WHERE type = 'OrderCreated' AND state = 'new' GROUP BY account_id"
    )
    return {row[0]: row[1] for row in rows.fetchall()}


def order_waits_for(db: sqlite3.Connection, tradera_item_id: int) -> bool:
    """Whether an order of this ad is not read yet, or one in doubt of the same account names no ad: it may be of this."""
    row = db.execute(
        "SELECT 1 FROM inbox_items JOIN inbox ON inbox.id = inbox_id"
        " WHERE tradera_item_id = :ad AND type = 'OrderCreated' AND state = 'new'"
        f" UNION ALL SELECT 1 FROM inbox WHERE {_IN_DOUBT} AND account_id ="
        " (SELECT account_id FROM listings WHERE tradera_item_id = :ad)"
        " AND NOT EXISTS (SELECT 1 FROM inbox_items WHERE inbox_id = inbox.id) LIMIT 1",
        {"ad": tradera_item_id},
    ).fetchone()
    return row is not None


def settle(
    db: sqlite3.Connection, inbox_id: int, *, now: int, state: str = "done", reason: str | None = None
) -> None:
    """Record what became of a message."""
    db.execute(
        "UPDATE inbox SET state = ?, reason = ?, settled_at = ? WHERE id = ?", (state, reason, now, inbox_id)
    )


def settle_orders(db: sqlite3.Connection, account_id: str, order_ids: Sequence[int], *, now: int) -> None:
    """These orders are recorded; their messages are done."""
    db.executemany(
        "UPDATE inbox SET state = 'done', settled_at = ? WHERE account_id = ? AND order_id = ? AND state = 'new'",
        [(now, account_id, order_id) for order_id in order_ids],
    )


def counts(db: sqlite3.Connection) -> dict[str, int]:
    """How many messages are in each state."""
    return {
        row[0]: row[1] for row in db.execute("SELECT state, count(*) FROM inbox GROUP BY state").fetchall()
    }


def count_quarantined(db: sqlite3.Connection) -> int:
    """How many messages are quarantined; reads no others."""
    count: int = db.execute("SELECT count(*) FROM inbox WHERE state = 'quarantined'").fetchone()[0]
    return count


def quarantined_since(db: sqlite3.Connection) -> int | None:
    """When the oldest of them came (ms)."""
    row = db.execute(
        "SELECT received_at FROM inbox WHERE state = 'quarantined' ORDER BY id LIMIT 1"
    ).fetchone()
    return None if row is None else row[0]


def next_doubt(db: sqlite3.Connection) -> int | None:
    """When a sale in doubt is looked up again first (ms)."""
    at: int | None = db.execute(f"SELECT min(ask_at) FROM inbox WHERE {_IN_DOUBT}").fetchone()[0]
    return at


@dataclass(frozen=True, slots=True)
class UnreadSale:
    """An order of one of an item's ads that is not read yet: its number, since when, until when (ms), and why."""

    number: int
    since: int
    next_at: int | None
    reason: str | None


def unread_sale(db: sqlite3.Connection, item_id: str) -> UnreadSale | None:
    """The oldest order that names an ad of the item and is not read yet."""
    row = db.execute(
        "SELECT coalesce(order_id, inbox.id) AS number, received_at AS since, inbox.ask_at AS next_at, inbox.reason"
        " FROM listings JOIN inbox_items USING (tradera_item_id) JOIN inbox ON inbox.id = inbox_id"
        " WHERE listings.item_id = ? AND inbox.type = 'OrderCreated' AND inbox.state = 'new'"
        " AND inbox.account_id = listings.account_id ORDER BY inbox.id LIMIT 1",
        (item_id,),
    ).fetchone()
    return row and UnreadSale(**{**dict(row), "reason": restored(row["reason"])})


def last_received_at(db: sqlite3.Connection) -> int | None:
    """When the newest message came (ms)."""
    at: int | None = db.execute("SELECT received_at FROM inbox ORDER BY id DESC LIMIT 1").fetchone()
    return at and at[0]  # type: ignore[index]


SHOWN_CHARS = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantinedMessage:
    """The beginning of a message as it came; '' once erased. `reason` is what is wrong with it."""

    id: int
    body: str
    reason: str | None
    received_at: int


def quarantined(db: sqlite3.Connection, *, limit: int) -> list[QuarantinedMessage]:
    """The newest quarantined messages, of every account: often the account is what cannot be read."""
    rows = db.execute(
        "SELECT id, substr(body, 1, ?) AS body, reason, received_at FROM inbox WHERE state = 'quarantined'"
        " ORDER BY id DESC LIMIT ?",
        (SHOWN_CHARS, limit),
    )
    return [QuarantinedMessage(**{**dict(row), "reason": restored(row["reason"])}) for row in rows.fetchall()]


def put_away(db: sqlite3.Connection, message_id: int, *, now: int) -> bool:
    """Put a quarantined message away, as looked at; False when it is not quarantined."""
    changed = db.execute(
        "UPDATE inbox SET state = 'ignored', settled_at = ? WHERE id = ? AND state = 'quarantined'",
        (now, message_id),
    ).rowcount
    return changed > 0
