"""What the owner is told: the rules from facts to findings."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import rheod.health
from rheod.domain.errors import Text
from rheod.domain.orders import OrderFlag
from rheod.health.facts import as_json
from rheod.health.findings import PLACES, Finding, Mood, Refusal, Wait
from rheod.health.orders import TOLD_FLAGS, OrderFacts, ToldOrder
from rheod.health.rules import DAY_MS, AccountFacts, EndpointFacts, Facts, findings
from rheod.store.ads import HeldItems
from tests.stores import NOW_MS

LONG_AGO = NOW_MS - 121_000
WELL = Facts(
    now=NOW_MS,
    push_heard_at=NOW_MS,
    backup_due_at=NOW_MS + 1,
    free_bytes=2**33,
    least_free_bytes=2**29,
)
ENDPOINT = EndpointFacts(
    id="e1",
    host="erp.example",
    url="https://erp.example/",
    active=True,
    fail_count=0,
    disabled_by_failures=False,
    waiting=0,
)


def codes(facts: Facts) -> list[str]:
    """The codes found."""
    return [one.code for one in findings(facts)]


def test_all_is_well() -> None:
    """A healthy daemon has nothing to say."""
    assert findings(WELL) == []


TWO_OF_ANNAS = (
    ToldOrder(7, NOW_MS - 2 * DAY_MS, "anna"),
    ToldOrder(8, LONG_AGO, "anna"),
    ToldOrder(9, LONG_AGO, "bo"),
)
"""What there is to look at in two accounts: the first one's orders are led to first."""
ONE = Wait(since=LONG_AGO, next_at=NOW_MS + 1000, items=("A-1",))
TROUBLES: list[tuple[dict[str, Any], str]] = [
    ({"unconnected": (Wait(since=LONG_AGO, account="north"),)}, "account.unconnected"),
    ({"orders": OrderFacts(to_send=(Wait(reason="", since=LONG_AGO, count=2),))}, "order.unsent"),
    ({"relists_late": ONE}, "relist.late"),
    ({"missing": ("tradera.app_id",)}, "publishing.waits"),
    (
        {"accounts": (AccountFacts(reference="", refused=Wait(reason="restricted", since=NOW_MS)),)},
        "token.dead",
    ),
    (
        {"endpoints": (replace(ENDPOINT, active=False, disabled_by_failures=True, failing_since=LONG_AGO),)},
        "endpoint.off",
    ),
    ({"endpoints": (replace(ENDPOINT, fail_count=3, failing_since=NOW_MS),)}, "endpoint.fails"),
    ({"endpoints": (replace(ENDPOINT, fail_count=1, failing_since=LONG_AGO),)}, "endpoint.fails"),
    ({"endpoints": (replace(ENDPOINT, alone=Wait(reason="HTTP 422", since=LONG_AGO)),)}, "event.refused"),
    ({"unclear": (Wait(reason="HTML", since=LONG_AGO),)}, "work.unclear"),
    ({"push_heard_at": NOW_MS - 3_600_001}, "push.silent"),
    ({"tradera": Wait(reason="no connection", since=LONG_AGO)}, "tradera.away"),
    ({"push": Wait(reason="no such queue", since=LONG_AGO)}, "push.away"),
    (
        {"refusals": (Refusal(method="image", used=90, limit=100, since=NOW_MS, next_at=NOW_MS + 60_000),)},
        "tradera.paused",
    ),
    (
        {"refusals": (Refusal(method="image", used=100, limit=100, since=LONG_AGO, next_at=NOW_MS + 1),)},
        "tradera.paused",
    ),
    ({"refusals": (Refusal(method="image", used=90, limit=100, since=NOW_MS, learned=90),)}, "quota.learned"),
    ({"endings": (Wait(reason="no connection", since=LONG_AGO),)}, "ending.waits"),
    ({"sales": (Wait(reason="no connection", since=LONG_AGO),)}, "sale.waits"),
    ({"pictures": Wait(reason="no answer", since=LONG_AGO)}, "pictures.wait"),
    ({"not_published": Wait(since=LONG_AGO, count=2)}, "item.failed"),
    ({"doubled": ONE}, "listing.double"),
    ({"sold_but_up": ONE}, "sale.conflict"),
    ({"sold_twice": ONE}, "sale.twice"),
    ({"unsold": ONE}, "relist.over"),
    ({"reconciled": (Wait(since=NOW_MS - 3_600_001, next_at=NOW_MS + 1),)}, "reconcile.late"),
    ({"not_believed": (Wait(reason="empty", since=NOW_MS, account="categories"),)}, "reference.unread"),
    ({"not_believed": (Wait(reason="empty", since=NOW_MS, account="definitions:5"),)}, "reference.unread"),
    ({"quarantined": 1, "quarantined_since": NOW_MS}, "sale.quarantined"),
    ({"doubts_since": (NOW_MS - 121_000,)}, "sale.doubt"),
    ({"unmatched": 2}, "sale.unmatched"),
    ({"in_doubt": ONE}, "listing.doubt"),
    ({"publishings": Wait(since=LONG_AGO, next_at=NOW_MS + 1)}, "budget.spent"),
    ({"held": HeldItems(2, "A-1", "Choose a category", 5)}, "items.held"),
    ({"superseded": (Text("a line"),)}, "settings.superseded"),
    ({"held_to_sum": Text("held to 100")}, "quota.held"),
    ({"look_alikes": (("A", "\ufeffA", ""),)}, "items.look_alike"),
    ({"backup_due_at": NOW_MS}, "backup.missed"),
    ({"free_bytes": 2**20}, "disk.low"),
    ({"free_bytes": 2**20 - 1}, "store.unwritable"),
    ({"unwritable": Wait(reason="disk is full", since=NOW_MS)}, "store.unwritable"),
    ({"image_bytes": 2**30, "most_image_bytes": 2**30, "fetching_rests": ONE}, "images.full"),
    ({"log_bytes": 2**30}, "log.long"),
]
"""A fact out of order, and the code of what is found."""


