"""Gathers what `rheod status` shows: what runs, what waits and until when, the budget, push, doubts.

Part of the composition root, since it looks across all parts; it changes nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

import rheod
from rheod.compose.core import Core
from rheod.compose.loops import Machinery
from rheod.domain.event_payloads import rfc3339
from rheod.domain.model import CallClass
from rheod.health.facts import as_json, gather_findings
from rheod.store import inbox, items, jobs, orders
from rheod.tradera.accounts import state_of


async def gather_status(core: Core, machinery: Machinery) -> Mapping[str, object]:
    """One answer of plain JSON; times as RFC 3339."""
    now = core.now()
    counted = await core.database.read(_counts)
    allowance = core.rules.allowance
    used = len(core.ledger.times(now=now))
    return {
        "version": rheod.__version__,
        "now": rfc3339(now),
        "startedAt": rfc3339(core.started_at),
        **counted,
        "budget": {
            "limit": allowance.limit,
            "used": used,
            "left": max(0, allowance.limit - used),
            "leftForPublishing": max(0, allowance.ceiling(CallClass.PUBLISH) - used),
            "windowHours": 24,
        },
        "pauses": [
            {"what": pause.call_class or "account", "until": rfc3339(pause.until), "reason": pause.reason}
            for pause in core.ledger.pauses()
            if pause.until > now
        ],
        "accounts": await _accounts(core),
        "publishingWaitsFor": core.roll.missing(),
        "push": _push(core, machinery),
        "longestStallMs": machinery.watch.longest_ms,
        "findings": [as_json(one) for one in await gather_findings(core, machinery)],
        "running": {queue.name: len(queue.running) for queue in machinery.queues},
    }


async def _accounts(core: Core) -> list[dict[str, object]]:
    """Every account: what it does, what waits for it, and what it has had of the call budget."""
    now = core.now()
    publishings = await core.database.read(jobs.publishings)
    sales = await core.database.read(inbox.orders_waiting)
    found: list[dict[str, object]] = []
    for account in core.roll:
        state = state_of(account, core.ledger, now=now)
        found.append(
            {
                "id": account.id,
                "reference": account.reference or None,
                "userId": None if account.seller is None else account.seller.user_id,
                "tokenFrom": account.source,
                "tokenEndsAt": None if account.ends_at is None else rfc3339(account.ends_at),
                "state": state.state,
                "reason": state.reason,
                "until": None if state.until is None else rfc3339(state.until),
                "takeoverUnderWay": core.gates[account.id].takeover is not None,
                "publishingsWaiting": publishings.get(account.id, 0),
                "salesWaiting": sales.get(account.id, 0),
                "callsUsed": len(core.ledger.times(now=now, account_id=account.id)),
            }
        )
    return found


def _counts(db: sqlite3.Connection) -> dict[str, Any]:
    received = inbox.last_received_at(db)
    return {
        "items": items.counts(db),
        "jobs": jobs.depths(db),
        "inbox": inbox.counts(db),
        "unmatchedSales": orders.unmatched_count(db),
        "listingsInDoubt": items.count_in_doubt(db),
        "lastPushMessage": None if received is None else rfc3339(received),
    }


def _push(core: Core, machinery: Machinery) -> dict[str, object]:
    if machinery.poller is None:
        return {"configured": core.settings.push.queue_url is not None, "lastAnswer": None}
    at = machinery.poller.last_answer_at
    return {"configured": True, "lastAnswer": None if at is None else rfc3339(at)}
