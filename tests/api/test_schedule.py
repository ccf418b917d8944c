"""When ads end and when they come back: what is said of one item, the calendar, and the owner's list and stop."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheod.api.schedule import calendar_file, folded
from rheod.domain.calendar import EndPlace
from rheod.domain.relist import RelistRule
from rheod.store.ads import ScheduledEnd
from rheod.usecases import relisting
from tests.api.running import Api

ITEM = "/integration/v1/items/A-1"
GOOD = {"title": "Bromsok; fram, höger", "price": 950, "autoPublishTradera": True}
END = 1_780_855_200_000
PLANNED = ScheduledEnd(
    listing_id="l1",
    account_id="a1",
    external_id="A-1",
    title="Bromsok; fram, höger\n2",
    end_at=END,
    is_up=False,
    tradera_item_id=None,
    category_id=None,
    place=EndPlace(end_at=END, commit_at=END - 7 * 86_400_000, days=7, moves=2),
)


async def test_an_end_is_moved_shown_and_in_the_calendar(api: Api) -> None:
    await api.call("PUT", ITEM, GOOD)
    assert (await api.call("GET", "/integration/v1/schedule")).body == {"ends": []}
    moved = await api.own("POST", "/rheod/schedule/A-1/move", {"endAt": "2026-06-07T20:15:00+02:00"})
    assert moved.body == {
        "externalId": "A-1",
        "title": "Bromsok; fram, höger",
        "state": "planned",
        "endAt": "2026-06-07T18:15:00Z",
        "goesOutAt": "2026-05-31T18:15:00Z",
        "days": 7,
        "traderaAdId": None,
    }
    assert (await api.call("GET", "/integration/v1/schedule")).body == {"ends": [moved.body]}
    early = "/integration/v1/schedule?from=2026-05-26T00:00:00Z&to=2026-06-07T18:15:00Z"
    assert (await api.call("GET", early)).body == {"ends": []}
    assert (await api.call("GET", "/integration/v1/schedule?from=tomorrow")).status == 400
    path = (await api.own("POST", "/rheod/schedule/feed")).body["path"]
    shown = await api.call("GET", path, headers={"x-api-key": None})
    assert shown.status == 200
    assert b"SUMMARY:Bromsok\\; fram\\, h\xc3\xb6ger (A-1)\r\n" in shown.raw
    assert (await api.call("GET", path)).raw == shown.raw
    assert (await api.own("POST", "/rheod/schedule/feed")).body["path"] == path
    await api.own("DELETE", "/rheod/schedule/feed")
    assert (await api.call("GET", path)).status == 404
    assert (await api.own("POST", "/rheod/schedule/feed")).body["path"] != path


async def test_everything_is_paused_and_goes_on(api: Api) -> None:
    """By the owner alone; said again it changes nothing."""
    assert (await api.call("POST", "/rheod/schedule/pause")).status in {401, 403}
    for _ in range(2):
        paused = await api.own("POST", "/rheod/schedule/pause")
        assert (paused.status, "Paused" in paused.body["message"]) == (202, True)
        assert await api.parts.publishing.since() == api.parts.now()
    await api.own("POST", "/rheod/schedule/resume")
    assert await api.parts.publishing.since() is None


async def test_what_cannot_be_moved_says_why(api: Api) -> None:
    await api.call("PUT", ITEM, GOOD)
    soon = await api.own("POST", "/rheod/schedule/A-1/move", {"endAt": "2026-05-26T20:15:00Z"})
    assert (soon.status, list(soon.fields)) == (422, ["endAt"])
    assert (
        await api.own("POST", "/rheod/schedule/A-2/move", {"endAt": "2026-06-26T20:15:00Z"})
    ).status == 404
    await api.call("PUT", f"{ITEM}-quiet", {"title": "Bromsok", "price": 1})
    quiet = await api.own("POST", "/rheod/schedule/A-1-quiet/move", {"endAt": "2026-06-26T20:15:00Z"})
    assert quiet.status == 409


async def test_a_start_and_an_end_are_not_given_together(api: Api) -> None:
    both = {"startAt": "2026-06-01T10:00:00Z", "endAt": "2026-06-08T10:00:00Z"}
    reply = await api.call("PUT", ITEM, {**GOOD, "tradera": both})
    assert (reply.status, list(reply.fields)) == (422, ["tradera.endAt"])


def test_the_same_plan_is_the_same_file_and_a_move_counts_up() -> None:
    first, again = calendar_file([PLANNED]), calendar_file([PLANNED])
    assert first == again
    assert b"UID:l1@rheod\r\nSEQUENCE:2\r\n" in first
    assert b"DTSTART:20260607T180000Z\r\n" in first
    later = replace(
        PLANNED, end_at=END + 60_000, place=EndPlace(end_at=END + 60_000, commit_at=1, days=7, moves=3)
    )
    assert b"UID:l1@rheod\r\nSEQUENCE:3\r\n" in calendar_file([later])


@given(st.text(max_size=300))
def test_lines_are_folded_by_bytes_and_come_together_again(text: str) -> None:
    """No line is longer than 75 bytes, none cuts a character."""
    line = "SUMMARY:" + re.sub(r"[\r\n]", " ", text).encode("utf-8", "replace").decode()
    parts = list(folded(line))
    assert all(len(part) <= 77 and part.endswith(b"\r\n") for part in parts)
    assert all(part.startswith(b" ") for part in parts[1:])
    [part.decode() for part in parts]
    assert b"".join(parts).replace(b"\r\n ", b"").decode() == line + "\r\n"


PLAIN = {"title": "Bromsok", "price": 950}


def relisted(**fields: Any) -> dict[str, Any]:
    """A good item that says this about its returns."""
    return {**PLAIN, "tradera": {"relist": fields}}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"times": -1}, "tradera.relist.times"),
        ({"steps": []}, "tradera.relist.steps"),
        ({"steps": [1.1]}, "tradera.relist.steps.0"),
        ({"steps": [0]}, "tradera.relist.steps.0"),
        ({"steps": ["+10%"]}, "tradera.relist.steps.0"),
        ({"steps": ["-100%"]}, "tradera.relist.steps.0"),
        ({"steps": [0.9, True]}, "tradera.relist.steps.1"),
        ({"floorPrice": 951}, "tradera.relist.floorPrice"),
        ({"enabled": True}, "tradera.relist.floorPrice"),
        ({"waitH": -1}, "tradera.relist.waitH"),
        ({"until": "tomorrow"}, "tradera.relist.until"),
    ],
)
async def test_a_rule_that_cannot_be_is_refused_with_its_field(
    api: Api, fields: dict[str, Any], field: str
) -> None:
    """Nothing of the item is kept."""
    reply = await api.call("PUT", ITEM, relisted(**fields))
    assert reply.status == 422
    assert list(reply.fields) == [field]
    assert (await api.call("GET", ITEM)).status == 404


@pytest.mark.parametrize(
    "fields",
    [
        {"enabled": False},
        {"enabled": True, "floorPrice": 500},
        {"enabled": True, "floorPrice": 950, "times": 0, "steps": [1, "-5%"], "waitH": 0.5},
        {"until": "2026-12-24T12:00:00+01:00"},
    ],
)
async def test_a_rule_that_can_be_is_taken(api: Api, fields: dict[str, Any]) -> None:
    assert (await api.call("PUT", ITEM, relisted(**fields))).status == 202


async def test_with_the_owners_floor_an_item_needs_none(api: Api) -> None:
    rule = RelistRule(floor=0.5)
    await api.database.write(lambda db: relisting.note_settings(db, rule))
    assert (await api.call("PUT", ITEM, relisted(enabled=True))).status == 202


async def test_a_patch_changes_what_it_names_and_leaves_the_rest(api: Api) -> None:
    await api.call("PUT", ITEM, relisted(enabled=True, floorPrice=500, times=2))
    reply = await api.call("PATCH", f"{ITEM}/relist", {"times": 1})
    assert reply.status == 202
    assert reply.body["success"] is True
    too_high = await api.call("PATCH", f"{ITEM}/relist", {"floorPrice": 951})
    assert (too_high.status, list(too_high.fields)) == (422, ["floorPrice"])
    too_low = await api.call("PATCH", f"{ITEM}/price", {"price": 499})
    assert (too_low.status, list(too_low.fields)) == (422, ["price"])
    assert (await api.call("PATCH", f"{ITEM}-no/relist", {"times": 1})).status == 404
    put_again = await api.call("PUT", ITEM, relisted(enabled=True, floorPrice=500, times=1))
    assert put_again.body["message"] == "Item is unchanged; nothing to do."


async def test_an_item_that_never_was_up_has_no_return(api: Api) -> None:
    await api.call("PUT", ITEM, relisted(enabled=True, floorPrice=500))
    assert (await api.call("GET", ITEM)).body["relist"] is None


async def test_the_owner_pauses_all_and_sees_it(api: Api) -> None:
    paused = await api.own("POST", "/rheod/relist/pause")
    assert paused.status == 202
    plan = await api.own("GET", "/rheod/relist?days=30")
    assert plan.body == {"paused": True, "returns": [], "days": []}
    assert (await api.own("GET", "/rheod/relist?days=0")).status == 400
    await api.own("POST", "/rheod/relist/resume")
    assert (await api.own("GET", "/rheod/relist")).body["paused"] is False
    await api.call("PUT", ITEM, PLAIN)
    assert (await api.own("POST", "/rheod/relist/A-1/pause")).status == 409
    assert (await api.own("POST", "/rheod/relist/A-2/resume")).status == 404