def troubles() -> list[Finding]:
    """One finding of each kind."""
    ending = {"accounts": (AccountFacts(reference="", token_ends_at=NOW_MS + DAY_MS),)}
    changes = [ending, *(change for change, _ in TROUBLES)]
    return [found for change in changes for found in findings(replace(WELL, **change))]


@pytest.mark.parametrize(("change", "code"), TROUBLES)
def test_each_trouble_is_found_and_says_what_to_do(change: dict[str, object], code: str) -> None:
    """One fact out of order gives one finding, with all places of its sentences filled."""
    [found] = findings(replace(WELL, **change))  # type: ignore[arg-type]
    assert found.code == code
    assert "{" not in found.text + found.fix


MAKES_NOBODY_WAIT = {
    "settings.superseded",
    "quota.held",
    "quota.learned",
    "items.look_alike",
    "disk.low",
    "log.long",
    "sale.unmatched",
}


@pytest.mark.parametrize(("change", "code"), TROUBLES)
def test_whatever_waits_says_since_when_and_when_it_goes_on(change: dict[str, object], code: str) -> None:
    """By itself at a time, or when the owner has seen to it: commands say which."""
    [found] = findings(replace(WELL, **change))  # type: ignore[arg-type]
    assert (found.since is None) == (code in MAKES_NOBODY_WAIT)
    told = as_json(found)
    assert told["waitsForYou"] == (found.since is not None and told["nextTry"] is None)


