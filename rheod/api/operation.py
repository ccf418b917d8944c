"""One operation of the API: its route with everything the OpenAPI document says of it.

The server registers operations and the document is made from them, so that neither can know what the other does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Literal

from rheod.api.answers import STATUS_OF
from rheod.api.bodies import BODY_BYTES

if TYPE_CHECKING:
    from rheod.api.guard import CallKind, Handler
    from rheod.api.queries import Query
    from rheod.api.replies import Reply
    from rheod.api.wire_types import Wire

GateKind = Literal["partner", "owner", "open"]

_EVERY = ("BAD_REQUEST", "INTERNAL", "UNAVAILABLE")
"""A header too many or a broken request line, a bug of ours, a store that cannot answer: possible anywhere."""

_OF_GATE: Mapping[GateKind, tuple[str, ...]] = {
    "partner": ("UNAUTHORIZED", "RATE_LIMITED", "NOT_FOUND"),
    "owner": ("UNAUTHORIZED", "RATE_LIMITED", "NOT_FOUND"),
    "open": (),
}
_OF_PARTNERS_WRITE = ("CONFLICT",)
"""The items of an account that has left the settings can only be read."""
_OF_BODY = ("PAYLOAD_TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE", "VALIDATION_FAILED")


@dataclass(frozen=True, slots=True)
class Operation:
    """A method on a path. `path` may hold `{name}` segments, `{name:regex}` where a plain segment will not do.

    `rate` names the bucket of a partner's call. `query`, `body` and `answer` are the models read and sent (answer None:
    no body, or one of `media_type`), `refusals` the error codes beyond those that its gate and its body bring with
    them, `besides` what other statuses without an error code mean. The summary is the first sentence of the handler's
    docstring.
    """

    method: Literal["GET", "PUT", "POST", "PATCH", "DELETE"]
    path: str
    handler: Handler
    _: KW_ONLY
    gate: GateKind
    tag: str
    rate: CallKind | None = None
    query: type[Query] | None = None
    body: type[Wire] | None = None
    body_required: bool = True
    body_bytes: int = BODY_BYTES
    status: int = 200
    answer: type[Reply] | None = None
    media_type: str = "application/json"
    refusals: tuple[str, ...] = ()
    besides: Mapping[int, str] = field(default_factory=dict)

    @property
    def codes(self) -> list[str]:
        """Every error code the operation may answer with, in the order of their statuses."""
        wanted = {*_EVERY, *_OF_GATE[self.gate], *self.refusals, *(_OF_BODY if self.body else ())}
        if self.gate == "partner" and self.method != "GET":
            wanted |= {*_OF_PARTNERS_WRITE}
        return [code for code in STATUS_OF if code in wanted]

    @property
    def summary(self) -> str:
        """What it does, in one line."""
        return (self.handler.__doc__ or "").strip().partition("\n")[0]
