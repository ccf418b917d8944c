"""The pages about items: what they show and refuse, and that their actions do what the API's do."""

from __future__ import annotations

from pathlib import Path

from rheod.domain.errors import Text
from rheod.domain.model import EventType, ListingState, RheoStatus, TraderaStatus
from rheod.web import items_page
from tests.web.running import text_of
from tests.web.stocked import Stocked, stocked


async def shown(one: Stocked, path: str, status: int = 200) -> str:
    """What a reader sees of a page, in English."""
    await one.pages.sign_in(one.token)
    found, html, _ = await one.pages.get(path, **{"Accept-Language": "en"})
    assert found == status, html
    return text_of(html)


async def test_an_item_tells_its_whole_story(tmp_path: Path) -> None:
    """Events and calls, an unknown outcome shown as such; an owner's text stays text."""
    async with stocked(tmp_path) as one:
        text = await shown(one, "/dashboard/items/L-1")
        for said in (
            "The ad is live",
            "Tradera: make the ad, unseen yet",
            "no answer Tradera: make the ad visible",
        ):
            assert said in text
        assert "Tradera answered 500 to image" in text
        _, html, _ = await one.pages.get("/dashboard/items/D-1")
        assert "&lt;b&gt;utan&lt;/b&gt;" in html
        assert "No item found" in await shown(one, "/dashboard/items/nobody", 404)


async def test_an_item_says_why_it_waits(tmp_path: Path) -> None:
    """Place and time in the queue, a doubt with what to do."""
    async with stocked(tmp_path) as one:
        assert "Place 1 in the queue" in await shown(one, "/dashboard/items/W%2F1")
        assert "Nobody knows whether its ad" in await shown(one, "/dashboard/items/X-1")


async def test_a_dry_run_changes_nothing(tmp_path: Path) -> None:
    """The exact request on the page, and no job, no event, no audit entry more than before."""
    async with stocked(tmp_path) as one:
        before = await one.shop.jobs()
        text = await shown(one, "/dashboard/items/D-1/dry-run")
        assert "It would be published." in text
        assert '"categoryId": 302571' in text
        assert await one.shop.jobs() == before
        text = await shown(one, "/dashboard/items/S-1/dry-run")
        assert "It would not be published." in text


async def test_every_action_does_its_work_and_is_in_the_audit_log(tmp_path: Path) -> None:
    """Publish, try again, take down, mark as sold, settle either way."""
    async with stocked(tmp_path) as one:
        await one.pages.sign_in(one.token)
        for external_id, action, fields in (
            ("D-1", "publish", {}),
            ("F-1", "publish", {}),
            ("W%2F1", "end", {}),
            ("L-1", "sold", {}),
            ("X-1", "settle", {"found": "none"}),
        ):
            page = f"/dashboard/items/{external_id}"
            status, _, headers = await one.pages.send(page, f"{page}/{action}", **fields)
            assert (status, headers["Location"].partition("?")[0]) == (303, page)
        assert (await one.shop.listing("D-1")).state is ListingState.QUEUED
        assert (await one.shop.item("F-1")).tradera_status is TraderaStatus.PENDING_SYNC
        assert (await one.shop.item("W/1")).rheo_status is RheoStatus.NOT_LISTED
        assert (await one.shop.item("L-1")).rheo_status is RheoStatus.SOLD
        assert (await one.shop.listing("X-1")).state is ListingState.REJECTED
        actions = await one.pages.parts.audit.latest(limit=5)
        assert [(action.action, action.subject) for action in actions] == [
            ("settle doubt", "X-1"),
            ("mark item as sold", "L-1"),
            ("take item down", "W/1"),
            ("publish item", "F-1"),
            ("publish item", "D-1"),
        ]


async def test_an_ad_that_is_up_is_settled_by_its_number(tmp_path: Path) -> None:
    """Nonsense and another number are refused with a sentence; nothing happens then."""
    async with stocked(tmp_path) as one:
        await one.pages.sign_in(one.token)
        page = "/dashboard/items/X-1"
        ad = (await one.shop.listing("X-1")).tradera_item_id
        for wrong in ("", "x", "999", "9" * 30):
            await one.pages.send(page, f"{page}/settle", ad=wrong)
            assert (await one.shop.listing("X-1")).state is ListingState.COMMITTING
        await one.pages.send(page, f"{page}/settle", ad=str(ad))
        assert (await one.shop.listing("X-1")).state is ListingState.LIVE


async def test_what_cannot_be_done_is_told(tmp_path: Path) -> None:
    """A refusal of the catalogue becomes a sentence on the page the form was on."""
    async with stocked(tmp_path) as one:
        await one.pages.sign_in(one.token)
        page = "/dashboard/items/S-1"
        assert "kan inte publiceras igen" in await one.pages.pressed("/dashboard/more", f"{page}/publish")


async def test_items_of_a_removed_account_are_only_read(tmp_path: Path) -> None:
    """As over the API."""
    removed: set[str] = set()
    async with stocked(tmp_path, removed_accounts=removed) as one:
        await one.pages.sign_in(one.token)
        removed.add(one.shop.account_id)
        for page, action, fields in (
            ("/dashboard/items/D-1", "/dashboard/items/D-1/end", {}),
            ("/dashboard/sales", "/dashboard/sales/7001/tracking", {"carrier": "PostNord", "number": "1"}),
        ):
            assert "kan bara läsas" in await one.pages.pressed(page, action, **fields)
        assert (await one.shop.item("D-1")).rheo_status is not RheoStatus.NOT_LISTED


def test_every_event_of_an_item_has_its_words() -> None:
    """An event without words would be shown by its technical name."""
    assert set(items_page.EVENTS) == set(EventType)
    assert all(isinstance(each, Text) for each in (*items_page.EVENTS.values(), *items_page.CALLS.values()))
