"""What a refused account means: it rests, one item is told of in Tradera's words, and it is asked again soon, then rarer."""

from __future__ import annotations

import json
from typing import Any

from structlog.testing import capture_logs

from rheod.domain.model import CallClass, JobKind, JobOrder, ListingState, QueueName, TraderaStatus
from rheod.jobs.picks import ByUrgency
from tests.desk import ASKS_AFTER_S, Desk, calls_so_far
from tests.stores import rows
from tests.tradera.test_order_sync import live, order_created, push
from tests.waiting import until

RESTRICTED = json.dumps({"error": {"code": "Forbidden", "message": "Account is restricted"}})
OF_USERS = ("create", "image", "commit", "results", "end", "orders_by_id", "orders", "seller_items", "me")


def restrict(desk: Desk, *operations: str) -> None:
    """Every call of the user is refused with Tradera's sentence; those of the application go on."""
    for operation in operations or OF_USERS:
        desk.simulator.fault(operation, "says", code=403, message=RESTRICTED, times=None)


def kill_token(desk: Desk) -> None:
    """Every call of the user is refused with 401."""
    for operation in OF_USERS:
        desk.simulator.fault(operation, "401", times=None)


async def refused(desk: Desk, external_id: str = "A") -> None:
    """An item meets the refusal."""
    await desk.put(external_id, pictures=0)
    await calls_so_far(desk, "me", 1)


async def test_a_refused_token_pauses_the_account_after_one_check(desk: Desk) -> None:
    """One look at the application and one at users/me, one message, no storm: ten items wait, one is told of.

    No more items are sent than are in work at the same time.
    """
    kill_token(desk)
    with capture_logs() as logs:
        for number in range(10):
            await desk.put(f"I{number}", pictures=0)
        await calls_so_far(desk, "me", 1)
        desk.forward(14)
        await desk.idle()
    called = desk.called()
    assert called.pop("create") <= ByUrgency.most_publishings
    assert called == {"time": 1, "me": 1}
    (line,) = [line for line in logs if line["log_level"] == "error"]
    assert "log in again" in line["reason"]
    assert "User is not authorized" in line["reason"]
    assert "test-user-token" not in str(logs)
    (failed,) = await desk.told("listing.failed")
    assert failed["error"] == line["reason"]


async def test_a_refused_application_is_told_from_a_refused_token(desk: Desk) -> None:
    """Tradera refuses even what needs no user: nobody is asked to log in again."""
    desk.simulator.fault("*", "401", times=None)
    await desk.put(pictures=0)
    await calls_so_far(desk, "time", 1)
    assert desk.called() == {"create": 1, "time": 1}
    (failed,) = await desk.told("listing.failed")
    assert "tradera.app_key" in failed["error"]
    assert "log in" not in failed["error"]


async def test_an_account_that_is_restricted_for_seconds_is_asked_again_soon(desk: Desk) -> None:
    """Ten seconds of 403, a sale pushed meanwhile: told in Tradera's words, the sale within a minute, then the item."""
    ad = await live(desk, "SOLD")
    restrict(desk)
    await refused(desk)
    order_id = await desk.simulator.sell(ad, 950, push=False)
    await push(desk, order_created(order_id, ad))
    await calls_so_far(desk, "me", 2)
    assert "Account is restricted" in ((await desk.item()).last_error or "")
    assert "log in" not in ((await desk.item()).last_error or "")
    desk.forward(10)
    desk.simulator.clear_faults()
    desk.forward(5)
    await desk.reach(ListingState.SOLD, "SOLD")
    await desk.reach(ListingState.COMMITTED)
    assert await rows(desk.database, "SELECT * FROM pauses") == []


async def test_a_refused_publish_never_keeps_a_sale_unread(desk: Desk) -> None:
    """The account may read and not write: its orders are looked up while publishing rests."""
    ad = await live(desk, "SOLD")
    restrict(desk, "create", "me")
    await refused(desk)
    order_id = await desk.simulator.sell(ad, 950, push=False)
    await push(desk, order_created(order_id, ad))
    await desk.reach(ListingState.SOLD, "SOLD")
    assert desk.called()["create"] == 2
    assert desk.ledger.pause(desk.account_id, CallClass.ORDERS) is None
    assert desk.ledger.pause(desk.account_id, None) is not None


