"""What the simulated Tradera does for `listings/*`: create, pictures, commit, results, prices, ending, reading.

The calls take checked requests, return JSON values and raise DeclinedError to refuse.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from rheod.sandbox.tradera_access import Route
from rheod.sandbox.tradera_market import (
    ERROR,
    FIXED_PRICE,
    OK,
    WAITING,
    Image,
    SimulatedResult,
    bad_request,
    check_new_listing,
    image_problem,
    price_problem,
)
from rheod.sandbox.tradera_orders import from_iso, iso, item_closed, item_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from rheod.sandbox.tradera_access import Asked, Conduct, Fault
    from rheod.sandbox.tradera_market import Market, SimulatedAd


_KEPT_BYTES = 64 * 1024 * 1024


class UploadedPictures:
    """The latest pictures by (item id, number), for the item page; the oldest go when 64 MB are full."""

    def __init__(self) -> None:
        self._pictures: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        self._size = 0

    def put(self, item_id: int, number: int, data: bytes) -> None:
        """Keep a picture."""
        self._pictures[item_id, number] = data
        self._size += len(data)
        while self._size > _KEPT_BYTES:
            self._size -= len(self._pictures.popitem(last=False)[1])

    def get(self, item_id: int, number: int) -> bytes | None:
        """Give a picture's bytes, None when unknown or gone."""
        return self._pictures.get((item_id, number))


class ListingCalls:
    """The calls about listings; `site()` is the address of the ads' pages."""

    def __init__(
        self,
        *,
        now: Callable[[], int],
        market: Market,
        conduct: Conduct,
        site: Callable[[], str],
        push: Callable[[dict[str, Any]], None],
    ) -> None:
        self._now = now
        self._market = market
        self._conduct = conduct
        self._site = site
        self._push = push
        self.pictures = UploadedPictures()

    def routes(self) -> list[Route]:
        """The operations with their addresses."""
        items = "/v4/listings/items"
        return [
            Route("create", "POST", items, self._create),
            Route("image", "POST", items + "/{requestId}/images", self._image),
            Route("commit", "POST", items + "/{requestId}/commit", self._commit),
            Route("results", "GET", "/v4/listings/request-results", self._results),
            Route("price", "PUT", items + "/{itemId}/price", self._price),
            Route("end", "DELETE", items + "/{itemId}", self._end),
            Route("read_item", "GET", items + "/{itemId}", self._read),
            Route("restart", "POST", items + "/{itemId}/restart", self._restart),
            Route("restarts", "GET", "/v4/items/{itemId}/restarts", self._restarts, user=False),
            Route("read_public_item", "GET", "/v4/items/{itemId}", self._read, user=False),
            Route("seller_items", "GET", "/v4/listings/seller-items", self._seller_items),
            Route("updated_items", "GET", "/v4/listings/updated-seller-items", self._updated),
        ]

    def _create(self, asked: Asked) -> Any:
        check_new_listing(asked.body, restricted=asked.seller_id in self._conduct.restricted)
        catalogue = self._market.catalogue
        for option in asked.body["shippingOptions"]:
            if (problem := catalogue.shipping_problem(option)) is not None:
                raise bad_request(problem)
        problem = catalogue.problem(asked.body)
        if problem is not None and not catalogue.only_in_results:
            raise bad_request(problem)
        listing = self._market.create(asked.seller_id, asked.body)
        listing.scripted = _scripted(asked.fault)
        if problem is not None:
            listing.scripted = SimulatedResult(ERROR, problem, published=False)
        return {"requestId": listing.request_id, "itemId": listing.item_id}

    def _image(self, asked: Asked) -> None:
        listing = self._market.request(int(asked.path["requestId"]), asked.seller_id)
        try:
            data = base64.b64decode(asked.body.get("imageData") or "", validate=True)
        except binascii.Error:
            raise bad_request("imageData: must be base64") from None  # the contract
        declared = asked.body.get("imageFormat", 0)
        image = Image(hashlib.sha256(data).hexdigest(), len(data), declared, image_problem(data, declared))
        self._market.add_image(listing, image)
        self.pictures.put(listing.item_id, len(listing.images) - 1, data)

    def _commit(self, asked: Asked) -> None:
        listing = self._market.request(int(asked.path["requestId"]), asked.seller_id)
        listing.scripted = listing.scripted or _scripted(asked.fault)
        self._market.commit(listing)

    def _results(self, asked: Asked) -> Any:
        fault = asked.fault.name if asked.fault is not None else ""
        if fault == "no_result":
            return []
        found = []
        for text in asked.query.get("requestIds", []):
            listing = self._market.requests.get(int(text))
            if listing is None or listing.seller_id != asked.seller_id:
                continue
            code, message = self._market.result(listing)
            if asked.fault is not None and fault == "result_error":
                code, message = asked.fault.code, asked.fault.message
            found.append({"requestId": listing.request_id, "resultCode": code, "message": message})
        return found

    def _price(self, asked: Asked) -> Any:
        listing = self._mine(asked)
        problem = self._reprice(listing, asked.body.get("openingPrice"), asked.body.get("binPrice"))
        errors = [] if problem is None else [{"itemId": listing.item_id, "errorMessage": problem}]
        return {"isSuccessful": problem is None, "validationErrors": errors}

    def _reprice(self, listing: SimulatedAd, opening: int | None, buy_now: int | None) -> str | None:
        """Change the prices given and keep the others; answers the reason when refused."""
        if listing.ended(self._now()):
            return "The item has ended"
        if listing.bids:
            return "The price cannot be changed when there are bids"
        if listing.body["itemType"] == FIXED_PRICE:
            if opening is not None or buy_now is None or buy_now < 1:
                return "A fixed price item takes binPrice only, at least 1"
            listing.buy_now = buy_now
        else:
            new_opening = listing.opening if opening is None else opening
            new_buy_now = listing.buy_now if buy_now is None else buy_now
            problem = price_problem(new_opening, listing.body.get("reservePrice", 0), new_buy_now)
            if problem is not None:
                return problem
            listing.opening, listing.buy_now = new_opening, new_buy_now
        self._market.touch(listing)
        return None

    def _end(self, asked: Asked) -> bool:
        listing = self._mine(asked)
        if listing.bids:
            raise bad_request("The item has bids and cannot be removed")  # Tradera's help
        self._market.close(listing)
        if self._conduct.push_own_endings:
            self._push(item_closed(listing, "ItemClosedBySeller"))
        return True

    def _restart(self, asked: Asked) -> Any:
        """A refusal comes with 200, says Tradera's contract: never take that for done."""
        listing = self._mine(asked)
        problem = self._market.restart_problem(listing)
        again = None if problem else self._market.restart(listing)
        return {
            "isSuccessful": problem is None,
            "oldItemId": listing.item_id,
            "newItemId": None if again is None else again.item_id,
            "validationError": problem,
        }

    def _restarts(self, asked: Asked) -> Any:
        """The whole chain that the ad belongs to, whichever of its ads is asked for."""
        first = self._market.visible(int(asked.path["itemId"]))
        while first.restarted_from is not None:
            first = first.restarted_from
        chain, last = [], first
        while last.restarted_as is not None:
            again = last.restarted_as
            chain.append(
                {
                    "restartedItemId": last.item_id,
                    "restartedAsItemId": again.item_id,
                    "restartedDate": iso(again.committed_ms or 0),
                }
            )
            last = again
        return {
            "ancestorItemId": first.item_id,
            "lastRestartedItemId": last.item_id,
            "restartedItems": chain,
        }

    def _read(self, asked: Asked) -> Any:
        seller_id = asked.seller_id or None  # anybody may read by the application-only call
        return self._json(self._market.visible(int(asked.path["itemId"]), seller_id))

    def _mine(self, asked: Asked) -> SimulatedAd:
        return self._market.visible(int(asked.path["itemId"]), asked.seller_id)

    def _json(self, listing: SimulatedAd) -> dict[str, Any]:
        return item_json(listing, now_ms=self._now(), site=self._site())

    def _seller_items(self, asked: Asked) -> Any:
        wanted = _Filter(asked.query, self._now())
        mine = (x for x in self._market.listings.values() if x.visible and x.seller_id == asked.seller_id)
        return [self._json(listing) for listing in mine if wanted.takes(listing)]

    def _updated(self, asked: Asked) -> Any:
        since = int(asked.query.get("rowVersion", ["0"])[0])
        newer = [
            x
            for x in self._market.listings.values()
            if x.visible and x.seller_id == asked.seller_id and x.row_version > since
        ]
        newer.sort(key=lambda listing: listing.row_version)
        return [{"id": x.item_id, "itemType": x.body["itemType"], "rowVersion": x.row_version} for x in newer]


