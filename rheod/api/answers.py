"""The errors of the wire: the one table from code to status, the one shape, and plain objects as JSON answers.

Only builds; decides nothing. The models of what is answered when all goes well are in `replies*.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aiohttp import web

from rheod.api.replies import NO_STORE, ErrorReply, WrongField

if TYPE_CHECKING:
    from rheod.domain.errors import FieldError

STATUS_OF = {
    "BAD_REQUEST": 400,
    "UNAUTHORIZED": 401,
    "NOT_FOUND": 404,
    "METHOD_NOT_ALLOWED": 405,
    "CONFLICT": 409,
    "PAYLOAD_TOO_LARGE": 413,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "VALIDATION_FAILED": 422,
    "INVALID_STATUS": 422,
    "RATE_LIMITED": 429,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
}
"""The one table from code to HTTP status (rheo-api.md section 1)."""


def answer(status: int, body: Mapping[str, Any]) -> web.Response:
    """A plain object as a JSON answer: what no partner reads."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return web.Response(
        status=status,
        body=text.encode("utf-8", "backslashreplace"),
        content_type="application/json",
        charset="utf-8",
        headers=NO_STORE,
    )


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