async def test_refused_look_ups_of_orders_keep_nothing_else(desk: Desk) -> None:
    """The other way round: publishing goes on while orders rest."""
    ad = await live(desk, "SOLD")
    restrict(desk, "orders_by_id", "me")
    order_id = await desk.simulator.sell(ad, 950, push=False)
    await push(desk, order_created(order_id, ad))
    await calls_so_far(desk, "me", 1)
    await desk.put(pictures=0)
    await desk.reach(ListingState.COMMITTED)
    assert desk.called()["orders_by_id"] == 1


async def test_the_probes_grow_from_seconds_to_an_hour_and_cost_two_cheap_calls(desk: Desk) -> None:
    """15 s after the refusal, then after as long as it has lasted; no item is sent in vain."""
    kill_token(desk)
    await refused(desk)
    probes = 1
    for wait_s in (15, 15, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600):
        desk.forward(wait_s - 1)
        await desk.idle()
        assert desk.called() == {"create": 1, "time": probes, "me": probes}
        desk.forward(1)
        probes += 1
        await calls_so_far(desk, "me", probes)
    assert len(await desk.told("listing.failed")) == 1
    desk.simulator.clear_faults()
    desk.forward(3600)
    await desk.reach(ListingState.COMMITTED)
    assert desk.called()["create"] == 2


async def long_refused(desk: Desk) -> int:
    """The account has been refused for hours, and is not any more; how many probes that took."""
    kill_token(desk)
    await refused(desk)
    for probes in range(2, 12):
        desk.forward(3600)
        await calls_so_far(desk, "me", probes)
    desk.simulator.clear_faults()
    desk.forward(60)
    await desk.idle()
    assert desk.called()["me"] == 11
    return 11


async def test_a_restart_asks_at_once(desk: Desk) -> None:
    """With the same token."""
    await long_refused(desk)
    await desk.restart()
    await desk.reach(ListingState.COMMITTED)


async def test_the_owners_order_to_publish_asks_at_once(desk: Desk) -> None:
    """`rheod items retry`, `publish` and the page's button are one use case; the other items go on with it."""
    await long_refused(desk)
    await desk.put("B", pictures=0)
    await desk.idle()
    assert desk.called()["create"] == 1
    await desk.items.order_publish(desk.account_id, "A")
    await desk.reach(ListingState.COMMITTED)
    await desk.reach(ListingState.COMMITTED, "B")


async def test_an_order_to_publish_that_is_refused_again_spends_two_cheap_calls(desk: Desk) -> None:
    """The owner asks in vain: nothing is sent, and the wait goes on."""
    kill_token(desk)
    await refused(desk)
    await desk.items.order_publish(desk.account_id, "A")
    await calls_so_far(desk, "me", 2)
    assert desk.called() == {"create": 1, "time": 2, "me": 2}


async def doctor(desk: Desk) -> dict[str, Any]:
    """What `rheod doctor --online` finds, by code."""
    report: Any = await desk.rheod.handlers.doctor().report(online=True)
    return {one["code"]: one for one in report["findings"]}


async def test_doctor_online_asks_at_once(desk: Desk) -> None:
    """It finds that Tradera takes the account again, and with that everything goes on."""
    await long_refused(desk)
    assert "token.dead" not in await doctor(desk)
    await desk.reach(ListingState.COMMITTED)


async def test_doctor_online_tells_a_refusal_in_traderas_words(desk: Desk) -> None:
    """What it has found is known to the daemon from then on, for orders too."""
    restrict(desk)
    found = (await doctor(desk))["token.dead"]
    assert "Account is restricted" in found["text"]
    assert "again: `rheod tradera connect`" not in found["text"] + found["fix"]
    assert "ign in" not in found["text"] + found["fix"]
    await desk.put(pictures=0)
    await desk.order(JobOrder(queue=QueueName.TRADERA, kind=JobKind.ORDERS, subject=desk.account_id))
    await desk.idle()
    assert desk.called() == {"time": 1, "me": 1}


