"""Floods of requests: what they may not cost, and that others do not notice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from structlog.testing import capture_logs

from rheod.api.context import Rates
from tests.api.malformed import BODY, LENGTH, PUT
from tests.api.running import FAST, Api, OpenApi

ITEM = "/integration/v1/items/A1"
GOOD = {"title": "Bromsok", "price": 950}
FLOOD = 400


@asynccontextmanager
async def statements(api: Api) -> AsyncIterator[list[str]]:
    """Every statement either connection of the database runs meanwhile."""
    seen: list[str] = []
    await api.database.write(lambda db: db.set_trace_callback(seen.append))
    await api.database.read(lambda db: db.set_trace_callback(seen.append))
    seen.clear()
    yield seen
    await api.database.read(lambda db: db.set_trace_callback(None))
    await api.database.write(lambda db: db.set_trace_callback(None))


async def wrong_keys(api: Api, count: int) -> set[int]:
    """Ask so often with as many wrong keys, eight at a time, in every way there is; the statuses answered."""

    async def some(first: int) -> set[int]:
        found = set()
        for number in range(first, count, 8):
            key = {"x-api-key": f"rheo_live_{number:032}", "x-partner-account": "member-1"}
            token = {"Authorization": f"Bearer {number}"}
            ways = [api.call("PUT", ITEM, GOOD, headers=key), api.call("GET", ITEM, headers=key)]
            ways += [
                api.own("GET", "/integration/api-keys", headers=token),
                api.call("GET", "/no", headers=key),
            ]
            for way in ways[: number % 4] + ways[number % 4 + 1 :]:
                way.close()
            found.add((await ways[number % 4]).status)
        return found

    return set().union(*await asyncio.gather(*map(some, range(8))))


async def test_wrong_keys_cost_no_statement_and_one_line(open_api: OpenApi) -> None:
    """A flood of wrong keys runs no statement on either connection and writes one line of log."""
    api = await open_api()
    async with statements(api) as seen:
        with capture_logs() as lines:
            assert await wrong_keys(api, FLOOD) == {401, 404}
        assert seen == []
        await api.call("GET", ITEM)
        assert seen != []  # so the counting counts
    assert [line["event"] for line in lines] == ["requests without a valid key"]
    api.clock.seconds += 61
    with capture_logs() as lines:
        await api.call("GET", ITEM, headers={"x-api-key": None})
    assert [line.get("count") for line in lines] == [FLOOD]


async def test_wrong_keys_beyond_the_limit_cost_nothing_either(open_api: OpenApi) -> None:
    """Once the address has used up its own limit the answer is 429, still without a statement, and without a line."""
    api = await open_api(rates=replace(FAST, strangers=10))
    async with statements(api) as seen:
        with capture_logs() as lines:
            assert await wrong_keys(api, FLOOD) == {401, 404, 429}
        assert seen == []
    assert len(lines) == 1


async def test_a_flood_of_wrong_keys_holds_up_nobody(open_api: OpenApi) -> None:
    """PUTs with a key, sent meanwhile from the same address, are all taken, and none waits for the flood's end."""
    api = await open_api(rates=replace(FAST, strangers=10))
    flood = asyncio.ensure_future(wrong_keys(api, FLOOD))
    taken_meanwhile = 0
    while not flood.done():
        assert (await api.call("PUT", ITEM, GOOD)).status == 202
        taken_meanwhile += not flood.done()
    await flood
    assert taken_meanwhile >= 3


async def test_a_key_revoked_while_its_request_runs_ends_with_it(api: Api) -> None:
    """The request that is under way may end, the next one is 401."""
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    request = (PUT + LENGTH + b"\r\n" + BODY).replace(b"KEY", api.key.encode())
    begun = request.replace(LENGTH, LENGTH + b"Expect: 100-continue\r\n")[: -len(BODY)]
    async with asyncio.timeout(5):
        writer.write(begun)
        assert (
            await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        )  # its key has been checked
        (key,) = (await api.own("GET", "/integration/api-keys")).body["keys"]
        assert (await api.own("DELETE", f"/integration/api-keys/{key['id']}")).status == 204
        writer.write(BODY)
        assert (await reader.readline()).startswith(b"HTTP/1.1 202 ")
    writer.close()
    assert (await api.call("GET", ITEM)).status == 401


async def test_a_minute_at_three_times_the_limit_over_the_socket(open_api: OpenApi) -> None:
    """Of 360 requests in 60 s at a limit of 2/s, 120 and the burst are let through; who obeys gets through next."""
    api = await open_api(rates=Rates(get=2))
    passed = 0
    for _ in range(360):
        reply = await api.call("GET", ITEM)
        passed += reply.status == 404
        api.clock.seconds += 1 / 6
    assert abs(passed - 4 - 120) <= 2
    while (reply := await api.call("GET", ITEM)).status == 404:
        pass
    api.clock.seconds += int(reply.headers["Retry-After"])
    assert (await api.call("GET", ITEM)).status == 404
