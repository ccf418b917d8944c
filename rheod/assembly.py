"""Builds from the settings what everything stands on: the books, the budget, the use cases, who sells.

Part of the composition root; nothing here talks to a remote. The lanes are built in `machinery.py`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from random import Random

import structlog

from rheod.catalog.backups import Backups
from rheod.catalog.batch import BatchPut
from rheod.catalog.endpoints import Endpoints
from rheod.catalog.feed import EventFeed
from rheod.catalog.inventory import Inventory
from rheod.catalog.items import Catalog, Forecast
from rheod.catalog.outlook import Outlooks
from rheod.catalog.sales import SellersAndSite
from rheod.catalog.setup import Setups
from rheod.catalog.unit import Books
from rheod.clock import SteadyClock
from rheod.domain.budget import Allowance
from rheod.domain.model import CallClass, JobKind, JobOrder, LaneName
from rheod.domain.notices import new_secret
from rheod.sellers import Roll, members
from rheod.settings import Settings
from rheod.store import accounts, jobs, takeovers, timing, tokens
from rheod.store.database import Database
from rheod.store.keys import KeyRing
from rheod.store.ledger import Ledger
from rheod.workers.calls import Rules
from rheod.workers.gate import Gate
from rheod.workers.lane import Bells

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """What everything else stands on."""

    settings: Settings
    database: Database
    books: Books
    bells: Bells
    keys: KeyRing
    ledger: Ledger
    rules: Rules
    accounts: dict[str, str]
    gates: dict[str, Gate]
    roll: Roll
    catalog: Catalog
    inventory: Inventory
    batches: BatchPut
    endpoints: Endpoints
    feed: EventFeed
    forecast: Callable[[str], Forecast]
    outlooks: Outlooks
    setups: Setups
    sellers: SellersAndSite
    now: SteadyClock
    rng: Random
    started_at: int

    @property
    def default_account(self) -> str:
        """The id of the account whose reference is ''."""
        return self.accounts[""]

    @property
    def images_dir(self) -> Path:
        """Where pictures are kept."""
        return self.settings.storage.path / "images"


async def open_database(settings: Settings) -> Database:
    """The store as the settings say. Raises RheodError with what to do when it cannot be opened."""
    storage = settings.storage
    key = None if storage.key is None else storage.key.get_secret_value()
    return await Database.open(storage.path, key=key, log_bytes=storage.log_max_bytes)


async def build_core(settings: Settings, database: Database) -> Core:
    """Everything that needs no remote; the writer must be running."""
    now, rng, bells = SteadyClock(), Random(), Bells()  # noqa: S311 - ids must be unique, not secret
    books = Books(database=database, now=now, rng=rng, ring=bells.ring)
    references = ["", *(account.reference for account in settings.accounts)]
    ensure = partial(accounts.ensure, references=references, members=members(settings))
    if clamped := await database.write(partial(timing.clamp, now=now())):
        _log.warning("times that a wrong clock had written were set right", count=clamped)
    known = await database.write(partial(ensure, now=now()))
    ledger = await database.read(partial(Ledger.load, now=now()))
    everyone = await _roll(settings, database, known, ledger)
    rules = _rules(settings, everyone)
    gates = await _gates(database, everyone, now(), round(settings.tradera.takeover_wait_s * 1000))

    def forecast(account_id: str) -> Forecast:
        ceiling = rules.allowance.ceiling(CallClass.PUBLISH)
        told = Forecast.of(ledger, account_id, now=now(), ceiling=ceiling, sellers=rules.sellers)
        waits = everyone.of(account_id).waits_for or gates[account_id].reason or told.waits_for
        return replace(told, waits_for=waits, site_url=settings.tradera.site_url)

    endpoints = Endpoints(books=books, new_secret=new_secret)
    return Core(
        settings=settings,
        database=database,
        books=books,
        bells=bells,
        keys=await KeyRing.load(database, now=now),
        ledger=ledger,
        rules=rules,
        accounts=known,
        gates=gates,
        roll=everyone,
        inventory=Inventory(books=books, site_url=settings.tradera.site_url),
        batches=BatchPut(books=books),
        catalog=Catalog(books=books, forecast=forecast),
        forecast=forecast,
        outlooks=Outlooks(books=books, forecast=forecast),
        setups=_setups(settings, books, ledger, rules),
        endpoints=endpoints,
        feed=EventFeed(books=books, endpoints=endpoints),
        sellers=SellersAndSite(
            accounts=everyone.users,
            site_url=settings.tradera.site_url,
            closed_grace_ms=round(settings.push.closed_grace_s * 1000),
        ),
        now=now,
        rng=rng,
        started_at=now(),
    )


async def _gates(database: Database, everyone: Roll, now: int, wait_ms: int) -> dict[str, Gate]:
    """What every account has to wait for when this rheod begins from a copy of another's database; orders its look."""

    def begin(db: sqlite3.Connection) -> dict[str, Gate]:
        gates = {each.id: Gate(takeovers.begin(db, each.id, until=now + wait_ms)) for each in everyone}
        for account_id, gate in gates.items():
            if gate.takeover is not None:
                look = JobOrder(lane=LaneName.TRADERA, kind=JobKind.TAKEOVER, subject=account_id)
                jobs.order(db, look, jobs.Owner(account_id=account_id), now=now)
        return gates

    return await database.write(begin)


async def open_gates(core: Core) -> int:
    """The owner has compared the ads of those accounts of which Tradera told nothing: returns how many go on now."""
    blind = [
        account_id
        for account_id, gate in core.gates.items()
        if gate.takeover is not None and gate.takeover.blind
    ]
    for account_id in blind:
        await core.database.write(partial(takeovers.finish, account_id=account_id))
        core.gates[account_id].set(None)
    core.bells.ring(LaneName.TRADERA)
    return len(blind)


def build_backups(core: Core, *, stopping: Callable[[], bool]) -> Backups:
    """What copies the database while it is in use."""
    return Backups(
        database=core.database,
        folder=core.settings.storage.path,
        key_in_file=core.settings.storage.key is None,
        now=core.now,
        stopping=stopping,
    )


async def _roll(settings: Settings, database: Database, known: dict[str, str], ledger: Ledger) -> Roll:
    return Roll(
        settings=settings,
        known=known,
        tokens=await database.read(tokens.tokens),
        users=await database.read(accounts.of_members),
        ledger=ledger,
    )


def _setups(settings: Settings, books: Books, ledger: Ledger, rules: Rules) -> Setups:
    given = settings.tradera.defaults
    return Setups(
        books=books,
        ledger=ledger,
        allowance=rules.allowance,
        categories=given.category_id,
        defaults=given.model_dump(exclude={"category_id"}),
    )


def _rules(settings: Settings, everyone: Roll) -> Rules:
    tradera = settings.tradera
    allowance = Allowance(
        limit=tradera.daily_calls,
        reserve_share=tradera.reserve_share,
        reconcile_share=settings.reconcile_share,
    )
    return Rules(
        allowance=allowance,
        per_operation=tradera.daily_calls_per_method or {},
        sellers=everyone.fingerprints,
    )
