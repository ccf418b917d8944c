"""The admin socket: what `rheod` commands ask a running daemon, as JSON over HTTP on a unix socket.

Reaching the socket is the permission (mode 0600), so nothing here checks a key. Never served over TCP: some answers name
paths of this machine.
"""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from aiohttp import web
from pydantic import AfterValidator, Field

import rheod
from rheod.api import (
    browsing,
    events,
    orders,
    partner_orders,
    reference_data,
    schedule,
    webhooks,
)
from rheod.api.authenticator import named_account, require_writable
from rheod.api.connections import SHUTDOWN_S
from rheod.api.context import CALLER, Caller
from rheod.api.field_types import Wire, raise_if_any, read_external_id, read_model, wrong
from rheod.api.items import ItemLines, OwnItemReply, item_line, item_reply, rehearsal_reply
from rheod.api.json_body import BODY_BYTES, read_optional_json
from rheod.api.management import KeysReply, NewNumberedKey, key_reply, read_key
from rheod.api.operators import OperatorCalls
from rheod.api.orders import OrderCalls
from rheod.api.routing import DoneReply, Route, answer, path_of, reply
from rheod.api.server import add_routes, around_requests, build_models
from rheod.domain.errors import Permanent, Refused, Text
from rheod.domain.event_payloads import new_ulid, rfc3339
from rheod.domain.model import RheoStatus, TraderaStatus
from rheod.store.facts import inspect
from rheod.store.search import ItemFilter

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rheod.api.context import AdminContext
    from rheod.api.routing import Handler
    from rheod.usecases.safekeeping import Backups


def inspection_routes(file: Path) -> list[Route]:
    """What `build_admin` adds: GET /inspection."""

    async def show(_request: web.Request) -> web.Response:
        return answer(200, await asyncio.to_thread(inspect, file))

    return [("GET", "/inspection", show)]


class BackupCalls:
    """Handlers of `/backup` and of what follows a restore."""

    def __init__(self, *, backups: Backups, compared: Callable[[], Awaitable[int]]) -> None:
        self._backups = backups
        self._compared = compared

    async def progress(self, _request: web.Request) -> web.Response:
        """GET /backup: the data folder and how far the copy is that is being made."""
        progress = self._backups.progress
        return answer(
            200,
            {
                "folder": str(self._backups.folder),
                "phase": progress.phase,
                "doneBytes": progress.done_bytes,
                "allBytes": progress.all_bytes,
            },
        )

    async def make(self, _request: web.Request) -> web.Response:
        """POST /backup: answers when the copy is there and checked; it is the caller's to move away."""
        copied = await self._backups.make()
        return answer(
            201,
            {
                "file": str(copied.file),
                "madeAt": copied.made_at,
                "keyFile": None if copied.key_file is None else str(copied.key_file),
                "rheod": copied.rheod,
                **copied.contents.as_json(),
            },
        )

    async def kept(self, request: web.Request) -> web.Response:
        """POST /backup/{madeAt}/kept: it was moved and is good where it is now."""
        await self._backups.kept(int(request.match_info["madeAt"]))
        return web.Response(status=204)

    async def compared(self, _request: web.Request) -> web.Response:
        """POST /restore/compared: the owner has compared the ads at Tradera, which did not tell whose they are."""
        return answer(200, {"accounts": await self._compared()})


def routes(parts: AdminContext) -> list[Route]:
    """What may be asked; nothing where there is nothing to copy."""
    if parts.backups is None or parts.compared is None:
        return []
    calls = BackupCalls(backups=parts.backups, compared=parts.compared)
    return [
        ("POST", "/restore/compared", calls.compared),
        ("GET", "/backup", calls.progress),
        ("POST", "/backup", calls.make),
        ("POST", r"/backup/{madeAt:\d{1,16}}/kept", calls.kept),
    ]


MAX_PATH_BYTES = 107
"""What the kernel allows for the path of a unix socket."""

DEFAULT_PAGE = 100
MAX_PAGE = 1000
ITEM = "/items/{externalId:[^/]+}"


def _no_ad(live: bool) -> Literal[False]:  # noqa: FBT001 - a validator's only value
    if live:
        raise wrong("no_ad", Text("Must be the ad's number, or false"))
    return False


class SettleBody(Wire):
    """What the owner found of an ad in doubt: its number at Tradera, or false where there is none.

    A literal False would take 0 as well, and a slip of the keyboard would then free the item for a second ad.
    """

    live: Annotated[int, Field(ge=1, lt=2**63)] | Annotated[bool, AfterValidator(_no_ad)]


def read_settlement(body: Any) -> int | None:
    """The ad the owner has seen, or None."""
    return read_model(SettleBody, body).live or None


