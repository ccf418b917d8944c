"""An item on its page and in its form: what its ERP owns is locked, what failed is set right in place, what ended goes up again."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from rheod.domain.categories import AttributeDefinition, Category, CategoryTree, LeafAttributes
from rheod.domain.inputs import AdClosed, PublishFailed
from rheod.domain.model import CloseReason, ItemSpec, ItemType, RelistWish, TraderaWish
from rheod.store import ads, reference_data
from rheod.usecases import listings
from rheod.web.item_fields import form_of, mended_spec
from tests.pictures.picture_shop import picture
from tests.stores import NOW_MS
from tests.web.running import text_of
from tests.web.stocked import Stocked, stocked
from tests.web.test_item_form import NEW, TYPED, fields_of

TREE = (Category(1, "Fordon"), Category(10, "Backspeglar", 1), Category(302571, "Kakel", 1))
SKICK = AttributeDefinition(id=7, name="Skick", min_values=1, terms=("Nytt", "Gott skick"))


@pytest.fixture
async def stock(tmp_path: Path) -> AsyncIterator[Stocked]:
    """A stock, and somebody signed in."""
    async with stocked(tmp_path) as one:
        await one.pages.sign_in(one.token)

        def fill(db: Any) -> None:
            reference_data.save_tree(db, CategoryTree(TREE, read_at=1))
            for leaf in (10, 302571):
                reference_data.save_definitions(db, LeafAttributes(leaf, (SKICK,), 1))

        await one.pages.database.write(fill)
        yield one


async def change(stock: Stocked, external_id: str, **fields: str) -> tuple[int, str, Any]:
    """Open an item's form, and send it with these fields."""
    address = f"/dashboard/items/{external_id}/edit"
    shown = fields_of((await stock.pages.get(address))[1])
    return await stock.pages.post_files(address, {**shown, "do": "save", **fields}, ())


async def spec_of(stock: Stocked, external_id: str) -> ItemSpec:
    """What the item says."""
    view = await stock.pages.parts.api.items.read_item(stock.pages.parts.api.default_account, external_id)
    return view.item.spec


async def put(stock: Stocked, external_id: str, **fields: Any) -> None:
    """The ERP's PUT."""
    api = stock.pages.parts.api
    given = {"title": "Strålkastare", "price_ore": 45_000, "image_urls": None, **fields}
    await api.items.put_item(api.default_account, external_id, ItemSpec(**given))


async def test_what_the_erp_owns_stays_the_erps(stock: Stocked) -> None:
    """Title, price and text are locked, also for a form that sends them; category, attributes and freight are mended."""
    page = (await stock.pages.get("/dashboard/items/D-1/edit"))[1]
    assert page.count("readonly") == 3
    before = await spec_of(stock, "D-1")
    status, _, _ = await change(
        stock,
        "D-1",
        title="Min",
        price="1",
        description="Nej",
        category="10",
        weight="1,2",
        **{"attr.10.7": "Nytt"},
    )
    assert status == 303
    after = await spec_of(stock, "D-1")
    assert (after.title, after.price_ore, after.description) == (
        before.title,
        before.price_ore,
        before.description,
    )
    assert after.tradera is not None
    assert (after.tradera.category_id, after.tradera.attributes, after.weight_kg) == (10, {"7": "Nytt"}, 1.2)
    assert after.mended == ("category", "attributes", "freight")


async def test_what_was_mended_holds_until_a_put_names_it(stock: Stocked) -> None:
    """One by one; the same PUT again is unchanged."""
    await change(stock, "D-1", category="10", weight="1,2", **{"attr.10.7": "Nytt"})
    await put(stock, "D-1", tradera=TraderaWish(duration_days=5))
    spec = await spec_of(stock, "D-1")
    assert spec.tradera == TraderaWish(duration_days=5, category_id=10, attributes={"7": "Nytt"})
    assert (spec.weight_kg, spec.mended) == (1.2, ("category", "attributes", "freight"))
    await put(stock, "D-1", tradera=TraderaWish(category_id=302571), weight_kg=3.0)
    spec = await spec_of(stock, "D-1")
    assert spec.tradera == TraderaWish(category_id=302571, attributes={"7": "Nytt"})
    assert (spec.weight_kg, spec.mended) == (3.0, ("attributes",))
    await put(stock, "D-1")
    assert (await spec_of(stock, "D-1")).weight_kg is None


