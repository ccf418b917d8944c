"""Where an item goes at Tradera and what its ad carries there, or what is missing: the leaf and its attributes together.

The leaf is the item's own, by the owner's rules, the domain's default, a guess, or none. A guess knows no numbers: a domain
names branches by words, and within one the leaf that is called as the thing is called.
Holding needs certainty: where the tree or a leaf's definitions were never read, nothing can be checked or guessed; what
somebody has chosen goes out as it stands, and Tradera's answer decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from rheod.domain.attribute_match import CONDITION_WORDS, match_attributes
from rheod.domain.categories import OTHER, Category, CategoryTree, LeafAttributes, plain, tradera_category
from rheod.domain.errors import Text
from rheod.domain.freight import FreightSettings, choose, parcel_of
from rheod.domain.model import ItemSpec

BRANCHES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "auto_parts": ("Bildelar", "Fordonsdelar", "Reservdelar", "Delar & tillbehör", "Fordon"),
        "vehicles": ("Bilar", "Fordon"),
        "electronics": ("Hemelektronik", "Elektronik", "Telefoni", "Ljud & bild", "Teknik"),
        "computers": ("Datorer", "Datorer & tillbehör"),
        "fashion": ("Kläder", "Mode", "Skor", "Accessoarer"),
        "books": ("Böcker", "Böcker & tidningar", "Media", "Film", "Skivor"),
        "watches": ("Klockor", "Armbandsur"),
        "home_garden": ("Hem & hushåll", "Hem & trädgård", "Hem", "Trädgård", "Möbler"),
        "art": ("Konst", "Antikt & design", "Antikt", "Antikviteter"),
        "sports": ("Sport & fritid", "Sport", "Fritid"),
        "toys": ("Leksaker", "Leksaker & hobby", "Barnleksaker", "Leksaker & spel", "Spel"),
        "tools": ("Verktyg", "Bygg & verktyg", "Maskiner"),
        "jewelry": ("Smycken", "Smycken & ädelstenar"),
        "music": ("Musikinstrument", "Instrument", "Musik"),
        "collectibles": ("Samlarsaker", "Samlarföremål", "Samlarobjekt", "Samlat"),
        "beauty": ("Skönhet", "Skönhet & hälsa", "Hälsa"),
        "industrial": ("Industri", "Företag & industri", "Kontor & industri", "Näringsverksamhet"),
        OTHER: ("Övrigt",),
    }
)
"""By domain the names its branch may have at Tradera, the best first."""

_REST = ("ovrigt", "ovriga", "annat", "andra")
"""How the name of a leaf for everything else begins."""

_SHORTEST_STEM = 4
_ENDINGS = ("arna", "erna", "orna", "ar", "er", "or", "en", "et", "na", "a", "e", "n", "s", "r")
"""Endings of Swedish nouns, which a thing and the leaf for such things may not share; the longest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryRule:
    """The owner's word: items that are all of this go into `category_id`.

    Each part is None or empty when it does not matter: `account` a reference ("" is the default account), `words` all begin
    words of the title, `metadata` key and value. `id` names the rule.
    """

    id: int
    category_id: int
    account: str | None = None
    domain: str | None = None
    words: str = ""
    metadata: tuple[str, str] | None = None

    def takes(self, spec: ItemSpec, account: str) -> bool:
        """Whether the item is meant."""
        if self.account is not None and self.account != account:
            return False
        if self.domain is not None and self.domain != (spec.domain or OTHER):
            return False
        if self.metadata is not None:
            key, wanted = self.metadata
            if _as_text((spec.metadata or {}).get(key)) != plain(wanted):
                return False
        title = plain(spec.title).split()
        return all(any(each.startswith(word) for each in title) for word in plain(self.words).split())


class LeafSource(StrEnum):
    """Who chose the leaf."""

    ITEM = "item"
    TRADERA = "tradera"
    RULE = "rule"
    DEFAULT = "default"
    GUESS = "guess"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafRules:
    """How leaves are chosen: the rules in their order, the defaults by domain, and whether rheod may guess."""

    rules: tuple[CategoryRule, ...] = ()
    defaults: Mapping[str, int] = field(default_factory=dict)
    guess: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafChoice:
    """The leaf and who chose it. With a `fault`, which says what is wrong with the choice, the item is held.

    Without `category_id` and `fault` nobody has chosen and there is no tree to choose from yet.
    """

    category_id: int | None = None
    source: LeafSource | None = None
    fault: Text | None = None
    warning: Text | None = None


