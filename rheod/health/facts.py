"""Gathers the facts that the rules judge: one look at the store, the budget, the accounts and the loops.

It changes nothing and calls nobody.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from rheod.domain.budget import Load, Quota, publish_cost
from rheod.domain.errors import Text
from rheod.domain.event_payloads import rfc3339
from rheod.domain.model import CallClass, JobKind, QueueName
from rheod.health.findings import LONG_MS, Finding, Refusal, Wait, at_its_place
from rheod.health.orders import OLD_MS, TOLD_FLAGS, OrderFacts, ToldOrder
from rheod.health.rules import AccountFacts, EndpointFacts, Facts, findings
from rheod.health.waiting import TakeoverFacts, no_room
from rheod.jobs.housekeeping import LoopWatch
from rheod.jobs.meters import Meters
from rheod.jobs.queue import JobQueue, RestoreLock
from rheod.push.poller import PushPoller
from rheod.store import accounts, facts, inbox, items, jobs, key_value, orders, picture_files, reference_data
from rheod.store.ads import held_longest, late_returns, returns_paused, unsold_for_good
from rheod.store.engine import copies
from rheod.store.engine.database import Database
from rheod.store.facts import StuckItem
from rheod.store.ledger import Ledger, account_part
from rheod.tradera.accounts import Account, AccountRegistry
from rheod.tradera.contact import Contact
from rheod.usecases.items import BudgetForecast
from rheod.usecases.selling_setup import Capacity

BACKUP_MARK = copies.GOOD_MARK
_MOST_LOOK_ALIKES = 20
RELIST_LATE_MS = 3 * 3_600_000
"""A return that waits for longer has come upon something."""
_CHEAPEST = Load(1, publish_cost(1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """From where on something is a finding: ages in ms, sizes in bytes; 0 bytes of pictures is no limit."""

    backup_age_ms: int
    push_silence_ms: int
    reconcile_ms: int
    free_bytes: int
    image_bytes: int
    unpaid_days: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningLoops:
    """What runs by itself in a daemon. `queues` grows when an account gets its first token."""

    queues: Sequence[JobQueue]
    poller: PushPoller | None
    watch: LoopWatch
    meters: Meters


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What is looked at. `loops` is None without a daemon."""

    database: Database
    folder: Path
    ledger: Ledger
    quota: Quota
    forecast: Callable[[str], BudgetForecast]
    capacity: Callable[[str], Awaitable[Capacity]]
    accounts: AccountRegistry
    restore_locks: Mapping[str, RestoreLock]
    contact: Contact
    has_push: bool
    site_url: str
    limits: Limits
    superseded: tuple[Text, ...]
    held_to_sum: Text | None
    now: Callable[[], int]
    started_at: int
    loops: RunningLoops | None = None


async def gather_findings(observed: Observed) -> list[Finding]:
    """What needs the owner now."""
    return findings(await gather_facts(observed))


def as_json(finding: Finding) -> Mapping[str, object]:
    """A finding as commands read it."""
    return {
        "code": finding.code,
        "mood": finding.mood,
        "subject": finding.subject,
        "text": finding.text,
        "fix": finding.fix,
        "since": None if finding.since is None else rfc3339(finding.since),
        "nextTry": None if finding.next_at is None else rfc3339(finding.next_at),
        "waitsForYou": finding.waits_for_owner,
        "where": at_its_place(finding).where,
    }


async def why_unwritable(database: Database, folder: Path) -> Text | None:
    """Why nothing can be written to the store now, as on a full disk; None while it can."""
    return no_room(_refusal(database, 0), await asyncio.to_thread(_free_bytes, folder))


def _refusal(database: Database, now: int) -> Wait | None:
    refusal = database.refusal
    if refusal is None:
        return None
    return Wait(reason=refusal.reason, since=now - round((time.monotonic() - refusal.since_s) * 1000))


