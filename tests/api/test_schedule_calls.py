"""The plan of ends over HTTP: what ends when, another end by hand, and the calendar behind its own address."""

from __future__ import annotations

import re
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from rheod.api.schedule import calendar_file, folded
from rheod.domain.calendar import EndPlace
from rheod.store.ads import ScheduledEnd
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
