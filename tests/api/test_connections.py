"""Connections that waste the server's time, over real sockets: an honest request is served all the same.

The loopback network has sixteen million addresses, so that many callers can be played on one machine.
"""

from __future__ import annotations

import asyncio
import json
import socket
import time
from asyncio.trsock import TransportSocket
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from rheod.api.connections import ConnectionLimits
from tests.api.malformed import BODY, LENGTH, PICTURE, PUT
from tests.api.running import Api, OpenApi

TCP_ESTABLISHED = 1
"""As the kernel counts the states of a connection."""


def is_open(line: socket.socket | TransportSocket) -> bool:
    """Whether the connection still stands, without sending or reading anything."""
    state: Any = line.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
    return bool(state[0] == TCP_ESTABLISHED)


@dataclass
class Line:
    """A raw connection and everything that came over it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def ended(self) -> bool:
        """Whether the server has closed it, whatever of it has been read."""
        return self.writer.transport.is_closing() or not is_open(self.writer.get_extra_info("socket"))


async def connect(api: Api, source: str = "127.0.0.1") -> Line:
    return Line(*await asyncio.open_connection("127.0.0.1", api.port, local_addr=(source, 0)))


@asynccontextmanager
async def connected(api: Api, sources: Iterable[str]) -> AsyncIterator[list[Line]]:
    """Open connections from these addresses, fifty at a time; closed at the end."""
    waiting = list(sources)
    lines: list[Line] = []
    try:
        while waiting:
            batch, waiting = waiting[:50], waiting[50:]
            lines += await asyncio.gather(*(connect(api, source) for source in batch))
        yield lines
    finally:
        for line in lines:
            line.writer.transport.abort()


async def honest_put(api: Api, source: str) -> int:
    """Status of a PUT over a new connection from an address, 0 for none; TimeoutError after ten seconds."""
    line = await connect(api, source)
    line.writer.write((PUT + LENGTH + b"Connection: close\r\n\r\n" + BODY).replace(b"KEY", api.key.encode()))
    try:
        async with asyncio.timeout(10):
            answered = await line.reader.readline()
    except ConnectionResetError:
        answered = b""
    line.writer.close()
    return int(answered[9:12] or 0)


async def until(
    holds: Callable[[], bool], *, meanwhile: Callable[[], Any] = int, within_s: float = 10
) -> None:
    """Wait for a condition, doing something over and over meanwhile."""
    async with asyncio.timeout(within_s):
        while not holds():
            meanwhile()
            await asyncio.sleep(0.02)


def drip(lines: list[Line]) -> None:
    """One more byte on every connection that is still there."""
    for line in lines:
        if not line.ended and not line.writer.transport.is_closing():
            line.writer.write(b"a")


def many(count: int) -> list[str]:
    """Different loopback addresses."""
    return [f"127.1.{number // 250}.{number % 250 + 1}" for number in range(count)]


@pytest.mark.parametrize("sources", [["127.0.0.1"] * 1000, many(1000)], ids=["one address", "a thousand"])
async def test_a_thousand_dripping_connections_do_not_hold_up_an_honest_one(
    open_api: OpenApi, sources: list[str]
) -> None:
    """PUTs from elsewhere are taken during the flood, long before the header deadline ends it."""
    api = await open_api(limits=ConnectionLimits(keepalive_s=3))
    async with connected(api, sources) as lines:
        for line in lines:
            line.writer.write(b"PUT /integration/v1/items/A1 HTTP/1.1\r\nX: ")
        await until(lambda: sum(not line.ended for line in lines) <= 512)
        taken = [await honest_put(api, "127.0.0.2") for _ in range(5)]
        drip(lines)
        taken.append(await honest_put(api, "127.0.0.2"))
        assert set(taken) == {202}
        assert any(not line.ended for line in lines)
        await until(lambda: all(line.ended for line in lines), meanwhile=lambda: drip(lines))


async def test_bodies_that_drip_keep_nobody_out(open_api: OpenApi) -> None:
    """Connections of a partner whose bodies never end are ended by the deadline, while another's PUT passes."""
    api = await open_api(body_deadline_s=3)
    start = (PUT + b"Content-Length: 1000\r\n\r\n").replace(b"KEY", api.key.encode())
    async with connected(api, ["127.0.0.1"] * 64) as lines:
        for line in lines:
            line.writer.write(start)
        assert await honest_put(api, "127.0.0.2") == 202
        assert not any(line.ended for line in lines)
        answers = asyncio.gather(*(line.reader.readline() for line in lines))
        await until(answers.done, meanwhile=lambda: drip(lines))
        assert {answer.split(b" ")[1] for answer in answers.result()} == {b"400"}


