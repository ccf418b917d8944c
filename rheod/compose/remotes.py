"""The ways to the outside, each opened as the settings say: Tradera, its push queue, pictures, webhooks, alerts.

These are the real ones. Tests and the simulation give `build` their own for what they stand in for.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import lru_cache

import aiohttp

import rheod
from rheod.compose.core import Core
from rheod.config.settings import Settings
from rheod.domain.errors import Text
from rheod.health.alerts import CommandNotifier, MailNotifier, MailServer, Notifier, UrlNotifier
from rheod.health.machine import SdNotify
from rheod.net.ssrf_guard import guarded_connector
from rheod.net.url_policy import check_url
from rheod.pictures.decoder import Decoder, Sides
from rheod.pictures.download import PictureDownloader, PictureLimits
from rheod.push.client import PushQueue
from rheod.tradera.client import TraderaClient, open_session
from rheod.webhooks.client import WebhookClient, open_webhook_session

_WEBHOOK_KEEPALIVE_S = 1.0
"""Long enough for a queue of events on one connection, and shorter than any receiver closes an idle one."""

_WEBHOOK_OPENERS = {
    Text("`webhooks.allow_http` allows it"): (True, False),
    Text("`webhooks.allow_private_networks` allows it"): (False, True),
    Text("`webhooks.allow_http` and `webhooks.allow_private_networks` allow it"): (True, True),
}
"""What to set for a refused webhook address, the least first, and whether that admits HTTP and inner networks."""


def check_webhook_url(settings: Settings) -> Callable[[str], str | None]:
    """The check a webhook address passes when it is set and at every send; it names the setting that would let it pass."""
    hooks = settings.webhooks

    def problem(url: str) -> str | None:
        found = check_url(url, allow_http=hooks.allow_http, allow_private=hooks.opens_private)
        opened_by = _WEBHOOK_OPENERS if found else {}
        for words, (http, private) in opened_by.items():
            allow_private = hooks.opens_private or private
            if check_url(url, allow_http=hooks.allow_http or http, allow_private=allow_private) is None:
                return Text("{found} ({how})", found=found, how=words)
        return found

    return lru_cache(maxsize=256)(problem)  # it says the same of an address every time


def open_tradera(core: Core, clients: AsyncExitStack) -> TraderaClient | None:
    """What speaks to Tradera as the owner's application; None when none is set."""
    tradera = core.settings.tradera
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


def push_queue(core: Core) -> PushQueue | None:
    """Tradera's queue, not opened yet; None when none is set. Whoever takes it opens and closes it."""
    push = core.settings.push
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


def open_downloader(core: Core, clients: AsyncExitStack) -> PictureDownloader:
    """What fetches partners' pictures."""
    images = core.settings.images
    limits = PictureLimits(
        max_bytes=images.max_bytes,
        timeout_s=images.timeout_s,
        concurrency=images.concurrency,
        per_host=images.per_host,
        allow_http=images.allow_http,
        allow_private=images.allow_private_networks,
        networks=images.allow_networks,
    )
    downloader = PictureDownloader(limits=limits)
    clients.push_async_callback(downloader.close)
    return downloader


def open_decoder(core: Core, clients: AsyncExitStack) -> Decoder:
    """What decodes pictures in child processes; they start with the daemon and with each picture, and end when idle."""
    processes = min(2, os.cpu_count() or 1)
    images = core.settings.images
    decoder = Decoder(
        processes=processes,
        max_pixels=images.max_pixels,
        sides=Sides(least_long=images.min_long_px, least_short=images.min_short_px),
    )
    clients.push_async_callback(decoder.close)
    return decoder


def open_webhooks(core: Core, clients: AsyncExitStack) -> WebhookClient:
    """What signs events and posts them to partners."""
    hooks = core.settings.webhooks
    connector = guarded_connector(
        allow_private=hooks.allow_private_networks,
        networks=hooks.allow_networks,
        limit=hooks.concurrency,
        limit_per_host=0,
        keepalive_s=_WEBHOOK_KEEPALIVE_S,
    )
    session = open_webhook_session(connector)
    clients.push_async_callback(session.close)
    return WebhookClient(
        session=session,
        timeout_s=hooks.timeout_s,
        check_url=check_webhook_url(core.settings),
        user_agent=f"rheod/{rheod.__version__}",
        now=core.now,
    )


def receivers_session(core: Core) -> aiohttp.ClientSession:
    """What the doctor asks the receivers of webhooks with: it must not share the deliveries' connections."""
    hooks = core.settings.webhooks
    connector = guarded_connector(
        allow_private=hooks.allow_private_networks,
        networks=hooks.allow_networks,
        limit=32,
        limit_per_host=0,
    )
    return aiohttp.ClientSession(connector=connector, trust_env=False, auto_decompress=False)


def open_notifiers(core: Core, clients: AsyncExitStack) -> list[Notifier]:
    """Every way that is set to reach the owner outside the pages."""
    alerts = core.settings.alerts
    found: list[Notifier] = []
    if alerts.command:
        found.append(CommandNotifier(command=alerts.command, environ=os.environ))
    if alerts.url is not None:
        session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)
        clients.push_async_callback(session.close)
        url = alerts.url.get_secret_value()
        found.append(UrlNotifier(session=session, url=url, style=alerts.url_style))
    if alerts.mail_to is not None and alerts.mail_from is not None:
        password = alerts.smtp_password
        server = MailServer(
            host=alerts.smtp_host,
            port=alerts.smtp_port,
            security=alerts.smtp_security,
            user=alerts.smtp_user,
            password=None if password is None else password.get_secret_value(),
        )
        found.append(MailNotifier(server=server, sender=alerts.mail_from, to=alerts.mail_to))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Remotes:
    """What opens each way; the stack that an opener is given closes what was opened."""

    tradera: Callable[[Core, AsyncExitStack], TraderaClient | None] = open_tradera
    push_queue: Callable[[Core], PushQueue | None] = push_queue
    downloader: Callable[[Core, AsyncExitStack], PictureDownloader] = open_downloader
    decoder: Callable[[Core, AsyncExitStack], Decoder] = open_decoder
    webhooks: Callable[[Core, AsyncExitStack], WebhookClient] = open_webhooks
    receivers: Callable[[Core], aiohttp.ClientSession] = receivers_session
    notifiers: Callable[[Core, AsyncExitStack], list[Notifier]] = open_notifiers
    systemd: SdNotify = field(default_factory=lambda: SdNotify(None))
