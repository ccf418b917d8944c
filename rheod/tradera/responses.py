"""Tradera's answers in our types: listings and their results, orders and sales, and what is read for all accounts.

What cannot be read raises WrongShapeError. Each order is read by itself: one that lacks something has a `doubt` and costs
no other. What Tradera does not say stays unsaid: no rate of VAT, freight or amount becomes 0 because it is missing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import structlog

from rheod.domain.answers import SellerAd
from rheod.domain.categories import AttributeDefinition, AttributeKind, Category
from rheod.domain.errors import Text
from rheod.domain.freight import ShippingProduct
from rheod.domain.model import read_reference
from rheod.domain.orders import Order, OrderFreight, OrderLine, Payment
from rheod.tradera.json_fields import (
    WrongShapeError,
    entries_of,
    fields_of,
    flag,
    identity,
    list_of,
    ore,
    specified,
    text,
    texts,
    time_ms,
    tolerant_whole,
    whole,
)

_log = structlog.get_logger(__name__)
_RAW_CHARS = 64 * 1024
_BUYER_FIELDS = 40
NO_ITEMS = Text("it has no items")
"""The doubt of an order that is there without a line: Tradera may be still making it."""
_LARGEST_VERSION = 2**63 - 1
_LARGEST_ID = 2**31 - 1
_LARGEST_ATTRIBUTE = 2**63 - 1
_MOST_KRONOR = 100_000
_OWN_PRICE = 6
"""The table's row for a price of the seller's own, which costs 0: it is no product."""


class ResultState(StrEnum):
    """What a request result says, read from its flags."""

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
    def outcome(self) -> ResultState:
        """The flags in the order in which they decide; no flag at all says nothing yet."""
        for bit, outcome in (
            (1, ResultState.DONE),
            (128, ResultState.WAITING),
            (256, ResultState.UNCOMMITTED),
            (16, ResultState.AGAIN),
        ):
            if self.code & bit:
                return outcome
        return ResultState.FAILED if self.code else ResultState.WAITING


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatedRequest:
    """Tradera's two numbers of a new, uncommitted listing."""

    request_id: int
    tradera_item_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Whose token it is."""

    user_id: int
    alias: str


def read_created(answer: Any) -> CreatedRequest:
    """`QueuedRequestResponse`; both numbers must be there."""
    fields = fields_of(answer, "the answer to create")
    return CreatedRequest(
        request_id=identity(fields, "requestId"), tradera_item_id=identity(fields, "itemId")
    )


def read_results(answer: Any, asked: set[int]) -> dict[int, Result]:
    """Results by request id; a request without a result yet is absent, and so is what nobody asked for."""
    results = {}
    for entry in entries_of(answer, "request-results"):
        request_id, code = whole(entry.get("requestId")), whole(entry.get("resultCode"))
        if request_id is not None and code is not None and request_id in asked:
            results[request_id] = Result(code=code, message=text(entry.get("message")))
    return results


def read_listed(answer: Any) -> SellerAd:
    """One `Item`; only its id is indispensable."""
    item = fields_of(answer, "an item")
    status = item.get("status")
    status = status if isinstance(status, dict) else {}
    link = text(item.get("itemLink"))
    return SellerAd(
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
        started_at=time_ms(item.get("startDate")),
        ends_at=time_ms(item.get("endDate")),
        category_id=whole(item.get("categoryId")) or None,
        link=link if link.startswith(("https://", "http://")) else None,
    )


def read_listed_one(answer: Any, number: int) -> SellerAd:
    """The ad that was asked for; WrongShapeError for another."""
    ad = read_listed(answer)
    if ad.tradera_item_id != number:
        raise WrongShapeError("it is about another ad")
    return ad


def read_restarts(answer: Any) -> int | None:
    """The number of the newest ad that Tradera has made of another by restarting it; None without one."""
    fields = fields_of(answer, "restarts")
    newest = fields.get("lastRestartedItemId")
    if isinstance(newest, int) and not isinstance(newest, bool) and newest > 0:
        return newest
    made = [
        entry["restartedAsItemId"]
        for entry in fields.get("restartedItems") or ()
        if isinstance(entry, dict) and isinstance(entry.get("restartedAsItemId"), int)
    ]
    return max(made, default=None)


def read_listed_all(answer: Any) -> list[SellerAd]:
    """A list of `Item`; an entry that names no ad is left out."""
    ads = []
    for entry in entries_of(answer, "seller-items"):
        try:
            ads.append(read_listed(entry))
        except WrongShapeError as error:
            _log.warning("entry of seller-items cannot be read", reason=str(error))
    return ads


@dataclass(frozen=True, slots=True, kw_only=True)
class Updates:
    """Ads changed since a row version, the largest version told (0: none), and whether an entry names no ad."""

    ads: frozenset[int]
    version: int
    incomplete: bool


def read_updated(answer: Any) -> Updates:
    """`UpdatedItemInfo[]`; what one entry lacks costs no other."""
    told = list_of(answer, "updated-seller-items")
    entries = [entry if isinstance(entry, dict) else {} for entry in told]
    numbers = [tolerant_whole(entry.get("id")) or 0 for entry in entries]
    versions = [whole(entry.get("rowVersion"), _LARGEST_VERSION) or 0 for entry in entries]
    incomplete = any(number <= 0 for number in numbers)
    if incomplete:
        _log.warning("entry of updated-seller-items cannot be read")
    return Updates(
        ads=frozenset(number for number in numbers if number > 0),
        version=max(versions, default=0),
        incomplete=incomplete,
    )


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


def read_orders(answer: Any, *, sole: int = 0) -> list[Order]:
    """`SellerOrder[]`, each read by itself: one that lacks something has a `doubt`. Raises WrongShapeError for no list.

    `sole` is the only order that was asked for: an answer of one entry is about it, whatever number it lacks.
    """
    entries = list_of(answer, "orders")
    return [_order(entry, sole if len(entries) == 1 else 0) for entry in entries]


@dataclass(frozen=True, slots=True, kw_only=True)
class SoldAd:
    """A transaction: one sale of one ad, which is part of some order. Without an amount its price is not known."""

    transaction_id: int
    ad: int
    amount_ore: int | None
    sold_at: int | None
    is_paid: bool
    is_shipped: bool
    own_references: tuple[str, ...] = ()


def read_transactions(answer: Any) -> list[SoldAd]:
    """`Transaction[]`; one that names neither itself nor an ad is left out."""
    found = []
    for entry in entries_of(answer, "seller-transactions"):
        item = entry.get("item")
        item = item if isinstance(item, dict) else {}
        number, ad = tolerant_whole(entry.get("id")) or 0, tolerant_whole(item.get("id")) or 0
        if ad > 0:
            found.append(
                SoldAd(
                    transaction_id=number,
                    ad=ad,
                    amount_ore=ore(entry.get("amount")),
                    sold_at=time_ms(entry.get("date")),
                    is_paid=flag(entry.get("isMarkedAsPaidConfirmed")) is True,
                    is_shipped=flag(entry.get("isMarkedAsShipped")) is True,
                    own_references=texts(item.get("ownReferences")),
                )
            )
    return found


def marked(sold: Iterable[SoldAd], mark: Callable[[SoldAd], bool]) -> set[int]:
    """The ads marked so: where an ad was sold several times, each of its sales is."""
    found: dict[int, bool] = {}
    for each in sold:
        found[each.ad] = found.get(each.ad, True) and mark(each)
    return {ad for ad, is_so in found.items() if is_so}


def _order(given: Any, asked: int) -> Order:
    entry = given if isinstance(given, dict) else {}
    subtotal = ore(entry.get("subTotal"))
    created = time_ms(entry.get("createdDate"))
    updated = time_ms(entry.get("lastUpdatedDate")) or created or 0
    order_id = max(0, tolerant_whole(entry.get("orderId")) or 0) or asked
    given_items = entry.get("items")
    items = given_items if isinstance(given_items, list) else []
    lone_price = subtotal or None if len(items) == 1 else None
    found = [_line(line, lone_price) for line in items]
    doubts = [] if order_id else [Text("it has no orderId")]
    doubts += [each for each in found if isinstance(each, Text)] if found else [NO_ITEMS]
    named = [tolerant_whole(line.get("itemId")) for line in items if isinstance(line, dict)]
    lines = tuple(each for each in found if isinstance(each, OrderLine))
    payments = _payments(entry, updated)
    person, ship_to = _scalars(entry.get("buyer")), _scalars(entry.get("shipTo"))
    return Order(
        order_id=order_id,
        created_at=created or updated,
        updated_at=updated,
        lines=lines,
        subtotal_ore=subtotal or sum(line.quantity * line.unit_price_ore for line in lines),
        # the last payment; an undated one counts from the order's last update
        paid_at=max((each.paid_at or updated for each in payments or ()), default=None),
        payments=payments,
        freight=OrderFreight(
            cost_ore=ore(entry.get("shippingCost")),
            type=text(entry.get("shippingType"), 200),
            weight_kg=_weight(entry.get("shippingWeight")),
        ),
        expires_at=time_ms(entry.get("expiresDate")),
        purchase_id=text(entry.get("purchaseOrderId"), 100),
        # the buyer's own fields; `shipTo` beside them when it differs (shop items)
        buyer={**person, "shipTo": ship_to} if ship_to else person,
        doubt=doubts[0] if doubts else None,
        doubtful_ads=tuple({ad for ad in named if ad} - {line.tradera_item_id for line in lines}),
        raw=json.dumps(given, ensure_ascii=False)[:_RAW_CHARS] if doubts else "",
    )


def _line(line: Any, lone_price_ore: int | None) -> OrderLine | Text:
    """A line, or what it lacks. Its ad may be named by our reference alone; only a lone line takes the order's sum."""
    if not isinstance(line, dict):
        return Text("a line of it is not an object")
    ad, references = max(0, tolerant_whole(line.get("itemId")) or 0), texts(line.get("ownReferences"))
    if not ad and not any(map(read_reference, references)):
        return Text("a line of it has no itemId")
    written = line.get("unitPrice")
    quantity = max(1, tolerant_whole(line.get("quantity")) or 1)
    lone_price = None if lone_price_ore is None else lone_price_ore // quantity
    price = lone_price if written is None else ore(written)
    if price is None:
        return Text("a line of it has no unitPrice that can be read")
    rate = tolerant_whole(line.get("vatRate"))  # None where there is none, which is not 0
    return OrderLine(
        tradera_item_id=ad,
        quantity=quantity,
        unit_price_ore=price,
        own_references=references,
        title=text(line.get("title")),
        vat_rate=rate if rate is not None and 0 <= rate <= 100 else None,
        part_number=text(line.get("merchantPartNumber"), 200),
    )


