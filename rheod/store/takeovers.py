"""What an account has still to do after a restore: look at Tradera before anything of it is published again.

Kept among the marks, one for each account. Every copy of the database carries it, however the copy is put in place.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict, dataclass

from rheod.store import marks

_TAKEOVER = "takeover:"
_STRANGERS = "takeover_strangers:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Takeover:
    """Where an account's takeover stands; times in ms UTC.

    `since` is the time of the copy, `until` before when the last pass may not begin (None: no rheod has started from
    the copy yet). The pass that `began` has read the ads that end before `reached`. `looked` is true once a whole pass
    has been made, `blind` when Tradera did not give back our references of ads that we know.
    """

    since: int
    until: int | None = None
    began: int | None = None
    reached: int | None = None
    looked: bool = False
    blind: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Strangers:
    """Ads that an earlier rheod made of items that this database does not know; the last one ends at `until` (ms)."""

    ads: tuple[int, ...] = ()
    until: int = 0


def mark_copy(db: sqlite3.Connection, *, at: int) -> None:
    """Note in a copy made at this time that every account has to look at Tradera first."""
    for (account_id,) in db.execute("SELECT id FROM accounts").fetchall():
        known = find(db, account_id)  # of a copy from which this database itself began
        save(db, account_id, Takeover(since=at if known is None else min(at, known.since)))


def find(db: sqlite3.Connection, account_id: str) -> Takeover | None:
    """The account's takeover, None when there is nothing to do."""
    text = marks.get(db, _TAKEOVER + account_id)
    return None if text is None else Takeover(**json.loads(text))


def save(db: sqlite3.Connection, account_id: str, takeover: Takeover) -> None:
    """Note where it stands."""
    marks.put(db, _TAKEOVER + account_id, json.dumps(asdict(takeover)))


def finish(db: sqlite3.Connection, account_id: str) -> None:
    """It is done."""
    marks.drop(db, _TAKEOVER + account_id)


def begin(db: sqlite3.Connection, account_id: str, *, until: int) -> Takeover | None:
    """A rheod starts: if it starts from a copy for the first time, the last pass may not begin before `until`."""
    known = find(db, account_id)
    if known is None or known.until is not None:
        return known
    begun = Takeover(since=known.since, until=until)
    save(db, account_id, begun)
    return begun


def strangers(db: sqlite3.Connection, account_id: str) -> Strangers:
    """The ads that the last takeover found and could not adopt."""
    text = marks.get(db, _STRANGERS + account_id)
    if text is None:
        return Strangers()
    found = json.loads(text)
    return Strangers(ads=tuple(found["ads"]), until=found["until"])


def save_strangers(db: sqlite3.Connection, account_id: str, found: Strangers) -> None:
    """Note them."""
    marks.put(db, _STRANGERS + account_id, json.dumps(asdict(found)))
