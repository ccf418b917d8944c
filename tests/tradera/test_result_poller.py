"""What became of a commit: asked for all that wait in one call, doubts settled by asking and looking, never by guessing."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from rheod.domain.errors import Refused
from rheod.domain.model import Listing, ListingState, TraderaStatus
from rheod.store import facts
from tests.desk import ASKS_AFTER_S, DELAYS_S, Desk
from tests.waiting import until

DAY_S = 24 * 3600


async def ask(desk: Desk, seconds: float = ASKS_AFTER_S) -> None:
    """Let time pass until the next question and see it through."""
    asked = desk.called().get("results", 0)
    desk.forward(seconds)
    await until(lambda: desk.called().get("results", 0) > asked)
    await desk.idle()


async def ask_on_time(desk: Desk, seconds: float) -> None:
    """Let so much time pass with every question at its own time."""
    end = desk.clock() + seconds * 1000
    while (at := (await desk.listing()).ask_at) is not None and at <= end:
        await ask(desk, (at - desk.clock()) / 1000)
    desk.forward(max(0.0, (end - desk.clock()) / 1000))


async def committed(
    desk: Desk, external_id: str = "A", *, state: ListingState = ListingState.COMMITTED
) -> Listing:
    """An item without pictures, brought as far as its commit."""
    await desk.put(external_id, pictures=0)
    listing = await desk.reach(state, external_id)
    await until(lambda: not desk.queue.running)
    return listing


async def lost_commit(desk: Desk, fault: str = "lost_answer") -> Listing:
    """An item whose commit got no answer, with the lane over its pause."""
    desk.simulator.fault("commit", fault)
    await desk.put(pictures=0)
    await until(lambda: "commit" in desk.called())
    await desk.idle()
    desk.forward(15)  # the lane's pause, and past the first question
    await until(lambda: "results" in desk.called())
    await desk.idle()
    return await desk.listing()


async def test_one_question_serves_all_that_wait(desk: Desk) -> None:
    """Five committed items cost one call of request-results."""
    for number in range(5):
        await committed(desk, f"I{number}")
    await ask(desk)
    assert desk.called()["results"] == 1
    for number in range(5):
        await desk.reach(ListingState.LIVE, f"I{number}")
    assert len(await desk.told("listing.created")) == 5
    assert await desk.waiting_jobs("results") == []


async def test_questions_come_with_growing_gaps(desk: Desk) -> None:
    """While Tradera's queue is slow the gaps are those of the setting, and nothing is asked between."""
    desk.simulator.processing_delay_s = 3600
    await committed(desk)
    for gap_s in (ASKS_AFTER_S, *DELAYS_S[1:5]):
        before = desk.called().get("results", 0)
        desk.forward(gap_s - 1)
        await desk.idle()
        assert desk.called().get("results", 0) == before
        await ask(desk, 1)
    assert desk.called()["commit"] == 1


async def test_a_lost_commit_answer_is_asked_about_and_not_repeated(desk: Desk) -> None:
    """The commit had arrived: the result says so, there is one commit and one ad."""
    listing = await lost_commit(desk)
    assert listing.state is ListingState.LIVE
    assert (desk.called()["commit"], desk.simulator.second_commits) == (1, 0)
    assert len(desk.simulator.live_items()) == 1


async def test_a_commit_that_never_arrived_is_sent_again_for_the_same_request(desk: Desk) -> None:
    """256 is Tradera's word that the request is not committed: commit once more, create never."""
    listing = await lost_commit(desk, "reset")
    assert listing.state is ListingState.COMMITTED
    assert desk.operations() == ["create", "commit", "results", "commit"]
    await ask(desk)
    assert (await desk.listing()).state is ListingState.LIVE
    assert desk.simulator.second_commits == 0


async def test_a_request_in_the_queue_is_not_committed_again(desk: Desk) -> None:
    """128 settles the doubt: the commit has arrived and is waited for, however long, without another one."""
    desk.simulator.processing_delay_s = 7200
    listing = await lost_commit(desk)
    assert listing.state is ListingState.COMMITTED
    for gap_s in (*DELAYS_S[1:], 600, 600):
        await ask(desk, gap_s)
    assert (desk.called()["commit"], desk.simulator.second_commits) == (1, 0)
    desk.simulator.processing_delay_s = 1
    await ask(desk, 600)
    await desk.reach(ListingState.LIVE)


