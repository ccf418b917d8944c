"""Builds from the settings what everything stands on: the store, the budget, the accounts, the use cases.

Nothing here talks to a remote. Nothing below `compose` reads a setting.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from random import Random

import structlog

from rheod.config.loading import missing_at_start, missing_for_publishing
from rheod.config.settings import LEAVES, Settings
from rheod.domain.ad_text import Part, Template
from rheod.domain.budget import Quota, reading_gap_ms
from rheod.domain.categories import plain
from rheod.domain.errors import Text
from rheod.domain.freight import FreightSettings
from rheod.domain.model import JobKind, JobOrder, QueueName
from rheod.domain.placement import CategoryRule
from rheod.jobs.housekeeping import Clock
from rheod.jobs.queue import RestoreLock, Wakeups
from rheod.store import accounts, facts, jobs
from rheod.store.access import Audit, KeyRing, Sessions
from rheod.store.engine.database import Database
from rheod.store.ledger import Ledger
from rheod.tradera.accounts import AccountRegistry, ConfiguredAccount, SellerSettings
from rheod.tradera.budgeted_client import BudgetRules, SharedBudget
from rheod.tradera.transport import Seller
from rheod.usecases import ending, listings, relisting
from rheod.usecases.endpoints import Endpoints, EventFeed
from rheod.usecases.figures import AccountForecasts
from rheod.usecases.inventory import Inventory, Stock
from rheod.usecases.items import BudgetForecast, Items
from rheod.usecases.listings import PublishingPause, SellersAndSite
from rheod.usecases.orders import Orders
from rheod.usecases.placement import ReferenceData
from rheod.usecases.placer import AdDresser, FixedChoices, FixedWords, Placer
from rheod.usecases.put_item import BatchPut
from rheod.usecases.selling_setup import Capacities, InForce, Setups
from rheod.usecases.transaction import OrderRules, Store
from rheod.webhooks.client import new_secret

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Life:
    """Where a daemon is in its life.

    `begun`: its loops are about to run (never in a command's own process); `ready`: every loop runs; `stopping`: no new
    work may begin.
    """

    begun: bool = False
    ready: bool = False
    stopping: bool = False

    def missing(self) -> list[str]:
        """The words of /readyz."""
        return [] if self.ready else ["starting"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """What everything else stands on."""

    settings: Settings
    life: Life
    database: Database
    store: Store
    wakeups: Wakeups
    keys: KeyRing
    sessions: Sessions
    audit: Audit
    ledger: Ledger
    rules: BudgetRules
    accounts: dict[str, str]
    restore_locks: Mapping[str, RestoreLock]
    budget: SharedBudget
    registry: AccountRegistry
    items: Items
    inventory: Inventory
    batches: BatchPut
    orders: Orders
    endpoints: Endpoints
    events: EventFeed
    forecast: Callable[[str], BudgetForecast]
    forecasts: AccountForecasts
    stock: Stock
    capacities: Capacities
    setups: Setups
    sellers: SellersAndSite
    reference: ReferenceData
    now: Clock
    rng: Random
    started_at: int

    @property
    def reading_gap_ms(self) -> int:
        """How long an account waits between its passes of reading on schedule (ms)."""
        return reading_gap_ms(
            round(self.settings.reconcile_interval_s * 1000),
            accounts=len(self.rules.sellers),
            quota=self.rules.quota,
            learned=self.ledger.learned,
        )

    @property
    def default_account(self) -> str:
        """The id of the account whose reference is ''."""
        return self.accounts[""]

    @property
    def freight(self) -> FreightSettings:
        """What the owner has set of freight."""
        return _freight_settings(self.settings)

    @property
    def images_dir(self) -> Path:
        """Where pictures are kept."""
        return self.settings.storage.path / "images"


def _prepare(db: sqlite3.Connection, *, settings: Settings, now: int) -> int:
    """Let the rules of the settings count, and set right what a wrong clock has written; returns how many times."""
    relisting.note_settings(db, settings.relist_rule)
    ending.note_settings(db, settings.end_choice, now=now)
    return facts.clamp(db, now=now)


async def build_core(settings: Settings, database: Database, *, clock: Clock, rng: Random) -> Core:
    """Everything that needs no remote; the database's writer must be running.

    Accounts of the settings that are new get their rows, and times that a wrong clock has written are set right.
    """
    wakeups = Wakeups()
    if clamped := await database.write(partial(_prepare, settings=settings, now=clock())):
        _log.warning("times from a wrong clock set right", count=clamped)
    sellers = _seller_settings(settings)
    members = {each.reference: each.user_id for each in sellers.accounts if each.user_id is not None}
    references = [each.reference for each in sellers.accounts]
    ensured = partial(accounts.ensure, references=references, members=members, now=clock())
    known = await database.write(ensured)
    ledger = await database.read(partial(Ledger.load, now=clock()))
    store = _store(settings, database, ledger, wakeups, clock=clock, rng=rng)
    tokens, users = await database.read(accounts.tokens), await database.read(accounts.of_members)
    registry = AccountRegistry(settings=sellers, known=known, tokens=tokens, users=users, ledger=ledger)
    budget = await _shared_budget(settings, database, store, registry, ledger, wakeups)
    forecast = _forecasting(budget, registry, clock, settings)
    capacities = Capacities(store=store, ledger=ledger, quota=budget.rules.quota, forecast=forecast)
    return Core(
        settings=settings,
        life=Life(),
        database=database,
        store=store,
        wakeups=wakeups,
        keys=await KeyRing.load(database, now=clock),
        sessions=await Sessions.load(database, now=clock),
        audit=Audit(database=database, now=clock),
        ledger=ledger,
        rules=budget.rules,
        accounts=known,
        restore_locks=budget.locks,
        budget=budget,
        registry=registry,
        items=Items(store=store, forecast=forecast, site_url=settings.tradera.site_url),
        inventory=Inventory(store=store, site_url=settings.tradera.site_url),
        batches=BatchPut(store=store),
        orders=Orders(store=store, pick_sort=settings.orders.pick_sort),
        endpoints=(endpoints := Endpoints(store=store, new_secret=new_secret)),
        events=EventFeed(store=store, endpoints=endpoints),
        forecast=forecast,
        forecasts=AccountForecasts(store=store, forecast=forecast),
        stock=Stock(store=store, forecast=forecast),
        capacities=capacities,
        setups=_setups(settings, store, ledger, capacities),
        sellers=SellersAndSite(
            accounts=registry.users,
            site_url=settings.tradera.site_url,
            closed_grace_ms=round(settings.push.closed_grace_s * 1000),
        ),
        reference=ReferenceData(store=store, account_id=known[""]),
        now=clock,
        rng=rng,
        started_at=clock(),
    )


def _ask_now(ledger: Ledger, wakeups: Wakeups, clock: Clock, queue: QueueName) -> None:
    """The owner's word: a queue that rests asks its remote, and an account that was refused is asked for."""
    if queue is QueueName.TRADERA:
        ledger.ask_now(now=clock())
    wakeups.probe(queue)


def _fixed_choices(settings: Settings) -> FixedChoices:
    """What the settings say of categories; it wins over what the owner decides by commands."""
    given, said = settings.tradera.defaults, settings.categories
    rules = (
        None
        if said.rules is None
        else tuple(
            CategoryRule(
                id=number,
                category_id=each.category,
                account=each.account,
                domain=each.domain,
                words=each.words,
                metadata=next(iter(each.metadata.items()), None),
            )
            for number, each in enumerate(said.rules, 1)
        )
    )
    words = said.condition_words and {plain(word): terms for word, terms in said.condition_words.items()}
    return FixedChoices(
        rules=rules,
        defaults=given.category_id,
        guess=said.guess_category,
        words=words,
        condition=given.condition,
        freight=_freight_settings(settings),
    )


def _freight_settings(settings: Settings) -> FreightSettings:
    """What the owner has set of freight; the older place of the fixed price counts where the newer has none."""
    given, older = settings.tradera.shipping, settings.tradera.defaults
    return FreightSettings(
        fixed_kr=given.shipping_cost or older.shipping_cost or 0,
        free=given.free_shipping,
        prefer=given.prefer,
        packaging_g=given.packaging_g,
        second=given.second_option,
        pickup=given.offer_pickup,
        own_price_provider=older.shipping_provider_id,
        pickup_option=older.pickup_option_id,
    )


def _store(
    settings: Settings, database: Database, ledger: Ledger, wakeups: Wakeups, *, clock: Clock, rng: Random
) -> Store:
    """The store with what the owner has chosen of categories, of ads' words and of orders."""
    ask_now = partial(_ask_now, ledger, wakeups, clock)
    ad, defaults = settings.ad, settings.tradera.defaults
    texts = {Part.HEADER: ad.header, Part.FOOTER: ad.footer}
    words = FixedWords(
        templates=tuple(Template(part=part, text=text) for part, text in texts.items() if text),
        check=ad.check,
        business=defaults.vat is not None if ad.business is None else ad.business,
        condition=defaults.condition,
        listing_type=defaults.listing_type,
        freight_kr=defaults.shipping_cost or None,
    )
    placer = Placer(_fixed_choices(settings), AdDresser(words))
    store = Store(database=database, now=clock, rng=rng, wake=wakeups.wake, probe=ask_now, placer=placer)
    waits = settings.orders.ship_while_waiting
    store.rules = OrderRules(include_buyer=settings.webhooks.include_buyer, ship_while_waiting=waits)
    return store


async def _shared_budget(
    settings: Settings,
    database: Database,
    store: Store,
    registry: AccountRegistry,
    ledger: Ledger,
    wakeups: Wakeups,
) -> SharedBudget:
    """The calls that all accounts share, and the lock of each.

    An account that begins from a copy of another's database is closed, and its look at Tradera is ordered.
    """
    tradera, now = settings.tradera, store.now()
    until = now + round(tradera.takeover_wait_s * 1000)

    def begin(db: sqlite3.Connection) -> dict[str, RestoreLock]:
        paused = listings.paused_since(db)
        locks = {
            each.id: RestoreLock(accounts.begin(db, each.id, until=until), paused_since=paused)
            for each in registry
        }
        for account_id, lock in locks.items():
            if lock.takeover is not None:
                look = JobOrder(queue=QueueName.TRADERA, kind=JobKind.TAKEOVER, subject=account_id)
                jobs.order(db, look, jobs.Owner(account_id=account_id), now=now)
        return locks

    quota = Quota(
        default=tradera.quota.default,
        methods=tradera.limits,
        total=tradera.total,
        reserve_share=tradera.reserve_share,
        reconcile_share=settings.reconcile_share,
    )
    return SharedBudget(
        store=store,
        ledger=ledger,
        rules=BudgetRules(quota=quota, sellers=registry.fingerprints),
        locks=await database.write(begin),
        resume=partial(wakeups.probe, QueueName.TRADERA),
    )


def _forecasting(
    budget: SharedBudget, registry: AccountRegistry, clock: Clock, settings: Settings
) -> Callable[[str], BudgetForecast]:
    """What an account's publishing waits for and when it goes on, at the moment of asking."""
    rules, ledger = budget.rules, budget.ledger
    wanted_ms = round(settings.reconcile_interval_s * 1000)

    def forecast(account_id: str) -> BudgetForecast:
        gap_ms = reading_gap_ms(
            wanted_ms, accounts=len(rules.sellers), quota=rules.quota, learned=ledger.learned
        )
        of_budget = BudgetForecast.of(
            ledger, rules.quota, account_id, now=clock(), sellers=rules.sellers, gap_ms=gap_ms
        )
        for_owner = registry.of(account_id).waits_for or budget.locks[account_id].reason
        waits = for_owner or of_budget.waits_for
        silence = budget.contact.silence
        if waits is None and silence is not None:
            waits = Text("Tradera does not answer: {reason}", reason=silence.reason)
            next_try = budget.contact.next_try()
            of_budget = replace(of_budget, waits_since=silence.since, next_try=next_try)
        return replace(of_budget, waits_for=waits, waits_for_owner=for_owner is not None)

    return forecast


def _setups(settings: Settings, store: Store, ledger: Ledger, capacities: Capacities) -> Setups:
    shown = [
        InForce(name=".".join(key), value=settings.value(key), origin="" if said == "default" else said)
        for key in LEAVES
        if key[:2] in _OF_ADS and key not in _ELSEWHERE
        for said in [settings.origin(key)]
    ]
    return Setups(store=store, ledger=ledger, capacities=capacities, defaults=shown)


_OF_ADS = {("tradera", "defaults"), ("tradera", "shipping"), ("ad", "check"), ("ad", "business")}
_ELSEWHERE = {("tradera", "defaults", "category_id"), ("tradera", "defaults", "restarts")}
"""Shown where it is decided, or not at all: it does nothing any more."""


def _seller_settings(settings: Settings) -> SellerSettings:
    tradera = settings.tradera
    of_application = missing_for_publishing(settings, member=True)
    own = None
    if tradera.user_id is not None and tradera.user_token is not None:
        own = Seller(tradera.user_id, tradera.user_token.get_secret_value())
    members = [
        ConfiguredAccount(
            reference=account.reference,
            user_id=account.user_id,
            seller=None
            if account.user_token is None
            else Seller(
                account.user_id,
                account.user_token.get_secret_value(),
                setting=f"the user_token of [[accounts]] {account.reference}",
            ),
            missing=of_application,
        )
        for account in settings.accounts
    ]
    first = ConfiguredAccount(
        reference="", user_id=tradera.user_id, seller=own, missing=missing_for_publishing(settings)
    )
    return SellerSettings(
        accounts=(first, *members),
        missing_of_application=of_application,
        missing_at_start=missing_at_start(settings),
    )


def publishing_pause(core: Core) -> PublishingPause:
    """The owner's word on all publishing, which every account's lock hears."""

    def told(since: int | None) -> None:
        for lock in core.restore_locks.values():
            lock.paused_since = since

    return PublishingPause(store=core.store, told=told)


async def open_restore_locks(core: Core) -> int:
    """Let the accounts go on whose ads the owner has compared, since Tradera did not tell whose they are; their number."""
    blind = [
        account_id
        for account_id, lock in core.restore_locks.items()
        if lock.takeover is not None and lock.takeover.blind
    ]
    for account_id in blind:
        await core.database.write(partial(accounts.finish, account_id=account_id))
        core.restore_locks[account_id].set(None)
    core.wakeups.wake(QueueName.TRADERA)
    return len(blind)
