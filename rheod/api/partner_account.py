"""Whose items a request is about: the account its `x-partner-account` header names (rheo-api.md, Reseller routing).

The same for partners, the owner and the admin socket; who may call at all is the gate's business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import hdrs

from rheod.domain.errors import Refused

if TYPE_CHECKING:
    from aiohttp import web

    from rheod.api.parts import ApiParts

HEADER = "x-partner-account"
READS = frozenset({hdrs.METH_GET, hdrs.METH_HEAD})
"""The methods that change nothing."""


def named_account(request: web.Request, parts: ApiParts) -> str | None:
    """The id of the member account the request names, None when it names none.

    Refused (NOT_FOUND) for an account that has never been configured, and for two headers.
    """
    references = request.headers.getall(HEADER, ())
    if not references:
        return None
    named = parts.account_of_reference(references[0]) if len(references) == 1 else None
    if named is None:
        raise Refused("NOT_FOUND", "Unknown partner account")
    return named


def require_writable(request: web.Request, account_id: str, parts: ApiParts) -> None:
    """Refused (CONFLICT) when a partner would change items of an account that is no longer configured.

    They stay as they are, and readable, until the account comes back.
    """
    if account_id in parts.removed_accounts and request.method not in READS:
        raise Refused(
            "CONFLICT", "This partner account is not in rheod's settings any more: its items can only be read"
        )
