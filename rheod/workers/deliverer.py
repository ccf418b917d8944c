"""Tells partners: sends one notice to one endpoint, writes the attempt down and judges the endpoint by it.

The rules are those of rheo-api.md section 5: at least once, the same bytes every time, events of one item in order, an
endpoint that fails is probed with one event at a time, and nothing is dropped.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import structlog

from rheod.catalog.unit import Books, UnitOfWork
from rheod.clients.hooks import Delivery, HookClient
from rheod.domain.crash import crashpoint
from rheod.domain.model import Job
from rheod.domain.notices import signature_headers
from rheod.domain.retry import delay_ms, stretched_ms
from rheod.store import outbox
from rheod.store.outbox import Attempt, Endpoint, Told
from rheod.workers.lane import Done, Held, Lane, Outcome, PutOff

_log = structlog.get_logger(__name__)


class ByEndpoint:
    """The pick of the hooks lane: each endpoint for itself (`store/outbox.py`)."""

    def jobs(self, db: sqlite3.Connection, now: int, limit: int, lane: Lane) -> list[Job]:
        """See `lane.Pick`."""
        return outbox.deliverable(db, now=now, limit=limit, running=list(lane.running))

    def next_at(self, db: sqlite3.Connection, now: int) -> int | None:
        """See `lane.Pick`."""
        return outbox.next_delivery_at(db, after=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRules:
    """The gaps after each failure, the check every target passes at every send, and who we say we are."""

    retry_delays_s: Sequence[float]
    check_url: Callable[[str], str | None]
    user_agent: str

    @property
    def tries(self) -> int:
        """Consecutive failures after which an endpoint is disabled."""
        return len(self.retry_delays_s) + 1

    @property
    def tries_alone(self) -> int:
        """Failures of one event alone, others having been taken between them, after which it is held."""
        return max(1, self.tries - outbox.FIRST_TRIES + 1)


@dataclass(frozen=True, slots=True)
class _Before:
    """What was known when an event was sent: its endpoint, and how often it has failed alone should it fail again."""

    endpoint: Endpoint
    alone: int


class Deliverer:
    """Works `deliver` jobs; their subject is `<notice>:<endpoint>`."""

    def __init__(self, *, books: Books, client: HookClient, rules: DeliveryRules) -> None:
        self._books = books
        self._client = client
        self._rules = rules

    async def deliver(self, job: Job) -> Outcome:
        """Send once and say what follows from the answer."""
        seq, _, endpoint_id = job.subject.partition(":")
        told, endpoint, alone = await self._books.read(
            lambda db: (
                outbox.told(db, int(seq)),
                outbox.endpoint(db, endpoint_id),
                outbox.times_alone(db, job, endpoint_id),
            )
        )
        if endpoint is None:
            return Done()  # the owner has removed it
        now = self._books.now()
        if endpoint.url is None or not endpoint.active:
            return PutOff(until=now, reason="the endpoint is off", counted=False)
        if endpoint.fail_count and (endpoint.probe_at or 0) > now:
            return PutOff(until=now, reason="the endpoint has just failed", counted=False)
        delivery = await self._send(endpoint, endpoint.url, told)
        crashpoint("hook.answered")
        attempt = _attempt(job, endpoint, told, delivery)
        if delivery.ok:
            return Done(lambda unit: self._succeeded(unit, endpoint.id, attempt))
        return self._failed(job, _Before(endpoint, alone), attempt, delivery)

    async def _send(self, endpoint: Endpoint, url: str, told: Told) -> Delivery:
        if problem := self._rules.check_url(url):
            return Delivery(ok=False, status=None, error=problem, duration_ms=0)
        now = self._books.now()
        rotating = endpoint.previous_until is not None and now < endpoint.previous_until
        headers = signature_headers(
            told.event_id,
            now // 1000,
            told.body,
            endpoint.secret,
            endpoint.previous_secret if rotating else None,
        )
        headers |= {"content-type": "application/json", "user-agent": self._rules.user_agent}
        crashpoint("hook.before")
        return await self._client.send(url, told.body, headers)

    def _succeeded(self, unit: UnitOfWork, endpoint_id: str, attempt: Attempt) -> None:
        outbox.log_attempt(unit.db, attempt, now=unit.now)
        endpoint = outbox.endpoint(unit.db, endpoint_id)
        if endpoint is not None and endpoint.fail_count:
            _log.info("webhook endpoint is back", endpoint=endpoint_id, failures=endpoint.fail_count)
            outbox.save_endpoint(unit.db, replace(endpoint, fail_count=0, probe_at=None))
            outbox.let_go(unit.db, endpoint_id, now=unit.now)

    def _failed(self, job: Job, before: _Before, attempt: Attempt, delivery: Delivery) -> Outcome:
        """Try again by the schedule; an event that only it fails is held in the end, until the owner says otherwise.

        Only failures it had alone count towards that: an endpoint that comes and goes fails everybody.
        """
        now = self._books.now()
        reason = delivery.error or "failed"
        gap_ms = stretched_ms(delay_ms(self._rules.retry_delays_s, job.attempts + 1), delivery.retry_after_s)

        def write(unit: UnitOfWork) -> None:
            outbox.log_attempt(unit.db, attempt, now=unit.now)
            self._judge(unit, job, before, delivery)

        if before.endpoint.fail_count == 0 and before.alone >= self._rules.tries_alone:
            _log.error(
                "event held: its endpoint takes others but not this one", subject=job.subject, reason=reason
            )
            return Held(reason, write)
        return PutOff(until=now + gap_ms, reason=reason, write=write)

    def _judge(self, unit: UnitOfWork, job: Job, before: _Before, delivery: Delivery) -> None:
        """Count the failure against the endpoint.

        Not when this event fails alone (it has used its first tries and others have been taken since), nor when
        another that was under way with it has been counted: those say the same thing once.
        """
        endpoint = outbox.endpoint(unit.db, before.endpoint.id)
        if endpoint is None or (before.endpoint.fail_count == 0 and endpoint.fail_count > 0):
            return
        if endpoint.fail_count == 0 and job.attempts + 1 >= outbox.FIRST_TRIES:
            outbox.step_aside(unit.db, job, failed_alone=before.alone)
            return
        failures = endpoint.fail_count + 1
        gap_ms = stretched_ms(delay_ms(self._rules.retry_delays_s, failures), delivery.retry_after_s)
        off = failures >= self._rules.tries
        outbox.save_endpoint(
            unit.db, replace(endpoint, fail_count=failures, probe_at=unit.now + gap_ms, active=not off)
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


def _host(url: str | None) -> str:
    return urlsplit(url or "").hostname or ""


def _attempt(job: Job, endpoint: Endpoint, told: Told, delivery: Delivery) -> Attempt:
    return Attempt(
        endpoint_id=endpoint.id,
        notice_seq=told.seq,
        attempt=job.attempts + 1,
        ok=delivery.ok,
        http_status=delivery.status,
        error=delivery.error,
        snippet=delivery.snippet or None,
        duration_ms=delivery.duration_ms,
    )