async def gather_facts(observed: Observed) -> Facts:
    """One look at everything; without a daemon what only it knows is left out."""
    now, limits, database = observed.now(), observed.limits, observed.database
    stored = await database.read(lambda db: _Stored(db, observed, now))
    goes_at = observed.forecast(next(iter(observed.accounts)).id).goes_at(_CHEAPEST, {}, now)
    poller = None if observed.loops is None else observed.loops.poller
    away = None if poller is None else poller.away
    return Facts(
        now=now,
        missing=tuple(observed.accounts.missing()),
        paused_since=next((lock.paused_since for lock in observed.restore_locks.values()), None),
        superseded=observed.superseded,
        held_to_sum=observed.held_to_sum,
        accounts=tuple(_sellers(observed)),
        endpoints=stored.endpoints,
        publishings=stored.publishings
        and replace(stored.publishings, next_at=None if goes_at <= now else goes_at),
        started_at=observed.started_at,
        push_heard_at=None if poller is None else poller.last_answer_at or observed.started_at,
        push_patience_ms=limits.push_silence_ms,
        tradera=(wait := _silence(observed)) and replace(wait, next_at=wait.next_at or stored.next_call),
        push=None if away is None else Wait(reason=away.reason, since=away.since, next_at=away.next_at),
        refusals=tuple(_refusals_of_calls(observed, now)),
        endings=stored.endings,
        unclear=stored.unclear,
        sales=stored.sales,
        pictures=stored.pictures,
        not_published=stored.not_published,
        sold_but_up=stored.sold_but_up,
        sold_twice=stored.sold_twice,
        unsold=stored.unsold,
        put_off=stored.put_off,
        reconciled=stored.reconciled,
        not_believed=stored.not_believed,
        reconcile_patience_ms=limits.reconcile_ms,
        quarantined=stored.quarantined,
        quarantined_since=stored.quarantined_since,
        doubts_since=stored.doubts_since,
        doubts_owner=stored.doubts_owner,
        doubts_next=stored.doubts_next,
        unmatched=stored.unmatched,
        unmatched_owner=stored.unmatched_owner,
        orders=stored.orders,
        unconnected=stored.unconnected,
        relists_late=stored.relists_late,
        in_doubt=stored.in_doubt,
        doubled=stored.doubled,
        takeovers=stored.takeovers,
        held=stored.held,
        look_alikes=stored.look_alikes,
        backup_due_at=(stored.backup_at or stored.installed_at) + limits.backup_age_ms,
        unwritable=_refusal(database, now),
        free_bytes=await asyncio.to_thread(_free_bytes, observed.folder),
        least_free_bytes=limits.free_bytes,
        log_bytes=database.log_bytes,
        most_log_bytes=database.most_log_bytes,
        image_bytes=stored.image_bytes,
        most_image_bytes=limits.image_bytes,
        fetching_rests=_rest_of(observed, QueueName.PICTURES),
    )


def _rest_of(observed: Observed, name: QueueName) -> Wait | None:
    """Why a queue rests as a whole; None while it works, and without a daemon."""
    queues = () if observed.loops is None else observed.loops.queues
    rest = next((each.rest for each in queues if each.name == name), None)
    return None if rest is None else Wait(reason=rest.reason, since=rest.since, next_at=rest.until)


def _refusals_of_calls(observed: Observed, now: int) -> Iterator[Refusal]:
    """What 429s have told, by method."""
    for state in observed.ledger.states():
        limit = observed.quota.limit(state.method)
        if limit is not None:
            yield Refusal(
                method=state.method,
                used=state.used,
                limit=limit,
                since=state.since,
                next_at=state.until if state.is_resting(now) else None,
                learned=state.ceiling,
            )


