"""Fixtures that many share: a real store in a temporary folder, one real SQS server for the whole session.

A run of all tests is shared out to a few processes (pytest-xdist, `-n 0` for one), the long ones first; a run of some
tests is one process.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from random import Random

import pytest
import pytest_asyncio

from rheod.domain.model import QueueName
from rheod.sandbox.servers import QueueServer
from rheod.store import accounts
from rheod.store.engine.database import Database
from rheod.usecases.transaction import Store
from tests.owning import Owner
from tests.stores import Clock, opened

# Else every daemon that a test starts would compile all of rheod anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

_FIGURE = "figure"


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Share out a run of all tests: many of them wait for processes, so to one more than there are cores."""
    everything = config.args_source is pytest.Config.ArgsSource.TESTPATHS and not config.option.keyword
    shared_out = "PYTEST_XDIST_WORKER" in os.environ
    if everything and not shared_out and getattr(config.option, "numprocesses", 1) is None:
        config.option.numprocesses = len(os.sched_getaffinity(0)) + 1
        config.option.dist = "worksteal"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that have no time limit: they are the long ones."""
    items.sort(key=lambda item: not any(mark.args == (0,) for mark in item.iter_markers("timeout")))


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Says a figure that people run a test for: it stands in the summary, whichever process the test ran in."""
    return partial(record_property, _FIGURE)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The figures that tests were run for."""
    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.getreports(outcome)]
    for name, figure in (each for report in reports for each in report.user_properties):
        if name == _FIGURE:
            terminalreporter.write_line(str(figure))


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
def woken() -> list[QueueName]:
    """The queues that were woken, in order."""
    return []


@pytest.fixture
def store(database: Database, clock: Clock, woken: list[QueueName]) -> Store:
    """The store with its transactions, with seeded chance."""
    return Store(database=database, now=clock, rng=Random(7), wake=woken.append)


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
