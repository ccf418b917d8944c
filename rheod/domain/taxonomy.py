"""The 18 domains of the Rheo API: slugs, aliases, labels, Tradera's categories.

Tables and two look-ups. It refuses nothing: what an unknown tag means is for the caller to say. What an ad prints of
an item's attributes is in ad_text.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
