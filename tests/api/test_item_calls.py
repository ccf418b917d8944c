"""The partner's calls for single items, over the real catalogue."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest
from structlog.testing import capture_logs

from rheod.domain.errors import Text
from rheod.domain.model import ListingState, PictureState
from rheod.store import items
from tests.api.running import Api, OpenApi, Reply

BASE = "/integration/v1/items"
ITEM = f"{BASE}/ERP_PART_12345"
GOOD = {"title": "Bromsok", "price": 950}


async def shown(api: Api, path: str = ITEM) -> Any:
    return (await api.call("GET", path)).body


async def test_a_put_is_answered_202_with_the_items_id_and_what_happened(api: Api) -> None:
    """Created, unchanged and updated are told apart; the id stays."""
    replies = [await api.call("PUT", ITEM, body) for body in (GOOD, GOOD, GOOD | {"title": "Bromsok bak"})]
    assert [reply.status for reply in replies] == [202, 202, 202]
    assert {reply.body["success"] for reply in replies} == {True}
    assert len({reply.body["itemId"] for reply in replies}) == 1
    assert replies[0].body["message"] == "Item is being processed in the background."
    assert len({reply.body["message"] for reply in replies}) == 3


async def test_get_has_every_field_of_the_contract(api: Api) -> None:
    """A fresh item shows its state, with null where there is nothing to say yet."""
    given = {"externalReference": "ref-1", "source": "erp", "schemaVersion": "1.2.0"}
    pictures = {"imageUrls": ["https://cdn.example.com/1.jpg"]}
    put = await api.call("PUT", ITEM, GOOD | given | pictures | {"price": 950.5})
    assert await shown(api) == {
        "externalId": "ERP_PART_12345",
        "rheoItemId": put.body["itemId"],
        "rheoStatus": "draft",
        "traderaStatus": None,
        "traderaAdId": None,
        "traderaAdUrl": None,
        "price": 950.5,
        "title": "Bromsok",
        "type": "item",
        "createdAt": "2026-05-26T10:00:00Z",
        "updatedAt": "2026-05-26T10:00:00Z",
        "lastError": None,
        "lastWarning": None,
        "held": None,
        "relist": None,
        "queue": None,
        "images": [
            {
                "url": "https://cdn.example.com/1.jpg",
                "state": "pending",
                "hostedUrl": None,
                "error": None,
                "warning": None,
            }
        ],
        "parentExternalId": None,
        "externalReference": "ref-1",
        "source": "erp",
        "schemaVersion": "1.2.0",
        "metadata": {},
        "domain": None,
    }


async def test_a_put_replaces_every_field_but_those_that_stay(api: Api) -> None:
    """Absent, the pictures, `metadata`, `tradera` and `domain` stay and the others go; `[]` takes the pictures away."""
    kept = {
        "imageUrls": ["https://cdn.example.com/1.jpg"],
        "metadata": {"shelf": "A-1"},
        "domain": {"domain": "books", "isbn": "1"},
    }
    await api.call("PUT", ITEM, GOOD | kept | {"externalReference": "ref-1"})
    await api.call("PUT", ITEM, GOOD | {"title": "Bromsok, ny text"})
    item = await shown(api)
    assert [picture["url"] for picture in item["images"]] == kept["imageUrls"]
    assert (item["metadata"], item["domain"]) == (kept["metadata"], {"isbn": "1", "domain": "books"})
    assert (item["title"], item["externalReference"], item["schemaVersion"]) == (
        "Bromsok, ny text",
        None,
        "1.0.0",
    )
    await api.call("PUT", ITEM, GOOD | {"imageUrls": []})
    assert (await shown(api))["images"] == []


async def test_what_erps_write_in_their_own_way_is_taken(api: Api) -> None:
    """A price of three decimals, a currency in small letters, no weight, a vertical tab, 1,024 letters of metadata."""
    body = {
        "title": "Byr\u00e5\u000bek",
        "price": 1187.375,
        "currency": "sek",
        "weightKg": 0,
        "metadata": {"lager": "\u00e5" * 1024},
    }
    assert (await api.call("PUT", ITEM, body)).status == 202
    item = await shown(api)
    assert (item["title"], item["price"], item["metadata"]) == ("Byr\u00e5 ek", 1187.38, body["metadata"])
    assert (await api.call("PATCH", f"{ITEM}/price", {"price": 794.995})).status == 202
    assert (await shown(api))["price"] == 795


async def test_what_failed_is_told_in_english_however_it_is_stored(api: Api) -> None:
    """The store keeps template and values, for the pages; an ERP reads the sentence."""
    await api.call("PUT", ITEM, GOOD | {"imageUrls": ["https://cdn.example.com/1.jpg"]})
    why = Text("{host} answered {status} for the picture", host="cdn.example.com", status=404)

    def failed(db: Any) -> None:
        db.execute("UPDATE items SET last_error = ?", (Text("No picture could be used: {why}", why=why),))
        db.execute("UPDATE pictures SET state = 'failed', error = ?", (why,))

    await api.database.write(failed)
    item = await shown(api)
    assert item["lastError"] == "No picture could be used: cdn.example.com answered 404 for the picture"
    assert item["images"][0]["error"] == "cdn.example.com answered 404 for the picture"


async def test_an_item_that_waits_says_when_it_goes_out(api: Api) -> None:
    """A publish in the queue has its place and the expected time."""
    await api.call("PUT", ITEM, GOOD | {"autoPublishTradera": True})
    queue = (await shown(api))["queue"]
    assert queue["position"] == 1
    assert queue["expectedAt"].startswith("2026-05-26T")


async def test_a_live_ad_and_a_ready_picture_have_their_addresses(api: Api) -> None:
    """The ad's URL appears once the ad is live, the hosted picture once it is there."""
    body = GOOD | {"autoPublishTradera": True, "imageUrls": ["https://cdn.example.com/1.jpg"]}
    item_id = (await api.call("PUT", ITEM, body)).body["itemId"]
    file = f"ab/ab{'0' * 62}.jpg"

    def added(db: Any, state: ListingState, live_at: int | None) -> None:
        listing = items.latest_listing(db, item_id)
        assert listing is not None
        told = replace(
            listing, state=state, request_id=7, commit_sent_at=4, tradera_item_id=398271634, live_at=live_at
        )
        items.save_listing(db, told, now=5)
        (picture,) = items.pictures(db, item_id)
        items.save_picture(db, replace(picture, state=PictureState.READY, file=file))

    await api.database.write(lambda db: added(db, ListingState.COMMITTED, None))
    before = await shown(api)
    assert (before["traderaAdId"], before["traderaAdUrl"]) == ("398271634", None)
    assert before["images"][0]["hostedUrl"] == f"https://parts.example/images/{file}"
    await api.database.write(lambda db: added(db, ListingState.LIVE, 5))
    assert (await shown(api))["traderaAdUrl"] == "https://www.tradera.com/item/398271634"


