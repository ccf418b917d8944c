"""Tradera at the seam of its client: the same calls and errors, an answer drawn by the seed, a model market behind."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from rheod.domain.answers import SellerAd
from rheod.domain.budget import method_of
from rheod.domain.errors import Text, Unanswered
from rheod.domain.orders import Order
from rheod.tradera.ad_builder import Ad
from rheod.tradera.client import Read, TraderaClient
from rheod.tradera.responses import CreatedRequest, Member, Result, SoldAd, Updates
from rheod.tradera.transport import OverLimit, Rejected, Seller, ServerFailure, TokenRefused, Unreachable
from tests.simulation.faults import Fate, Faults
from tests.simulation.life import Life
from tests.simulation.market import DAY_MS, Market
from tests.simulation.reference import Reference

T = TypeVar("T")

_METHODS = {"restarts": "item", "attribute-definitions": "definitions", "shipping-options": "shipping"}
"""The methods of calls that have another name here."""


@dataclass(slots=True)
class CallCounts:
    """What the peer counts: when calls may have arrived (ms), of all and of each method, all by operation."""

    may_have_arrived: list[int] = field(default_factory=list)
    by_method: dict[str, list[int]] = field(default_factory=dict)
    by_operation: Counter[str] = field(default_factory=Counter)


class SimulatedTradera(TraderaClient):
    """The TraderaClient of one life of the daemon."""

    def __init__(
        self,
        *,
        market: Market,
        faults: Faults,
        life: Life,
        now: Callable[[], int],
        counts: CallCounts,
        limits: Mapping[str, int],
        reference: Reference,
    ) -> None:
        self._reference_data = reference
        self._limits = limits
        self._market = market
        self._faults = faults
        self._life = life
        self._now = now
        self._counts = counts

    async def _call(self, operation: str, seller: Seller, effect: Callable[[], T]) -> T:
        fate = self._faults.tradera(operation, seller.user_id)
        self._life.check()
        if fate.answer != "unreachable":
            fate = self._counted(operation, fate)
        await asyncio.sleep(fate.before_s)
        await self._life.may_die(fate.crash, "before", operation)
        answer = self._effect(operation, fate, effect)
        await self._life.may_die(fate.crash, "after", operation)
        await asyncio.sleep(fate.after_s)
        self._life.check()
        _raise_if_bad(operation, fate)
        assert answer
        return answer[0]

    def _counted(self, operation: str, fate: Fate) -> Fate:
        """The fate of a call that may arrive: refused where Tradera's limit of its method is reached."""
        counts, now = self._counts, self._now()
        counts.may_have_arrived.append(now)
        counts.by_operation[operation] += 1
        method = _METHODS.get(operation) or method_of(operation)
        taken = counts.by_method.setdefault(method, [])
        limit = self._limits.get(method)
        is_over = limit is not None and sum(at > now - DAY_MS for at in taken) >= limit
        taken.append(now)
        return replace(fate, answer="over_limit", arrives=False) if is_over else fate

    def _effect(self, operation: str, fate: Fate, effect: Callable[[], T]) -> list[T]:
        """The effect now, later or never; its own refusal counts only when it is told."""
        if fate.answer not in {"ok", "lost", "error_500", "error_503"} or not fate.arrives:
            return []
        if fate.late_s > 0:
            loop = asyncio.get_running_loop()
            loop.call_later(fate.after_s + fate.late_s, lambda: _quietly(effect))
            return []
        if fate.answer == "ok":
            return [effect()]
        _quietly(effect)
        return []

    async def create(self, seller: Seller, ad: Ad) -> CreatedRequest:
        """See TraderaClient."""

        def effect() -> CreatedRequest:
            problem = self._reference_data.problem(ad)
            if problem is not None and not self._reference_data.catalogue.only_in_results:
                raise Rejected(Text("{problem}", problem=problem), status=400)
            listed = self._market.create(seller.user_id, ad, problem=problem)
            if self._faults.chance(self._faults.climate.tradera / 10):
                listed = self._market.committed() or listed  # the numbers of another
            return CreatedRequest(request_id=listed.request_id, tradera_item_id=listed.item_id)

        return await self._call("create", seller, effect)

    async def add_image(
        self, seller: Seller, request_id: int, jpeg: bytes, *, image_format: int, has_mega: bool
    ) -> None:
        """See TraderaClient."""

        def effect() -> None:
            if not self._market.add_image(request_id, jpeg):
                raise Rejected(Text("Images can only be added to an uncommitted request"), status=400)

        await self._call("image", seller, effect)

    async def commit(self, seller: Seller, request_id: int) -> None:
        """See TraderaClient."""

        def effect() -> None:
            if not self._market.commit(request_id) and request_id % 2:
                raise Rejected(Text("The request is committed already"), status=400)

        await self._call("commit", seller, effect)

    async def results(self, seller: Seller, request_ids: Sequence[int]) -> dict[int, Result]:
        """See TraderaClient."""

        def effect() -> dict[int, Result]:
            codes = {request_id: self._market.result(request_id) for request_id in request_ids}
            return {
                request_id: Result(
                    code=code,
                    message="" if code == 1 else self._market.requests[request_id].problem or f"code {code}",
                )
                for request_id, code in codes.items()
                if code is not None
            }

        return await self._call("results", seller, effect)

    async def set_price(
        self, seller: Seller, item_id: int, *, opening_kr: int | None, buy_now_kr: int | None
    ) -> str | None:
        """See TraderaClient."""
        try:
            return await self._call(
                "price", seller, lambda: self._market.set_price(item_id, opening_kr, buy_now_kr)
            )
        except Rejected as refused:
            self._market.ads[item_id].refused_price = True
            return str(refused)

    async def end(self, seller: Seller, item_id: int) -> bool:
        """See TraderaClient."""
        try:
            return await self._call("end", seller, lambda: self._market.end(item_id))
        except Rejected:
            return False

    async def read_item(self, seller: Seller, item_id: int) -> SellerAd | None:
        """See TraderaClient."""
        return await self._call("read_item", seller, lambda: self._market.read(item_id))

    async def orders(self, seller: Seller, order_ids: Sequence[int]) -> list[Order]:
        """See TraderaClient."""

        def effect() -> list[Order]:
            return [each for each in self._market.known_orders(seller.user_id) if each.order_id in order_ids]

        return await self._call("orders_by_id", seller, effect)

    async def orders_between(self, seller: Seller, from_ms: int, to_ms: int) -> list[Order]:
        """See TraderaClient."""

        def effect() -> list[Order]:
            known = self._market.known_orders(seller.user_id)
            return [each for each in known if from_ms <= each.updated_at <= to_ms]

        return await self._call("orders", seller, effect)

    async def updated_items(self, seller: Seller, row_version: int) -> Updates:
        """See TraderaClient."""

        def effect() -> Updates:
            told = self._market.updated(seller.user_id, row_version)
            latest = max((version for _, version in told), default=0)
            return Updates(ads=frozenset(ad for ad, _ in told), version=latest, incomplete=False)

        return await self._call("updated_items", seller, effect)

    async def seller_items(self, seller: Seller, min_end_ms: int, max_end_ms: int) -> list[SellerAd]:
        """See TraderaClient."""
        return await self._call(
            "seller_items", seller, lambda: self._market.seller_items(seller.user_id, min_end_ms, max_end_ms)
        )

    async def ship(self, seller: Seller, order_id: int) -> None:
        """See TraderaClient."""
        await self._call("ship", seller, lambda: self._market.ship(seller.user_id, order_id))

    async def transactions(self, seller: Seller, from_ms: int, to_ms: int) -> list[SoldAd]:
        """See TraderaClient."""
        return await self._call("transactions", seller, lambda: self._market.transactions(seller.user_id))

    async def confirm_paid(self, seller: Seller, transaction_id: int) -> None:
        """See TraderaClient."""
        await self._call(
            "transaction_status", seller, lambda: self._market.confirm(seller.user_id, transaction_id)
        )

    async def me(self, seller: Seller) -> Member:
        """See TraderaClient."""
        return await self._call("me", seller, lambda: Member(user_id=seller.user_id, alias="seller"))

    async def restarted_as(self, seller: Seller, item_id: int) -> int | None:
        """See TraderaClient."""
        return await self._call("restarts", seller, lambda: self._market.restarted_as(item_id))

    async def _reference(self, what: str, path: str, reader: Callable[[Any], T]) -> Read[T]:
        """See TraderaClient."""
        data = self._reference_data
        return await self._call(what, Seller(1, ""), lambda: Read(reader(data.answer(what, path)), path))

    async def clock(self) -> int | None:
        """See TraderaClient. The application's: no seller's token can spoil it."""
        return await self._call("time", Seller(1, ""), self._now)


def _quietly(effect: Callable[[], object]) -> None:
    try:
        effect()
    except Rejected:
        return


def _raise_if_bad(operation: str, fate: Fate) -> None:
    match fate.answer:
        case "unreachable":
            raise Unreachable(Text("Tradera cannot be reached for {operation}", operation=operation))
        case "lost":
            raise Unanswered(Text("Tradera gave no answer to {operation}", operation=operation))
        case "error_500":
            raise ServerFailure(Text("Tradera answered 500 to {operation}", operation=operation), status=500)
        case "error_503":
            raise ServerFailure(Text("Tradera answered 503 to {operation}", operation=operation), status=503)
        case "over_limit":
            raise OverLimit(
                Text("Tradera answered 429 to {operation}", operation=operation), retry_after_s=600.0
            )
        case "token":
            raise TokenRefused(Text("Tradera answered 401 to {operation}", operation=operation), status=401)
        case "refused":
            raise Rejected(Text("Tradera answered 400 to {operation}", operation=operation), status=400)
        case "ok":
            return
