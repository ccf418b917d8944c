"""Fair shares of the call budget, lived through by a few accounts that all follow the rule."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from rheod.domain.budget import (
    RESERVED_FOR,
    WINDOW_MS,
    Claim,
    Quota,
    Window,
    cost_with_others,
    left_to_others,
    reading_gap_ms,
    shared_by,
)
from rheod.domain.model import CallClass

NOW = 10 * WINDOW_MS
STEP_MS = WINDOW_MS // 24


@dataclass
class RunningDaemon:
    """Accounts with queues of job costs and one budget; each makes its first job when the rule lets it."""

    ceiling: int
    queues: list[list[int]]
    now: int = NOW
    made: deque[tuple[int, int]] = field(default_factory=deque)
    """The calls of the last 24 hours: when, and by which account."""
    counts: Counter[int] = field(default_factory=Counter)
    window: Window = field(default_factory=Window)

    def used(self) -> Counter[int]:
        """Calls of the window by account."""
        while self.made and self.made[0][0] <= self.now - WINDOW_MS:
            self.counts[self.made.popleft()[1]] -= 1
        return +self.counts

    def room(self) -> int:
        return self.ceiling - self.used().total()

    def may_go(self, who: int) -> bool:
        """Whether the account's first job may be made now."""
        queue, used = self.queues[who], self.used()
        if not queue:
            return False
        others = [
            Claim(used[other], theirs[0], sum(theirs))
            for other, theirs in enumerate(self.queues)
            if other != who and theirs
        ]
        cost = queue[0] + left_to_others(used[who], others)
        return self.window.fits_at(ceiling=self.ceiling, cost=cost, now=self.now) == self.now

    def go(self, who: int) -> None:
        """Make the account's first job."""
        cost = self.queues[who].pop(0)
        self.counts[who] += cost
        for _ in range(cost):
            self.made.append((self.now, who))
            self.window.add(self.now)

    def one_round(self, order: list[int]) -> bool:
        """Let each account make one job if it may; whether anybody did."""
        gone = False
        for who in order:
            if self.may_go(who):
                self.go(who)
                gone = True
        return gone

    def until_nobody_may(self, order: list[int]) -> None:
        while self.one_round(order):
            pass


costs = st.lists(st.integers(1, 11), max_size=25)
towns = st.builds(RunningDaemon, ceiling=st.integers(11, 60), queues=st.lists(costs, min_size=2, max_size=6))
by_chance = st.builds(Random, st.integers(0, 2**32))
"""Draws of its own: hypothesis would take longer to draw thousands of orders than the daemon to live through them."""


def shuffled(daemon: RunningDaemon, rng: Random) -> list[int]:
    """An order in which accounts look."""
    return rng.sample(range(len(daemon.queues)), len(daemon.queues))


