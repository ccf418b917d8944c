"""The page about orders: a card for each, a buyer only as long as a parcel must be sent; its actions are the API's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rheod.health.findings import PLACES
from rheod.store import inbox
from rheod.web.sales_page import TABS, label_of
from tests.stores import NOW_MS, rows
from tests.usecases.selling import order_created
from tests.web.packing import THINGS, morning
from tests.web.running import text_of
from tests.web.stocked import BUYER, Stocked, stocked


async def test_the_buyer_is_shown_until_the_parcel_is_sent(tmp_path: Path) -> None:
    """Then no more; an erased one says so; the alias is nobody's business."""
    async with stocked(tmp_path) as one:
        await one.pages.sign_in(one.token)
        _, html, _ = await one.pages.get("/dashboard/sales", **{"Accept-Language": "en"})
        assert html.count("Storgatan 7") == 1
        assert "åke62" not in html
        _, html, _ = await one.pages.get("/dashboard/sales?show=all", **{"Accept-Language": "en"})
        assert "The buyer's data was erased" in text_of(html)
        await one.shop.database.write(lambda db: db.execute("UPDATE orders SET shipped_at = 1"))
        for tab in TABS:
            _, html, _ = await one.pages.get(f"/dashboard/sales?show={tab.name}")
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
        _, html, _ = await one.pages.get("/dashboard/sales?show=all")
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


SALES = "/dashboard/sales"


async def cards(one: Stocked, show: str = "") -> list[int]:
    """The orders of a tab, from the top."""
    _, html, _ = await one.pages.get(f"{SALES}?show={show}")
    return [int(number) for number in re.findall(r'class="card order" id="order-(\d+)"', html)]


async def test_every_order_stands_on_its_tab_with_the_counts_of_all(tmp_path: Path) -> None:
    """What is to be sent comes first, the oldest first; the rest has the newest first."""
    async with stocked(tmp_path) as one:
        await morning(one)
        await one.pages.sign_in(one.token)
        assert await cards(one) == [7003, 8001, 7001, 8003, 8002]
        assert await cards(one, "unpaid") == [7002]
        await one.pages.send(SALES, f"{SALES}/8001/done")
        await one.pages.send(SALES, f"{SALES}/8002/done")
        assert await cards(one) == [7003, 7001, 8003]
        assert await cards(one, "sent") == [8002, 8001]
        assert await cards(one, "all") == [8002, 8003, 7001, 8001, 7002, 7003]
        _, html, _ = await one.pages.get(f"{SALES}?show=sent", **{"Accept-Language": "en"})
        assert "To send 3 Unpaid 1 Shipped 2 All 6 Write a pick list" in text_of(html)
        assert re.search(r'show=sent" aria-current="page"', html)
        assert (await one.pages.get(f"{SALES}?show=else"))[0] == 400


async def test_a_card_has_what_a_packer_needs(tmp_path: Path) -> None:
    """Picture, title, shelf, sum and freight, whether paid, age, address with its button, number."""
    async with stocked(tmp_path) as one:
        await morning(one)
        await one.pages.sign_in(one.token)
        _, html, _ = await one.pages.get(SALES, **{"Accept-Language": "en"})
        card = html.split('id="order-8001"')[1].split("</section>")[0]
        assert re.search(r'<img class="pic" src="/images/\w\w/\w+\.160\.webp" alt=""', card)
        seen = text_of(card)
        for words in (THINGS[8001][1], "Place B4", "29 h ago", "700 kr + freight 69 kr", "paid"):
            assert words in seen
        assert '<address id="to-8001">Kund8001 Öberg<br>Storgatan 7<br>' in card
        assert re.search(r'<button type="button" class="btn" data-copy="to-8001" [^>]*hidden>', card)
        assert "åke62" not in card


async def test_the_carrier_used_last_is_offered_first(tmp_path: Path) -> None:
    """And another one by its name, which is then offered too."""
    async with stocked(tmp_path) as one:
        await morning(one)
        await one.pages.sign_in(one.token)

        async def offered() -> list[str]:
            _, html, _ = await one.pages.get(SALES)
            card = html.split('id="order-7001"')[1].split("</section>")[0]
            return re.findall(r'name="carrier" value="([^"]*)"', card)

        assert await offered() == ["PostNord", "DHL", "Schenker", "Bring", ""]
        await one.pages.send(SALES, f"{SALES}/8001/tracking", carrier="Bring", number="1")
        assert await offered() == ["Bring", "PostNord", "DHL", "Schenker", ""]
        await one.pages.send(SALES, f"{SALES}/8002/tracking", carrier="", other="Budet", number="2")
        assert await offered() == ["Budet", "Bring", "PostNord", "DHL", ""]


