"""Cursors: a position in a list as opaque text, so that clients hand it back instead of reading it.

Opaque, not secret: a made-up cursor can only name another position of the same account's list.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from rheod.domain.errors import Refused

MAX_CHARS = 512
_INT64 = 2**63 - 1


def write(*parts: int | str) -> str:
    """The position as text that needs no escaping in a URL."""
    plain = json.dumps(parts, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(plain).decode().rstrip("=")


def read(text: str, *types: type) -> tuple[Any, ...]:
    """The parts as `write` got them, of these types. Refused (BAD_REQUEST) when it is no cursor of this list."""
    try:
        parts = json.loads(
            base64.b64decode(text.encode() + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
        )
    except (ValueError, binascii.Error, RecursionError):
        parts = None
    fits = (
        len(text) <= MAX_CHARS
        and isinstance(parts, list)
        and [type(part) for part in parts] == list(types)
        and all(abs(part) <= _INT64 for part in parts if isinstance(part, int))
    )
    if not fits:
        raise Refused("BAD_REQUEST", "Bad cursor: use the `nextCursor` of an earlier answer of the same list")
    return tuple(parts)
