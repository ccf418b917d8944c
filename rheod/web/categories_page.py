"""The pages about categories: the owner's rules, a category for each kind of goods, and the check of the whole stock.

A rule is tried on the stock before it is made. Everything is checked without a call.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from rheod.domain.categories import DOMAINS
from rheod.domain.errors import Refused, Text
from rheod.domain.placement import CategoryRule
from rheod.web.forms import mark_of, refuse_changed, wrong_field
from rheod.web.integration import of_account
from rheod.web.selling_page import ADS, found_leaves, look, number_of
from rheod.web.site import ActionDone, Page
from rheod.web.words import domain_name

if TYPE_CHECKING:
    from rheod.api.routing import Route
    from rheod.web.site import PageRequest, Site, WebContext

CATEGORIES = f"{ADS}/categories"
RULE = rf"{CATEGORIES}/rules/{{id:\d{{1,9}}}}"
OF_DOMAIN = f"{CATEGORIES}/of/{{domain:[a-z_]{{1,40}}}}"
STOCK = f"{ADS}/stock"
LONGEST = 255
SHOWN = 100
"""So many items of the check are shown; the figures are those of all."""


class CategoriesPage:
    """What decides where an item goes."""

    def __init__(self, *, context: WebContext, site: Site) -> None:
        self._context = context
        self._site = site
        self._choices = context.choices

    def routes(self) -> list[Route]:
        """The pages and what can be decided on them."""
        page, action, here = self._site.page, self._site.action, self.show
        clear = partial(self.set_default, cleared=True)
        setting = partial(action, name="set category default", page=self.show_domain)
        return [
            ("GET", CATEGORIES, page(here)),
            ("GET", f"{CATEGORIES}/look", page(here)),
            ("POST", f"{CATEGORIES}/look", look(self._site, self._context, here)),
            ("POST", CATEGORIES, action(self.add, name="add category rule", page=here)),
            ("POST", f"{RULE}/move", action(self.move, name="move category rule", page=here)),
            ("POST", f"{RULE}/remove", action(self.remove, name="remove category rule", page=here)),
            ("POST", f"{CATEGORIES}/guess", action(self.guess, name="set category guess", page=here)),
            ("GET", OF_DOMAIN, page(self.show_domain)),
            ("GET", f"{OF_DOMAIN}/look", page(self.show_domain)),
            ("POST", f"{OF_DOMAIN}/look", look(self._site, self._context, self.show_domain)),
            ("POST", OF_DOMAIN, setting(self.set_default)),
            ("POST", f"{OF_DOMAIN}/clear", setting(clear)),
            ("GET", STOCK, page(self.show_stock)),
        ]

    async def show(self, request: PageRequest) -> Page:
        """The rules in their order, a form for one with what it would do, and the kinds of goods."""
        query = request.http.query
        prefilled = {name: query.get(name, "") for name in ("domain", "words", "category")}
        draft = defaultdict(str, request.form or prefilled)
        trial, fault = None, ""
        if request.form.get("try"):
            try:
                trial = await self._choices.try_rule(self._rule(request.form))
            except Refused as error:
                fault = request.language.say(error.details[0].message if error.details else str(error))
        shown = await self._choices.shown()
        setup = await self._context.setups.of_account(request.account_id)
        values: dict[str, Any] = {
            **await self._common(draft),
            "choices": shown,
            "domains": [(slug, domain_name(slug, request.language)) for slug in DOMAINS],
            "waiting": {each.domain.slug: each.waiting for each in setup.mapped},
            "order": mark_of(_order_of([each.rule for each in shown.rules])),
            "trial": trial,
            "fault": fault,
        }
        return Page("categories.html", values)

    async def show_domain(self, request: PageRequest) -> Page:
        """The category of one kind of goods, and a search for another."""
        slug = _domain(request)
        shown = await self._choices.shown()
        now = next((each for each in shown.defaults if each.domain == slug), None)
        draft = defaultdict(str, request.form or {"category": request.http.query.get("category", "")})
        values: dict[str, Any] = {
            **await self._common(draft),
            "here": f"{CATEGORIES}/of/{slug}",
            "domain": domain_name(slug, request.language),
            "now": now,
            "chosen": now.category_id if now is not None and not now.locked else None,
            "name": f"tradera.defaults.category_id.{slug}",
        }
        return Page("category_default.html", values)

    async def show_stock(self, request: PageRequest) -> Page:
        """Everything that may still be put up, checked without a call: what is missing, and what is guessed."""
        found = await self._choices.check_stock(account_id=request.account_id, most=SHOWN)
        tree = await self._context.api.reference.tree()
        guesses = [
            (slug, domain_name(slug, request.language), leaf, tree.path_text(leaf) if tree else str(leaf), n)
            for (slug, leaf), n in found.guesses.most_common(SHOWN)
        ]
        return Page("stock.html", {"found": found, "guesses": guesses})

    async def add(self, request: PageRequest) -> ActionDone:
        """Add a rule behind the others."""
        added = await self._choices.add_rule(self._rule(request.form))
        return self._done(request, Text("Added: it is the last of the rules."), str(added.id))

    async def move(self, request: PageRequest) -> ActionDone:
        """Put a rule before the one above it."""
        place = request.form.get("place", "")
        if not (place.isascii() and place.isdecimal() and int(place[:6]) > 0):
            raise Refused("BAD_REQUEST", Text("The form could not be read"))

        def check(rules: Sequence[CategoryRule]) -> None:
            refuse_changed(request.form, " · ".join(each.words or "…" for each in rules), _order_of(rules))

        await self._choices.move_rule(_number(request), int(place[:6]), check)
        return self._done(request, Text("Moved."), str(_number(request)))

    async def remove(self, request: PageRequest) -> ActionDone:
        """Take a rule away."""
        await self._choices.remove_rule(_number(request))
        return self._done(request, Text("Removed."), str(_number(request)))

    async def guess(self, request: PageRequest) -> ActionDone:
        """Whether rheod guesses where nobody has chosen."""
        wanted = request.form.get("guess", "") == "yes"
        await self._choices.set_guess(wanted)
        said = (
            Text("rheod guesses where nobody has chosen.")
            if wanted
            else Text("rheod does not guess: an item waits until you have chosen.")
        )
        return self._done(request, said, "guess")

    async def set_default(self, request: PageRequest, *, cleared: bool = False) -> ActionDone:
        """Choose the category of a kind of goods, or take the choice back."""
        slug = _domain(request)
        leaf = None if cleared else number_of(request.form.get("category", ""), "category")
        if leaf is None and not cleared:
            raise wrong_field("category", Text("Search for a category and choose it"))
        tree = await self._context.api.reference.tree()

        def check(chosen: int | None) -> None:
            path = request.language.gettext("none") if chosen is None else str(chosen)
            refuse_changed(request.form, (tree.path_text(chosen) if tree and chosen else "") or path, chosen)

        await self._choices.set_default(slug, leaf, check)
        return self._done(request, Text("Removed.") if cleared else Text("Chosen."), slug)

    def _rule(self, form: Mapping[str, str]) -> CategoryRule:
        """The rule that a form describes. Raises Refused."""
        words, domain = form.get("words", "").strip(), form.get("domain", "")
        key, value = form.get("key", "").strip(), form.get("value", "").strip()
        account = form.get("for_account", "*")
        leaf = number_of(form.get("category", ""), "category")
        if max(len(words), len(key), len(value)) > LONGEST or (domain and domain not in DOMAINS):
            raise Refused("BAD_REQUEST", Text("The form could not be read"))
        if bool(key) != bool(value):
            raise wrong_field("value", Text("Give both the name and the value, or neither"))
        if account != "*" and account not in self._context.accounts:
            raise Refused("NOT_FOUND", Text("There is no such account"))
        if not (words or domain or key):
            raise wrong_field("words", Text("Say which items the rule is for"))
        if leaf is None:
            raise wrong_field("category", Text("Search for a category and choose it"))
        return CategoryRule(
            id=0,
            category_id=leaf,
            account=None if account == "*" else account,
            domain=domain or None,
            words=words,
            metadata=(key, value) if key else None,
        )

    async def _common(self, draft: Mapping[str, str]) -> dict[str, Any]:
        tree = await self._context.api.reference.tree()
        return {
            "draft": draft,
            "tree": tree,
            "found": found_leaves(tree, draft["q"]),
            "leaf_path": lambda leaf: (tree.path_text(leaf) if tree is not None else "") or str(leaf),
        }

    @staticmethod
    def _done(request: PageRequest, said: Text, subject: str) -> ActionDone:
        return ActionDone(said, to=of_account(request, CATEGORIES), subject=subject)


def _order_of(rules: Sequence[CategoryRule]) -> tuple[int, ...]:
    return tuple(each.id for each in rules)


def _number(request: PageRequest) -> int:
    return int(request.http.match_info["id"])


def _domain(request: PageRequest) -> str:
    """The kind of goods that the address names. Raises Refused (NOT_FOUND)."""
    slug = request.http.match_info["domain"]
    if slug not in DOMAINS:
        raise Refused("NOT_FOUND", Text("There is no such kind of goods"))
    return slug
