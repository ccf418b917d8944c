"""The HTTP server put together: the list of routes, the checks before each, the start and the stop.

Handlers live in their own modules; this one only says which path is whose and who may call it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

from aiohttp import hdrs, web

from rheod.api import (
    batches,
    browsing,
    categories,
    events,
    items,
    management,
    metrics,
    operators,
    orders,
    reference,
    webhooks,
)
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
from rheod.api.guard import Gate, Handler
from rheod.api.middleware import error_answers, request_line
from rheod.domain.notices import new_ulid

if TYPE_CHECKING:
    from rheod.api.operation import Operation
    from rheod.api.parts import ApiParts

Route = tuple[str, str, Handler]

_SEGMENT = re.compile(r"\{(\w+)\}")
"""A named segment without a pattern of its own; aiohttp would refuse braces in it, and ids may hold any character."""


class Pages(Protocol):
    """What is served beside the API, for people."""

    def routes(self) -> list[Route]:
        """Every page and action."""
        ...

    def fault_page(self, request: web.Request) -> web.Response | None:
        """What is shown of an error nobody foresaw; None for a path that is none of the pages'."""
        ...


def build_app(parts: ApiParts, *, pages: Pages | None = None) -> web.Application:
    """The whole API, and what else is served beside it, as an aiohttp application; `start` listens with it."""
    gate = Gate(parts=parts)

    def new_id() -> str:
        return new_ulid(parts.now(), parts.rng)

    app = web.Application(
        middlewares=[
            request_line(new_id=new_id),
            plain_framing,
            error_answers(gate=gate, fault_page=pages.fault_page if pages else None),
        ]
    )
    app[NEW_ID] = new_id
    add_routes(
        app,
        [*(route_of(operation, gate) for operation in operations(parts)), *(pages.routes() if pages else ())],
    )
    app.on_response_prepare.append(name_server)
    return app


def operations(parts: ApiParts) -> list[Operation]:
    """Every operation of the API, in the order of the document."""
    groups = (items, batches, browsing, categories, orders, management, webhooks, events, operators, metrics)
    served = [operation for group in groups for operation in group.operations(parts)]
    return [*served, *reference.operations(parts, served)]


def route_of(operation: Operation, gate: Gate) -> Route:
    """The operation as the router takes it, behind the checks of its gate."""
    return (operation.method, path_of(operation), gate.before(operation))


def path_of(operation: Operation) -> str:
    """The operation's path as the router takes it."""
    return _SEGMENT.sub(r"{\1:[^/]+}", operation.path)


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
