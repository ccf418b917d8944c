"""What `rheod doctor` asks of the outside: the queue, the receivers of webhooks, the clock and, if allowed, Tradera.

Part of the composition root. It mends nothing. Tradera is only called when the owner says so, and every call is counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from email.utils import parsedate_to_datetime

import aiohttp

from rheod.compose.core import Core
from rheod.compose.loops import Machinery, hook_url_check, push_queue
from rheod.domain.errors import Permanent, RheodError
from rheod.domain.model import CallClass
from rheod.health.facts import as_json, gather_facts
from rheod.health.rules import EndpointFacts, Finding, Mood, findings
from rheod.net.ssrf_guard import guarded_connector
from rheod.tradera.accounts import Account
from rheod.tradera.budgeted_client import BudgetedCall, BudgetedClient
from rheod.tradera.client import TraderaClient, open_session
from rheod.tradera.transport import TokenRefused

CLOCK_MS = 120_000
"""A clock that is off by more is told of; AWS refuses signatures at 15 minutes."""

_TIMEOUT_S = 10.0


class Doctor:
    """One examination. `machinery` None: no daemon runs, and what only it knows is left out."""

    def __init__(self, *, core: Core, machinery: Machinery | None) -> None:
        self._core = core
        self._machinery = machinery
        self._found: list[Finding] = []
        self._checked: list[str] = []
        self._clock_is_told = False

    async def report(self, *, online: bool) -> Mapping[str, object]:
        """Look at everything; what was found, what was looked at, how many Tradera calls it took, as plain JSON."""
        before = len(self._core.ledger.times(now=self._core.now()))
        facts = await gather_facts(self._core, self._machinery)
        self._found += findings(facts)
        self._checked += ["what waits and what failed", "room on the disk", "the last backup"]
        await self._queue()
        await self._receivers(facts.endpoints)
        if online:
            await self._tradera()
        calls = len(self._core.ledger.times(now=self._core.now())) - before
        return {"findings": [as_json(one) for one in self._found], "checked": self._checked, "calls": calls}

    async def _queue(self) -> None:
        queue = push_queue(self._core.settings)
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
                    text="The push queue does not work: {reason}",
                    fix="See the [push] settings; without the queue sales are found later, by asking Tradera",
                    values={"reason": str(error)},
                )
            )

    async def _receivers(self, endpoints: Sequence[EndpointFacts]) -> None:
        hooks = self._core.settings.webhooks
        connector = guarded_connector(allow_private=hooks.allow_private_networks, limit=4, limit_per_host=0)
        async with aiohttp.ClientSession(
            connector=connector, trust_env=False, auto_decompress=False
        ) as session:
            for endpoint in endpoints:
                if endpoint.active:
                    self._checked.append(f"the webhook receiver at {endpoint.host}")
                    await self._receiver(session, endpoint)

    async def _receiver(self, session: aiohttp.ClientSession, endpoint: EndpointFacts) -> None:
        """Any HTTP answer to a HEAD shows that somebody listens; no event is sent."""
        reason = hook_url_check(self._core.settings)(endpoint.url)
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
                text="The webhook receiver at {host} cannot be reached: {reason}",
                fix="Start it, or set another address: `rheod webhooks list`",
                values={"host": endpoint.host, "reason": reason},
            )
        )

    async def _tradera(self) -> None:
        tradera = self._core.settings.tradera
        sellers = [account for account in self._core.roll if account.seller is not None]
        if tradera.app_id is None or tradera.app_key is None or not sellers:
            return
        async with open_session() as session:
            client = TraderaClient(
                session=session,
                base_url=tradera.base_url,
                app_id=tradera.app_id,
                app_key=tradera.app_key.get_secret_value(),
                timeout_s=tradera.request_timeout_s,
            )
            if await self._application(self._calls(client, sellers[0]), client):
                for account in sellers:
                    await self._seller(self._calls(client, account), client, account)

    async def _application(self, calls: BudgetedClient, client: TraderaClient) -> bool:
        """Whether the application's id and key are taken; Tradera's own time comes with it."""
        self._checked.append("the application at Tradera")
        try:
            self._compare_clock(await _ask(calls, "time", client.clock), "Tradera")
        except RheodError as error:
            self._found.append(
                Finding(
                    code="tradera.key",
                    mood=Mood.BAD,
                    text="Tradera does not take the application's id and key: {reason}",
                    fix="Check tradera.app_id, tradera.app_key and tradera.base_url",
                    values={"reason": str(error)},
                )
            )
            return False
        return True

    async def _seller(self, calls: BudgetedClient, client: TraderaClient, account: Account) -> None:
        name = account.reference or "own"
        self._checked.append(f"the Tradera token of account {name}")
        assert account.seller is not None
        seller = account.seller
        try:
            await _ask(calls, "me", lambda: client.me(seller))
        except RheodError as error:
            refused = isinstance(error, TokenRefused) or calls.is_refused
            self._found.append(
                Finding(
                    code="token.dead" if refused else "tradera.away",
                    subject=account.reference,
                    mood=Mood.BAD,
                    text="Tradera refuses account {account}: {reason}",
                    fix="Sign in at Tradera again: `rheod tradera connect`, or the page Tradera",
                    values={"account": name, "reason": str(error)},
                )
            )

    def _calls(self, client: TraderaClient, account: Account) -> BudgetedClient:
        assert account.seller is not None
        return BudgetedClient(
            store=self._core.store,
            ledger=self._core.ledger,
            rules=self._core.rules,
            client=client,
            seller=account.seller,
            account_id=account.id,
        )

    def _compare_clock(self, theirs: int | None, whose: str) -> None:
        if theirs is None:
            return
        self._checked.append(f"the clock, against {whose}")
        off = self._core.now() - theirs
        if abs(off) > CLOCK_MS and not self._clock_is_told:
            self._clock_is_told = True
            self._found.append(
                Finding(
                    code="clock.off",
                    mood=Mood.BAD,
                    text="This machine's clock is {seconds} seconds away from that of {whose}",
                    fix="Set the time and keep it: `timedatectl set-ntp true`",
                    values={"seconds": round(off / 1000), "whose": whose},
                )
            )


async def _ask(calls: BudgetedClient, operation: str, send: Callable[[], Awaitable[object]]) -> int | None:
    request = BudgetedCall(
        call_class=CallClass.ORDERS, operation=operation, send=send, after=lambda _tx, answer: answer
    )
    answer = await calls.make(request)
    return answer if isinstance(answer, int) else None


def _moment(date: str | None) -> int | None:
    """The `Date` of an HTTP answer as ms UTC; None when it has none that can be read."""
    try:
        return None if date is None else round(parsedate_to_datetime(date).timestamp() * 1000)
    except ValueError:
        return None
