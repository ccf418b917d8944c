"""The owner's calls about webhook endpoints: made, changed, tested and removed."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from aiohttp import web
from pydantic import Field, PlainValidator, StringConstraints, WithJsonSchema

from rheod.api.context import CALLER
from rheod.api.field_types import Text255, Wire, read_model, wrong
from rheod.api.item_body import UrlCheck
from rheod.api.json_body import BODY_BYTES, read_json, read_optional_json
from rheod.api.routing import At, Operation, Reply, reply
from rheod.domain.errors import FieldError, Refused, Text
from rheod.domain.model import EVERY_EVENT, WEBHOOK_EVENTS
from rheod.usecases.endpoints import EndpointChange, NewEndpoint

if TYPE_CHECKING:
    from rheod.api.context import EventServices
    from rheod.store.endpoints import Endpoint


EVENTS = tuple(sorted(event.value for event in WEBHOOK_EVENTS))
_URL_CHARS = 2048


def event_name(value: Any) -> str:
    """The name of a webhook event; a broken rule of the field when there is none of this name."""
    if not isinstance(value, str) or value not in EVENTS:
        raise wrong("event", Text("Must be one of {events}", events=", ".join(EVENTS)))
    return value


EventName = Annotated[
    str, PlainValidator(event_name), WithJsonSchema({"type": "string", "enum": list(EVENTS)})
]
Url = Annotated[str, StringConstraints(max_length=_URL_CHARS)]
_EVENTS_TOLD = "The events it gets: none means the six of the hosted Rheo, `*` all there are and will be."


def _event_choice(value: Any) -> str:
    return EVERY_EVENT if value == EVERY_EVENT else event_name(value)


EventChoice = Annotated[
    str,
    PlainValidator(_event_choice),
    WithJsonSchema({"type": "string", "enum": [*EVENTS, EVERY_EVENT]}),
]
EventChoices = Annotated[list[EventChoice], Field(max_length=len(EVENTS) + 1)]
Scope = Literal["self", "members"]


class NewEndpointBody(Wire):
    """A webhook endpoint to be made; no event types means the six of the hosted Rheo, `*` all of them."""

    url: Annotated[Url, Field(description="An HTTPS address of yours.")]
    event_types: Annotated[EventChoices, Field(description=_EVENTS_TOLD, default_factory=list)]
    scope: Annotated[
        Scope,
        Field(
            description="`self`: the account's own events. `members`: those of all member accounts, with `account.memberExternalId`."
        ),
    ] = "self"
    description: Annotated[Text255, Field(description="What the owner knows it by.")] = ""


class EndpointBody(Wire):
    """What to change of a webhook endpoint; what is absent stays."""

    url: Annotated[Url | None, Field(description="Its address.")] = None
    event_types: Annotated[EventChoices | None, Field(description=_EVENTS_TOLD)] = None
    scope: Annotated[
        Scope | None,
        Field(
            description="`self`: the account's own events. `members`: those of all member accounts, with `account.memberExternalId`."
        ),
    ] = None
    description: Annotated[Text255 | None, Field(description="What the owner knows it by.")] = None
    active: Annotated[
        bool | None, Field(description="False rests it, its events are kept; true starts it again.")
    ] = None


class RotationBody(Wire):
    """How a secret is changed."""

    force: Annotated[bool, Field(description="True when a secret has leaked: the old ones end at once.")] = (
        False
    )


async def read_force(request: web.Request, deadline_s: float) -> bool:
    """Whether a rotation is to end the old secrets at once; the body may be absent."""
    body = await read_optional_json(request, limit_bytes=BODY_BYTES, deadline_s=deadline_s)
    return read_model(RotationBody, body).force


class TestBody(Wire):
    """What the test event is to be."""

    event_type: Annotated[
        EventName | None,
        Field(description="Its type, one that the endpoint takes; absent: the most harmless."),
    ] = None


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
    return [FieldError("url", Text.of(sentence))] if sentence else []


EVENT_ID = Field(
    description="The event's id, the same on every attempt.", examples=["evt_01j2k3m4n5p6q7r8s9t0abcdef"]
)
_HINT_CHARS = len("whsec_") + 4


class EndpointReply(Reply):
    """A webhook endpoint, with the beginning of its secret for a hint."""

    id: Annotated[str, Field(description="Its id here.")]
    url: Annotated[str | None, Field(description="Its address.")]
    event_types: Annotated[list[EventChoice], Field(description=_EVENTS_TOLD)]
    scope: Annotated[
        Scope,
        Field(
            description="`self`: the account's own events. `members`: those of all member accounts, with `account.memberExternalId`."
        ),
    ]
    active: Annotated[bool, Field(description="False while it rests; its events are kept.")]
    description: Annotated[str, Field(description="What the owner knows it by.")]
    fail_count: Annotated[int, Field(description="Failures since the last success; at 15 it is disabled.")]
    secret_hint: Annotated[str, Field(description="How the secret begins.", examples=["whsec_Ab1c…"])]
    created_at: Annotated[At, Field(description="When it was made.")]
    updated_at: Annotated[At, Field(description="When it last changed.")]


class EndpointWithSecret(EndpointReply):
    """A webhook endpoint whose secret is new: it is in this answer and never again."""

    secret: Annotated[
        str,
        Field(
            description="The secret that signs its events, shown this once.", examples=["whsec_" + "A" * 32]
        ),
    ]


class EndpointsReply(Reply):
    """All webhook endpoints of the account, the oldest first."""

    endpoints: Annotated[list[EndpointReply], Field(description="The endpoints, the oldest first.")]


class SentTestReply(Reply):
    """What the endpoint answered to a test event; `httpStatus` is null when no answer came."""

    success: Annotated[bool, Field(description="Whether the endpoint answered 2xx.")]
    event_id: Annotated[str, EVENT_ID]
    event_type: Annotated[EventName, Field(description="The type of the event that was sent.")]
    http_status: Annotated[
        int | None, Field(description="What the endpoint answered; null when no answer came.")
    ]
    duration_ms: Annotated[int, Field(description="How long it took, in milliseconds.")]
    error_message: Annotated[str | None, Field(description="What went wrong; null when nothing did.")]


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
        "secret_hint": f"{endpoint.secret[:_HINT_CHARS]}…",
        "created_at": endpoint.created_at,
        "updated_at": endpoint.updated_at,
    }


ENDPOINTS = "/integration/webhooks"
ENDPOINT = f"{ENDPOINTS}/{{endpointId}}"


class WebhookCalls:
    """Handlers under `/integration/webhooks`."""

    def __init__(self, *, parts: EventServices) -> None:
        self._parts = parts
        self._endpoints = parts.endpoints

    async def listing(self, request: web.Request) -> web.Response:
        """List the account's webhook endpoints, without their secrets."""
        found = await self._endpoints.listing(request[CALLER].account_id)
        return reply(200, EndpointsReply(endpoints=[endpoint_reply(each) for each in found]))

    async def add(self, request: web.Request) -> web.Response:
        """Make a webhook endpoint; its secret is in this answer and never again.

        The same URL, scope and event types again are a conflict that names the endpoint there is.
        """
        new = read_new_endpoint(await self._body(request), check_url=self._parts.check_webhook_url)
        return reply(201, endpoint_with_secret(await self._endpoints.add(request[CALLER].account_id, new)))

    async def change(self, request: web.Request) -> web.Response:
        """Change a webhook endpoint, or switch it off and on again; the events it kept then go out in order.

        Events that wait go to a new URL at their next try. Event types count for what happens from now on.
        """
        change = read_endpoint_change(await self._body(request), check_url=self._parts.check_webhook_url)
        changed = await self._endpoints.change(request[CALLER].account_id, _id_of(request), change)
        return reply(200, endpoint_reply(changed))

    async def remove(self, request: web.Request) -> web.Response:
        """Remove a webhook endpoint and drop the events that wait for it; its delivery log stays."""
        await self._endpoints.remove(request[CALLER].account_id, _id_of(request))
        return web.Response(status=204)

    async def rotate_secret(self, request: web.Request) -> web.Response:
        """Make a new secret, shown in this answer only; the old one signs beside it for 24 hours.

        While the one before still signs it is a conflict. `force`, for a secret that has leaked, ends the old ones at once.
        """
        force = await read_force(request, self._parts.body_deadline_s)
        rotated = await self._endpoints.rotate(request[CALLER].account_id, _id_of(request), force=force)
        return reply(200, endpoint_with_secret(rotated))

    async def test(self, request: web.Request) -> web.Response:
        """Send a signed event now, and tell what the endpoint answered.

        It has a type that the endpoint takes, `eventType` or the most harmless, and `test: true` in made-up data.
        """
        if self._parts.test_events is None:
            raise Refused("UNAVAILABLE", Text("rheod is not running: start it to send a test event"))
        deadline_s = self._parts.body_deadline_s
        body = await read_optional_json(request, limit_bytes=BODY_BYTES, deadline_s=deadline_s)
        wanted = read_model(TestBody, body).event_type
        sent = await self._parts.test_events.send(request[CALLER].account_id, _id_of(request), wanted)
        told = SentTestReply(
            success=sent.delivery.ok,
            event_id=sent.event_id,
            event_type=sent.event_type,
            http_status=sent.delivery.status,
            duration_ms=sent.delivery.duration_ms,
            error_message=sent.delivery.error,
        )
        return reply(200, told)

    async def _body(self, request: web.Request) -> Any:
        return await read_json(request, limit_bytes=BODY_BYTES, deadline_s=self._parts.body_deadline_s)


