"""Tradera's push queue at the seam of its client: at least once, unordered, late. It loses nothing it was given.

Whether Tradera gives it a message at all is the seed's choice; what push misses, reconciliation must find.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rheod.domain.errors import Permanent, Text, Transient
from rheod.push.client import PushQueue, QueueMessage
from tests.simulation.faults import HOUR_S, Faults
from tests.simulation.life import Life

_VISIBILITY_S = 120.0
_JUNK = (
    "not json",
    "[]",
    '{"Type":"Weather"}',
    '{"Type":"ItemClosed","ItemId":1}',
    '{"Type":"OrderCreated","OrderId":77,"SellerMemberId":1,"ItemIds":[]}',
    '{"Type":"ItemClosed","ItemId":700001,"SellerMemberId":9,"Reason":"Unheard"}',
)


@dataclass(slots=True)
class _Waiting:
    message_id: str
    body: str
    visible_at: float
    received: int = 0


class Pushes:
    """The queue itself, which outlives the daemon; `lost` is the share of messages Tradera never sends."""

    def __init__(
        self, *, faults: Faults, time: Callable[[], float], lost: float, db: sqlite3.Connection
    ) -> None:
        self.arrived = asyncio.Event()
        self.deleted_unkept: list[str] = []
        self._faults = faults
        self._time = time
        self._lost = lost
        self._db = db
        self._waiting: dict[str, _Waiting] = {}
        self._number = 0

    @property
    def empty(self) -> bool:
        """Whether every message has been deleted."""
        return not self._waiting

    def send(self, content: dict[str, object]) -> None:
        """Tradera tells of something: late, perhaps twice, perhaps not at all."""
        if self._lost and self._faults.between(0, 1) < self._lost:
            return
        body = json.dumps(content)
        self._put(body)
        if self._faults.chance(self._faults.climate.push):
            self._put(body)
        if self._faults.chance(self._faults.climate.push):
            self._put(self._faults.pick([(junk, 1) for junk in _JUNK]))

    def _put(self, body: str) -> None:
        self._number += 1
        late_s = self._faults.between(1, HOUR_S) if self._faults.chance(self._faults.climate.push) else 0.0
        at = self._time() + self._faults.between(0.5, 30) + late_s
        name = f"m-{self._number}"
        self._waiting[name] = _Waiting(name, body, at)
        self.arrived.set()

    def take(self) -> list[QueueMessage]:
        """Up to ten visible messages in any order; one may be handed out twice in a row."""
        now = self._time()
        visible = [each for each in self._waiting.values() if each.visible_at <= now][:10]
        visible.sort(key=lambda _: self._faults.between(0, 1))
        for each in visible:
            again = self._faults.chance(self._faults.climate.push)
            each.visible_at = now + (0.0 if again else _VISIBILITY_S)
            each.received += 1
        return [QueueMessage(message_id=m.message_id, receipt=m.message_id, body=m.body,
                             receive_count=m.received, sent_at=0) for m in visible]  # fmt: skip

    def next_s(self) -> float:
        """Seconds until a message is visible, an hour at most."""
        now = self._time()
        return max(0.0, min([HOUR_S, *(each.visible_at - now for each in self._waiting.values())]))

    def delete(self, message: QueueMessage) -> bool:
        """Delete one; whether the store had kept it by then is noted."""
        if self._faults.chance(self._faults.climate.push):
            return False
        if self._waiting.pop(message.receipt, None) is not None and not self._is_kept(message):
            self.deleted_unkept.append(message.body)
        return True

    def _is_kept(self, message: QueueMessage) -> bool:
        row = self._db.execute(
            "SELECT 1 FROM inbox WHERE message_id = ? OR body = ?", (message.message_id, message.body)
        ).fetchone()
        return row is not None


class SimulatedQueue(PushQueue):
    """The PushQueue of one life of the daemon; its long poll may last an hour, so that an idle day costs nothing."""

    def __init__(self, *, pushes: Pushes, faults: Faults, life: Life) -> None:
        self._pushes = pushes
        self._faults = faults
        self._life = life

    async def open(self) -> None:
        """Nothing is dialled."""

    async def receive(self) -> list[QueueMessage]:
        """See PushQueue."""
        await self._step("receive")
        while self._pushes.next_s() > 0:
            self._pushes.arrived.clear()
            try:
                async with asyncio.timeout(self._pushes.next_s()):
                    await self._pushes.arrived.wait()
            except TimeoutError:
                self._life.check()
        self._life.check()
        found = self._pushes.take()
        await self._life.may_die(self._faults.crash(), "after", "receive")
        return found

    async def delete(self, messages: Sequence[QueueMessage]) -> list[QueueMessage]:
        """See PushQueue."""
        await self._step("delete")
        failed = [message for message in messages if not self._pushes.delete(message)]
        await self._life.may_die(self._faults.crash(), "after", "delete")
        return failed

    async def _step(self, operation: str) -> None:
        crash = self._faults.crash()
        await asyncio.sleep(self._faults.between(0.01, 0.1))
        await self._life.may_die(crash, "before", operation)
        if self._faults.is_weather("push_away") or self._faults.chance(self._faults.climate.push):
            if self._faults.chance(0.2):
                raise Permanent(Text("AWS refused {operation}", operation=operation))
            raise Transient(Text("the push queue cannot be reached for {operation}", operation=operation))
