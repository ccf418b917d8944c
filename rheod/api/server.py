"""The HTTP server put together: the list of routes, the checks before each, the start and the stop.

Handlers live in their own modules; this one only says which path is whose and who may call it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import hdrs, web

from rheod.api.bodies import expect_later
from rheod.api.connection import SERVER_NAME
from rheod.api.framing import plain_framing
from rheod.api.front import (
    NEW_ID,
    SHUTDOWN_S,
    STANDARD,
    FrontSite,
    Limits,
)
from rheod.api.guard import Gate, Handler, unlogged
from rheod.api.items import ItemCalls
from rheod.api.management import OwnerCalls
from rheod.api.middleware import error_answers, request_line
from rheod.api.operators import OperatorCalls
from rheod.domain.notices import new_ulid

if TYPE_CHECKING:
    from rheod.api.parts import ApiParts

Route = tuple[str, str, Handler]

ITEM = "/integration/v1/items/{externalId:[^/]+}"
KEYS = "/integration/api-keys"
WEBHOOK = "/integration/webhook-settings"


def build_app(parts: ApiParts) -> web.Application:
    """The whole API as an aiohttp application; `start` listens with it."""
    gate = Gate(parts=parts)

    def new_id() -> str:
        return new_ulid(parts.now(), parts.rng)

    app = web.Application(
        middlewares=[
            request_line(new_id=new_id),
            plain_framing,
            error_answers(gate=gate),
        ]
    )
    app[NEW_ID] = new_id
    add_routes(app, [*partner_routes(parts, gate), *owner_routes(parts, gate), *open_routes(parts)])
    app.on_response_prepare.append(name_server)
    return app


def partner_routes(parts: ApiParts, gate: Gate) -> list[Route]:
    """What a partner's ERP calls, with its API key."""
    items = ItemCalls(parts=parts)
    return [
        ("PUT", ITEM, gate.partner("put", items.put)),
        ("GET", ITEM, gate.partner("get", items.get)),
        ("DELETE", ITEM, gate.partner("delete", items.delete)),
        ("PATCH", f"{ITEM}/price", gate.partner("price", items.change_price)),
        ("PATCH", f"{ITEM}/status", gate.partner("status", items.change_status)),
    ]


def owner_routes(parts: ApiParts, gate: Gate) -> list[Route]:
    """What the owner calls, with the admin token."""
    calls = OwnerCalls(parts=parts)
    return [
        ("POST", f"{KEYS}/generate", gate.owner(calls.generate_key)),
        ("GET", KEYS, gate.owner(calls.list_keys)),
        ("DELETE", f"{KEYS}/{{key_id}}", gate.owner(calls.revoke_key)),
        ("GET", WEBHOOK, gate.owner(calls.webhook_settings)),
        ("PUT", WEBHOOK, gate.owner(calls.set_webhook_url)),
        ("POST", f"{WEBHOOK}/rotate-secret", gate.owner(calls.rotate_secret)),
    ]


def open_routes(parts: ApiParts) -> list[Route]:
    """What anybody may call."""
    calls = OperatorCalls(parts=parts)
    return [
        ("GET", "/healthz", unlogged(calls.healthz)),
        ("GET", "/readyz", unlogged(calls.readyz)),
        ("GET", "/images/{name:.+}", unlogged(calls.image)),
    ]


def add_routes(app: web.Application, routes: list[Route]) -> None:
    """Register routes; a GET also answers HEAD."""
    for method, path, handler in routes:
        app.router.add_route(method, path, handler, expect_handler=expect_later)
        if method == hdrs.METH_GET:
            app.router.add_route(hdrs.METH_HEAD, path, handler, expect_handler=expect_later)


async def name_server(_request: web.BaseRequest, response: web.StreamResponse) -> None:
    """Say who answers, but not in which version of what."""
    response.headers[hdrs.SERVER] = SERVER_NAME


async def start(
    app: web.Application, *, host: str, port: int, limits: Limits = STANDARD
) -> tuple[web.AppRunner, int]:
    """Listen on an address; gives the runner, whose `cleanup` stops it, and the port bound (for port 0).

    OSError when the address cannot be bound. Handlers are not cancelled when their client leaves, and get 20 s at
    the stop.
    """
    runner = web.AppRunner(app, access_log=None, handler_cancellation=False, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    site = FrontSite(runner, host=host, port=port, limits=limits)
    try:
        await site.start()
    except BaseException:
        await runner.cleanup()
        raise
    return runner, site.port
