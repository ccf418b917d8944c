"""The page Integration: API keys, webhook endpoints with how they take what they are told, and replays.

Also the pages of the delivery log: the attempts that pass some filters, and one attempt with what was sent and answered.
"""

from __future__ import annotations

import json
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

from rheod.api import management, webhooks
from rheod.api.webhooks import EVENTS
from rheod.domain.calendar import SWEDEN
from rheod.domain.errors import Refused, Text, counted
from rheod.domain.model import EVERY_EVENT, RHEO_EVENTS
from rheod.store.access import SCOPES
from rheod.store.outbox import STATUSES, AttemptFilter
from rheod.usecases.endpoints import EndpointChange
from rheod.web.forms import refuse_changed, wrong_field
from rheod.web.items_page import event_words
from rheod.web.site import HOME, ActionDone, Page

if TYPE_CHECKING:
    from rheod.api.routing import Route
    from rheod.store.endpoints import Endpoint
    from rheod.store.feed import Replayed
    from rheod.web.site import PageRequest, Site, WebContext


PAGE = f"{HOME}/integration"
ENDPOINTS = f"{PAGE}/webhooks"
ENDPOINT = f"{ENDPOINTS}/{{endpoint_id}}"


def of_account(request: PageRequest, path: str) -> str:
    """A path of ours that keeps the account one looks at."""
    return f"{path}?account={quote(request.account, safe='')}" if request.account else path


