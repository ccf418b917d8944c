"""Builds from the settings what everything stands on: the books, the budget, the use cases, who sells.

Part of the composition root; nothing here talks to a remote. The lanes are built in `machinery.py`.

Builds what runs by itself: the clients, the workers, the lanes, the poller and the ways to tell the owner.

Part of the composition root (`app.py` runs what is built here). Nothing below this layer reads a setting.

Builds the tradera lane of each seller account, and hands a lane that runs its account's new token.

Part of the composition root (`machinery.py` uses it). It makes no call.

The work of one seller account's tradera lane: hands each job to its worker and turns what went wrong into an outcome.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import Any
from urllib.parse import urlsplit

import aiohttp

import rheod
from rheod.compose.core import Core
from rheod.config.settings import Settings
from rheod.domain.budget import reconcile_gap_ms
from rheod.domain.errors import Permanent, Transient
from rheod.domain.model import Job, JobKind, JobOrder, QueueName
from rheod.health.doctor import Doctor, Reachable
from rheod.health.facts import Limits, Observed, RunningLoops
from rheod.health.notifiers import CommandNotifier, MailNotifier, MailServer, Notifier, UrlNotifier
from rheod.jobs.housekeeping import LoopWatch
from rheod.jobs.meters import Meters
from rheod.jobs.queue import (
    BudgetWait,
    ByDueTime,
    ByUrgency,
    Done,
    Hold,
    JobQueue,
    Outcome,
    Pause,
    Retry,
)
from rheod.net.ssrf_guard import guarded_connector
from rheod.net.url_policy import check_url
from rheod.pictures.decoder import Decoder
from rheod.pictures.download import PictureDownloader, PictureLimits
from rheod.pictures.fetcher import PictureFetcher
from rheod.pictures.garbage_collector import GarbageCollector
from rheod.push.client import PushQueue
from rheod.push.poller import ClosedAdHandler, PushPoller
from rheod.store.jobs import CLASS_OF, Owner
from rheod.tradera.accounts import Account
from rheod.tradera.ad_builder import AdDefaults
from rheod.tradera.ad_updater import AdUpdater
from rheod.tradera.budgeted_client import BudgetedClient, NotNow
from rheod.tradera.client import TraderaClient, open_session
from rheod.tradera.login import Application, TraderaLogin
from rheod.tradera.order_sync import OrderSync, ReconcileOptions
from rheod.tradera.publisher import Publisher, PublishOptions
from rheod.tradera.result_poller import ResultPoller, ResultPollOptions
from rheod.tradera.shipping import ShippingUpdater
from rheod.tradera.take_over import TakeOver
from rheod.tradera.transport import ServerFailure
from rheod.usecases.publish import AskSchedule
from rheod.usecases.transaction import Transaction
from rheod.webhooks.client import WebhookClient, open_webhook_session
from rheod.webhooks.deliverer import ByEndpoint, Deliverer


class TraderaDesk:
    """One account's jobs at Tradera, one at a time (reliability.md 8.1)."""

    def __init__(
        self,
        *,
        publisher: Publisher,
        asker: ResultPoller,
        keeper: AdUpdater,
        reader: OrderSync,
        shipper: ShippingUpdater,
        takeover: TakeOver,
    ) -> None:
        self._calls = takeover.calls
        self._reader = reader
        self._shipper = shipper
        self._workers: Mapping[JobKind, Callable[[Job], Awaitable[Outcome]]] = {
            JobKind.PUBLISH: publisher.publish,
            JobKind.RESULTS: asker.ask,
            JobKind.REPRICE: keeper.reprice,
            JobKind.END: keeper.end,
            JobKind.ORDERS: reader.look_up,
            JobKind.RECONCILE: self._reconcile,
            JobKind.SHIP: shipper.ship,
            JobKind.TAKEOVER: takeover.take_over,
        }

    async def work(self, job: Job) -> Outcome:
        """Work one job. A remote that is away quiets the whole lane: nobody else would fare better.

        A 500 may also be this job's bad input (tradera-v4.md section 2), so it counts against the job.
        """
        heard = self._calls.answers_heard
        try:
            outcome = await self._workers[job.kind](job)
        except NotNow as error:
            return BudgetWait(CLASS_OF[job.kind], error.until, str(error))
        except Transient as error:
            return Pause(str(error), counted=isinstance(error, ServerFailure) and error.status == 500)
        except Permanent as error:
            return Hold(str(error))
        if isinstance(outcome, Done | Retry):
            return replace(outcome, answered=self._calls.answers_heard > heard)
        return outcome

    async def _reconcile(self, job: Job) -> Outcome:
        outcome = await self._reader.reconcile(job)
        await self._shipper.look_around()
        return outcome


