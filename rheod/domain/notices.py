"""Event bodies, event ids, times and signatures as rheo-api.md section 5 promises them.

A body is built once, stored, and signed as stored: nothing may build it again. Pure but for `new_secret`, which asks
the system for randomness because a secret must not come from a seeded source.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from random import Random

    from rheod.domain.model import Item, Notice

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = tuple(first + second for first in _CROCKFORD for second in _CROCKFORD)
_SECRET_PREFIX = "whsec_"  # noqa: S105 - the public prefix every secret begins with
_CURRENCY = "SEK"
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=dict).encode


def new_ulid(now: int, rng: Random) -> str:
    """A ULID: 48 bits of `now` (ms UTC) and 80 bits of chance as 26 characters of Crockford's base 32."""
    number = (now & (1 << 48) - 1) << 80 | rng.getrandbits(80)
    return "".join([_PAIRS[number >> shift & 1023] for shift in range(120, -10, -10)])


def new_event_id(now: int, rng: Random) -> str:
    """`evt_` and a lower-case ULID; ids of later milliseconds sort later."""
    return "evt_" + new_ulid(now, rng).lower()


def rfc3339(at: int) -> str:
    """A time (ms UTC) as `2026-05-26T10:00:00Z`; parts of a second are dropped."""
    return datetime.fromtimestamp(at // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def rfc3339_ms(at: int) -> str:
    """A time (ms UTC) as `2026-05-26T10:00:00.123Z`, exact: for `updatedAt`, which clients hand back."""
    return f"{rfc3339(at)[:-1]}.{at % 1000:03d}Z"


def sek(ore: int) -> float:
    """Öre as the JSON number of the wire: an int when whole, else two decimals at most."""
    return ore // 100 if ore % 100 == 0 else ore / 100


def webhook_body(*, event_id: str, now: int, item: Item, notice: Notice, member: str | None = None) -> bytes:
    """The event as compact UTF-8 JSON: the fields every event has, what the notice adds, the item's metadata.

    `now` (ms UTC) is when it happened. What a notice adds never replaces a field every event has. `member` is the
    reference of the item's account, which the reseller is told.
    """
    data: dict[str, Any] = {
        "externalId": item.external_id,
        "rheoItemId": item.id,
        "platform": notice.platform,
        "salePrice": sek(notice.sale_price_ore),
        "currency": _CURRENCY,
        "account": {"rheoUserId": item.account_id},
    }
    data = {**notice.data, **data}
    if member is not None:
        data["memberExternalId"] = member
    if item.spec.metadata:
        data["metadata"] = item.spec.metadata
    return _compact({"eventId": event_id, "eventType": notice.type, "timestamp": rfc3339(now), "data": data})


def ping_body(*, event_id: str, now: int, account_id: str) -> bytes:
    """The test event `ping`, in the envelope of every event; it is about no item."""
    data = {
        "account": {"rheoUserId": account_id},
        "message": "A test of this endpoint; nothing has happened.",
    }
    return _compact({"eventId": event_id, "eventType": "ping", "timestamp": rfc3339(now), "data": data})


def sign(body: bytes, secret: str) -> str:
    """`sha256=` and the hex HMAC-SHA256 of the body, with the secret's text as the key."""
    return "sha256=" + hmac.digest(secret.encode(), body, "sha256").hex()


def standard_signature(event_id: str, timestamp_s: int, body: bytes, secret: str) -> str:
    """The Standard Webhooks signature `v1,<base64>` of id, time (whole seconds) and body."""
    signed = f"{event_id}.{timestamp_s}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(_key(secret), signed, "sha256")).decode()


def signature_headers(
    event_id: str, timestamp_s: int, body: bytes, secret: str, previous_secret: str | None = None
) -> dict[str, str]:
    """Every header that lets a receiver verify one delivery; during a rotation both secrets sign.

    `timestamp_s` is the time of this attempt, so a receiver may refuse what is older than its tolerance.
    """
    keys = [secret] if previous_secret is None else [secret, previous_secret]
    headers = {
        "X-Rheo-Signature": sign(body, secret),
        "webhook-id": event_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": " ".join(standard_signature(event_id, timestamp_s, body, key) for key in keys),
    }
    if previous_secret is not None:
        headers["X-Rheo-Signature-Previous"] = sign(body, previous_secret)
    return headers


def new_secret() -> str:
    """A new signing secret: `whsec_` and 24 random bytes in base64."""
    return _SECRET_PREFIX + base64.b64encode(secrets.token_bytes(24)).decode()


def _key(secret: str) -> bytes:
    """The bytes behind `whsec_`; a secret that is no base64 (a hand-made one) is its own key, as text."""
    try:
        key = base64.b64decode(secret.removeprefix(_SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return secret.encode()
    return key or secret.encode()


def _compact(value: Any) -> bytes:
    """JSON without spaces; any mapping is an object; a lone surrogate, which UTF-8 cannot hold, becomes its escape."""
    return _encode(value).encode("utf-8", errors="backslashreplace")
