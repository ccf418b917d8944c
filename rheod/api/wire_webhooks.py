"""The bodies and query strings of the owner's calls about webhooks and events (rheo-api.md sections 5 and 6)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, StringConstraints, WithJsonSchema

from rheod.api.queries import Query, Whole
from rheod.api.wire import UrlCheck, read_model
from rheod.api.wire_types import Moment, Text255, Wire, to_ms, wrong
from rheod.catalog.endpoints import EndpointChange, NewEndpoint
from rheod.domain.errors import FieldError
from rheod.domain.model import WEBHOOK_EVENTS

EVENTS = tuple(sorted(event.value for event in WEBHOOK_EVENTS))
_MAX_ID = 2**63 - 1
_URL_CHARS = 2048


def _event_name(value: Any) -> str:
    if not isinstance(value, str) or value not in EVENTS:
        raise wrong("event", f"Must be one of {', '.join(EVENTS)}")
    return value


def _event_or_id(value: Any) -> str:
    if not str(value).startswith("evt_"):
        return _event_name(value)
    return str(value)


def _before(value: Any) -> tuple[Literal["id", "moment"], int]:
    """The id of an attempt, or a time."""
    text = str(value)
    if text.isascii() and text.isdecimal() and len(text) < 20:
        return "id", min(int(text), _MAX_ID)
    try:
        return "moment", to_ms(text)
    except (ValueError, OverflowError):
        raise wrong("before", "Must be the id of a delivery or a time such as 2026-05-26T10:00:00Z") from None


EventName = Annotated[
    str, PlainValidator(_event_name), WithJsonSchema({"type": "string", "enum": list(EVENTS)})
]
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
                {"type": "string", "pattern": "^[0-9]{1,19}$"},
                {"type": "string", "format": "date-time"},
            ],
            "description": "Only attempts older than this one (its id), or than this time",
        }
    ),
]
Url = Annotated[str, StringConstraints(max_length=_URL_CHARS)]
EventNames = Annotated[list[EventName], Field(max_length=len(EVENTS))]
Scope = Literal["self", "members"]


class NewEndpointBody(Wire):
    """A webhook endpoint to be made; no event types means all of them."""

    url: Url
    event_types: Annotated[EventNames, Field(default_factory=list)]
    scope: Scope = "self"
    description: Text255 = ""


class EndpointBody(Wire):
    """What to change of a webhook endpoint; what is absent stays."""

    url: Url | None = None
    event_types: EventNames | None = None
    scope: Scope | None = None
    description: Text255 | None = None
    active: bool | None = None


class ReplayBody(Wire):
    """Which endpoint a replay is for; absent: all of the account that take the event."""

    endpoint_id: Text255 | None = None


class ReplaySinceBody(ReplayBody):
    """From when on everything is told once more."""

    since: Moment


class DeliveriesQuery(Query):
    """What of the delivery log is wanted."""

    endpoint: Annotated[str | None, StringConstraints(max_length=255)] = None
    event: EventOrId | None = None
    status: Literal["success", "failed"] | None = None
    before: Before | None = None
    limit: Annotated[Whole, Field(ge=1, le=100)] = 100


class EventsQuery(Query):
    """Where the feed goes on, and what of it is wanted."""

    after: Annotated[str | None, StringConstraints(max_length=512)] = None
    type: EventName | None = None
    limit: Annotated[Whole, Field(ge=1, le=1000)] = 100


def read_new_endpoint(body: Any, *, check_url: UrlCheck) -> NewEndpoint:
    """The endpoint a POST asks for. Raises Refused (VALIDATION_FAILED)."""
    read = read_model(NewEndpointBody, body, _url_errors(body, check_url))
    return NewEndpoint(
        url=read.url, event_types=read.event_types, scope=read.scope, description=read.description
    )


def read_endpoint_change(body: Any, *, check_url: UrlCheck) -> EndpointChange:
    """What a PATCH changes. Raises Refused (VALIDATION_FAILED)."""
    read = read_model(EndpointBody, body, _url_errors(body, check_url))
    return EndpointChange(
        url=read.url,
        event_types=read.event_types,
        scope=read.scope,
        description=read.description,
        active=read.active,
    )


def _url_errors(body: Any, check_url: UrlCheck) -> list[FieldError]:
    url = body.get("url") if isinstance(body, dict) else None
    if not isinstance(url, str) or len(url) > _URL_CHARS:
        return []  # the model says so
    sentence = check_url(url)
    return [FieldError("url", sentence)] if sentence else []
