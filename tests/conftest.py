"""Fixtures that many share: a real store in a temporary folder, one real SQS server for the whole session."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from random import Random

import pytest
import pytest_asyncio

from rheod.catalog.unit import Books
from rheod.domain.model import LaneName
from rheod.sandbox.queue import QueueServer
from rheod.store import accounts
from rheod.store.database import Database
from tests.bookkeeping import Clock, opened
from tests.owning import Owner

NO_BROWSER = shutil.which("chromium") is None and not os.environ.get("CI")
collect_ignore_glob = ["web/test_pages*.py"] if NO_BROWSER else []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what is left out on a machine without a browser; CI has one and leaves nothing out."""
    if NO_BROWSER:
        terminalreporter.write_line("The pages were not looked at: install Debian's package `chromium`.")


@pytest.fixture
def clock() -> Clock:
    """A clock that moves when told."""
    return Clock()


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """A store with its writer running."""
    async with opened(tmp_path) as one:
        yield one


@pytest.fixture
async def account_id(database: Database, clock: Clock) -> str:
    """The default account."""
    known = await database.write(partial(accounts.ensure, references=["", "member"], now=clock()))
    return known[""]


@pytest.fixture
def rung() -> list[LaneName]:
    """The lanes that were rung, in order."""
    return []


@pytest.fixture
def books(database: Database, clock: Clock, rung: list[LaneName]) -> Books:
    """The door to the store, with seeded chance."""
    return Books(database=database, now=clock, rng=Random(7), ring=rung.append)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def queue_server() -> AsyncIterator[QueueServer]:
    """An SQS server over HTTP; each test opens a queue of its own on it."""
    server = QueueServer()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def owner(tmp_path: Path) -> Owner:
    """Somebody who writes the settings file and credentials of this test."""
    return Owner(folder=tmp_path)
