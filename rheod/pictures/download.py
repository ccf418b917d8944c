"""Downloads a picture that a partner named into a file, with every limit such a download needs.

It judges addresses, sizes and first bytes only; it never decodes a picture (`decoder.py` does, in a child process) and
never retries (the job's schedule does). The file it leaves is not synced: it can be downloaded again.
"""

from __future__ import annotations

import asyncio
import re
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Self

import aiohttp

from rheod.domain.errors import Permanent, Text, Transient
from rheod.net.http_errors import failure_sentence, retry_after_s
from rheod.net.ssrf_guard import Network, guarded_connector, is_forbidden
from rheod.net.url_policy import as_url, check_url, joined, text_problem

_MAX_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PASSING_4XX = frozenset({408, 425, 429})
_SOCKET_TIMEOUT_S = 5.0
_HEAD_BYTES = 12
_EXCUSE_BYTES = 4096
"""So much of a refusal is read for what it says of the link."""
_MAX_RETRY_AFTER_S = 86_400
_KEEPALIVE_S = 1.0
"""Long enough for the pictures of one item on one connection, and shorter than any shop closes an idle one."""

_HEADERS = {
    "User-Agent": "rheod",
    # Only what can be decoded, so that a server that negotiates does not answer AVIF.
    "Accept": "image/jpeg, image/png, image/webp, image/gif",
    "Accept-Encoding": "identity",
}
_FOR_GOOD = (aiohttp.ClientConnectorCertificateError, aiohttp.InvalidURL)


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureLimits:
    """What a download may cost, and whom it may ask: the `images.*` settings (bytes, seconds, counts)."""

    max_bytes: int
    timeout_s: float
    concurrency: int
    per_host: int
    allow_http: bool = False
    allow_private: bool = False
    networks: Sequence[Network] = ()


class PictureDownloader:
    """Downloads pictures; make one inside the running loop, close it at the end.

    `connector` replaces the guarded one in tests. Waiting for a turn (total and per host) does not count
    towards a download's time limit.
    """

    def __init__(self, *, limits: PictureLimits, connector: aiohttp.BaseConnector | None = None) -> None:
        self._limits = limits
        self._session = aiohttp.ClientSession(
            connector=connector
            or guarded_connector(
                allow_private=limits.allow_private,
                networks=limits.networks,
                limit=limits.concurrency,
                limit_per_host=limits.per_host,
                keepalive_s=_KEEPALIVE_S,
            ),
            # The one deadline over all redirects is fetch's own; a drip feed never trips these two.
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=_SOCKET_TIMEOUT_S, sock_read=_SOCKET_TIMEOUT_S
            ),
            headers=_HEADERS,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )
        self._turns = asyncio.Semaphore(limits.concurrency)
        self._host_turns: weakref.WeakValueDictionary[str, asyncio.Semaphore] = weakref.WeakValueDictionary()

    async def fetch(self, url: str, destination: Path) -> None:
        """Download `url` into `destination` (overwritten; gone again after any failure or cancellation).

        Raises Transient for what time may heal (time-outs, resets, names that do not resolve, 5xx, 408, 425,
        429, a full disk) and Permanent for the rest. The sentences name the host, never path or query.
        """
        if problem := self._problem(url):
            raise Permanent(Text("the picture's address is refused: {problem}", problem=problem))
        host = _host(url)
        turns = self._host_turns.get(host) or asyncio.Semaphore(self._limits.per_host)
        self._host_turns[host] = turns
        async with turns, self._turns:
            with _translated(host, self._limits.timeout_s):
                async with asyncio.timeout(self._limits.timeout_s):
                    await self._follow(url, destination)

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()

    async def _follow(self, url: str, destination: Path) -> None:
        """Download through at most three redirects, each judged like a first address."""
        for _ in range(_MAX_REDIRECTS + 1):
            async with self._session.get(as_url(url), allow_redirects=False) as response:
                if response.status not in _REDIRECTS:
                    await _save(response, destination, max_bytes=self._limits.max_bytes)
                    return
            url = self._next(url, response.headers.get("Location", ""))
        raise Permanent(
            Text("{host} redirects the picture more than {n} times", host=_host(url), n=_MAX_REDIRECTS)
        )

    def _next(self, url: str, location: str) -> str:
        """Where a redirect leads; it is judged as sent, before anything can normalise it away."""
        problem = text_problem(location) if location else "Must name an address"
        if problem is None:
            target = location
            if not re.match(r"[a-z][a-z0-9+.-]*:", location, re.IGNORECASE | re.ASCII):
                try:
                    target = joined(url, location)
                except ValueError:
                    target = ""  # which is no address and refused as such
            problem = self._problem(target)
            if problem is None:
                return target
        raise Permanent(
            Text(
                "{host} redirects the picture to an address that is refused: {problem}",
                host=_host(url),
                problem=problem,
            )
        )

    def _problem(self, url: str) -> str | None:
        return check_url(
            url,
            allow_http=self._limits.allow_http,
            allow_private=self._limits.allow_private or bool(self._limits.networks),
        )


