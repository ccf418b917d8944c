"""A copy that is fetched from the pages: one archive that a restore takes, streamed in pieces."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from rheod.domain.errors import Refused
from rheod.health.alerts import Alarms
from rheod.health.machine import Machine, archive, name_of
from rheod.store.engine.copies import DATABASE, Manifest
from rheod.store.engine.database import Database
from rheod.usecases.safekeeping import Backups
from tests.stores import Clock


def unpacked_to(place: Path, content: bytes) -> Path:
    """The one folder of an archive, as `tar` unpacks it."""
    with tarfile.open(fileobj=io.BytesIO(content)) as archived:
        archived.extractall(place, filter="data")
    (folder,) = place.iterdir()
    return folder


def machine(database: Database, folder: Path, clock: Clock) -> Machine:
    """The machine of this test."""
    backups = Backups(database=database, folder=folder, key_in_file=True, now=clock, stopping=lambda: False)

    async def examine() -> dict[str, object]:
        return {}

    alarms = Alarms(database=database, notifiers=[])
    return Machine(
        database=database, folder=folder, started_at=clock(), backups=backups, alarms=alarms, examine=examine
    )


async def test_an_archive_is_what_a_restore_takes(database: Database, tmp_path: Path, clock: Clock) -> None:
    """Database, description and key in one folder of the backup's name, proven against the description."""
    one = machine(database, tmp_path, clock)
    copied = await one.copy()
    pieces = [piece async for piece in archive(copied)]
    assert max(map(len, pieces)) <= 256 * 1024
    folder = unpacked_to(tmp_path / "out", b"".join(pieces))
    assert folder.name == name_of(copied)
    assert Manifest.of(folder).prove(folder) == copied.contents
    assert {each.name for each in folder.iterdir()} == {DATABASE, "secret.key", "manifest.json"}
    assert (folder / "secret.key").read_bytes() == (tmp_path / "secret.key").read_bytes()


async def test_a_copy_that_is_gone_is_made_anew(database: Database, tmp_path: Path, clock: Clock) -> None:
    """Removed when the owner has it, swept after hours: it is neither given nor counted again."""
    one = machine(database, tmp_path, clock)
    copied = await one.copy()
    assert one.fetchable() == [copied]
    await one.kept(copied.made_at)
    assert (await one.state()).backup_at == copied.made_at
    assert one.fetchable() == []
    with pytest.raises(Refused, match="make a new one"):
        await one.kept(copied.made_at)
