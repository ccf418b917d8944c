"""A Tradera that misbehaves for one thing: that one waits and fails by itself, with words, and nothing else waits for it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from rheod.domain.model import ListingState, TraderaWish
from rheod.store import facts
from tests.desk import ASKS_AFTER_S, CATEGORY, HOUR_MS, Desk
from tests.tradera.test_order_sync import reconcile
from tests.waiting import until

OTHERS = 25
BAD_ANSWERS = (
    "html_200",
    "html_403",
    "502_html",
    "empty_200",
    "empty_json",
    "truncated_json",
    "500",
    "lost_answer",
)


async def _others_are_live(desk: Desk) -> None:
    for number in range(OTHERS):
        await desk.reach(ListingState.LIVE, f"GOOD-{number}")


@pytest.mark.parametrize("answer", BAD_ANSWERS)
async def test_one_bad_answer_to_create_keeps_no_other_item_waiting(desk: Desk, answer: str) -> None:
    """26 items, the first poisoned: the 25 are live within the time of their own results, the one fails with words."""
    bad = await desk.put("BAD", pictures=0)
    desk.simulator.fault("create", answer, times=None, own_reference=f"rheod:{bad.id}:1")
    for number in range(OTHERS):
        await desk.put(f"GOOD-{number}", pictures=0)
    for number in range(OTHERS):
        await desk.reach(ListingState.COMMITTED, f"GOOD-{number}")
    desk.forward(ASKS_AFTER_S)
    await _others_are_live(desk)
    for _ in range(8):
        await desk.idle()
        desk.forward(900)
    listing = await desk.reach(ListingState.REJECTED, "BAD")
    assert "again and again" in (listing.error or "")
    (failed,) = await desk.told("listing.failed")
    assert "again and again" in failed["error"]
    assert desk.called()["create"] == OTHERS + 8
    assert desk.called().get("me", 0) == 1


@pytest.mark.parametrize("answer", BAD_ANSWERS)
async def test_one_bad_answer_to_a_picture_keeps_no_other_item_waiting(desk: Desk, answer: str) -> None:
    """The picture's item begins anew by itself, the next goes out at once."""
    bad = await desk.put("BAD", pictures=1)
    desk.simulator.fault("image", answer, times=4)
    await until(lambda: desk.called().get("image") == 1)
    await desk.put("GOOD", pictures=0)
    await desk.reach(ListingState.COMMITTED, "GOOD")
    for _ in range(5):
        await desk.idle()
        desk.forward(900)
    await desk.reach(ListingState.LIVE, "BAD")
    assert bad.id


@pytest.mark.parametrize("answer", BAD_ANSWERS)
async def test_one_bad_answer_to_commit_keeps_no_other_item_waiting(desk: Desk, answer: str) -> None:
    """No answer to a commit says nothing: it is asked about and settled, once, and the next item goes out at once."""
    bad = await desk.put("BAD", pictures=0)
    desk.simulator.fault("commit", answer, times=2, own_reference=f"rheod:{bad.id}:1")
    await until(lambda: desk.called().get("commit"))
    await desk.put("GOOD", pictures=0)
    await desk.reach(ListingState.COMMITTED, "GOOD")
    for _ in range(8):
        await desk.idle()
        desk.forward(900)
    await desk.reach(ListingState.LIVE, "GOOD")
    await desk.reach(ListingState.LIVE, "BAD")
    assert desk.called()["create"] == 2


@pytest.mark.parametrize("answer", BAD_ANSWERS)
async def test_bad_answers_about_results_keep_nothing_else_waiting(desk: Desk, answer: str) -> None:
    """Nobody knows what became of the first: others are committed meanwhile, and all is told once it is answered."""
    desk.simulator.fault("results", answer, times=3)
    await desk.put("A", pictures=0)
    await desk.reach(ListingState.COMMITTED, "A")
    desk.forward(ASKS_AFTER_S)
    await until(lambda: desk.called().get("results") == 1)
    await desk.put("B", pictures=0)
    await desk.reach(ListingState.COMMITTED, "B")
    for _ in range(4):
        await desk.idle()
        desk.forward(900)
    await desk.reach(ListingState.LIVE, "A")
    await desk.reach(ListingState.LIVE, "B")
    assert desk.called()["create"] == desk.called()["commit"] == 2


@pytest.mark.parametrize("operation", ["orders", "seller_items", "updated_items"])
@pytest.mark.parametrize("answer", BAD_ANSWERS)
async def test_bad_answers_to_a_reconciliation_keep_nothing_else_waiting(
    desk: Desk, operation: str, answer: str
) -> None:
    """The pass is made again by itself and finds the sale; an item goes out meanwhile."""
    listing = await desk.publish("SOLD", pictures=0)
    await desk.simulator.sell(listing.tradera_item_id or 0, 950, push=False)
    before = desk.called().get(operation, 0)
    desk.simulator.fault(operation, answer, times=2)
    await reconcile(desk)
    assert desk.called()[operation] > before
    await desk.put("GOOD", pictures=0)
    await desk.reach(ListingState.COMMITTED, "GOOD")
    for _ in range(4):
        await desk.idle()
        desk.forward(900)
    await desk.reach(ListingState.SOLD, "SOLD")


