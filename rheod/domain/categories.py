"""The kinds of goods: the 18 domains of the Rheo API, and Tradera's categories with the attributes of their leaves.

A domain has slug, aliases, labels and Tradera's categories; what an unknown tag means is for the caller to say.
An ad goes into a leaf, a category without any below it; numbers die and are never guessed at, so that whoever chooses one
looks here first. The tree is only what Tradera said when it was last read: it may be old, and where there is none nobody
is refused for it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType

OTHER = "other"


@dataclass(frozen=True, slots=True)
class SearchField:
    """What one would look an article of a kind up by: its key, how it is labelled, and what it looks like."""

    key: str
    label_sv: str
    label_en: str
    placeholder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """One kind of goods; `analytics_label` is its name in figures."""

    slug: str
    label_sv: str
    label_en: str
    description_en: str
    search_fields: tuple[SearchField, ...]
    analytics_label: str


# slug, Swedish label, English label, English description
_ROWS: tuple[tuple[str, str, str, str], ...] = (
    ("auto_parts", "Bildelar", "Auto Parts", "Car parts, engines, gearboxes and body panels"),
    ("vehicles", "Fordon", "Vehicles", "Cars, motorcycles, boats and other vehicles"),
    ("electronics", "Elektronik", "Electronics", "Phones, audio, video and home electronics"),
    ("computers", "Datorer", "Computers", "Computers, tablets and their accessories"),
    ("fashion", "Mode", "Fashion", "Clothes, shoes and accessories"),
    ("books", "Böcker & Media", "Books & Media", "Books, films, records and games"),
    ("watches", "Klockor", "Watches", "Wristwatches, pocket watches and clocks"),
    ("home_garden", "Hem & Trädgård", "Home & Garden", "Furniture, household goods and garden"),
    ("art", "Konst & Antikviteter", "Art & Antiques", "Art, design and antiques"),
    ("sports", "Sport & Fritid", "Sports & Leisure", "Sports, outdoor and leisure equipment"),
    ("toys", "Leksaker & Spel", "Toys & Games", "Toys, games and models"),
    ("tools", "Verktyg & Maskiner", "Tools & Machinery", "Hand tools, power tools and machines"),
    ("jewelry", "Smycken", "Jewelry", "Jewelry, gems and precious metals"),
    ("music", "Musikinstrument", "Musical Instruments", "Instruments and music equipment"),
    ("collectibles", "Samlarföremål", "Collectibles", "Coins, stamps, cards and other collectibles"),
    ("beauty", "Skönhet & Hälsa", "Beauty & Health", "Beauty, care and health products"),
    ("industrial", "Industri & Kommersiellt", "Industrial & Commercial", "Goods for trade and industry"),
    (OTHER, "Övrigt", "Other", "Everything else"),
)
_SEARCH_FIELDS = {
    "auto_parts": SearchField("oem_number", "OEM-nummer", "OEM Number", "31338723"),
    "vehicles": SearchField("plate", "Registreringsnummer", "Registration Plate", "ABC123"),
    "books": SearchField("isbn", "ISBN", "ISBN", "9789100123456"),
}
_ANALYTICS = {"auto_parts": "Reservdel", "electronics": "Elektronik", "fashion": "Kläder"}

DOMAINS: Mapping[str, Domain] = MappingProxyType(
    {
        slug: Domain(
            slug=slug,
            label_sv=label_sv,
            label_en=label_en,
            description_en=description,
            search_fields=(_SEARCH_FIELDS[slug],) if slug in _SEARCH_FIELDS else (),
            analytics_label=_ANALYTICS.get(slug, label_sv),
        )
        for slug, label_sv, label_en, description in _ROWS
    }
)
"""Every domain by its slug, in the order shown."""

_ALIASES: Mapping[str, tuple[str, ...]] = {
    "electronics": ("elektronik",),
    "fashion": ("mode", "clothing"),
    "watches": ("klockor",),
    "home_garden": ("home", "hem", "hem_tradgard"),
    "art": ("konst",),
    "sports": ("sport",),
    "books": ("bocker", "media"),
    "toys": ("leksaker",),
    "vehicles": ("fordon",),
    "tools": ("verktyg",),
    "auto_parts": ("autoparts", "car_parts", "bildelar", "automotive_part", "reservdel"),
    "jewelry": ("smycken",),
    "computers": ("datorer",),
    "music": ("musikinstrument",),
    "collectibles": ("samlarforemal",),
    "beauty": ("skonhet",),
    "industrial": ("industri",),
    OTHER: ("ovrigt", "generic", ""),
}
_SLUG_OF = {slug: slug for slug in DOMAINS} | {
    alias: slug for slug, aliases in _ALIASES.items() for alias in aliases
}

# the first category of a slug is the one that is published in where nothing else is known
_CATEGORIES_OF: Mapping[str, Sequence[int]] = {
    "art": (516,),
    "toys": (517, 533),
    "vehicles": (520,),
    "books": (521,),
    "industrial": (523,),
    "computers": (524,),
    "electronics": (525, 534),
    "sports": (527,),
    "home_garden": (529,),
    "fashion": (530,),
    "watches": (531,),
    "music": (535,),
    "collectibles": (536,),
    "beauty": (537,),
    "tools": (541,),
    "jewelry": range(8174, 8178 + 1),
    "auto_parts": range(8290, 8300 + 1),
}
CONVERTED: Mapping[str, int] = MappingProxyType({"toys": 533, "jewelry": 531, "auto_parts": 520})
"""Where a conversion to Tradera answers as the hosted service does, though the category leads back to another slug."""

TRADERA_CATEGORIES: Mapping[int, str] = MappingProxyType(
    {category: slug for slug, categories in _CATEGORIES_OF.items() for category in categories}
)
"""Tradera's category number -> slug."""


def canonical(tag: str) -> str | None:
    """The slug a tag means, read forgivingly (case, "-", spaces, aliases; empty is `other`); None when unknown."""
    return _SLUG_OF.get(tag.strip().lower().replace("-", "_").replace(" ", "_"))


def tags_of(slug: str) -> tuple[str, ...]:
    """Every tag that means this slug: itself, then its aliases."""
    return (slug, *_ALIASES.get(slug, ()))


def tradera_category(slug: str) -> int | None:
    """Tradera's category for a slug (the first when there are several); None when the map has none."""
    categories = _CATEGORIES_OF.get(slug)
    return categories[0] if categories else None


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