async def test_beyond_the_cap_a_newcomer_is_told_to_wait(open_api: OpenApi) -> None:
    """When every connection is at work, the answer to one too many has the one shape, and then it is closed."""
    api = await open_api(limits=ConnectionLimits(connections=5))
    start = (PUT + b"Content-Length: 1000\r\n\r\n").replace(b"KEY", api.key.encode())
    async with connected(api, ["127.0.0.1"] * 5) as lines:
        for line in lines:
            line.writer.write(start.replace(b"Content-Length", b"Expect: 100-continue\r\nContent-Length"))
        for line in lines:
            assert (await line.reader.readline()).startswith(b"HTTP/1.1 100 ")
        line = await connect(api, "127.0.0.2")
        async with asyncio.timeout(5):
            head, _, body = (await line.reader.read()).partition(b"\r\n\r\n")
        assert head.split(b"\r\n")[0] == b"HTTP/1.1 503 Service Unavailable"
        names = {each.split(b":")[0].lower() for each in head.split(b"\r\n")[1:]}
        assert {b"retry-after", b"x-request-id", b"server", b"connection", b"content-length"} <= names
        assert json.loads(body)["code"] == "UNAVAILABLE"
        assert not any(line.ended for line in lines)
        line.writer.close()
    async with asyncio.timeout(5):
        while await honest_put(api, "127.0.0.1") != 202:
            pass  # the server has not seen all five go


async def test_600_slow_heads_are_gone_within_30_seconds(open_api: OpenApi) -> None:
    """With the limits as they ship, heads that drip are all ended, and meanwhile an honest PUT is taken."""
    api = await open_api()
    began = time.monotonic()
    async with connected(api, many(600)) as lines:
        for line in lines:
            line.writer.write(b"PUT /integration/v1/items/A1 HTTP/1.1\r\nX: ")
        assert await honest_put(api, "127.0.0.2") == 202
        await until(lambda: all(line.ended for line in lines), meanwhile=lambda: drip(lines), within_s=30)
    assert time.monotonic() - began < 30


async def test_idle_connections_by_the_thousand_slow_no_answer(open_api: OpenApi) -> None:
    """Thousands that come and say nothing: the cap holds, and an answer on an open connection takes no longer."""
    api = await open_api()
    for _ in range(6):
        async with connected(api, many(500)):
            began = time.monotonic()
            assert (await api.call("GET", "/healthz")).status == 200
            assert time.monotonic() - began < 1


async def test_a_request_at_work_survives_the_flood(open_api: OpenApi) -> None:
    """A body still coming in is not cut off for newcomers, and its answer arrives."""
    api = await open_api(limits=ConnectionLimits(connections=20))
    working = await connect(api, "127.0.0.2")
    request = (PUT + LENGTH + b"\r\n" + BODY).replace(b"KEY", api.key.encode())
    working.writer.write(request[:-1])
    await api.call("GET", "/healthz")
    async with connected(api, many(100)) as lines:
        await until(lambda: sum(line.ended for line in lines) >= 80)
        working.writer.write(request[-1:])
        async with asyncio.timeout(5):
            assert (await working.reader.readline()).startswith(b"HTTP/1.1 202 ")
    working.writer.close()


async def test_refused_bodies_hold_no_place(open_api: OpenApi) -> None:
    """Connections without a key that announce bodies and never send them are closed for an honest one at once."""
    api = await open_api(limits=ConnectionLimits(connections=20), body_deadline_s=60)
    async with connected(api, many(20)) as lines:
        for line in lines:
            line.writer.write((PUT + b"Content-Length: 1000\r\n\r\n").replace(b"KEY", b"none"))
        assert await honest_put(api, "127.0.0.2") == 202


def deaf(api: Api, request: bytes) -> socket.socket:
    """A connection that asks and never reads; its buffer is as small as the kernel allows."""
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    line.settimeout(5)
    line.connect(("127.0.0.1", api.port))
    line.setblocking(False)
    line.send(request)
    return line


async def test_who_does_not_read_a_picture_is_cut_off(open_api: OpenApi) -> None:
    """A large answer has its time to be read, and then the connection ends."""
    api = await open_api(limits=ConnectionLimits(answer_s=0.3))
    file = api.parts.image_folder / PICTURE
    file.parent.mkdir(parents=True)
    file.write_bytes(b"\xff" * 30_000_000)
    line = deaf(api, b"GET /images/" + PICTURE.encode() + b" HTTP/1.1\r\nHost: a\r\n\r\n")
    began = time.monotonic()
    await until(lambda: not is_open(line), within_s=5)
    assert time.monotonic() - began > 0.25
    line.close()
    assert (await api.call("GET", "/healthz")).status == 200


async def test_answers_nobody_reads_do_not_pile_up(open_api: OpenApi) -> None:
    """Requests sent on and on without reading the answers stop being served, and then the connection ends."""
    api = await open_api(limits=ConnectionLimits(answer_s=0.2))
    wrong = json.dumps({"metadata": {f"k{number}": "\x00" for number in range(200)}}).encode()
    ask = PUT.replace(b"KEY", api.key.encode()) + b"Content-Length: %d\r\n\r\n" % len(wrong) + wrong
    line = deaf(api, ask)
    sent = 0

    def ask_more() -> None:
        nonlocal sent
        try:
            while sent < 1 << 26:
                sent += line.send(ask * 10)
        except (BlockingIOError, ConnectionError):
            return

    await until(lambda: sent > 0 and not is_open(line), meanwhile=ask_more, within_s=15)
    assert sent < 1 << 26
    line.close()
