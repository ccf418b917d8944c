"""The simulated Tradera over HTTP: the publish flow, prices, ending, reading, orders, identity, quota."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rheod.sandbox.contract import Contract
from rheod.sandbox.shop import draw
from rheod.sandbox.tradera import TraderaSimulator
from rheod.sandbox.tradera_access import Keys
from rheod.sandbox.tradera_market import DeclinedError
from tests.sandbox.playing_seller import Clock, Seller, new_body, running

if TYPE_CHECKING:
    from rheod.sandbox.servers import QueueServer


TWO_SELLERS = Keys(sellers={300124: "test-token-a", 300125: "test-token-b"})


def image(data: bytes, number: int = 0) -> dict[str, Any]:
    return {"imageData": base64.b64encode(data).decode(), "imageFormat": number, "hasMega": False}


async def results(seller: Seller, *request_ids: int) -> dict[int, int]:
    status, answer = await seller.call(
        "GET", "/listings/request-results", requestIds=[str(number) for number in request_ids]
    )
    assert status == 200
    return {entry["requestId"]: entry["resultCode"] for entry in answer}


class Postbox:
    """A push queue that keeps what it is sent."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    async def send(self, body: str | dict[str, Any], n: int = 1) -> None:
        self.sent += [body] * n


async def test_publish_step_by_step(seller: Seller, clock: Clock) -> None:
    """Uncommitted, waiting, done: nothing is visible before the queue's delay has passed."""
    request_id, item_id = await seller.create()
    picture = draw("cup", 32, 32)
    assert await seller.call("POST", f"/listings/items/{request_id}/images", image(picture)) == (200, None)
    assert await results(seller, request_id, 1) == {request_id: 256}
    assert await seller.call("POST", f"/listings/items/{request_id}/commit") == (200, None)
    assert await results(seller, request_id) == {request_id: 128}
    assert (await seller.call("GET", f"/listings/items/{item_id}"))[0] == 404
    assert seller.simulator.live_items() == []
    clock.forward(1.0)
    assert await results(seller, request_id) == {request_id: 1}
    status, item = await seller.call("GET", f"/listings/items/{item_id}")
    assert status == 200
    assert item["status"] == {"ended": False, "gotBidders": False, "gotWinner": False}
    assert (item["openingBid"], item["totalBids"], item["ownReferences"]) == (50, 0, ["rheod:42:1"])
    [live] = seller.simulator.live_items("rheod:42:1")
    assert [kept.sha256 for kept in live.images] == [hashlib.sha256(picture).hexdigest()]
    assert [call.operation for call in seller.simulator.calls][:3] == ["create", "image", "results"]
    assert all(call.own_reference == "rheod:42:1" for call in seller.simulator.calls[:2])


@pytest.mark.parametrize(("by_clock", "hours"), [(False, 168), (True, 169)])
async def test_days_end_after_24_hours_each_or_by_swedish_clocks(
    seller: Seller, clock: Clock, *, by_clock: bool, hours: int
) -> None:
    """Which of the two Tradera does is not known; over the night in which the clocks go back they differ by an hour."""
    seller.simulator.market.ends_by_clock = by_clock
    clock.forward((datetime(2027, 10, 28, 12, tzinfo=UTC).timestamp() * 1000 - clock()) / 1000)
    item_id = await seller.publish(clock)
    shown = (await seller.call("GET", f"/listings/items/{item_id}"))[1]
    took = datetime.fromisoformat(shown["endDate"]) - datetime.fromisoformat(shown["startDate"])
    assert took == timedelta(hours=hours)


async def test_second_commit_is_counted_and_makes_nothing(seller: Seller, clock: Clock) -> None:
    """A repeated commit answers 200, makes no second listing, and is seen."""
    request_id, _ = await seller.create()
    for _ in range(2):
        assert (await seller.call("POST", f"/listings/items/{request_id}/commit"))[0] == 200
    clock.forward(1.0)
    assert len(seller.simulator.live_items()) == 1
    assert seller.simulator.second_commits == 1
    assert seller.simulator.creates("rheod:42:1") == 1


