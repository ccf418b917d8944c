"""The page Integration: API keys, webhook endpoints, replays, the password, and what the owner has done."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from rheod.api import wire, wire_webhooks
from rheod.api.wire_webhooks import EVENTS
from rheod.catalog.endpoints import EndpointChange
from rheod.domain.errors import Refused
from rheod.domain.months import SWEDEN
from rheod.web.site import HOME
from rheod.web.visit import Page, Told

if TYPE_CHECKING:
    from rheod.api.server import Route
    from rheod.store.feed import Again
    from rheod.web.parts import WebParts
    from rheod.web.site import Site
    from rheod.web.visit import Visit

PAGE = f"{HOME}/integration"
ENDPOINTS = f"{PAGE}/webhooks"
ENDPOINT = f"{ENDPOINTS}/{{endpoint_id}}"
DEEDS_SHOWN = 30


def of_account(visit: Visit, path: str) -> str:
    """A path of ours that keeps the account one looks at."""
    return f"{path}?account={quote(visit.account, safe='')}" if visit.account else path


class IntegrationPage:
    """Who may call rheod and whom rheod tells."""

    def __init__(self, *, parts: WebParts, site: Site) -> None:
        self._parts = parts
        self._site = site
        self._endpoints = parts.api.endpoints

    def routes(self) -> list[Route]:
        """The page, one endpoint's page, and every action on them."""
        page, action = self._site.page, self._site.action
        return [
            ("GET", PAGE, page(self.show)),
            ("GET", ENDPOINT, page(self.show_endpoint)),
            ("POST", f"{PAGE}/keys", action(self.make_key, name="make API key")),
            ("POST", f"{PAGE}/keys/{{key_id}}/revoke", action(self.revoke_key, name="revoke API key")),
            ("POST", ENDPOINTS, action(self.add, name="add webhook endpoint")),
            ("POST", ENDPOINT, action(self.change, name="change webhook endpoint")),
            ("POST", f"{ENDPOINT}/rotate", action(self.rotate, name="rotate webhook secret")),
            ("POST", f"{ENDPOINT}/test", action(self.test, name="test webhook endpoint")),
            (
                "POST",
                f"{ENDPOINT}/enable",
                action(partial(self.switch, active=True), name="enable webhook endpoint"),
            ),
            (
                "POST",
                f"{ENDPOINT}/disable",
                action(partial(self.switch, active=False), name="disable webhook endpoint"),
            ),
            ("POST", f"{ENDPOINT}/remove", action(self.remove, name="remove webhook endpoint")),
            ("POST", f"{PAGE}/replay", action(self.replay, name="replay event")),
            ("POST", f"{PAGE}/replay-since", action(self.replay_since, name="replay events")),
        ]

    async def show(self, visit: Visit) -> Page:
        """Everything on one page."""
        keys = await self._parts.api.keys.listing(visit.account_id)
        values: dict[str, Any] = {
            "keys": [key for key in keys if key.revoked_at is None],
            "revoked": [key for key in keys if key.revoked_at is not None],
            "endpoints": await self._endpoints.listing(visit.account_id),
            "events": EVENTS,
            "deeds": await self._parts.audit.latest(limit=DEEDS_SHOWN),
            "has_password": self._parts.sessions.has_password,
            "is_own": visit.account == "",
        }
        return Page("integration.html", values)

    async def show_endpoint(self, visit: Visit) -> Page:
        """One endpoint: what it is told, and everything that can be done to it."""
        endpoint = await self._endpoints.find(visit.account_id, _id_of(visit))
        return Page("endpoint.html", {"endpoint": endpoint, "events": EVENTS, "is_own": visit.account == ""})

    async def make_key(self, visit: Visit) -> Told:
        """Make an API key; its text is shown once."""
        name = wire.read_key_name({"name": visit.form.get("name", "").strip()})
        key, text = await self._parts.api.keys.create(visit.account_id, name)
        sentence = visit.t("The API key {name} is made.", name=name)
        return Told(sentence, to=self._home(visit), subject=key.id, shown_once=text)

    async def revoke_key(self, visit: Visit) -> Told:
        """Make a key worthless."""
        key_id = visit.request.match_info["key_id"]
        known = {key.id for key in await self._parts.api.keys.listing(visit.account_id)}
        if key_id not in known or not await self._parts.api.keys.revoke(key_id):
            raise Refused("NOT_FOUND", "No live API key has this id")
        return Told(visit.t("The key opens nothing any more."), to=self._home(visit), subject=key_id)

    async def add(self, visit: Visit) -> Told:
        """Tell another address; its secret is shown once."""
        wanted = wire_webhooks.read_new_endpoint(_wanted(visit), check_url=self._parts.api.check_webhook_url)
        made = await self._endpoints.add(visit.account_id, wanted)
        sentence = visit.t("The webhook endpoint is made. Its secret, with which every event is signed:")
        return Told(sentence, to=_of(visit, made.id), subject=made.id, shown_once=made.secret)

    async def change(self, visit: Visit) -> Told:
        """Change where an endpoint is, what it is told and how it is called."""
        change = wire_webhooks.read_endpoint_change(
            _wanted(visit), check_url=self._parts.api.check_webhook_url
        )
        changed = await self._endpoints.change(visit.account_id, _id_of(visit), change)
        return Told(visit.t("Saved."), to=_of(visit, changed.id), subject=changed.id)

    async def rotate(self, visit: Visit) -> Told:
        """A new secret."""
        rotated = await self._endpoints.rotate(visit.account_id, _id_of(visit))
        sentence = visit.t("The new secret; the old one signs beside it for 24 hours:")
        return Told(sentence, to=_of(visit, rotated.id), subject=rotated.id, shown_once=rotated.secret)

    async def test(self, visit: Visit) -> Told:
        """Send a test event and show what came back."""
        if self._parts.api.pinger is None:
            raise Refused("UNAVAILABLE", "rheod is not running: start it to send a test event")
        sent = (await self._parts.api.pinger.ping(visit.account_id, _id_of(visit))).delivery
        if sent.ok:
            sentence = visit.t("It answered {status} after {ms} ms.", status=sent.status, ms=sent.duration_ms)
        else:
            sentence = visit.t("Not taken after {ms} ms: {error}", ms=sent.duration_ms, error=sent.error)
        to = _of(visit, _id_of(visit))
        return Told(sentence, to=to, subject=_id_of(visit), detail=sent.snippet, bad=not sent.ok)

    async def switch(self, visit: Visit, *, active: bool) -> Told:
        """On: the events it kept go out in order. Off: they are kept."""
        change = EndpointChange(active=active)
        changed = await self._endpoints.change(visit.account_id, _id_of(visit), change)
        sentence = visit.t("Switched off: its events are kept until it is switched on.")
        if active:
            sentence = visit.t("Switched on: the events it kept go out now, in order.")
        return Told(sentence, to=_of(visit, changed.id), subject=changed.id)

    async def remove(self, visit: Visit) -> Told:
        """Take an endpoint away with what waits for it."""
        dropped = await self._endpoints.remove(visit.account_id, _id_of(visit))
        sentence = visit.t("The webhook endpoint is removed; {n} events that waited are dropped.", n=dropped)
        return Told(sentence, to=self._home(visit), subject=_id_of(visit))

    async def replay(self, visit: Visit) -> Told:
        """Tell one event once more."""
        event_id = visit.form.get("event", "").strip()
        again = await self._parts.api.feed.replay(visit.account_id, event_id, _endpoint_of(visit))
        return Told(_told(visit, again), to=self._home(visit), subject=event_id)

    async def replay_since(self, visit: Visit) -> Told:
        """Tell everything since a time once more."""
        since = _moment(visit.form.get("since", ""))
        again = await self._parts.api.feed.replay_since(visit.account_id, since, _endpoint_of(visit))
        return Told(_told(visit, again), to=self._home(visit), subject=visit.form.get("since", ""))

    @staticmethod
    def _home(visit: Visit) -> str:
        return of_account(visit, PAGE)


