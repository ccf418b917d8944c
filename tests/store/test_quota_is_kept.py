"""Whatever the accounts want: no limit is passed in any kind of day, the reserve is kept, and nobody is starved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from rheod.domain.budget import (
    TOTAL,
    WINDOW_MS,
    Claim,
    Quota,
    by_method,
    job_needs,
    left_to_others,
    publish_cost,
)
from rheod.domain.calendar import day_of, start_of
from rheod.domain.model import CallClass, JobKind
from rheod.store.ledger import Ledger, LedgerCall

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
