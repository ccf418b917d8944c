"""Gathers what `rheod status` shows: what runs, what waits and until when, the budget, push, doubts. Changes nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

import rheod
from rheod.domain.event_payloads import rfc3339
from rheod.domain.model import CallClass
from rheod.health.facts import Observed, RunningLoops, as_json, gather_findings
from rheod.store import inbox, items, jobs, orders
from rheod.tradera.accounts import state_of


async def gather_status(observed: Observed, loops: RunningLoops) -> Mapping[str, object]:
    """One answer of plain JSON; times as RFC 3339."""
    now, allowance, ledger = observed.now(), observed.allowance, observed.ledger
    used = len(ledger.times(now=now))
    heard_at = None if loops.poller is None else loops.poller.last_answer_at
    return {
        "version": rheod.__version__,
        "now": rfc3339(now),
        "startedAt": rfc3339(observed.started_at),
        **await observed.database.read(_counts),
        "budget": {
            "limit": allowance.limit,
            "used": used,
            "left": max(0, allowance.limit - used),
            "leftForPublishing": max(0, allowance.ceiling(CallClass.PUBLISH) - used),
            "windowHours": 24,
        },
        "pauses": [
            {"what": pause.call_class or "account", "until": rfc3339(pause.until), "reason": pause.reason}
            for pause in ledger.pauses()
            if pause.until > now
        ],
        "accounts": await _accounts(observed, now),
        "publishingWaitsFor": observed.accounts.missing(),
        "push": {"configured": observed.has_push, "lastAnswer": _time(heard_at)},
        "longestStallMs": loops.watch.longest_ms,
        "findings": [as_json(one) for one in await gather_findings(observed)],
        "running": {queue.name: len(queue.running) for queue in loops.queues},
    }


async def _accounts(observed: Observed, now: int) -> list[dict[str, object]]:
    """Every account: what it does, what waits for it, and what it has had of the call budget."""
    publishings = await observed.database.read(jobs.publishings)
    sales = await observed.database.read(inbox.orders_waiting)
    found: list[dict[str, object]] = []
    for account in observed.accounts:
        state = state_of(account, observed.ledger, now=now)
        found.append(
            {
                "id": account.id,
                "reference": account.reference or None,
                "userId": None if account.seller is None else account.seller.user_id,
                "tokenFrom": account.source,
                "tokenEndsAt": _time(account.ends_at),
                "state": state.state,
                "reason": state.reason,
                "until": _time(state.until),
                "takeoverUnderWay": observed.restore_locks[account.id].takeover is not None,
                "publishingsWaiting": publishings.get(account.id, 0),
                "salesWaiting": sales.get(account.id, 0),
                "callsUsed": len(observed.ledger.times(now=now, account_id=account.id)),
            }
        )
    return found


def _counts(db: sqlite3.Connection) -> dict[str, Any]:
    return {
        "items": items.counts(db),
        "jobs": jobs.depths(db),
        "inbox": inbox.counts(db),
        "unmatchedSales": orders.unmatched_count(db),
        "listingsInDoubt": items.count_in_doubt(db),
        "lastPushMessage": _time(inbox.last_received_at(db)),
    }


def _time(at: int | None) -> str | None:
    return None if at is None else rfc3339(at)
