"""Signs events and sends them to the webhook endpoints of a partner: one POST each, and what came of it.

Signed in Rheo's scheme and in that of Standard Webhooks.

The status line decides; the body of the answer is only kept for the delivery log. Nothing here follows a redirect,
raises for the remote's trouble, keeps state or decides a retry. The session must dial through `net/ssrf_guard.py`.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING

import aiohttp

from rheod.domain.errors import FieldError, Refused, Text
from rheod.domain.event_payloads import made_up_body, new_event_id
from rheod.domain.model import WEBHOOK_EVENTS, EventType
from rheod.net.http_errors import failure_sentence, read_capped, retry_after_s
from rheod.net.ssrf_guard import is_forbidden
from rheod.net.url_policy import as_url
from rheod.store.endpoints import Endpoint
from rheod.usecases.endpoints import Endpoints

if TYPE_CHECKING:
    from collections.abc import Mapping
_PREFIX = "whsec_"


def sign(body: bytes, secret: str) -> str:
    """`sha256=` and the hex HMAC-SHA256 of the body, with the secret's text as the key."""
    return "sha256=" + hmac.digest(secret.encode(), body, "sha256").hex()


def standard_signature(event_id: str, timestamp_s: int, body: bytes, secret: str) -> str:
    """The Standard Webhooks signature `v1,<base64>` of id, time (whole seconds) and body."""
    signed = f"{event_id}.{timestamp_s}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(_key(secret), signed, "sha256")).decode()


def signature_headers(
    event_id: str, timestamp_s: int, body: bytes, secret: str, previous_secret: str | None = None
) -> dict[str, str]:
    """Every header that lets a receiver verify one delivery; during a rotation both secrets sign.

    `timestamp_s` is the time of this attempt, so a receiver may refuse what is older than its tolerance.
    """
    keys = [secret] if previous_secret is None else [secret, previous_secret]
    headers = {
        "X-Rheo-Signature": sign(body, secret),
        "webhook-id": event_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": " ".join(standard_signature(event_id, timestamp_s, body, key) for key in keys),
    }
    if previous_secret is not None:
        headers["X-Rheo-Signature-Previous"] = sign(body, previous_secret)
    return headers


