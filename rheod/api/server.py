"""The HTTP server put together: the list of routes, the checks before each, the start and the stop.

Handlers live in their own modules; this one only says which path is whose and who may call it.

Around every request: its id, its one log line, and the translation of whatever was raised into an error answer.

The only place where an exception becomes a status. Logs ids and routes, never a path's query or a body.
"""

from __future__ import annotations

import logging
import math
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Middleware
from pydantic import BaseModel
from structlog.typing import FilteringBoundLogger

from rheod.api import (
    analytics,
    batches,
    browsing,
    events,
    items,
    management,
    openapi,
    operators,
    orders,
    partner_orders,
    pictures,
    reference_data,
    schedule,
    webhooks,
)
from rheod.api.authenticator import READS, Authenticator
from rheod.api.connections import (
    NEW_ID,
    SERVER_NAME,
    SHUTDOWN_S,
    STANDARD,
    ApiSite,
    ConnectionLimits,
    is_doubtful,
)
from rheod.api.context import REQUEST_ID, STRANGER, uncounted
from rheod.api.field_types import Wire
from rheod.api.json_body import expect_later
from rheod.api.routing import (
    IGNORED,
    IGNORED_HEADER,
    Handler,
    Query,
    Reply,
    Route,
    naming_ignored,
    path_of,
    refusal,
)
from rheod.domain.errors import Refused, StoreUnavailable, Transient
from rheod.domain.event_payloads import new_ulid

if TYPE_CHECKING:
    from rheod.api.context import Answered, ApiContext
    from rheod.api.routing import Operation


UNAVAILABLE_RETRY_S = 5
"""What a client is told to wait when the store cannot write and has not said for how long."""

MAX_RETRY_S = 3600

_SANE_ID = re.compile("[!-~]{1,128}")
_CODE_OF = {400: "BAD_REQUEST", 404: "NOT_FOUND", 413: "PAYLOAD_TOO_LARGE", 415: "UNSUPPORTED_MEDIA_TYPE"}

FaultPage = Callable[[web.Request], web.Response | None]
"""What tells a reader of pages that something went wrong inside; None where no reader comes."""

_log = structlog.get_logger("rheod.api")


def around_requests(
    *,
    new_id: Callable[[], str],
    authenticator: Authenticator | None = None,
    fault_page: FaultPage | None = None,
    answered: Answered = uncounted,
) -> Middleware:
    """Gives each request its id, on its answer and on every log line of its own, and writes its access line.

    What a handler raises becomes the error shape; what nobody foresaw is 500 and a traceback in the log, of which
    `fault_page` tells those who read pages, for the paths it answers for; `answered` counts. The admin socket has no `authenticator`.
    """
    log = _log.bind()  # put together once: a lazy one is at every call, also for a line that is not written

    @web.middleware
    async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
        began = time.perf_counter()
        given = request.headers.get("X-Request-Id", "")
        request[REQUEST_ID] = request_id = given if given and _SANE_ID.fullmatch(given) else new_id()
        # aiohttp runs each request as a task with a context of its own: the next one does not see this id
        structlog.contextvars.bind_contextvars(request_id=request_id)
        try:
            response = _unclear_end(request) if is_doubtful(request) else await handler(request)
        except Refused as error:
            wait_s = UNAVAILABLE_RETRY_S if error.code == "UNAVAILABLE" else None
            response = refusal(error.code, str(error), details=error.details, retry_after_s=wait_s)
        except Transient as error:
            response = _unavailable(error)
        except web.HTTPException as error:
            response = _of_aiohttp(error)
            if authenticator is not None:
                response = authenticator.unrouted(request, response)
        except Exception:  # noqa: BLE001 - the one place where what nobody foresaw becomes a 500
            _log.exception("request failed", method=request.method, route=_template(request))
            page = fault_page(request) if fault_page is not None else None
            response = page or refusal("INTERNAL", "Something went wrong inside rheod; it has been logged")
        if hdrs.UPGRADE in request.headers or request.method == hdrs.METH_CONNECT:
            response.force_close()  # a proxy may take the rest for a tunnel
        response.headers["X-Request-Id"] = request_id
        if IGNORED in request:
            response.headers[IGNORED_HEADER] = request[IGNORED]
        response.headers[hdrs.SERVER] = SERVER_NAME  # but not in which version of what
        spent_s = time.perf_counter() - began
        answered(route=_template(request), method=request.method, code=response.status, took_s=spent_s)
        if STRANGER not in request:
            _tell(log, request, response, spent_s=spent_s)
        return response

    return around


