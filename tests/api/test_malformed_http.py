"""Hostile bytes on a raw socket: never a 5xx, never a second request smuggled in, never a hang."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from tests.api.running import Api, OpenApi

PUT = b"PUT /integration/v1/items/A1 HTTP/1.1\r\nHost: a\r\nx-api-key: KEY\r\nContent-Type: application/json\r\n"
GET = b"GET /integration/v1/items/A1 HTTP/1.1\r\nHost: a\r\nx-api-key: KEY\r\n"
BODY = b'{"title": "Bromsok", "price": 950}'
LENGTH = b"Content-Length: %d\r\n" % len(BODY)

MALFORMED = [
    b"\r\n\r\n\r\n\r\nGARBAGE\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET / \r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET / HTTP/1.1.1\r\n\r\n",
    b"GET / HTTX/1.1\r\n\r\n",
    b"get / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"FROB / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"G\x00T / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET noslash HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET http:// HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET http://[::1 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET http://a:99999999/ HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET //[x HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /integration/v1/items/\xff HTTP/1.1\r\nHost: a\r\nx-api-key: KEY\r\n\r\n",
    b"GET /integration/v1/items/\xc3\xa5 HTTP/1.1\r\nHost: a\r\nx-api-key: KEY\r\n\r\n",
    b"GET /\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /?\xff=\xfe HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /%ff%fe%zz%%% HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /images/%2e%2e%2f%2e%2e%2fetc%2fpasswd HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /images/../../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /images//etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /images/%00 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    GET + b"X: " + b"a" * 9000 + b"\r\n\r\n",
    GET + b"".join(b"X%d: a\r\n" % n for n in range(200)) + b"\r\n",
    GET + b"X\x00Y: a\r\n\r\n",
    GET + b"X: a\x00b\r\n\r\n",
    GET + b"X : a\r\n\r\n",
    GET + b" X: a\r\n\r\n",
    GET + b": a\r\n\r\n",
    GET + b"nocolon\r\n\r\n",
    GET + b"X: a\r\n folded\r\n\r\n",
    GET + b"X: a\nY: b\r\n\r\n",
    GET + b"X: \xff\xfe\r\n\r\n",
    GET + b"x-request-id: \xff\xfe\r\n\r\n",
    GET + b"x-request-id: " + b"a" * 200 + b"\r\n\r\n",
    GET + b"x-partner-account: \xff\r\n\r\n",
    GET + b"X-Forwarded-For: \xff, ,,,, 1.2.3.4.5\r\n\r\n",
    GET + b"Expect: 100-continue\r\n\r\n",
    GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n",
    GET + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
    GET.replace(b"HTTP/1.1", b"HTTP/1.0") + b"\r\n",
    GET.replace(b"Host: a\r\n", b"") + b"\r\n",
    GET.replace(b"Host: a\r\n", b"Host: a\r\nHost: b\r\n") + b"\r\n",
    GET.replace(b"Host: a", b"Host: \xff") + b"\r\n",
    GET + b"If-Modified-Since: nonsense\r\nRange: bytes=a-b\r\nCookie: \xff=\x01\r\n\r\n",
    PUT + b"Content-Length: -1\r\n\r\n",
    PUT + b"Content-Length: +5\r\n\r\n12345",
    PUT + b"Content-Length: 5, 5\r\n\r\n12345",
    PUT + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n123456",
    PUT + b"Content-Length: 99999999999999999999999\r\n\r\n",
    PUT + b"Content-Length: 0x5\r\n\r\n12345",
    PUT + b"Content-Length: \xd9\xa5\r\n\r\n12345",
    PUT + b"Content-Length:\r\n\r\n",
    PUT + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    PUT + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    PUT + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    PUT + b"Transfer-Encoding: gzip\r\n\r\n",
    PUT + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    PUT + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    PUT + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
    PUT + b"Transfer-Encoding: chunked\r\n\r\n-1\r\nab\r\n0\r\n\r\n",
    PUT + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nab\r\n",
    PUT + b"Transfer-Encoding: chunked\r\n\r\n2\r\nabXX0\r\n\r\n",
    PUT + b"Transfer-Encoding: chunked\r\n\r\n2;" + b"e" * 20000 + b"\r\nab\r\n0\r\n\r\n",
    PUT + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\nX: " + b"a" * 20000 + b"\r\n\r\n",
    PUT + b"Content-Encoding: gzip\r\n" + LENGTH + b"\r\n" + BODY,
    PUT + b"Content-Encoding: deflate\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
    PUT + b"Expect: nonsense\r\n" + LENGTH + b"\r\n" + BODY,
    PUT + b"Content-Length: 0\r\n\r\n",
    PUT + b"\r\n",
    PUT.replace(b"application/json", b"\xff/\xfe") + LENGTH + b"\r\n" + BODY,
    PUT.replace(b"application/json", b"application/json; charset=\xff") + LENGTH + b"\r\n" + BODY,
    PUT.replace(b"application/json", b'application/json; charset="') + LENGTH + b"\r\n" + BODY,
    PUT.replace(b"application/json", b"multipart/form-data") + LENGTH + b"\r\n" + BODY,
]


@pytest.mark.parametrize("request_bytes", MALFORMED, ids=range(len(MALFORMED)))
async def test_malformed_requests_are_refused_and_nothing_breaks(
    open_api: OpenApi, request_bytes: bytes
) -> None:
    """Each is answered soon, below 500 and in the one shape, and the next request is served as ever."""
    api = await open_api(keepalive_s=0.5, body_deadline_s=0.3)
    head, _, body = (await api.raw(request_bytes.replace(b"KEY", api.key.encode()))).partition(b"\r\n\r\n")
    version, status = head.split(b" ")[:2]
    assert version in {b"HTTP/1.1", b"HTTP/1.0"}
    assert 200 <= int(status) < 500
    assert int(status) == 202 or json.loads(body)["statusCode"] == int(status)
    assert b"x-request-id: " in head.lower()
    assert b"aiohttp" not in head
    assert (await api.call("GET", "/healthz")).status == 200


async def test_what_is_no_http_gets_the_error_shape_and_a_closed_connection(api: Api) -> None:
    """Even a request no handler sees is answered as every other error is."""
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    writer.write(b"NONSENSE\r\n\r\n")
    async with asyncio.timeout(5):
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    assert head.split(b" ")[1] == b"400"
    assert b"server: rheod" in head.lower()
    assert json.loads(body) == {
        "error": "The request is not valid HTTP",
        "code": "BAD_REQUEST",
        "statusCode": 400,
    }


async def test_no_second_request_is_smuggled_in(api: Api) -> None:
    """With both a length and chunks the connection ends, and what follows is not served."""
    inner = b"DELETE /integration/v1/items/A1 HTTP/1.1\r\nHost: a\r\nx-api-key: KEY\r\n\r\n"
    attack = PUT + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + inner
    await api.call("PUT", "/integration/v1/items/A1", {"title": "Bromsok", "price": 950})
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    writer.write(attack.replace(b"KEY", api.key.encode()))
    async with asyncio.timeout(10):
        answered = await reader.read()
    writer.close()
    assert answered.count(b"HTTP/1.") == 1
    assert (await api.call("GET", "/integration/v1/items/A1")).status == 200


async def test_a_body_that_never_comes_is_given_up(open_api: OpenApi) -> None:
    """An announced body has its deadline; after it the caller is told and the connection ends."""
    api = await open_api(body_deadline_s=0.2)
    began = time.monotonic()
    answered = await api.raw((PUT + LENGTH + b"\r\n" + BODY[:5]).replace(b"KEY", api.key.encode()))
    assert answered.startswith(b"HTTP/1.1 400 ")
    assert b"did not arrive" in answered
    assert time.monotonic() - began < 2


async def test_a_body_that_drips_is_given_up_too(open_api: OpenApi) -> None:
    """The deadline is for the whole body: bytes that keep coming do not put it off."""
    api = await open_api(body_deadline_s=0.3)
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    writer.write((PUT + b"Content-Length: 1000\r\n\r\n").replace(b"KEY", api.key.encode()))
    answer = asyncio.ensure_future(reader.readline())
    async with asyncio.timeout(5):
        while not answer.done():
            writer.write(b" ")
            await asyncio.wait([answer], timeout=0.02)
    writer.close()
    assert answer.result().startswith(b"HTTP/1.1 400 ")


async def test_headers_that_drip_are_cut_off(open_api: OpenApi) -> None:
    """The time for a request's headers is bounded, though every byte arrives in time."""
    api = await open_api(keepalive_s=0.4)
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: ")
    ended = asyncio.ensure_future(reader.read())
    async with asyncio.timeout(5):
        while not ended.done():
            writer.write(b"a")
            await asyncio.wait([ended], timeout=0.02)
    writer.close()
    assert ended.exception() is not None or ended.result() == b""


