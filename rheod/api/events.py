"""The owner's calls about what was sent: the log of deliveries, the feed of all events, replays."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

from aiohttp import web
from pydantic import Field, PlainValidator, StringConstraints, WithJsonSchema

from rheod.api import field_types
from rheod.api.context import CALLER
from rheod.api.field_types import Moment, Text255, Wire, read_model, to_ms, wrong
from rheod.api.json_body import BODY_BYTES, read_json, read_optional_json
from rheod.api.routing import At, Operation, Query, Reply, Whole, read_query, reply
from rheod.api.webhooks import EVENT_ID, EVENTS, EventName, event_name
from rheod.domain.errors import Text
from rheod.store.outbox import AttemptFilter, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rheod.api.context import EventServices
    from rheod.store.feed import Replayed, StoredEvent
    from rheod.store.outbox import LoggedAttempt


def _event_or_id(value: Any) -> str:
    if not str(value).startswith("evt_"):
        return event_name(value)
    return str(value)


_DELIVERY = UUID("00000000-0000-8000-8000-000000000000").int
"""What an attempt's id is beside its number: a UUID of version 8, whose bits are ours to choose."""
_NUMBER_BITS = (1 << 62) - 1
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)


def _before(value: Any) -> tuple[Literal["id", "moment"], int]:
    """The id of an attempt, or a time; its plain number, as ids were once, is one too."""
    text = str(value)
    if _UUID.fullmatch(text):
        return "id", UUID(text).int & _NUMBER_BITS
    if text.isascii() and text.isdecimal() and len(text) < 20:
        return "id", min(int(text), _MAX_ID)
    try:
        return "moment", to_ms(text)
    except (ValueError, OverflowError):
        raise wrong(
            "before", Text("Must be the id of a delivery or a time such as 2026-05-26T10:00:00Z")
        ) from None


_MAX_ID = 2**63 - 1


EventOrId = Annotated[
    str,
    PlainValidator(_event_or_id),
    WithJsonSchema(
        {
            "anyOf": [{"type": "string", "enum": list(EVENTS)}, {"type": "string", "pattern": "^evt_"}],
            "description": "A type of event, or the id of one event",
        }
    ),
]
Before = Annotated[
    tuple[Literal["id", "moment"], int],
    PlainValidator(_before),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "format": "uuid"},
                {"type": "string", "pattern": "^[0-9]{1,19}$"},
                {"type": "string", "format": "date-time"},
            ],
            "description": "Only attempts older than this one (its id), or than this time",
        }
    ),
]


class ReplayBody(Wire):
    """Which endpoint a replay is for; absent: all of the account that take the event."""

    endpoint_id: Annotated[
        Text255 | None, Field(description="Only to this endpoint; absent: to all that take the event.")
    ] = None


class ReplaySinceBody(ReplayBody):
    """From when on everything is told once more."""

    since: Annotated[Moment, Field(description="Everything from this time on (RFC 3339).")]


class DeliveriesQuery(Query):
    """What of the delivery log is wanted."""

    endpoint: Annotated[
        str | None,
        StringConstraints(max_length=255),
        Field(description="Only attempts at this endpoint, by its id."),
    ] = None
    event: Annotated[
        EventOrId | None, Field(description="Only this type of event, or this one event by its id.")
    ] = None
    status: Annotated[
        Literal["success", "failed"] | None, Field(description="Only attempts that ended so.")
    ] = None
    before: Annotated[Before | None, Field(description="Only what is older than this id or time.")] = None
    limit: Annotated[Whole, Field(description="How many on a page.", ge=1, le=100)] = 100


class EventsQuery(Query):
    """Where the feed goes on, and what of it is wanted."""

    after: Annotated[
        str | None,
        StringConstraints(max_length=512),
        Field(description="The `cursor` of an earlier answer: the feed goes on there."),
    ] = None
    type: Annotated[EventName | None, Field(description="Only events of this type.")] = None
    limit: Annotated[Whole, Field(description="How many on a page.", ge=1, le=1000)] = 100