def operations(parts: EventServices) -> list[Operation]:
    """What the owner does with webhook endpoints, with the admin token."""
    calls = WebhookCalls(parts=parts)
    own = partial(Operation, access="owner", tag="Webhooks")
    gone, clash = ("NOT_FOUND",), ("NOT_FOUND", "CONFLICT")
    return [
        own("GET", ENDPOINTS, calls.listing, answer=EndpointsReply),
        own(
            "POST",
            ENDPOINTS,
            calls.add,
            body=NewEndpointBody,
            status=201,
            answer=EndpointWithSecret,
            refusals=("CONFLICT",),
        ),
        own("PATCH", ENDPOINT, calls.change, body=EndpointBody, answer=EndpointReply, refusals=clash),
        own("DELETE", ENDPOINT, calls.remove, status=204, refusals=gone),
        own(
            "POST",
            f"{ENDPOINT}/rotate-secret",
            calls.rotate_secret,
            body=RotationBody,
            body_required=False,
            answer=EndpointWithSecret,
            refusals=clash,
        ),
        own(
            "POST",
            f"{ENDPOINT}/test",
            calls.test,
            body=TestBody,
            body_required=False,
            answer=SentTestReply,
            refusals=clash,
        ),
    ]


def _id_of(request: web.Request) -> str:
    return request.match_info["endpointId"]
