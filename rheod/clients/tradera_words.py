"""Tradera's JSON in our words: what the answers of API v4 mean (tradera-v4.md sections 5 to 7 and 9).

A tolerant reader: unknown fields, nulls and missing optionals are fine; a field we cannot do without raises
WrongShapeError. No I/O. Buyers' data passes through here and must not reach an error's text.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from rheod.clients.tradera_json import (
    WrongShapeError,
    entries_of,
    fields_of,
    flag,
    identity,
    specified,
    text,
    texts,
    time_ms,
    version,
    whole,
)
from rheod.domain.model import Order, OrderLine

_BUYER_FIELDS = 40


class Outcome(StrEnum):
    """What a request result says, read from its flags (section 7)."""

    DONE = "done"
    WAITING = "waiting"
    UNCOMMITTED = "uncommitted"
    AGAIN = "again"  # failed, but a new attempt may help
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The result of one queued request: `code` is a set of flags, `message` Tradera's own words or ""."""

    code: int
    message: str

    @property
    def outcome(self) -> Outcome:
        """The flags in the order in which they decide; no flag at all says nothing yet."""
        for bit, outcome in (
            (1, Outcome.DONE),
            (128, Outcome.WAITING),
            (256, Outcome.UNCOMMITTED),
            (16, Outcome.AGAIN),
        ):
            if self.code & bit:
                return outcome
        return Outcome.FAILED if self.code else Outcome.WAITING


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """Tradera's two numbers of a new, uncommitted listing."""

    request_id: int
    tradera_item_id: int


class AdState(StrEnum):
    """Where an ad stands at Tradera (section 6.2)."""

    RUNNING = "running"
    BIDS = "bids"
    SOLD = "sold"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedItem:
    """One of the seller's ads as Tradera shows it. Kronor; None where Tradera says nothing; `ends_at` in ms UTC."""

    tradera_item_id: int
    item_type: int | None = None
    own_references: tuple[str, ...] = ()
    total_bids: int = 0
    max_bid_kr: int | None = None
    opening_kr: int | None = None
    buy_now_kr: int | None = None
    remaining: int | None = None
    reserve_reached: bool | None = None
    ended: bool | None = None
    got_winner: bool | None = None
    ends_at: int | None = None
    link: str | None = None

    def state_at(self, now: int) -> AdState:
        """The state at `now` (ms UTC, only needed when Tradera leaves out `status`)."""
        ended = self.ended
        if ended is None:
            ended = self.ends_at is not None and self.ends_at <= now
        if not ended:
            return AdState.BIDS if self.total_bids > 0 else AdState.RUNNING
        if self.got_winner is not None:
            return AdState.SOLD if self.got_winner else AdState.ENDED
        won = self.total_bids > 0 and self.reserve_reached is not False
        return AdState.SOLD if won or self.remaining == 0 else AdState.ENDED

    @property
    def reached_kr(self) -> int | None:
        """The price reached: the highest bid, else the fixed price (an order's line is the better proof)."""
        return self.max_bid_kr if self.total_bids > 0 else self.buy_now_kr


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Whose token it is."""

    user_id: int
    alias: str


def read_created(answer: Any) -> Created:
    """`QueuedRequestResponse`; both numbers must be there."""
    fields = fields_of(answer, "the answer to create")
    return Created(request_id=identity(fields, "requestId"), tradera_item_id=identity(fields, "itemId"))


def read_results(answer: Any, asked: set[int]) -> dict[int, Result]:
    """Results by request id; a request without a result yet is absent, and so is what nobody asked for."""
    results = {}
    for entry in entries_of(answer, "request-results"):
        request_id, code = whole(entry.get("requestId")), whole(entry.get("resultCode"))
        if request_id is not None and code is not None and request_id in asked:
            results[request_id] = Result(code=code, message=text(entry.get("message")))
    return results


def read_listed(answer: Any) -> ListedItem:
    """One `Item`; only its id is indispensable."""
    item = fields_of(answer, "an item")
    status = item.get("status")
    status = status if isinstance(status, dict) else {}
    link = text(item.get("itemLink"))
    return ListedItem(
        tradera_item_id=identity(item, "id"),
        item_type=whole(item.get("itemType")),
        own_references=texts(item.get("ownReferences")),
        total_bids=whole(item.get("totalBids")) or 0,
        max_bid_kr=specified(item, "maxBid"),
        opening_kr=specified(item, "openingBid"),
        buy_now_kr=specified(item, "buyItNowPrice"),
        remaining=whole(item.get("remainingQuantity")),
        reserve_reached=flag(item.get("reservePriceReached")),
        ended=flag(status.get("ended")),
        got_winner=flag(status.get("gotWinner")),
        ends_at=time_ms(item.get("endDate")),
        link=link if link.startswith(("https://", "http://")) else None,
    )


def read_listed_all(answer: Any) -> list[ListedItem]:
    """A list of `Item`."""
    return [read_listed(entry) for entry in entries_of(answer, "seller-items")]


def read_updated(answer: Any) -> list[tuple[int, int]]:
    """`UpdatedItemInfo[]` as (item id, row version)."""
    entries = entries_of(answer, "updated-seller-items")
    return [(identity(entry, "id"), version(entry, "rowVersion")) for entry in entries]


def read_orders(answer: Any) -> list[Order]:
    """`SellerOrder[]`; a line without an item number keeps number 0, so that its sale is shown and not lost."""
    return [_order(entry) for entry in entries_of(answer, "orders")]


def read_shipped(answer: Any) -> set[int]:
    """Of `Transaction[]` the ads marked as shipped: where an ad was sold several times, each of its sales is."""
    marked: dict[int, bool] = {}
    for entry in entries_of(answer, "seller-transactions"):
        item = entry.get("item")
        ad = whole(item.get("id")) if isinstance(item, dict) else None
        if ad:
            marked[ad] = marked.get(ad, True) and flag(entry.get("isMarkedAsShipped")) is True
    return {ad for ad, shipped in marked.items() if shipped}


def read_member(answer: Any) -> Member:
    """`users/me`, of which only number and alias are kept."""
    fields = fields_of(answer, "users/me")
    return Member(
        user_id=whole(fields.get("id")) or identity(fields, "userId"), alias=text(fields.get("alias"))
    )


def read_token(answer: Any) -> tuple[str, int | None]:
    """A seller's token and when it ends (ms UTC; None when Tradera does not say)."""
    fields = fields_of(answer, "auth/token")
    token = text(fields.get("authToken"))
    if not token:
        raise WrongShapeError("it has no authToken")
    return token, time_ms(fields.get("hardExpirationTime"))


