"""Answers about webhook endpoints, the delivery log, the feed of events and replays (rheo-api.md sections 5 and 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from rheod.api import cursors
from rheod.api.replies import At, Reply
from rheod.api.wire_webhooks import EventName, Scope
from rheod.store.deliveries import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rheod.catalog.ping import Ping
    from rheod.store.deliveries import Logged
    from rheod.store.endpoints import Endpoint
    from rheod.store.feed import Again, Event

_EVENT_ID = Field(examples=["evt_01j2k3m4n5p6q7r8s9t0abcdef"])
_HINT_CHARS = 4


class EndpointReply(Reply):
    """A webhook endpoint; no event types means all of them. `secretHint` is the end of its secret."""

    id: str
    url: str | None
    event_types: list[EventName]
    scope: Scope
    active: bool
    description: str
    fail_count: int
    secret_hint: Annotated[str, Field(examples=["whsec_…Ab1="])]
    created_at: At
    updated_at: At


class EndpointWithSecret(EndpointReply):
    """A webhook endpoint whose secret is new: it is in this answer and never again."""

    secret: Annotated[str, Field(examples=["whsec_" + "A" * 32])]


class EndpointsReply(Reply):
    """All webhook endpoints of the account, the oldest first."""

    endpoints: list[EndpointReply]


class PingReply(Reply):
    """What the endpoint answered to a test event; `httpStatus` is null when no answer came."""

    success: bool
    event_id: Annotated[str, _EVENT_ID]
    http_status: int | None
    duration_ms: int
    error_message: str | None


class DeliveryReply(Reply):
    """One attempt to deliver an event."""

    id: str
    external_id: str
    event_type: EventName
    status: Status
    error_message: str | None
    created_at: At
    endpoint_id: str
    event_id: Annotated[str, _EVENT_ID]
    attempt: Annotated[int, Field(ge=1)]
    http_status: int | None
    duration_ms: int


class DeliveriesReply(Reply):
    """The newest attempts, newest first; the `id` of the last one is the `before` of the next page."""

    deliveries: list[DeliveryReply]


class EventReply(Reply):
    """An event as its webhook carries it."""

    event_id: Annotated[str, _EVENT_ID]
    event_type: EventName
    timestamp: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    data: dict[str, Any]


class EventsReply(Reply):
    """A page of the feed, the oldest event first.

    `cursor` is where to go on, today or tomorrow: nothing ever appears before it. `nextCursor` is the same while there
    is more already, else null.
    """

    events: list[EventReply]
    cursor: str
    next_cursor: str | None


class ReplayReply(Reply):
    """How many deliveries were ordered once more; those that waited already were not doubled."""

    success: Literal[True] = True
    replayed: Annotated[int, Field(ge=0)]
    already_waiting: Annotated[int, Field(ge=0)]
    message: str


def endpoint_reply(endpoint: Endpoint) -> EndpointReply:
    """The endpoint without its secret."""
    return EndpointReply(**_endpoint_fields(endpoint))


def endpoint_with_secret(endpoint: Endpoint) -> EndpointWithSecret:
    """The endpoint with its secret, for the one time it is shown."""
    return EndpointWithSecret(**_endpoint_fields(endpoint), secret=endpoint.secret)


def _endpoint_fields(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "id": endpoint.id,
        "url": endpoint.url,
        "event_types": list(endpoint.event_types),
        "scope": endpoint.scope,
        "active": endpoint.active,
        "description": endpoint.description,
        "fail_count": endpoint.fail_count,
        "secret_hint": f"whsec_…{endpoint.secret[-_HINT_CHARS:]}",
        "created_at": endpoint.created_at,
        "updated_at": endpoint.updated_at,
    }


def ping_reply(ping: Ping) -> PingReply:
    """What came of a test event."""
    return PingReply(
        success=ping.delivery.ok,
        event_id=ping.event_id,
        http_status=ping.delivery.status,
        duration_ms=ping.delivery.duration_ms,
        error_message=ping.delivery.error,
    )


def deliveries_reply(logged: Sequence[Logged]) -> DeliveriesReply:
    """A page of the delivery log."""
    return DeliveriesReply(
        deliveries=[
            DeliveryReply(
                id=str(one.id),
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


def events_reply(events: Sequence[Event], *, after: int, more: bool) -> EventsReply:
    """A page of the feed that went on after this number; `more` when there is more already."""
    cursor = cursors.write(events[-1].seq if events else after)
    return EventsReply(
        events=[EventReply.model_validate_json(event.body, by_alias=True) for event in events],
        cursor=cursor,
        next_cursor=cursor if more else None,
    )


def replay_reply(again: Again) -> ReplayReply:
    """How many deliveries a replay ordered, in numbers and in words."""
    words = f"{again.ordered} deliveries ordered once more."
    if again.waiting:
        words += f" {again.waiting} waited already."
    if not (again.ordered or again.waiting):
        words = "Nothing to deliver: no webhook endpoint takes such an event."
    return ReplayReply(replayed=again.ordered, already_waiting=again.waiting, message=words)