async def _save(response: aiohttp.ClientResponse, destination: Path, *, max_bytes: int) -> None:
    """Write the body of a good answer to the file; raises for every other answer."""
    host, status = response.url.host or "", response.status
    sentence = Text("{host} answered {status} for the picture", host=host, status=status)
    if status >= 500 or status in _PASSING_4XX:
        wish_s = retry_after_s(response.headers.get("Retry-After"))
        raise Transient(sentence, retry_after_s=min(wish_s or 0, _MAX_RETRY_AFTER_S) or None)
    if status == 403 and await _has_expired(response):
        raise Permanent(
            Text("the link to the picture at {host} has expired: send the item with fresh links", host=host)
        )
    if status != 200:
        raise Permanent(sentence)
    if response.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise Permanent(Text("{host} sent the picture compressed, which was not asked for", host=host))
    with _Part(destination, host=host, max_bytes=max_bytes) as part:
        part.check_size(response.content_length or 0)  # before reading any of it
        async for chunk in response.content.iter_any():
            part.write(chunk)
        part.check_kind()


async def _has_expired(response: aiohttp.ClientResponse) -> bool:
    """Whether a refusal is that of a signed link whose time is over, by its words or by the server's own clock."""
    try:
        said = (await response.content.read(_EXCUSE_BYTES)).lower()
    except aiohttp.ClientError:
        said = b""
    if any(words in said for words in _EXPIRED_WORDS):
        return True
    try:
        now, query = parsedate_to_datetime(response.headers["Date"]), response.url.query
        for name in ("X-Amz", "X-Goog"):
            if f"{name}-Date" in query:
                begins = datetime.strptime(query[f"{name}-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
                return begins + timedelta(seconds=int(query[f"{name}-Expires"])) <= now
        if "sig" in query:
            return datetime.fromisoformat(query["se"]) <= now
        return datetime.fromtimestamp(int(query["Expires"]), UTC) <= now
    except (LookupError, ValueError, TypeError, OverflowError, OSError):
        return False


_EXPIRED_WORDS = (b"expired", b"signature not valid in the specified time frame")


class _Part:
    """The file a download grows in: counts, looks at the first bytes, and vanishes on failure."""

    def __init__(self, path: Path, *, host: str, max_bytes: int) -> None:
        self._path = path
        self._host = host
        self._max_bytes = max_bytes
        self._size = 0
        self._head = b""

    def __enter__(self) -> Self:
        # Unbuffered, so that a write error shows at the write.
        self._file = self._path.open("wb", buffering=0)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_rest: object) -> None:
        self._file.close()
        if kind is not None:
            self._path.unlink(missing_ok=True)

    def check_size(self, size: int) -> None:
        """Raise Permanent for more bytes than a picture may have."""
        if size > self._max_bytes:
            raise Permanent(
                Text(
                    "the picture at {host} is larger than {mib} MiB",
                    host=self._host,
                    mib=f"{self._max_bytes / 2**20:g}",
                )
            )

    def write(self, chunk: bytes) -> None:
        """Add bytes; raises Permanent as soon as they are too many or show that this is no picture."""
        self._size += len(chunk)
        self.check_size(self._size)
        if len(self._head) < _HEAD_BYTES:
            self._head = (self._head + chunk)[:_HEAD_BYTES]
            if len(self._head) >= _HEAD_BYTES:
                self.check_kind(chunk)
        rest = memoryview(chunk)
        while rest:
            rest = rest[self._file.write(rest) :]

    def check_kind(self, chunk: bytes = b"") -> None:
        """Raise Permanent unless the first bytes are those of a picture; `chunk` is what came with them."""
        if is_picture(self._head):
            return
        begins, host = self._head.lstrip(b"\xef\xbb\xbf \t\r\n").lower(), self._host
        if not begins.startswith(b"<"):
            raise Permanent(
                Text("what {host} sent is not a picture (JPEG, PNG, WebP, AVIF or GIF)", host=host)
            )
        if any(words in chunk.lower() for words in _EXPIRED_WORDS):
            raise Permanent(
                Text(
                    "the link to the picture at {host} has expired: send the item with fresh links", host=host
                )
            )
        if begins.startswith((b"<?xml", b"<error")):
            raise Permanent(Text("what {host} sent is an error message in XML, not a picture", host=host))
        raise Permanent(Text("what {host} sent is a web page, not a picture", host=host))


def is_picture(head: bytes) -> bool:
    """Whether the first 12 bytes are of a kind that may be taken: JPEG, PNG, GIF, WebP, or AVIF and its relatives."""
    if head.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a")):
        return True
    return head[4:8] == b"ftyp" or (head.startswith(b"RIFF") and head[8:12] == b"WEBP")


def _host(url: str) -> str:
    """The host of a checked URL, all of it that may be shown or logged."""
    return as_url(url).host or ""


@contextmanager
def _translated(host: str, timeout_s: float) -> Iterator[None]:
    """Turn what aiohttp and the disk raise into rheod's own failures."""
    try:
        yield
    except aiohttp.ClientError as error:
        host = getattr(error, "host", host)  # of a failed connection: after a redirect it is another one
        if is_forbidden(error):
            raise Permanent(
                Text("the picture's host {host} was refused: address not allowed", host=host)
            ) from error
        # Time heals neither an address nor a certificate; whoever owns the host has to.
        kind = Permanent if isinstance(error, _FOR_GOOD) else Transient
        raise kind(
            Text("{host} did not give the picture: {why}", host=host, why=failure_sentence(error))
        ) from error
    except TimeoutError as error:
        raise Transient(
            Text("{host} did not deliver the picture within {seconds} s", host=host, seconds=f"{timeout_s:g}")
        ) from error
    except OSError as error:
        raise Transient(Text("the picture cannot be stored now: {why}", why=error.strerror)) from error
