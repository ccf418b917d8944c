"""Looks at the findings every minute and tells the owner: once when a trouble begins, once when it is over.

What has been told is in the store, so that a restart tells nothing twice. Never in the way of anything else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import structlog

from rheod.domain.errors import RheodError, StoreUnavailable
from rheod.health.notifiers import AlertMessage, Notifier
from rheod.health.rules import Finding, Mood
from rheod.store import audit
from rheod.store.audit import Alert
from rheod.store.engine.database import Database

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """How often to look, and how long a trouble must have been gone before it is over: one that flaps is told once."""

    every_s: float = 60.0
    calm_ms: int = 10 * 60 * 1000


class Alerter:
    """Compares what is found with what has been told."""

    def __init__(
        self,
        *,
        database: Database,
        now: Callable[[], int],
        look: Callable[[], Awaitable[Sequence[Finding]]],
        alarms: Sequence[Notifier],
        rounds: Rounds = Rounds(),
    ) -> None:
        self._database = database
        self._now = now
        self._look = look
        self._alarms = alarms
        self._rounds = rounds

    async def run(self) -> None:
        """Make rounds until cancelled."""
        while True:
            await asyncio.sleep(self._rounds.every_s)
            try:
                await self.make_round()
            except StoreUnavailable as error:
                _log.warning("the watchman waits for the store", reason=str(error))

    async def make_round(self) -> None:
        """Look once and tell what is new and what is over; what could not be told is told at the next round."""
        found = {one.key: one for one in await self._look() if one.alerts}
        known = await self._database.read(audit.read_all)
        for finding in found.values():
            await self._meet(finding, known.get(finding.key))
        for alert in known.values():
            if alert.key not in found:
                await self._miss(alert)

    async def _meet(self, finding: Finding, alert: Alert | None) -> None:
        now = self._now()
        if alert is None:
            alert = Alert(finding.key, finding.text, now)
            _log.warning("needs the owner", what=finding.text, fix=finding.fix)
        elif alert.told_at is not None and alert.gone_since is None:
            return
        if alert.told_at is None:
            message = AlertMessage(
                finding.text, f"{finding.text}.\n{finding.fix}.", urgent=finding.mood is Mood.BAD
            )
            alert = replace(alert, told_at=now if await self._tell(message) else None)
        await self._save(replace(alert, gone_since=None))

    async def _miss(self, alert: Alert) -> None:
        now = self._now()
        if alert.gone_since is None:
            await self._save(replace(alert, gone_since=now))
        elif now - alert.gone_since >= self._rounds.calm_ms:
            _log.info("over", what=alert.text)
            message = AlertMessage(f"Over: {alert.text}", f"This is over: {alert.text}.", over=True)
            if alert.told_at is None or await self._tell(message):
                await self._database.write(partial(audit.drop, key=alert.key))

    async def _tell(self, message: AlertMessage) -> bool:
        """Try every way; one that works is enough, and one that fails in whatever way it has a sentence for stops none."""
        told = not self._alarms
        for alarm in self._alarms:
            try:
                await alarm.tell(message)
                told = True
            except RheodError as error:
                _log.warning("the owner could not be told", reason=str(error))
        return told

    async def _save(self, alert: Alert) -> None:
        await self._database.write(partial(audit.save, alert=alert))
