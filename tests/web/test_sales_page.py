"""The page about sales: a buyer is shown only as long as a parcel must be sent, and its actions are the API's."""

from __future__ import annotations

from pathlib import Path

import pytest

from rheod.store import inbox
from rheod.web.sales_page import label_of
from tests.stores import NOW_MS, rows
from tests.usecases.selling import order_created
from tests.web.running import text_of
from tests.web.stocked import BUYER, Stocked, stocked


async def test_the_buyer_is_shown_until_the_parcel_is_sent(tmp_path: Path) -> None:
    """Then no more; an erased one says so; the alias is nobody's business."""
    async with stocked(tmp_path) as one:
        await one.pages.sign_in(one.token)
        _, html, _ = await one.pages.get("/dashboard/sales", **{"Accept-Language": "en"})
        assert html.count("Storgatan 7") == 2
        assert "åke62" not in html
        assert "The buyer's data was erased" in text_of(html)
        await one.shop.database.write(lambda db: db.execute("UPDATE orders SET shipped_at = 1"))
        _, html, _ = await one.pages.get("/dashboard/sales")
        assert "Storgatan" not in html


async def test_a_parcel_is_told_as_over_the_api(tmp_path: Path) -> None:
    """Kept, ordered to be told to Tradera, audited without its number."""
    async with stocked(tmp_path) as one:
        await one.pages.sign_in(one.token)
        path = "/dashboard/sales/7001/tracking"
        await one.pages.send("/dashboard/sales", path, carrier=" PostNord ", number="SE123")
        found = await rows(one.shop.database, "SELECT carrier, tracking_number FROM shipments")
        assert found == [{"carrier": "PostNord", "tracking_number": "SE123"}]
        assert ("ship", "7001") in await one.shop.jobs()
        (action,) = await one.pages.parts.audit.latest(limit=1)
        assert (action.action, action.subject, "SE123" in action.told) == ("tell parcel", "7001", False)


@pytest.mark.parametrize(
    ("order_id", "fields"),
    [
        ("7001", {"carrier": "", "number": "1"}),
        ("7001", {"carrier": "PostNord"}),
        ("7001", {"carrier": "x" * 101, "number": "1"}),
        ("7003", {"carrier": "PostNord", "number": "1"}),
        ("8", {"carrier": "PostNord", "number": "1"}),
        ("x", {"carrier": "PostNord", "number": "1"}),
    ],
)
async def test_a_wrong_parcel_is_refused(tmp_path: Path, order_id: str, fields: dict[str, str]) -> None:
    """With a sentence; nothing is kept."""
    async with stocked(tmp_path) as one:
        await one.pages.sign_in(one.token)
        path = f"/dashboard/sales/{order_id}/tracking"
        status, html, _ = await one.pages.send("/dashboard/sales", path, **fields)
        assert status in {404, 409, 422}
        assert 'class="outcome bad"' in html
        assert order_id != "7001" or f'value="{fields["carrier"]}"' in html
        assert await rows(one.shop.database, "SELECT id FROM shipments") == []


async def test_a_strange_message_is_shown_as_text_and_put_away(tmp_path: Path) -> None:
    """Whatever stands in it is no markup; put away it is gone from the page and kept in the inbox."""
    async with stocked(tmp_path) as one:
        await one.pages.sign_in(one.token)
        _, html, _ = await one.pages.get("/dashboard/sales")
        assert "&lt;script&gt;" in html
        assert "<script>" not in html
        (message,) = await rows(one.shop.database, "SELECT id FROM inbox WHERE state = 'quarantined'")
        path = f"/dashboard/sales/messages/{message['id']}/put-away"
        await one.pages.send("/dashboard/sales", path)
        assert "&lt;script&gt;" not in (await one.pages.get("/dashboard/sales"))[1]
        found = await rows(one.shop.database, "SELECT state, body FROM inbox WHERE id = ?", message["id"])
        assert (found[0]["state"], "<script>" in found[0]["body"]) == ("ignored", True)
        assert "Det väntar inget sådant meddelande" in await one.pages.pressed("/dashboard/sales", path)


