"""PUT: what comes into being, what changes, what stays, and the work each causes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rheod.domain.errors import Refused
from rheod.domain.model import (
    ItemType,
    JobKind,
    ListingState,
    PictureState,
    QueueName,
    RheoStatus,
    TraderaStatus,
    TraderaWish,
)
from tests.stores import rows
from tests.usecases.selling import Shop, container


async def test_a_new_item_without_pictures_is_active_at_once(shop: Shop, woken: list[QueueName]) -> None:
    """Created, told, and nothing to be done: publishing was not asked for."""
    result = await shop.put()
    assert (result.outcome, (await shop.item()).rheo_status) == ("created", RheoStatus.ACTIVE)
    assert await shop.events(result.item_id) == ["item.created"]
    assert await shop.jobs() == []
    assert QueueName.TRADERA not in woken


async def test_a_new_item_with_pictures_is_a_draft_until_they_are_there(
    shop: Shop, woken: list[QueueName]
) -> None:
    """One job for each picture; publishing waits for them."""
    await shop.put(image_urls=("https://i/1", "https://i/2"), auto_publish=True)
    view = await shop.view()
    assert view.item.rheo_status is RheoStatus.DRAFT
    assert view.item.tradera_status is TraderaStatus.PENDING_SYNC
    assert [kind for kind, _ in await shop.jobs()] == ["fetch_picture", "fetch_picture"]
    assert [picture.position for picture in view.pictures] == [0, 1]
    assert QueueName.PICTURES in woken


async def test_auto_publish_queues_a_listing(shop: Shop) -> None:
    """Without pictures the publish job is there at once."""
    await shop.put(auto_publish=True)
    listing = await shop.listing()
    assert (listing.state, listing.generation) == (ListingState.QUEUED, 1)
    assert await shop.jobs() == [("publish", listing.id)]


async def test_the_same_body_again_causes_nothing(shop: Shop) -> None:
    """Unchanged: no event, no job, the same id."""
    values: dict[str, Any] = {
        "image_urls": ("https://i/1",),
        "metadata": {"a": 1, "b": 2},
        "auto_publish": True,
    }
    first = await shop.put(**values)
    before = (await shop.jobs(), await shop.events(first.item_id), await shop.item())
    shop.clock.forward(5)
    again = await shop.put(**{**values, "metadata": {"b": 2, "a": 1}})
    assert (again.outcome, again.item_id) == ("unchanged", first.item_id)
    assert (await shop.jobs(), await shop.events(first.item_id), await shop.item()) == before


async def test_fifty_puts_at_once_make_one_item(shop: Shop) -> None:
    """One row, one id, one creation."""
    results = await asyncio.gather(*(shop.put(auto_publish=True) for _ in range(50)))
    assert len({result.item_id for result in results}) == 1
    assert [result.outcome for result in results].count("created") == 1
    assert await shop.events(results[0].item_id) == ["item.created"]
    assert await rows(shop.database, "SELECT count(*) AS n FROM listings") == [{"n": 1}]


async def test_auto_publish_acts_only_at_creation(shop: Shop) -> None:
    """A later PUT that says it publishes nothing."""
    await shop.put()
    result = await shop.put(auto_publish=True, title="Fat")
    assert result.outcome == "updated"
    assert (await shop.view()).listing is None


async def test_what_is_absent_keeps_its_value_only_where_the_contract_says(shop: Shop) -> None:
    """metadata, tradera and domain stay; every other field is replaced."""
    await shop.put(
        metadata={"shelf": 4},
        tradera=TraderaWish(category_id=5),
        domain="books",
        attributes={"isbn": "1"},
        description="old",
        source="erp",
        weight_kg=2.0,
    )
    await shop.put(title="Fat")
    kept = (await shop.item()).spec
    assert (kept.metadata, kept.tradera) == ({"shelf": 4}, TraderaWish(category_id=5))
    assert (kept.domain, kept.attributes) == ("books", {"isbn": "1"})
    assert (kept.title, kept.description, kept.source, kept.weight_kg) == ("Fat", "", None, None)


async def test_what_is_given_replaces(shop: Shop) -> None:
    """An empty object is a value; another domain brings its own attributes."""
    await shop.put(metadata={"shelf": 4}, domain="books", attributes={"isbn": "1"})
    await shop.put(metadata={}, domain="toys")
    now = (await shop.item()).spec
    assert (now.metadata, now.domain, now.attributes) == ({}, "toys", None)


async def test_only_what_an_ad_shows_makes_a_new_version(shop: Shop) -> None:
    """Price and metadata do not start a publishing over."""
    await shop.put()
    await shop.put(price_ore=80000, metadata={"a": 1})
    assert (await shop.item()).version == 1
    await shop.put(price_ore=80000, title="Fat")
    assert (await shop.item()).version == 2


async def test_a_changed_price_is_told_and_carried_to_the_live_ad(shop: Shop) -> None:
    """Like PATCH price."""
    listing = await shop.put_live()
    result = await shop.put(price_ore=79500, auto_publish=True)
    assert (await shop.item()).spec.price_ore == 79500
    assert (await shop.events(result.item_id))[-2:] == ["item.updated", "price.updated"]
    assert await shop.jobs(JobKind.REPRICE) == [("reprice", listing.id)]


async def test_a_live_ad_keeps_its_text_and_the_message_says_so(shop: Shop) -> None:
    """Tradera cannot change a live auction."""
    await shop.put_live()
    result = await shop.put(title="Fat")
    assert "keeps its text and pictures" in result.message
    assert (await shop.listing()).state is ListingState.LIVE


@pytest.mark.parametrize("state", [ListingState.LIVE, ListingState.SOLD])
async def test_a_sold_item_may_still_be_corrected_here(shop: Shop, state: ListingState) -> None:
    """Its price too; nothing is published, and no PUT is refused for it."""
    listing = await shop.put_live()
    await shop.mark_sold()
    if state is ListingState.SOLD:
        await shop.ended(listing)
    result = await shop.put(title="Fat", price_ore=100, auto_publish=True)
    assert "it is sold" in result.message
    assert (await shop.item()).spec.price_ore == 100
    assert await shop.jobs(JobKind.PUBLISH) == [("publish", listing.id)]


async def test_a_parent_must_be_a_standing_container(shop: Shop) -> None:
    """Unknown, an item, itself or deleted: the field is named."""
    await shop.put("item")
    await shop.items.put_item(shop.account_id, "VIN-1", container())
    for parent in ("nobody", "item", "x"):
        with pytest.raises(Refused) as refusal:
            await shop.put(parent_external_id=parent)
        assert [each.field for each in refusal.value.details] == ["parentExternalId"]
    assert (await shop.put(parent_external_id="VIN-1")).outcome == "created"
    await shop.put()
    await shop.delete("VIN-1")
    with pytest.raises(Refused):
        await shop.put(title="Fat", parent_external_id="VIN-1")


async def test_a_container_is_created_and_never_listed(shop: Shop) -> None:
    """Active at once, told with its type, even when it asks for publishing or has pictures."""
    spec = container()
    result = await shop.items.put_item(shop.account_id, "VIN-1", spec)
    assert (result.message, (await shop.item("VIN-1")).rheo_status) == (
        "Container created.",
        RheoStatus.ACTIVE,
    )
    assert (await shop.bodies(result.item_id, "item.created"))[0]["type"] == ItemType.CONTAINER
    with pytest.raises(Refused, match="never listed"):
        await shop.publish("VIN-1")


async def test_a_kept_picture_is_not_fetched_again(shop: Shop) -> None:
    """Changed addresses fetch what is new alone, in the order given."""
    await shop.put(image_urls=("https://i/1", "https://i/2"))
    for picture in (await shop.view()).pictures:
        await shop.picture_ready(picture.id, f"{picture.position}.jpg")
    await shop.put(image_urls=("https://i/3", "https://i/2"))
    new, kept = (await shop.view()).pictures
    assert (new.url, new.state) == ("https://i/3", PictureState.PENDING)
    assert (kept.url, kept.state, kept.file) == ("https://i/2", PictureState.READY, "1.jpg")
    assert await shop.jobs() == [("fetch_picture", new.id)]


async def test_another_order_of_pictures_fetches_nothing_and_publishes(shop: Shop) -> None:
    """A listing that waited for a picture that is wanted no more goes at once."""
    await shop.put(image_urls=("https://i/1", "https://i/2"), auto_publish=True)
    await shop.picture_ready((await shop.view()).pictures[0].id)
    await shop.put(image_urls=("https://i/1",))
    assert await shop.jobs() == [("publish", (await shop.listing()).id)]


async def test_taking_all_pictures_away_publishes_without(shop: Shop) -> None:
    """Pictures may be absent."""
    await shop.put(image_urls=("https://i/1",), auto_publish=True)
    await shop.put(image_urls=())
    assert await shop.jobs() == [("publish", (await shop.listing()).id)]
    assert (await shop.item()).rheo_status is RheoStatus.ACTIVE


async def test_changed_pictures_hold_a_queued_publishing_back(shop: Shop) -> None:
    """It goes when the new pictures are there."""
    await shop.put(auto_publish=True)
    await shop.put(image_urls=("https://i/1",))
    [(kind, picture_id)] = await shop.jobs()
    assert kind == JobKind.FETCH_PICTURE
    await shop.picture_ready(picture_id)
    assert await shop.jobs() == [("publish", (await shop.listing()).id)]


async def test_a_deleted_item_is_put_again_as_a_new_one(shop: Shop) -> None:
    """Another id, nothing inherited."""
    first = await shop.put(metadata={"old": 1})
    await shop.delete()
    second = await shop.put()
    assert second.outcome == "created"
    assert second.item_id != first.item_id
    assert (await shop.item()).spec.metadata is None


async def test_a_put_while_the_ad_is_being_ended_is_a_conflict(shop: Shop) -> None:
    """The ad is still up: a new item now could sell it twice. Afterwards it is welcome."""
    listing = await shop.put_live()
    await shop.delete()
    with pytest.raises(Refused) as refusal:
        await shop.put()
    assert refusal.value.code == "CONFLICT"
    await shop.ended(listing)
    assert (await shop.put()).outcome == "created"


async def test_accounts_do_not_see_each_other(shop: Shop) -> None:
    """The same external id in two accounts is two items."""
    first = await shop.put()
    [member] = await rows(shop.database, "SELECT id FROM accounts WHERE reference = 'member'")
    second = await shop.items.put_item(member["id"], "x", container())
    assert first.item_id != second.item_id


async def test_ai_is_accepted_and_said_to_do_nothing(shop: Shop) -> None:
    """The message says so."""
    assert "useAiEnhancement does nothing" in (await shop.put(use_ai=True)).message


class TestAfterARefusedPublishing:
    """A rejected publishing and the PUT that corrects it."""

    @pytest.fixture(autouse=True)
    async def _rejected(self, shop: Shop) -> None:
        await shop.put(image_urls=("https://i/1",), auto_publish=True)
        [picture] = (await shop.view()).pictures
        await shop.picture_failed(picture.id)

    async def test_a_correction_is_published_anew(self, shop: Shop) -> None:
        """A new listing of the next generation."""
        await shop.put(title="Fat", image_urls=())
        listing = await shop.listing()
        assert (listing.state, listing.generation) == (ListingState.QUEUED, 2)
        assert await shop.jobs() == [("publish", listing.id)]

    async def test_the_same_body_again_is_not(self, shop: Shop) -> None:
        """Nothing was corrected."""
        await shop.put(image_urls=("https://i/1",), auto_publish=True)
        assert (await shop.listing()).state is ListingState.REJECTED

    async def test_a_failed_picture_is_fetched_again(self, shop: Shop) -> None:
        """The correction may have been made at the picture's host."""
        await shop.put(title="Fat", image_urls=("https://i/1",))
        [picture] = (await shop.view()).pictures
        assert picture.state is PictureState.PENDING
        assert await shop.jobs() == [("fetch_picture", picture.id)]
        await shop.picture_ready(picture.id)
        assert await shop.jobs() == [("publish", (await shop.listing()).id)]

    async def test_a_delisted_item_stays_delisted(self, shop: Shop) -> None:
        """A PUT corrects it here and puts nothing up for sale."""
        await shop.unlist()
        await shop.put(title="Fat", image_urls=())
        assert (await shop.listing()).state is ListingState.REJECTED
        assert (await shop.item()).rheo_status is RheoStatus.NOT_LISTED

    async def test_an_item_sold_elsewhere_is_only_corrected(self, shop: Shop) -> None:
        """No conflict and no new ad."""
        await shop.mark_sold()
        assert (await shop.put(title="Fat", image_urls=())).outcome == "updated"
        assert (await shop.listing()).state is ListingState.REJECTED
