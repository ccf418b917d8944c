"""What the owner has decided of ads by commands or on pages: categories by rules and defaults, condition words, templates.

A setting wins over what is decided here, and cannot be changed here. Before a rule is kept it can be tried on the stock, and
so can a template on an item.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from time import perf_counter
from typing import Any, TypeVar

from rheod.domain.ad_text import (
    Template,
    ad_description,
    ad_title,
    choose_template,
    template_fault,
    whole_kronor,
)
from rheod.domain.attribute_match import CONDITION_WORDS
from rheod.domain.categories import DOMAINS, OTHER, CategoryTree, canonical, plain
from rheod.domain.errors import FieldError, Refused, Text
from rheod.domain.model import Item
from rheod.domain.placement import CategoryRule, LeafChooser, LeafSource, Placement
from rheod.store import accounts, items, key_value
from rheod.usecases.placement import look_at_all
from rheod.usecases.placer import (
    DEFAULTS,
    GUESS,
    RULES,
    TEMPLATES,
    WORDS,
    AdDresser,
    stored_rules,
    stored_templates,
)
from rheod.usecases.transaction import Store, Transaction

T = TypeVar("T")
_A_CHUNK = 20
_A_TIME_S = 0.01
"""So many items are checked at a time, and for so long, so that nobody else waits long for the reader, nor the loop for
the interpreter."""

MOST_RULES = 500


@dataclass(frozen=True, slots=True)
class ChosenDefault:
    """The category of a domain; `locked` by the settings file."""

    domain: str
    category_id: int
    path: str
    locked: bool


@dataclass(frozen=True, slots=True)
class ChosenRule:
    """A rule, and the path of its category as the tree has it ("" where it has none)."""

    rule: CategoryRule
    path: str
    fault: Text | None


@dataclass(frozen=True, slots=True)
class ChosenCondition:
    """A word or grade of condition, and the terms it may become: the first that a leaf knows. `own`: the owner has said it."""

    word: str
    terms: tuple[str, ...]
    own: bool


@dataclass(frozen=True, slots=True)
class Choices:
    """All that stands; `rules_locked` and `guess_locked` when the settings file says it."""

    rules: tuple[ChosenRule, ...]
    rules_locked: bool
    defaults: tuple[ChosenDefault, ...]
    guess: bool
    guess_locked: bool
    conditions: tuple[ChosenCondition, ...] = ()
    conditions_locked: bool = False


@dataclass(frozen=True, slots=True)
class CheckedItem:
    """An item of which something is to be told: `fault` holds it, `warnings` do not."""

    account: str
    external_id: str
    title: str
    category_id: int | None
    fault: Text | None
    missing: tuple[str, ...]
    warnings: tuple[Text, ...]


@dataclass(slots=True)
class RuleTrial:
    """What a rule would do to the stock: how many items it takes, and those that would go elsewhere; some of them with both paths."""

    taken: int = 0
    moved: int = 0
    told: list[tuple[str, str, str, str]] = field(default_factory=list)
    """Item number, title, the category of now ("" for none) and that of then."""


@dataclass(slots=True)
class StockCheck:
    """What the check of the whole stock came to; `told` are the items with a fault or a warning, at most so many."""

    checked: int = 0
    held: int = 0
    guessed: int = 0
    unknown: int = 0
    told: list[CheckedItem] = field(default_factory=list)
    guesses: Counter[tuple[str, int]] = field(default_factory=Counter)
    """How many items of a domain a guess puts into a category."""


class CategoryChoices:
    """Answers the owner, and keeps what is decided."""

    def __init__(self, *, store: Store) -> None:
        self._store = store

    async def shown(self) -> Choices:
        """All that stands, whoever has said it."""
        return await self._store.read(self._shown)

    async def add_rule(self, wanted: CategoryRule, *, place: int | None = None) -> CategoryRule:
        """Put a rule at this place (from 1), else last; returns it with its number. Raises Refused."""

        def add(rules: list[CategoryRule]) -> CategoryRule:
            if len(rules) >= MOST_RULES:
                raise Refused(
                    "CONFLICT", Text("There are {n} rules already, which is the most", n=MOST_RULES)
                )
            rule = replace(wanted, id=max((each.id for each in rules), default=0) + 1)
            rules.insert(len(rules) if place is None else max(0, place - 1), rule)
            return rule

        return await self._change_rules(add, leaf=wanted.category_id)

    async def move_rule(
        self,
        rule_id: int,
        place: int,
        check: Callable[[Sequence[CategoryRule]], None] = lambda _rules: None,
    ) -> CategoryRule:
        """Put a rule at another place (from 1). `check` is handed the rules as they are. Raises Refused (NOT_FOUND, CONFLICT)."""

        def move(rules: list[CategoryRule]) -> CategoryRule:
            check(rules)
            rule = _found(rules, rule_id)
            rules.remove(rule)
            rules.insert(max(0, place - 1), rule)
            return rule

        return await self._change_rules(move)

    async def remove_rule(self, rule_id: int) -> None:
        """Take a rule away. Raises Refused (NOT_FOUND, CONFLICT)."""
        await self._change_rules(lambda rules: rules.remove(_found(rules, rule_id)))

    async def set_default(
        self,
        domain: str,
        category_id: int | None,
        check: Callable[[int | None], None] = lambda _category_id: None,
    ) -> str:
        """The category of a domain (None: none); returns the domain's slug. `check` is handed the one chosen now. Raises Refused."""
        slug = canonical(domain)
        if slug is None:
            raise _invalid("domain", Text("Must be one of {domains}", domains=", ".join(DOMAINS)))
        if slug in self._store.placer.fixed.defaults:
            raise _locked(f"{DEFAULTS}.{slug}")

        def write(tx: Transaction) -> None:
            self._require_leaf(tx.db, category_id)
            kept = dict(key_value.choice(tx.db, DEFAULTS) or {})
            check(kept.pop(slug, None))
            chosen = kept if category_id is None else {**kept, slug: category_id}
            key_value.choose(tx.db, DEFAULTS, chosen or None, now=tx.now)

        await self._store.write(write)
        await look_at_all(self._store, also_refused=True)
        return slug

    async def set_guess(self, guess: bool) -> None:  # noqa: FBT001 - the decision itself
        """Whether rheod may guess. Raises Refused (CONFLICT) where the settings file says it."""
        if self._store.placer.fixed.guess is not None:
            raise _locked(GUESS)
        await self._store.write(lambda tx: key_value.choose(tx.db, GUESS, guess, now=tx.now))
        await look_at_all(self._store, also_refused=True)

    async def set_condition(self, word: str, terms: Sequence[str]) -> ChosenCondition | None:
        """What a word or grade of condition becomes, the first term that a leaf knows; without terms what rheod ships.

        Returns what stands then, None for a word that rheod does not know by itself. Raises Refused.
        """
        if self._store.placer.fixed.words is not None:
            raise _locked(WORDS)
        name = plain(word)
        if not name:
            raise _invalid("word", Text("Must have a letter or a digit"))

        def write(tx: Transaction) -> None:
            kept = dict(key_value.choice(tx.db, WORDS) or {})
            kept.pop(name, None)
            if terms and len(kept) >= MOST_RULES:
                raise Refused(
                    "CONFLICT", Text("There are {n} words already, which is the most", n=MOST_RULES)
                )
            chosen = {**kept, name: list(terms)} if terms else kept
            key_value.choose(tx.db, WORDS, chosen or None, now=tx.now)

        await self._store.write(write)
        await look_at_all(self._store, also_refused=True)
        return next((each for each in (await self.shown()).conditions if each.word == name), None)

    async def check_stock(self, *, account_id: str | None = None, most: int = 1000) -> StockCheck:
        """Place every item that may still be sold, of one account or of all, without a call."""
        found = StockCheck()

        def checking(db: sqlite3.Connection) -> Callable[[Item, str], None]:
            placing = self._store.placer.placing(db)

            def check(item: Item, account: str) -> None:
                moved = items.moved_category(db, item.id)
                _note(found, item, account, placing.place(item.spec, account, moved), most)

            return check

        await self._each_for_sale(account_id, checking)
        return found

    async def try_rule(self, wanted: CategoryRule, *, most: int = 10) -> RuleTrial:
        """What the rule, put last, would do to the items that may still be put up. Nothing is kept. Raises Refused."""
        found = RuleTrial()

        def comparing(db: sqlite3.Connection) -> Callable[[Item, str], None]:
            stands = self._store.placer.placing(db).chooser
            rules = self._store.placer.owners_word(db).rules
            tried = LeafChooser(replace(rules, rules=(*rules.rules, wanted)), stands.tree)

            def compare(item: Item, account: str) -> None:
                if wanted.takes(item.spec, account):
                    moved = items.moved_category(db, item.id)
                    now, then = (
                        each.choose(item.spec, account, moved).category_id for each in (stands, tried)
                    )
                    _count(found, item, (now, then), stands.tree, most)

            return compare

        await self._store.read(lambda db: self._require_leaf(db, wanted.category_id))
        await self._each_for_sale(None, comparing)
        return found

    async def _each_for_sale(
        self, account_id: str | None, begin: Callable[[sqlite3.Connection], Callable[[Item, str], None]]
    ) -> None:
        """Look at every item that may still be sold and its account's reference, a short time at once."""
        after = 0
        while True:

            def chunk(db: sqlite3.Connection, first: int = after) -> int:
                began, look, after = perf_counter(), begin(db), first
                for place, item in items.for_sale(db, account_id, after=first, limit=_A_CHUNK):
                    look(item, accounts.reference(db, item.account_id))
                    after = place
                    if perf_counter() - began > _A_TIME_S:
                        break
                return after

            before, after = after, await self._store.read(chunk)
            if after == before:
                return

    def _shown(self, db: sqlite3.Connection) -> Choices:
        placer = self._store.placer
        chooser, owner = placer.placing(db).chooser, placer.owners_word(db)
        tree, fixed = chooser.tree, placer.fixed
        return Choices(
            rules=tuple(
                ChosenRule(
                    each,
                    "" if tree is None else tree.path_text(each.category_id),
                    chooser.fault(each.category_id, Text("Rule {rule}", rule=each.id)),
                )
                for each in owner.rules.rules
            ),
            rules_locked=fixed.rules is not None,
            defaults=tuple(
                ChosenDefault(
                    domain, leaf, "" if tree is None else tree.path_text(leaf), domain in fixed.defaults
                )
                for domain, leaf in sorted(owner.rules.defaults.items())
            ),
            guess=owner.rules.guess,
            guess_locked=fixed.guess is not None,
            conditions=tuple(
                ChosenCondition(word, tuple(terms), tuple(terms) != CONDITION_WORDS.get(word))
                for word, terms in sorted(owner.words.items())
            ),
            conditions_locked=fixed.words is not None,
        )

    def _require_leaf(self, db: sqlite3.Connection, category_id: int | None) -> None:
        """Raise Refused where the tree says that no ad can go into this category."""
        if category_id is not None:
            chooser = self._store.placer.placing(db).chooser
            fault = chooser.fault(category_id, Text("The choice"))
            if fault is not None:
                raise _invalid("category", fault)

    async def _change_rules(self, change: Callable[[list[CategoryRule]], T], *, leaf: int | None = None) -> T:
        if self._store.placer.fixed.rules is not None:
            raise _locked(RULES)

        def write(tx: Transaction) -> T:
            self._require_leaf(tx.db, leaf)
            rules = list(stored_rules(tx.db))
            changed = change(rules)
            key_value.choose(tx.db, RULES, [_kept(each) for each in rules] or None, now=tx.now)
            return changed

        changed = await self._store.write(write)
        await look_at_all(self._store, also_refused=True)
        return changed