class TraderaQueues:
    """The lanes by account; `add` takes each new one and runs it."""

    def __init__(
        self, *, core: Core, client: TraderaClient, meters: Meters, add: Callable[[JobQueue], None]
    ) -> None:
        self._core = core
        self._client = client
        self._meters = meters
        self._add = add
        self._queues: dict[str, tuple[JobQueue, BudgetedClient]] = {}

    def supply(self, account: Account) -> None:
        """The account sells with this token from its next call on."""
        assert account.seller is not None
        if account.id in self._queues:
            queue, calls = self._queues[account.id]
            calls.seller = account.seller
            queue.wake()
            return
        calls = self._core.budgeted(self._client, account.id, account.seller)
        queue = _tradera_queue(self._core, self._meters, calls, f"tradera:{account.seller.user_id}")
        self._queues[account.id] = queue, calls
        self._add(queue)


def _tradera_queue(core: Core, meters: Meters, calls: BudgetedClient, name: str) -> JobQueue:
    tradera = core.settings.tradera
    options = publish_options(core)
    publisher = Publisher(store=core.store, calls=calls, options=options)
    asking = ResultPollOptions(
        delays_s=tradera.result_delays_s,
        doubt_ms=round(tradera.doubt_limit_s * 1000),
        site_url=tradera.site_url,
    )
    interval_ms = reconcile_gap_ms(
        round(core.settings.reconcile_interval_s * 1000),
        accounts=len(core.rules.sellers),
        allowance=core.rules.allowance,
    )
    desk = TraderaDesk(
        publisher=publisher,
        asker=ResultPoller(store=core.store, calls=calls, publisher=publisher, options=asking, meters=meters),
        keeper=AdUpdater(store=core.store, calls=calls, defaults=options.defaults),
        reader=OrderSync(
            store=core.store,
            calls=calls,
            sellers=core.sellers,
            options=ReconcileOptions(interval_ms=interval_ms),
            meters=meters,
        ),
        shipper=ShippingUpdater(store=core.store, calls=calls),
        takeover=TakeOver(store=core.store, calls=calls, sellers=core.sellers),
    )
    return JobQueue(
        name=name,
        store=core.store,
        pick=ByUrgency(calls.account_id, calls.gate),
        wakeup=core.wakeups.new(QueueName.TRADERA),
        work=desk.work,
        concurrency=1,
    )


def publish_options(core: Core) -> PublishOptions:
    """The owner's settings for publishing."""
    tradera = core.settings.tradera
    given = tradera.defaults
    return PublishOptions(
        defaults=AdDefaults(
            category_id=given.category_id,
            duration_days=given.duration_days,
            restarts=given.restarts,
            accepted_bidder_id=given.accepted_bidder_id,
            condition=given.condition,
            listing_type=given.listing_type,
            shipping_provider_id=given.shipping_provider_id,
            shipping_cost_kr=given.shipping_cost,
            pickup_option_id=given.pickup_option_id,
            payment_option_ids=given.payment_option_ids,
            vat=given.vat,
        ),
        images_dir=core.images_dir,
        max_images=given.max_images,
        image_format=given.image_format_jpeg,
        has_mega=given.has_mega,
        in_doubt=tradera.image_in_doubt,
        schedule=AskSchedule(first_ask_ms=round(tradera.result_delays_s[0] * 1000)),
    )


