"""The sums behind the owner's figures: kept by the schema's triggers as things change, never added up from all there is."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

INVENTORY = "SELECT domain, rheo_status, count FROM item_counts WHERE account_id = ? AND type = 'item'"
MONTHS = "SELECT month, orders, ore, pending_ore FROM month_sums WHERE account_id = ? AND month >= ? AND orders > 0"
DOMAINS = (
    "SELECT domain, sum(ore) AS ore FROM domain_sums WHERE account_id = ? AND month >= ? GROUP BY domain"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """The orders of a month and what they come to (öre), all of them and those not paid."""

    orders: int = 0
    ore: int = 0
    pending_ore: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """Items by (domain, status), sales by month and by domain (öre). Sales of unknown items are in none of them."""

    inventory: dict[tuple[str, str], int]
    months: dict[str, Month]
    domains: dict[str, int]


def sums(db: sqlite3.Connection, account_id: str, *, since: str) -> Sums:
    """All sums of an account; sales from the month `since` on."""
    rows = db.execute(INVENTORY, (account_id,)).fetchall()
    domains = db.execute(DOMAINS, (account_id, since)).fetchall()
    return Sums(
        inventory={(row["domain"], row["rheo_status"]): row["count"] for row in rows},
        months=by_month(db, account_id, since=since),
        domains={row["domain"]: row["ore"] for row in domains},
    )


def by_month(db: sqlite3.Connection, account_id: str, *, since: str) -> dict[str, Month]:
    """Sales from the month `since` on."""
    return {
        row["month"]: Month(orders=row["orders"], ore=row["ore"], pending_ore=row["pending_ore"])
        for row in db.execute(MONTHS, (account_id, since)).fetchall()
    }
