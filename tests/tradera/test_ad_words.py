"""What the owner adds to every ad and what the check of its words finds: in the ad, beside the item, and before it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rheod.domain.ad_text import Part, Template
from rheod.domain.errors import Refused
from rheod.domain.model import ItemSpec, ListingState, TraderaWish
from rheod.usecases.owner_choices import AdTemplates
from rheod.usecases.placer import FixedWords
from tests.desk import ASKS_AFTER_S, CATEGORY, Desk


def rule(desk: Desk, **fields: Any) -> None:
    """The settings say so."""
    desk.store.placer.dresser.fixed = FixedWords(**fields)


def templates(desk: Desk) -> AdTemplates:
    """The owner's commands."""
    return AdTemplates(store=desk.store, dresser=desk.store.placer.dresser)


async def change(desk: Desk, **fields: Any) -> None:
    """PUT the item once more with these fields otherwise."""
    spec: ItemSpec = (await desk.item()).spec
    await desk.items.put_item(desk.account_id, "A", replace(spec, **fields))


async def test_an_ad_carries_the_owners_words_and_both_references(desk: Desk) -> None:
    """Around its text, with the item's values, as the closest templates say; the ERP's id stands beside ours."""
    rule(desk, templates=(Template(part=Part.HEADER, text="Från Bildelar AB"),))
    own = templates(desk)
    await own.put(Template(part=Part.FOOTER, text="Alla"))
    await own.put(
        Template(part=Part.FOOTER, text="Art {externalId} <hylla {metadata.shelf}>", category=CATEGORY)
    )
    await own.put(Template(part=Part.FOOTER, text="Andras", account="member-1"))
    item = await desk.put(description="Hel", metadata={"shelf": "A-12"})
    await desk.reach(ListingState.COMMITTED)
    (ad,) = desk.simulator.market.listings.values()
    assert ad.body["description"] == "Från Bildelar AB<br><br>Hel<br><br>Art A &lt;hylla A-12&gt;"
    assert ad.own_references == [f"rheod:{item.id}:1", "A"]


async def test_templates_of_the_settings_file_are_locked(desk: Desk) -> None:
    """They are shown and win; the others are the owner's to change and to take away."""
    rule(desk, templates=(Template(part=Part.HEADER, text="fixed"),))
    own = templates(desk)
    with pytest.raises(Refused, match="settings file"):
        await own.put(Template(part=Part.HEADER, text="mine"))
    await own.put(Template(part=Part.HEADER, text="mine", category=5))
    shown = [(each.template.text, each.template.category, each.locked) for each in await own.listing()]
    assert shown == [("fixed", None, True), ("mine", 5, False)]
    await own.put(Template(part=Part.HEADER, text="", category=5))
    assert [each.template.text for each in await own.listing()] == ["fixed"]
    with pytest.raises(Refused) as wrong:
        await own.put(Template(part=Part.FOOTER, text="{nothing}"))
    assert "{nothing} is none of its fields" in wrong.value.details[0].message


async def test_a_warning_stops_nothing_and_stands_with_the_ad(desk: Desk) -> None:
    """What the check finds is said in one text, whoever asks for the item."""
    rule(desk, check="warn")
    await desk.put(description="Ring 070-123 45 67, se www.example.se", pictures=0)
    listing = await desk.reach(ListingState.COMMITTED)
    assert listing.warning == (
        "A link in the ad (www.example.se): Tradera allows links to itself alone."
        " A telephone number in the ad of a private seller: 070-123 45 67. The ad has no picture"
    )


async def test_an_ad_that_breaks_a_rule_is_held_until_it_is_mended(desk: Desk) -> None:
    """No call is spent; the next PUT lets it go."""
    rule(desk, check="hold", business=True)
    await desk.put(description="Fri frakt", shipping_cost_ore=6900, image_urls=("https://i.example/1",))
    listing = await desk.listing()
    assert listing.is_held
    assert listing.held == (
        "The check of its words holds it: The text says that the freight is free, the ad says 69 kr"
    )
    assert desk.called() == {}
    (told,) = await desk.told("item.needs_attention")
    assert told["reason"] == listing.held
    await change(desk, description="Frakt 69 kr", image_urls=())
    assert "no picture" in ((await desk.listing()).held or "")
    await change(desk, description="Frakt 69 kr", image_urls=("https://i.example/1",))
    assert not (await desk.listing()).is_held


async def test_the_check_is_made_again_before_the_ad_is_created(desk: Desk) -> None:
    """A rule that is new since the PUT holds what still waits."""
    spec = ItemSpec(
        title="BROMSOK VÄNSTER FRAM",
        price_ore=10_000,
        image_urls=("https://i.example/1",),
        auto_publish=True,
        tradera=TraderaWish(category_id=CATEGORY),
    )
    await desk.items.put_item(desk.account_id, "A", spec)
    assert not (await desk.listing()).is_held
    rule(desk, check="hold")
    await desk.pictures_ready()
    await desk.idle()
    assert (await desk.listing()).is_held
    assert desk.called() == {}


async def test_the_sixth_ad_of_a_kind_is_one_too_many(desk: Desk) -> None:
    """Five of the same title, text and price are up; of another price there may be more."""
    rule(desk, check="warn")
    for number in range(5):
        await desk.put(external_id=f"B{number}")
    await desk.idle()
    desk.forward(ASKS_AFTER_S)
    await desk.idle()
    await desk.put()
    listing = await desk.reach(ListingState.COMMITTED)
    assert "Five ads of the same title, text and price are up already" in (listing.warning or "")
