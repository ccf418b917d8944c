"""What `rheod doctor` asks of the outside: the push queue, the receivers of webhooks, the clock and, if allowed, Tradera.

It mends nothing. Tradera is only called when the owner says so, and every call is counted.

Gathers what `rheod status` shows: what runs, what waits and until when, the budget, push, doubts. Changes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp

import rheod
from rheod.domain.errors import Permanent, RheodError, Text, Transient, Unanswered, counted
from rheod.domain.event_payloads import rfc3339
from rheod.domain.model import CallClass
from rheod.health.facts import Observed, RunningLoops, as_json, gather_facts
from rheod.health.findings import Finding, Mood
from rheod.health.rules import ASKED_AGAIN, EndpointFacts, findings
from rheod.push.client import PushQueue
from rheod.store import inbox, items, jobs, orders, picture_files
from rheod.tradera.accounts import Account, state_of
from rheod.tradera.budgeted_client import BudgetedClient, NotSent, TokenDead
from rheod.tradera.client import TraderaClient
from rheod.tradera.transport import TokenRefused
from rheod.usecases.owner_choices import StockCheck
from rheod.usecases.selling_setup import Capacity

CLOCK_MS = 120_000
"""A clock that is off by more is a finding; AWS refuses signatures at 15 minutes."""

_TIMEOUT_S = 4.0
_FILES = 2000
_TURN_S = 4.5
"""With the wait for other calls that hang: two questions after another are over within ten seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reachable:
    """What can be asked. `push_queue` gives a queue to open and close; `tradera` is None without an application."""

    push_queue: Callable[[], PushQueue | None]
    receivers: Callable[[], aiohttp.ClientSession]
    check_webhook_url: Callable[[str], str | None]
    tradera: TraderaClient | None
    budgeted: Callable[[TraderaClient, Account], BudgetedClient]
    check_stock: Callable[[], Awaitable[StockCheck]]