async def test_an_item_made_here_is_changed_whole(stock: Stocked) -> None:
    """Until an ERP takes it over by a PUT of its number."""
    shown = fields_of((await stock.pages.get(NEW))[1])
    await stock.pages.post_files(
        NEW, {**shown, **TYPED, "shelf": "B4", "do": "save"}, (picture(size=(640, 480)),)
    )
    page = (await stock.pages.get("/dashboard/items/R-1001/edit"))[1]
    assert "readonly" not in page
    assert fields_of(page)["attr.10.7"] == "Gott skick"
    status, _, _ = await change(
        stock, "R-1001", title="Backspegel vänster", price="400", shelf="C1", weight="0,8"
    )
    assert status == 303
    spec = await spec_of(stock, "R-1001")
    assert (spec.title, spec.price_ore, spec.metadata, spec.weight_kg) == (
        "Backspegel vänster",
        40_000,
        {"shelf": "C1"},
        0.8,
    )
    assert len(spec.image_urls or ()) == 1
    assert "B4" not in json.dumps(spec.metadata)
    await put(stock, "R-1001", title="ERP")
    assert "readonly" in (await stock.pages.get("/dashboard/items/R-1001/edit"))[1]


async def test_what_the_form_has_no_field_for_stays_of_a_return(stock: Stocked) -> None:
    """Its steps and its wait; what the form empties is empty, and an ERP's item keeps all its own."""
    shown = fields_of((await stock.pages.get(NEW))[1])
    sent = {**shown, **TYPED, "back": "yes", "floor": "100", "do": "save"}
    await stock.pages.post_files(NEW, sent, (picture(size=(640, 480)),))
    made = await spec_of(stock, "R-1001")
    assert made.tradera is not None
    own = RelistWish(enabled=True, floor_kr=100, steps=(0.5,), wait_h=48)
    spec = replace(made, tradera=replace(made.tradera, relist=own))
    item = (await stock.pages.parts.api.items.read_item(stock.shop.account_id, "R-1001")).item
    form = {**form_of(replace(item, spec=spec), "shelf"), "back": "", "back_times": "2", "floor": ""}
    for given, after in (
        (spec, RelistWish(times=2, steps=(0.5,), wait_h=48)),
        (replace(spec, made_here=False), own),
    ):
        mended = mended_spec(replace(item, spec=given), form, form, "shelf", lambda _url: None)
        assert mended.tradera is not None
        assert mended.tradera.relist == after


async def test_what_has_changed_meanwhile_is_not_written_over(stock: Stocked) -> None:
    """The ERP has sent other words since the form was opened: 409, with what was typed."""
    address = "/dashboard/items/D-1/edit"
    shown = fields_of((await stock.pages.get(address))[1])
    await put(stock, "D-1", title="Annan titel")
    status, text, _ = await stock.pages.post_files(address, {**shown, "category": "10", "do": "save"}, ())
    assert status == 409
    assert fields_of(text)["category"] == "10"
    assert (await spec_of(stock, "D-1")).title == "Annan titel"


async def test_a_failed_one_is_set_right_in_place_and_goes_again(stock: Stocked) -> None:
    """The reason stands in the shop's words; nothing to try again before the checks pass."""
    await put(stock, "F-2", title="Spegel utan skick", auto_publish=True, tradera=TraderaWish(category_id=10))
    page = (await stock.pages.get("/dashboard/items/F-2"))[1]
    assert 'action="/dashboard/items/F-2/edit"' in page
    assert "Skick" in page
    fields = {**fields_of(page), "attr.10.7": "Nytt", "do": "save"}
    status, _, _ = await stock.pages.post_files("/dashboard/items/F-2/edit", fields, ())
    assert status == 303
    listing = await stock.shop.listing("F-2")
    assert (listing.state.value, listing.is_held) == ("queued", False)


async def test_try_again_is_there_only_when_the_checks_pass(stock: Stocked) -> None:
    """What Tradera has refused may be tried; what rheod itself would stop may not."""
    await put(
        stock,
        "F-3",
        title="Spegel",
        auto_publish=True,
        tradera=TraderaWish(category_id=10, attributes={"Skick": "Nytt"}),
    )
    listing = await stock.shop.listing("F-3")
    await stock.shop.store.write(
        lambda tx: listings.step(tx, listing.id, PublishFailed(error="Tradera answered 400"))
    )
    assert "Försök igen" in (await stock.pages.get("/dashboard/items/F-3"))[1]
    await put(
        stock,
        "F-4",
        title="Spegel",
        auto_publish=True,
        tradera=TraderaWish(category_id=10, attributes={"Skick": "Nytt"}),
    )
    listing = await stock.shop.listing("F-4")
    await stock.shop.store.write(
        lambda tx: listings.step(tx, listing.id, PublishFailed(error="Tradera answered 400"))
    )
    await stock.pages.database.write(
        lambda db: reference_data.save_definitions(
            db, LeafAttributes(10, (replace(SKICK, terms=("Sprucken",)),), 2)
        )
    )
    page = (await stock.pages.get("/dashboard/items/F-4"))[1]
    assert "Försök igen" not in page
    assert "Sprucken" in page