async def test_an_item_refused_for_the_token_stays_pending_and_goes_live_by_itself(desk: Desk) -> None:
    """Told once however often the dead token is tried; with another one the same listing goes up."""
    await desk.restart(token="test-old-token")
    await desk.put(pictures=0)
    for tries in (1, 2):
        await calls_so_far(desk, "me", tries)
        item = await desk.item()
        assert item.tradera_status is TraderaStatus.PENDING_SYNC
        assert "log in again" in (item.last_error or "")
        desk.forward(3600)
    await calls_so_far(desk, "me", 3)
    await desk.restart(token="test-user-token")
    await desk.reach(ListingState.COMMITTED)
    desk.forward(ASKS_AFTER_S)
    assert (await desk.reach(ListingState.LIVE)).generation == 1
    assert (await desk.item()).last_error is None
    assert len(await desk.told("listing.failed")) == len(await desk.told("listing.created")) == 1
    assert await rows(desk.database, "SELECT * FROM pauses") == []


async def test_a_token_that_dies_again_is_told_again(desk: Desk) -> None:
    """Another time without a token is another message for the items it holds up; one that holds nothing up is none."""
    desk.simulator.fault("create", "401")
    desk.simulator.fault("me", "401")
    await refused(desk)
    desk.simulator.fault("commit", "401")
    desk.simulator.fault("me", "401", skip=1)
    desk.forward(15)
    await calls_so_far(desk, "me", 3)
    assert len(await desk.told("listing.failed")) == 2
    desk.forward(15)
    await desk.reach(ListingState.COMMITTED)


async def test_an_item_that_waits_for_the_token_says_so(desk: Desk) -> None:
    """No place in the queue: the reason in Tradera's words, since when, and when it is asked again."""
    restrict(desk)
    await refused(desk)
    await desk.put("B", pictures=0)
    view = await desk.items.read_item(desk.account_id, "B")
    assert view.queue is None
    assert "Account is restricted" in (view.waits_for or "")
    assert (view.waits_since, view.next_try) == (desk.clock(), desk.clock() + 15_000)


async def test_a_pause_for_the_token_holds_every_class_but_orders(desk: Desk) -> None:
    """Nobody may write for this seller: ending and prices wait too."""
    await desk.publish(pictures=0)
    kill_token(desk)
    await refused(desk, "B")
    before = desk.called()
    await desk.items.change_price(desk.account_id, "A", 30_000)
    await desk.items.change_status(desk.account_id, "A", "not_listed")
    await desk.idle()
    assert desk.called() == before


async def test_a_check_that_meets_429_is_not_repeated_at_once(desk: Desk) -> None:
    """The token is in doubt and its look is refused for a minute: the call that asked for it waits too."""
    desk.simulator.fault("create", "401")
    desk.simulator.fault("me", "429")
    await refused(desk)
    desk.forward(59)
    await desk.idle()
    assert desk.called() == {"create": 1, "time": 1, "me": 1}
    desk.forward(1)
    await desk.reach(ListingState.COMMITTED)


async def test_a_call_this_seller_may_not_make_fails_the_item_alone(desk: Desk) -> None:
    """403 on create with a token that works otherwise: the item fails with a reason, the account goes on."""
    desk.simulator.fault("create", "403")
    await desk.put(pictures=0)
    await desk.reach(ListingState.REJECTED)
    (failed,) = await desk.told("listing.failed")
    assert "does not allow this account to create" in failed["error"]
    await desk.publish("B", pictures=0)


async def test_a_refusal_that_holds_nothing_up_is_found_to_be_over(desk: Desk) -> None:
    """The refused item is taken back: the next order that is read asks about the rest too, and doctor is quiet."""
    ad = await live(desk, "SOLD")
    restrict(desk, "create", "me")
    await refused(desk)
    await desk.items.delete_item(desk.account_id, "A")
    desk.simulator.clear_faults()
    desk.forward(20)
    await desk.idle()
    assert desk.ledger.pauses() != []
    order_id = await desk.simulator.sell(ad, 950, push=False)
    await push(desk, order_created(order_id, ad))
    await desk.reach(ListingState.SOLD, "SOLD")
    await until(lambda: not desk.ledger.pauses())
