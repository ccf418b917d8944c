"""The form of an item: a new one from camera to ad, and one that is there already, changed.

Without a script it is one plain form with its pictures in it. With one, pictures go ahead one a request and what was
typed is kept as a draft while it is typed; both end in the same PUT.
"""

from __future__ import annotations

import html
import re
import secrets
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

from rheod.api import field_types
from rheod.api.item_body import read_item
from rheod.domain.ad_text import whole_kronor
from rheod.domain.errors import FieldError, Refused, Text
from rheod.domain.model import ItemType, PictureState, TraderaWish
from rheod.domain.pictures import uploaded_file
from rheod.web.forms import PICTURE_FAULTS, read_parts
from rheod.web.item_fields import (
    amount,
    body_of,
    draft_of,
    form_of,
    freight_words,
    mended_spec,
    pictures_of,
    spec_for_now,
    with_attributes,
)
from rheod.web.items_page import ID_SEGMENT, ITEM, ITEMS, item_address
from rheod.web.site import HOME, ActionDone, Page

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiohttp import web

    from rheod.api.routing import Route
    from rheod.domain.categories import CategoryTree, LeafAttributes
    from rheod.domain.model import Item, ItemSpec
    from rheod.store.key_value import Draft
    from rheod.usecases.items import ItemView
    from rheod.usecases.own_items import AdPreview
    from rheod.web.language import Language
    from rheod.web.site import PageRequest, Site, WebContext

