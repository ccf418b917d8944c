"""The daemon's whole life on one page: open, build, run everything in one TaskGroup, stop in order.

A loop that dies or ends early takes the process down with a non-zero exit, and systemd starts it again.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any

import structlog
from aiohttp import web

from rheod.api import routing, server
from rheod.api.admin import PasswordCalls, build_admin, start_admin
from rheod.api.connections import ConnectionLimits
from rheod.api.context import AdminContext, ApiContext, Rates
from rheod.api.operators import inspection_routes
from rheod.api.webhooks import ConnectionCalls
from rheod.compose.core import Core, build_backups, build_core, open_database, open_gates
from rheod.compose.loops import (
    Machinery,
    build_machinery,
    doctor,
    hook_url_check,
    observed,
    publish_options,
    tradera_login,
)
from rheod.config import loading as owner
from rheod.config.settings import Settings
from rheod.domain import crash
from rheod.domain.errors import RheodError
from rheod.health.alerter import Alerter
from rheod.health.facts import gather_findings
from rheod.health.metrics import gather_metrics
from rheod.health.sd_notify import SdNotify
from rheod.health.status import gather_status
from rheod.jobs.clock import ClockJumpMonitor
from rheod.jobs.housekeeping import Heartbeat, Housekeeping, IntegrityChecker
from rheod.net.url_policy import check_url
from rheod.store.audit import Audit
from rheod.store.engine.database import Database
from rheod.store.keys import Sessions
from rheod.tradera.accounts import count_states
from rheod.tradera.dry_run import DryRun
from rheod.usecases.connect_account import Connector
from rheod.usecases.figures import Figures
from rheod.usecases.inventory import Stock
from rheod.usecases.sales import QuarantinedMessages
from rheod.usecases.shipping import Shipments
from rheod.web import reference_view
from rheod.web.dashboard import Dashboard
from rheod.web.site import Callers, WebContext
from rheod.webhooks.client import TestEventSender, WebhookClient

_log = structlog.get_logger(__name__)
_BEAT_S = 10.0


@dataclass(slots=True)
class Life:
    """Where the daemon is in its life; the API asks."""

    ready: bool = False
    stopping: bool = False

    def missing(self) -> list[str]:
        """The words of /readyz."""
        return [] if self.ready else ["starting"]


async def serve(
    settings: Settings, *, notifier: SdNotify, started: Callable[[int], None] | None = None
) -> None:
    """Run until SIGTERM or SIGINT. `started` is told the port once everything runs.

    Raises RheodError when it cannot start (the sentence says what to do), or whatever ended a loop.
    """
    crash.arm(settings.debug.crash_at)
    for sentence in owner.warnings(settings):
        _log.warning(sentence)
    database = await open_database(settings)
    try:
        async with asyncio.TaskGroup() as group:
            writer = group.create_task(database.run(), name="writer")
            try:
                await _live(settings, database, notifier, started)
            finally:
                database.stop()
                await asyncio.wait([writer])
    except BaseExceptionGroup as errors:
        raise _first(errors) from errors
    finally:
        await database.close()
    _log.info("stopped")


def _first(errors: BaseExceptionGroup[Any]) -> BaseException:
    """What went wrong first: a group of one says no more than the one."""
    found: BaseException = errors
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found


async def _live(
    settings: Settings, database: Database, notifier: SdNotify, started: Callable[[int], None] | None
) -> None:
    core = await build_core(settings, database)
    life = Life()
    machinery = await build_machinery(core)
    seen = observed(core, machinery.running)
    try:
        parts = api_parts(core, life, machinery.hooks)
        sign_in = await load_sign_in(core)
        connector = tradera_login(core, machinery.tradera)
        connections = ConnectionCalls(connector=connector, api=parts)
        admin = build_admin(
            AdminContext(
                api=parts,
                status=lambda: gather_status(seen, machinery.running),
                examine=lambda online: doctor(core, machinery.running, machinery.tradera).report(
                    online=online
                ),
                backups=build_backups(core, stopping=parts.stopping),
                compared=lambda: open_gates(core),
            ),
            more=[
                *sign_in.admin_routes(),
                *inspection_routes(core.settings.storage.path / "rheod.db"),
                *connections.routes(),
            ],
        )
        admin_path = settings.server.admin_socket or settings.storage.path / "admin.sock"
        admin_runner = await start_admin(admin, admin_path)
        try:
            runner, port = await _listen(
                settings, await _whole_app(core, machinery, parts, sign_in, connector)
            )
            try:
                await _run_loops(core, machinery, _Running(life, notifier, runner, started, port))
            finally:
                await runner.cleanup()
        finally:
            await admin_runner.cleanup()
    finally:
        await machinery.clients.aclose()


@dataclass(frozen=True, slots=True)
class SignIn:
    """Who may come into the dashboard, and what was done there: the pages and the admin socket share it."""

    sessions: Sessions
    audit: Audit
    body_deadline_s: float

    def admin_routes(self) -> list[routing.Route]:
        """What the admin socket can do about it."""
        return PasswordCalls(
            sessions=self.sessions, audit=self.audit, body_deadline_s=self.body_deadline_s
        ).routes()


async def load_sign_in(core: Core) -> SignIn:
    """As the store has it."""
    return SignIn(
        sessions=await Sessions.load(core.database, now=core.now),
        audit=Audit(database=core.database, now=core.now),
        body_deadline_s=core.settings.server.body_timeout_s,
    )


async def _whole_app(
    core: Core, machinery: Machinery, parts: ApiContext, sign_in: SignIn, connector: Connector
) -> web.Application:
    """The API and the dashboard; who is signed in there may make the owner's calls."""
    seen = observed(core, machinery.running)
    pages = Dashboard(
        parts=WebContext(
            api=parts,
            sessions=sign_in.sessions,
            audit=sign_in.audit,
            findings=lambda: gather_findings(seen),
            outlooks=core.outlooks,
            stock=Stock(store=core.store),
            strange=QuarantinedMessages(store=core.store),
            ad_url=core.sellers.ad_url,
            status=lambda: gather_status(seen, machinery.running),
            accounts=core.accounts,
            callers=Callers(proxies=parts.trusted_proxies, public_url=parts.public_url),
            connector=connector,
            setups=core.setups,
        )
    )
    served = replace(
        parts, signed_in=pages.site.vouches, metrics=lambda: gather_metrics(seen, machinery.running)
    )
    return server.build_app(served, pages=pages)


