"""Turns the simulator's state into Tradera's JSON and push messages, field by field as the contract names them.

Pure functions; nothing here changes state. Shapes: tradera-v4.md sections 6 and 9, push.md.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rheod.sandbox.tradera_rules import FIXED_PRICE

if TYPE_CHECKING:
    from rheod.sandbox.tradera_market import SimulatedAd
    from rheod.sandbox.tradera_orders import Sale, SimulatedOrder


_COUNTRY = "Sverige"


def iso(at_ms: int, digits: int = 3) -> str:
    """Write a time as UTC with `Z` and this many fraction digits (the push queue has 7)."""
    seconds, ms = divmod(at_ms, 1000)
    whole = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{f'{ms:03d}'.ljust(digits, '0')}Z"


def from_iso(text: str) -> int:
    """Read a date-time as ms UTC; one without a zone is taken as UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def item_json(listing: SimulatedAd, *, now_ms: int, site: str) -> dict[str, Any]:
    """Write the `Item`; `site` is the address its links begin with."""
    body, bids = listing.body, listing.bids
    reserve = body.get("reservePrice", 0)
    pictures = [f"{site}/item/{listing.item_id}/pictures/{n}" for n in range(len(listing.images))]
    return {
        "id": listing.item_id,
        "itemType": body["itemType"],
        "categoryId": body["categoryId"],
        "shortDescription": body["title"],
        "longDescription": body["description"],
        "startDate": iso(listing.start_ms),
        "endDate": iso(listing.end_ms),
        "duration": body["duration"],
        "openingBid": listing.opening,
        "openingBidSpecified": body["itemType"] != FIXED_PRICE,
        "reservePrice": reserve,
        "reservePriceSpecified": reserve > 0,
        "reservePriceReached": bids[-1] >= reserve if bids and reserve else None,
        "buyItNowPrice": listing.buy_now,
        "buyItNowPriceSpecified": listing.buy_now > 0,
        "nextBid": listing.next_bid,
        "maxBid": bids[-1] if bids else 0,
        "maxBidSpecified": bool(bids),
        "totalBids": len(bids),
        "maxBidder": _user(listing.buyer) if listing.buyer and bids else None,
        "buyerList": [_user(listing.buyer)] if listing.buyer else [],
        "startQuantity": 1,
        "remainingQuantity": 0 if listing.buyer else 1,
        "status": status_json(listing, now_ms),
        "statusId": 0,
        "ownReferences": listing.own_references,
        "itemLink": f"{site}/item/{listing.item_id}",
        "thumbnailLink": pictures[0] if pictures else None,
        "imageLinks": pictures,
        "detailedImageLinks": [{"url": url, "format": "normal"} for url in pictures],
        "restarts": body.get("restarts", 0),
        "acceptedBuyerId": body["acceptedBidderId"],
        "itemAttributes": list(body["itemAttributes"]),
        "shippingOptions": list(body["shippingOptions"]),
        "seller": {"id": listing.seller_id, "alias": f"seller{listing.seller_id}"},
        "vat": body.get("vat") or 0,
        "vatSpecified": body.get("vat") is not None,
    }


def status_json(listing: SimulatedAd, now_ms: int) -> dict[str, bool]:
    """Write `{ended, gotBidders, gotWinner}` (tradera-v4.md section 6.2)."""
    return {
        "ended": listing.ended(now_ms),
        "gotBidders": bool(listing.bids),
        "gotWinner": listing.buyer is not None,
    }


def _user(buyer: Any) -> dict[str, Any]:
    return {"id": buyer["userId"], "alias": buyer["alias"], "city": buyer["city"], "countryName": _COUNTRY}


def order_json(order: SimulatedOrder) -> dict[str, Any]:
    """Write a `SellerOrder`; payments are null until paid, `shipTo` is null as for auctions."""
    first = order.sales[0].listing.body["shippingOptions"][0]
    payments = None
    if order.payment_ms is not None:
        amount = order.total + first["cost"]
        payments = [{"amount": amount, "paidDate": iso(order.payment_ms), "paymentType": "Swish"}]
    return {
        "orderId": order.order_id,
        "purchaseOrderId": order.purchase_id,
        "createdDate": iso(order.created_ms),
        "lastUpdatedDate": iso(order.updated_ms),
        "expiresDate": None,
        "subTotal": order.total,
        "shippingCost": first["cost"],
        "shippingType": "Övrigt",
        "shippingWeight": None,
        "shipTo": None,
        "buyer": order.buyer,
        "seller": {"userId": order.seller_id, "alias": f"seller{order.seller_id}"},
        "items": [_order_item(sale) for sale in order.sales],
        "sellerOrderPayments": payments,
    }


def _order_item(sale: Sale) -> dict[str, Any]:
    body = sale.listing.body
    return {
        "itemId": sale.listing.item_id,
        "type": body["itemType"],
        "title": body["title"],
        "quantity": 1,
        "unitPrice": sale.price,
        "vatRate": body.get("vat") or 0,
        "ownReferences": sale.listing.own_references,
        "merchantPartNumber": None,
    }


def transaction_json(order: SimulatedOrder, sale: Sale) -> dict[str, Any]:
    """Write a `Transaction` of one sale."""
    listing = sale.listing
    return {
        "id": sale.transaction_id,
        "date": iso(order.created_ms),
        "lastUpdatedDate": iso(order.updated_ms),
        "amount": sale.price,
        "buyer": _user(order.buyer),
        "item": {
            "id": listing.item_id,
            "title": listing.body["title"],
            "type": listing.body["itemType"],
            "ownReferences": listing.own_references,
        },
        "isMarkedAsPaidConfirmed": sale.paid_confirmed,
        "isMarkedAsShipped": sale.shipped,
        "isShippingBooked": sale.shipping_booked,
        "isFeedbackLeftByBuyer": False,
        "isFeedbackLeftBySeller": False,
    }


def order_created(order: SimulatedOrder) -> dict[str, Any]:
    """Write the push message of a new order (push.md)."""
    return {
        "Type": "OrderCreated",
        "OrderId": order.order_id,
        "SellerMemberId": order.seller_id,
        "CreatedDate": iso(order.created_ms, digits=7),
        "ItemIds": [sale.listing.item_id for sale in order.sales],
    }


def item_closed(listing: SimulatedAd, reason: str) -> dict[str, Any]:
    """Write the push message of a closed listing; `reason` is one of push.md's table."""
    return {
        "Type": "ItemClosed",
        "ItemId": listing.item_id,
        "SellerMemberId": listing.seller_id,
        "Reason": reason,
    }
