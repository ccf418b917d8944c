"""The Tradera client against a loopback server that answers with whatever bytes a test wants."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gzip
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from rheod.domain.errors import Permanent, RheodError, Unanswered
from rheod.domain.freight import FreightOption
from rheod.tradera.ad_builder import Ad, create_body
from rheod.tradera.client import SaysNothing, TraderaClient, open_session
from rheod.tradera.responses import CreatedRequest, ResultState
from rheod.tradera.transport import Oversized, Rejected, Seller, Unreachable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    import aiohttp

    Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

SELLER = Seller(7, "test-token")
AD = Ad(
    title="Kopp",
    description="Hel",
    category_id=302571,
    own_reference="rheod:42:1",
    start_price_kr=50,
    shipping=(FreightOption(cost_kr=66, provider_id=6), FreightOption(cost_kr=0, option_id=8)),
)
END = "2026-11-01T12:00:00"
END_MS = 1_793_534_400_000
CREATED = {"requestId": 11, "itemId": 22}


@dataclass
class Request:
    """One request as it arrived."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def reply(status: int, body: Any = b"", **headers: str) -> bytes:
    """A whole HTTP answer; anything but bytes is sent as JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Words", f"Content-Length: {len(raw)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + raw


@dataclass
class FakeTradera:
    """Answers each request with the next of `answers` (the last one repeats) and then closes; None never answers."""

    answers: list[bytes | None] = field(default_factory=list)
    seen: list[Request] = field(default_factory=list)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one request and answer it."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        line, *rest = head.split("\r\n")
        headers = dict(entry.lower().split(": ", 1) for entry in rest if entry)
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.seen.append(Request(line.removesuffix(" HTTP/1.1"), headers, body))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is None:
            await reader.read()
        else:
            writer.write(answer)
            await writer.drain()


@asynccontextmanager
async def port_of(talk: Talk) -> AsyncIterator[int]:
    """A TCP server whose every connection is handled by `talk` and over before the test is."""
    running: set[asyncio.Task[None] | None] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        running.add(asyncio.current_task())
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await talk(reader, writer)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
    async with asyncio.timeout(5):
        await asyncio.gather(*filter(None, running))


@asynccontextmanager
async def client_of(fake: FakeTradera, timeout_s: float = 5.0) -> AsyncIterator[TraderaClient]:
    """A client whose Tradera is the fake."""
    async with port_of(fake.talk) as port, open_session() as session:
        yield client_at(session, f"http://127.0.0.1:{port}/v4/", timeout_s)


def client_at(session: aiohttp.ClientSession, base_url: str, timeout_s: float = 5.0) -> TraderaClient:
    """A client of the test application whose Tradera is there."""
    return TraderaClient(
        session=session, base_url=base_url, app_id=4242, app_key="test-app-key", timeout_s=timeout_s
    )


async def one(answer: bytes | None, call: Callable[[TraderaClient], Awaitable[Any]]) -> tuple[Any, Request]:
    """What one call makes of one answer, and the request it sent."""
    fake = FakeTradera([answer])
    async with client_of(fake) as client:
        outcome = await call(client)
    assert len(fake.seen) == 1
    return outcome, fake.seen[0]


async def failure(
    answer: bytes | None, call: Callable[[TraderaClient], Awaitable[Any]], timeout_s: float = 5.0
) -> RheodError:
    """The error one call ends with, after exactly one request."""
    fake = FakeTradera([answer])
    async with client_of(fake, timeout_s) as client:
        with pytest.raises(RheodError) as caught:
            await call(client)
    assert len(fake.seen) == 1
    assert "test-token" not in repr(caught.value)
    assert "test-app-key" not in repr(caught.value)
    return caught.value


async def create(client: TraderaClient) -> CreatedRequest:
    return await client.create(SELLER, AD)


async def commit(client: TraderaClient) -> None:
    await client.commit(SELLER, 11)


async def test_create_names_the_seller_and_the_application() -> None:
    """All four headers go along, the body is plain JSON, and both numbers come back."""
    created, request = await one(reply(200, {**CREATED, "new": None}), create)
    assert created == CreatedRequest(request_id=11, tradera_item_id=22)
    assert request.line == "POST /v4/listings/items"
    assert request.headers["x-app-id"] == "4242"
    assert request.headers["x-app-key"] == "test-app-key"
    assert request.headers["x-user-id"] == "7"
    assert request.headers["x-user-token"] == "test-token"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["accept-encoding"] == "identity"
    assert request.json == create_body(AD)


async def test_an_image_larger_than_a_megabyte_goes_up_whole() -> None:
    """Base64 with a Content-Length; the answer is an empty 200."""
    jpeg = bytes(range(256)) * 8000
    _, request = await one(
        reply(200), lambda client: client.add_image(SELLER, 11, jpeg, image_format=0, has_mega=False)
    )
    assert request.line == "POST /v4/listings/items/11/images"
    assert base64.b64decode(request.json["imageData"]) == jpeg
    assert (request.json["imageFormat"], request.json["hasMega"]) == (0, False)
    assert "transfer-encoding" not in request.headers


async def test_commit_takes_an_empty_answer_and_a_refusal_inside_one() -> None:
    """A 200 without a body is done; `false` and error lists in a 200 are Tradera's no."""
    _, request = await one(reply(200), commit)
    assert (request.line, request.body) == ("POST /v4/listings/items/11/commit", b"")
    assert type(await failure(reply(200, b"false"), commit)) is Rejected


