"""TraderaClient: the calls of Tradera's REST API v4 that rheod uses, one method each, our own types out.

Every failure leaves as one of the errors below, which say whether the call may have taken effect. It keeps no state,
counts no budget and retries nothing; credentials and buyers' data never reach an error's text.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import quote, urlencode

import aiohttp

from rheod.domain.answers import BELIEFS, Belief
from rheod.domain.errors import Text, Unanswered
from rheod.domain.event_payloads import rfc3339_ms
from rheod.tradera import json_fields, responses
from rheod.tradera.ad_builder import (
    ADS_PATH,
    RESULTS_PATH,
    Ad,
    commit_path,
    create_body,
    image_json,
    image_path,
)
from rheod.tradera.json_fields import Times, WrongShapeError, refusal, without
from rheod.tradera.transport import LIST_ANSWER_BYTES, HttpCall, Rejected, Seller, TraderaTransport, judge

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rheod.domain.answers import SellerAd
    from rheod.domain.categories import AttributeDefinition, Category
    from rheod.domain.freight import ShippingProduct
    from rheod.domain.orders import Order
    from rheod.tradera.responses import CreatedRequest, Member, Result, SoldAd, Updates


_LAST_UPDATED = 1
_NEW_AND_UPDATED = 4

T = TypeVar("T")

_LOOKED_AT = 4096
_BEGINNING = 200
"""Characters of an unreadable answer that the owner is shown."""


class Unreadable(Unanswered):
    """An answer with 200 that cannot be read; the sentence has its first characters."""


@dataclass(frozen=True, slots=True)
class Read(Generic[T]):
    """What was read, and the first characters of the answer, for whoever does not believe it."""

    value: T
    beginning: str


class SaysNothing(Unanswered):
    """An answer that neither says yes nor no, or is about another thing: the call may have taken effect or not."""


def _refused(call: HttpCall, why: str) -> Rejected:
    said = Text("Tradera refused {operation}: {refused}", operation=call.what, refused=why)
    return Rejected(said, status=200)


def open_session(*, connections: int = 8) -> aiohttp.ClientSession:
    """The session to give a TraderaClient; needs a running loop, and the caller closes it.

    Each call has a connection of its own: a kept one may have been closed by the far end meanwhile, and a
    create or commit that dies on it leaves a doubt that costs more calls than a handshake costs time.
    """
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections, force_close=True),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
    )
    # aiohttp sends a GET, PUT or DELETE again by itself when the far end hangs up: a call no ledger knows of. It has
    # no public switch for that.
    session._retry_connection = False  # noqa: SLF001
    return session


class TraderaClient:
    """Speaks to Tradera as one application. `timeout_s` is the whole time one call may take.

    Every method raises Unreachable, OverLimit, TokenRefused, Rejected, ServerFailure, Oversized or plain Unanswered,
    unless it says that a refusal is an answer.
    """

    def __init__(
        self, *, session: aiohttp.ClientSession, base_url: str, app_id: int, app_key: str, timeout_s: float
    ) -> None:
        self._transport = TraderaTransport(
            session=session, base_url=base_url, app_id=app_id, app_key=app_key, timeout_s=timeout_s
        )
        self.times = Times()

    async def create(self, seller: Seller, ad: Ad) -> CreatedRequest:
        """Make an uncommitted listing: nobody sees it until `commit`. Repeating it makes another one."""
        call = HttpCall(what="create", method="POST", path=ADS_PATH, seller=seller, body=create_body(ad))
        answer = await self._done(call, {"requestId": 0, "itemId": 0})
        return self._read(call, responses.read_created, answer)

    async def add_image(
        self, seller: Seller, request_id: int, jpeg: bytes, *, image_format: int, has_mega: bool
    ) -> None:
        """Add the next picture of an uncommitted listing (the first is the main one). Repeating it doubles it."""
        body = image_json(jpeg, image_format=image_format, has_mega=has_mega)
        path = image_path(request_id)
        await self._done(HttpCall(what="image", method="POST", path=path, seller=seller, body=body))

    async def commit(self, seller: Seller, request_id: int) -> None:
        """Hand the listing to Tradera's queue. After Unanswered ask `results`; never commit again unasked."""
        await self._done(HttpCall(what="commit", method="POST", path=commit_path(request_id), seller=seller))

    async def results(self, seller: Seller, request_ids: Sequence[int]) -> dict[int, Result]:
        """Results of these requests, in one call; what is absent has none yet (404 means none of them has)."""
        if not request_ids:
            return {}
        query = urlencode([("requestIds", request_id) for request_id in request_ids])
        path = f"{RESULTS_PATH}?{query}"
        call = HttpCall(what="request-results", method="GET", path=path, seller=seller)
        answer = await self._found(call)
        return self._read(call, lambda value: responses.read_results(value, set(request_ids)), answer)

    async def set_price(
        self, seller: Seller, item_id: int, *, opening_kr: int | None, buy_now_kr: int | None
    ) -> str | None:
        """Set a live ad's prices (kronor; None stays as it is). None when done, else Tradera's refusal.

        After Unanswered, which an answer that says nothing is too, the ad itself shows what became of it.
        """
        prices = {"openingPrice": opening_kr, "binPrice": buy_now_kr}
        body = {name: kronor for name, kronor in prices.items() if kronor is not None}
        path = f"/listings/items/{item_id}/price"
        call = HttpCall(what="price", method="PUT", path=path, seller=seller, body=body)
        try:
            await self._done(call, {"itemId": item_id})
        except Rejected as refused:
            return str(refused)
        return None

    async def end(self, seller: Seller, item_id: int) -> bool:
        """End an ad. False when Tradera would not or did not say: read the item and decide by its state."""
        path = f"/listings/items/{item_id}"
        call = HttpCall(what="end", method="DELETE", path=path, seller=seller)
        try:
            await self._done(call)
        except (Rejected, SaysNothing):
            return False
        return True

    async def read_item(self, seller: Seller, item_id: int) -> SellerAd | None:
        """One of the seller's ads; None when Tradera does not know it (or not as this seller's)."""
        path = f"/listings/items/{item_id}"
        call = HttpCall(what="item", method="GET", path=path, seller=seller)
        answer = await self._found(call)
        if answer is None:
            return None
        return self._read(call, lambda value: responses.read_listed_one(value, item_id), answer)

    async def restarted_as(self, seller: Seller, item_id: int) -> int | None:
        """The number of the ad that has come of this one by a restart at Tradera; None when it was not restarted."""
        call = HttpCall(what="restarts", method="GET", path=f"/items/{item_id}/restarts", seller=seller)
        answer = await self._found(call)
        newest = None if answer is None else self._read(call, responses.read_restarts, answer)
        return None if newest == item_id else newest

    async def orders(self, seller: Seller, order_ids: Sequence[int]) -> list[Order]:
        """These orders, in one call; those Tradera does not know are absent. The answer to one id is that order's."""
        if not order_ids:
            return []
        path = "/orders/" + ",".join(map(str, order_ids))
        call = HttpCall(what="orders", method="GET", path=path, seller=seller, limit=LIST_ANSWER_BYTES)
        sole = order_ids[0] if len(order_ids) == 1 else 0
        return self._read(
            call, lambda value: responses.read_orders(value, sole=sole), await self._found(call)
        )

    async def orders_between(self, seller: Seller, from_ms: int, to_ms: int) -> list[Order]:
        """Orders made, changed or paid in a period (ms UTC)."""
        period = {"fromDate": rfc3339_ms(from_ms), "toDate": rfc3339_ms(to_ms)}
        path = "/orders?" + urlencode({**period, "queryDateMode": _LAST_UPDATED})
        call = HttpCall(what="orders", method="GET", path=path, seller=seller, limit=LIST_ANSWER_BYTES)
        return self._read(call, responses.read_orders, await self._ask(call))

    async def updated_items(self, seller: Seller, row_version: int) -> Updates:
        """Ads changed since a row version; keep the largest as the next one."""
        path = f"/listings/updated-seller-items?rowVersion={row_version}"
        call = HttpCall(
            what="updated-seller-items", method="GET", path=path, seller=seller, limit=LIST_ANSWER_BYTES
        )
        return self._read(call, responses.read_updated, await self._ask(call))

    async def seller_items(self, seller: Seller, min_end_ms: int, max_end_ms: int) -> list[SellerAd]:
        """The seller's started ads that end (or ended) in a period (ms UTC)."""
        period = {"minEndDate": rfc3339_ms(min_end_ms), "maxEndDate": rfc3339_ms(max_end_ms)}
        path = "/listings/seller-items?" + urlencode(period)
        call = HttpCall(what="seller-items", method="GET", path=path, seller=seller, limit=LIST_ANSWER_BYTES)
        return self._read(call, responses.read_listed_all, await self._ask(call))

    async def ship(self, seller: Seller, order_id: int) -> None:
        """Mark an order as shipped. After Unanswered look at `transactions` before repeating it."""
        call = HttpCall(what="ship", method="POST", path=f"/orders/{order_id}/ship", seller=seller)
        await self._done(call, {"orderId": order_id})

    async def transactions(self, seller: Seller, from_ms: int, to_ms: int) -> list[SoldAd]:
        """The sales made or changed in a period (ms UTC): they say what is shipped and paid outside, an order does not."""
        period = {"minTransactionDate": rfc3339_ms(from_ms), "maxTransactionDate": rfc3339_ms(to_ms)}
        path = "/listings/seller-transactions?" + urlencode({**period, "filter": _NEW_AND_UPDATED})
        call = HttpCall(
            what="seller-transactions", method="GET", path=path, seller=seller, limit=LIST_ANSWER_BYTES
        )
        return self._read(call, responses.read_transactions, await self._ask(call))

    async def confirm_paid(self, seller: Seller, transaction_id: int) -> None:
        """Mark a sale as paid outside Tradera. After Unanswered look at `transactions` before repeating it."""
        body = {"transactionId": transaction_id, "markAsPaidConfirmed": True}
        path = "/listings/transaction-status"
        call = HttpCall(what="transaction_status", method="PUT", path=path, seller=seller, body=body)
        await self._done(call, {"id": transaction_id})

    async def me(self, seller: Seller) -> Member:
        """Whose token it is: the cheapest proof that it works."""
        call = HttpCall(what="users/me", method="GET", path="/users/me", seller=seller)
        return self._read(call, responses.read_member, await self._ask(call))

    async def member(self, alias: str) -> Member | None:
        """Who has this alias; None when nobody has."""
        path = f"/users/by-alias/{quote(alias, safe='')}"
        call = HttpCall(what="users/by-alias", method="GET", path=path)
        answer = await self._found(call)
        return None if answer is None else self._read(call, responses.read_member, answer)

    async def token(self, user_id: int, secret: str) -> tuple[str, int | None]:
        """The token of a seller who has logged in with this secret of ours, and when it ends (ms UTC)."""
        body = {"userId": user_id, "secretKey": secret}
        call = HttpCall(what="auth/token", method="POST", path="/auth/token", body=body)
        answer = await self._ask(call)
        if (refused := refusal(answer)) is not None:
            raise _refused(call, refused)
        return self._read(call, responses.read_token, answer)

    async def categories(self) -> Read[list[Category]]:
        """The whole tree, with the application's keys. Raises Unreadable for an answer without a readable tree."""
        return await self._reference("categories", "/categories", responses.read_categories)

    async def definitions(self, category_id: int) -> Read[tuple[AttributeDefinition, ...]]:
        """The attributes of a leaf, with the application's keys. Raises Unreadable."""
        path = f"/categories/{category_id}/attribute-definitions"
        return await self._reference("attribute-definitions", path, responses.read_definitions)

    async def shipping(self) -> Read[list[ShippingProduct]]:
        """Tradera's own freight prices from Sweden, with the application's keys. Raises Unreadable."""
        path = "/reference-data/shipping-options?fromCountryCodes=SE"
        return await self._reference("shipping-options", path, responses.read_shipping)

    async def learn_times(self, now: int) -> None:
        """Ask for Tradera's own time, by which its times are read that name no zone."""
        self.times.decide(
            await self._ask(HttpCall(what="time", method="GET", path="/reference-data/time")), now
        )

    async def clock(self) -> int | None:
        """Tradera's time (ms UTC); None when the answer is no time."""
        return responses.read_clock(
            await self._ask(HttpCall(what="time", method="GET", path="/reference-data/time"))
        )

    async def _reference(self, what: str, path: str, reader: Callable[[Any], T]) -> Read[T]:
        """A reading for all accounts; what cannot be read is told with its first bytes, for nobody's data is in it."""
        call = HttpCall(what=what, method="GET", path=path, limit=LIST_ANSWER_BYTES)
        answer = await self._transport.exchange(call)
        beginning = without(answer.sent, answer.raw[:_LOOKED_AT].decode("utf-8", "replace"))
        beginning = json_fields.text(beginning, _BEGINNING)
        try:
            return Read(self._read(call, reader, judge(call, answer)), beginning)
        except Unanswered as error:
            if not 200 <= answer.status <= 299:
                raise
            told = Text("{error}. It begins: {beginning}", error=error, beginning=beginning or "-")
            raise Unreadable(told) from error

    async def _done(self, call: HttpCall, numbers: Mapping[str, int] = MappingProxyType({})) -> Any:
        """The answer to a call that changes something, where it says so; `numbers` are those it must name.

        A refusal inside a 200 is Rejected, an answer that says nothing is SaysNothing.
        """
        answer = await self._ask(call)
        kind = json_fields.said(answer, numbers)
        match BELIEFS[call.what][kind]:
            case Belief.DONE:
                return answer
            case Belief.REFUSED:
                raise _refused(call, refusal(answer) or Text("no reason given"))
            case _:
                nothing = Text(
                    "Tradera's answer to {operation} does not say whether it is done", operation=call.what
                )
                raise SaysNothing(nothing)

    async def _found(self, call: HttpCall) -> Any:
        """The answer, or None for 404."""
        try:
            return await self._ask(call)
        except Rejected as refused:
            if refused.status == 404:
                return None
            raise

    async def _ask(self, call: HttpCall) -> Any:
        return judge(call, await self._transport.exchange(call))

    def _read(self, call: HttpCall, reader: Callable[[Any], T], answer: Any) -> T:
        try:
            with self.times.read():
                return reader(answer)
        except WrongShapeError as error:
            raise Unanswered(
                Text(
                    "Tradera's answer to {operation} makes no sense: {error}",
                    operation=call.what,
                    error=str(error),
                )
            ) from error
