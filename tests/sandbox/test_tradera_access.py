"""What goes wrong at the simulated Tradera on demand, and its limits of calls.

Every fault by name: what the client sees, and whether the call's effect took place. Whose a limit is, how its day runs, and
the answer above it.
"""

from __future__ import annotations

import asyncio
import random
import time
from datetime import UTC, datetime

import aiohttp
import pytest

from rheod.sandbox.tradera import TraderaSimulator
from rheod.sandbox.tradera_access import NAMES, SCRIPTED, CallLimit, CallQuota, Fault, FaultBook
from rheod.sandbox.tradera_market import DeclinedError
from tests.sandbox.playing_seller import Clock, Seller, new_body, running

PATH = "/listings/items"


async def post(seller: Seller, timeout_s: float = 5.0) -> tuple[int, bytes]:
    """Create once, without a kept connection, and answer status and raw body."""
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout_s)) as session,
        session.post(seller.simulator.base_url + PATH, json=new_body(), headers=seller.headers) as response,
    ):
        return response.status, await response.read()


def created(simulator: TraderaSimulator) -> int:
    return simulator.creates("rheod:42:1")


@pytest.mark.parametrize("name", ["reset", "refused_connection", "lost_answer"])
async def test_connection_closes_without_an_answer(seller: Seller, name: str) -> None:
    """The client gets a connection error; only with lost_answer the request exists."""
    seller.simulator.fault("create", name)
    with pytest.raises(aiohttp.ClientConnectionError):
        await post(seller)
    assert created(seller.simulator) == (name == "lost_answer")
    assert seller.simulator.calls[-1].status == 0
    assert (await post(seller))[0] == 200


@pytest.mark.parametrize("name", ["hang", "hang_after"])
async def test_no_answer_at_all(seller: Seller, name: str) -> None:
    """The client runs into its own timeout; only with hang_after the request exists."""
    seller.simulator.fault("create", name)
    with pytest.raises(TimeoutError):
        await post(seller, timeout_s=0.2)
    assert created(seller.simulator) == (name == "hang_after")


async def test_slow_answers_in_the_end(seller: Seller) -> None:
    """A slow call takes its seconds and then does what it should."""
    seller.simulator.fault("create", "slow", seconds=0.2)
    began = time.monotonic()
    assert (await post(seller))[0] == 200
    assert time.monotonic() - began >= 0.2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500])
async def test_plain_errors(seller: Seller, status: int) -> None:
    """Each status comes with Tradera's error object and no effect."""
    seller.simulator.fault("create", str(status))
    answered, body = await post(seller)
    assert answered == status
    assert body.startswith(b'{"error":{"code":')
    assert created(seller.simulator) == 0


async def test_errors_after_the_effect_and_retry_after(seller: Seller) -> None:
    """500_after leaves a request behind; 429 carries Retry-After when it is given."""
    seller.simulator.fault("create", "500_after")
    assert (await post(seller))[0] == 500
    assert created(seller.simulator) == 1
    seller.simulator.fault("me", "429", retry_after="7")
    url = seller.simulator.base_url + "/users/me"
    async with seller.session.get(url, headers=seller.headers) as response:
        assert (response.status, response.headers["Retry-After"]) == (429, "7")


@pytest.mark.parametrize(
    ("name", "status", "start", "effect"),
    [
        ("html_200", 200, b"<!DOCTYPE", 0),
        ("502_html", 502, b"<!DOCTYPE", 0),
        ("truncated_json", 200, b'{"requestId"', 1),
        ("empty_200", 200, b"", 1),
    ],
)
async def test_damaged_answers(seller: Seller, name: str, status: int, start: bytes, effect: int) -> None:
    """A proxy's page has no effect behind it; a cut or empty answer has."""
    seller.simulator.fault("create", name)
    answered, body = await post(seller)
    assert answered == status
    assert body.startswith(start)
    assert not body.endswith(b"}")
    assert created(seller.simulator) == effect


async def test_huge_answer_pours_and_survives_a_hang_up(seller: Seller) -> None:
    """More than 10 MB come when read on, and a client that leaves does the server no harm."""
    seller.simulator.fault("me", "huge_answer")
    url = seller.simulator.base_url + "/users/me"
    async with aiohttp.ClientSession() as session, session.get(url, headers=seller.headers) as response:
        assert len(await response.content.readexactly(10_000_000)) == 10_000_000
    assert (await seller.call("GET", "/users/me"))[0] == 200


async def test_scripted_result(seller: Seller, clock: Clock) -> None:
    """result_error on commit makes the queue fail the request for good, with code and message."""
    request_id, item_id = await seller.create()
    seller.simulator.fault("commit", "result_error", code=20, message="Try again")
    await seller.call("POST", f"{PATH}/{request_id}/commit")
    clock.forward(1)
    expected = [{"requestId": request_id, "resultCode": 20, "message": "Try again"}]
    answer = await seller.call("GET", "/listings/request-results", requestIds=str(request_id))
    assert answer == (200, expected)
    assert (await seller.call("GET", f"/items/{item_id}"))[0] == 404


async def test_scripted_result_may_publish_all_the_same(seller: Seller, clock: Clock) -> None:
    """A bad picture's code 2 with effect publishes; no_result with effect publishes and keeps waiting."""
    seller.simulator.fault("create", "result_error", code=2, effect=True)
    seller.simulator.fault("create", "no_result", effect=True)
    first = await seller.publish(clock)
    second = await seller.publish(clock)
    assert {one.item_id for one in seller.simulator.live_items()} == {first, second}
    ids = [str(one.request_id) for one in seller.simulator.live_items()]
    answer = (await seller.call("GET", "/listings/request-results", requestIds=ids))[1]
    assert sorted(entry["resultCode"] for entry in answer) == [2, 128]