async def test_silence_is_not_yet_and_the_ad_is_looked_for(desk: Desk) -> None:
    """A result that is absent is asked for again; after five questions the ad itself is read and found."""
    desk.simulator.fault("results", "no_result", times=None)
    listing = await lost_commit(desk)
    for gap_s in DELAYS_S[1:5]:
        assert (await desk.listing()).state is ListingState.COMMITTING
        assert "read_item" not in desk.called()
        await ask(desk, gap_s)
    assert desk.called()["read_item"] == 1
    assert (await desk.listing()).state is ListingState.LIVE
    assert desk.simulator.second_commits == 0
    (created,) = await desk.told("listing.created")
    assert created["traderaAdId"] == str(listing.tradera_item_id)


async def test_a_doubtful_commit_that_left_no_trace_is_repeated(desk: Desk) -> None:
    """No result and no ad after five questions: the same request is committed once more."""
    desk.simulator.fault("results", "no_result", times=5)
    await lost_commit(desk, "reset")
    for gap_s in DELAYS_S[1:5]:
        await ask(desk, gap_s)
    await until(lambda: desk.called()["commit"] == 2)
    assert desk.called()["create"] == 1
    await ask(desk, DELAYS_S[5])
    await desk.reach(ListingState.LIVE)
    assert desk.simulator.second_commits == 0


async def test_a_refused_second_commit_says_nothing_of_the_first(desk: Desk) -> None:
    """The first one was taken without an answer and waits in silence: a refusal of the second must not free the item."""
    desk.simulator.processing_delay_s = 4 * 3600
    desk.simulator.fault("results", "no_result", times=None)
    await lost_commit(desk)
    desk.simulator.fault("commit", "400")
    for gap_s in DELAYS_S[1:5]:
        await ask(desk, gap_s)
    await until(lambda: desk.called()["commit"] == 2)
    for _ in range(10):
        await ask(desk, 600)
    assert desk.called()["read_item"] >= 2
    assert (await desk.listing()).state in {ListingState.COMMITTING, ListingState.COMMITTED}
    assert await desk.told("listing.failed") == []
    while (await desk.listing()).state is not ListingState.LIVE:
        await ask(desk, 600)
    assert len(desk.simulator.live_items()) == 1


async def test_a_failed_look_is_made_up_for_later(desk: Desk) -> None:
    """When the one look fails, another follows with more questions; the doubt does not last for a day."""
    desk.simulator.fault("results", "no_result", times=None)
    desk.simulator.fault("read_item", "reset")
    await lost_commit(desk)
    for gap_s in DELAYS_S[1:5]:
        await ask(desk, gap_s)
    assert (await desk.listing()).state is ListingState.COMMITTING
    for _ in range(5):
        await ask(desk, 600)
    assert (await desk.listing()).state is ListingState.LIVE


async def test_being_asked_along_with_others_is_no_question_of_its_own(desk: Desk) -> None:
    """In a burst of publishings a doubtful commit is not hurried into a repetition by the others' questions."""
    desk.simulator.fault("results", "no_result", times=None)
    await lost_commit(desk)
    for number in range(20):
        await committed(desk, f"I{number}")
        desk.forward(3)
        await desk.idle()
    assert (await desk.listing()).asked <= 4
    assert desk.called()["commit"] == 21
    assert desk.called()["results"] <= 8
    assert "read_item" not in desk.called()


@pytest.mark.parametrize("code", [4, 2, 20, 32])
async def test_an_error_of_the_queue_fails_the_listing_with_its_message(desk: Desk, code: int) -> None:
    """The queue refused and the ad is nowhere: one listing.failed with Tradera's words, no other listing."""
    desk.simulator.fault("commit", "result_error", code=code, message="Objektet kunde inte läggas upp")
    await committed(desk)
    await ask(desk)
    await desk.reach(ListingState.REJECTED)
    (failed,) = await desk.told("listing.failed")
    assert failed["error"] == "Objektet kunde inte läggas upp"
    assert desk.called() == {"create": 1, "commit": 1, "results": 1, "read_item": 1}
    assert (await desk.item()).tradera_status is TraderaStatus.SYNC_ERROR


