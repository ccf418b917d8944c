"""Signs what goes out to webhook endpoints, in Rheo's scheme and in that of Standard Webhooks, and makes the secrets."""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets

_PREFIX = "whsec_"


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
    return _PREFIX + base64.b64encode(secrets.token_bytes(24)).decode()


def _key(secret: str) -> bytes:
    """The bytes behind `whsec_`; a secret that is no base64 (a hand-made one) is its own key, as text."""
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return secret.encode()
    return key or secret.encode()
