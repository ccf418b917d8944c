"""Who is let in when there are as many connections as there may be, and who has to go for it."""

from __future__ import annotations

from typing import cast

from structlog.testing import capture_logs

from rheod.api.connections import Connection, OpenConnections


class Caller:
    """A connection that notes whether it had to go."""

    def __init__(self) -> None:
        self.closed = False

    def force_close(self) -> None:
        self.closed = True


def callers(count: int) -> list[Caller]:
    return [Caller() for _ in range(count)]


def as_connection(caller: Caller) -> Connection:
    return cast("Connection", caller)


def admit(into: OpenConnections, *new: Caller) -> list[bool]:
    return [into.admit(as_connection(each)) for each in new]


def test_at_the_cap_the_longest_idle_one_makes_room() -> None:
    """One that has just answered goes later than one that has waited for a request."""
    into = OpenConnections(most=3)
    first, second, third, late = callers(4)
    admit(into, first, second, third)
    into.works(as_connection(first))
    into.waits(as_connection(first))
    assert admit(into, late) == [True]
    assert (first.closed, second.closed, third.closed, len(into)) == (False, True, False, 3)


def test_one_at_work_is_never_closed() -> None:
    """When every connection has its request handled or answered, a newcomer is turned away."""
    into = OpenConnections(most=3)
    working = callers(3)
    admit(into, *working)
    for each in working:
        into.works(as_connection(each))
    assert admit(into, Caller()) == [False]
    assert not any(each.closed for each in working)
    into.gone(as_connection(working[0]))
    assert admit(into, Caller()) == [True]


def test_everything_is_forgotten_with_the_connection() -> None:
    """Ten thousand callers that came and went leave nothing behind, however often they are said to be gone."""
    into = OpenConnections(most=3)
    for each in callers(10_000):
        admit(into, each)
        into.works(as_connection(each))
        into.waits(as_connection(each))
        into.gone(as_connection(each))
        into.gone(as_connection(each))
        into.waits(as_connection(each))
    assert len(into) == 0
    newest = callers(4)
    assert admit(into, *newest) == [True] * 4
    assert [each.closed for each in newest] == [True, False, False, False]


def test_a_flood_of_connections_is_one_line() -> None:
    """The log says it once, and once more when it happens again after a quiet time."""
    into = OpenConnections(most=4)
    with capture_logs() as lines:
        crowd = callers(500)
        admit(into, *crowd)
        assert len(lines) == 1
        for each in crowd:
            into.gone(as_connection(each))
        admit(into, *callers(5))
    assert [(line["event"], line["most"]) for line in lines] == [("too many connections", 4)] * 2
