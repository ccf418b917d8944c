"""What `rheod doctor` asks of the outside: the push queue, the receivers of webhooks, the clock and, if allowed, Tradera.

It mends nothing. Tradera is only called when the owner says so, and every call is counted.

Gathers what `rheod status` shows: what runs, what waits and until when, the budget, push, doubts. Changes nothing.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp

import rheod
from rheod.domain.errors import Permanent, RheodError, Text
from rheod.domain.event_payloads import rfc3339
from rheod.domain.model import CallClass
from rheod.health.facts import Observed, RunningLoops, as_json, gather_facts, gather_findings
from rheod.health.rules import EndpointFacts, Finding, Mood, findings
from rheod.push.client import PushQueue
from rheod.store import inbox, items, jobs, orders
from rheod.tradera.accounts import Account, state_of
from rheod.tradera.budgeted_client import BudgetedClient
from rheod.tradera.client import TraderaClient
from rheod.tradera.transport import TokenRefused

CLOCK_MS = 120_000
"""A clock that is off by more is a finding; AWS refuses signatures at 15 minutes."""

_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reachable:
    """What can be asked. `push_queue` gives a queue to open and close; `tradera` is None without an application."""

    push_queue: Callable[[], PushQueue | None]
    receivers: Callable[[], aiohttp.ClientSession]
    check_webhook_url: Callable[[str], str | None]
    tradera: TraderaClient | None
    budgeted: Callable[[TraderaClient, Account], BudgetedClient]


class Doctor:
    """One examination."""

    def __init__(self, *, observed: Observed, reachable: Reachable) -> None:
        self._observed = observed
        self._reachable = reachable
        self._found: list[Finding] = []
        self._checked: list[str] = []
        self._clock_is_told = False

    async def report(self, *, online: bool) -> Mapping[str, object]:
        """Look at everything; what was found, what was looked at, how many Tradera calls it took, as plain JSON."""
        before = self._calls_made()
        facts = await gather_facts(self._observed)
        self._found += findings(facts)
        self._checked += ["what waits and what failed", "room on the disk", "the last backup"]
        await self._queue()
        await self._receivers(facts.endpoints)
        if online and self._reachable.tradera is not None:
            await self._tradera(self._reachable.tradera)
        calls = self._calls_made() - before
        return {"findings": [as_json(one) for one in self._found], "checked": self._checked, "calls": calls}

    def _calls_made(self) -> int:
        return len(self._observed.ledger.times(now=self._observed.now()))

    async def _queue(self) -> None:
        queue = self._reachable.push_queue()
        if queue is None:
            return
        self._checked.append("the push queue")
        try:
            async with queue:
                self._compare_clock(_moment(await queue.look()), "AWS")
        except RheodError as error:
            self._found.append(
                Finding(
                    code="queue.wrong",
                    mood=Mood.BAD if isinstance(error, Permanent) else Mood.BUSY,
                    text=Text("The push queue does not work: {reason}", reason=str(error)),
                    fix=Text(
                        "See the [push] settings; without the queue sales are found later, by asking Tradera"
                    ),
                )
            )

    async def _receivers(self, endpoints: Sequence[EndpointFacts]) -> None:
        async with self._reachable.receivers() as session:
            for endpoint in endpoints:
                if endpoint.active:
                    self._checked.append(f"the webhook receiver at {endpoint.host}")
                    await self._receiver(session, endpoint)

    async def _receiver(self, session: aiohttp.ClientSession, endpoint: EndpointFacts) -> None:
        """Any HTTP answer to a HEAD shows that somebody listens; no event is sent."""
        reason = self._reachable.check_webhook_url(endpoint.url)
        if reason is None:
            try:
                async with asyncio.timeout(_TIMEOUT_S), session.head(endpoint.url, allow_redirects=False):
                    return
            except TimeoutError:
                reason = f"no answer within {_TIMEOUT_S:g} seconds"
            except (aiohttp.ClientError, OSError, ValueError) as error:
                reason = str(error) or type(error).__name__
        self._found.append(
            Finding(
                code="receiver.dead",
                subject=endpoint.id,
                mood=Mood.BAD,
                text=Text(
                    "The webhook receiver at {host} cannot be reached: {reason}",
                    host=endpoint.host,
                    reason=reason,
                ),
                fix=Text("Start it, or set another address: `rheod webhooks list`"),
            )
        )

    async def _tradera(self, client: TraderaClient) -> None:
        sellers = [account for account in self._observed.accounts if account.seller is not None]
        if sellers and await self._application(self._reachable.budgeted(client, sellers[0])):
            for account in sellers:
                await self._seller(self._reachable.budgeted(client, account), account)

    async def _application(self, calls: BudgetedClient) -> bool:
        """Whether the application's id and key are taken; Tradera's own time comes with it."""
        self._checked.append("the application at Tradera")
        try:
            async with calls.book(CallClass.ORDERS, "time"):
                theirs = await calls.client.clock()
            self._compare_clock(theirs, "Tradera")
        except RheodError as error:
            self._found.append(
                Finding(
                    code="tradera.key",
                    mood=Mood.BAD,
                    text=Text(
                        "Tradera does not take the application's id and key: {reason}", reason=str(error)
                    ),
                    fix=Text("Check tradera.app_id, tradera.app_key and tradera.base_url"),
                )
            )
            return False
        return True

    async def _seller(self, calls: BudgetedClient, account: Account) -> None:
        name = account.reference or "own"
        self._checked.append(f"the Tradera token of account {name}")
        try:
            async with calls.book(CallClass.ORDERS, "me"):
                await calls.client.me(calls.seller)
        except RheodError as error:
            refused = isinstance(error, TokenRefused) or calls.is_refused
            self._found.append(
                Finding(
                    code="token.dead" if refused else "tradera.away",
                    subject=account.reference,
                    mood=Mood.BAD,
                    text=Text("Tradera refuses account {account}: {reason}", account=name, reason=str(error)),
                    fix=Text("Sign in at Tradera again: `rheod tradera connect`, or the page Tradera"),
                )
            )

    def _compare_clock(self, theirs: int | None, whose: str) -> None:
        if theirs is None:
            return
        self._checked.append(f"the clock, against {whose}")
        off = self._observed.now() - theirs
        if abs(off) > CLOCK_MS and not self._clock_is_told:
            self._clock_is_told = True
            self._found.append(
                Finding(
                    code="clock.off",
                    mood=Mood.BAD,
                    text=Text(
                        "This machine's clock is {seconds} seconds away from that of {whose}",
                        seconds=round(off / 1000),
                        whose=whose,
                    ),
                    fix=Text("Set the time and keep it: `timedatectl set-ntp true`"),
                )
            )


def _moment(date: str | None) -> int | None:
    """The `Date` of an HTTP answer as ms UTC; None when it has none that can be read."""
    try:
        return None if date is None else round(parsedate_to_datetime(date).timestamp() * 1000)
    except ValueError:
        return None


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
