"""Where items go at Tradera, by what stands in the store and what the owner has decided: read once for many items."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rheod.domain.attribute_match import CONDITION_WORDS
from rheod.domain.freight import FreightSettings
from rheod.domain.model import Item
from rheod.domain.placement import CategoryRule, LeafRules, OwnersWord, Placement, Placing
from rheod.store import accounts, choices, items, reference_data
from rheod.usecases.ad_words import AdDresser

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
        stands = (reference_data.stands(db), choices.state(db, *_NAMES))
        kept = self._kept
        if kept is None or kept[0] != stands:
            tree, leaves = reference_data.category_tree(db), reference_data.all_definitions(db)
            kept = self._kept = stands, Placing(self.owners_word(db), tree, leaves)
        return kept[1]

    def owners_word(self, db: sqlite3.Connection) -> OwnersWord:
        """What the settings say, else what the owner has decided, else what rheod ships."""
        fixed = self.fixed
        guess = choices.get(db, GUESS) if fixed.guess is None else fixed.guess
        return OwnersWord(
            rules=LeafRules(
                rules=stored_rules(db) if fixed.rules is None else fixed.rules,
                defaults={**(choices.get(db, DEFAULTS) or {}), **fixed.defaults},
                guess=guess is not False,
            ),
            words={
                **CONDITION_WORDS,
                **((choices.get(db, WORDS) if fixed.words is None else fixed.words) or {}),
            },
            condition=fixed.condition,
            freight=fixed.freight,
        )


def stored_rules(db: sqlite3.Connection) -> tuple[CategoryRule, ...]:
    """The rules that the owner has made by commands or on pages, in their order."""
    return tuple(rule_of(each) for each in choices.get(db, RULES) or [])


def rule_of(kept: Mapping[str, Any]) -> CategoryRule:
    """A rule as it is stored."""
    pair = kept.get("metadata")
    return CategoryRule(**{**kept, "metadata": None if pair is None else (pair[0], pair[1])})
