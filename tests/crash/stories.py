"""The stories the sweep plays: between them every crash point is passed. Each is the same whatever is killed in it."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from rheod.domain.model import JobKind
from rheod.sandbox.shop import CUT
from tests.crash.erp import Erp
from tests.crash.held import children, resident_bytes

_LARGE_SIDE = 6000
_AT_WORK_BYTES = 64 * 2**20
"""An idle decoder takes less than half of that, the large picture more than twice as much."""
WENT_LIVE = Counter({"item.created": 1, "item.images_ready": 1, "listing.created": 1})


_AT_THE_START = Counter({"categories": 1, "shipping": 1})
_FIRST_OF_A_LEAF = Counter({"definitions": 1})


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A story, with the milestones every item must have in the end and how often each Tradera call may be made.

    `returns` is how often an item comes back: so many ads more than one are made of it, one after the other.
    """

    play: Callable[[Erp, str], Awaitable[None]]
    events: dict[str, Counter[str]]
    calls: Counter[str]
    returns: int = 0


async def _day(erp: Erp, crash_at: str) -> None:
    """Items come, are published, repriced, refused, delisted, deleted, sold and end unsold, all on one day."""
    erp.shop.answer_with([500, CUT])
    async with erp.daemon_running(crash_at):
        async with asyncio.TaskGroup() as group:
            for act in (_sold, _delisted, _deleted, _unsold, _changed):
                group.create_task(act(erp))
        await erp.settled()
        await _promises_hold(erp)


async def _sold(erp: Erp) -> None:
    """Published, sent again, repriced, not delisted because of a bid, sold by push, paid outside, shipped."""
    await erp.put("sold", pictures=2)
    await erp.put("sold", pictures=2)
    ad = erp.tradera.market.listings[await erp.live("sold")]
    await erp.patch("sold", price=700)
    await erp.until("the new price at Tradera", lambda: ad.opening == 700)
    erp.tradera.bid(ad.item_id)
    await erp.patch("sold", status="not_listed")
    await erp.event("sold", "listing.failed")
    order_id = await erp.tradera.sell(ad.item_id, 1100)
    await erp.event("sold", "item.sold")
    await erp.say(order_id, "pay")
    await erp.until("the payment at Tradera", lambda: erp.has_confirmed(order_id))
    await erp.track(order_id)
    await erp.until("the parcel at Tradera", lambda: erp.has_shipped(order_id))
    await erp.say(order_id, "done")


async def _delisted(erp: Erp) -> None:
    await erp.put("delisted", pictures=1)
    await erp.live("delisted")
    await erp.patch("delisted", status="not_listed")
    await erp.shows("delisted", rheoStatus="not_listed", traderaStatus="ended")


async def _deleted(erp: Erp) -> None:
    await erp.put("deleted", pictures=1)
    await erp.live("deleted")
    await erp.delete("deleted")

    async def gone() -> bool:
        return await erp.shown("deleted") is None

    await erp.until("the end of the deleted item", gone)


async def _unsold(erp: Erp) -> None:
    await erp.put("unsold", pictures=1)
    await erp.tradera.end_unsold(await erp.live("unsold"))
    await erp.event("unsold", "listing.ended")


async def _changed(erp: Erp) -> None:
    """A draft that gets another title and one more picture."""
    await erp.put("changed", pictures=1, autoPublishTradera=False)
    await erp.event("changed", "item.images_ready")
    await erp.put("changed", pictures=2, autoPublishTradera=False, title="Dörr vänster fram")


async def _back(erp: Erp, crash_at: str) -> None:
    """While the daemon was down, one ad was sold and shipped and one ended, and no message told of it."""
    async with erp.daemon_running(None):
        await erp.put("sold", pictures=1)
        await erp.put("unsold", pictures=1)
        sold, unsold = await erp.live("sold"), await erp.live("unsold")
        await erp.settled()
    order_id = await erp.tradera.sell(sold, 1100, push=False)
    erp.tradera.ship(order_id)
    erp.tradera.fault("ship", "400")
    await erp.tradera.end_unsold(unsold, push=False)
    async with erp.daemon_running(crash_at):
        await erp.event("sold", "item.sold")
        await erp.event("unsold", "listing.ended")
        await erp.track(order_id)
        await erp.settled()
        await _promises_hold(erp)


