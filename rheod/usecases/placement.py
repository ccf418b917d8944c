"""Items that are held until the owner has chosen a category or given what Tradera requires, and how they are let go.

The check costs no call: it is made with the tree and the definitions that stand in the store, within the transaction that
changes the item, and once more before its ad is created.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from rheod.domain.attribute_match import CONDITION_WORDS
from rheod.domain.effects import Change
from rheod.domain.errors import Text
from rheod.domain.inputs import Held, Released, StartedOver
from rheod.domain.leaf_choice import CategoryRule, LeafRules
from rheod.domain.model import Item, JobKind, Listing, ListingState, PictureState
from rheod.domain.placement import REFUSED, OwnersWord, Placement, Placing, refused_by_tradera
from rheod.store import accounts, choices, held, items, jobs, reference_data

if TYPE_CHECKING:
    from rheod.usecases.transaction import Store, Transaction

RULES = "categories.rules"
DEFAULTS = "tradera.defaults.category_id"
GUESS = "categories.guess"
WORDS = "categories.condition_words"
_NAMES = (RULES, DEFAULTS, GUESS, WORDS)
_A_CHUNK = 200
"""So many held items are looked at in one transaction: each takes some of the writer's time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedChoices:
    """What the settings file says of leaves; it wins over what the owner has decided by commands. None: it is silent."""

    rules: tuple[CategoryRule, ...] | None = None
    defaults: Mapping[str, int] = field(default_factory=dict)
    guess: bool | None = None
    words: Mapping[str, Sequence[str]] | None = None
    condition: str = "used"


class Placer:
    """Places items by what stands in the store now; what has not changed since is not read again."""

    def __init__(self, fixed: FixedChoices | None = None) -> None:
        self.fixed = fixed or FixedChoices()
        self._kept: tuple[object, Placing] | None = None

    def place(self, db: sqlite3.Connection, item: Item) -> Placement:
        """Where the item goes, and what is missing."""
        return self.placing(db).place(item.spec, accounts.reference(db, item.account_id))

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
        )


def stored_rules(db: sqlite3.Connection) -> tuple[CategoryRule, ...]:
    """The rules that the owner has made by commands or on pages, in their order."""
    return tuple(rule_of(each) for each in choices.get(db, RULES) or [])


def rule_of(kept: Mapping[str, Any]) -> CategoryRule:
    """A rule as it is stored."""
    pair = kept.get("metadata")
    return CategoryRule(**{**kept, "metadata": None if pair is None else (pair[0], pair[1])})


def settled(tx: Transaction, change: Change) -> Change:
    """The change, and that its waiting listing is held or let go: neither where another says what becomes of it.

    Of a listing that is under way nothing is said here: its publisher looks again before it creates anything.
    """
    listing = change.listing
    if listing is None or listing.state is not ListingState.QUEUED or change.removed:
        return change
    placement = tx.place(change.item)
    if placement.fault is not None:
        return _held(tx, change, Held(reason=placement.fault, missing=placement.missing))
    if not listing.is_held:
        return change
    pictures = items.pictures(tx.db, change.item.id)
    released = Released(
        pictures=sum(each.state is PictureState.READY for each in pictures),
        pictures_settled=all(each.state is not PictureState.PENDING for each in pictures),
    )
    return change.then(released, now=tx.now)


def _held(tx: Transaction, change: Change, given: Held) -> Change:
    """The change with its listing held: no order to publish it stays."""
    assert change.listing is not None
    listing_id = change.listing.id
    jobs.drop(tx.db, JobKind.PUBLISH, [listing_id])
    after = change.then(given, now=tx.now)
    ordered = tuple(job for job in after.jobs if (job.kind, job.subject) != (JobKind.PUBLISH, listing_id))
    return replace(after, jobs=ordered)


def look_again(tx: Transaction, listing_id: str, *, refused: str | None = None) -> None:
    """Hold a listing of which nothing was committed, or let it go, as its item stands now.

    With `refused`, which are Tradera's words, an item is held that nothing else holds.
    """
    listing = items.listing(tx.db, listing_id)
    item = items.by_id(tx.db, listing.item_id)
    before = Change(item=item, listing=listing)
    if listing.state in {ListingState.ADDING, ListingState.ADDED}:
        before = before.then(StartedOver(), now=tx.now)
    after = settled(tx, before)
    if after.listing is not None and not after.listing.is_held and refused is not None:
        words = refused_by_tradera(tx.place(item).category_id, refused)
        after = _held(tx, after, Held(reason=words))
    tx.record(item, listing, after)


async def look_at_all(store: Store, *, also_refused: bool) -> int:
    """Look again at every held item, those that Tradera alone has refused only if wanted; returns how many went on."""
    every = await store.read(accounts.ids)
    return sum([await _look_at_account(store, each, also_refused=also_refused) for each in every])


async def _look_at_account(store: Store, account_id: str, *, also_refused: bool) -> int:
    released, after = 0, ""
    while True:

        def chunk(tx: Transaction, after: str = after) -> tuple[list[Listing], int]:
            found = held.listings(tx.db, account_id, after=after, limit=_A_CHUNK)
            wanted = [each for each in found if also_refused or not _is_refusal(each)]
            for each in wanted:
                look_again(tx, each.id)
            return found, sum(not items.listing(tx.db, each.id).is_held for each in wanted)

        found, gone = await store.write(chunk)
        released += gone
        if len(found) < _A_CHUNK:
            return released
        after = found[-1].id


def _is_refusal(listing: Listing) -> bool:
    return isinstance(listing.held, Text) and listing.held.template == REFUSED