NEW = f"{HOME}/new"
_EDIT = re.compile(rf"{ITEMS}/[^/]+/edit")
_CHANGES = "change-"
"""How the id of a draft begins that is the change of an item which is there."""
_DRAFT_ID = re.compile("[A-Za-z0-9_-]{6,40}", re.ASCII)
_FOUND = 8
DURATIONS = (3, 5, 7, 10, 14)
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where the item would go by what stands in the form, and what can be chosen instead."""

    spec: ItemSpec
    tree: CategoryTree | None
    leaf_id: int | None
    leaf: LeafAttributes | None
    preview: AdPreview


class ItemForm:
    """The pages of the form and what they send."""

    def __init__(self, *, context: WebContext, site: Site) -> None:
        self._context = context
        self._site = site
        self._own = context.api.own_items
        self._shelf_key = context.api.orders.pick_sort or "shelf"
        site.keeper_of = lambda path: self._keep_for_later if path == NEW or _EDIT.fullmatch(path) else None

    def routes(self) -> list[Route]:
        """The form, its draft, and the same for an item that is there."""
        site = self._site
        return [
            ("GET", NEW, site.page(self.show)),
            ("POST", NEW, site.action(self.make, name="make item", page=self.show, read=self._read)),
            ("POST", f"{NEW}/draft", site.part(self.draft, read=self._read)),
            ("POST", f"{NEW}/drop", site.action(self.drop, name="throw draft away", page=self.show)),
            ("GET", f"{ITEM}/edit", site.page(self.edit)),
            (
                "POST",
                f"{ITEM}/edit",
                site.action(self.change, name="change item", page=self.edit, read=self._read),
            ),
            ("POST", f"{ITEM}/edit-draft", site.part(self.edited, read=self._read)),
        ]

    async def _read(self, request: web.Request, may: Callable[[Mapping[str, str]], bool]) -> dict[str, str]:
        api = self._context.api
        return await read_parts(request, take=self._taken, may=may, deadline_s=api.body_deadline_s)

    async def _taken(self, part: Any) -> str:
        url, _ = await self._context.api.uploads.take(part)
        return url

    async def show(self, request: PageRequest) -> Page:
        """A new item: empty, or as the draft that the address names."""
        given = request.failed.typed if request.failed else {}
        draft_id = given.get("draft") or request.http.query.get("draft", "")
        draft = None
        if _DRAFT_ID.fullmatch(draft_id):
            draft = await self._own.draft(request.account_id, draft_id)
        else:
            draft_id = ""
        made = draft.made if draft is not None else None
        form = given or (draft.fields if draft is not None and made is None else {})
        if not form and made is None:
            form = await self._fresh(request)
        return await self._form(
            request,
            form,
            draft_id="" if made else draft_id,
            drafts=[] if draft is not None else await self._own.open_drafts(request.account_id, but=_CHANGES),
            made=None if made is None else (made, item_address(request, made)),
        )

    async def _fresh(self, request: PageRequest) -> dict[str, str]:
        """What a new item begins with: the category of the last one."""
        remembered = await self._own.remembered(request.account_id)
        return {"category": str(remembered[0])} if remembered else {}

    async def draft(self, request: PageRequest) -> Page:
        """Keep what was typed, and show what follows from it."""
        draft_id = request.form.get("draft", "")
        if _DRAFT_ID.fullmatch(draft_id):
            await self._keep(request.account_id, draft_id, request.form)
        return await self._form(request, draft_of(request.form), draft_id=draft_id)

    async def drop(self, request: PageRequest) -> ActionDone:
        """Throw a draft away."""
        await self._own.drop_draft(request.account_id, request.form.get("draft", ""))
        return ActionDone(Text("Thrown away."), to=_of_account(NEW, request.account))

    async def make(self, request: PageRequest) -> ActionDone | str:
        """Make the item; published at once, or kept. `look` only shows what follows from what was typed so far."""
        form = request.form
        draft_id = form.get("draft", "") if _DRAFT_ID.fullmatch(form.get("draft", "")) else _new_id()
        faults = request.http.get(PICTURE_FAULTS, [])
        if form.get("do") not in {"save", "publish"} and not faults:
            await self._keep(request.account_id, draft_id, form)
            return _of_account(NEW, request.account, draft=draft_id)
        api = self._context.api
        number = " ".join(form.get("number", "").split())
        found = [FieldError("pictures", Text.of(each)) for each in faults]
        if number:
            fault = field_types.fault(number)
            found += [] if fault is None else [FieldError("externalId", fault)]
        publish = form.get("do") == "publish"
        spec = read_item(body_of(form, self._shelf_key), check_url=api.check_image_url, found=found)
        if publish:
            await self._refuse_what_is_held(request.account_id, spec)
        made = await self._own.make(
            request.account_id, spec, number=number, draft_id=draft_id, publish=publish
        )
        return ActionDone(made.message, to=item_address(request, made.external_id), subject=made.external_id)

    async def _refuse_what_is_held(self, account_id: str, spec: ItemSpec) -> None:
        """Raise Refused for an ad that would only wait for its maker, who is here."""
        placement = (await self._own.preview(account_id, spec)).placement
        if placement.fault is not None:
            wrong = FieldError("tradera.categoryId", placement.fault)
            if placement.missing:
                names = ", ".join(placement.missing)
                wrong = FieldError("tradera.attributes", Text("Tradera wants to know: {names}", names=names))
            raise Refused("VALIDATION_FAILED", Text("Validation failed"), (wrong,))

    async def edit(self, request: PageRequest) -> Page:
        """An item that is there, to be changed: what its ERP owns is locked."""
        view = await self._changeable(request)
        return Page("item_form.html", await self.values_of(request, view))

    async def edited(self, request: PageRequest) -> Page:
        """What follows from what was typed so far of an item that is there; nothing is kept."""
        view = await self._changeable(request)
        return Page("item_form.html", await self.values_of(request, view, request.form))

    async def change(self, request: PageRequest) -> ActionDone | str:
        """Change an item; `look` only shows what follows, which without a script is the search of a category."""
        view, form = await self._changeable(request), request.form
        faults = request.http.get(PICTURE_FAULTS, [])
        if form.get("do") != "save" or faults:
            wrong = tuple(FieldError("pictures", Text.of(each)) for each in faults)
            raise Refused("VALIDATION_FAILED", Text("Choose, and save it then"), wrong)
        if request.account_id in self._context.api.removed_accounts:
            raise Refused(
                "CONFLICT", Text("This account is not in the settings any more: its items can only be read")
            )
        before = await self._fields_of(view.item)
        version = form.get("version", "")
        message = await self._own.mend(
            request.account_id,
            view.item.external_id,
            int(version) if version.isdecimal() and len(version) < 10 else 0,
            lambda item: mended_spec(item, before, form, self._shelf_key, self._context.api.check_image_url),
        )
        return ActionDone(
            message, to=item_address(request, view.item.external_id), subject=view.item.external_id
        )

    async def _changeable(self, request: PageRequest) -> ItemView:
        external_id, found = field_types.read_external_id(request.http.raw_path, segment=ID_SEGMENT)
        field_types.raise_if_any(found)
        view = await self._context.api.items.read_item(request.account_id, external_id)
        if view.item.spec.type is ItemType.CONTAINER or view.item.delete_requested:
            raise Refused("CONFLICT", Text("This is changed in your business system"))
        return view

    async def _kept_fields(self, request: PageRequest) -> Mapping[str, str]:
        """What was typed of a change before the session ended; nothing where the address names none."""
        draft_id = request.http.query.get("draft", "")
        if not draft_id.startswith(_CHANGES) or not _DRAFT_ID.fullmatch(draft_id):
            return {}
        draft = await self._own.draft(request.account_id, draft_id)
        return {} if draft is None else draft.fields

    async def _fields_of(self, item: Item) -> dict[str, str]:
        """An item as the form shows it, its attributes by the leaf that it goes to."""
        form = form_of(item, self._shelf_key)
        given = (item.spec.tradera.attributes if item.spec.tradera else None) or {}
        leaf_id = (await self._own.preview(item.account_id, item.spec)).placement.category_id
        leaf = None if leaf_id is None else await self._context.api.reference.leaf(leaf_id)
        return {**(form if leaf is None else with_attributes(form, leaf, given)), "leaf": str(leaf_id or "")}

    async def values_of(
        self, request: PageRequest, view: ItemView, given: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """What the form of an item that is there shows: as it stands, or as was typed."""
        item, address = view.item, partial(item_address, request, view.item.external_id)
        failed = request.failed if request.failed and request.failed.action.endswith("/edit") else None
        form = given or (failed.typed if failed else await self._kept_fields(request))
        form = form or await self._fields_of(item)
        if not item.spec.made_here:
            own = form_of(item, self._shelf_key)
            form = {**form, **{name: own[name] for name in ("title", "price", "description")}}
        try:
            spec = mended_spec(item, form, form, self._shelf_key, self._context.api.check_image_url)
        except Refused:
            spec = item.spec
        place = await self._place(request.account_id, spec)
        leaves, hint = await self._leaves(request, form, place)
        hosted = {each.url: each.file for each in view.pictures if each.state is PictureState.READY}
        pictures = pictures_of(form)
        return {
            **shared_values(request, form, place, request.language),
            "item": item,
            "locked": () if item.spec.made_here else ("title", "price", "description"),
            "form_action": address("edit"),
            "draft_action": address("edit-draft"),
            "here": address("edit"),
            "back": address(),
            "draft_id": f"item-{item.id}-{item.updated_at}",
            "drafts": (),
            "drop": "",
            "made": None,
            "pictures": pictures,
            "gone": 0,
            "shown": {url: hosted.get(url) or uploaded_file(url) for url in pictures},
            "leaves": leaves,
            "leaves_hint": hint,
            "shelf_key": self._shelf_key,
            "wrong": partial(request.wrong, address("edit")),
        }

    async def _keep(self, account_id: str, draft_id: str, form: Mapping[str, str]) -> None:
        await self._own.keep_draft(account_id, draft_id, draft_of(form), pictures_of(form))

    async def _keep_for_later(self, action: str, fields: Mapping[str, str]) -> str:
        """Keep what was typed before the session ended; gives the address where one goes on."""
        account = parse_qs(urlsplit(action).query).get("account", [""])[0]
        account = account if account in self._context.accounts else ""
        given = fields.get("draft", "")
        path = urlsplit(action).path
        if path != NEW:
            given = _CHANGES + _new_id()
        draft_id = given if _DRAFT_ID.fullmatch(given) else _new_id()
        await self._keep(self._context.accounts[account], draft_id, fields)
        return _of_account(path, account, draft=draft_id)

    async def _place(self, account_id: str, spec: ItemSpec) -> _Place:
        """Where the item would go; a leaf whose attributes were never read is read soon."""
        reference = self._context.api.reference
        preview = await self._own.preview(account_id, spec)
        tree, leaf_id = await reference.tree(), preview.placement.category_id
        leaf = None if leaf_id is None else await reference.leaf(leaf_id)
        if leaf_id is not None and leaf is None and tree is not None and tree.is_leaf(leaf_id):
            await reference.use(leaf_id)
        return _Place(spec=spec, tree=tree, leaf_id=leaf_id, leaf=leaf, preview=preview)

    async def _leaves(
        self, request: PageRequest, form: Mapping[str, str], place: _Place
    ) -> tuple[list[tuple[str, str, str]], str]:
        """The categories to choose from, each with its path: the chosen one, those found, those used last, rheod's own."""
        language, tree = request.language, place.tree
        if tree is None:
            return [], language.gettext(
                "Tradera's categories have not been read yet. The item can be kept, and waits for them."
            )
        words, chosen = form.get("words", "").strip(), form.get("category", "")
        found = [each.id for each in tree.search(words, limit=60) if tree.is_leaf(each.id)][:_FOUND]
        numbers = [int(chosen)] if chosen.isdecimal() else []
        numbers += found or await self._own.remembered(request.account_id)
        shown = [
            (str(number), category.name, " > ".join(each.name for each in tree.path(number)[:-1]))
            for number in dict.fromkeys(numbers)
            if (category := tree.get(number)) is not None
        ]
        wish = replace(place.spec.tradera or TraderaWish(), category_id=None)
        by_itself = await self._own.preview(request.account_id, replace(place.spec, tradera=wish))
        guess = by_itself.placement.category_id if form.get("title", "").strip() else None
        path = "" if guess is None else tree.path_text(guess)
        shown.append(("", language.gettext("As rheod finds it"), path or language.gettext("nothing yet")))
        hint = language.gettext("No category is called that.") if words and not found else ""
        return shown, hint

    async def _form(
        self,
        request: PageRequest,
        form: Mapping[str, str],
        *,
        draft_id: str,
        drafts: list[Draft] | None = None,
        made: tuple[str, str] | None = None,
    ) -> Page:
        """The form with these fields."""
        draft_id, language = draft_id or _new_id(), request.language
        given = pictures_of(form)
        pictures = await self._own.still_there(given)
        spec = spec_for_now(form, self._shelf_key, self._context.api.check_image_url)
        place = await self._place(request.account_id, spec)
        leaves, hint = await self._leaves(request, form, place)
        here = _of_account(NEW, request.account, draft=draft_id)
        values = {
            **shared_values(request, form, place, language),
            "item": None,
            "locked": (),
            "form_action": _of_account(NEW, request.account),
            "draft_action": _of_account(f"{NEW}/draft", request.account),
            "drop": _of_account(f"{NEW}/drop", request.account),
            "here": here,
            "back": _of_account(ITEMS, request.account),
            "draft_id": draft_id,
            "drafts": [_shown_draft(each, request.account) for each in drafts or []],
            "made": made,
            "pictures": pictures,
            "gone": len(given) - len(pictures),
            "shown": {url: uploaded_file(url) for url in pictures},
            "leaves": leaves,
            "leaves_hint": hint,
            "shelf_key": self._shelf_key,
            "wrong": partial(request.wrong, NEW),
        }
        return Page("item_form.html", values)