def read_clock(answer: Any) -> int | None:
    """Tradera's time (ms UTC): a bare string or `{"time": ...}`; None when it is neither."""
    return time_ms(answer.get("time") if isinstance(answer, dict) else answer)


def _order(entry: dict[str, Any]) -> Order:
    subtotal = whole(entry.get("subTotal")) or 0
    created = time_ms(entry.get("createdDate"))
    updated = time_ms(entry.get("lastUpdatedDate")) or created or 0
    items = entry.get("items")
    lines = [line for line in items if isinstance(line, dict)] if isinstance(items, list) else []
    return Order(
        order_id=identity(entry, "orderId"),
        created_at=created or updated,
        updated_at=updated,
        lines=tuple(_line(line, lone_price=subtotal if len(lines) == 1 else 0) for line in lines),
        subtotal_ore=subtotal * 100,
        paid_at=_paid_at(entry.get("sellerOrderPayments"), updated),
        buyer=_buyer(entry),
    )


def _line(line: dict[str, Any], *, lone_price: int) -> OrderLine:
    price = whole(line.get("unitPrice"))
    return OrderLine(
        tradera_item_id=whole(line.get("itemId")) or 0,
        quantity=max(1, whole(line.get("quantity")) or 1),
        unit_price_ore=(lone_price if price is None else price) * 100,
        own_references=texts(line.get("ownReferences")),
        title=text(line.get("title")),
    )


def _paid_at(payments: Any, updated: int) -> int | None:
    """When the order was paid: the last payment; an undated one counts from the order's last update."""
    entries = payments if isinstance(payments, list) else []
    times = [time_ms(payment.get("paidDate")) or updated for payment in entries if isinstance(payment, dict)]
    return max(times, default=None)


def _buyer(entry: dict[str, Any]) -> dict[str, Any]:
    """The buyer's own fields as plain texts and numbers; `shipTo` beside them when it differs (shop items)."""
    person = _scalars(entry.get("buyer"))
    ship_to = _scalars(entry.get("shipTo"))
    return {**person, "shipTo": ship_to} if ship_to else person


def _scalars(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        return {}
    kept = {
        text(key, 60): text(part, 500) or whole(part) for key, part in list(value.items())[:_BUYER_FIELDS]
    }
    return {key: part for key, part in kept.items() if key and part is not None}