def _payments(entry: dict[str, Any], updated: int) -> tuple[Payment, ...] | None:
    """Every payment; None when the order does not speak of payments at all. An amount that cannot be read is None."""
    if "sellerOrderPayments" not in entry:
        return None
    given = entry["sellerOrderPayments"]
    return tuple(
        Payment(
            type=text(each.get("paymentType"), 100),
            reference=text(each.get("reference"), 200) or None,
            amount_ore=ore(each.get("amount")),
            paid_at=time_ms(each.get("paidDate")) or updated,
            cost_ore=ore(each.get("paymentCost")),
        )
        for each in (given if isinstance(given, list) else ())
        if isinstance(each, dict)
    )


def _weight(value: Any) -> float | None:
    """Kilograms above 0, which is what is written of a weight that is not known."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 10_000:
        return None
    return float(value)


def _scalars(value: Any) -> dict[str, Any]:
    """The plain texts and numbers of an object."""
    if not isinstance(value, dict):
        return {}
    kept = {
        text(key, 60): text(part, 500) or whole(part) for key, part in list(value.items())[:_BUYER_FIELDS]
    }
    return {key: part for key, part in kept.items() if key and part is not None}


def read_categories(answer: Any) -> list[Category]:
    """The tree as a list, a parent before its children. An entry without a number is left out with all below it."""
    found: list[Category] = []
    waiting: list[tuple[Any, int | None]] = [
        (entry, None) for entry in reversed(_filled(answer, "categories"))
    ]
    while waiting:
        entry, parent = waiting.pop()
        fields = fields_of(entry, "a category")
        number = tolerant_whole(fields.get("id")) or tolerant_whole(fields.get("categoryId")) or 0
        if not 0 < number <= _LARGEST_ID:
            continue
        name = text(fields.get("name"), 200) or text(fields.get("categoryName"), 200)
        found.append(Category(number, name or str(number), parent))
        below = fields.get("childCategories") or fields.get("subCategories") or []
        if not isinstance(below, list):
            raise WrongShapeError("what is below a category is not a list")
        waiting.extend((child, number) for child in reversed(below))
    if not found:
        raise WrongShapeError("it has no category with a number")
    return found


def read_definitions(answer: Any) -> tuple[AttributeDefinition, ...]:
    """A leaf's attributes; `[]` is a leaf without any. One that cannot be read makes all of them unknown."""
    if not isinstance(answer, list):
        raise WrongShapeError("attribute-definitions is not a list")
    return tuple(_definition(fields_of(entry, "an attribute")) for entry in answer)