async def test_an_idle_connection_is_closed(open_api: OpenApi) -> None:
    """After an answer a connection may be used again for a while, then it is closed."""
    api = await open_api(keepalive_s=0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
    async with asyncio.timeout(5):
        answered = await reader.read()
    writer.close()
    assert answered.startswith(b"HTTP/1.1 200 ")


async def test_hundreds_of_slow_connections_do_not_hold_up_an_honest_one(api: Api) -> None:
    """While many connections send next to nothing, a PUT is answered within a second."""
    slow = [await asyncio.open_connection("127.0.0.1", api.port) for _ in range(400)]
    for _, writer in slow:
        writer.write(b"PUT /integration")
    began = time.monotonic()
    reply = await api.call("PUT", "/integration/v1/items/A1", {"title": "Bromsok", "price": 950})
    assert (reply.status, time.monotonic() - began < 1) == (202, True)
    for _, writer in slow:
        writer.close()


async def test_100_continue_is_sent_only_for_a_body_that_is_wanted(api: Api) -> None:
    """A client that asks first is told to go on, or is refused without sending a byte."""
    ask = (PUT + LENGTH + b"Expect: 100-continue\r\n\r\n").replace(b"KEY", api.key.encode())
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    async with asyncio.timeout(5):
        writer.write(ask)
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(BODY)
        assert (await reader.readline()).startswith(b"HTTP/1.1 202 ")
    writer.close()
    for refused, status in [
        (ask.replace(b"x-api-key", b"x-nothing"), b"401"),
        (ask.replace(LENGTH, b"Content-Length: 300000\r\n"), b"413"),
    ]:
        assert (await api.raw(refused)).startswith(b"HTTP/1.1 " + status)


async def test_a_client_that_leaves_is_no_fault_of_ours(api: Api) -> None:
    """A connection reset in the middle of a body leaves the server as it was."""
    _, writer = await asyncio.open_connection("127.0.0.1", api.port)
    writer.write((PUT + LENGTH + b"\r\n" + BODY[:5]).replace(b"KEY", api.key.encode()))
    await writer.drain()
    writer.transport.abort()
    assert (
        await api.call("PUT", "/integration/v1/items/A1", {"title": "Bromsok", "price": 950})
    ).status == 202
