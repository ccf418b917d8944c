"""The week of ends: what ends when, another end by hand, and a calendar file that phones subscribe to."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from aiohttp import web
from pydantic import Field

from rheod.api.context import CALLER
from rheod.api.field_types import Moment, Wire, read_external_id, read_model
from rheod.api.json_body import BODY_BYTES, read_json
from rheod.api.responses import EXTERNAL_ID, At, DoneReply, Reply, answer, reply
from rheod.api.routing import Operation, Query, Route, read_query
from rheod.domain.errors import Refused, Text

if TYPE_CHECKING:
    from rheod.api.context import ItemServices
    from rheod.store.ads import ScheduledEnd
    from rheod.usecases.ending import Ending

_DAY_MS = 86_400_000
_AHEAD_MS = 14 * _DAY_MS
_FEED_BACK_MS, _FEED_AHEAD_MS = 7 * _DAY_MS, 120 * _DAY_MS
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
        lines += [
            "BEGIN:VEVENT",
            f"UID:{each.listing_id}@rheod",
            f"SEQUENCE:{each.place.moves if each.place else 0}",
            f"DTSTAMP:{_stamp(each.place.commit_at if each.place and each.place.commit_at else each.end_at)}",
            f"DTSTART:{_stamp(each.end_at)}",
            f"DTEND:{_stamp(each.end_at + 60_000)}",
            f"SUMMARY:{_escaped(f'{each.title} ({each.external_id})')}",
            "END:VEVENT",
        ]
    lines.append("END:VCALENDAR")
    return b"".join(part for line in lines for part in folded(line))


def _stamp(at: int) -> str:
    return datetime.fromtimestamp(at // 1000, UTC).strftime("%Y%m%dT%H%M%SZ")


def _escaped(text: str) -> str:
    one_line = " ".join(text.split())
    return re.sub(r"([\\;,])", r"\\\1", one_line)


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


class PlanBody(Wire):
    """The owner's plan for ends: what is absent stays as it is; 0 takes a bound away."""

    windows: Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=50)] | None = None
    spacing_min: Annotated[int, Field(ge=1, le=240)] | None = None
    per_window: Annotated[int, Field(ge=0, le=1000)] | None = None
    per_category: Annotated[int, Field(ge=0, le=1000)] | None = None
    durations: (
        Annotated[list[Annotated[int, Field(ge=1, le=14)]], Field(min_length=1, max_length=14)] | None
    ) = None


def plan_routes(ending: Ending, *, deadline_s: float) -> list[Route]:
    """The owner's plan over the admin socket: shown, and changed where the settings file has none."""

    async def show(_request: web.Request) -> web.Response:
        """GET /schedule/plan."""
        choice, locked = await ending.owners_choice()
        shown = {
            "windows": list(choice.windows),
            "spacingMin": choice.spacing_min,
            "perWindow": choice.per_window,
            "perCategory": choice.per_category,
            "durations": list(choice.durations),
        }
        return answer(200, {**shown, "locked": locked})

    async def change(request: web.Request) -> web.Response:
        """PATCH /schedule/plan."""
        body = read_model(PlanBody, await read_json(request, limit_bytes=BODY_BYTES, deadline_s=deadline_s))
        given = {name: value for name, value in body.model_dump().items() if value is not None}
        changed: dict[str, Any] = {
            name: tuple(each) if isinstance(each, list) else each or None for name, each in given.items()
        }
        choice, _locked = await ending.owners_choice()
        await ending.choose(replace(choice, **changed))
        return await show(request)

    return [("GET", "/schedule/plan", show), ("PATCH", "/schedule/plan", change)]


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
