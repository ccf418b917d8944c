"""Gathers what `/metrics` shows and writes it in Prometheus's text format.

It changes nothing. No label stands for an item, an order or an endpoint: the number of series does not grow with what is
sold.
"""

from __future__ import annotations

import platform
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

from prometheus_client import Metric, generate_latest
from prometheus_client.core import GaugeMetricFamily

import rheod
from rheod.domain.budget import METHODS, TOTAL
from rheod.domain.model import CallClass, QueueName
from rheod.health.facts import BACKUP_MARK, Observed, RunningLoops, gather_facts
from rheod.health.findings import Mood
from rheod.health.rules import Facts, findings
from rheod.store import facts, inbox, items, key_value

Labelled = Mapping[str, float]
"""Values by the value of the one label."""


async def gather_metrics(observed: Observed, loops: RunningLoops) -> bytes:
    """One look at everything, as text."""
    facts = await gather_facts(observed)
    stored = await observed.database.read(_StoredFigures)
    gathered = _Gathered(observed, loops, facts, stored)
    return generate_latest(
        _Collected(
            [*gathered.families(), *loops.meters.registry.collect(), *observed.contact.registry.collect()]
        )
    )


class _StoredFigures:
    """What the store knows beside the facts; times in ms."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.items = items.counts(db)
        self.queues = facts.queues(db)
        self.oldest_delivery_at = facts.oldest_delivery_at(db)
        self.last_message_at = inbox.last_received_at(db)
        backup = key_value.get(db, BACKUP_MARK)
        self.backup_at = None if backup is None else int(backup)


class _Collected:
    """Metrics that have been gathered, in the form in which the library takes them."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        """All of them."""
        return self._families


def _one(name: str, meaning: str, value: float | None) -> GaugeMetricFamily:
    """A gauge without labels; it is named but has no value where None is given."""
    family = GaugeMetricFamily(name, meaning)
    if value is not None:
        family.add_metric([], value)
    return family


def _each(name: str, meaning: str, label: str, values: Labelled) -> GaugeMetricFamily:
    """A gauge with one label."""
    family = GaugeMetricFamily(name, meaning, labels=[label])
    for each, value in values.items():
        family.add_metric([each], value)
    return family


@dataclass(frozen=True, slots=True)
class _Gathered:
    """Everything at one moment; each method gives the gauges of one subject."""

    observed: Observed
    loops: RunningLoops
    facts: Facts
    stored: _StoredFigures

    def families(self) -> Iterator[Metric]:
        """Every gauge."""
        subjects = (
            self._of_the_process,
            self._of_the_budget,
            self._of_queues,
            self._moments,
            self._of_tradera,
            self._of_the_store,
            self._of_findings,
        )
        return chain.from_iterable(gauges() for gauges in subjects)

    def _age_s(self, at: int | None) -> float | None:
        return None if at is None else max(0, self.facts.now - at) / 1000

    def _of_the_process(self) -> Iterator[Metric]:
        build = GaugeMetricFamily(
            "rheod_build_info", "Always 1; the labels say what runs.", labels=["version", "python", "sqlite"]
        )
        build.add_metric([rheod.__version__, platform.python_version(), sqlite3.sqlite_version], 1)
        yield build
        yield _one(
            "rheod_start_time_seconds", "When rheod started (Unix time).", self.observed.started_at / 1000
        )
        lag_ms = self.loops.watch.lately_ms
        yield _one(
            "rheod_loop_lag_seconds",
            "The longest the loop was held up in the last minute or two.",
            lag_ms / 1000,
        )

    def _of_the_budget(self) -> Iterator[Metric]:
        now, ledger, quota = self.facts.now, self.observed.ledger, self.observed.quota
        spent = self.observed.ledger.spent(now=now)
        names = {account.id: account.reference or "own" for account in self.observed.accounts}
        yield _one(
            "rheod_tradera_calls_limit",
            "Tradera calls allowed in 24 hours in all; none where each method has its own limit alone.",
            quota.total,
        )
        yield _one(
            "rheod_tradera_calls_publish_limit",
            "How many of them may be used before publishing waits: the rest is kept for endings and sales.",
            None if quota.total is None else quota.ceiling(TOTAL, CallClass.PUBLISH, quota.total),
        )
        made = ledger.methods(now=now)
        yield _each(
            "rheod_tradera_method_calls_used",
            "Tradera calls of the last 24 hours, by method.",
            "method",
            {method: made.get(method, 0) for method in METHODS},
        )
        yield _each(
            "rheod_tradera_method_calls_limit",
            "Tradera calls of a method allowed in 24 hours, as set or as learned from its refusals.",
            "method",
            {method: ledger.limit(quota, method) or 0 for method in METHODS},
        )
        yield _each(
            "rheod_tradera_method_rests_until_timestamp_seconds",
            "Until when a method rests after a refusal (Unix time).",
            "method",
            {state.method: state.until / 1000 for state in ledger.states() if state.is_resting(now)},
        )
        yield _each(
            "rheod_tradera_calls_used",
            "Tradera calls of the last 24 hours, by account.",
            "account",
            {name: spent[account_id] for account_id, name in names.items()},
        )

    def _moments(self) -> Iterator[Metric]:
        """Unix times: what an age is, Prometheus reckons (`time() - ...`), also while nothing is scraped."""
        moments: tuple[tuple[str, str, int | None], ...] = (
            (
                "rheod_push_last_answer_timestamp_seconds",
                "When the push queue last answered, or rheod started; none without a queue (Unix time).",
                self.facts.push_heard_at,
            ),
            (
                "rheod_push_last_message_timestamp_seconds",
                "When the last push message was received; none before the first (Unix time).",
                self.stored.last_message_at,
            ),
            (
                "rheod_webhook_backlog_oldest_timestamp_seconds",
                "When the oldest delivery that waits was ordered; none while nothing waits (Unix time).",
                self.stored.oldest_delivery_at,
            ),
        )
        for name, meaning, at in moments:
            yield _one(name, meaning, None if at is None else at / 1000)
        yield _each(
            "rheod_queue_oldest_due_timestamp_seconds",
            "Since when the longest due job of each queue has been due; none where nothing is (Unix time).",
            "lane",
            {
                queue.value: depth.due_since / 1000
                for queue, depth in self.stored.queues.items()
                if depth.due_since is not None and depth.due_since <= self.facts.now
            },
        )
        yield _each(
            "rheod_token_end_timestamp_seconds",
            "When a Tradera token ends, where known (Unix time).",
            "account",
            {
                account.reference or "own": account.token_ends_at / 1000
                for account in self.facts.accounts
                if account.token_ends_at is not None
            },
        )

    def _of_queues(self) -> Iterator[Metric]:
        queues = self.stored.queues
        yield _each(
            "rheod_queue_jobs",
            "Jobs of each queue, those put off too.",
            "lane",
            {queue.value: depth.jobs for queue, depth in queues.items()},
        )
        yield _each(
            "rheod_queue_oldest_due_seconds",
            "How long the job that is due for longest has been so; for older rules.",
            "lane",
            {queue.value: self._age_s(depth.due_since) or 0.0 for queue, depth in queues.items()},
        )
        yield _one(
            "rheod_webhook_backlog_events",
            "Deliveries of events that no receiver has taken yet.",
            queues[QueueName.WEBHOOKS].jobs,
        )
        oldest_s = self._age_s(self.stored.oldest_delivery_at) or 0.0
        yield _one(
            "rheod_webhook_backlog_oldest_seconds",
            "How long the oldest of them has waited; for older rules.",
            oldest_s,
        )
        off = sum(one.disabled_by_failures and not one.active for one in self.facts.endpoints)
        yield _one("rheod_webhook_endpoints_disabled", "Endpoints switched off after their failures.", off)

    def _of_tradera(self) -> Iterator[Metric]:
        yield _one(
            "rheod_push_last_answer_age_seconds",
            "Since the push queue has answered; none without a queue; for older rules.",
            self._age_s(self.facts.push_heard_at),
        )
        yield _one(
            "rheod_push_last_message_age_seconds",
            "Since the last push message was received; none before the first; for older rules.",
            self._age_s(self.stored.last_message_at),
        )
        left = {
            account.reference or "own": (account.token_ends_at - self.facts.now) / 1000
            for account in self.facts.accounts
            if account.token_ends_at is not None
        }
        yield _each(
            "rheod_token_left_seconds",
            "Until a Tradera token ends, where known; for older rules.",
            "account",
            left,
        )

    def _of_the_store(self) -> Iterator[Metric]:
        database, backup_at = self.observed.database, self.stored.backup_at
        yield _one("rheod_database_bytes", "The size of the database without its log.", database.file_bytes)
        yield _one("rheod_database_log_bytes", "The size of its write-ahead log.", database.log_bytes)
        yield _one("rheod_disk_free_bytes", "Room on the disk of the data folder.", self.facts.free_bytes)
        yield _one(
            "rheod_backup_last_good_timestamp_seconds",
            "When the last good backup was made (Unix time); none before the first.",
            None if backup_at is None else backup_at / 1000,
        )
        yield _each("rheod_items", "Items by rheoStatus.", "status", self.stored.items)
        yield _one(
            "rheod_items_not_published",
            "Items for sale that could not be published (`sync_error`).",
            0 if self.facts.not_published is None else self.facts.not_published.count,
        )

    def _of_findings(self) -> Iterator[Metric]:
        found = findings(self.facts)
        moods = Counter(one.mood.value for one in found)
        yield _each(
            "rheod_findings",
            "What needs the owner, by how bad it is.",
            "mood",
            {each.value: moods[each] for each in Mood},
        )
        yield _each(
            "rheod_finding",
            "What needs the owner, by what it is: how many of it there are.",
            "code",
            Counter(one.code for one in found),
        )
        yield _each(
            "rheod_finding_since_timestamp_seconds",
            "Since when what waits has waited, by what it is (Unix time).",
            "code",
            {one.code: one.since / 1000 for one in found if one.since is not None},
        )
        yield _each(
            "rheod_finding_next_try_timestamp_seconds",
            "When it is tried again (Unix time).",
            "code",
            {one.code: one.next_at / 1000 for one in found if one.next_at is not None},
        )
