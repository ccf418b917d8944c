"""Where an account's webhooks go: endpoints made, changed, rotated and removed at the owner's word.

The first endpoint of an account is also its webhook-settings. Nothing is sent from here.

Events and their deliveries, for the owner and the ERP: the delivery log, the pull feed of all events, and replays.

A replay orders the stored bytes once more; it never builds an event again and never doubles what waits already.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import structlog

from rheod.domain.errors import FieldError, Refused, Text
from rheod.domain.event_payloads import rfc3339
from rheod.domain.model import EVERY_EVENT, QueueName
from rheod.store import accounts, endpoints, facts, feed, outbox
from rheod.store.endpoints import Endpoint
from rheod.store.feed import Happening, Replayed, StoredEvent
from rheod.store.outbox import AttemptDetail, AttemptFilter, LoggedAttempt
from rheod.usecases.transaction import Store, Transaction

MOST_ENDPOINTS = 50
"""Endpoints of one account: every event is delivered to each of them."""

OVERLAP_MS = 24 * 3600 * 1000
"""So long a rotated secret signs beside the new one."""

CHUNK = 2000
"""Deliveries of a removed endpoint that are dropped in one transaction."""

NOT_FOUND = Text("No webhook endpoint found with this id")

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEndpoint:
    """What the owner says of a new endpoint; no event types means the six of the hosted service, `*` all."""

    url: str
    event_types: Sequence[str] = ()
    scope: str = "self"
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointChange:
    """What the owner changes of an endpoint; None leaves it as it is."""

    url: str | None = None
    event_types: Sequence[str] | None = None
    scope: str | None = None
    description: str | None = None
    active: bool | None = None


class Endpoints:
    """The owner's use cases about webhook endpoints."""

    def __init__(self, *, store: Store, new_secret: Callable[[], str]) -> None:
        self._store = store
        self._new_secret = new_secret

    async def listing(self, account_id: str) -> list[Endpoint]:
        """The account's endpoints that have an address, the oldest first."""
        found = await self._store.read(lambda db: endpoints.endpoints(db, account_id))
        return [endpoint for endpoint in found if endpoint.url is not None]

    async def find(self, account_id: str, endpoint_id: str) -> Endpoint:
        """One endpoint of the account. Raises Refused (NOT_FOUND)."""
        return _of_account(await self._store.read(lambda db: endpoints.endpoint(db, endpoint_id)), account_id)

    async def add(self, account_id: str, new: NewEndpoint) -> Endpoint:
        """Make an endpoint.

        Raises Refused: CONFLICT for the same again or one too many, VALIDATION_FAILED for a scope it cannot have.
        """

        def use_case(tx: Transaction) -> Endpoint:
            made = self._made(
                tx,
                account_id,
                url=new.url,
                event_types=_sorted(new.event_types),
                scope=new.scope,
                description=new.description,
            )
            _check_scope(tx, made)
            _check_only_one(tx, made)
            if len(endpoints.endpoints(tx.db, account_id)) >= MOST_ENDPOINTS:
                raise Refused(
                    "CONFLICT", Text("There are {n} webhook endpoints already: remove one", n=MOST_ENDPOINTS)
                )
            endpoints.save_endpoint(tx.db, made)
            return made

        return await self._store.write(use_case)

    async def change(
        self,
        account_id: str,
        endpoint_id: str,
        change: EndpointChange,
        check: Callable[[Endpoint], None] = lambda _endpoint: None,
    ) -> Endpoint:
        """Change an endpoint; set right or switched on, it gets at once what waits for it, in order. `check` is handed it as it is now.

        Raises Refused (NOT_FOUND, CONFLICT, VALIDATION_FAILED).
        """

        def use_case(tx: Transaction) -> Endpoint:
            before = _found(tx, account_id, endpoint_id)
            check(before)
            wanted = {
                "url": change.url,
                "event_types": None if change.event_types is None else _sorted(change.event_types),
                "scope": change.scope,
                "description": change.description,
                "active": change.active,
            }
            after = replace(before, **{name: value for name, value in wanted.items() if value is not None})  # type: ignore[arg-type]
            if _target(after) != _target(before):
                _check_scope(tx, after)
                _check_only_one(tx, after)
            if change.active or (after.active and after.url != before.url):
                return _set_right(tx, after)
            if after == before:
                return before
            if before.active and not after.active:  # by hand: what is off without failures is not broken
                after = replace(after, fail_count=0, probe_at=None)
            after = replace(after, updated_at=tx.now)
            endpoints.save_endpoint(tx.db, after)
            return after

        return await self._store.write(use_case)

    async def remove(self, account_id: str, endpoint_id: str) -> int:
        """Take an endpoint away, and drop what waits for it; returns how many events that were. Raises Refused.

        A long queue is dropped bit by bit with the endpoint off, so that nobody else waits for it.
        """
        await self.change(account_id, endpoint_id, EndpointChange(active=False))
        dropped = some = await self._store.write(partial(_drop_some, endpoint_id))
        while some == CHUNK:
            some = await self._store.write(partial(_drop_some, endpoint_id))
            dropped += some

        def use_case(tx: Transaction) -> int:
            endpoint = _found(tx, account_id, endpoint_id)
            return endpoints.remove_endpoint(tx.db, endpoint.id, now=tx.now)

        dropped += await self._store.write(use_case)
        _log.warning(
            "webhook endpoint removed by its owner; the events that waited for it are dropped",
            endpoint=endpoint_id,
            dropped=dropped,
        )
        return dropped

    async def rotate(self, account_id: str, endpoint_id: str, *, force: bool = False) -> Endpoint:
        """A new secret; the old one signs beside it for 24 hours, or with `force` (it has leaked) no more.

        Raises Refused: NOT_FOUND, CONFLICT while the one before still signs.
        """
        return await self._store.write(
            lambda tx: self._rotate(tx, _found(tx, account_id, endpoint_id), force=force)
        )

    async def settings(self, account_id: str) -> Endpoint:
        """The account's first endpoint; its secret is made on first read."""
        found = await self._store.read(lambda db: endpoints.first_endpoint(db, account_id))
        if found is not None:
            return found
        return await self._store.write(lambda tx: self._first(tx, account_id))

    async def set_url(self, account_id: str, url: str | None) -> None:
        """Send the first endpoint's events there from now on.

        Those that wait go to the new address; with None they wait on.
        """

        def use_case(tx: Transaction) -> None:
            endpoint = self._first(tx, account_id)
            _set_right(tx, replace(endpoint, url=url, active=True))

        await self._store.write(use_case)

    async def rotate_settings(self, account_id: str, *, force: bool = False) -> Endpoint:
        """A new secret of the first endpoint, as `rotate` makes it. Raises Refused (CONFLICT)."""
        return await self._store.write(lambda tx: self._rotate(tx, self._first(tx, account_id), force=force))

    def _first(self, tx: Transaction, account_id: str) -> Endpoint:
        found = endpoints.first_endpoint(tx.db, account_id)
        if found is not None:
            return found
        made = self._made(tx, account_id, url=None)
        endpoints.save_endpoint(tx.db, made)
        return made

    def _made(self, tx: Transaction, account_id: str, **values: object) -> Endpoint:
        return Endpoint(
            id=tx.new_id(),
            account_id=account_id,
            secret=self._new_secret(),
            created_at=tx.now,
            updated_at=tx.now,
            **values,  # type: ignore[arg-type]
        )

    def _rotate(self, tx: Transaction, old: Endpoint, *, force: bool) -> Endpoint:
        if not force and old.previous_until is not None and tx.now < old.previous_until:
            sentence = Text(
                "The secret before this one still signs until {until}, and a third would end it: wait, or"
                " force it if a secret has leaked",
                until=rfc3339(old.previous_until),
            )
            raise Refused("CONFLICT", sentence)
        rotated = replace(
            old,
            secret=self._new_secret(),
            previous_secret=None if force else old.secret,
            previous_until=None if force else tx.now + OVERLAP_MS,
            updated_at=tx.now,
        )
        endpoints.save_endpoint(tx.db, rotated)
        return rotated


