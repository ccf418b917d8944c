"""Rows of accounts, their Tradera members, tokens and logins, and what each has to do after a restore.

The default account has the reference ''; the others are a reseller's members. An account is never removed: its items and its
sales outlive its place in the settings. Tokens and the secrets of logins are sealed (`engine/encryption.py`).

A database that began as a copy has a takeover for each account: it looks at Tradera before it publishes anything. The takeover
is stored among the small values, so that every copy carries it, however it is put in place.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from types import MappingProxyType

from rheod.store import key_value

NO_MEMBERS: Mapping[str, int] = MappingProxyType({})


def ensure(
    db: sqlite3.Connection,
    references: Sequence[str],
    *,
    now: int,
    members: Mapping[str, int] = NO_MEMBERS,
) -> dict[str, str]:
    """Make sure the accounts of these references exist ('' is the default one); returns reference -> id of all.

    `members` are their ids at Tradera. A member that has got another reference keeps its account.
    """
    for reference in references:
        if not _renamed(db, reference, members.get(reference), references):
            db.execute(
                "INSERT INTO accounts (id, reference, created_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                (str(uuid.uuid4()), reference, now),
            )
    known = {
        row["reference"]: row["id"] for row in db.execute("SELECT reference, id FROM accounts").fetchall()
    }
    for reference, member_id in members.items():
        add_member(db, known[reference], member_id)
    return known


def add_member(db: sqlite3.Connection, account_id: str, member_id: int) -> None:
    """Record that this Tradera member sells for the account."""
    db.execute(
        "INSERT OR REPLACE INTO members (member_id, account_id) VALUES (?, ?)", (member_id, account_id)
    )


def _renamed(
    db: sqlite3.Connection, reference: str, member_id: int | None, references: Sequence[str]
) -> bool:
    """Whether the account of this member, under a reference that is gone, now has the new one."""
    if db.execute("SELECT 1 FROM accounts WHERE reference = ?", (reference,)).fetchone():
        return False
    row = db.execute(
        "SELECT id, reference FROM accounts JOIN members ON account_id = id WHERE member_id = ?", (member_id,)
    ).fetchone()
    if row is None or row["reference"] in {"", *references}:
        return False
    db.execute("UPDATE accounts SET reference = ? WHERE id = ?", (reference, row["id"]))
    return True


def of_members(db: sqlite3.Connection) -> dict[int, str]:
    """Every member that sells or has sold through rheod: id at Tradera -> account id."""
    return {
        row["member_id"]: row["account_id"]
        for row in db.execute("SELECT member_id, account_id FROM members").fetchall()
    }


def ids(db: sqlite3.Connection) -> list[str]:
    """Every account, those of earlier settings too."""
    return [row["id"] for row in db.execute("SELECT id FROM accounts ORDER BY id").fetchall()]


def created_at(db: sqlite3.Connection, account_id: str) -> int:
    """When the account came to be (ms)."""
    at: int = db.execute("SELECT created_at FROM accounts WHERE id = ?", (account_id,)).fetchone()[0]
    return at


def reference(db: sqlite3.Connection, account_id: str) -> str:
    """The reference of an account; the default one has ''."""
    row = db.execute("SELECT reference FROM accounts WHERE id = ?", (account_id,)).fetchone()
    return str(row["reference"])


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
class UnknownAds:
    """Ads that an earlier rheod made of items that this database does not know; the last one ends at `until` (ms)."""

    ads: tuple[int, ...] = ()
    until: int = 0


def mark_copy(db: sqlite3.Connection, *, at: int) -> None:
    """Record in a copy made at this time (ms) that every account has to look at Tradera before it publishes."""
    for (account_id,) in db.execute("SELECT id FROM accounts").fetchall():
        known = find(db, account_id)  # of a copy from which this database itself began
        save(db, account_id, Takeover(since=at if known is None else min(at, known.since)))


def find(db: sqlite3.Connection, account_id: str) -> Takeover | None:
    """The account's takeover, None when there is nothing to do."""
    text = key_value.get(db, _TAKEOVER + account_id)
    return None if text is None else Takeover(**json.loads(text))


