"""When ads end, and when what is not sold comes back: the plan of both, another end by hand, a word on one item's returns.

The ends are also a calendar file that phones subscribe to.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

from aiohttp import web
from pydantic import Field

from rheod.api.context import CALLER
from rheod.api.field_types import Moment, Wire, raise_if_any, read_external_id, read_model
from rheod.api.item_parts import RelistBody, relist_wish
from rheod.api.json_body import BODY_BYTES, read_json
from rheod.api.routing import EXTERNAL_ID, At, DoneReply, Operation, Query, Reply, Whole, read_query, reply
from rheod.domain.errors import Refused, Text
from rheod.usecases.relisting import by_day

if TYPE_CHECKING:
    from rheod.api.context import ItemServices
    from rheod.store.ads import PlannedReturn, ScheduledEnd
    from rheod.usecases.relisting import RelistView


DAY_MS = 86_400_000
_AHEAD_MS = 14 * DAY_MS
_FEED_BACK_MS, _FEED_AHEAD_MS = 7 * DAY_MS, 120 * DAY_MS
_LINE_BYTES = 75
_ACCOUNT = re.compile(r"[0-9a-f-]{36}", re.ASCII)


class ScheduleQuery(Query):
    """Which time; the next two weeks by default."""

    from_: Annotated[
        Moment | None, Field(alias="from", description="Ends from this time on; absent: from now on.")
    ] = None
    to: Annotated[Moment | None, Field(description="Ends before this time; absent: two weeks on.")] = None


class EndReply(Reply):
    """One auction that ends, or is planned to."""

    external_id: Annotated[str, EXTERNAL_ID]
    title: Annotated[str, Field(description="The item's title.")]
    state: Annotated[Literal["live", "planned"], Field(description="Whether its ad is up, or still to come.")]
    end_at: Annotated[At, Field(description="When it ends.")]
    goes_out_at: Annotated[At | None, Field(description="When its ad is to go out; null once it is up.")]
    days: Annotated[int | None, Field(description="How many days it runs, where that is planned.")]
    tradera_ad_id: Annotated[str | None, Field(description="The ad's number at Tradera.")]


class ScheduleReply(Reply):
    """What ends, the next first."""

    ends: Annotated[list[EndReply], Field(description="The auctions, the next end first.")]


class MoveBody(Wire):
    """Another end for an auction that is not out yet."""

    end_at: Annotated[Moment, Field(description="When it shall end, to the minute.")]


class FeedReply(Reply):
    """Where the calendar is."""

    path: Annotated[str, Field(description="Its path at this server: whoever knows it may read it.")]


def _end(found: ScheduledEnd) -> EndReply:
    place = found.place
    return EndReply(
        external_id=found.external_id,
        title=found.title,
        state="live" if found.is_up else "planned",
        end_at=found.end_at,
        goes_out_at=None if found.is_up or place is None else place.commit_at,
        days=place.days if place is not None and place.days else None,
        tradera_ad_id=None if found.tradera_item_id is None else str(found.tradera_item_id),
    )


class ScheduleCalls:
    """Handlers about the ends of auctions."""

    def __init__(self, *, parts: ItemServices) -> None:
        self._parts = parts

    async def schedule(self, request: web.Request) -> web.Response:
        """List the auctions that end in a time, planned ones too."""
        asked, now = read_query(request, ScheduleQuery), self._parts.now()
        since = now if asked.from_ is None else asked.from_
        until = since + _AHEAD_MS if asked.to is None else asked.to
        found = await self._parts.ending.between([request[CALLER].account_id], since, until)
        return reply(200, ScheduleReply(ends=[_end(each) for each in found]))

    async def move(self, request: web.Request) -> web.Response:
        """Give an auction that is not out yet another end."""
        body = await read_json(request, limit_bytes=BODY_BYTES, deadline_s=self._parts.body_deadline_s)
        external_id, wrong = read_external_id(request.raw_path, segment=2)
        given = read_model(MoveBody, body, wrong)
        moved = await self._parts.ending.move(request[CALLER].account_id, external_id, given.end_at)
        return reply(200, _end(moved))

    async def pause(self, _request: web.Request) -> web.Response:
        """Let no ad of any account go out until further notice; what is up stays up, and sales are seen to."""
        return reply(202, DoneReply(message=await self._parts.publishing.pause(paused=True)))

    async def resume(self, _request: web.Request) -> web.Response:
        """Let ads go out again."""
        return reply(202, DoneReply(message=await self._parts.publishing.pause(paused=False)))

    async def feed(self, request: web.Request) -> web.Response:
        """Tell where the calendar file is, making its secret address when there is none."""
        account_id = request[CALLER].account_id
        token = await self._parts.ending.feed_token(account_id, new=partial(secrets.token_urlsafe, 24))
        return reply(200, FeedReply(path=f"/calendar/{account_id}/{token}.ics"))

    async def revoke(self, request: web.Request) -> web.Response:
        """Let the calendar's address be nobody's; the next one is another."""
        await self._parts.ending.revoke_feed(request[CALLER].account_id)
        return reply(202, DoneReply(message=Text("The calendar's old address shows nothing any more")))

    async def calendar(self, request: web.Request) -> web.Response:
        """Send the ends as a calendar file (iCalendar) to whoever knows its address."""
        account_id, token = request.match_info["account"], request.match_info["token"].removesuffix(".ics")
        known = _ACCOUNT.fullmatch(account_id) is not None and len(token) < 100
        if not known or not await self._parts.ending.is_feed(account_id, token):
            raise Refused("NOT_FOUND", Text("No such calendar"))
        now = self._parts.now()
        found = await self._parts.ending.between([account_id], now - _FEED_BACK_MS, now + _FEED_AHEAD_MS)
        return web.Response(body=calendar_file(found), content_type="text/calendar", charset="utf-8")


def calendar_file(ends: Sequence[ScheduledEnd]) -> bytes:
    """The ends as iCalendar (RFC 5545). The same plan gives the same bytes."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//rheod//ends//EN", "X-WR-CALNAME:Tradera"]
    for each in ends:
        one_line = " ".join(f"{each.title} ({each.external_id})".split())
        lines += [
            "BEGIN:VEVENT",
            f"UID:{each.listing_id}@rheod",
            f"SEQUENCE:{each.place.moves if each.place else 0}",
            f"DTSTAMP:{_stamp(each.place.commit_at if each.place and each.place.commit_at else each.end_at)}",
            f"DTSTART:{_stamp(each.end_at)}",
            f"DTEND:{_stamp(each.end_at + 60_000)}",
            "SUMMARY:" + re.sub(r"([\\;,])", r"\\\1", one_line),
            "END:VEVENT",
        ]
    lines.append("END:VCALENDAR")
    return b"".join(part for line in lines for part in folded(line))


