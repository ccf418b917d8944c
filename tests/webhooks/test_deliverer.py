"""Webhooks: the same bytes until they are taken, in order per item, one probe at a time at an endpoint that is down."""

from __future__ import annotations

from collections import Counter

import pytest
from structlog.testing import capture_logs

from rheod.sandbox.shop import CUT, HANG, Received
from rheod.store import endpoints
from rheod.usecases.endpoints import EndpointChange
from rheod.usecases.transaction import Transaction
from tests.jobs.watching import looks_at_rest
from tests.stores import rows
from tests.waiting import until
from tests.webhooks.post import DELAYS_S, HOUR, MINUTE, Partner, Post, listening


def number_of(one: Received) -> str:
    """Which event of its item it is."""
    data = one.event["data"]
    return str(data.get("error", "created"))


async def test_an_event_arrives_signed_both_ways(post: Post) -> None:
    """One request with the documented headers; both signatures verify by the published rules; the attempt is logged."""
    await post.happen("A")
    await post.idle()
    (one,) = post.shop.received
    assert (one.rheo_ok, one.standard_ok) == (True, True)
    assert one.headers["content-type"] == "application/json"
    assert one.headers["user-agent"] == "rheod/test"
    assert one.headers["webhook-id"] == one.event["eventId"]
    assert one.event["data"]["externalId"] == "A"
    (row,) = await rows(post.database, "SELECT * FROM deliveries")
    assert (row["status"], row["http_status"], row["attempt"]) == ("success", 200, 1)
    assert await rows(post.database, "SELECT * FROM jobs") == []


async def test_a_failed_event_is_repeated_byte_by_byte_on_the_schedule(post: Post) -> None:
    """Requests at 0, 1, 3, 7, 15, 31 s and then the long gaps: the same bytes, each attempt a row."""
    start = post.clock()
    post.shop.answer_with([500, 301, CUT, HANG, 404, 503, 500])
    await post.happen("A")
    await post.idle()
    for gap_s in DELAYS_S[:7]:
        post.forward(gap_s - 0.05)
        await post.idle()
        sent = len(post.shop.received)
        post.forward(0.05)
        await post.idle()
        assert len(post.shop.received) == sent + 1
    assert [(one.at_ms - start) / 1000 for one in post.shop.received] == [0, 1, 3, 7, 15, 31, 91, 391]
    assert len({one.body for one in post.shop.received}) == 1
    assert all(one.rheo_ok and one.standard_ok for one in post.shop.received)
    logged = await rows(post.database, "SELECT attempt, status FROM deliveries ORDER BY id")
    assert [row["attempt"] for row in logged] == list(range(1, 9))
    assert [row["status"] for row in logged] == ["failed"] * 7 + ["success"]
    assert (await post.endpoint()).fail_count == 0


async def test_a_retry_keeps_its_due_time_over_a_restart(post: Post) -> None:
    """The time of the next try is a row, not a timer."""
    post.shop.answer_with([500, 500])
    await post.happen("A")
    await post.idle()
    post.forward(1)
    await post.idle()
    (job,) = await rows(post.database, "SELECT due_at, attempts FROM jobs")
    assert (job["due_at"], job["attempts"]) == (post.clock() + 2000, 2)
    assert (await post.endpoint()).probe_at == post.clock() + 2000


async def test_events_of_one_item_come_in_order(post: Post) -> None:
    """Five events of each of three items, the first tries failing: every item's events arrive in their order, once."""
    post.shop.answer_with([500] * 4)
    for name in ("A", "B", "C"):
        await post.happen(name, 5)
    for gap_s in (1, 2, 4, 8, 16):
        await post.idle()
        post.forward(gap_s)
    await until(lambda: len(post.taken()) == 15)
    for name in ("A", "B", "C"):
        mine = [number_of(one) for one in post.taken() if one.event["data"]["externalId"] == name]
        assert mine == ["created", "no 1", "no 2", "no 3", "no 4"]


