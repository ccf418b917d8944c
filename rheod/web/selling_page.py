"""The page Ads: what an ad gets where its item says nothing, and the words above and below every ad with a preview."""

from __future__ import annotations

import html
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from rheod.api.authenticator import check_origin
from rheod.domain.ad_text import MAX_DESCRIPTION, MAX_TEMPLATE, MAX_TITLE, Part, Template, template_fault
from rheod.domain.errors import Refused, Text
from rheod.store.stock import StockQuery
from rheod.web.forms import check_token, mark_of, read_form, refuse_changed, wrong_field
from rheod.web.integration import of_account
from rheod.web.site import COOKIE, HOME, ActionDone, Page
from rheod.web.words import window_words

if TYPE_CHECKING:
    from rheod.api.routing import Handler, Route
    from rheod.domain.categories import Category, CategoryTree
    from rheod.usecases.owner_choices import AdPreview
    from rheod.usecases.selling_setup import InForce
    from rheod.web.language import Language
    from rheod.web.site import PageRequest, Site, WebContext

ADS = f"{HOME}/ads"
TEMPLATES = f"{ADS}/templates"
NEWEST = 30
"""So many items are offered for a preview; any other is found by its number."""
FOUND = 30

PARTS = {Part.HEADER: Text("At the top of the ad"), Part.FOOTER: Text("At the end of the ad")}
LABELS: Mapping[str, Text] = {
    "tradera.defaults.duration_days": Text("An auction runs"),
    "tradera.defaults.listing_type": Text("Sold as"),
    "tradera.defaults.condition": Text("Condition"),
    "tradera.defaults.vat": Text("VAT"),
    "tradera.defaults.max_images": Text("Pictures at most"),
    "tradera.defaults.accepted_bidder_id": Text("Who may bid"),
    "tradera.defaults.payment_option_ids": Text("Ways to pay"),
    "tradera.shipping.shipping_cost": Text("Fixed price of freight"),
    "tradera.shipping.free_shipping": Text("You pay the freight"),
    "tradera.shipping.prefer": Text("Parcel by weight"),
    "tradera.shipping.packaging_g": Text("Packaging"),
    "tradera.shipping.second_option": Text("A second parcel is offered"),
    "tradera.shipping.offer_pickup": Text("Pickup is offered too"),
    "ad.check": Text("The check of an ad's words"),
    "ad.business": Text("You sell as a business"),
}
"""The settings that a shop asks about; the rest stands on the server alone."""
_VALUES: Mapping[str, Mapping[object, Text]] = {
    "tradera.defaults.listing_type": {"auction": Text("auction"), "fixed_price": Text("at a fixed price")},
    "tradera.defaults.condition": {"new": Text("new"), "used": Text("used")},
    "tradera.defaults.vat": {None: Text("not set")},
    "tradera.defaults.accepted_bidder_id": {1: Text("Sweden"), 3: Text("all countries"), 4: Text("the EU")},
    "tradera.defaults.payment_option_ids": {(): Text("as you have set at Tradera")},
    "tradera.shipping.shipping_cost": {None: Text("not set")},
    "tradera.shipping.prefer": {"cheapest": Text("the cheapest"), "fastest": Text("the fastest")},
    "ad.check": {
        "off": Text("off"),
        "warn": Text("warns"),
        "hold": Text("holds the item until it is mended"),
    },
    "ad.business": {None: Text("if VAT is set")},
}


def value_words(given: InForce, language: Language) -> str:
    """The value of a setting as a shop says it."""
    value = given.value
    if (known := _VALUES.get(given.name, {}).get(value)) is not None:
        return language.say(known)
    if isinstance(value, bool):
        return language.gettext("yes") if value else language.gettext("no")
    if not isinstance(value, int):
        return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    units: Mapping[str, str] = {
        "tradera.defaults.duration_days": language.ngettext("{n} day", "{n} days", value),
        "tradera.shipping.shipping_cost": language.kr(value * 100),
        "tradera.shipping.packaging_g": f"{language.number(value)} g",
        "tradera.defaults.vat": f"{value} %",
    }
    return units.get(given.name, str(value))


def look(site: Site, context: WebContext, show: Callable[[PageRequest], Awaitable[Page]]) -> Handler:
    """A form that only looks: its page again with what was typed, and nothing done, however often it is sent."""

    async def shown(request: PageRequest) -> Page:
        form = await read_form(request.http, deadline_s=context.api.body_deadline_s)
        check_origin(request.http, public_url=context.api.public_url)
        check_token(form, request.http.cookies.get(COOKIE, ""))
        return await show(replace(request, form=form))

    return site.page(shown)


def found_leaves(tree: CategoryTree | None, words: str, *, leaves: bool = True) -> list[Category]:
    """The categories that these words find, without those that no ad goes into where `leaves` are wanted."""
    if tree is None or not words.strip():
        return []
    found = tree.search(words, limit=4 * FOUND)
    return [each for each in found if not leaves or tree.is_leaf(each.id)][:FOUND]


def number_of(text: str, field: str) -> int | None:
    """A number of Tradera's that a form carries; None for none. Raises Refused for what is no such number."""
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and 0 < int(text[:12]) < 2**31):
        raise wrong_field(field, Text("Choose one of those that are shown"))
    return int(text)


