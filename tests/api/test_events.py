"""What was told, over the API: the delivery log, the feed with its cursor, replays."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from rheod.domain.errors import Refused
from rheod.store import outbox
from rheod.store.outbox import Attempt
from tests.api.running import NOW_MS, Api
from tests.stores import rows

HOOKS = "/integration/webhooks"
LOG = "/integration/webhook-deliveries"
FEED = "/rheod/events"
ITEMS = "/integration/v1/items"
MEMBER = {"x-partner-account": "member-1"}


async def endpoint(api: Api, **fields: Any) -> str:
    """The id of a new endpoint."""
    reply = await api.own("POST", HOOKS, {"url": "https://erp.example/hook", **fields})
    assert reply.status == 201, reply.raw
    return str(reply.body["id"])


async def happen(api: Api, *names: str, **headers: str) -> None:
    """Each of these items is created."""
    for name in names:
        body = {"title": "Volvo", "type": "container"}
        assert (await api.call("PUT", f"{ITEMS}/{name}", body, headers=headers)).status == 202


async def tried(api: Api, endpoint_id: str, seq: int, *, ok: bool, at: int = NOW_MS) -> None:
    """An attempt of the event with this number."""
    attempt = Attempt(
        endpoint_id=endpoint_id,
        notice_seq=seq,
        url="https://erp.example/hook",
        attempt=1,
        ok=ok,
        http_status=200 if ok else 500,
        error=None if ok else "the endpoint answered 500",
        snippet="thanks" if ok else None,
        duration_ms=12,
    )
    await api.database.write(lambda db: outbox.log_attempt(db, attempt, now=at))


async def shown(api: Api, query: str = "", **headers: str) -> list[tuple[str, str]]:
    """(item, status) of the attempts in the log."""
    reply = await api.own("GET", f"{LOG}?{query}", headers=headers)
    assert reply.status == 200, reply.raw
    return [(one["externalId"], one["status"]) for one in reply.body["deliveries"]]


# The log


async def test_an_attempt_has_every_field(api: Api) -> None:
    """As they are promised; the dashboard also gets what was sent and answered."""
    hook = await endpoint(api)
    await happen(api, "A")
    await tried(api, hook, 1, ok=True)
    (one,) = (await api.own("GET", LOG)).body["deliveries"]
    (event,) = (await api.own("GET", FEED)).body["events"]
    assert one == {
        "id": one["id"],
        "externalId": "A",
        "eventType": "item.created",
        "status": "success",
        "errorMessage": None,
        "createdAt": "2026-05-26T10:00:00Z",
        "endpointId": hook,
        "eventId": event["eventId"],
        "attempt": 1,
        "httpStatus": 200,
        "durationMs": 12,
    }
    number = int(one["id"][-12:], 16)
    assert UUID(one["id"]).version == 8
    exchange = await api.parts.feed.exchange(api.parts.default_account, number)
    assert (json.loads(exchange.sent), exchange.answered) == (event, "thanks")
    with pytest.raises(Refused, match="No delivery"):
        await api.parts.feed.exchange(api.member, number)


async def test_the_log_is_newest_first_and_read_by_any_filter(api: Api) -> None:
    """Endpoint, event by id or type, status, before an attempt or a time, limit; and all of them together."""
    one, two = await endpoint(api), await endpoint(api, eventTypes=["item.created"])
    await happen(api, "A", "B", "C")
    for number, (hook, seq, ok) in enumerate(
        [(one, 1, True), (two, 1, False), (one, 2, False), (two, 3, True)]
    ):
        await tried(api, hook, seq, ok=ok, at=NOW_MS + number * 1000)
    everything = [("C", "success"), ("B", "failed"), ("A", "failed"), ("A", "success")]
    assert await shown(api) == everything
    assert await shown(api, "limit=2") == everything[:2]
    assert await shown(api, f"endpoint={one}") == [("B", "failed"), ("A", "success")]
    assert await shown(api, "status=failed") == [("B", "failed"), ("A", "failed")]
    assert await shown(api, "event=item.created") == everything
    assert await shown(api, "event=item.sold") == []
    event = (await api.own("GET", FEED)).body["events"][0]["eventId"]
    assert await shown(api, f"event={event}") == everything[2:]
    assert await shown(api, f"event={event}&endpoint={two}&status=failed") == [("A", "failed")]
    assert await shown(api, "before=2026-05-26T10:00:02Z") == everything[2:]
    last = (await api.own("GET", f"{LOG}?limit=2")).body["deliveries"][-1]["id"]
    assert await shown(api, f"before={last}&limit=1") == everything[2:3]
    assert await shown(api, f"before={int(last[-12:], 16)}&limit=1") == everything[2:3]
    assert await shown(api, "endpoint=nonsense") == []


async def test_the_log_outlives_its_endpoint_and_is_the_account_s_own(api: Api) -> None:
    """A removed endpoint's attempts stay readable; another account sees none of them."""
    hook = await endpoint(api)
    await happen(api, "A")
    await tried(api, hook, 1, ok=True)
    await api.own("DELETE", f"{HOOKS}/{hook}")
    assert await shown(api, f"endpoint={hook}") == [("A", "success")]
    assert await shown(api, f"endpoint={hook}", **MEMBER) == []


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=101", "status=maybe", "event=item.stolen", "before=yesterday", "before=-1", "before="],
)
async def test_a_wrong_filter_is_named(api: Api, query: str) -> None:
    """400 naming the parameter."""
    reply = await api.own("GET", f"{LOG}?{query}")
    assert (reply.status, reply.code) == (400, "BAD_REQUEST")
    assert query.partition("=")[0] in reply.body["error"]