def _count(
    found: RuleTrial,
    item: Item,
    leaves: tuple[int | None, int | None],
    tree: CategoryTree | None,
    most: int,
) -> None:
    found.taken += 1
    if leaves[0] == leaves[1]:
        return
    found.moved += 1
    if len(found.told) < most:
        before, after = (
            "" if leaf is None else str(leaf) if tree is None else tree.path_text(leaf) for leaf in leaves
        )
        found.told.append((item.external_id, item.spec.title, before, after))


def _note(found: StockCheck, item: Item, account: str, placement: Placement, most: int) -> None:
    found.checked += 1
    found.held += placement.fault is not None
    found.guessed += placement.source is LeafSource.GUESS
    found.unknown += placement.unread or placement.waits_for_tree
    if placement.source is LeafSource.GUESS and placement.category_id is not None:
        found.guesses[canonical(item.spec.domain or OTHER) or OTHER, placement.category_id] += 1
    if (placement.fault is not None or placement.warnings) and len(found.told) < most:
        found.told.append(
            CheckedItem(
                account=account,
                external_id=item.external_id,
                title=item.spec.title,
                category_id=placement.category_id,
                fault=placement.fault,
                missing=placement.missing,
                warnings=placement.warnings,
            )
        )


def _kept(rule: CategoryRule) -> Mapping[str, Any]:
    return {name: value for name, value in asdict(rule).items() if value not in (None, "")} | {
        "words": rule.words,
        **({} if rule.account is None else {"account": rule.account}),
    }


