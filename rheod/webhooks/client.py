"""HookClient: one POST of a stored event to a partner's endpoint, and what came of it.

The status line decides; the body is only for the delivery log. It never raises for the remote's trouble, follows no
redirect, signs nothing and decides no retry. The session must dial through the connect guard (guard.py).

Signed sends: an event's stored bytes to an endpoint's address, past the address check and with every signature.

The one way in which anything is sent to a partner's endpoint; it keeps no state and decides no retry.

The test event is about no item, so it stands in no history, waits in no queue and is not counted for or against the endpoint.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING

import aiohttp

from rheod.domain.errors import Refused
from rheod.domain.event_payloads import new_event_id, ping_body, signature_headers
from rheod.net.http_errors import failure_sentence, read_capped, retry_after_s
from rheod.net.ssrf_guard import is_forbidden
from rheod.store.endpoints import Endpoint
from rheod.usecases.endpoints import Endpoints

if TYPE_CHECKING:
    from collections.abc import Mapping


_CONNECT_TIMEOUT_S = 4.0
_MAX_SNIPPET_BYTES = 2048
_SNIPPET_TIMEOUT_S = 2.0
_MAX_HEADER_BYTES = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One attempt: `status` is None when no status line came, `error` is None when it succeeded.

    `snippet` is the beginning of the answer's body as printable text, for the delivery log.
    """

    ok: bool
    status: int | None
    error: str | None
    duration_ms: int
    retry_after_s: float | None = None
    snippet: str = ""


class _Sent:
    """What the session tells of one request: whether it went over a connection that had served another before."""

    on_kept = False


def open_hook_session(connector: aiohttp.BaseConnector) -> aiohttp.ClientSession:
    """The session to give a HookClient; needs a running loop, and the caller closes it."""
    trace = aiohttp.TraceConfig()
    trace.on_connection_reuseconn.append(_note_kept)
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
        trace_configs=[trace],
    )


async def _note_kept(
    _session: aiohttp.ClientSession, context: SimpleNamespace, _told: aiohttp.TraceConnectionReuseconnParams
) -> None:
    context.trace_request_ctx.on_kept = True