async def test_pictures_only_before_commit_and_at_most_12(seller: Seller) -> None:
    """The thirteenth picture and one after the commit are refused; text that is no base64 too."""
    request_id, _ = await seller.create()
    path = f"/listings/items/{request_id}/images"
    broken = {"imageData": "not base64!", "imageFormat": 0}
    assert (await seller.call("POST", path, broken))[0] == 400
    for _ in range(12):
        assert (await seller.call("POST", path, image(draw("a", 8, 8))))[0] == 200
    assert (await seller.call("POST", path, image(draw("a", 8, 8))))[0] == 400
    other, _ = await seller.create()
    await seller.call("POST", f"/listings/items/{other}/commit")
    assert (await seller.call("POST", f"/listings/items/{other}/images", image(draw("a", 8, 8))))[0] == 400


async def test_bad_picture_shows_as_result_2(seller: Seller, clock: Clock) -> None:
    """A picture that is none is taken at first and fails the request later."""
    request_id, item_id = await seller.create()
    path = f"/listings/items/{request_id}/images"
    assert (await seller.call("POST", path, image(b"<html>")))[0] == 200
    await seller.call("POST", f"/listings/items/{request_id}/commit")
    clock.forward(1.0)
    assert await results(seller, request_id) == {request_id: 2}
    assert (await seller.call("GET", f"/items/{item_id}"))[0] == 404


async def test_price_changes_until_there_are_bids(seller: Seller, clock: Clock) -> None:
    """A new opening price holds at once; with bids the answer is 200 with isSuccessful false."""
    item_id = await seller.publish(clock)
    path = f"/listings/items/{item_id}/price"
    status, answer = await seller.call("PUT", path, {"openingPrice": 40, "binPrice": 120})
    assert (status, answer["isSuccessful"]) == (200, True)
    assert (await seller.call("GET", f"/items/{item_id}"))[1]["openingBid"] == 40
    seller.simulator.bid(item_id, 45)
    status, answer = await seller.call("PUT", path, {"openingPrice": 30})
    assert (status, answer["isSuccessful"]) == (200, False)
    assert answer["validationErrors"][0]["itemId"] == item_id
    assert (await seller.call("GET", f"/items/{item_id}"))[1]["openingBid"] == 40


async def test_fixed_price_takes_bin_price_only(seller: Seller, clock: Clock) -> None:
    """A fixed price listing is repriced by binPrice and refuses openingPrice."""
    item_id = await seller.publish(clock, itemType=3, startPrice=None, buyItNowPrice=100)
    path = f"/listings/items/{item_id}/price"
    assert (await seller.call("PUT", path, {"openingPrice": 40}))[1]["isSuccessful"] is False
    assert (await seller.call("PUT", path, {"binPrice": 90}))[1]["isSuccessful"] is True
    item = (await seller.call("GET", f"/items/{item_id}"))[1]
    assert (item["buyItNowPrice"], item["duration"]) == (90, 7)


async def test_end_once_and_not_with_bids(seller: Seller, clock: Clock) -> None:
    """DELETE answers true, then 400; with bids 400; of an unknown item 404; our own ending is pushed."""
    seller.simulator.queue = postbox = Postbox()
    item_id = await seller.publish(clock)
    path = f"/listings/items/{item_id}"
    assert await seller.call("DELETE", path) == (200, True)
    assert (await seller.call("DELETE", path))[0] == 400
    assert (await seller.call("GET", path))[1]["status"]["ended"] is True
    other = await seller.publish(clock)
    seller.simulator.bid(other)
    assert (await seller.call("DELETE", f"/listings/items/{other}"))[0] == 400
    assert (await seller.call("DELETE", "/listings/items/5"))[0] == 404
    assert [message["Reason"] for message in postbox.sent] == ["ItemClosedBySeller"]


