"""The simulator's control calls, as another process uses them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.sandbox.playing_seller import Clock, Seller


async def control(seller: Seller, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    url = f"{seller.simulator.site_url}/sandbox{path}"
    async with seller.session.request(method, url, json=body) as response:
        return response.status, await response.json()


async def test_bid_and_sell_show_in_the_state(seller: Seller, clock: Clock) -> None:
    """A bid and a sale over HTTP, and the state with calls, live items, creates and orders."""
    item_id = await seller.publish(clock)
    status, state = await control(seller, "GET", "/state")
    assert (status, state["live_items"]) == (200, {"rheod:42:1": [item_id]})
    assert state["calls"] == {"create": 1, "commit": 1}
    assert (state["creates"], state["second_commits"]) == ({"rheod:42:1": 1}, 0)
    assert (await control(seller, "POST", f"/items/{item_id}/bid", {"amount": 70}))[0] == 200
    status, sold = await control(seller, "POST", f"/items/{item_id}/sell")
    state = (await control(seller, "GET", "/state"))[1]
    assert state["live_items"] == {}
    assert [(order["orderId"], order["subTotal"]) for order in state["orders"]] == [(sold["orderId"], 70)]


async def test_close_and_refusals_in_sentences(seller: Seller, clock: Clock) -> None:
    """Closing works once; a second time, an unknown item and a wrong field are refused with a sentence."""
    item_id = await seller.publish(clock)
    reason = {"reason": "ItemClosedBySeller"}
    assert (await control(seller, "POST", f"/items/{item_id}/close", reason))[0] == 200
    status, answer = await control(seller, "POST", f"/items/{item_id}/close", reason)
    assert (status, answer["error"]["message"]) == (400, "The item is not active")
    assert (await control(seller, "POST", "/items/5/sell"))[0] == 404
    assert (await control(seller, "POST", f"/items/{item_id}/sell", {"prise": 1}))[0] == 400


async def test_faults_come_and_go(seller: Seller) -> None:
    """Faults are planned and cleared over HTTP; an unknown name or field is a 400."""
    plan = {"operation": "me", "name": "500", "times": None}
    assert (await control(seller, "POST", "/faults", plan))[0] == 200
    assert (await seller.call("GET", "/users/me"))[0] == 500
    assert (await control(seller, "DELETE", "/faults"))[0] == 200
    assert (await seller.call("GET", "/users/me"))[0] == 200
    assert (await control(seller, "POST", "/faults", {"operation": "me", "name": "no"}))[0] == 400
    assert (await control(seller, "POST", "/faults", plan | {"often": 2}))[0] == 400


async def test_settings_hold_at_once(seller: Seller) -> None:
    """The queue's delay and the daily limit can be changed while it runs."""
    wanted = {"processing_delay_s": 0, "daily_calls": 2}
    assert (await control(seller, "POST", "/settings", wanted))[0] == 200
    await seller.create(autoCommit=True)
    assert len(seller.simulator.live_items()) == 1
    assert (await seller.call("GET", "/users/me"))[0] == 200
    assert (await seller.call("GET", "/users/me"))[0] == 429
