"""The batch over HTTP: what is taken, what is told of the rest, and that nobody else waits for it."""

from __future__ import annotations

import asyncio
import io
import json
from typing import Any

import pytest

from rheod.api import batches
from rheod.api.context import Rates
from tests.api.running import Api, OpenApi, Reply
from tests.stores import everything

BASE = "/integration/v1/items"
PART = {"title": "Bromsok", "price": 950}
REPEATED = "externalId: Given again later in this batch; the last one counts"


def part(external_id: Any, **fields: Any) -> dict[str, Any]:
    return {"externalId": external_id, **PART, **fields}


async def put(api: Api, *items: Any) -> Reply:
    data = io.BytesIO(json.dumps({"items": items}).encode())
    return await api.call("POST", f"{BASE}/batch", data=data)


async def test_a_batch_makes_its_items(api: Api) -> None:
    """A vehicle and its parts, the parts first."""
    vehicle = {"externalId": "VIN-1", "type": "container", "title": "Volvo XC90"}
    reply = await put(
        api, part("A", parentExternalId="VIN-1"), part("B/ö", parentExternalId="VIN-1"), vehicle
    )
    assert (reply.status, reply.body) == (202, {"accepted": 3, "rejected": 0, "errors": []})
    children = (await api.call("GET", f"{BASE}/VIN-1/children")).body
    assert {child["externalId"] for child in children["children"]} == {"A", "B/ö"}


async def test_a_bad_item_spoils_no_other(api: Api) -> None:
    """Each is named with its place and reason, in the order of the batch; the others are there."""
    reply = await put(
        api,
        part("good"),
        part("cheap", price=0.5),
        part("lost", parentExternalId="nowhere"),
        part("", title=None),
        "text",
        part(7),
        {"title": "nameless", "price": 1},
        part("deep", metadata={"a": json.loads("[" * 40 + "]" * 40)}),
        part("bad\u0000", price="950"),
        part("fine"),
    )
    assert (reply.body["accepted"], reply.body["rejected"]) == (2, 8)
    told = [(one["index"], one["externalId"], one["reason"]) for one in reply.body["errors"]]
    assert told == [
        (1, "cheap", "price: Must be at least 1"),
        (2, "lost", "parentExternalId: Must be the external ID of an existing container"),
        (3, "", "externalId: Must not be empty; title: Required"),
        (4, "", "body: Must be an object"),
        (5, "", "externalId: Must be a string"),
        (6, "", "externalId: Required"),
        (7, "deep", "The body is nested deeper than 32 levels"),
        (
            8,
            "",
            "externalId: Must not contain control characters or broken Unicode; price: Must be a number",
        ),
    ]
    assert (await api.call("GET", BASE)).body["total"] == 2


async def test_of_two_with_the_same_id_the_last_counts(api: Api) -> None:
    """Also when the last is a bad one: what was given earlier is never taken instead."""
    reply = await put(
        api, part("A", price=1), part("A", price=2), part("A", price=3), part("B"), part("B", price="x")
    )
    assert [(one["index"], one["reason"]) for one in reply.body["errors"]] == [
        (0, REPEATED),
        (1, REPEATED),
        (3, REPEATED),
        (4, "price: Must be a number"),
    ]
    assert reply.body["accepted"] == 1
    assert (await api.call("GET", f"{BASE}/A")).body["price"] == 3
    assert (await api.call("GET", f"{BASE}/B")).status == 404


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"items": []},
        {"items": {}},
        {"items": None},
        {"items": "x"},
        {"items": [part(f"i{n}") for n in range(501)]},
    ],
    ids=["none", "empty", "object", "null", "text", "501"],
)
async def test_a_batch_has_1_to_500_items(api: Api, body: Any) -> None:
    """Else it is refused whole."""
    reply = await api.call("POST", f"{BASE}/batch", body)
    assert (reply.status, reply.fields) == (422, {"items": "Must be a list of 1 to 500 items"})
    assert (await api.call("GET", BASE)).body["total"] == 0


async def test_500_items_fit(api: Api) -> None:
    """The most there may be, all of them there after the answer."""
    reply = await put(api, *(part(f"i{number}") for number in range(500)))
    assert reply.body["accepted"] == 500
    assert (await api.call("GET", f"{BASE}?limit=1")).body["total"] == 500


BROKEN = {
    "not JSON": b'{"items": [{"externalId": "A"}, ',
    "broken after good items": b'{"items": [' + json.dumps(part("A")).encode() + b", nonsense]}",
    "something after it": json.dumps({"items": [part("A")]}).encode() + b" {}",
    "two lists": b'{"items": [' + json.dumps(part("A")).encode() + b'], "items": []}',
    "a name that is no text": b'{1: 2, "items": []}',
    "no colon": b'{"items" []}',
    "no comma": b'{"items": [1 2]}',
    "a key twice in an item": b'{"items": [{"externalId": "A", "title": "x", "title": "y", "price": 1}]}',
    "NaN": b'{"items": [{"externalId": "A", "title": "xx", "price": NaN}]}',
    "very deep": b'{"items": [' + b"[" * 100_000,
    "not UTF-8": b'{"items": ["\xff"]}',
    "empty": b"",
    "only space": b"  \n ",
}