# The feed


async def walk(api: Api, cursor: str = "", limit: int = 100) -> tuple[list[str], str]:
    """The items of all events after the cursor, page by page, and the last cursor."""
    seen: list[str] = []
    while True:
        after = f"&after={cursor}" if cursor else ""
        page = (await api.own("GET", f"{FEED}?limit={limit}{after}")).body
        seen += [event["data"]["externalId"] for event in page["events"]]
        cursor = page["cursor"]
        assert page["nextCursor"] in {None, cursor}
        if page["nextCursor"] is None:
            return seen, cursor


async def test_the_feed_goes_on_where_it_ended(api: Api) -> None:
    """Each page begins after the last; at the end the cursor is good for tomorrow; other accounts' events are theirs."""
    assert (await walk(api))[0] == []
    await happen(api, "A", "B", "C")
    await happen(api, "M", **MEMBER)
    seen, cursor = await walk(api, limit=2)
    assert seen == ["A", "B", "C"]
    assert await walk(api, cursor) == ([], cursor)
    await happen(api, "D")
    assert (await walk(api, cursor))[0] == ["D"]
    member = (await api.own("GET", FEED, headers=MEMBER)).body
    assert [event["data"]["externalId"] for event in member["events"]] == ["M"]


async def test_the_feed_shows_an_event_as_its_webhook_carries_it(api: Api) -> None:
    """The same envelope and data; by type only such events; history alone is not in it."""
    body = {"title": "Kopp", "price": 950, "metadata": {"shelf": "A1", "n": 1.5}}
    await api.call("PUT", f"{ITEMS}/A", body)
    await api.call("PATCH", f"{ITEMS}/A/price", {"price": 900})
    (event,) = (await api.own("GET", f"{FEED}?type=item.created")).body["events"]
    (row,) = await rows(api.database, "SELECT body FROM notices WHERE type = 'item.created'")
    assert event == json.loads(row["body"])
    assert (await api.own("GET", f"{FEED}?type=item.sold")).body["events"] == []
    told = {one["eventType"] for one in (await api.own("GET", FEED)).body["events"]}
    assert "price.updated" not in told


