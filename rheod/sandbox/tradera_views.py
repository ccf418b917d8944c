"""Turns the simulator's state into Tradera's JSON and push messages, field by field as the contract names them.

Pure functions; nothing here changes state.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rheod.sandbox.tradera_rules import FIXED_PRICE

if TYPE_CHECKING:
    from rheod.sandbox.tradera_market import SimulatedAd


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
        "maxBidder": user_json(listing.buyer) if listing.buyer and bids else None,
        "buyerList": [user_json(listing.buyer)] if listing.buyer else [],
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
    """Write `{ended, gotBidders, gotWinner}`."""
    return {
        "ended": listing.ended(now_ms),
        "gotBidders": bool(listing.bids),
        "gotWinner": listing.buyer is not None,
    }


def user_json(buyer: Any) -> dict[str, Any]:
    """Write a buyer as other members see one."""
    return {"id": buyer["userId"], "alias": buyer["alias"], "city": buyer["city"], "countryName": _COUNTRY}


def item_closed(listing: SimulatedAd, reason: str) -> dict[str, Any]:
    """Write the push message of a closed listing; `reason` as Tradera spells it."""
    return {
        "Type": "ItemClosed",
        "ItemId": listing.item_id,
        "SellerMemberId": listing.seller_id,
        "Reason": reason,
    }