@pytest.mark.parametrize("name", BROKEN)
async def test_what_is_no_json_is_refused_whole(api: Api, name: str) -> None:
    """Whatever stood before the fault was not taken."""
    reply = await api.call("POST", f"{BASE}/batch", data=BROKEN[name])
    assert (reply.status, reply.code) == (400, "BAD_REQUEST")
    assert (await api.call("GET", BASE)).body["total"] == 0


async def test_what_is_beside_the_list_is_ignored(api: Api) -> None:
    """Unknown members of any kind, and any spacing."""
    item = json.dumps(part("A")).encode()
    data = b' \n{ "a" : {"items": [1]}, "items"\t:\r\n[ ' + item + b' , 5 ] , "z": [null, "x"]}\n '
    reply = await api.call("POST", f"{BASE}/batch", data=data)
    assert (reply.body["accepted"], reply.body["rejected"]) == (1, 1)


async def test_a_body_that_is_no_object_is_wrong_but_json(api: Api) -> None:
    """The list alone is not enough."""
    reply = await api.call("POST", f"{BASE}/batch", [part("A")])
    assert (reply.status, reply.fields) == (422, {"body": "Must be an object"})


async def test_one_item_may_not_be_larger_than_it_could_be_alone(api: Api) -> None:
    """256 KiB each, 8 MiB together."""
    large = part("large", note="x" * 256 * 1024)
    reply = await put(api, large, part("small"))
    assert reply.body["errors"] == [{"externalId": "large", "reason": "Must be at most 256 KiB", "index": 0}]
    many = [part(f"i{number}", note="x" * 100_000) for number in range(84)]
    assert (await put(api, *many)).status == 413
    assert (await put(api, *many[:80])).body["accepted"] == 80


KEYS = b"{" + b",".join(b'"k%d":1' % number for number in range(600_000)) + b"}"
ONE = json.dumps(part("A")).encode()


@pytest.mark.parametrize(
    ("data", "status", "answer"),
    [
        (b'{"items": [%b, %b]}' % (KEYS, ONE), 202, (1, "", "Must be at most 256 KiB")),
        (b'{"items": [%b], "more": %b}' % (ONE, KEYS), 202, None),
        (b'{"items": [%b], "more": [%b}' % (ONE, KEYS), 400, None),
        (KEYS, 422, None),
        (b'{"items": [' + b'"\\"' + b'\\"[' * 1_500_000, 400, None),
    ],
    ids=["in an item", "beside the items", "broken", "no list", "a text without end"],
)
async def test_very_many_values_hold_nobody_up(
    api: Api, data: bytes, status: int, answer: tuple[int, str, str] | None
) -> None:
    """A body of 7 MB with 600,000 keys is stepped over and spoils no other item."""
    reply = await api.call("POST", f"{BASE}/batch", data=io.BytesIO(data))
    assert reply.status == status
    if status == 202:
        assert reply.body["accepted"] == 1
    if answer is not None:
        (error,) = reply.body["errors"]
        assert (error["index"], error["externalId"], error["reason"]) == (0, *answer[1:])


@pytest.mark.parametrize("text", [f'{{"x": {KEYS.decode()}}}', KEYS.decode()], ids=["inside", "outside"])
def test_very_many_values_are_stepped_over_in_many_steps(text: str) -> None:
    """Others have a turn in between, wherever the 600,000 values stand."""
    assert sum(found is None for found in batches.elements(text, "items")) >= 300


async def test_batches_have_a_bucket_of_their_own(open_api: OpenApi) -> None:
    """Two a second, with two seconds' worth at once; PUT goes on."""
    api = await open_api(rates=Rates())
    statuses = [(await put(api, part("A"))).status for _ in range(5)]
    assert statuses == [202, 202, 202, 202, 429]
    assert (await api.call("PUT", f"{BASE}/A", PART)).status == 202
    api.clock.seconds += 0.5
    assert (await put(api, part("A"))).status == 202


async def test_a_batch_again_and_at_once_changes_nothing(api: Api) -> None:
    """Repeated ten times together with PUTs of its items: no notice, no job, no other time."""
    items = [
        part(f"i{n}", imageUrls=[f"https://cdn.example.com/{n}.jpg"], autoPublishTradera=True)
        for n in range(20)
    ]
    await put(api, *items)
    tables = ("items", "jobs", "notices", "pictures", "listings")
    before = await everything(api.database, *tables)
    again = [put(api, *items) for _ in range(10)]
    alone = [api.call("PUT", f"{BASE}/{item['externalId']}", item) for item in items]
    replies = await asyncio.gather(*again, *alone)
    assert {reply.status for reply in replies} == {202}
    assert await everything(api.database, *tables) == before


async def test_the_loop_gets_its_turn_while_a_batch_is_read(open_api: OpenApi) -> None:
    """A large batch is read in many steps: others run between them, whatever the machine's speed."""
    turns = 0
    seen: list[int] = []

    async def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    def check_url(_url: str) -> None:
        seen.append(turns)

    api = await open_api(check_image_url=check_url)
    codes = {f"system {number}": "x" * 50 for number in range(100)}
    domain = {"domain": "auto_parts", "part": {"catalogCodes": codes}}
    items = [part(f"i{n}", domain=domain, imageUrls=["https://cdn.example.com/1.jpg"]) for n in range(500)]
    async with asyncio.TaskGroup() as group:
        others = group.create_task(take_turns())
        assert (await put(api, *items)).body["accepted"] == 500
        others.cancel()
    assert len(seen) == 500
    assert len(set(seen)) > 5
