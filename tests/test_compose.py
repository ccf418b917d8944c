"""What the one builder wires: every queue, every kind of job, every handler; and how a webhook address is judged."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from rheod.compose.build import Rheod, build
from rheod.compose.remotes import Remotes, check_webhook_url
from rheod.config.sections import AccountSettings, Push, Storage, Webhooks
from rheod.config.selling import Tradera
from rheod.config.settings import Settings
from rheod.domain.model import ItemSpec, Job, JobKind, JobOrder, QueueName, TraderaWish
from rheod.jobs.queue import JobQueue, Look, Outcome, Pick
from rheod.sandbox.tradera import TraderaSimulator
from rheod.store.engine.database import Database
from rheod.store.jobs import CLASS_OF, Owner
from tests.fixtures import simulator
from tests.stores import Clock, rows

__all__ = ["simulator"]

HTTP = "`webhooks.allow_http` allows it"
PRIVATE = "`webhooks.allow_private_networks` allows it"
BOTH = "`webhooks.allow_http` and `webhooks.allow_private_networks` allow it"
CLOSED, HTTP_ONLY, OPEN = (False, False), (True, False), (True, True)


@pytest.mark.parametrize(
    ("allowed", "url", "said"),
    [
        (CLOSED, "https://erp.se/hook", None),
        (CLOSED, "http://erp.se/hook", f"Must be an HTTPS URL ({HTTP})"),
        (CLOSED, "https://10.0.0.5/hook", f"Must name a host, not an IP address ({PRIVATE})"),
        (CLOSED, "https://erp.local/hook", f"Must name a host of the public Internet ({PRIVATE})"),
        (CLOSED, "https://erp.se:8443/hook", f"Must use port 443 ({PRIVATE})"),
        (CLOSED, "http://localhost:8080/hook", f"Must be an HTTPS URL ({BOTH})"),
        (CLOSED, "ftp://erp.se/hook", "Must be an HTTPS URL"),
        (CLOSED, "https://a b.se/", "Must name a valid host"),
        (HTTP_ONLY, "http://localhost/hook", f"Must name a host of the public Internet ({PRIVATE})"),
        (HTTP_ONLY, "ftp://localhost/hook", "Must be an HTTPS URL"),
        (OPEN, "http://localhost:8080/hook", None),
    ],
)
def test_a_refused_webhook_address_names_the_setting_that_opens_it(
    allowed: tuple[bool, bool], url: str, said: str | None
) -> None:
    """The least that is needed beside what is set already; nothing where no setting helps."""
    hooks = Webhooks(allow_http=allowed[0], allow_private_networks=allowed[1])
    assert check_webhook_url(Settings(webhooks=hooks))(url) == said


class OpenQueue(JobQueue):
    """A queue whose pick and work a test can call."""

    def __init__(self, **parts: Any) -> None:
        self.pick: Pick = parts["pick"]
        self.work: Callable[[Job], Awaitable[Outcome]] = parts["work"]
        super().__init__(**parts)


@pytest.fixture
async def rheod(
    database: Database, clock: Clock, tmp_path: Path, simulator: TraderaSimulator
) -> AsyncIterator[Rheod]:
    """A reseller with two members and a push queue, wired over the real ways out; nothing runs."""
    token = SecretStr("test-user-token")
    settings = Settings(
        storage=Storage(path=tmp_path, least_free_bytes=0),
        push=Push(queue_url="http://127.0.0.1:9/queue"),
        accounts=tuple(
            AccountSettings(reference=f"m-{user}", user_id=user, user_token=token) for user in (2, 3)
        ),
        tradera=Tradera(
            base_url=simulator.base_url,
            app_id=simulator.keys.app_id,
            app_key=SecretStr(simulator.keys.app_key),
            user_id=300124,
            user_token=token,
        ),
    )
    one = await build(settings, database, clock=clock, rng=Random(1), remotes=Remotes(), new_queue=OpenQueue)
    async with one.clients:
        yield one


async def test_every_queue_has_a_loop_and_tradera_one_for_each_seller(rheod: Rheod) -> None:
    """By the names that `rheod status` shows; the poller and what runs beside them are there too."""
    names = [queue.name for queue in rheod.loops.queues]
    assert names == [
        "images",
        "hooks",
        "sales",
        "tradera:reference",
        "tradera:300124",
        "tradera:2",
        "tradera:3",
    ]
    assert {name.partition(":")[0] for name in names} == {queue.value for queue in QueueName}
    assert rheod.loops.poller is not None
    assert rheod.loops.chores.keys() == {
        *("heartbeat", "housekeeping", "clock", "alerts", "loop watch", "picture garbage", "reference data"),
    }


async def test_every_kind_of_job_has_its_work(rheod: Rheod, database: Database) -> None:
    """One of each is picked by its queue and comes to an outcome; nobody else is asked than the simulated Tradera."""
    core = rheod.core
    account_id, owner = core.default_account, Owner(account_id=core.default_account)
    await core.endpoints.set_url(account_id, "https://erp.invalid/hook")
    spec = ItemSpec(title="Kaffekopp", price_ore=100, image_urls=("https://shop.invalid/1.jpg",))
    await core.items.put_item(account_id, "A", spec)
    spec = ItemSpec(
        title="Tallrik", price_ore=100, auto_publish=True, tradera=TraderaWish(category_id=302571)
    )
    await core.items.put_item(account_id, "B", spec)
    listing = (await core.items.read_item(account_id, "B")).listing
    assert listing is not None
    subjects = {
        JobKind.PUBLISH: listing.id,
        JobKind.REPRICE: listing.id,
        JobKind.END: listing.id,
        JobKind.LOOK: listing.id,
        JobKind.SHIP: "1",
        JobKind.CONFIRM: "1",
        JobKind.REFERENCE: "categories",
    }
    for kind in CLASS_OF:
        subject = subjects.get(kind, account_id)
        wanted = JobOrder(queue=QueueName.TRADERA, kind=kind, subject=subject)
        await core.store.write(lambda tx, wanted=wanted: tx.order_for(wanted, owner))  # type: ignore[misc]
    close = JobOrder(queue=QueueName.PUSH, kind=JobKind.CLOSE, subject="1")
    await core.store.write(lambda tx: tx.order_for(close, owner))
    assert {row["kind"] for row in await rows(database, "SELECT kind FROM jobs")} == set(JobKind)
    nothing: frozenset[Any] = frozenset()
    look = Look(now=core.now(), limit=100, running=nothing, settling=nothing, blocked=nothing)
    worked = set()
    for queue in rheod.loops.queues:
        assert isinstance(queue, OpenQueue)
        for _ in ("the look after a restore, which runs alone", "the rest"):
            for job in await database.read(partial(queue.pick.jobs, look=look)):
                await queue.work(job)
                worked.add(job.kind)
                await database.write(
                    lambda db, done=job.id: db.execute("DELETE FROM jobs WHERE id = ?", (done,))  # type: ignore[misc]
                )
    assert worked == set(JobKind)


async def test_the_applications_have_their_handlers(rheod: Rheod) -> None:
    """Both are made of the same use cases; what each is for is there, and nothing of the admin socket is public."""
    public, admin = _routes(rheod.handlers.public()), _routes(rheod.handlers.admin())
    for path in ("/healthz", "/metrics", "/openapi.json", "/dashboard", "/integration/v1/items/{externalId}"):
        assert any(found.endswith(path) for found in public), path
    for path in ("/status", "/doctor", "/backup", "/password", "/inspection", "/tradera/connections"):
        assert path in admin
        assert path not in public


def _routes(app: web.Application) -> set[str]:
    return {resource.canonical for resource in app.router.resources()}