class _Stored:
    """What the store knows, read in one snapshot."""

    def __init__(self, db: sqlite3.Connection, observed: Observed, now: int) -> None:
        self.endpoints = tuple(_endpoint(one, now) for one in facts.endpoints(db))
        self.next_call = jobs.next_due(db, QueueName.TRADERA, after=now)
        long_ago = now - LONG_MS
        count = sum(jobs.publishings(db).values())
        ordered = [jobs.oldest_publishing(db, account.id) for account in observed.accounts]
        since = min((each for each in ordered if each is not None), default=None)
        self.publishings = Wait(since=since, count=count) if count and since is not None else None
        selling = [account for account in observed.accounts if account.seller is not None]
        self.endings = tuple(
            _wait(found, account.reference, why_not_asked(observed, account, CallClass.END, now=now))
            for account in selling
            if (found := facts.jobs_waiting(db, account.id, JobKind.END, before=long_ago))
        )
        self.sales = tuple(
            _wait(found, account.reference, why_not_asked(observed, account, CallClass.ORDERS, now=now))
            for account in observed.accounts
            if (found := facts.sales_waiting(db, account.id, before=long_ago))
        )
        self.unclear = tuple(
            _wait(found, account.reference, None)
            for account in selling
            if (found := facts.jobs_without_answer(db, account.id, before=long_ago))
        )
        pictures = facts.pictures_waiting(db, before=long_ago)
        self.pictures = None if pictures is None else replace(_wait(pictures, "", None), owner=pictures.owner)
        self.reconciled = tuple(
            Wait(since=max(passed[0], observed.started_at), next_at=passed[1], account=account.reference)
            for account in selling
            if observed.loops is not None and (passed := facts.reconciled_at(db, account.id)) is not None
        )
        self.not_believed = tuple(
            Wait(
                reason=each.fault or "",
                since=each.fault_since or now,
                next_at=jobs.due_at(db, JobKind.REFERENCE, name),
                account=name,
            )
            for each in reference_data.faults(db)
            for name in [f"{each.subject}:{each.leaf}" if each.leaf else each.subject.value]
        )
        self._read_sales(db, observed)
        self._read_items(db, observed)
        self.takeovers = tuple(_takeovers(db, observed.accounts, now))
        self.look_alikes = tuple(
            (*pair, account.reference)
            for account in observed.accounts
            for pair in items.look_alikes(db, account.id, limit=_MOST_LOOK_ALIKES)
        )
        self.held = held_longest(db)
        backup = key_value.get(db, BACKUP_MARK)
        self.backup_at = None if backup is None else int(backup)
        self.image_bytes = picture_files.bytes_in_use(db)
        self.installed_at = facts.installed_at(db)

    def _read_items(self, db: sqlite3.Connection, observed: Observed) -> None:
        """Items that are not as they should be: not published, sold and still up, in doubt, up twice."""
        self.in_doubt = _stuck(facts.in_doubt(db, limit=100))
        self.doubled = _stuck(facts.doubled(db, limit=100))
        self.put_off = _stuck(facts.put_off(db, limit=100))
        failed = [facts.not_published(db, account.id) for account in observed.accounts]
        first = min((since for _, since in failed if since is not None), default=None)
        self.not_published = (
            None
            if first is None
            else Wait(
                since=first,
                count=sum(n for n, _ in failed),
                owner=next(
                    each.reference for each, (n, _) in zip(observed.accounts, failed, strict=True) if n
                ),
            )
        )
        self.sold_but_up = _stuck(facts.sold_but_up(db, limit=100))
        self.sold_twice = _stuck(
            [StuckItem(name, at, owner=owner) for name, at, owner in orders.sold_twice(db, limit=100)]
        )
        self.unsold = _stuck(
            [StuckItem(name, at, owner=owner) for name, at, owner in unsold_for_good(db, limit=100)]
        )

    def _read_sales(self, db: sqlite3.Connection, observed: Observed) -> None:
        """What is sold and not yet where it should be."""
        self.quarantined = inbox.count_quarantined(db)
        self.quarantined_since = inbox.quarantined_since(db)
        self.doubts_since = tuple(inbox.doubts_since(db))
        self.doubts_owner = inbox.doubt_owner(db)
        self.doubts_next = inbox.next_doubt(db)
        self.unmatched = orders.unmatched_count(db)
        self.unmatched_owner = orders.unmatched_owner(db) if self.unmatched else ""
        self.unconnected = tuple(
            Wait(since=max(accounts.created_at(db, one.id), observed.started_at), account=one.reference)
            for one in observed.accounts
            if one.reference and one.seller is None and not one.removed
        )
        self.orders = OrderFacts(
            flagged={
                flag: _told(some) for flag in TOLD_FLAGS if (some := orders.with_flag(db, flag, limit=100))
            },
            unconfirmed=_told(orders.unconfirmed(db, limit=100)),
            unshipped=_told(orders.unshipped(db, limit=100)),
            to_send=tuple(
                Wait(reason="", since=oldest, account=account.reference, count=count)
                for account in observed.accounts
                for count, oldest in [orders.ready(db, account.id)]
                if count
            ),
            unpaid=tuple(
                ToldOrder(*each)
                for account in observed.accounts
                for each in orders.unpaid(db, account.id, since=observed.now() - OLD_MS, limit=100)
            ),
            reminder_days=observed.limits.unpaid_days,
            site_url=observed.site_url,
        )
        late = () if returns_paused(db) else late_returns(db, before=observed.now() - RELIST_LATE_MS)
        self.relists_late = _stuck(
            [
                StuckItem(
                    each.external_id,
                    each.at,
                    jobs.due_at(db, JobKind.RELIST, each.listing_id),
                    accounts.reference(db, each.account_id),
                )
                for each in late
            ]
        )