async def _doubt(erp: Erp, crash_at: str) -> None:
    """An ad that is up was in doubt when the daemon went down: the look for it finds it, and it is delisted."""
    async with erp.daemon_running(None):
        await erp.put("doubted", pictures=1)
        await erp.live("doubted")
        await erp.settled()
    with sqlite3.connect(erp.folder / "rheod.db") as db:
        db.execute(
            "UPDATE listings SET state = 'committed', ask_at = NULL, live_at = NULL, error = 'in doubt'"
        )
        db.execute("UPDATE items SET tradera_status = 'sync_error', last_error = 'in doubt'")
        db.execute(
            "INSERT INTO jobs (lane, kind, subject, account_id, item_id, due_at, rank, created_at)"
            " SELECT 'tradera', 'look', id, account_id, item_id, 0, 4, created_at FROM listings"
        )
    db.close()
    async with erp.daemon_running(crash_at):
        await erp.shows("doubted", traderaStatus="active")
        await erp.patch("doubted", status="not_listed")
        await erp.shows("doubted", rheoStatus="not_listed", traderaStatus="ended")
        await erp.settled()
        await _promises_hold(erp)


async def _settled(erp: Erp, crash_at: str) -> None:
    """A sale whose order cannot be read: the owner says the price, once, however often."""
    async with erp.daemon_running(crash_at):
        await erp.put("settled", pictures=1)
        ad = await erp.live("settled")
        order_id = await erp.tradera.sell(ad, 1100, push=False)
        erp.tradera.lie_about_order(order_id, items=None)
        await erp.queue.post(
            {"Type": "OrderCreated", "OrderId": order_id, "SellerMemberId": erp.seller, "ItemIds": [ad]}
        )
        await erp.settle(order_id, 1100)
        await erp.event("settled", "item.sold")
        await erp.settled()
        await _promises_hold(erp)


async def _returned(erp: Erp, crash_at: str) -> None:
    """An ad ends unsold and comes back once, cheaper, whatever is killed on the way; then it is sold."""
    async with erp.daemon_running(crash_at):
        rule = {"enabled": True, "times": 1, "steps": [0.9], "floorPrice": 500, "waitH": 0}
        await erp.put("back", pictures=1, tradera={"categoryId": 302571, "relist": rule})
        await erp.tradera.end_unsold(await erp.live("back"))
        again = await erp.comes_back("back")
        assert again.opening == 855, f"price: it came back at {again.opening}"
        await erp.tradera.sell(again.item_id)
        await erp.event("back", "item.sold")
        await erp.settled()
        await _promises_hold(erp)


async def _reversed(erp: Erp, crash_at: str) -> None:
    """A sale falls through: the thing is sold again by another ad, whatever is killed on the way."""
    async with erp.daemon_running(crash_at):
        await erp.put("fell", pictures=1, tradera={"categoryId": 302571})
        await erp.tradera.sell(await erp.live("fell"), 1100)
        await erp.event("fell", "item.sold")
        await erp.reverse("fell")
        again = await erp.comes_back("fell")
        assert again.opening == 950, f"price: it came back at {again.opening}"
        await erp.tradera.sell(again.item_id)
        await erp.shows("fell", rheoStatus="sold")
        await erp.settled()
        await _promises_hold(erp)


async def _decoder_killed(erp: Erp, _: str) -> None:
    """The child that unpacks an item's second picture is killed at it: that picture is fetched again, no other."""
    small = erp.shop.picture_url("small", width=400, height=300)
    large = erp.shop.picture_url("large", width=_LARGE_SIDE, height=_LARGE_SIDE, suffix="png")
    async with erp.daemon_running(None):
        await erp.put("torn", pictures=2, imageUrls=[small, large], autoPublishTradera=False)
        await erp.until("a decoder at work", lambda: bool(_at_work(erp)))
        for pid in _at_work(erp):
            os.kill(pid, signal.SIGKILL)
        await erp.event("torn", "item.images_ready")
        other, killed = sorted(
            erp.shop.fetches.values()
        )  # on a busy machine the next decoder may run out of time
        assert other == 1 < killed, f"decoder killed: fetched {dict(erp.shop.fetches)}"
        assert erp.lives + erp.daemon.lives == 1, "decoder killed: the daemon died with its child"
        await erp.settled()
        await _promises_hold(erp)


def _at_work(erp: Erp) -> list[int]:
    """The decoders that hold a large picture in memory."""
    assert erp.daemon.pid is not None
    return [pid for pid in children(erp.daemon.pid) if resident_bytes(pid) > _AT_WORK_BYTES]


