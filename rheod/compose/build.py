"""The one builder: the daemon, the commands, the tests and the simulation all stand on what `build` wires.

Its handlers answer for it: the API, the dashboard and the admin socket, each over the same use cases. Nothing else builds,
and nothing below `compose` reads a setting.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from random import Random
from urllib.parse import urlsplit

from aiohttp import web

from rheod.api import analytics, server
from rheod.api.admin import build_admin, inspection_routes, start_admin
from rheod.api.authenticator import Callers
from rheod.api.connections import ConnectionLimits
from rheod.api.context import AdminContext, ApiContext, Rates
from rheod.api.management import ConnectionCalls, PasswordCalls
from rheod.api.selling_choices import ChoiceCalls, TemplateCalls, choice_routes, plan_routes, rule_routes
from rheod.compose.core import Core, build_core, open_restore_locks, publishing_pause
from rheod.compose.loops import Loops, build_loops, observed, publish_options
from rheod.compose.remotes import Remotes, check_webhook_url
from rheod.config.settings import Settings
from rheod.domain.errors import Refused, RheodError, Text
from rheod.health.alerts import Alarms
from rheod.health.doctor import Doctor, Reachable, gather_status
from rheod.health.facts import gather_findings, why_unwritable
from rheod.health.machine import Machine
from rheod.health.metrics import gather_metrics
from rheod.jobs.housekeeping import Clock
from rheod.jobs.queue import JobQueue
from rheod.net.url_policy import check_url
from rheod.store.engine.database import Database
from rheod.tradera.accounts import Account, Application, TraderaLogin, count_states
from rheod.tradera.bid_reader import AdLooker
from rheod.tradera.budgeted_client import BudgetedClient
from rheod.tradera.client import TraderaClient
from rheod.tradera.dry_run import DryRun
from rheod.usecases.contested_sales import SalesInDoubt
from rheod.usecases.ending import Ending
from rheod.usecases.figures import Figures
from rheod.usecases.own_items import OwnItems
from rheod.usecases.owner_choices import AdTemplates, CategoryChoices
from rheod.usecases.relisting import Relisting
from rheod.usecases.safekeeping import Backups
from rheod.usecases.sales import QuarantinedMessages
from rheod.web import reference_view
from rheod.web.dashboard import Dashboard
from rheod.web.site import WebContext
from rheod.webhooks.client import TestEventSender

_LIMITED = ("put", "price", "status", "get", "delete", "batch", "tracking")
"""The kinds of calls that have a limit in the settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handlers:
    """What answers for this rheod; an application is made when it is asked for."""

    core: Core
    loops: Loops
    remotes: Remotes
    backups: Backups

    async def listen(self) -> tuple[web.AppRunner, int]:
        """Serve the API and the dashboard; the runner's `cleanup` stops that. RheodError says why it cannot."""
        at = self.core.settings.server
        limits = ConnectionLimits(
            keepalive_s=at.keepalive_s,
            connections=at.max_connections,
        )
        try:
            return await server.start(self.public(), host=at.host, port=at.port, limits=limits)
        except OSError as error:
            raise RheodError(
                f"Cannot listen on {at.host}:{at.port}: {error.strerror or error}. Stop what uses it, or set server.port"
            ) from error

    async def listen_admin(self) -> web.AppRunner:
        """Serve the admin socket."""
        return await start_admin(self.admin(), self.core.settings.admin_socket)

    def public(self) -> web.Application:
        """The API and the dashboard; who is signed in there may make the owner's calls."""
        seen, running = observed(self.core, self.loops.running), self.loops.running
        parts = self.api()
        pages = Dashboard(context=self.pages(parts))
        served = replace(
            parts,
            signed_in=pages.site.vouches,
            say=pages.site.say,
            metrics=lambda: gather_metrics(seen, running),
        )
        return server.build_app(served, pages=pages)

    def pages(self, parts: ApiContext) -> WebContext:
        """What the dashboard's pages use, over the API's parts."""
        core, seen, running = self.core, observed(self.core, self.loops.running), self.loops.running
        return WebContext(
            api=parts,
            sessions=core.sessions,
            audit=core.audit,
            findings=lambda: gather_findings(seen),
            outlooks=core.forecasts,
            stock=core.stock,
            has_alarms=core.settings.alerts.is_set,
            quarantine=QuarantinedMessages(store=core.store),
            ad_url=core.sellers.ad_url,
            status=lambda: gather_status(seen, running),
            accounts=core.accounts,
            callers=Callers(proxies=parts.trusted_proxies, public_url=parts.public_url),
            connector=self.login(),
            setups=core.setups,
            choices=CategoryChoices(store=core.store),
            templates=AdTemplates(store=core.store, dresser=core.store.placer.dresser),
            machine=Machine(
                database=core.database,
                folder=core.settings.storage.path,
                started_at=core.started_at,
                backups=self.backups,
                alarms=Alarms(
                    database=core.database, notifiers=self.loops.notifiers, sales=core.settings.alerts.sales
                ),
                examine=lambda: self.doctor().report(online=False),
            ),
        )

    def admin(self) -> web.Application:
        """What the commands ask, while a daemon runs and without one."""
        core, parts = self.core, self.api()
        deadline_s = core.settings.server.body_timeout_s
        passwords = PasswordCalls(sessions=core.sessions, audit=core.audit, body_deadline_s=deadline_s)
        choices = ChoiceCalls(
            choices=CategoryChoices(store=core.store), accounts=core.accounts, deadline_s=deadline_s
        )
        connections = ConnectionCalls(connector=self.login(), accounts=parts, body_deadline_s=deadline_s)
        templates = TemplateCalls(
            templates=AdTemplates(store=core.store, dresser=core.store.placer.dresser),
            body_deadline_s=deadline_s,
        )
        return build_admin(
            AdminContext(
                api=parts,
                status=self._status,
                examine=lambda online: self.doctor().report(online=online),
                quarantine=QuarantinedMessages(store=core.store),
                backups=self.backups,
                compared=lambda: open_restore_locks(core),
            ),
            more=[
                *passwords.routes(),
                *inspection_routes(core.settings.storage.path / "rheod.db"),
                *choice_routes(choices),
                *rule_routes(parts.relisting, deadline_s=deadline_s),
                *plan_routes(parts.ending, deadline_s=deadline_s),
                *connections.routes(),
                *analytics.quota_routes(core.capacities, core.default_account),
                *templates.routes(),
            ],
        )

    async def _status(self) -> Mapping[str, object]:
        if not self.core.life.begun:
            raise Refused("UNAVAILABLE", Text("rheod is not running"))
        return await gather_status(observed(self.core, self.loops.running), self.loops.running)

    def api(self) -> ApiContext:
        """What the API's handlers are built from."""
        core, settings, life = self.core, self.core.settings, self.core.life
        images = settings.images
        return ApiContext(
            items=core.items,
            inventory=core.inventory,
            batches=core.batches,
            endpoints=core.endpoints,
            orders=core.orders,
            doubts=SalesInDoubt(store=core.store, sellers=core.sellers),
            reference=core.reference,
            freight=core.freight,
            figures=Figures(store=core.store, fee_percent=settings.analytics.fee_percent),
            feed=core.events,
            dry_run=self._dry_run().dry_run,
            test_events=TestEventSender(
                endpoints=core.endpoints, client=self.loops.webhooks, now=core.now, rng=core.rng
            ),
            relisting=Relisting(store=core.store),
            call_limit=core.rules.quota.limit,
            ending=Ending(store=core.store),
            publishing=publishing_pause(core),
            keys=core.keys,
            capacities=core.capacities,
            default_account=core.default_account,
            account_of_reference=lambda reference: core.accounts.get(reference) if reference else None,
            removed_accounts=frozenset(account.id for account in core.registry if account.removed),
            account_states=lambda: count_states(core.registry, core.ledger),
            check_image_url=lambda url: check_url(
                url, allow_http=images.allow_http, allow_private=images.opens_private
            ),
            check_webhook_url=check_webhook_url(settings),
            image_folder=core.images_dir,
            make_thumbnail=self.loops.thumbnails.make,
            uploads=self.loops.uploads,
            own_items=OwnItems(store=core.store),
            look_at_ad=AdLooker(
                store=core.store, items=core.items, calls_of=lambda each: self.loops.of_account(each)[1]
            ).look,
            public_url=settings.server.public_url,
            health=self._health,
            answered=self.loops.meters.answered,
            writable=lambda: why_unwritable(core.database, settings.storage.path),
            readiness=life.missing,
            stopping=lambda: life.stopping,
            now=core.now,
            monotonic=time.monotonic,
            rng=core.rng,
            reference_page=reference_view.render,
            rates=Rates(**{each: getattr(settings.limits, f"{each}_per_s") for each in _LIMITED}),
            trusted_proxies=[str(network) for network in settings.server.trusted_proxies],
            metrics_allow=[str(network) for network in settings.metrics.allow],
            body_deadline_s=settings.server.body_timeout_s,
        )

    async def _health(self) -> str | None:
        try:
            await self.core.database.read(lambda db: db.execute("SELECT 1").fetchone())
        except RheodError as error:
            return str(error)
        return None

    def _dry_run(self) -> DryRun:
        core = self.core
        return DryRun(
            items=core.items,
            forecast=core.forecast,
            options=publish_options(core),
            reference=core.reference,
            quota=core.rules.quota,
            base_url=core.settings.tradera.base_url,
        )

    def doctor(self) -> Doctor:
        """One examination."""
        core = self.core

        def budgeted(client: TraderaClient, account: Account) -> BudgetedClient:
            assert account.seller is not None
            return core.budget.client_of(account.id, account.seller, client)

        return Doctor(
            observed=observed(core, self.loops.running if core.life.begun else None),
            reachable=Reachable(
                push_queue=lambda: self.remotes.push_queue(core),
                receivers=lambda: self.remotes.receivers(core),
                check_webhook_url=check_webhook_url(core.settings),
                tradera=self.loops.tradera,
                budgeted=budgeted,
                check_stock=CategoryChoices(store=core.store).check_stock,
            ),
        )

    def login(self) -> TraderaLogin:
        """What connects sellers; without an application it says what to set."""
        core, tradera, client = self.core, self.core.settings.tradera, self.loops.tradera
        application = None
        if client is not None and tradera.app_id is not None:
            page = urlsplit(tradera.base_url)._replace(path="/token-login", query="", fragment="")
            application = Application(
                client=client, login_url=page.geturl(), app_id=tradera.app_id, public_key=tradera.public_key
            )
        return TraderaLogin(
            budget=core.budget,
            registry=core.registry,
            application=application,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rheod:
    """Everything, wired; nothing runs. `clients` closes the ways to the outside, after whatever uses them."""

    core: Core
    loops: Loops
    handlers: Handlers
    clients: AsyncExitStack
    remotes: Remotes


async def open_database(settings: Settings) -> Database:
    """The store as the settings say. Raises RheodError with what to do when it cannot be opened."""
    storage = settings.storage
    key = None if storage.key is None else storage.key.get_secret_value()
    return await Database.open(storage.path, key=key, log_bytes=storage.log_max_bytes)


async def build(
    settings: Settings,
    database: Database,
    *,
    clock: Clock,
    rng: Random,
    remotes: Remotes,
    new_queue: type[JobQueue] = JobQueue,
) -> Rheod:
    """Wire everything over a database whose writer runs. `new_queue` lets a test watch the queues; it calls nobody."""
    core = await build_core(settings, database, clock=clock, rng=rng)
    clients = AsyncExitStack()
    try:
        loops = build_loops(core, remotes, new_queue, clients)
    except BaseException:
        await clients.aclose()
        raise
    backups = Backups(
        database=database,
        folder=settings.storage.path,
        key_in_file=settings.storage.key is None,
        now=core.now,
        stopping=lambda: core.life.stopping,
    )
    handlers = Handlers(core=core, loops=loops, remotes=remotes, backups=backups)
    return Rheod(core=core, loops=loops, handlers=handlers, clients=clients, remotes=remotes)
