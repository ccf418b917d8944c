"""Where an item goes at Tradera and what its ad carries there, or what is missing: the leaf and its attributes together.

Holding needs certainty: where the tree or a leaf's definitions were never read, what somebody has chosen goes out as it
stands, and Tradera's answer decides.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from rheod.domain.attribute_match import CONDITION_WORDS, match_attributes
from rheod.domain.category_tree import CategoryTree, LeafAttributes
from rheod.domain.errors import Text
from rheod.domain.freight import FreightSettings, choose, parcel_of
from rheod.domain.leaf_choice import LeafChoice, LeafChooser, LeafRules, LeafSource
from rheod.domain.model import ItemSpec

_ABOUT = re.compile(r"categor|kategori|attribut", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """The leaf, who chose it, and the attributes by the leaf's ids. With a `fault` the item is held.

    Without leaf and fault nobody has chosen, and there is no tree yet to choose from. `unread`: nobody has read the leaf's
    definitions, so that the attributes are those that the item names by number. Header and footer are the owner's words
    around the ad's text, as plain text.
    """

    category_id: int | None = None
    source: LeafSource | None = None
    terms: tuple[tuple[int, tuple[str, ...]], ...] = ()
    numbers: tuple[tuple[int, tuple[float, ...]], ...] = ()
    warnings: tuple[Text, ...] = ()
    fault: Text | None = None
    missing: tuple[str, ...] = ()
    unread: bool = False
    header: str = ""
    footer: str = ""

    @property
    def warning(self) -> Text | None:
        """All that the owner should know of it, in one text; None when there is nothing."""
        return joined(self.warnings)

    @property
    def waits_for_tree(self) -> bool:
        """Whether a leaf can be chosen only once Tradera's categories were read."""
        return self.category_id is None and self.fault is None


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnersWord:
    """What the owner has decided of leaves, attributes and freight; `condition` is the default, new or used."""

    rules: LeafRules = field(default_factory=LeafRules)
    words: Mapping[str, Sequence[str]] = field(default_factory=lambda: CONDITION_WORDS)
    condition: str = "used"
    freight: FreightSettings = field(default_factory=FreightSettings)


class Placing:
    """Places items by one tree, one set of definitions and one owner's word; made anew when one of them changes."""

    def __init__(
        self, owner: OwnersWord, tree: CategoryTree | None, leaves: Mapping[int, LeafAttributes]
    ) -> None:
        self.chooser = LeafChooser(owner.rules, tree)
        self._owner = owner
        self._leaves = leaves

    def within(self, category_id: int | None) -> tuple[int, ...]:
        """A leaf and the categories that it lies in, the leaf first."""
        tree = self.chooser.tree
        if category_id is None or tree is None or category_id not in tree:
            return () if category_id is None else (category_id,)
        return tuple(each.id for each in reversed(tree.path(category_id)))

    def place(self, spec: ItemSpec, account: str, moved: int | None = None) -> Placement:
        """Where an item of this account (its reference) goes; one whose freight has no price is held too.

        `moved` is where Tradera has put its last ad: there it goes again, unless it names a category itself.
        """
        found = self._in_a_leaf(spec, self.chooser.choose(spec, account, moved))
        lacks = choose(parcel_of(spec), self._owner.freight, None).missing
        return found if lacks is None or found.fault is not None else replace(found, fault=lacks)

    def _in_a_leaf(self, spec: ItemSpec, choice: LeafChoice) -> Placement:
        warnings = () if choice.warning is None else (choice.warning,)
        found = Placement(
            category_id=choice.category_id, source=choice.source, fault=choice.fault, warnings=warnings
        )
        if choice.category_id is None or choice.fault is not None:
            return found
        leaf = self._leaves.get(choice.category_id)
        if leaf is None:
            return Placement(
                category_id=choice.category_id,
                source=choice.source,
                terms=_by_number(spec),
                warnings=warnings,
                unread=True,
            )
        match = match_attributes(
            spec, leaf.definitions, condition=self._owner.condition, words=self._owner.words
        )
        return Placement(
            category_id=choice.category_id,
            source=choice.source,
            terms=match.terms,
            numbers=match.numbers,
            warnings=(*warnings, *match.left_out),
            fault=match.fault,
            missing=tuple(each.name for each in match.missing),
        )


def _by_number(spec: ItemSpec) -> tuple[tuple[int, tuple[str, ...]], ...]:
    """The attributes that the item names by number, as it writes them."""
    given = (spec.tradera.attributes if spec.tradera is not None else None) or {}
    return tuple(
        (int(name), tuple(map(str, value if isinstance(value, list | tuple) else (value,))))
        for name, value in given.items()
        if name.isascii() and name.isdecimal()
    )


def joined(texts: Sequence[Text]) -> Text | None:
    """Sentences as one text, in their order; None of none."""
    whole = None
    for each in texts:
        whole = each if whole is None else Text("{first}. {then}", first=whole, then=each)
    return whole


def refused_by_tradera(category_id: int | None, error: str) -> Text:
    """Why an item is held that passes every check of ours."""
    return Text(
        "Tradera refuses an ad in category {category}: {error}", category=category_id or "?", error=error
    )


REFUSED = refused_by_tradera(None, "").template
"""The sentence that holds an item by Tradera's word alone: no check of ours can settle it."""


def is_about_place(error: str) -> bool:
    """Whether these words of Tradera's speak of a category or an attribute."""
    return _ABOUT.search(error) is not None