def _drop_some(endpoint_id: str, tx: Transaction) -> int:
    return endpoints.drop_waiting(tx.db, endpoint_id, limit=CHUNK)


def _set_right(tx: Transaction, endpoint: Endpoint) -> Endpoint:
    """Its failures are forgotten, and what waits for it goes out in order."""
    fresh = replace(endpoint, fail_count=0, probe_at=None)
    if fresh != endpoints.endpoint(tx.db, endpoint.id):
        fresh = replace(fresh, updated_at=tx.now)
        endpoints.save_endpoint(tx.db, fresh)
    outbox.release(tx.db, endpoint.id, now=tx.now)
    tx.woken.add(QueueName.WEBHOOKS)
    return fresh


def _check_scope(tx: Transaction, endpoint: Endpoint) -> None:
    if endpoint.scope == "members" and accounts.reference(tx.db, endpoint.account_id):
        sentence = Text("Must be self: a member account has no members of its own")
        raise Refused(
            "VALIDATION_FAILED", Text("Validation failed"), details=(FieldError("scope", sentence),)
        )


def _check_only_one(tx: Transaction, wanted: Endpoint) -> None:
    """Raise Refused (CONFLICT) for a second endpoint with the same address, scope and types: it would double every event."""
    for other in endpoints.endpoints(tx.db, wanted.account_id):
        if _target(other) == _target(wanted) and other.id != wanted.id:
            raise Refused(
                "CONFLICT",
                Text(
                    "The webhook endpoint {id} sends these events to this URL already: change it, or rotate its secret if you need a new one",
                    id=other.id,
                ),
            )


