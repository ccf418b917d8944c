"""Returns of unsold items: what a body says of them, the partner's PATCH, and what the owner sees and stops."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from aiohttp import web
from pydantic import Field

from rheod.api.context import CALLER
from rheod.api.field_types import Wire, raise_if_any, read_external_id, read_model
from rheod.api.item_parts import RelistBody, RelistStep, relist_wish
from rheod.api.json_body import BODY_BYTES, read_json
from rheod.api.responses import EXTERNAL_ID, At, DoneReply, Reply, answer, reply
from rheod.api.routing import Operation, Query, Route, Whole, read_query
from rheod.domain.relist import BelowReserve, Then
from rheod.usecases.relisting import by_day

if TYPE_CHECKING:
    from rheod.api.context import ItemServices
    from rheod.store.ads import PlannedReturn
    from rheod.usecases.relisting import Relisting, RelistView


class RelistReply(Reply):
    """The next return of an item, planned or as it would be if its ad ended unsold; kronor."""

    next_at: Annotated[At | None, Field(description="When it comes back; null when it does not.")]
    next_price: Annotated[int | None, Field(description="What it then asks, in SEK.")]
    attempt: Annotated[int, Field(description="Which return that is, from 1.")]
    of: Annotated[int, Field(description="How often it comes back at most.")]
    reason: Annotated[str, Field(description="Why, in one sentence.")]
    held: Annotated[bool, Field(description="Whether the owner holds it back.")]


def relist_reply(view: RelistView | None) -> RelistReply | None:
    """A return as JSON."""
    if view is None:
        return None
    return RelistReply(
        next_at=view.next_at,
        next_price=view.next_kr,
        attempt=view.attempt,
        of=view.of,
        reason=view.reason,
        held=view.held,
    )


class RelistPlanReply(Reply):
    """What a PATCH of an item's returns has come to."""

    success: Annotated[bool, Field(description="Always true.")] = True
    message: Annotated[str, Field(description="What was noted, in one sentence.")]
    relist: Annotated[RelistReply | None, Field(description="The next return; null when there is none.")]


class PlannedLine(Reply):
    """One return that is planned; kronor."""

    external_id: Annotated[str, EXTERNAL_ID]
    title: Annotated[str, Field(description="The item's title.")]
    next_at: Annotated[At, Field(description="When it comes back at the earliest.")]
    previous_price: Annotated[int | None, Field(description="What its last ad asked, in SEK.")]
    next_price: Annotated[int, Field(description="What it then asks, in SEK.")]
    attempt: Annotated[int, Field(description="Which return that is, from 1; 0 at a new price of yours.")]
    reason: Annotated[str, Field(description="Why at this price, in one sentence.")]
    held: Annotated[bool, Field(description="Whether you hold it back.")]


class DayReply(Reply):
    """One day of returns."""

    day: Annotated[str, Field(description="The day by Swedish clocks.", examples=["2026-06-03"])]
    ads: Annotated[int, Field(description="How many come back.")]
    calls: Annotated[int, Field(description="How many calls to Tradera that takes.")]
    too_many: Annotated[
        int, Field(description="How many of them do not fit into the quota, though nothing else went out.")
    ]


class PlanReply(Reply):
    """What comes back, the next first, and whether the owner has paused all of it."""

    paused: Annotated[bool, Field(description="Whether every return is stopped.")]
    returns: Annotated[list[PlannedLine], Field(description="What comes back, the next first.")]
    days: Annotated[list[DayReply], Field(description="The same by day, without what is held.")]


class DaysQuery(Query):
    """How far ahead."""

    days: Annotated[Whole, Field(ge=1, le=400, description="So many days ahead.")] = 7


DAY_MS = 86_400_000


class RelistCalls:
    """Handlers about returns."""

    def __init__(self, *, parts: ItemServices) -> None:
        self._parts = parts

    async def change(self, request: web.Request) -> web.Response:
        """Say how an item comes back: what ends unsold from now on follows it."""
        body = await self._body(request)
        wish = relist_wish(read_model(RelistBody, body, read_external_id(request.raw_path, segment=3)[1]))
        account_id, external_id = request[CALLER].account_id, _id_of(request, 3)
        message, view = await self._parts.relisting.change(account_id, external_id, wish)
        return reply(202, RelistPlanReply(message=message, relist=relist_reply(view)))

    async def plan(self, request: web.Request) -> web.Response:
        """Show what comes back in the next days."""
        latest = self._parts.now() + read_query(request, DaysQuery).days * DAY_MS
        planned = await self._parts.relisting.plan_until([request[CALLER].account_id], latest)
        paused = await self._parts.relisting.is_paused()
        days = [
            DayReply(day=each.day.isoformat(), ads=each.ads, calls=each.calls, too_many=each.too_many)
            for each in by_day(planned, self._parts.call_limit)
        ]
        returns = [planned_line(each) for each in planned]
        return reply(200, PlanReply(paused=paused, returns=returns, days=days))

    async def pause(self, _request: web.Request) -> web.Response:
        """Stop every return until further notice."""
        return reply(202, DoneReply(message=await self._parts.relisting.pause_all(paused=True)))

    async def resume(self, _request: web.Request) -> web.Response:
        """Let the returns go on that were paused."""
        return reply(202, DoneReply(message=await self._parts.relisting.pause_all(paused=False)))

    async def hold(self, request: web.Request) -> web.Response:
        """Hold one item's return back."""
        return await self._hold(request, held=True)

    async def release(self, request: web.Request) -> web.Response:
        """Let one item's return go on."""
        return await self._hold(request, held=False)

    async def _hold(self, request: web.Request, *, held: bool) -> web.Response:
        account_id, external_id = request[CALLER].account_id, _id_of(request, 2)
        return reply(
            202, DoneReply(message=await self._parts.relisting.hold(account_id, external_id, held=held))
        )

    async def _body(self, request: web.Request) -> Any:
        return await read_json(request, limit_bytes=BODY_BYTES, deadline_s=self._parts.body_deadline_s)