class DeliveryReply(Reply):
    """One attempt to deliver an event."""

    id: Annotated[UUID, Field(description="Its id here.")]
    external_id: Annotated[str, Field(description="The item's id in your system.")]
    event_type: Annotated[EventName, Field(description="What happened.")]
    status: Annotated[Status, Field(description="How it ended.")]
    error_message: Annotated[str | None, Field(description="What went wrong; null when nothing did.")]
    created_at: Annotated[At, Field(description="When it was made.")]
    endpoint_id: Annotated[str, Field(description="The endpoint's id.")]
    event_id: Annotated[str, EVENT_ID]
    attempt: Annotated[int, Field(description="Which attempt at this delivery it was, from 1.", ge=1)]
    http_status: Annotated[
        int | None, Field(description="What the endpoint answered; null when no answer came.")
    ]
    duration_ms: Annotated[int, Field(description="How long it took, in milliseconds.")]


class DeliveriesReply(Reply):
    """The newest attempts, newest first; the `id` of the last one is the `before` of the next page."""

    deliveries: Annotated[list[DeliveryReply], Field(description="The attempts, newest first.")]


class EventReply(Reply):
    """An event as its webhook carries it."""

    event_id: Annotated[str, EVENT_ID]
    event_type: Annotated[EventName, Field(description="What happened.")]
    timestamp: Annotated[
        str, Field(description="When it happened.", json_schema_extra={"format": "date-time"})
    ]
    data: Annotated[dict[str, Any], Field(description="What else there is to say of it.")]


class EventsReply(Reply):
    """A page of the feed, the oldest event first.

    `cursor` is where to go on, today or tomorrow: nothing ever appears before it. `nextCursor` is the same while there
    is more already, else null.
    """

    events: Annotated[list[EventReply], Field(description="The events, the oldest first.")]
    cursor: Annotated[str, Field(description="Where to go on, today or tomorrow.")]
    next_cursor: Annotated[str | None, Field(description="For the next page; null at the end.")]


class CountReply(Reply):
    """How many deliveries a replay would make."""

    deliveries: int


class ReplayReply(Reply):
    """How many deliveries were ordered once more; those that waited already were not doubled."""

    success: Annotated[Literal[True], Field(description="Always true.")] = True
    replayed: Annotated[int, Field(description="How many deliveries were ordered.", ge=0)]
    already_waiting: Annotated[int, Field(description="How many waited already and were not doubled.", ge=0)]
    message: Annotated[str, Field(description="What happened, in one sentence.")]


def deliveries_reply(logged: Sequence[LoggedAttempt]) -> DeliveriesReply:
    """A page of the delivery log."""
    return DeliveriesReply(
        deliveries=[
            DeliveryReply(
                id=UUID(int=_DELIVERY | one.id),
                external_id=one.external_id,
                event_type=one.event_type,
                status=one.status,
                error_message=one.error,
                created_at=one.created_at,
                endpoint_id=one.endpoint_id,
                event_id=one.event_id,
                attempt=one.attempt,
                http_status=one.http_status,
                duration_ms=one.duration_ms,
            )
            for one in logged
        ]
    )


def events_reply(events: Sequence[StoredEvent], *, after: int, more: bool) -> EventsReply:
    """A page of the feed that went on after this number; `more` when there is more already."""
    cursor = field_types.write(events[-1].seq if events else after)
    return EventsReply(
        events=[EventReply.model_validate_json(event.body, by_alias=True) for event in events],
        cursor=cursor,
        next_cursor=cursor if more else None,
    )


def replay_reply(again: Replayed) -> ReplayReply:
    """How many deliveries a replay ordered, in numbers and in words."""
    words = f"{again.ordered} deliveries ordered once more."
    if again.waiting:
        words += f" {again.waiting} waited already."
    if not (again.ordered or again.waiting):
        words = "Nothing to deliver: no webhook endpoint takes such an event."
    return ReplayReply(replayed=again.ordered, already_waiting=again.waiting, message=words)


DELIVERIES = "/integration/webhook-deliveries"
EVENT_FEED = "/rheod/events"