class IntegrationPage:
    """Who may call rheod and whom rheod tells."""

    def __init__(self, *, context: WebContext, site: Site) -> None:
        self._context = context
        self._site = site
        self._endpoints = context.api.endpoints

    def routes(self) -> list[Route]:
        """The page, one endpoint's page, and every action on them."""
        page, action = self._site.page, self._site.action
        return [
            ("GET", PAGE, page(self.show)),
            ("GET", ENDPOINT, page(self.show_endpoint)),
            ("POST", f"{PAGE}/keys", action(self.make_key, name="make API key", page=self.show)),
            (
                "POST",
                f"{PAGE}/keys/{{key_id}}/revoke",
                action(self.revoke_key, name="revoke API key", page=self.show),
            ),
            ("POST", ENDPOINTS, action(self.add, name="add webhook endpoint", page=self.show)),
            ("POST", ENDPOINT, action(self.change, name="change webhook endpoint", page=self.show_endpoint)),
            (
                "POST",
                f"{ENDPOINT}/rotate",
                action(self.rotate, name="rotate webhook secret", page=self.show_endpoint),
            ),
            (
                "POST",
                f"{ENDPOINT}/test",
                action(self.test, name="test webhook endpoint", page=self.show_endpoint),
            ),
            (
                "POST",
                f"{ENDPOINT}/enable",
                action(
                    partial(self.switch, active=True), name="enable webhook endpoint", page=self.show_endpoint
                ),
            ),
            (
                "POST",
                f"{ENDPOINT}/disable",
                action(
                    partial(self.switch, active=False),
                    name="disable webhook endpoint",
                    page=self.show_endpoint,
                ),
            ),
            (
                "POST",
                f"{ENDPOINT}/remove",
                action(self.remove, name="remove webhook endpoint", page=self.show_endpoint),
            ),
            ("POST", f"{PAGE}/replay", action(self.replay, name="replay event", page=self.show)),
            ("POST", f"{PAGE}/replay-since", action(self.replay_since, name="replay events", page=self.show)),
        ]

    async def show(self, request: PageRequest) -> Page:
        """Everything on one page."""
        keys = await self._context.api.keys.listing(request.account_id)
        values: dict[str, Any] = {
            "keys": [key for key in keys if key.revoked_at is None],
            "revoked": [key for key in keys if key.revoked_at is not None],
            "endpoints": await self._endpoints.listing(request.account_id),
            "events": EVENTS,
            "event_words": partial(event_words, request.language),
            "receivers": await self._context.api.feed.receivers(request.account_id),
            "is_own": request.account == "",
        }
        return Page("integration.html", values)

    async def show_endpoint(self, request: PageRequest) -> Page:
        """One endpoint: what it is told, and everything that can be done to it."""
        endpoint = await self._endpoints.find(request.account_id, _id_of(request))
        until = endpoint.previous_until
        values: dict[str, Any] = {
            "endpoint": endpoint,
            "told": told_of(endpoint),
            "events": EVENTS,
            "event_words": partial(event_words, request.language),
            "is_own": request.account == "",
            "overlaps_until": until if until is not None and until > self._context.api.now() else None,
        }
        return Page("endpoint.html", values)

    async def make_key(self, request: PageRequest) -> ActionDone:
        """Make an API key; its text is shown once."""
        scopes = [scope for scope in SCOPES if request.form.get(f"scope.{scope}")]
        asked = {"name": request.form.get("name", "").strip(), "scopes": scopes or ["items"]}
        name, opens = management.read_key(asked)
        key, text = await self._context.api.keys.create(request.account_id, name, opens)
        sentence = Text("The API key {name} is made.", name=name)
        return ActionDone(sentence, to=self._home(request), subject=key.id, shown_once=text)

    async def revoke_key(self, request: PageRequest) -> ActionDone:
        """Make a key worthless."""
        key_id = request.http.match_info["key_id"]
        known = {key.id for key in await self._context.api.keys.listing(request.account_id)}
        if key_id not in known or not await self._context.api.keys.revoke(key_id):
            raise Refused("NOT_FOUND", Text("No live API key has this id"))
        return ActionDone(Text("The key opens nothing any more."), to=self._home(request), subject=key_id)

    async def add(self, request: PageRequest) -> ActionDone:
        """Tell another address; its secret is shown once."""
        wanted = webhooks.read_new_endpoint(_wanted(request), check_url=self._context.api.check_webhook_url)
        made = await self._endpoints.add(request.account_id, wanted)
        sentence = Text("The webhook endpoint is made. Its secret, with which every event is signed:")
        return ActionDone(sentence, to=_of(request, made.id), subject=made.id, shown_once=made.secret)

    async def change(self, request: PageRequest) -> ActionDone:
        """Change where an endpoint is, what it is told and how it is called."""
        change = webhooks.read_endpoint_change(
            _wanted(request), check_url=self._context.api.check_webhook_url
        )

        def check(now: Endpoint) -> None:
            told = ", ".join((now.url or "", *event_words(request.language, now.event_types)))
            refuse_changed(request.form, told, told_of(now))

        changed = await self._endpoints.change(request.account_id, _id_of(request), change, check)
        return ActionDone(Text("Saved."), to=_of(request, changed.id), subject=changed.id)

    async def rotate(self, request: PageRequest) -> ActionDone:
        """A new secret; a leaked one is ended at once."""
        force = bool(request.form.get("force"))
        rotated = await self._endpoints.rotate(request.account_id, _id_of(request), force=force)
        sentence = Text("The new secret; the old one signs beside it for 24 hours:")
        if force:
            sentence = Text("The new secret; the old one signs no more:")
        return ActionDone(
            sentence, to=_of(request, rotated.id), subject=rotated.id, shown_once=rotated.secret
        )

    async def test(self, request: PageRequest) -> ActionDone:
        """Send a test event and show what came back."""
        if self._context.api.test_events is None:
            raise Refused("UNAVAILABLE", Text("rheod is not running: start it to send a test event"))
        test = await self._context.api.test_events.send(request.account_id, _id_of(request))
        sent = test.delivery
        if sent.ok:
            sentence = Text(
                "It answered a test event {event} with {status} after {ms} ms.",
                event=test.event_type,
                status=sent.status,
                ms=sent.duration_ms,
            )
        else:
            sentence = Text("Not taken after {ms} ms: {error}", ms=sent.duration_ms, error=sent.error)
        to = _of(request, _id_of(request))
        return ActionDone(sentence, to=to, subject=_id_of(request), detail=sent.snippet, bad=not sent.ok)

    async def switch(self, request: PageRequest, *, active: bool) -> ActionDone:
        """On: the events it kept go out in order. Off: they are kept."""
        change = EndpointChange(active=active)
        changed = await self._endpoints.change(request.account_id, _id_of(request), change)
        sentence = Text("Switched off: its events are kept until it is switched on.")
        if active:
            sentence = Text("Switched on: the events it kept go out now, in order.")
        return ActionDone(sentence, to=_of(request, changed.id), subject=changed.id)

    async def remove(self, request: PageRequest) -> ActionDone:
        """Take an endpoint away with what waits for it."""
        dropped = await self._endpoints.remove(request.account_id, _id_of(request))
        sentence = counted(
            "The webhook endpoint is removed; {n} event that waited is dropped.",
            "The webhook endpoint is removed; {n} events that waited are dropped.",
            dropped,
        )
        return ActionDone(sentence, to=self._home(request), subject=_id_of(request))

    async def replay(self, request: PageRequest) -> ActionDone:
        """Tell one event once more."""
        event_id = request.form.get("event", "").strip()
        again = await self._context.api.feed.replay(request.account_id, event_id, _endpoint_of(request))
        return ActionDone(_ordered(again), to=self._home(request), subject=event_id)

    async def replay_since(self, request: PageRequest) -> ActionDone:
        """Tell everything since a time once more."""
        given = request.form.get("since", "")
        try:
            since = round(datetime.fromisoformat(given).replace(tzinfo=SWEDEN).timestamp() * 1000)
        except (ValueError, OverflowError) as error:
            raise wrong_field("since", Text("Give a day and a time")) from error
        again = await self._context.api.feed.replay_since(request.account_id, since, _endpoint_of(request))
        return ActionDone(_ordered(again), to=self._home(request), subject=given)

    @staticmethod
    def _home(request: PageRequest) -> str:
        return of_account(request, PAGE)