async def test_a_dead_endpoint_is_probed_with_one_event_at_a_time(post: Post) -> None:
    """Forty events wait while it is down: after the first failures each moment of the schedule is one request."""
    post.shop.answer_with([500] * 1000)
    for number in range(40):
        await post.happen(f"I{number}")
    await post.idle()
    first = len(post.shop.received)
    assert first <= 8
    for count, gap_s in enumerate(DELAYS_S[:8], start=1):
        post.forward(gap_s)
        await post.idle()
        assert len(post.shop.received) == first + count
    post.shop.answer_with([])
    post.forward(DELAYS_S[8])
    await until(lambda: len(post.taken()) == 40)
    assert {number_of(one) for one in post.taken()} == {"created"}
    assert max(Counter(one.body for one in post.taken()).values()) == 1


async def test_failures_of_events_sent_together_count_once(post: Post) -> None:
    """Eight events under way at once when the endpoint goes down are one failure of it, not eight."""
    partner = Partner(lambda _: 500, together=8)
    async with listening(partner.answer) as url:
        await post.endpoints.set_url(post.account_id, url)
        for number in range(8):
            await post.happen(f"I{number}")
        await until(lambda: len(partner.asked) == 8)
        await post.idle()
        assert (await post.endpoint()).fail_count == 1
        assert len(await rows(post.database, "SELECT * FROM deliveries")) == 8


async def test_a_success_between_failures_keeps_the_endpoint_on(post: Post) -> None:
    """14 failures, a success, 14 failures: still on."""
    post.shop.answer_with([500] * 14 + [200] + [500] * 14)
    await post.happen("A")
    for gap_s in DELAYS_S:
        await post.idle()
        post.forward(gap_s)
    await post.idle()
    assert len(post.taken()) == 1
    assert ((await post.endpoint()).active, (await post.endpoint()).fail_count) == (True, 0)
    await post.happen("B")
    for gap_s in DELAYS_S[:13]:
        await post.idle()
        post.forward(gap_s)
    await post.idle()
    endpoint = await post.endpoint()
    assert (endpoint.active, endpoint.fail_count) == (True, 14)


async def test_an_endpoint_is_disabled_after_fifteen_and_loses_nothing(post: Post) -> None:
    """Off after 15 consecutive failures, said once; events go on being kept; enabled again they arrive in order."""
    post.shop.answer_with([500] * 1000)
    with capture_logs() as logs:
        await post.happen("A", 3)
        await post.fail_until_off()
    endpoint = await post.endpoint()
    assert (endpoint.active, endpoint.fail_count) == (False, 15)
    assert len(post.shop.received) == 15
    assert len([line for line in logs if line["event"].startswith("webhook endpoint disabled")]) == 1
    await post.happen("B", 3)
    post.forward(7 * 24 * HOUR)
    await post.idle()
    assert len(post.shop.received) == 15
    post.shop.answer_with([])
    await post.endpoints.set_url(post.account_id, post.shop.webhook_url())
    await until(lambda: len(post.taken()) == 6)
    for name in ("A", "B"):
        mine = [number_of(one) for one in post.taken() if one.event["data"]["externalId"] == name]
        assert mine == ["created", "no 1", "no 2"]


async def test_a_thousand_events_kept_while_it_was_off_go_out_in_order(post: Post) -> None:
    """All that happened in the meantime arrives once `active` is set: each event once, each item's in order."""
    post.shop.answer_with([500] * 1000)
    await post.happen("A")
    await post.fail_until_off()
    post.shop.answer_with([])
    names = [f"I{number}" for number in range(50)]
    for name in names:
        await post.happen(name, 20)
    await post.idle()
    assert post.taken() == []
    await post.endpoints.change(post.account_id, (await post.endpoint()).id, EndpointChange(active=True))
    await until(lambda: len(post.taken()) >= 1001, timeout_s=60)
    await post.idle()
    arrived: dict[str, list[str]] = {}
    for one in post.taken():
        arrived.setdefault(one.event["data"]["externalId"], []).append(number_of(one))
    story = ["created", *(f"no {number}" for number in range(1, 20))]
    assert arrived == {"A": ["created"], **dict.fromkeys(names, story)}
    assert (await post.endpoint()).fail_count == 0