async def test_results_are_asked_in_one_call() -> None:
    """The key is repeated for every request."""
    results, request = await one(
        reply(200, [{"requestId": 2, "resultCode": 1}]), lambda client: client.results(SELLER, [1, 2])
    )
    assert request.line == "GET /v4/listings/request-results?requestIds=1&requestIds=2"
    assert results[2].outcome is ResultState.DONE


@pytest.mark.parametrize("answer", [reply(404, {"error": {"code": "NotFound"}}), reply(200), reply(200, [])])
async def test_no_results_yet_is_not_a_failure(answer: bytes) -> None:
    """404 shortly after create, an empty body and an empty list all mean: ask again."""
    results, _ = await one(answer, lambda client: client.results(SELLER, [1]))
    assert results == {}


async def test_nothing_to_ask_spends_no_call() -> None:
    """Empty lists are answered here."""
    fake = FakeTradera([None])
    async with client_of(fake) as client:
        assert await client.results(SELLER, []) == {}
        assert await client.orders(SELLER, []) == []
    assert fake.seen == []


async def test_a_price_is_taken_or_refused_in_words() -> None:
    """A refusal is an answer, whether it comes inside a 200 or as a 400."""
    inside = {"isSuccessful": False, "validationErrors": [{"itemId": 22, "errorMessage": "Item has bids"}]}
    outside = {"error": {"code": "BadRequest", "message": "Item has bids"}}
    for answer, refusal in (
        (reply(200, {"isSuccessful": True, "validationErrors": None}), None),
        (reply(200, inside), "Tradera refused price: Item has bids"),
        (reply(400, outside), "Tradera answered 400 to price: BadRequest: Item has bids"),
    ):
        said, request = await one(
            answer, lambda client: client.set_price(SELLER, 22, opening_kr=40, buy_now_kr=None)
        )
        assert said == refusal
        assert request.line == "PUT /v4/listings/items/22/price"
        assert request.json == {"openingPrice": 40}


