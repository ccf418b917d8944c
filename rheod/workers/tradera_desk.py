"""The work of one seller account's tradera lane: hands each job to its worker and turns what went wrong into an outcome."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from rheod.clients.tradera_wire import ServerFailure
from rheod.domain.errors import Permanent, Transient
from rheod.domain.model import Job, JobKind
from rheod.store.jobs import CLASS_OF
from rheod.workers.ad_keeper import AdKeeper
from rheod.workers.asker import Asker
from rheod.workers.calls import NotNow
from rheod.workers.lane import ClassWaits, Done, Held, LaneWaits, Outcome, PutOff
from rheod.workers.order_reader import OrderReader
from rheod.workers.publisher import Publisher
from rheod.workers.shipper import Shipper
from rheod.workers.takeover import TakeoverReader


class TraderaDesk:
    """One account's jobs at Tradera, one at a time (reliability.md 8.1)."""

    def __init__(
        self,
        *,
        publisher: Publisher,
        asker: Asker,
        keeper: AdKeeper,
        reader: OrderReader,
        shipper: Shipper,
        takeover: TakeoverReader,
    ) -> None:
        self._calls = takeover.calls
        self._reader = reader
        self._shipper = shipper
        self._workers: Mapping[JobKind, Callable[[Job], Awaitable[Outcome]]] = {
            JobKind.PUBLISH: publisher.publish,
            JobKind.RESULTS: asker.ask,
            JobKind.REPRICE: keeper.reprice,
            JobKind.END: keeper.end,
            JobKind.ORDERS: reader.look_up,
            JobKind.RECONCILE: self._reconcile,
            JobKind.SHIP: shipper.ship,
            JobKind.TAKEOVER: takeover.take_over,
        }

    async def work(self, job: Job) -> Outcome:
        """Work one job. A remote that is away quiets the whole lane: nobody else would fare better.

        A 500 may also be this job's bad input (tradera-v4.md section 2), so it counts against the job.
        """
        heard = self._calls.answers_heard
        try:
            outcome = await self._workers[job.kind](job)
        except NotNow as error:
            return ClassWaits(CLASS_OF[job.kind], error.until, str(error))
        except Transient as error:
            return LaneWaits(str(error), counted=isinstance(error, ServerFailure) and error.status == 500)
        except Permanent as error:
            return Held(str(error))
        if isinstance(outcome, Done | PutOff):
            return replace(outcome, answered=self._calls.answers_heard > heard)
        return outcome

    async def _reconcile(self, job: Job) -> Outcome:
        outcome = await self._reader.reconcile(job)
        await self._shipper.look_around()
        return outcome