def _id_of(request: web.Request, segment: int) -> str:
    external_id, found = read_external_id(request.raw_path, segment=segment)
    raise_if_any(found)
    return external_id


def planned_line(planned: PlannedReturn) -> PlannedLine:
    """One planned return as JSON."""
    return PlannedLine(
        external_id=planned.external_id,
        title=planned.title,
        next_at=planned.at,
        previous_price=planned.ladder.previous_kr,
        next_price=planned.ladder.price_kr,
        attempt=planned.ladder.attempt,
        reason=planned.ladder.why,
        held=planned.held,
    )


class RuleBody(Wire):
    """The owner's rule for returns: what is absent stays as it is."""

    enabled: bool | None = None
    times: Annotated[int, Field(ge=0, le=50)] | None = None
    steps: Annotated[list[RelistStep], Field(min_length=1, max_length=50)] | None = None
    round: Literal[1, 5, 9, 10] | None = None
    floor: Annotated[float, Field(gt=0, le=10_000_000)] | None = None
    wait_h: Annotated[float, Field(ge=0, le=1440)] | None = None
    stop_after_days: Annotated[float, Field(gt=0, le=3650)] | None = None
    then: Annotated[Then, Field(strict=False)] | None = None
    below_reserve: Annotated[BelowReserve, Field(strict=False)] | None = None


def rule_routes(relisting: Relisting, *, deadline_s: float) -> list[Route]:
    """The owner's rule over the admin socket: shown, and changed where the settings file has none."""

    async def show(_request: web.Request) -> web.Response:
        """GET /relist/rule."""
        rule, locked = await relisting.owners_rule()
        shown = {
            "enabled": rule.enabled,
            "times": rule.times,
            "steps": list(rule.steps),
            "round": rule.round_to,
            "floor": rule.floor,
            "waitH": rule.wait_h,
            "stopAfterDays": rule.stop_after_days,
            "then": rule.then,
            "belowReserve": rule.below_reserve,
        }
        return answer(200, {**shown, "locked": locked})

    async def change(request: web.Request) -> web.Response:
        """PATCH /relist/rule."""
        body = read_model(RuleBody, await read_json(request, limit_bytes=BODY_BYTES, deadline_s=deadline_s))
        given = {name: value for name, value in body.model_dump().items() if value is not None}
        named = {"round_to" if name == "round" else name: value for name, value in given.items()}
        if "steps" in named:
            named["steps"] = tuple(named["steps"])
        rule, _locked = await relisting.owners_rule()
        await relisting.choose(replace(rule, **named))
        return await show(request)

    return [("GET", "/relist/rule", show), ("PATCH", "/relist/rule", change)]


def operations(parts: ItemServices) -> list[Operation]:
    """What an ERP says about the returns of one item, and what the owner sees and stops."""
    calls = RelistCalls(parts=parts)
    owner = partial(Operation, access="owner", tag="Items")
    done = partial(owner, "POST", status=202, answer=DoneReply)
    return [
        Operation(
            "PATCH",
            "/integration/v1/items/{externalId}/relist",
            calls.change,
            access="partner",
            tag="Items",
            rate="price",
            body=RelistBody,
            status=202,
            answer=RelistPlanReply,
            refusals=("CONFLICT", "VALIDATION_FAILED"),
        ),
        owner("GET", "/rheod/relist", calls.plan, query=DaysQuery, answer=PlanReply),
        done("/rheod/relist/pause", calls.pause),
        done("/rheod/relist/resume", calls.resume),
        done("/rheod/relist/{externalId}/pause", calls.hold, refusals=("CONFLICT", "VALIDATION_FAILED")),
        done("/rheod/relist/{externalId}/resume", calls.release, refusals=("CONFLICT", "VALIDATION_FAILED")),
    ]