@pytest.mark.parametrize("said", ["by the queue", "at the commit", "of the category"])
@pytest.mark.parametrize(
    "correction", [{"title": "Rörstrand kaffekopp, hel"}, {"price_ore": 12_300}, {"pictures": 1}]
)
async def test_a_correction_wins_over_the_refusal_of_what_was_sent(
    desk: Desk, said: str, correction: dict[str, Any]
) -> None:
    """The item is sent otherwise while its result is waited for: it goes out as it is now, once, and nothing is told as failed."""
    closed = "The category is closed for new ads"
    if said == "at the commit":
        desk.simulator.fault("commit", "400")
    else:
        words = closed if said == "of the category" else "Objektet kunde inte läggas upp"
        desk.simulator.fault("commit", "result_error", code=4, message=words)
    state = ListingState.COMMITTING if said == "at the commit" else ListingState.COMMITTED
    first = await committed(desk, state=state)
    await desk.put(**{"pictures": 0, **correction})
    await ask(desk)
    await until(lambda: desk.called().get("commit") == 2)
    await ask(desk)
    await desk.reach(ListingState.LIVE)
    listing, item = await desk.listing(), await desk.item()
    assert (listing.generation, listing.item_version) == (2, item.version)
    assert (await desk.listing_by_id(first.id)).state is ListingState.REJECTED
    (up,) = desk.simulator.live_items()
    assert (up.body["title"], up.opening) == (item.spec.title, (item.spec.price_ore or 0) // 100)
    assert (await desk.told("listing.failed"), desk.called()["commit"]) == ([], 2)
    assert item.last_error is None


async def test_a_correction_of_what_goes_live_is_carried_to_its_ad(desk: Desk) -> None:
    """No refusal: the price that came while the result was waited for is set, and there is one ad."""
    await committed(desk)
    await desk.put(pictures=0, price_ore=12_300)
    await ask(desk)
    await until(lambda: "price" in desk.called())
    await desk.idle()
    (up,) = desk.simulator.live_items()
    assert (up.opening, desk.called()["commit"]) == (123, 1)


async def test_a_correction_of_what_nobody_wants_up_any_more_goes_nowhere(desk: Desk) -> None:
    """Taken back after it was corrected: the refusal is the end."""
    desk.simulator.fault("commit", "result_error", code=4, message="Nej")
    await committed(desk)
    await desk.put(pictures=0, title="Rörstrand kaffekopp, hel")
    await desk.items.change_status(desk.account_id, "A", "not_listed")
    await ask(desk)
    await desk.reach(ListingState.REJECTED)
    await desk.idle()
    assert desk.called()["commit"] == 1


async def test_a_picture_error_with_the_ad_up_is_live(desk: Desk) -> None:
    """Code 2 may come with a published ad: it is read before it is given up."""
    desk.simulator.fault("commit", "result_error", code=2, message="Image error", effect=True)
    await committed(desk)
    await ask(desk)
    await desk.reach(ListingState.LIVE)
    assert await desk.told("listing.failed") == []
    assert len(desk.simulator.live_items()) == 1


async def test_doubt_without_end_is_handed_to_the_owner_once(desk: Desk) -> None:
    """After the limit of doubt: one listing.failed that says what to do, no second listing; it is looked for ever on."""
    await desk.restart(doubt_s=3600)
    desk.simulator.fault("commit", "no_result", times=None)
    await committed(desk)
    while (await desk.item()).tradera_status is not TraderaStatus.SYNC_ERROR:
        await ask(desk, 600)
    (failed,) = await desk.told("listing.failed")
    assert "look for it in My Tradera" in failed["error"]
    before = desk.called()
    assert (before["create"], before["commit"]) == (1, 1)
    with pytest.raises(Refused, match="in doubt"):
        await desk.items.order_publish(desk.account_id, "A")
    assert await desk.waiting_jobs("results") == []
    for _ in range(20):
        (job,) = await desk.waiting_jobs("look")
        assert desk.clock() < job["due_at"] <= desk.clock() + DAY_S * 1000
        desk.forward(DAY_S)
        await desk.idle()
    after = desk.called()
    assert (after["create"], after["commit"], after["results"] - before["results"]) == (1, 1, 20)
    assert len(await desk.told("listing.failed")) == 1
    assert (await desk.listing()).is_in_doubt


@pytest.mark.parametrize("jump_s", [DAY_S, -DAY_S], ids=["ahead", "back"])
async def test_a_jump_of_the_clock_makes_no_commit_older_or_younger(desk: Desk, jump_s: int) -> None:
    """The limit of doubt is real time: a clock put right, or wrong, by a day neither hastens nor delays it."""
    await desk.restart(doubt_s=7200)
    desk.simulator.fault("commit", "no_result", times=None)
    await committed(desk)
    await ask(desk)
    await desk.database.write(partial(facts.move, now=desk.clock(), by=jump_s * 1000))
    desk.forward(jump_s)
    await ask_on_time(desk, 3600)
    assert await desk.told("listing.failed") == []
    await ask_on_time(desk, 4200)
    assert len(await desk.told("listing.failed")) == 1


async def test_a_request_that_stays_uncommitted_is_not_committed_for_ever(desk: Desk) -> None:
    """Tradera that answers 256 to every question spends the budget only until the limit of doubt."""
    await desk.restart(doubt_s=3600)
    desk.simulator.fault("results", "result_error", code=256, message="", times=None)
    await committed(desk)
    desk.simulator.fault("read_item", "404", times=None)
    while (await desk.item()).tradera_status is not TraderaStatus.SYNC_ERROR:
        await ask(desk, 600)
    assert desk.called()["results"] < 20
    assert desk.called()["commit"] < 10
    assert len(await desk.told("listing.failed")) == 1


async def test_a_refused_commit_fails_once_tradera_says_it_is_not_committed(desk: Desk) -> None:
    """400 to the commit and then 256: nothing can be visible, so the listing has failed with the reason."""
    desk.simulator.fault("commit", "400")
    await committed(desk, state=ListingState.COMMITTING)
    await ask(desk)
    await desk.reach(ListingState.REJECTED)
    (failed,) = await desk.told("listing.failed")
    assert failed["error"].startswith("Tradera refused the commit:")
    assert desk.called()["commit"] == 1


async def test_a_commit_refused_for_its_category_holds_the_item(desk: Desk) -> None:
    """As a create that is refused so, under a new listing: nothing is told as failed, and nothing is sold twice."""
    words = '{"error": {"code": "BadRequest", "message": "The category is closed for new ads"}}'
    desk.simulator.fault("commit", "says", code=400, message=words)
    await committed(desk, state=ListingState.COMMITTING)
    await ask(desk)
    await until(lambda: _is_held(desk))
    listing = await desk.listing()
    assert (listing.generation, listing.commit_sent_at) == (2, None)
    assert "The category is closed" in (listing.held or "")
    assert (await desk.told("listing.failed"), desk.called()["commit"]) == ([], 1)


async def _is_held(desk: Desk) -> bool:
    return (await desk.listing()).is_held


async def test_a_refused_commit_without_a_trace_fails_instead_of_being_repeated(desk: Desk) -> None:
    """400 to the commit, no result and no ad: a clear refusal is believed once the ad has been looked for."""
    desk.simulator.fault("commit", "400")
    desk.simulator.fault("results", "no_result", times=None)
    await committed(desk, state=ListingState.COMMITTING)
    for gap_s in (ASKS_AFTER_S, *DELAYS_S[1:5]):
        await ask(desk, gap_s)
    await desk.reach(ListingState.REJECTED)
    assert (desk.called()["commit"], desk.called()["read_item"]) == (1, 1)


async def test_a_refused_question_is_asked_again_later(desk: Desk) -> None:
    """400 to request-results must not leave the listings waiting for good."""
    desk.simulator.fault("results", "400")
    await committed(desk)
    await ask(desk)
    await ask(desk, 15)
    await desk.reach(ListingState.LIVE)


async def test_a_request_not_registered_yet_is_waited_for(desk: Desk) -> None:
    """404 to request-results means that none has a result yet."""
    desk.simulator.fault("results", "404")
    await committed(desk)
    await ask(desk)
    assert (await desk.listing()).state is ListingState.COMMITTED
    await ask(desk)
    await desk.reach(ListingState.LIVE)