@pytest.mark.parametrize(
    "change",
    [
        {"endpoints": (replace(ENDPOINT, active=False),)},
        {"endpoints": (replace(ENDPOINT, fail_count=2),)},
        {"push_heard_at": None},
        {"tradera": Wait(reason="no connection", since=NOW_MS - 119_000)},
        {"push": Wait(reason="no connection", since=NOW_MS - 1000, next_at=NOW_MS + 8000)},
        {"refusals": (Refusal(method="image", used=100, limit=100, since=NOW_MS, next_at=NOW_MS + 1000),)},
        {"refusals": (Refusal(method="image", used=90, limit=90, since=NOW_MS, learned=90),)},
        {"reconciled": (Wait(since=NOW_MS - 3_599_000),)},
        {"publishings": Wait(since=LONG_AGO)},
        {"backup_due_at": None},
        {"free_bytes": None},
        {"accounts": (AccountFacts(reference="", token_ends_at=NOW_MS + 31 * DAY_MS),)},
    ],
)
def test_what_is_in_order_is_not_found(change: dict[str, object]) -> None:
    """An endpoint the owner has switched off, a queue not set, a spent budget without work: no trouble."""
    assert codes(replace(WELL, **change)) == []  # type: ignore[arg-type]


def test_a_token_is_told_of_once_at_each_step() -> None:
    """30, 14, 7 and 1 days before its end: the key changes at each step and at no other time."""

    def key(days: float) -> str:
        account = AccountFacts(reference="m", token_ends_at=NOW_MS + round(days * DAY_MS))
        return findings(replace(WELL, accounts=(account,)))[0].key

    assert [key(days) for days in (30, 20, 14, 8, 7, 2, 1, 0, -3)] == [
        *["token.ends:m:30"] * 2,
        *["token.ends:m:14"] * 2,
        *["token.ends:m:7"] * 2,
        *["token.ends:m:1"] * 3,
    ]


def test_the_worst_comes_first() -> None:
    """What does not work stands before what will stop working."""
    facts = replace(WELL, unmatched=1, in_doubt=ONE, missing=("x",))
    assert [one.mood for one in findings(facts)] == [Mood.BAD, Mood.BUSY, Mood.BUSY]


def test_a_finding_is_known_by_what_it_is_about() -> None:
    """Two endpoints off are two findings."""
    off = replace(ENDPOINT, active=False, disabled_by_failures=True)
    found: list[Finding] = findings(replace(WELL, endpoints=(off, replace(off, id="e2"))))
    assert [one.key for one in found] == ["endpoint.off:e1", "endpoint.off:e2"]


def test_two_endpoints_on_one_host_are_told_apart() -> None:
    """Each finding names its own, and the command that shows its deliveries."""
    both = tuple(replace(ENDPOINT, id=each, fail_count=3) for each in ("e1", "e2"))
    found = findings(replace(WELL, endpoints=both))
    assert len({one.text for one in found}) == 2
    for one in found:
        assert f"({one.subject})" in one.text
        assert f"--endpoint {one.subject}" in one.fix


def test_an_endpoint_switched_off_by_hand_is_no_trouble() -> None:
    """Its owner has done that; what waits for it is no news."""
    assert codes(replace(WELL, endpoints=(replace(ENDPOINT, active=False, waiting=9),))) == []


def test_a_pause_of_the_owners_is_not_forgotten() -> None:
    """It is shown for as long as it lasts, with what waits for it, and alarms nobody."""
    (found,) = findings(replace(WELL, paused_since=1, publishings=Wait(since=2, count=3)))
    assert (found.code, found.alerts) == ("publishing.paused", False)
    assert "3 ads wait" in found.text


