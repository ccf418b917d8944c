"""What stands in the form of an item, and what it means: fields of a form to the body of a PUT, and an item to fields."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rheod.api.item_body import read_item
from rheod.domain.errors import Refused
from rheod.domain.model import ItemSpec, RelistWish, TraderaWish
from rheod.usecases.put_item import freight_of

if TYPE_CHECKING:
    from rheod.api.item_body import UrlCheck
    from rheod.domain.freight import Freight
    from rheod.domain.model import Item, Json
    from rheod.web.language import Language

Typed = Mapping[str, str]
UNKEPT = frozenset({"form_token", "once", "do", "draft", "files"})
"""Fields that are of one sending and not of the draft."""

_AMOUNT = re.compile(r"\d{1,12}(?:\.\d{1,6})?", re.ASCII)
_ATTRIBUTE = re.compile(r"attr\.(\d{1,10})\.(\d{1,10})(?:\.\d{1,4})?", re.ASCII)


def amount(text: str) -> float | int | str:
    """A number as a shop writes it, `1 200,50 kr`; what is none stays as it is, to be refused by its field's rule."""
    plain = re.sub(r"\s|kr|kg", "", text.casefold()).replace(",", ".")
    if _AMOUNT.fullmatch(plain) is None:
        return text
    return float(plain) if "." in plain else int(plain)


def pictures_of(form: Typed) -> list[str]:
    """The addresses of the pictures in their order, as ticks without a script have left them: one first, some away."""
    every = list(dict.fromkeys(form.get("pictures", "").split()))
    away = {value for name, value in form.items() if name.startswith("drop.")}
    kept = [url for url in every if url not in away]
    first = form.get("first", "")
    return [first, *(url for url in kept if url != first)] if first in kept else kept


def draft_of(form: Typed) -> dict[str, str]:
    """What a draft keeps of a form."""
    kept = {
        name: value
        for name, value in form.items()
        if name not in UNKEPT and name != "first" and not name.startswith("drop.")
    }
    return {**kept, "pictures": " ".join(pictures_of(form))}


def attributes_of(form: Typed) -> dict[str, Any]:
    """What was chosen of the attributes of the chosen category, by their numbers; several of one as a list."""
    found: dict[str, Any] = {}
    leaf = form.get("category") or form.get("leaf", "")
    for name, value in form.items():
        named = _ATTRIBUTE.fullmatch(name)
        if named is None or named[1] != leaf or not value.strip():
            continue
        if name.count(".") == 3:  # one tick of several
            found.setdefault(named[2], []).append(value)
        else:
            found[named[2]] = value.strip()
    return found


def body_of(form: Typed, shelf_key: str) -> dict[str, Any]:
    """The form as the body of a PUT; what is empty is left out."""
    texts = {"title": "title", "description": "description"}
    body: dict[str, Any] = {name: form[field] for name, field in texts.items() if form.get(field)}
    body["imageUrls"] = pictures_of(form)
    body |= _amounts(form, price="price", weight="weightKg")
    if form.get("freight") == "own":
        body |= _amounts(form, freight_price="shippingCost")
    if form.get("freight") == "pickup_only":
        body["shippingStrategy"] = "pickup_only"
    wish = _amounts(
        form, category="categoryId", days="durationDays", buy_now="buyItNowPrice", reserve="reservePrice"
    )
    for field, name in (("kind", "listingType"), ("condition", "condition")):
        if form.get(field):
            wish[name] = form[field]
    if attributes := attributes_of(form):
        wish["attributes"] = attributes
    relist = _amounts(form, back_times="times", floor="floorPrice")
    if form.get("back"):
        relist["enabled"] = form["back"] == "yes"
    if relist:
        wish["relist"] = relist
    if wish:
        body["tradera"] = wish
    if form.get("shelf", "").strip():
        body["metadata"] = {shelf_key: form["shelf"].strip()}
    return body


def _amounts(form: Typed, **names: str) -> dict[str, Any]:
    """What stands in these fields, by the names that a body has for them; what is empty is left out."""
    return {name: amount(form[field]) for field, name in names.items() if form.get(field, "").strip()}


def spec_for_now(form: Typed, shelf_key: str, check_url: UrlCheck) -> ItemSpec:
    """The item as far as the form can be read: what is wrong or missing yet is left out."""
    body = body_of(form, shelf_key)
    for _ in range(3):
        try:
            return read_item(body, check_url=check_url)
        except Refused as error:
            for each in error.details:
                _take_out(body, each.field.split("."))
            body = {"title": "--", "price": 1, **body}
    return ItemSpec(title="--", price_ore=100)


def _take_out(body: dict[str, Any], path: list[str]) -> None:
    """Remove what stands at a path of a body, whole where it is in a list."""
    for name in path[:-1]:
        if not isinstance(body.get(name), dict):
            break
        body = body[name]
        path = path[1:]
    body.pop(path[0], None)