@pytest.mark.parametrize("query", ["after=nonsense", "after=WyJhIl0", "limit=1001", "type=price.updated"])
async def test_a_wrong_place_in_the_feed_is_a_bad_request(api: Api, query: str) -> None:
    """400, never a 500."""
    assert (await api.own("GET", f"{FEED}?{query}")).code == "BAD_REQUEST"


# Replays


async def waiting(api: Api) -> list[str]:
    """What waits to be delivered, in the order of the queue."""
    return [
        row["subject"]
        for row in await rows(api.database, "SELECT subject FROM jobs WHERE lane = 'hooks' ORDER BY id")
    ]


async def delivered(api: Api) -> None:
    """Everything that waited was delivered."""
    await api.database.write(lambda db: db.execute("DELETE FROM jobs").rowcount)


async def test_one_event_is_replayed_to_those_that_take_it(api: Api) -> None:
    """A new delivery of the same notice for each endpoint with such events, or for one; 202 says how many."""
    one, two = await endpoint(api), await endpoint(api, url="https://b.example")
    await endpoint(api, eventTypes=["item.sold"])
    await happen(api, "A", "B")
    await delivered(api)
    event = (await api.own("GET", FEED)).body["events"][1]["eventId"]
    reply = await api.own("POST", f"{FEED}/{event}/replay", {"endpointId": two})
    assert (reply.status, reply.body["replayed"], reply.body["alreadyWaiting"]) == (202, 1, 0)
    reply = await api.own("POST", f"{FEED}/{event}/replay")
    assert (reply.body["replayed"], reply.body["alreadyWaiting"]) == (1, 1)
    assert sorted(await waiting(api)) == sorted([f"2:{one}", f"2:{two}"])


async def test_a_replay_of_what_nobody_takes_says_so(api: Api) -> None:
    """Unknown events and endpoints are not found, also another account's; without an endpoint nothing is ordered."""
    await happen(api, "A")
    event = (await api.own("GET", FEED)).body["events"][0]["eventId"]
    reply = await api.own("POST", f"{FEED}/{event}/replay")
    assert (reply.status, reply.body["replayed"]) == (202, 0)
    assert "no webhook endpoint" in reply.body["message"]
    member = await api.own("POST", HOOKS, {"url": "https://m.example"}, headers=MEMBER)
    for path, body, headers in (
        (f"{FEED}/evt_nonsense/replay", {}, {}),
        (f"{FEED}/{event}/replay", {}, MEMBER),
        (f"{FEED}/{event}/replay", {"endpointId": member.body["id"]}, {}),
        (f"{FEED}/replay", {"since": "2026-05-26T10:00:00Z", "endpointId": "nonsense"}, {}),
    ):
        assert (await api.own("POST", path, body, headers=headers)).code == "NOT_FOUND"
    assert list((await api.own("POST", f"{FEED}/replay", {})).fields) == ["since"]


async def test_all_since_a_moment_is_replayed_in_order_and_never_doubled(api: Api) -> None:
    """What waits keeps its place; asking twice orders nothing more; earlier and other accounts' events stay away."""
    await happen(api, "old")
    await api.database.write(lambda db: db.execute("UPDATE notices SET created_at = created_at - 1").rowcount)
    hook = await endpoint(api)
    await happen(api, "A", "B", "C")
    await happen(api, "M", **MEMBER)
    await api.database.write(lambda db: db.execute("DELETE FROM jobs WHERE subject NOT LIKE '3:%'").rowcount)
    since = {"since": "2026-05-26T10:00:00Z"}
    first = (await api.own("POST", f"{FEED}/replay", since)).body
    assert (first["replayed"], first["alreadyWaiting"]) == (2, 1)
    assert await waiting(api) == [f"3:{hook}", f"2:{hook}", f"4:{hook}"]
    again = (await api.own("POST", f"{FEED}/replay", since)).body
    assert (again["replayed"], again["alreadyWaiting"]) == (0, 3)
    nothing = (await api.own("POST", f"{FEED}/replay", {"since": "2030-01-01T00:00:00Z"})).body
    assert (nothing["replayed"], nothing["alreadyWaiting"]) == (0, 0)