@pytest.mark.parametrize("price", [950, 950.5, 1, 10_000_000, 19.99])
async def test_a_price_comes_back_as_given(api: Api, price: float) -> None:
    """Whole kronor stay whole, öre stay öre."""
    await api.call("PUT", ITEM, GOOD | {"price": price})
    assert f'"price":{price},'.encode() in (await api.call("GET", ITEM)).raw


async def test_a_new_price_is_stored_at_once(api: Api) -> None:
    """PATCH price answers 202 with a sentence, and GET shows it."""
    await api.call("PUT", ITEM, GOOD)
    reply = await api.call("PATCH", f"{ITEM}/price", {"price": 795})
    assert (reply.status, set(reply.body), reply.body["success"]) == (202, {"success", "message"}, True)
    assert (await shown(api))["price"] == 795


@pytest.mark.parametrize("status", ["sold", "not_listed"])
async def test_a_status_is_set(api: Api, status: str) -> None:
    """Both statuses of the contract take hold."""
    await api.call("PUT", ITEM, GOOD)
    assert (await api.call("PATCH", f"{ITEM}/status", {"status": status})).status == 202
    assert (await shown(api))["rheoStatus"] == status


async def test_a_deleted_item_is_gone_and_its_id_free(api: Api) -> None:
    """After DELETE the id is unknown, and a PUT makes a new item of it."""
    first = (await api.call("PUT", ITEM, GOOD)).body["itemId"]
    assert (await api.call("DELETE", ITEM)).status == 202
    assert (await api.call("GET", ITEM)).status == 404
    assert (await api.call("PUT", ITEM, GOOD)).body["itemId"] != first


