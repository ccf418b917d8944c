"""API keys and the admin token: kept as SHA-256, shown once, checked in memory so that a check costs no query."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import sqlite3
import string
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace

from rheod.store.database import Database

KEY_PREFIX = "rheo_live_"
_ALPHABET = string.ascii_letters + string.digits
_KEY_LENGTH = len(KEY_PREFIX) + 32
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

    async def create(self, account_id: str, name: str) -> tuple[ApiKey, str]:
        """Make a key; its text is returned once and kept nowhere."""
        text = KEY_PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(32))
        key = ApiKey(
            id=str(uuid.uuid4()),
            account_id=account_id,
            prefix=text[: len(KEY_PREFIX) + 4],
            name=name,
            created_at=self._now(),
        )
        digest = _digest(text)
        await self._database.write(lambda db: _insert(db, key, digest))
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
        await self._database.write(
            lambda db: (
                db.execute("INSERT OR REPLACE INTO marks VALUES (?, ?)", (_ADMIN_MARK, digest)).rowcount
            )
        )
        self._admin = digest
        return token


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _insert(db: sqlite3.Connection, key: ApiKey, digest: bytes) -> None:
    db.execute(
        "INSERT INTO api_keys (id, account_id, digest, prefix, name, created_at) VALUES (?, ?, ?, ?, ?, ?)",
        (key.id, key.account_id, digest, key.prefix, key.name, key.created_at),
    )


def _read_all(db: sqlite3.Connection) -> tuple[dict[bytes, ApiKey], str | None]:
    keys = {}
    for row in db.execute("SELECT * FROM api_keys").fetchall():
        values = dict(row)
        digest = values.pop("digest")
        keys[digest] = ApiKey(**values)
    admin = db.execute("SELECT value FROM marks WHERE name = ?", (_ADMIN_MARK,)).fetchone()
    return keys, admin and admin["value"]