def shared_values(
    request: PageRequest, form: Mapping[str, str], place: _Place, language: Language
) -> dict[str, Any]:
    """What the form shows of any item."""
    tree, leaf, preview = place.tree, place.leaf, place.preview
    category = None if tree is None or place.leaf_id is None else tree.get(place.leaf_id)
    price = amount(form.get("price", ""))
    days = form.get("days", "")
    unread = leaf is None and category is not None and tree is not None and tree.is_leaf(category.id)
    return {
        "typed": lambda name: form.get(name, ""),
        "freight": freight_words(preview.freight, language)
        if form.get("weight") or form.get("freight")
        else "",
        "leaf": place.leaf_id or "",
        "leaf_name": "" if category is None else category.name,
        "attributes": () if leaf is None else leaf.definitions,
        "attributes_key": f"{place.leaf_id}.{0 if leaf is None else leaf.read_at}",
        "attributes_read": unread,
        "how": _how(form, language),
        "more": _more(form, language),
        "backs": [
            ("", language.gettext("as usual")),
            ("yes", language.gettext("It comes back, cheaper each time")),
            ("no", language.gettext("It does not come back")),
        ],
        "open_how": bool(request.failed),
        "kinds": [
            ("", language.gettext("as usual")),
            ("auction", language.gettext("Auction")),
            ("fixed_price", language.gettext("Fixed price")),
        ],
        "days": [("", language.gettext("as usual"))]
        + [
            (str(n), language.ngettext("{n} day", "{n} days", n))
            for n in sorted({*DURATIONS, *([int(days)] if days.isdecimal() else [])})
        ],
        "conditions": [
            ("", language.gettext("as usual")),
            ("used", language.gettext("Second-hand")),
            ("new", language.gettext("New")),
        ],
        "freights": [
            ("", language.gettext("by weight")),
            ("own", language.gettext("at a price of your own")),
            ("pickup_only", language.gettext("only pickup")),
        ],
        "preview": preview,
        "preview_price": language.kr(whole_kronor(round(price * 100)) * 100)
        if not isinstance(price, str)
        else "",
        "preview_path": "" if tree is None or place.leaf_id is None else tree.path_text(place.leaf_id),
        "preview_lines": [html.unescape(line) for line in preview.text.split("<br>")],
        "lacks": _lacks(preview, language),
        "preview_warnings": [language.say(each) for each in preview.placement.warnings],
    }