IDS = [
    "a/b",
    "a/price",
    "../../etc/passwd",
    "..",
    "{x}",
    "100%",
    "%2F",
    "å 漢 😀",
    "batch",
    "a?b#c",
    "a+b&c=d",
    "x" * 255,
]


@pytest.mark.parametrize("external_id", IDS)
async def test_any_id_works_on_every_call(api: Api, external_id: str) -> None:
    """Slashes, dots, braces, per cent signs and every script are plain characters of an id when encoded."""
    segment = quote(external_id, safe="").replace(".", "%2E")
    path = f"{BASE}/{segment}"

    async def outcome(reply: Reply) -> int:
        return reply.status

    assert await outcome(await api.call("PUT", path, GOOD)) == 202
    assert (await shown(api, path))["externalId"] == external_id
    assert await outcome(await api.call("PATCH", f"{path}/price", {"price": 5})) == 202
    assert await outcome(await api.call("PATCH", f"{path}/status", {"status": "not_listed"})) == 202
    assert await outcome(await api.call("DELETE", path)) == 202
    assert await outcome(await api.call("GET", path)) == 404


async def test_ids_that_differ_only_in_encoding_are_one_item(api: Api) -> None:
    """%41 is A: encoding more than needed names the same item."""
    await api.call("PUT", f"{BASE}/A%2Fb", GOOD)
    assert (await api.call("GET", f"{BASE}/%41%2fb")).status == 200
    assert (await api.call("GET", f"{BASE}/A/b")).status == 404


async def test_a_sane_request_id_is_echoed_and_a_strange_one_replaced(api: Api) -> None:
    """The caller's id comes back and stands on the log line; what would not do gets a ULID."""
    with capture_logs() as lines:
        reply = await api.call("GET", ITEM, headers={"x-request-id": "erp-42"})
    assert reply.headers["x-request-id"] == "erp-42"
    assert [line["event"] for line in lines] == ["request"]
    for strange in ("a" * 129, "has space", "å"):
        given = (await api.call("GET", ITEM, headers={"x-request-id": strange})).headers["x-request-id"]
        assert len(given) == 26


async def test_the_access_line_has_the_route_and_neither_path_nor_query(api: Api) -> None:
    """Ids in paths and anything in a query stay out of the log."""
    with capture_logs() as lines:
        await api.call("GET", f"{BASE}/SECRET?token=SECRET")
    (line,) = lines
    assert (line["method"], line["route"], line["status"]) == ("GET", BASE + "/{externalId}", 404)
    assert "SECRET" not in str(lines)


async def test_links_are_paths_when_no_public_url_is_set(open_api: OpenApi) -> None:
    """Without server.public_url a hosted picture is named by its path on this server."""
    api = await open_api(public_url=None)
    item_id = (await api.call("PUT", ITEM, GOOD | {"imageUrls": ["https://cdn.example.com/1.jpg"]})).body[
        "itemId"
    ]

    def ready(db: Any) -> None:
        (picture,) = items.pictures(db, item_id)
        items.save_picture(db, replace(picture, state=PictureState.READY, file="ab/x.jpg"))

    await api.database.write(ready)
    assert (await shown(api))["images"][0]["hostedUrl"] == "/images/ab/x.jpg"
