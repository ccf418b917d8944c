"""What answers look like: our values as the JSON of rheo-api.md, and the one shape of every error.

Only builds; decides nothing. Times leave as RFC 3339 UTC in whole seconds, money as SEK with the decimals it has.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aiohttp import web

from rheod.domain.model import Picture

if TYPE_CHECKING:
    from rheod.catalog.items import ItemView
    from rheod.domain.errors import FieldError
    from rheod.domain.model import Item, Listing
    from rheod.store.keys import ApiKey

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

_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def answer(status: int, body: Mapping[str, Any]) -> web.Response:
    """A JSON answer."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return web.Response(
        status=status,
        body=text.encode(
            "utf-8", "backslashreplace"
        ),  # a lone surrogate from a remote becomes its JSON escape
        content_type="application/json",
        charset="utf-8",
        headers=_HEADERS,
    )


def done(message: str) -> web.Response:
    """202 for work that is durable and goes on in the background."""
    return answer(202, {"success": True, "message": message})


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
    body: dict[str, Any] = {"error": message, "code": code if code in STATUS_OF else "INTERNAL"}
    body["statusCode"] = status
    if details:
        body["details"] = [{"field": one.field, "message": one.message} for one in details]
    response = answer(status, body)
    if retry_after_s is not None:
        response.headers["Retry-After"] = str(max(1, retry_after_s))
    if allowed := sorted(allow):
        response.headers["Allow"] = ", ".join(allowed)
    return response


def moment(at_ms: int | None) -> str | None:
    """A time as the wire writes it; None stays null."""
    if at_ms is None:
        return None
    return datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def kronor(ore: int | None) -> int | float | None:
    """An amount in SEK as it was given: whole when whole, else with its decimals."""
    if ore is None:
        return None
    return ore // 100 if ore % 100 == 0 else ore / 100


def item_answer(view: ItemView, *, public_url: str | None) -> dict[str, Any]:
    """GET of one item. `public_url` None gives hosted links as paths of this server."""
    item = view.item
    return {
        "externalId": item.external_id,
        "rheoItemId": item.id,
        "rheoStatus": item.rheo_status,
        "traderaStatus": item.tradera_status,
        "traderaAdId": _ad_id(view.listing),
        "traderaAdUrl": view.ad_url,
        "price": kronor(item.spec.price_ore),
        "title": item.spec.title,
        "type": item.spec.type,
        "createdAt": moment(item.created_at),
        "updatedAt": moment(item.updated_at),
        "lastError": item.last_error,
        "queue": _queue(view),
        "images": [_image(picture, public_url) for picture in view.pictures],
    }


def summary_answer(item: Item) -> dict[str, Any]:
    """An item in a list: what its own row knows, without its ad."""
    return {
        "externalId": item.external_id,
        "rheoItemId": item.id,
        "status": item.rheo_status,
        "traderaStatus": item.tradera_status,
        "price": kronor(item.spec.price_ore),
        "title": item.spec.title,
        "type": item.spec.type,
        "parentExternalId": item.spec.parent_external_id,
        "lastError": item.last_error,
        "updatedAt": moment(item.updated_at),
    }


def key_answer(key: ApiKey) -> dict[str, Any]:
    """A key as the owner sees it; its text is never part of it."""
    return {
        "id": key.id,
        "userId": key.account_id,
        "prefix": key.prefix,
        "name": key.name,
        "createdAt": moment(key.created_at),
        "lastUsedAt": moment(key.last_used_at),
        "revokedAt": moment(key.revoked_at),
    }


def _ad_id(listing: Listing | None) -> str | None:
    return None if listing is None or listing.tradera_item_id is None else str(listing.tradera_item_id)


def _queue(view: ItemView) -> dict[str, Any] | None:
    if view.queue is None:
        return None
    return {"position": view.queue.position, "expectedAt": moment(view.queue.expected_at)}


def _image(picture: Picture, public_url: str | None) -> dict[str, Any]:
    hosted = None if picture.file is None else f"{(public_url or '').rstrip('/')}/images/{picture.file}"
    return {"url": picture.url, "state": picture.state, "hostedUrl": hosted, "error": picture.error}
