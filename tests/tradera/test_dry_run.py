"""The dry run: says what a publishing then really does, and calls nobody."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from rheod.domain.errors import Refused
from rheod.domain.inputs import PublishInDoubt
from rheod.domain.model import ItemType, ListingState, TraderaWish
from rheod.tradera.dry_run import DryRun, DryRunReport, Verdict
from rheod.usecases import listings
from rheod.usecases.items import BudgetForecast
from tests.desk import ASKS_AFTER_S, CATEGORY, Desk


async def played(desk: Desk, external_id: str = "A", *, waits_for: str | None = None) -> DryRunReport:
    """A dry run with the desk's own settings."""

    def forecast(account_id: str) -> BudgetForecast:
        told = desk.forecast(account_id)
        return replace(told, waits_for=waits_for) if waits_for else told

    rehearser = DryRun(
        items=desk.items,
        reference=desk.rheod.core.reference,
        forecast=forecast,
        options=desk.options,
        quota=desk.rules.quota,
        base_url=desk.simulator.base_url,
    )
    return await rehearser.dry_run(desk.account_id, external_id)


def stopping(dry_run_report: DryRunReport) -> list[str]:
    """The sentences that stop it."""
    return [check.text for check in dry_run_report.checks if check.verdict is Verdict.STOPS]


async def test_what_is_rehearsed_is_what_is_sent(desk: Desk) -> None:
    """The same calls in the same order to the same addresses, at the cost that was told; the rehearsal made none."""
    await desk.put(auto_publish=False, pictures=2)
    told = await played(desk)
    assert (desk.operations(), await desk.spent(), told.stops) == ([], [], False)
    await desk.items.order_publish(desk.account_id, "A")
    await desk.reach(ListingState.COMMITTED)
    desk.forward(ASKS_AFTER_S)
    await desk.reach(ListingState.LIVE)
    made, (ad,) = desk.simulator.calls, desk.simulator.live_items()
    ours = [
        (step.method, step.url.replace("<requestId>", str(ad.request_id)).partition("?")[0])
        for step in told.steps
    ]
    root = desk.simulator.base_url.split("/", 3)
    assert [(call.method, f"{root[0]}//{root[2]}{call.path}") for call in made] == ours
    assert told.calls == len(made) == 5
    assert told.goes_at == desk.clock() - 10_000
    assert ad.body == told.steps[0].body


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "container": ({"type": ItemType.CONTAINER, "price_ore": None}, "A container is never listed"),
    "too dear": ({"pictures": 8}, "This takes 11 Tradera calls"),
    "reserve": ({"tradera": TraderaWish(category_id=CATEGORY, reserve_ore=100)}, "The reserve price"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_can_never_be_published_is_told(desk: Desk, name: str) -> None:
    """With the sentence that the item would get as its last error."""
    fields, sentence = REFUSED[name]
    await desk.restart(daily_calls=10)
    await desk.put(**{"auto_publish": False, **fields})
    told = await played(desk)
    assert told.stops
    assert told.goes_at is None
    assert any(each.startswith(sentence) for each in stopping(told)), stopping(told)


async def _being_deleted(desk: Desk) -> None:
    await desk.publish()
    desk.simulator.fault("end", "500", times=None)  # so that the deletion waits
    await desk.items.delete_item(desk.account_id, "A")


async def _in_doubt(desk: Desk) -> None:
    desk.simulator.processing_delay_s = 3600
    await desk.put()
    listing = await desk.reach(ListingState.COMMITTED)
    doubt = PublishInDoubt(error="nobody knows")
    await desk.store.write(lambda tx: listings.step(tx, listing.id, doubt))


async def _sold(desk: Desk) -> None:
    await desk.put(auto_publish=False)
    await desk.items.change_status(desk.account_id, "A", "sold")


async def _container(desk: Desk) -> None:
    await desk.put(type=ItemType.CONTAINER, price_ore=None, auto_publish=False, tradera=None)


@pytest.mark.parametrize("become", [_being_deleted, _in_doubt, _sold, _container])
async def test_what_an_order_is_refused_for_stops_the_dry_run(
    desk: Desk, become: Callable[[Desk], Awaitable[None]]
) -> None:
    """One rule for both: the order to publish is refused with the very sentence at which the dry run stops."""
    await become(desk)
    stops = stopping(await played(desk))
    with pytest.raises(Refused) as refused:
        await desk.items.order_publish(desk.account_id, "A")
    assert str(refused.value) in stops


async def test_a_live_ad_is_not_doubled(desk: Desk) -> None:
    """The owner is told the number of the ad that is up."""
    live = await desk.publish()
    assert live.state is ListingState.LIVE
    assert stopping(await played(desk)) == [
        f"It has an ad already ({live.tradera_item_id}): a second one would sell it twice"
    ]


async def test_without_credentials_it_says_which(desk: Desk) -> None:
    """The sentence of the forecast; the request is shown all the same."""
    await desk.put(auto_publish=False)
    told = await played(desk, waits_for="set tradera.user_token")
    assert stopping(told) == ["set tradera.user_token"]
    assert told.steps[0].operation == "create"


async def test_a_used_up_budget_says_when(desk: Desk) -> None:
    """It waits, and the time is the one at which calls come back."""
    await desk.publish(pictures=2)
    await desk.restart(daily_calls=6)
    await desk.put("B", auto_publish=False, pictures=1)
    told = await played(desk, "B")
    assert [check.verdict for check in told.checks][-1] is Verdict.WAITS
    assert told.goes_at is not None
    assert told.goes_at > desk.clock()
    with pytest.raises(Refused, match="No item"):
        await played(desk, "nobody")