async def test_sent_leads_to_the_next_and_a_second_tap_changes_nothing(tmp_path: Path) -> None:
    """The same form again is answered with the first result: one parcel, one job."""
    async with stocked(tmp_path) as one:
        await morning(one)
        await one.pages.sign_in(one.token)
        fields = await one.pages.tokens(SALES) | {"carrier": "PostNord", "number": "SE1"}
        first = await one.pages.post(f"{SALES}/7003/tracking", fields)
        assert first[0] == 409  # its buyer is erased: it takes no parcel
        fields = await one.pages.tokens(SALES) | {"carrier": "PostNord", "number": "SE1"}
        for _ in range(2):
            status, _, headers = await one.pages.post(f"{SALES}/8001/tracking", fields)
            assert (status, "SE1" in headers["Location"]) == (303, False)
        assert len(await rows(one.shop.database, "SELECT id FROM shipments")) == 1
        assert (await one.shop.jobs()).count(("ship", "8001")) == 1
        assert 8001 not in await cards(one)
        _, _, headers = await one.pages.post(f"{SALES}/8001/tracking", fields)
        _, html, _ = await one.pages.get(headers["Location"])
        assert re.findall(r'id="number-(\d+)"[^>]* autofocus', html) == ["7001"]
        assert "autofocus" not in (await one.pages.get(SALES))[1]


async def test_a_parcel_is_corrected_on_its_own_tab(tmp_path: Path) -> None:
    """The last number counts, and one stays where one was."""
    async with stocked(tmp_path) as one:
        await morning(one)
        await one.pages.sign_in(one.token)
        await one.pages.send(SALES, f"{SALES}/8001/tracking", carrier="PostNord", number="SE1")
        _, html, _ = await one.pages.get(f"{SALES}?show=sent")
        assert f'action="{SALES}/8001/tracking?show=sent"' in html
        path = f"{SALES}/8001/tracking?show=sent"
        status, _, headers = await one.pages.send(SALES, path, carrier="DHL", number="SE2")
        assert (status, headers["Location"].startswith(f"{SALES}?show=sent&")) == (303, True)
        found = await rows(one.shop.database, "SELECT carrier, tracking_number FROM shipments ORDER BY rowid")
        assert [tuple(each.values()) for each in found] == [("PostNord", "SE1"), ("DHL", "SE2")]
        status, html, _ = await one.pages.send(SALES, path, carrier="DHL", number="")
        assert (status, await cards(one, "sent")) == (422, [8001])
        assert 'aria-current="page">Skickade' in html


async def test_what_may_still_grow_stands_below_what_is_to_be_sent(tmp_path: Path) -> None:
    """It is not in the count, says until when, and may be sent all the same."""
    async with stocked(tmp_path) as one:
        await morning(one, expires_at=NOW_MS + 86_400_000)
        await one.pages.sign_in(one.token)
        _, html, _ = await one.pages.get(SALES, **{"Accept-Language": "en"})
        assert "2 orders to send" in text_of(html)
        assert html.index('id="order-7001"') < html.index('id="waiting"') < html.index('id="order-8001"')
        assert "The buyer may add to it until" in text_of(html)
        await one.pages.send(SALES, f"{SALES}/8001/tracking", carrier="PostNord", number="SE1")
        assert await cards(one, "sent") == [8001]


async def test_an_order_that_is_not_paid_is_paid_outside_in_two_steps(tmp_path: Path) -> None:
    """Its address is behind a fold until then; the second step names it, and Tradera is told."""
    async with stocked(tmp_path) as one:
        await morning(one, paid=False)
        await one.pages.sign_in(one.token)
        _, html, _ = await one.pages.get(f"{SALES}?show=unpaid", **{"Accept-Language": "en"})
        card = html.split('id="order-8001"')[1].split("</section>")[0]
        assert card.index("It was paid outside Tradera") < card.index("Order 8001 is paid</button>")
        assert card.index('<details class="behind"') < card.index("<address")
        await one.pages.send(SALES, f"{SALES}/8001/pay?show=unpaid")
        assert 8001 in await cards(one)
        assert ("confirm", "8001") in await one.shop.jobs()


