"""What the pages are built from, in one frozen record; the composition root fills it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rheod.api.parts import ApiParts
    from rheod.catalog.connecting import Connector
    from rheod.catalog.outlook import Outlooks
    from rheod.catalog.setup import Setups
    from rheod.catalog.stock import Stock
    from rheod.catalog.strange import StrangeMessages
    from rheod.domain.findings import Finding
    from rheod.store.audit import Audit
    from rheod.store.sessions import Sessions
    from rheod.web.callers import Callers


@dataclass(frozen=True, slots=True, kw_only=True)
class WebParts:
    """Everything the pages use.

    `findings` are what needs the owner; `status` gathers what `rheod status` shows; `accounts` maps references to ids ('' is the default account's);
    `callers` says who stands behind a request; `connector` connects sellers; `setups` tell how an account sells.
    """

    api: ApiParts
    sessions: Sessions
    audit: Audit
    findings: Callable[[], Awaitable[Sequence[Finding]]]
    outlooks: Outlooks
    stock: Stock
    strange: StrangeMessages
    ad_url: Callable[[int], str]
    status: Callable[[], Awaitable[Mapping[str, Any]]]
    accounts: Mapping[str, str]
    callers: Callers
    connector: Connector
    setups: Setups
