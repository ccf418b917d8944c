"""API keys and the admin token: shown once, kept as digests, revoked at once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rheod.store.access import KeyRing
from rheod.store.engine.database import Database
from tests.stores import Clock, opened, rows


@pytest.fixture
async def ring(database: Database, account_id: str, clock: Clock) -> KeyRing:  # noqa: ARG001 - the account must exist
    """A key ring over an empty store."""
    return await KeyRing.load(database, now=clock)


async def test_a_key_opens_the_door_and_is_kept_nowhere(
    ring: KeyRing, account_id: str, database: Database
) -> None:
    """32 alphanumerics after the prefix; the store has the digest and the first four alone."""
    shown, text = await ring.create(account_id, "ERP")
    assert re.fullmatch(r"rheo_live_[A-Za-z0-9]{32}", text)
    assert shown.prefix == text[:14]
    assert ring.find(text) is not None
    [row] = await rows(database, "SELECT * FROM api_keys")
    assert len(row["digest"]) == 32
    assert text not in str(row)
    assert text not in str(await rows(database, "SELECT hex(digest) FROM api_keys"))


async def test_keys_survive_a_restart(
    ring: KeyRing, account_id: str, database: Database, clock: Clock
) -> None:
    """Live ones, revoked ones and the admin token."""
    _, live = await ring.create(account_id, "live")
    gone, dead = await ring.create(account_id, "gone")
    await ring.revoke(gone.id)
    admin = await ring.new_admin_token()
    again = await KeyRing.load(database, now=clock)
    assert await again.listing(account_id) == await ring.listing(account_id)
    assert again.find(live) is not None
    assert again.find(dead) is None
    assert again.is_admin(admin)


async def test_revocation_holds_from_the_next_request(ring: KeyRing, account_id: str, clock: Clock) -> None:
    """And only once; the row stays to be shown."""
    key, text = await ring.create(account_id, "ERP")
    clock.forward(5)
    assert await ring.revoke(key.id)
    assert ring.find(text) is None
    assert not await ring.revoke(key.id)
    assert not await ring.revoke("unknown")
    [shown] = await ring.listing(account_id)
    assert shown.revoked_at == clock()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "rheo_live_",
        "rheo_live_" + "a" * 31,
        "rheo_live_" + "a" * 32,
        "rheo_live_" + "a" * 33,
        "rheo_test_" + "a" * 32,
        "rheo_live_" + "å" * 32,
        "rheo_live_" + "\ud800" * 32,
        "\x00" * 42,
    ],
)
async def test_malformed_and_unknown_keys_are_no_keys(ring: KeyRing, account_id: str, text: str) -> None:
    """Never an exception: the caller answers 401."""
    await ring.create(account_id, "ERP")
    assert ring.find(text) is None


async def test_a_use_is_noted_at_once_and_written_now_and_then(
    ring: KeyRing, account_id: str, database: Database, clock: Clock
) -> None:
    """A request costs no write."""
    _, text = await ring.create(account_id, "ERP")
    clock.forward(60)
    ring.find(text)
    assert [key.last_used_at for key in await ring.listing(account_id)] == [clock()]
    assert await rows(database, "SELECT last_used_at FROM api_keys") == [{"last_used_at": None}]
    await ring.save_uses()
    await ring.save_uses()
    assert await rows(database, "SELECT last_used_at FROM api_keys") == [{"last_used_at": clock()}]


async def test_each_account_sees_its_own_keys_oldest_first(
    ring: KeyRing, account_id: str, database: Database, clock: Clock
) -> None:
    """Another account's keys are not listed."""
    [member] = await rows(database, "SELECT id FROM accounts WHERE reference = 'member'")
    await ring.create(member["id"], "theirs")
    for name in ("first", "second"):
        clock.forward(1)
        await ring.create(account_id, name)
    assert [key.name for key in await ring.listing(account_id)] == ["first", "second"]


async def test_a_new_admin_token_ends_the_old_one(ring: KeyRing) -> None:
    """Without a token nothing is one; odd text is no token and no error."""
    assert not ring.is_admin("")
    first = await ring.new_admin_token()
    assert ring.is_admin(first)
    second = await ring.new_admin_token()
    assert (ring.is_admin(first), ring.is_admin(second)) == (False, True)
    assert not ring.is_admin("\ud800å")


async def test_no_key_or_token_is_in_the_files(tmp_path: Path, clock: Clock) -> None:
    """The whole folder, log included, holds neither."""
    folder = tmp_path / "data"
    async with opened(folder) as database:
        await database.write(lambda db: db.execute("INSERT INTO accounts VALUES ('a', '', 0)").rowcount)
        ring = await KeyRing.load(database, now=clock)
        _, key = await ring.create("a", "ERP")
        token = await ring.new_admin_token()
        content = b"".join(file.read_bytes() for file in folder.iterdir() if file.is_file())
    assert key.encode() not in content
    assert token.encode() not in content
