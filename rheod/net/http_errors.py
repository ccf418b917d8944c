"""What may go wrong between rheod and an HTTP server, in words an owner can act on, and bodies read up to a limit.

For the clients that speak aiohttp. Whether a failure is worth another try is the client's decision. No sentence here
quotes the other side.
"""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING

import aiohttp

from rheod.domain.errors import Text

if TYPE_CHECKING:
    from aiohttp import ClientResponse


_MAX_RETRY_AFTER_S = 10**9

NOT_SENT = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.ClientConnectorCertificateError,
)
"""aiohttp's errors that prove the request never left: there was no connection to send it over."""


_PLAIN: tuple[tuple[type[BaseException], str], ...] = (  # the first that fits is taken
    (aiohttp.ClientConnectorDNSError, Text("the name does not resolve")),
    (aiohttp.ConnectionTimeoutError, Text("no connection in time")),
    (TimeoutError, Text("no answer in time")),
    (aiohttp.ServerDisconnectedError, Text("the connection was closed without an answer")),
    (aiohttp.ClientPayloadError, Text("the answer was cut short")),
    (aiohttp.ClientResponseError, Text("the answer is not valid HTTP")),
    (aiohttp.InvalidURL, Text("the address is not valid")),
)


def failure_sentence(error: BaseException) -> str:
    """Say in a few words why a request failed, e.g. "connection refused", "certificate has expired"."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return _certificate_sentence(error.certificate_error)
    for kind, words in _PLAIN:
        if isinstance(error, kind):
            return words
    if isinstance(error, aiohttp.ClientConnectorError):
        return _os_sentence(error.os_error)
    if isinstance(error, OSError):
        return _os_sentence(error)
    return Text("the request failed ({error})", error=type(error).__name__)


def _certificate_sentence(error: Exception) -> str:
    """OpenSSL's own words for a certificate, which are plain enough: "certificate has expired"."""
    words = getattr(error, "verify_message", "") or Text("certificate not accepted")
    if isinstance(words, Text):
        return words
    is_acronym = words[1:2].isupper()
    return (words if is_acronym else words[:1].lower() + words[1:]).rstrip(".")


def _os_sentence(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _certificate_sentence(error)
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or "handshake failed").replace("_", " ").lower()
        return Text("TLS failed: {why}", why=reason)
    if isinstance(error, ConnectionRefusedError):
        return Text("connection refused")
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        return Text("the connection was reset")
    # by number, because asyncio's own text ("Connect call failed (address)") carries the address
    return os.strerror(error.errno).lower() if error.errno else Text("the connection failed")


async def read_capped(response: ClientResponse, limit: int, *, into: bytearray) -> bool:
    """Read a body into `into`, at most `limit` bytes; says whether that was all of it.

    What was read before one of aiohttp's errors, or a deadline, stays in `into`.
    """
    while chunk := await response.content.readany():
        into += chunk
        if len(into) > limit:
            del into[limit:]
            return False
    return True


def retry_after_s(value: str | None) -> float | None:
    """The seconds of a Retry-After header; None when absent, a date, negative or absurd."""
    if value is None or not (value.isascii() and value.strip().isdigit()) or len(value) > 10:
        return None
    seconds = int(value)
    return float(seconds) if seconds <= _MAX_RETRY_AFTER_S else None