def new_secret() -> str:
    """A new signing secret: `whsec_` and 24 random bytes in base64."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(24)).decode()


def _key(secret: str) -> bytes:
    """The bytes behind `whsec_`; a secret that is no base64 (a hand-made one) is its own key, as text."""
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return secret.encode()
    return key or secret.encode()


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


class _Sending:
    """One request as the session traces it: `on_kept` once it went over a connection that had served another before."""

    on_kept = False


def open_webhook_session(connector: aiohttp.BaseConnector) -> aiohttp.ClientSession:
    """The session of a `WebhookClient`; needs a running loop, and the caller closes it."""
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
    _session: aiohttp.ClientSession,
    context: SimpleNamespace,
    _params: aiohttp.TraceConnectionReuseconnParams,
) -> None:
    context.trace_request_ctx.on_kept = True


class WebhookClient:
    """Sends events, each signed for the moment it goes out.

    `check_url` says what is wrong with an address and is asked at every send: one that is not allowed is never called.
    `timeout_s` bounds connecting, sending and the wait for the status line together; `now` is ms UTC.
    """

    def __init__(
        self,
        *,
        session: aiohttp.ClientSession,
        timeout_s: float,
        check_url: Callable[[str], str | None],
        user_agent: str,
        now: Callable[[], int],
    ) -> None:
        self._session = session
        self._timeout_s = timeout_s
        self._timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=min(_CONNECT_TIMEOUT_S, timeout_s), sock_read=timeout_s
        )
        self._check_url = check_url
        self._user_agent = user_agent
        self._now = now

    async def send(self, endpoint: Endpoint, event_id: str, body: bytes) -> Delivery:
        """Send the stored bytes once to an endpoint that has an address.

        Within the 24 hours of a rotation the previous secret signs too.
        """
        url = endpoint.url or ""
        if problem := self._check_url(url):
            return Delivery(ok=False, status=None, error=problem, duration_ms=0)
        now = self._now()
        rotating = endpoint.previous_until is not None and now < endpoint.previous_until
        previous = endpoint.previous_secret if rotating else None
        headers = signature_headers(event_id, now // 1000, body, endpoint.secret, previous)
        headers |= {"content-type": "application/json", "user-agent": self._user_agent}
        return await self.post(url, body, headers)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Delivery:
        """POST the bytes as they are; 200 to 299 in time is success, all else a Delivery that says why not."""
        clock = asyncio.get_running_loop().time
        start = clock()
        deadline = start + self._timeout_s
        try:
            async with asyncio.timeout_at(deadline):
                response = await self._answer(url, body, {**headers, "Accept-Encoding": "identity"})
        except (aiohttp.ClientError, OSError, ValueError) as failed:
            spent_ms = round((clock() - start) * 1000)
            return Delivery(ok=False, status=None, error=self._sentence(failed), duration_ms=spent_ms)
        spent_ms = round((clock() - start) * 1000)
        try:
            snippet = await _snippet(response, until=min(deadline, clock() + _SNIPPET_TIMEOUT_S))
        finally:
            response.close()
        status = response.status
        error: str | None = None
        if 300 <= status <= 399:
            error = Text("redirects are not followed ({status})", status=status)
        elif status == 410:
            error = Text("the endpoint says it is gone for good (410)")
        elif not 200 <= status <= 299:  # the reason phrase is the remote's and stays out
            error = Text("the endpoint answered {status}", status=status)
        return Delivery(
            ok=error is None,
            status=status,
            error=error,
            duration_ms=spent_ms,
            retry_after_s=retry_after_s(response.headers.get("Retry-After")),
            snippet=snippet,
        )

    async def _answer(self, url: str, body: bytes, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        """Send, again where a kept connection proves to be dead: the receiver may have closed it at any moment."""
        while True:
            sending = _Sending()
            try:
                return await self._session.post(
                    as_url(url),
                    data=body,
                    headers=headers,
                    allow_redirects=False,
                    auto_decompress=False,
                    timeout=self._timeout,
                    trace_request_ctx=sending,
                    max_line_size=_MAX_HEADER_BYTES,
                    max_field_size=_MAX_HEADER_BYTES,
                )
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                if not sending.on_kept:
                    raise

    def _sentence(self, error: BaseException) -> str:
        if is_forbidden(error):
            return Text("address not allowed")
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return Text(
                "no connection within {seconds} s", seconds=f"{min(_CONNECT_TIMEOUT_S, self._timeout_s):g}"
            )
        if isinstance(error, TimeoutError):
            return Text("no answer within {seconds} s", seconds=f"{self._timeout_s:g}")
        if isinstance(error, ValueError) and not isinstance(error, aiohttp.ClientError):
            return Text("the address or a header is not valid")
        return failure_sentence(error)


async def _snippet(response: aiohttp.ClientResponse, *, until: float) -> str:
    """What came of the body before `until` (loop time), at most 2 kB of it, as printable text."""
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        return ""
    if response.content.at_eof():
        return ""
    raw = bytearray()
    with contextlib.suppress(aiohttp.ClientError, OSError):
        async with asyncio.timeout_at(until):
            await read_capped(response, _MAX_SNIPPET_BYTES, into=raw)
    text = raw.decode("utf-8", errors="replace")
    printable = (ch if ch.isprintable() else ch.encode("unicode_escape").decode() for ch in text)
    return "".join(printable)[:_MAX_SNIPPET_BYTES]


@dataclass(frozen=True, slots=True, kw_only=True)
class SentTestEvent:
    """A test event and what came of it."""

    event_id: str
    event_type: EventType
    delivery: Delivery


class TestEventSender:
    """Sends test events: of a type that the endpoint takes, marked as tests, with made-up data.

    They are about no item: they stand in no history, wait in no queue and count neither for nor against the endpoint.
    """

    def __init__(
        self, *, endpoints: Endpoints, client: WebhookClient, now: Callable[[], int], rng: Random
    ) -> None:
        self._endpoints = endpoints
        self._client = client
        self._now = now
        self._rng = rng

    async def send(self, account_id: str, endpoint_id: str, wanted: str | None = None) -> SentTestEvent:
        """Send an event now, also to an endpoint that is off; of the type wanted, else of the most harmless it takes.

        Raises Refused: NOT_FOUND, CONFLICT without an address, VALIDATION_FAILED for a type it does not take.
        """
        endpoint = await self._endpoints.find(account_id, endpoint_id)
        if endpoint.url is None:
            raise Refused("CONFLICT", Text("The webhook endpoint has no URL"))
        taken = [each for each in EventType if each in WEBHOOK_EVENTS and endpoint.takes(each)]
        if wanted is not None and wanted not in taken:
            sentence = Text("Must be one that the endpoint takes: {events}", events=", ".join(taken))
            wrong = FieldError("eventType", sentence)
            raise Refused("VALIDATION_FAILED", Text("Validation failed"), (wrong,))
        event_type = taken[0] if wanted is None else EventType(wanted)
        now = self._now()
        event_id = new_event_id(now, self._rng)
        body = made_up_body(
            event_id=event_id,
            now=now,
            account_id=account_id,
            event_type=event_type,
            member="TEST" if endpoint.scope == "members" else None,
        )
        delivery = await self._client.send(endpoint, event_id, body)
        return SentTestEvent(event_id=event_id, event_type=event_type, delivery=delivery)