@pytest.mark.parametrize(
    ("answer", "ended"),
    [
        (reply(200, data), ended)
        for data, ended in ((b"true", True), (b"false", False), (b"", False), (b'"yes"', False))
    ]
    + [(reply(400, {"error": {"message": "has bids"}}), False), (reply(404), False)],
)
async def test_ending_says_true_only_when_tradera_does(answer: bytes, ended: bool) -> None:  # noqa: FBT001 - a table's column
    """Everything else sends the caller to read the item."""
    said, request = await one(answer, lambda client: client.end(SELLER, 22))
    assert said is ended
    assert request.line == "DELETE /v4/listings/items/22"


async def test_items_and_orders_are_read_by_their_paths() -> None:
    """Own items, changes, orders by id and by period."""
    item, request = await one(reply(200, {"id": 22}), lambda client: client.read_item(SELLER, 22))
    assert (item.tradera_item_id, request.line) == (22, "GET /v4/listings/items/22")
    unknown, _ = await one(reply(404, {"message": "no"}), lambda client: client.read_item(SELLER, 22))
    assert unknown is None
    orders, request = await one(
        reply(200, [{"orderId": 5}]), lambda client: client.orders(SELLER, [55501, 55502])
    )
    assert (orders[0].order_id, request.line) == (5, "GET /v4/orders/55501,55502")
    _, request = await one(reply(200, []), lambda client: client.orders_between(SELLER, END_MS, END_MS + 1))
    assert "queryDateMode=1" in request.line
    assert "fromDate=2026-11-01T12:00:00.000Z" in request.line.replace("%3A", ":")


async def test_the_answer_to_one_order_is_about_it_though_it_has_no_number() -> None:
    """Asked for one, Tradera leaves out its orderId: it is that one. Asked for two, nobody knows which."""
    entry = {"items": [{"itemId": 22, "unitPrice": 950}]}
    orders, _ = await one(reply(200, [entry]), lambda client: client.orders(SELLER, [55501]))
    assert [(order.order_id, order.doubt) for order in orders] == [(55501, None)]
    orders, _ = await one(reply(200, [entry]), lambda client: client.orders(SELLER, [55501, 55502]))
    assert [(order.order_id, order.doubt) for order in orders] == [(0, "it has no orderId")]


async def test_the_smaller_calls_speak_their_paths() -> None:
    """Changes, own items, shipping, the token's owner and the clock."""
    updated, request = await one(
        reply(200, [{"id": 22, "itemType": 1, "rowVersion": 2**60}]),
        lambda client: client.updated_items(SELLER, 5),
    )
    assert (updated.ads, updated.version, updated.incomplete) == ({22}, 2**60, False)
    assert request.line == "GET /v4/listings/updated-seller-items?rowVersion=5"
    items, request = await one(
        reply(200, [{"id": 22}]), lambda client: client.seller_items(SELLER, END_MS, END_MS + 60_000)
    )
    assert items[0].tradera_item_id == 22
    assert request.line.startswith("GET /v4/listings/seller-items?minEndDate=2026-11-01T12")
    _, request = await one(reply(200, {"orderId": 5}), lambda client: client.ship(SELLER, 5))
    assert request.line == "POST /v4/orders/5/ship"
    shipped, request = await one(
        reply(200, [{"item": {"id": 22}, "isMarkedAsShipped": True}]),
        lambda client: client.transactions(SELLER, END_MS, END_MS + 60_000),
    )
    assert [(each.ad, each.is_shipped) for each in shipped] == [(22, True)]
    assert request.line.startswith("GET /v4/listings/seller-transactions?minTransactionDate=2026-11-01T12")
    assert request.line.endswith("&filter=4")
    member, _ = await one(
        reply(200, {"id": 7, "alias": "shop", "email": "x"}), lambda client: client.me(SELLER)
    )
    assert (member.user_id, member.alias) == (7, "shop")
    for answer in (END, {"time": END + "Z"}):
        at, request = await one(reply(200, answer), lambda client: client.clock())
        assert at == END_MS
        assert "x-user-token" not in request.headers


