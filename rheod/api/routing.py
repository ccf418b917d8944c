"""What every call has: its answer and errors, its route with all that the OpenAPI document says of it, and its query string.

The server registers operations and the document is made from them, so that neither can know what the other does not; a
handler sends a model, and the document describes the same one. The models stand beside their handlers. Query parameters
we do not know are ignored, as unknown fields of a body are, and named in a header of the answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar
from urllib.parse import quote

from aiohttp import web
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel, to_snake
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticSerializationError, to_json

from rheod.api.field_types import from_pydantic, wrong
from rheod.api.json_body import BODY_BYTES, TEXT_MESSAGE, is_clean
from rheod.domain.errors import FieldError, Refused, Text
from rheod.domain.event_payloads import rfc3339, sek
from rheod.store.access import Scope

if TYPE_CHECKING:
    from rheod.api.field_types import Wire


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


Access = Literal["partner", "owner", "open"]

_EVERY = ("BAD_REQUEST", "INTERNAL", "UNAVAILABLE")
"""A header too many or a broken request line, a bug of ours, a store that cannot answer: possible anywhere."""

_OF_ACCESS: Mapping[Access, tuple[str, ...]] = {
    "partner": ("UNAUTHORIZED", "FORBIDDEN", "RATE_LIMITED", "NOT_FOUND"),
    "owner": ("UNAUTHORIZED", "RATE_LIMITED", "NOT_FOUND"),
    "open": (),
}
_OF_PARTNERS_WRITE = ("CONFLICT",)
"""The items of an account that has left the settings can only be read."""
_OF_BODY = ("PAYLOAD_TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE", "VALIDATION_FAILED")


@dataclass(frozen=True, slots=True)
class Operation:
    """A method on a path. `path` may hold `{name}` segments, `{name:regex}` where a plain segment will not do.

    `rate` names the bucket of a partner's call, `scope` what the key must open. `query`, `body` and `answer` are the models read and sent (answer None:
    no body, or one of `media_type`), `picture` that the body is the bytes of one, `refusals` the error codes beyond those that its access and its body bring with
    them, `besides` what other statuses without an error code mean. The summary is the first sentence of the handler's
    docstring.
    """

    method: Literal["GET", "PUT", "POST", "PATCH", "DELETE"]
    path: str
    handler: Handler
    _: KW_ONLY
    access: Access
    tag: str
    rate: CallKind | None = None
    scope: Scope = "items"
    query: type[Query] | None = None
    body: type[Wire] | None = None
    body_required: bool = True
    body_bytes: int = BODY_BYTES
    picture: bool = False
    status: int = 200
    answer: type[Reply] | None = None
    media_type: str = "application/json"
    refusals: tuple[str, ...] = ()
    besides: Mapping[int, str] = field(default_factory=dict)

    @property
    def codes(self) -> list[str]:
        """Every error code the operation may answer with, in the order of their statuses."""
        wanted = {
            *_EVERY,
            *_OF_ACCESS[self.access],
            *self.refusals,
            *(_OF_BODY if self.body or self.picture else ()),
        }
        if self.access == "partner" and self.method != "GET":
            wanted |= {*_OF_PARTNERS_WRITE}
        return [code for code in STATUS_OF if code in wanted]

    @property
    def summary(self) -> str:
        """What it does, in one line."""
        return (self.handler.__doc__ or "").strip().partition("\n")[0]


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
CallKind = Literal["put", "price", "status", "get", "delete", "batch", "categories", "tracking"]
"""The kinds of calls, each with a bucket of its own: the names of `Rates`."""


_DIGITS = 15


class Query(BaseModel):
    """What every query model shares; a field's alias is the parameter's name."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, defer_build=True)


Asked = TypeVar("Asked", bound=Query)


def _digits(value: Any) -> Any:
    """Digits become a number; a default passes as it is."""
    if isinstance(value, int):
        return value
    if not (value.isascii() and value.isdecimal() and len(value) <= _DIGITS):
        raise wrong("whole", Text("Must be a whole number"))
    return int(value)


Whole = Annotated[int, BeforeValidator(_digits)]
"""A whole number written in digits; bounds are added by `Field(ge=…, le=…)`."""


IGNORED = web.RequestKey("ignored", str)
"""The parameters nobody reads, as the header of the answer names them."""
IGNORED_HEADER = "X-Rheod-Ignored"

_MOST_IGNORED = 10
_MOST_OF_A_NAME = 64


def spellings(model: type[Query]) -> dict[str, str]:
    """Every name that a parameter is taken by, `updated_since` and `updatedSince`, and the one the model knows."""
    names = [field.alias or name for name, field in model.model_fields.items()]
    return {spelled: name for name in names for spelled in (to_camel(to_snake(name)), to_snake(name), name)}


def naming_ignored(operation: Operation) -> Operation:
    """The operation with a note in each request of the parameters that nobody reads."""
    known = spellings(operation.query) if operation.query else {}
    handler = operation.handler

    async def noting(request: web.Request) -> web.StreamResponse:
        if request.query_string and (unknown := [name for name in request.query if name not in known]):
            shown = dict.fromkeys(quote(name[:_MOST_OF_A_NAME], safe="") for name in unknown)
            request[IGNORED] = ", ".join(list(shown)[:_MOST_IGNORED])
        return await handler(request)

    return replace(operation, handler=noting)


def read_query(request: web.Request, model: type[Asked]) -> Asked:
    """The parameters as the model says. Refused (BAD_REQUEST) for a wrong, repeated or poisonous one."""
    known = spellings(model)
    given = [(known[name], value) for name, value in request.query.items() if name in known]
    found = [FieldError(name, TEXT_MESSAGE) for name, value in given if not is_clean(value)]
    names = [name for name, _ in given]
    found += [FieldError(name, Text("Give it once")) for name in sorted(set(names)) if names.count(name) > 1]
    value = None
    try:
        value = model.model_validate(dict(given))
    except ValidationError as error:
        found += from_pydantic(error)
    if found or value is None:
        first = found[0]
        raise Refused(
            "BAD_REQUEST",
            Text("Bad query parameter: {field}: {message}", field=first.field, message=first.message),
            tuple(found),
        )
    return value


Route = tuple[str, str, Handler]

_SEGMENT = re.compile(r"\{(\w+)\}")
"""A named segment without a pattern of its own; aiohttp would refuse braces in it, and ids may hold any character."""


def path_of(operation: Operation) -> str:
    """The operation's path as the router takes it."""
    return _SEGMENT.sub(r"{\1:[^/]+}", operation.path)