async def _listen(settings: Settings, app: web.Application) -> tuple[web.AppRunner, int]:
    host, port = settings.server.host, settings.server.port
    limits = ConnectionLimits(
        keepalive_s=settings.server.keepalive_s,
        connections=settings.server.max_connections,
        connections_per_address=settings.server.max_connections_per_address,
        proxies=[str(network) for network in settings.server.trusted_proxies],
    )
    try:
        return await server.start(app, host=host, port=port, limits=limits)
    except OSError as error:
        raise RheodError(
            f"Cannot listen on {host}:{port}: {error.strerror or error}. Stop what uses it, or set server.port"
        ) from error


@dataclass(frozen=True, slots=True)
class _Running:
    life: Life
    notifier: SdNotify
    runner: web.AppRunner
    started: Callable[[int], None] | None
    port: int


async def _run_loops(core: Core, machinery: Machinery, running: _Running) -> None:
    stop = _signals()
    life = running.life
    async with asyncio.TaskGroup() as group:

        def start(name: str, loop: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
            return group.create_task(_guarded(name, loop, life), name=name)

        work = [start(queue.name, queue.run()) for queue in machinery.queues]
        machinery.start_lane = lambda queue: work.append(start(queue.name, queue.run()))
        if machinery.poller is not None:
            work.append(start("push", machinery.poller.run()))
        beat = Heartbeat(beat=running.notifier.watchdog, alive=_store_answers(core.database), every_s=_BEAT_S)
        retention = core.settings.retention
        upkeep = Housekeeping(
            database=core.database,
            now=core.now,
            save_uses=core.keys.save_uses,
            keep_days=retention.deliveries_days,
            orders_days=retention.orders_days,
        )
        seen = observed(core, machinery.running)
        watchman = Alerter(
            database=core.database,
            now=core.now,
            look=lambda: gather_findings(seen),
            alarms=machinery.alarms,
        )
        timekeeper = ClockJumpMonitor(clock=core.now, database=core.database)
        chores = [
            start("heartbeat", beat.run()),
            start("upkeep", upkeep.run()),
            start("timekeeper", timekeeper.run()),
            start("watchman", watchman.run()),
            start("loop watch", machinery.watch.run()),
            *(start(name, chore()) for name, chore in machinery.chores.items()),
        ]
        _say_ready(core, running)
        surveyor = IntegrityChecker(database=core.database)
        chores.append(group.create_task(surveyor.run(), name="surveyor"))
        await stop.wait()
        life.stopping = True
        running.notifier.stopping()
        _log.info("stopping", running=sum(len(queue.running) for queue in machinery.queues))
        await _stop_work(core, machinery, running.runner, work)
        for task in [*work, *chores]:
            task.cancel()


def _say_ready(core: Core, running: _Running) -> None:
    running.life.ready = True
    running.notifier.ready()
    address = f"http://{core.settings.server.host}:{running.port}"
    missing = core.roll.missing()
    _log.info("ready", address=address, publishing=not missing, push=core.settings.push.queue_url is not None)
    if missing:
        _log.warning("publishing waits for Tradera credentials; the API works", set=", ".join(missing))
    if running.started is not None:
        running.started(running.port)


async def _stop_work(
    core: Core, machinery: Machinery, runner: web.AppRunner, work: list[asyncio.Task[None]]
) -> None:
    """No new HTTP and no new claims; what runs gets the grace, then it is cancelled and its jobs stay due."""
    deadline = time.monotonic() + core.settings.server.shutdown_grace_s
    for queue in machinery.queues:
        queue.stop()
    if machinery.poller is not None:
        machinery.poller.stop()
    await runner.cleanup()
    _, pending = await asyncio.wait(work, timeout=max(0.0, deadline - time.monotonic()))
    if pending:
        _log.warning("cut off after the grace", loops=[task.get_name() for task in pending])


async def _guarded(name: str, loop: Coroutine[Any, Any, None], life: Life) -> None:
    try:
        await loop
    except asyncio.CancelledError:
        raise
    except BaseException:
        _log.critical("loop died", loop=name, exc_info=True)
        raise
    if not life.stopping:
        raise RheodError(f"The loop {name} ended by itself; rheod stops so that systemd starts it anew")


def _store_answers(database: Database) -> Callable[[], Awaitable[object]]:
    return lambda: database.write(lambda db: db.execute("SELECT 1").fetchone())


def _signals() -> asyncio.Event:
    """SIGTERM and SIGINT ask for an orderly stop, a second one ends at once; SIGHUP does nothing."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def ask() -> None:
        if stop.is_set():
            raise SystemExit(130)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ask)
    loop.add_signal_handler(signal.SIGHUP, lambda: None)
    return stop


def api_parts(core: Core, life: Life, hooks: WebhookClient | None = None) -> ApiContext:
    """What the API is built from; without `hooks` no test event can be sent."""
    pinger = None
    if hooks is not None:
        pinger = TestEventSender(endpoints=core.endpoints, client=hooks, now=core.now, rng=core.rng)
    settings = core.settings
    images = settings.images

    async def health() -> str | None:
        try:
            await core.database.read(lambda db: db.execute("SELECT 1").fetchone())
        except RheodError as error:
            return str(error)
        return None

    return ApiContext(
        catalog=core.catalog,
        inventory=core.inventory,
        batches=core.batches,
        endpoints=core.endpoints,
        shipping=Shipments(store=core.store),
        figures=Figures(store=core.store, fee_percent=settings.analytics.fee_percent),
        feed=core.feed,
        rehearse=_rehearser(core).rehearse,
        pinger=pinger,
        keys=core.keys,
        default_account=core.default_account,
        account_of_reference=core.accounts.get,
        removed_accounts=frozenset(account.id for account in core.roll if account.removed),
        account_states=lambda: count_states(core.roll, core.ledger, now=core.now()),
        check_image_url=lambda url: check_url(
            url, allow_http=images.allow_http, allow_private=images.allow_private_networks
        ),
        check_webhook_url=hook_url_check(settings),
        image_folder=core.images_dir,
        public_url=settings.server.public_url,
        health=health,
        readiness=life.missing,
        stopping=lambda: life.stopping,
        now=core.now,
        monotonic=time.monotonic,
        rng=core.rng,
        reference_page=reference_view.render,
        rates=_rates(settings),
        trusted_proxies=[str(network) for network in settings.server.trusted_proxies],
        metrics_allow=[str(network) for network in settings.metrics.allow],
        body_deadline_s=settings.server.body_timeout_s,
    )


def _rehearser(core: Core) -> DryRun:
    return DryRun(
        store=core.store,
        catalog=core.catalog,
        forecast=core.forecast,
        options=publish_options(core),
        rules=core.rules,
        base_url=core.settings.tradera.base_url,
    )


def _rates(settings: Settings) -> Rates:
    limits = settings.limits
    return Rates(
        put=limits.put_per_s,
        price=limits.price_per_s,
        status=limits.status_per_s,
        get=limits.get_per_s,
        delete=limits.delete_per_s,
        batch=limits.batch_per_s,
        tracking=limits.tracking_per_s,
    )
