"""Plays a publishing through without a call: what would be sent, what would stop it, what it would cost.

It only reads. The rules and the requests are those of the publishing itself, so that it cannot drift from them; no
credential ever stands in what it shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from rheod.domain.budget import RESULT_COST, TOTAL, Load, Quota, publish_cost
from rheod.domain.errors import Permanent, Text
from rheod.domain.freight import Freight, choose, parcel_of
from rheod.domain.model import CallClass, ItemType, Listing, ListingState, Picture, PictureState
from rheod.domain.pictures import distinct
from rheod.domain.placement import Placement
from rheod.store import facts
from rheod.tradera.ad_builder import (
    ADS_PATH,
    RESULTS_PATH,
    Ad,
    commit_path,
    create_body,
    image_body,
    image_path,
    make_ad,
)
from rheod.tradera.publisher import PublishOptions
from rheod.usecases.items import BudgetForecast, Items, ItemView
from rheod.usecases.listings import why_not_published
from rheod.usecases.placement import FreightPrices, ReferenceData


class Verdict(StrEnum):
    """What a check found: FINE, it WAITS for something that comes by itself, or somebody must act: it STOPS here."""

    FINE = "fine"
    WAITS = "waits"
    STOPS = "stops"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at, and what was found."""

    verdict: Verdict
    text: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckStep:
    """One call as it would be made. What only Tradera or a file can say stands in `<>`."""

    operation: str
    method: str
    url: str
    body: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRunReport:
    """The whole play. `goes_at` is when it should go out (ms); None when nobody can say."""

    checks: tuple[Check, ...]
    steps: tuple[CheckStep, ...]
    calls: int
    goes_at: int | None

    @property
    def stops(self) -> bool:
        """Whether it would not be published however long one waits."""
        return any(check.verdict is Verdict.STOPS for check in self.checks)


_REQUEST = "<requestId>"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scene:
    """What is known before the play: `pictures` are those that would be sent, were the pending ones ready."""

    view: ItemView
    pictures: tuple[Picture, ...]
    placement: Placement
    freight: Freight
    ad: Ad | None
    fault: str | None
    impossible: str | None

    @property
    def cost(self) -> int:
        return publish_cost(len(self.pictures))