_IMAGE_JOBS_PER_DOWNLOAD = 4
"""More jobs than downloads run at once, so that one slow host does not keep the others' pictures waiting."""

_HOOK_OPENERS = {
    "webhooks.allow_http allows it": (True, False),
    "webhooks.allow_private_networks allows it": (False, True),
    "webhooks.allow_http and webhooks.allow_private_networks allow it": (True, True),
}
"""What to set for a refused webhook address, the least first, and whether that admits HTTP and inner networks."""

_HOOK_KEEPALIVE_S = 1.0
"""Long enough for a queue of events on one connection, and shorter than any receiver closes an idle one."""

_SETTLING_HOOKS = 4
"""So many times the deliveries at once may be taken and still wait for the commit of that: it is shared."""


@dataclass(slots=True, kw_only=True)
class Machinery:
    """The lanes, the poller and the sender of webhooks, what watches the loop they share, and what to close after them.

    `chores` are loops by name that run beside the lanes. `start_lane` runs a lane that is added while everything runs; `tradera` is None without its credentials.
    """

    queues: list[JobQueue] = field(default_factory=list)
    start_lane: Callable[[JobQueue], None] = lambda _queue: None
    tradera: TraderaClient | None = None
    hooks: WebhookClient | None = None
    poller: PushPoller | None = None
    watch: LoopWatch = field(default_factory=LoopWatch)
    meters: Meters = field(default_factory=Meters)
    alarms: list[Notifier] = field(default_factory=list)
    chores: dict[str, Callable[[], Coroutine[Any, Any, None]]] = field(default_factory=dict)
    clients: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def running(self) -> RunningLoops:
        """As health looks at it."""
        return RunningLoops(queues=self.queues, poller=self.poller, watch=self.watch, meters=self.meters)

    def add_lane(self, queue: JobQueue) -> None:
        """One more lane; once everything runs, it is started at once."""
        self.queues.append(queue)
        self.start_lane(queue)


async def build_machinery(core: Core) -> Machinery:
    """The lanes, the poller and the clients they use. Order the first reconciliation of each seller."""
    machinery = Machinery()
    try:
        _add_images(core, machinery)
        _add_hooks(core, machinery)
        closer = ClosedAdHandler(store=core.store, sellers=core.sellers)
        wakeup = core.wakeups.new(QueueName.PUSH)
        machinery.queues.append(
            JobQueue(
                name="sales",
                store=core.store,
                pick=ByDueTime(QueueName.PUSH),
                wakeup=wakeup,
                work=closer.close,
                concurrency=4,
            )
        )
        await _add_tradera(core, machinery)
        await _add_push(core, machinery)
        _add_alarms(core.settings, machinery)
    except BaseException:
        await machinery.clients.aclose()
        raise
    return machinery


def _add_images(core: Core, machinery: Machinery) -> None:
    images = core.settings.images
    limits = PictureLimits(
        max_bytes=images.max_bytes,
        timeout_s=images.timeout_s,
        concurrency=images.concurrency,
        per_host=images.per_host,
        allow_http=images.allow_http,
        allow_private=images.allow_private_networks,
    )
    client = PictureDownloader(limits=limits)
    renderer = Decoder(processes=min(2, os.cpu_count() or 1), max_pixels=images.max_pixels)
    machinery.clients.push_async_callback(client.close)
    machinery.clients.push_async_callback(renderer.close)
    (core.images_dir / "tmp").mkdir(parents=True, exist_ok=True, mode=0o700)
    fetcher = PictureFetcher(
        store=core.store,
        client=client,
        renderer=renderer,
        images_dir=core.images_dir,
        meters=machinery.meters,
        most_bytes=core.settings.storage.images_max_bytes,
    )
    fetcher.sweep()
    keeper = GarbageCollector(
        store=core.store, images_dir=core.images_dir, most_bytes=core.settings.storage.images_max_bytes
    )
    machinery.chores["image keeper"] = keeper.run
    machinery.queues.append(
        JobQueue(
            name="images",
            store=core.store,
            pick=ByDueTime(QueueName.PICTURES),
            wakeup=core.wakeups.new(QueueName.PICTURES),
            work=fetcher.fetch,
            concurrency=images.concurrency * _IMAGE_JOBS_PER_DOWNLOAD,
        )
    )


