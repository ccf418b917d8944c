"""The page about returns: the rule in words, what comes back with price, day and reason, and the calls that takes by day.

Each return can be held, all be paused; the rule is changed here unless the settings file has one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from rheod.api.field_types import raise_if_any, read_external_id
from rheod.api.schedule import DAY_MS
from rheod.domain.errors import FieldError, Refused, Text
from rheod.domain.relist import BelowReserve, RelistRule, Then, plan_ahead, step_of
from rheod.usecases.relisting import by_day
from rheod.web.forms import refuse_changed
from rheod.web.integration import of_account
from rheod.web.selling_page import look
from rheod.web.site import HOME, ActionDone, Page

if TYPE_CHECKING:
    from rheod.api.routing import Route
    from rheod.web.language import Language
    from rheod.web.site import PageRequest, Site, WebContext

RETURNS = f"{HOME}/returns"
ITEM = RETURNS + "/{externalId:[^/]+}"
DAYS = 7
EXAMPLE_KR = 500
_NUMBERS: Mapping[str, tuple[float, float]] = {
    "times": (0, 50),
    "floor": (0, 10_000_000),
    "wait_h": (0, 24 * 60),
    "stop_after_days": (0.01, 3650),
}
"""What a field of the form may be, as in the settings file."""
_PER_CENT = 100

THEN = {
    Then.NOT_LISTED: Text("it stays down"),
    Then.FIXED_PRICE: Text("it goes on at a fixed price, the last one"),
    Then.TELL: Text("you are told, and decide"),
}
BELOW_RESERVE = {
    BelowReserve.KEEP: Text("it stays as it was"),
    BelowReserve.DROP: Text("it is dropped"),
    BelowReserve.LOWER: Text("it is lowered to the highest bid"),
}
ROUNDED = {
    1: Text("to whole kronor"),
    5: Text("down to 5 kr"),
    10: Text("down to 10 kr"),
    9: Text("down to end in 9"),
}


def rule_words(rule: RelistRule, language: Language) -> list[str]:
    """What the rule does, a sentence each."""
    steps = [
        language.gettext("{n} % less than before", n=each.strip("-%"))
        if isinstance(each, str)
        else language.gettext("{n} % of the first price", n=f"{each * _PER_CENT:g}")
        for each in rule.steps
    ]
    said = [
        language.ngettext(
            "What ends unsold comes back at most {n} time, {hours} hours after its end.",
            "What ends unsold comes back at most {n} times, {hours} hours after its end each time.",
            rule.times,
            hours=f"{rule.wait_h:g}",
        ),
        language.gettext(
            "Its price: {steps}; rounded {how}.",
            steps=", ".join(steps),
            how=language.say(ROUNDED[rule.round_to]),
        ),
    ]
    if rule.floor is None:
        said.append(
            language.gettext("There is no floor: only an item with a lowest price of its own comes back.")
        )
    elif rule.floor < 1:
        said.append(
            language.gettext("Never below {n} % of the first price.", n=f"{rule.floor * _PER_CENT:g}")
        )
    else:
        said.append(language.gettext("Never below {price}.", price=language.kr(round(rule.floor * 100))))
    days = f"{rule.stop_after_days:g}"
    return [
        *said,
        language.gettext("{days} days after its first ad nothing comes back.", days=days),
        language.gettext("After the last return: {what}.", what=language.say(THEN[rule.then])),
        language.gettext(
            "A reserve that bids did not reach: {what}.", what=language.say(BELOW_RESERVE[rule.below_reserve])
        ),
    ]


def form_of(rule: RelistRule) -> dict[str, str]:
    """The rule as its form shows it."""
    share = rule.floor is not None and rule.floor < 1
    floor = "" if rule.floor is None else f"{rule.floor * (_PER_CENT if share else 1):g}"
    steps = (each.strip("%") if isinstance(each, str) else f"{each * _PER_CENT:g}" for each in rule.steps)
    return {
        "enabled": "yes" if rule.enabled else "no",
        "times": str(rule.times),
        "steps": ", ".join(steps),
        "round": str(rule.round_to),
        "floor": floor,
        "floor_of": "share" if share else "kr",
        "wait_h": f"{rule.wait_h:g}",
        "stop_after_days": f"{rule.stop_after_days:g}",
        "then": rule.then,
        "below_reserve": rule.below_reserve,
    }


def read_rule(form: Mapping[str, str]) -> RelistRule:
    """The rule that a form describes. Raises Refused with what is wrong of every field."""
    wrong: list[FieldError] = []
    numbers = {name: _number(form, name, wrong) for name in _NUMBERS}
    steps = _steps(form.get("steps", ""), wrong)
    floor = numbers["floor"] if form.get("floor", "").strip() else None
    if floor is not None and form.get("floor_of") == "share":
        floor = floor / _PER_CENT
        if not 0 < floor < 1:
            wrong.append(FieldError("floor", Text("Must be more than 0 and less than 100 per cent")))
    elif floor is not None and floor < 1:
        wrong.append(FieldError("floor", Text("Must be at least 1 krona")))
    if form.get("enabled") == "yes" and floor is None and not wrong:
        wrong.append(FieldError("floor", Text("A rule needs a floor: the lowest price it may go to")))
    known = (
        (form.get("then"), set(Then)),
        (form.get("below_reserve"), set(BelowReserve)),
        (form.get("round"), {str(each) for each in ROUNDED}),
    )
    if any(value not in allowed for value, allowed in known):
        raise Refused("BAD_REQUEST", Text("The form could not be read"))
    raise_if_any(wrong)
    return RelistRule(
        enabled=form.get("enabled") == "yes",
        times=int(numbers["times"]),
        steps=steps,
        round_to=int(form["round"]),
        floor=floor,
        wait_h=numbers["wait_h"],
        stop_after_days=numbers["stop_after_days"],
        then=Then(form["then"]),
        below_reserve=BelowReserve(form["below_reserve"]),
    )


def _number(form: Mapping[str, str], name: str, wrong: list[FieldError]) -> float:
    least, most = _NUMBERS[name]
    text = form.get(name, "").strip().replace(",", ".")
    fits = re.fullmatch(r"\d{1,8}(\.\d{1,4})?", text) is not None and least <= float(text) <= most
    if fits and (name != "times" or "." not in text):
        return float(text)
    if text or name != "floor":
        said = Text("Must be a number from {least} to {most}", least=f"{least:g}", most=f"{most:.0f}")
        wrong.append(FieldError(name, said))
    return 0


def _steps(text: str, wrong: list[FieldError]) -> tuple[float | str, ...]:
    """Per cent of the first price, or with a minus per cent less than before."""
    parts = [
        each.strip("%")
        for each in re.split(r"[,;\s]+", text.replace("\N{MINUS SIGN}", "-"))
        if each.strip("%")
    ]
    try:
        steps = tuple(
            step_of(f"{each}%") if each.startswith("-") else step_of(round(float(each) / _PER_CENT, 6))
            for each in parts
        )
    except (ValueError, OverflowError):
        steps = ()
    if not steps or len(steps) > _NUMBERS["times"][1]:
        said = Text(
            "Write per cent of the first price, such as 90, 80, 70, or per cent less each time, such as -10"
        )
        wrong.append(FieldError("steps", said))
    return steps


class ReturnsPage:
    """Every planned return, and the owner's word on it."""

    def __init__(self, *, context: WebContext, site: Site) -> None:
        self._context = context
        self._site = site
        self._relisting = context.api.relisting

    def routes(self) -> list[Route]:
        """The page and what can be said on it; nothing of it is final."""
        action = self._site.action
        hold, resume = partial(self.hold, held=True), partial(self.hold, held=False)
        pause, go_on = partial(self.pause, paused=True), partial(self.pause, paused=False)
        return [
            ("GET", RETURNS, self._site.page(self.show)),
            ("GET", f"{RETURNS}/look", self._site.page(self.show)),
            ("POST", f"{RETURNS}/look", look(self._site, self._context, self.show)),
            ("POST", f"{RETURNS}/rule", action(self.choose, name="choose return rule", page=self.show)),
            ("POST", f"{RETURNS}/pause", action(pause, name="pause returns", page=self.show)),
            ("POST", f"{RETURNS}/resume", action(go_on, name="resume returns", page=self.show)),
            ("POST", f"{ITEM}/hold", action(hold, name="hold return", page=self.show)),
            ("POST", f"{ITEM}/resume", action(resume, name="resume return", page=self.show)),
        ]

    async def show(self, request: PageRequest) -> Page:
        """The rule, what comes back, the next first, and what that takes by day."""
        api = self._context.api
        rule, locked = await self._relisting.owners_rule()
        tried, fault = rule, ""
        if "steps" in request.form:
            try:
                tried = read_rule(request.form)
            except Refused as error:
                fault = (
                    ""
                    if request.failed
                    else "; ".join(request.language.say(each.message) for each in error.details)
                )
        planned = await self._context.outlooks.returns(request.account_id)
        soon = [one for one, _picture in planned if one.at < api.now() + DAYS * DAY_MS]
        values: dict[str, Any] = {
            "planned": planned,
            "days": by_day(soon, api.call_limit),
            "paused": await self._relisting.is_paused(),
            "rule": rule,
            "locked": locked,
            "draft": {**form_of(rule), **(request.form if "steps" in request.form else {})},
            "fault": fault,
            "said": rule_words(tried, request.language),
            "example": [EXAMPLE_KR, *plan_ahead(tried, EXAMPLE_KR)] if tried.has_floor else [],
            "choices": (THEN, BELOW_RESERVE, ROUNDED),
        }
        return Page("returns.html", values)

    async def choose(self, request: PageRequest) -> ActionDone:
        """Let this be the rule from now on; what is planned is planned anew by it."""
        rule = read_rule(request.form)

        def changed(was: RelistRule) -> RelistRule:
            refuse_changed(request.form, " ".join(rule_words(was, request.language)), was)
            return rule

        await self._relisting.change_rule(changed)
        said = Text("The rule holds from now on, also for what is planned.")
        return ActionDone(said, to=of_account(request, RETURNS), subject="on" if rule.enabled else "off")

    async def hold(self, request: PageRequest, *, held: bool) -> ActionDone:
        """Hold the return of one item, or let it go on."""
        external_id, wrong = read_external_id(request.http.raw_path, segment=2)
        raise_if_any(wrong)
        message = await self._relisting.hold(request.account_id, external_id, held=held)
        return ActionDone(message, to=of_account(request, RETURNS), subject=quote(external_id, safe=""))

    async def pause(self, request: PageRequest, *, paused: bool) -> ActionDone:
        """Stop every return until further notice, or let them go on."""
        message = await self._relisting.pause_all(paused=paused)
        return ActionDone(message, to=of_account(request, RETURNS), subject="returns")
