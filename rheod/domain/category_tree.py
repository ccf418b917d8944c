"""Tradera's categories and the attributes of its leaves, as they were last read.

An ad goes into a leaf, a category without any below it; numbers die and are never guessed at, so that whoever chooses one
looks here first. The tree is only what Tradera said: it may be old, and where there is none nobody is refused for it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Category:
    """One category; `parent_id` is None at the top."""

    id: int
    name: str
    parent_id: int | None = None


class AttributeKind(StrEnum):
    """What the values of an attribute are: words of a list, numbers, or something this rheod does not know."""

    TERM = "term"
    NUMBER = "number"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeDefinition:
    """An attribute that ads of a leaf may have, or must where `min_values` is above 0.

    The same name has another id in another leaf. `max_values` is None without a limit; `terms` are the only words that
    Tradera takes, letter by letter, and none for numbers. `value_format` is Tradera's own word, such as a unit.
    """

    id: int
    name: str
    key: str = ""
    description: str = ""
    kind: AttributeKind = AttributeKind.TERM
    value_format: str = ""
    min_values: int = 0
    max_values: int | None = 1
    terms: tuple[str, ...] = ()

    @property
    def required(self) -> bool:
        """Whether an ad of the leaf must have a value for it."""
        return self.min_values > 0


@dataclass(frozen=True, slots=True)
class LeafAttributes:
    """The attributes of a leaf and when they were read (ms UTC)."""

    category_id: int
    definitions: tuple[AttributeDefinition, ...]
    read_at: int


class CategoryTree:
    """The categories by number, in Tradera's order, a parent before its children; `read_at` is when they were read (ms UTC).

    Of two with one number the first stands; one whose parent is not among those before it is at the top.
    """

    def __init__(self, categories: Iterable[Category], *, read_at: int = 0) -> None:
        self.read_at = read_at
        found: dict[int, Category] = {}
        for each in categories:
            loose = each.parent_id is not None and each.parent_id not in found
            found.setdefault(each.id, Category(each.id, each.name) if loose else each)
        self._by_id: Mapping[int, Category] = MappingProxyType(found)
        self._below: dict[int | None, list[Category]] = {}
        for category in self._by_id.values():
            self._below.setdefault(category.parent_id, []).append(category)
        self._words: dict[int, tuple[str, ...]] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Category]:
        return iter(self._by_id.values())

    def __contains__(self, category_id: int) -> bool:
        return category_id in self._by_id

    def get(self, category_id: int) -> Category | None:
        """The category of this number; None when Tradera has none."""
        return self._by_id.get(category_id)

    def is_leaf(self, category_id: int) -> bool:
        """Whether it is there and has nothing below it: only then an ad can go into it."""
        return category_id in self._by_id and category_id not in self._below

    def children(self, category_id: int | None) -> tuple[Category, ...]:
        """Those right below it; of None those at the top."""
        return tuple(self._below.get(category_id, ()))

    def leaves(self, below: int | None = None) -> Iterator[Category]:
        """The leaves below it in Tradera's order, itself if it is one; of None all of them, of an unknown number none."""
        start = self.children(None) if below is None else tuple(filter(None, [self.get(below)]))
        waiting = list(reversed(start))
        while waiting:
            category = waiting.pop()
            children = self._below.get(category.id)
            if children is None:
                yield category
            else:
                waiting.extend(reversed(children))

    def path(self, category_id: int) -> tuple[Category, ...]:
        """From the top down to it; empty when Tradera has none of this number."""
        steps: list[Category] = []
        category = self.get(category_id)
        while category is not None:
            steps.append(category)
            category = None if category.parent_id is None else self._by_id[category.parent_id]
        return tuple(reversed(steps))

    def path_text(self, category_id: int) -> str:
        """The names from the top down to it, as people read them; "" when Tradera has none of this number."""
        return " > ".join(category.name for category in self.path(category_id))

    def search(self, words: str, *, below: int | None = None, limit: int = 50) -> list[Category]:
        """The categories whose names have these words: leaves first, then those whose own name has them all.

        Each word begins a word in the name of the category or of one above it, and one of them in its own. Case and
        accents are forgiven. No word finds nothing.
        """
        wanted = plain(words).split()
        if not wanted:
            return []
        found = []
        for place, category in enumerate(self):
            own = self._words_of(category)
            if not any(_begins(word, own) for word in wanted):
                continue
            path = self.path(category.id)
            if below is not None and all(step.id != below for step in path):
                continue
            everywhere = [each for step in path for each in self._words_of(step)]
            if all(_begins(word, everywhere) for word in wanted):
                apart = [word for word in wanted if not _begins(word, own)]
                found.append((not self.is_leaf(category.id), len(apart), len(path), place, category))
        return [category for *_, category in sorted(found, key=lambda each: each[:4])[:limit]]

    def _words_of(self, category: Category) -> tuple[str, ...]:
        words = self._words.get(category.id)
        if words is None:
            words = self._words[category.id] = tuple(plain(category.name).split())
        return words


@lru_cache(maxsize=16_384)  # the same names and terms are compared for every item
def plain(text: str) -> str:
    """The text in small letters without accents, one space for each run of anything but letters and digits."""
    letters = unicodedata.normalize("NFKD", text.casefold())
    kept = (each if each.isalnum() else " " for each in letters if not unicodedata.combining(each))
    return " ".join("".join(kept).split())


def _begins(word: str, words: Iterable[str]) -> bool:
    return any(each.startswith(word) for each in words)
