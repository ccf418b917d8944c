"""What the simulated Tradera says of categories, attributes and freight, and what it refuses by it."""

from __future__ import annotations

from typing import Any

import pytest

from rheod.domain.categories import TRADERA_CATEGORIES, CategoryTree
from rheod.sandbox.tradera_catalogue import Catalogue
from rheod.tradera.responses import read_categories, read_definitions, read_shipping

BRAKES, LEGO, JACKETS = 302410, 1001310, 1001210


def terms(number: int, *values: str) -> dict[str, Any]:
    return {"id": number, "values": list(values)}


def test_the_tree_is_the_same_in_both_spellings() -> None:
    """And has leaves at several depths."""
    trees = [CategoryTree(read_categories(Catalogue(spelling=each).tree())) for each in ("id", "categoryId")]
    assert list(trees[0]) == list(trees[1])
    assert {len(trees[0].path(leaf.id)) for leaf in trees[0].leaves()} == {2, 3, 4}


def test_none_of_the_old_numbers_is_in_the_new_tree() -> None:
    """Numbers of the map of domains are a first guess at most."""
    tree = CategoryTree(read_categories(Catalogue().tree()))
    assert [number for number in TRADERA_CATEGORIES if number in tree] == []
    assert all(
        CategoryTree(read_categories(Catalogue(old_numbers=True).tree())).is_leaf(each)
        for each in TRADERA_CATEGORIES
    )


@pytest.mark.parametrize(
    ("category", "attributes", "problem"),
    [
        (LEGO, {}, None),
        (999, {}, "not a known category"),
        (2611, {}, "not a leaf"),
        (BRAKES, {}, "Skick is required"),
        (BRAKES, {"terms": [terms(2261, "Gott skick")]}, None),
        (BRAKES, {"terms": [terms(2261, "gott skick")]}, "not a possible value"),
        (BRAKES, {"terms": [terms(121, "Gott skick")]}, "does not belong"),
        (BRAKES, {"terms": [terms(2261, "Defekt", "Oanvänt")]}, "at most 1"),
        (BRAKES, {"terms": [terms(2261, "Defekt"), terms(2263, "2018")]}, "does not belong"),
        (BRAKES, {"terms": [terms(2261, "Defekt")], "numbers": [{"id": 2263, "values": [2018]}]}, None),
        (JACKETS, {"terms": [terms(171, "Nytt")]}, "Storlek is required"),
        (JACKETS, {"terms": [terms(171, "Nytt"), terms(172, "M"), terms(174, "Ull", "Siden")]}, None),
    ],
)
def test_an_ad_must_fit_its_leaf(category: int, attributes: dict[str, Any], problem: str | None) -> None:
    """A leaf, its required attributes, its own terms letter by letter."""
    found = Catalogue().problem({"categoryId": category, "attributeValues": attributes})
    assert (found is None) if problem is None else (found is not None and problem in found)


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        ({"shippingProviderId": 6, "cost": 5}, None),
        ({"shippingProviderId": 2, "shippingProductId": 12, "cost": 65, "shippingWeight": 2.0}, None),
        (
            {"shippingProviderId": 2, "shippingProductId": 12, "cost": 65, "shippingWeight": 2.1},
            "at most 2.0",
        ),
        ({"shippingProviderId": 2, "shippingProductId": 12, "cost": 64}, "does not exist"),
        ({"shippingProviderId": 7, "shippingProductId": 12, "cost": 65}, "does not exist"),
    ],
)
def test_a_product_belongs_to_its_provider(option: dict[str, Any], problem: str | None) -> None:
    """At its price, and for no more than it takes."""
    found = Catalogue().shipping_problem(option)
    assert (found is None) if problem is None else (found is not None and problem in found)


def test_what_it_says_can_be_read() -> None:
    """Definitions and the table of freight, in the contract's shape."""
    catalogue = Catalogue()
    skick, makes, year = read_definitions(catalogue.definitions[BRAKES])
    assert (skick.required, makes.max_values, year.kind) == (True, 3, "number")
    products = read_shipping({"productsPerWeightSpan": catalogue.spans})
    assert {each.provider_id for each in products} == {1, 2, 7, 13, 19}
    assert [each.provider for each in products if not each.traceable] == ["PostNordStamp"]