async def _promises_hold(erp: Erp) -> None:
    """kept: everything acknowledged is there, under the number that was promised, as it was last sent."""
    for external_id, item_ids in erp.promised.items():
        shown = await erp.shown(external_id)
        if external_id in erp.deleted:
            assert shown is None, f"kept: deleted {external_id} is still shown"
            continue
        assert shown is not None, f"kept: acknowledged {external_id} is gone"
        assert {shown["rheoItemId"]} == item_ids, f"kept: {external_id} was promised as {item_ids}"
        body = erp.bodies[external_id]
        assert shown["title"] == body["title"], f"kept: {external_id} has another title"
        assert shown["price"] == body["price"], f"kept: {external_id} has another price"
        states = [image["state"] for image in shown["images"]]
        assert states == ["ready"] * len(body["imageUrls"]), f"kept: pictures of {external_id} are {states}"


DAY = Story(
    play=_day,
    events={
        "sold": WENT_LIVE
        + Counter({"price.updated": 1, "listing.failed": 1, "item.sold": 1})
        + Counter({"order.created": 1, "order.paid": 1, "order.shipped": 1}),
        "delisted": WENT_LIVE + Counter({"item.unlisted": 1}),
        "deleted": WENT_LIVE + Counter({"item.deleted": 1}),
        "unsold": WENT_LIVE + Counter({"listing.ended": 1}),
        "changed": Counter({"item.created": 1, "item.images_ready": 2, "item.updated": 1}),
    },
    calls=Counter(
        {"create": 4, "image": 5, "commit": 4, "results": 4, "price": 1, "end": 3, "read_item": 1}
        | {"orders_by_id": 1, "ship": 1, "transactions": 1, "transaction_status": 1}
    )
    + _AT_THE_START
    + _FIRST_OF_A_LEAF,
)
BACK = Story(
    play=_back,
    events={
        "sold": WENT_LIVE + Counter({"item.sold": 1, "order.created": 1, "order.shipped": 1}),
        "unsold": WENT_LIVE + Counter({"listing.ended": 1}),
    },
    calls=Counter({"create": 2, "image": 2, "commit": 2, "results": 2, "ship": 1, "transactions": 1})
    + _AT_THE_START
    + _FIRST_OF_A_LEAF,
)
DOUBT = Story(
    play=_doubt,
    events={"doubted": WENT_LIVE + Counter({"item.unlisted": 1})},
    calls=Counter({"create": 1, "image": 1, "commit": 1, "results": 1, "read_item": 1, "end": 1})
    + _AT_THE_START
    + _FIRST_OF_A_LEAF,
)
SETTLED = Story(
    play=_settled,
    events={"settled": WENT_LIVE + Counter({"item.sold": 1, "order.created": 1})},
    calls=Counter({"create": 1, "image": 1, "commit": 1, "results": 1, "orders_by_id": 1})
    + _AT_THE_START
    + _FIRST_OF_A_LEAF,
)
RETURNED = Story(
    play=_returned,
    events={
        "back": WENT_LIVE
        + Counter({"listing.ended": 1, "relist.planned": 1, "listing.created": 1})
        + Counter({"listing.relisted": 1, "item.sold": 1, "order.created": 1})
    },
    calls=Counter({"create": 2, "image": 2, "commit": 2, "results": 2, "read_item": 1, "restarts": 1})
    + Counter({"orders_by_id": 1})
    + _AT_THE_START,
    returns=1,
)
REVERSED = Story(
    play=_reversed,
    events={
        "fell": WENT_LIVE
        + Counter({"item.sold": 2, "order.created": 2, "item.sale_reversed": 1, "listing.created": 1})
    },
    calls=Counter({"create": 2, "image": 2, "commit": 2, "results": 2, "restarts": 1, "orders_by_id": 2})
    + _AT_THE_START,
    returns=1,
)
DECODER_KILLED = Story(
    play=_decoder_killed,
    events={"torn": Counter({"item.created": 1, "item.images_ready": 1})},
    calls=_AT_THE_START,
)
_AT_A_RETURN = {"orders", "updated_items", "seller_items", "transactions", "reconcile", "bids"}


def story_of(point: str) -> Story:
    """The story in which a point is passed first."""
    step, _, moment = point.partition(".")
    if step == JobKind.LOOK:
        return DOUBT
    if step == "doubt":
        return SETTLED
    if step == "relist":
        return RETURNED
    if step == "reversal":
        return REVERSED
    return BACK if step in _AT_A_RETURN and (step, moment) != ("orders", "settled") else DAY
