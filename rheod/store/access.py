"""API keys, the admin token, dashboard sessions and the owner's password: checked in memory, so that a check costs no query.

Keys, tokens and cookies are shown once and kept as SHA-256, the password as scrypt. Only the daemon changes them.

The audit log (what the owner did, when and from where) and the alerts (findings that are sent to the owner).

Rows of the audit log are added and read, never changed.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import sqlite3
import string
import uuid
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, replace
from typing import Literal, get_args

from rheod.domain.errors import FieldError, Refused, Text
from rheod.store import key_value
from rheod.store.columns import restored
from rheod.store.engine.database import Database

KEY_PREFIX = "rheo_live_"
_ALPHABET = string.ascii_letters + string.digits
_KEY_LENGTH = len(KEY_PREFIX) + 32
Scope = Literal["items", "orders"]
"""What a key opens: items with the tracking of orders, or orders with their buyers."""
SCOPES: tuple[Scope, ...] = get_args(Scope)
_ADMIN_MARK = "admin_token_sha256"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """One key as it may be shown: never the key itself."""

    id: str
    account_id: str
    prefix: str
    name: str
    created_at: int
    last_used_at: int | None = None
    revoked_at: int | None = None
    scopes: tuple[Scope, ...] = ("items",)


class KeyRing:
    """Every key by digest, in memory and in the store; only the daemon changes either."""

    def __init__(
        self, *, database: Database, now: Callable[[], int], keys: dict[bytes, ApiKey], admin: str | None
    ) -> None:
        self._database = database
        self._now = now
        self._keys = keys
        self._admin = admin
        self._used_at: dict[bytes, int] = {}

    @classmethod
    async def load(cls, database: Database, *, now: Callable[[], int]) -> KeyRing:
        """Read all keys and the admin token's digest."""
        keys, admin = await database.read(_read_all)
        return cls(database=database, now=now, keys=keys, admin=admin)

    def find(self, key: str) -> ApiKey | None:
        """The live key this text is, or None if it is malformed, unknown or revoked; notes its use."""
        if len(key) != _KEY_LENGTH or not key.isascii() or not key.startswith(KEY_PREFIX):
            return None
        digest = _digest(key)
        found = self._keys.get(digest)
        if found is None or found.revoked_at is not None:
            return None
        self._used_at[digest] = self._now()
        return found

    async def create(
        self, account_id: str, name: str, scopes: Sequence[Scope] = ("items",)
    ) -> tuple[ApiKey, str]:
        """Make a key that opens these; its text is returned once and kept nowhere."""
        text = KEY_PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(32))
        key = ApiKey(
            id=str(uuid.uuid4()),
            account_id=account_id,
            prefix=text[: len(KEY_PREFIX) + 4],
            name=name,
            created_at=self._now(),
            scopes=tuple(scopes),
        )
        digest = _digest(text)
        values = (key.id, account_id, digest, key.prefix, name, key.created_at, ",".join(scopes))
        insert = (
            "INSERT INTO api_keys (id, account_id, digest, prefix, name, created_at, scopes)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)"
        )
        await self._database.write(lambda db: db.execute(insert, values).rowcount)
        self._keys[digest] = key
        return key, text

    async def revoke(self, key_id: str) -> bool:
        """Revoke from the next request on; False when there is no such live key."""
        digest = next(
            (each for each, key in self._keys.items() if key.id == key_id and not key.revoked_at), None
        )
        if digest is None:
            return False
        at = self._now()
        await self._database.write(
            lambda db: db.execute("UPDATE api_keys SET revoked_at = ? WHERE id = ?", (at, key_id)).rowcount
        )
        self._keys[digest] = replace(self._keys[digest], revoked_at=at)
        return True

    async def listing(self, account_id: str) -> list[ApiKey]:
        """The account's keys, revoked ones too, oldest first."""
        keys = [
            replace(key, last_used_at=self._used_at.get(digest, key.last_used_at))
            for digest, key in self._keys.items()
            if key.account_id == account_id
        ]
        return sorted(keys, key=lambda key: (key.created_at, key.id))

    async def save_uses(self) -> None:
        """Write down when keys were last used; called now and then, so that a request costs no write."""
        used_at, self._used_at = self._used_at, {}
        for digest, at in used_at.items():
            self._keys[digest] = replace(self._keys[digest], last_used_at=at)
        if used_at:
            used = [(at, digest) for digest, at in used_at.items()]
            await self._database.write(
                lambda db: (
                    db.executemany("UPDATE api_keys SET last_used_at = ? WHERE digest = ?", used).rowcount
                )
            )

    def is_admin(self, token: str) -> bool:
        """Whether this is the admin token, compared in constant time."""
        if self._admin is None:
            return False
        return hmac.compare_digest(_digest(token).hex(), self._admin)

    async def new_admin_token(self) -> str:
        """Make the admin token anew; the earlier one is worth nothing from now on."""
        token = secrets.token_urlsafe(32)
        digest = _digest(token).hex()
        await self._database.write(lambda db: key_value.put(db, _ADMIN_MARK, digest))
        self._admin = digest
        return token


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _read_all(db: sqlite3.Connection) -> tuple[dict[bytes, ApiKey], str | None]:
    keys = {}
    for row in db.execute("SELECT * FROM api_keys").fetchall():
        values = dict(row)
        digest = values.pop("digest")
        keys[digest] = ApiKey(**{**values, "scopes": tuple(values["scopes"].split(","))})
    return keys, key_value.get(db, _ADMIN_MARK)


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
        query, at = "SELECT digest, created_at, expires_at FROM sessions WHERE expires_at > ?", now()
        rows = await database.read(lambda db: db.execute(query, (at,)).fetchall())
        password = await database.read(lambda db: key_value.get(db, _PASSWORD_MARK))
        sessions = {row["digest"]: Session(**dict(row)) for row in rows}
        return cls(database=database, now=now, sessions=sessions, password=password)

    def find(self, token: str) -> Session | None:
        """The live session of this cookie, or None."""
        found = self._sessions.get(_digest(token))
        return found if found is not None and found.expires_at > self._now() else None

    async def open(self) -> tuple[Session, str]:
        """A new session; the cookie's text is returned once and kept nowhere. Expired ones are forgotten."""
        token, now = secrets.token_urlsafe(32), self._now()
        session = Session(_digest(token), now, now + SESSION_MS)
        await self._database.write(lambda db: _insert_session(db, session, now))
        self._sessions[session.digest] = session
        return session, token

    async def sign_in(self, password: str) -> tuple[Session, str] | None:
        """A new session for whoever knows the password; None for another text.

        Judging takes a while: a password that was changed meanwhile, which signs everybody out, opens nothing.
        """
        judged_by = self._password
        if not await self.is_password(password):
            return None
        opened = await self.open()
        if self._password == judged_by:
            return opened
        await self.close(opened[0])
        return None

    def live(self) -> list[Session]:
        """The sessions that have not expired, the newest first."""
        now = self._now()
        found = [each for each in self._sessions.values() if each.expires_at > now]
        return sorted(found, key=lambda each: -each.created_at)

    async def close_others(self, session: Session) -> int:
        """Sign out everywhere but here; returns how many sessions that ended."""
        others = [each for each in self.live() if each.digest != session.digest]
        for each in others:
            await self.close(each)
        return len(others)

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
            sentence = Text("Must have at least {n} characters", n=LEAST_PASSWORD)
            raise Refused("VALIDATION_FAILED", Text("Validation failed"), (FieldError("password", sentence),))
        salt = secrets.token_bytes(16)
        kept = f"{salt.hex()}:{(await self._hashed(text, salt)).hex()}"
        await self._database.write(lambda db: key_value.put(db, _PASSWORD_MARK, kept))
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


