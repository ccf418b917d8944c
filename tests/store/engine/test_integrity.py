"""A large database is looked through while it is in use; once damage is known nobody goes on with it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from rheod.domain.errors import RheodError
from rheod.store.engine.connection import SOUND, FileCheck
from rheod.store.engine.database import Database
from tests.store.damaging import damage
from tests.stores import opened


async def _new(folder: Path) -> Path:
    async with opened(folder) as database:
        return database.file


async def _open_large(folder: Path) -> bool:
    """Open and close it as if it were too large to be looked through at once; whether nobody has."""
    database = await Database.open(folder, at_once_bytes=0)
    await database.close()
    return database.unchecked


async def test_a_large_file_is_opened_before_it_is_looked_through(tmp_path: Path) -> None:
    """The start does not wait for it, and says that it is still to be done; a new or small file is never left out."""
    await _new(tmp_path)
    assert await _open_large(tmp_path)
    async with opened(tmp_path) as database:
        assert not database.unchecked


async def test_the_look_finds_damage_and_the_next_start_refuses(tmp_path: Path) -> None:
    """The file is never built upon again, however large it is."""
    file = await _new(tmp_path)
    damage(file, "shipments")
    assert await _open_large(tmp_path)
    found = await asyncio.to_thread(FileCheck(file).run)
    assert found not in {None, SOUND}
    for _ in range(2):
        with pytest.raises(RheodError, match="Restore the newest backup"):
            await _open_large(tmp_path)


async def test_a_restored_file_is_believed_once_it_was_looked_through(tmp_path: Path) -> None:
    """The note beside the file costs one thorough start, then it is gone."""
    file = await _new(tmp_path)
    sound = file.read_bytes()
    damage(file, "shipments")
    await asyncio.to_thread(FileCheck(file).run)
    file.write_bytes(sound)
    assert not await _open_large(tmp_path)
    assert await _open_large(tmp_path)


async def test_a_sound_file_in_use_is_told_sound(tmp_path: Path) -> None:
    """While its daemon writes."""
    async with opened(tmp_path) as database:
        assert await asyncio.to_thread(FileCheck(database.file).run) == SOUND


async def test_a_look_that_is_given_up_tells_nothing(tmp_path: Path) -> None:
    """Neither that the file is sound nor that it is not, and no note is left."""
    file = await _new(tmp_path)
    damage(file, "shipments")
    look = FileCheck(file)
    look.give_up()
    assert await asyncio.to_thread(look.run) is None
    assert await _open_large(tmp_path)
