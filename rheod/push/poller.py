"""The long poll on Tradera's push queue, and what its messages say.

Every message is read once, kept in the inbox and only deleted from SQS after that commit. What follows from it is the
business of `usecases/sales.py`. An ad that ended is settled by a job of its own, unless an order explains it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Any, TypeGuard

import structlog

from rheod.domain.crash import crashpoint
from rheod.domain.errors import LOOP_DELAYS_S, Permanent, Text, Transient, delay_ms
from rheod.domain.model import CloseReason, Job
from rheod.jobs.queue import Done, Outcome, Retry
from rheod.push.client import PushQueue, QueueMessage
from rheod.usecases import sales
from rheod.usecases.listings import SellersAndSite
from rheod.usecases.sales import AdEnded, OrderTold, PushMessage, UnreadableMessage
from rheod.usecases.transaction import Store

_log = structlog.get_logger(__name__)
OWNER_DELAYS_S = (60, 120, 300)
"""Gaps (seconds) while only the owner can help: wrong keys, no such queue."""
LAST_ANSWER_S = 1.2
"""How long a stop waits for the answer of the poll that is under way."""
_LEAST_EMPTY_S = 1.0
"""An empty answer costs at least this long, also where `push.wait_s` is 0: never more than a call a second, for AWS
counts them."""

_REASONS: Mapping[object, CloseReason] = {
    "ItemClosedByTradera": CloseReason.CLOSED_BY_TRADERA,
    "ItemClosedBySeller": CloseReason.CLOSED_BY_SELLER,
    "ItemEndedWithoutBuyer": CloseReason.NO_BIDS,
    "ShopItemQuantityZero": CloseReason.QUANTITY_ZERO,
}
"""Tradera's reasons and ours."""


def read_message(message_id: str, body: str) -> PushMessage:
    """What a message says; whatever it is, nothing raises."""
    if body != body.encode("utf-8", errors="ignore").decode():  # a lone surrogate cannot be stored as it is
        kept = body.encode("utf-8", errors="backslashreplace").decode()
        return PushMessage(message_id, kept, UnreadableMessage(Text("is not valid text")))
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return PushMessage(message_id, body, UnreadableMessage(Text("is not JSON")))
    if not isinstance(content, dict):
        return PushMessage(message_id, body, UnreadableMessage(Text("is not a JSON object")))
    return PushMessage(message_id, body, _meaning(content))


def _meaning(content: dict[str, Any]) -> OrderTold | AdEnded | UnreadableMessage:
    match content.get("Type"):
        case "OrderCreated":
            return _order_created(content)
        case "ItemClosed":
            ad, seller, reason = content.get("ItemId"), content.get("SellerMemberId"), content.get("Reason")
            if not _is_id(ad):
                return UnreadableMessage(Text("has no ItemId"))
            if not isinstance(reason, str) or reason not in _REASONS:
                return UnreadableMessage(Text("has an unknown Reason"))
            if not _is_id(seller):
                return UnreadableMessage(Text("has no SellerMemberId"))
            return AdEnded(seller=seller, ad=ad, reason=_REASONS[reason])
        case _:
            return UnreadableMessage(Text("has an unknown Type"))


def _order_created(content: dict[str, Any]) -> OrderTold | UnreadableMessage:
    """An order is one even when its ads cannot be read: the order itself says what was sold."""
    order_id, seller, ads = content.get("OrderId"), content.get("SellerMemberId"), content.get("ItemIds")
    if not _is_id(order_id):
        return UnreadableMessage(Text("has no OrderId"))
    if not _is_id(seller):
        return UnreadableMessage(Text("has no SellerMemberId"))
    readable = tuple(ad for ad in ads if _is_id(ad)) if isinstance(ads, list) else ()
    return OrderTold(seller=seller, order_id=order_id, ads=readable)


