"""Rows of sellers' tokens and of the logins that lead to them; both secrets are sealed (`vault.py`)."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field


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
    """Begin a login in place of an earlier one."""
    db.execute(
        "INSERT OR REPLACE INTO logins (account_id, secret, begun_at, tries) VALUES (?, seal(?), ?, ?)",
        (account_id, new.secret, new.begun_at, new.tries),
    )


def count_try(db: sqlite3.Connection, account_id: str) -> None:
    """The token is about to be asked for once more."""
    db.execute("UPDATE logins SET tries = tries + 1 WHERE account_id = ?", (account_id,))


def drop_login(db: sqlite3.Connection, account_id: str) -> None:
    """The login has served."""
    db.execute("DELETE FROM logins WHERE account_id = ?", (account_id,))
