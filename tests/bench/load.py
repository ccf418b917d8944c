"""A load generator that costs little beside the server it asks: prepared requests over raw connections.

Each connection asks again as soon as it has been answered (closed loop). It reads of an answer only its status and its
length, so it serves for servers that answer with Content-Length, as ours and the bare one do.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_WAIT_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a load found: requests a second, the time of each in seconds, and the statuses that came."""

    per_s: float
    took_s: list[float]
    statuses: frozenset[int]


def request(method: str, path: str, *, headers: dict[str, str], body: bytes = b"") -> bytes:
    """A request as it goes over the wire."""
    told = {"Host": "bench.test", **headers}
    if body:
        told |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body


async def run(address: str, requests: list[bytes], *, connections: int) -> Outcome:
    """Ask all of them once, so many at a time."""
    split = urlsplit(address)
    waiting = iter(requests)
    loop = asyncio.get_running_loop()
    clients = []
    for _ in range(connections):
        _, client = await loop.create_connection(
            lambda: _Client(waiting, loop.create_future()), split.hostname or "", split.port or 80
        )
        clients.append(client)
    began = time.perf_counter()
    for client in clients:
        client.ask()
    async with asyncio.timeout(_WAIT_S):
        await asyncio.gather(*(client.done for client in clients))
    spent_s = time.perf_counter() - began
    return Outcome(
        per_s=len(requests) / spent_s,
        took_s=[each for client in clients for each in client.took_s],
        statuses=frozenset(status for client in clients for status in client.statuses),
    )


class _Client(asyncio.Protocol):
    """One connection: takes the next request from the common heap until there is none."""

    def __init__(self, waiting: Iterator[bytes], done: asyncio.Future[None]) -> None:
        self.done = done
        self.took_s: list[float] = []
        self.statuses: set[int] = set()
        self._waiting = waiting
        self._read = bytearray()
        self._transport: asyncio.Transport | None = None
        self._asked_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def ask(self) -> None:
        """Send the next request, or end."""
        assert self._transport is not None
        following = next(self._waiting, None)
        if following is None:
            self.done.set_result(None)
            self._transport.close()
            return
        self._asked_at = time.perf_counter()
        self._transport.write(following)

    def data_received(self, data: bytes) -> None:
        self._read += data
        end = self._read.find(b"\r\n\r\n")
        if end < 0:
            return
        length = _LENGTH.search(self._read, 0, end + 2)
        assert length is not None, f"no Content-Length in {bytes(self._read[:end])!r}"
        if len(self._read) >= end + 4 + int(length[1]):
            self.took_s.append(time.perf_counter() - self._asked_at)
            self.statuses.add(int(self._read[9:12]))
            self._read.clear()
            self.ask()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server closed the connection"))