class Doctor:
    """One examination."""

    def __init__(self, *, observed: Observed, reachable: Reachable) -> None:
        self._observed = observed
        self.reachable = reachable
        self._found: list[Finding] = []
        self._checked: list[str] = []
        self._clock_is_told = False

    async def report(self, *, online: bool) -> Mapping[str, object]:
        """Look at everything; what was found, what was looked at, how many Tradera calls it took, as plain JSON.

        Each remote has a few seconds, all at once: a diagnosis is needed most while they hang.
        """
        before = self._calls_made()
        facts = await gather_facts(self._observed)
        self._found += findings(facts)
        self._checked += ["what waits and what failed", "room on the disk", "the last backup"]
        self._checked.append(
            f"the quota ({self._observed.quota.default} calls of each of Tradera's methods in 24 hours; yours stands in"
            " its Developer Center on the application's page)"
        )
        queue = self.reachable.push_queue()
        receivers = [one for one in facts.endpoints if one.active]
        async with asyncio.TaskGroup() as group, self.reachable.receivers() as session:
            group.create_task(self._pictures())
            group.create_task(self._stock(0 if facts.held is None else facts.held.count))
            if queue is not None:
                self._checked.append("the push queue")
                group.create_task(self._queue(queue))
            asked = [group.create_task(self._receiver(session, one)) for one in receivers]
            self._checked += [f"the webhook receiver at {one.host} ({one.id})" for one in receivers]
            if online and self.reachable.tradera is not None:
                await self._tradera()
            if asked:
                await asyncio.wait(asked)
        calls = self._calls_made() - before
        found = {one.key: one for one in reversed(self._found)}  # the first of a kind says since when
        return {
            "findings": [as_json(one) for one in reversed(found.values())],
            "checked": self._checked,
            "calls": calls,
        }

    def _calls_made(self) -> int:
        return self._observed.ledger.count(now=self._observed.now())

    async def _pictures(self) -> None:
        """How many pictures that some item uses are not on the disk; looked for as long as a remote is waited for."""
        images, found, enough = self._observed.folder / "images", list[str](), time.monotonic() + _TIMEOUT_S
        after = ""
        while time.monotonic() < enough:
            some = await self._observed.database.read(
                partial(picture_files.in_use, after=after, limit=_FILES)
            )
            if not some:
                self._checked.append("the pictures on the disk")
                break
            after = some[-1]
            found += await asyncio.to_thread(_absent, images, some)
        if found:
            self._found.append(
                Finding(
                    code="pictures.lost",
                    mood=Mood.BUSY,
                    text=counted(
                        "{n} picture is missing on the disk ({files})",
                        "{n} pictures are missing on the disk ({files})",
                        len(found),
                        files=", ".join(found[:3]),
                    ),
                    fix=Text(
                        "Each is fetched again when its item is published. Pages and other tools show a gap until then:"
                        " restore them from a backup made with --pictures if you have one"
                    ),
                )
            )

    async def _stock(self, known: int) -> None:
        """Whether Tradera would not take more items than are held and `known` already; looked for no longer than a remote."""
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                found = await self.reachable.check_stock()
        except TimeoutError:
            return
        self._checked.append("what Tradera requires of the stock")
        if found.held > known:
            self._found.append(
                Finding(
                    code="stock.incomplete",
                    mood=Mood.BUSY,
                    text=counted(
                        "{n} of {all} items lacks a category, an attribute or a price of freight, and is held when it is published",
                        "{n} of {all} items lack a category, an attribute or a price of freight, and are held when they are published",
                        found.held,
                        all=found.checked,
                    ),
                    fix=Text("`rheod items check` names each, and what it lacks"),
                )
            )

    async def _queue(self, queue: PushQueue) -> None:
        try:
            async with queue, _answering():
                date = await queue.look()
            with contextlib.suppress(ValueError):  # a date that is none says nothing
                if date is not None:
                    self._compare_clock(round(parsedate_to_datetime(date).timestamp() * 1000), "AWS")
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

    async def _receiver(self, session: aiohttp.ClientSession, endpoint: EndpointFacts) -> None:
        """Any HTTP answer to a HEAD shows that somebody listens; no event is sent."""
        reason = self.reachable.check_webhook_url(endpoint.url)
        if reason is None:
            try:
                async with _answering(), session.head(endpoint.url, allow_redirects=False):
                    return
            except (aiohttp.ClientError, OSError, ValueError, Unanswered) as error:
                reason = str(error) or type(error).__name__
        self._found.append(
            Finding(
                code="receiver.dead",
                subject=endpoint.id,
                mood=Mood.BAD,
                text=Text(
                    "The webhook receiver at {host} cannot be reached: {reason}",
                    host=f"{endpoint.host} ({endpoint.id})",
                    reason=reason,
                ),
                fix=Text("Start it, or set another address: `rheod webhooks list`"),
            )
        )

    async def _tradera(self) -> None:
        """The application first: where its key is not taken, or nobody answers, no seller is asked for."""
        client, accounts = self.reachable.tradera, self._observed.accounts
        sellers = [account for account in accounts if account.seller is not None]
        if client is None or not sellers:
            return
        if await self._application(self.reachable.budgeted(client, sellers[0])):
            async with asyncio.TaskGroup() as group:
                for account in sellers:
                    group.create_task(self._seller(self.reachable.budgeted(client, account), account))

    async def _application(self, calls: BudgetedClient) -> bool:
        """Whether the application's id and key are taken; Tradera's own time comes with it."""
        self._checked.append("the application at Tradera")
        try:
            async with _answering(_TURN_S), calls.book(CallClass.ORDERS, "time"), _answering():
                theirs = await calls.client.clock()
            self._compare_clock(theirs, "Tradera")
        except NotSent:
            return False  # what forbids it is a finding of its own
        except RheodError as error:
            if isinstance(error, Transient) and not isinstance(error, TokenDead):
                self._found.append(_silent(error))
                return False
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
            async with _answering(_TURN_S), calls.book(CallClass.ORDERS, "me"), _answering():
                await calls.client.me(calls.seller)
        except RheodError as error:
            if not isinstance(error, TokenRefused):
                self._found.append(_silent(error))
                return
            self._found.append(
                Finding(
                    code="token.dead",
                    subject=account.reference,
                    mood=Mood.BAD,
                    text=Text(
                        "Tradera refuses account {account}: {reason}",
                        account=name,
                        reason=calls.seller.refused(error),
                    ),
                    fix=ASKED_AGAIN,
                )
            )
        else:
            over = f"token.dead:{account.reference}"
            self._found = [one for one in self._found if one.key != over]

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