def hook_url_check(settings: Settings) -> Callable[[str], str | None]:
    """The check a webhook address passes when it is set and at every send; it names the setting that would let it pass."""
    hooks = settings.webhooks

    def problem(url: str) -> str | None:
        found = check_url(url, allow_http=hooks.allow_http, allow_private=hooks.allow_private_networks)
        opened_by = _HOOK_OPENERS if found else {}
        for words, (http, private) in opened_by.items():
            allow_private = hooks.allow_private_networks or private
            if check_url(url, allow_http=hooks.allow_http or http, allow_private=allow_private) is None:
                return f"{found} ({words})"
        return found

    return lru_cache(maxsize=256)(problem)  # it says the same of an address every time


def _add_hooks(core: Core, machinery: Machinery) -> None:
    hooks = core.settings.webhooks
    connector = guarded_connector(
        allow_private=hooks.allow_private_networks,
        limit=hooks.concurrency,
        limit_per_host=0,
        keepalive_s=_HOOK_KEEPALIVE_S,
    )
    session = open_webhook_session(connector)
    machinery.clients.push_async_callback(session.close)
    machinery.hooks = WebhookClient(
        session=session,
        timeout_s=hooks.timeout_s,
        check_url=hook_url_check(core.settings),
        user_agent=f"rheod/{rheod.__version__}",
        now=core.now,
    )
    deliverer = Deliverer(
        store=core.store,
        client=machinery.hooks,
        retry_delays_s=hooks.retry_delays_s,
        meters=machinery.meters,
    )
    queue = JobQueue(
        name="hooks",
        store=core.store,
        pick=ByEndpoint(),
        wakeup=core.wakeups.new(QueueName.WEBHOOKS),
        work=deliverer.deliver,
        concurrency=hooks.concurrency,
    )
    queue.most_settling = hooks.concurrency * _SETTLING_HOOKS
    machinery.queues.append(queue)


def tradera_client(settings: Settings, clients: AsyncExitStack) -> TraderaClient | None:
    """What speaks to Tradera as the owner's application; None when none is set. `clients` closes it."""
    tradera = settings.tradera
    if tradera.app_id is None or tradera.app_key is None:
        return None
    session = open_session()
    clients.push_async_callback(session.close)
    return TraderaClient(
        session=session,
        base_url=tradera.base_url,
        app_id=tradera.app_id,
        app_key=tradera.app_key.get_secret_value(),
        timeout_s=tradera.request_timeout_s,
    )


async def _add_tradera(core: Core, machinery: Machinery) -> None:
    client = tradera_client(core.settings, machinery.clients)
    if client is None:
        return
    machinery.tradera = client
    queues = TraderaQueues(
        core=core, client=machinery.tradera, meters=machinery.meters, add=machinery.add_lane
    )
    for account in core.roll:
        if account.seller is not None:
            queues.supply(account)
            first = JobOrder(queue=QueueName.TRADERA, kind=JobKind.RECONCILE, subject=account.id)
            await core.store.write(partial(_order, first, Owner(account_id=account.id)))
    core.roll.tell = queues.supply


def _order(wanted: JobOrder, owner: Owner, tx: Transaction) -> None:
    tx.order_for(wanted, owner)