def _told(found: Iterable[tuple[int, int, str]]) -> tuple[ToldOrder, ...]:
    return tuple(ToldOrder(*each) for each in found)


def _stuck(found: Sequence[StuckItem]) -> Wait | None:
    """What these items come to; None without any."""
    if not found:
        return None
    return Wait(
        since=min(each.since for each in found),
        next_at=min((each.next_at for each in found if each.next_at is not None), default=None),
        count=len(found),
        items=tuple(each.external_id for each in found),
        owner=found[0].owner,
    )


def _endpoint(one: facts.EndpointState, now: int) -> EndpointFacts:
    long_alone = one.alone if one.alone is not None and now - one.alone.since > LONG_MS else None
    return EndpointFacts(
        id=one.id,
        host=urlsplit(one.url).hostname or "",
        url=one.url,
        active=one.active,
        fail_count=one.fail_count,
        disabled_by_failures=one.fail_count > 0,
        waiting=one.waiting,
        failing_since=one.failing_since,
        next_try=one.probe_at,
        owner=one.owner,
        alone=None if long_alone is None else _wait(long_alone, "", None),
    )


def why_not_asked(observed: Observed, account: Account, call_class: CallClass, *, now: int) -> Wait | None:
    """Why calls of this class are not made for the account now; None when they may be."""
    if account.waits_for is not None or account.seller is None:
        return Wait(reason=account.waits_for or "", since=observed.started_at)
    part = account_part(call_class)
    refused = observed.ledger.refusal(account.id, account.seller.fingerprint, [part])
    if refused is not None:
        return Wait(reason=refused.reason, since=refused.since, next_at=refused.until)
    lock = observed.restore_locks[account.id]
    if call_class in lock.closed and lock.reason is not None:
        paused = lock.paused_since if lock.takeover is None else None
        return Wait(reason=lock.reason, since=paused or observed.started_at)
    rest = observed.ledger.rest_of(call_class, now=now)
    if rest is not None:
        return Wait(reason=rest.reason, since=rest.since, next_at=rest.until)
    return _silence(observed)


def _silence(observed: Observed) -> Wait | None:
    """Why Tradera does not answer, while it does not; asked again when the first of the accounts' queues goes on."""
    silence = observed.contact.silence
    if silence is None:
        return None
    return Wait(reason=silence.reason, since=silence.since, next_at=observed.contact.next_try())


def _wait(found: facts.WaitingJobs, account: str, cause: Wait | None) -> Wait:
    """What waits, with why Tradera is not asked at all, else with the reason of its own."""
    reason = (cause and cause.reason) or found.reason or Text("it has not come to its turn")
    again = max(found.next_at or 0, (cause and cause.next_at) or 0)
    return Wait(reason=reason, since=found.since, next_at=again or None, account=account, count=found.count)


def _sellers(observed: Observed) -> Iterator[AccountFacts]:
    for account in observed.accounts:
        if account.seller is None:
            continue
        pause = observed.ledger.refusal(account.id, account.seller.fingerprint)
        refused = pause and Wait(reason=pause.reason, since=pause.since, next_at=pause.until)
        yield AccountFacts(
            reference=account.reference, token_ends_at=account.ends_at, refused=refused or None
        )


def _takeovers(db: sqlite3.Connection, registry: AccountRegistry, now: int) -> Iterator[TakeoverFacts]:
    """The accounts that have something to tell of a restore."""
    for account in registry:
        state, strangers = accounts.find(db, account.id), accounts.strangers(db, account.id)
        ads = strangers.ads if strangers.until > now else ()
        if account.seller is not None and (state is not None or ads):
            yield TakeoverFacts(
                reference=account.reference,
                since=None if state is None else state.since,
                next_at=jobs.due_at(db, JobKind.TAKEOVER, account.id),
                under_way=state is not None,
                blind=state is not None and state.blind,
                strangers=ads,
            )


def _free_bytes(path: Path) -> int | None:
    try:
        room = os.statvfs(path)
    except OSError:
        return None
    return room.f_bavail * room.f_frsize
