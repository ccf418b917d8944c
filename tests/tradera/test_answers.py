"""The table of operation, answer and belief, line by line through the simulated Tradera, and what a listing makes of each."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from rheod.domain.answers import BELIEFS, Answer, Belief
from rheod.domain.errors import Unanswered
from rheod.domain.model import Listing, ListingState
from rheod.domain.placement import Placement
from rheod.tradera.ad_builder import make_ad
from rheod.tradera.client import SaysNothing
from rheod.tradera.transport import OverLimit, Rejected, TokenRefused, Unreachable
from tests.desk import ASKS_AFTER_S, CATEGORY, Desk
from tests.tradera.advertising import FREIGHT
from tests.waiting import until

FAULTS: dict[Answer, tuple[str, dict[str, Any]]] = {
    Answer.YES: ("says", {"code": 200, "message": "true"}),
    Answer.NO: ("says", {"code": 200, "message": "false"}),
    Answer.SUCCESSFUL: ("says", {"code": 200, "message": '{"isSuccessful": true}'}),
    Answer.UNSUCCESSFUL: ("says", {"code": 200, "message": '{"isSuccessful": false}'}),
    Answer.UNDECIDED: ("says", {"code": 200, "message": '{"isSuccessful": null}'}),
    Answer.NUMBERS: (
        "says",
        {"code": 200, "message": '{"requestId": 5, "itemId": 7, "orderId": 9, "id": 11}'},
    ),
    Answer.OTHERS_NUMBERS: (
        "says",
        {"code": 200, "message": '{"itemId": 8, "orderId": 8, "id": 8, "isSuccessful": true}'},
    ),
    Answer.EMPTY: ("empty_200", {"effect": False}),
    Answer.EMPTY_OBJECT: ("says", {"code": 200, "message": "{}"}),
    Answer.EMPTY_LIST: ("says", {"code": 200, "message": "[]"}),
    Answer.ELSE: ("says", {"code": 200, "message": '"yes"'}),
    Answer.NOT_JSON: ("html_200", {}),
    **{
        Answer(str(status)): ("says", {"code": status, "message": '{"error": {"message": "no"}}'})
        for status in (400, 401, 403, 404, 408, 409, 429, 500, 502)
    },
    Answer.HTML_403: ("says", {"code": 403, "message": "<html>no</html>"}),
    Answer.UNANSWERED: ("reset", {}),
}
ABOUT_NUMBERS = {"create", "price", "ship", "transaction_status"}
"""Whose answers name what they are about."""
LINES = [
    (operation, answer)
    for operation, row in BELIEFS.items()
    for answer in row
    if answer is not Answer.NOT_SENT
    and not (answer is Answer.OTHERS_NUMBERS and operation not in {"price", "ship", "transaction_status"})
]


async def call(desk: Desk, operation: str) -> object:
    """One call of the operation, about ad 7 and order 9."""
    client, seller = desk.calls.client, desk.calls.seller
    item = await desk.put(auto_publish=False)
    listing = Listing(id="l", item_id=item.id, account_id=item.account_id, generation=1)
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "create": lambda: client.create(
            seller, make_ad(item, listing, desk.options.defaults, Placement(category_id=CATEGORY), FREIGHT)
        ),
        "image": lambda: client.add_image(seller, 5, b"jpeg", image_format=0, has_mega=False),
        "commit": lambda: client.commit(seller, 5),
        "price": lambda: client.set_price(seller, 7, opening_kr=5, buy_now_kr=None),
        "end": lambda: client.end(seller, 7),
        "ship": lambda: client.ship(seller, 9),
        "transaction_status": lambda: client.confirm_paid(seller, 11),
    }
    return await calls[operation]()


async def believed(desk: Desk, operation: str) -> Belief:
    """What the client's answer or error amounts to."""
    try:
        outcome = await call(desk, operation)
    except (Unreachable, OverLimit):
        return Belief.NOT_DONE
    except (Rejected, TokenRefused):
        return Belief.REFUSED
    except Unanswered:
        return Belief.UNKNOWN
    if operation == "price":
        return Belief.DONE if outcome is None else Belief.REFUSED
    return Belief.REFUSED if outcome is False else Belief.DONE