async def test_sale_makes_an_order_and_a_message(seller: Seller, clock: Clock) -> None:
    """A sale ends the auction with a winner, and the order and the push message are as documented."""
    seller.simulator.queue = postbox = Postbox()
    item_id = await seller.publish(clock)
    order_id = await seller.simulator.sell(item_id, 250)
    assert postbox.sent == [
        {
            "Type": "OrderCreated",
            "OrderId": order_id,
            "SellerMemberId": 300124,
            "CreatedDate": "2026-11-18T11:06:41.0000000Z",
            "ItemIds": [item_id],
        }
    ]
    status, [order] = await seller.call("GET", f"/orders/{order_id},1")
    assert status == 200
    assert (order["subTotal"], order["items"][0]["unitPrice"]) == (250, 250)
    assert order["items"][0]["ownReferences"] == ["rheod:42:1"]
    assert order["buyer"]["email"].endswith("@example.com")
    item = (await seller.call("GET", f"/items/{item_id}"))[1]
    assert item["status"] == {"ended": True, "gotBidders": True, "gotWinner": True}
    assert (item["maxBid"], item["remainingQuantity"]) == (250, 0)
    with pytest.raises(DeclinedError):
        await seller.simulator.sell(item_id)


async def test_orders_by_created_and_by_update(seller: Seller, clock: Clock) -> None:
    """QueryDateMode 0 goes by creation, 1 by the last update, which a payment moves."""
    order_id = await seller.simulator.sell(await seller.publish(clock))
    clock.forward(3600)
    seller.simulator.pay(order_id)
    late = {"fromDate": "2026-11-18T11:30:00Z", "toDate": "2026-11-19T00:00:00Z"}
    assert (await seller.call("GET", "/orders", **late, queryDateMode="0"))[1] == []
    [order] = (await seller.call("GET", "/orders", **late, queryDateMode="1"))[1]
    assert order["sellerOrderPayments"][0]["amount"] == 50 + 66


async def test_ship_shows_in_the_transaction(seller: Seller, clock: Clock) -> None:
    """Marking an order shipped answers its id and shows in its transaction, as transaction-status does."""
    order_id = await seller.simulator.sell(await seller.publish(clock))
    assert await seller.call("POST", f"/orders/{order_id}/ship") == (200, {"orderId": order_id})
    [transaction] = (await seller.call("GET", "/listings/seller-transactions", filter="4"))[1]
    assert transaction["isMarkedAsShipped"] is True
    mark = {"transactionId": transaction["id"], "markAsPaidConfirmed": True}
    status, marked = await seller.call("PUT", "/listings/transaction-status", mark)
    assert (status, marked["isMarkedAsPaidConfirmed"], marked["item"]) == (200, True, None)
    assert (await seller.call("POST", "/orders/1/ship"))[0] == 404


async def test_closings_are_pushed_with_their_reason(seller: Seller, clock: Clock) -> None:
    """A closing by Tradera and an unsold end push ItemClosed with Tradera's reasons."""
    seller.simulator.queue = postbox = Postbox()
    first, second = await seller.publish(clock), await seller.publish(clock)
    await seller.simulator.close(first)
    await seller.simulator.end_unsold(second)
    assert postbox.sent == [
        {
            "Type": "ItemClosed",
            "ItemId": first,
            "SellerMemberId": 300124,
            "Reason": "ItemClosedByTradera",
        },
        {
            "Type": "ItemClosed",
            "ItemId": second,
            "SellerMemberId": 300124,
            "Reason": "ItemEndedWithoutBuyer",
        },
    ]


async def test_seller_items_and_their_filters(seller: Seller, clock: Clock) -> None:
    """The own list is filtered by activity, type, category and end date; nothing uncommitted is in it."""
    active = await seller.publish(clock)
    ended = await seller.publish(clock, categoryId=344481)
    fixed = await seller.publish(clock, itemType=3, buyItNowPrice=9)
    await seller.create()
    await seller.call("DELETE", f"/listings/items/{ended}")

    async def ids(**query: str) -> set[int]:
        return {item["id"] for item in (await seller.call("GET", "/listings/seller-items", **query))[1]}

    assert await ids() == {active, ended, fixed}
    assert await ids(filterActive="1") == {active, fixed}
    assert await ids(filterActive="2") == {ended}
    assert await ids(filterItemType="2") == {fixed}
    assert await ids(categoryId="344481") == set()
    assert await ids(filterActive="2", minEndDate="2026-11-19T00:00:00Z") == {active, fixed}