def _id_of(visit: Visit) -> str:
    return visit.request.match_info["endpoint_id"]


def _of(visit: Visit, endpoint_id: str) -> str:
    return of_account(visit, f"{ENDPOINTS}/{endpoint_id}")


def _endpoint_of(visit: Visit) -> str | None:
    return visit.form.get("endpoint") or None


def _wanted(visit: Visit) -> dict[str, Any]:
    """The form as the API's body: every box ticked, or none, is every event."""
    ticked = [event for event in EVENTS if visit.form.get(f"event.{event}")]
    return {
        "url": visit.form.get("url", "").strip(),
        "eventTypes": [] if len(ticked) == len(EVENTS) else ticked,
        "scope": visit.form.get("scope", "self"),
        "description": visit.form.get("description", "").strip(),
    }


def _moment(text: str) -> int:
    """A time of a form, in Swedish time (ms). Raises Refused."""
    try:
        return round(datetime.fromisoformat(text).replace(tzinfo=SWEDEN).timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        raise Refused("BAD_REQUEST", "Give a day and a time") from error


def _told(visit: Visit, again: Again) -> str:
    if not (again.ordered or again.waiting):
        return visit.t("Nothing to deliver: no webhook endpoint takes such an event.")
    return visit.t("{n} deliveries ordered once more; {m} waited already.", n=again.ordered, m=again.waiting)