def test_every_finding_has_its_place() -> None:
    """Each code of the source stands in the table, so that its row has a button or is seen to on the server."""
    written = {
        code
        for path in (*Path(rheod.health.__file__).parent.glob("*.py"),)
        for code in re.findall(r'(?:code=|\.found\(\s*)"([a-z._]+)"', path.read_text())
    }
    flags = {f"order.{flag}" for flag in TOLD_FLAGS}
    assert written | flags == set(PLACES)
    assert all(not place or place.startswith("/dashboard/") for place in PLACES.values())


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"in_doubt": Wait(since=LONG_AGO, items=("A/1",))}, "/dashboard/items/A%2F1"),
        (
            {"in_doubt": Wait(since=LONG_AGO, count=2, items=("A-1", "A-2"))},
            "/dashboard/items?show=doubt",
        ),
        (
            {"in_doubt": Wait(since=LONG_AGO, items=("A/1",), owner="anna b")},
            "/dashboard/items/A%2F1?account=anna%20b",
        ),
        (
            {"held": HeldItems(2, "A-1", "Choose a category", 5, "anna")},
            "/dashboard/items?show=held&account=anna",
        ),
        ({"endpoints": (replace(ENDPOINT, fail_count=3),)}, "/dashboard/integration/webhooks/e1"),
        ({"orders": OrderFacts(to_send=(Wait(reason="", since=LONG_AGO),))}, "/dashboard/sales"),
        (
            {"orders": OrderFacts(to_send=(Wait(since=LONG_AGO, account="anna"),))},
            "/dashboard/sales?account=anna",
        ),
        ({"orders": OrderFacts(unshipped=TWO_OF_ANNAS)}, "/dashboard/sales?order=7,8&account=anna"),
        ({"orders": OrderFacts(unconfirmed=TWO_OF_ANNAS)}, "/dashboard/sales?order=7,8&account=anna"),
        (
            {"orders": OrderFacts(unpaid=TWO_OF_ANNAS[:1], reminder_days=(1,))},
            "/dashboard/sales?order=7&account=anna",
        ),
        *(
            (
                {"orders": OrderFacts(flagged={flag: TWO_OF_ANNAS})},
                "/dashboard/sales?order=7,8&account=anna",
            )
            for flag in TOLD_FLAGS
        ),
        (
            {"endpoints": (replace(ENDPOINT, fail_count=3, owner="anna"),)},
            "/dashboard/integration/webhooks/e1?account=anna",
        ),
        (
            {"endpoints": (replace(ENDPOINT, alone=ONE, owner="anna"),)},
            "/dashboard/integration/deliveries?endpoint=e1&status=failed&account=anna",
        ),
        (
            {"accounts": (AccountFacts(reference="anna", token_ends_at=NOW_MS),)},
            "/dashboard/tradera?account=anna",
        ),
        (
            {"doubts_since": (NOW_MS - 121_000,), "doubts_owner": "anna"},
            "/dashboard/sales?account=anna#doubts",
        ),
        ({"unmatched": 2, "unmatched_owner": "anna"}, "/dashboard/sales?account=anna#unmatched"),
        ({"look_alikes": (("A", "\ufeffA", "anna"),)}, "/dashboard/items/A?account=anna"),
        ({"relists_late": replace(ONE, owner="anna")}, "/dashboard/returns?account=anna"),
        ({"pictures": replace(ONE, owner="anna")}, "/dashboard/items?show=waits&account=anna"),
        ({"free_bytes": 1}, ""),
    ],
)
def test_a_finding_leads_to_where_it_is_seen_to(changes: dict[str, Any], where: str) -> None:
    """To the one item it is about, else to the list; nowhere, when only the server helps."""
    (finding,) = findings(replace(WELL, **changes))
    assert finding.where == where
    assert as_json(finding)["where"] == where


def test_an_order_that_is_not_paid_is_told_once_at_each_age() -> None:
    """After 3, 7 and 10 days, each an alert of its own; never without days, and never before the first."""
    keys = {}
    for days in (2, 3, 6, 7, 10, 30):
        unpaid = OrderFacts(
            unpaid=(ToldOrder(7, NOW_MS - days * DAY_MS),), reminder_days=(3, 7, 10), site_url="https://t"
        )
        keys[days] = [one.key for one in findings(replace(WELL, orders=unpaid))]
        assert not findings(replace(WELL, orders=replace(unpaid, reminder_days=())))
    told = ["order.unpaid:7:3", "order.unpaid:7:7", "order.unpaid:7:10"]
    assert keys == {2: [], 3: told[:1], 6: told[:1], 7: told[1:2], 10: told[2:], 30: told[2:]}


def test_a_payment_after_a_reversal_is_an_alert() -> None:
    """It is about money."""
    [one] = findings(
        replace(WELL, orders=OrderFacts(flagged={OrderFlag.PAID_AFTER_REVERSAL: (ToldOrder(7, NOW_MS),)}))
    )
    assert (one.code, one.mood, one.alerts) == ("order.paid_after_reversal", Mood.BAD, True)