def read_shipping(answer: Any) -> list[ShippingProduct]:
    """The products of `productsPerWeightSpan` that send within Sweden and have a price of their own."""
    found = []
    for entry in _filled(fields_of(answer, "shipping-options").get("productsPerWeightSpan"), "the table"):
        span = fields_of(entry, "a weight span")
        limit = _weight(span.get("weight"))
        products = span.get("products") or []
        if not isinstance(products, list):
            raise WrongShapeError("the products of a weight span are not a list")
        if limit is not None:
            found += [product for each in products if (product := _product(each, limit)) is not None]
    if not found:
        raise WrongShapeError("it has no product with a price")
    return found


def _filled(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise WrongShapeError(f"{what} is not a list")
    if not value:
        raise WrongShapeError(f"{what} is empty")
    return value


def _definition(fields: dict[str, Any]) -> AttributeDefinition:
    number, name = whole(fields.get("id"), _LARGEST_ATTRIBUTE), text(fields.get("name"), 200)
    if number is None or not name:
        raise WrongShapeError("an attribute has no number or no name")
    terms = fields.get("possibleTermValues")
    # letter by letter as Tradera has them, for only so does it take them back
    words = tuple(filter(_can_be_sent, terms)) if isinstance(terms, list) else ()
    most = whole(fields.get("maxNumberOfValues")) or 0
    # by its type, of which no list is published, else by its words
    named, kind = text(fields.get("attributeType"), 100).casefold(), AttributeKind.UNKNOWN
    if any(part in named for part in ("number", "numeric", "decimal", "integer")):
        kind = AttributeKind.NUMBER
    elif words or any(part in named for part in ("term", "string", "text", "enum")):
        kind = AttributeKind.TERM
    return AttributeDefinition(
        id=number,
        name=name,
        key=text(fields.get("key"), 200),
        description=text(fields.get("description"), 500),
        kind=kind,
        value_format=text(fields.get("valueFormatting"), 100),
        min_values=max(0, whole(fields.get("minNumberOfValues")) or 0),
        max_values=most if most > 0 else None,
        terms=words,
    )


def _can_be_sent(term: Any) -> bool:
    """Whether it is a text that is not empty and has no halves of characters, which UTF-8 cannot carry."""
    return isinstance(term, str) and bool(term) and not any("\ud800" <= each <= "\udfff" for each in term)


def _product(entry: Any, limit: float) -> ShippingProduct | None:
    """A product that may be offered; None for one that lacks what we need, or that sends elsewhere."""
    if not isinstance(entry, dict):
        return None
    provider, number = whole(entry.get("shippingProviderId")), whole(entry.get("id"))
    price = whole(entry.get("price")) or 0
    to, source = text(entry.get("toCountry"), 10), text(entry.get("fromCountry"), 10)
    if not provider or not number or provider == _OWN_PRICE or not 0 < price <= _MOST_KRONOR:
        return None
    if to.upper() not in {"", "SE"} or source.upper() not in {"", "SE"}:
        return None
    needs, delivery = _part(entry, "packageRequirements"), _part(entry, "deliveryInformation")
    return ShippingProduct(
        provider_id=provider,
        product_id=number,
        provider=text(entry.get("shippingProvider"), 100) or str(provider),
        name=text(entry.get("name"), 200),
        up_to_kg=min(limit, _weight(needs.get("maxWeight")) or limit),
        from_kg=_weight(needs.get("minWeight")) or 0.0,
        price_kr=price,
        traceable=flag(delivery.get("isTraceable")) is True,
        most_days=whole(_part(delivery, "estimatedDeliveryTime").get("maxWeekdays")),
        over_weight_kr=max(0, whole(entry.get("weightExceededPenalty")) or 0),
    )


def _part(fields: dict[str, Any], name: str) -> dict[str, Any]:
    value = fields.get(name)
    return value if isinstance(value, dict) else {}
