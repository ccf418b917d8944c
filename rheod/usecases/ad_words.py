"""What the owner adds to every ad, and the check of its words before it goes out.

Templates that the owner has made by commands or on pages are kept in the store; those of the settings file win.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from rheod.domain.ad_check import AdWords, check
from rheod.domain.ad_text import Part, Template, choose_template, fill_template, whole_kronor
from rheod.domain.errors import Text
from rheod.domain.model import Item, TraderaWish
from rheod.domain.pictures import doubles
from rheod.domain.placement import Placement, joined
from rheod.store import ads, choices, items

TEMPLATES = "ad.templates"


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedWords:
    """What the settings say of ads' words: templates for every ad, the check, and what it is measured by.

    `business`: the seller may be called and written to. `freight_kr` is the freight of items that name none; None: unknown.
    """

    templates: tuple[Template, ...] = ()
    check: Literal["off", "warn", "hold"] = "off"
    business: bool = False
    condition: str = "used"
    listing_type: str = "auction"
    freight_kr: int | None = None


class AdDresser:
    """Adds to where an item goes what stands around its text, and what the check finds in it."""

    def __init__(self, fixed: FixedWords | None = None) -> None:
        self.fixed = fixed or FixedWords()

    def dressed(
        self,
        db: sqlite3.Connection,
        item: Item,
        placement: Placement,
        *,
        account: str,
        within: Sequence[int],
        templates: Sequence[Template] | None = None,
    ) -> Placement:
        """The placement with header, footer and what the owner should know, or with why the check holds the item.

        `account` is the reference of the item's account, `within` the leaf and the categories above it, the leaf first.
        `templates` are tried in place of those that apply.
        """
        every = self.templates(db) if templates is None else templates
        header, footer = (
            ""
            if (found := choose_template(every, part, account=account, categories=within)) is None
            else fill_template(found.text, item, condition=self.fixed.condition)
            for part in (Part.HEADER, Part.FOOTER)
        )
        placement = replace(placement, header=header, footer=footer)
        double = doubles(items.pictures(db, item.id))
        faults = () if self.fixed.check == "off" else self._faults(db, item, placement)
        if self.fixed.check == "hold" and faults and placement.fault is None:
            fault = Text("The check of its words holds it: {what}", what=joined(faults))
            return replace(placement, fault=fault)
        warnings = (*placement.warnings, *faults, *(() if double is None else (double,)))
        return replace(placement, warnings=warnings)

    def templates(self, db: sqlite3.Connection) -> list[Template]:
        """All that apply: those of the settings in place of the owner's."""
        own = {each.place: each for each in stored_templates(db)}
        return list({**own, **{each.place: each for each in self.fixed.templates}}.values())

    def _faults(self, db: sqlite3.Connection, item: Item, placement: Placement) -> tuple[Text, ...]:
        spec, fixed = item.spec, self.fixed
        wish = spec.tradera or TraderaWish()
        freight = fixed.freight_kr
        if spec.shipping_cost_ore is not None:
            freight = whole_kronor(spec.shipping_cost_ore) if spec.shipping_cost_ore else 0
        words = AdWords(
            title=spec.title,
            text=f"{placement.header}\n{spec.description}\n{placement.footer}",
            private=not fixed.business,
            freight_kr=freight,
            sent=spec.shipping_strategy != "pickup_only",
            price_kr=whole_kronor(spec.price_ore or 100),
            reserve=wish.reserve_ore is not None
            or (wish.listing_type or fixed.listing_type) == "fixed_price",
            pictures=len(spec.image_urls or ()),
            identical=ads.count_alike(db, item.account_id, item.id),
        )
        return tuple(check(words).values())


def stored_templates(db: sqlite3.Connection) -> list[Template]:
    """Those that the owner has made by commands or on pages."""
    return [Template(**{**each, "part": Part(each["part"])}) for each in choices.get(db, TEMPLATES) or []]