class WebhookClient:
    """Sends webhooks. `timeout_s` bounds connecting, sending and the wait for the status line together."""

    def __init__(self, *, session: aiohttp.ClientSession, timeout_s: float) -> None:
        self._session = session
        self._timeout_s = timeout_s
        self._timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=min(_CONNECT_TIMEOUT_S, timeout_s), sock_read=timeout_s
        )

    async def send(self, url: str, body: bytes, headers: Mapping[str, str]) -> Delivery:
        """POST the bytes as they are; 200 to 299 in time is success, all else a Delivery that says why not."""
        clock = asyncio.get_running_loop().time
        start = clock()
        try:
            async with asyncio.timeout_at(start + self._timeout_s):
                response = await self._post(url, body, headers)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            spent_ms = _ms(clock() - start)
            return Delivery(ok=False, status=None, error=self._sentence(error), duration_ms=spent_ms)
        spent_ms = _ms(clock() - start)
        try:
            snippet = await _snippet(
                response, until=min(start + self._timeout_s, clock() + _SNIPPET_TIMEOUT_S)
            )
        finally:
            response.close()
        return Delivery(
            ok=200 <= response.status <= 299,
            status=response.status,
            error=_verdict(response),
            duration_ms=spent_ms,
            retry_after_s=retry_after_s(response.headers.get("Retry-After")),
            snippet=snippet,
        )

    async def _post(self, url: str, body: bytes, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        """Send, again where a kept connection proves to be dead: the receiver may have closed it at any moment."""
        while True:
            sent = _Sent()
            try:
                return await self._post_once(url, body, headers, sent)
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                if not sent.on_kept:
                    raise

    async def _post_once(
        self, url: str, body: bytes, headers: Mapping[str, str], sent: _Sent
    ) -> aiohttp.ClientResponse:
        return await self._session.post(
            url,
            data=body,
            headers={**headers, "Accept-Encoding": "identity"},
            allow_redirects=False,
            auto_decompress=False,
            timeout=self._timeout,
            trace_request_ctx=sent,
            max_line_size=_MAX_HEADER_BYTES,
            max_field_size=_MAX_HEADER_BYTES,
        )

    def _sentence(self, error: BaseException) -> str:
        if is_forbidden(error):
            return "address not allowed"
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return f"no connection within {min(_CONNECT_TIMEOUT_S, self._timeout_s):g} s"
        if isinstance(error, TimeoutError):
            return f"no answer within {self._timeout_s:g} s"
        if isinstance(error, ValueError) and not isinstance(error, aiohttp.ClientError):
            return "the address or a header is not valid"
        return failure_sentence(error)


def _verdict(response: aiohttp.ClientResponse) -> str | None:
    """Why this status is a failure; None for 2xx. The reason phrase is the remote's and stays out."""
    status = response.status
    if 200 <= status <= 299:
        return None
    if 300 <= status <= 399:
        return f"redirects are not followed ({status})"
    if status == 410:
        return "the endpoint says it is gone for good (410)"
    return f"the endpoint answered {status}"


async def _snippet(response: aiohttp.ClientResponse, *, until: float) -> str:
    """What came of the body before `until` (loop time), at most 2 kB of it, as printable text."""
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        return ""
    raw = bytearray()
    if response.content.at_eof():
        return ""
    with contextlib.suppress(aiohttp.ClientError, OSError):
        async with asyncio.timeout_at(until):
            await read_capped(response, _MAX_SNIPPET_BYTES, into=raw)
    text = raw.decode("utf-8", errors="replace")
    printable = (ch if ch.isprintable() else ch.encode("unicode_escape").decode() for ch in text)
    return "".join(printable)[:_MAX_SNIPPET_BYTES]


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where to send and with which secrets to sign; during a rotation the previous one signs too."""

    url: str
    secret: str
    previous_secret: str | None = None


class SignedWebhooks:
    """Sends events. `check_url` says what is wrong with an address, at every send; `now` is ms UTC."""

    def __init__(
        self,
        *,
        client: WebhookClient,
        check_url: Callable[[str], str | None],
        user_agent: str,
        now: Callable[[], int],
    ) -> None:
        self._client = client
        self._check_url = check_url
        self._user_agent = user_agent
        self._now = now

    async def send(self, target: Target, event_id: str, body: bytes) -> Delivery:
        """Send the bytes once, signed for this moment; an address that is not allowed is never called."""
        if problem := self._check_url(target.url):
            return Delivery(ok=False, status=None, error=problem, duration_ms=0)
        timestamp_s = self._now() // 1000
        headers = signature_headers(event_id, timestamp_s, body, target.secret, target.previous_secret)
        headers |= {"content-type": "application/json", "user-agent": self._user_agent}
        return await self._client.send(target.url, body, headers)


def target(endpoint: Endpoint, url: str, *, now: int) -> Target:
    """How to send to the endpoint at this moment (ms): within a rotation's 24 hours the old secret signs too."""
    rotating = endpoint.previous_until is not None and now < endpoint.previous_until
    return Target(
        url=url, secret=endpoint.secret, previous_secret=endpoint.previous_secret if rotating else None
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SentTestEvent:
    """A test event and what came of it."""

    event_id: str
    delivery: Delivery


class TestEventSender:
    """Sends test events; `hooks` guards and signs them as every other."""

    def __init__(
        self, *, endpoints: Endpoints, hooks: SignedWebhooks, now: Callable[[], int], rng: Random
    ) -> None:
        self._endpoints = endpoints
        self._hooks = hooks
        self._now = now
        self._rng = rng

    async def ping(self, account_id: str, endpoint_id: str) -> SentTestEvent:
        """Send a `ping` now, also to an endpoint that is off. Raises Refused (NOT_FOUND, CONFLICT without an address)."""
        endpoint = await self._endpoints.find(account_id, endpoint_id)
        if endpoint.url is None:
            raise Refused("CONFLICT", "The webhook endpoint has no URL")
        now = self._now()
        event_id = new_event_id(now, self._rng)
        body = ping_body(event_id=event_id, now=now, account_id=account_id)
        delivery = await self._hooks.send(target(endpoint, endpoint.url, now=now), event_id, body)
        return SentTestEvent(event_id=event_id, delivery=delivery)