async def test_updated_items_follow_the_row_version(seller: Seller, clock: Clock) -> None:
    """Every change gives a listing a higher row version, and the feed gives those above the cursor."""
    first, second = await seller.publish(clock), await seller.publish(clock)
    feed = (await seller.call("GET", "/listings/updated-seller-items"))[1]
    assert [entry["id"] for entry in feed] == [first, second]
    seller.simulator.bid(first)
    newer = (
        await seller.call("GET", "/listings/updated-seller-items", rowVersion=str(feed[-1]["rowVersion"]))
    )[1]
    assert [entry["id"] for entry in newer] == [first]


async def test_who_must_be_identified(seller: Seller, clock: Clock) -> None:
    """Wrong application: 401 everywhere; wrong user: 401 on the seller's calls only."""
    item_id = await seller.publish(clock)
    seller.headers["X-User-Token"] = "wrong"
    status, answer = await seller.call("GET", f"/listings/items/{item_id}")
    assert (status, answer["error"]["code"]) == (401, "Unauthorized")
    assert (await seller.call("GET", f"/items/{item_id}"))[0] == 200
    assert (await seller.call("GET", "/categories"))[0] == 200
    seller.headers["X-App-Key"] = "wrong"
    assert (await seller.call("GET", "/categories"))[0] == 401


async def test_sellers_see_only_their_own(clock: Clock) -> None:
    """Another seller's listing, request and order are not there."""
    simulator = TraderaSimulator(now=clock, rng=random.Random(2), keys=TWO_SELLERS)
    async with running(simulator) as seller:
        request_id, item_id = await seller.create(autoCommit=True)
        clock.forward(1.0)
        order_id = await simulator.sell(item_id)
        seller.headers |= {"X-User-Id": "300125", "X-User-Token": "test-token-b"}
        assert (await seller.call("GET", f"/listings/items/{item_id}"))[0] == 404
        assert await results(seller, request_id) == {}
        assert (await seller.call("GET", f"/orders/{order_id}"))[0] == 404
        assert (await seller.call("POST", f"/listings/items/{request_id}/commit"))[0] == 404


async def test_contract_is_enforced(seller: Seller) -> None:
    """A body outside the contract is a 400 with the sentence; a wrong content type a 415."""
    status, answer = await seller.call("POST", "/listings/items", new_body(color="red"))
    assert (status, answer["error"]["code"]) == (400, "BadRequest")
    assert answer["error"]["message"] == "body: unknown field color"
    url = seller.simulator.base_url + "/listings/items"
    headers = seller.headers | {"Content-Type": "text/plain"}
    async with seller.session.post(url, data=b"{}", headers=headers) as response:
        assert response.status == 415


async def test_daily_calls_are_a_rolling_limit(clock: Clock) -> None:
    """The call above the limit gets 429 until the oldest is 24 h old; refused calls do not count."""
    async with running(TraderaSimulator(now=clock, rng=random.Random(3), daily_calls=2)) as seller:
        assert (await seller.call("GET", "/users/me"))[0] == 200
        clock.forward(3600)
        assert (await seller.call("GET", "/users/me"))[0] == 200
        assert (await seller.call("GET", "/users/me"))[0] == 429
        clock.forward(23 * 3600)
        assert (await seller.call("GET", "/users/me"))[0] == 200
        assert (await seller.call("GET", "/users/me"))[0] == 429
        assert [call.status for call in seller.simulator.calls] == [200, 200, 429, 200, 429]