async def test_what_ended_goes_up_again_at_the_price_of_a_button(stock: Stocked) -> None:
    """Or at one that was typed; a word for a price is said at its field."""
    listing = await stock.shop.listing("L-1")
    await stock.shop.store.write(
        lambda tx: listings.step(tx, listing.id, AdClosed(reason=CloseReason.NO_BIDS))
    )
    page = (await stock.pages.get("/dashboard/items/L-1"))[1]
    assert "Lägg ut igen" in page
    address = "/dashboard/items/L-1/again"
    status, text, _ = await stock.pages.send("/dashboard/items/L-1", address, price="gratis", step="")
    assert status == 422
    assert 'aria-describedby="wrong-again-price"' in text
    price = (await spec_of(stock, "L-1")).price_ore or 0
    status, _, _ = await stock.pages.send("/dashboard/items/L-1", address, step=str(price * 9 // 1000))
    assert status == 303
    assert (await spec_of(stock, "L-1")).price_ore == price * 9 // 1000 * 100
    assert (await stock.shop.listing("L-1")).generation == 2


async def test_a_sold_one_says_what_for_and_a_container_what_it_holds(stock: Stocked) -> None:
    """With the order it is in; with the sum of its parts."""
    sold = text_of((await stock.pages.get("/dashboard/items/S-1"))[1])
    assert "order 7001" in sold
    assert "betald" in sold
    await put(stock, "VIN-2", title="Saab 9-3", type=ItemType.CONTAINER, price_ore=None)
    await put(stock, "P-1", title="Grill", price_ore=20_000, parent_external_id="VIN-2")
    await put(stock, "P-2", title="Lykta", price_ore=30_000, parent_external_id="VIN-2")
    shown = text_of((await stock.pages.get("/dashboard/items/VIN-2"))[1])
    assert "2 saker" in shown
    assert "Grill" in shown
    assert (await stock.pages.get("/dashboard/items/VIN-2/edit"))[0] == 409


async def test_history_is_in_the_readers_language(stock: Stocked) -> None:
    """Reasons that events carry as plain English are recognised; all steps stand behind a fold."""
    listing = await stock.shop.listing("W/1")
    reason = "No picture could be used: shop.example answered 404 for the picture"
    await stock.shop.store.write(lambda tx: listings.step(tx, listing.id, PublishFailed(error=reason)))
    page = (await stock.pages.get("/dashboard/items/W%2F1"))[1]
    story = page[page.index('data-live="story"') :]
    shown = text_of(story[: story.index("<details")])
    assert "shop.example svarade 404" in shown
    assert "No picture" not in page
    assert "Tradera:" not in shown
    assert "Alla steg" in story


async def test_a_change_whose_session_has_ended_is_led_back_to(stock: Stocked) -> None:
    """With what was typed, under the same item; the drafts of new items do not show it."""
    address = "/dashboard/items/D-1/edit"
    shown = fields_of((await stock.pages.get(address))[1])
    await stock.pages.pressed("/dashboard/more", "/dashboard/sign-out")
    sent = {**shown, "category": "10", "weight": "2,5", "do": "save"}
    status, text, _ = await stock.pages.post_files(address, sent, ())
    assert status == 401
    hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', text)
    given = {name: unescape(value) for name, value in hidden}
    _, _, headers = await stock.pages.post("/dashboard/sign-in", {**given, "secret": stock.token})
    assert headers["Location"].startswith(f"{address}?draft=")
    back = fields_of((await stock.pages.get(headers["Location"]))[1])
    assert (back["category"], back["weight"], back["version"]) == ("10", "2,5", shown["version"])
    assert "Fortsätt med" not in (await stock.pages.get(NEW))[1]
    assert (await stock.pages.post_files(address, {**back, "do": "save"}, ()))[0] == 303
    assert (await spec_of(stock, "D-1")).weight_kg == 2.5


async def test_the_bids_are_read_when_the_owner_wants_to_know(stock: Stocked) -> None:
    """Said with when they were read; of an item that is not up there is nothing to read."""
    listing = await stock.shop.listing("L-1")
    await stock.pages.database.write(lambda db: ads.see_bids(db, listing.id, ads.Bids(5, 620, NOW_MS)))
    shown = text_of((await stock.pages.get("/dashboard/items/L-1"))[1])
    assert "5 bud, högst 620" in shown
    assert "läst " in shown
    told = await stock.pages.pressed("/dashboard/items/L-1", "/dashboard/items/L-1/look")
    assert "0 bud" in told
    assert "Läs buden" not in (await stock.pages.get("/dashboard/items/D-1"))[1]