def _target(endpoint: Endpoint) -> tuple[str | None, str, tuple[str, ...]]:
    """The address, types and scope of an endpoint: two that are equal are one."""
    return endpoint.url, endpoint.scope, endpoint.event_types


def _sorted(event_types: Sequence[str]) -> tuple[str, ...]:
    return (EVERY_EVENT,) if EVERY_EVENT in event_types else tuple(sorted(set(event_types)))


def _found(tx: Transaction, account_id: str, endpoint_id: str) -> Endpoint:
    return _of_account(endpoints.endpoint(tx.db, endpoint_id), account_id)


def _of_account(endpoint: Endpoint | None, account_id: str) -> Endpoint:
    if endpoint is None or endpoint.account_id != account_id:
        raise Refused("NOT_FOUND", NOT_FOUND)
    return endpoint


EVENTS_A_TRANSACTION = 1000
"""Events of a long replay that are ordered in one transaction: no other transaction waits for more than these."""


TRIES_SHOWN = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """An endpoint's last tries, the oldest first: whether each was taken; why the last failed one was not; how many events wait."""

    taken: tuple[bool, ...]
    last_error: str | None
    waiting: int


class EventFeed:
    """The owner's use cases about events that have happened and attempts that were made."""

    def __init__(self, *, store: Store, endpoints: Endpoints) -> None:
        self._store = store
        self._endpoints = endpoints

    async def deliveries(
        self, wanted: AttemptFilter, *, limit: int, before_ms: int | None = None
    ) -> list[LoggedAttempt]:
        """The newest attempts that pass the filters, newest first; `before_ms` leaves out those made then or later."""
        return await self._store.read(partial(_page, wanted=wanted, limit=limit, before_ms=before_ms))

    async def receivers(self, account_id: str) -> dict[str, Receiver]:
        """How each endpoint of the account takes what it is told, by id."""

        def read(db: sqlite3.Connection) -> dict[str, Receiver]:
            waiting = {each.id: each.waiting for each in facts.endpoints(db)}
            found = {}
            for each in endpoints.endpoints(db, account_id):
                wanted = AttemptFilter(account_id=account_id, endpoint_id=each.id)
                tries = outbox.page(db, wanted, limit=TRIES_SHOWN)
                failed = next((one.error for one in tries if one.status == "failed"), None)
                taken = tuple(one.status == "success" for one in reversed(tries))
                found[each.id] = Receiver(taken=taken, last_error=failed, waiting=waiting.get(each.id, 0))
            return found

        return await self._store.read(read)

    async def happened(
        self, account_id: str, *, before: int | None = None, limit: int
    ) -> tuple[list[Happening], int | None]:
        """What happened in the account, the newest first, below this number; and where an older page begins."""
        return await self._store.read(lambda db: feed.happened(db, account_id, before=before, limit=limit))

    async def exchange(self, account_id: str, delivery_id: int) -> AttemptDetail:
        """One attempt with what was sent and answered. Raises Refused (NOT_FOUND)."""
        found = await self._store.read(lambda db: outbox.exchange(db, account_id, delivery_id))
        if found is None:
            raise Refused("NOT_FOUND", Text("No delivery found with this id"))
        return found

    async def events(
        self, account_id: str, *, after: int, limit: int, event_type: str | None = None
    ) -> list[StoredEvent]:
        """The account's own events after this number, the oldest first."""
        return await self._store.read(
            lambda db: feed.events_after(db, account_id, after=after, limit=limit, event_type=event_type)
        )

    async def replay(self, account_id: str, event_id: str, endpoint_id: str | None = None) -> Replayed:
        """Order one event once more for the endpoints that take it, or for one of them. Raises Refused (NOT_FOUND, GONE)."""
        await self._check(account_id, endpoint_id)

        def use_case(tx: Transaction) -> Replayed:
            seq = feed.number_of(tx.db, event_id, account_id)
            if seq is None:
                raise Refused("NOT_FOUND", Text("No event found with this id"))
            if feed.is_erased(tx.db, seq):
                raise Refused("GONE", Text("The buyer in this event has been erased: it is not told again"))
            tx.woken.add(QueueName.WEBHOOKS)
            feed.hurry(tx.db, seq, account_id, endpoint_id, now=tx.now)
            return feed.order_again(tx.db, account_id, endpoint_id, numbers=(seq, seq), now=tx.now)

        return await self._store.write(use_case)

    async def count_since(self, account_id: str, moment: int, endpoint_id: str | None = None) -> int:
        """How many deliveries `replay_since` would be about. Raises Refused (NOT_FOUND) as it does."""
        await self._check(account_id, endpoint_id)
        return await self._store.read(lambda db: feed.count_since(db, account_id, endpoint_id, moment))

    async def replay_since(self, account_id: str, moment: int, endpoint_id: str | None = None) -> Replayed:
        """Order every event since a moment (ms) once more, in order; what happens meanwhile is delivered anyway.

        Each chunk is durable for itself: what an interrupted replay has ordered stays ordered, and asking again
        doubles nothing. Raises Refused (NOT_FOUND) for an endpoint that is none of the account's.
        """
        await self._check(account_id, endpoint_id)
        first, last = await self._store.read(lambda db: feed.range_since(db, moment))
        total = Replayed(ordered=0, waiting=0)
        while first <= last:
            end = await self._store.read(
                partial(feed.end_of_chunk, first=first, last=last, size=EVENTS_A_TRANSACTION)
            )
            part = await self._store.write(partial(_order_again, account_id, endpoint_id, (first, end)))
            total = Replayed(ordered=total.ordered + part.ordered, waiting=total.waiting + part.waiting)
            first = end + 1
        return total

    async def _check(self, account_id: str, endpoint_id: str | None) -> None:
        if endpoint_id is not None:
            await self._endpoints.find(account_id, endpoint_id)


def _order_again(
    account_id: str, endpoint_id: str | None, numbers: tuple[int, int], tx: Transaction
) -> Replayed:
    tx.woken.add(QueueName.WEBHOOKS)
    return feed.order_again(tx.db, account_id, endpoint_id, numbers=numbers, now=tx.now)


def _page(
    db: sqlite3.Connection, *, wanted: AttemptFilter, limit: int, before_ms: int | None
) -> list[LoggedAttempt]:
    if before_ms is not None:
        last = outbox.last_before(db, before_ms)
        wanted = replace(wanted, before=0 if last is None else last + 1)
    return outbox.page(db, wanted, limit=limit)