async def test_token_is_fetched_once_per_login(seller: Seller) -> None:
    """The token of a user who signed in is handed out once per secret key; me and by-alias name the same user."""
    ask = {"userId": 300124, "secretKey": "5d0e3c1e-9a50-4c0d-9f67-1b7f7a2e8c11"}
    assert (await seller.call("POST", "/auth/token", ask))[0] == 400
    seller.simulator.login.logins[str(ask["secretKey"])] = 300124
    status, token = await seller.call("POST", "/auth/token", ask)
    assert (status, token["authToken"]) == (200, "test-user-token")
    assert (await seller.call("POST", "/auth/token", ask))[0] == 400
    alias = (await seller.call("GET", "/users/me"))[1]["alias"]
    assert (await seller.call("GET", f"/users/by-alias/{alias}"))[1]["id"] == 300124
    assert (await seller.call("GET", "/reference-data/time"))[1] == "2026-11-18T11:06:40.000Z"


async def test_answers_keep_to_the_contract(seller: Seller, clock: Clock) -> None:
    """The simulator's own answers have no field that Tradera's document does not know."""
    contract = Contract()
    order_id = await seller.simulator.sell(await seller.publish(clock))
    known = contract._document["components"]["schemas"]  # noqa: SLF001 - the document is the measure here
    [item] = (await seller.call("GET", "/listings/seller-items"))[1]
    [order] = (await seller.call("GET", f"/orders/{order_id}"))[1]
    [transaction] = (await seller.call("GET", "/listings/seller-transactions"))[1]
    assert set(item) <= set(known["Item"]["properties"])
    assert set(order) <= set(known["SellerOrder"]["properties"])
    assert set(order["buyer"]) <= set(known["SellerOrderUser"]["properties"])
    assert set(order["items"][0]) <= set(known["SellerOrderItem"]["properties"])
    assert set(transaction) <= set(known["Transaction"]["properties"])


async def test_item_page_is_readable_and_safe(seller: Seller, clock: Clock) -> None:
    """The public page shows title, state and picture; the ad's HTML is only shown within a scriptless frame."""
    request_id, item_id = await seller.create(
        title="Kopp <b>", description="<script>alert(1)</script>", ownReferences=None
    )
    await seller.call("POST", f"/listings/items/{request_id}/images", image(draw("a", 8, 8)))
    await seller.call("POST", f"/listings/items/{request_id}/commit")
    url = f"{seller.simulator.site_url}/item/{item_id}"
    async with seller.session.get(url) as response:
        assert response.status == 404
    clock.forward(1.0)
    async with seller.session.get(url) as response:
        page = await response.text()
    assert "Kopp &lt;b&gt;" in page
    assert "Running" in page
    assert "<script>" not in page
    async with seller.session.get(url + "/pictures/0") as response:
        assert await response.read() == draw("a", 8, 8)


async def test_unknown_path_is_counted(seller: Seller) -> None:
    """A call that the simulator does not have is a 404 and is counted as unknown."""
    assert (await seller.call("GET", "/search"))[0] == 404
    assert seller.simulator.calls_by_operation() == {"unknown": 1}


async def test_listing_by_hand_sells_like_any_other(seller: Seller) -> None:
    """A listing made outside rheod is live at once and may be in an order with others."""
    first = seller.simulator.list_by_hand(seller_id=300124, title="Egen annons")
    second = seller.simulator.list_by_hand(seller_id=300124, title="En till")
    order_id = await seller.simulator.sell(first, also=[second])
    assert [sale.listing.item_id for sale in seller.simulator.orders[order_id].sales] == [first, second]


async def test_several_hundred_calls_a_second(seller: Seller) -> None:
    """Five hundred creates, 20 at a time, are answered; their number per second is left to the benchmark."""
    at_once = asyncio.Semaphore(20)

    async def one(number: int) -> None:
        async with at_once:
            await seller.create(ownReferences=[f"rheod:{number}:1"])

    async with asyncio.TaskGroup() as group:
        for number in range(500):
            group.create_task(one(number))
    assert seller.simulator.calls_by_operation() == {"create": 500}


async def test_message_reaches_sqs(seller: Seller, clock: Clock, queue_server: QueueServer) -> None:
    """With a real queue attached a sale's message can be received from it."""
    seller.simulator.queue = queue = await queue_server.open_queue("from-the-simulator")
    await seller.simulator.sell(await seller.publish(clock))
    assert (await queue.count()).visible == 1
