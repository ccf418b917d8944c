"""Around every request: its id, its one log line, and the translation of whatever was raised into an error answer.

The only place where an exception becomes a status. Logs ids and routes, never a path's query or a body.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable

import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware
from structlog.typing import FilteringBoundLogger

from rheod.api.authenticator import READS, Authenticator
from rheod.api.context import REQUEST_ID, STRANGER
from rheod.api.responses import refusal
from rheod.api.routing import Handler
from rheod.domain.errors import Refused, StoreUnavailable, Transient

UNAVAILABLE_RETRY_S = 5
"""What a client is told to wait when the store cannot write and has not said for how long."""

MAX_RETRY_S = 3600

_SANE_ID = re.compile("[!-~]{1,128}")
_CODE_OF = {400: "BAD_REQUEST", 404: "NOT_FOUND", 413: "PAYLOAD_TOO_LARGE", 415: "UNSUPPORTED_MEDIA_TYPE"}

FaultPage = Callable[[web.Request], web.Response | None]
"""What tells a reader of pages that something went wrong inside; None where no reader comes."""

_log = structlog.get_logger("rheod.api")


def request_line(*, new_id: Callable[[], str]) -> Middleware:
    """Gives each request its id, on its answer and on every log line of its own, and writes its access line."""
    log = _log.bind()  # put together once: a lazy one is at every call, also for a line that is not written

    @web.middleware
    async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get("X-Request-Id", "")
        request[REQUEST_ID] = request_id = given if _SANE_ID.fullmatch(given) else new_id()
        bound = structlog.contextvars.bind_contextvars(request_id=request_id)
        try:
            began = time.perf_counter()
            response = await handler(request)
            response.headers["X-Request-Id"] = request_id
            if STRANGER not in request:
                _tell(log, request, response, spent_s=time.perf_counter() - began)
            return response
        finally:  # a connection's next request must not show this one's
            structlog.contextvars.reset_contextvars(**bound)

    return around


def _tell(
    log: FilteringBoundLogger, request: web.Request, response: web.StreamResponse, *, spent_s: float
) -> None:
    """The access line: at debug for what only read and went well, which would bury the rest while an ERP polls."""
    tell = log.debug if request.method in READS and response.status < 400 else log.info
    tell(
        "request",
        method=request.method,
        route=_template(request),
        status=response.status,
        ms=round(spent_s * 1000, 1),
    )


def error_answers(*, gate: Authenticator | None = None, fault_page: FaultPage | None = None) -> Middleware:
    """Turns what a handler raises into the error shape; what nobody foresaw is 500 and a traceback in the log.

    Of the latter `fault_page` tells those who read pages, for the paths it answers for.
    """

    @web.middleware
    async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except Refused as error:
            wait_s = UNAVAILABLE_RETRY_S if error.code == "UNAVAILABLE" else None
            return refusal(error.code, str(error), details=error.details, retry_after_s=wait_s)
        except Transient as error:
            return _unavailable(error)
        except web.HTTPException as error:
            response = _of_aiohttp(error)
            return gate.unrouted(request, response) if gate is not None else response
        except Exception:  # noqa: BLE001 - the one place where what nobody foresaw becomes a 500
            _log.exception("request failed", method=request.method, route=_template(request))
            page = fault_page(request) if fault_page is not None else None
            return page or refusal("INTERNAL", "Something went wrong inside rheod; it has been logged")

    return around


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