async def test_what_is_not_matched_is_told_first_and_by_itself(tmp_path: Path) -> None:
    """With the ad's address at Tradera; the sold item of ours is in the orders alone."""
    async with stocked(tmp_path) as one:
        await one.pages.sign_in(one.token)
        _, html, _ = await one.pages.get("/dashboard/sales", **{"Accept-Language": "en"})
        assert html.index("Tavla i guldram") < html.index("Såld bromsok")
        assert "https://tradera.example/item/990001" in html
        _, html, _ = await one.pages.get("/dashboard/sales?unmatched=1")
        assert "Såld bromsok" not in html
        assert "7002" in html


async def test_many_orders_are_read_page_by_page(tmp_path: Path) -> None:
    """The link leads to the earlier ones; a made-up position is a 400."""
    async with stocked(tmp_path) as one:
        await one.shop.database.write(
            lambda db: db.executemany(
                "INSERT INTO orders (order_id, account_id, subtotal_ore, month, buyer, created_at, updated_at,"
                " received_at) VALUES (?, ?, 100, '2026-05', '{}', ?, 0, 0)",
                [(number, one.shop.account_id, number) for number in range(1, 30)],
            )
        )
        await one.pages.sign_in(one.token)
        _, html, _ = await one.pages.get("/dashboard/sales")
        more = html.split('class="more" href="')[1].split('"')[0].replace("&amp;", "&")
        _, html, _ = await one.pages.get(more)
        assert html.count('class="card order"') == 12
        assert (await one.pages.get("/dashboard/sales?after=x"))[0] == 400


def test_a_label_is_what_a_parcel_needs() -> None:
    """The address to ship to before the buyer's own; without any there is none."""
    ship_to = {
        **BUYER,
        "shipTo": {"name": "Kiosken", "addressLine1": "Torget 1", "zipCode": "111 11", "city": "X"},
    }
    assert label_of(BUYER) == ["Åke Öberg", "Storgatan 7", "123 45 Ängelholm", "ake@example.com"]
    assert label_of(ship_to)[1:3] == ["Torget 1", "111 11 X"]
    assert label_of({"alias": "x"}) == []


async def doubt(one: Stocked) -> int:
    """An order that names the live ad and cannot be read; returns the ad's number."""
    ad = (await one.shop.listing("L-1")).tradera_item_id or 0
    await one.shop.take_in(order_created(7009, ad))
    await one.shop.database.write(
        lambda db: inbox.note_doubt(
            db,
            inbox.find(db, "OrderCreated:7009") or 0,
            reason="no price",
            answer="{}",
            ads=(ad,),
            now=NOW_MS,
        )
    )
    return ad


async def test_a_sale_in_doubt_is_shown_and_settled_as_a_sale(tmp_path: Path) -> None:
    """With its item and what cannot be read; the price is taken as people write it."""
    async with stocked(tmp_path) as one:
        await doubt(one)
        await one.pages.sign_in(one.token)
        _, html, _ = await one.pages.get("/dashboard/sales", **{"Accept-Language": "en"})
        assert "Sales in doubt" in html
        assert "no price" in html
        path = "/dashboard/sales/7009/settle"
        assert 'class="outcome bad"' in await one.pages.pressed("/dashboard/sales", path, price="mycket")
        await one.pages.send("/dashboard/sales", path, price="1 950,50")
        (line,) = await rows(
            one.shop.database, "SELECT unit_price_ore FROM order_lines WHERE order_id = 7009"
        )
        assert line["unit_price_ore"] == 195_050
        assert (await one.shop.item("L-1")).rheo_status == "sold"
        assert "doubt-7009" not in (await one.pages.get("/dashboard/sales"))[1]


async def test_a_sale_in_doubt_that_is_none_leaves_the_page(tmp_path: Path) -> None:
    """Nothing is sold by it."""
    async with stocked(tmp_path) as one:
        await doubt(one)
        await one.pages.sign_in(one.token)
        await one.pages.send("/dashboard/sales", "/dashboard/sales/7009/settle", found="none")
        assert "doubt-7009" not in (await one.pages.get("/dashboard/sales"))[1]
        assert (await one.shop.item("L-1")).rheo_status == "active"
