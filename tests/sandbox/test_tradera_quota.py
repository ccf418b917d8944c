"""The simulated limits of calls: whose they are, how their day runs, and the answer above them."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest

from rheod.sandbox.tradera import TraderaSimulator
from rheod.sandbox.tradera_access import CallLimit, CallQuota
from rheod.sandbox.tradera_market import DeclinedError
from tests.sandbox.playing_seller import Clock, running

HOUR_MS = 3_600_000
NOON_MS = round(datetime(2026, 10, 25, 12, tzinfo=UTC).timestamp() * 1000)


def taken(quota: CallQuota, calls: list[tuple[str, str, float]]) -> list[bool]:
    """Which of these calls (operation, user, hours after noon) are not refused."""

    def is_taken(operation: str, user: str, hours: float) -> bool:
        try:
            quota.count(operation, user, NOON_MS + round(hours * HOUR_MS))
        except DeclinedError:
            return False
        return True

    return [is_taken(*call) for call in calls]


@pytest.mark.parametrize(
    ("limit", "calls", "expected"),
    [
        (CallLimit(calls=1), [("create", "1", 0), ("image", "2", 1)], [True, False]),
        (CallLimit(calls=1, method="*"), [("create", "1", 0), ("image", "1", 0)], [True, True]),
        (CallLimit(calls=1, method="*"), [("create", "1", 0), ("create", "2", 0)], [True, False]),
        (CallLimit(calls=1, method="image"), [("image", "1", 0), ("image", "1", 1)], [True, False]),
        (
            CallLimit(calls=1, per_user=True),
            [("me", "1", 0), ("me", "2", 0), ("me", "1", 1)],
            [True, True, False],
        ),
        (CallLimit(calls=1), [("me", "1", 0), ("me", "1", 23.9), ("me", "1", 24)], [True, False, True]),
        (
            CallLimit(calls=1, day="utc"),
            [("me", "1", 0), ("me", "1", 11.5), ("me", "1", 12)],
            [True, False, True],
        ),
        (
            CallLimit(calls=1, day="swedish"),
            [("me", "1", 0), ("me", "1", 10.9), ("me", "1", 11)],
            [True, False, True],
        ),
        (
            CallLimit(calls=1, window_s=3),
            [("me", "1", 0), ("me", "1", 0.0001), ("me", "1", 0.001)],
            [True, False, True],
        ),
    ],
)
def test_each_kind_of_limit(
    limit: CallLimit, calls: list[tuple[str, str, float]], expected: list[bool]
) -> None:
    """In all, each method, one method, each user; any 24 hours, a day of UTC or of Sweden, a burst."""
    assert taken(CallQuota([limit]), calls) == expected


def test_a_refused_call_counts_against_no_limit() -> None:
    """Also not against the limits that it kept."""
    quota = CallQuota([CallLimit(calls=2), CallLimit(calls=1, method="image")])
    assert taken(quota, [("image", "1", 0), ("image", "1", 1), ("create", "1", 2)]) == [True, False, True]


async def test_limits_are_set_from_outside(clock: Clock) -> None:
    """By the calls that another process makes; the answer above one is Tradera's error, without Retry-After."""
    async with running(TraderaSimulator(now=clock, rng=random.Random(3))) as seller:
        url = seller.simulator.base_url.removesuffix("/v4") + "/sandbox/settings"
        async with seller.session.post(url, json={"quota": [{"calls": 1, "method": "me"}]}) as response:
            assert response.status == 200
        assert (await seller.call("GET", "/users/me"))[0] == 200
        status, answer = await seller.call("GET", "/users/me")
        assert (status, answer["error"]["code"]) == (429, "TooManyRequests")
        async with seller.session.post(url, json={"quota": [{"calls": 1, "hue": "red"}]}) as response:
            assert response.status == 400