class EventCalls:
    """Handlers of `/integration/webhook-deliveries` and under `/rheod/events`."""

    def __init__(self, *, parts: EventServices) -> None:
        self._parts = parts
        self._feed = parts.feed

    async def deliveries(self, request: web.Request) -> web.Response:
        """List the latest attempts to deliver an event, newest first."""
        asked = read_query(request, DeliveriesQuery)
        before, at = asked.before or (None, 0)
        by_id = asked.event is not None and asked.event.startswith("evt_")
        wanted = AttemptFilter(
            account_id=request[CALLER].account_id,
            endpoint_id=asked.endpoint,
            event_id=asked.event if by_id else None,
            event_type=None if by_id else asked.event,
            status=asked.status,
            before=at if before == "id" else None,
        )
        page = await self._feed.deliveries(
            wanted, limit=asked.limit, before_ms=at if before == "moment" else None
        )
        return reply(200, deliveries_reply(page))

    async def events(self, request: web.Request) -> web.Response:
        """List all events after a cursor, oldest first; a cursor handed back never misses one."""
        asked = read_query(request, EventsQuery)
        after: int = 0 if asked.after is None else field_types.read(asked.after, int)[0]
        found = await self._feed.events(
            request[CALLER].account_id, after=after, limit=asked.limit + 1, event_type=asked.type
        )
        return reply(200, events_reply(found[: asked.limit], after=after, more=len(found) > asked.limit))

    async def replay(self, request: web.Request) -> web.Response:
        """Deliver one event once more, with the same id and the same bytes.

        A delivery of it that waits already is not doubled; it is tried at once.
        """
        deadline_s = self._parts.body_deadline_s
        body = await read_optional_json(request, limit_bytes=BODY_BYTES, deadline_s=deadline_s)
        asked = read_model(ReplayBody, body)
        again = await self._feed.replay(
            request[CALLER].account_id, request.match_info["eventId"], asked.endpoint_id
        )
        return reply(202, replay_reply(again))

    async def count_since(self, request: web.Request) -> web.Response:
        """Say how many deliveries a replay of everything since a moment would make; orders nothing."""
        asked = read_model(ReplaySinceBody, dict(request.query))
        count = await self._feed.count_since(request[CALLER].account_id, asked.since, asked.endpoint_id)
        return reply(200, CountReply(deliveries=count))

    async def replay_since(self, request: web.Request) -> web.Response:
        """Deliver every event since a moment once more, in order, behind what happens meanwhile.

        Durable before the answer; repeated after an interruption it doubles nothing that still waits.
        """
        deadline_s = self._parts.body_deadline_s
        body = await read_json(request, limit_bytes=BODY_BYTES, deadline_s=deadline_s)
        asked = read_model(ReplaySinceBody, body)
        again = await self._feed.replay_since(request[CALLER].account_id, asked.since, asked.endpoint_id)
        return reply(202, replay_reply(again))


def operations(parts: EventServices) -> list[Operation]:
    """What the owner asks and orders about events, with the admin token."""
    calls = EventCalls(parts=parts)
    own = partial(Operation, access="owner", tag="Events")
    again = partial(own, "POST", status=202, answer=ReplayReply, refusals=("NOT_FOUND",))
    return [
        own("GET", DELIVERIES, calls.deliveries, query=DeliveriesQuery, answer=DeliveriesReply),
        own("GET", EVENT_FEED, calls.events, query=EventsQuery, answer=EventsReply),
        again(f"{EVENT_FEED}/replay", calls.replay_since, body=ReplaySinceBody),
        own(
            "POST",
            f"{EVENT_FEED}/{{eventId}}/replay",
            calls.replay,
            status=202,
            answer=ReplayReply,
            refusals=("NOT_FOUND", "GONE"),
            body=ReplayBody,
            body_required=False,
        ),
    ]


def admin_operations(parts: EventServices) -> list[Operation]:
    """What the commands ask too: the same, and how much a replay would be."""
    count = EventCalls(parts=parts).count_since
    asked = Operation("GET", f"{EVENT_FEED}/count", count, access="owner", tag="Events", answer=CountReply)
    return [*operations(parts), asked]