class AdminCalls:
    """Handlers of the admin socket; they act for the account named in `x-partner-account`, else for the default one."""

    def __init__(self, *, parts: AdminContext) -> None:
        self._parts = parts
        self._api = parts.api

    def _account(self, request: web.Request) -> str:
        return named_account(request, self._api) or self._api.default_account

    async def list_keys(self, request: web.Request) -> web.Response:
        """GET /keys: all keys, revoked ones with the time."""
        keys = await self._api.keys.listing(self._account(request))
        return reply(200, KeysReply(keys=[key_reply(key) for key in keys]))

    async def create_key(self, request: web.Request) -> web.Response:
        """POST /keys `{"name"?}`: the key's text is in this answer and never again."""
        deadline_s = self._api.body_deadline_s
        body = await read_optional_json(request, limit_bytes=BODY_BYTES, deadline_s=deadline_s)
        key, text = await self._api.keys.create(self._account(request), *read_key(body))
        return reply(201, NewNumberedKey(api_key=text, id=key.id, name=key.name))

    async def revoke_key(self, request: web.Request) -> web.Response:
        """DELETE /keys/{id}."""
        if not await self._api.keys.revoke(request.match_info["key_id"]):
            raise Refused("NOT_FOUND", Text("No live API key has this id"))
        return web.Response(status=204)

    async def new_admin_token(self, _request: web.Request) -> web.Response:
        """POST /admin-token: replaces the earlier one."""
        return answer(201, {"adminToken": await self._api.keys.new_admin_token()})

    async def list_items(self, request: web.Request) -> web.Response:
        """GET /items?status=&traderaStatus=&limit=&after=: oldest change first; `next` is the `after` of the next page."""
        limit, after = request.query.get("limit", str(DEFAULT_PAGE)), request.query.get("after", "0.")
        if not (limit.isascii() and limit.isdecimal() and len(limit) < 6 and 1 <= int(limit) <= MAX_PAGE):
            raise Refused("BAD_REQUEST", Text("limit must be a whole number from 1 to {n}", n=MAX_PAGE))
        at, _, item_id = (after or "0.").partition(".")
        if not (at.isascii() and at.isdecimal() and len(at) < 16):
            raise Refused("BAD_REQUEST", Text("after must be the `next` of an earlier page"))
        wanted = ItemFilter(
            status=_one_of(RheoStatus, "status", request.query.get("status")),
            tradera_status=_one_of(TraderaStatus, "traderaStatus", request.query.get("traderaStatus")),
        )
        page = await self._api.inventory.page(
            self._account(request),
            wanted,
            limit=int(limit),
            after=(int(at), item_id),
        )
        following = f"{page.following[0]}.{page.following[1]}" if page.following else None
        return reply(200, ItemLines(items=[item_line(line) for line in page.lines], next=following))

    async def show_item(self, request: web.Request) -> web.Response:
        """GET /items/{externalId}."""
        view = await self._api.items.read_item(self._account(request), _id_of(request))
        shown = item_reply(view, public_url=self._api.public_url)
        own = OwnItemReply(
            **dict(shown),
            waits_for=view.waits_for,
            waits_since=view.waits_since,
            next_try=view.next_try,
        )
        return reply(200, own)

    async def publish_item(self, request: web.Request) -> web.Response:
        """POST /items/{externalId}/publish: order a publishing, also again after a failure."""
        account_id = self._account(request)
        require_writable(request, account_id, self._api)
        message = await self._api.items.order_publish(account_id, _id_of(request))
        return reply(202, DoneReply(message=message))

    async def rehearse_item(self, request: web.Request) -> web.Response:
        """GET /items/{externalId}/dry-run: what a publishing would send, and what would stop it; nothing is called."""
        played = await self._api.dry_run(self._account(request), _id_of(request))
        return reply(200, rehearsal_reply(played))

    async def settle_item(self, request: web.Request) -> web.Response:
        """POST /items/{externalId}/settle `{"live": <ad id> | false}`: the owner's word on an ad in doubt."""
        account_id = self._account(request)
        require_writable(request, account_id, self._api)
        deadline_s = self._api.body_deadline_s
        body = await read_optional_json(request, limit_bytes=BODY_BYTES, deadline_s=deadline_s)
        ad_id = read_settlement(body)
        message = await self._api.items.settle_listing(account_id, _id_of(request), ad_id)
        return reply(202, DoneReply(message=message))

    async def list_orders(self, request: web.Request) -> web.Response:
        """GET /orders?unmatched=&limit=&cursor=: newest first, as the owner's list in the API."""
        return await OrderCalls(parts=self._api).list_for(request, self._account(request))

    async def settle_order(self, request: web.Request) -> web.Response:
        """POST /orders/{orderId}/settle: the owner's word on a sale in doubt, as in the API."""
        return await OrderCalls(parts=self._api).settle_for(request, self._account(request))

    async def list_messages(self, _request: web.Request) -> web.Response:
        """GET /messages: those of Tradera that could not be understood, the newest first, of every account."""
        assert self._parts.quarantine is not None
        found = await self._parts.quarantine.newest()
        return answer(
            200,
            {
                "messages": [
                    {
                        "id": each.id,
                        "receivedAt": rfc3339(each.received_at),
                        "reason": each.reason,
                        "body": each.body,
                    }
                    for each in found
                ]
            },
        )

    async def put_message_away(self, request: web.Request) -> web.Response:
        """POST /messages/{id}/put-away: the owner has looked at it."""
        assert self._parts.quarantine is not None
        await self._parts.quarantine.put_away(int(request.match_info["id"]))
        return web.Response(status=204)

    def shared_routes(self) -> list[Route]:
        """What the owner's calls over the network do as well: webhook endpoints, their log, replays."""
        shared = [*webhooks.operations(self._api), *events.admin_operations(self._api)]
        shared += [
            *browsing.operations(self._api),
            *schedule.relist_operations(self._api),
            *partner_orders.reversal_operations(self._api),
            *schedule.operations(self._api),
        ]
        shared += reference_data.operations(self._api)
        shared += [*partner_orders.operations(self._api), *orders.owner_operations(self._api)]

        async def trusted(handler: Handler, request: web.Request) -> web.StreamResponse:
            request[CALLER] = Caller(account_id=self._account(request))
            return await handler(request)

        return [(each.method, path_of(each), partial(trusted, each.handler)) for each in shared]

    async def status(self, _request: web.Request) -> web.Response:
        """GET /status: what runs, what waits and until when."""
        return answer(200, await self._parts.status())

    async def examine(self, request: web.Request) -> web.Response:
        """POST /doctor?online=1: look for what is wrong outside; `online` may call Tradera."""
        return answer(200, await self._parts.examine(request.query.get("online") == "1"))

    async def health(self, request: web.Request) -> web.Response:
        """GET /health: 200 when the database answers and every loop lives, else 503 with the words."""
        calls = OperatorCalls(parts=self._api)
        healthy = await calls.healthz(request)
        return healthy if healthy.status != HTTPStatus.OK else await calls.readyz(request)

    async def version(self, _request: web.Request) -> web.Response:
        """GET /version."""
        return answer(200, {"version": rheod.__version__})