def form_of(item: Item, shelf_key: str) -> dict[str, str]:
    """An item as the fields of the form, for who changes it."""
    spec, wish = item.spec, item.spec.tradera or TraderaWish()
    freight = "pickup_only" if spec.shipping_strategy == "pickup_only" else ""
    category = str(wish.category_id or "")
    return {
        "title": spec.title,
        "description": spec.description,
        "price": _kr(spec.price_ore),
        "weight": "" if spec.weight_kg is None else f"{spec.weight_kg:g}".replace(".", ","),
        "pictures": " ".join(spec.image_urls or ()),
        "category": category,
        "kind": wish.listing_type or "",
        "days": str(wish.duration_days or ""),
        "buy_now": _kr(wish.buy_it_now_ore),
        "reserve": _kr(wish.reserve_ore),
        **_returns(wish.relist or RelistWish()),
        "condition": wish.condition or "",
        "freight": "own" if spec.shipping_cost_ore is not None else freight,
        "freight_price": _kr(spec.shipping_cost_ore),
        "shelf": str((spec.metadata or {}).get(shelf_key, "")),
    }


def _returns(wish: RelistWish) -> dict[str, str]:
    """What an item says itself about coming back, as fields of the form."""
    words = {None: "", True: "yes", False: "no"}
    return {
        "back": words[wish.enabled],
        "back_times": "" if wish.times is None else str(wish.times),
        "floor": "" if wish.floor_kr is None else str(wish.floor_kr),
    }


def with_attributes(form: dict[str, str], leaf: Any, given: Json) -> dict[str, str]:
    """The form with an item's attributes as the fields of this leaf; those that it names otherwise are matched by name."""
    by_name = {each.name.casefold(): each for each in leaf.definitions} | {
        str(each.id): each for each in leaf.definitions
    }
    for name, value in given.items():
        each = by_name.get(name.casefold())
        if each is None:
            continue
        field = f"attr.{leaf.category_id}.{each.id}"
        values = [str(one) for one in (value if isinstance(value, list | tuple) else [value])]
        if each.terms and each.max_values != 1:
            form |= {f"{field}.{each.terms.index(one)}": one for one in values if one in each.terms}
        else:
            form[field] = values[0] if values else ""
    return form


def _kr(ore: int | None) -> str:
    if ore is None:
        return ""
    return str(ore // 100) if ore % 100 == 0 else f"{ore / 100:.2f}".replace(".", ",")


def mended_spec(item: Item, before: Typed, form: Typed, shelf_key: str, check_url: UrlCheck) -> ItemSpec:
    """The item with what the form changes of it; of an ERP's item only what the owner may mend. Raises Refused."""
    spec, wish = item.spec, item.spec.tradera or TraderaWish()
    stored = set(spec.image_urls or ())
    body = body_of(form, shelf_key)
    if not spec.made_here:
        body |= {"title": spec.title, "price": (spec.price_ore or 100) / 100, "description": spec.description}
    given = read_item(body, check_url=lambda url: None if url in stored else check_url(url))
    said = given.tradera or TraderaWish()
    same = attributes_of(before) == attributes_of(form)
    wish = replace(
        wish, category_id=said.category_id, attributes=wish.attributes if same else said.attributes
    )
    if spec.made_here:
        wish = replace(
            wish,
            listing_type=said.listing_type,
            duration_days=said.duration_days,
            buy_it_now_ore=said.buy_it_now_ore,
            reserve_ore=said.reserve_ore,
            relist=_mended_returns(wish.relist, said.relist),
            condition=said.condition,
        )
        metadata = {**(spec.metadata or {}), **(given.metadata or {})}
        if not given.metadata:
            metadata.pop(shelf_key, None)
        spec = replace(
            spec,
            title=given.title,
            description=given.description,
            price_ore=given.price_ore,
            metadata=metadata or None,
        )
    pickup = "pickup_only" in (given.shipping_strategy, spec.shipping_strategy)
    changed = replace(
        spec,
        tradera=None if wish == TraderaWish() and spec.tradera is None else wish,
        image_urls=given.image_urls,
        shipping_cost_ore=given.shipping_cost_ore,
        shipping_strategy=given.shipping_strategy if pickup else spec.shipping_strategy,
        weight_kg=given.weight_kg,
    )
    return changed if spec.made_here else replace(changed, mended=_mended(item.spec, changed))


def _mended_returns(before: RelistWish | None, said: RelistWish | None) -> RelistWish | None:
    """What the form says of coming back; what it has no field for stays."""
    given = said or RelistWish()
    after = replace(before or RelistWish(), enabled=given.enabled, times=given.times, floor_kr=given.floor_kr)
    return None if after == RelistWish() else after


def _mended(before: ItemSpec, after: ItemSpec) -> tuple[str, ...]:
    """What the owner has set by hand, now or before."""
    old, new = before.tradera or TraderaWish(), after.tradera or TraderaWish()
    changed = {
        "category": old.category_id != new.category_id,
        "attributes": old.attributes != new.attributes,
        "freight": freight_of(before) != freight_of(after),
    }
    return tuple(name for name, is_new in changed.items() if is_new or name in (before.mended or ()))


def freight_words(freight: Freight, language: Language) -> str:
    """What the buyer pays, in a few words; where nothing says it, what to give."""
    costs = sorted({each.cost_kr for each in freight.options})
    price = " / ".join(map(str, costs))
    if freight.by_table is not None:
        return language.gettext(
            "freight {price} kr, {name}, traceable", price=price, name=freight.by_table.title
        )
    if freight.missing is not None:
        return language.gettext("give a freight price")
    if costs != [0]:
        return language.gettext("freight {price} kr", price=price)
    if freight.reason.template.startswith("Free"):
        return language.gettext("free freight")
    unknown = freight.warning is not None
    return language.gettext("only pickup: give its weight") if unknown else language.gettext("only pickup")
