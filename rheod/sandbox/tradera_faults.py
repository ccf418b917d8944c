"""Faults by name that a test or a partner aims at an operation of the simulated Tradera.

Only how a call goes wrong is decided here; `tradera_access` decides on the call's effect. Names and
meanings are in `NAMES`.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from aiohttp import web

_HTML = "<!DOCTYPE html><html><body><h1>{0}</h1></body></html>"
_HUGE_CHUNK, _HUGE_CHUNKS = b" " * 65536, 1600
_ERRORS = {
    400: ("BadRequest", "The request is invalid"),
    401: ("Unauthorized", "User is not authorized"),
    403: ("Forbidden", "No permission"),
    404: ("NotFound", "Not found"),
    429: ("TooManyRequests", "AboveCallLimit"),
    500: ("InternalServerError", "An unexpected error occurred"),
}
# Each name, and whether the call's effect takes place all the same.
NAMES: dict[str, bool] = {
    "reset": False,  # the connection is aborted before anything happens
    "refused_connection": False,  # the same: a listening server can come no nearer to refusing one call
    "lost_answer": True,  # the effect happens, then the connection closes without an answer
    "hang": False,  # no effect and no answer until the client gives up
    "hang_after": True,  # the effect, and no answer
    "slow": True,  # waits `seconds`, then behaves
    "html_200": False,  # a page of some proxy, with status 200
    "502_html": False,  # a page of some proxy, with status 502
    "truncated_json": True,  # half of the answer
    "empty_200": True,  # status 200 and not a byte
    "huge_answer": True,  # 100 MB of blanks
    "500_after": True,  # the effect, and an error
    **{str(status): False for status in _ERRORS},
    "result_error": True,  # the request ends with `code` and `message` (on create, commit), or this answer says so (on results)
    "no_result": True,  # the request stays waiting for good (on create, commit), or is absent from this answer (on results)
    "bids": True,  # somebody bids right before
}
SCRIPTED = frozenset({"result_error", "no_result", "bids", "slow"})


@dataclass(slots=True)
class Fault:
    """One planned fault; it strikes `times` matching calls (None = all) after letting `skip` of them pass.

    `own_reference` narrows it to calls about that listing. `effect` overrides whether the call's effect
    takes place; with `result_error` and `no_result` it says whether the listing is published all the same
    (by default when `code` has bit 1). Raises ValueError for an unknown name.
    """

    operation: str
    name: str
    times: int | None = 1
    skip: int = 0
    seconds: float = 1.0
    code: int = 4
    message: str = "The item could not be added"
    retry_after: str | None = None
    own_reference: str | None = None
    effect: bool | None = None

    def __post_init__(self) -> None:
        if self.name not in NAMES:
            raise ValueError(f"unknown fault {self.name}; there are {', '.join(NAMES)}")

    @property
    def takes_effect(self) -> bool:
        """Whether the call does what it was asked to before it goes wrong."""
        if self.name in SCRIPTED:
            return True
        return NAMES[self.name] if self.effect is None else self.effect


class FaultBook:
    """The faults planned, struck in the order they were added."""

    def __init__(self) -> None:
        self._planned: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Plan a fault."""
        self._planned.append(fault)

    def clear(self) -> None:
        """Forget every planned fault; calls already hanging go on hanging."""
        self._planned.clear()

    def take(self, operation: str, own_references: list[str]) -> Fault | None:
        """Give the fault that strikes this call, if any, and count it."""
        for fault in self._planned:
            if fault.operation not in {operation, "*"}:
                continue
            if fault.own_reference is not None and fault.own_reference not in own_references:
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            if fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self._planned.remove(fault)
            return fault
        return None


def answer(status: int, payload: Any) -> web.Response:
    """Write JSON as Tradera does; a payload of None is an empty body."""
    if payload is None:
        return web.Response(status=status)
    body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
    return web.Response(status=status, body=body, content_type="application/json")


def error(status: int, code: str, message: str) -> web.Response:
    """Write Tradera's error object."""
    return answer(status, {"error": {"code": code, "message": message}})


async def spoil(
    fault: Fault, request: web.Request, reply: web.Response | None, *, stopping: asyncio.Event
) -> web.StreamResponse:
    """Answer (or not) as the fault wants; `reply` is the true answer when the effect took place.

    A hanging call waits for `stopping`, so that a stopping server is not held up.
    """
    name = fault.name
    if name in {"reset", "refused_connection", "lost_answer"}:
        return _hang_up(request, abort=name != "lost_answer")
    if name in {"hang", "hang_after"}:
        await stopping.wait()
        return _hang_up(request, abort=True)
    return await _pour(request) if name == "huge_answer" else _damaged(fault, reply)


def _damaged(fault: Fault, reply: web.Response | None) -> web.Response:
    """Answer at once, but not with what the client hopes for."""
    if fault.name in {"html_200", "502_html"}:
        status = 200 if fault.name == "html_200" else 502
        return web.Response(status=status, text=_HTML.format(status), content_type="text/html")
    if fault.name == "empty_200":
        return web.Response()
    if fault.name == "truncated_json":
        body = reply.body if reply is not None and isinstance(reply.body, bytes) else b""
        return web.Response(body=body[: len(body) // 2] or b"{", content_type="application/json")
    return _plain_error(fault)


def _plain_error(fault: Fault) -> web.Response:
    status = int(fault.name.removesuffix("_after"))
    response = error(status, *_ERRORS[status])
    if fault.retry_after is not None:
        response.headers["Retry-After"] = fault.retry_after
    return response


def _hang_up(request: web.Request, *, abort: bool) -> web.Response:
    """Close the connection; what is returned afterwards is written to nobody."""
    if request.transport is not None:
        if abort:
            request.transport.abort()
        else:
            request.transport.close()
    return web.Response(status=500)


async def _pour(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    try:
        await response.prepare(request)
        for _ in range(_HUGE_CHUNKS):
            await response.write(_HUGE_CHUNK)
    except ConnectionError:
        pass  # the client had enough, which is what the fault is for
    return response


async def pause(seconds: float, stopping: asyncio.Event) -> None:
    """Wait this long, or until the server stops."""
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        return
