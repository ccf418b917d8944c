"""Builds from the settings what everything stands on: the books, the budget, the use cases, who sells.

Part of the composition root; nothing here talks to a remote. The lanes are built in `machinery.py`.

Builds what runs by itself: the clients, the workers, the lanes, the poller and the ways to tell the owner.

Part of the composition root (`app.py` runs what is built here). Nothing below this layer reads a setting.

Builds the tradera lane of each seller account, and hands a lane that runs its account's new token.

Part of the composition root (`machinery.py` uses it). It makes no call.

The work of one seller account's tradera lane: hands each job to its worker and turns what went wrong into an outcome.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from random import Random

import structlog

from rheod.config.settings import Settings
from rheod.domain.budget import Allowance
from rheod.domain.event_payloads import new_secret
from rheod.domain.model import CallClass, JobKind, JobOrder, QueueName
from rheod.jobs.clock import SteadyClock
from rheod.jobs.queue import Wakeups
from rheod.jobs.restore_lock import RestoreLock
from rheod.store import accounts, facts, jobs
from rheod.store.engine.database import Database
from rheod.store.keys import KeyRing
from rheod.store.ledger import Ledger
from rheod.tradera.accounts import AccountRegistry, members
from rheod.tradera.budgeted_client import BudgetedClient, BudgetRules
from rheod.tradera.client import TraderaClient
from rheod.tradera.transport import Seller
from rheod.usecases.backups import Backups
from rheod.usecases.endpoints import Endpoints
from rheod.usecases.events import EventFeed
from rheod.usecases.forecast import AccountForecasts
from rheod.usecases.inventory import Inventory
from rheod.usecases.items import BudgetForecast, Items
from rheod.usecases.put_item import BatchPut
from rheod.usecases.sales import SellersAndSite
from rheod.usecases.selling_setup import Setups
from rheod.usecases.transaction import Store

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """What everything else stands on."""

    settings: Settings
    database: Database
    store: Store
    wakeups: Wakeups
    keys: KeyRing
    ledger: Ledger
    rules: BudgetRules
    accounts: dict[str, str]
    gates: dict[str, RestoreLock]
    roll: AccountRegistry
    catalog: Items
    inventory: Inventory
    batches: BatchPut
    endpoints: Endpoints
    feed: EventFeed
    forecast: Callable[[str], BudgetForecast]
    outlooks: AccountForecasts
    setups: Setups
    sellers: SellersAndSite
    now: SteadyClock
    rng: Random
    started_at: int

    @property
    def default_account(self) -> str:
        """The id of the account whose reference is ''."""
        return self.accounts[""]

    def budgeted(self, client: TraderaClient, account_id: str, seller: Seller) -> BudgetedClient:
        """What calls Tradera for this account: every call is counted, and none passes its restore lock."""
        calls = BudgetedClient(
            store=self.store,
            ledger=self.ledger,
            rules=self.rules,
            client=client,
            seller=seller,
            account_id=account_id,
        )
        calls.gate = self.gates[account_id]
        return calls

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
    now, rng, wakeups = SteadyClock(), Random(), Wakeups()  # noqa: S311 - ids must be unique, not secret
    store = Store(database=database, now=now, rng=rng, wake=wakeups.wake)
    references = ["", *(account.reference for account in settings.accounts)]
    ensure = partial(accounts.ensure, references=references, members=members(settings))
    if clamped := await database.write(partial(facts.clamp, now=now())):
        _log.warning("times that a wrong clock had written were set right", count=clamped)
    known = await database.write(partial(ensure, now=now()))
    ledger = await database.read(partial(Ledger.load, now=now()))
    everyone = await _roll(settings, database, known, ledger)
    rules = _rules(settings, everyone)
    gates = await _gates(database, everyone, now(), round(settings.tradera.takeover_wait_s * 1000))

    def forecast(account_id: str) -> BudgetForecast:
        ceiling = rules.allowance.ceiling(CallClass.PUBLISH)
        told = BudgetForecast.of(ledger, account_id, now=now(), ceiling=ceiling, sellers=rules.sellers)
        waits = everyone.of(account_id).waits_for or gates[account_id].reason or told.waits_for
        return replace(told, waits_for=waits, site_url=settings.tradera.site_url)

    endpoints = Endpoints(store=store, new_secret=new_secret)
    return Core(
        settings=settings,
        database=database,
        store=store,
        wakeups=wakeups,
        keys=await KeyRing.load(database, now=now),
        ledger=ledger,
        rules=rules,
        accounts=known,
        gates=gates,
        roll=everyone,
        inventory=Inventory(store=store, site_url=settings.tradera.site_url),
        batches=BatchPut(store=store),
        catalog=Items(store=store, forecast=forecast),
        forecast=forecast,
        outlooks=AccountForecasts(store=store, forecast=forecast),
        setups=_setups(settings, store, ledger, rules),
        endpoints=endpoints,
        feed=EventFeed(store=store, endpoints=endpoints),
        sellers=SellersAndSite(
            accounts=everyone.users,
            site_url=settings.tradera.site_url,
            closed_grace_ms=round(settings.push.closed_grace_s * 1000),
        ),
        now=now,
        rng=rng,
        started_at=now(),
    )


async def _gates(
    database: Database, everyone: AccountRegistry, now: int, wait_ms: int
) -> dict[str, RestoreLock]:
    """What every account has to wait for when this rheod begins from a copy of another's database; orders its look."""

    def begin(db: sqlite3.Connection) -> dict[str, RestoreLock]:
        gates = {each.id: RestoreLock(accounts.begin(db, each.id, until=now + wait_ms)) for each in everyone}
        for account_id, gate in gates.items():
            if gate.takeover is not None:
                look = JobOrder(queue=QueueName.TRADERA, kind=JobKind.TAKEOVER, subject=account_id)
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
        await core.database.write(partial(accounts.finish, account_id=account_id))
        core.gates[account_id].set(None)
    core.wakeups.wake(QueueName.TRADERA)
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


async def _roll(
    settings: Settings, database: Database, known: dict[str, str], ledger: Ledger
) -> AccountRegistry:
    return AccountRegistry(
        settings=settings,
        known=known,
        tokens=await database.read(accounts.tokens),
        users=await database.read(accounts.of_members),
        ledger=ledger,
    )


def _setups(settings: Settings, store: Store, ledger: Ledger, rules: BudgetRules) -> Setups:
    given = settings.tradera.defaults
    return Setups(
        store=store,
        ledger=ledger,
        allowance=rules.allowance,
        categories=given.category_id,
        defaults=given.model_dump(exclude={"category_id"}),
    )


def _rules(settings: Settings, everyone: AccountRegistry) -> BudgetRules:
    tradera = settings.tradera
    allowance = Allowance(
        limit=tradera.daily_calls,
        reserve_share=tradera.reserve_share,
        reconcile_share=settings.reconcile_share,
    )
    return BudgetRules(
        allowance=allowance,
        per_operation=tradera.daily_calls_per_method or {},
        sellers=everyone.fingerprints,
    )
