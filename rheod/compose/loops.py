"""Builds what runs by itself: the queues, the poller of Tradera's push queue, and the chores beside them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from rheod.compose.core import Core
from rheod.compose.remotes import Remotes
from rheod.config.settings import held_to_daily_calls, superseded
from rheod.domain.errors import Permanent, StoreUnavailable, Transient
from rheod.domain.model import Job, JobKind, QueueName
from rheod.health.alerts import Alerter, Notifier, Rounds
from rheod.health.facts import Limits, Observed, RunningLoops, gather_findings
from rheod.jobs.housekeeping import ClockJumpMonitor, Heartbeat, Housekeeping, LoopWatch, probe
from rheod.jobs.meters import Meters
from rheod.jobs.picks import ByDueTime, ByUrgency, OfReference
from rheod.jobs.queue import (
    BudgetWait,
    Done,
    Hold,
    JobQueue,
    Outcome,
    Pause,
    Pick,
    Retry,
    Unclear,
)
from rheod.pictures.decoder import Thumbnails
from rheod.pictures.folder import GarbageCollector, PictureFetcher, Uploads
from rheod.push.client import PushQueue
from rheod.push.poller import ClosedAdHandler, PushPoller
from rheod.store.jobs import CLASS_OF
from rheod.tradera.accounts import Account
from rheod.tradera.ad_builder import AdDefaults
from rheod.tradera.ad_updater import AdUpdater, Relister
from rheod.tradera.bid_reader import BidReader
from rheod.tradera.budgeted_client import BudgetedClient, NotNow
from rheod.tradera.client import TraderaClient
from rheod.tradera.order_sync import OrderSync, OrderUpdater
from rheod.tradera.publisher import Publisher, PublishOptions
from rheod.tradera.reconciler import ReconcileOptions, Reconciler, TakeOver
from rheod.tradera.reference_data import ReferenceReader
from rheod.tradera.result_poller import ResultPoller, ResultPollOptions
from rheod.tradera.transport import APPLICATION, ServerFailure, Unreachable
from rheod.usecases.listings import AskSchedule
from rheod.usecases.placement import look_at_all
from rheod.usecases.transaction import Transaction
from rheod.webhooks.client import WebhookClient
from rheod.webhooks.deliverer import ByEndpoint, Deliverer

_BEAT_S = 10.0
_IMAGE_JOBS_PER_DOWNLOAD = 4
"""More jobs than downloads run at once, so that one slow host does not keep the others' pictures waiting."""

_SETTLING_WEBHOOKS = 4
"""So many times the deliveries at once may be taken and still wait for the commit of that: it is shared."""

_AT_ONCE = ByUrgency.most_publishings + 2
"""Jobs of one account at Tradera at the same time: so many ads, and what is more urgent beside them."""

_LATE_PASSES = 3
"""So many passes of reconciliation must have failed or not begun, and so long ago, before that is a finding."""
_LATE_MS = 15 * 60 * 1000

Chore = Callable[[], Coroutine[Any, Any, None]]


class TraderaDesk:
    """One account's jobs at Tradera: hands each to its worker and turns what went wrong into an outcome."""

    def __init__(
        self, *, calls: BudgetedClient, workers: Mapping[JobKind, Callable[[Job], Awaitable[Outcome]]]
    ) -> None:
        self._calls = calls
        self._workers = workers

    async def work(self, job: Job) -> Outcome:
        """Work one job. Without a connection the whole queue rests: no other job would fare better.

        An answer that says nothing, or none to a call that was sent, may be this job's fault: it waits by itself.
        """
        heard = self._calls.answers_heard
        try:
            outcome = await self._workers[job.kind](job)
        except NotNow as error:
            alone = Retry(until=error.until, reason=str(error), counted=False, answered=False)
            return alone if error.is_of_one_job else BudgetWait(CLASS_OF[job.kind], error.until, str(error))
        except StoreUnavailable:
            raise
        except Unreachable as error:
            return Pause(str(error))
        except Transient as error:
            status = error.status if isinstance(error, ServerFailure) else 0
            return Unclear(str(error), failure=f"{type(error).__name__} {status}")
        except Permanent as error:
            return Hold(str(error), answered=self._calls.answers_heard > heard)
        if isinstance(outcome, Done | Retry | Hold):
            return replace(outcome, answered=self._calls.answers_heard > heard)
        return outcome