async def test_enabled_again_at_once_it_need_not_wait_for_the_old_schedule(post: Post) -> None:
    """The owner repairs the endpoint a minute after it was disabled: everything goes out then, not a day later."""
    post.shop.answer_with([500] * 1000)
    await post.happen("A", 2)
    await post.fail_until_off()
    post.forward(MINUTE)
    post.shop.answer_with([])
    await post.endpoints.set_url(post.account_id, post.shop.webhook_url())
    await until(lambda: [number_of(one) for one in post.taken()] == ["created", "no 1"])


async def test_an_event_that_only_it_fails_lets_the_others_by(post: Post) -> None:
    """A poison event: others arrive between its tries, its own item's next after its six first, itself never held against."""
    partner = Partner(lambda name: 500 if name == "BAD" else 200)
    async with listening(partner.answer) as url:
        await post.endpoints.set_url(post.account_id, url)
        await post.happen("BAD", 2)
        await post.idle()
        for gap_s in DELAYS_S[:5]:
            await post.happen(f"OTHER {gap_s:g}")
            post.forward(gap_s)
            await post.idle()
            assert f"OTHER {gap_s:g}" in partner.taken
        assert partner.asked.count("BAD") == 6
        post.forward(60)
        await post.idle()
        assert partner.taken[-1] == "BAD no 1"
        for gap_s in DELAYS_S[6:]:
            assert (await post.endpoint()).fail_count == 0
            await post.happen(f"OTHER {gap_s:g}")
            await post.idle()
            post.forward(gap_s)
            await post.idle()
        assert partner.asked.count("BAD") == 15
        (job,) = await rows(post.database, "SELECT state FROM jobs")
        assert (job["state"], (await post.endpoint()).active) == ("held", True)


async def test_failures_shared_with_others_do_not_hold_an_event(post: Post) -> None:
    """Fourteen probes failed in an outage and one more as it ends say nothing about the event: it goes on being tried."""
    post.shop.answer_with([500] * 14 + [200, 500])
    await post.happen("A")
    for gap_s in DELAYS_S[:13]:
        await post.idle()
        post.forward(gap_s)
    await post.idle()
    await post.happen("B")
    post.forward(DELAYS_S[13])
    await until(lambda: len(post.shop.received) == 16)
    await post.idle()
    (job,) = await rows(post.database, "SELECT state, attempts FROM jobs")
    assert (job["state"], job["attempts"]) == ("due", 15)
    post.forward(DELAYS_S[13])
    await until(lambda: len(post.taken()) == 2)


async def test_an_event_is_not_held_while_nothing_else_is_taken(post: Post) -> None:
    """One that has stepped aside meets an outage nobody else sees: its tries go on until the endpoint is well."""
    verdicts = {"BAD": 500}
    partner = Partner(lambda name: verdicts.get(name, 200))
    async with listening(partner.answer) as url:
        await post.endpoints.set_url(post.account_id, url)
        await post.happen("BAD")
        for gap_s in DELAYS_S[:5]:
            await post.idle()
            await post.happen(f"OTHER {gap_s:g}")
            post.forward(gap_s)
        await post.idle()
        for _ in range(20):
            post.forward(DELAYS_S[-1])
            await post.idle()
        (job,) = await rows(post.database, "SELECT state, attempts FROM jobs")
        assert (job["state"], job["attempts"]) == ("due", 26)
        verdicts.clear()
        post.forward(DELAYS_S[-1])
        await until(lambda: "BAD" in partner.taken)