class LeafChooser:
    """Chooses leaves by the owner's rules, checked against the tree; without one (None) nothing is checked or guessed."""

    def __init__(self, rules: LeafRules, tree: CategoryTree | None) -> None:
        self.tree = tree
        self._rules = rules
        self._branches: dict[str, list[_Branch]] = {}

    def choose(self, spec: ItemSpec, account: str, moved: int | None = None) -> LeafChoice:
        """The leaf of an item of this account (its reference). `moved` is where Tradera has put its last ad."""
        names_own = spec.tradera is not None and spec.tradera.category_id is not None
        if moved is not None and not names_own and (self.tree is None or self.tree.is_leaf(moved)):
            path = "" if self.tree is None else self.tree.path_text(moved)
            kept = Text("It goes where Tradera has put its last ad: {category}", category=path or moved)
            return LeafChoice(category_id=moved, source=LeafSource.TRADERA, warning=kept)
        chosen, source, who = _chosen(spec, account, self._rules)
        if chosen is not None:
            return LeafChoice(category_id=chosen, source=source, fault=self.fault(chosen, who))
        if self.tree is None:
            return LeafChoice()
        leaf = self.guess(spec) if self._rules.guess else None
        if leaf is None:
            fault = Text(
                "Choose a category: the item names none, and no rule, default or guess fits domain {domain}",
                domain=spec.domain or OTHER,
            )
            return LeafChoice(fault=fault)
        warning = Text(
            "The category was guessed: {path} ({category}). A rule or a default settles it",
            path=self.tree.path_text(leaf),
            category=leaf,
        )
        return LeafChoice(category_id=leaf, source=LeafSource.GUESS, warning=warning)

    def fault(self, category_id: int, who: Text) -> Text | None:
        """What is wrong with a category that somebody (`who`, as a sentence begins) has chosen; None without a tree."""
        if self.tree is None or self.tree.is_leaf(category_id):
            return None
        if category_id not in self.tree:
            return Text(
                "{who} names category {category}, which Tradera does not have: choose another",
                who=who,
                category=category_id,
            )
        return Text(
            "{who} names category {category} ({path}), which has others below it: choose one of those",
            who=who,
            category=category_id,
            path=self.tree.path_text(category_id),
        )

    def guess(self, spec: ItemSpec) -> int | None:
        """The leaf that fits the item's domain and is called most like it; None when no branch of the tree is called so."""
        assert self.tree is not None
        domain = spec.domain or OTHER
        branches = self._branches.get(domain)
        if branches is None:
            found = _called(BRANCHES.get(domain, ()), self.tree)
            branches = self._branches[domain] = [_Branch(each, self.tree) for each in found]
        attributes = spec.attributes or {}
        part = attributes.get("part")
        nested = part.get("name") if isinstance(part, Mapping) else None
        called = nested or attributes.get("partName")
        names = (called if isinstance(called, str) else "", spec.title)
        for branch in branches:
            for name in names:
                if (leaf := branch.best(name)) is not None:
                    return leaf
        rest = next((branch.rest for branch in branches if branch.rest is not None), None)
        shipped = tradera_category(domain)  # a first guess of another's map: good only where it is a leaf
        return shipped if rest is None and shipped is not None and self.tree.is_leaf(shipped) else rest


def _chosen(spec: ItemSpec, account: str, rules: LeafRules) -> tuple[int | None, LeafSource | None, Text]:
    """What somebody has chosen, with how to call that choice."""
    if spec.tradera is not None and spec.tradera.category_id is not None:
        return spec.tradera.category_id, LeafSource.ITEM, Text("The item")
    for rule in rules.rules:
        if rule.takes(spec, account):
            return rule.category_id, LeafSource.RULE, Text("Rule {rule}", rule=rule.id)
    domain = spec.domain or OTHER
    default = rules.defaults.get(domain)
    source = None if default is None else LeafSource.DEFAULT
    return default, source, Text("The default of domain {domain}", domain=domain)