def _stamp(at: int) -> str:
    return datetime.fromtimestamp(at // 1000, UTC).strftime("%Y%m%dT%H%M%SZ")


def folded(line: str) -> Iterator[bytes]:
    """The line in parts of at most 75 bytes, none of which cuts a character, each but the first after a space."""
    part = b""
    for character in line:
        added = character.encode("utf-8", errors="replace")
        if len(part) + len(added) > _LINE_BYTES:
            yield part + b"\r\n"
            part = b" "
        part += added
    yield part + b"\r\n"


def operations(parts: ItemServices) -> list[Operation]:
    """What an ERP reads of the ends, and what the owner moves and subscribes to."""
    calls = ScheduleCalls(parts=parts)
    owner = partial(Operation, access="owner", tag="Items")
    return [
        Operation(
            "GET",
            "/integration/v1/schedule",
            calls.schedule,
            access="partner",
            tag="Items",
            rate="get",
            query=ScheduleQuery,
            answer=ScheduleReply,
        ),
        owner(
            "POST",
            "/rheod/schedule/{externalId}/move",
            calls.move,
            body=MoveBody,
            answer=EndReply,
            refusals=("CONFLICT",),
        ),
        owner("POST", "/rheod/schedule/pause", calls.pause, status=202, answer=DoneReply),
        owner("POST", "/rheod/schedule/resume", calls.resume, status=202, answer=DoneReply),
        owner("POST", "/rheod/schedule/feed", calls.feed, answer=FeedReply),
        owner("DELETE", "/rheod/schedule/feed", calls.revoke, status=202, answer=DoneReply),
        Operation(
            "GET",
            "/calendar/{account}/{token}",
            calls.calendar,
            access="open",
            tag="Items",
            media_type="text/calendar",
            refusals=("NOT_FOUND",),
        ),
    ]


class RelistReply(Reply):
    """The next return of an item, planned or as it would be if its ad ended unsold; kronor."""

    next_at: Annotated[At | None, Field(description="When it comes back; null when it does not.")]
    next_price: Annotated[int | None, Field(description="What it then asks, in SEK.")]
    attempt: Annotated[int, Field(description="Which return that is, from 1.")]
    of: Annotated[int, Field(description="How often it comes back at most.")]
    reason: Annotated[str, Field(description="Why, in one sentence.")]
    held: Annotated[bool, Field(description="Whether the owner holds it back.")]


def relist_reply(view: RelistView | None) -> RelistReply | None:
    """A return as JSON."""
    if view is None:
        return None
    return RelistReply(
        next_at=view.next_at,
        next_price=view.next_kr,
        attempt=view.attempt,
        of=view.of,
        reason=view.reason,
        held=view.held,
    )


class RelistPlanReply(Reply):
    """What a PATCH of an item's returns has come to."""

    success: Annotated[bool, Field(description="Always true.")] = True
    message: Annotated[str, Field(description="What was noted, in one sentence.")]
    relist: Annotated[RelistReply | None, Field(description="The next return; null when there is none.")]


class PlannedLine(Reply):
    """One return that is planned; kronor."""

    external_id: Annotated[str, EXTERNAL_ID]
    title: Annotated[str, Field(description="The item's title.")]
    next_at: Annotated[At, Field(description="When it comes back at the earliest.")]
    previous_price: Annotated[int | None, Field(description="What its last ad asked, in SEK.")]
    next_price: Annotated[int, Field(description="What it then asks, in SEK.")]
    attempt: Annotated[int, Field(description="Which return that is, from 1; 0 at a new price of yours.")]
    reason: Annotated[str, Field(description="Why at this price, in one sentence.")]
    held: Annotated[bool, Field(description="Whether you hold it back.")]


class DayReply(Reply):
    """One day of returns."""

    day: Annotated[str, Field(description="The day by Swedish clocks.", examples=["2026-06-03"])]
    ads: Annotated[int, Field(description="How many come back.")]
    calls: Annotated[int, Field(description="How many calls to Tradera that takes.")]
    too_many: Annotated[
        int, Field(description="How many of them do not fit into the quota, though nothing else went out.")
    ]


class PlanReply(Reply):
    """What comes back, the next first, and whether the owner has paused all of it."""

    paused: Annotated[bool, Field(description="Whether every return is stopped.")]
    returns: Annotated[list[PlannedLine], Field(description="What comes back, the next first.")]
    days: Annotated[list[DayReply], Field(description="The same by day, without what is held.")]


class DaysQuery(Query):
    """How far ahead."""

    days: Annotated[Whole, Field(ge=1, le=400, description="So many days ahead.")] = 7


class RelistCalls:
    """Handlers about returns."""

    def __init__(self, *, parts: ItemServices) -> None:
        self._parts = parts

    async def change(self, request: web.Request) -> web.Response:
        """Say how an item comes back: what ends unsold from now on follows it."""
        body = await read_json(request, limit_bytes=BODY_BYTES, deadline_s=self._parts.body_deadline_s)
        wish = relist_wish(read_model(RelistBody, body, read_external_id(request.raw_path, segment=3)[1]))
        account_id, external_id = request[CALLER].account_id, _id_of(request, 3)
        message, view = await self._parts.relisting.change(account_id, external_id, wish)
        return reply(202, RelistPlanReply(message=message, relist=relist_reply(view)))

    async def plan(self, request: web.Request) -> web.Response:
        """Show what comes back in the next days."""
        latest = self._parts.now() + read_query(request, DaysQuery).days * DAY_MS
        planned = await self._parts.relisting.plan_until([request[CALLER].account_id], latest)
        paused = await self._parts.relisting.is_paused()
        days = [
            DayReply(day=each.day.isoformat(), ads=each.ads, calls=each.calls, too_many=each.too_many)
            for each in by_day(planned, self._parts.call_limit)
        ]
        returns = [planned_line(each) for each in planned]
        return reply(200, PlanReply(paused=paused, returns=returns, days=days))

    async def pause(self, _request: web.Request) -> web.Response:
        """Stop every return until further notice."""
        return reply(202, DoneReply(message=await self._parts.relisting.pause_all(paused=True)))

    async def resume(self, _request: web.Request) -> web.Response:
        """Let the returns go on that were paused."""
        return reply(202, DoneReply(message=await self._parts.relisting.pause_all(paused=False)))

    async def hold(self, request: web.Request) -> web.Response:
        """Hold one item's return back."""
        return await self._hold(request, held=True)

    async def release(self, request: web.Request) -> web.Response:
        """Let one item's return go on."""
        return await self._hold(request, held=False)

    async def _hold(self, request: web.Request, *, held: bool) -> web.Response:
        account_id, external_id = request[CALLER].account_id, _id_of(request, 2)
        return reply(
            202, DoneReply(message=await self._parts.relisting.hold(account_id, external_id, held=held))
        )


def _id_of(request: web.Request, segment: int) -> str:
    external_id, found = read_external_id(request.raw_path, segment=segment)
    raise_if_any(found)
    return external_id


def planned_line(planned: PlannedReturn) -> PlannedLine:
    """One planned return as JSON."""
    return PlannedLine(
        external_id=planned.external_id,
        title=planned.title,
        next_at=planned.at,
        previous_price=planned.ladder.previous_kr,
        next_price=planned.ladder.price_kr,
        attempt=planned.ladder.attempt,
        reason=planned.ladder.why,
        held=planned.held,
    )


def relist_operations(parts: ItemServices) -> list[Operation]:
    """What an ERP says about the returns of one item, and what the owner sees and stops."""
    calls = RelistCalls(parts=parts)
    owner = partial(Operation, access="owner", tag="Items")
    done = partial(owner, "POST", status=202, answer=DoneReply)
    return [
        Operation(
            "PATCH",
            "/integration/v1/items/{externalId}/relist",
            calls.change,
            access="partner",
            tag="Items",
            rate="price",
            body=RelistBody,
            status=202,
            answer=RelistPlanReply,
            refusals=("CONFLICT", "VALIDATION_FAILED"),
        ),
        owner("GET", "/rheod/relist", calls.plan, query=DaysQuery, answer=PlanReply),
        done("/rheod/relist/pause", calls.pause),
        done("/rheod/relist/resume", calls.resume),
        done("/rheod/relist/{externalId}/pause", calls.hold, refusals=("CONFLICT", "VALIDATION_FAILED")),
        done("/rheod/relist/{externalId}/resume", calls.release, refusals=("CONFLICT", "VALIDATION_FAILED")),
    ]
