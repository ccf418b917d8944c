"""A small model of Tradera: uncommitted requests, its queue, ads, bids, orders. It counts what rheod must never do.

Knows no faults of the network; those are `peers_tradera.py`'s. Times are ms UTC, prices whole kronor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from rheod.domain.answers import SellerAd
from rheod.domain.errors import Text
from rheod.domain.orders import Order, OrderLine
from rheod.tradera.ad_builder import FIXED_PRICE, Ad
from rheod.tradera.responses import SoldAd
from rheod.tradera.transport import Rejected

DAY_MS = 24 * 3600 * 1000
OK, REFUSED, WAITING, UNCOMMITTED = 1, 2, 128, 256
_BID_STEPS = (
    (20, 1), (50, 3), (150, 5), (250, 10), (500, 15), (1000, 20), (2500, 30), (4000, 50), (6000, 100), (10_000, 200),
)  # fmt: skip
_LONGEST_STEP = 500


def next_bid(opening_kr: int, bids: Sequence[int]) -> int:
    """The least that Tradera takes as the next bid: its ladder, by the price that is reached."""
    if not bids:
        return opening_kr
    reached = bids[-1]
    return reached + next((step for below, step in _BID_STEPS if reached < below), _LONGEST_STEP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Queueing:
    """What Tradera's queue makes of one commit: how long it takes, the code, and how it tells of it.

    `told_ms` is how long after that the result can be read (None: never), `quiet` leaves waiting requests out.
    """

    takes_ms: int
    code: int = OK
    live: bool = True
    told_ms: int | None = 0
    quiet: bool = False


@dataclass(slots=True, kw_only=True)
class Listed:
    """One request and the ad it becomes; or an ad that its seller has started again by hand, which had no request."""

    request_id: int
    item_id: int
    seller: int
    ad: Ad
    opening_kr: int
    buy_now_kr: int
    made_at: int = 0
    restarted_from: int | None = None
    restarted_as: int | None = None
    pictures: list[bytes] = field(default_factory=list)
    committed_at: int | None = None
    commits: int = 0
    queueing: Queueing | None = None
    live_at: int | None = None
    ends_at: int = 0
    ended: bool = False
    bids: list[int] = field(default_factory=list)
    order_id: int | None = None
    refused_price: bool = False
    problem: str | None = None
    row_version: int = 0

    @property
    def is_live(self) -> bool:
        """Whether a buyer could see and buy it now."""
        return self.live_at is not None and not self.ended

    @property
    def external_id(self) -> str:
        """What its seller calls the thing."""
        return self.ad.readable_reference

    @property
    def fixed(self) -> bool:
        """Whether it has a fixed price."""
        return self.ad.item_type == FIXED_PRICE

    @property
    def price_kr(self) -> int:
        """The price the owner has set."""
        return self.buy_now_kr if self.fixed else self.opening_kr


@dataclass(frozen=True, slots=True, kw_only=True)
class Wires:
    """What the market needs of the world: the time, a timer (seconds), chance, and whom it tells of live ads and pushes."""

    now: Callable[[], int]
    later: Callable[[float, Callable[[], None]], object]
    rng: Random
    queueing: Callable[[], Queueing]
    push: Callable[[dict[str, object]], None]
    went_live: Callable[[Listed], None]


class Market:
    """All requests, ads and orders of all sellers."""

    def __init__(self, wires: Wires, *, order_lag_ms: int, end_moves_version: bool) -> None:
        self.requests: dict[int, Listed] = {}
        self.ads: dict[int, Listed] = {}
        self.orders: dict[int, tuple[int, Order]] = {}
        self.shipped: set[int] = set()
        self.confirmed: set[int] = set()
        self.second_commits = 0
        self._wires = wires
        self._order_lag_ms = order_lag_ms
        self._end_moves_version = end_moves_version
        self._version = 0

    def create(self, seller: int, ad: Ad, *, problem: str | None = None) -> Listed:
        """Make an uncommitted request: nobody sees it. With a `problem` the queue will refuse it."""
        number = len(self.requests) + 1
        listed = Listed(
            request_id=900_000 + number,
            item_id=700_000 + number,
            seller=seller,
            ad=ad,
            opening_kr=ad.start_price_kr or 0,
            buy_now_kr=ad.buy_now_kr or 0,
            made_at=self._wires.now(),
            problem=problem,
        )
        self.requests[listed.request_id] = self.ads[listed.item_id] = listed
        return listed

    def committed(self) -> Listed | None:
        """The first request that was committed, if any was."""
        return next((each for each in self.requests.values() if each.committed_at is not None), None)

    def add_image(self, request_id: int, picture: bytes) -> bool:
        """False when it is refused: committed already."""
        listed = self.requests[request_id]
        if listed.committed_at is not None:
            return False
        listed.pictures.append(picture)
        return True

    def commit(self, request_id: int) -> bool:
        """Queue a request. False for a second commit, which has no effect."""
        listed = self.requests[request_id]
        listed.commits += 1
        if listed.committed_at is not None:
            self.second_commits += 1
            return False
        listed.committed_at = self._wires.now()
        listed.queueing = self._wires.queueing()
        if listed.problem is not None:
            listed.queueing = replace(listed.queueing, code=REFUSED, live=False)
        self._wires.later(listed.queueing.takes_ms / 1000, lambda: self._process(listed))
        return True

    def _process(self, listed: Listed) -> None:
        if listed.queueing is None or not listed.queueing.live:
            return
        self._begin(listed)
        self._wires.went_live(listed)

    def _begin(self, listed: Listed) -> None:
        now = self._wires.now()
        days = 30 if listed.fixed else listed.ad.duration_days
        listed.live_at, listed.ends_at = now, now + days * DAY_MS
        self._touch(listed)
        self._wires.later(days * DAY_MS / 1000, lambda: self._run_out(listed))

    def restart(self, listed: Listed) -> Listed:
        """The seller starts an unsold ad again in My Tradera: another ad at its price, with its own reference."""
        again = self.create(listed.seller, listed.ad)
        again.opening_kr, again.buy_now_kr = listed.opening_kr, listed.buy_now_kr
        again.pictures = list(listed.pictures)
        again.restarted_from, listed.restarted_as = listed.item_id, again.item_id
        self._touch(listed)
        self._begin(again)
        return again

    def unsold(self) -> list[Listed]:
        """The ads that have ended without a buyer, which may still be asked for or started again."""
        return [each for each in self.requests.values() if each.ended and not each.order_id and not each.bids]

    def result(self, request_id: int) -> int | None:
        """The result code; None when the request is left out of the answer."""
        listed = self.requests[request_id]
        queueing = listed.queueing
        if queueing is None or listed.committed_at is None:
            return UNCOMMITTED if request_id % 3 else None
        told_at = listed.committed_at + queueing.takes_ms + (queueing.told_ms or 0)
        if queueing.told_ms is None or self._wires.now() < told_at:
            return None if queueing.quiet else WAITING
        return queueing.code

    def _touch(self, listed: Listed) -> None:
        self._version += 1
        listed.row_version = self._version

    def _end(self, listed: Listed) -> None:
        listed.ended, listed.ends_at = True, self._wires.now()
        self._touch(listed)

    def _run_out(self, listed: Listed) -> None:
        if listed.ended:
            return
        version = listed.row_version
        self._end(listed)
        if not self._end_moves_version:
            listed.row_version = version
        if listed.bids:
            self.order([listed])
        else:
            self._closed(listed, "ItemEndedWithoutBuyer")

    def live(self) -> list[Listed]:
        """The ads buyers see now."""
        return [listed for listed in self.requests.values() if listed.is_live]

    def bid(self, listed: Listed) -> None:
        """A buyer bids on an auction."""
        listed.bids.append(next_bid(listed.opening_kr, listed.bids))
        self._touch(listed)

    def order(self, sold: Sequence[Listed]) -> None:
        """A buyer's order over ads of one seller, which are down from then on; or over ended ones, once that is accepted."""
        now = self._wires.now()
        order_id = 50_000 + len(self.orders) + 1
        for listed in sold:
            if not listed.ended:
                self._end(listed)
            self._touch(listed)
            listed.order_id = order_id
        lines = tuple(
            OrderLine(
                tradera_item_id=listed.item_id,
                quantity=1,
                unit_price_ore=100 * (listed.bids[-1] if listed.bids else listed.price_kr),
                own_references=(listed.ad.own_reference,),
                title=listed.ad.title,
            )
            for listed in sold
        )
        order = Order(order_id=order_id, created_at=now, updated_at=now, lines=lines)
        self.orders[order_id] = (sold[0].seller, order)
        ids = [listed.item_id for listed in sold]
        self._wires.push(
            {"Type": "OrderCreated", "OrderId": order_id, "SellerMemberId": sold[0].seller, "ItemIds": ids}
        )

    def ship(self, seller: int, order_id: int) -> None:
        """The seller has sent the order's ads; Rejected for an order that is not his."""
        whose, order = self.orders.get(order_id, (None, None))
        if order is None or whose != seller:
            raise Rejected(Text("The order was not found"), status=404)
        self.shipped |= {line.tradera_item_id for line in order.lines}

    def transactions(self, seller: int) -> list[SoldAd]:
        """Every sale of the seller; the number of a transaction is its ad's."""
        return [
            SoldAd(
                transaction_id=line.tradera_item_id,
                ad=line.tradera_item_id,
                amount_ore=line.unit_price_ore,
                sold_at=order.created_at,
                is_paid=line.tradera_item_id in self.confirmed,
                is_shipped=line.tradera_item_id in self.shipped,
            )
            for whose, order in self.orders.values()
            if whose == seller
            for line in order.lines
        ]

    def confirm(self, seller: int, transaction_id: int) -> None:
        """The seller has been paid outside Tradera; Rejected for a sale that is not theirs."""
        if transaction_id not in {each.transaction_id for each in self.transactions(seller)}:
            raise Rejected(Text("The transaction was not found"), status=404)
        self.confirmed.add(transaction_id)

    def close(self, listed: Listed, reason: str) -> None:
        """Somebody closes an ad without a sale."""
        self._end(listed)
        self._closed(listed, reason)

    def _closed(self, listed: Listed, reason: str) -> None:
        self._wires.push(
            {
                "Type": "ItemClosed",
                "ItemId": listed.item_id,
                "SellerMemberId": listed.seller,
                "Reason": reason,
            }
        )

    def end(self, item_id: int) -> bool:
        """The seller's own ending; False when it is down or has bids."""
        listed = self.ads[item_id]
        if not listed.is_live or listed.bids:
            return False
        self._end(listed)
        if self._wires.rng.random() < 0.5:
            self._closed(listed, "ItemClosedBySeller")
        return True

    def set_price(self, item_id: int, opening_kr: int | None, buy_now_kr: int | None) -> str | None:
        """None when done, else the refusal."""
        listed = self.ads[item_id]
        if not listed.is_live or listed.bids:
            listed.refused_price = True
            return "The price cannot be changed"
        listed.opening_kr = listed.opening_kr if opening_kr is None else opening_kr
        listed.buy_now_kr = listed.buy_now_kr if buy_now_kr is None else buy_now_kr
        listed.refused_price = False
        self._touch(listed)
        return None

    def read(self, item_id: int) -> SellerAd | None:
        """The ad as its seller sees it; None before it was ever live."""
        listed = self.ads.get(item_id)
        return None if listed is None or listed.live_at is None else self._view(listed)

    def _view(self, listed: Listed) -> SellerAd:
        return SellerAd(
            tradera_item_id=listed.item_id,
            item_type=listed.ad.item_type,
            own_references=(listed.ad.own_reference,),
            total_bids=len(listed.bids),
            max_bid_kr=listed.bids[-1] if listed.bids else None,
            opening_kr=listed.opening_kr,
            buy_now_kr=listed.buy_now_kr,
            remaining=0 if listed.order_id else 1,
            ended=listed.ended,
            category_id=listed.ad.category_id,
            got_winner=listed.order_id is not None,
            ends_at=listed.ends_at,
            started_at=listed.live_at,
        )

    def restarted_as(self, item_id: int) -> int | None:
        """The ad that its seller has made of this one by starting it again."""
        listed = self.ads.get(item_id)
        return None if listed is None else listed.restarted_as

    def seller_items(self, seller: int, from_ms: int, to_ms: int) -> list[SellerAd]:
        """The seller's ads that end or ended in a period."""
        return [
            self._view(listed)
            for listed in self.requests.values()
            if listed.seller == seller and listed.live_at is not None and from_ms <= listed.ends_at <= to_ms
        ]

    def updated(self, seller: int, version: int) -> list[tuple[int, int]]:
        """(ad, row version) of the seller's ads that changed since."""
        return [
            (listed.item_id, listed.row_version)
            for listed in self.requests.values()
            if listed.seller == seller and listed.row_version > version
        ]

    def known_orders(self, seller: int) -> list[Order]:
        """The seller's orders that can be looked up already."""
        before = self._wires.now() - self._order_lag_ms
        return [
            order for whose, order in self.orders.values() if whose == seller and order.created_at <= before
        ]