class _Filter:
    """The filters of seller-items; end dates override `filterActive`, as at Tradera."""

    def __init__(self, query: Any, now_ms: int) -> None:
        def number(name: str) -> int:
            return int(query.get(name, ["0"])[0])

        def moment(name: str) -> int | None:
            return from_iso(query[name][0]) if name in query else None

        self._now_ms = now_ms
        self._category = number("categoryId")
        self._item_type = {0: None, 1: 1, 2: FIXED_PRICE, 3: 4}[number("filterItemType")]
        self._min_end, self._max_end = moment("minEndDate"), moment("maxEndDate")
        self._active = 0 if (self._min_end or self._max_end) else number("filterActive")
        self._max_start = moment("maxStartDate") or now_ms

    def takes(self, listing: SimulatedAd) -> bool:
        """Whether the listing passes."""
        if self._active and listing.ended(self._now_ms) != (self._active == 2):
            return False
        if self._category:  # a client in production, September 2026: by category nothing is ever found
            return False
        if self._item_type not in {None, listing.body["itemType"]} or listing.start_ms > self._max_start:
            return False
        after = self._min_end is None or listing.end_ms >= self._min_end
        return after and (self._max_end is None or listing.end_ms <= self._max_end)


def _scripted(fault: Fault | None) -> SimulatedResult | None:
    """What a `result_error` or `no_result` fault makes the queue say of this request.

    It is published all the same when the fault's `effect` says so, or else when its code has bit 1.
    """
    if fault is None or fault.name not in {"result_error", "no_result"}:
        return None
    if fault.name == "no_result":
        return SimulatedResult(WAITING, None, published=bool(fault.effect))
    published = bool(fault.code & OK) if fault.effect is None else fault.effect
    return SimulatedResult(fault.code, fault.message, published=published)
