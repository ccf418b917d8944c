"""Rows of endpoints: where an account's webhooks go, what each wants, and how it fares.

A removed endpoint stays as a row without its secrets, so that its deliveries stay readable; nothing here finds it any
more.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, fields

from rheod.domain.model import EVERY_EVENT, RHEO_EVENTS, EventType


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where an account's webhooks go. `probe_at` is set while it fails: one event at a time, not before then.

    `event_types` empty means the six of the hosted service, `*` all there are. `scope` is `self` for the account's own events, `members` for those of the
    reseller's member accounts.
    """

    id: str
    account_id: str
    url: str | None
    event_types: tuple[str, ...] = ()
    scope: str = "self"
    description: str = ""
    secret: str
    previous_secret: str | None = None
    previous_until: int | None = None
    active: bool = True
    fail_count: int = 0
    probe_at: int | None = None
    created_at: int = 0
    updated_at: int = 0

    def takes(self, event_type: EventType) -> bool:
        """Whether it is sent such events."""
        if not self.event_types:
            return event_type in RHEO_EVENTS
        return event_type in self.event_types or EVERY_EVENT in self.event_types


_FIELDS = tuple(field.name for field in fields(Endpoint))
_SEALED = {"secret", "previous_secret"}
_COLUMNS = ", ".join(f"unseal({name}) AS {name}" if name in _SEALED else name for name in _FIELDS)
"""The columns of an endpoint as they are read: its secrets are sealed at rest."""

_RHEO_EVENTS = ", ".join(f"'{event.value}'" for event in sorted(RHEO_EVENTS))

TAKES = (
    f"(e.event_types = '{EVERY_EVENT}' OR instr(',' || e.event_types || ',', ',' || n.type || ',')"
    f" OR e.event_types = '' AND n.type IN ({_RHEO_EVENTS}))"
    " AND CASE e.scope WHEN 'self' THEN e.account_id = n.account_id"
    " ELSE e.account_id <> n.account_id AND e.account_id = (SELECT id FROM accounts WHERE reference = '') END"
)
"""The WHERE of whether endpoint `e` takes event `n`."""


def _endpoint_of(row: sqlite3.Row) -> Endpoint:
    values = {name: row[name] for name in _FIELDS}
    types = tuple(filter(None, row["event_types"].split(",")))
    return Endpoint(**{**values, "event_types": types, "active": bool(row["active"])})


def endpoint(db: sqlite3.Connection, endpoint_id: str) -> Endpoint | None:
    """The endpoint of this id, unless it was removed."""
    row = db.execute(
        f"SELECT {_COLUMNS} FROM endpoints WHERE id = ? AND removed_at IS NULL", (endpoint_id,)
    ).fetchone()
    return row and _endpoint_of(row)


def has_failed(db: sqlite3.Connection, endpoint_id: str) -> bool:
    """Whether the endpoint's last event was not taken; costs less than the endpoint, whose secrets are unsealed."""
    row = db.execute("SELECT 1 FROM endpoints WHERE id = ? AND fail_count > 0", (endpoint_id,)).fetchone()
    return row is not None


def first_endpoint(db: sqlite3.Connection, account_id: str) -> Endpoint | None:
    """The account's first endpoint: the one of webhook-settings."""
    return next(iter(_of_account(db, account_id, limit=1)), None)


def endpoints(db: sqlite3.Connection, account_id: str) -> list[Endpoint]:
    """All endpoints of the account, the oldest first."""
    return _of_account(db, account_id, limit=-1)


def _of_account(db: sqlite3.Connection, account_id: str, *, limit: int) -> list[Endpoint]:
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM endpoints WHERE account_id = ? AND removed_at IS NULL"
        " ORDER BY created_at, rowid LIMIT ?",
        (account_id, limit),
    )
    return [_endpoint_of(row) for row in rows.fetchall()]


def save_endpoint(db: sqlite3.Connection, endpoint: Endpoint) -> None:
    """Insert the endpoint or replace what may change of it."""
    names = ", ".join(_FIELDS)
    slots = ", ".join(f"seal(:{name})" if name in _SEALED else f":{name}" for name in _FIELDS)
    kept = {"id", "account_id", "created_at"}
    updates = ", ".join(f"{name} = excluded.{name}" for name in _FIELDS if name not in kept)
    values = {name: getattr(endpoint, name) for name in _FIELDS}
    db.execute(
        f"INSERT INTO endpoints ({names}) VALUES ({slots}) ON CONFLICT (id) DO UPDATE SET {updates}",
        {**values, "event_types": ",".join(endpoint.event_types)},
    )


def took(db: sqlite3.Connection, endpoint_id: str) -> None:
    """The endpoint has taken an event: its failures are over. Whether it is on is the owner's to say."""
    db.execute("UPDATE endpoints SET fail_count = 0, probe_at = NULL WHERE id = ?", (endpoint_id,))


def failed(
    db: sqlite3.Connection, endpoint_id: str, *, failures: int, probe_at: int, switch_off: bool, now: int
) -> None:
    """The endpoint has failed so often in a row; never switches one on, whatever was read before the try."""
    db.execute(
        "UPDATE endpoints SET failing_since = CASE WHEN fail_count > 0 THEN failing_since ELSE :now END,"
        " fail_count = :failures, probe_at = :probe_at, active = active AND NOT :off WHERE id = :id",
        {"failures": failures, "probe_at": probe_at, "off": switch_off, "id": endpoint_id, "now": now},
    )


def remove_endpoint(db: sqlite3.Connection, endpoint_id: str, *, now: int) -> int:
    """Take the endpoint away with its secrets; returns how many deliveries waited for it and are dropped."""
    db.execute(
        "UPDATE endpoints SET removed_at = :now, updated_at = :now, active = 0, secret = seal(''),"
        " previous_secret = NULL, probe_at = NULL WHERE id = :id",
        {"now": now, "id": endpoint_id},
    )
    return drop_waiting(db, endpoint_id, limit=-1)


def drop_waiting(db: sqlite3.Connection, endpoint_id: str, *, limit: int) -> int:
    """Forget deliveries that wait for the endpoint, at most `limit` at a time; returns how many."""
    return db.execute(
        "DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE lane = 'hooks' AND endpoint_id = ? LIMIT ?)",
        (endpoint_id, limit),
    ).rowcount
