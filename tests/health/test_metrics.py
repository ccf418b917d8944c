"""What Prometheus gets: each figure from what happened, and no series for an item."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from rheod.domain.errors import Text
from rheod.domain.model import CallClass, ItemSpec, JobKind, JobOrder, QueueName
from rheod.health.facts import BACKUP_MARK
from rheod.store import key_value
from rheod.store.jobs import Owner
from rheod.store.ledger import LedgerCall
from rheod.tradera.transport import Unreachable
from tests.measuring import Daemon, measured

SECOND_MS = 1000


async def test_a_new_daemon_tells_of_itself_and_has_nothing_waiting(tmp_path: Path) -> None:
    """What is not known has no value; what is counted is 0."""
    async with measured(tmp_path) as daemon:
        figures = await daemon.values()
        assert [value for name, value in figures.items() if name.startswith("rheod_build_info{")] == [1]
        assert figures["rheod_start_time_seconds"] == daemon.core.started_at / 1000
        assert not {"rheod_tradera_calls_limit", "rheod_tradera_calls_publish_limit"} & figures.keys()
        assert figures["rheod_tradera_method_calls_limit{method=image}"] == 10_000
        assert figures["rheod_tradera_method_calls_used{method=image}"] == 0
        for queue in QueueName:
            assert figures[f"rheod_queue_jobs{{lane={queue.value}}}"] == 0
            assert figures[f"rheod_queue_oldest_due_seconds{{lane={queue.value}}}"] == 0
        for unknown in ("rheod_push_last_answer_age_seconds", "rheod_backup_last_good_timestamp_seconds"):
            assert unknown not in figures
        assert figures["rheod_database_bytes"] > 0
        assert figures["rheod_findings{mood=bad}"] == 0
        assert figures["rheod_finding{code=publishing.waits}"] == 1


async def test_the_budget_is_told_by_account(tmp_path: Path) -> None:
    """Calls of the last 24 hours under the account's reference; those of the default account under `own`."""
    async with measured(tmp_path) as daemon:
        core = daemon.core
        for reference, at in (
            ("", 0),
            ("member-1", 0),
            ("member-1", 0),
            ("member-1", -25 * 3600 * SECOND_MS),
        ):
            call = LedgerCall(
                call_class=CallClass.PUBLISH, operation="create", account_id=core.accounts[reference]
            )
            core.ledger.spend(call, now=core.now() + at)
        figures = await daemon.values()
        assert figures["rheod_tradera_calls_used{account=own}"] == 1
        assert figures["rheod_tradera_calls_used{account=member-1}"] == 2
        assert figures["rheod_tradera_method_calls_used{method=create}"] == 3


async def order(daemon: Daemon, subject: str, *, due_in_s: int) -> None:
    """A job of the push queue."""
    wanted = JobOrder(
        queue=QueueName.PUSH, kind=JobKind.CLOSE, subject=subject, delay_ms=due_in_s * SECOND_MS
    )
    owner = Owner(account_id=daemon.core.default_account)
    await daemon.core.store.write(lambda tx: tx.order_for(wanted, owner))


async def test_a_queue_has_a_depth_and_an_age_by_lane(tmp_path: Path) -> None:
    """A job that is not due yet counts and has no age; one that has been due for a minute has that."""
    async with measured(tmp_path) as daemon:
        await order(daemon, "1", due_in_s=100)
        figures = await daemon.values()
        assert figures["rheod_queue_jobs{lane=sales}"] == 1
        assert figures["rheod_queue_oldest_due_seconds{lane=sales}"] == 0
        await order(daemon, "2", due_in_s=-60)
        figures = await daemon.values()
        assert figures["rheod_queue_jobs{lane=sales}"] == 2
        assert figures["rheod_queue_oldest_due_seconds{lane=sales}"] >= 60
        assert figures["rheod_queue_jobs{lane=tradera}"] == 0


async def test_events_that_nobody_takes_are_the_backlog(tmp_path: Path) -> None:
    """The events of an endpoint wait, and it counts as switched off once its failures have done that."""
    async with measured(tmp_path) as daemon:
        core = daemon.core
        await core.endpoints.set_url(core.default_account, "https://erp.example/hook")
        await core.items.put_item(core.default_account, "A", ItemSpec(title="Kaffekopp", price_ore=100))
        await core.database.write(lambda db: db.execute("UPDATE jobs SET created_at = created_at - 90000"))
        figures = await daemon.values()
        assert figures["rheod_webhook_backlog_events"] == 1
        assert figures["rheod_webhook_backlog_oldest_seconds"] >= 90
        assert figures["rheod_webhook_endpoints_disabled"] == 0
        await core.database.write(lambda db: db.execute("UPDATE endpoints SET active = 0, fail_count = 15"))
        figures = await daemon.values()
        assert figures["rheod_webhook_endpoints_disabled"] == 1
        assert figures["rheod_findings{mood=bad}"] == 1
        assert figures["rheod_finding{code=endpoint.off}"] == 1


