"""Tradera's orders and sales in our types.

Each order is read by itself: one that lacks something has a `doubt` and costs no other. What Tradera does not say stays
unsaid: no rate of VAT, freight or amount becomes 0 because it is missing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from rheod.domain.errors import Text
from rheod.domain.model import read_reference
from rheod.domain.orders import Order, OrderFreight, OrderLine, Payment
from rheod.tradera.responses import (
    entries_of,
    flag,
    list_of,
    ore,
    text,
    texts,
    time_ms,
    tolerant_whole,
    whole,
)

_RAW_CHARS = 64 * 1024
_BUYER_FIELDS = 40
NO_ITEMS = Text("it has no items")
"""The doubt of an order that is there without a line: Tradera may be still making it."""


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
    return Order(
        order_id=order_id,
        created_at=created or updated,
        updated_at=updated,
        lines=lines,
        subtotal_ore=subtotal or sum(line.quantity * line.unit_price_ore for line in lines),
        paid_at=_paid_at(entry.get("sellerOrderPayments"), updated),
        payments=_payments(entry, updated),
        freight=OrderFreight(
            cost_ore=ore(entry.get("shippingCost")),
            type=text(entry.get("shippingType"), 200),
            weight_kg=_weight(entry.get("shippingWeight")),
        ),
        expires_at=time_ms(entry.get("expiresDate")),
        purchase_id=text(entry.get("purchaseOrderId"), 100),
        buyer=_buyer(entry),
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


def _paid_at(payments: Any, updated: int) -> int | None:
    """When the order was paid: the last payment; an undated one counts from the order's last update."""
    entries = payments if isinstance(payments, list) else []
    times = [time_ms(payment.get("paidDate")) or updated for payment in entries if isinstance(payment, dict)]
    return max(times, default=None)


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
    """Kilograms; 0 is what is written of a weight that is not known."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 10_000:
        return None
    return float(value)


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