@pytest.mark.parametrize(
    ("asked", "gap_ms"), [("2", 2000), ("3600", 2000), ("0", 1000), ("-1", 1000), ("soon", 1000)]
)
async def test_retry_after_stretches_a_gap_up_to_twice(post: Post, asked: str, gap_ms: int) -> None:
    """What a receiver asks for is honoured up to twice the gap and never shortens it; nonsense is ignored."""
    partner = Partner(lambda _: 503, headers={"Retry-After": asked})
    async with listening(partner.answer) as url:
        await post.endpoints.set_url(post.account_id, url)
        await post.happen("A")
        await post.idle()
    (job,) = await rows(post.database, "SELECT due_at FROM jobs")
    assert job["due_at"] == post.clock() + gap_ms
    assert (await post.endpoint()).probe_at == post.clock() + gap_ms


async def test_rotation_signs_with_both_secrets_for_a_day(post: Post) -> None:
    """A receiver with either secret verifies during the 24 hours; after them only the new one signs."""
    old = post.shop.secret
    new = (await post.endpoints.rotate_settings(post.account_id)).secret
    post.shop.secrets = {"erp": old}
    await post.happen("A")
    await post.idle()
    (one,) = post.shop.received
    assert (one.rheo_ok, one.standard_ok) == (False, True)
    assert len(one.headers["webhook-signature"].split()) == 2
    assert "x-rheo-signature-previous" in one.headers
    post.shop.secrets = {"erp": new}
    post.forward(24 * HOUR)
    await post.happen("B")
    await post.idle()
    later = post.shop.received[-1]
    assert (later.rheo_ok, later.standard_ok) == (True, True)
    assert "x-rheo-signature-previous" not in later.headers


async def test_a_secret_rotated_between_two_tries_changes_the_signature_only(post: Post) -> None:
    """The bytes are those of the first try, signed with the new secret."""
    post.shop.answer_with([500])
    await post.happen("A")
    await post.idle()
    post.shop.secret = (await post.endpoints.rotate_settings(post.account_id)).secret
    post.forward(1)
    await post.idle()
    first, second = post.shop.received
    assert first.body == second.body
    assert (second.rheo_ok, second.standard_ok) == (True, True)


async def test_waiting_events_go_to_a_new_address(post: Post) -> None:
    """The address is changed while a retry waits: the next try goes there, at once."""
    post.shop.answer_with([500] * 3)
    await post.happen("A")
    await post.idle()
    await post.endpoints.set_url(post.account_id, post.shop.webhook_url("new"))
    await until(lambda: [one.name for one in post.taken()] == ["new"])
    assert (await post.endpoint()).fail_count == 0


async def test_an_endpoint_without_an_address_costs_no_looking(post: Post) -> None:
    """Events wait for an address and the queue rests meanwhile."""
    post.shop.answer_with([500])
    await post.happen("A", 3)
    await post.idle()
    await post.endpoints.set_url(post.account_id, None)
    await post.idle()
    sent = len(post.shop.received)
    assert await looks_at_rest(post.pick) <= 1
    assert len(post.shop.received) == sent
    await post.endpoints.set_url(post.account_id, post.shop.webhook_url())
    await until(lambda: [number_of(one) for one in post.taken()] == ["created", "no 1", "no 2"])


async def test_a_failing_endpoint_costs_no_looking_between_probes(post: Post) -> None:
    """While a probe is not due the queue rests."""
    post.shop.answer_with([500] * 100)
    for number in range(10):
        await post.happen(f"I{number}")
    await post.idle()
    assert await looks_at_rest(post.pick) <= 1


async def test_an_address_that_is_not_allowed_is_never_called(post: Post) -> None:
    """The check of the setting runs again at every send; a refusal is a failed attempt with its reason."""

    def sneak(tx: Transaction) -> None:
        endpoint = endpoints.first_endpoint(tx.db, post.account_id)
        assert endpoint is not None
        tx.db.execute("UPDATE endpoints SET url = 'ftp://127.0.0.1/x' WHERE id = ?", (endpoint.id,))

    await post.store.write(sneak)
    await post.happen("A")
    await post.idle()
    assert post.shop.received == []
    (row,) = await rows(post.database, "SELECT * FROM deliveries")
    assert (row["status"], row["http_status"]) == ("failed", None)
    assert row["error"]
