"""Gathers the facts that the rules of `domain/findings.py` judge.

Part of the composition root, since it looks across all parts; it changes nothing.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Mapping
from urllib.parse import urlsplit

from rheod.compose.core import Core
from rheod.compose.loops import Machinery
from rheod.domain.budget import WINDOW_MS
from rheod.domain.model import CallClass
from rheod.domain.taxonomy import DOMAINS
from rheod.health.rules import AccountFacts, EndpointFacts, Facts, Finding, TakeoverFacts, findings
from rheod.store import accounts, facts, inbox, jobs, key_value, orders, picture_files
from rheod.store.engine import copies
from rheod.tradera.accounts import state_of

BACKUP_MARK = copies.GOOD_MARK
CHEAPEST_PUBLISH = 4
"""Calls of an ad with one picture: create, image, commit and the question for its result."""


async def gather_findings(core: Core, machinery: Machinery) -> list[Finding]:
    """What needs the owner now."""
    return findings(await gather_facts(core, machinery))


def as_json(finding: Finding) -> Mapping[str, object]:
    """A finding as commands read it."""
    return {
        "code": finding.code,
        "mood": finding.mood,
        "subject": finding.subject,
        "text": finding.sentence,
        "fix": finding.remedy,
    }


async def gather_facts(core: Core, machinery: Machinery | None) -> Facts:
    """One look at everything; without a daemon what only it knows is left out."""
    now = core.now()
    stored = await core.database.read(_Stored)
    times = core.ledger.times(now=now)
    left = core.rules.allowance.ceiling(CallClass.PUBLISH) - len(times)
    tired_ms = round(core.settings.backup.alarm_after_s * 1000)
    return Facts(
        now=now,
        missing=tuple(core.roll.missing()),
        accounts=_accounts(core, now),
        endpoints=stored.endpoints,
        calls_left=0 if left < CHEAPEST_PUBLISH else left,
        publishings_waiting=stored.publishings,
        next_call_at=times[0] + WINDOW_MS if times else None,
        push_heard_at=_push_heard_at(core, machinery),
        push_patience_ms=round(core.settings.push.alarm_after_s * 1000),
        quarantined=stored.quarantined,
        unmatched=stored.unmatched,
        in_doubt=stored.in_doubt,
        takeovers=await core.database.read(lambda db: _takeovers(core, db, now)),
        unmapped=await core.database.read(lambda db: _unmapped(core, db)),
        backup_due_at=(stored.backup_at or stored.installed_at) + tired_ms,
        free_bytes=await asyncio.to_thread(_free_bytes, core.settings.storage.path),
        least_free_bytes=core.settings.storage.least_free_bytes,
        log_bytes=core.database.log_bytes,
        most_log_bytes=core.database.most_log_bytes,
        image_bytes=stored.image_bytes,
        most_image_bytes=core.settings.storage.images_max_bytes,
    )


class _Stored:
    """What the store knows."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.endpoints = tuple(
            EndpointFacts(
                id=one.id,
                host=urlsplit(one.url).hostname or "",
                url=one.url,
                active=one.active,
                fail_count=one.fail_count,
                disabled_by_failures=one.fail_count > 0,
                waiting=one.waiting,
            )
            for one in facts.endpoints(db)
        )
        self.publishings = sum(jobs.publishings(db).values())
        self.quarantined = inbox.count_quarantined(db)
        self.unmatched = orders.unmatched_count(db)
        self.in_doubt = tuple(facts.in_doubt(db, limit=100))
        backup = key_value.get(db, BACKUP_MARK)
        self.backup_at = None if backup is None else int(backup)
        self.image_bytes = picture_files.bytes_in_use(db)
        self.installed_at = facts.installed_at(db)


def _accounts(core: Core, now: int) -> tuple[AccountFacts, ...]:
    found = []
    for account in core.roll:
        if account.seller is None:
            continue
        state = state_of(account, core.ledger, now=now)
        pause = core.ledger.pause(account.id, None)
        refused = pause.since if state.state == "paused" and pause is not None else None
        found.append(
            AccountFacts(reference=account.reference, token_ends_at=account.ends_at, refused_since=refused)
        )
    return tuple(found)


def _takeovers(core: Core, db: sqlite3.Connection, now: int) -> tuple[TakeoverFacts, ...]:
    """The accounts that have something to tell of a restore."""
    found = []
    for account in core.roll:
        state, strangers = accounts.find(db, account.id), accounts.strangers(db, account.id)
        ads = strangers.ads if strangers.until > now else ()
        if account.seller is not None and (state is not None or ads):
            found.append(
                TakeoverFacts(
                    reference=account.reference,
                    under_way=state is not None,
                    blind=state is not None and state.blind,
                    strangers=ads,
                )
            )
    return tuple(found)


def _unmapped(core: Core, db: sqlite3.Connection) -> tuple[str, ...]:
    """Domains without a Tradera category of which items are to be listed that name none themselves."""
    without = [slug for slug in DOMAINS if slug not in core.settings.tradera.defaults.category_id]
    found = {
        domain
        for account in core.roll
        for domain in (facts.without_category(db, account.id, without) if without else ())
    }
    return tuple(sorted(found))


def _push_heard_at(core: Core, machinery: Machinery | None) -> int | None:
    if machinery is None or machinery.poller is None:
        return None
    return machinery.poller.last_answer_at or core.started_at


def _free_bytes(path: os.PathLike[str]) -> int | None:
    try:
        room = os.statvfs(path)
    except OSError:
        return None
    return room.f_bavail * room.f_frsize