def told_of(endpoint: Endpoint) -> tuple[object, ...]:
    """What the form of an endpoint replaces."""
    return endpoint.url, endpoint.event_types, endpoint.scope, endpoint.description


def _id_of(request: PageRequest) -> str:
    return request.http.match_info["endpoint_id"]


def _of(request: PageRequest, endpoint_id: str) -> str:
    return of_account(request, f"{ENDPOINTS}/{endpoint_id}")


def _endpoint_of(request: PageRequest) -> str | None:
    return request.form.get("endpoint") or None


def _wanted(request: PageRequest) -> dict[str, Any]:
    """The form as the API's body: no box ticked, or those of Rheo's six and no other, is Rheo's six."""
    ticked = [event for event in (*EVENTS, EVERY_EVENT) if request.form.get(f"event.{event}")]
    return {
        "url": request.form.get("url", "").strip(),
        "eventTypes": [] if set(ticked) == RHEO_EVENTS else ticked,
        "scope": request.form.get("scope", "self"),
        "description": request.form.get("description", "").strip(),
    }


def _ordered(again: Replayed) -> Text:
    if not (again.ordered or again.waiting):
        return Text("Nothing to deliver: no webhook endpoint takes such an event.")
    return counted(
        "{n} delivery ordered once more; {m} waited already.",
        "{n} deliveries ordered once more; {m} waited already.",
        again.ordered,
        m=again.waiting,
    )


LOG = f"{PAGE}/deliveries"
A_PAGE = 50


class DeliveriesPage:
    """Reads only; replays are ordered at the page Integration."""

    def __init__(self, *, context: WebContext, site: Site) -> None:
        self._context = context
        self._site = site

    def routes(self) -> list[Route]:
        """The log and one attempt."""
        return [
            ("GET", LOG, self._site.page(self.show)),
            ("GET", f"{LOG}/{{delivery_id:[0-9]{{1,18}}}}", self._site.page(self.show_one)),
        ]

    async def show(self, request: PageRequest) -> Page:
        """The newest attempts that pass the filters."""
        wanted = _wanted_deliveries(request)
        found = await self._context.api.feed.deliveries(wanted, limit=A_PAGE + 1)
        endpoints = await self._context.api.endpoints.listing(request.account_id)
        older = None
        if len(found) > A_PAGE:
            older = f"{LOG}?{urlencode({**request.http.query, 'before': str(found[A_PAGE - 1].id)})}"
        values: dict[str, Any] = {
            "attempts": found[:A_PAGE],
            "older": older,
            "wanted": wanted,
            "endpoints": endpoints,
            "events": EVENTS,
            "event_words": partial(event_words, request.language),
            "host": lambda url: urlsplit(url).hostname or url,
        }
        return Page("deliveries.html", values)

    async def show_one(self, request: PageRequest) -> Page:
        """What was sent and what came back."""
        number = int(request.http.match_info["delivery_id"])
        exchange = await self._context.api.feed.exchange(request.account_id, number)
        words = partial(event_words, request.language)
        values = {"exchange": exchange, "sent": _pretty(exchange.sent), "event_words": words}
        return Page("delivery.html", values)


def _wanted_deliveries(request: PageRequest) -> AttemptFilter:
    query = request.http.query
    event, status, before = query.get("event", "").strip(), query.get("status"), query.get("before", "")
    by_id = event.startswith("evt_")
    if before and not (before.isascii() and before.isdecimal() and len(before) < 19):
        raise Refused("BAD_REQUEST", Text("before must be the number of a delivery"))
    return AttemptFilter(
        account_id=request.account_id,
        endpoint_id=query.get("endpoint") or None,
        event_id=event if by_id else None,
        event_type=event if event in EVENTS else None,
        status=status if status in STATUSES else None,
        before=int(before) if before else None,
    )


def _pretty(sent: str) -> str:
    """A body as people read it; one that was cut is shown as it is."""
    try:
        return json.dumps(json.loads(sent), ensure_ascii=False, indent=2)
    except ValueError:
        return sent
