"""Secrets at rest: sealed in the file, readable with the key, and a wrong key is said at start."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from rheod.domain.errors import RheodError
from rheod.store import accounts, endpoints
from rheod.store.engine.database import Database
from rheod.store.engine.encryption import KEY_FILE, SecretBox
from tests.stores import opened

SECRET = "whsec_dGVzdC1zZWNyZXQ="


async def keep_secret(database: Database) -> str:
    known = await database.write(partial(accounts.ensure, references=[""], now=1))
    endpoint = endpoints.Endpoint(
        id="e", account_id=known[""], url=None, secret=SECRET, previous_secret=SECRET
    )
    await database.write(lambda db: endpoints.save_endpoint(db, endpoint))
    return known[""]


async def test_a_secret_is_read_back_and_stands_in_no_file(tmp_path: Path) -> None:
    """What is read is the secret, what lies in the folder is not."""
    async with opened(tmp_path) as database:
        account_id = await keep_secret(database)
        found = await database.read(lambda db: endpoints.first_endpoint(db, account_id))
        assert found is not None
        assert (found.secret, found.previous_secret) == (SECRET, SECRET)
    kept = b"".join(file.read_bytes() for file in tmp_path.iterdir() if file.is_file())
    assert SECRET.encode() not in kept


async def test_the_key_file_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    """Mode 0600, and the same key at the next start."""
    async with opened(tmp_path) as database:
        await keep_secret(database)
    key = (tmp_path / KEY_FILE).read_bytes()
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600
    async with opened(tmp_path):
        assert (tmp_path / KEY_FILE).read_bytes() == key


async def test_a_lost_key_is_said_at_start_with_the_fix(tmp_path: Path) -> None:
    """A database without the key that sealed it is refused: every delivery would fail."""
    async with opened(tmp_path) as database:
        await keep_secret(database)
    (tmp_path / KEY_FILE).unlink()
    with pytest.raises(RheodError, match=r"storage\.key"):
        await Database.open(tmp_path)


async def test_a_key_from_the_settings_needs_no_file(tmp_path: Path) -> None:
    """With a key given none is written."""
    database = await Database.open(tmp_path, key="test-key")
    await database.close()
    assert not (tmp_path / KEY_FILE).exists()


def test_the_same_text_is_never_sealed_to_the_same_bytes() -> None:
    """Equal secrets cannot be told from the file."""
    box = SecretBox("test-key")
    assert box.seal("one") != box.seal("one")
    assert box.unseal(box.seal("one")) == "one"
    assert box.seal(None) is None
    assert box.unseal(None) is None
