"""Hostile bytes on a raw socket: never a 5xx, never a second request smuggled in, never a hang."""

from __future__ import annotations

import asyncio
import json

import pytest
from structlog.testing import capture_logs

from rheod.api.connections import ConnectionLimits
from tests.api.malformed import BODY, LENGTH, MALFORMED, PICTURE, PUT
from tests.api.running import Api, OpenApi
from tests.api.smuggling import INNER, KEY, SMUGGLING


async def test_malformed_requests_are_refused_and_nothing_breaks(
    open_api: OpenApi, caplog: pytest.LogCaptureFixture
) -> None:
    """Each is answered soon, below 500 and in the one shape; nothing is logged as a fault; the API is as ever."""
    api = await open_api(limits=ConnectionLimits(keepalive_s=0.5, lingering_s=0.3), body_deadline_s=0.3)
    file = api.parts.image_folder / PICTURE
    file.parent.mkdir(parents=True)
    file.write_bytes(b"\xff\xd8\xff\xe0 test picture")
    assert len(MALFORMED) >= 69
    limit = asyncio.Semaphore(16)

    async def complaint(raw: bytes) -> str | None:
        async with limit:
            return found_wrong(await api.raw(raw.replace(b"KEY", api.key.encode()), deadline_s=10))

    with capture_logs() as lines:
        found = await asyncio.gather(*map(complaint, MALFORMED))
    wrong = {raw[:120]: one for raw, one in zip(MALFORMED, found, strict=True) if one}
    assert wrong == {}
    assert [line for line in lines if line["log_level"] in {"error", "critical"}] == []
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []
    assert (await api.call("GET", "/healthz")).status == 200


def found_wrong(answered: bytes) -> str | None:
    """What is not as it should be in an answer to a malformed request; None when all is well."""
    head, _, body = answered.partition(b"\r\n\r\n")
    if not head.startswith((b"HTTP/1.1 ", b"HTTP/1.0 ")):
        return f"no answer: {answered[:80]!r}"
    status, names = int(head.split(b" ")[1]), head.lower()
    if not (200 <= status < 500 or status == 100):
        return f"status {status}"
    if b"aiohttp" in names or (status != 100 and b"x-request-id: " not in names):
        return f"headers: {head!r}"
    own_shape = status in {100, 200, 202, 206, 304, 412, 416} or json.loads(body)["statusCode"] == status
    return None if own_shape else f"body: {body!r}"


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


@pytest.mark.parametrize("pieces", [1, 2])
async def test_no_second_request_is_smuggled_in(open_api: OpenApi, pieces: int) -> None:
    """Of a request with two possible ends nothing but the first is served, in one piece or in two."""
    api = await open_api(limits=ConnectionLimits(keepalive_s=0.5, lingering_s=0.3), body_deadline_s=0.3)
    victim = "/integration/v1/items/VICTIM"
    assert (await api.call("PUT", victim, {"title": "Bromsok", "price": 950})).status == 202
    limit = asyncio.Semaphore(16)

    async def statuses(raw: bytes) -> list[int]:
        async with limit:
            answered = await all_answers(api, raw.replace(KEY, api.key.encode()), pieces)
        found = [
            int(each[:3]) for each in answered.replace(b"HTTP/1.0 ", b"HTTP/1.1 ").split(b"HTTP/1.1 ")[1:]
        ]
        return [status for status in found if status != 100]

    answered = dict(zip(SMUGGLING, await asyncio.gather(*map(statuses, SMUGGLING.values())), strict=True))
    assert {name: found for name, found in answered.items() if len(found) != 1 or found[0] >= 500} == {}
    shown = await api.call("GET", victim)
    assert (shown.status, shown.body["rheoStatus"]) == (200, "active")


async def all_answers(api: Api, attack: bytes, pieces: int) -> bytes:
    """Everything the server says until it closes, the inner request sent along or after a first answer could be."""
    inner = INNER.replace(KEY, api.key.encode())
    outer = attack.removesuffix(inner) if pieces == 2 else attack
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    try:
        async with asyncio.timeout(10):
            writer.write(outer)
            first = b""
            if outer != attack:
                first = await answered_within(reader, 0.1)
                writer.write(inner)
            return first + await reader.read()
    except ConnectionResetError:
        return b"HTTP/1.1 400 reset"
    finally:
        writer.close()


async def answered_within(reader: asyncio.StreamReader, seconds: float) -> bytes:
    """What has come after a moment."""
    try:
        async with asyncio.timeout(seconds):
            return await reader.read(65536)
    except TimeoutError:
        return b""


async def test_a_body_that_never_comes_is_given_up(open_api: OpenApi) -> None:
    """An announced body has its deadline; after it the caller is told and the connection ends."""
    api = await open_api(body_deadline_s=0.2)
    answered = await api.raw((PUT + LENGTH + b"\r\n" + BODY[:5]).replace(b"KEY", api.key.encode()))
    assert answered.startswith(b"HTTP/1.1 400 ")
    assert b"did not arrive" in answered


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
    api = await open_api(limits=ConnectionLimits(keepalive_s=0.4))
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
    api = await open_api(limits=ConnectionLimits(keepalive_s=0.2))
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
    async with asyncio.timeout(5):
        answered = await reader.read()
    writer.close()
    assert answered.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("rest", [b"zz\r\n", b"2\r\nabXX\r\n", b"5\r\nab"])
async def test_a_body_that_breaks_after_its_refusal_is_no_fault(
    api: Api, caplog: pytest.LogCaptureFixture, rest: bytes
) -> None:
    """What comes after a 401 is thrown away; that it is malformed or breaks off leaves no line in the log."""
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    async with asyncio.timeout(5):
        writer.write(PUT + b"Transfer-Encoding: chunked\r\n\r\n")
        assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 401 ")
        writer.write(rest)
        writer.write_eof()
        answered = await reader.read()
    writer.close()
    assert b"HTTP/1.1 5" not in answered
    assert caplog.records == []


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
