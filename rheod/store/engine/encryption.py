"""Seals what must be readable again but worthless in a stolen database: secrets that sign webhooks, sellers' tokens.

AES-256-GCM under a key from the settings (`storage.key`, best as a systemd credential) or from a file of mode 0600 beside
the database, made at the first start. SQL sees it as the functions `seal` and `unseal`.
"""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
import sqlite3
from contextlib import closing
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from rheod.domain.errors import RheodError

_NONCE_BYTES = 12
KEY_FILE = "secret.key"


class SecretBox:
    """Seals and unseals short texts with one key."""

    def __init__(self, key: str) -> None:
        self._cipher = AESGCM(hashlib.sha256(key.encode()).digest())

    @classmethod
    def of(cls, folder: Path, key: str | None) -> SecretBox:
        """The box of a data folder: with the given key, else with that of its key file, which is made if absent."""
        file = folder / KEY_FILE
        return cls(key if key is not None else _kept_key(file) or _new_key(file))

    def seal(self, text: str | None) -> str | None:
        """The text as base64 that only this key opens; None stays None."""
        if text is None:
            return None
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return base64.b64encode(nonce + self._cipher.encrypt(nonce, text.encode(), None)).decode()

    def unseal(self, sealed: str | None) -> str | None:
        """The text again. Raises RheodError when another key sealed it."""
        if sealed is None:
            return None
        raw = base64.b64decode(sealed)
        try:
            return self._cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], None).decode()
        except InvalidTag as error:
            raise RheodError("sealed with another key") from error

    def attach(self, db: sqlite3.Connection) -> None:
        """Give a connection the functions `seal` and `unseal`."""
        db.create_function("seal", 1, self.seal)
        db.create_function("unseal", 1, self.unseal)


def check(db: sqlite3.Connection, *, folder: Path) -> None:
    """Raise RheodError with the fix when the stored secrets cannot be opened with this key."""
    try:
        db.execute("SELECT unseal(secret) FROM endpoints LIMIT 1").fetchall()
        db.execute("SELECT unseal(token) FROM tokens LIMIT 1").fetchall()
    except sqlite3.OperationalError as error:
        raise RheodError(
            f"The secrets in {folder} were sealed with another key: put the old storage.key back, or the"
            f" {KEY_FILE} that belongs to this database"
        ) from error


def refuse_other_key(file: Path, key: str | None) -> None:
    """Raise RheodError when the secrets in a database cannot be opened with this key or its folder's; writes nothing."""
    found = key if key is not None else _kept_key(file.with_name(KEY_FILE))
    log = file.with_name(file.name + "-wal")
    # without a log the file is all there is: SQLite then needs no file of its own beside it
    mode = "ro" if log.exists() and log.stat().st_size else "ro&immutable=1"
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode={mode}", uri=True, timeout=5.0)) as db:
            sealed = [db.execute(f"{query} LIMIT 1").fetchone() for query in _SEALED]
            if found is not None:
                SecretBox(found).attach(db)
                check(db, folder=file.parent)
    except sqlite3.Error:
        return  # none yet, of an older schema, or damaged: whoever opens it for good says so
    if found is None and any(sealed):
        raise RheodError(
            f"{file.with_name(KEY_FILE)} is missing, and secrets in the database are sealed with it: put it back (each"
            " backup of rheod has it beside its database), or set storage.key if it was set before"
        )


_SEALED = (
    "SELECT 1 FROM endpoints WHERE secret IS NOT NULL",
    "SELECT 1 FROM tokens WHERE token IS NOT NULL",
)


def _kept_key(file: Path) -> str | None:
    """The key in its file; None when there is none. RheodError when the file holds no key."""
    try:
        key = file.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        key = ""
    if not key:
        raise RheodError(
            f"{file} holds no key: put the one back that belongs to this database, see your backups"
        )
    return key


def _new_key(file: Path) -> str:
    key = secrets.token_urlsafe(32)
    part = file.with_name(file.name + ".part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as out:
        out.write(key + "\n")
        out.flush()
        os.fsync(out.fileno())
    part.replace(file)
    descriptor = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return key
