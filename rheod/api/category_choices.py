"""What the commands ask of the owner's choices about categories, and the check of the whole stock; over the admin socket alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from aiohttp import web
from pydantic import Field, StringConstraints

from rheod.api.field_types import Wire, read_model
from rheod.api.json_body import BODY_BYTES, read_json
from rheod.api.responses import answer
from rheod.domain.categories import DOMAINS, canonical
from rheod.domain.errors import FieldError, Refused, Text
from rheod.domain.placement import CategoryRule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rheod.api.routing import Route
    from rheod.usecases.owner_choices import CategoryChoices, CheckedItem, ChosenRule

_Leaf = Annotated[int, Field(ge=1, lt=2**31)]
_Words = Annotated[str, StringConstraints(min_length=1, max_length=255)]
_Place = Annotated[int, Field(ge=1, le=100_000)]


class RuleBody(Wire):
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
                "rules": [_rule(each) for each in shown.rules],
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
        body = read_model(RuleBody, await self._body(request))
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
                "items": [_checked(each) for each in found.told],
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


def _rule(chosen: ChosenRule) -> dict[str, object]:
    rule = chosen.rule
    return {
        "id": rule.id,
        "category": rule.category_id,
        "path": chosen.path,
        "fault": chosen.fault,
        "account": rule.account,
        "domain": rule.domain,
        "words": rule.words or None,
        "metadata": None if rule.metadata is None else dict([rule.metadata]),
    }


def _checked(item: CheckedItem) -> dict[str, object]:
    return {
        "account": item.account,
        "externalId": item.external_id,
        "title": item.title,
        "category": item.category_id,
        "fault": item.fault,
        "missing": list(item.missing),
        "warnings": list(item.warnings),
    }


def _wrong(place: str, sentence: Text) -> Refused:
    return Refused("VALIDATION_FAILED", Text("Validation failed"), (FieldError(place, sentence),))