def save(db: sqlite3.Connection, account_id: str, takeover: Takeover) -> None:
    """Store where the account's takeover stands."""
    key_value.put(db, _TAKEOVER + account_id, json.dumps(asdict(takeover)))


def finish(db: sqlite3.Connection, account_id: str) -> None:
    """Forget the takeover: it is done."""
    key_value.drop(db, _TAKEOVER + account_id)


def begin(db: sqlite3.Connection, account_id: str, *, until: int) -> Takeover | None:
    """A rheod starts: if it starts from a copy for the first time, the last pass may not begin before `until`."""
    known = find(db, account_id)
    if known is None or known.until is not None:
        return known
    begun = Takeover(since=known.since, until=until)
    save(db, account_id, begun)
    return begun


def strangers(db: sqlite3.Connection, account_id: str) -> UnknownAds:
    """The ads that the last takeover found and could not adopt; none when there was no takeover."""
    text = key_value.get(db, _STRANGERS + account_id)
    if text is None:
        return UnknownAds()
    found = json.loads(text)
    return UnknownAds(ads=tuple(found["ads"]), until=found["until"])


def save_strangers(db: sqlite3.Connection, account_id: str, found: UnknownAds) -> None:
    """Store the ads that a takeover found and could not adopt."""
    key_value.put(db, _STRANGERS + account_id, json.dumps(asdict(found)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What a login gave: whose token it is and when it ends (ms; None: Tradera did not say)."""

    user_id: int
    token: str = field(repr=False)
    ends_at: int | None
    obtained_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A login that was begun: the secret we made for it, and how often its token was asked for."""

    secret: str = field(repr=False)
    begun_at: int
    tries: int = 0


def tokens(db: sqlite3.Connection) -> dict[str, Token]:
    """Every account's token, by account."""
    rows = db.execute("SELECT account_id, user_id, unseal(token) AS token, ends_at, obtained_at FROM tokens")
    return {
        row["account_id"]: Token(
            user_id=row["user_id"],
            token=row["token"],
            ends_at=row["ends_at"],
            obtained_at=row["obtained_at"],
        )
        for row in rows.fetchall()
    }


def save_token(db: sqlite3.Connection, account_id: str, token: Token) -> None:
    """Keep a token in place of the account's earlier one."""
    db.execute(
        "INSERT OR REPLACE INTO tokens (account_id, user_id, token, ends_at, obtained_at) VALUES (?, ?, seal(?), ?, ?)",
        (account_id, token.user_id, token.token, token.ends_at, token.obtained_at),
    )


def login(db: sqlite3.Connection, account_id: str) -> Login | None:
    """The account's login that waits for its token."""
    row = db.execute(
        "SELECT unseal(secret) AS secret, begun_at, tries FROM logins WHERE account_id = ?", (account_id,)
    ).fetchone()
    return None if row is None else Login(**dict(row))


def begun(db: sqlite3.Connection) -> dict[str, int]:
    """When the login of each account that has one was begun (ms)."""
    return {
        row["account_id"]: row["begun_at"] for row in db.execute("SELECT account_id, begun_at FROM logins")
    }


def save_login(db: sqlite3.Connection, account_id: str, new: Login) -> None:
    """Store a login in place of the account's earlier one."""
    db.execute(
        "INSERT OR REPLACE INTO logins (account_id, secret, begun_at, tries) VALUES (?, seal(?), ?, ?)",
        (account_id, new.secret, new.begun_at, new.tries),
    )


def count_try(db: sqlite3.Connection, account_id: str) -> None:
    """Count one more request for the login's token."""
    db.execute("UPDATE logins SET tries = tries + 1 WHERE account_id = ?", (account_id,))


def drop_login(db: sqlite3.Connection, account_id: str) -> None:
    """Forget the account's login."""
    db.execute("DELETE FROM logins WHERE account_id = ?", (account_id,))
