"""Tradera's categories, attribute definitions and freight prices in our types.

What cannot be read raises WrongShapeError: then the last that could stays. The contract leaves `Category` empty and two
spellings of its fields are in use, so that both are read.
"""

from __future__ import annotations

import math
from typing import Any

from rheod.domain.category_tree import AttributeDefinition, AttributeKind, Category
from rheod.domain.freight import ShippingProduct
from rheod.tradera.responses import WrongShapeError, fields_of, flag, text, tolerant_whole, whole

_LARGEST_ID = 2**31 - 1
_LARGEST_ATTRIBUTE = 2**63 - 1
_MOST_KRONOR = 100_000
_OWN_PRICE = 6
"""The table's row for a price of the seller's own, which costs 0: it is no product."""


def read_categories(answer: Any) -> list[Category]:
    """The tree as a list, a parent before its children. An entry without a number is left out with all below it."""
    found: list[Category] = []
    waiting: list[tuple[Any, int | None]] = [
        (entry, None) for entry in reversed(_filled(answer, "categories"))
    ]
    while waiting:
        entry, parent = waiting.pop()
        fields = fields_of(entry, "a category")
        number = tolerant_whole(fields.get("id")) or tolerant_whole(fields.get("categoryId")) or 0
        if not 0 < number <= _LARGEST_ID:
            continue
        name = text(fields.get("name"), 200) or text(fields.get("categoryName"), 200)
        found.append(Category(number, name or str(number), parent))
        below = fields.get("childCategories") or fields.get("subCategories") or []
        if not isinstance(below, list):
            raise WrongShapeError("what is below a category is not a list")
        waiting.extend((child, number) for child in reversed(below))
    if not found:
        raise WrongShapeError("it has no category with a number")
    return found


def read_definitions(answer: Any) -> tuple[AttributeDefinition, ...]:
    """A leaf's attributes; `[]` is a leaf without any. One that cannot be read makes all of them unknown."""
    if not isinstance(answer, list):
        raise WrongShapeError("attribute-definitions is not a list")
    return tuple(_definition(fields_of(entry, "an attribute")) for entry in answer)


def read_shipping(answer: Any) -> list[ShippingProduct]:
    """The products of `productsPerWeightSpan` that send within Sweden and have a price of their own."""
    found = []
    for entry in _filled(fields_of(answer, "shipping-options").get("productsPerWeightSpan"), "the table"):
        span = fields_of(entry, "a weight span")
        limit = _weight(span.get("weight"))
        products = span.get("products") or []
        if not isinstance(products, list):
            raise WrongShapeError("the products of a weight span are not a list")
        if limit is not None:
            found += [product for each in products if (product := _product(each, limit)) is not None]
    if not found:
        raise WrongShapeError("it has no product with a price")
    return found


def _filled(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise WrongShapeError(f"{what} is not a list")
    if not value:
        raise WrongShapeError(f"{what} is empty")
    return value


def _definition(fields: dict[str, Any]) -> AttributeDefinition:
    number, name = whole(fields.get("id"), _LARGEST_ATTRIBUTE), text(fields.get("name"), 200)
    if number is None or not name:
        raise WrongShapeError("an attribute has no number or no name")
    terms = fields.get("possibleTermValues")
    # letter by letter as Tradera has them, for only so does it take them back
    words = tuple(filter(_can_be_sent, terms)) if isinstance(terms, list) else ()
    most = whole(fields.get("maxNumberOfValues")) or 0
    return AttributeDefinition(
        id=number,
        name=name,
        key=text(fields.get("key"), 200),
        description=text(fields.get("description"), 500),
        kind=_kind(text(fields.get("attributeType"), 100).casefold(), words),
        value_format=text(fields.get("valueFormatting"), 100),
        min_values=max(0, whole(fields.get("minNumberOfValues")) or 0),
        max_values=most if most > 0 else None,
        terms=words,
    )


def _can_be_sent(term: Any) -> bool:
    """Whether it is a text that is not empty and has no halves of characters, which UTF-8 cannot carry."""
    return isinstance(term, str) and bool(term) and not any("\ud800" <= each <= "\udfff" for each in term)


def _kind(named: str, words: tuple[str, ...]) -> AttributeKind:
    """By its type, of which no list is published, else by its words."""
    if any(part in named for part in ("number", "numeric", "decimal", "integer")):
        return AttributeKind.NUMBER
    if words or any(part in named for part in ("term", "string", "text", "enum")):
        return AttributeKind.TERM
    return AttributeKind.UNKNOWN


def _product(entry: Any, limit: float) -> ShippingProduct | None:
    """A product that may be offered; None for one that lacks what we need, or that sends elsewhere."""
    if not isinstance(entry, dict):
        return None
    provider, number = whole(entry.get("shippingProviderId")), whole(entry.get("id"))
    price = whole(entry.get("price")) or 0
    to, source = text(entry.get("toCountry"), 10), text(entry.get("fromCountry"), 10)
    if not provider or not number or provider == _OWN_PRICE or not 0 < price <= _MOST_KRONOR:
        return None
    if to.upper() not in {"", "SE"} or source.upper() not in {"", "SE"}:
        return None
    needs, delivery = _part(entry, "packageRequirements"), _part(entry, "deliveryInformation")
    return ShippingProduct(
        provider_id=provider,
        product_id=number,
        provider=text(entry.get("shippingProvider"), 100) or str(provider),
        name=text(entry.get("name"), 200),
        up_to_kg=min(limit, _weight(needs.get("maxWeight")) or limit),
        from_kg=_weight(needs.get("minWeight")) or 0.0,
        price_kr=price,
        traceable=flag(delivery.get("isTraceable")) is True,
        most_days=whole(_part(delivery, "estimatedDeliveryTime").get("maxWeekdays")),
        over_weight_kr=max(0, whole(entry.get("weightExceededPenalty")) or 0),
    )


def _part(fields: dict[str, Any], name: str) -> dict[str, Any]:
    value = fields.get(name)
    return value if isinstance(value, dict) else {}


def _weight(value: Any) -> float | None:
    """Kilograms above 0; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and 0 < value <= 10_000 else None