async def test_results_may_lie_once(seller: Seller, clock: Clock) -> None:
    """On results the fault is about that one answer; the next tells the truth."""
    request_id, _ = await seller.create(autoCommit=True)
    clock.forward(1)
    seller.simulator.fault("results", "result_error", code=20)
    seller.simulator.fault("results", "no_result")
    seen = []
    for _ in range(3):
        answer = (await seller.call("GET", "/listings/request-results", requestIds=str(request_id)))[1]
        seen.append([entry["resultCode"] for entry in answer])
    assert seen == [[20], [], [1]]


async def test_bids_come_right_before(seller: Seller, clock: Clock) -> None:
    """A bid placed at the last moment makes the price and the ending refused."""
    item_id = await seller.publish(clock)
    seller.simulator.fault("price", "bids")
    assert (await seller.call("PUT", f"{PATH}/{item_id}/price", {"openingPrice": 30}))[1][
        "isSuccessful"
    ] is False
    assert (await seller.call("DELETE", f"{PATH}/{item_id}"))[0] == 400


async def test_stop_lets_go_of_hanging_calls(seller: Seller) -> None:
    """A server with a hanging call stops at once, and the caller sees the connection end."""
    seller.simulator.fault("create", "hang")
    hanging = asyncio.ensure_future(post(seller))
    async with asyncio.timeout(5):
        while not seller.simulator.calls:
            await asyncio.sleep(0.01)
        await seller.simulator.stop()
        with pytest.raises(aiohttp.ClientConnectionError):
            await hanging


def test_book_counts_skips_and_aims() -> None:
    """A fault lets `skip` calls pass, strikes `times` of them, and only those about its listing."""
    book = FaultBook()
    book.add(Fault("create", "500", times=2, skip=1, own_reference="a"))
    struck = [book.take("create", [reference]) is not None for reference in "abaaba"]
    assert struck == [False, False, True, True, False, False]
    book.add(Fault("*", "500", times=None))
    assert all(book.take(operation, []) for operation in ("me", "end", "time"))
    book.clear()
    assert book.take("me", []) is None


def test_unknown_fault_is_named() -> None:
    """A misspelt fault is refused with the list of names; the scripted ones are among the names."""
    with pytest.raises(ValueError, match="unknown fault lost_anser"):
        Fault("create", "lost_anser")
    assert set(NAMES) >= SCRIPTED


HOUR_MS = 3_600_000
NOON_MS = round(datetime(2026, 10, 25, 12, tzinfo=UTC).timestamp() * 1000)


def taken(quota: CallQuota, calls: list[tuple[str, str, float]]) -> list[bool]:
    """Which of these calls (operation, user, hours after noon) are not refused."""

    def is_taken(operation: str, user: str, hours: float) -> bool:
        try:
            quota.count(operation, user, NOON_MS + round(hours * HOUR_MS))
        except DeclinedError:
            return False
        return True

    return [is_taken(*call) for call in calls]


@pytest.mark.parametrize(
    ("limit", "calls", "expected"),
    [
        (CallLimit(calls=1), [("create", "1", 0), ("image", "2", 1)], [True, False]),
        (CallLimit(calls=1, method="*"), [("create", "1", 0), ("image", "1", 0)], [True, True]),
        (CallLimit(calls=1, method="*"), [("create", "1", 0), ("create", "2", 0)], [True, False]),
        (CallLimit(calls=1, method="image"), [("image", "1", 0), ("image", "1", 1)], [True, False]),
        (
            CallLimit(calls=1, per_user=True),
            [("me", "1", 0), ("me", "2", 0), ("me", "1", 1)],
            [True, True, False],
        ),
        (CallLimit(calls=1), [("me", "1", 0), ("me", "1", 23.9), ("me", "1", 24)], [True, False, True]),
        (
            CallLimit(calls=1, day="utc"),
            [("me", "1", 0), ("me", "1", 11.5), ("me", "1", 12)],
            [True, False, True],
        ),
        (
            CallLimit(calls=1, day="swedish"),
            [("me", "1", 0), ("me", "1", 10.9), ("me", "1", 11)],
            [True, False, True],
        ),
        (
            CallLimit(calls=1, window_s=3),
            [("me", "1", 0), ("me", "1", 0.0001), ("me", "1", 0.001)],
            [True, False, True],
        ),
    ],
)
def test_each_kind_of_limit(
    limit: CallLimit, calls: list[tuple[str, str, float]], expected: list[bool]
) -> None:
    """In all, each method, one method, each user; any 24 hours, a day of UTC or of Sweden, a burst."""
    assert taken(CallQuota([limit]), calls) == expected


def test_a_refused_call_counts_against_no_limit() -> None:
    """Also not against the limits that it kept."""
    quota = CallQuota([CallLimit(calls=2), CallLimit(calls=1, method="image")])
    assert taken(quota, [("image", "1", 0), ("image", "1", 1), ("create", "1", 2)]) == [True, False, True]


async def test_limits_are_set_from_outside(clock: Clock) -> None:
    """By the calls that another process makes; the answer above one is Tradera's error, without Retry-After."""
    async with running(TraderaSimulator(now=clock, rng=random.Random(3))) as seller:
        url = seller.simulator.base_url.removesuffix("/v4") + "/sandbox/settings"
        async with seller.session.post(url, json={"quota": [{"calls": 1, "method": "me"}]}) as response:
            assert response.status == 200
        assert (await seller.call("GET", "/users/me"))[0] == 200
        status, answer = await seller.call("GET", "/users/me")
        assert (status, answer["error"]["code"]) == (429, "TooManyRequests")
        async with seller.session.post(url, json={"quota": [{"calls": 1, "hue": "red"}]}) as response:
            assert response.status == 400