@dataclass(slots=True, kw_only=True)
class Loops:
    """What runs by itself. `chores` run beside the queues, by name; `push` is the poller's queue, not opened yet.

    An account that gets its first token while everything runs gets a queue then: `start_queue` runs it.
    """

    core: Core
    new_queue: type[JobQueue]
    tradera: TraderaClient | None
    webhooks: WebhookClient
    fetcher: PictureFetcher
    thumbnails: Thumbnails
    uploads: Uploads
    push: PushQueue | None
    queues: list[JobQueue] = field(default_factory=list)
    poller: PushPoller | None = None
    chores: dict[str, Chore] = field(default_factory=dict)
    watch: LoopWatch = field(default_factory=LoopWatch)
    meters: Meters
    notifiers: list[Notifier] = field(default_factory=list)
    start_queue: Callable[[JobQueue], None] = lambda _queue: None
    reference: ReferenceReader
    _tradera_queues: dict[str, tuple[JobQueue, BudgetedClient]] = field(default_factory=dict)

    @property
    def running(self) -> RunningLoops:
        """As health looks at it."""
        return RunningLoops(queues=self.queues, poller=self.poller, watch=self.watch, meters=self.meters)

    def queue(
        self,
        name: QueueName,
        pick: Pick,
        work: Callable[[Job], Awaitable[Outcome]],
        *,
        concurrency: int,
        label: str = "",
    ) -> JobQueue:
        """One more queue; `label` is its name in the log and in `rheod status` where that is not the queue's own."""
        queue = self.new_queue(
            name=label or name.value,
            store=self.core.store,
            pick=pick,
            wakeup=self.core.wakeups.new(name),
            work=work,
            concurrency=concurrency,
        )
        self.queues.append(queue)
        self.start_queue(queue)
        return queue

    def supply(self, account: Account) -> None:
        """The account sells with this token from its next call on."""
        assert account.seller is not None
        assert self.tradera is not None
        if account.id in self._tradera_queues:
            queue, calls = self._tradera_queues[account.id]
            calls.seller = account.seller
            queue.wake()
            return
        calls = self.core.budget.client_of(account.id, account.seller, self.tradera)
        queue = self.queue(
            QueueName.TRADERA,
            ByUrgency(account.id, calls.lock),
            _tradera_desk(self.core, calls, self.meters, self.reference).work,
            concurrency=_AT_ONCE,
            label=f"tradera:{account.seller.user_id}",
        )
        self._tradera_queues[account.id] = queue, calls

    def of_account(self, account_id: str) -> tuple[JobQueue, BudgetedClient]:
        """The queue of an account that sells, and what calls Tradera for it. KeyError for another."""
        return self._tradera_queues[account_id]

    def moved(self, by: int) -> None:
        """The clock has jumped by so much (ms): what is remembered with a time keeps its distance from now."""
        self.core.budget.contact.moved(by)
        self.core.ledger.moved(by)
        if self.poller is not None:
            self.poller.moved(by)
        for queue in self.queues:
            queue.wake()

    async def begin(self) -> None:
        """What comes before the first loop: the push queue opened, half-done pictures removed, sellers compared soon."""
        self.core.life.begun = True
        if self.push is not None:
            await self.push.open()
        (self.core.images_dir / "tmp").mkdir(parents=True, exist_ok=True, mode=0o700)
        self.fetcher.sweep()
        if self.tradera is not None:
            self.reference.runs = True
            await self.core.reference.read_what_is_old()
        await look_at_all(self.core.store, also_refused=False)
        await self.core.orders.go_by_rules()
        for account_id in self._tradera_queues:
            await self.core.store.write(partial(Transaction.begin_reading, account_id=account_id))


