"""The ledger of Tradera calls: the same in memory and in the rows; whatever the accounts want, no limit is passed and nobody starved."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from rheod.domain.budget import (
    TOTAL,
    WINDOW_MS,
    Claim,
    MethodState,
    Quota,
    by_method,
    job_needs,
    left_to_others,
    publish_cost,
)
from rheod.domain.calendar import day_of, start_of
from rheod.domain.model import CallClass, JobKind
from rheod.store import ledger
from rheod.store.ledger import BudgetPause, Ledger, LedgerCall

NOW = 10 * WINDOW_MS
CREATE = LedgerCall(call_class=CallClass.PUBLISH, operation="create", account_id="a")
END = LedgerCall(call_class=CallClass.END, operation="end", account_id="a")
PAUSE = BudgetPause(account_id="b", call_class=CallClass.ORDERS, until=NOW + 5, since=NOW, reason="no token")
REST = MethodState(method="create", refusals=1, used=3, since=NOW, refused_at=NOW, until=NOW + 60_000)


def test_a_call_is_on_record_before_it_is_made(db: sqlite3.Connection) -> None:
    """A crash between the row and the answer still counts the call (finding 4)."""
    ledger.open_call(db, CREATE, now=NOW - 5)
    assert Ledger.load(db, now=NOW).times(now=NOW) == [NOW - 5]


def test_a_call_that_never_arrived_is_given_back(db: sqlite3.Connection) -> None:
    """In memory and in the rows alike."""
    window = Ledger.load(db, now=NOW)
    spent = window.spend(CREATE, now=NOW)
    call_id = ledger.open_call(db, CREATE, now=NOW)
    assert window.times(now=NOW) == [NOW]
    window.refund(spent)
    ledger.close_call(db, call_id, outcome="refused", counted=False, duration_ms=1)
    assert window.times(now=NOW) == []
    assert Ledger.load(db, now=NOW).times(now=NOW) == []


def test_a_refund_after_the_clock_has_jumped_is_no_error(db: sqlite3.Connection) -> None:
    """The call has already left the window."""
    window = Ledger.load(db, now=NOW)
    spent = window.spend(CREATE, now=NOW)
    assert window.times(now=NOW + WINDOW_MS) == []
    window.refund(spent)


def test_what_counts_is_told_by_method(db: sqlite3.Connection) -> None:
    """Oldest first, and a day later it is empty."""
    window = Ledger.load(db, now=NOW)
    window.spend(CREATE, now=NOW)
    window.spend(END, now=NOW + 1)
    assert window.times(now=NOW + 2) == [NOW, NOW + 1]
    assert [window.count(now=NOW + 2, method=method) for method in ("end", "create", "image")] == [1, 1, 0]
    assert window.methods(now=NOW + 2) == {"create": 1, "end": 1}
    assert window.times(now=NOW + WINDOW_MS) == [NOW + 1]
    assert window.times(now=NOW + WINDOW_MS + 1) == []


def test_calls_of_the_last_day_alone_are_read_at_start(db: sqlite3.Connection) -> None:
    """In the order they were made."""
    for at in (NOW - WINDOW_MS, NOW - WINDOW_MS + 1, NOW - 3):
        ledger.open_call(db, CREATE, now=at)
    assert Ledger.load(db, now=NOW).times(now=NOW) == [NOW - WINDOW_MS + 1, NOW - 3]


def test_a_pause_outlives_a_restart_until_it_is_dropped(db: sqlite3.Connection) -> None:
    """Each part of an account has its own place; the account is due after a start."""
    token = replace(PAUSE, account_id="a", call_class=None, reason="token", fingerprint="f")
    for pause in (PAUSE, token):
        ledger.save_pause(db, pause)
    found = Ledger.load(db, now=NOW)
    due = replace(token, until=NOW)
    assert found.pause("b", CallClass.ORDERS) == replace(PAUSE, until=NOW)
    assert found.pause("a", None) == due
    assert found.pause("b", None) is None
    ledger.drop_pause(db, PAUSE)
    found = Ledger.load(db, now=NOW)
    assert found.pauses() == [due]


def test_what_was_told_of_a_method_outlives_a_restart(db: sqlite3.Connection) -> None:
    """A rest and a learned limit; of a method of which nothing is known any more nothing is kept."""
    learned = MethodState(method="image", ceiling=40)
    for state in (REST, learned):
        ledger.save_state(db, state)
    found = Ledger.load(db, now=NOW)
    assert (found.state("create"), found.state("image"), found.learned) == (REST, learned, {"image": 40})
    assert found.state("commit") == MethodState(method="commit")
    rest = found.rest_of(CallClass.PUBLISH, now=NOW)
    assert rest == REST
    assert found.rest_of(CallClass.END, now=NOW) is None
    ledger.save_state(db, MethodState(method="create"))
    assert Ledger.load(db, now=NOW).states() == [learned]


def test_a_call_of_the_longer_day_counts_until_that_day_ends(db: sqlite3.Connection) -> None:
    """25 October 2026 has 25 hours in Sweden: a call of its first minute still counts after 24 hours and a half."""
    begin = start_of(date(2026, 10, 25))
    now = begin + WINDOW_MS + 1_800_000
    ledger.open_call(db, CREATE, now=begin + 60_000)
    assert Ledger.load(db, now=now).count(now=now) == 1
    assert Ledger.load(db, now=now).count(now=begin + WINDOW_MS + 3_600_000) == 0


def test_a_pause_in_memory_is_set_and_lifted(db: sqlite3.Connection) -> None:
    """The later one takes the place of the earlier; lifting twice is harmless."""
    window = Ledger.load(db, now=NOW)
    window.set_pause(PAUSE)
    longer = replace(PAUSE, until=NOW + 9)
    window.set_pause(longer)
    assert window.pauses() == [longer]
    window.lift(longer)
    window.lift(longer)
    assert window.pauses() == []


def test_what_each_account_has_had_counts_what_it_is_about_to_make(db: sqlite3.Connection) -> None:
    """Of the classes asked for, within the window; room kept counts as had until it is given back."""
    window = Ledger.load(db, now=NOW)
    window.spend(CREATE, now=NOW)
    window.spend(END, now=NOW)
    window.spend(replace(CREATE, account_id="b"), now=NOW)
    kept = window.reserve("b", CallClass.PUBLISH, {"image": 3}, spare=1)
    publishing = {CallClass.PUBLISH}
    assert window.used(publishing, now=NOW) == {"a": 1, "b": 5}
    window.free(kept)
    assert window.used(publishing, now=NOW) == {"a": 1, "b": 1}
    assert window.used({CallClass.END}, now=NOW) == {"a": 1}
    assert window.used(publishing, now=NOW + WINDOW_MS) == {}


def test_a_refused_token_is_refused_until_its_time_or_another_token(db: sqlite3.Connection) -> None:
    """The pause is of the token that Tradera has refused."""
    window = Ledger.load(db, now=NOW)
    window.set_pause(replace(PAUSE, account_id="a", call_class=None, fingerprint="f"))
    assert window.is_refused("a", "f", now=NOW)
    assert not window.is_refused("a", "another", now=NOW)
    assert not window.is_refused("a", "f", now=NOW + 5)
    assert not window.is_refused("b", "f", now=NOW)


BEGIN = start_of(date(2026, 10, 24))
"""The day after it has 25 hours in Sweden."""
HOUR_MS = 3600 * 1000


@dataclass
class Accounts:
    """Accounts on one quota, each with what it wants to call; every call is asked for as the client does."""

    quota: Quota
    ledger: Ledger = field(default_factory=Ledger)
    made: list[tuple[int, str, CallClass, str]] = field(default_factory=list)

    def fits(
        self, call_class: CallClass, operations: Mapping[str, int], now: int, leave: Mapping[str, int]
    ) -> bool:
        """Whether all these calls may be made now, and so many besides."""
        return all(
            limit.fits_at(now, beside=leave.get(limit.method, 0)) <= now
            for limit in self.ledger.limits(self.quota, call_class, operations)
        )

    def call(
        self,
        who: str,
        call_class: CallClass,
        operations: Mapping[str, int],
        now: int,
        leave: Mapping[str, int] | None = None,
    ) -> bool:
        """Make them if they fit."""
        if not self.fits(call_class, operations, now, leave or {}):
            return False
        for operation, times in operations.items():
            call = LedgerCall(call_class=call_class, operation=operation, account_id=who)
            for _ in range(times):
                self.ledger.spend(call, now=now)
                self.made.append((now, operation, call_class, who))
        return True

    def most(self, method: str) -> int:
        """The most calls of the method, or in all, in any 24 hours, any Swedish day, any day of UTC."""
        times = sorted(
            at for at, operation, _, _ in self.made if method in {TOTAL, *by_method({operation: 1})}
        )
        rolling = [sum(end - WINDOW_MS < at <= end for at in times) for end in times]
        days = Counter(day_of(at) for at in times)
        utc = Counter(datetime.fromtimestamp(at / 1000, UTC).date() for at in times)
        return max([*rolling, *days.values(), *utc.values()], default=0)


KINDS: tuple[tuple[CallClass, dict[str, int]], ...] = (
    (CallClass.PUBLISH, {"create": 1, "image": 2, "commit": 1}),
    (CallClass.PRICE, {"price": 1}),
    (CallClass.RESULTS, {"results": 1}),
    (CallClass.RECONCILE, {"orders": 1, "updated_items": 1, "seller_items": 1}),
    (CallClass.END, {"end": 1}),
    (CallClass.ORDERS, {"orders_by_id": 1}),
)
wishes = st.lists(
    st.tuples(st.integers(0, 120), st.sampled_from(KINDS), st.sampled_from("ab")), min_size=20, max_size=70
).map(lambda found: sorted(found, key=lambda wish: wish[0]))
quotas = st.builds(
    Quota,
    default=st.integers(4, 12),
    methods=st.dictionaries(st.sampled_from(["image", "orders", "end"]), st.integers(2, 20)),
    total=st.none() | st.integers(8, 60),
)


@settings(max_examples=25, deadline=None)
@given(quotas, wishes)
def test_no_limit_is_ever_passed_in_any_kind_of_day(
    quota: Quota, wanted: list[tuple[int, tuple[CallClass, dict[str, int]], str]]
) -> None:
    """Calls at any half hour around the long day; each is made if the ledger lets it."""
    made_up = Accounts(quota)
    for half_hours, (call_class, operations), who in wanted:
        made_up.call(who, call_class, operations, BEGIN + half_hours * HOUR_MS // 2)
    for method in {TOTAL, *(method for _, operations in KINDS for method in by_method(operations))}:
        limit = quota.limit(method)
        assert limit is None or made_up.most(method) <= limit
    reading = Counter(
        operation for _, operation, call_class, _ in made_up.made if call_class is CallClass.RECONCILE
    )
    days = (made_up.made[-1][0] - made_up.made[0][0]) // WINDOW_MS + 1 if made_up.made else 1
    for operation, times in reading.items():
        assert times <= days * max(1, quota.methods.get(operation, quota.default) // 3) + days


@settings(max_examples=25, deadline=None)
@given(quotas, wishes)
def test_the_reserve_is_there_for_a_sale_and_an_owner(
    quota: Quota, wanted: list[tuple[int, tuple[CallClass, dict[str, int]], str]]
) -> None:
    """Whatever else is called, endings and orders find their share of the sum, and of their methods."""
    made_up, urgent = Accounts(quota), {CallClass.END, CallClass.ORDERS}
    for half_hours, (call_class, operations), who in wanted:
        if call_class not in urgent:
            made_up.call(who, call_class, operations, BEGIN + half_hours * HOUR_MS // 2)
    now = BEGIN + 60 * HOUR_MS
    kept = 1 if quota.total is None else int(quota.total * quota.reserve_share)
    for _ in range(min(kept, quota.methods.get("end", quota.default))):
        assert made_up.call("a", CallClass.END, {"end": 1}, now)


@settings(max_examples=15, deadline=None)
@given(
    st.integers(12, 40),
    st.lists(st.integers(0, 5), min_size=30, max_size=40),
    st.lists(st.integers(0, 5), min_size=30, max_size=40),
    st.lists(st.sampled_from("ab"), min_size=40, max_size=200),
)
def test_accounts_share_each_method_fairly(
    images: int, first: list[int], second: list[int], turns: list[str]
) -> None:
    """Both have more to publish than a day's pictures: in the end neither is more than two of the dearest ads ahead."""
    made_up = Accounts(Quota(methods={"image": images}))
    queues = {"a": list(first), "b": list(second)}
    for who in [*turns, *"ab" * 80]:
        other = "b" if who == "a" else "a"
        used = made_up.ledger.used_of("image", now=BEGIN)
        if not queues[who]:
            continue
        pictures = queues[who][0]
        waiting = [
            needs
            for each in queues[other]
            if (needs := job_needs(JobKind.PUBLISH, publish_cost(each)).get("image", 0))
        ]
        claims = [Claim(used[other], waiting[0], sum(waiting))] if waiting else []
        leave = {"image": left_to_others(used[who], claims)}
        operations = {"create": 1, "image": pictures, "commit": 1}
        if made_up.call(who, CallClass.PUBLISH, operations, BEGIN, leave):
            queues[who].pop(0)
    used = made_up.ledger.used_of("image", now=BEGIN)
    assert used.total() <= images
    if all(any(queue) for queue in queues.values()):
        assert abs(used["a"] - used["b"]) <= 2 * 5
