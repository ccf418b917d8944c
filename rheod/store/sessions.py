"""Dashboard sessions and the owner's password: sessions by digest, the password as scrypt, checked in memory.

Like the keys: what is shown or typed is never kept. Only the daemon changes either.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from rheod.domain.errors import FieldError, Refused
from rheod.store import marks
from rheod.store.database import Database

SESSION_MS = 14 * 24 * 3600 * 1000
"""A session ends this long after the sign-in, whatever has been done in it."""

LEAST_PASSWORD = 12
MOST_PASSWORD = 1024
_PASSWORD_MARK = "dashboard_password_scrypt"  # noqa: S105 - the name of a mark
_COST = {"n": 2**14, "r": 8, "p": 1, "maxmem": 64 * 1024 * 1024}


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in; `digest` is the SHA-256 of the cookie's text."""

    digest: bytes
    created_at: int
    expires_at: int


class Sessions:
    """Every live session, in memory and in the store, and the password's hash."""

    def __init__(
        self,
        *,
        database: Database,
        now: Callable[[], int],
        sessions: dict[bytes, Session],
        password: str | None,
    ) -> None:
        self._database = database
        self._now = now
        self._sessions = sessions
        self._password = password
        self._hashing = asyncio.Semaphore(1)  # 16 MiB each: a flood of sign-ins must not add up

    @classmethod
    async def load(cls, database: Database, *, now: Callable[[], int]) -> Sessions:
        """Read the sessions that have not expired, and the password's hash."""
        sessions, password = await database.read(lambda db: _read_all(db, now()))
        return cls(database=database, now=now, sessions=sessions, password=password)

    def find(self, token: str) -> Session | None:
        """The live session of this cookie, or None."""
        found = self._sessions.get(_digest(token))
        return found if found is not None and found.expires_at > self._now() else None

    async def open(self) -> tuple[Session, str]:
        """A new session; the cookie's text is returned once and kept nowhere. Expired ones are forgotten."""
        token, now = secrets.token_urlsafe(32), self._now()
        session = Session(_digest(token), now, now + SESSION_MS)
        await self._database.write(lambda db: _insert(db, session, now))
        self._sessions[session.digest] = session
        return session, token

    async def close(self, session: Session) -> None:
        """Sign out."""
        await self._database.write(
            lambda db: db.execute("DELETE FROM sessions WHERE digest = ?", (session.digest,)).rowcount
        )
        self._sessions.pop(session.digest, None)

    async def close_all(self) -> None:
        """Sign out everywhere."""
        await self._database.write(lambda db: db.execute("DELETE FROM sessions").rowcount)
        self._sessions.clear()

    @property
    def has_password(self) -> bool:
        """Whether the owner has set a password."""
        return self._password is not None

    async def set_password(self, text: str) -> None:
        """Set the password and sign out everywhere. Refused (VALIDATION_FAILED) unless it has 12-1,024 characters."""
        if not LEAST_PASSWORD <= len(text) <= MOST_PASSWORD:
            sentence = f"Must have at least {LEAST_PASSWORD} characters"
            raise Refused("VALIDATION_FAILED", "Validation failed", (FieldError("password", sentence),))
        salt = secrets.token_bytes(16)
        kept = f"{salt.hex()}:{(await self._hashed(text, salt)).hex()}"
        await self._database.write(lambda db: marks.put(db, _PASSWORD_MARK, kept))
        self._password = kept
        await self.close_all()

    async def is_password(self, text: str) -> bool:
        """Whether this is the password; takes a thread some 50 ms, one at a time."""
        if self._password is None or len(text) > MOST_PASSWORD:
            return False
        salt, _, kept = self._password.partition(":")
        return hmac.compare_digest((await self._hashed(text, bytes.fromhex(salt))).hex(), kept)

    async def _hashed(self, text: str, salt: bytes) -> bytes:
        async with self._hashing:
            typed = text.encode("utf-8", "surrogatepass")
            return await asyncio.to_thread(lambda: hashlib.scrypt(typed, salt=salt, **_COST))


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _insert(db: sqlite3.Connection, session: Session, now: int) -> None:
    db.execute("DELETE FROM sessions WHERE expires_at <= ?", (now,))
    db.execute(
        "INSERT INTO sessions (digest, created_at, expires_at) VALUES (?, ?, ?)",
        (session.digest, session.created_at, session.expires_at),
    )


def _read_all(db: sqlite3.Connection, now: int) -> tuple[dict[bytes, Session], str | None]:
    rows = db.execute("SELECT digest, created_at, expires_at FROM sessions WHERE expires_at > ?", (now,))
    return {row["digest"]: Session(**dict(row)) for row in rows.fetchall()}, marks.get(db, _PASSWORD_MARK)