@pytest.mark.parametrize("answer", BAD_ANSWERS)
async def test_a_price_that_is_never_answered_ends_with_words(desk: Desk, answer: str) -> None:
    """Some tries, then the owner is told why the ad shows the old price; another ad's price is carried at once."""
    await desk.publish("BAD", pictures=0)
    await desk.publish("GOOD", pictures=0)
    bad = await desk.item("BAD")
    desk.simulator.fault("price", answer, times=None, own_reference=f"rheod:{bad.id}:1")
    desk.simulator.fault("read_item", "502_html", times=None, own_reference=f"rheod:{bad.id}:1")
    await desk.items.change_price(desk.account_id, "BAD", 25_000)
    await until(lambda: desk.called().get("price") == 1)
    await desk.items.change_price(desk.account_id, "GOOD", 25_000)
    await until(lambda: desk.called().get("price") == 2)
    for _ in range(8):
        await desk.idle()
        desk.forward(900)
    await desk.idle()
    assert await desk.waiting_jobs("reprice") == []
    (failed,) = await desk.told("listing.failed")
    assert "again and again" in failed["error"]
    assert desk.called()["price"] == 1 + 8


async def test_an_ending_that_a_firewall_answers_keeps_nothing_else_waiting(desk: Desk) -> None:
    """DELETE answered 403 with a page: a new item goes out meanwhile, and the ad is ended in the end."""
    await desk.publish("ENDS", pictures=0)
    desk.simulator.fault("end", "html_403", times=3)
    await desk.items.delete_item(desk.account_id, "ENDS")
    await until(lambda: desk.called().get("end") == 1)
    await desk.put("NEW", pictures=0)
    await desk.reach(ListingState.COMMITTED, "NEW")
    assert desk.called()["end"] == 1
    for _ in range(3):
        await desk.idle()
        desk.forward(900)
    await until(lambda: desk.called().get("end") == 4)
    await desk.reach(ListingState.LIVE, "NEW")


async def test_an_outage_of_a_weekend_fails_nothing(desk: Desk) -> None:
    """502 to everything for two days, then all items go out; meanwhile one call at a time, at most every 15 minutes."""
    desk.simulator.fault("*", "502_html", times=None)
    for number in range(5):
        await desk.put(f"GOOD-{number}", pictures=0)
    for _ in range(4 * 48):
        await desk.idle()
        desk.forward(900)
    await desk.idle()
    assert sum(desk.called().values()) <= 4 * 48 + 10
    assert await desk.told("listing.failed") == []
    desk.simulator.clear_faults()
    desk.forward(900)
    await desk.idle()
    desk.forward(900)
    for number in range(5):
        await desk.reach(ListingState.LIVE, f"GOOD-{number}")


async def test_publishing_again_asks_tradera_at_once(desk: Desk) -> None:
    """Without a clear answer the item waits for minutes; the owner's word does not wait for that."""
    desk.simulator.fault("*", "refused_connection", times=5)
    await desk.put("A", pictures=0)
    for _ in range(4):
        await desk.idle()
        desk.forward(300)
    await until(lambda: desk.simulator.calls and len(desk.simulator.calls) == 5)
    await desk.idle()
    desk.simulator.clear_faults()
    await desk.items.order_publish(desk.account_id, "A")
    await desk.reach(ListingState.COMMITTED, "A")


async def test_pictures_that_are_not_on_the_disk_are_fetched_before_anything_is_created(desk: Desk) -> None:
    """As after a restore without pictures: no call is spent until they are there again, then the ad goes out with them."""
    start_at = desk.clock() + HOUR_MS
    await desk.put("A", pictures=2, tradera=TraderaWish(category_id=CATEGORY, start_at=start_at))
    await desk.idle()
    for file in Path(desk.folder).glob("*.jpg"):
        file.unlink()
    desk.forward(3600)
    await desk.idle()
    assert desk.called() == {}
    await desk.pictures_ready()
    await desk.reach(ListingState.COMMITTED, "A")
    assert desk.called() == {"create": 1, "image": 2, "commit": 1}


async def test_a_named_start_is_an_instant_of_the_machines_clock(desk: Desk) -> None:
    """The clock is put forward past it: the item is due at once, now and after a restart; put back, it waits until then."""
    start_at = desk.clock() + HOUR_MS // 2
    await desk.put("A", pictures=0, tradera=TraderaWish(category_id=CATEGORY, start_at=start_at))
    await desk.idle()
    assert desk.called() == {}
    await desk.database.write(partial(facts.move, now=desk.clock(), by=-HOUR_MS))
    desk.forward(-3600)
    await desk.idle()
    desk.forward(3600 + 1799)
    await desk.idle()
    assert desk.called() == {}, "an hour back, then almost there"
    await desk.database.write(partial(facts.move, now=desk.clock(), by=HOUR_MS))
    desk.forward(3600)
    await desk.reach(ListingState.COMMITTED, "A")


async def test_a_start_that_an_earlier_release_moved_is_looked_at_again_at_the_start(desk: Desk) -> None:
    """Its job says an hour later than the item does: rheod's start looks at what the item says."""
    start_at = desk.clock() + HOUR_MS // 2
    await desk.put("A", pictures=0, tradera=TraderaWish(category_id=CATEGORY, start_at=start_at))
    await desk.idle()
    await desk.database.write(lambda db: db.execute("UPDATE jobs SET due_at = due_at + ?", (HOUR_MS,)))
    desk.forward(3600)
    await desk.idle()
    assert desk.called() == {}
    await desk.database.write(partial(facts.clamp, now=desk.clock()))
    desk.forward(0)
    await desk.reach(ListingState.COMMITTED, "A")
