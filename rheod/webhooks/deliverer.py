"""Tells partners: sends one notice to one endpoint, writes the attempt down and judges the endpoint by it.

The rules are those of rheo-api.md section 5: at least once, the same bytes every time, events of one item in order, an
endpoint that fails is probed with one event at a time, and nothing is dropped.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache, partial
from urllib.parse import urlsplit

import structlog

from rheod.domain.crash import crashpoint
from rheod.domain.model import Job
from rheod.domain.retry import delay_ms, stretched_ms
from rheod.jobs.meters import Meters
from rheod.jobs.queue import Done, Hold, JobQueue, Outcome, Retry
from rheod.store import endpoints, facts, outbox
from rheod.store.endpoints import Endpoint
from rheod.store.outbox import Attempt, EventToDeliver
from rheod.usecases.transaction import Store, Transaction
from rheod.webhooks.client import Delivery, SignedWebhooks, target

_log = structlog.get_logger(__name__)
_OF_JOB = tuple(field.name for field in fields(Job))


@dataclass(frozen=True, slots=True)
class _Before:
    """What was known when an event was sent: its endpoint, and how often it has failed alone should it fail again."""

    told: EventToDeliver
    endpoint: Endpoint
    alone: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Picked(Job):
    """A delivery with what the pick has read of it in the same look: it starts at once, so nothing is read again."""

    before: _Before | None


class ByEndpoint:
    """The pick of the hooks lane: each endpoint for itself (`store/outbox.py`)."""

    def jobs(self, db: sqlite3.Connection, now: int, limit: int, queue: JobQueue) -> list[Job]:
        """See `lane.Pick`."""
        found = outbox.deliverable(
            db, now=now, limit=limit, running=list(queue.running), settling=list(queue.settling)
        )
        known = cache(partial(endpoints.endpoint, db))  # many events, few endpoints, whose secrets are sealed
        return [
            _Picked(**{name: getattr(job, name) for name in _OF_JOB}, before=_before(db, job, known))
            for job in found
        ]

    def next_at(self, db: sqlite3.Connection, now: int) -> int | None:
        """See `lane.Pick`."""
        return outbox.next_delivery_at(db, after=now)


class Deliverer:
    """Works `deliver` jobs; their subject is `<notice>:<endpoint>`.

    With the gaps `retry_delays_s` after each failure; after one more failure in a row than there are gaps an endpoint
    is disabled. An event that fails alone, others having been taken between its failures, is held after as many.
    """

    def __init__(
        self,
        *,
        store: Store,
        hooks: SignedWebhooks,
        retry_delays_s: Sequence[float],
        meters: Meters | None = None,
    ) -> None:
        self._store = store
        self._hooks = hooks
        self._meters = meters or Meters()
        self._delays_s = retry_delays_s
        self._tries = len(retry_delays_s) + 1
        self._tries_alone = max(1, self._tries - outbox.FIRST_TRIES + 1)

    async def deliver(self, job: Job) -> Outcome:
        """Send once and say what follows from the answer."""
        before = (
            job.before
            if isinstance(job, _Picked)
            else await self._store.read(lambda db: _before(db, job, partial(endpoints.endpoint, db)))
        )
        if before is None:
            return Done()  # the owner has removed it
        told, endpoint = before.told, before.endpoint
        now = self._store.now()
        if endpoint.url is None or not endpoint.active:
            return Retry(until=now, reason="the endpoint is off", counted=False)
        if endpoint.fail_count and (endpoint.probe_at or 0) > now:
            return Retry(until=now, reason="the endpoint has just failed", counted=False)
        crashpoint("hook.before")
        delivery = await self._hooks.send(target(endpoint, endpoint.url, now=now), told.event_id, told.body)
        crashpoint("hook.answered")
        attempt = _attempt(job, endpoint, told, delivery)
        if delivery.ok:
            return Done(lambda tx: self._succeeded(tx, endpoint.id, attempt))
        return self._failed(job, before, attempt, delivery)

    def _succeeded(self, tx: Transaction, endpoint_id: str, attempt: Attempt) -> None:
        received_at = facts.undelivered_sale_received(tx.db, attempt.notice_seq)
        if received_at is not None:
            tx.afterwards.append(partial(self._meters.sale_delivered, tx.now - received_at))
        outbox.log_attempt(tx.db, attempt, now=tx.now)
        if not endpoints.has_failed(tx.db, endpoint_id):
            return
        endpoint = endpoints.endpoint(tx.db, endpoint_id)
        if endpoint is not None:
            _log.info("webhook endpoint is back", endpoint=endpoint_id, failures=endpoint.fail_count)
            endpoints.save_endpoint(tx.db, replace(endpoint, fail_count=0, probe_at=None))
            outbox.let_go(tx.db, endpoint_id, now=tx.now)

    def _failed(self, job: Job, before: _Before, attempt: Attempt, delivery: Delivery) -> Outcome:
        """Try again by the schedule; an event that only it fails is held in the end, until the owner says otherwise.

        Only failures it had alone count towards that: an endpoint that comes and goes fails everybody.
        """
        now = self._store.now()
        reason = delivery.error or "failed"
        gap_ms = stretched_ms(delay_ms(self._delays_s, job.attempts + 1), delivery.retry_after_s)

        def write(tx: Transaction) -> None:
            outbox.log_attempt(tx.db, attempt, now=tx.now)
            self._judge(tx, job, before, delivery)

        if before.endpoint.fail_count == 0 and before.alone >= self._tries_alone:
            _log.error(
                "event held: its endpoint takes others but not this one", subject=job.subject, reason=reason
            )
            return Hold(reason, write)
        return Retry(until=now + gap_ms, reason=reason, write=write)

    def _judge(self, tx: Transaction, job: Job, before: _Before, delivery: Delivery) -> None:
        """Count the failure against the endpoint.

        Not when this event fails alone (it has used its first tries and others have been taken since), nor when
        another that was under way with it has been counted: those say the same thing once.
        """
        endpoint = endpoints.endpoint(tx.db, before.endpoint.id)
        if endpoint is None or (before.endpoint.fail_count == 0 and endpoint.fail_count > 0):
            return
        if endpoint.url != before.endpoint.url:
            return  # the owner has moved it meanwhile: this says nothing of the new address
        if endpoint.fail_count == 0 and job.attempts + 1 >= outbox.FIRST_TRIES:
            outbox.step_aside(tx.db, job, failed_alone=before.alone)
            return
        failures = endpoint.fail_count + 1
        gap_ms = stretched_ms(delay_ms(self._delays_s, failures), delivery.retry_after_s)
        off = failures >= self._tries
        endpoints.save_endpoint(
            tx.db, replace(endpoint, fail_count=failures, probe_at=tx.now + gap_ms, active=not off)
        )
        if failures == 1:
            _log.warning("webhook endpoint fails", host=_host(endpoint.url), reason=delivery.error)
        if off:
            _log.error(
                "webhook endpoint disabled; its events are kept and go out when it is enabled again",
                host=_host(endpoint.url),
                failures=failures,
                reason=delivery.error,
            )


def _before(
    db: sqlite3.Connection, job: Job, endpoint_of: Callable[[str], Endpoint | None]
) -> _Before | None:
    seq, _, endpoint_id = job.subject.partition(":")
    endpoint = endpoint_of(endpoint_id)
    if endpoint is None:
        return None
    told = outbox.told(db, int(seq), endpoint.account_id)
    return _Before(told, endpoint, outbox.times_alone(db, job, endpoint_id))


def _host(url: str | None) -> str:
    return urlsplit(url or "").hostname or ""


def _attempt(job: Job, endpoint: Endpoint, told: EventToDeliver, delivery: Delivery) -> Attempt:
    return Attempt(
        endpoint_id=endpoint.id,
        notice_seq=told.seq,
        url=endpoint.url or "",
        attempt=job.attempts + 1,
        ok=delivery.ok,
        http_status=delivery.status,
        error=delivery.error,
        snippet=delivery.snippet or None,
        duration_ms=delivery.duration_ms,
    )
