"""The owner's choices of how things are sold, as the commands show and change them; over the admin socket alone.

Where a thing goes at Tradera, and whether the whole stock has a place there; the words above and below every ad; the rule
for returns, and the plan for ends.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from aiohttp import web
from pydantic import Field, StringConstraints

from rheod.api.field_types import Wire, read_model
from rheod.api.item_parts import RelistStep
from rheod.api.json_body import BODY_BYTES, read_json, read_optional_json
from rheod.api.routing import Route, answer
from rheod.domain.ad_text import Part, Template
from rheod.domain.categories import DOMAINS, canonical
from rheod.domain.errors import FieldError, Refused, Text
from rheod.domain.placement import CategoryRule
from rheod.domain.relist import BelowReserve, Then
from rheod.usecases.owner_choices import AdTemplates

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rheod.usecases.ending import Ending
    from rheod.usecases.owner_choices import CategoryChoices
    from rheod.usecases.relisting import Relisting


_Leaf = Annotated[int, Field(ge=1, lt=2**31)]
_Words = Annotated[str, StringConstraints(min_length=1, max_length=255)]
_Place = Annotated[int, Field(ge=1, le=100_000)]


class CategoryRuleBody(Wire):
    """A new rule: items that are all of this go into the category."""

    category: _Leaf
    domain: _Words | None = None
    words: _Words | None = None
    metadata: Annotated[dict[_Words, _Words], Field(min_length=1, max_length=1)] | None = None
    account: Annotated[str, StringConstraints(max_length=255)] | None = None
    place: _Place | None = None


class PlaceBody(Wire):
    """Where a rule goes."""

    place: _Place


class DefaultBody(Wire):
    """The category of a domain; null takes it away."""

    category: _Leaf | None


class GuessBody(Wire):
    """Whether rheod may guess."""

    guess: bool


class ConditionBody(Wire):
    """The terms that a word or grade of condition may become, the first that a leaf knows; none: what rheod ships."""

    terms: Annotated[list[_Words], Field(max_length=20)]


class ChoiceCalls:
    """Handlers under `/categories/` and of `/stock-check`; `accounts` are the references with their ids."""

    def __init__(self, *, choices: CategoryChoices, accounts: Mapping[str, str], deadline_s: float) -> None:
        self._choices = choices
        self._accounts = accounts
        self._deadline_s = deadline_s

    async def show(self, _request: web.Request) -> web.Response:
        """GET /categories/choices: rules in their order, defaults, and whether rheod guesses."""
        shown = await self._choices.shown()
        return answer(
            200,
            {
                "rules": [
                    {
                        "id": each.rule.id,
                        "category": each.rule.category_id,
                        "path": each.path,
                        "fault": each.fault,
                        "account": each.rule.account,
                        "domain": each.rule.domain,
                        "words": each.rule.words or None,
                        "metadata": None if each.rule.metadata is None else dict([each.rule.metadata]),
                    }
                    for each in shown.rules
                ],
                "rulesLocked": shown.rules_locked,
                "defaults": [
                    {
                        "domain": each.domain,
                        "category": each.category_id,
                        "path": each.path,
                        "locked": each.locked,
                    }
                    for each in shown.defaults
                ],
                "guess": shown.guess,
                "guessLocked": shown.guess_locked,
                "conditions": [
                    {"word": each.word, "terms": list(each.terms), "own": each.own}
                    for each in shown.conditions
                ],
                "conditionsLocked": shown.conditions_locked,
            },
        )

    async def add(self, request: web.Request) -> web.Response:
        """POST /categories/rules."""
        body = read_model(CategoryRuleBody, await self._body(request))
        domain = None if body.domain is None else canonical(body.domain)
        if body.domain is not None and domain is None:
            raise _wrong("domain", Text("Must be one of {domains}", domains=", ".join(DOMAINS)))
        if body.account is not None and body.account not in self._accounts:
            raise _wrong("account", Text("Unknown partner account"))
        rule = CategoryRule(
            id=0,
            category_id=body.category,
            account=body.account,
            domain=domain,
            words=body.words or "",
            metadata=None if body.metadata is None else next(iter(body.metadata.items())),
        )
        added = await self._choices.add_rule(rule, place=body.place)
        return answer(201, {"id": added.id})

    async def move(self, request: web.Request) -> web.Response:
        """POST /categories/rules/{id}/move `{"place": 1}`."""
        body = read_model(PlaceBody, await self._body(request))
        await self._choices.move_rule(int(request.match_info["id"]), body.place)
        return web.Response(status=204)

    async def remove(self, request: web.Request) -> web.Response:
        """DELETE /categories/rules/{id}."""
        await self._choices.remove_rule(int(request.match_info["id"]))
        return web.Response(status=204)

    async def set_default(self, request: web.Request) -> web.Response:
        """PUT /categories/defaults/{domain} `{"category": 302410}`."""
        body = read_model(DefaultBody, await self._body(request))
        domain = await self._choices.set_default(request.match_info["domain"], body.category)
        return answer(200, {"domain": domain})

    async def set_guess(self, request: web.Request) -> web.Response:
        """PUT /categories/guess `{"guess": false}`."""
        body = read_model(GuessBody, await self._body(request))
        await self._choices.set_guess(body.guess)
        return web.Response(status=204)

    async def set_condition(self, request: web.Request) -> web.Response:
        """PUT /categories/conditions/{word} `{"terms": ["Gott skick"]}`: what stands then."""
        body = read_model(ConditionBody, await self._body(request))
        stands = await self._choices.set_condition(request.match_info["word"], body.terms)
        return answer(200, {"terms": [] if stands is None else list(stands.terms)})

    async def check(self, _request: web.Request) -> web.Response:
        """GET /stock-check: every item that may still be put up, without a call."""
        found = await self._choices.check_stock()
        return answer(
            200,
            {
                "checked": found.checked,
                "held": found.held,
                "guessed": found.guessed,
                "unknown": found.unknown,
                "items": [
                    {
                        "account": each.account,
                        "externalId": each.external_id,
                        "title": each.title,
                        "category": each.category_id,
                        "fault": each.fault,
                        "missing": list(each.missing),
                        "warnings": list(each.warnings),
                    }
                    for each in found.told
                ],
            },
        )

    async def _body(self, request: web.Request) -> object:
        return await read_json(request, limit_bytes=BODY_BYTES, deadline_s=self._deadline_s)


def choice_routes(calls: ChoiceCalls) -> list[Route]:
    """What the admin socket serves of it."""
    return [
        ("GET", "/categories/choices", calls.show),
        ("POST", "/categories/rules", calls.add),
        ("POST", r"/categories/rules/{id:\d{1,9}}/move", calls.move),
        ("DELETE", r"/categories/rules/{id:\d{1,9}}", calls.remove),
        ("PUT", "/categories/defaults/{domain:[^/]+}", calls.set_default),
        ("PUT", "/categories/guess", calls.set_guess),
        ("PUT", "/categories/conditions/{word:.+}", calls.set_condition),
        ("GET", "/stock-check", calls.check),
    ]


def _wrong(place: str, sentence: Text) -> Refused:
    return Refused("VALIDATION_FAILED", Text("Validation failed"), (FieldError(place, sentence),))


class TemplateBody(Wire):
    """A template and its place: one account or all, one category or all; an empty text takes it away."""

    part: Annotated[Part, Field(strict=False)]
    text: str = Field(max_length=10_000)
    account: str | None = Field(default=None, max_length=255)
    category: int | None = Field(default=None, gt=0, lt=2**53)


class TemplateCalls:
    """Handlers of `/templates`."""

    def __init__(self, *, templates: AdTemplates, body_deadline_s: float) -> None:
        self._templates = templates
        self._deadline_s = body_deadline_s

    async def listing(self, _request: web.Request) -> web.Response:
        """GET /templates: all that apply; `locked` ones stand in the settings file."""
        rows = [
            {
                "part": each.template.part,
                "account": each.template.account,
                "category": each.template.category,
                "text": each.template.text,
                "locked": each.locked,
            }
            for each in await self._templates.listing()
        ]
        return answer(200, {"templates": rows})

    async def put(self, request: web.Request) -> web.Response:
        """PUT /templates: keep one, or with an empty text take it away."""
        given = await read_optional_json(request, limit_bytes=BODY_BYTES, deadline_s=self._deadline_s)
        body = read_model(TemplateBody, given)
        await self._templates.put(
            Template(part=body.part, text=body.text, account=body.account, category=body.category)
        )
        return web.Response(status=204)

    def routes(self) -> list[Route]:
        """What `build_admin` adds."""
        return [("GET", "/templates", self.listing), ("PUT", "/templates", self.put)]


class RelistRuleBody(Wire):
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
        body = read_model(
            RelistRuleBody, await read_json(request, limit_bytes=BODY_BYTES, deadline_s=deadline_s)
        )
        given = {name: value for name, value in body.model_dump().items() if value is not None}
        named = {"round_to" if name == "round" else name: value for name, value in given.items()}
        if "steps" in named:
            named["steps"] = tuple(named["steps"])
        await relisting.change_rule(lambda rule: replace(rule, **named))
        return await show(request)

    return [("GET", "/relist/rule", show), ("PATCH", "/relist/rule", change)]


class PlanBody(Wire):
    """The owner's plan for ends: what is absent stays as it is; 0 takes a bound away."""

    windows: Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=50)] | None = None
    spacing_min: Annotated[int, Field(ge=1, le=240)] | None = None
    per_window: Annotated[int, Field(ge=0, le=1000)] | None = None
    per_category: Annotated[int, Field(ge=0, le=1000)] | None = None
    durations: (
        Annotated[list[Annotated[int, Field(ge=1, le=14)]], Field(min_length=1, max_length=14)] | None
    ) = None


def plan_routes(ending: Ending, *, deadline_s: float) -> list[Route]:
    """The owner's plan over the admin socket: shown, and changed where the settings file has none."""

    async def show(_request: web.Request) -> web.Response:
        """GET /schedule/plan."""
        choice, locked = await ending.owners_choice()
        shown = {
            "windows": list(choice.windows),
            "spacingMin": choice.spacing_min,
            "perWindow": choice.per_window,
            "perCategory": choice.per_category,
            "durations": list(choice.durations),
        }
        return answer(200, {**shown, "locked": locked})

    async def change(request: web.Request) -> web.Response:
        """PATCH /schedule/plan."""
        body = read_model(PlanBody, await read_json(request, limit_bytes=BODY_BYTES, deadline_s=deadline_s))
        given = {name: value for name, value in body.model_dump().items() if value is not None}
        changed: dict[str, Any] = {
            name: tuple(each) if isinstance(each, list) else each or None for name, each in given.items()
        }
        await ending.change(lambda choice: replace(choice, **changed))
        return await show(request)

    return [("GET", "/schedule/plan", show), ("PATCH", "/schedule/plan", change)]
