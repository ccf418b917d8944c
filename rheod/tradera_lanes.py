"""Builds the tradera lane of each seller account, and hands a lane that runs its account's new token.

Part of the composition root (`machinery.py` uses it). It makes no call.
"""

from __future__ import annotations

from collections.abc import Callable

from rheod.assembly import Core
from rheod.catalog.publishing import Schedule
from rheod.clients.tradera import TraderaClient
from rheod.domain.budget import reconcile_gap_ms
from rheod.domain.model import LaneName
from rheod.sellers import Account
from rheod.workers.ad_keeper import AdKeeper
from rheod.workers.advert import AdDefaults
from rheod.workers.asker import Asker, AskOptions
from rheod.workers.calls import TraderaCalls
from rheod.workers.lane import ByUrgency, Lane
from rheod.workers.meters import Meters
from rheod.workers.order_reader import OrderReader, ReconcileOptions
from rheod.workers.publisher import Publisher, PublishOptions
from rheod.workers.shipper import Shipper
from rheod.workers.takeover import TakeoverReader
from rheod.workers.tradera_desk import TraderaDesk


class TraderaLanes:
    """The lanes by account; `add` takes each new one and runs it."""

    def __init__(
        self, *, core: Core, client: TraderaClient, meters: Meters, add: Callable[[Lane], None]
    ) -> None:
        self._core = core
        self._client = client
        self._meters = meters
        self._add = add
        self._lanes: dict[str, tuple[Lane, TraderaCalls]] = {}

    def supply(self, account: Account) -> None:
        """The account sells with this token from its next call on."""
        assert account.seller is not None
        if account.id in self._lanes:
            lane, calls = self._lanes[account.id]
            calls.seller = account.seller
            lane.wake()
            return
        calls = TraderaCalls(
            books=self._core.books,
            ledger=self._core.ledger,
            rules=self._core.rules,
            client=self._client,
            seller=account.seller,
            account_id=account.id,
        )
        calls.gate = self._core.gates[account.id]
        lane = _lane(self._core, self._meters, calls, f"tradera:{account.seller.user_id}")
        self._lanes[account.id] = lane, calls
        self._add(lane)


def _lane(core: Core, meters: Meters, calls: TraderaCalls, name: str) -> Lane:
    tradera = core.settings.tradera
    options = publish_options(core)
    publisher = Publisher(books=core.books, calls=calls, options=options)
    asking = AskOptions(
        delays_s=tradera.result_delays_s,
        doubt_ms=round(tradera.doubt_limit_s * 1000),
        site_url=tradera.site_url,
    )
    interval_ms = reconcile_gap_ms(
        round(core.settings.reconcile_interval_s * 1000),
        accounts=len(core.rules.sellers),
        allowance=core.rules.allowance,
    )
    desk = TraderaDesk(
        publisher=publisher,
        asker=Asker(books=core.books, calls=calls, publisher=publisher, options=asking, meters=meters),
        keeper=AdKeeper(books=core.books, calls=calls, defaults=options.defaults),
        reader=OrderReader(
            books=core.books,
            calls=calls,
            sellers=core.sellers,
            options=ReconcileOptions(interval_ms=interval_ms),
            meters=meters,
        ),
        shipper=Shipper(books=core.books, calls=calls),
        takeover=TakeoverReader(books=core.books, calls=calls, sellers=core.sellers),
    )
    return Lane(
        name=name,
        books=core.books,
        pick=ByUrgency(calls.account_id, calls.gate),
        bell=core.bells.new(LaneName.TRADERA),
        work=desk.work,
        concurrency=1,
    )


def publish_options(core: Core) -> PublishOptions:
    """The owner's settings for publishing."""
    tradera = core.settings.tradera
    given = tradera.defaults
    return PublishOptions(
        defaults=AdDefaults(
            category_id=given.category_id,
            duration_days=given.duration_days,
            restarts=given.restarts,
            accepted_bidder_id=given.accepted_bidder_id,
            condition=given.condition,
            listing_type=given.listing_type,
            shipping_provider_id=given.shipping_provider_id,
            shipping_cost_kr=given.shipping_cost,
            pickup_option_id=given.pickup_option_id,
            payment_option_ids=given.payment_option_ids,
            vat=given.vat,
        ),
        images_dir=core.images_dir,
        max_images=given.max_images,
        image_format=given.image_format_jpeg,
        has_mega=given.has_mega,
        in_doubt=tradera.image_in_doubt,
        schedule=Schedule(first_ask_ms=round(tradera.result_delays_s[0] * 1000)),
    )