def _insert_session(db: sqlite3.Connection, session: Session, now: int) -> None:
    db.execute("DELETE FROM sessions WHERE expires_at <= ?", (now,))
    db.execute(
        "INSERT INTO sessions (digest, created_at, expires_at) VALUES (?, ?, ?)",
        (session.digest, session.created_at, session.expires_at),
    )


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One action: `origin` is the address it came from, `subject` what it was done to, `told` what the owner was answered."""

    at: int
    origin: str
    action: str
    subject: str
    told: str


class Audit:
    """Writes and reads the audit log, by transactions of its own."""

    def __init__(self, *, database: Database, now: Callable[[], int]) -> None:
        self._database = database
        self._now = now

    async def record(self, *, origin: str, action: str, subject: str, told: str) -> None:
        """Add an entry; it is durable on return."""
        values = (self._now(), origin, action, subject, told)
        insert = "INSERT INTO audit (at, origin, action, subject, told) VALUES (?, ?, ?, ?, ?)"
        await self._database.write(lambda db: db.execute(insert, values).rowcount)

    async def latest(self, *, limit: int) -> list[AuditEntry]:
        """The newest entries first."""
        return await self.between(0, None, limit=limit)

    async def between(self, first: int, end: int | None, *, limit: int) -> list[AuditEntry]:
        """The entries from a time on (ms) and before another, the newest first."""
        query = (
            "SELECT at, origin, action, subject, told FROM audit WHERE at >= ? AND at < coalesce(?, at + 1)"
            " ORDER BY id DESC LIMIT ?"
        )
        rows = await self._database.read(lambda db: db.execute(query, (first, end, limit)).fetchall())
        return [AuditEntry(**{**dict(row), "told": restored(row["told"])}) for row in rows]


@dataclass(frozen=True, slots=True)
class Alert:
    """A finding by its key, with its sentence; when it was sent and since when it is gone (ms), None: not yet."""

    key: str
    text: str
    since: int
    told_at: int | None = None
    gone_since: int | None = None


def read_all(db: sqlite3.Connection) -> dict[str, Alert]:
    """Every alert, by the key of its finding."""
    rows = db.execute("SELECT key, text, since, told_at, gone_since FROM alerts")
    return {row["key"]: Alert(**{**dict(row), "text": restored(row["text"])}) for row in rows.fetchall()}


def save(db: sqlite3.Connection, alert: Alert) -> None:
    """Insert or replace an alert."""
    db.execute("INSERT OR REPLACE INTO alerts VALUES (?, ?, ?, ?, ?)", astuple(alert))


def drop(db: sqlite3.Connection, key: str) -> None:
    """Forget an alert that is over, once the owner has been sent so."""
    db.execute("DELETE FROM alerts WHERE key = ?", (key,))