def _is_id(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**63


@dataclass(frozen=True, slots=True)
class QueueAway:
    """Since when nothing is received, why the last try failed, and when the next is due (ms)."""

    since: int
    reason: str
    next_at: int


class PushPoller:
    """One receiver for one queue."""

    def __init__(self, *, store: Store, queue: PushQueue, sellers: SellersAndSite, rng: Random) -> None:
        self._store = store
        self._queue = queue
        self._sellers = sellers
        self._rng = rng
        self._stopping = asyncio.Event()
        self._failures = 0
        self._long_poll: asyncio.Timeout | None = None
        self.last_answer_at: int | None = None
        self.away: QueueAway | None = None
        """Why the queue, or the store behind it, takes nothing now."""

    def stop(self) -> None:
        """Take no more messages: a long poll is given up soon, received ones are kept and deleted.

        Not at once: what SQS has just chosen for it would be hidden for its visibility time.
        """
        self._stopping.set()
        if self._long_poll is not None:
            self._long_poll.reschedule(asyncio.get_running_loop().time() + LAST_ANSWER_S)

    def moved(self, by: int) -> None:
        """The clock has jumped by so much (ms): the queue has been away for as long as before."""
        if self.away is not None:
            self.away = replace(self.away, since=self.away.since + by, next_at=self.away.next_at + by)
        if self.last_answer_at is not None:
            self.last_answer_at += by

    async def run(self) -> None:
        """Poll until `stop`; a queue that is away is logged once when it goes and once when it is back.

        While ten messages are kept and deleted the next ten may already be on their way, and no more.
        """
        clock = asyncio.get_running_loop().time
        async with asyncio.TaskGroup() as group:
            taking: asyncio.Task[None] | None = None
            while not self._stopping.is_set():
                began = clock()
                try:
                    messages = await self._receive()
                except TimeoutError:
                    break
                except (Transient, Permanent) as error:
                    await self._rest(error, "push queue is away")
                    continue
                self.last_answer_at = self._store.now()
                if taking is not None:
                    await taking
                if messages:
                    taking = group.create_task(self._take(messages), name="push:take")
                else:
                    self._went_well()
                    await self._pause(_LEAST_EMPTY_S - (clock() - began))

    async def _receive(self) -> list[QueueMessage]:
        """One long poll. TimeoutError when the stop came before its answer."""
        try:
            async with asyncio.timeout(None) as self._long_poll:
                return await self._queue.receive()
        finally:
            self._long_poll = None

    async def _take(self, messages: list[QueueMessage]) -> None:
        """Keep the messages, then delete them; rest when they cannot be kept."""
        crashpoint("push.received")
        read = [read_message(message.message_id, message.body) for message in messages]
        try:
            new = await self._store.write(lambda tx: sales.take_in(tx, read, self._sellers))
        except Transient as error:
            # not kept, so not deleted: SQS hands them out again
            await self._rest(error, "push messages wait for the store")
            return
        crashpoint("push.kept")
        _log.info("push messages", received=len(messages), new=new)
        try:
            failed = await self._queue.delete(messages)
        except (Transient, Permanent) as error:
            _log.warning("push messages not deleted; they come back and are recognised", reason=str(error))
        else:
            crashpoint("push.deleted")
            if failed:
                _log.warning("some push messages not deleted", count=len(failed))
        self._went_well()

    def _went_well(self) -> None:
        if self._failures:
            _log.info("push queue is back", failures=self._failures)
            self._failures, self.away = 0, None

    async def _rest(self, error: Transient | Permanent, what: str) -> None:
        self._failures += 1
        if self._failures == 1:
            _log.error(what, reason=str(error))
        schedule = OWNER_DELAYS_S if isinstance(error, Permanent) else LOOP_DELAYS_S
        wait_ms, now = delay_ms(schedule, self._failures, self._rng), self._store.now()
        since = now if self.away is None else self.away.since
        self.away = QueueAway(since, str(error), now + wait_ms)
        await self._pause(wait_ms / 1000)

    async def _pause(self, seconds: float) -> None:
        """Rest, but no longer than to the stop."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await self._stopping.wait()


_WAIT_FOR_ORDER_MS = 2000


class ClosedAdHandler:
    """Works `close` jobs; their subject is an inbox id."""

    def __init__(self, *, store: Store, sellers: SellersAndSite) -> None:
        self._store = store
        self._sellers = sellers

    async def close(self, job: Job) -> Outcome:
        """Settle one ItemClosed message."""
        wait = await self._store.write(lambda tx: sales.close(tx, int(job.subject), self._sellers))
        if wait is None:
            return Done()
        return Retry(until=self._store.now() + _WAIT_FOR_ORDER_MS, reason=wait.reason, counted=False)
