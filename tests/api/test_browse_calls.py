"""The partner's list, children, summary and history over HTTP, field by field."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from rheod.domain.model import ItemSpec
from rheod.usecases.put_item import BatchEntry, BatchPut
from rheod.usecases.transaction import Store
from tests.api.running import NOW_MS, Api, OpenApi
from tests.stores import Clock

BASE = "/integration/v1/items"
VEHICLE = {"type": "container", "title": "Volvo XC90", "price": "none"}
PART = {
    "title": "Dörr",
    "price": 950,
    "parentExternalId": "VIN-1",
    "metadata": {"z": 1, "shelf": "B4", "a": None},
    "domain": {"domain": "Bildelar", "part": {"name": "Dörr", "catalogCodes": {"Fenix": "7-1"}}},
}


async def stocked(api: Api) -> None:
    """A vehicle with two parts."""
    for external_id, body in (
        ("VIN-1", VEHICLE),
        ("P/1", PART),
        ("P-2", {**PART, "price": 100.5, "domain": None}),
    ):
        assert (await api.call("PUT", f"{BASE}/{quote(external_id, safe='')}", body)).status == 202


async def get(api: Api, path: str) -> Any:
    reply = await api.call("GET", BASE + path)
    assert reply.status == 200, reply.raw
    return reply.body


async def test_the_list_has_every_field_of_the_contract(api: Api) -> None:
    """A part with its parent and metadata as they were given, in the order they were given."""
    await stocked(api)
    found = await get(api, "?catalogSystem=Fenix&catalogCode=7-1")
    item = found["items"][0]
    item_id = (await get(api, "/P%2F1"))["rheoItemId"]
    assert found == {"items": [item], "nextCursor": None, "total": 1}
    assert item == {
        "externalId": "P/1",
        "rheoItemId": item_id,
        "status": "active",
        "price": 950,
        "title": "Dörr",
        "type": "item",
        "parentExternalId": "VIN-1",
        "metadata": {"z": 1, "shelf": "B4", "a": None},
        "traderaAdId": None,
        "traderaAdUrl": None,
        "updatedAt": "2026-05-26T10:00:00Z",
    }
    assert list(item["metadata"]) == ["z", "shelf", "a"]


async def test_children_summary_and_history_have_the_fields_of_the_contract(api: Api) -> None:
    """Of a vehicle with two parts, one of them sold elsewhere."""
    await stocked(api)
    await api.call("PATCH", f"{BASE}/P-2/status", {"status": "sold"})
    children = await get(api, "/VIN-1/children")
    assert (children["parentExternalId"], children["count"], children["nextCursor"]) == ("VIN-1", 2, None)
    child = next(each for each in children["children"] if each["externalId"] == "P/1")
    assert child == {
        "externalId": "P/1",
        "rheoItemId": child["rheoItemId"],
        "title": "Dörr",
        "status": "active",
        "price": 950,
        "type": "item",
    }
    assert await get(api, "/VIN-1/summary") == {
        "externalId": "VIN-1",
        "childCount": 2,
        "activeCount": 1,
        "soldCount": 1,
        "draftCount": 0,
        "notListedCount": 0,
        "listedValue": 950,
        "soldValue": 100.5,
        "currency": "SEK",
    }
    history = await get(api, "/P-2/history")
    assert (history["externalId"], history["count"], history["nextCursor"]) == ("P-2", 2, None)
    assert history["events"] == [
        {
            "eventType": "item.sold",
            "data": {"salePrice": 100.5, "platform": "rheo"},
            "createdAt": "2026-05-26T10:00:00Z",
        },
        {"eventType": "item.created", "data": {"type": "item"}, "createdAt": "2026-05-26T10:00:00Z"},
    ]


async def test_the_item_says_where_it_belongs(api: Api) -> None:
    """Its parent, its metadata, and its domain under the canonical tag."""
    await stocked(api)
    shown = await get(api, "/P%2F1")
    assert shown["parentExternalId"] == "VIN-1"
    assert shown["metadata"] == PART["metadata"]
    assert shown["domain"] == {
        "domain": "auto_parts",
        "part": {"name": "Dörr", "catalogCodes": {"Fenix": "7-1"}},
    }


@pytest.mark.parametrize("limit", [1, 3, 1000])
async def test_a_walk_of_the_cursor_sees_every_item_once(api: Api, limit: int) -> None:
    """All were written in the same millisecond; the total is told on every page."""
    items = [{"externalId": f"i{number}", "title": "Dörr", "price": 1} for number in range(10)]
    await api.call("POST", f"{BASE}/batch", {"items": items})
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await get(api, f"?limit={limit}" + (f"&cursor={cursor}" if cursor else ""))
        assert page["total"] == 10
        seen += [item["externalId"] for item in page["items"]]
        cursor = page["nextCursor"]
    assert sorted(seen) == [f"i{number}" for number in range(10)]


@pytest.mark.parametrize("what", ["children", "history"])
async def test_pages_below_an_item_are_walked_by_cursor_too(api: Api, what: str) -> None:
    """One at a time, each once."""
    await stocked(api)
    for price in (1, 2):
        await api.call("PATCH", f"{BASE}/P-2/price", {"price": price})
    path, key = ("/VIN-1/children", "children") if what == "children" else ("/P-2/history", "events")
    whole = await get(api, path)
    walked: list[Any] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await get(api, f"{path}?limit=1" + (f"&cursor={cursor}" if cursor else ""))
        walked += page[key]
        cursor = page["nextCursor"]
    assert walked == whole[key]
    assert len(walked) == whole["count"]


@pytest.mark.parametrize(
    ("since", "found"),
    [
        ("2026-05-26T10:00:00Z", ["old", "new"]),
        ("2026-05-26T10:00:01Z", ["new"]),
        ("2026-05-26T12:00:01+02:00", ["new"]),
        ("2026-05-26T12:00:01%2B02:00", ["new"]),
        ("2026-05-26T10:00:01.4Z", ["new"]),
        ("2026-05-26T10:00:02Z", []),
    ],
)
async def test_updated_since_is_included_however_it_is_written(
    open_api: OpenApi, since: str, found: list[str]
) -> None:
    """A client that hands back the second it was told misses nothing of that second."""
    api = await open_api()
    clock = Clock(NOW_MS)
    store = Store(database=api.database, now=clock, rng=api.parts.rng, wake=lambda _queue: None)
    for name in ("old", "new"):
        entry = BatchEntry(name, ItemSpec(title="Dörr", price_ore=100))
        await BatchPut(store=store).put(api.parts.default_account, [entry])
        clock.forward(1_500)
    items = (await get(api, f"?updated_since={since}"))["items"]
    assert [item["externalId"] for item in items] == found


WRONG = {
    "status=lost": "status",
    "status=": "status",
    "limit=0": "limit",
    "limit=1001": "limit",
    "limit=ten": "limit",
    "limit=1&limit=2": "limit",
    "cursor=x": "Bad cursor",
    "cursor=WzEsMl0": "Bad cursor",
    "updated_since=yesterday": "updated_since",
    "updated_since=2026-13-01T00:00:00Z": "updated_since",
    "catalogSystem=Fenix": "catalogCode",
    "catalogCode=7": "catalogSystem",
    "parent_external_id=": "parent_external_id",
}


@pytest.mark.parametrize("query", WRONG)
async def test_a_wrong_parameter_is_named(api: Api, query: str) -> None:
    """400, never an empty list that looks like an answer."""
    reply = await api.call("GET", f"{BASE}?{query}")
    assert (reply.status, reply.code) == (400, "BAD_REQUEST")
    assert WRONG[query] in reply.body["error"]


@pytest.mark.parametrize("path", ["/none/children", "/none/summary", "/none/history"])
async def test_what_is_not_there_is_404_also_for_another_account(api: Api, path: str) -> None:
    """An item of the default account does not exist for a member."""
    reply = await api.call("GET", BASE + path)
    assert (reply.status, reply.body["error"]) == (404, "No item found with this external ID")
    await stocked(api)
    as_member = {"headers": {"x-partner-account": "member-1"}}
    there = path.replace("none", "VIN-1")
    assert (await api.call("GET", BASE + there)).status == 200
    assert (await api.call("GET", BASE + there, **as_member)).status == 404
    assert (await api.call("GET", BASE, **as_member)).body == {"items": [], "nextCursor": None, "total": 0}


async def test_every_filter_reaches_the_store(api: Api) -> None:
    """By status, by parent, and both."""
    await stocked(api)
    await api.call("PATCH", f"{BASE}/P-2/status", {"status": "not_listed"})

    async def ids(query: str) -> set[str]:
        return {item["externalId"] for item in (await get(api, query))["items"]}

    assert await ids("?status=not_listed") == {"P-2"}
    assert await ids("?status=active") == {"VIN-1", "P/1"}
    assert await ids("?parent_external_id=VIN-1") == {"P/1", "P-2"}
    assert await ids("?parent_external_id=VIN-1&status=active") == {"P/1"}
    assert await ids("?catalogSystem=Fenix&catalogCode=8") == set()


@pytest.mark.parametrize(
    ("query", "ignored"),
    [
        ("?limit=1", None),
        ("?updatedSince=2026-05-26T10:00:00Z&tradera_status=sync_error&catalog_system=a&catalogCode=b", None),
        ("?colour=red&limit=1&Status=active&colour=blue", "colour, Status"),
        ("?a%0D%0Ab=1&%C3%A5=2&" + "x" * 100 + "=3", "a%0D%0Ab, %C3%A5, " + "x" * 64),
        ("?limit=0&other=1", "other"),
    ],
)
async def test_a_parameter_nobody_reads_is_named(api: Api, query: str, ignored: str | None) -> None:
    """In a header, also of a refusal; what is known in another spelling is read."""
    answer = await api.call("GET", BASE + query)
    assert answer.headers.get("X-Rheod-Ignored") == ignored


@pytest.mark.parametrize(
    ("path", "known"),
    [
        (f"{BASE}?status=sync_error", "'not_listed'"),
        (f"{BASE}?traderaStatus=failed", "'sync_error'"),
        ("/integration/webhook-deliveries?status=ok", "'success' or 'failed'"),
        ("/rheod/events?type=item.gone", "item.sold"),
        ("/rheod/orders?unmatched=yes", "'true' or 'false'"),
    ],
)
async def test_a_value_nobody_knows_is_refused_with_those_there_are(api: Api, path: str, known: str) -> None:
    """400, and the sentence says what would be right."""
    ask = api.call if path.startswith(BASE) else api.own
    answer = await ask("GET", path)
    assert (answer.status, answer.code) == (400, "BAD_REQUEST")
    assert known in answer.body["error"]


async def test_what_tradera_refused_is_listed(api: Api) -> None:
    """By its status there, with a total of its own, alone and with another filter."""
    await stocked(api)
    await api.database.write(
        lambda db: db.execute("UPDATE items SET tradera_status = 'sync_error' WHERE external_id = 'P-2'")
    )
    for query in ("?traderaStatus=sync_error", "?tradera_status=sync_error&parentExternalId=VIN-1"):
        found = await get(api, query)
        assert ([item["externalId"] for item in found["items"]], found["total"]) == (["P-2"], 1)
    assert (await get(api, "?traderaStatus=ended"))["total"] == 0