def tradera_login(core: Core, client: TraderaClient | None) -> TraderaLogin:
    """What connects sellers; without a client it says what to set."""
    tradera = core.settings.tradera
    application = None
    if client is not None and tradera.app_id is not None:
        page = urlsplit(tradera.base_url)._replace(path="/token-login", query="", fragment="")
        application = Application(
            client=client, login_url=page.geturl(), app_id=tradera.app_id, public_key=tradera.public_key
        )
    return TraderaLogin(
        store=core.store,
        ledger=core.ledger,
        rules=core.rules,
        roll=core.roll,
        application=application,
    )


def push_queue(settings: Settings) -> PushQueue | None:
    """Tradera's queue as set; None when none is. Whoever takes it opens and closes it."""
    push = settings.push
    if push.queue_url is None:
        return None
    access, secret = push.access_key_id, push.secret_access_key
    return PushQueue(
        queue_url=push.queue_url,
        region=push.region,
        endpoint_url=push.endpoint_url,
        access_key_id=None if access is None else access.get_secret_value(),
        secret_access_key=None if secret is None else secret.get_secret_value(),
        wait_s=push.wait_s,
    )


async def _add_push(core: Core, machinery: Machinery) -> None:
    queue = push_queue(core.settings)
    if queue is not None:
        await machinery.clients.enter_async_context(queue)
        machinery.poller = PushPoller(store=core.store, queue=queue, sellers=core.sellers, rng=core.rng)


def _add_alarms(settings: Settings, machinery: Machinery) -> None:
    alerts = settings.alerts
    if alerts.command:
        machinery.alarms.append(CommandNotifier(command=alerts.command, environ=os.environ))
    if alerts.url is not None:
        session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)
        machinery.clients.push_async_callback(session.close)
        url = alerts.url.get_secret_value()
        machinery.alarms.append(UrlNotifier(session=session, url=url, style=alerts.url_style))
    if alerts.mail_to is not None and alerts.mail_from is not None:
        password = alerts.smtp_password
        server = MailServer(
            host=alerts.smtp_host,
            port=alerts.smtp_port,
            security=alerts.smtp_security,
            user=alerts.smtp_user,
            password=None if password is None else password.get_secret_value(),
        )
        machinery.alarms.append(MailNotifier(server=server, sender=alerts.mail_from, to=alerts.mail_to))


def observed(core: Core, loops: RunningLoops | None) -> Observed:
    """What health looks at; `loops` is None without a daemon."""
    settings = core.settings
    return Observed(
        database=core.database,
        folder=settings.storage.path,
        ledger=core.ledger,
        allowance=core.rules.allowance,
        accounts=core.roll,
        restore_locks=core.gates,
        categories=settings.tradera.defaults.category_id.keys(),
        has_push=settings.push.queue_url is not None,
        limits=Limits(
            backup_age_ms=round(settings.backup.alarm_after_s * 1000),
            push_silence_ms=round(settings.push.alarm_after_s * 1000),
            free_bytes=settings.storage.least_free_bytes,
            image_bytes=settings.storage.images_max_bytes,
        ),
        now=core.now,
        started_at=core.started_at,
        loops=loops,
    )


def doctor(core: Core, loops: RunningLoops | None, tradera: TraderaClient | None) -> Doctor:
    """One examination, with a session of its own for the receivers: what is asked must not share their connections."""
    hooks = core.settings.webhooks

    def receivers() -> aiohttp.ClientSession:
        connector = guarded_connector(allow_private=hooks.allow_private_networks, limit=4, limit_per_host=0)
        return aiohttp.ClientSession(connector=connector, trust_env=False, auto_decompress=False)

    def budgeted(client: TraderaClient, account: Account) -> BudgetedClient:
        assert account.seller is not None
        return core.budgeted(client, account.id, account.seller)

    return Doctor(
        observed=observed(core, loops),
        reachable=Reachable(
            push_queue=lambda: push_queue(core.settings),
            receivers=receivers,
            check_webhook_url=hook_url_check(core.settings),
            tradera=tradera,
            budgeted=budgeted,
        ),
    )