def _unclear_end(request: web.Request) -> web.Response:
    """The answer to a doubtful request; whatever follows it on its connection is never served."""
    request[STRANGER] = True
    response = refusal("BAD_REQUEST", "The end of the request can be read in two ways")
    response.force_close()
    return response


def _tell(
    log: FilteringBoundLogger, request: web.Request, response: web.StreamResponse, *, spent_s: float
) -> None:
    """The access line: at debug for what only read and went well, which would bury the rest while an ERP polls."""
    level = logging.DEBUG if request.method in READS and response.status < 400 else logging.INFO
    if log.is_enabled_for(level):
        log.log(
            level,
            "request",
            method=request.method,
            route=_template(request),
            status=response.status,
            ms=round(spent_s * 1000, 1),
        )


def _unavailable(error: Transient) -> web.Response:
    _log.warning("request could not be served now", error=str(error))
    sentence = str(error) if isinstance(error, StoreUnavailable) else "rheod cannot do this now"
    wait_s = math.ceil(min(error.retry_after_s or UNAVAILABLE_RETRY_S, MAX_RETRY_S))
    return refusal("UNAVAILABLE", sentence, retry_after_s=wait_s)


def _of_aiohttp(error: web.HTTPException) -> web.Response:
    if isinstance(error, web.HTTPMethodNotAllowed):
        return refusal(
            "METHOD_NOT_ALLOWED", "This path does not take this method", allow=error.allowed_methods
        )
    if isinstance(error, web.HTTPNotFound):
        return refusal("NOT_FOUND", "There is nothing at this path")
    return refusal(_CODE_OF.get(error.status, "BAD_REQUEST"), error.reason or "Bad request")


def _template(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unknown"


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
                new_id=new_id,
                authenticator=authenticator,
                fault_page=pages.fault_page if pages else None,
                answered=parts.answered,
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
    groups: tuple[Callable[[ApiContext], list[Operation]], ...] = (
        items.operations,
        batches.operations,
        browsing.operations,
        schedule.relist_operations,
        partner_orders.reversal_operations,
        schedule.operations,
        reference_data.category_operations,
        reference_data.operations,
        orders.operations,
        partner_orders.operations,
        management.operations,
        webhooks.operations,
        events.operations,
        pictures.operations,
        analytics.operations,
        operators.operations,
    )
    served = [operation for group in groups for operation in group(parts)]
    return [*served, *openapi.operations(parts, served)]


def route_of(operation: Operation, authenticator: Authenticator) -> Route:
    """The operation as the router takes it, behind the checks of its access."""
    return (operation.method, path_of(operation), authenticator.before(naming_ignored(operation)))


def add_routes(app: web.Application, routes: list[Route]) -> None:
    """Register routes; a GET also answers HEAD."""
    for method, path, handler in routes:
        app.router.add_route(method, path, handler, expect_handler=expect_later)
        if method == hdrs.METH_GET:
            app.router.add_route(hdrs.METH_HEAD, path, handler, expect_handler=expect_later)


def build_models() -> None:
    """Build each model of a body, a query or an answer; a command that serves nobody builds what it uses.

    Before anything is served: two threads that build the same model at once could see a half one.
    """
    waiting: list[type[BaseModel]] = [Wire, Query, Reply]
    while waiting:
        model = waiting.pop()
        model.model_rebuild()
        waiting += model.__subclasses__()


async def start(
    app: web.Application, *, host: str, port: int, limits: ConnectionLimits = STANDARD
) -> tuple[web.AppRunner, int]:
    """Listen on an address; gives the runner, whose `cleanup` stops it, and the port bound (for port 0).

    OSError when the address cannot be bound. Handlers are not cancelled when their client leaves, and get 20 s at
    the stop.
    """
    build_models()
    runner = web.AppRunner(app, access_log=None, handler_cancellation=False, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    site = ApiSite(runner, host=host, port=port, limits=limits)
    try:
        await site.start()
    except BaseException:
        await runner.cleanup()
        raise
    return runner, site.port