class SellingPage:
    """What every ad has in common."""

    def __init__(self, *, context: WebContext, site: Site) -> None:
        self._context = context
        self._site = site

    def routes(self) -> list[Route]:
        """The pages and what can be said on them."""
        page, action, words = self._site.page, self._site.action, self.show_templates
        keep, remove = partial(self.keep, removed=False), partial(self.keep, removed=True)
        return [
            ("GET", ADS, page(self.show)),
            (
                "POST",
                f"{ADS}/pause",
                action(partial(self.pause, paused=True), name="pause everything", page=self.show),
            ),
            (
                "POST",
                f"{ADS}/resume",
                action(partial(self.pause, paused=False), name="resume everything", page=self.show),
            ),
            ("GET", TEMPLATES, page(words)),
            ("GET", f"{TEMPLATES}/look", page(words)),
            ("POST", f"{TEMPLATES}/look", look(self._site, self._context, words)),
            ("POST", TEMPLATES, action(keep, name="keep ad template", page=words)),
            ("POST", f"{TEMPLATES}/remove", action(remove, name="remove ad template", page=words)),
        ]

    async def show(self, request: PageRequest) -> Page:
        """What an ad gets, and where everything about ads is decided."""
        api, language = self._context.api, request.language
        setup = await self._context.setups.of_account(request.account_id)
        rule, _locked = await api.relisting.owners_rule()
        ends, _locked = await api.ending.owners_choice()
        shown = [each for name in LABELS for each in setup.defaults if each.name == name]
        values: dict[str, Any] = {
            "shown": [(LABELS[each.name], value_words(each, language), each.origin) for each in shown],
            "all": setup.defaults,
            "held": sum(each.waiting for each in setup.mapped),
            "templates": await self._context.templates.listing(),
            "choices": await self._context.choices.shown(),
            "rule": rule,
            "paused": await api.relisting.is_paused(),
            "paused_since": await api.publishing.since(),
            "waiting": setup.capacity.waiting,
            "windows": [window_words(each, language) for each in ends.windows],
        }
        return Page("ads.html", values)

    async def pause(self, request: PageRequest, *, paused: bool) -> ActionDone:
        """Let no ad go out until further notice, or let them go on."""
        message = await self._context.api.publishing.pause(paused=paused)
        return ActionDone(message, to=of_account(request, ADS), subject="everything")

    async def show_templates(self, request: PageRequest) -> Page:
        """The templates, a form for one, and an item's ad with it."""
        stored = self._stored_draft(
            request.form or request.http.query, await self._context.templates.listing()
        )
        draft = defaultdict(str, request.form or stored)
        tree = await self._context.api.reference.tree()
        fault = template_fault(draft.get("text", ""))
        values: dict[str, Any] = {
            "templates": await self._context.templates.listing(),
            "parts_of": PARTS,
            "draft": draft,
            "stored": stored.get("text", ""),
            "mark": mark_of,
            "fault": fault,
            "found": found_leaves(tree, draft.get("q", ""), leaves=False),
            "leaf_path": lambda leaf: (tree.path_text(leaf) if tree is not None else "") or str(leaf),
            "items": await self._newest(request),
            "limits": (MAX_TITLE, MAX_DESCRIPTION, MAX_TEMPLATE),
            **await self._previewed(request, draft, fault),
        }
        return Page("ad_templates.html", values)

    async def keep(self, request: PageRequest, *, removed: bool) -> ActionDone:
        """Keep a template in place of the one for its place, or take that one away."""
        template = self._template(request.form)
        if removed:
            template = replace(template, text="")
        elif not template.text.strip():
            raise wrong_field("text", Text("Write something, or remove the template"))

        def check(text: str) -> None:
            if text:
                refuse_changed(request.form, f"“{text}”", text)

        await self._context.templates.put(template, check)
        said = Text("Removed.") if removed else Text("Kept: it stands in every ad made from now on.")
        return ActionDone(said, to=of_account(request, TEMPLATES), subject=template.part)

    def _template(self, form: Mapping[str, str]) -> Template:
        """The template that a form describes. Raises Refused."""
        part, account = form.get("part", ""), form.get("for_account", "*")
        if part not in set(Part):
            raise wrong_field("part", Text("Choose one of those that are shown"))
        if account != "*" and account not in self._context.accounts:
            raise Refused("NOT_FOUND", Text("There is no such account"))
        return Template(
            part=Part(part),
            text=form.get("text", "").replace("\r\n", "\n"),
            account=None if account == "*" else account,
            category=number_of(form.get("category", ""), "category"),
        )

    @staticmethod
    def _stored_draft(given: Mapping[str, str], known: Any) -> dict[str, str]:
        """The form as it is first shown: the template for the place that is given, else an empty one."""
        draft = {
            name: given.get(name, default)
            for name, default in (("part", Part.FOOTER), ("for_account", "*"), ("category", ""), ("item", ""))
        }
        for each in known:
            place = each.template.place
            account = "*" if place[1] is None else place[1]
            if (place[0], account, str(place[2] or "")) == (
                draft["part"],
                draft["for_account"],
                draft["category"],
            ):
                draft["text"] = each.template.text
        return draft

    async def _newest(self, request: PageRequest) -> list[tuple[str, str]]:
        found, _ = await self._context.stock.page(request.account_id, StockQuery(), limit=NEWEST, start=0)
        return [(row.external_id, row.title) for row in found.rows if row.type == "item"]

    async def _previewed(
        self, request: PageRequest, draft: Mapping[str, str], fault: Text | None
    ) -> dict[str, Any]:
        """The ad of the chosen item, or why there is none to show."""
        newest = await self._newest(request)
        item = draft.get("item", "").strip() or (newest[0][0] if newest else "")
        found: dict[str, Any] = {"item": item, "preview": None, "lines": [], "missed": None}
        if not item:
            return found
        try:
            view = await self._context.api.items.read_item(request.account_id, item)
            tried = self._template(draft) if draft.get("text") and fault is None else None
        except Refused as error:
            return found | {"missed": request.language.say(str(error))}
        preview: AdPreview = await self._context.templates.preview(view.item, tried)
        lines = [html.unescape(line) for line in preview.source.split("<br>")]
        return found | {"preview": preview, "lines": lines}
