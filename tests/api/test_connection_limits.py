"""Who is let in when the house is full, and who has to go for it."""

from __future__ import annotations

import ipaddress

from structlog.testing import capture_logs

from rheod.api.connections import IDLE_GRACE_S, ConnectionLimiter
from tests.api.running import Clock

SLOW_S = 5.0
PROXY = ipaddress.ip_network("10.0.0.0/8")


class Caller:
    """A connection that notes whether it had to go."""

    def __init__(self) -> None:
        self.closed = False

    def make_room(self) -> None:
        self.closed = True


def door(clock: Clock, *, most: int = 3, most_per_address: int = 2) -> ConnectionLimiter:
    return ConnectionLimiter(
        most=most, most_per_address=most_per_address, proxies=[PROXY], monotonic=clock, slow_after_s=SLOW_S
    )


def let_in(into: ConnectionLimiter, clock: Clock, *peers: str) -> list[Caller]:
    callers = [Caller() for _ in peers]
    for caller, peer in zip(callers, peers, strict=True):
        assert into.admit(caller, peer)
        clock.seconds += 0.1
    return callers


def test_a_full_house_closes_the_longest_idle_one() -> None:
    """Overall the oldest idle connection goes, one that has just answered later than one that has waited."""
    clock = Clock()
    into = door(clock)
    first, second, third = let_in(into, clock, "192.0.2.1", "192.0.2.2", "192.0.2.3")
    into.working(first)
    into.answering(first)
    into.idle(first)
    let_in(into, clock, "192.0.2.4")
    assert (first.closed, second.closed, third.closed, len(into)) == (False, True, False, 3)


def test_one_at_work_is_never_closed() -> None:
    """When every connection has its request handled, a newcomer is turned away."""
    clock = Clock()
    into = door(clock)
    callers = let_in(into, clock, "192.0.2.1", "192.0.2.2", "192.0.2.3")
    for caller in callers:
        into.working(caller)
    clock.seconds += 1000
    assert not into.admit(Caller(), "192.0.2.4")
    assert not any(caller.closed for caller in callers)
    into.gone(callers[0])
    assert into.admit(Caller(), "192.0.2.4")


def test_a_slow_reader_of_an_answer_goes_when_nobody_idles() -> None:
    """An answer that has been under way for seconds gives its place up; one just begun does not."""
    clock = Clock()
    into = door(clock, most=1)
    (reader,) = let_in(into, clock, "192.0.2.1")
    into.answering(reader)
    assert not into.admit(Caller(), "192.0.2.2")
    clock.seconds += SLOW_S
    assert into.admit(Caller(), "192.0.2.2")
    assert reader.closed


def test_one_address_has_its_own_limit() -> None:
    """Over it a caller is told so at first, and then loses its own oldest connection, never somebody else's."""
    clock = Clock()
    into = door(clock, most=10)
    other, first, second = let_in(into, clock, "192.0.2.9", "192.0.2.1", "192.0.2.1")
    assert not into.admit(Caller(), "192.0.2.1")
    clock.seconds += IDLE_GRACE_S
    assert into.admit(Caller(), "192.0.2.1")
    assert (other.closed, first.closed, second.closed) == (False, True, False)


def test_all_of_an_ipv6_network_is_one_address() -> None:
    """Who has a /64 has no more connections for it; a mapped IPv4 address is that address."""
    clock = Clock()
    into = door(clock, most=10)
    let_in(into, clock, "2001:db8::1", "2001:db8::2", "192.0.2.1", "::ffff:192.0.2.1")
    assert not into.admit(Caller(), "2001:db8::3")
    assert not into.admit(Caller(), "192.0.2.1")
    assert into.admit(Caller(), "2001:db8:0:1::3")


def test_a_trusted_proxy_has_no_limit_of_its_own() -> None:
    """Many callers stand behind a proxy; only the limit of the whole house holds for it."""
    clock = Clock()
    into = door(clock, most=3)
    (first, *_) = let_in(into, clock, *["10.0.0.1"] * 4)
    assert (first.closed, len(into)) == (True, 3)


def test_everything_is_forgotten_with_the_connection() -> None:
    """Ten thousand callers that came and went leave nothing behind, however often they are said to be gone."""
    clock = Clock()
    into = door(clock)
    for number in range(10_000):
        caller = Caller()
        assert into.admit(caller, f"192.0.2.{number % 200}")
        into.working(caller)
        into.answering(caller)
        into.idle(caller)
        into.gone(caller)
        into.gone(caller)
        into.idle(caller)
    assert len(into) == 0
    let_in(into, clock, "192.0.2.1", "192.0.2.1", "192.0.2.2")


def test_a_flood_of_connections_is_one_line_a_minute() -> None:
    """The log tells the numbers, not each connection."""
    clock = Clock()
    into = door(clock)
    with capture_logs() as lines:
        for _ in range(500):
            into.admit(Caller(), "192.0.2.1")
        clock.seconds += 60
        into.admit(Caller(), "192.0.2.1")
    assert [(line["event"], line["closed"], line["refused"]) for line in lines] == [
        ("too many connections", 0, 1),
        ("too many connections", 1, 497),
    ]
