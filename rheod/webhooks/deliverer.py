"""Delivers events: sends one event to one endpoint, logs the attempt and judges the endpoint by it.

Each event goes out at least once and with the same bytes every time, those of one item in order. An endpoint that
fails is probed with one event at a time, and nothing is dropped.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache, partial
from urllib.parse import urlsplit

import structlog

from rheod.domain.crash import crashpoint
from rheod.domain.errors import Text, delay_ms, stretched_ms
from rheod.domain.model import Job
from rheod.jobs.meters import Meters
from rheod.jobs.queue import Done, Hold, Look, Outcome, Retry
from rheod.store import endpoints, facts, outbox
from rheod.store.endpoints import Endpoint
from rheod.store.outbox import Attempt, EventToDeliver
from rheod.usecases.transaction import Store, Transaction
from rheod.webhooks.client import Delivery, WebhookClient

_log = structlog.get_logger(__name__)
_JOB_FIELDS = tuple(field.name for field in fields(Job))


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryJob(Job):
    """A delivery with what it needs, read in the look that picked it: it starts at once, so nothing is read again.

    `alone` is how often it has failed while the endpoint took others, should it fail again.
    """

    event: EventToDeliver
    endpoint: Endpoint
    alone: int


class ByEndpoint:
    """The pick of the webhook queue: each endpoint for itself (see `outbox.deliverable`)."""

    def jobs(self, db: sqlite3.Connection, look: Look) -> list[Job]:
        """See `Pick`."""
        found = outbox.deliverable(
            db, now=look.now, limit=look.limit, running=list(look.running), settling=list(look.settling)
        )
        known = cache(partial(endpoints.endpoint, db))  # many events, few endpoints, whose secrets are sealed
        picked: list[Job] = []
        for job in found:
            seq, _, endpoint_id = job.subject.partition(":")
            endpoint = known(endpoint_id)
            assert endpoint is not None
            picked.append(
                DeliveryJob(
                    **{name: getattr(job, name) for name in _JOB_FIELDS},
                    event=outbox.told(db, int(seq), endpoint.account_id),
                    endpoint=endpoint,
                    alone=outbox.times_alone(db, job, endpoint_id),
                )
            )
        return picked

    def next_at(self, db: sqlite3.Connection, now: int) -> int | None:
        """See `Pick`."""
        return outbox.next_delivery_at(db, after=now)


class Deliverer:
    """Works `deliver` jobs; their subject is `<number of the event>:<endpoint id>`.

    After each failure in a row comes the next gap of `retry_delays_s`; after one failure more than there are gaps the
    endpoint is disabled. An event that fails alone, others having been taken between its failures, is held after as many.
    """

    def __init__(
        self,
        *,
        store: Store,
        client: WebhookClient,
        retry_delays_s: Sequence[float],
        meters: Meters | None = None,
    ) -> None:
        self._store = store
        self._client = client
        self._meters = meters or Meters()
        self._delays_s = retry_delays_s
        self._tries = len(retry_delays_s) + 1
        self._tries_alone = max(1, self._tries - outbox.FIRST_TRIES + 1)

    async def deliver(self, job: Job) -> Outcome:
        """Send once and say what follows from the answer."""
        assert isinstance(job, DeliveryJob)
        crashpoint("hook.before")
        delivery = await self._client.send(job.endpoint, job.event.event_id, job.event.body)
        crashpoint("hook.answered")
        self._meters.delivered(ok=delivery.ok, status=delivery.status, took_ms=delivery.duration_ms)
        attempt = Attempt(
            endpoint_id=job.endpoint.id,
            notice_seq=job.event.seq,
            url=job.endpoint.url or "",
            attempt=job.attempts + 1,
            ok=delivery.ok,
            http_status=delivery.status,
            error=delivery.error,
            snippet=delivery.snippet or None,
            duration_ms=delivery.duration_ms,
        )
        if not delivery.ok:
            return self._failed(job, attempt, delivery)

        def succeeded(tx: Transaction) -> None:
            received_at = facts.undelivered_sale_received(tx.db, attempt.notice_seq)
            if received_at is not None:
                tx.afterwards.append(partial(self._meters.sale_delivered, tx.now - received_at))
            outbox.log_attempt(tx.db, attempt, now=tx.now)
            if not endpoints.has_failed(tx.db, attempt.endpoint_id):
                return
            endpoint = endpoints.endpoint(tx.db, attempt.endpoint_id)
            if endpoint is not None:
                _log.info("webhook endpoint is back", endpoint=endpoint.id, failures=endpoint.fail_count)
                endpoints.took(tx.db, endpoint.id)
                outbox.let_go(tx.db, endpoint.id, now=tx.now)

        return Done(succeeded)

    def _failed(self, job: DeliveryJob, attempt: Attempt, delivery: Delivery) -> Outcome:
        """Try again by the schedule; an event that only it fails is held in the end, until the owner says otherwise.

        Only failures it had alone count towards that: an endpoint that comes and goes fails every event.
        """
        reason = delivery.error or Text("failed")
        gap_ms = stretched_ms(delay_ms(self._delays_s, job.attempts + 1), delivery.retry_after_s)

        def write(tx: Transaction) -> None:
            outbox.log_attempt(tx.db, attempt, now=tx.now)
            self._judge(tx, job, delivery)

        if job.endpoint.fail_count == 0 and job.alone >= self._tries_alone:
            _log.error("event held: its endpoint refuses only this one", subject=job.subject, reason=reason)
            return Hold(reason, write)
        return Retry(until=self._store.now() + gap_ms, reason=reason, write=write)

    def _judge(self, tx: Transaction, job: DeliveryJob, delivery: Delivery) -> None:
        """Count the failure against the endpoint.

        Not when this event fails alone (it has used its first tries and others have been taken since), nor when
        another that was under way with it has been counted: those say the same thing once. Nor when the owner has
        moved the endpoint meanwhile, or switched it off: this says nothing of the new address.
        """
        endpoint = endpoints.endpoint(tx.db, job.endpoint.id)
        if endpoint is None or endpoint.url != job.endpoint.url or not endpoint.active:
            return
        if job.endpoint.fail_count == 0 and endpoint.fail_count > 0:
            return
        if endpoint.fail_count == 0 and job.attempts + 1 >= outbox.FIRST_TRIES:
            outbox.step_aside(tx.db, job, failed_alone=job.alone)
            return
        failures = endpoint.fail_count + 1
        gap_ms = stretched_ms(delay_ms(self._delays_s, failures), delivery.retry_after_s)
        disabled = failures >= self._tries
        endpoints.failed(
            tx.db,
            endpoint.id,
            failures=failures,
            probe_at=tx.now + gap_ms,
            switch_off=disabled,
            now=tx.now,
        )
        host = urlsplit(endpoint.url or "").hostname or ""
        if failures == 1:
            _log.warning("webhook endpoint fails", endpoint=endpoint.id, host=host, reason=delivery.error)
        if disabled:
            _log.error(
                "webhook endpoint disabled; its events are kept and go out once it is enabled",
                endpoint=endpoint.id,
                host=host,
                failures=failures,
                reason=delivery.error,
            )
