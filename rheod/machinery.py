"""Builds what runs by itself: the clients, the workers, the lanes, the poller and the ways to tell the owner.

Part of the composition root (`app.py` runs what is built here). Nothing below this layer reads a setting.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any
from urllib.parse import urlsplit

import aiohttp

import rheod
from rheod.assembly import Core
from rheod.catalog.unit import UnitOfWork
from rheod.clients.addresses import check_url
from rheod.clients.alarms import Alarm, CommandAlarm, MailAlarm, MailServer, UrlAlarm
from rheod.clients.guard import guarded_connector
from rheod.clients.hooks import HookClient, open_hook_session
from rheod.clients.images import ImageClient, ImageLimits
from rheod.clients.renderer import Renderer
from rheod.clients.signed_hooks import SignedHooks
from rheod.clients.sqs import PushQueue
from rheod.clients.tradera import TraderaClient, open_session
from rheod.domain.model import JobKind, JobOrder, LaneName
from rheod.settings import Settings
from rheod.store.jobs import Owner
from rheod.tradera_lanes import TraderaLanes
from rheod.workers.closer import Closer
from rheod.workers.deliverer import ByEndpoint, Deliverer
from rheod.workers.image_fetcher import ImageFetcher
from rheod.workers.image_keeper import ImageKeeper
from rheod.workers.lane import ByDueTime, Lane
from rheod.workers.meters import Meters
from rheod.workers.push_poller import PushPoller
from rheod.workers.seller_login import Application, SellerLogin
from rheod.workers.upkeep import LoopWatch

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

    lanes: list[Lane] = field(default_factory=list)
    start_lane: Callable[[Lane], None] = lambda _lane: None
    tradera: TraderaClient | None = None
    hooks: SignedHooks | None = None
    poller: PushPoller | None = None
    watch: LoopWatch = field(default_factory=LoopWatch)
    meters: Meters = field(default_factory=Meters)
    alarms: list[Alarm] = field(default_factory=list)
    chores: dict[str, Callable[[], Coroutine[Any, Any, None]]] = field(default_factory=dict)
    clients: AsyncExitStack = field(default_factory=AsyncExitStack)

    def add_lane(self, lane: Lane) -> None:
        """One more lane; once everything runs, it is started at once."""
        self.lanes.append(lane)
        self.start_lane(lane)


async def build_machinery(core: Core) -> Machinery:
    """The lanes, the poller and the clients they use. Order the first reconciliation of each seller."""
    machinery = Machinery()
    try:
        _add_images(core, machinery)
        _add_hooks(core, machinery)
        closer = Closer(books=core.books, sellers=core.sellers)
        bell = core.bells.new(LaneName.SALES)
        machinery.lanes.append(
            Lane(
                name="sales",
                books=core.books,
                pick=ByDueTime(LaneName.SALES),
                bell=bell,
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
    limits = ImageLimits(
        max_bytes=images.max_bytes,
        timeout_s=images.timeout_s,
        concurrency=images.concurrency,
        per_host=images.per_host,
        allow_http=images.allow_http,
        allow_private=images.allow_private_networks,
    )
    client = ImageClient(limits=limits)
    renderer = Renderer(processes=min(2, os.cpu_count() or 1), max_pixels=images.max_pixels)
    machinery.clients.push_async_callback(client.close)
    machinery.clients.push_async_callback(renderer.close)
    (core.images_dir / "tmp").mkdir(parents=True, exist_ok=True, mode=0o700)
    fetcher = ImageFetcher(
        books=core.books,
        client=client,
        renderer=renderer,
        images_dir=core.images_dir,
        meters=machinery.meters,
        most_bytes=core.settings.storage.images_max_bytes,
    )
    fetcher.sweep()
    keeper = ImageKeeper(
        books=core.books, images_dir=core.images_dir, most_bytes=core.settings.storage.images_max_bytes
    )
    machinery.chores["image keeper"] = keeper.run
    machinery.lanes.append(
        Lane(
            name="images",
            books=core.books,
            pick=ByDueTime(LaneName.IMAGES),
            bell=core.bells.new(LaneName.IMAGES),
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
    session = open_hook_session(connector)
    machinery.clients.push_async_callback(session.close)
    machinery.hooks = SignedHooks(
        client=HookClient(session=session, timeout_s=hooks.timeout_s),
        check_url=hook_url_check(core.settings),
        user_agent=f"rheod/{rheod.__version__}",
        now=core.now,
    )
    deliverer = Deliverer(
        books=core.books,
        hooks=machinery.hooks,
        retry_delays_s=hooks.retry_delays_s,
        meters=machinery.meters,
    )
    lane = Lane(
        name="hooks",
        books=core.books,
        pick=ByEndpoint(),
        bell=core.bells.new(LaneName.HOOKS),
        work=deliverer.deliver,
        concurrency=hooks.concurrency,
    )
    lane.most_settling = hooks.concurrency * _SETTLING_HOOKS
    machinery.lanes.append(lane)


async def _add_tradera(core: Core, machinery: Machinery) -> None:
    tradera = core.settings.tradera
    if tradera.app_id is None or tradera.app_key is None:
        return
    session = open_session()
    machinery.clients.push_async_callback(session.close)
    machinery.tradera = TraderaClient(
        session=session,
        base_url=tradera.base_url,
        app_id=tradera.app_id,
        app_key=tradera.app_key.get_secret_value(),
        timeout_s=tradera.request_timeout_s,
    )
    lanes = TraderaLanes(core=core, client=machinery.tradera, meters=machinery.meters, add=machinery.add_lane)
    for account in core.roll:
        if account.seller is not None:
            lanes.supply(account)
            first = JobOrder(lane=LaneName.TRADERA, kind=JobKind.RECONCILE, subject=account.id)
            await core.books.write(partial(_order, first, Owner(account_id=account.id)))
    core.roll.tell = lanes.supply


def _order(wanted: JobOrder, owner: Owner, unit: UnitOfWork) -> None:
    unit.order_for(wanted, owner)


def seller_login(core: Core, client: TraderaClient | None) -> SellerLogin:
    """What connects sellers; without a client it says what to set."""
    tradera = core.settings.tradera
    application = None
    if client is not None and tradera.app_id is not None:
        page = urlsplit(tradera.base_url)._replace(path="/token-login", query="", fragment="")
        application = Application(
            client=client, login_url=page.geturl(), app_id=tradera.app_id, public_key=tradera.public_key
        )
    return SellerLogin(
        books=core.books,
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
        machinery.poller = PushPoller(books=core.books, queue=queue, sellers=core.sellers, rng=core.rng)


def _add_alarms(settings: Settings, machinery: Machinery) -> None:
    alerts = settings.alerts
    if alerts.command:
        machinery.alarms.append(CommandAlarm(command=alerts.command, environ=os.environ))
    if alerts.url is not None:
        session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)
        machinery.clients.push_async_callback(session.close)
        url = alerts.url.get_secret_value()
        machinery.alarms.append(UrlAlarm(session=session, url=url, style=alerts.url_style))
    if alerts.mail_to is not None and alerts.mail_from is not None:
        password = alerts.smtp_password
        server = MailServer(
            host=alerts.smtp_host,
            port=alerts.smtp_port,
            security=alerts.smtp_security,
            user=alerts.smtp_user,
            password=None if password is None else password.get_secret_value(),
        )
        machinery.alarms.append(MailAlarm(server=server, sender=alerts.mail_from, to=alerts.mail_to))
