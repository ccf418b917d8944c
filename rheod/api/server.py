"""The HTTP server put together: the list of routes, the checks before each, the start and the stop.

Handlers live in their own modules; this one only says which path is whose and who may call it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from aiohttp import hdrs, web

from rheod.api import batches, browsing, categories, events, items, management, operators, orders, webhooks
from rheod.api.authenticator import Authenticator
from rheod.api.connections import (
    NEW_ID,
    SHUTDOWN_S,
    STANDARD,
    ApiSite,
    ConnectionLimits,
)
from rheod.api.json_body import expect_later
from rheod.api.middleware import around_requests
from rheod.api.openapi import document
from rheod.api.routing import Route, path_of
from rheod.domain.event_payloads import new_ulid

if TYPE_CHECKING:
    from rheod.api.context import ApiContext
    from rheod.api.routing import Operation


class Pages(Protocol):
    """What is served beside the API, for people."""

    def routes(self) -> list[Route]:
        """Every page and action."""
        ...

    def fault_page(self, request: web.Request) -> web.Response | None:
        """What is shown of an error nobody foresaw; None for a path that is none of the pages'."""
        ...


def build_app(parts: ApiContext, *, pages: Pages | None = None) -> web.Application:
    """The whole API, and what else is served beside it, as an aiohttp application; `start` listens with it."""
    authenticator = Authenticator(parts=parts)

    def new_id() -> str:
        return new_ulid(parts.now(), parts.rng)

    app = web.Application(
        middlewares=[
            around_requests(
                new_id=new_id, authenticator=authenticator, fault_page=pages.fault_page if pages else None
            )
        ]
    )
    app[NEW_ID] = new_id
    add_routes(
        app,
        [
            *(route_of(operation, authenticator) for operation in operations(parts)),
            *(pages.routes() if pages else ()),
        ],
    )
    return app


def operations(parts: ApiContext) -> list[Operation]:
    """Every operation of the API, in the order of the document."""
    groups = (
        items,
        batches,
        browsing,
        categories,
        orders,
        management,
        webhooks,
        events,
        operators,
    )
    served = [operation for group in groups for operation in group.operations(parts)]
    return [*served, *document.operations(parts, served)]


def route_of(operation: Operation, authenticator: Authenticator) -> Route:
    """The operation as the router takes it, behind the checks of its access."""
    return (operation.method, path_of(operation), authenticator.before(operation))


def add_routes(app: web.Application, routes: list[Route]) -> None:
    """Register routes; a GET also answers HEAD."""
    for method, path, handler in routes:
        app.router.add_route(method, path, handler, expect_handler=expect_later)
        if method == hdrs.METH_GET:
            app.router.add_route(hdrs.METH_HEAD, path, handler, expect_handler=expect_later)


async def start(
    app: web.Application, *, host: str, port: int, limits: ConnectionLimits = STANDARD
) -> tuple[web.AppRunner, int]:
    """Listen on an address; gives the runner, whose `cleanup` stops it, and the port bound (for port 0).

    OSError when the address cannot be bound. Handlers are not cancelled when their client leaves, and get 20 s at
    the stop.
    """
    runner = web.AppRunner(app, access_log=None, handler_cancellation=False, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    site = ApiSite(runner, host=host, port=port, limits=limits)
    try:
        await site.start()
    except BaseException:
        await runner.cleanup()
        raise
    return runner, site.port