def build_loops(core: Core, remotes: Remotes, new_queue: type[JobQueue], clients: AsyncExitStack) -> Loops:
    """The queues and the poller with the clients they use, and the chores; nothing runs yet."""
    settings, meters, decoder = core.settings, Meters(), remotes.decoder(core, clients)
    most = settings.storage.images_max_bytes
    thumbnails = Thumbnails(decoder=decoder, pictures_dir=core.images_dir)
    clients.push_async_callback(thumbnails.close)
    loops = Loops(
        core=core,
        new_queue=new_queue,
        tradera=remotes.tradera(core, clients),
        webhooks=remotes.webhooks(core, clients),
        fetcher=PictureFetcher(
            store=core.store,
            downloader=remotes.downloader(core, clients),
            decoder=decoder,
            pictures_dir=core.images_dir,
            meters=meters,
            most_bytes=most,
        ),
        thumbnails=thumbnails,
        uploads=Uploads(store=core.store, decoder=decoder, pictures_dir=core.images_dir, most_bytes=most),
        push=remotes.push_queue(core),
        meters=meters,
        reference=ReferenceReader(data=core.reference, calls=None),
    )
    core.budget.contact.next_try = lambda: min(
        (queue.rest.until for queue in loops.queues if queue.rest is not None), default=None
    )
    loops.queue(
        QueueName.PICTURES,
        ByDueTime(QueueName.PICTURES),
        loops.fetcher.fetch,
        concurrency=settings.images.concurrency * _IMAGE_JOBS_PER_DOWNLOAD,
    )
    deliverer = Deliverer(
        store=core.store,
        client=loops.webhooks,
        retry_delays_s=settings.webhooks.retry_delays_s,
        meters=meters,
    )
    deliveries = loops.queue(
        QueueName.WEBHOOKS, ByEndpoint(), deliverer.deliver, concurrency=settings.webhooks.concurrency
    )
    deliveries.most_settling = settings.webhooks.concurrency * _SETTLING_WEBHOOKS
    closed = ClosedAdHandler(store=core.store, sellers=core.sellers)
    loops.queue(QueueName.PUSH, ByDueTime(QueueName.PUSH), closed.close, concurrency=4)
    if loops.tradera is not None:
        loops.reference = _reference_reader(loops, loops.tradera)
        for account in core.registry:
            if account.seller is not None:
                loops.supply(account)
        core.registry.tell = loops.supply
    if loops.push is not None:
        clients.push_async_callback(loops.push.close)
        loops.poller = PushPoller(store=core.store, queue=loops.push, sellers=core.sellers, rng=core.rng)
    loops.chores = _chores(loops, remotes, clients)
    return loops


def _chores(loops: Loops, remotes: Remotes, clients: AsyncExitStack) -> dict[str, Chore]:
    core, settings = loops.core, loops.core.settings
    loops.notifiers = remotes.notifiers(core, clients)
    seen = observed(core, loops.running)
    heartbeat = Heartbeat(
        beat=remotes.systemd.watchdog,
        alive=partial(probe, core.database),
        every_s=_BEAT_S,
    )
    housekeeping = Housekeeping(
        database=core.database,
        now=core.now,
        chores=(core.keys.save_uses, core.orders.ripen),
        keep_days=settings.retention.deliveries_days,
        orders_days=settings.retention.orders_days,
    )
    garbage = GarbageCollector(
        store=core.store, pictures_dir=core.images_dir, most_bytes=settings.storage.images_max_bytes
    )
    alerter = Alerter(
        database=core.database,
        now=core.now,
        look=lambda: gather_findings(seen),
        notifiers=loops.notifiers,
        rounds=Rounds(sales=settings.alerts.sales),
    )
    return {
        "heartbeat": heartbeat.run,
        "housekeeping": housekeeping.run,
        "clock": ClockJumpMonitor(clock=core.now, database=core.database, moved=loops.moved).run,
        "alerts": alerter.run,
        "loop watch": loops.watch.run,
        "picture garbage": garbage.run,
        **({} if loops.tradera is None else {"reference data": loops.reference.run}),
    }


def _reference_reader(loops: Loops, client: TraderaClient) -> ReferenceReader:
    """What reads for all accounts, with a queue of its own: it needs no seller, and holds nobody's ads up."""
    core = loops.core
    calls = core.budget.client_of(core.default_account, APPLICATION, client)
    reader = ReferenceReader(data=core.reference, calls=calls)
    loops.queue(
        QueueName.TRADERA,
        OfReference(core.default_account),
        TraderaDesk(calls=calls, workers={JobKind.REFERENCE: reader.work}).work,
        concurrency=2,
        label="tradera:reference",
    )
    return reader


