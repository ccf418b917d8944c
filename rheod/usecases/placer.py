"""Where items go at Tradera and what is said around their text, by what stands in the store and what the owner has decided.

It is read once for many items. Templates that the owner has made by commands or on pages are kept in the store; those of
the settings file win, as its choices of leaves and freight do. The check of an ad's words stands here too.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from rheod.domain.ad_text import Part, Template, choose_template, fill_template, whole_kronor
from rheod.domain.attribute_match import CONDITION_WORDS
from rheod.domain.errors import Text
from rheod.domain.freight import FreightSettings
from rheod.domain.model import Item, TraderaWish
from rheod.domain.owner_text import AdWords, check_ad
from rheod.domain.pictures import doubles
from rheod.domain.placement import CategoryRule, LeafRules, OwnersWord, Placement, Placing, joined
from rheod.store import accounts, ads, items, key_value, reference_data

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
        return tuple(check_ad(words).values())


def stored_templates(db: sqlite3.Connection) -> list[Template]:
    """Those that the owner has made by commands or on pages."""
    return [
        Template(**{**each, "part": Part(each["part"])}) for each in key_value.choice(db, TEMPLATES) or []
    ]


RULES = "categories.rules"
DEFAULTS = "tradera.defaults.category_id"
GUESS = "categories.guess_category"
WORDS = "categories.condition_words"
_NAMES = (RULES, DEFAULTS, GUESS, WORDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedChoices:
    """What the settings file says of leaves and freight; it wins over what the owner has decided by commands. None: it is silent."""

    rules: tuple[CategoryRule, ...] | None = None
    defaults: Mapping[str, int] = field(default_factory=dict)
    guess: bool | None = None
    words: Mapping[str, Sequence[str]] | None = None
    condition: str = "used"
    freight: FreightSettings = field(default_factory=FreightSettings)


class Placer:
    """Places items by what stands in the store now; what has not changed since is not read again."""

    def __init__(self, fixed: FixedChoices | None = None, dresser: AdDresser | None = None) -> None:
        self.fixed = fixed or FixedChoices()
        self.dresser = dresser or AdDresser()
        self._kept: tuple[object, Placing] | None = None

    def place(self, db: sqlite3.Connection, item: Item) -> Placement:
        """Where the item goes, what its ad carries there, and what is missing."""
        return self.dressed(db, item, self.placing(db), accounts.reference(db, item.account_id))

    def dressed(self, db: sqlite3.Connection, item: Item, placing: Placing, account: str) -> Placement:
        """As `place`, for one who has read the rest already."""
        placement = placing.place(item.spec, account, items.moved_category(db, item.id))
        within = placing.within(placement.category_id)
        return self.dresser.dressed(db, item, placement, account=account, within=within)

    def placing(self, db: sqlite3.Connection) -> Placing:
        """For many items: everything as it stands now."""
        stands = (reference_data.stands(db), key_value.choices_stand(db, *_NAMES))
        kept = self._kept
        if kept is None or kept[0] != stands:
            tree, leaves = reference_data.category_tree(db), reference_data.all_definitions(db)
            kept = self._kept = stands, Placing(self.owners_word(db), tree, leaves)
        return kept[1]

    def owners_word(self, db: sqlite3.Connection) -> OwnersWord:
        """What the settings say, else what the owner has decided, else what rheod ships."""
        fixed = self.fixed
        guess = key_value.choice(db, GUESS) if fixed.guess is None else fixed.guess
        return OwnersWord(
            rules=LeafRules(
                rules=stored_rules(db) if fixed.rules is None else fixed.rules,
                defaults={**(key_value.choice(db, DEFAULTS) or {}), **fixed.defaults},
                guess=guess is not False,
            ),
            words={
                **CONDITION_WORDS,
                **((key_value.choice(db, WORDS) if fixed.words is None else fixed.words) or {}),
            },
            condition=fixed.condition,
            freight=fixed.freight,
        )


def stored_rules(db: sqlite3.Connection) -> tuple[CategoryRule, ...]:
    """The rules that the owner has made by commands or on pages, in their order."""
    return tuple(rule_of(each) for each in key_value.choice(db, RULES) or [])


def rule_of(kept: Mapping[str, Any]) -> CategoryRule:
    """A rule as it is stored."""
    pair = kept.get("metadata")
    return CategoryRule(**{**kept, "metadata": None if pair is None else (pair[0], pair[1])})
