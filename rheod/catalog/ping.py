"""The test event: a signed `ping` sent to one endpoint at once, to see whether it answers.

It is about no item, so it stands in no history, waits in no queue and is not counted for or against the endpoint.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from rheod.catalog.endpoints import Endpoints, target
from rheod.clients.hooks import Delivery
from rheod.clients.signed_hooks import SignedHooks
from rheod.domain.errors import Refused
from rheod.domain.notices import new_event_id, ping_body


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    """A test event and what came of it."""

    event_id: str
    delivery: Delivery


class Pinger:
    """Sends test events; `hooks` guards and signs them as every other."""

    def __init__(
        self, *, endpoints: Endpoints, hooks: SignedHooks, now: Callable[[], int], rng: Random
    ) -> None:
        self._endpoints = endpoints
        self._hooks = hooks
        self._now = now
        self._rng = rng

    async def ping(self, account_id: str, endpoint_id: str) -> Ping:
        """Send a `ping` now, also to an endpoint that is off. Raises Refused (NOT_FOUND, CONFLICT without an address)."""
        endpoint = await self._endpoints.find(account_id, endpoint_id)
        if endpoint.url is None:
            raise Refused("CONFLICT", "The webhook endpoint has no URL")
        now = self._now()
        event_id = new_event_id(now, self._rng)
        body = ping_body(event_id=event_id, now=now, account_id=account_id)
        delivery = await self._hooks.send(target(endpoint, endpoint.url, now=now), event_id, body)
        return Ping(event_id=event_id, delivery=delivery)
