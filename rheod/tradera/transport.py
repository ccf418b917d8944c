"""One request to Tradera and its answer: sending, reading to a limit, and what each failure means.

Knows headers, deadlines and statuses, not what any call is for. Credentials and buyers' data never
reach an error's text, and nothing is sent twice.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp

from rheod.domain.errors import Permanent, Text, Transient, Unanswered
from rheod.net.http_errors import NOT_SENT, failure_sentence, read_capped, retry_after_s
from rheod.tradera.json_fields import own_words, without

if TYPE_CHECKING:
    from collections.abc import Mapping


SMALL_ANSWER_BYTES = 1024 * 1024
LIST_ANSWER_BYTES = 8 * 1024 * 1024
"""Orders and the seller's items come without paging; ask for shorter periods when one is `Oversized`."""

_CONNECT_TIMEOUT_S = 10.0
_MAX_HEADER_BYTES = 16 * 1024


class Unreachable(Transient):
    """There was no connection: the call certainly did not reach Tradera and spends no budget."""


class OverLimit(Transient):
    """429: the application's quota is spent; `retry_after_s` when Tradera named a sane time."""


class ServerFailure(Unanswered):
    """A status of 500 and above: it may or may not have taken effect; 500 may also be bad input."""

    def __init__(self, message: Text, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class Oversized(Unanswered):
    """The answer was larger than we read."""


class Rejected(Permanent):
    """A clear refusal: nothing was done. `status` is the HTTP status (200: the refusal was inside the answer)."""

    def __init__(self, message: Text, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class TokenRefused(Permanent):
    """401 or 403 (`status`): the seller's token or the application's key is not (or no longer) accepted."""

    def __init__(self, message: Text, *, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Seller:
    """Whose listings a call is about: the member's number and login token; `setting` is where the owner has it.

    None: from a login at Tradera.
    """

    user_id: int
    token: str = field(repr=False)
    setting: str | None = "tradera.user_token"

    def refused(self, error: TokenRefused) -> Text:
        """Tradera's own words when it refuses all that this seller asks for, and what the owner does then."""
        if error.status == 403:
            return Text(
                "Tradera refuses user {user} ({words}): see in My Tradera what is wrong; rheod asks again by itself",
                user=self.user_id,
                words=error,
            )
        remedy = Text("log in again: `rheod tradera connect`, or the page Tradera")
        if self.setting is not None:
            remedy = Text("log in again, set {setting}, then restart rheod", setting=self.setting)
        return Text(
            "Tradera refuses the token of user {user} ({words}): {remedy}",
            user=self.user_id,
            words=error,
            remedy=remedy,
        )

    @property
    def fingerprint(self) -> str:
        """Tells one token from another without giving it away."""
        return hashlib.sha256(f"{self.user_id}:{self.token}".encode()).hexdigest()[:16]


APPLICATION = Seller(0, "")
"""Nobody's: what is asked with the application's keys alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpCall:
    """One request: `what` names it in sentences, `limit` is the most bytes read of its answer; a body of bytes is JSON."""

    what: str
    method: str
    path: str
    seller: Seller | None = None
    body: Mapping[str, Any] | bytes | None = field(default=None, repr=False)
    limit: int = SMALL_ANSWER_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """What came back, not judged yet: `raw` is the whole body, `sent` the credentials it must not give back to us."""

    status: int
    retry_after: str | None
    raw: bytes
    sent: tuple[str, ...] = field(default=(), repr=False)


class TraderaTransport:
    """Sends requests as one application; `timeout_s` is the whole time one of them may take."""

    def __init__(
        self, *, session: aiohttp.ClientSession, base_url: str, app_id: int, app_key: str, timeout_s: float
    ) -> None:
        self._session = session
        self._base_url = base_url.rstrip("/")
        self._app_key = app_key
        self._headers = {
            "X-App-Id": str(app_id),
            "X-App-Key": app_key,
            "Accept": "application/json",
            "Accept-Encoding": "identity",
        }
        self._timeout_s = timeout_s
        connect_s = min(_CONNECT_TIMEOUT_S, timeout_s / 2)
        self._timeout = aiohttp.ClientTimeout(
            total=None, connect=connect_s, sock_connect=connect_s, sock_read=timeout_s
        )

    async def exchange(self, call: HttpCall) -> HttpAnswer:
        """Send one request and read its answer to the limit, in the time of one call."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._send(call)
        except NOT_SENT as error:
            raise Unreachable(
                Text(
                    "Tradera cannot be reached for {operation}: {why}",
                    operation=call.what,
                    why=failure_sentence(error),
                )
            ) from error
        except (aiohttp.InvalidURL, ValueError) as error:
            raise Permanent(
                Text("tradera.base_url, app_key or user_token holds what HTTP cannot carry")
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unanswered(
                Text(
                    "Tradera gave no answer to {operation}: {why}",
                    operation=call.what,
                    why=failure_sentence(error),
                )
            ) from error

    async def _send(self, call: HttpCall) -> HttpAnswer:
        """Send, and read the answer to the call's limit; one beyond it, or a compressed one, is no answer."""
        headers = dict(self._headers)
        if call.seller is not None:
            headers["X-User-Id"] = str(call.seller.user_id)
            headers["X-User-Token"] = call.seller.token
        data = None
        if call.body is not None:
            headers["Content-Type"] = "application/json"
            written = call.body
            if not isinstance(written, bytes):
                written = json.dumps(written, ensure_ascii=False, allow_nan=False).encode()
            data = io.BytesIO(written)
        async with self._session.request(
            call.method,
            self._base_url + call.path,
            data=data,
            headers=headers,
            timeout=self._timeout,
            allow_redirects=False,
            auto_decompress=False,
            max_line_size=_MAX_HEADER_BYTES,
            max_field_size=_MAX_HEADER_BYTES,
        ) as response:
            if response.headers.get("Content-Encoding", "identity").lower() != "identity":
                response.close()
                compressed = Text(
                    "Tradera's answer to {operation} is compressed, though that was declined",
                    operation=call.what,
                )
                raise Unanswered(compressed)
            raw = bytearray()
            if not await read_capped(response, call.limit, into=raw):
                response.close()
                too_large = Text(
                    "Tradera's answer to {operation} is larger than {bytes} bytes",
                    operation=call.what,
                    bytes=call.limit,
                )
                raise Oversized(too_large)
            token = () if call.seller is None else (call.seller.token,)
            return HttpAnswer(
                status=response.status,
                retry_after=response.headers.get("Retry-After"),
                raw=bytes(raw),
                sent=(self._app_key, *token),
            )


def judge(call: HttpCall, answer: HttpAnswer) -> Any:
    """The parsed body of a success, or the error this answer amounts to."""
    if 200 <= answer.status <= 299:
        try:
            return _parse(answer)
        except ValueError:
            # `from None`: the decoder's error carries the whole body, buyers' data included
            raise Unanswered(
                Text("Tradera's answer to {operation} is not JSON", operation=call.what)
            ) from None
    try:
        said = own_words(_parse(answer))
    except ValueError:
        said = ""
    status, operation = answer.status, call.what
    sentence = Text("Tradera answered {status} to {operation}", status=status, operation=operation)
    if said:
        sentence = Text("{sentence}: {said}", sentence=sentence, said=said)
    if answer.status == 429:
        raise OverLimit(sentence, retry_after_s=retry_after_s(answer.retry_after))
    if answer.status >= 500:
        raise ServerFailure(sentence, status=answer.status)
    if not 400 <= answer.status <= 499 or answer.status == 408 or answer.raw.lstrip().startswith(b"<"):
        raise Unanswered(Text("{sentence}, as something between us and Tradera would", sentence=sentence))
    if answer.status in {401, 403}:
        raise TokenRefused(sentence, status=answer.status)
    raise Rejected(sentence, status=answer.status)


def _parse(answer: HttpAnswer) -> Any:
    """JSON without our credentials, or None for an empty body.

    Raises ValueError, also for numbers JSON has not and for deep nesting.
    """
    if not answer.raw.strip():
        return None
    try:
        return without(answer.sent, json.loads(answer.raw, parse_constant=_no_number))
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")