def _lacks(preview: AdPreview, language: Language) -> str:
    """What only the owner can say of it, in the words of the form; "" when nothing is missing."""
    placement = preview.placement
    if placement.missing:
        return language.gettext("Tradera wants to know: {names}", names=", ".join(placement.missing))
    if placement.fault is not None and preview.freight.missing is not None:
        return language.gettext("give a freight price")
    if placement.fault is not None and placement.category_id is None:
        return language.gettext("Choose a category")
    return "" if placement.fault is None else language.say(placement.fault)


def _how(form: Mapping[str, str], language: Language) -> str:
    """How it is sold, in a line; what is as usual stays unsaid."""
    said = []
    if form.get("kind"):
        said.append(
            language.gettext("fixed price") if form["kind"] == "fixed_price" else language.gettext("auction")
        )
    if form.get("days", "").isdecimal():
        said.append(language.ngettext("{n} day", "{n} days", int(form["days"])))
    if form.get("freight") == "pickup_only":
        said.append(language.gettext("only pickup"))
    return " · ".join(said) or language.gettext("as usual")


def _more(form: Mapping[str, str], language: Language) -> str:
    """What is kept to of its prices and returns, in a line; what is as usual stays unsaid."""
    said = []
    times, floor, reserve = (form.get(name, "").strip() for name in ("back_times", "floor", "reserve"))
    if form.get("back") == "no":
        said.append(language.gettext("does not come back"))
    elif times.isdecimal() and len(times) < 4:
        said.append(language.ngettext("comes back {n} time", "comes back {n} times", int(times)))
    elif form.get("back") == "yes":
        said.append(language.gettext("comes back"))
    kronor = [
        "" if isinstance(price := amount(each), str) else language.kr(round(price * 100))
        for each in (floor, reserve)
    ]
    if kronor[0]:
        said.append(language.gettext("at least {price}", price=kronor[0]))
    if kronor[1]:
        said.append(language.gettext("reserve {price}", price=kronor[1]))
    return " · ".join(said) or language.gettext("as usual")


def _shown_draft(draft: Draft, account: str) -> dict[str, object]:
    return {
        "id": draft.id,
        "title": draft.fields.get("title", ""),
        "pictures": len(pictures_of(draft.fields)),
        "kept_at": draft.kept_at,
        "address": _of_account(NEW, account, draft=draft.id),
    }


def _of_account(path: str, account: str, **query: str) -> str:
    wanted = {**query, **({"account": account} if account else {})}
    return f"{path}?{urlencode(wanted)}" if wanted else path


def _new_id() -> str:
    return secrets.token_urlsafe(9)
