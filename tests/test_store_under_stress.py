"""The real daemon when its disk fails: full, locked, exchanged, damaged. Nothing acknowledged may be lost."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import signal
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from rheod.sandbox.demo_daemon import DemoFailed, clean_environment
from rheod.store.engine.connection import AT_ONCE_BYTES
from tests import warm
from tests.store.damaging import damage
from tests.test_whole_daemon import DEADLINE_S, ITEM
from tests.waiting import until

pytestmark = pytest.mark.sweep


class Lonely:
    """A daemon without remotes, asked over HTTP with every answer as it is."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.daemon = warm.daemon(folder=folder, settings={"RHEOD_LIMITS__PUT_PER_S": "1000", **settings})

    @property
    def file(self) -> Path:
        """The database."""
        return self.folder / "rheod.db"

    async def connect(self) -> None:
        """Get a key."""
        key = await self.daemon.ask_admin("POST", "/keys", {"name": "erp"})
        self.daemon.headers = {"x-api-key": key["apiKey"]}

    async def ask(self, method: str, name: str, body: Any = None) -> tuple[int, Any, Any]:
        """One request: status, headers, body."""
        address = await self.daemon.address()
        timeout = aiohttp.ClientTimeout(total=20)
        async with (
            aiohttp.ClientSession(headers=self.daemon.headers, timeout=timeout) as session,
            session.request(method, f"{address}{ITEM}/{name}", json=body) as answer,
        ):
            return answer.status, answer.headers, await answer.json()

    async def put(self, name: str, *, size: int = 100) -> tuple[int, Any]:
        """PUT an item of about this many bytes: status and headers."""
        status, headers, _ = await self.ask(
            "PUT", name, {"title": name, "price": 100, "description": "x" * size}
        )
        return status, headers

    async def until_put(self, name: str) -> None:
        """Repeat a PUT until it is taken."""
        deadline = time.monotonic() + DEADLINE_S
        while (await self.put(name))[0] != 202:
            assert time.monotonic() < deadline, self.daemon.last_lines()
            await asyncio.sleep(0.1)

    async def readiness(self) -> int:
        """The status of /readyz."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{await self.daemon.address()}/readyz") as answer,
        ):
            return answer.status

    async def is_ready(self) -> bool:
        """Whether /readyz says so."""
        return await self.readiness() == 200

    def log(self) -> str:
        """Its whole log."""
        return self.daemon.log_file.read_text(encoding="utf-8")


@asynccontextmanager
async def lonely(folder: Path, **settings: str) -> AsyncIterator[Lonely]:
    """A daemon that lives to the end of the block."""
    one = Lonely(folder, **settings)
    one.daemon.log_file.unlink(missing_ok=True)  # that of an earlier life names another port
    async with one.daemon.running():
        await one.connect()
        yield one


@contextmanager
def no_room(pid: int, size: int) -> Iterator[None]:
    """No file of this process may grow beyond `size`, as on a full disk."""
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))


def sound(file: Path) -> bool:
    """Whether the file passes every check of SQLite's own."""
    with closing(sqlite3.connect(file)) as db:
        whole = db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return whole and not db.execute("PRAGMA foreign_key_check").fetchall()


async def test_a_full_disk_refuses_puts_and_loses_none(tmp_path: Path) -> None:
    """PUT gives 503 with Retry-After, GET works, the process lives, and with room again it goes on by itself."""
    async with lonely(tmp_path) as one:
        assert one.daemon.pid is not None
        log = one.folder / "rheod.db-wal"
        taken = [f"before-{number}" for number in range(20) if (await one.put(f"before-{number}"))[0] == 202]
        with no_room(one.daemon.pid, log.stat().st_size + 150_000):
            answers = []
            for number in range(60):
                status, headers = await one.put(f"full-{number}", size=8000)
                answers.append(status)
                taken += [f"full-{number}"] if status == 202 else []
                if status == 503:
                    assert int(headers["Retry-After"]) >= 1
            assert set(answers) == {202, 503}
            assert (await one.ask("GET", "before-0"))[0] == 200
            told = (await one.daemon.ask_admin("GET", "/status"))["findings"]
            assert "store.unwritable" in {finding["code"] for finding in told}
            assert await one.readiness() == 503
        await one.until_put("after")
        await until(one.is_ready)
        for name in [*taken, "after"]:
            assert (await one.ask("GET", name))[0] == 200
        assert one.daemon.lives == 1
        assert one.log().count('"event": "store cannot write"') == 1
        assert one.log().count('"event": "store can write again"') == 1
    assert sound(tmp_path / "rheod.db")