def test_the_table_has_every_line() -> None:
    """Seven operations, and of each every answer."""
    assert BELIEFS.keys() == {"create", "image", "commit", "price", "end", "ship", "transaction_status"}
    assert all(row.keys() == set(Answer) for row in BELIEFS.values())
    assert FAULTS.keys() == set(Answer) - {Answer.NOT_SENT}


@pytest.mark.parametrize(("operation", "answer"), LINES)
async def test_each_answer_is_believed_as_the_table_says(desk: Desk, operation: str, answer: Answer) -> None:
    """An ending that is not clear is looked at like a refused one, so those two are one."""
    name, details = FAULTS[answer]
    desk.simulator.fault(operation, name, **details)
    wanted = BELIEFS[operation][answer]
    found = await believed(desk, operation)
    if operation == "end" and wanted is Belief.UNKNOWN:
        assert found is not Belief.DONE
    else:
        assert found is wanted
    assert desk.called() == {operation: 1}


async def test_no_connection_is_not_done(desk: Desk) -> None:
    """The last line of each table: nothing was sent."""
    await desk.restart(base_url="http://127.0.0.1:9/v4")
    for operation, row in BELIEFS.items():
        assert await believed(desk, operation) is row[Answer.NOT_SENT]


@pytest.mark.parametrize(
    "answer", [a for a, b in BELIEFS["commit"].items() if b is Belief.UNKNOWN and a in FAULTS]
)
async def test_an_unknown_commit_is_asked_about(desk: Desk, answer: Answer) -> None:
    """It took effect, whatever the answer looked like: one ad, one commit, no failure."""
    if answer in {Answer.NUMBERS, Answer.OTHERS_NUMBERS}:
        return
    name, details = FAULTS[answer]
    desk.simulator.fault("commit", name, **{**details, "effect": True})
    await desk.put(pictures=0)
    await until(lambda: desk.called().get("commit") == 1)
    await desk.idle()
    assert (await desk.listing()).state is ListingState.COMMITTING
    desk.forward(ASKS_AFTER_S + 10)
    await desk.reach(ListingState.LIVE)
    assert (desk.called()["create"], desk.called()["commit"], len(desk.simulator.live_items())) == (1, 1, 1)
    assert await desk.told("listing.failed") == []


@pytest.mark.parametrize("answer", [Answer.EMPTY, Answer.EMPTY_OBJECT, Answer.EMPTY_LIST, Answer.UNDECIDED])
@pytest.mark.parametrize("took", [True, False])
async def test_a_price_that_nothing_is_said_of_is_looked_at(
    desk: Desk, answer: Answer, *, took: bool
) -> None:
    """The ad shows whether it was taken; where it was not it is set again, and nothing is told as failed."""
    listing = await desk.publish(pictures=0)
    name, details = FAULTS[answer]
    desk.simulator.fault("price", name, **{**details, "effect": took})
    await desk.items.change_price(desk.account_id, "A", 25_000)
    await until(lambda: desk.called().get("read_item") == 1)
    await desk.idle()
    assert ((await desk.listing()).price_kr == 250) is took
    desk.forward(60)
    await desk.idle()
    assert (await desk.listing()).price_kr == 250
    assert desk.simulator.market.listings[listing.tradera_item_id or 0].opening == 250
    assert desk.called()["price"] == (1 if took else 2)
    assert await desk.told("listing.failed") == []


async def test_an_answer_about_another_ad_is_refused(desk: Desk) -> None:
    """A look, and the errors of a reprice, that name another ad are no answer."""
    client, seller = desk.calls.client, desk.calls.seller
    desk.simulator.fault("read_item", "says", code=200, message=json.dumps({"id": 8}))
    with pytest.raises(Unanswered, match="about another ad"):
        await client.read_item(seller, 7)
    errors = {"isSuccessful": False, "validationErrors": [{"itemId": 8, "errorMessage": "no"}]}
    desk.simulator.fault("price", "says", code=200, message=json.dumps(errors))
    with pytest.raises(SaysNothing):
        await client.set_price(seller, 7, opening_kr=5, buy_now_kr=None)