class DryRun:
    """Plays publishings through; `base_url` is where Tradera's API is."""

    def __init__(
        self,
        *,
        items: Items,
        forecast: Callable[[str], BudgetForecast],
        options: PublishOptions,
        reference: ReferenceData,
        quota: Quota,
        base_url: str,
    ) -> None:
        self._store = reference.store
        self._items = items
        self._forecast = forecast
        self._options = options
        self._reference = reference
        self._quota = quota
        self._base_url = base_url.rstrip("/")

    async def dry_run(self, account_id: str, external_id: str) -> DryRunReport:
        """The publishing of this item as it would go now. Raises Refused (NOT_FOUND)."""
        view = await self._items.read_item(account_id, external_id)
        placement = await self._store.read(lambda db: self._store.placer.place(db, view.item))
        scene = self._scene(view, placement, await self._reference.freight())
        forecast = self._forecast(account_id)
        goes_at = await self._goes_at(scene, forecast)
        checks = (_of_item(view), *_of_ad(scene), *self._of_budget(scene, forecast, goes_at))
        stopped = any(check.verdict is Verdict.STOPS for check in checks)
        steps = () if scene.ad is None else tuple(self._steps(scene, scene.ad))
        return DryRunReport(
            checks=checks,
            steps=steps,
            calls=scene.cost if steps else 0,
            goes_at=None if stopped else goes_at,
        )

    def _scene(self, view: ItemView, placement: Placement, prices: FreightPrices) -> _Scene:
        usable = distinct(each for each in view.pictures if each.state is not PictureState.FAILED)
        pictures = usable[: self._options.max_images]
        settings = self._options.defaults.freight
        freight = choose(parcel_of(view.item.spec), settings, prices.table, refused=prices.refused)
        # the listing that waits, else the one that would be made
        listing = view.listing
        if listing is None or listing.state.may_be_live or not listing.state.is_open:
            generation = 1 if listing is None else listing.generation + 1
            listing = Listing(
                id="", item_id=view.item.id, account_id=view.item.account_id, generation=generation
            )
        ad: Ad | None = None
        fault: str | None = None
        if view.item.spec.type is ItemType.ITEM and placement.fault is not None:
            fault = placement.fault
        elif view.item.spec.type is ItemType.ITEM and not placement.waits_for_tree:
            try:
                ad = make_ad(view.item, listing, self._options.defaults, placement, freight)
            except Permanent as error:
                fault = str(error)
        impossible = None  # or why no day has calls enough for it
        operations = {"create": 1, "image": len(pictures), "commit": 1}
        try:
            self._quota.require_possible(CallClass.PUBLISH, operations, spare=RESULT_COST)
        except Permanent as error:
            impossible = str(error)
        return _Scene(
            view=view,
            pictures=pictures,
            placement=placement,
            freight=freight,
            ad=ad,
            fault=fault,
            impossible=impossible,
        )

    async def _goes_at(self, scene: _Scene, forecast: BudgetForecast) -> int | None:
        """As the last of the queue, unless it has a place there."""
        if scene.view.queue is not None:
            return scene.view.queue.expected_at
        if forecast.waits_for is not None:
            return None
        queues = (await self._store.read(facts.publishings_by_account)).values()
        ads, cost = sum(each.ads for each in queues), sum(each.cost for each in queues)
        now = self._store.now()
        wish = scene.view.item.spec.tradera
        earliest = max(now, forecast.paused_until, (wish and wish.start_at) or 0)
        return forecast.goes_at(Load(ads + 1, cost + scene.cost), {}, earliest)

    def _of_budget(self, scene: _Scene, forecast: BudgetForecast, goes_at: int | None) -> Iterator[Check]:
        if forecast.waits_for is not None:
            yield _stops(Text.of(forecast.waits_for))
        if scene.impossible is not None:
            yield _stops(Text.of(scene.impossible))
        now = self._store.now()
        start_at = scene.view.item.spec.tradera and scene.view.item.spec.tradera.start_at
        if start_at and start_at > now:
            yield _waits(Text("It starts at the time that its `startAt` says"))
        if forecast.paused_until > now:
            yield _waits(Text("Tradera has asked for a pause: nothing is published until it is over"))
        if goes_at is None:
            return
        tight = forecast.tightest(now)
        used, limit, kind = tight.window.used(now), tight.limit, tight.method
        if goes_at > now and kind == TOTAL:
            yield _waits(
                Text(
                    "{used} of {limit} Tradera calls of the last 24 hours are used: it waits for its turn",
                    used=used,
                    limit=limit,
                )
            )
        elif goes_at > now:
            yield _waits(
                Text(
                    "{used} of {limit} Tradera calls of the kind {method} of the last 24 hours are used: it waits for its turn",
                    used=used,
                    limit=limit,
                    method=kind,
                )
            )
        elif kind == TOTAL:
            yield _fine(Text("There are calls enough: {used} of {limit} are used", used=used, limit=limit))
        else:
            yield _fine(
                Text(
                    "There are calls enough: {used} of {limit} of the kind {method} are used",
                    used=used,
                    limit=limit,
                    method=kind,
                )
            )

    def _steps(self, scene: _Scene, ad: Ad) -> Iterator[CheckStep]:
        yield CheckStep(
            operation="create", method="POST", url=f"{self._base_url}{ADS_PATH}", body=create_body(ad)
        )
        for picture in scene.pictures:
            size = "not fetched yet" if picture.size_bytes is None else f"{picture.size_bytes} bytes"
            yield CheckStep(
                operation="image",
                method="POST",
                url=f"{self._base_url}{image_path(_REQUEST)}",
                body=image_body(
                    f"<picture {picture.position + 1}, {size}, as Base64>",
                    image_format=self._options.image_format,
                    has_mega=self._options.has_mega,
                ),
            )
        yield CheckStep(operation="commit", method="POST", url=f"{self._base_url}{commit_path(_REQUEST)}")
        url = f"{self._base_url}{RESULTS_PATH}?requestIds={_REQUEST}"
        yield CheckStep(operation="request-results", method="GET", url=url)


def _of_item(view: ItemView) -> Check:
    """Whether this item may be published at all."""
    listing = view.listing
    refusal = why_not_published(view.item, listing)
    if refusal is not None:
        return _stops(refusal)
    if listing is not None and listing.state.may_be_live:
        ad = str(listing.tradera_item_id or "?")
        return _stops(Text("It has an ad already ({ad}): a second one would sell it twice", ad=ad))
    if listing is not None and listing.state is ListingState.QUEUED:
        return _fine(Text("It waits in the queue already"))
    return _fine(Text("The item may be published"))


def _of_ad(scene: _Scene) -> Iterator[Check]:
    if scene.ad is not None:
        yield _fine(Text("Title, category, price and shipping are as Tradera takes them"))
        costs = sorted({each.cost_kr for each in scene.freight.options})
        paid = Text(
            "The buyer pays {price} kr for freight: {reason}",
            price=" / ".join(map(str, costs)),
            reason=scene.freight.reason,
        )
        yield _fine(scene.freight.warning or paid)
    elif scene.fault is not None:
        yield _stops(Text.of(scene.fault))
    elif scene.placement.waits_for_tree:
        yield _waits(
            Text("Tradera's categories were not read yet: without them nothing can be chosen for it")
        )
    for warning in scene.placement.warnings:
        yield _fine(warning)
    pictures = scene.view.pictures
    failed = sum(picture.state is PictureState.FAILED for picture in pictures)
    pending = sum(picture.state is PictureState.PENDING for picture in pictures)
    if pending:
        yield _waits(Text("Pictures still being fetched: {n}", n=pending))
    if failed:
        yield _fine(Text("Pictures that could not be fetched: {n}. The ad goes out without them", n=failed))
    if not pending:
        yield _fine(Text("Pictures that go along: {n}", n=len(scene.pictures)))


def _fine(text: Text) -> Check:
    return Check(verdict=Verdict.FINE, text=text)


def _waits(text: Text) -> Check:
    return Check(verdict=Verdict.WAITS, text=text)


def _stops(text: Text) -> Check:
    return Check(verdict=Verdict.STOPS, text=text)
