"""What all answers share: the base of their models, our units as the wire writes them, and the one shape of errors.

A handler sends a model, and the OpenAPI document is made from the same one. The models stand beside their handlers.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema
from pydantic.alias_generators import to_camel
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticSerializationError, to_json

from rheod.domain.event_payloads import rfc3339, sek

if TYPE_CHECKING:
    from rheod.domain.errors import FieldError


JSON_HEADERS = {
    "Content-Type": "application/json; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}
"""What every JSON answer says of itself."""


class Reply(BaseModel):
    """What every answer shares: camelCase, every field always there."""

    model_config = ConfigDict(
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
        serialize_by_alias=True,
        json_schema_serialization_defaults_required=True,
        defer_build=True,
    )


At = Annotated[
    int,
    PlainSerializer(rfc3339),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-05-26T10:00:00Z"]}),
]
Kronor = Annotated[int, PlainSerializer(sek), WithJsonSchema({"type": "number", "examples": [950]})]


EXTERNAL_ID = Field(description="The item's id in your system.", examples=["ERP_PART_12345"])
Count = Annotated[int, Field(ge=0)]


class DoneReply(Reply):
    """Work that is durable and goes on in the background."""

    success: Annotated[bool, Field(description="Always true.")] = True
    message: Annotated[str, Field(description="What happened, in one sentence.", examples=["Price updated."])]


class WrongField(Reply):
    """One wrong field of a request; the offending value is never echoed."""

    field: Annotated[str, Field(description="The field by its dotted path.", examples=["imageUrls.0"])]
    message: Annotated[str, Field(description="What the field must be.", examples=["Must be an HTTPS URL"])]


class ErrorReply(Reply):
    """The one shape of every error; `details` is there only when fields are wrong."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=False)

    error: Annotated[str, Field(description="One sentence on what went wrong.")]
    code: Annotated[str, Field(description="What went wrong, as a word for programs.")]
    status_code: Annotated[int, Field(description="The HTTP status.")]
    details: Annotated[
        list[WrongField] | SkipJsonSchema[None],
        Field(description="Every wrong field; only there when fields are wrong."),
    ] = None


def reply(status: int, model: Reply) -> web.Response:
    """A JSON answer."""
    return web.Response(status=status, body=encoded(model), headers=JSON_HEADERS)


def encoded(body: Reply | Mapping[str, Any]) -> bytes:
    """The body as JSON; a lone surrogate that a remote has sent us becomes its JSON escape."""
    try:
        return body.__pydantic_serializer__.to_json(body) if isinstance(body, Reply) else to_json(body)
    except PydanticSerializationError:
        plain = body.model_dump() if isinstance(body, Reply) else body
        text = json.dumps(plain, ensure_ascii=False, separators=(",", ":"), default=str)
        return text.encode("utf-8", "backslashreplace")


STATUS_OF = {
    "BAD_REQUEST": 400,
    "UNAUTHORIZED": 401,
    "FORBIDDEN": 403,
    "NOT_FOUND": 404,
    "METHOD_NOT_ALLOWED": 405,
    "CONFLICT": 409,
    "GONE": 410,
    "PAYLOAD_TOO_LARGE": 413,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "VALIDATION_FAILED": 422,
    "INVALID_STATUS": 422,
    "RATE_LIMITED": 429,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
}
"""The one table from code to HTTP status."""


def answer(status: int, body: Mapping[str, Any]) -> web.Response:
    """A plain object as a JSON answer: what no partner reads, and long lists, whose models would take most of their time."""
    return web.Response(status=status, body=encoded(body), headers=JSON_HEADERS)


def refusal(
    code: str,
    message: str,
    *,
    details: Sequence[FieldError] = (),
    retry_after_s: int | None = None,
    allow: Iterable[str] = (),
) -> web.Response:
    """An error answer; an unknown code is a bug of ours and becomes 500."""
    status = STATUS_OF.get(code, 500)
    body = ErrorReply(
        error=message,
        code=code if code in STATUS_OF else "INTERNAL",
        status_code=status,
        details=[WrongField(field=one.field, message=one.message) for one in details] or None,
    )
    response = answer(status, body.model_dump(exclude_none=True))
    if retry_after_s is not None:
        response.headers["Retry-After"] = str(max(1, retry_after_s))
    if allowed := sorted(allow):
        response.headers["Allow"] = ", ".join(allowed)
    return response