async def test_a_create_without_both_numbers_is_in_doubt() -> None:
    """A 200 is only a success with the two numbers in it, in an answer of a sane size."""
    for body, kind, words in (
        (b"", SaysNothing, "does not say whether"),
        ({"requestId": 11}, SaysNothing, "does not say whether"),
        ({"isSuccessful": False, "validationError": "no"}, Rejected, "Tradera refused create: no"),
        (b" " * 1_100_000, Oversized, "larger than"),
    ):
        error = await failure(reply(200, body), create)
        assert type(error) is kind
        assert words in str(error)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X-Long: " + b"x" * 20_000 + b"\r\n\r\n",
        reply(200, gzip.compress(b"{}", mtime=0), Content_Encoding="gzip"),
        None,
    ],
)
async def test_a_commit_without_a_whole_answer_is_in_doubt_and_sent_once(answer: bytes | None) -> None:
    """Dropped, cut, garbled, compressed or silent: Unanswered, and never a second commit."""
    error = await failure(answer, commit, timeout_s=0.3)
    assert type(error) is Unanswered


async def test_an_answer_that_drips_is_cut_by_the_deadline() -> None:
    """A byte now and then keeps no call alive beyond its whole time."""

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not reader.at_eof():
            writer.write(b" ")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.02):
                    await reader.read(1)

    async with port_of(drip) as port, open_session() as session:
        client = client_at(session, f"http://127.0.0.1:{port}", timeout_s=0.3)
        start = asyncio.get_running_loop().time()
        with pytest.raises(Unanswered, match="no answer in time"):
            await client.commit(SELLER, 11)
        assert asyncio.get_running_loop().time() - start < 2


async def test_no_connection_means_certainly_not_sent() -> None:
    """A refused port and an unknown name are Unreachable, which spends no budget and leaves no doubt."""
    async with port_of(FakeTradera().talk) as port:
        closed = f"http://127.0.0.1:{port}"
    async with open_session() as session:
        for base_url, words in (
            (closed, "connection refused"),
            ("http://nowhere.invalid", "does not resolve"),
        ):
            with pytest.raises(Unreachable, match=words) as caught:
                await client_at(session, base_url).commit(SELLER, 11)
            assert not isinstance(caught.value, Unanswered)


async def test_a_failed_tls_handshake_was_never_sent() -> None:
    """A server that speaks plain HTTP on an https address."""

    async def plain(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(reply(400))
        await writer.drain()

    async with port_of(plain) as port, open_session() as session:
        with pytest.raises(Unreachable, match=r"TLS failed: \w"):
            await client_at(session, f"https://127.0.0.1:{port}").commit(SELLER, 11)


async def test_settings_http_cannot_carry_are_named() -> None:
    """A token with a line end, or an address that is none, is for the owner to mend."""
    fake = FakeTradera([reply(200)])
    async with client_of(fake) as client:
        with pytest.raises(Permanent, match="user_token"):
            await client.commit(Seller(7, "test\ntoken"), 11)
    assert fake.seen == []
    async with open_session() as session:
        with pytest.raises(Permanent, match="base_url"):
            await client_at(session, "http:///").commit(SELLER, 11)


async def test_every_call_has_a_connection_of_its_own() -> None:
    """A kept connection the server has dropped meanwhile can never put a create in doubt."""
    fake = FakeTradera([reply(200, CREATED, Connection="keep-alive")])
    async with client_of(fake) as client:
        assert [await create(client) for _ in range(3)] == [
            CreatedRequest(request_id=11, tradera_item_id=22)
        ] * 3
    assert [request.headers.get("connection") for request in fake.seen] == ["close"] * 3


async def test_a_cancelled_call_is_cancelled_at_once() -> None:
    """Stopping the daemon does not wait for Tradera."""
    fake = FakeTradera([None])
    async with client_of(fake) as client:
        task = asyncio.create_task(client.commit(SELLER, 11))
        async with asyncio.timeout(5):
            while not fake.seen:
                await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