async def test_a_sale_is_taken_back_in_two_steps(tmp_path: Path) -> None:
    """Behind a fold stands the form, with why and whether the money went back; the order leaves what is to be sent."""
    async with stocked(tmp_path) as one:
        await morning(one)
        await one.pages.sign_in(one.token)
        _, html, _ = await one.pages.get(SALES)
        card = html.split('id="order-8001"')[1].split("</section>")[0]
        assert re.search(r'<details class="sure">\s*<summary>[^<]*Bromsok', card)
        path = f"{SALES}/8001/reverse"
        status, html, _ = await one.pages.send(SALES, path, item="B-4", reason="cancelled")
        assert status == 422
        status, _, _ = await one.pages.send(SALES, path, item="B-4", reason="cancelled", refunded="1")
        assert status == 303
        assert 8001 not in await cards(one)
        assert (await one.shop.item("B-4")).rheo_status == "not_listed"


async def test_the_months_are_a_table_behind_the_chart_and_a_file(tmp_path: Path) -> None:
    """As a spreadsheet of the reader's country reads it."""
    async with stocked(tmp_path) as one:
        await morning(one)
        await one.pages.sign_in(one.token)
        _, html, _ = await one.pages.get(SALES)
        assert re.search(r'</svg>\s*<details class="behind"><summary>Som tabell', html)
        _, text, headers = await one.pages.get(f"{SALES}/months.csv")
        assert headers["Content-Type"] == "text/csv; charset=utf-8"
        assert text.splitlines()[0].startswith("Månad;Ordrar;")
        assert text.splitlines()[-1].startswith("2026-05;4;3200,00;")
        _, text, _ = await one.pages.get(f"{SALES}/months.csv", **{"Accept-Language": "en"})
        assert text.splitlines()[-1].startswith("2026-05,4,3200.00,")
        assert len(text.splitlines()) == 13


async def test_a_pick_list_goes_by_the_shelf(tmp_path: Path) -> None:
    """B4 after A10 after A1; it is a sheet to tick off."""
    async with stocked(tmp_path) as one:
        await morning(one)
        await one.pages.sign_in(one.token)
        html = await one.pages.pressed(SALES, f"{SALES}/pick")
        assert re.findall(r"☐</td><td>(\w+)<", html) == ["A1", "A10", "B4"]
        assert html.count("☐") == 5


async def test_where_a_finding_leads_to_is_there(tmp_path: Path) -> None:
    """The tab on which its orders stand, or the part of the page that it names."""
    async with stocked(tmp_path) as one:
        await doubt(one)
        await one.pages.sign_in(one.token)
        places = {place for place in PLACES.values() if place.startswith(SALES)}
        assert len(places) == 7
        for place in places:
            path, _, part = place.partition("#")
            status, html, _ = await one.pages.get(path)
            assert status == 200
            assert not part or f'id="{part}"' in html
            tab = path.partition("?show=")[2]
            assert not tab or f'show={tab}" aria-current="page"' in html


async def test_what_an_alert_is_about_is_shown_alone(tmp_path: Path) -> None:
    """The orders that the address names, however old, with what can be done; a refused form stays on them; another's are not found."""
    async with stocked(tmp_path) as one:
        await one.pages.sign_in(one.token)
        page = "/dashboard/sales?order=7003,7001"
        _, html, _ = await one.pages.get(page, **{"Accept-Language": "en"})
        assert re.findall(r'id="order-(\d+)"', html) == ["7003", "7001"]
        assert "2 orders" in text_of(html)
        assert re.search(r'action="/dashboard/sales/7001/tracking\?order=7003%2C7001"', html)
        wrong = await one.pages.send(
            page, "/dashboard/sales/7001/tracking?order=7001", carrier="", number="SE9"
        )
        assert re.findall(r'id="order-(\d+)"', wrong[1]) == ["7001"]
        assert 'value="SE9"' in wrong[1]
        for order, status in (("8", 404), ("x", 400), ("7001,", 400)):
            assert (await one.pages.get(f"/dashboard/sales?order={order}"))[0] == status
