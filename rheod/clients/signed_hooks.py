"""Signed sends: an event's stored bytes to an endpoint's address, past the address check and with every signature.

The one way in which anything is sent to a partner's endpoint; it keeps no state and decides no retry.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rheod.clients.hooks import Delivery, HookClient
from rheod.domain.notices import signature_headers


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where to send and with which secrets to sign; during a rotation the previous one signs too."""

    url: str
    secret: str
    previous_secret: str | None = None


class SignedHooks:
    """Sends events. `check_url` says what is wrong with an address, at every send; `now` is ms UTC."""

    def __init__(
        self,
        *,
        client: HookClient,
        check_url: Callable[[str], str | None],
        user_agent: str,
        now: Callable[[], int],
    ) -> None:
        self._client = client
        self._check_url = check_url
        self._user_agent = user_agent
        self._now = now

    async def send(self, target: Target, event_id: str, body: bytes) -> Delivery:
        """Send the bytes once, signed for this moment; an address that is not allowed is never called."""
        if problem := self._check_url(target.url):
            return Delivery(ok=False, status=None, error=problem, duration_ms=0)
        timestamp_s = self._now() // 1000
        headers = signature_headers(event_id, timestamp_s, body, target.secret, target.previous_secret)
        headers |= {"content-type": "application/json", "user-agent": self._user_agent}
        return await self._client.send(target.url, body, headers)