async def test_what_the_workers_measured_is_told_along(tmp_path: Path) -> None:
    """Histograms in seconds and the pictures that failed; a clock set back makes nothing negative."""
    async with measured(tmp_path) as daemon:
        meters = daemon.rheod.loops.meters
        meters.published(4000)
        meters.sale_written(140)
        meters.sale_delivered(-5)
        meters.picture_failed()
        figures = await daemon.values()
        assert (figures["rheod_publish_seconds_count"], figures["rheod_publish_seconds_sum"]) == (1, 4)
        assert figures["rheod_publish_seconds_bucket{le=2.0}"] == 0
        assert figures["rheod_publish_seconds_bucket{le=5.0}"] == 1
        assert figures["rheod_sale_written_seconds_sum"] == 0.14
        assert figures["rheod_sale_delivered_seconds_sum"] == 0
        assert figures["rheod_picture_failures_total"] == 1


async def test_the_last_good_backup_is_told(tmp_path: Path) -> None:
    """Its time in seconds, as Prometheus reckons."""
    async with measured(tmp_path) as daemon:
        at = daemon.core.now()
        await daemon.core.database.write(partial(key_value.put, name=BACKUP_MARK, value=str(at)))
        assert (await daemon.values())["rheod_backup_last_good_timestamp_seconds"] == at / 1000


async def test_items_make_no_series_of_their_own(tmp_path: Path) -> None:
    """Twenty items more give not a line more."""
    async with measured(tmp_path) as daemon:
        spec = ItemSpec(title="Kaffekopp", price_ore=100, auto_publish=True)
        await daemon.core.items.put_item(daemon.core.default_account, "A-0", spec)
        before = await daemon.values()
        for number in range(1, 21):
            await daemon.core.items.put_item(daemon.core.default_account, f"A-{number}", spec)
        figures = await daemon.values()
        assert figures.keys() == before.keys()
        assert sum(value for name, value in figures.items() if name.startswith("rheod_items{")) == 21


async def test_calls_of_tradera_are_counted_by_how_they_end(tmp_path: Path) -> None:
    """Answers and silences apart; since when Tradera is silent stands beside the finding."""
    async with measured(tmp_path) as daemon:
        contact, now = daemon.core.budget.contact, daemon.core.now()
        contact.ended("create", None, now=now - 200_000, took_s=0.2)
        contact.ended("create", Unreachable(Text("no connection")), now=now - 180_000, took_s=2)
        figures = await daemon.values()
        assert figures["rheod_tradera_requests_total{operation=create,outcome=ok}"] == 1
        assert figures["rheod_tradera_requests_total{operation=create,outcome=unreachable}"] == 1
        assert figures["rheod_tradera_request_seconds_sum{operation=create}"] == 2.2
        since = figures["rheod_finding_since_timestamp_seconds{code=tradera.away}"]
        assert since == (now - 180_000) / 1000


async def test_tries_to_deliver_are_counted_by_how_they_end(tmp_path: Path) -> None:
    """From the first scrape on each outcome has a value: a counter that appears with its first event hides that."""
    async with measured(tmp_path) as daemon:
        meters = daemon.rheod.loops.meters
        assert (await daemon.values())["rheod_webhook_deliveries_total{outcome=refused}"] == 0
        meters.delivered(ok=True, status=204, took_ms=30)
        meters.delivered(ok=False, status=500, took_ms=40)
        meters.delivered(ok=False, status=None, took_ms=5000)
        figures = await daemon.values()
        for outcome in ("taken", "refused", "unanswered"):
            assert figures[f"rheod_webhook_deliveries_total{{outcome={outcome}}}"] == 1
        assert figures["rheod_webhook_delivery_seconds_sum"] == pytest.approx(5.07)


async def test_what_waits_is_told_by_its_time(tmp_path: Path) -> None:
    """A time and not an age: an age stands still while nobody asks."""
    async with measured(tmp_path) as daemon:
        assert not any(name.startswith("rheod_queue_oldest_due_timestamp") for name in await daemon.values())
        await order(daemon, "2", due_in_s=-60)
        at = (await daemon.values())["rheod_queue_oldest_due_timestamp_seconds{lane=sales}"]
        assert at == pytest.approx(daemon.core.now() / 1000 - 60, abs=5)


async def test_every_name_follows_prometheus(tmp_path: Path) -> None:
    """What its own linter asks: base units, `_total` for counters alone, labels in small letters, help that says something."""
    async with measured(tmp_path) as daemon:
        daemon.rheod.loops.meters.answered(route="/", method="GET", code=200, took_s=0.1)
        families = list(text_string_to_metric_families(await daemon.text()))
    assert len({family.name for family in families}) == len(families)
    for family in families:
        assert family.name.startswith("rheod_")
        assert re.fullmatch("[a-z][a-z0-9_]*", family.name)
        assert family.documentation.endswith(".")
        assert not re.search("_(ms|millis|milliseconds|minutes|hours|days|kb|mb|percent)(_|$)", family.name)
        assert not family.name.endswith(("_count", "_sum", "_bucket", "_total", f"_{family.type}"))
        for sample in family.samples:
            assert sample.name.endswith("_total") == (family.type == "counter")
        if "Unix time" in family.documentation and family.name != "rheod_start_time_seconds":
            assert family.name.endswith("_timestamp_seconds")
        for sample in family.samples:
            assert all(re.fullmatch("[a-z][a-z0-9_]*", label) for label in sample.labels)
