"""How many connections may be open, in all and from one address, and which of them makes room for a newcomer.

A connection that waits for a request is worth less than one that brings one, so a full house closes the longest idle
connection first; one whose request is being worked on is never closed. Knows nothing of HTTP.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from rheod.api.guard import Network, caller_address, is_within

IDLE_GRACE_S = 1.0
"""A caller over its own limit is told so rather than robbed of a connection that is newer than this: a burst of honest
requests must not have some of them closed unanswered. In a full house there is no such grace: the flood's own
connections are the oldest, and somebody else is at the door."""

LINE_S = 60.0
"""At most one log line in this time tells of connections closed or turned away, with their numbers."""

_log = structlog.get_logger(__name__)


class Guest(Protocol):
    """An open connection, as the door sees it."""

    def make_room(self) -> None:
        """Close at once, without a word."""


@dataclass(slots=True)
class _Group:
    """Connections counted together; those that could be closed stand in the order of their waiting."""

    count: int = 0
    idle: OrderedDict[Guest, float] = field(default_factory=OrderedDict)
    answering: OrderedDict[Guest, float] = field(default_factory=OrderedDict)

    def dispensable(self, now: float, *, idle_s: float, slow_s: float) -> Guest | None:
        """The longest idle one (for at least `idle_s`), else who has read an answer longest (at least `slow_s`)."""
        for waiting, grace_s in ((self.idle, idle_s), (self.answering, slow_s)):
            guest, since = next(iter(waiting.items()), (None, now))
            if guest is not None and now - since >= grace_s:
                return guest
        return None


class Door:
    """Counts connections and decides who may stay. Proxies have no limit of their own: many callers are behind them."""

    def __init__(
        self,
        *,
        most: int,
        most_per_address: int,
        proxies: Sequence[Network],
        monotonic: Callable[[], float],
        slow_after_s: float,
    ) -> None:
        self._most = most
        self._most_per_address = most_per_address
        self._proxies = proxies
        self._monotonic = monotonic
        self._slow_after_s = slow_after_s
        self._all = _Group()
        self._by_address: dict[str, _Group] = {}
        self._address_of: dict[Guest, str] = {}
        self._closed = self._refused = 0
        self._last_line = -math.inf

    def __len__(self) -> int:
        return self._all.count

    def admit(self, guest: Guest, peer: str) -> bool:
        """Let a new connection in, closing another one for it if need be; False when there is no room."""
        address = caller_address(peer, (), ())
        now = self._monotonic()
        if not self._has_room(address, now, limited=not is_within(peer, self._proxies)):
            self._refused += 1
            self._tell(now)
            return False
        self._address_of[guest] = address
        for each in (self._all, self._by_address.setdefault(address, _Group())):
            each.count += 1
            each.idle[guest] = now
        return True

    def working(self, guest: Guest) -> None:
        """Its request is being handled: it stays."""
        for group in self._groups(guest):
            group.idle.pop(guest, None)
            group.answering.pop(guest, None)

    def answering(self, guest: Guest) -> None:
        """Its answer is being sent."""
        now = self._monotonic()
        for group in self._groups(guest):
            group.idle.pop(guest, None)
            group.answering[guest] = now

    def idle(self, guest: Guest) -> None:
        """It waits for the next request."""
        now = self._monotonic()
        for group in self._groups(guest):
            group.answering.pop(guest, None)
            group.idle[guest] = now

    def gone(self, guest: Guest) -> None:
        """It is closed; saying so twice does no harm."""
        self.working(guest)
        for group in self._groups(guest):
            group.count -= 1
        address = self._address_of.pop(guest, None)
        if address is not None and not self._by_address[address].count:
            del self._by_address[address]

    def _groups(self, guest: Guest) -> tuple[_Group, ...]:
        address = self._address_of.get(guest)
        return () if address is None else (self._all, self._by_address[address])

    def _has_room(self, address: str, now: float, *, limited: bool) -> bool:
        group = self._by_address.get(address)
        if limited and group is not None and group.count >= self._most_per_address:
            return self._close_one(group, now, idle_s=IDLE_GRACE_S)
        return self._all.count < self._most or self._close_one(self._all, now, idle_s=0)

    def _close_one(self, group: _Group, now: float, *, idle_s: float) -> bool:
        guest = group.dispensable(now, idle_s=idle_s, slow_s=self._slow_after_s)
        if guest is None:
            return False
        self.gone(guest)
        guest.make_room()
        self._closed += 1
        self._tell(now)
        return True

    def _tell(self, now: float) -> None:
        if now - self._last_line >= LINE_S:
            _log.warning("too many connections", closed=self._closed, refused=self._refused)
            self._closed, self._refused, self._last_line = 0, 0, now
