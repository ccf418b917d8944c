"""The owner's calls about what was told: the delivery log, the feed of all events, replays (rheo-api.md section 6)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from aiohttp import web

from rheod.api import cursors
from rheod.api.bodies import BODY_BYTES, read_json, read_optional_json
from rheod.api.operation import Operation
from rheod.api.parts import CALLER
from rheod.api.queries import read_query
from rheod.api.replies import reply
from rheod.api.replies_webhooks import (
    DeliveriesReply,
    EventsReply,
    ReplayReply,
    deliveries_reply,
    events_reply,
    replay_reply,
)
from rheod.api.wire import read_model
from rheod.api.wire_webhooks import DeliveriesQuery, EventsQuery, ReplayBody, ReplaySinceBody
from rheod.store.deliveries import Filters

if TYPE_CHECKING:
    from rheod.api.parts import ApiParts

DELIVERIES = "/integration/webhook-deliveries"
EVENTS = "/rheod/events"


class EventCalls:
    """Handlers of `/integration/webhook-deliveries` and under `/rheod/events`."""

    def __init__(self, *, parts: ApiParts) -> None:
        self._parts = parts
        self._feed = parts.feed

    async def deliveries(self, request: web.Request) -> web.Response:
        """List the latest attempts to deliver an event, newest first."""
        asked = read_query(request, DeliveriesQuery)
        before, at = asked.before or (None, 0)
        by_id = asked.event is not None and asked.event.startswith("evt_")
        wanted = Filters(
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
        after: int = 0 if asked.after is None else cursors.read(asked.after, int)[0]
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

    async def replay_since(self, request: web.Request) -> web.Response:
        """Deliver every event since a moment once more, in order, behind what happens meanwhile.

        Durable before the answer; repeated after an interruption it doubles nothing that still waits.
        """
        deadline_s = self._parts.body_deadline_s
        body = await read_json(request, limit_bytes=BODY_BYTES, deadline_s=deadline_s)
        asked = read_model(ReplaySinceBody, body)
        again = await self._feed.replay_since(request[CALLER].account_id, asked.since, asked.endpoint_id)
        return reply(202, replay_reply(again))


def operations(parts: ApiParts) -> list[Operation]:
    """What the owner asks and orders about events, with the admin token."""
    calls = EventCalls(parts=parts)
    own = partial(Operation, gate="owner", tag="Events")
    again = partial(own, "POST", status=202, answer=ReplayReply, refusals=("NOT_FOUND",))
    return [
        own("GET", DELIVERIES, calls.deliveries, query=DeliveriesQuery, answer=DeliveriesReply),
        own("GET", EVENTS, calls.events, query=EventsQuery, answer=EventsReply),
        again(f"{EVENTS}/replay", calls.replay_since, body=ReplaySinceBody),
        again(f"{EVENTS}/{{eventId}}/replay", calls.replay, body=ReplayBody, body_required=False),
    ]
