"""Rows of the ads at Tradera that rheod did not make: an owner's, or ads of ours that were started again there.

Each is looked at once. Those from before the account's first commit cannot be of ours and are left out.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection

_KEPT_MS = 400 * 24 * 3600 * 1000
"""No ad runs for longer."""


def note(db: sqlite3.Connection, account_id: str, changed: Collection[int], *, now: int) -> None:
    """Remember those of these ads that no listing has and nobody has looked at."""
    new = db.execute(
        "INSERT OR IGNORE INTO other_ads (account_id, ad) SELECT ?, value FROM json_each(?)"
        " WHERE NOT EXISTS (SELECT 1 FROM listings WHERE tradera_item_id = value)"
        " AND value > (SELECT tradera_item_id FROM listings WHERE account_id = ? AND commit_sent_at IS NOT NULL"
        " ORDER BY commit_sent_at LIMIT 1)",
        (account_id, json.dumps(sorted(changed)), account_id),
    ).rowcount
    if new:
        db.execute(
            "DELETE FROM other_ads WHERE account_id = ? AND looked_at < ?", (account_id, now - _KEPT_MS)
        )


def to_look_at(db: sqlite3.Connection, account_id: str, *, limit: int) -> list[int]:
    """The first few that nobody has looked at."""
    rows = db.execute(
        "SELECT ad FROM other_ads INDEXED BY other_ads_unseen WHERE account_id = ? AND looked_at IS NULL"
        " ORDER BY ad LIMIT ?",
        (account_id, limit),
    )
    return [row["ad"] for row in rows.fetchall()]


def looked_at(db: sqlite3.Connection, account_id: str, ad: int, *, now: int) -> None:
    """It is known whose this ad is."""
    db.execute("UPDATE other_ads SET looked_at = ? WHERE account_id = ? AND ad = ?", (now, account_id, ad))


def forget(db: sqlite3.Connection, account_id: str, ad: int) -> None:
    """Tradera does not show it: if it changes again it is looked at again."""
    db.execute("DELETE FROM other_ads WHERE account_id = ? AND ad = ?", (account_id, ad))
