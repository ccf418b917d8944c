"""One operation of the API: its route with everything the OpenAPI document says of it, and its query string.

The server registers operations and the document is made from them, so that neither can know what the other does not.
Query parameters we do not know are ignored, as unknown fields of a body are, and named in a header of the answer.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar
from urllib.parse import quote

from aiohttp import web
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel, to_snake

from rheod.api.field_types import from_pydantic, wrong
from rheod.api.json_body import BODY_BYTES, TEXT_MESSAGE, is_clean
from rheod.api.responses import STATUS_OF
from rheod.domain.errors import FieldError, Refused, Text
from rheod.store.access import Scope

if TYPE_CHECKING:
    from rheod.api.field_types import Wire
    from rheod.api.responses import Reply


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