def _absent(images: Path, files: Sequence[str]) -> list[str]:
    """Those of these files that are not there."""
    return [file for file in files if not (images / file).is_file()]


@contextlib.asynccontextmanager
async def _answering(seconds: float = _TIMEOUT_S) -> AsyncIterator[None]:
    """Raise Unanswered unless the block, a question to a remote, ends in time."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise Unanswered(Text("no answer within {seconds} seconds", seconds=f"{seconds:g}")) from error


def _silent(error: RheodError) -> Finding:
    return Finding(
        code="tradera.away",
        mood=Mood.BAD,
        text=Text("Tradera does not answer: {reason}", reason=str(error)),
        fix=Text(
            "Nothing is lost, and rheod asks again by itself. If it lasts, check the network and tradera.base_url"
        ),
    )


async def gather_status(observed: Observed, loops: RunningLoops) -> Mapping[str, object]:
    """One answer of plain JSON; times as RFC 3339."""
    now, ledger = observed.now(), observed.ledger
    facts = await gather_facts(observed)
    heard_at = None if loops.poller is None else loops.poller.last_answer_at
    return {
        "version": rheod.__version__,
        "now": rfc3339(now),
        "startedAt": rfc3339(observed.started_at),
        **await observed.database.read(_counts),
        "itemsNotPublished": 0 if facts.not_published is None else facts.not_published.count,
        "budget": _budget(await observed.capacity(next(iter(observed.accounts)).id)),
        "pauses": [
            {"what": what, "until": rfc3339(until), "reason": reason}
            for what, until, reason in (
                *(("account", pause.until, pause.reason) for pause in ledger.pauses()),
                *((state.method, state.until, state.reason) for state in ledger.states()),
            )
            if until > now
        ],
        "accounts": await _accounts(observed, now),
        "publishingWaitsFor": observed.accounts.missing(),
        "push": {"configured": observed.has_push, "lastAnswer": _time(heard_at)},
        "longestStallMs": loops.watch.longest_ms,
        "findings": [as_json(one) for one in findings(facts)],
        "running": {queue.name: len(queue.running) for queue in loops.queues},
    }


def _budget(capacity: Capacity) -> Mapping[str, object]:
    total = capacity.total
    return {
        "limit": None if total is None else total.limit,
        "used": capacity.used,
        "left": None if total is None else max(0, total.limit - total.used),
        "leftForPublishing": None if total is None else max(0, total.for_work - total.used),
        "windowHours": 24,
        "methods": [
            {
                "method": one.method or "total",
                "used": one.used,
                "limit": one.limit,
                "kept": one.limit - one.for_work,
                "freesAt": _time(one.frees_at),
                "learned": one.learned,
                "restsUntil": _time(one.rests_until),
            }
            for one in capacity.methods
        ],
        "fits": {"ads": capacity.fits, "pictures": capacity.pictures},
        "waiting": capacity.waiting,
        "lastAt": _time(capacity.last_at),
        "text": capacity.text,
    }


async def _accounts(observed: Observed, now: int) -> list[dict[str, object]]:
    """Every account: what it does, what waits for it, and what it has had of the call budget."""
    publishings = await observed.database.read(jobs.publishings)
    sales = await observed.database.read(inbox.orders_waiting)
    spent = observed.ledger.spent(now=now)
    found: list[dict[str, object]] = []
    for account in observed.accounts:
        state = state_of(account, observed.ledger)
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
                "callsUsed": spent[account.id],
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