class _Branch:
    """The leaves of a branch by the stems of their names, and the one for all else."""

    def __init__(self, branch: Category, tree: CategoryTree) -> None:
        leaves = list(tree.leaves(branch.id))
        others = [leaf for leaf in leaves if plain(leaf.name).startswith(_REST)]
        others += leaves if len(leaves) == 1 else []
        rest = min(others, key=lambda leaf: len(tree.path(leaf.id)), default=None)
        self.rest = None if rest is None else rest.id
        self._begins: dict[str, int] = {}
        self._ends: dict[str, int] = {}
        for leaf in sorted(leaves, key=lambda leaf: len(tree.path(leaf.id))):
            for word in () if leaf in others else plain(leaf.name).split():
                stem = _stem(word)
                if len(stem) >= _SHORTEST_STEM:
                    self._begins.setdefault(stem, leaf.id)
                    self._ends.setdefault(stem, leaf.id)
                    self._ends.setdefault(word, leaf.id)

    def best(self, name: str) -> int | None:
        """The leaf that shares the longest stem with a word of the name, at its begin or its end: bromsok, Bromsar."""
        found = [
            (length, -place, leaf)
            for place, word in enumerate(plain(name).split())
            for stem in (_stem(word),)
            for length in range(_SHORTEST_STEM, len(word) + 1)
            for leaf in (
                self._begins.get(word[:length]),
                self._ends.get(word[-length:]),
                self._ends.get(stem[-length:]),
            )
            if leaf is not None
        ]
        return max(found, key=lambda each: each[:2])[2] if found else None


def _called(names: Iterable[str], tree: CategoryTree) -> list[Category]:
    """The categories that these names mean: called just so, else with these words among others; of each the highest first."""
    by_depth = sorted(tree, key=lambda category: len(tree.path(category.id)))
    plainly = [(category, plain(category.name)) for category in by_depth]
    found: dict[int, Category] = {}
    for wanted in map(plain, names):
        alike = [category for category, name in plainly if name == wanted]
        wider = [category for category, name in plainly if set(wanted.split()) <= set(name.split())]
        for category in (*alike, *wider):
            found.setdefault(category.id, category)
    return list(found.values())


@lru_cache(maxsize=16_384)  # the same words come in many titles
def _stem(word: str) -> str:
    """A word without its ending, if enough is left."""
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST_STEM:
            return word[: -len(ending)]
    return word


def _as_text(value: Any) -> str:
    """A metadata value as rules compare it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return plain(str(value)) if isinstance(value, str | int | float) else ""


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
        choice = self.chooser.choose(spec, account, moved)
        found = Placement(
            category_id=choice.category_id,
            source=choice.source,
            fault=choice.fault,
            warnings=() if choice.warning is None else (choice.warning,),
        )
        if choice.category_id is not None and choice.fault is None:
            found = self._with_attributes(found, spec, self._leaves.get(choice.category_id))
        lacks = choose(parcel_of(spec), self._owner.freight, None).missing
        return found if lacks is None or found.fault is not None else replace(found, fault=lacks)

    def _with_attributes(self, found: Placement, spec: ItemSpec, leaf: LeafAttributes | None) -> Placement:
        """The placement with what its ad carries; by the item's own numbers where nobody has read the leaf's definitions."""
        if leaf is None:
            given = (spec.tradera.attributes if spec.tradera is not None else None) or {}
            terms = tuple(
                (int(name), tuple(map(str, value if isinstance(value, list | tuple) else (value,))))
                for name, value in given.items()
                if name.isascii() and name.isdecimal()
            )
            return replace(found, terms=terms, unread=True)
        match = match_attributes(
            spec, leaf.definitions, condition=self._owner.condition, words=self._owner.words
        )
        return replace(
            found,
            terms=match.terms,
            numbers=match.numbers,
            warnings=(*found.warnings, *match.left_out),
            fault=match.fault,
            missing=tuple(each.name for each in match.missing),
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
