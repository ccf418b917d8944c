"""The long poll on Tradera's queue: every message is kept in the inbox first and deleted from SQS after that commit.

It understands nothing of what a message means; `catalog/sales.py` does. Runs alone beside the lanes.

Settles the closings that push tells of: an ad that ended, unless an order explains it.
"""

from __future__ import annotations

import asyncio
import contextlib
from random import Random

import structlog

from rheod.domain.crash import crashpoint
from rheod.domain.errors import Permanent, Transient
from rheod.domain.model import Job
from rheod.domain.retry import LOOP_DELAYS_S, delay_ms
from rheod.jobs.queue import Done, Outcome, Retry
from rheod.push.client import PushQueue, QueueMessage
from rheod.usecases import sales
from rheod.usecases.sales import PushMessage, SellersAndSite
from rheod.usecases.transaction import Store

_log = structlog.get_logger(__name__)
OWNER_DELAYS_S = (60, 120, 300)
"""Gaps while only the owner can help (wrong keys, no such queue): F60."""
_LEAST_EMPTY_S = 1.0
"""An empty answer costs at least this long, also where `push.wait_s` is 0: never more than a call a second (F62)."""


class PushPoller:
    """One receiver for one queue."""

    def __init__(self, *, store: Store, queue: PushQueue, sellers: SellersAndSite, rng: Random) -> None:
        self._store = store
        self._queue = queue
        self._sellers = sellers
        self._rng = rng
        self._stopping = asyncio.Event()
        self._failures = 0
        self.last_answer_at: int | None = None

    def stop(self) -> None:
        """Take no more messages; a running long poll may end."""
        self._stopping.set()

    async def run(self) -> None:
        """Poll until `stop`; a queue that is away is said once when it goes and once when it is back.

        While ten messages are kept and deleted the next ten may already be on their way, and no more.
        """
        clock = asyncio.get_running_loop().time
        async with asyncio.TaskGroup() as group:
            taking: asyncio.Task[None] | None = None
            while not self._stopping.is_set():
                began = clock()
                try:
                    messages = await self._queue.receive()
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

    async def _take(self, messages: list[QueueMessage]) -> None:
        """Keep the messages, then delete them; rest when they cannot be kept."""
        crashpoint("push.received")
        kept = [PushMessage(message.message_id, message.body) for message in messages]
        try:
            new = await self._store.write(lambda tx: sales.take_in(tx, kept, self._sellers))
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
            self._failures = 0

    async def _rest(self, error: Transient | Permanent, what: str) -> None:
        self._failures += 1
        if self._failures == 1:
            _log.error(what, reason=str(error))
        schedule = OWNER_DELAYS_S if isinstance(error, Permanent) else LOOP_DELAYS_S
        await self._pause(delay_ms(schedule, self._failures, self._rng) / 1000)

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