def _tradera_desk(
    core: Core, calls: BudgetedClient, meters: Meters, reference: ReferenceReader
) -> TraderaDesk:
    tradera = core.settings.tradera
    options = publish_options(core)
    publisher = Publisher(store=core.store, calls=calls, options=options, reference=reference)
    asking = ResultPollOptions(
        delays_s=core.settings.result_delays_s,
        doubt_ms=round(tradera.doubt_limit_s * 1000),
        site_url=tradera.site_url,
    )
    asker = ResultPoller(store=core.store, calls=calls, publisher=publisher, options=asking, meters=meters)
    keeper = AdUpdater(store=core.store, calls=calls, defaults=options.defaults, tries=options.tries)
    reader = OrderSync(store=core.store, calls=calls, sellers=core.sellers, meters=meters)
    options_of_passes = ReconcileOptions(interval_ms=lambda: core.reading_gap_ms)
    reconciler = Reconciler(store=core.store, calls=calls, sellers=core.sellers, options=options_of_passes)
    bids = BidReader(store=core.store, calls=calls, every_ms=round(tradera.bids_interval_s * 1000))
    shipper = OrderUpdater(store=core.store, calls=calls, tries=options.tries)

    async def reconcile(job: Job) -> Outcome:
        outcome = await reconciler.reconcile(job)
        await shipper.look_around()
        await reader.complete()
        return outcome

    workers: Mapping[JobKind, Callable[[Job], Awaitable[Outcome]]] = {
        JobKind.PUBLISH: publisher.publish,
        JobKind.RELIST: Relister(store=core.store, calls=calls).relist,
        JobKind.RESULTS: asker.ask,
        JobKind.LOOK: asker.look,
        JobKind.REPRICE: keeper.reprice,
        JobKind.END: keeper.end,
        JobKind.ORDERS: reader.look_up,
        JobKind.RECONCILE: reconcile,
        JobKind.BIDS: bids.read,
        JobKind.SHIP: shipper.ship,
        JobKind.CONFIRM: shipper.confirm,
        JobKind.TAKEOVER: TakeOver(store=core.store, calls=calls, sellers=core.sellers).take_over,
    }
    return TraderaDesk(calls=calls, workers=workers)


def publish_options(core: Core) -> PublishOptions:
    """The owner's settings for publishing."""
    tradera = core.settings.tradera
    given = tradera.defaults
    return PublishOptions(
        defaults=AdDefaults(
            duration_days=given.duration_days,
            restarts=0,
            accepted_bidder_id=given.accepted_bidder_id,
            condition=given.condition,
            listing_type=given.listing_type,
            freight=core.freight,
            payment_option_ids=given.payment_option_ids,
            vat=given.vat,
        ),
        images_dir=core.images_dir,
        max_images=given.max_images,
        image_format=given.image_format_jpeg,
        has_mega=given.has_mega,
        in_doubt=tradera.image_in_doubt,
        tries=tradera.publish_tries,
        site_url=tradera.site_url,
        schedule=AskSchedule(first_ask_ms=round(core.settings.result_delays_s[0] * 1000)),
    )


def observed(core: Core, loops: RunningLoops | None) -> Observed:
    """What health looks at; `loops` is None without a daemon."""
    settings = core.settings
    return Observed(
        database=core.database,
        folder=settings.storage.path,
        ledger=core.ledger,
        quota=core.rules.quota,
        forecast=core.forecast,
        capacity=core.capacities.of_account,
        accounts=core.registry,
        restore_locks=core.restore_locks,
        contact=core.budget.contact,
        has_push=settings.push.queue_url is not None,
        site_url=settings.tradera.site_url,
        superseded=tuple(superseded(settings)),
        held_to_sum=held_to_daily_calls(settings),
        limits=Limits(
            backup_age_ms=round(settings.backup.alarm_after_s * 1000),
            push_silence_ms=round(settings.push.alarm_after_s * 1000),
            reconcile_ms=max(_LATE_MS, _LATE_PASSES * core.reading_gap_ms),
            free_bytes=settings.storage.least_free_bytes,
            image_bytes=settings.storage.images_max_bytes,
            unpaid_days=settings.orders.unpaid_reminder_days,
        ),
        now=core.now,
        started_at=core.started_at,
        loops=loops,
    )