async def test_a_lock_held_by_another_makes_a_put_wait_five_seconds_and_no_longer(tmp_path: Path) -> None:
    """A backup that holds the write lock: 503 after the wait, for those that came later too, and no lost work."""
    async with lonely(tmp_path) as one:
        with closing(sqlite3.connect(one.file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            began = time.monotonic()
            first = asyncio.create_task(one.put("first"))
            done, _ = await asyncio.wait({first}, timeout=2)
            assert not done  # the second comes in the midst of the first one's wait
            second = asyncio.create_task(one.put("second"))
            assert (await first)[0] == 503
            waited = time.monotonic() - began
            assert (await second)[0] == 503
            assert time.monotonic() - began < waited * 1.5  # with a wait of its own it would be twice as long
            other.execute("ROLLBACK")
        await one.until_put("first")
        assert one.daemon.lives == 1


@pytest.mark.parametrize("how", ["removed", "replaced", "log removed"])
async def test_an_exchanged_database_ends_the_process(tmp_path: Path, how: str) -> None:
    """Not one PUT is acknowledged into a file that is gone; the exit status is not 0 and the sentence says why."""
    answers: list[int] = []

    async def live() -> None:
        async with lonely(tmp_path) as one:
            assert (await one.put("before"))[0] == 202
            if how == "replaced":
                shutil.copy(one.file, tmp_path / "copy")
                (tmp_path / "copy").replace(one.file)
            else:
                (tmp_path / ("rheod.db" if how == "removed" else "rheod.db-wal")).unlink()
            with suppress(aiohttp.ClientError):  # it may have ended before it could answer
                answers.append((await one.put("after"))[0])
            await asyncio.sleep(DEADLINE_S)

    with pytest.raises(DemoFailed, match=r"status 1.*removed or replaced"):
        await live()
    assert answers in ([], [503])


async def test_a_damaged_database_is_refused_at_start_with_the_way_out(tmp_path: Path) -> None:
    """Flipped bytes in a page: the daemon says how to restore instead of building upon it."""
    async with lonely(tmp_path) as one:
        for number in range(30):
            await one.put(f"D-{number}", size=3000)
    damage(one.file, "items")
    with pytest.raises(DemoFailed, match=r"status 1.*Restore the newest backup"):
        async with warm.daemon(folder=tmp_path, settings={}).running():
            await asyncio.sleep(DEADLINE_S)


async def test_damage_in_a_large_database_ends_the_daemon_and_keeps_it_from_starting(tmp_path: Path) -> None:
    """Too large to be looked through before the start: it is while the daemon runs, and no second start follows."""
    async with lonely(tmp_path) as one:
        await one.put("early")
    with closing(sqlite3.connect(one.file)) as db, db:
        db.execute("PRAGMA synchronous = OFF")
        rows = [(f"m{number}", "x" * 2**20) for number in range(AT_ONCE_BYTES // 2**20)]
        db.executemany("INSERT INTO marks VALUES (?, ?)", rows)
    damage(one.file, "shipments")
    for starts in (1, 0):
        daemon = warm.daemon(folder=tmp_path, settings={})
        daemon.log_file.unlink()
        with pytest.raises(DemoFailed, match=r"status 1.*Restore the newest backup"):
            async with daemon.running():
                await asyncio.sleep(DEADLINE_S)
        assert daemon.log_file.read_text(encoding="utf-8").count('"event": "ready"') == starts


async def test_a_read_only_database_is_refused_at_start(tmp_path: Path) -> None:
    """A file of somebody else's: the reason and no half start; root may write everything, so a folder stands in."""
    (tmp_path / "rheod.db").mkdir()
    daemon = warm.daemon(folder=tmp_path, settings={})
    with pytest.raises(DemoFailed, match=r"status 1.*is not a file"):
        async with daemon.running():
            await asyncio.sleep(DEADLINE_S)
    assert "Traceback" not in daemon.log_file.read_text(encoding="utf-8")


async def test_a_second_daemon_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    """One daemon per folder: the second ends with a clear sentence, the first takes the next PUT."""
    async with lonely(tmp_path) as one:
        environ = clean_environment(os.environ)
        environ |= {"RHEOD_STORAGE__PATH": str(tmp_path), "RHEOD_SERVER__PORT": "0"}
        second = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "rheod", "serve"),
            env=environ,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await asyncio.wait_for(second.communicate(), DEADLINE_S)
        assert second.returncode == 1
        assert b"Another rheod is using" in said
        assert (await one.put("after"))[0] == 202


async def test_a_lost_log_loses_what_was_in_it_and_nothing_else(tmp_path: Path) -> None:
    """Killed, and the log file deleted before the next start: it starts and the file is sound."""
    async with lonely(tmp_path) as one:
        await one.put("early")

    async def die() -> None:
        async with lonely(tmp_path) as one:
            await one.put("late")
            assert one.daemon.pid is not None
            os.kill(one.daemon.pid, signal.SIGKILL)
            await asyncio.sleep(DEADLINE_S)

    with pytest.raises(DemoFailed, match="status -9"):
        await die()
    for left in ("rheod.db-wal", "rheod.db-shm"):
        (tmp_path / left).unlink(missing_ok=True)
    async with lonely(tmp_path) as one:
        assert (await one.ask("GET", "early"))[0] == 200
        assert (await one.ask("GET", "late"))[0] in {200, 404}
        assert (await one.put("new"))[0] == 202
    assert sound(tmp_path / "rheod.db")


async def test_a_reader_that_stays_holds_up_no_write_and_the_log_shrinks_after(tmp_path: Path) -> None:
    """A backup that reads for long: every PUT is taken, and the log is used anew once it has gone."""
    async with lonely(tmp_path, RHEOD_STORAGE__LOG_MAX_BYTES=str(8 * 2**20)) as one:
        await one.put("first")
        log = tmp_path / "rheod.db-wal"
        with closing(
            sqlite3.connect(f"{one.file.as_uri()}?mode=ro", uri=True, isolation_level=None)
        ) as backup:
            backup.execute("BEGIN")
            backup.execute("SELECT count(*) FROM items").fetchone()
            for number in range(150):
                assert (await one.put(f"W-{number}", size=8000))[0] == 202
            grown = log.stat().st_size
        for number in range(300):
            assert (await one.put(f"X-{number}", size=8000))[0] == 202
        assert grown > 4_000_000
        assert log.stat().st_size < 2 * grown