@settings(max_examples=150, deadline=None)
@given(towns, by_chance)
def test_no_day_is_ever_fuller_than_the_ceiling_and_all_work_gets_done(
    running_daemon: RunningDaemon, rng: Random
) -> None:
    """Whatever the order in which accounts look: never above, and everything goes out as fast as it must."""
    total = sum(map(sum, running_daemon.queues))
    windows = 0
    while any(running_daemon.queues):
        running_daemon.until_nobody_may(shuffled(running_daemon, rng))
        assert running_daemon.room() >= 0
        running_daemon.now += STEP_MS
        windows += 1
    assert windows <= 24 * (2 + 2 * total // running_daemon.ceiling)


@settings(max_examples=150, deadline=None)
@given(towns, by_chance)
def test_room_is_left_only_when_the_next_in_turn_does_not_fit(
    running_daemon: RunningDaemon, rng: Random
) -> None:
    """Work-conserving: nobody holds free calls that whoever has had the fewest could use."""
    for _ in range(30):
        running_daemon.until_nobody_may(shuffled(running_daemon, rng))
        waiting = [who for who, queue in enumerate(running_daemon.queues) if queue]
        if not waiting:
            return
        used = running_daemon.used()
        fewest = min(used[who] for who in waiting)
        assert all(
            running_daemon.queues[who][0] > running_daemon.room() for who in waiting if used[who] == fewest
        )
        running_daemon.now += STEP_MS


@settings(max_examples=150, deadline=None)
@given(towns, by_chance)
def test_who_has_had_fewer_always_finds_room_for_the_next_job(
    running_daemon: RunningDaemon, rng: Random
) -> None:
    """No starvation: after anybody's job whoever waits with fewer calls can still make one, if it could before."""
    for _ in range(40):
        movable = [who for who in range(len(running_daemon.queues)) if running_daemon.may_go(who)]
        if not movable:
            running_daemon.now += STEP_MS
            continue
        who = rng.choice(movable)
        before, room = running_daemon.used(), running_daemon.room()
        cost = running_daemon.queues[who][0]
        running_daemon.go(who)
        for other, queue in enumerate(running_daemon.queues):
            if queue and other != who and before[other] < before[who]:
                assert room - cost >= queue[0]


@given(st.integers(2, 6), st.integers(1, 6), st.integers(20, 80))
def test_accounts_with_endless_work_get_equal_shares(accounts: int, cost: int, ceiling: int) -> None:
    """Also when one of them looks twice as often: in the end nobody is more than a job ahead."""
    running_daemon = RunningDaemon(ceiling=ceiling, queues=[[cost] * 200 for _ in range(accounts)])
    running_daemon.until_nobody_may([0, 0, *range(accounts), 0])
    used = [running_daemon.used()[who] for who in range(accounts)]
    assert max(used) - min(used) <= cost


def test_an_unused_share_flows_to_the_others() -> None:
    """One account wants 6 calls, the other everything: it gets all the rest, at once."""
    running_daemon = RunningDaemon(ceiling=80, queues=[[3, 3], [4] * 100])
    running_daemon.until_nobody_may([1, 0])
    assert running_daemon.used() == {0: 6, 1: 72}


def test_a_newcomer_is_first_when_calls_come_free_again() -> None:
    """The window is spent by the first; every call that expires goes to the newcomer until they are even."""
    running_daemon = RunningDaemon(ceiling=20, queues=[[1] * 100, []])
    for _ in range(20):
        running_daemon.go(0)
        running_daemon.now += STEP_MS
    running_daemon.queues[1] = [1] * 100
    for _ in range(24):
        running_daemon.until_nobody_may([0, 1])
        running_daemon.now += STEP_MS
    assert abs(running_daemon.used()[0] - running_daemon.used()[1]) <= 2


def test_endings_and_publishings_are_shared_each_by_itself() -> None:
    """An account that has published much is not behind with its sales."""
    assert shared_by(CallClass.END) == shared_by(CallClass.ORDERS) == RESERVED_FOR
    assert shared_by(CallClass.PUBLISH) == {CallClass.RESULTS, CallClass.PRICE, CallClass.PUBLISH}


@given(st.integers(0, 30), st.integers(1, 30), st.lists(st.integers(0, 40), max_size=4))
def test_the_forecast_counts_what_goes_out_meanwhile(used: int, cost: int, others: list[int]) -> None:
    """Alone it is the queue's own cost; with others it grows with it and never beyond what they have waiting."""
    claims = [Claim(mine, 1, 50) for mine in others]
    alone, shared = cost_with_others(cost, used, []), cost_with_others(cost, used, claims)
    assert alone == cost <= shared <= cost + 50 * len(claims)
    assert shared < cost_with_others(cost + 1, used, claims)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 4), st.integers(5, 20), st.integers(1, 12))
def test_the_forecast_is_kept(accounts: int, ceiling: int, queue: int) -> None:
    """Equal queues of single calls: nobody's last job goes later than told, and some go no more than a day before."""
    running_daemon = RunningDaemon(ceiling=ceiling, queues=[[1] * queue for _ in range(accounts)])
    claims = [Claim(0, 1, queue)] * (accounts - 1)
    told = Window().expected_at(ceiling=ceiling, cost_up_to=cost_with_others(queue, 0, claims), now=NOW)
    running_daemon.until_nobody_may(list(range(accounts)))
    while any(running_daemon.queues):
        running_daemon.now += STEP_MS
        running_daemon.until_nobody_may(list(range(accounts)))
    assert running_daemon.now <= told + STEP_MS
    assert told - WINDOW_MS <= running_daemon.now


@given(st.integers(1, 60), st.integers(60_000, WINDOW_MS), st.integers(10, 10_000), st.integers(10, 10_000))
def test_passes_of_all_accounts_fit_their_share(
    accounts: int, wanted_ms: int, total: int, learned: int
) -> None:
    """Never more often than wanted, and all together within a third of each method and the share of the sum."""
    quota = Quota(total=total, reconcile_share=0.1)
    gap_ms = reading_gap_ms(wanted_ms, accounts=accounts, quota=quota, learned={"orders": learned})
    assert gap_ms >= wanted_ms
    passes = accounts * (WINDOW_MS / (gap_ms + 1))
    assert 3 * passes <= max(1, total // 10)
    assert passes <= max(1, learned // 3)


def test_one_account_reads_as_often_as_wanted_by_default() -> None:
    """Every minute is 1,440 calls of each method, of 10,000; three accounts would take more than a third."""
    gaps = [reading_gap_ms(60_000, accounts=each, quota=Quota(), learned={}) for each in (1, 2, 3)]
    assert gaps == [60_000, 60_000, 77_821]