def _found(rules: list[CategoryRule], rule_id: int) -> CategoryRule:
    for rule in rules:
        if rule.id == rule_id:
            return rule
    raise Refused("NOT_FOUND", Text("There is no rule {rule}", rule=rule_id))


def _locked(name: str) -> Refused:
    return Refused(
        "CONFLICT", Text("The settings file has {setting}, which wins: change it there", setting=name)
    )


def _invalid(place: str, sentence: Text) -> Refused:
    return Refused("VALIDATION_FAILED", Text("Validation failed"), (FieldError(place, sentence),))


MOST_TEMPLATES = 200


@dataclass(frozen=True, slots=True)
class KnownTemplate:
    """A template; `locked`: it stands in the settings file and is changed there."""

    template: Template
    locked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AdPreview:
    """An item's ad as it would be sent now: `source` is its text with the markup that counts in Tradera's limit.

    `applies` is false where the ad has other words than those of the template that is tried.
    """

    title: str
    source: str
    price_kr: int
    category: str
    notes: tuple[Text, ...]
    applies: bool = True


class AdTemplates:
    """The owner's use cases about templates."""

    def __init__(self, *, store: Store, dresser: AdDresser) -> None:
        self._store = store
        self._fixed = {each.place for each in dresser.fixed.templates}
        self._dresser = dresser

    async def listing(self) -> list[KnownTemplate]:
        """All that apply, those for every ad first."""
        every = await self._store.read(self._dresser.templates)
        every.sort(key=lambda each: (each.part, each.account or "", each.category or 0))
        return [KnownTemplate(each, each.place in self._fixed) for each in every]

    async def preview(self, item: Item, tried: Template | None = None) -> AdPreview:
        """The item's ad with the templates that apply, or as if `tried` were one of them. Nothing is kept."""

        def query(db: sqlite3.Connection) -> AdPreview:
            placing = self._store.placer.placing(db)
            account = accounts.reference(db, item.account_id)
            placement = placing.place(item.spec, account, items.moved_category(db, item.id))
            within = placing.within(placement.category_id)
            every = self._dresser.templates(db)
            if tried is not None:
                every = [*(each for each in every if each.place != tried.place), tried]
            dressed = self._dresser.dressed(
                db, item, placement, account=account, within=within, templates=every
            )
            tree, leaf = placing.chooser.tree, dressed.category_id
            path = "" if tree is None or leaf is None else tree.path_text(leaf)
            return AdPreview(
                title=ad_title(item.spec.title),
                source=ad_description(item.spec, header=dressed.header, footer=dressed.footer),
                price_kr=whole_kronor(item.spec.price_ore or 100),
                category=path or str(leaf or ""),
                notes=(*(() if dressed.fault is None else (dressed.fault,)), *dressed.warnings),
                applies=tried is None
                or choose_template(every, tried.part, account=account, categories=within) is tried,
            )

        return await self._store.read(query)

    async def put(self, template: Template, check: Callable[[str], None] = lambda _text: None) -> None:
        """Keep a template in place of the one for its place; an empty text takes that one away.

        `check` is handed the text that is there now, "" for none, and may raise Refused.
        Raises Refused: CONFLICT where the settings file says it, VALIDATION_FAILED for one that cannot be used.
        """
        if template.place in self._fixed:
            raise Refused(
                "CONFLICT",
                Text("The settings file says this one (ad.{part}): change it there", part=template.part),
            )
        if fault := template_fault(template.text):
            raise Refused("VALIDATION_FAILED", Text("Validation failed"), (FieldError("text", fault),))
        await self._store.write(lambda tx: _put(tx.db, template, check, now=tx.now))


def _put(db: sqlite3.Connection, template: Template, check: Callable[[str], None], *, now: int) -> None:
    check(next((each.text for each in stored_templates(db) if each.place == template.place), ""))
    kept = [each for each in stored_templates(db) if each.place != template.place]
    kept += [template] if template.text else []
    if len(kept) > MOST_TEMPLATES:
        raise Refused("CONFLICT", Text("There are {n} templates already: remove one", n=MOST_TEMPLATES))
    rows = [
        {"part": each.part, "text": each.text, "account": each.account, "category": each.category}
        for each in kept
    ]
    key_value.choose(db, TEMPLATES, rows or None, now=now)