def build_admin(parts: AdminContext, *, more: Sequence[Route] = ()) -> web.Application:
    """The admin socket's application, with `more` routes; `start_admin` serves it."""
    calls = AdminCalls(parts=parts)

    def new_id() -> str:
        return new_ulid(parts.api.now(), parts.api.rng)

    app = web.Application(middlewares=[around_requests(new_id=new_id)])
    add_routes(
        app,
        [
            ("GET", "/keys", calls.list_keys),
            ("POST", "/keys", calls.create_key),
            ("DELETE", "/keys/{key_id}", calls.revoke_key),
            ("POST", "/admin-token", calls.new_admin_token),
            ("GET", "/items", calls.list_items),
            ("GET", ITEM, calls.show_item),
            ("POST", f"{ITEM}/publish", calls.publish_item),
            ("GET", f"{ITEM}/dry-run", calls.rehearse_item),
            ("POST", f"{ITEM}/settle", calls.settle_item),
            ("GET", "/orders", calls.list_orders),
            ("POST", r"/orders/{orderId:\d{1,18}}/settle", calls.settle_order),
            ("GET", "/messages", calls.list_messages),
            ("POST", r"/messages/{id:\d{1,18}}/put-away", calls.put_message_away),
            ("GET", "/status", calls.status),
            ("POST", "/doctor", calls.examine),
            ("GET", "/health", calls.health),
            ("GET", "/version", calls.version),
            *calls.shared_routes(),
            *more,
            *routes(parts),
        ],
    )
    return app


async def start_admin(app: web.Application, path: Path) -> web.AppRunner:
    """Serve on a unix socket that only its owner can open; a socket left by a dead daemon is replaced.

    The caller holds the data folder's lock, so a socket that is there is nobody's. Permanent when the path cannot
    be used. The runner's `cleanup` stops serving and removes the socket.
    """
    build_models()
    listener = _bound(path)

    async def remove(_app: web.Application) -> None:
        _remove_stale(path)

    app.on_cleanup.append(remove)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    return runner


def _bound(path: Path) -> socket.socket:
    if len(os.fsencode(path)) > MAX_PATH_BYTES:
        raise Permanent(
            Text("The admin socket's path is over {n} bytes: set server.admin_socket", n=MAX_PATH_BYTES)
        )
    _remove_stale(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)  # the mode must be right from the first instant; nothing else runs in between
    try:
        listener.bind(str(path))
    except OSError as error:
        listener.close()
        raise Permanent(
            Text("The admin socket {path} cannot be made: {why}", path=path, why=error.strerror)
        ) from error
    finally:
        os.umask(before)
    return listener


def _remove_stale(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise Permanent(Text("{path} is in the way of the admin socket and is no socket", path=path))
    path.unlink()


def _one_of(states: type[StrEnum], name: str, text: str | None) -> str | None:
    if text is not None and text not in set(states):
        raise Refused(
            "BAD_REQUEST", Text("{name} must be one of {states}", name=name, states=", ".join(states))
        )
    return text


def _id_of(request: web.Request) -> str:
    external_id, found = read_external_id(request.raw_path, segment=1)
    raise_if_any(found)
    return external_id
